import { isUtf8 } from 'node:buffer';
import type { NativeBenchWebSocket } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { asObject, checked, invalid, refuseUnknown } from '../options/check.js';
import { boolean, integer, optional, type Rule } from '../options/rules.js';

/** The number of a broadcast's message, at its beginning. */
const NUMBER = 10;
const MAX_SIZE = 64 * 1024 * 1024;
const DEFAULT_SIZE = 20;

/** The options that are a single value. */
export const WEBSOCKET_RULES = {
  size: optional(integer(1, MAX_SIZE)),
  binary: boolean(false),
  compress: boolean(false),
  subscribers: optional(integer(1, 65_534)),
} as const;

/** Checked options of a WebSocket. */
export interface ResolvedWebSocket {
  readonly native: NativeBenchWebSocket;
  /** Those besides the connection that publishes. */
  readonly subscribers: number | undefined;
}

/**
 * Checks the option `webSocket`.
 * @param body the message, if it is given
 * @param label tells how the user wrote an option
 * @throws {ReactorError} names the first option that is wrong.
 */
export function resolveBenchWebSocket(
  given: unknown,
  body: Uint8Array | undefined,
  label: (name: string) => string,
): ResolvedWebSocket {
  const options = asObject(label('webSocket'), given ?? {});
  refuseUnknown(options, Object.keys(WEBSOCKET_RULES), 'webSocket.');
  const get = <K extends keyof typeof WEBSOCKET_RULES>(name: K) =>
    checked(
      WEBSOCKET_RULES[name] as Rule<unknown>,
      label(`webSocket.${name}`),
      options[name],
    ) as (typeof WEBSOCKET_RULES)[K] extends Rule<infer T> ? T : never;
  const size = get('size');
  if (size !== undefined && body !== undefined) {
    const [one, other] = [label('webSocket.size'), label('body')];
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${one} and ${other} exclude each other: the body is the message`,
    );
  }
  const payload = body ?? Buffer.alloc(size ?? DEFAULT_SIZE, '0123456789abcdef');
  const binary = get('binary');
  if (!binary && !isUtf8(payload)) {
    const why = `UTF-8 without ${label('webSocket.binary')}, as text is`;
    throw invalid(label('body'), why, payload);
  }
  const subscribers = get('subscribers');
  if (subscribers !== undefined && payload.length < NUMBER) {
    const name = label(body === undefined ? 'webSocket.size' : 'body');
    const why = `at least ${NUMBER} bytes with subscribers: each message has its number there`;
    throw invalid(name, why, payload.length);
  }
  return {
    native: {
      payload,
      binary,
      compress: get('compress'),
      subscribers: subscribers !== undefined,
    },
    subscribers,
  };
}
