/** Bytes of a message. */
export type WebSocketBytes = ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/** What can be sent: text, or bytes. */
export type WebSocketMessage = string | WebSocketBytes;

/** The classes in which binary messages can come; see {@link ServerWebSocket.binaryType}. */
export type WebSocketBinaryType = 'nodebuffer' | 'arraybuffer' | 'uint8array';

/** How a message is published. */
export interface PublishOptions {
  /**
   * Compress it for the clients that have agreed on compression.
   * @default true
   */
  compress?: boolean | undefined;

  /**
   * For states of which only the last counts, such as positions and prices. Where earlier messages
   * of the topic still wait for a slow client, this one takes their place.
   * @default false
   */
  latest?: boolean | undefined;
}

/** One WebSocket of a server, as its handlers get it. Names are Bun's. */
export interface ServerWebSocket<Data = unknown> {
  /** What was given to `upgrade` as `data`. It may be replaced. */
  data: Data;

  /**
   * Sends text as a text message, bytes as a binary one. Returns its bytes, at least 1, if it is on its way. It
   * returns -1 if it waits because the client is slow: `drain` is called later. It returns 0 if it is dropped:
   * too much waits already, or the socket is not open.
   * @param compress whether it is compressed, if the client has agreed on that; by default it is
   * @throws {TypeError} for anything that is neither text nor bytes
   */
  send(data: WebSocketMessage, compress?: boolean): number;

  /** As {@link send}, for text only. */
  sendText(data: string, compress?: boolean): number;

  /** As {@link send}, for bytes only. */
  sendBinary(data: WebSocketBytes, compress?: boolean): number;

  /**
   * Closes the connection with a close frame, after all messages that were sent. `close` is called
   * when the client has answered, or has not done so for `closeTimeout`. No further messages come
   * in the meantime. No-op if it is closing already.
   * @param code 1000 to 1003, 1007 to 1014 or 3000 to 4999
   * @param reason up to 123 bytes of UTF-8
   * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`
   * @default 1000
   */
  close(code?: number, reason?: string): void;

  /** Breaks the connection off at once. `close` is called with 1006. */
  terminate(): void;

  /**
   * Sends a ping with up to 125 bytes. The server pings idle clients by itself. Returns a number as
   * {@link send}.
   */
  ping(data?: WebSocketMessage): number;

  /** Sends a pong with up to 125 bytes. The server answers pings by itself. As {@link ping}. */
  pong(data?: WebSocketMessage): number;

  /**
   * Sends a message to all other subscribers of a topic, on any thread of the server; with
   * `publishToSelf` also to this one. Returns its bytes, at least 1, or 0 if there is no other
   * subscriber. A slow subscriber does not change the result. It works in `close` too.
   * @param options `false` for not compressed; or more, see {@link PublishOptions}
   */
  publish(topic: string, data: WebSocketMessage, options?: boolean | PublishOptions): number;

  /** As {@link publish}, for text only. */
  publishText(topic: string, data: string, options?: boolean | PublishOptions): number;

  /** As {@link publish}, for bytes only. */
  publishBinary(topic: string, data: WebSocketBytes, options?: boolean | PublishOptions): number;

  /** Subscribes to a topic, which has 1 to 256 bytes. Returns whether it is new. */
  subscribe(topic: string): boolean;

  /** Returns whether it had been subscribed to. Messages published before are still sent. */
  unsubscribe(topic: string): boolean;

  isSubscribed(topic: string): boolean;

  /** The topics that it has subscribed to. In `close` they are still there. */
  readonly subscriptions: string[];

  /**
   * Calls the function with the socket and returns what it returns. What is sent in one handler
   * leaves together in any case.
   */
  cork<T>(callback: (socket: ServerWebSocket<Data>) => T): T;

  /** Bytes of messages that wait for the client, or for the end of the handler. */
  getBufferedAmount(): number;

  /** No further messages until {@link resume}. What has reached the thread already still comes. */
  pause(): void;

  resume(): void;

  /** The class of binary messages, here and in `ping` and `pong`. @default 'nodebuffer' */
  binaryType: WebSocketBinaryType;

  /** 1 is open, 2 closing, 3 closed. */
  readonly readyState: 1 | 2 | 3;

  /** The client's address, as {@link HandlerInfo.remoteAddress}; empty on a unix socket. */
  readonly remoteAddress: string;

  /** The subprotocol that was chosen; empty for none. */
  readonly protocol: string;
}

/** Settings of permessage-deflate (RFC 7692). */
export interface PerMessageDeflateOptions {
  /**
   * `'shared'` compresses each message by itself, which needs no memory for each socket.
   * `'dedicated'` remembers what was sent before, with up to 270 KB for each socket. Bun's names of
   * sizes are `'dedicated'` too.
   * @default 'shared'
   */
  compress?: boolean | WebSocketCompressor | undefined;

  /** Accepted for Bun. Compressed messages are read in any case. */
  decompress?: boolean | WebSocketCompressor | undefined;

  /**
   * 1 is fast, 9 small.
   * @default 1
   */
  level?: number | undefined;

  /**
   * Shorter messages are not compressed, in bytes.
   * @default 64
   */
  threshold?: number | undefined;
}

export type WebSocketCompressor =
  | 'disable'
  | 'shared'
  | 'dedicated'
  | '3KB'
  | '4KB'
  | '8KB'
  | '16KB'
  | '32KB'
  | '64KB'
  | '128KB'
  | '256KB';

/** Which origins may open WebSockets; see {@link WebSocketOptions.origin}. */
export type AllowedOrigins =
  | 'same-origin'
  | string
  | RegExp
  | readonly (string | RegExp)[]
  | ((origin: string, request: Request) => boolean);

/** What the handlers of WebSockets may return. A promise that rejects is an error of the handler. */
// biome-ignore lint/suspicious/noConfusingVoidType: nothing is used
type Returned = void | undefined | Promise<unknown>;

/** Called when something happens to a WebSocket, on the thread on which it was opened. */
export interface WebSocketHandlers<Data = unknown> {
  /** It is open. Called within `upgrade`; messages that are sent here are the first. */
  open?(socket: ServerWebSocket<Data>): Returned;

  /**
   * It was open on a thread with the module before `server.reload({ module })`, and goes on here.
   * `open` is not called. Its `data` is a structured clone of what the old thread had, and it has its
   * topics. No message is lost.
   *
   * A module without this handler takes no sockets over: the old threads keep theirs for
   * `timeouts.drain` at most, then they are closed with 1012. So are sockets that have handlers of
   * their own. One whose `data` cannot be cloned is closed with 1012 at once.
   */
  reopen?(socket: ServerWebSocket<Data>): Returned;

  /**
   * A message. The next one does not wait for a promise that is returned.
   * @param message text, or bytes in memory of their own
   */
  message?(socket: ServerWebSocket<Data>, message: string | Buffer<ArrayBuffer>): Returned;

  /**
   * It is closed, called once for each socket that was opened.
   * @param code the client's, or that of this side; 1005 is none, 1006 is a connection that was
   * broken off or timed out, 1001 and 1012 are a server that stops
   */
  close?(socket: ServerWebSocket<Data>, code: number, reason: string): Returned;

  /** Messages can be sent again, after `send` has returned -1 or 0. */
  drain?(socket: ServerWebSocket<Data>): Returned;

  /** A ping. It is answered already. */
  ping?(socket: ServerWebSocket<Data>, data: Buffer<ArrayBuffer>): Returned;

  /** A pong. */
  pong?(socket: ServerWebSocket<Data>, data: Buffer<ArrayBuffer>): Returned;

  /**
   * What another handler has thrown, or its promise rejected with. The socket stays open. Without
   * this, errors go to {@link ServeOptions.error}, whose answer is not sent, or are printed.
   */
  error?(socket: ServerWebSocket<Data>, error: unknown): Returned;
}

/** WebSockets of a server: handlers, and what the engine does by itself. Names are Bun's. */
export interface WebSocketOptions<Data = unknown> extends WebSocketHandlers<Data> {
  /**
   * Only a type: `data: {} as { user: string }` says what `socket.data` is. Its value is not used.
   */
  data?: Data | undefined;

  /**
   * Pages of which origins may open WebSockets. A browser sends its page's origin, and cookies, to any
   * server. So a server that knows its users by cookies must check it. Clients that are no browsers send no origin, and
   * are let through. For others `upgrade` throws a 403, which is the answer.
   *
   * - `'same-origin'`: the host of the page is that of the request
   * - text such as `'https://example.com'`, a pattern, or several of them
   * - a function, which gets the origin and the request
   *
   * By default every origin.
   */
  origin?: AllowedOrigins | undefined;

  /**
   * The subprotocols that the server speaks, the best first. The first that the client has offered is chosen; if there
   * is none, no protocol is. By default it is the first that the client offers. `upgrade` may choose another.
   */
  protocols?: readonly string[] | undefined;

  /**
   * The most bytes of a message, 1 to 2147483648. A longer one closes the socket with 1009.
   * @default 16777216
   */
  maxPayloadLength?: number | undefined;

  /**
   * Seconds without a byte from the client until the socket is closed, 0 to 86400; 0 is without
   * limit.
   * @default 120
   */
  idleTimeout?: number | undefined;

  /**
   * Ping a client before its idle time is over, so that only dead connections are closed.
   * @default true
   */
  sendPings?: boolean | undefined;

  /**
   * Seconds for a message to come whole, 1 to 86400. Then the socket is closed with 1008.
   * @default 60
   */
  messageTimeout?: number | undefined;

  /**
   * Seconds for the client to answer a close frame, 1 to 86400.
   * @default 30
   */
  closeTimeout?: number | undefined;

  /**
   * The most bytes that may wait for a slow client, 1024 to 2147483648; {@link whenFull} says what
   * happens then.
   * @default 16777216
   */
  backpressureLimit?: number | undefined;

  /**
   * What happens when `backpressureLimit` leaves no room for a message. `'drop'` drops the message,
   * `'close'` breaks the connection off.
   * @default 'drop'
   */
  whenFull?: 'drop' | 'close' | undefined;

  /** `true` is the same as `whenFull: 'close'`, as in Bun. */
  closeOnBackpressureLimit?: boolean | undefined;

  /**
   * Compress messages for clients that can read it. `true` is with the defaults.
   * @default false
   */
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;

  /**
   * A socket gets what it publishes itself, if it has subscribed to the topic.
   * @default false
   */
  publishToSelf?: boolean | undefined;
}

/** How a request becomes a WebSocket. */
export interface UpgradeOptions<Data = unknown> {
  /** For {@link ServerWebSocket.data}. */
  data?: Data | undefined;

  /**
   * Fields of the answer, such as `set-cookie`. A `sec-websocket-protocol` chooses a subprotocol that
   * the client has offered; if it is empty, none is chosen. Fields of the handshake itself are left
   * out.
   */
  headers?: ConstructorParameters<typeof Headers>[0];

  /** Handlers for this socket, in place of those of {@link ServeOptions.websocket}. */
  handlers?: WebSocketHandlers<Data> | undefined;
}

/**
 * A WebSocket that is read as an async iterable, one message after the other. While none is wanted,
 * and more than 1 MiB waits, the client has to wait too.
 *
 * @example
 * const socket = info.acceptWebSocket(request);
 * for await (const message of socket) {
 *   await socket.send(message);
 * }
 */
export interface WebSocketStream extends AsyncIterable<string | Buffer<ArrayBuffer>> {
  /**
   * Sends a message. Resolves when the client has taken enough of what was sent, so that the next one can go;
   * to wait for it is the backpressure.
   * @throws {ReactorError} `ERR_REACTOR_WEBSOCKET`, as a rejection, if the socket is not open
   */
  send(data: WebSocketMessage): Promise<void>;

  /** As {@link ServerWebSocket.close}. Iteration ends. */
  close(code?: number, reason?: string): void;

  /** As {@link ServerWebSocket.terminate}. */
  terminate(): void;

  /** Resolves, and never rejects, when the socket is closed. */
  readonly closed: Promise<WebSocketClosed>;

  /** The socket, for topics and whatever else it can do. */
  readonly socket: ServerWebSocket;

  /** Ends the iteration and closes the socket. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How a WebSocket has ended. */
export interface WebSocketClosed {
  /** 1005 is none, 1006 is a connection that was broken off or timed out. */
  readonly code: number;
  readonly reason: string;
  /** Whether both sides have sent a close frame. */
  readonly wasClean: boolean;
}
