import type http from 'node:http';
import { closest } from '../options/names.js';
import { type ResolvedOptions, resolveOptions } from '../options/options.js';
import { DAY_MS } from '../options/rules.js';
import { BODY_MEMORY } from '../options/table.js';
import type { ServeOptions } from '../types/options.js';
import { warnUnsupported } from './errors.js';
import type { Where } from './listen.js';
import { headLimit, type Interests, type Tunables, tuned } from './tunables.js';

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
 * - `maxHeaderSize` is `limits.head` (at most 1 MiB; the default is
 *   `http.maxHeaderSize`, and so `--max-http-header-size`), `headersTimeout` is
 *   `timeouts.head` and `keepAliveTimeout` is `timeouts.keepAlive`; `requestTimeout`
 *   is for a whole request to arrive, 300 s by default. 0 is no limit, or a day;
 * - `connectionsCheckingInterval`, `highWaterMark`, `noDelay` and
 *   `keepAliveInitialDelay` have no effect: the engine's timers are exact, its windows
 *   are its own, and TCP_NODELAY is always set;
 * - `insecureHTTPParser: true`, `requireHostHeader: false`, `keepAlive: true` and
 *   `shouldUpgradeCallback` give a warning: the engine does not do what they ask.
 *
 * A wrong value of one of these is the error that it is in Node. As in Node a name
 * that is no option is ignored.
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

/** Options of Node's own, which are no slips of the engine's names. */
const NODE_NAMES: readonly string[] = [
  'IncomingMessage',
  'ServerResponse',
  'connectionsCheckingInterval',
  'headersTimeout',
  'highWaterMark',
  'insecureHTTPParser',
  'joinDuplicateHeaders',
  'keepAlive',
  'keepAliveInitialDelay',
  'keepAliveTimeout',
  'maxHeaderSize',
  'noDelay',
  'optimizeEmptyRequests',
  'rejectNonStandardBodyWrites',
  'requestTimeout',
  'requireHostHeader',
  'shouldUpgradeCallback',
  'uniqueHeaders',
];

/** Options of Node's with the values that ask for nothing, and what there is in their place. */
const MISSING: Readonly<Record<string, readonly [harmless: unknown, why: string]>> = {
  insecureHTTPParser: [false, 'the parser is strict, there is no other'],
  requireHostHeader: [true, 'a request of HTTP/1.1 without Host is always refused'],
  keepAlive: [false, 'TCP keep-alive is not set; idle connections end by "keepAliveTimeout"'],
  shouldUpgradeCallback: [undefined, 'connections cannot be upgraded'],
};

/** Node has no limit on bodies; this is the most that the engine has. */
const MOST_BODY = 2 ** 32;

/**
 * Takes the engine's options out of what `createServer` was given. The rest is for
 * Node's own constructor, which checks what it knows and ignores what it does not.
 */
export function splitOptions(given: ServerOptions): {
  engine: EngineOptions;
  node: http.ServerOptions;
} {
  const engine: Record<string, unknown> = {};
  const node: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const isOurs = (ENGINE_NAMES as readonly string[]).includes(name);
    (isOurs ? engine : node)[name] = value;
  }
  return { engine, node: node as http.ServerOptions };
}

/** Says which options mean nothing here, though they mean something in Node. */
export function warnOfOptions(node: object): void {
  for (const [name, [harmless, why]] of Object.entries(MISSING)) {
    const value = (node as Record<string, unknown>)[name];
    if (value != null && value !== harmless) {
      warnUnsupported(name, `option "${name}" of node:http has no effect here: ${why}`);
    }
  }
  for (const name of Object.keys(node)) {
    // Of one that is nobody's it is likely meant, where it is nearly spelled so.
    const meant = closest(name, [...ENGINE_NAMES]);
    if (meant !== undefined && !NODE_NAMES.includes(name)) {
      warnUnsupported(name, `option "${name}" is ignored; did you mean "${meant}"?`);
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
  interests: Interests,
  where: Where,
): ResolvedOptions {
  const { unix, unixModeAdds, port, hostname, ipv6Only, backlog, fd } = where;
  const { timeouts = {}, limits = {} } = given;
  const head = headLimit(given, node);
  const resolved = resolveOptions({
    ...given,
    ...(unix === undefined ? { port, hostname, ipv6Only } : { unix }),
    ...(backlog === undefined ? {} : { backlog }),
    bodyMemory: given.bodyMemory ?? BODY_MEMORY,
    limits: {
      // A long target is a matter of the whole head in Node.
      requestLine: Math.max(head, 64),
      body: MOST_BODY,
      ...limits,
      head,
    },
    timeouts: {
      // Node's `close` waits for as long as requests take.
      drain: DAY_MS,
      ...timeouts,
    },
    globals: false,
    fetch: () => {
      throw new TypeError('requests go to the server, not to a handler');
    },
  });
  const { maxConnections: _, ...tuning } = tuned(resolved.native, given, now, interests);
  const inherited = fd === undefined ? {} : { fd };
  const mode = unixModeAdds === undefined ? {} : { unixModeAdds };
  // As in Node a handler hears of a request when its head has come.
  const streamSmallBodies = true;
  return {
    ...resolved,
    native: { ...resolved.native, ...tuning, ...inherited, ...mode, streamSmallBodies },
  };
}
