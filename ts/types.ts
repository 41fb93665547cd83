/** A number of threads, or `'auto'` to fit it to the cores this process may use. */
export type ThreadCount = number | 'auto';

/** What {@link serve} takes. Every option may be left out. */
export interface ServeOptions {
  /**
   * TCP port, 0 to 65535. With 0 the kernel chooses a free one; `server.port`
   * tells which.
   * @default 8080
   */
  port?: number | undefined;

  /**
   * Host name or IP address to listen on. `'::'` is every address of the
   * machine, IPv4 and IPv6; where there is no IPv6 it is every IPv4 address.
   * @default '::'
   */
  hostname?: string | undefined;

  /**
   * Path of a unix socket to listen on, in place of `port` and `hostname`. A
   * socket file that a dead server left behind is replaced; a live server's is
   * an error. The file is removed on stop.
   */
  unix?: string | undefined;

  /**
   * Threads that own connections, 1 to 16. `'auto'` is half the cores.
   * @default 'auto'
   */
  ioThreads?: ThreadCount | undefined;

  /**
   * Threads that run request handlers, 1 to 32. `'auto'` is one per core.
   * @default 'auto'
   */
  workerThreads?: ThreadCount | undefined;

  /**
   * Who accepts connections: one acceptor thread that spreads them over the
   * I/O threads, or every I/O thread from a listener of its own (better for
   * many short connections).
   * @default 'acceptor'
   */
  accept?: 'acceptor' | 'per-loop' | undefined;

  /**
   * Connections that the kernel holds until they are accepted, 1 to 65535. The
   * kernel caps it at `net.core.somaxconn`.
   * @default 511
   */
  backlog?: number | undefined;

  /**
   * Requests that may wait for a worker thread, 1 to 1048576. One more is
   * answered with 503 and `Retry-After: 1`.
   * @default 4096
   */
  queue?: number | undefined;

  /**
   * Connections that may be open at once, 1 to 1048576. By default as many as
   * the limit on open files allows.
   */
  maxConnections?: number | undefined;

  /** Bounds on one request. */
  limits?: Limits | undefined;

  /** How long the server waits for a peer. */
  timeouts?: Timeouts | undefined;

  /**
   * What to answer, by path. Without routes the built-in application answers,
   * the same that `reactor-rs serve` has: `/`, `/echo`, `/echo/head`,
   * `/healthz` and `/stats`.
   */
  routes?: Routes | undefined;
}

/** Bounds on one request. A request that passes one is refused and the connection closed. */
export interface Limits {
  /**
   * Bytes of the request line, without its line end, 64 to 1048576; more is a 414.
   * @default 8192
   */
  requestLine?: number | undefined;

  /**
   * Bytes of the whole head, request line included, 128 to 16777216; more is a 431.
   * @default 16384
   */
  head?: number | undefined;

  /**
   * Header fields, 1 to 65535; more is a 431.
   * @default 100
   */
  fields?: number | undefined;

  /**
   * Bytes of the body, 0 to 4294967296; more is a 413.
   * @default 16777216
   */
  body?: number | undefined;

  /**
   * Bytes of chunk extensions in one message, 0 to 1048576; more is a 400.
   * @default 16384
   */
  chunkExtensions?: number | undefined;
}

/** How long the server waits for a peer, in milliseconds. */
export interface Timeouts {
  /**
   * For a whole head, from its first byte, 1 to 86400000; then 408.
   * @default 30000
   */
  head?: number | undefined;

  /**
   * For the next bytes of a body, 1 to 86400000; then 408.
   * @default 30000
   */
  body?: number | undefined;

  /**
   * For the next request on an idle connection, 1 to 86400000; then it is
   * closed. The default outlasts the 60 s after which common load balancers
   * drop an idle connection.
   * @default 75000
   */
  keepAlive?: number | undefined;

  /**
   * For a peer to take more of a response, 1 to 86400000; then the connection
   * is closed.
   * @default 30000
   */
  write?: number | undefined;

  /**
   * For requests under way to finish when the server stops, 0 to 86400000;
   * then they are cut off.
   * @default 10000
   */
  drain?: number | undefined;
}

/**
 * Responses by path pattern: `/`, `/users/:id`, `/assets/*`. A static path wins
 * over a parameter, a parameter over a wildcard.
 */
export type Routes = Readonly<Record<string, Route>>;

/**
 * What a path answers: a response for GET and HEAD, or responses by method. A
 * method that a path does not have is answered with 405 and `Allow`.
 */
export type Route = StaticResponse | string | Uint8Array | MethodRoutes;

/**
 * Responses by method, in upper case as HTTP has them: `{ GET: …, POST: … }`.
 * HEAD is answered from GET.
 */
export type MethodRoutes = Readonly<
  Record<Uppercase<string>, StaticResponse | string | Uint8Array>
>;

/** A response that is rendered once and answered on the I/O thread, without JavaScript. */
export interface StaticResponse {
  /**
   * Status code, 200 to 599.
   * @default 200
   */
  readonly status?: number | undefined;

  /**
   * Header fields; an array makes one field per element. Without a
   * `content-type`, a string body is sent as `text/plain;charset=utf-8` and
   * bytes as `application/octet-stream`. The server itself sets
   * `content-length`, `connection`, `date` and `transfer-encoding`.
   */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;

  /**
   * Body; a string is sent as UTF-8. Not allowed with 204 and 304.
   * @default ''
   */
  readonly body?: string | Uint8Array | undefined;
}

/** What {@link Server.stop} takes. */
export interface StopOptions {
  /**
   * Cut every connection now, in place of letting requests under way finish.
   * @default false
   */
  force?: boolean | undefined;
}

/** What {@link Server.reload} takes. */
export interface ReloadOptions {
  /** The new routes; without them the built-in application. */
  routes?: Routes | undefined;
}

/** A running server. It keeps the process alive until it is stopped or {@link Server.unref}'d. */
export interface Server {
  /**
   * Where to reach it, such as `http://localhost:8080/`; for a unix socket
   * `unix:` and its path.
   */
  readonly url: string;

  /** The TCP port it listens on; `undefined` for a unix socket. */
  readonly port: number | undefined;

  /** The IP address it listens on; `undefined` for a unix socket. */
  readonly hostname: string | undefined;

  /** The path of its unix socket; `undefined` for TCP. */
  readonly unix: string | undefined;

  /** The counters as they are now. Still there after the server has stopped. */
  stats(): Stats;

  /**
   * Replaces the routes at once. Requests under way finish with the old ones.
   * @throws {ReactorError} `ERR_REACTOR_INVALID_ROUTE`, and the old routes stay;
   * `ERR_REACTOR_STOPPED`.
   */
  reload(options?: ReloadOptions): void;

  /**
   * Stops the server: closes its listener, lets requests under way finish for at
   * most `timeouts.drain`, and resolves when everything is closed and its
   * threads have ended. May be called again, with `force` to hurry.
   */
  stop(options?: StopOptions): Promise<void>;

  /** Keeps the process alive while the server runs, as it does from the start. */
  ref(): this;

  /** Lets the process end while the server runs. */
  unref(): this;

  /** `await using server = await serve()`: drains and stops at the end of the block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Counters since the server started. */
export interface Stats {
  /** Requests answered. */
  requests: number;
}
