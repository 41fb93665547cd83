import { inspect as inspectInFull } from 'node:util';

const LONGEST = 80;

/** A value on one short line, for an error message. PEM text may be a private key: it is not shown. */
export function inspect(value: unknown): string {
  const shown = typeof value === 'string' ? JSON.stringify(value) : inspected(value);
  if (shown.includes('-----BEGIN')) {
    return typeof value === 'string' ? 'PEM text' : 'a value that holds PEM text';
  }
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST - 1)}…` : shown;
}

function inspected(value: unknown): string {
  try {
    return inspectInFull(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
  } catch {
    // The value's own inspection threw. The message is about something else.
    return `a value of type ${typeof value} that cannot be shown`;
  }
}
