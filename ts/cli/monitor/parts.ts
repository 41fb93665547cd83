/** The size of the screen. */
export interface Room {
  readonly columns: number;
  readonly rows: number;
  readonly colours: boolean;
}

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';
/** Text, in a style or without. */
export type Part = string | readonly [Style, string];

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  yellow: [33, 39],
  red: [31, 39],
  cyan: [36, 39],
};

export function number(n: number): string {
  return n.toLocaleString('en-US', { maximumFractionDigits: n > 0 && n < 10 ? 1 : 0 });
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Formats microseconds in a fitting unit. */
export function time(us: number): string {
  if (us < 1000) {
    return `${us.toFixed(us < 10 ? 1 : 0)} µs`;
  }
  return us < 1e6 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1e6).toFixed(1)} s`;
}

/** A line in its styles, cut off at the width of the screen. */
export function cutOff(parts: readonly Part[], { columns, colours }: Room): string {
  let left = columns;
  let line = '';
  for (const part of parts) {
    const [style, text] = typeof part === 'string' ? [undefined, part] : part;
    const kept = text.slice(0, left);
    left -= kept.length;
    if (style === undefined || !colours || kept === '') {
      line += kept;
    } else {
      const [on, off] = CODES[style];
      line += `\x1b[${on}m${kept}\x1b[${off}m`;
    }
  }
  return line;
}
