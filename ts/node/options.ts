import type http from 'node:http';
import { closest } from '../options/names.js';
import { type ResolvedOptions, resolveOptions } from '../options/options.js';
import { DAY_MS } from '../options/rules.js';
import { BODY_MEMORY } from '../options/table.js';
import type { ResolvedTls } from '../options/tls.js';
import { HTTP_1 } from '../options/versions.js';
import type { ServeOptions } from '../types/options.js';
import { warnUnsupported } from './errors.js';
import type { Http2Door } from './http2-door.js';
import type { Where } from './listen.js';
import { headLimit, type Interests, type Tunables, tuned } from './tunables.js';

/** The options of {@link ServeOptions} that a server with a `(req, res)` handler also has. */
export type EngineOptions = Pick<
  ServeOptions,
  | 'ioThreads'
  | 'workerThreads'
  | 'accept'
  | 'backlog'
  | 'queue'
  | 'maxConnections'
  | 'bodyMemory'
  | 'compress'
  | 'proxyProtocol'
  | 'trustProxy'
  | 'limits'
  | 'timeouts'
  | 'health'
  | 'shutdownDelay'
>;

/**
 * The options of `createServer`: the engine's and those of Node's `http.createServer`, in one
 * object. Node's options work as follows.
 *
 * - `IncomingMessage`, `ServerResponse`, `joinDuplicateHeaders`, `uniqueHeaders`,
 *   `rejectNonStandardBodyWrites` and `shouldUpgradeCallback` mean the same as in Node.
 * - `maxHeaderSize` is `limits.head`. It is at most 1 MiB; the default is `http.maxHeaderSize`, and
 *   so `--max-http-header-size`.
 * - `headersTimeout` is `timeouts.head` and `keepAliveTimeout` is `timeouts.keepAlive`.
 *   `requestTimeout` is the time for a whole request to arrive, by default 300 s. 0 is no limit, or
 *   a day.
 * - `connectionsCheckingInterval`, `highWaterMark`, `noDelay` and `keepAliveInitialDelay` have no
 *   effect. The engine's timers are exact, its windows are its own, and TCP_NODELAY is always set.
 * - `insecureHTTPParser: true`, `requireHostHeader: false` and `keepAlive: true` give a warning,
 *   because the engine does not do what they ask.
 *
 * `shutdownDelay` counts for `close`, and is 0 unless it is given: Node's port is free at once. So long
 * the server still accepts and answers, though `listening` is `false`.
 *
 * `trustProxy` says here only from whom the headers of `proxyProtocol` are taken. Fields such as
 * `X-Forwarded-For` are the framework's, as on node:http.
 *
 * Wrong values give the same errors as in Node, and unknown names are ignored as in Node.
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
  'compress',
  'proxyProtocol',
  'trustProxy',
  'limits',
  'timeouts',
  'health',
  'shutdownDelay',
] as const satisfies readonly (keyof EngineOptions)[];

/** Names of Node's options, which are no misspelled options of the engine. */
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

/**
 * Options of Node's without effect here: the value that asks for nothing, and why there is no more.
 */
const MISSING: Readonly<Record<string, readonly [harmless: unknown, why: string]>> = {
  insecureHTTPParser: [false, 'the parser is strict, there is no other'],
  requireHostHeader: [true, 'a request of HTTP/1.1 without Host is always refused'],
  keepAlive: [false, 'TCP keep-alive is not set; idle connections end by "keepAliveTimeout"'],
};

/**
 * Events of Node's that never come, though a program may depend on them. 'clientError' and
 * 'dropRequest' are not among them. Frameworks listen for those only to give answers that the
 * engine gives by itself.
 */
export const ABSENT_EVENTS: Readonly<Record<string, string>> = {
  connect: 'CONNECT is answered with 501',
  checkExpectation: 'an unknown Expect is answered with 417',
};

/** Node has no limit for bodies. This is the engine's highest. */
const MOST_BODY = 2 ** 32;

/**
 * Separates the engine's options from the rest. The rest is for Node's constructor, which checks
 * what it knows and ignores what it does not.
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

/** Warns of options that have an effect in Node but none here. */
export function warnOfOptions(node: object): void {
  for (const [name, [harmless, why]] of Object.entries(MISSING)) {
    const value = (node as Record<string, unknown>)[name];
    if (value != null && value !== harmless) {
      warnUnsupported(name, `option "${name}" of node:http has no effect here: ${why}`);
    }
  }
  for (const name of Object.keys(node)) {
    // An unknown name that is close to an engine's option is most likely a slip.
    const meant = closest(name, [...ENGINE_NAMES]);
    if (meant !== undefined && !NODE_NAMES.includes(name)) {
      warnUnsupported(name, `option "${name}" is ignored; did you mean "${meant}"?`);
    }
  }
}

/** What does not come from the program's options. */
interface Circumstances {
  readonly interests: Interests;
  readonly where: Where;
  /** `null` in clear. */
  readonly tls: ResolvedTls | null;
  /** `null` if only HTTP/1 is spoken. */
  readonly http2: Http2Door | null;
}

/** Warns of a listener for an event that never comes. */
export function warnOfEvent(
  event: string | symbol,
  absent: Readonly<Record<string, string>>,
): void {
  const why = typeof event === 'string' && Object.hasOwn(absent, event) ? absent[event] : undefined;
  if (why !== undefined) {
    const name = event as string;
    warnUnsupported(name, `reactor-rs/node never emits '${name}': ${why}`);
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
  { interests, where, tls, http2 }: Circumstances,
): ResolvedOptions {
  const { unix, unixModeAdds, port, hostname, ipv6Only, reusePort, backlog, fd, exclusive } = where;
  const { timeouts = {}, limits = {} } = given;
  const head = headLimit(given, node);
  const resolved = resolveOptions({
    ...given,
    ...(unix === undefined ? { port, hostname, ipv6Only, reusePort } : { unix }),
    ...(backlog === undefined ? {} : { backlog }),
    bodyMemory: given.bodyMemory ?? BODY_MEMORY,
    limits: {
      // Node limits the target only with the whole head.
      requestLine: Math.max(head, 64),
      body: MOST_BODY,
      ...limits,
      head,
    },
    timeouts: {
      // Node's `close` waits as long as requests take.
      drain: DAY_MS,
      ...timeouts,
    },
    ...(http2?.versions ?? HTTP_1),
    globals: false,
    fetch: () => {
      throw new TypeError('requests go to the server, not to a handler');
    },
  });
  const { maxConnections: _, ...tuning } = tuned(resolved.native, given, now, interests);
  const inherited = fd === undefined ? {} : { fd };
  const mode = unixModeAdds === undefined ? {} : { unixModeAdds };
  // As in Node, a handler gets a request when its head has come.
  const streamSmallBodies = true;
  const secured = tls === null ? {} : { tls: tls.native };
  const listen = resolved.native.listen.map((each) => ({
    ...each,
    ...inherited,
    ...mode,
    ...secured,
  }));
  const extendedConnect = http2?.extendedConnect ?? false;
  const native = { ...resolved.native, ...tuning, listen, streamSmallBodies, extendedConnect };
  return { ...resolved, native, tls: [tls], exclusive: exclusive === true };
}
