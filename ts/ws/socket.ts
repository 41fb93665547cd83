import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { PipeOwner } from '../node/pipe-socket.js';
import { CLOSED, CLOSING, OPEN, type WebSocketConnection } from '../websocket/connection.js';
import type { Data } from './data.js';
import {
  addListener,
  type CloseEvent,
  type ErrorEvent,
  type EventFacts,
  type EventListener,
  type MessageEvent,
  propertyOf,
  removeListener,
  type SocketEvent,
  setProperty,
} from './events.js';
import { newClient } from './installed.js';
import { Outbox, type SendOptions, type Sent } from './outbox.js';

const CONNECTING = 0;
const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];

/** Close codes by which the engine ends a connection whose client broke the protocol. */
const VIOLATIONS: Readonly<Record<number, string>> = {
  1002: 'WS_ERR_PROTOCOL',
  1007: 'WS_ERR_INVALID_UTF8',
  1008: 'WS_ERR_TOO_MANY_BUFFERED_PARTS',
  1009: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
};

/** The code of a connection that ended without a farewell (RFC 6455 §7.1.5). */
const ABNORMAL = 1006;

/** The most bytes of a close frame's reason (RFC 6455 §5.5). */
const MOST_REASON = 123;

/** In what form binary messages come. */
export type BinaryType = 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob';

const BINARY_TYPES: readonly string[] = ['nodebuffer', 'arraybuffer', 'fragments', 'blob'];

/** A message as listeners of 'message' get it. */
export type RawData = Buffer | ArrayBuffer | Buffer[] | Blob;

export interface WebSocketEvents {
  open: [];
  /** A message. Text comes as a Buffer, too. */
  message: [data: RawData, isBinary: boolean];
  ping: [data: Buffer];
  pong: [data: Buffer];
  /** Code 1005 is none, 1006 a connection that was broken off. */
  close: [code: number, reason: Buffer];
  error: [error: Error];
}

/** What a server tells a new WebSocket. */
interface Beginnings {
  readonly socket: Duplex;
  readonly protocol: string;
  readonly extensions: string;
}

/**
 * A client's connection at a {@link WebSocketServer}, as `ws` has it. Its frames, the answers to pings
 * and the close handshake are the engine's.
 *
 * With an address it is the client of the installed `ws`, or Node's own.
 */
export class WebSocket extends EventEmitter<WebSocketEvents> implements PipeOwner, EventFacts {
  static readonly CONNECTING = CONNECTING;
  static readonly OPEN = OPEN;
  static readonly CLOSING = CLOSING;
  static readonly CLOSED = CLOSED;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;
  /** The text of the message that is being told. */
  text: string | null = null;
  /** Whether both sides have said farewell. */
  wasClean = false;
  /** As in `ws`: what the server's 'upgrade' came with. */
  _socket: Duplex | null = null;
  #connection: WebSocketConnection | null = null;
  #protocol = '';
  #extensions = '';
  #binaryType: BinaryType = 'nodebuffer';
  #outbox: Outbox | null = null;
  #isPaused = false;
  /** What was under way when the program paused. The rest is kept back by the engine. */
  #held: (() => void)[] = [];
  /** @param address `null` for a connection of a server */
  constructor(address: string | URL | null, protocols?: unknown, options?: unknown) {
    super();
    if (address !== null) {
      // biome-ignore lint/correctness/noConstructorReturn: a client is an object of another class
      return newClient(address, protocols, options) as WebSocket;
    }
  }

  get readyState(): 0 | 1 | 2 | 3 {
    return (this.#connection?.state ?? CONNECTING) as 0 | 1 | 2 | 3;
  }

  /** The subprotocol; empty without one. */
  get protocol(): string {
    return this.#protocol;
  }

  get extensions(): string {
    return this.#extensions;
  }

  get url(): undefined {
    return undefined;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get bufferedAmount(): number {
    return (this.#connection?.bufferedAmount ?? 0) + (this.#outbox?.lateBytes ?? 0);
  }

  get binaryType(): BinaryType {
    return this.#binaryType;
  }

  set binaryType(type: BinaryType) {
    if (BINARY_TYPES.includes(type)) {
      this.#binaryType = type;
      this.#setMemory();
    }
  }

  /** Sends a message. The callback is called when no longer anything waits before the next one. */
  send(data: Data, sent?: Sent): void;
  send(data: Data, options?: SendOptions, sent?: Sent): void;
  send(data: Data, options?: SendOptions | Sent, callback?: Sent): void {
    if (typeof options === 'function') {
      this.#opened.send(data, {}, options);
    } else {
      this.#opened.send(data, options ?? {}, callback);
    }
  }

  ping(sent?: Sent): void;
  ping(data?: Data, sent?: Sent): void;
  ping(data?: Data, mask?: boolean, sent?: Sent): void;
  ping(data?: Data | Sent, mask?: boolean | Sent, callback?: Sent): void {
    this.#control('ping', data, mask, callback);
  }

  /** Sends a pong. The engine has answered pings itself. */
  pong(sent?: Sent): void;
  pong(data?: Data, sent?: Sent): void;
  pong(data?: Data, mask?: boolean, sent?: Sent): void;
  pong(data?: Data | Sent, mask?: boolean | Sent, callback?: Sent): void {
    this.#control('pong', data, mask, callback);
  }

  /** Begins to close the connection: messages that were sent go first. No-op if it has begun. */
  close(code?: number, data?: string | Uint8Array): void {
    if (code !== undefined && !isCloseCode(code)) {
      throw new TypeError('First argument must be a valid error code number');
    }
    const reason = code === undefined || data === undefined ? '' : String(data);
    if (Buffer.byteLength(reason) > MOST_REASON) {
      throw new RangeError('The message must not be greater than 123 bytes');
    }
    this.#outbox?.close(code, reason);
  }

  /** Breaks the connection off. */
  terminate(): void {
    this.#connection?.terminate();
  }

  /** No further messages come, until `resume`. Pings are answered nevertheless. */
  pause(): void {
    if (this.readyState === OPEN || this.readyState === CLOSING) {
      this.#isPaused = true;
      this.#connection?.pause();
    }
  }

  resume(): void {
    this.#isPaused = false;
    this.#connection?.resume();
    while (this.#held.length > 0 && !this.isPaused) {
      this.#held.shift()?.();
    }
  }

  addEventListener(
    type: 'message',
    listener: EventListener<MessageEvent>,
    options?: { once?: boolean },
  ): void;
  addEventListener(
    type: 'close',
    listener: EventListener<CloseEvent>,
    options?: { once?: boolean },
  ): void;
  addEventListener(
    type: 'error',
    listener: EventListener<ErrorEvent>,
    options?: { once?: boolean },
  ): void;
  addEventListener(
    type: 'open',
    listener: EventListener<SocketEvent>,
    options?: { once?: boolean },
  ): void;
  addEventListener(
    type: string,
    listener: EventListener<never>,
    options: { once?: boolean } = {},
  ): void {
    addListener(this as never, type, listener as EventListener<SocketEvent>, {
      once: options.once === true,
    });
  }

  removeEventListener(type: string, listener: unknown): void {
    removeListener(this as unknown as EventEmitter, type, listener);
  }

  get onopen(): ((event: SocketEvent) => void) | null {
    return propertyOf(this as unknown as EventEmitter, 'open') as never;
  }

  set onopen(listener: ((event: SocketEvent) => void) | null) {
    setProperty(this as never, 'open', listener);
  }

  get onmessage(): ((event: MessageEvent) => void) | null {
    return propertyOf(this as unknown as EventEmitter, 'message') as never;
  }

  set onmessage(listener: ((event: MessageEvent) => void) | null) {
    setProperty(this as never, 'message', listener);
  }

  get onclose(): ((event: CloseEvent) => void) | null {
    return propertyOf(this as unknown as EventEmitter, 'close') as never;
  }

  set onclose(listener: ((event: CloseEvent) => void) | null) {
    setProperty(this as never, 'close', listener);
  }

  get onerror(): ((event: ErrorEvent) => void) | null {
    return propertyOf(this as unknown as EventEmitter, 'error') as never;
  }

  set onerror(listener: ((event: ErrorEvent) => void) | null) {
    setProperty(this as never, 'error', listener);
  }

  /** The server has upgraded the connection. */
  _begin(connection: WebSocketConnection, { socket, protocol, extensions }: Beginnings): void {
    this.#connection = connection;
    this.#outbox = new Outbox(connection);
    this._socket = socket;
    this.#protocol = protocol;
    this.#extensions = extensions;
    this.#setMemory();
    this.#tell(() => this.emit('open'));
  }

  /** Sockets are told of their connection by these. */
  _message(data: string | Buffer<ArrayBuffer>, isText: boolean): undefined {
    if (this.isPaused || this.#held.length > 0) {
      this.#held.push(() => this.#emitMessage(data, isText));
      return;
    }
    this.#emitMessage(data, isText);
  }

  #emitMessage(data: string | Buffer<ArrayBuffer>, isText: boolean): void {
    if (this.listenerCount('message') === 0) {
      return;
    }
    this.text = typeof data === 'string' ? data : null;
    const message = isText ? Buffer.from(data as string) : this.#shape(data as Buffer<ArrayBuffer>);
    try {
      this.emit('message', message, !isText);
    } catch (error) {
      throwLater(error);
    }
    this.text = null;
  }

  _control(kind: 'ping' | 'pong', data: Buffer): void {
    this.#tell(() => this.emit(kind, data));
  }

  _drain(): void {
    this.#outbox?.drained();
  }

  _close(code: number, reason: string, wasClean: boolean): void {
    if (wasClean && this.#held.length > 0) {
      this.#held.push(() => this.#emitClose(code, reason, wasClean));
      return;
    }
    this.#held = [];
    this.#emitClose(code, reason, wasClean);
  }

  #emitClose(code: number, reason: string, wasClean: boolean): void {
    this.wasClean = wasClean;
    this.#outbox?.closed();
    const violation = wasClean ? undefined : VIOLATIONS[code];
    if (violation !== undefined && this.listenerCount('error') > 0) {
      // Without a listener a client could end the process.
      const error = new RangeError(`Invalid WebSocket frame: ${reason}`);
      this.#tell(() => this.emit('error', Object.assign(error, { code: violation })));
    }
    const told = violation === undefined ? reason : '';
    this.#tell(() =>
      this.emit('close', violation === undefined ? code : ABNORMAL, Buffer.from(told)),
    );
  }

  /** An error of a listener is uncaught, as in `ws`. The other events come nevertheless. */
  #tell(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      throwLater(error);
    }
  }

  #shape(data: Buffer<ArrayBuffer>): RawData {
    switch (this.#binaryType) {
      case 'arraybuffer':
        return data.byteLength === data.buffer.byteLength
          ? data.buffer
          : data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
      case 'fragments':
        return [data];
      case 'blob':
        return new Blob([data]);
      default:
        return data;
    }
  }

  #setMemory(): void {
    if (this.#connection !== null) {
      this.#connection.ownsMemory = this.#binaryType === 'arraybuffer';
    }
  }

  #control(
    kind: 'ping' | 'pong',
    given: Data | Sent | undefined,
    mask: boolean | Sent | undefined,
    callback: Sent | undefined,
  ): void {
    const [data, sent] =
      typeof given === 'function'
        ? [undefined, given]
        : [given, typeof mask === 'function' ? mask : callback];
    this.#opened.control(kind, data, sent);
  }

  get #opened(): Outbox {
    if (this.#outbox === null) {
      throw new Error('WebSocket is not open: readyState 0 (CONNECTING)');
    }
    return this.#outbox;
  }
}

for (const [state, name] of STATES.entries()) {
  Object.defineProperty(WebSocket.prototype, name, { value: state, enumerable: true });
}

function throwLater(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
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
