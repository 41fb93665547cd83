import { JSON_TEXT, TEXT } from '../fetch/implied-type.js';

/**
 * The words that cross between JavaScript and native code; the native side has
 * the same list, with what each means, in `crates/napi/src/lane/words.rs`.
 *
 * Every record begins with a word that holds its kind, and above the low eight
 * bits its length in words; then comes the id of the exchange.
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

/** Events of connections; their records have a form of their own. */
export const OPENED = 16;
export const CLOSED = 17;
export const INACTIVE = 18;
export const REFUSED = 19;

/** What a turn returns in the place of a number of events when not even one fits the arrays. */
export const TOO_SMALL = 2 ** 32 - 1;

/** Words of a request before its fields, which have four words each. */
export const REQUEST_WORDS = 20;

/** Flags of a request. */
export const HTTP_1_0 = 1;
export const BODY_STREAMS = 2;
export const HAS_BODY = 4;
export const PEER_IS_TEXT = 16;
/** The bits of the flags from here on are the number of the I/O thread. */
export const THREAD_SHIFT = 16;

/** Replies, to native code. */
export const RESPONSE = 1;
export const HEAD = 2;
export const CHUNK = 3;
export const END = 4;
export const ABORT = 5;
export const PULL = 6;

/** A connection shall end, at once or behind its answers. */
export const CUT = 16;
export const FINISH = 17;

/** Flags of a response; `TEXT` and `JSON_TEXT` are content types that its fields leave out. */
export { JSON_TEXT, TEXT };
export const CLOSE = 2;
export const DECLARED = 4;
/** The client is asked to close the connection, which is kept. */
export const ASKS_TO_CLOSE = 256;
/** What the body of GET's answer would be long is unknown: an answer to HEAD says nothing of it. */
export const NO_LENGTH = 16;

/** Bytes of a streaming response that may be on their way before the client has taken some. */
export const WINDOW = 256 * 1024;

/** Methods by their number in a request; a greater one is to be read from the head. */
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

/** The native end of a lane. */
export interface Lane {
  /**
   * Takes the replies, then fills the events with what waits. Returns their
   * number; 0 means that nothing waits and that the lane will wake us, and
   * {@link TOO_SMALL} that the next event needs larger arrays.
   */
  turn(
    events: Uint32Array,
    eventBytes: Uint8Array,
    replies: Uint32Array,
    replyWords: number,
    replyBytes: Uint8Array,
  ): number;
  /** One reply that does not fit the shared arrays, before any that is still in them. */
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
}

/** A Buffer with the methods that Node has for one encoding each; `toString` chooses first. */
export type Bytes = Buffer<ArrayBuffer> & {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  latin1Write(text: string, offset: number, length: number): number;
  utf8Write(text: string, offset: number, length: number): number;
};
