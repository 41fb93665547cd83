import type { DenoAddress, NodeAddress, PeerAddress } from './addresses.js';

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
