import { AsyncResource } from 'node:async_hooks';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import type { Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import {
  ABORT,
  type UpgradeRefusal,
  WS_COMPRESSES,
  WS_HAND_OVER,
  WS_PAUSE,
  WS_SENDS_BINARY,
  WS_SENDS_PING,
  WS_SENDS_PONG,
  WS_SENDS_TEXT,
  WS_SUBSCRIBE,
  WS_UNSUBSCRIBE,
} from '../lane/record.js';
import type { SocketEnd, SocketPlace } from '../lane/sockets.js';
import { type ResolvedSettings, TERMINATE } from './settings.js';
import { checkTopic, type PublishFlags, type Subscriber, Topics } from './topics.js';

/** States of a connection, as `readyState` has them. */
export const OPEN = 1;
export const CLOSING = 2;
export const CLOSED = 3;

/** The most bytes of a ping, a pong or a reason (RFC 6455 §5.5). */
const MOST_CONTROL = 125;
const MOST_REASON = MOST_CONTROL - 2;

/**
 * While a connection is not congested, the engine tells only of each 64 KiB that it has sent. So this
 * many of the bytes that count as unsent may have been sent.
 */
const UNTOLD = 64 * 1024;

/** From this many bytes on that wait, a program is told to wait for `drain`. */
const MUCH_UNSENT = 1024 * 1024;

/** Told of what happens to a connection. It must not throw, and runs in the context of the upgrade. */
export interface ConnectionListener {
  /**
   * A message; binary ones are Buffers.
   * @returns `true` if its handler has not finished: what it waits for then runs before further
   * messages
   */
  message(data: string | Buffer<ArrayBuffer>, isText: boolean): boolean | undefined;
  ping(data: Buffer<ArrayBuffer>): void;
  pong(data: Buffer<ArrayBuffer>): void;
  /** What had to wait has been sent, mostly. Called only after `send` has returned -1 or 0. */
  drain(): void;
  /** It is over. Code 1005 is none, 1006 a connection that was broken off. */
  close(code: number, reason: string, wasClean: boolean): void;
  /** It goes on with the lane that adopts it. */
  moved?(place: SocketPlace): void;
}

/** The other side of a connection. */
export interface SocketPeer {
  /** The id of the exchange. */
  readonly id: number;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
}

/** A connection on its way to another lane. */
export interface MovedConnection {
  readonly place: SocketPlace;
  readonly peer: Omit<SocketPeer, 'id'>;
  /** Those that the engine goes on with. */
  readonly settings: ResolvedSettings;
  readonly topics: readonly string[];
  readonly isPaused: boolean;
  /** The program waits for `drain`. */
  readonly awaitsDrain: boolean;
  /** The program has closed it meanwhile. */
  readonly close: CloseFrame | null;
}

interface CloseFrame {
  readonly code: number | undefined;
  readonly reason: string;
}

/** One WebSocket: an exchange that has been upgraded. Frames, pings and limits are the engine's. */
export class WebSocketConnection extends AsyncResource implements SocketEnd, Subscriber {
  /** Whether binary messages need memory of their own, not a part of Node's pool. */
  ownsMemory = false;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly settings: ResolvedSettings;
  readonly #sender: Sender;
  readonly #id: number;
  readonly #topics: Topics;
  #listener: ConnectionListener;
  #state = OPEN;
  #isPaused = false;
  #isMoving = false;
  /** A close frame that is left to the next lane. */
  #laterClose: CloseFrame | null = null;
  /** Bytes that have been sent from here and of which the engine has not told. */
  #unsent = 0;
  /** The engine has more to send than the client takes. */
  #isCongested = false;
  /** The program waits for `drain`. */
  #awaitsDrain = false;
  /** Bytes of the turn with this number. */
  #turn = -1;
  #turnBytes = 0;
  #subscribed: Set<string> | null = null;

  /** @param peer the exchange, or what is known of one that another lane had */
  constructor(
    peer: SocketPeer,
    sender: Sender,
    settings: ResolvedSettings,
    listener: ConnectionListener,
  ) {
    super('ReactorWebSocket');
    this.#sender = sender;
    this.#id = peer.id;
    this.#topics = Topics.of(sender);
    this.#listener = listener;
    this.settings = settings;
    this.remoteAddress = peer.remoteAddress;
    this.remotePort = peer.remotePort;
  }

  /**
   * Upgrades an exchange, in whose async context the listener is called.
   *
   * @param fields of the 101: names and values in turn
   * @returns the connection, or the answer for a request that is no handshake
   */
  static upgrade(
    exchange: Exchange,
    sender: Sender,
    settings: ResolvedSettings,
    fields: readonly string[],
    listener: ConnectionListener,
  ): WebSocketConnection | UpgradeRefusal {
    const connection = new WebSocketConnection(exchange, sender, settings, listener);
    return sender.sockets.upgrade(exchange, settings, fields, connection) ?? connection;
  }

  /** Takes over a connection of another lane. */
  static adopt(
    { place, peer, settings, topics, isPaused, awaitsDrain }: MovedConnection,
    sender: Sender,
    listener: ConnectionListener,
  ): WebSocketConnection {
    const id = sender.sockets.adopt(place);
    const connection = new WebSocketConnection({ ...peer, id }, sender, settings, listener);
    sender.sockets.add(id, connection);
    if (topics.length > 0) {
      connection.#subscribed = new Set(topics);
      for (const topic of topics) {
        connection.#topics.add(topic, connection);
      }
    }
    // The engine begins anew with both.
    connection.#pause(isPaused);
    connection.#awaitsDrain = awaitsDrain;
    return connection;
  }

  /** {@link OPEN}, {@link CLOSING} or {@link CLOSED}. */
  get state(): number {
    return this.#state;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether the client takes less than is sent, as far as the engine has told. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** Bytes of messages that have not been given to the kernel. */
  get bufferedAmount(): number {
    if (this.#isCongested) {
      return this.#unsent;
    }
    return this.#turn === this.#sender.replies.turns ? this.#turnBytes : 0;
  }

  get listener(): ConnectionListener {
    return this.#listener;
  }

  /** Another listener from now on. */
  set listener(listener: ConnectionListener) {
    this.#listener = listener;
  }

  /**
   * Sends a message. Returns its bytes, at least 1, if it is under way; -1 if it has to wait for
   * others, and `drain` follows; 0 if it is dropped, because too much waits or the connection is not
   * open.
   */
  send(data: string | Uint8Array, isText: boolean, compress: boolean): number {
    const kind = isText ? WS_SENDS_TEXT : WS_SENDS_BINARY;
    return this.#send(compress ? kind | WS_COMPRESSES : kind, data);
  }

  /** As {@link send}. The data have at most 125 bytes. */
  ping(data: string | Uint8Array = ''): number {
    checkControl('a ping', data);
    return this.#send(WS_SENDS_PING, data);
  }

  /** As {@link send}. The engine answers pings itself. */
  pong(data: string | Uint8Array = ''): number {
    checkControl('a pong', data);
    return this.#send(WS_SENDS_PONG, data);
  }

  /**
   * Begins to close the connection: messages that were sent go first. No-op if it has begun.
   * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION` for a code or reason that cannot be sent
   */
  close(code?: number, reason = ''): void {
    checkClose(code, reason);
    if (this.#state === OPEN) {
      // Behind messages that are not read the client's close frame would not be seen.
      this.resume();
      this.#state = CLOSING;
      if (this.#isMoving) {
        this.#laterClose = { code, reason };
        return;
      }
      this.#sender.replies.socketClose(this.#id, code ?? 0, reason);
      this.#sender.schedule();
    }
  }

  /** Breaks the connection off. What was sent may be lost. */
  terminate(): void {
    if (this.#state !== CLOSED) {
      this.#state = CLOSING;
      this.#sender.replies.plain(ABORT, this.#id, 0);
      this.#sender.schedule();
    }
  }

  /** The engine gives no further messages until {@link handOver}. */
  hold(): void {
    if (this.#state === OPEN && !this.#isPaused) {
      this.#sender.replies.plain(WS_PAUSE, this.#id, 1);
      this.#sender.schedule();
    }
  }

  /** Gives the connection to another lane; {@link ConnectionListener.moved} tells its place. */
  handOver(): void {
    if (this.#state === OPEN) {
      this.#isMoving = true;
      this.#sender.replies.plain(WS_HAND_OVER, this.#id, 0);
      this.#sender.schedule();
    }
  }

  /** What another lane needs to go on with it. */
  movedTo(place: SocketPlace): MovedConnection {
    const { remoteAddress, remotePort, settings, topics } = this;
    return {
      place,
      peer: { remoteAddress, remotePort },
      settings,
      topics,
      isPaused: this.#isPaused,
      awaitsDrain: this.#awaitsDrain,
      close: this.#laterClose,
    };
  }

  /** What waited to be sent at another lane does not count here, so `drain` is due. */
  drainMoved(): void {
    if (this.#awaitsDrain) {
      this.sent(0, this.#isCongested);
    }
  }

  /** No further messages, until {@link resume}. Those of the current batch still come. */
  pause(): void {
    this.#pause(true);
  }

  resume(): void {
    this.#pause(false);
  }

  /** Returns whether it is new. */
  subscribe(topic: string): boolean {
    checkTopic(topic);
    if (this.#state !== OPEN || this.isSubscribed(topic)) {
      return false;
    }
    this.#subscribed ??= new Set();
    this.#subscribed.add(topic);
    this.#sender.replies.subscription(WS_SUBSCRIBE, this.#id, topic);
    this.#sender.schedule();
    this.#topics.add(topic, this);
    return true;
  }

  /** Returns whether it had been subscribed to. */
  unsubscribe(topic: string): boolean {
    checkTopic(topic);
    if (this.#subscribed?.delete(topic) !== true) {
      return false;
    }
    if (this.#state !== CLOSED) {
      this.#sender.replies.subscription(WS_UNSUBSCRIBE, this.#id, topic);
      this.#sender.schedule();
    }
    this.#topics.delete(topic, this);
    return true;
  }

  isSubscribed(topic: string): boolean {
    return this.#subscribed?.has(topic) ?? false;
  }

  /** The topics that it has subscribed to. */
  get topics(): string[] {
    return [...(this.#subscribed ?? [])];
  }

  /**
   * Publishes a message to the subscribers of a topic other than this one. Returns its bytes, at least
   * 1; 0 if there are no others. It may be closed already.
   */
  publish(
    topic: string,
    data: string | Uint8Array,
    isText: boolean,
    compress: boolean,
    flags: PublishFlags & { readonly toSelf?: boolean } = {},
  ): number {
    checkTopic(topic);
    const { toSelf = false, latest = false } = flags;
    // Once it is closed, its exchange's id may be another's.
    const id = toSelf || this.#state === CLOSED ? null : this.#id;
    return this.#topics.publishFrom(id, topic, data, isText, { compress, latest }, this);
  }

  receive(data: string | Buffer<ArrayBuffer>, isText: boolean): boolean {
    return this.runInAsyncScope(this.#listener.message, this.#listener, data, isText) === true;
  }

  pinged(data: Buffer<ArrayBuffer>): void {
    this.runInAsyncScope(this.#listener.ping, this.#listener, data);
  }

  ponged(data: Buffer<ArrayBuffer>): void {
    this.runInAsyncScope(this.#listener.pong, this.#listener, data);
  }

  sent(bytes: number, isCongested: boolean): void {
    this.#unsent = Math.max(this.#unsent - bytes, 0);
    this.#isCongested = isCongested;
    if (this.#awaitsDrain && !isCongested && this.#unsent <= this.#much) {
      this.#awaitsDrain = false;
      this.runInAsyncScope(this.#listener.drain, this.#listener);
    }
  }

  closed(code: number, reason: string, wasClean: boolean): void {
    this.#state = CLOSED;
    this.#isCongested = false;
    this.#unsent = 0;
    this.#leaveTopics();
    this.runInAsyncScope(this.#listener.close, this.#listener, code, reason, wasClean);
    this.#subscribed = null;
  }

  moved(place: SocketPlace): void {
    this.#state = CLOSED;
    this.#leaveTopics();
    this.#listener.moved?.(place);
  }

  #leaveTopics(): void {
    for (const topic of this.#subscribed ?? []) {
      this.#topics.delete(topic, this);
    }
  }

  /** From this many bytes on the program is told to wait. */
  get #much(): number {
    return UNTOLD + Math.min(MUCH_UNSENT, this.settings.maxUnsent);
  }

  #send(flags: number, data: string | Uint8Array): number {
    if (this.#state !== OPEN) {
      return 0;
    }
    const { maxUnsent, whenFull } = this.settings;
    const isText = typeof data === 'string';
    const room = maxUnsent - this.#unsent + (this.#isCongested ? 0 : UNTOLD);
    if (data.length > room || (isText && 3 * data.length > room && byteLength(data) > room)) {
      this.#awaitsDrain = true;
      if (whenFull === TERMINATE) {
        this.terminate();
      }
      return 0;
    }
    const { replies } = this.#sender;
    const length = replies.socketMessage(this.#id, flags, data);
    this.#sender.schedule();
    this.#unsent += length;
    this.#turnBytes = this.#turn === replies.turns ? this.#turnBytes + length : length;
    this.#turn = replies.turns;
    if (this.#isCongested || this.#unsent > this.#much) {
      this.#awaitsDrain = true;
      return -1;
    }
    return length === 0 ? 1 : length;
  }

  #pause(isPaused: boolean): void {
    if (this.#state === OPEN && this.#isPaused !== isPaused) {
      this.#isPaused = isPaused;
      this.#sender.replies.plain(WS_PAUSE, this.#id, isPaused ? 1 : 0);
      this.#sender.schedule();
    }
  }
}

const { byteLength } = Buffer;

function checkControl(what: string, data: string | Uint8Array): void {
  const bytes = typeof data === 'string' ? byteLength(data) : data.length;
  if (bytes > MOST_CONTROL) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `the data of ${what} must have at most ${MOST_CONTROL} bytes, got ${bytes}`,
    );
  }
}

function checkClose(code: unknown, reason: unknown): void {
  if (code !== undefined && !isCloseCode(code)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `the code of a close must be 1000 to 1003, 1007 to 1014 or 3000 to 4999, got ${inspect(code)}`,
    );
  }
  if (typeof reason !== 'string') {
    throw new TypeError(`the reason of a close must be a string, got ${inspect(reason)}`);
  }
  if (reason !== '' && code === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      'the reason of a close needs a code before it, such as 1000',
    );
  }
  if (3 * reason.length > MOST_REASON && byteLength(reason) > MOST_REASON) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `the reason of a close must have at most ${MOST_REASON} bytes of UTF-8, got ${byteLength(reason)}`,
    );
  }
}

/** Codes that an endpoint may send (RFC 6455 §7.4, and IANA's list). */
function isCloseCode(code: unknown): boolean {
  return (
    Number.isInteger(code) &&
    (((code as number) >= 1000 && (code as number) <= 1003) ||
      ((code as number) >= 1007 && (code as number) <= 1014) ||
      ((code as number) >= 3000 && (code as number) <= 4999))
  );
}
