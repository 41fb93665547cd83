import { inspect } from 'node:util';
import { ReactorError } from '../errors/errors.js';
import type {
  PublishOptions,
  ServerWebSocket,
  WebSocketBinaryType,
  WebSocketBytes,
  WebSocketMessage,
} from '../types/websocket.js';
import type { WebSocketConnection } from './connection.js';
import { BINARY_TYPES, binaryOf, messageOf, textOf } from './data.js';

/** The code of a close without one, as in Bun. */
const NORMAL = 1000;

/** A WebSocket as handlers get it, with Bun's names. */
export class ReactorServerWebSocket<Data = unknown> implements ServerWebSocket<Data> {
  data: Data;
  readonly protocol: string;
  readonly #connection: WebSocketConnection;
  readonly #publishesToSelf: boolean;
  #binaryType: WebSocketBinaryType = 'nodebuffer';

  constructor(
    connection: WebSocketConnection,
    data: Data,
    protocol: string,
    publishesToSelf: boolean,
  ) {
    this.#connection = connection;
    this.#publishesToSelf = publishesToSelf;
    this.data = data;
    this.protocol = protocol;
  }

  send(data: WebSocketMessage, compress = true): number {
    const message = messageOf(data);
    return this.#connection.send(message, typeof message === 'string', compress);
  }

  sendText(data: string, compress = true): number {
    return this.#connection.send(textOf(data), true, compress);
  }

  sendBinary(data: WebSocketBytes, compress = true): number {
    return this.#connection.send(binaryOf(data), false, compress);
  }

  close(code = NORMAL, reason = ''): void {
    this.#connection.close(code, reason);
  }

  terminate(): void {
    this.#connection.terminate();
  }

  ping(data: WebSocketMessage = ''): number {
    return this.#connection.ping(messageOf(data));
  }

  pong(data: WebSocketMessage = ''): number {
    return this.#connection.pong(messageOf(data));
  }

  publish(topic: string, data: WebSocketMessage, options?: boolean | PublishOptions): number {
    return this.#publish(topic, messageOf(data), options);
  }

  publishText(topic: string, data: string, options?: boolean | PublishOptions): number {
    return this.#publish(topic, textOf(data), options);
  }

  publishBinary(topic: string, data: WebSocketBytes, options?: boolean | PublishOptions): number {
    return this.#publish(topic, binaryOf(data), options);
  }

  subscribe(topic: string): boolean {
    return this.#connection.subscribe(topic);
  }

  unsubscribe(topic: string): boolean {
    return this.#connection.unsubscribe(topic);
  }

  isSubscribed(topic: string): boolean {
    return this.#connection.isSubscribed(topic);
  }

  get subscriptions(): string[] {
    return this.#connection.topics;
  }

  cork<T>(callback: (socket: ServerWebSocket<Data>) => T): T {
    if (typeof callback !== 'function') {
      throw new TypeError(`cork takes a function, got ${inspect(callback)}`);
    }
    return callback(this);
  }

  getBufferedAmount(): number {
    return this.#connection.bufferedAmount;
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  get binaryType(): WebSocketBinaryType {
    return this.#binaryType;
  }

  set binaryType(type: WebSocketBinaryType) {
    if (!BINARY_TYPES.includes(type)) {
      const names = BINARY_TYPES.map((name) => JSON.stringify(name)).join(', ');
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `binaryType must be one of ${names}, got ${inspect(type)}`,
      );
    }
    this.#binaryType = type;
  }

  get readyState(): 1 | 2 | 3 {
    return this.#connection.state as 1 | 2 | 3;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress ?? '';
  }

  [inspect.custom](): string {
    const states = ['', 'open', 'closing', 'closed'];
    return `ServerWebSocket { ${states[this.readyState]}, data: ${inspect(this.data)} }`;
  }

  #publish(
    topic: string,
    data: string | Uint8Array,
    options: boolean | PublishOptions | undefined,
  ): number {
    const { compress = true, latest = false } = publishOptions(options);
    const isText = typeof data === 'string';
    const toSelf = this.#publishesToSelf;
    return this.#connection.publish(topic, data, isText, compress, { toSelf, latest });
  }
}

const NONE: PublishOptions = {};

/** The last argument of the `publish` methods. */
export function publishOptions(
  options: boolean | PublishOptions | undefined | null,
): PublishOptions {
  return typeof options === 'boolean' ? { compress: options } : (options ?? NONE);
}
