import type { DenoAddress, NodeAddress, PeerAddress } from './addresses.js';
import type { ProxyInfo } from './proxy.js';
import type { TlsInfo } from './tls-info.js';
import type { Trace } from './trace.js';
import type {
  PublishOptions,
  ServerWebSocket,
  UpgradeOptions,
  WebSocketMessage,
  WebSocketStream,
} from './websocket.js';

/**
 * Answers a request, at once or later. What it throws, or its promise rejects with, goes to
 * {@link ServeOptions.error}; a thrown `Response` is the answer. The third argument is the second
 * again, since Workers and Hono have their execution context there. Only a request that has become a
 * WebSocket may be answered with nothing.
 *
 * @typeParam Path the pattern of its route, for the names of the parameters
 */
export type Handler<Path extends string = string> = (
  request: ServerRequest<Path>,
  info: HandlerInfo<Path>,
  context: HandlerInfo<Path>,
) => Response | undefined | Promise<Response | undefined>;

/**
 * The standard's `Request`. Its parts are worked out when the handler looks at them. It may be
 * kept; its body must be read before the answer is complete.
 */
export interface ServerRequest<Path extends string = string> extends Request {
  /** The route's parameters by name, percent-decoded. That of a wildcard is `'*'`. */
  readonly params: Params<Path>;

  /** The client's address, as {@link HandlerInfo.remoteAddress}. Middleware may set it. */
  ip: string | undefined;

  /** As {@link HandlerInfo.waitUntil}. */
  waitUntil: (promise: unknown) => void;

  /**
   * Aborts with an `AbortError` if, before its answer is complete, the client goes away or closes
   * its side of the connection, or a stop cuts it off. Aborts with a `TimeoutError` when
   * {@link ServeOptions.requestTimeout} has passed.
   *
   * When the server refuses the rest of an upload, reading the body rejects with a `ReactorError`
   * that says why (`code`, `status`). The signal aborts with the same error only if the handler
   * does not wait for the body at that moment.
   */
  readonly signal: AbortSignal;

  /**
   * The trailers: fields behind the body (RFC 9110 §6.5). They are not among {@link headers}. Resolves
   * when the body has come whole, for most requests to no field at all. So read the body: of a large
   * one the server takes no more from the client than the handler does. Rejects if the body breaks off,
   * or is not complete when the answer is. A rejection that nobody handles is no error of the program.
   */
  readonly trailers: Promise<Headers>;
}

/** How a client wants the answers to its requests to be ordered (RFC 9218). */
export interface RequestPriority {
  /** From 0, the most urgent, to 7. Without a word of the client it is 3. */
  readonly urgency: number;
  /** Whether the client can use a part of the answer. Without a word of the client it is `false`. */
  readonly incremental: boolean;
}

/** A version of HTTP, as the access log writes it. */
export type HttpProtocol = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2.0';

/** The second argument of a handler. */
export interface HandlerInfo<Path extends string = string> {
  /**
   * The IP address of the client, or of the nearest proxy that {@link ServeOptions.trustProxy} does
   * not name. `undefined` on a unix socket.
   */
  readonly remoteAddress: string | undefined;

  /**
   * The port of the peer; `undefined` on a unix socket, and if a trusted proxy does not tell it.
   */
  readonly remotePort: number | undefined;

  /**
   * The id of the request in the access log (`id` in its JSON lines), so that a program's own log
   * can be matched with it. It is unique, even over several servers.
   */
  readonly requestId: string;

  /**
   * The request's place in its trace (W3C Trace Context). It is worked out when the handler looks at it,
   * and is there whatever {@link ServeOptions.trace} says.
   *
   * @example
   * const { stock } = await info.trace.fetch('http://inventory/items').then((r) => r.json());
   */
  readonly trace: Trace;

  /**
   * The version of HTTP that the client speaks; behind a proxy the one that the proxy speaks to this
   * server. A later 1.x is `'HTTP/1.1'`. `info.tls?.alpnProtocol` is what the client chose over TLS.
   */
  readonly protocol: HttpProtocol;

  /** What the client's `priority` field asks for; malformed, it counts as absent. */
  readonly priority: RequestPriority;

  /**
   * Sends 103 Early Hints with a `link` field for each link, so that a browser fetches what the page
   * needs while the handler makes the page. As {@link sendInformational} in all else.
   *
   * @example
   * info.earlyHints('</style.css>; rel=preload; as=style');
   * @throws {TypeError} for what is no link
   */
  readonly earlyHints: (links: string | readonly string[]) => void;

  /**
   * Sends an informational answer at once (RFC 9110 §15.2), or in the turn of its request if that is
   * pipelined behind others. A request may get several. A client of HTTP/1.0 gets none, and one that
   * does not read what it was sent may miss some.
   *
   * @param status 102 to 199
   * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` once the handler has given its response
   */
  readonly sendInformational: (
    status: number,
    headers?: ConstructorParameters<typeof Headers>[0],
  ) => void;

  /**
   * What the client's connection has agreed on, if it has TLS; else `null`. It must be asked for the
   * first time before the answer is complete. Behind a proxy it is the proxy's connection.
   */
  readonly tls: TlsInfo | null;

  /**
   * What a balancer has said of the connection, by {@link ServeOptions.proxyProtocol}; `null` if
   * none has, or if it has opened the connection for itself (`LOCAL`). It must be asked for the
   * first time before the answer is complete.
   */
  readonly proxy: ProxyInfo | null;

  /** The parameters of the route, as {@link ServerRequest.params}. */
  readonly params: Params<Path>;

  /** Where the request came from, in Deno's form. */
  readonly remoteAddr: DenoAddress;

  /** The same where frameworks for @hono/node-server look for it; `socket` has nothing else. */
  readonly incoming: { readonly socket: NodeAddress };

  /** As {@link Server.requestIP}: Bun passes its server in this place. */
  readonly requestIP: (request: Request) => PeerAddress | null;

  /**
   * Makes the request a WebSocket, whose handlers are those of {@link ServeOptions.websocket}. Returns
   * whether it did: `false` is for a request that is no handshake. A handler that then answers with
   * nothing answers with the reason, such as 426.
   *
   * @example
   * fetch(request, server) {
   *   if (server.upgrade(request, { data: { user: userOf(request) } })) {
   *     return;
   *   }
   *   return new Response('This is for WebSockets', { status: 426 });
   * }
   * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION` without handlers, and for wrong options
   * @throws {Response} 403 for a page of another origin than `websocket.origin` allows
   */
  readonly upgrade: <Data = unknown>(request: Request, options?: UpgradeOptions<Data>) => boolean;

  /**
   * Makes the request a WebSocket that is read as an async iterable. It needs no option of the server. The handler then
   * answers with nothing; it may do so when it has read all messages.
   * @throws {Response} the answer for a request that is no handshake, and for another origin
   */
  readonly acceptWebSocket: (
    request: Request,
    options?: Omit<UpgradeOptions, 'handlers'>,
  ) => WebSocketStream;

  /** As {@link Server.publish}. */
  readonly publish: (
    topic: string,
    data: WebSocketMessage,
    options?: boolean | PublishOptions,
  ) => number;

  /** As {@link Server.subscriberCount}. */
  readonly subscriberCount: (topic: string) => number;

  /** As {@link Server.subscribers}. */
  readonly subscribers: <Data = unknown>(topic: string) => ServerWebSocket<Data>[];

  /**
   * Makes a stop wait for a promise, up to `timeouts.drain`, even if the response has been sent.
   * What the promise rejects with goes to {@link ServeOptions.error}, whose answer is not sent, or
   * is printed.
   */
  waitUntil: (promise: unknown) => void;

  /** No-op: there is no origin behind the server. Workers have it. */
  passThroughOnException(): void;

  /** Empty: handlers have no properties of their own here. Workers have it. */
  readonly props: Readonly<Record<string, unknown>>;
}

/** The pattern of a handler without one, and so without parameters. */
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
