import { ReactorError } from './errors.js';
import { show } from './show.js';
import type { ServeOptions } from './types.js';

/** Something that answers requests, whatever else it may have and do. */
export interface Application {
  fetch(request: Request, info?: unknown): Response | Promise<Response>;
}

/** The options that `serve` was given, in either of its forms. */
export function optionsOf(first: unknown, second: unknown): ServeOptions {
  // What is neither is refused with the options, which name themselves.
  const options = applicationOptions(first) ?? (first as ServeOptions);
  if (second === undefined) {
    return options;
  }
  const fetch = (options as Partial<Application> | null)?.fetch;
  if (typeof fetch !== 'function') {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `the first of two arguments must be a handler or an application with "fetch", got ${show(first)}`,
    );
  }
  return { ...(second as ServeOptions), fetch: fetch.bind(first) };
}

/**
 * The options that a handler, an application or options stand for; `undefined`
 * for what is none of them.
 */
export function applicationOptions(given: unknown): Record<string, unknown> | undefined {
  if (typeof given === 'function') {
    return { fetch: given };
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return undefined;
  }
  if (!isInstanceOfClass(given)) {
    return given as Record<string, unknown>;
  }
  const { fetch } = given as Partial<Application>;
  return typeof fetch === 'function' ? { fetch: fetch.bind(given) } : undefined;
}

/** An application is one; options and routes are plain objects, of whatever realm. */
export function isInstanceOfClass(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}
