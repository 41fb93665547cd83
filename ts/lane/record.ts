import { JSON_TEXT, TEXT } from '../fetch/implied-type.js';
import type { TlsFacts } from '../fetch/tls-info.js';

/**
 * A lane is the channel that carries events to one handler thread and replies back. These are the
 * words of its records. The native side has the same list, with what each means, in
 * `crates/napi/src/lane/words.rs`.
 *
 * The first word of a record holds its kind in the low eight bits, and its length in words above
 * them. The second is the id of the exchange.
 */

/** Events, from native code. */
export const REQUEST = 1;
export const BODY = 2;
export const BODY_END = 3;
export const GONE = 4;
export const ACK = 5;
export const HALF_CLOSED = 6;
export const TIMED_OUT = 7;
export const UNSENDABLE = 8;
export const REST = 9;
export const FILLED = 10;

/** Events of connections. Their records have a form of their own. */
export const OPENED = 16;
export const CLOSED = 17;
export const INACTIVE = 18;
export const REFUSED = 19;

/** What a turn returns, in place of the number of events, if not even one fits the arrays. */
export const TOO_SMALL = 2 ** 32 - 1;

/** Words of a request before its fields. Each field has four words. */
export const REQUEST_WORDS = 20;

/** Flags of a request. */
export const HTTP_1_0 = 1;
export const BODY_STREAMS = 2;
export const HAS_BODY = 4;
export const BODY_APART = 8;
export const PEER_IS_TEXT = 16;
/** It came over TLS to this server. */
export const SECURE = 32;
/** From this bit on the flags hold the number of the I/O thread. */
export const THREAD_SHIFT = 16;

/** Replies, to native code. */
export const RESPONSE = 1;
export const HEAD = 2;
export const CHUNK = 3;
export const END = 4;
export const ABORT = 5;
export const PULL = 6;
export const COLLECT = 7;
export const PIPE = 8;
export const PIPE_END = 9;

/** Replies that end a connection: at once, or after its answers. */
export const CUT = 16;
export const FINISH = 17;

/**
 * Flags of a response. `TEXT` and `JSON_TEXT` stand for a content type that its fields leave out.
 */
export { JSON_TEXT, TEXT };
export const CLOSE = 2;
export const DECLARED = 4;
/** The client is asked to close the connection; the server keeps it. */
export const ASKS_TO_CLOSE = 256;
/** The length of GET's body is unknown, so an answer to HEAD does not tell it. */
export const NO_LENGTH = 16;

/** A number in two words, the low one first. */
export function numberAt(events: Uint32Array, at: number): number {
  return (events[at] as number) + (events[at + 1] as number) * 2 ** 32;
}

/** Bytes of a streaming response that may be sent before the client has taken any. */
export const WINDOW = 256 * 1024;

/** Methods by their number in a request. For a larger number the method is in the head. */
export const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
] as const;

/**
 * Takes the replies, then fills the events with what waits. Returns the number of events. 0 means
 * that nothing waits and that the lane will wake the bridge. {@link TOO_SMALL} means that the next
 * event needs larger arrays.
 */
export type Turn = (
  events: Uint32Array,
  eventBytes: Uint8Array,
  replies: Uint32Array,
  replyWords: number,
  replyBytes: Uint8Array,
) => number;

/** The native end of a lane. */
export interface Lane {
  /** The function that takes turns. To call a native object's method costs more. */
  turner(): Turn;
  /**
   * Sends a whole response, ahead of the replies that are still in the shared arrays. Its fields and
   * its body are the first bytes of their arrays, which may be used again at once.
   */
  respond(
    id: number,
    status: number,
    flags: number,
    fields: Uint8Array,
    fieldsLength: number,
    body: Uint8Array,
    bodyLength: number,
  ): void;
  /** Sends one reply that does not fit the shared arrays, ahead of those that are still in them. */
  send(
    kind: number,
    id: number,
    status: number,
    flags: number,
    fields: Uint8Array,
    body: Uint8Array,
    lengthLow: number,
    lengthHigh: number,
  ): void;
  /**
   * Copies a body that a {@link REST} has announced, or that is {@link BODY_APART}, into an array of
   * its length. The rest of a body can be taken once. Returns `false` if there is none of that
   * length, because the exchange is over.
   */
  takeBody(id: number, into: Uint8Array): boolean;
  /**
   * Lends an array for a body, as long as its declared length. A {@link COLLECT} must follow. No
   * program may see the array before the body has come whole: the engine writes to it meanwhile.
   */
  lend(id: number, into: Uint8Array): void;
  /** What TLS says of an exchange's connection; `null` if it is in clear, or over. */
  tlsOf(id: number): TlsFacts | null;
}

/**
 * A Buffer with Node's methods for one encoding each, which `toString` would have to choose from.
 */
export type Bytes = Buffer<ArrayBuffer> & {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  latin1Write(text: string, offset: number, length: number): number;
  utf8Write(text: string, offset: number, length: number): number;
};
