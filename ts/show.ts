import { inspect } from 'node:util';

const LONGEST = 80;

/** A value on one short line, for an error message. */
export function show(value: unknown): string {
  const shown =
    typeof value === 'string'
      ? JSON.stringify(value)
      : inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST - 1)}…` : shown;
}
