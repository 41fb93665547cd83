import type { AddressInfo } from 'node:net';
import type { DenoAddress, PeerAddress, URLAsText } from './addresses.js';
import type { Handler, Pathless } from './handler.js';
import type { Routes } from './routes.js';
import type { Stats } from './stats.js';
import type { TlsOptions } from './tls.js';
import type {
  PublishOptions,
  ServerWebSocket,
  UpgradeOptions,
  WebSocketMessage,
  WebSocketOptions,
} from './websocket.js';

/** A running server. It keeps the process alive until it is stopped or {@link Server.unref}'d. */
export interface Server {
  /**
   * Where to reach the server, such as `http://localhost:8080/`, or `https:` with TLS. For a unix socket it is `unix:`
   * and its path, or `unix:@` and its abstract name. It is a new `URL` each time, with the methods
   * of text (`startsWith`, `replace`, `slice` …). Code that needs a string takes `server.url.href`.
   */
  readonly url: URL & URLAsText;

  /** Where to reach each of its listeners, in the order of `listen`; the first is {@link url}. */
  readonly urls: readonly (URL & URLAsText)[];

  /** The TCP port it listens on; `undefined` for a unix socket. */
  readonly port: number | undefined;

  /** The IP address it listens on; `undefined` for a unix socket. */
  readonly hostname: string | undefined;

  /** The path of its unix socket, or a zero byte and its abstract name; `undefined` for TCP. */
  readonly unix: string | undefined;

  /** The path of the control socket; `undefined` if there is none. */
  readonly controlPath: string | undefined;

  /** Where metrics are served, as {@link url}; `undefined` without the option. */
  readonly metricsUrl: string | undefined;

  /** Where it listens, in Deno's form. */
  readonly addr: DenoAddress;

  /** Where each of its listeners is, in Deno's form, in the order of `listen`. */
  readonly addresses: readonly DenoAddress[];

  /** Whether it has not begun to stop. */
  readonly listening: boolean;

  /** Resolves when the server has stopped, for any reason, as Deno's. */
  readonly finished: Promise<void>;

  /** Requests that are at handlers and workers now, as in Bun. */
  readonly pendingRequests: number;

  /**
   * Where it listens, in the form of `node:http`; the path of a unix socket; `null` once it stops.
   */
  address(): AddressInfo | string | null;

  /**
   * Whether the server wants new clients, as health checks at `/readyz` tell load balancers. It is
   * `false` once the server is about to stop. A program sets it to `false` while it cannot serve,
   * such as without its database, and to `true` again. Clients that come all the same are served.
   */
  isReady: boolean;

  /**
   * Returns the server, which listens already; for programs that wait for srvx's. Setting it to
   * `true` or `false` is the same as setting {@link isReady}.
   */
  get ready(): () => Promise<this>;
  set ready(value: boolean);

  /** The current counters. They remain after the server has stopped. */
  stats(): Stats;

  /**
   * The address that a request came from. `null` for a request over a unix socket, and for one that
   * this package has not made.
   */
  requestIP(request: Request): PeerAddress | null;

  /**
   * Makes a request a WebSocket, as {@link HandlerInfo.upgrade}. With {@link ServeOptions.module} only
   * the second argument of handlers can do it.
   */
  upgrade<Data = unknown>(request: Request, options?: UpgradeOptions<Data>): boolean;

  /**
   * Sends a message to all WebSockets of the server that have subscribed to the topic, on any thread.
   * Returns its bytes, at least 1; 0 if there are none. Messages of one thread come in their order.
   * @param options `false` for not compressed; or more, see {@link PublishOptions}
   */
  publish(topic: string, data: WebSocketMessage, options?: boolean | PublishOptions): number;

  /** How many WebSockets of the server have subscribed to the topic. */
  subscriberCount(topic: string): number;

  /**
   * The WebSockets of this thread that have subscribed to the topic. With
   * {@link ServeOptions.module} there are none on the main thread; handlers' second argument has the
   * method too.
   */
  subscribers<Data = unknown>(topic: string): ServerWebSocket<Data>[];

  /**
   * Answers a request without a connection to the server's address, as for tests. Routes, handlers
   * and error handler work as for a client on a unix socket, so without an address. A path stands
   * for a URL of this server's. The body is sent in one piece, a redirect is not followed, and
   * `https:` is `http:` to the handler.
   * @throws {ReactorError} `ERR_REACTOR_STOPPED`, as a rejection.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

  /**
   * Replaces routes and handlers at once. Requests under way finish with the old ones. If a route
   * is a `Blob`, or a `Response` that is not this package's, its body must be read first. Then it
   * returns a promise, which resolves when they have been replaced.
   * @throws {ReactorError} `ERR_REACTOR_INVALID_ROUTE`, and the old routes stay; `ERR_REACTOR_TLS`,
   * and the old certificates stay; `ERR_REACTOR_STOPPED`.
   */
  reload<Path extends string>(options?: ReloadOptions<Path>): void | Promise<void>;

  /**
   * For a server with {@link ServeOptions.module}: replaces its threads by others with this module,
   * and its routes. Resolves when it is done. The module's options have no effect, except handlers.
   * Requests under way finish in the old threads.
   * @throws {ReactorError} as a rejection: the reason why the module was refused, and the old
   * threads stay; `ERR_REACTOR_STOPPED`.
   */
  reload(options: ReloadModuleOptions): Promise<void>;

  /**
   * Reopens the file of the access log after it was renamed or removed. Lines of the last
   * milliseconds may still go into the old one. No-op without a log, and for standard output.
   * @throws {ReactorError} `ERR_REACTOR_LOG`, and the old file stays in use; `ERR_REACTOR_STOPPED`.
   */
  reopenLog(): void;

  /**
   * Stops the server. It closes the listener and lets requests under way finish for at most
   * `timeouts.drain`. It resolves when everything is closed and all threads have ended. May be
   * called again, with `force` to hurry. `true` is the same as `{ force: true }`, as in Bun.
   */
  stop(options?: StopOptions | boolean): Promise<void>;

  /**
   * The same as {@link stop}: with `true` as in srvx, with a callback as in `node:http`. The
   * callback gets an error if the server had been stopped before.
   */
  close(given?: boolean | ((error?: Error) => void)): Promise<void>;

  /** The same as {@link stop} without `force`, under Deno's name. */
  shutdown(): Promise<void>;

  /** Closes connections that wait for a next request; the server goes on. */
  closeIdleConnections(): void;

  /** Keeps the process alive while the server runs, as it does from the start. */
  ref(): this;

  /** Lets the process end while the server runs. */
  unref(): this;

  /** `await using server = await serve()`: drains and stops at the end of the block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The options of {@link Server.stop}. */
export interface StopOptions {
  /**
   * Cut every connection now, in place of letting requests under way finish.
   * @default false
   */
  force?: boolean | undefined;

  /**
   * Milliseconds, 0 to 86400000, in which the server only says that it is about to stop. It goes on
   * accepting, but `/readyz` answers 503, and answers end their connections. A further call of `stop`
   * ends the delay.
   * @default 0
   */
  delay?: number | undefined;
}

/** The options of {@link Server.reload}. */
export interface ReloadOptions<Path extends string = string> {
  /** The new handler for requests that no route answers. Without it the old one stays. */
  fetch?: Handler<Pathless> | undefined;

  /** The new routes. Without them and without `fetch` the built-in application answers. */
  routes?: Routes<Path> | undefined;

  /**
   * The new handlers and settings of WebSockets. Sockets that are open get the new handlers, except
   * those that were given handlers of their own; their settings stay.
   */
  websocket?: WebSocketOptions | undefined;

  /**
   * New certificates and settings of TLS for connections that come from now on; sessions stay
   * resumable. `true` reads the files of all listeners again. `sessionTimeout` stays as it was.
   * Given alone, it leaves routes and handlers as they are.
   */
  tls?: true | TlsOptions | readonly TlsOptions[] | undefined;
}

/** The options of {@link Server.reload} for a server with a module. */
export interface ReloadModuleOptions {
  /** As {@link ServeOptions.module}. The same module as before is loaded again from its file. */
  module: string | URL;
}
