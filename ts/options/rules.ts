import { Proxies, TRUST_PROXY } from '../proxy/proxies.js';
import type { ProxyProtocol } from '../types/listen.js';
import type { ThreadCount, TrustProxy } from '../types/options.js';
import { parseListener } from './listener.js';

/** The rule of one option: its default, and the values it accepts. */
export interface Rule<T> {
  /** The default, computed late because it may depend on the machine. */
  readonly fallback: () => T;
  /** Completes the sentence "must be …". */
  readonly allowed: string;
  /** The same for a command line or environment variable, where that differs. */
  readonly spelled?: string;
  readonly accepts: (value: unknown) => value is T;
  /** The value that a command line or environment variable spells; not checked yet. */
  readonly fromText: (text: string) => unknown;
}

/** The longest time of any option. */
export const DAY_MS = 86_400_000;

/** Whole numbers in a range. */
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

/** Milliseconds in a range, by default the least. On a command line `5s` is possible. */
export function time(min: number, max: number): Rule<number> {
  return {
    ...integer(min, max),
    spelled: `from ${min} to ${max} milliseconds, or such as 500ms, 5s, 2m`,
    fromText: (spelled) => toMilliseconds(spelled, 1),
  };
}

/**
 * The milliseconds that `500ms`, `5s`, `2m` or `1h` spells; other text as it is.
 * @param unit of a number without one, in milliseconds
 */
export function toMilliseconds(spelled: string, unit: number): unknown {
  const units: Record<string, number> = { '': unit, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const [, number, name = ''] = /^(\d{1,8}(?:\.\d{1,3})?)(ms|s|m|h|)$/.exec(spelled) ?? [];
  return number === undefined ? spelled : Math.round(Number(number) * (units[name] as number));
}

/** A port, as a number or in digits, as environment variables have it. */
export function port(fallback: number): Rule<number | string> {
  const number = integer(0, 65_535, fallback);
  return {
    ...number,
    accepts: (value): value is number | string =>
      number.accepts(typeof value === 'string' ? toInteger(value) : value),
  };
}

export function threads(
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

/** Strings that match a pattern; `what` completes "must be …". */
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

/** A path, or an abstract name after a zero byte. On a command line `@` stands for that byte. */
export function unixSocket(): Rule<string> {
  return {
    ...text('the path of a unix socket', /^\0?[^\0]+$/),
    fromText: (spelled) => (/^@./.test(spelled) ? `\0${spelled.slice(1)}` : spelled),
  };
}

/**
 * Permissions. The number 660 is a `0o660` whose `0o` was forgotten; it is refused, since it is
 * above 0o777.
 */
export function unixMode(): Rule<number | string> {
  const number = integer(0, 0o777);
  return {
    fallback: () => 0,
    allowed: 'permissions such as 0o660 or "0660", up to 0o777',
    accepts: (value): value is number | string =>
      typeof value === 'string' ? /^(0o?)?[0-7]{1,3}$/.test(value) : number.accepts(value),
    fromText: (spelled) => spelled,
  };
}

export function oneOf<const T extends string>(values: readonly T[], fallback: NoInfer<T>): Rule<T> {
  return {
    fallback: () => fallback,
    allowed: list(values.map((value) => JSON.stringify(value))),
    accepts: (value): value is T => values.includes(value as T),
    fromText: (spelled) => spelled,
  };
}

export function trustProxy(): Rule<TrustProxy> {
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

export function proxyProtocol(): Rule<ProxyProtocol> {
  return {
    fallback: () => false,
    allowed: '"required", "optional" or false',
    accepts: (value): value is ProxyProtocol =>
      value === 'required' || value === 'optional' || value === false,
    fromText: (spelled) => (spelled === 'false' ? false : spelled),
  };
}

export function control(): Rule<boolean | string> {
  return {
    fallback: () => false,
    allowed: 'true, false or the path of a unix socket',
    accepts: (value): value is boolean | string =>
      typeof value === 'boolean' || (typeof value === 'string' && /^[^\0]+$/.test(value)),
    fromText: (spelled) => (spelled === 'true' ? true : spelled === 'false' ? false : spelled),
  };
}

/** `true` samples every trace that begins here, a number that share of them. */
export function trace(): Rule<boolean | number> {
  return {
    fallback: () => false,
    allowed: 'true, false or a share from 0 to 1',
    accepts: (value): value is boolean | number =>
      typeof value === 'boolean' || (typeof value === 'number' && value >= 0 && value <= 1),
    fromText: (spelled) =>
      spelled === 'true' ? true : spelled === 'false' ? false : toShare(spelled),
  };
}

function toShare(spelled: string): unknown {
  return /^(?:\d+\.?\d*|\.\d+)$/.test(spelled) ? Number(spelled) : spelled;
}

export function listener(): Rule<number | string> {
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
