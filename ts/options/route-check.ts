import { types } from 'node:util';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { isInstanceOfClass } from './application.js';

/**
 * Whether it is a plain object. The entries of a promise, a `Map` or a `Response` would mean
 * nothing.
 */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !isInstanceOfClass(value)
  );
}

export function isBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value);
}

/** The error for a route that cannot be served. */
export function bad(label: string, problem: string, value: unknown): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_ROUTE',
    `${label} ${problem}, got ${inspect(value)}`,
  );
}
