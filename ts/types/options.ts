import type { ListenAddress } from './addresses.js';
import type { CompressOptions } from './compress.js';
import type { Handler, Pathless, ServerRequest } from './handler.js';
import type { HealthOptions } from './health.js';
import type { ListenEntry, ProxyProtocol } from './listen.js';
import type { MetricsOptions } from './metrics.js';
import type { PubSub } from './pubsub.js';
import type { Routes } from './routes.js';
import type { TlsOptions } from './tls.js';
import type { WebSocketOptions } from './websocket.js';

/** The options of {@link serve}. Every one may be left out. */
export interface ServeOptions<Path extends string = string, Data = unknown> {
  /**
   * Answers every request that {@link ServeOptions.routes} does not.
   *
   * @example
   * await serve({ fetch: (request) => new Response(`You asked for ${request.url}`) });
   */
  fetch?: Handler<Pathless> | undefined;

  /**
   * Answers in place of a handler that has failed. A body that fails before the handler's
   * microtasks are done counts as such a failure. When it fails later, the response has begun. Then
   * this is called too, but its answer is not sent. The client gets the head and the body so far,
   * and the connection ends so that the client sees that it is not all. Without this option, errors
   * are printed on stderr and answered with 500.
   */
  error?: ((error: unknown, request: ServerRequest) => Response | Promise<Response>) | undefined;

  /**
   * With handlers, put quick versions of `Request`, `Response`, `Headers` and `fetch` in the place
   * of the global ones. They do what the standard says and mix with Node's own. Without it, import
   * `Response` from `'reactor-rs'` to have the quick one.
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
   * Host name or IP address to listen on. `'::'` is every address of the machine, IPv4 and IPv6. On
   * a machine without IPv6 it is every IPv4 address.
   * @default '::'
   */
  hostname?: string | undefined;

  /** The same as {@link hostname}. */
  host?: string | undefined;

  /**
   * Several places to listen at, or one, in place of `port`, `hostname`, `unix`, `unixMode`,
   * `ipv6Only`, `fd` and `reusePort`; at most 16. The first is the main one: `server.url` and
   * `server.port` tell it, `server.urls` tells all.
   *
   * `'systemd'` is all sockets that a service manager passes (`LISTEN_FDS`, sd_listen_fds(3)). Their
   * names (`FileDescriptorName=`) select: `https` and `tls` have TLS, `metrics` is the listener of
   * metrics. Where none is named `https` or `tls`, {@link tls} is for all.
   *
   * @example
   * await serve({ tls, listen: [{ port: 80, redirectToTls: true }, { port: 443, tls: true }], fetch });
   */
  listen?: ListenEntry | readonly ListenEntry[] | undefined;

  /**
   * Secures connections with TLS 1.2 and 1.3. Several entries are for several host names. The port
   * is still 8080 unless another is given.
   *
   * @example
   * await serve({ port: 443, tls: { cert: './cert.pem', key: './key.pem' }, fetch });
   */
  tls?: false | TlsOptions | readonly TlsOptions[] | undefined;

  /**
   * Handlers and settings of WebSockets. A handler makes a request one with `server.upgrade`, where
   * `server` is its second argument.
   *
   * @example
   * await serve({
   *   fetch(request, server) {
   *     return server.upgrade(request) ? undefined : new Response('Hello!');
   *   },
   *   websocket: {
   *     message(socket, message) {
   *       socket.send(message);
   *     },
   *   },
   * });
   */
  websocket?: WebSocketOptions<Data> | undefined;

  /**
   * Connects the topics of WebSockets with those of other processes, over a broker: `redis(client)` of
   * `reactor-rs/redis`, `nats(connection)` of `reactor-rs/nats`, or an adapter of your own. A message
   * reaches other processes at most once. With {@link module} it is given to `serve`.
   *
   * @example
   * await serve({ pubsub: redis(createClient({ url: 'redis://broker:6379' })), websocket, fetch });
   */
  pubsub?: PubSub | undefined;

  /**
   * Called once the server listens, before {@link serve} resolves. If it throws, the server stops,
   * and `serve` rejects with the error.
   */
  onListen?: ((address: ListenAddress) => void) | undefined;

  /**
   * Stops the server on SIGINT or SIGTERM. Requests under way have `gracefulTimeout` seconds, by
   * default those of `timeouts.drain`; a second signal cuts them off. Then the process ends with 0,
   * or with 128 plus the signal's number after a second signal. A program that listens for the
   * signal too must end the process itself. `forceTimeout` is accepted and has no effect: what is
   * cut off is cut off at once. The command `reactor-rs serve` does all this without the option.
   * @default false
   */
  gracefulShutdown?:
    | boolean
    | { gracefulTimeout?: number | undefined; forceTimeout?: number | undefined }
    | undefined;

  /**
   * Milliseconds from a signal to the stop, 0 to 86400000. It counts for `gracefulShutdown` and for
   * `reactor-rs serve`. Meanwhile the server accepts and answers, but says that it is about to stop:
   * `/readyz` answers 503, and answers end their connections. So load balancers have time to take it
   * out. A second signal ends the delay. In a Kubernetes pod the default is 5000.
   * @default 0
   */
  shutdownDelay?: number | undefined;

  /**
   * Answers health checks in the engine, also while JavaScript is stuck: `GET /readyz` and `GET
   * /livez`. Routes of the program with the same paths win. The listener of `metrics` has both in any
   * case.
   * @default false
   */
  health?: boolean | HealthOptions | undefined;

  /**
   * Path of a unix socket to listen on, in place of `port` and `hostname`. A socket file that a
   * dead server left behind is replaced; a live server's is an error. The file is removed on stop.
   * After a zero byte (`'\0name'`) it is a name in Linux's abstract namespace, without a file. On
   * the command line that is `@name`.
   */
  unix?: string | undefined;

  /**
   * Permissions of the file of the unix socket, whatever the umask: a number from 0 to 0o777, or
   * octal text such as `'0660'`. The file has them before a client can connect. Connecting needs
   * the right to write. By default they are what the umask leaves of 0o777.
   */
  unixMode?: number | string | undefined;

  /**
   * With the hostname `'::'`, listen on IPv6 addresses only: another server may have
   * the port on IPv4. Other hostnames are not affected.
   * @default false
   */
  ipv6Only?: boolean | undefined;

  /**
   * Descriptor of a socket that the process has inherited, in place of a port: a stream socket of TCP
   * or a unix socket, bound, and not connected. The server listens on a copy. The descriptor stays
   * open, and the file of a unix socket stays.
   */
  fd?: number | undefined;

  /**
   * Whether other processes of the same user may listen on the port too, if they say so as well
   * (`SO_REUSEPORT`). The kernel spreads connections over them. A process that ends resets those that
   * wait in its queue, unless `net.ipv4.tcp_migrate_req` is 1.
   * @default false
   */
  reusePort?: boolean | undefined;

  /**
   * Whether HTTP/1.0 and HTTP/1.1 are spoken. At least one of `http1` and `http2` is `true`. Without
   * it a request of HTTP/1 is answered with 505, but listeners that redirect still do so.
   * @default true
   */
  http1?: boolean | undefined;

  /**
   * Whether HTTP/2 is spoken: over TLS to clients that choose `h2` (ALPN), and in clear to clients
   * that begin with it (prior knowledge). The upgrade of an HTTP/1.1 request to `h2c` is not.
   * @default true
   */
  http2?: boolean | undefined;

  /**
   * Threads that own connections, 1 to 16. `'auto'` is half the cores.
   * @default 'auto'
   */
  ioThreads?: ThreadCount | undefined;

  /**
   * Threads of the engine, 1 to 32, that run the built-in application, read files that are not in
   * memory, compress, and take TLS handshakes. `'auto'` is one per core. Where there is nothing of
   * that they are not started. JavaScript runs on the calling thread, or with
   * {@link ServeOptions.module} on `jsThreads`.
   * @default 'auto'
   */
  workerThreads?: ThreadCount | undefined;

  /**
   * A module whose handlers answer on JavaScript threads of their own (`node:worker_threads`). It
   * takes the place of `fetch` and of functions in `routes`, which cannot go to another thread.
   * It is a path, relative to the working directory, or a `file:` URL. Its default export is a
   * handler, an application with `fetch`, or options of `serve`; options that are given here win.
   * Each thread loads the module for itself. It must have the same routes in each.
   *
   * @example
   * await serve({ module: new URL('./app.mjs', import.meta.url), jsThreads: 4 });
   */
  module?: string | URL | undefined;

  /**
   * JavaScript threads that run {@link ServeOptions.module}, 1 to 64; `'auto'` is one per core. A
   * request goes to the thread with the fewest unanswered ones. Requests of one connection that
   * overlap go to one thread. A thread that dies is replaced: its requests without an answer get
   * 503 and responses that have begun are broken off.
   * @default 1
   */
  jsThreads?: ThreadCount | undefined;

  /**
   * Called on the thread that called `serve` when a JavaScript thread dies, with the reason and the
   * thread's number from 1. By default the error is printed on stderr. The thread is replaced in
   * either case. If it had lived for ten seconds, that is at once, else after 100 ms, 200 ms and so
   * on up to 5 s.
   */
  onThreadError?: ((error: unknown, thread: number) => void) | undefined;

  /**
   * Memory of each JavaScript thread, as `new Worker` of `node:worker_threads` takes it. A thread
   * that passes it dies of `ERR_WORKER_OUT_OF_MEMORY`. By default Node's.
   */
  resourceLimits?: ThreadLimits | undefined;

  /**
   * Who accepts connections. With `'acceptor'` one thread accepts and spreads them over the I/O
   * threads. With `'per-loop'` every I/O thread accepts from a listener of its own, which is better
   * for many short connections. `'auto'` is `'per-loop'` if there is only one I/O thread, and
   * `'acceptor'` if there are several.
   * @default 'auto'
   */
  accept?: 'auto' | 'acceptor' | 'per-loop' | undefined;

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
   * Bytes of request bodies held in memory at once, over all connections, 0 to 1099511627776. Each
   * I/O thread has an equal share. A body that is collected and does not fit is answered with 503.
   *
   * Bodies that stream to a handler count while the handler has not read them, at most 256 KiB
   * each. They may fill half of the share. From then on each is read 16 KiB at a time, as fast as
   * its handler reads.
   *
   * By default 268435456, or more if the largest body that `limits.body` allows would not fit in a
   * share.
   */
  bodyMemory?: number | undefined;

  /**
   * Requests that may be at JavaScript handlers at once, over all threads, 1 to 1000000. One more
   * is answered with 503 and `Retry-After: 1` without JavaScript. A request counts from its
   * hand-over until its response is complete. By default there is no limit. In any case a
   * JavaScript thread with 4096 waiting requests is given no more, and sockets with further ones
   * are not read from.
   */
  maxInFlight?: number | undefined;

  /**
   * Milliseconds that a JavaScript handler has for the head of its response, 0 to 86400000; 0 is
   * without limit. Then the client gets 503 (RFC 9110 §15.6.4), even while the JavaScript thread is
   * stuck. The request's signal aborts with a `TimeoutError`, and a later answer of the handler is
   * dropped.
   *
   * The time begins when the request is given to its handler, and includes the time in the queue.
   * That is after a body of up to 64 KiB with its length, and before any other body. A body that is
   * still arriving at the end of the time is not read on, and the connection is closed after the
   * 503. The time ends up to 50 ms late, never early.
   * @default 0
   */
  requestTimeout?: number | undefined;

  /**
   * The proxies that are trusted to tell where a request came from. They tell it in
   * `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`. Without any of these,
   * `Forwarded` (RFC 7239) counts. The result is what `info.remoteAddress`, `server.requestIP` and
   * `request.url` tell; the headers stay as they are. A request for an absolute `https:` URL is
   * accepted only from these proxies; from others it is answered with 421.
   *
   * The client is the first address, seen from the server, that is not trusted. A trusted proxy
   * must set these fields itself, or remove those of clients.
   *
   * - `false`: none
   * - a number up to 32: so many proxies before the server, whatever their addresses; the peer at a
   *   unix socket is one
   * - one or more of: addresses, ranges such as `10.0.0.0/8`, `'loopback'`, `'private'` (RFC 1918
   *   and RFC 4193), and `'unix'` for peers on a unix socket
   * - `true`: all of them, so any client can claim any address, unless a proxy in front of all
   *   prevents it
   * @default false
   */
  trustProxy?: TrustProxy | undefined;

  /**
   * Connections begin with a header of the PROXY protocol, version 1 or 2. In it a balancer such as
   * HAProxy, nginx or AWS's NLB says where the client's connection came from. It counts for
   * `info.remoteAddress`, `server.requestIP`, the access log and `request.url`, and `info.proxy`
   * tells all of it.
   *
   * Headers are taken only from the peers that {@link trustProxy} names, which must be given.
   *
   * - `'required'`: a connection without a header is closed, and so is one of another peer
   * - `'optional'`: a connection may begin without one; another peer's header is a bad request
   *
   * It counts for every listener that does not say otherwise. A header must come within
   * `timeouts.head`.
   * @default false
   */
  proxyProtocol?: ProxyProtocol | undefined;

  /**
   * Stops the server when it aborts, as {@link Server.stop} does without `force`. If it has aborted
   * before the server listens, `serve` rejects with its reason.
   */
  signal?: AbortSignal | undefined;

  /** Bounds on one request. */
  limits?: Limits | undefined;

  /** The same as {@link Limits.body}, as Bun and srvx call it. */
  maxRequestBodySize?: number | undefined;

  /**
   * Seconds that a connection may be idle, 0 to 86400, as in Bun; 0 is a day. It sets
   * {@link Timeouts.keepAlive}, {@link Timeouts.body} and {@link Timeouts.write} at once, except
   * those that are given. A handler may take longer.
   */
  idleTimeout?: number | undefined;

  /** The same as {@link backlog}, as Deno calls it. */
  tcpBacklog?: number | undefined;

  /** How long the server waits for a peer. */
  timeouts?: Timeouts | undefined;

  /**
   * Compresses answers for the clients that accept it: in brotli, zstd or gzip, whole ones and
   * streams, Server-Sent Events one by one. `true` is with the defaults of {@link CompressOptions}. The
   * engine does it after the handler has answered, on threads without JavaScript. A route of
   * `{ GET: …, compress: false }`, and an answer with `Cache-Control: no-transform`, are left alone.
   * @default false
   */
  compress?: boolean | CompressOptions | undefined;

  /**
   * Writes one line for each request to this file, which is appended to, or with `'-'` to standard
   * output. See {@link AccessLogOptions}. By default there is no log.
   */
  accessLog?: string | AccessLogOptions | undefined;

  /**
   * Serves metrics in the text format of Prometheus under `/metrics` of a listener of its own. It
   * is a port of this machine's loopback address (0 chooses a free one), `'host:port'`, or the path
   * of a unix socket. A path has a slash, or `'unix:'` before it. `server.metricsUrl` tells where.
   * By default nowhere. The listener also has a dashboard at `/`, its numbers as JSON at `/snapshot`,
   * and the health checks `/readyz` and `/livez`. An object adds the program's own metrics to the page.
   */
  metrics?: number | string | MetricsOptions | undefined;

  /**
   * Puts the trace of each request into the access log, if its format is `'json'`: `trace_id`, `span_id`,
   * `parent_id` and `trace_flags`. A request without a `traceparent` of its client begins a trace. Of
   * these `true` samples all, and a number from 0 to 1 that share. {@link HandlerInfo.trace} has the same
   * ids, without this option too.
   * @default false
   */
  trace?: boolean | number | undefined;

  /**
   * Answers of handlers have a `server-timing` field, which browsers show: the milliseconds from the call of
   * the handler to its response. Their client learns it too.
   * @default false
   */
  serverTiming?: boolean | undefined;

  /**
   * Opens a control socket, through which `reactor-rs monitor` watches the server. It is at this
   * path, or with `true` in this user's runtime folder. That is `$REACTOR_RUNTIME_DIR`,
   * `$XDG_RUNTIME_DIR/reactor-rs`, or else `/tmp/reactor-rs-` and the user's number. The folder is
   * only used if no other user can write to it. Only this user may connect.
   *
   * A server that cannot have a socket in that folder starts nevertheless, and says why. One that
   * cannot have the given path does not start. The socket costs the server nothing while no monitor
   * runs. `server.controlPath` tells where it is.
   * @default false
   */
  control?: boolean | string | undefined;

  /**
   * The answers, by path: responses, files and handlers. Without routes and `fetch` the built-in application answers, the same
   * that `reactor-rs serve` has: `/`, `/echo`, `/echo/head`, `/healthz` and `/stats`.
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
  /** Recently made objects. */
  maxYoungGenerationSizeMb?: number | undefined;
  /** Machine code. */
  codeRangeSizeMb?: number | undefined;
  /** The stack. */
  stackSizeMb?: number | undefined;
}

/** The values of {@link ServeOptions.trustProxy}. */
export type TrustProxy = boolean | number | string | readonly string[];

/**
 * The access log: one line for each request, also for those that are refused and those whose client
 * left. A thread of its own writes it. If it cannot keep up, records are left out, at 4 MiB of
 * waiting ones for each I/O thread. They are counted in {@link Stats.accessLog} and told by a line
 * in the log.
 *
 * Times are those at which the head of a request was read. Lines stand in the order in which
 * requests ended, within each I/O thread. A duration lasts until the kernel has the last byte of
 * the answer. Bytes are those after the answer's head, with the framing of chunks. A client that
 * left before its answer began has status 499. Control characters, quotes, backslashes and bytes
 * from 0x7f on are escaped. Of a request line 2,048 bytes are kept, of `Referer`, `User-Agent` and
 * `X-Forwarded-For` 1,024.
 */
export interface AccessLogOptions {
  /** The file, which is made if it is missing; `'-'` for standard output. */
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
   * Bytes of the whole head, request line included, 128 to 1048576; more is a 431. Trailers may have
   * as many again.
   * @default 16384
   */
  head?: number | undefined;

  /**
   * Header fields, 1 to 10000; more is a 431.
   * @default 100
   */
  fields?: number | undefined;

  /**
   * Bytes of the body, 0 to 4294967296; more is a 413. JavaScript handlers get a body as it
   * arrives, so more of it is allowed there.
   * @default 134217728 where a handler is JavaScript, else 16777216
   */
  body?: number | undefined;

  /**
   * Bytes of chunk extensions in one message, 0 to 1048576; more is a 400.
   * @default 16384
   */
  chunkExtensions?: number | undefined;

  /**
   * Requests that one HTTP/2 connection may have open at once, 1 to 10000. A client is told; one
   * that opens more gets `REFUSED_STREAM` for those.
   * @default 100
   */
  streams?: number | undefined;
}

/** How long the server waits for a peer, in milliseconds. */
export interface Timeouts {
  /**
   * For a whole head, from its first byte, 1 to 86400000; then 408.
   * @default 30000
   */
  head?: number | undefined;

  /**
   * For the next bytes of a body, 1 to 86400000; then 408. Some bodies are read whole before their
   * handler is called, or read and dropped. These must also average 250 bytes a second. Falling
   * behind that by more than this time is a 408, and a faster start is no credit. A body that a
   * handler reads as it arrives may be as slow as it likes in between.
   * @default 30000
   */
  body?: number | undefined;

  /**
   * For the next request on an idle connection, 1 to 86400000; then it is closed. The default
   * outlasts the 60 s after which common load balancers drop an idle connection. From 1000 to
   * 30000, answers tell it in `Keep-Alive: timeout=N`, in whole seconds. The connection is then
   * kept for a second longer.
   * @default 75000
   */
  keepAlive?: number | undefined;

  /**
   * For a peer to take more of a response, 1 to 86400000, whatever it sends meanwhile; then the
   * connection is closed. A client that has closed its side of the connection has the same time,
   * but at most 1000, from then or from the last byte that it was sent. If its answer streams, it
   * has at most 500. If its handler has not taken the whole request body, it has all of the time.
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
