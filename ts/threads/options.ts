import type { ResourceLimits } from 'node:worker_threads';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import type { BridgeOptions } from '../lane/bridge-options.js';
import { FETCH } from '../lane/handlers.js';
import { asObject, functionAt, invalid, refuseUnknown, signalAt } from '../options/check.js';
import { hasRegistry, mergedMetrics } from '../options/metrics.js';
import {
  dropOtherAddress,
  type ResolvedHandlers,
  readOptions,
  resolveHandlers,
  resolveOptions,
  spellOut,
} from '../options/options.js';
import { isPlainObject } from '../options/route-check.js';
import { resolveRoutes } from '../options/routes.js';
import { EVERYWHERE, TOP_NAMES } from '../options/table.js';
import { resolveWebSocket } from '../options/websocket.js';
import type { ServeOptions } from '../types/options.js';
import type { ResolvedWebSocket } from '../websocket/web-sockets.js';
import type { Development } from './development.js';
import { findModule, type Module } from './module.js';

/** The options about JavaScript threads; the other options are the server's. */
export interface ResolvedThreads {
  readonly module: Module;
  readonly onError: ((error: unknown, thread: number) => void) | undefined;
  readonly resourceLimits: ResourceLimits | undefined;
  readonly globals: boolean | undefined;
  readonly routes: Readonly<Record<string, unknown>> | undefined;
  /** The other options of `serve`, which win over the module's. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Only for `--watch`. */
  readonly development?: Development | undefined;
}

/** Options that are objects of options. */
const NESTED = ['limits', 'timeouts', 'accessLog', 'compress'];

/** Options that a module cannot export: its threads run already, or could not be started by it. */
const NOT_IN_MODULES: Readonly<Record<string, string>> = {
  module: 'a module has its handlers itself',
  signal: 'an AbortSignal of one thread cannot stop the server; give it to "serve"',
  onThreadError: 'it is called on the main thread; give it to "serve"',
  pubsub: 'the connection to the broker is the main thread\'s; give it to "serve"',
  onListen: 'it is called on the main thread; give it to "serve"',
  resourceLimits: 'threads have them before they load the module; give them to "serve"',
};

/** Options that concern only JavaScript threads. */
const OF_THREADS = ['module', 'jsThreads', 'onThreadError', 'resourceLimits'] as const;

/** Whether these options ask for JavaScript threads. */
export function isThreaded(options: unknown): options is ServeOptions {
  const given = options as Partial<ServeOptions> | null | undefined;
  return OF_THREADS.some((name) => given?.[name] !== undefined);
}

/**
 * Checks the options of `serve` with `module` or `jsThreads`.
 * @throws {ReactorError} names the first option that is wrong.
 */
export async function resolveThreads(given: ServeOptions): Promise<ResolvedThreads> {
  const options = (await readOptions(given)) as Record<string, unknown>;
  const { module, onThreadError, resourceLimits, globals, routes, signal, ...settings } = options;
  refuseUnknown(options, TOP_NAMES, '', EVERYWHERE);
  if (module === undefined) {
    const name = OF_THREADS.find((option) => options[option] !== undefined);
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `option "${name}" needs "module": functions cannot go to another thread; export the handlers from a file of their own and give its path, such as serve({ module: "./app.mjs", jsThreads: 4 })`,
    );
  }
  const target = checkTarget(module);
  for (const name of ['fetch', 'error', 'websocket']) {
    if (options[name] !== undefined) {
      throw withModule(`option "${name}"`);
    }
  }
  if (resolveRoutes(routes, false, FETCH + 1).entries.length > 0) {
    throw withModule('option "routes" with a function');
  }
  // Checked before a thread starts, as if the module had no options.
  signalAt({ signal });
  resolveOptions({ ...settings, globals } as ServeOptions, { routes: [] });
  return {
    module: await findModule(target),
    onError: functionAt(options, 'onThreadError') as ResolvedThreads['onError'],
    resourceLimits: limitsOf(resourceLimits),
    globals: globals as boolean | undefined,
    routes: routes as ResolvedThreads['routes'],
    settings: globals === undefined ? settings : { ...settings, globals },
  };
}

function checkTarget(module: unknown): string | URL {
  const isUrl = module instanceof URL;
  if (isUrl ? module.protocol !== 'file:' : typeof module !== 'string') {
    const value = isUrl ? module.href : module;
    throw invalid('option "module"', 'the path of a module or a file: URL', value);
  }
  return module as string | URL;
}

/**
 * The module in the argument of `server.reload`.
 * @throws {ReactorError} if there is none, or something else.
 */
export function moduleTarget(given: unknown): string | URL {
  const options = asObject('options', given);
  if (options.module === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      'a server whose handlers are on threads of their own is reloaded with a module: reload({ module })',
    );
  }
  refuseUnknown(options, ['module'], '');
  return checkTarget(options.module);
}

function withModule(what: string): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_OPTION',
    `${what} cannot be given together with "module": functions cannot go to another thread; let the module export it`,
  );
}

function limitsOf(given: unknown): ResourceLimits | undefined {
  if (given === undefined) {
    return undefined;
  }
  const limits = asObject('option "resourceLimits"', given);
  const names = [
    'maxOldGenerationSizeMb',
    'maxYoungGenerationSizeMb',
    'codeRangeSizeMb',
    'stackSizeMb',
  ];
  refuseUnknown(limits, names, 'resourceLimits.');
  for (const [name, value] of Object.entries(limits)) {
    if (value !== undefined && !(typeof value === 'number' && value > 0 && value < 2 ** 32)) {
      throw invalid(`option "resourceLimits.${name}"`, 'a number of MiB above 0', value);
    }
  }
  return limits;
}

/**
 * A module's options: the handlers stay on its thread, the settings are sent to the main thread.
 */
export interface ResolvedModule extends ResolvedHandlers {
  readonly error: BridgeOptions['onError'];
  readonly websocket: ResolvedWebSocket | undefined;
  readonly settings: Record<string, unknown>;
}

/**
 * Checks the exports of a module, on its thread.
 * @param given routes without handlers, which win over the module's
 * @throws {ReactorError} names the first option that is wrong.
 */
export function resolveModule(
  { name }: Module,
  exports: Record<string, unknown>,
  given: Readonly<Record<string, unknown>> | undefined,
): ResolvedModule {
  const exported = spellOut(exports);
  refuseUnknown(exported, TOP_NAMES, '', EVERYWHERE);
  for (const [option, why] of Object.entries(NOT_IN_MODULES)) {
    if (exported[option] !== undefined) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `option "${option}" cannot be exported by "${name}", which is served by JavaScript threads: ${why}`,
      );
    }
  }
  if (hasRegistry(exported.metrics)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `option "metrics.registry" cannot be exported by "${name}", which is served by JavaScript threads: each has a registry of its own, and the page asks one; give "serve" one that gathers them`,
    );
  }
  const { fetch, error, routes, websocket, ...settings } = exported;
  const all = given === undefined ? exported : { ...exported, routes: merged(routes, given) };
  const handlers = resolveHandlers(all, false, FETCH + 1);
  for (const [option, value] of Object.entries(settings)) {
    try {
      structuredClone(value);
    } catch {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `option "${option}" of "${name}" has a value that cannot go to another thread, ${inspect(value)}`,
      );
    }
  }
  const onError = (functionAt(exported, 'error') as BridgeOptions['onError'])?.bind(exported);
  return { ...handlers, error: onError, websocket: resolveWebSocket(websocket), settings };
}

function merged(routes: unknown, given: Readonly<Record<string, unknown>>): unknown {
  return isPlainObject(routes) ? { ...routes, ...given } : (routes ?? given);
}

/** The module's options, overridden by those given to `serve`. */
export function mergeSettings(
  module: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const result = spellOut(module);
  dropOtherAddress(result, (name) => given[name] !== undefined);
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) {
      if (name === 'metrics') {
        result[name] = mergedMetrics(result[name], value);
        continue;
      }
      const isNested = NESTED.includes(name) && typeof result[name] === 'object';
      result[name] = isNested ? { ...(result[name] as object), ...(value as object) } : value;
    }
  }
  return result;
}
