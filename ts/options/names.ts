import { ALIAS_NAMES } from './aliases.js';
import { adviceOn, FOREIGN_NAMES, plain } from './foreign-names.js';

/** Methods that programs name. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * What an unknown name most likely means, as the end of an error message.
 * @param prefix that the names share, such as `limits.`
 * @param elsewhere whole names that exist in other places; only for options of `serve`
 */
export function adviceFor(
  name: string,
  known: readonly string[],
  prefix: string,
  elsewhere?: readonly string[],
): string {
  const all = elsewhere && prefix === '' ? [...known, ...ALIAS_NAMES] : known;
  const isSame = (other: string) => plain(other) === plain(name);
  const foreign = elsewhere && (adviceOn(prefix + name) ?? adviceOn(name));
  if (foreign !== undefined && !all.some(isSame)) {
    return `: ${foreign}`;
  }
  const near = all.find(isSame) ?? closest(name, all);
  if (near !== undefined) {
    return `; did you mean "${prefix}${near}"?`;
  }
  if (elsewhere !== undefined && name.startsWith('/')) {
    return ': paths belong into "routes"';
  }
  if (elsewhere !== undefined && METHODS.includes(name)) {
    return ': methods belong to a path, such as { routes: { "/": { GET: handler } } }';
  }
  const nested = namesakes(name, elsewhere ?? []);
  if (nested.length > 0) {
    return `; did you mean ${nested.map((other) => JSON.stringify(other)).join(' or ')}?`;
  }
  // Short names resemble too many others.
  const alike = elsewhere && name.length > 6 ? closest(name, FOREIGN_NAMES) : undefined;
  if (alike !== undefined) {
    return `; if you mean "${alike}": ${adviceOn(alike)}`;
  }
  return `; the options are ${known.map((other) => prefix + other).join(', ')}`;
}

/**
 * The known name that a misspelled one most likely means; `undefined` if none is close. Short names
 * resemble many others, so they may have only one slip.
 */
export function closest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = slips(name.length) + 1;
  for (const candidate of known) {
    const distance = edits(lower, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? namesakes(name, known)[0];
}

/** How many slips a name of this length may have. With more it is another word. */
function slips(length: number): number {
  return length <= 5 ? 1 : length <= 10 ? 2 : 3;
}

/** Known names that end like the name, or share all its words. */
function namesakes(name: string, known: readonly string[]): string[] {
  const words = wordsOf(name);
  const same = known.filter((other) => lastPart(other).toLowerCase() === name.toLowerCase());
  if (same.length > 0) {
    return same;
  }
  // A name that says all that the other says, and more: "maxBodyMemory", "headTimeoutMs".
  return known.filter((other) => {
    const theirs = wordsOf(other);
    const shared = theirs.filter((word) => words.includes(word)).length;
    return shared >= 2 && shared === Math.min(words.length, theirs.length);
  });
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/**
 * The words of a name in camel case, in the singular: `timeouts.keepAlive` is timeout, keep, alive.
 */
function wordsOf(name: string): string[] {
  const words = name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? [];
  return words.map((word) => word.toLowerCase().replace(/s$/, ''));
}

/**
 * How many insertions, deletions, replacements and swaps of neighbours lead from one to the other.
 */
function edits(from: string, to: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const current = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      let fewest = Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        fewest = Math.min(fewest, (before[j - 2] ?? 0) + 1);
      }
      current.push(fewest);
    }
    before = previous;
    previous = current;
  }
  return previous[to.length] ?? 0;
}
