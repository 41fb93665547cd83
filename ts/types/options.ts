import type { ListenAddress } from './addresses.js';
import type { Handler, Pathless, ServerRequest } from './handler.js';
import type { Routes } from './routes.js';

/** What {@link serve} takes. Every option may be left out. */
export interface ServeOptions<Path extends string = string> {
  /**
   * Answers every request that {@link ServeOptions.routes} does not.
   *
   * @example
   * await serve({ fetch: (request) => new Response(`You asked for ${request.url}`) });
   */
  fetch?: Handler<Pathless> | undefined;

  /**
   * Answers in place of a handler that has failed. A body that fails before the
   * handler's microtasks are done counts as such a failure. When it fails later, the
   * response has begun: this is called too, but what it answers is not sent. The
   * client gets the head and what the body gave until then, and the connection ends
   * so that the client sees that it is not all.
   * Without it, errors are printed on stderr and answered with 500.
   */
  error?: ((error: unknown, request: ServerRequest) => Response | Promise<Response>) | undefined;

  /**
   * With handlers, put quick versions of `Request`, `Response`, `Headers` and
   * `fetch` in the place of the global ones. They do what the standard says and
   * mix with Node's own. Without, import `Response` from `'reactor-rs'` to have
   * the quick one.
   * @default true
   */
  globals?: boolean | undefined;

  /** The same as {@link fetch}, as Deno calls it. */
  handler?: Handler<Pathless> | undefined;

  /** The same as {@link error}, as Deno calls it. */
  onError?: ((error: unknown, request: ServerRequest) => Response | Promise<Response>) | undefined;

  /** The same as {@link globals}, as @hono/node-server calls it. */
  overrideGlobalObjects?: boolean | undefined;

  /**
   * TCP port, 0 to 65535, also as text. With 0 the kernel chooses a free one; `server.port`
   * tells which. Without this option and `unix`, the environment variable `PORT` counts.
   * @default 8080
   */
  port?: number | string | undefined;

  /**
   * Host name or IP address to listen on. `'::'` is every address of the
   * machine, IPv4 and IPv6; where there is no IPv6 it is every IPv4 address.
   * @default '::'
   */
  hostname?: string | undefined;

  /** The same as {@link hostname}. */
  host?: string | undefined;

  /**
   * Called once the server listens, before {@link serve} resolves. What it throws stops the
   * server, and `serve` rejects with it.
   */
  onListen?: ((address: ListenAddress) => void) | undefined;

  /**
   * Stops the server when SIGINT or SIGTERM comes: requests under way have
   * `gracefulTimeout` seconds, by default those of `timeouts.drain`; a second signal cuts
   * them off. Then the process ends, with 0 or, after a second signal, with 128 plus its
   * number. Where the program listens for the signal too, it must end the process itself.
   * `forceTimeout` is taken and means nothing: what is cut off is cut off at once. The
   * command `reactor-rs serve` does all this without the option.
   * @default false
   */
  gracefulShutdown?:
    | boolean
    | { gracefulTimeout?: number | undefined; forceTimeout?: number | undefined }
    | undefined;

  /**
   * Path of a unix socket to listen on, in place of `port` and `hostname`. A
   * socket file that a dead server left behind is replaced; a live server's is
   * an error. The file is removed on stop. After a zero byte (`'\0name'`) it is a name
   * in Linux's abstract namespace, without a file; on the command line `@name`.
   */
  unix?: string | undefined;

  /**
   * Permissions of the file of the unix socket: a number from 0 to 0o777, or octal
   * text such as `'0660'`, whatever the umask. The file has them before anybody can
   * connect. Connecting needs the right to write. By default what the umask leaves of
   * 0o777.
   */
  unixMode?: number | string | undefined;

  /**
   * With the hostname `'::'`, listen on IPv6 addresses only: another server may have
   * the port on IPv4. Other hostnames are not affected.
   * @default false
   */
  ipv6Only?: boolean | undefined;

  /**
   * Threads that own connections, 1 to 16. `'auto'` is half the cores.
   * @default 'auto'
   */
  ioThreads?: ThreadCount | undefined;

  /**
   * Threads of the engine that run the built-in application, 1 to 32. `'auto'` is one
   * per core. With `fetch` or `routes` they are not started: JavaScript runs on the
   * calling thread, or with {@link ServeOptions.module} on `jsThreads`.
   * @default 'auto'
   */
  workerThreads?: ThreadCount | undefined;

  /**
   * A module whose handlers answer, on JavaScript threads of their own
   * (`node:worker_threads`), in place of `fetch` and functions in `routes`, which
   * cannot go to another thread. A path, relative to the working directory, or a
   * `file:` URL; it exports by default a handler, an application with `fetch` or
   * options of `serve`, of which those that are given here win. Each thread loads
   * it for itself. It must have the same routes in each.
   *
   * @example
   * await serve({ module: new URL('./app.mjs', import.meta.url), jsThreads: 4 });
   */
  module?: string | URL | undefined;

  /**
   * JavaScript threads that run {@link ServeOptions.module}, 1 to 64; `'auto'` is
   * one per core. A request goes to the thread with the fewest unanswered ones; those
   * of one connection that overlap go to one thread. A thread that dies is replaced:
   * its requests without an answer get 503 and responses that have begun are broken
   * off.
   * @default 1
   */
  jsThreads?: ThreadCount | undefined;

  /**
   * Called on the thread that called `serve` with what a JavaScript thread died of,
   * and its number from 1. By default the error is printed on stderr. The thread is
   * replaced in either case: at once if it had lived for ten seconds, else after
   * 100 ms, 200 ms and so on up to 5 s.
   */
  onThreadError?: ((error: unknown, thread: number) => void) | undefined;

  /**
   * Memory of each JavaScript thread, as `new Worker` of `node:worker_threads` takes
   * it. One that passes it dies of `ERR_WORKER_OUT_OF_MEMORY`. By default Node's.
   */
  resourceLimits?: ThreadLimits | undefined;

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
   * Requests that may wait for a worker thread, 1 to 1000000. One more is
   * answered with 503 and `Retry-After: 1`.
   * @default 4096
   */
  queue?: number | undefined;

  /**
   * Connections that may be open at once, 1 to 10000000; one more is answered
   * with 503. By default as many as the limit on open files allows.
   */
  maxConnections?: number | undefined;

  /**
   * Bytes of request bodies held in memory at once, over all connections, 0 to
   * 1099511627776. Each I/O thread has an equal share. A body that is collected and
   * does not fit is answered with 503. Bodies that stream to a handler count while
   * the handler has not read them, at most 256 KiB each. They may fill half of the
   * share; from then on each is read 16 KiB at a time, as fast as its handler reads.
   * By default 268435456, or more where the largest body that `limits.body` allows
   * would not fit in a share.
   */
  bodyMemory?: number | undefined;

  /**
   * Requests that may be at JavaScript handlers at once, over all threads, 1 to
   * 1000000; one more is answered with 503 and `Retry-After: 1` without
   * JavaScript. A request counts from its hand-over until its response is
   * complete. By default there is no limit; then, and below the limit, a
   * JavaScript thread that has 4096 requests waiting is given no more, and the
   * sockets that have some are not read from.
   */
  maxInFlight?: number | undefined;

  /**
   * Milliseconds that a JavaScript handler has for the head of its response, 0 to
   * 86400000; 0 is without limit. Then the client gets 503 (RFC 9110 §15.6.4),
   * also while the JavaScript thread is stuck; the request's signal aborts with a
   * `TimeoutError`, and what the handler still answers is dropped.
   *
   * It begins when the request is given to its handler, the time in the queue
   * included: after a body of up to 64 KiB with its length, and before any other
   * body. One that is still coming in at the end of the time is not read on; the
   * connection is closed after the 503. It ends up to 50 ms late, never early.
   * @default 0
   */
  requestTimeout?: number | undefined;

  /**
   * Which proxies are believed what they say about where a request came from, in
   * `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`, or without any
   * of these in `Forwarded` (RFC 7239). It is what `info.remoteAddress`,
   * `server.requestIP` and `request.url` tell; the headers stay as they are. Only
   * from these proxies is a request for an absolute `https:` URL taken; from others it
   * is answered with 421.
   *
   * The client is the first address, seen from the server, that is not trusted.
   * A trusted proxy must set these fields itself, or take out what clients send.
   *
   * - `false`: none
   * - a number up to 32: so many proxies before the server, whatever their
   *   addresses; the peer at a unix socket is one
   * - one or more of: addresses, ranges such as `10.0.0.0/8`, `'loopback'`,
   *   `'private'` (RFC 1918 and RFC 4193), and `'unix'` for peers on a unix
   *   socket
   * - `true`: all of them, so any client can claim any address, unless a proxy in
   *   front of all prevents it
   * @default false
   */
  trustProxy?: TrustProxy | undefined;

  /**
   * Stops the server when it aborts, as {@link Server.stop} does without `force`.
   * When it has aborted before the server listens, `serve` rejects with its
   * reason.
   */
  signal?: AbortSignal | undefined;

  /** Bounds on one request. */
  limits?: Limits | undefined;

  /** The same as {@link Limits.body}, as Bun and srvx call it. */
  maxRequestBodySize?: number | undefined;

  /**
   * Seconds that a connection may be idle, as Bun has it, 0 to 86400, where 0 is a day:
   * {@link Timeouts.keepAlive}, {@link Timeouts.body} and {@link Timeouts.write} at once, but
   * for those that are given. A handler may take longer.
   */
  idleTimeout?: number | undefined;

  /** The same as {@link backlog}, as Deno calls it. */
  tcpBacklog?: number | undefined;

  /** How long the server waits for a peer. */
  timeouts?: Timeouts | undefined;

  /**
   * Writes one line for each request: to this file, which is appended to, or with
   * `'-'` to standard output. See {@link AccessLogOptions}. By default there is no
   * log.
   */
  accessLog?: string | AccessLogOptions | undefined;

  /**
   * Serves metrics in the text format of Prometheus under `/metrics` of a listener
   * of its own: a port of this machine's loopback address (0 chooses a free one),
   * `'host:port'`, or the path of a unix socket (anything with a slash, or
   * `'unix:'` and a path). `server.metricsUrl` tells where. By default nowhere.
   */
  metrics?: number | string | undefined;

  /**
   * Opens a control socket, through which `reactor-rs monitor` watches the server:
   * at this path, or with `true` in this user's runtime folder
   * (`$REACTOR_RUNTIME_DIR`, `$XDG_RUNTIME_DIR/reactor-rs`, else `/tmp/reactor-rs-` and the user's number),
   * where there is one that no other user can write to. Only this user may connect. A
   * server that cannot have one in that folder is started all the same, and says why;
   * one that cannot have the path that it was given is not.
   * It costs the server nothing while no monitor runs. `server.controlPath` tells where
   * it is.
   * @default false
   */
  control?: boolean | string | undefined;

  /**
   * What to answer, by path. Without routes and `fetch` the built-in application
   * answers, the same that `reactor-rs serve` has: `/`, `/echo`, `/echo/head`,
   * `/healthz` and `/stats`.
   */
  routes?: Routes<Path> | undefined;

  /** The same as {@link routes}, as Bun called it once. */
  static?: Routes<Path> | undefined;
}

/** A number of threads, or `'auto'` to fit it to the cores this process may use. */
export type ThreadCount = number | 'auto';

/** Bounds on the memory of a JavaScript thread, in MiB. */
export interface ThreadLimits {
  /** The heap. */
  maxOldGenerationSizeMb?: number | undefined;
  /** What has been made lately. */
  maxYoungGenerationSizeMb?: number | undefined;
  /** Machine code. */
  codeRangeSizeMb?: number | undefined;
  /** The stack. */
  stackSizeMb?: number | undefined;
}

/** What {@link ServeOptions.trustProxy} takes. */
export type TrustProxy = boolean | number | string | readonly string[];

/**
 * The access log: one line for each request, also for those that are refused and
 * those whose client left. A thread of its own writes it. What it cannot keep up
 * with (4 MiB of waiting records for each I/O thread) is left out, counted in
 * {@link Stats.accessLog} and told by a line in the log.
 *
 * Times are those at which the head of a request was read; lines stand in the order
 * in which requests ended, within each I/O thread. A duration lasts until the kernel
 * has the last byte of the answer. Bytes are those after the answer's head, with the
 * framing of chunks. A client that left before its answer began has status 499.
 * Control characters, quotes, backslashes and bytes from 0x7f on are escaped. Of a
 * request line 2,048 bytes are kept, of `Referer`, `User-Agent` and `X-Forwarded-For` 1,024.
 */
export interface AccessLogOptions {
  /** The file, which is made if it is not there; `'-'` for standard output. */
  file: string;

  /**
   * `'common'` and `'combined'` are the formats of Apache and nginx; `'json'` has
   * one object a line, with a duration in microseconds and the request's id.
   * @default 'combined'
   */
  format?: 'common' | 'combined' | 'json' | undefined;
}

/** Bounds on one request. A request that passes one is refused and the connection closed. */
export interface Limits {
  /**
   * Bytes of the request line, without its line end, 64 to 1048576; more is a 414.
   * @default 8192
   */
  requestLine?: number | undefined;

  /**
   * Bytes of the whole head, request line included, 128 to 1048576; more is a 431.
   * @default 16384
   */
  head?: number | undefined;

  /**
   * Header fields, 1 to 10000; more is a 431.
   * @default 100
   */
  fields?: number | undefined;

  /**
   * Bytes of the body, 0 to 4294967296; more is a 413. JavaScript handlers get a body as
   * it comes, so more of it is allowed there.
   * @default 134217728 where a handler is JavaScript, else 16777216
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
   * For the next bytes of a body, 1 to 86400000; then 408. A body that is read
   * whole before its handler is called, or read and dropped, must also come at 250
   * bytes a second on average: it may fall behind that by no more than this time,
   * and what came faster is no credit. One that a handler takes as it comes may be
   * as slow as it likes in between.
   * @default 30000
   */
  body?: number | undefined;

  /**
   * For the next request on an idle connection, 1 to 86400000; then it is
   * closed. The default outlasts the 60 s after which common load balancers
   * drop an idle connection. From 1000 to 30000, answers say it in `Keep-Alive:
   * timeout=N`, in whole seconds, and the connection is kept for a second longer.
   * @default 75000
   */
  keepAlive?: number | undefined;

  /**
   * For a peer to take more of a response, 1 to 86400000, whatever it sends
   * meanwhile; then the connection is closed. A client that has closed its side of
   * the connection has as long, and no more than 1000, from then or from the last
   * byte that it was sent; no more than 500 where its answer streams. One whose
   * request's body its handler has not taken whole has all of it.
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
