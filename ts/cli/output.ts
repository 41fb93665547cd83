import type { WriteStream } from 'node:tty';

type Style = 'bold' | 'dim' | 'red' | 'cyan';

const CODES: Record<Style, readonly [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  cyan: [36, 39],
};

/** Styles `text`, if stderr is a terminal with colours and NO_COLOR is not set. */
export function paint(style: Style, text: string): string {
  if (!hasColours(process.stderr)) {
    return text;
  }
  const [on, off] = CODES[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** Prints one line on stderr. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Prints what went wrong and returns the exit code. */
export function fail(exitCode: number, message: string): number {
  say(`${paint('red', 'reactor-rs:')} ${message}`);
  return exitCode;
}

/**
 * Removes characters that move a terminal's cursor or change its reading direction. These are
 * control characters (C0, DEL, C1), line separators, and Unicode's bidirectional controls.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    '\ufffd',
  );
}

/** A count with its unit, such as `1 request` or `12,345 requests`. */
export function count(n: number, unit: string): string {
  return `${n.toLocaleString('en-US')} ${unit}${n === 1 ? '' : 's'}`;
}

/** A size such as `1.4 MiB`. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let rest = bytes;
  let unit = 0;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${unit === 0 ? rest : rest.toFixed(1)} ${units[unit]}`;
}

/** A time span such as `3.2 s` or `2 h 5 min`. */
export function span(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) {
    return `${seconds.toFixed(1)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Whether to colour the output of a stream. NO_COLOR turns colours off unless it is empty
 * (https://no-color.org). FORCE_COLOR turns them on without a terminal. NO_COLOR wins.
 */
export function hasColours(stream: WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, ...env } = process.env;
  if (NO_COLOR) {
    return false;
  }
  if (FORCE_COLOR !== undefined) {
    return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  }
  // Node would take an empty NO_COLOR for a set one.
  return stream.isTTY === true && stream.getColorDepth(env) > 1;
}
