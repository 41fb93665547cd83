import type { NativeAccessLog, NativeEndpoint, NativeOptions } from '../binding/binding.js';
import { TraceIds } from '../fetch/trace-ids.js';
import type { BridgeOptions } from '../lane/bridge-options.js';
import { type AnyHandler, FETCH } from '../lane/handlers.js';
import { Proxies } from '../proxy/proxies.js';
import { resolvePubSub } from '../pubsub/settings.js';
import type { ListenAddress } from '../types/addresses.js';
import type { ServeOptions } from '../types/options.js';
import type { PubSub } from '../types/pubsub.js';
import type { ReloadOptions, StopOptions } from '../types/server.js';
import type { ResolvedWebSocket } from '../websocket/web-sockets.js';
import { isForMetrics, passedSockets } from './activation.js';
import { withoutAliases } from './aliases.js';
import { refuseMissingFetch } from './application.js';
import { asObject, functionAt, invalid, refuseUnknown, signalAt } from './check.js';
import { nativeCompress, spellOutCompress } from './compress.js';
import { refuseNodeHandler } from './foreign-applications.js';
import { isHarmless } from './foreign-names.js';
import { nativeHealth, ownReadiness, type ResolvedReadiness } from './health.js';
import { OF_ONE, PASSED, resolveListen } from './listen.js';
import { resolveMetrics } from './metrics.js';
import { readRoutes } from './read-routes.js';
import { type ResolvedRoutes, resolveRoutes } from './routes.js';
import { DAY_MS, type Rule } from './rules.js';
import {
  BODY_MEMORY,
  COLLECTED_BODY,
  EVERYWHERE,
  OPTION_NAMES,
  type OptionName,
  RULES,
  resolve,
  STREAMED_BODY,
  TOP_NAMES,
  threadsFor,
  type ValueOf,
  valueAt,
} from './table.js';
import { portable, type ResolvedTls } from './tls.js';
import { checkVersions } from './versions.js';
import { resolveWebSocket } from './websocket.js';

/** Checked handlers. */
export interface ResolvedHandlers extends ResolvedRoutes {
  readonly fetch: AnyHandler | undefined;
}

/** Checked options, with their defaults. */
export interface ResolvedOptions extends ResolvedHandlers {
  readonly native: NativeOptions;
  /** How each listener is secured; `null` for one in clear. */
  readonly tls: readonly (ResolvedTls | null)[];
  readonly error: BridgeOptions['onError'];
  readonly globals: boolean;
  /**
   * Whether the JavaScript thread may drive the I/O loop: if `ioThreads` is `auto` and comes to one,
   * as on up to three cores, and the handlers run on this thread.
   */
  readonly drives: boolean;
  readonly proxies: Proxies | null;
  readonly traceIds: TraceIds;
  readonly serverTiming: boolean;
  readonly signal: AbortSignal | undefined;
  readonly control: boolean | string;
  /** Asks the program for metrics of its own. */
  readonly registry: (() => unknown) | undefined;
  /** In a worker of node:cluster the primary process has no part in listening. */
  readonly exclusive?: boolean;
  readonly onListen: ((address: ListenAddress) => void) | undefined;
  readonly gracefulShutdown: ResolvedShutdown | undefined;
  readonly readiness: ResolvedReadiness;
  /** Milliseconds from a signal to the drain. */
  readonly shutdownDelay: number;
  readonly websocket: ResolvedWebSocket | undefined;
  readonly pubsub: PubSub | undefined;
}

/** How a server stops by itself when a signal comes. */
export interface ResolvedShutdown {
  /** Milliseconds that requests under way may take; by default `timeouts.drain`. */
  readonly timeout: number;
  /** Milliseconds from the signal to the drain; see `shutdownDelay`. */
  readonly delay: number;
}

/**
 * Checks the options of `serve` and fills in the defaults.
 * @param elsewhere the routes of handlers that run on threads of their own
 * @throws {ReactorError} names the first option that is wrong.
 */
export function resolveOptions(
  given: ServeOptions,
  elsewhere?: Pick<ResolvedHandlers, 'routes'>,
): ResolvedOptions {
  const options = spellOut(asObject('options', given));
  refuseUnknown(options, TOP_NAMES, '', EVERYWHERE);
  if (elsewhere === undefined && options.routes === undefined) {
    refuseMissingFetch(given as Record<string, unknown>);
  }
  const values = new Map<OptionName, unknown>();
  for (const name of OPTION_NAMES) {
    values.set(name, resolve(name, valueAt(options, name)));
  }
  const get = <K extends OptionName>(name: K) => values.get(name) as ValueOf<K>;

  const versions = checkVersions({ http1: get('http1'), http2: get('http2') });
  const proxies = Proxies.from(get('trustProxy'));
  const listen = resolveListen(options, versions, proxies);
  const trace = get('trace');
  const traceIds = new TraceIds(undefined, typeof trace === 'number' ? trace : 1);
  const log = accessLogOf(options, get('accessLog.file'), get('accessLog.format'));
  const accessLog = log && trace !== false ? { ...log, trace: traceIds.native } : log;
  const compress = nativeCompress(options.compress !== undefined, {
    threshold: get('compress.threshold'),
    codings: get('compress.codings'),
    types: get('compress.types'),
    private: get('compress.private'),
    padding: get('compress.padding'),
    effort: get('compress.effort'),
  });
  const passed = options.listen === PASSED ? passedSockets().find(isForMetrics) : undefined;
  const metrics = resolveMetrics(get('metrics'), passed);
  const health = nativeHealth(get('health'));
  const maxConnections = get('maxConnections');
  const maxInFlight = get('maxInFlight');
  const requestTimeout = get('requestTimeout');
  const ioThreads = threadsFor('ioThreads', get('ioThreads'));
  const handlers =
    elsewhere === undefined
      ? resolveHandlers(options, false, FETCH + 1)
      : { ...elsewhere, entries: [], fetch: undefined };
  const { routes } = handlers;
  const shutdownDelay = get('shutdownDelay');
  const shutdown = shutdownOf(options.gracefulShutdown, get('timeouts.drain'), shutdownDelay);
  const streams = routes?.some(({ handler }) => handler !== undefined) ?? false;
  const native = {
    listen: listen.endpoints,
    ioThreads,
    workerThreads: threadsFor('workerThreads', get('workerThreads')),
    acceptPerLoop: acceptsPerLoop(get('accept'), ioThreads),
    backlog: get('backlog'),
    queue: get('queue'),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    // Each I/O thread gets an equal share, and the largest allowed body must fit in one share.
    bodyMemory:
      get('bodyMemory') ??
      Math.max(BODY_MEMORY, (get('limits.body') ?? COLLECTED_BODY) * ioThreads),
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
    ...(requestTimeout === 0 ? {} : { requestTimeout }),
    ...versions,
    limits: {
      requestLine: get('limits.requestLine'),
      head: get('limits.head'),
      fields: get('limits.fields'),
      body: get('limits.body') ?? (streams ? STREAMED_BODY : COLLECTED_BODY),
      chunkExtensions: get('limits.chunkExtensions'),
      streams: get('limits.streams'),
    },
    timeouts: {
      head: get('timeouts.head'),
      body: get('timeouts.body'),
      keepAlive: get('timeouts.keepAlive'),
      write: get('timeouts.write'),
      drain: drainOf(options, get('timeouts.drain'), shutdown),
    },
    ...(routes === undefined ? {} : { routes }),
    ...(accessLog === undefined ? {} : { accessLog }),
    ...(compress === undefined ? {} : { compress }),
    ...(health === undefined ? {} : { health }),
    ...(metrics.listen === undefined ? {} : { metrics: metrics.listen }),
    ...(metrics.registry === undefined ? {} : { programMetrics: true }),
    secured: securedPeers(proxies, listen.endpoints),
  };
  const { globals = true } = options;
  if (typeof globals !== 'boolean') {
    throw invalid('option "globals"', 'true or false', globals);
  }
  const error = (functionAt(options, 'error') as BridgeOptions['onError'])?.bind(options);
  // A number of I/O threads asks for separate threads.
  const drives = elsewhere === undefined && get('ioThreads') === 'auto' && ioThreads === 1;
  const signal = signalAt(options);
  return {
    native,
    tls: listen.tls,
    ...handlers,
    error,
    globals,
    drives,
    proxies,
    traceIds,
    serverTiming: get('serverTiming'),
    signal,
    control: get('control'),
    registry: metrics.registry,
    onListen: (functionAt(options, 'onListen') as ResolvedOptions['onListen'])?.bind(options),
    gracefulShutdown: shutdown,
    shutdownDelay,
    readiness: ownReadiness(get('health')),
    websocket: resolveWebSocket(options.websocket),
    pubsub: resolvePubSub(options.pubsub),
  };
}

/**
 * The peers that may ask for https URLs. If one proxy is trusted, whatever its address, and it says
 * by the PROXY protocol who the peer is, then that peer is a client.
 */
function securedPeers(proxies: Proxies | null, endpoints: readonly NativeEndpoint[]): string[] {
  const isTold = endpoints.some(({ proxyProtocol }) => proxyProtocol !== undefined);
  return proxies === null || (isTold && proxies.isOne) ? [] : [...proxies.peers];
}

/**
 * Whether I/O threads accept themselves. A single one needs no other thread to spread connections.
 */
function acceptsPerLoop(accept: ValueOf<'accept'>, ioThreads: number): boolean {
  return accept === 'per-loop' || (accept === 'auto' && ioThreads === 1);
}

/**
 * The drain time of a stop. If it is not given, that of `gracefulShutdown` counts for every stop.
 */
function drainOf(
  options: Record<string, unknown>,
  drain: number,
  shutdown: ResolvedShutdown | undefined,
): number {
  const isGiven = valueAt(options, 'timeouts.drain') !== undefined;
  return isGiven ? drain : (shutdown?.timeout ?? drain);
}

function shutdownOf(given: unknown, drain: number, delay: number): ResolvedShutdown | undefined {
  if (given === undefined || given === false) {
    return undefined;
  }
  if (given === true) {
    return { timeout: drain, delay };
  }
  const options = asObject('option "gracefulShutdown"', given, 'true, false or an object');
  refuseUnknown(options, ['gracefulTimeout', 'forceTimeout'], 'gracefulShutdown.');
  for (const [name, value] of Object.entries(options)) {
    if (
      value !== undefined &&
      !(typeof value === 'number' && value >= 0 && value <= DAY_MS / 1000)
    ) {
      throw invalid(
        `option "gracefulShutdown.${name}"`,
        'a number of seconds from 0 to 86400',
        value,
      );
    }
  }
  // `forceTimeout` has no effect: what is cut off is cut off at once.
  const { gracefulTimeout } = options as { gracefulTimeout?: number };
  const timeout = gracefulTimeout === undefined ? drain : Math.ceil(gracefulTimeout * 1000);
  return { timeout, delay };
}

/**
 * The options with every short form spelled out: a path as the access log becomes an object, and
 * aliases become the options that they mean. Other servers' options that ask for nothing are
 * removed. URLs of files become text, since they cannot go to another thread.
 */
export function spellOut(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const options = withoutAliases(given, checkAs);
  for (const [name, value] of Object.entries(options)) {
    if (isHarmless(name, value)) {
      delete options[name];
    }
  }
  if (typeof options.accessLog === 'string') {
    options.accessLog = { file: options.accessLog };
  }
  if (options.compress !== undefined) {
    options.compress = spellOutCompress(options.compress);
  }
  for (const name of ['tls', 'listen']) {
    if (options[name] !== undefined) {
      options[name] = portable(options[name]);
    }
  }
  return options;
}

/**
 * The options with the bodies of their routes read. This takes time for a `Blob`, and for a
 * `Response` that is not this package's.
 */
export async function readOptions(given: ServeOptions): Promise<ServeOptions> {
  const options = spellOut(asObject('options', given));
  // Undefined routes mean that the built-in application answers.
  return options.routes === undefined
    ? options
    : { ...options, routes: (await readRoutes(options.routes)) as ServeOptions['routes'] };
}

/** Refuses a wrong value for an alias; `label` is how the user wrote it. */
function checkAs(option: string, label: string, value: unknown): void {
  const rule: Rule<unknown> | undefined = Object.hasOwn(RULES, option)
    ? RULES[option as OptionName]
    : undefined;
  if (rule !== undefined && !rule.accepts(value)) {
    throw invalid(label, rule.allowed, value);
  }
  if ((option === 'fetch' || option === 'error') && typeof value !== 'function') {
    throw invalid(label, 'a function', value);
  }
}

/**
 * Removes the module's address if an address of the other kind was given beside the module.
 * @param isNamed whether an option was given beside the module
 */
export function dropOtherAddress(
  options: Record<string, unknown>,
  isNamed: (name: string) => boolean,
): void {
  const tcp = ['port', 'hostname'];
  const other = isNamed('listen')
    ? OF_ONE
    : isNamed('unix')
      ? [...tcp, 'ipv6Only', 'reusePort', 'fd', 'listen']
      : tcp.some(isNamed)
        ? ['unix', 'unixMode', 'fd', 'listen']
        : [];
  for (const name of other) {
    if (!isNamed(name)) {
      delete options[name];
    }
  }
}

function accessLogOf(
  options: Record<string, unknown>,
  file: string | undefined,
  format: string,
): NativeAccessLog | undefined {
  if (options.accessLog === undefined) {
    return undefined;
  }
  if (file === undefined) {
    throw invalid('option "accessLog.file"', RULES['accessLog.file'].allowed, file);
  }
  return file === '-' ? { format } : { file, format };
}

/** Checks the argument of `server.stop`. */
export function resolveStop(given: StopOptions | boolean): { force: boolean; delay: number } {
  // Bun's and srvx's `stop(closeActiveConnections)`.
  const options: StopOptions =
    typeof given === 'boolean' ? { force: given } : asObject('options', given);
  refuseUnknown(options as Record<string, unknown>, ['force', 'delay'], '');
  const { force = false, delay = 0 } = options;
  if (typeof force !== 'boolean') {
    throw invalid('option "force"', 'true or false', force);
  }
  if (!RULES.shutdownDelay.accepts(delay)) {
    throw invalid('option "delay"', `from 0 to ${DAY_MS} milliseconds`, delay);
  }
  return { force, delay: force ? 0 : delay };
}

/**
 * Checks the argument of `server.reload`.
 * @param hasFetch whether the server has a `fetch` handler
 * @param firstNumber the number of the first route's handler
 */
export function resolveReload(
  given: ReloadOptions,
  hasFetch: boolean,
  firstNumber: number,
): ResolvedHandlers {
  const options = asObject('options', given);
  refuseUnknown(options, ['fetch', 'routes'], '');
  return resolveHandlers(options, hasFetch, firstNumber);
}

/** Checks `fetch` and `routes`; see {@link resolveRoutes}. */
export function resolveHandlers(
  options: Record<string, unknown>,
  hasFetch: boolean,
  firstNumber: number,
): ResolvedHandlers {
  refuseNodeHandler('option "fetch"', options.fetch);
  const given = functionAt(options, 'fetch') as AnyHandler | undefined;
  // Bound, because a method may use its object.
  const fetch = given?.bind(options);
  const resolved = resolveRoutes(options.routes, hasFetch || fetch !== undefined, firstNumber);
  return { ...resolved, fetch };
}
