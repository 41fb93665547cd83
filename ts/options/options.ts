import type { NativeAccessLog, NativeListen, NativeOptions } from '../binding/binding.js';
import { cores } from '../binding/cores.js';
import { ReactorError } from '../errors/errors.js';
import { show } from '../errors/inspect.js';
import { isAbortSignal } from '../fetch/genuine.js';
import type { BridgeOptions } from '../lane/bridge.js';
import { type AnyHandler, FETCH } from '../lane/handlers.js';
import { Proxies, TRUST_PROXY } from '../proxy/proxies.js';
import type { ListenAddress } from '../types/addresses.js';
import type { ServeOptions, ThreadCount, TrustProxy } from '../types/options.js';
import type { ReloadOptions, StopOptions } from '../types/server.js';
import { withoutAliases } from './aliases.js';
import { refuseMissingFetch } from './application.js';
import { refuseNodeHandler } from './foreign-applications.js';
import { isHarmless } from './foreign-names.js';
import { parseListener } from './listener.js';
import { adviceFor } from './names.js';
import { type ResolvedRoutes, readRoutes, resolveRoutes } from './routes.js';

/** One option: its default, and what it accepts. */
export interface Rule<T> {
  /** The default, computed late: it may depend on the machine. */
  readonly fallback: () => T;
  /** Completes the sentence "must be …". */
  readonly allowed: string;
  readonly accepts: (value: unknown) => value is T;
  /** The value a command line or environment variable means; unchecked. */
  readonly fromText: (text: string) => unknown;
}

/** The longest time that an option takes. */
export const DAY_MS = 86_400_000;

/** Enough for a few large uploads, and no danger on a small machine. */
export const BODY_MEMORY = 256 * 1024 * 1024;

/** The default of `limits.body` where bodies are collected in memory. */
const COLLECTED_BODY = 16 * 1024 * 1024;

/** The same where a JavaScript handler takes them as they come. */
const STREAMED_BODY = 128 * 1024 * 1024;

/** Every option, its default and its range. Nested ones are named with a dot. */
const RULES = {
  port: port(8080),
  // An IPv6 address has two colons at least; after one comes a port.
  hostname: text('a host name or IP address', /^(?![^:]*:[^:]*$)[^\s/[\]]{1,255}$/, '::'),
  unix: optional(unixSocket()),
  unixMode: optional(unixMode()),
  ipv6Only: boolean(false),
  ioThreads: threads(1, 16, (cores) => Math.floor(cores / 2)),
  workerThreads: threads(1, 32, (cores) => cores),
  accept: oneOf(['acceptor', 'per-loop'], 'acceptor'),
  backlog: integer(1, 65_535, 511),
  queue: integer(1, 1_000_000, 4096),
  maxConnections: optional(integer(1, 10_000_000)),
  bodyMemory: optional(integer(0, 2 ** 40)),
  maxInFlight: optional(integer(1, 1_000_000)),
  requestTimeout: integer(0, DAY_MS, 0),
  jsThreads: optional(threads(1, 64, (cores) => cores)),
  trustProxy: trustProxy(),
  'limits.requestLine': integer(64, 1_048_576, 8192),
  'limits.head': integer(128, 1_048_576, 16_384),
  'limits.fields': integer(1, 10_000, 100),
  'limits.body': optional(integer(0, 4_294_967_296)),
  'limits.chunkExtensions': integer(0, 1_048_576, 16_384),
  'timeouts.head': integer(1, DAY_MS, 30_000),
  'timeouts.body': integer(1, DAY_MS, 30_000),
  'timeouts.keepAlive': integer(1, DAY_MS, 75_000),
  'timeouts.write': integer(1, DAY_MS, 30_000),
  'timeouts.drain': integer(0, DAY_MS, 10_000),
  'accessLog.file': optional(text('a path, or "-" for standard output', /^[^\0]+$/)),
  'accessLog.format': oneOf(['common', 'combined', 'json'], 'combined'),
  metrics: optional(listener()),
  control: control(),
};

/** What may stand for an object, where that is not the object alone. */
const OBJECT_OR: Readonly<Record<string, string>> = {
  accessLog: 'a path, "-" for standard output, or an object with "file" and "format"',
};

/** The name of an option that the command line can set too. */
export type OptionName = keyof typeof RULES;

type ValueOf<K extends OptionName> = (typeof RULES)[K] extends Rule<infer T> ? T : never;

/** Names of options with a rule, in nested objects too. */
export const OPTION_NAMES = Object.keys(RULES) as OptionName[];
/** Names at the top, to tell unknown ones. */
export const TOP_NAMES = [
  'fetch',
  'error',
  'routes',
  'globals',
  'signal',
  'module',
  'onThreadError',
  'resourceLimits',
  'onListen',
  'gracefulShutdown',
  ...new Set(OPTION_NAMES.map((name) => name.split('.')[0] as string)),
];

/** Names of every option of `serve`, those in nested objects too. */
export const EVERYWHERE: readonly string[] = [...new Set([...TOP_NAMES, ...OPTION_NAMES])];

/** Handlers, checked. */
export interface ResolvedHandlers extends ResolvedRoutes {
  readonly fetch: AnyHandler | undefined;
}

/** Options, checked and with their defaults. */
export interface ResolvedOptions extends ResolvedHandlers {
  readonly native: NativeOptions;
  readonly error: BridgeOptions['onError'];
  readonly globals: boolean;
  /** The JavaScript thread may drive the I/O loop. */
  readonly drives: boolean;
  readonly proxies: Proxies | null;
  readonly signal: AbortSignal | undefined;
  readonly control: boolean | string;
  readonly onListen: ((address: ListenAddress) => void) | undefined;
  readonly gracefulShutdown: ResolvedShutdown | undefined;
}

/** How a server stops by itself when a signal comes. */
export interface ResolvedShutdown {
  /** Milliseconds that requests under way have; by default `timeouts.drain`. */
  readonly timeout: number;
}

/**
 * Checks what a user gave to `serve` and fills in the defaults.
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

  if (options.unix !== undefined) {
    for (const name of ['port', 'hostname', 'ipv6Only'] as const) {
      if (options[name] !== undefined && options[name] !== false) {
        throw new ReactorError(
          'ERR_REACTOR_INVALID_OPTION',
          `option "${name}" cannot be given together with "unix": a server listens on one address`,
        );
      }
    }
  }

  const unixMode = modeOf(get('unixMode'), get('unix'));
  const accessLog = accessLogOf(options, get('accessLog.file'), get('accessLog.format'));
  const metrics = get('metrics');
  const unix = get('unix');
  const maxConnections = get('maxConnections');
  const maxInFlight = get('maxInFlight');
  const requestTimeout = get('requestTimeout');
  const ioThreads = threadsFor('ioThreads', get('ioThreads'));
  const handlers =
    elsewhere === undefined
      ? resolveHandlers(options, false, FETCH + 1)
      : { ...elsewhere, entries: [], fetch: undefined };
  const { routes } = handlers;
  const shutdown = shutdownOf(options.gracefulShutdown, get('timeouts.drain'));
  const proxies = Proxies.from(get('trustProxy'));
  const streams = routes?.some(({ handler }) => handler !== undefined) ?? false;
  const native = {
    ...(unix === undefined ? {} : { unix }),
    ...(unixMode === undefined ? {} : { unixMode }),
    ...(get('ipv6Only') ? { ipv6Only: true } : {}),
    hostname: get('hostname'),
    port: portFrom(options, get('port')),
    ioThreads,
    workerThreads: threadsFor('workerThreads', get('workerThreads')),
    acceptPerLoop: get('accept') === 'per-loop',
    backlog: get('backlog'),
    queue: get('queue'),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    // The engine gives each I/O thread an equal share, and the largest body that
    // the limit allows must fit in one.
    bodyMemory:
      get('bodyMemory') ??
      Math.max(BODY_MEMORY, (get('limits.body') ?? COLLECTED_BODY) * ioThreads),
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
    ...(requestTimeout === 0 ? {} : { requestTimeout }),
    limits: {
      requestLine: get('limits.requestLine'),
      head: get('limits.head'),
      fields: get('limits.fields'),
      body: get('limits.body') ?? (streams ? STREAMED_BODY : COLLECTED_BODY),
      chunkExtensions: get('limits.chunkExtensions'),
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
    ...(metrics === undefined ? {} : { metrics: parseListener(metrics) as NativeListen }),
    secured: [...(proxies?.peers ?? [])],
  };
  const { globals = true } = options;
  if (typeof globals !== 'boolean') {
    throw invalid('option "globals"', 'true or false', globals);
  }
  const error = (functionAt(options, 'error') as BridgeOptions['onError'])?.bind(options);
  // Threads that were asked for by number are threads of their own.
  const drives = elsewhere === undefined && get('ioThreads') === 'auto' && ioThreads === 1;
  const signal = signalAt(options);
  return {
    native,
    ...handlers,
    error,
    globals,
    drives,
    proxies,
    signal,
    control: get('control'),
    onListen: (functionAt(options, 'onListen') as ResolvedOptions['onListen'])?.bind(options),
    gracefulShutdown: shutdown,
  };
}

/** The option, else the variable, else the default. */
function portFrom(options: Record<string, unknown>, value: number | string): number {
  const { PORT } = process.env;
  // `PORT= command` is how a shell unsets a variable for one command.
  if (options.port !== undefined || options.unix !== undefined || !PORT) {
    return Number(value);
  }
  return parseOption('port', 'the environment variable PORT', PORT) as number;
}

/** Time for a signal's stop is time for every stop, where nothing else is said of those. */
function drainOf(
  options: Record<string, unknown>,
  drain: number,
  shutdown: ResolvedShutdown | undefined,
): number {
  const isGiven = valueAt(options, 'timeouts.drain') !== undefined;
  return isGiven ? drain : (shutdown?.timeout ?? drain);
}

function shutdownOf(given: unknown, drain: number): ResolvedShutdown | undefined {
  if (given === undefined || given === false) {
    return undefined;
  }
  if (given === true) {
    return { timeout: drain };
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
  // What is cut off is cut off at once, so there is nothing to wait for after that.
  const { gracefulTimeout } = options as { gracefulTimeout?: number };
  return { timeout: gracefulTimeout === undefined ? drain : Math.ceil(gracefulTimeout * 1000) };
}

/**
 * The same options with every short form spelled out: an access log that is given
 * as a path, names of other servers for options that are here too, and options of theirs
 * that ask for nothing.
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
  return options;
}

/**
 * Options with the bodies of their routes read, which takes a while for a `Response` that
 * is not ours, and for a `Blob`.
 */
export async function readOptions(given: ServeOptions): Promise<ServeOptions> {
  const options = spellOut(asObject('options', given));
  // One that is not there says that the built-in application answers.
  return options.routes === undefined
    ? options
    : { ...options, routes: (await readRoutes(options.routes)) as ServeOptions['routes'] };
}

/** Refuses a value for an option that goes by another name, which `label` says. */
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
 * Whoever names one kind of address does not want the module's other kind: takes it out.
 * @param isNamed whether an option was given beside the module
 */
export function dropOtherAddress(
  options: Record<string, unknown>,
  isNamed: (name: string) => boolean,
): void {
  const tcp = ['port', 'hostname'];
  const other = isNamed('unix')
    ? [...tcp, 'ipv6Only']
    : tcp.some(isNamed)
      ? ['unix', 'unixMode']
      : [];
  for (const name of other) {
    if (!isNamed(name)) {
      delete options[name];
    }
  }
}

/** Permissions as a number; those of a socket without a file are a mistake. */
function modeOf(mode: number | string | undefined, unix: string | undefined): number | undefined {
  if (mode === undefined) {
    return undefined;
  }
  if (unix === undefined || unix.startsWith('\0')) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      'option "unixMode" needs "unix" with a path: only the file of a unix socket has permissions',
    );
  }
  return typeof mode === 'string' ? Number.parseInt(mode.replace('0o', ''), 8) : mode;
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

/** Checks what a user gave to `server.stop`. */
export function resolveStop(given: StopOptions | boolean): { force: boolean } {
  // Bun's and srvx's `stop(closeActiveConnections)`.
  const options = typeof given === 'boolean' ? { force: given } : asObject('options', given);
  refuseUnknown(options, ['force'], '');
  const force = options.force ?? false;
  if (typeof force !== 'boolean') {
    throw invalid('option "force"', 'true or false', force);
  }
  return { force };
}

/**
 * Checks what a user gave to `server.reload`.
 * @param hasFetch the server has a handler for what no route answers
 * @param firstNumber of the handlers of routes
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
  // A method may want its object.
  const fetch = given?.bind(options);
  const resolved = resolveRoutes(options.routes, hasFetch || fetch !== undefined, firstNumber);
  return { ...resolved, fetch };
}

export function functionAt(options: Record<string, unknown>, name: string): unknown {
  const value = options[name];
  if (value !== undefined && typeof value !== 'function') {
    throw invalid(`option "${name}"`, 'a function', value);
  }
  return value;
}

export function signalAt({ signal }: Record<string, unknown>): AbortSignal | undefined {
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw invalid('option "signal"', 'an AbortSignal', signal);
  }
  return signal;
}

/**
 * The checked value of `name` as a command line or environment variable spells
 * it. `label` is what the user wrote it as, for the error.
 */
export function parseOption(name: OptionName, label: string, spelled: string): unknown {
  const rule: Rule<unknown> = RULES[name];
  const value = rule.fromText(spelled);
  if (!rule.accepts(value)) {
    throw invalid(label, rule.allowed, spelled);
  }
  return value;
}

/** The default of `name`, for help texts. */
export function defaultOf<K extends OptionName>(name: K): ValueOf<K> {
  return RULES[name].fallback() as ValueOf<K>;
}

/** What `name` accepts, for help texts. */
export function allowedFor(name: OptionName): string {
  return RULES[name].allowed;
}

function resolve(name: OptionName, value: unknown): unknown {
  const rule: Rule<unknown> = RULES[name];
  if (value === undefined) {
    return rule.fallback();
  }
  if (!rule.accepts(value)) {
    throw invalid(`option "${name}"`, rule.allowed, value);
  }
  return value;
}

/** The value given for a name with or without a dot; `undefined` where none is. */
function valueAt(options: Record<string, unknown>, name: OptionName): unknown {
  const [outer, inner] = name.split('.') as [string, string?];
  const value = options[outer];
  if (inner === undefined || value === undefined) {
    return value;
  }
  const nested = asObject(`option "${outer}"`, value, OBJECT_OR[outer]);
  const siblings = OPTION_NAMES.filter((other) => other.startsWith(`${outer}.`));
  refuseUnknown(
    nested,
    siblings.map((other) => other.slice(outer.length + 1)),
    `${outer}.`,
    EVERYWHERE,
  );
  return nested[inner];
}

function threadsFor(name: 'ioThreads' | 'workerThreads', count: ThreadCount): number {
  return count === 'auto' ? RULES[name].auto(cores()) : count;
}

/**
 * Refuses names that are not `known`, with the one that was meant.
 * @param everywhere names that may be meant in other places, whole; for options of `serve`
 */
export function refuseUnknown(
  given: Record<string, unknown>,
  known: readonly string[],
  prefix: string,
  everywhere?: readonly string[],
): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) {
      throw new ReactorError(
        'ERR_REACTOR_UNKNOWN_OPTION',
        `unknown option "${prefix}${name}"${adviceFor(name, known, prefix, everywhere)}`,
      );
    }
  }
}

/** `value` as an object, or an error that names it `label`. */
export function asObject(
  label: string,
  value: unknown,
  allowed = 'an object',
): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(label, allowed, value);
  }
  return value as Record<string, unknown>;
}

/** The error for a value that is not as `allowed`. */
export function invalid(label: string, allowed: string, value: unknown): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_OPTION',
    `${label} must be ${allowed}, got ${show(value)}`,
  );
}

/** Whole numbers of a range. */
export function integer(min: number, max: number): Rule<number>;
export function integer(min: number, max: number, fallback: number): Rule<number>;
export function integer(min: number, max: number, fallback = min): Rule<number> {
  return {
    fallback: () => fallback,
    allowed: `an integer from ${min} to ${max}`,
    accepts: (value): value is number =>
      typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max,
    fromText: toInteger,
  };
}

/** A port, as a number or in digits, as environment variables have it. */
function port(fallback: number): Rule<number | string> {
  const number = integer(0, 65_535, fallback);
  return {
    ...number,
    accepts: (value): value is number | string =>
      number.accepts(typeof value === 'string' ? toInteger(value) : value),
  };
}

function threads(
  min: number,
  max: number,
  forCores: (cores: number) => number,
): Rule<ThreadCount> & { auto: (cores: number) => number } {
  const number = integer(min, max);
  return {
    fallback: () => 'auto',
    allowed: `${number.allowed}, or "auto"`,
    accepts: (value): value is ThreadCount => value === 'auto' || number.accepts(value),
    fromText: (spelled) => (spelled === 'auto' ? spelled : toInteger(spelled)),
    auto: (cores) => Math.min(Math.max(forCores(cores), min), max),
  };
}

/** Strings of a pattern; `what` completes "must be …". */
export function text(what: string, pattern: RegExp, fallback = ''): Rule<string> {
  return {
    fallback: () => fallback,
    allowed: what,
    accepts: (value): value is string => typeof value === 'string' && pattern.test(value),
    fromText: (spelled) => spelled,
  };
}

/** `true` or `false`. */
export function boolean(fallback: boolean): Rule<boolean> {
  return {
    fallback: () => fallback,
    allowed: 'true or false',
    accepts: (value): value is boolean => typeof value === 'boolean',
    fromText: (spelled) =>
      ({ true: true, 1: true, false: false, 0: false })[spelled as 'true'] ?? spelled,
  };
}

/** A path, or an abstract name after a zero byte, for which `@` stands on a command line. */
export function unixSocket(): Rule<string> {
  return {
    ...text('the path of a unix socket', /^\0?[^\0]+$/),
    fromText: (spelled) => (/^@./.test(spelled) ? `\0${spelled.slice(1)}` : spelled),
  };
}

/** A number such as 660 has lost its `0o`, and is above 0o777. */
function unixMode(): Rule<number | string> {
  const number = integer(0, 0o777);
  return {
    fallback: () => 0,
    allowed: 'permissions such as 0o660 or "0660", up to 0o777',
    accepts: (value): value is number | string =>
      typeof value === 'string' ? /^(0o?)?[0-7]{1,3}$/.test(value) : number.accepts(value),
    fromText: (spelled) => spelled,
  };
}

function oneOf<const T extends string>(values: readonly T[], fallback: NoInfer<T>): Rule<T> {
  return {
    fallback: () => fallback,
    allowed: list(values.map((value) => JSON.stringify(value))),
    accepts: (value): value is T => values.includes(value as T),
    fromText: (spelled) => spelled,
  };
}

function trustProxy(): Rule<TrustProxy> {
  return {
    fallback: () => false,
    allowed: TRUST_PROXY,
    accepts: (value): value is TrustProxy => {
      try {
        Proxies.from(value as TrustProxy);
        return true;
      } catch {
        return false;
      }
    },
    fromText: (spelled) =>
      /^(true|false)$/.test(spelled) ? spelled === 'true' : toInteger(spelled),
  };
}

function control(): Rule<boolean | string> {
  return {
    fallback: () => false,
    allowed: 'true, false or the path of a unix socket',
    accepts: (value): value is boolean | string =>
      typeof value === 'boolean' || (typeof value === 'string' && /^[^\0]+$/.test(value)),
    fromText: (spelled) => (spelled === 'true' ? true : spelled === 'false' ? false : spelled),
  };
}

function listener(): Rule<number | string> {
  return {
    fallback: () => 0,
    allowed: 'a port from 0 to 65535, "host:port" or the path of a unix socket',
    accepts: (value): value is number | string => parseListener(value) !== undefined,
    fromText: (spelled) => spelled,
  };
}

export function optional<T>(rule: Rule<T>): Rule<T | undefined> {
  return {
    ...rule,
    fallback: () => undefined,
    accepts: (value): value is T => rule.accepts(value),
  };
}

/** `a or b`, `a, b or c`. */
function list(words: readonly string[]): string {
  return [words.slice(0, -1).join(', '), words.at(-1)].join(' or ');
}

/** Digits only: `Number` would take `''`, `0x10`, `1e3` and blanks. */
function toInteger(spelled: string): unknown {
  return /^-?\d{1,16}$/.test(spelled) ? Number(spelled) : spelled;
}
