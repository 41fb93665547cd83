import type { NativeListen } from '../binding/binding.js';
import type { MetricsOptions } from '../types/metrics.js';
import { asObject, invalid, refuseUnknown } from './check.js';
import { parseListener } from './listener.js';
import { listener, type Rule } from './rules.js';

type Given = number | string | MetricsOptions;

/** Checked options of metrics. */
export interface ResolvedMetrics {
  readonly listen: NativeListen | undefined;
  /** Asks the program for its own; `undefined` if it has none. */
  readonly registry: (() => unknown) | undefined;
}

const DESCRIPTOR = /^fd:(\d{1,7})$/;

/** A listener, or a socket that somebody else has opened. */
const PLACE = {
  allowed: 'a port from 0 to 65535, "host:port", the path of a unix socket or "fd:3"',
  accepts: (value: unknown): value is number | string =>
    listener().accepts(value) || (typeof value === 'string' && DESCRIPTOR.test(value)),
};

/** A listener, or an object that {@link resolveMetrics} looks into. */
export function metrics(): Rule<Given> {
  const { fromText, fallback } = listener();
  const { allowed } = PLACE;
  return {
    fallback,
    allowed: 'a port from 0 to 65535, "host:port", the path of a unix socket, "fd:3" or an object',
    spelled: allowed,
    accepts: (value): value is Given => PLACE.accepts(value) || isObject(value),
    fromText,
  };
}

function isObject(value: unknown): value is MetricsOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a program adds metrics of its own. */
export function hasRegistry(given: unknown): boolean {
  return isObject(given) && given.registry !== undefined;
}

/** The options with those that are given elsewhere, which win. */
export function mergedMetrics(before: unknown, given: unknown): unknown {
  if (!isObject(before) && !isObject(given)) {
    return given;
  }
  const spelledOut = (one: unknown) =>
    isObject(one) ? one : one === undefined ? {} : { listen: one };
  return { ...spelledOut(before), ...spelledOut(given) };
}

/**
 * Checks what the rule lets pass.
 * @param passed the socket for metrics that a service manager has passed, if it has
 */
export function resolveMetrics(
  given: Given | undefined,
  passed: { readonly fd: number } | undefined,
): ResolvedMetrics {
  const { listen: at, registry } = isObject(given)
    ? fields(given, passed !== undefined)
    : { listen: given };
  const where = at === undefined ? undefined : placeOf(at);
  return {
    listen: passed === undefined ? where : { hostname: '', port: 0, ...where, fd: passed.fd },
    registry: askOf(registry),
  };
}

function placeOf(at: number | string): NativeListen {
  const [, fd] = DESCRIPTOR.exec(String(at)) ?? [];
  return fd === undefined
    ? (parseListener(at) as NativeListen)
    : { hostname: '', port: 0, fd: Number(fd) };
}

function fields(given: MetricsOptions, isPassed: boolean): MetricsOptions {
  refuseUnknown(asObject('option "metrics"', given), ['listen', 'registry'], 'metrics.');
  const { listen } = given;
  if (!(listen === undefined && isPassed) && !PLACE.accepts(listen)) {
    throw invalid('option "metrics.listen"', PLACE.allowed, listen);
  }
  return given;
}

function askOf(registry: MetricsOptions['registry']): ResolvedMetrics['registry'] {
  if (registry === undefined || typeof registry === 'function') {
    return registry;
  }
  if (typeof registry !== 'object' || typeof registry?.metrics !== 'function') {
    throw invalid(
      'option "metrics.registry"',
      'a Registry, such as "register" of prom-client, or a function that returns text',
      registry,
    );
  }
  return () => registry.metrics();
}
