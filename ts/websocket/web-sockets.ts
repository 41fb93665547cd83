import { setImmediate as macrotask, setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { ReactorError } from '../errors/errors.js';
import type { ReactorRequest } from '../fetch/request.js';
import { ReactorResponse } from '../fetch/response.js';
import type { WebSocketFace } from '../fetch/web-sockets.js';
import type { Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import { noteRefusal } from '../lane/sockets.js';
import type {
  PublishOptions,
  ServerWebSocket,
  UpgradeOptions,
  WebSocketBinaryType,
  WebSocketHandlers,
  WebSocketMessage,
  WebSocketStream,
} from '../types/websocket.js';
import { type MovedConnection, OPEN, WebSocketConnection } from './connection.js';
import { messageOf } from './data.js';
import { answerHandshake } from './handshake.js';
import type { OriginCheck } from './origin.js';
import { publishOptions, ReactorServerWebSocket } from './server-socket.js';
import { type ResolvedSettings, settingsWith } from './settings.js';
import { SocketListener } from './socket-listener.js';
import { ReactorWebSocketStream } from './stream.js';
import { checkTopic, Topics } from './topics.js';

/** The checked `websocket` option. */
export interface ResolvedWebSocket {
  readonly handlers: WebSocketHandlers;
  readonly settings: ResolvedSettings;
  /** `null` if every origin is allowed. */
  readonly isAllowed: OriginCheck | null;
  /** The subprotocols that the server speaks; `null` if it takes what the client offers first. */
  readonly protocols: readonly string[] | null;
  readonly publishesToSelf: boolean;
}

/** Without the option: for handlers that are given to `upgrade`. */
const NONE: ResolvedWebSocket = {
  handlers: {},
  settings: settingsWith(),
  isAllowed: null,
  protocols: null,
  publishesToSelf: false,
};

/** The WebSockets of one thread, as its handlers use them. */
export class WebSockets implements WebSocketFace {
  readonly #sender: Sender;
  #resolved: ResolvedWebSocket | undefined;
  readonly #sockets = new Set<SocketListener>();
  /** Gives a socket to another thread; `null` while this thread keeps them. */
  #give: ((socket: MovedSocket) => void) | null = null;
  /** Sockets that are being given up. */
  readonly #leaving = new Set<Promise<void>>();
  /** Settings of sockets that were adopted, each once. */
  readonly #settings: ResolvedSettings[] = [];
  #hasWarned = false;

  constructor(sender: Sender, resolved: ResolvedWebSocket | undefined) {
    this.#sender = sender;
    this.#resolved = resolved;
  }

  /** Those of the option; sockets that are open get new ones after a reload. */
  get handlers(): WebSocketHandlers {
    return (this.#resolved ?? NONE).handlers;
  }

  replace(resolved: ResolvedWebSocket): void {
    this.#resolved = resolved;
  }

  forget(listener: SocketListener): void {
    this.#sockets.delete(listener);
  }

  /**
   * Gives up the sockets whose handlers are the server's, now and from now on. One whose data cannot
   * be cloned is closed. Resolves when the engine has let go of those that are open now.
   *
   * @param give sends a socket to another thread; throws if its data cannot be cloned
   */
  async handOver(give: (socket: MovedSocket) => void): Promise<void> {
    this.#give = give;
    for (const listener of this.#sockets) {
      this.#leave(listener);
    }
    await this.left();
  }

  /** Whether sockets are being given up. */
  get isLeaving(): boolean {
    return this.#leaving.size > 0;
  }

  /** Resolves when the engine has let go of those that are being given up. */
  async left(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  /** Goes on with a socket of another thread. */
  adopt(moved: MovedSocket): void {
    const { listener, connection, socket } = this.#restore(moved);
    const close = this.#resolved === undefined ? AGAIN : moved.close;
    if (close !== null) {
      listener.socket = socket;
      connection.close(close.code, close.reason);
      return;
    }
    listener.reopen(socket);
    connection.drainMoved();
    this.#leave(listener);
  }

  #restore(moved: MovedSocket) {
    const own = (this.#resolved ?? NONE).settings;
    const known = [own, ...this.#settings].find((each) => isDeepStrictEqual(each, moved.settings));
    const settings = known ?? moved.settings;
    if (known === undefined) {
      this.#settings.push(settings);
    }
    const listener = new SocketListener(this, null, this.#sender, undefined);
    const connection = WebSocketConnection.adopt({ ...moved, settings }, this.#sender, listener);
    connection.ownsMemory = true;
    listener.connection = connection;
    const { data, protocol, binaryType } = moved;
    const { publishesToSelf } = this.#resolved ?? NONE;
    const socket = new ReactorServerWebSocket(connection, data, protocol, publishesToSelf);
    socket.binaryType = binaryType;
    this.#sockets.add(listener);
    return { listener, connection, socket };
  }

  /** Gives up a socket, if this thread does. */
  #leave(listener: SocketListener): void {
    if (this.#give === null || !listener.isShared) {
      return;
    }
    const leaving = this.#handOver(listener, this.#give);
    this.#leaving.add(leaving);
    void leaving.finally(() => this.#leaving.delete(leaving));
  }

  async #handOver(listener: SocketListener, give: (socket: MovedSocket) => void): Promise<void> {
    const { socket, connection } = listener;
    if (socket === null || connection === null) {
      return;
    }
    if (listener.isAsync) {
      await rest(listener, connection);
    }
    if (connection.state !== OPEN) {
      return;
    }
    try {
      structuredClone(socket.data);
    } catch (error) {
      this.#refuse(connection, error);
      return;
    }
    await new Promise<void>((resolve) => {
      listener.onClosed = () => resolve();
      listener.onMoved = (place) => {
        this.forget(listener);
        const { data, protocol, binaryType } = socket;
        const moved = { ...connection.movedTo(place), data, protocol, binaryType };
        try {
          give(moved);
        } catch (error) {
          // The data have changed since.
          const back = this.#restore(moved);
          back.listener.socket = back.socket;
          this.#refuse(back.connection, error);
        }
        resolve();
      };
      connection.handOver();
    });
  }

  /** The socket's data cannot be sent to another thread. */
  #refuse(connection: WebSocketConnection, error: unknown): void {
    connection.close(AGAIN.code, AGAIN.reason);
    if (!this.#hasWarned) {
      this.#hasWarned = true;
      const why = error instanceof Error ? error.message : String(error);
      process.emitWarning(
        `reactor-rs: WebSockets cannot go on with new code, and are closed with 1012, because "data" cannot be cloned: ${why}`,
        { type: 'ReactorWarning', code: 'ERR_REACTOR_WEBSOCKET' },
      );
    }
  }

  upgrade(source: object, options: UpgradeOptions | undefined): boolean {
    const { handlers } = options ?? {};
    if (this.#resolved === undefined && handlers === undefined) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        '"upgrade" needs handlers: give them to "serve" as "websocket", such as { websocket: { message(socket, message) {} } }',
      );
    }
    const exchange = source as Exchange;
    const listener = new SocketListener(this, exchange, this.#sender, handlers);
    const opened = this.#open(exchange, options, listener);
    if (!(opened instanceof ReactorServerWebSocket)) {
      if (opened !== null) {
        noteRefusal(exchange, opened);
      }
      return false;
    }
    listener.open(opened);
    this.#leave(listener);
    return true;
  }

  accept(source: object, options: UpgradeOptions | undefined): WebSocketStream {
    const exchange = source as Exchange;
    let stream: ReactorWebSocketStream | undefined;
    const listener = new SocketListener(this, exchange, this.#sender, {
      message: (_, message) => stream?.push(message),
      drain: () => stream?.drain(),
    });
    listener.onClosed = (closed) => stream?.hasClosed(closed);
    const opened = this.#open(exchange, options, listener);
    if (!(opened instanceof ReactorServerWebSocket)) {
      const { status, fields, text } = opened ?? GONE;
      throw refusal(status, text, fields);
    }
    listener.open(opened);
    stream = new ReactorWebSocketStream(listener.connection as WebSocketConnection, opened);
    return stream;
  }

  publish(
    topic: string,
    data: WebSocketMessage,
    options: boolean | PublishOptions | undefined,
  ): number {
    checkTopic(topic);
    const message = messageOf(data);
    const { compress = true, latest = false } = publishOptions(options);
    const isText = typeof message === 'string';
    return Topics.of(this.#sender).publishFrom(null, topic, message, isText, { compress, latest });
  }

  subscriberCount(topic: string): number {
    checkTopic(topic);
    return Topics.of(this.#sender).subscriberCount(topic);
  }

  subscribers(topic: string): ServerWebSocket[] {
    checkTopic(topic);
    const sockets: ServerWebSocket[] = [];
    for (const { listener } of Topics.of(this.#sender).subscribers(topic)) {
      if (listener instanceof SocketListener && listener.socket !== null) {
        sockets.push(listener.socket);
      }
    }
    return sockets;
  }

  /** The socket; or the refusal, which is `null` if the exchange is over. */
  #open(exchange: Exchange, options: UpgradeOptions | undefined, listener: SocketListener) {
    if (!exchange.isOpen) {
      return null;
    }
    const resolved = this.#resolved ?? NONE;
    const request = exchange.request as ReactorRequest;
    checkOrigin(exchange, request, resolved.isAllowed);
    const { data, headers } = options ?? {};
    const offer = exchange.field('sec-websocket-protocol');
    const { fields, protocol } = answerHandshake(headers, offer, resolved.protocols);
    const connection = WebSocketConnection.upgrade(
      exchange,
      this.#sender,
      resolved.settings,
      fields,
      listener,
    );
    if (!(connection instanceof WebSocketConnection)) {
      return connection;
    }
    connection.ownsMemory = true;
    listener.connection = connection;
    this.#sockets.add(listener);
    return new ReactorServerWebSocket(connection, data, protocol, resolved.publishesToSelf);
  }
}

/** A client may come back at once (RFC 6455 §11.7, IANA). */
const AGAIN = { code: 1012, reason: 'the server starts again' };

/** A socket on its way to another thread. */
export interface MovedSocket extends MovedConnection {
  readonly data: unknown;
  readonly protocol: string;
  readonly binaryType: WebSocketBinaryType;
}

/** How long promises of a socket's handlers are awaited before it goes to another thread. */
const REST_MS = 1000;

/** Resolves when the handlers of a socket have finished, and it gets no further messages here. */
async function rest(listener: SocketListener, connection: WebSocketConnection): Promise<void> {
  connection.hold();
  const since = performance.now();
  do {
    const late = new AbortController();
    const { signal } = late;
    const timer = sleep(REST_MS, undefined, { ref: false, signal }).catch(() => {});
    await Promise.race([listener.idle(), timer]);
    late.abort();
    // Messages that the engine gave before may still come.
    await macrotask();
  } while (!listener.isIdle && performance.now() - since < REST_MS);
}

/** For a request whose client has gone, or that was answered. */
const GONE = { status: 400, fields: [] as string[], text: 'The request is over' };

function checkOrigin(
  exchange: Exchange,
  request: ReactorRequest,
  isAllowed: OriginCheck | null,
): void {
  if (isAllowed === null || !exchange.hasField('sec-websocket-key')) {
    return;
  }
  const origin = exchange.field('origin');
  if (origin !== null && !isAllowed(origin, request)) {
    throw refusal(403, `Pages of ${origin} may not open WebSockets here`, []);
  }
}

function refusal(status: number, text: string, fields: readonly string[]): ReactorResponse {
  const response = new ReactorResponse(`${text}\n`, { status });
  for (let i = 0; i < fields.length; i += 2) {
    response.headers.append(fields[i] as string, fields[i + 1] as string);
  }
  return response;
}
