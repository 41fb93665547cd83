import { JSON_TEXT, TEXT } from '../fetch/implied-type.js';
import type { TlsFacts } from '../fetch/tls-info.js';
import type { ProxyFacts } from '../proxy/header.js';

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

/**
 * Events of a WebSocket. Its exchange is over with {@link WS_CLOSED}: `[2]` the close code, `[3]` and
 * `[4]` offset and length of the reason, `[5]` 1 if the close handshake was complete.
 *
 * A message has its flags in `[2]` and its place in `[3]` and `[4]`; a ping and a pong have theirs in
 * `[2]` and `[3]`. {@link WS_UNSENT} has in `[2]` the bytes that have been sent since the last one, and
 * in `[3]` 1 if more waits to be sent.
 */
export const WS_MESSAGE = 11;
export const WS_PING = 12;
export const WS_PONG = 13;
export const WS_CLOSED = 14;
export const WS_UNSENT = 15;

/** Flags of a received message. */
export const WS_TEXT = 1;
/** It is ASCII text, and lies among the heads of the batch. */
export const WS_IN_HEADS = 2;
/** It is to be taken by {@link Lane.takeBody}; its place is its length, the low word first. */
export const WS_APART = 4;

/** Events of connections. Their records have a form of their own. */
export const OPENED = 16;
export const CLOSED = 17;
export const INACTIVE = 18;
export const REFUSED = 19;

/** The trailers of a request, as lines. {@link BODY_END} follows. */
export const TRAILERS = 20;

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
/** Its client speaks TLS, to this server or to the balancer in front. */
export const SECURE = 32;
export const HTTP_2 = 64;
/** The last two words of the record are the place of its trailers, as lines. */
export const HAS_TRAILERS = 256;
/** The peer is the one that a balancer has named (PROXY protocol). */
export const PROXIED = 512;
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

/**
 * Replies of a WebSocket. {@link ABORT} ends one at once.
 *
 * A message that is sent has flags in `[2]` and its place in `[3]` and `[4]`. {@link WS_CLOSE} has a
 * code (0 for none) and the place of the reason. Subscriptions have the place of the topic in `[2]`
 * and `[3]`. What is published has flags in `[2]`, then the places of the topic and of the message;
 * the socket of its exchange does not get it. {@link WS_PAUSE} has in `[2]` 1 if the engine shall
 * give no more messages, 0 if it shall go on.
 */
export const WS_SEND = 10;
export const WS_CLOSE = 11;
export const WS_SUBSCRIBE = 12;
export const WS_UNSUBSCRIBE = 13;
export const WS_PUBLISH = 14;
export const WS_PAUSE = 15;
/**
 * The WebSocket is to go on with another lane. Its {@link WS_CLOSED} then has code 0, and in `[3]` to
 * `[7]` what {@link Lane.adopt} takes.
 */
export const WS_HAND_OVER = 18;

/** What is sent: an opcode of RFC 6455 §5.2, and more flags. */
export const WS_SENDS_TEXT = 1;
export const WS_SENDS_BINARY = 2;
export const WS_SENDS_PING = 9;
export const WS_SENDS_PONG = 10;
/** The engine may compress it. */
export const WS_COMPRESSES = 0x100;
/** It takes the place of what the topic has waiting for a subscriber that is slow. */
export const WS_LATEST = 0x200;

/** In place of an exchange's id: all subscribers get what is published. */
export const WS_ALL = 2 ** 32 - 1;

/**
 * A response whose body is a file. Its words are those of {@link RESPONSE}. In place of the body are the
 * file's first byte and the one after its last, in two words each and the low one first, with
 * {@link TO_THE_END} for no last; the length of the path in a word; the absolute path; the request's
 * fields that the engine is to heed, as `writeFields` writes them.
 */
export const FILE_RESPONSE = 24;

/** Both words of the end of a file that is sent to its end. */
export const TO_THE_END = 2 ** 32 - 1;

/** Replies that end a connection: at once, or after its answers. */
export const CUT = 16;
export const FINISH = 17;

/** The trailers of a streaming response, before its {@link END}. */
export const SEND_TRAILERS = 19;
/** An informational answer. */
export const INFORM = 20;

/**
 * Flags of a response. `TEXT` and `JSON_TEXT` stand for a content type that its fields leave out.
 */
export { JSON_TEXT, TEXT };
export const CLOSE = 2;
export const DECLARED = 4;
/** The client is asked to close the connection; the server keeps it. */
export const ASKS_TO_CLOSE = 256;
/** Trailers come behind its body. */
export const TRAILERS_FOLLOW = 512;
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

/** What the engine does with a WebSocket by itself. */
export interface WebSocketSettings {
  /** The most bytes of a message that is received. */
  readonly maxPayload: number;
  /** Milliseconds without a byte from the client until the connection is closed; 0 for none. */
  readonly idleTimeout: number;
  /** Whether the engine pings a client once before its idle time is over. */
  readonly sendPings: boolean;
  /** Milliseconds for a message to come whole. */
  readonly messageTimeout: number;
  /** Milliseconds for the client to answer a close frame. */
  readonly closeTimeout: number;
  /** The most bytes that may wait to be sent. */
  readonly maxUnsent: number;
  /** What is done when more would wait: {@link DROP} or {@link TERMINATE}. */
  readonly whenFull: number;
  /** {@link UNCOMPRESSED}, {@link SHARED} or {@link DEDICATED}. */
  readonly compression: number;
  /** Of compression, 1 to 9. */
  readonly level: number;
  /** Messages of fewer bytes are sent uncompressed. */
  readonly threshold: number;
  /** Whether pings and pongs are events. The engine answers pings in any case. */
  readonly tellPings: boolean;
}

/** A message is not sent. */
export const DROP = 0;
/** The connection is broken off. */
export const TERMINATE = 1;

export const UNCOMPRESSED = 0;
/** Each message is compressed by itself, so that one compressor serves all connections. */
export const SHARED = 1;
/** A connection has a compressor of its own, which knows what was sent before. */
export const DEDICATED = 2;

/** Why a request is no handshake of a WebSocket, as the answer that tells it. */
export interface UpgradeRefusal {
  readonly status: number;
  /** Names and values in turn. */
  readonly fields: string[];
  readonly text: string;
}

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
  /** What a balancer has said of an exchange's connection; `null` if none has, or it is over. */
  proxiedOf(id: number): ProxyFacts | null;
  /** Makes settings known; returns the number by which {@link upgrade} names them. */
  webSocketSettings(options: WebSocketSettings): number;
  /**
   * Makes an exchange a WebSocket: a 101 with these fields is sent, ahead of the replies in the shared
   * arrays. The engine sends `connection`, `upgrade` and the fields of the handshake that are its own.
   * If the request is no handshake, the exchange stays as it is.
   */
  upgrade(
    id: number,
    settings: number,
    fields: Uint8Array,
    fieldsLength: number,
  ): UpgradeRefusal | null;
  /**
   * Takes the replies, then a message that does not fit the shared arrays.
   *
   * @param kind {@link WS_SEND} or {@link WS_PUBLISH}
   * @param topic empty if the message is not published
   */
  sendLarge(
    replies: Uint32Array,
    replyWords: number,
    replyBytes: Uint8Array,
    kind: number,
    id: number,
    flags: number,
    topic: Uint8Array,
    data: Uint8Array,
    dataLength: number,
  ): void;
  /** How many WebSockets of the server have subscribed to the topic. */
  subscriberCount(topic: string): number;
  /** Takes over a WebSocket of another lane; returns the id of its exchange. */
  adopt(
    ioThread: number,
    slot: number,
    number: number,
    exchange: number,
    compressedFrom: number,
  ): number;
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
