import { ReactorError } from '../errors/errors.js';
import type {
  ServerWebSocket,
  WebSocketClosed,
  WebSocketMessage,
  WebSocketStream,
} from '../types/websocket.js';
import { OPEN, type WebSocketConnection } from './connection.js';
import { messageOf } from './data.js';

type Message = string | Buffer<ArrayBuffer>;
type Result = IteratorResult<Message, undefined>;

/** The client waits while so many bytes have not been read, and goes on when half of it has. */
const MOST_WAITING = 1024 * 1024;

/** What a message without bytes counts. */
const LEAST = 64;

const RESOLVED = Promise.resolve();

const END: Result = { done: true, value: undefined };

/** A message that is sent, or waits to be. */
interface Sending {
  /** `null` once it has been sent. */
  data: string | Uint8Array | null;
  resolve(): void;
  reject(error: unknown): void;
}

/** A WebSocket that is read as an async iterable. */
export class ReactorWebSocketStream implements WebSocketStream {
  readonly closed: Promise<WebSocketClosed>;
  readonly socket: ServerWebSocket;
  readonly #connection: WebSocketConnection;
  readonly #messages: Message[] = [];
  #waitingBytes = 0;
  /** Those who wait for the next message. */
  readonly #readers: ((result: Result) => void)[] = [];
  /** What has been sent and waits for `drain`. */
  readonly #sending: Sending[] = [];
  #isOver = false;
  #close: (closed: WebSocketClosed) => void = () => {};

  constructor(connection: WebSocketConnection, socket: ServerWebSocket) {
    this.#connection = connection;
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  send(data: WebSocketMessage): Promise<void> {
    try {
      const message = messageOf(data);
      if (this.#sending.length === 0) {
        const sent = this.#send(message);
        return sent > 0 ? RESOLVED : this.#wait(sent < 0 ? null : message);
      }
      this.#check();
      return this.#wait(message);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  close(code = 1000, reason = ''): void {
    this.#connection.close(code, reason);
    this.#end();
  }

  terminate(): void {
    this.#connection.terminate();
    this.#end();
  }

  next(): Promise<Result> {
    const message = this.#messages.shift();
    if (message !== undefined) {
      this.#waitingBytes -= message.length + LEAST;
      if (this.#connection.isPaused && this.#waitingBytes <= MOST_WAITING / 2) {
        this.#connection.resume();
      }
      return Promise.resolve({ done: false, value: message });
    }
    if (this.#isOver) {
      return Promise.resolve(END);
    }
    return new Promise((resolve) => {
      this.#readers.push(resolve);
    });
  }

  /** A loop was left early. */
  return(): Promise<Result> {
    this.#messages.length = 0;
    this.close();
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
    await this.closed;
  }

  /** A message has come. */
  push(message: Message): void {
    if (this.#isOver) {
      return;
    }
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader({ done: false, value: message });
      return;
    }
    this.#messages.push(message);
    this.#waitingBytes += message.length + LEAST;
    if (this.#waitingBytes > MOST_WAITING) {
      this.#connection.pause();
    }
  }

  /** The client has taken what waited. */
  drain(): void {
    for (;;) {
      const [first] = this.#sending;
      if (first === undefined) {
        return;
      }
      if (first.data !== null) {
        const sent = this.#connection.send(first.data, typeof first.data === 'string', true);
        if (sent === 0) {
          return;
        }
        first.data = null;
        if (sent < 0) {
          return;
        }
      }
      this.#sending.shift();
      first.resolve();
    }
  }

  /** It is closed. Messages that have come can still be read. */
  hasClosed(closed: WebSocketClosed): void {
    this.#end();
    for (const { data, resolve, reject } of this.#sending.splice(0)) {
      if (data === null) {
        resolve();
      } else {
        reject(notOpen());
      }
    }
    this.#close(closed);
  }

  #end(): void {
    this.#isOver = true;
    for (const reader of this.#readers.splice(0)) {
      reader(END);
    }
  }

  #check(): void {
    if (this.#connection.state !== OPEN) {
      throw notOpen();
    }
  }

  #send(message: string | Uint8Array): number {
    this.#check();
    const isText = typeof message === 'string';
    const sent = this.#connection.send(message, isText, true);
    const most = this.#connection.settings.maxUnsent;
    if (sent === 0 && Buffer.byteLength(message) > most) {
      throw new ReactorError(
        'ERR_REACTOR_WEBSOCKET',
        `a message of ${Buffer.byteLength(message)} bytes is longer than may wait for the client, ${most}`,
      );
    }
    return sent;
  }

  /** Waits for `drain`, and sends the message then if it has not been. */
  #wait(data: string | Uint8Array | null): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sending.push({ data, resolve, reject });
    });
  }
}

function notOpen(): ReactorError {
  return new ReactorError('ERR_REACTOR_WEBSOCKET', 'the WebSocket is not open');
}
