import type { AddressInfo } from 'node:net';

/** A number of threads, or `'auto'` to fit it to the cores this process may use. */
export type ThreadCount = number | 'auto';

/**
 * Answers a request, at once or later. What it throws, and what its promise is
 * rejected with, goes to {@link ServeOptions.error}; a `Response` that is thrown is the
 * answer. The third argument is the second again, in the place where Workers and Hono have
 * their execution context.
 *
 * @typeParam Path the pattern of its route, for the names of the parameters
 */
export type Handler<Path extends string = string> = (
  request: ServerRequest<Path>,
  info: HandlerInfo<Path>,
  context: HandlerInfo<Path>,
) => Response | Promise<Response>;

/**
 * The standard's `Request`, worked out as far as the handler looks at it. It may
 * be kept for as long as wanted; its body has to be read before the answer is
 * complete.
 */
export interface ServerRequest<Path extends string = string> extends Request {
  /** The parameters of the route by name, percent-decoded; a wildcard's is `'*'`. */
  readonly params: Params<Path>;

  /** The client's address, as {@link HandlerInfo.remoteAddress}. May be set, as middleware does. */
  ip: string | undefined;

  /** As {@link HandlerInfo.waitUntil}. */
  waitUntil: (promise: unknown) => void;

  /**
   * Aborts when the client goes away or closes its side of the connection, or is cut off by a stop, before its answer is
   * complete, with an `AbortError`, and when {@link ServeOptions.requestTimeout} has
   * passed, with a `TimeoutError`. When the server refuses the rest of an upload, reading the
   * body rejects with a `ReactorError` that says why (`code`, `status`). The signal aborts
   * with the same error only if the handler does not wait for the body at that moment.
   */
  readonly signal: AbortSignal;
}

/** What a handler learns besides the request. */
export interface HandlerInfo<Path extends string = string> {
  /**
   * The IP address of the peer, a proxy's where there is one that
   * {@link ServeOptions.trustProxy} does not name; `undefined` on a unix socket.
   */
  readonly remoteAddress: string | undefined;

  /** The port of the peer; `undefined` on a unix socket, and where a trusted proxy does not tell it. */
  readonly remotePort: number | undefined;

  /**
   * What the access log calls the request (`id` in its JSON lines), so that a
   * program's own log can be read with it. No two requests share one, on however
   * many servers.
   */
  readonly requestId: string;

  /** The parameters of the route, as {@link ServerRequest.params}. */
  readonly params: Params<Path>;

  /** Where the request came from, as Deno tells it. */
  readonly remoteAddr: DenoAddress;

  /** The same as @hono/node-server's frameworks look for it; `socket` has nothing else. */
  readonly incoming: { readonly socket: NodeAddress };

  /** As {@link Server.requestIP}: Bun gives handlers its server in this place. */
  readonly requestIP: (request: Request) => PeerAddress | null;

  /**
   * Lets a stop wait for a promise, up to `timeouts.drain`, though the response has been sent.
   * What it is rejected with goes to {@link ServeOptions.error}, whose answer is not sent, or
   * is printed.
   */
  waitUntil: (promise: unknown) => void;

  /** Does nothing: there is no origin behind the server. Workers have it. */
  passThroughOnException(): void;

  /** Empty: nobody gives a handler properties of its own. Workers have it. */
  readonly props: Readonly<Record<string, unknown>>;
}

/** An address as Deno tells it. On a unix socket a peer has no path. */
export type DenoAddress =
  | { readonly transport: 'tcp'; readonly hostname: string; readonly port: number }
  | DenoUnixAddress;

/** The path of a unix socket as Deno tells it, which has none of the members of a TCP address. */
export interface DenoUnixAddress {
  readonly transport: 'unix';
  readonly path: string;
  readonly hostname?: undefined;
  readonly port?: undefined;
}

/** An address as a socket of Node's has it. */
export interface NodeAddress {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: 'IPv4' | 'IPv6' | undefined;
}

/** Where a server listens, with the names of Node and of Deno. */
export type ListenAddress =
  | {
      readonly transport: 'tcp';
      readonly hostname: string;
      readonly port: number;
      /** The same as `hostname`. */
      readonly address: string;
      readonly family: 'IPv4' | 'IPv6';
    }
  | (DenoUnixAddress & { readonly address?: undefined; readonly family?: undefined });

/** Stands for the pattern of a handler that has none, and so no parameters. */
export type Pathless = '';

/** The parameters of a path pattern: `{ id: string }` for `/users/:id`. */
export type Params<Path extends string> = string extends Path
  ? Readonly<Record<string, string>>
  : { readonly [Name in ParamNames<Path>]: string };

type ParamNames<Path extends string> = Path extends `${infer First}/${infer Rest}`
  ? ParamName<First> | ParamNames<Rest>
  : ParamName<Path>;

type ParamName<Segment extends string> = Segment extends `:${infer Name}`
  ? Name
  : Segment extends '*'
    ? '*'
    : never;

/** An address as {@link Server.requestIP} tells it. */
export interface PeerAddress {
  readonly address: string;
  readonly family: 'IPv4' | 'IPv6';
  /** 0 where a trusted proxy does not tell it. */
  readonly port: number;
}

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

/**
 * Responses and handlers by path pattern: `/`, `/users/:id`, `/assets/*`. A
 * static path wins over a parameter, a parameter over a wildcard. `'*'` is `'/*'`.
 */
export type Routes<Path extends string = string> = { readonly [P in Path]: Route<P> };

/**
 * What a path answers: a response for GET and HEAD, a handler for every method,
 * or one of them by method. A method that a path does not have goes to `fetch`;
 * without `fetch` it is answered with 405 and `Allow`. `false` goes to `fetch`, past a
 * wildcard that would have it.
 *
 * A `Response` or a `Blob` is read once, before the server listens, and answered from memory;
 * its body must end.
 *
 * Responses are answered without JavaScript, so they come as quickly while a
 * handler is busy.
 */
export type Route<Path extends string = string> = StaticAnswer | Handler<Path> | MethodRoutes<Path>;

/** What is answered without JavaScript; `false` goes to `fetch`. */
export type StaticAnswer = StaticResponse | string | Uint8Array | Response | Blob | false;

/**
 * Responses and handlers by method, in upper case as HTTP has them:
 * `{ GET: …, POST: … }`. HEAD is answered from GET.
 */
export type MethodRoutes<Path extends string = string> = Readonly<
  Record<Uppercase<string>, StaticAnswer | Handler<Path>>
>;

/** A response that is rendered once and answered on the I/O thread, without JavaScript. */
export interface StaticResponse {
  /**
   * Status code, 200 to 599.
   * @default 200
   */
  readonly status?: number | undefined;

  /**
   * Reason phrase: tabs, blanks and visible characters to U+00FF. Empty is the one that
   * goes with the status.
   * @default ''
   */
  readonly statusText?: string | undefined;

  /**
   * Header fields; an array makes one field per element. Without a
   * `content-type`, a string body is sent as `text/plain;charset=utf-8` and
   * bytes as `application/octet-stream`. `connection`, `content-length`, `date`,
   * `keep-alive` and `transfer-encoding` are the server's own and refused with
   * `ERR_REACTOR_INVALID_ROUTE`.
   */
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined;

  /**
   * Body; a string is sent as UTF-8. Not allowed with 204, 205 and 304.
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

/** What a {@link Server.url} has of text. */
export type URLAsText = Pick<
  string,
  | 'at'
  | 'charAt'
  | 'concat'
  | 'endsWith'
  | 'includes'
  | 'indexOf'
  | 'lastIndexOf'
  | 'match'
  | 'replace'
  | 'replaceAll'
  | 'slice'
  | 'split'
  | 'startsWith'
  | 'substring'
  | 'toLowerCase'
  | 'trim'
>;

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

/** A server's counters at one moment, all since its start. */
export interface Stats {
  /** Milliseconds since the start. */
  uptimeMs: number;
  connections: ConnectionStats;
  requests: RequestStats;
  bytes: ByteStats;
  tasks: TaskStats;
  handlers: HandlerStats;
  /** Each I/O thread. */
  ioThreads: IoThreadStats[];
  /** Each worker thread. */
  workerThreads: WorkerThreadStats[];
  /** Each JavaScript thread that runs handlers. */
  lanes: LaneStats[];
  /** The access log; `null` where there is none. */
  accessLog: AccessLogStats | null;
}

/** What became of the access log's records. */
export interface AccessLogStats {
  /** Written. */
  written: number;
  /** Lost: the writer was too slow, or could not write. */
  lost: number;
  /** Writes that failed. */
  errors: number;
}

/** Connections. */
export interface ConnectionStats {
  /** Accepted and given to an I/O thread. */
  accepted: number;
  /** Open now. */
  open: number;
  /** Turned away with 503 because `maxConnections` were open. */
  refused: number;
  /**
   * Times that accepting paused after an error that is not one connection's own: no file
   * descriptors or memory, or not allowed. The first of each kind is told on stderr.
   */
  acceptPauses: number;
  /** Closed, by reason. */
  closed: ClosedStats;
}

/** Closed connections, by reason. */
export interface ClosedStats {
  /** The peer closed it, after its last answer. */
  peer: number;
  /** An answer said `Connection: close`, as the client had asked. */
  served: number;
  /** A request was malformed or over a limit, and was told so. */
  rejected: number;
  /** No request came for the keep-alive timeout. */
  idle: number;
  /** A head or a body came too slowly. */
  requestTimeout: number;
  /** The peer took no output for the write timeout. */
  writeTimeout: number;
  /** The peer reset it, or left in the middle of a request. */
  aborted: number;
  /** The server was stopping. */
  stopped: number;
}

/** Requests, and responses by class. */
export interface RequestStats {
  /** Request heads read. */
  total: number;
  /** 1xx responses. */
  informational: number;
  /** 2xx responses. */
  success: number;
  /** 3xx responses. */
  redirect: number;
  /** 4xx responses. */
  clientError: number;
  /** 5xx responses. */
  serverError: number;
  /**
   * From a request's head to the last byte of its answer handed to the kernel.
   * Counted where there is an access log or a metrics listener, and while
   * `reactor-rs monitor` watches.
   */
  latency: LatencyStats;
}

/** Bytes on the wire. */
export interface ByteStats {
  /** Read from peers. */
  received: number;
  /** Sent to peers. */
  sent: number;
}

/** Requests that went to worker threads. */
export interface TaskStats {
  /** Put into the queue. */
  queued: number;
  /** Run. */
  done: number;
  /** Turned away with 503: the queue, or the room for bodies, was full. */
  rejected: number;
  /** Run for a connection that was gone when the answer came. */
  dropped: number;
  /** Answered with 500 because the handler failed. */
  panics: number;
  /** Waiting now. */
  queueDepth: number;
  /** The most that waited at once. */
  queuePeak: number;
  /** The most that may wait. */
  queueCapacity: number;
  /** From the queue to a worker. */
  queueWait: LatencyStats;
  /** Inside the handler. */
  handlerTime: LatencyStats;
}

/** Requests that went to JavaScript handlers. */
export interface HandlerStats {
  /** Given to a handler, or to the queue before it. */
  given: number;
  /**
   * Given and not yet over. Those whose client has gone, or has had its 503,
   * count until the JavaScript thread has been told.
   */
  inFlight: number;
  /** Turned away with 503 because `maxInFlight` were there. */
  rejected: number;
  /** Answered with 503 because `requestTimeout` had passed. */
  timedOut: number;
}

/**
 * One JavaScript thread that runs handlers. What it counts begins anew where the thread
 * is replaced.
 */
export interface LaneStats {
  /** `'main'` for the one that called `serve`, else its number from 1. */
  thread: number | 'main';
  /**
   * `'blocked'` when something has waited for it for more than 100 ms; others are
   * then chosen before it. `'starting'` when it is not there, or not yet.
   */
  state: 'running' | 'blocked' | 'starting' | 'stopped';
  /** Requests given to it and not yet answered. */
  inFlight: number;
  /** Those of them that it has not taken. */
  queued: number;
  /** From the hand-over of a request to the turn of the thread that takes it. */
  queueWait: LatencyStats;
  /**
   * How late the thread comes: from its wake to the turn that it leads to. Where the thread
   * drives the I/O loop itself, nobody wakes it.
   */
  eventLoopLag: LatencyStats;
}

/** A distribution of times in nanoseconds, exact to a twentieth. */
export interface LatencyStats {
  /** Values counted. */
  count: number;
  /** Median. */
  p50Ns: number;
  /** 90th percentile. */
  p90Ns: number;
  /** 99th percentile. */
  p99Ns: number;
  /** 99.9th percentile. */
  p999Ns: number;
  /** The largest, exact. */
  maxNs: number;
}

/** One I/O thread. */
export interface IoThreadStats {
  /** Connections open now. */
  connections: number;
  /** Connections ever. */
  accepted: number;
  /** Request heads read. */
  requests: number;
  /** Turns of its loop. */
  turns: number;
  /** Turns that ended in sleep. */
  sleeps: number;
  /** Workers it woke. */
  workerWakes: number;
}

/** One worker thread. */
export interface WorkerThreadStats {
  /** Tasks run. */
  tasks: number;
  /** Handlers that failed. */
  panics: number;
  /** Times it was woken. */
  wakes: number;
  /** Milliseconds inside handlers. */
  busyMs: number;
}
