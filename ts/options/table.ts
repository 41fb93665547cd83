import { cores } from '../binding/cores.js';
import type { ThreadCount } from '../types/options.js';
import { asObject, checked, parsed, refuseUnknown } from './check.js';
import { codings, mediaTypes } from './compress.js';
import { health, shutdownDelay } from './health.js';
import { metrics } from './metrics.js';
import {
  boolean,
  control,
  DAY_MS,
  integer,
  oneOf,
  optional,
  port,
  proxyProtocol,
  type Rule,
  text,
  threads,
  trace,
  trustProxy,
  unixMode,
  unixSocket,
} from './rules.js';

/** Enough for a few large uploads, and safe on a small machine. */
export const BODY_MEMORY = 256 * 1024 * 1024;

/** The default of `limits.body` if the engine collects bodies in memory. */
export const COLLECTED_BODY = 16 * 1024 * 1024;

/** The default of `limits.body` if a JavaScript handler reads bodies as they arrive. */
export const STREAMED_BODY = 128 * 1024 * 1024;

/** Every option, its default and its range. Names of nested options have a dot. */
export const RULES = {
  port: port(8080),
  // An IPv6 address has at least two colons. After a single one would come a port.
  hostname: text('a host name or IP address', /^(?![^:]*:[^:]*$)[^\s/[\]]{1,255}$/, '::'),
  unix: optional(unixSocket()),
  unixMode: optional(unixMode()),
  ipv6Only: boolean(false),
  fd: optional(integer(0, 1_048_575)),
  reusePort: boolean(false),
  ioThreads: threads(1, 16, (cores) => Math.floor(cores / 2)),
  workerThreads: threads(1, 32, (cores) => cores),
  accept: oneOf(['auto', 'acceptor', 'per-loop'], 'auto'),
  backlog: integer(1, 65_535, 511),
  queue: integer(1, 1_000_000, 4096),
  maxConnections: optional(integer(1, 10_000_000)),
  bodyMemory: optional(integer(0, 2 ** 40)),
  maxInFlight: optional(integer(1, 1_000_000)),
  requestTimeout: integer(0, DAY_MS, 0),
  shutdownDelay: shutdownDelay(),
  jsThreads: optional(threads(1, 64, (cores) => cores)),
  trustProxy: trustProxy(),
  proxyProtocol: proxyProtocol(),
  http1: boolean(true),
  http2: boolean(true),
  'limits.requestLine': integer(64, 1_048_576, 8192),
  'limits.head': integer(128, 1_048_576, 16_384),
  'limits.fields': integer(1, 10_000, 100),
  'limits.body': optional(integer(0, 4_294_967_296)),
  'limits.chunkExtensions': integer(0, 1_048_576, 16_384),
  'limits.streams': integer(1, 10_000, 100),
  'timeouts.head': integer(1, DAY_MS, 30_000),
  'timeouts.body': integer(1, DAY_MS, 30_000),
  'timeouts.keepAlive': integer(1, DAY_MS, 75_000),
  'timeouts.write': integer(1, DAY_MS, 30_000),
  'timeouts.drain': integer(0, DAY_MS, 10_000),
  'accessLog.file': optional(text('a path, or "-" for standard output', /^[^\0]+$/)),
  'accessLog.format': oneOf(['common', 'combined', 'json'], 'combined'),
  'compress.threshold': integer(0, 2 ** 30, 1024),
  'compress.codings': codings(),
  'compress.types': mediaTypes(),
  'compress.private': boolean(false),
  'compress.padding': integer(0, 256, 0),
  'compress.effort': oneOf(['fast', 'dense'], 'fast'),
  metrics: optional(metrics()),
  trace: trace(),
  serverTiming: boolean(false),
  control: control(),
  health: health(),
};

/** Completes "must be …" for options that are not only an object. */
const OBJECT_OR: Readonly<Record<string, string>> = {
  compress: 'true, false or an object',
  accessLog: 'a path, "-" for standard output, or an object with "file" and "format"',
};

/** The name of an option that the command line has too. */
export type OptionName = keyof typeof RULES;

export type ValueOf<K extends OptionName> = (typeof RULES)[K] extends Rule<infer T> ? T : never;

/** Names of options with a rule, nested ones included. */
export const OPTION_NAMES = Object.keys(RULES) as OptionName[];
/** Names at the top level, to find unknown ones. */
export const TOP_NAMES = [
  'fetch',
  'error',
  'routes',
  'globals',
  'listen',
  'tls',
  'websocket',
  'pubsub',
  'signal',
  'module',
  'onThreadError',
  'resourceLimits',
  'onListen',
  'gracefulShutdown',
  ...new Set(OPTION_NAMES.map((name) => name.split('.')[0] as string)),
];

/** Names of all options of `serve`, nested ones included. */
export const EVERYWHERE: readonly string[] = [...new Set([...TOP_NAMES, ...OPTION_NAMES])];

/**
 * The checked value of an option, as a command line or environment variable spells it. `label` is
 * how the user wrote its name.
 */
export function parseOption(name: OptionName, label: string, spelled: string): unknown {
  return parsed<unknown>(RULES[name], label, spelled);
}

/** The default of an option, for help texts. */
export function defaultOf<K extends OptionName>(name: K): ValueOf<K> {
  return RULES[name].fallback() as ValueOf<K>;
}

/** What an option accepts, for help texts. */
export function allowedFor(name: OptionName): string {
  return RULES[name].allowed;
}

/** What it accepts on the command line. */
export function spelledFor(name: OptionName): string {
  const { allowed, spelled = allowed }: Rule<unknown> = RULES[name];
  return spelled;
}

export function resolve(name: OptionName, value: unknown): unknown {
  return checked<unknown>(RULES[name], `option "${name}"`, value);
}

/** The given value of an option, whose name may have a dot; `undefined` if it was not given. */
export function valueAt(options: Record<string, unknown>, name: OptionName): unknown {
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

export function threadsFor(name: 'ioThreads' | 'workerThreads', count: ThreadCount): number {
  return count === 'auto' ? RULES[name].auto(cores()) : count;
}
