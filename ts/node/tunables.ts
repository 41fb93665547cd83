import http from 'node:http';
import type { NativeOptions, NativeTuning } from '../binding/binding.js';
import { DAY_MS } from '../options/rules.js';
import { defaultOf } from '../options/table.js';
import type { ServeOptions } from '../types/options.js';

/** The program's options of limits and times. */
type Bounds = Pick<ServeOptions, 'limits' | 'timeouts'>;

/** Properties that programs set on a server, before or while it listens. */
export interface Tunables {
  keepAliveTimeout: unknown;
  headersTimeout: unknown;
  requestTimeout: unknown;
  maxHeadersCount: unknown;
  maxRequestsPerSocket: unknown;
  timeout: unknown;
  maxConnections: unknown;
}

/** Which events the program listens for. */
export interface Interests {
  readonly connection: boolean;
  readonly timeout: boolean;
  readonly drop: boolean;
}

export const TUNABLES = [
  'keepAliveTimeout',
  'headersTimeout',
  'requestTimeout',
  'maxHeadersCount',
  'maxRequestsPerSocket',
  'timeout',
  'maxConnections',
] as const satisfies readonly (keyof Tunables)[];

/** The default limit of fields in a request, as Node documents it. */
const FIELDS = 2000;

/** The engine's highest limits. */
const MOST_FIELDS = 10_000;
export const MOST_HEAD = 1024 * 1024;

/** The values of the properties before the program sets them. */
export function initialTunables(engine: Bounds, node: http.ServerOptions): Tunables {
  const { timeouts = {} } = engine;
  return {
    keepAliveTimeout:
      timeouts.keepAlive ?? node.keepAliveTimeout ?? defaultOf('timeouts.keepAlive'),
    headersTimeout: timeouts.head ?? node.headersTimeout ?? defaultOf('timeouts.head'),
    requestTimeout: node.requestTimeout ?? 300_000,
    maxHeadersCount: null,
    maxRequestsPerSocket: 0,
    timeout: 0,
    maxConnections: undefined,
  };
}

/** Makes a server's properties out of them. */
export function defineTunables(server: object, tunables: Tunables, onChange: () => void): void {
  for (const name of TUNABLES) {
    Object.defineProperty(server, name, {
      get: () => tunables[name],
      set: (value) => {
        tunables[name] = value;
        onChange();
      },
      enumerable: true,
      configurable: true,
    });
  }
}

/** The engine's settings for these values. 0 and invalid values mean no limit. */
export function tuned(
  native: Pick<NativeOptions, 'limits' | 'timeouts'>,
  engine: Bounds,
  now: Tunables,
  interests: Interests,
): NativeTuning {
  const inactive = milliseconds(now.timeout);
  const receive = milliseconds(now.requestTimeout);
  const maxConnections = connections(now.maxConnections);
  const isTold = inactive !== undefined && interests.timeout;
  return {
    limits: {
      ...native.limits,
      fields: engine.limits?.fields ?? fields(now.maxHeadersCount),
    },
    timeouts: {
      ...native.timeouts,
      head: milliseconds(now.headersTimeout) ?? DAY_MS,
      // As in Node, `timeout` takes the place of `keepAliveTimeout` between two requests.
      keepAlive: milliseconds(now.keepAliveTimeout) ?? inactive ?? DAY_MS,
      ...(receive === undefined ? {} : { receive }),
      ...(inactive === undefined ? {} : { inactive }),
    },
    announce: {
      connections: interests.connection || isTold,
      inactive: isTold,
      refused: interests.drop,
    },
    ...(maxConnections === undefined ? {} : { maxConnections }),
  };
}

function milliseconds(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? Math.min(Math.ceil(value), DAY_MS) : undefined;
}

function fields(count: unknown): number {
  if (typeof count !== 'number' || Number.isNaN(count)) {
    return FIELDS;
  }
  return count > 0 ? Math.min(Math.ceil(count), MOST_FIELDS) : MOST_FIELDS;
}

/** Before Node 21 a `maxConnections` of 0 was no limit. */
const ZERO_IS_NONE = Number.parseInt(process.versions.node, 10) < 21;

function connections(most: unknown): number | undefined {
  if (typeof most !== 'number' || Number.isNaN(most) || most > 0xffff_ffff) {
    return undefined;
  }
  if (most === 0 && ZERO_IS_NONE) {
    return undefined;
  }
  // As in Node, a negative number means none.
  return Math.max(Math.ceil(most), 0);
}

/**
 * The limit for heads, in bytes: from the program or Node's command line, as far as the engine
 * allows.
 */
export function headLimit(engine: Bounds, node: http.ServerOptions): number {
  return engine.limits?.head ?? Math.min(node.maxHeaderSize || http.maxHeaderSize, MOST_HEAD);
}
