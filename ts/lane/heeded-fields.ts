import type { FilePart } from '../fetch/file.js';
import type { Exchange } from './exchange.js';

/** What a request says of ranges, conditions and codings (RFC 9110 §12.5.3, §13.1, §14.2). */
const HEEDED: readonly string[] = [
  'accept-encoding',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
];

/** The most characters of a field that the engine is told. */
const LONGEST = 0xffff;

/**
 * The fields of a request by which the engine chooses what it sends of a file: names and values in turn.
 * There are none where they mean nothing: for other methods, and for a part of a file, which has no
 * entity tag of its own.
 */
export function heededFields(exchange: Exchange, { start, end }: FilePart): string[] {
  const { method } = exchange;
  const isWhole = start === 0 && end === Number.POSITIVE_INFINITY;
  if (!isWhole || (method !== 'GET' && method !== 'HEAD')) {
    return [];
  }
  const heeded: string[] = [];
  const fields = exchange.fields();
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (HEEDED.includes(name) && value.length <= LONGEST) {
      heeded.push(name, value);
    }
  }
  return heeded;
}
