/** Checked lower-case names, by their spelling in the program, of which there are few. */
const NAMES = new Map<unknown, string>();
const MOST_NAMES = 1024;

/** The syntax of a field name, RFC 9110 §5.6.2. */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * The lower-case form of a field name.
 * @throws {TypeError} if it is no token.
 */
export function lowerName(name: unknown): string {
  return NAMES.get(name) ?? learnName(name);
}

function learnName(name: unknown): string {
  if (typeof name === 'symbol') {
    throw new TypeError(`${String(name)} is no header name`);
  }
  const text = `${name}`;
  if (!TOKEN.test(text)) {
    throw new TypeError(`${JSON.stringify(text)} is no header name`);
  }
  const lower = text.toLowerCase();
  // Bounded, because a program may pass on names that clients made up.
  if (typeof name === 'string' && NAMES.size < MOST_NAMES) {
    NAMES.set(name, lower);
  }
  return lower;
}

/** The last checked value of each name, in lower case. Most programs send the same again. */
const LAST_VALUES = new Map<string, string>();
/** The length of values that are kept. A shorter one is checked sooner than it is found here. */
const LEAST_KEPT = 12;
const MOST_KEPT = 256;

/**
 * The value as the standard normalizes it: without blanks and line ends around it.
 * @throws {TypeError} if it cannot be sent.
 */
export function fieldValue(name: string, value: unknown): string {
  if (LAST_VALUES.get(name) === value && value !== undefined) {
    return value as string;
  }
  const text = typeof value === 'string' ? value : `${value}`;
  const last = text.length - 1;
  for (let i = 0; i <= last; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 ? code < 0x20 || i === 0 || i === last : code > 0xff) {
      return unusualValue(name, text);
    }
  }
  if (
    last >= LEAST_KEPT &&
    last < MOST_KEPT &&
    (LAST_VALUES.size < MOST_NAMES || LAST_VALUES.has(name))
  ) {
    LAST_VALUES.set(name, text);
  }
  return text;
}

function unusualValue(name: string, text: string): string {
  const value = trimmed(text, 0, text.length, isBlankOrLineEnd);
  if (/[\0\n\r]|[^\0-\xff]/.test(value)) {
    throw new TypeError(`header ${name} has a value that cannot be sent: ${JSON.stringify(value)}`);
  }
  return value;
}

/**
 * The text from `start` to `end`, without blanks at both ends. A regular expression could take
 * quadratic time on many blanks.
 */
export function trimmed(
  text: string,
  start: number,
  end: number,
  isBlank: (code: number) => boolean,
): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) {
    from++;
  }
  while (from < to && isBlank(text.charCodeAt(to - 1))) {
    to--;
  }
  return text.substring(from, to);
}

/** As the Fetch standard normalizes a value, §2.2. */
function isBlankOrLineEnd(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}
