import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { isAbortSignal } from '../fetch/genuine.js';
import { adviceFor } from './names.js';
import type { Rule } from './rules.js';

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
 * Refuses unknown names, and says which name was meant.
 * @param everywhere whole names from other places that may be meant; for options of `serve`
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

/** The value as an object. The error for any other value names it by `label`. */
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

/** The value if the rule accepts it; the rule's default if there is none. */
export function checked<T>(rule: Rule<T>, label: string, value: unknown): T {
  if (value === undefined) {
    return rule.fallback();
  }
  if (!rule.accepts(value)) {
    throw invalid(label, rule.allowed, value);
  }
  return value;
}

/**
 * The value that a command line or environment variable spells, if the rule accepts it.
 * @param label how the error names it, as the user wrote it
 */
export function parsed<T>(rule: Rule<T>, label: string, spelled: string): T {
  const value = rule.fromText(spelled);
  if (!rule.accepts(value)) {
    throw invalid(label, rule.spelled ?? rule.allowed, spelled);
  }
  return value;
}

/** The error for a value that is not allowed. */
export function invalid(label: string, allowed: string, value: unknown): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_OPTION',
    `${label} must be ${allowed}, got ${inspect(value)}`,
  );
}
