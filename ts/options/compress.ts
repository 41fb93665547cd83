import type { NativeCompress } from '../binding/binding.js';
import type { ContentCoding } from '../types/compress.js';
import type { Rule } from './rules.js';

/** The codings that the engine writes. */
export const CODINGS: readonly ContentCoding[] = ['br', 'zstd', 'gzip'];

/** On a command line `true` is all of them, `false` is none. */
export function codings(): Rule<readonly ContentCoding[]> {
  return {
    fallback: () => CODINGS,
    allowed: 'some of "br", "zstd" and "gzip"',
    accepts: (value): value is readonly ContentCoding[] =>
      Array.isArray(value) && value.every((each) => CODINGS.includes(each)),
    fromText: (spelled) =>
      ({ true: CODINGS, 1: CODINGS, false: [], 0: [] })[spelled as 'true'] ?? spelled.split(','),
  };
}

/** Media types without parameters. */
export function mediaTypes(): Rule<readonly string[]> {
  const pattern = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/;
  return {
    fallback: () => [],
    allowed: 'a list of media types such as "application/x-protobuf"',
    accepts: (value): value is readonly string[] =>
      Array.isArray(value) && value.every((type) => typeof type === 'string' && pattern.test(type)),
    fromText: (spelled) => spelled.split(','),
  };
}

/**
 * `true` and `false` as objects, so that options of a module and of `serve` can be merged: the
 * codings that are given last count.
 */
export function spellOutCompress(given: unknown): unknown {
  return given === true ? {} : given === false ? { codings: [] } : given;
}

/** What the engine is told. `undefined` if it compresses nothing. */
export function nativeCompress(
  isGiven: boolean,
  options: {
    readonly threshold: number;
    readonly codings: readonly ContentCoding[];
    readonly types: readonly string[];
    readonly private: boolean;
    readonly padding: number;
    readonly effort: 'fast' | 'dense';
  },
): NativeCompress | undefined {
  if (!isGiven || options.codings.length === 0) {
    return undefined;
  }
  return {
    threshold: options.threshold,
    codings: [...options.codings],
    types: options.types.map((type) => type.toLowerCase()),
    privateToo: options.private,
    padding: options.padding,
    dense: options.effort === 'dense',
  };
}
