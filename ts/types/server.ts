import type { AddressInfo } from 'node:net';
import type { DenoAddress, PeerAddress, URLAsText } from './addresses.js';
import type { Handler, Pathless } from './handler.js';
import type { Routes } from './routes.js';
import type { Stats } from './stats.js';

/** A running server. It keeps the process alive until it is stopped or {@link Server.unref}'d. */
export interface Server {
  /**
   * Where to reach it, such as `http://localhost:8080/`; for a unix socket
   * `unix:` and its path, or `unix:@` and its abstract name. A `URL`, a new one each time, that also has the methods of text
   * (`startsWith`, `replace`, `slice` …). What needs a string itself gets `server.url.href`.
   */
  readonly url: URL & URLAsText;

  /** The TCP port it listens on; `undefined` for a unix socket. */
  readonly port: number | undefined;

  /** The IP address it listens on; `undefined` for a unix socket. */
  readonly hostname: string | undefined;

  /** The path of its unix socket, or a zero byte and its abstract name; `undefined` for TCP. */
  readonly unix: string | undefined;

  /** The path of the control socket; `undefined` where there is none. */
  readonly controlPath: string | undefined;

  /** Where metrics are served, as {@link url}; `undefined` without the option. */
  readonly metricsUrl: string | undefined;

  /** Where it listens, as Deno tells it. */
  readonly addr: DenoAddress;

  /** Whether it has not begun to stop. */
  readonly listening: boolean;

  /** Resolves when the server has stopped, for whatever reason, as Deno's. */
  readonly finished: Promise<void>;

  /** Requests that are at handlers and workers now, as Bun tells it. */
  readonly pendingRequests: number;

  /** Where it listens, as `node:http` tells it; the path of a unix socket; `null` once it stops. */
  address(): AddressInfo | string | null;

  /** The server, which listens already: for programs that wait for srvx's. */
  ready(): Promise<this>;

  /** The counters as they are now. Still there after the server has stopped. */
  stats(): Stats;

  /**
   * The address that a request came from; `null` for one that came over a unix
   * socket, and for one that this package has not made.
   */
  requestIP(request: Request): PeerAddress | null;

  /**
   * What the server answers to a request, without a connection to its address, as for tests:
   * routes, handlers and error handler as for a client on a unix socket, so without an
   * address. A path stands for a URL of this server's. The body is sent in one piece, a
   * redirect is not followed, and `https:` is `http:` to the handler.
   * @throws {ReactorError} `ERR_REACTOR_STOPPED`, as a rejection.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

  /**
   * Replaces routes and handlers at once. Requests under way finish with the old
   * ones. Where a route is a `Blob`, or a `Response` that is not this package's, its body
   * must be read first: then it returns a promise, and it is done when that resolves.
   * @throws {ReactorError} `ERR_REACTOR_INVALID_ROUTE`, and the old routes stay;
   * `ERR_REACTOR_STOPPED`.
   */
  reload<Path extends string>(options?: ReloadOptions<Path>): void | Promise<void>;

  /**
   * Replaces the threads of a server that has {@link ServeOptions.module} by others
   * that load this module, and their routes; resolves when it is done. Options that it
   * exports say nothing now, but for its handlers. Requests under way finish in the
   * old threads.
   * @throws {ReactorError} as a rejection: what the module was refused for, and the old
   * threads stay; `ERR_REACTOR_STOPPED`.
   */
  reload(options: ReloadModuleOptions): Promise<void>;

  /**
   * Opens the file of the access log anew, after it was renamed or removed. Lines
   * of the last milliseconds may still go into the old one. Does nothing without a
   * log, and for standard output.
   * @throws {ReactorError} `ERR_REACTOR_LOG`, and the old file stays in use;
   * `ERR_REACTOR_STOPPED`.
   */
  reopenLog(): void;

  /**
   * Stops the server: closes its listener, lets requests under way finish for at
   * most `timeouts.drain`, and resolves when everything is closed and its
   * threads have ended. May be called again, with `force` to hurry. `true` is the same as
   * `{ force: true }`, as Bun has it.
   */
  stop(options?: StopOptions | boolean): Promise<void>;

  /**
   * The same as {@link stop}: with `true` as srvx has it, with a callback as `node:http`, whose
   * callback gets an error where the server had been stopped.
   */
  close(given?: boolean | ((error?: Error) => void)): Promise<void>;

  /** The same as {@link stop} without `force`, as Deno calls it. */
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

/** What {@link Server.stop} takes. */
export interface StopOptions {
  /**
   * Cut every connection now, in place of letting requests under way finish.
   * @default false
   */
  force?: boolean | undefined;
}

/** What {@link Server.reload} takes. */
export interface ReloadOptions<Path extends string = string> {
  /** The new handler of what no route answers. Without it the old one stays. */
  fetch?: Handler<Pathless> | undefined;

  /** The new routes; without them and without `fetch` the built-in application. */
  routes?: Routes<Path> | undefined;
}

/** What {@link Server.reload} takes where a module answers. */
export interface ReloadModuleOptions {
  /** As {@link ServeOptions.module}; the same as before for its file as it is now. */
  module: string | URL;
}
