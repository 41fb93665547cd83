import type { NativeHealth } from '../binding/binding.js';
import type { HealthOptions } from '../types/health.js';
import { asObject, invalid, refuseUnknown } from './check.js';
import { DAY_MS, integer, type Rule, time } from './rules.js';

/** The time in which a cluster takes a pod out of its load balancers. */
const CLUSTER_DELAY_MS = 5000;

const NAMES = ['ready', 'live', 'handlers', 'isReady', 'check'];

/** How long a server goes on after a signal, in milliseconds. */
export function shutdownDelay(): Rule<number> {
  return {
    ...time(0, DAY_MS),
    fallback: () => (process.env.KUBERNETES_SERVICE_HOST ? CLUSTER_DELAY_MS : 0),
  };
}

/** Whether and where the engine answers health checks; {@link nativeHealth} looks into it. */
export function health(): Rule<boolean | HealthOptions> {
  return {
    fallback: () => false,
    allowed: 'true, false or an object',
    spelled: 'true or false',
    accepts: (value): value is boolean | HealthOptions =>
      typeof value === 'boolean' ||
      (typeof value === 'object' && value !== null && !Array.isArray(value)),
    fromText: (spelled) =>
      ({ true: true, 1: true, false: false, 0: false })[spelled as 'true'] ?? spelled,
  };
}

/** The option with what a command line says. That they are on says nothing of how the program has them. */
export function mergedHealth(before: unknown, given: unknown): unknown {
  return given === true && typeof before === 'object' && before !== null ? before : given;
}

/** What the engine is told. `undefined` if it answers none. */
export function nativeHealth(given: boolean | HealthOptions): NativeHealth | undefined {
  if (given === false) {
    return undefined;
  }
  const options = given === true ? {} : asObject('option "health"', given);
  refuseUnknown(options, NAMES, 'health.');
  const ready = pathAt(options, 'ready', '/readyz');
  const live = pathAt(options, 'live', '/livez');
  if (ready !== undefined && ready === live) {
    throw invalid('option "health.live"', 'another path than "health.ready"', live);
  }
  const { handlers, isReady = true, check } = options as HealthOptions;
  const seconds = integer(1, DAY_MS / 1000);
  if (handlers !== undefined && !seconds.accepts(handlers)) {
    throw invalid('option "health.handlers"', `${seconds.allowed}, in seconds`, handlers);
  }
  if (check !== undefined && typeof check !== 'function') {
    throw invalid('option "health.check"', 'a function', check);
  }
  if (typeof isReady !== 'boolean') {
    throw invalid('option "health.isReady"', 'true or false', isReady);
  }
  return {
    ...(ready === undefined ? {} : { ready }),
    ...(live === undefined ? {} : { live }),
    ...(handlers === undefined ? {} : { handlers: handlers * 1000 }),
    waits: !isReady || check !== undefined,
  };
}

/** A program's own word on its readiness, at the start and later. */
export function ownReadiness(given: boolean | HealthOptions): ResolvedReadiness {
  const { isReady = true, check } = typeof given === 'boolean' ? {} : given;
  return { isReady, check };
}

/** What {@link ownReadiness} has found. */
export interface ResolvedReadiness {
  readonly isReady: boolean;
  readonly check: (() => unknown) | undefined;
}

function pathAt(
  options: Record<string, unknown>,
  name: 'ready' | 'live',
  fallback: string,
): string | undefined {
  const path = options[name] ?? fallback;
  if (path === false) {
    return undefined;
  }
  // The engine finds it by the normal form of a request's path, and it is no pattern.
  if (typeof path !== 'string' || !/^(\/[A-Za-z0-9._~-]*[A-Za-z0-9_~-])+$/.test(path)) {
    throw invalid(`option "health.${name}"`, 'a path such as "/readyz", or false', path);
  }
  return path;
}
