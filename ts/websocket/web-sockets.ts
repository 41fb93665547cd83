import { ReactorError } from '../errors/errors.js';
import type { ReactorRequest } from '../fetch/request.js';
import { ReactorResponse } from '../fetch/response.js';
import type { WebSocketFace } from '../fetch/web-sockets.js';
import type { Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import { noteRefusal, type SocketPlace } from '../lane/sockets.js';
import type {
  PublishOptions,
  ServerWebSocket,
  UpgradeOptions,
  WebSocketBinaryType,
  WebSocketHandlers,
  WebSocketMessage,
  WebSocketStream,
} from '../types/websocket.js';
import { OPEN, WebSocketConnection } from './connection.js';
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
   * Gives up the sockets that another thread can go on with: those whose handlers are the server's,
   * and whose data can be sent to it. Resolves when the engine has let go of them.
   */
  async handOver(): Promise<MovedSocket[]> {
    const moved: MovedSocket[] = [];
    const leaving: Promise<void>[] = [];
    for (const listener of this.#sockets) {
      const { socket, connection, isShared } = listener;
      if (socket !== null && connection?.state === OPEN && isShared && isPortable(socket.data)) {
        leaving.push(
          new Promise((resolve) => {
            listener.onClosed = () => resolve();
            listener.onMoved = (place) => {
              moved.push(movedSocket(place, connection, socket));
              this.forget(listener);
              resolve();
            };
          }),
        );
        connection.handOver();
      }
    }
    await Promise.all(leaving);
    return moved;
  }

  /** Goes on with a socket of another thread. */
  adopt({ place, peer, topics, data, protocol, binaryType }: MovedSocket): void {
    const resolved = this.#resolved ?? NONE;
    const { settings, publishesToSelf } = resolved;
    const listener = new SocketListener(this, null, this.#sender, undefined);
    const sender = this.#sender;
    const connection = WebSocketConnection.adopt(place, peer, topics, sender, settings, listener);
    connection.ownsMemory = true;
    listener.connection = connection;
    const socket = new ReactorServerWebSocket(connection, data, protocol, publishesToSelf);
    socket.binaryType = binaryType;
    this.#sockets.add(listener);
    if (this.#resolved === undefined) {
      listener.socket = socket;
      connection.close(RESTART, 'the server has no WebSockets any more');
    } else {
      listener.reopen(socket);
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
const RESTART = 1012;

/** A socket on its way to another thread. */
export interface MovedSocket {
  readonly place: SocketPlace;
  readonly peer: {
    readonly remoteAddress: string | undefined;
    readonly remotePort: number | undefined;
  };
  readonly topics: readonly string[];
  readonly data: unknown;
  readonly protocol: string;
  readonly binaryType: WebSocketBinaryType;
}

function movedSocket(
  place: SocketPlace,
  connection: WebSocketConnection,
  { data, protocol, binaryType }: ServerWebSocket,
): MovedSocket {
  const { remoteAddress, remotePort, topics } = connection;
  return { place, peer: { remoteAddress, remotePort }, topics, data, protocol, binaryType };
}

/** Whether it can be sent to another thread. */
function isPortable(data: unknown): boolean {
  try {
    structuredClone(data);
    return true;
  } catch {
    return false;
  }
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
