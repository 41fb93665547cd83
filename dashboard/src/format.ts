/** A number as text, and its unit. */
export type Figure = readonly [text: string, unit: string];

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** All digits, in groups of three. */
export function exact(n: number): string {
  return whole.format(n);
}

/** Three digits, or four below 10,000. */
export function short(n: number): string {
  if (!Number.isFinite(n)) {
    return '–';
  }
  const size = Math.abs(n);
  if (size < 9.95) {
    return Number.isInteger(n) ? `${n}` : n.toFixed(1);
  }
  if (size < 9999.5) {
    return whole.format(n);
  }
  const [divided, letter] = size < 999_500 ? [n / 1e3, 'k'] : [n / 1e6, 'M'];
  return `${divided < 99.95 ? divided.toFixed(1) : whole.format(divided)}${letter}`;
}

/** A count in each second. */
export function rate(n: number): Figure {
  return [short(n), '/s'];
}

/** Bytes, such as 1.4 MiB. */
export function bytes(n: number): Figure {
  if (!Number.isFinite(n)) {
    return ['–', ''];
  }
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let rest = n;
  let at = 0;
  while (rest >= 1023.5 && at < units.length - 1) {
    rest /= 1024;
    at++;
  }
  return [at === 0 || rest >= 99.95 ? whole.format(rest) : rest.toFixed(1), units[at] as string];
}

/** A duration that is given in nanoseconds, with three digits. */
export function time(ns: number): Figure {
  if (!Number.isFinite(ns)) {
    return ['–', ''];
  }
  if (ns < 999.5) {
    return [whole.format(ns), 'ns'];
  }
  const [value, unit]: [number, string] =
    ns < 999_500 ? [ns / 1e3, 'µs'] : ns < 999_500_000 ? [ns / 1e6, 'ms'] : [ns / 1e9, 's'];
  return [
    value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : whole.format(value),
    unit,
  ];
}

/** A share of one. */
export function percent(share: number): Figure {
  if (!Number.isFinite(share)) {
    return ['–', ''];
  }
  const hundred = share * 100;
  if (hundred > 0 && hundred < 0.05) {
    return ['<0.1', '%'];
  }
  return [hundred > 0 && hundred < 9.95 ? hundred.toFixed(1) : whole.format(hundred), '%'];
}

export function joined([text, unit]: Figure): string {
  return unit === '' ? text : unit === '/s' ? `${text}${unit}` : `${text} ${unit}`;
}

/** A round number for an axis, without what is always the same. */
export function roundLabel([text, unit]: Figure): string {
  return joined([text.replace(/\.0+(?=[kM]?$)/, ''), unit === '/s' ? '' : unit]);
}

/** How long something lasts, such as 2 h 5 min. */
export function span(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [minutes, hours, days] = [60, 3600, 86_400].map((each) => Math.floor(seconds / each)) as [
    number,
    number,
    number,
  ];
  if (days > 0) {
    return `${days} d ${hours % 24} h`;
  }
  if (hours > 0) {
    return `${hours} h ${minutes % 60} min`;
  }
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

const clocks = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** The time of day, with seconds or without. */
export function clock(ms: number, seconds = true): string {
  const text = clocks.format(ms);
  return seconds ? text : text.slice(0, 5);
}
