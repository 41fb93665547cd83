import type http from 'node:http';
import { ReactorError } from '../errors.js';
import { BODY_MEMORY, DAY_MS, type ResolvedOptions, resolveOptions } from '../options.js';
import { show } from '../show.js';
import type { ServeOptions } from '../types.js';
import { warnUnsupported } from './errors.js';
import type { Where } from './listen.js';

/** The options of {@link ServeOptions} that a server with a `(req, res)` handler has too. */
export type EngineOptions = Pick<
  ServeOptions,
  | 'ioThreads'
  | 'workerThreads'
  | 'accept'
  | 'backlog'
  | 'queue'
  | 'maxConnections'
  | 'bodyMemory'
  | 'limits'
  | 'timeouts'
>;

/**
 * What `createServer` takes: the engine's options and those of Node's
 * `http.createServer`, in one object. Of Node's,
 *
 * - `IncomingMessage`, `ServerResponse`, `joinDuplicateHeaders`, `uniqueHeaders`
 *   and `rejectNonStandardBodyWrites` mean what they mean there;
 * - `maxHeaderSize` is `limits.head`, `headersTimeout` is `timeouts.head` and
 *   `keepAliveTimeout` is `timeouts.keepAlive`; 0 is no limit, or a day. Without
 *   them the engine's own defaults hold;
 * - `connectionsCheckingInterval`, `highWaterMark` and `keepAliveInitialDelay`
 *   have no effect: the engine's timers are exact and its windows are its own;
 * - `requestTimeout`, `insecureHTTPParser`, `keepAlive`, `requireHostHeader: false`
 *   and `noDelay: false` are refused, for the engine cannot do what they ask.
 */
export interface ServerOptions<
  Request extends typeof http.IncomingMessage = typeof http.IncomingMessage,
  Response extends typeof http.ServerResponse<InstanceType<Request>> = typeof http.ServerResponse,
> extends EngineOptions,
    http.ServerOptions<Request, Response> {}

const ENGINE_NAMES = [
  'ioThreads',
  'workerThreads',
  'accept',
  'backlog',
  'queue',
  'maxConnections',
  'bodyMemory',
  'limits',
  'timeouts',
] as const satisfies readonly (keyof EngineOptions)[];

/** Options of Node's that are honoured, or mean nothing here and do no harm. */
const NODE_NAMES: readonly string[] = [
  'IncomingMessage',
  'ServerResponse',
  'connectionsCheckingInterval',
  'headersTimeout',
  'highWaterMark',
  'joinDuplicateHeaders',
  'keepAliveInitialDelay',
  'keepAliveTimeout',
  'maxHeaderSize',
  'optimizeEmptyRequests',
  'rejectNonStandardBodyWrites',
  'uniqueHeaders',
];

/** Options of Node's with the values that ask for nothing, and what there is in their place. */
const REFUSED: Readonly<Record<string, readonly [harmless: unknown, why: string]>> = {
  insecureHTTPParser: [false, 'the parser is strict; there is no other'],
  requireHostHeader: [true, 'a request of HTTP/1.1 without Host is always refused'],
  noDelay: [true, 'TCP_NODELAY is always set'],
  keepAlive: [false, 'TCP keep-alive is not set; idle connections end by "keepAliveTimeout"'],
  requestTimeout: [0, 'use "timeouts.body", the time between two pieces of a body'],
  allowHalfOpen: [true, 'the engine decides when a connection ends'],
  pauseOnConnect: [false, 'the engine reads'],
  shouldUpgradeCallback: [undefined, 'connections cannot be upgraded'],
};

/** Node has no limit on bodies; this is the most that the engine has. */
const MOST_BODY = 2 ** 32;

/** What of a server's options and properties the engine is told. */
export interface Settings {
  readonly given: EngineOptions;
  /** The server's properties as its constructor left them. */
  readonly initial: Tunables;
}

/** What programs set on a server after they have made it. */
export interface Tunables {
  keepAliveTimeout: number;
  headersTimeout: number;
  requestTimeout: number;
  maxHeadersCount: number | null;
  maxRequestsPerSocket: number | null;
}

/**
 * Takes the engine's options out of what `createServer` was given, and refuses
 * what nobody can honour.
 * @throws {ReactorError} `ERR_REACTOR_UNKNOWN_OPTION`, `ERR_REACTOR_INVALID_OPTION`.
 */
export function splitOptions(given: ServerOptions): {
  engine: EngineOptions;
  node: http.ServerOptions;
} {
  const engine: Record<string, unknown> = {};
  const node: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const refused = REFUSED[name];
    if (refused !== undefined) {
      const [harmless, why] = refused;
      if (value !== undefined && value !== harmless) {
        throw new ReactorError(
          'ERR_REACTOR_INVALID_OPTION',
          `option "${name}" of node:http cannot be ${show(value)} here: ${why}`,
        );
      }
    } else if (NODE_NAMES.includes(name)) {
      node[name] = value;
    } else {
      // What is none of the engine's either is refused with its options.
      engine[name] = value;
    }
  }
  refuseUnknown(engine);
  return { engine, node: node as http.ServerOptions };
}

function refuseUnknown(engine: Record<string, unknown>): void {
  const names: readonly string[] = ENGINE_NAMES;
  for (const name of Object.keys(engine)) {
    if (!names.includes(name)) {
      throw new ReactorError(
        'ERR_REACTOR_UNKNOWN_OPTION',
        `unknown option "${name}"; the options are ${names.join(', ')}, and those of http.createServer`,
      );
    }
  }
}

/**
 * The engine's options for a server that is about to listen.
 * @throws {ReactorError} as `serve` does.
 */
export function engineOptions(
  given: EngineOptions,
  node: http.ServerOptions,
  now: Tunables,
  where: Where,
): ResolvedOptions {
  const { unix, port, hostname, backlog } = where;
  const { timeouts = {}, limits = {} } = given;
  const head = limits.head ?? (node.maxHeaderSize || undefined);
  return resolveOptions({
    ...given,
    ...(unix === undefined ? { port, hostname } : { unix }),
    ...(backlog === undefined ? {} : { backlog }),
    bodyMemory: given.bodyMemory ?? BODY_MEMORY,
    limits: {
      // A long target is a matter of the whole head in Node.
      requestLine: Math.max(head ?? 16_384, 64),
      fields: now.maxHeadersCount || undefined,
      body: MOST_BODY,
      ...limits,
      head,
    },
    timeouts: {
      // Node's `close` waits for as long as requests take.
      drain: DAY_MS,
      ...timeouts,
      head: now.headersTimeout || DAY_MS,
      keepAlive: now.keepAliveTimeout || DAY_MS,
    },
    globals: false,
    fetch: () => {
      throw new TypeError('requests go to the server, not to a handler');
    },
  });
}

/** Says which of the properties that a program has set mean nothing here. */
export function warnOfTunables(initial: Tunables, now: Tunables): void {
  for (const name of ['requestTimeout', 'maxRequestsPerSocket'] as const) {
    if (now[name] !== initial[name] && now[name]) {
      warnUnsupported(name, `reactor-rs/node does not have server.${name}; it has no effect`);
    }
  }
}
