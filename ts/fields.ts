import { ReactorError } from './errors.js';
import { listOf } from './hops.js';

/**
 * What the fields said that only the engine may send. Made once and used again
 * for the next response.
 */
export interface FieldNotes {
  /** The connection is to be closed. */
  closes: boolean;
  /** The `content-length` that the program gave; -1 without one. */
  declared: number;
}

/** Bytes that {@link writeFields} takes at most. */
export function sizeOfFields(fields: readonly string[]): number {
  let size = 0;
  for (let i = 0; i < fields.length; i += 2) {
    size += 4 + (fields[i] as string).length + (fields[i + 1] as string).length;
  }
  return size;
}

/**
 * Writes fields as the engine reads them: length of the name, length of the
 * value, both in two bytes, name, value. Returns where they end. A field without a name
 * is the reason phrase.
 *
 * Framing and connection belong to the engine: fields of these are left out and
 * noted.
 *
 * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for a value that cannot
 * be sent. The standard's `Headers` lets control characters pass that HTTP does
 * not (RFC 9110 §5.5).
 */
export function writeFields(
  bytes: Uint8Array,
  start: number,
  fields: readonly string[],
  notes: FieldNotes,
): number {
  let at = start;
  notes.closes = false;
  notes.declared = -1;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (isOwn(name) && !isSpan(name, value)) {
      note(name, value, notes);
      continue;
    }
    const nameLength = name.length;
    const valueLength = value.length;
    if (nameLength > 0xffff || valueLength > 0xffff) {
      throw unsendable(name, 'is longer than 65535 bytes');
    }
    bytes[at] = nameLength & 0xff;
    bytes[at + 1] = nameLength >> 8;
    bytes[at + 2] = valueLength & 0xff;
    bytes[at + 3] = valueLength >> 8;
    at += 4;
    for (let j = 0; j < nameLength; j++) {
      const code = name.charCodeAt(j);
      // Above it, it would be cut to the byte of another character.
      if (code > 0x7f) {
        throw unsendable(name, 'has a name that is no token');
      }
      bytes[at + j] = code;
    }
    at += nameLength;
    for (let j = 0; j < valueLength; j++) {
      const code = value.charCodeAt(j);
      if (code < 0x20 ? code !== 0x09 : code === 0x7f || code > 0xff) {
        const problem = code > 0xff ? 'a character above U+00FF' : 'a control character';
        throw unsendable(name, `has ${problem} in its value`);
      }
      bytes[at + j] = code;
    }
    at += valueLength;
  }
  return at;
}

function isOwn(name: string): boolean {
  switch (name.length) {
    case 4:
      return name === 'date';
    case 10:
      return name === 'connection' || name === 'keep-alive';
    case 14:
      return name === 'content-length';
    case 17:
      return name === 'transfer-encoding';
    default:
      return false;
  }
}

/** How long the program says that the connection is kept; the engine sends it where it is. */
function isSpan(name: string, value: string): boolean {
  return name === 'keep-alive' && /^timeout=\d{1,9}(?:, *max=\d{1,9})?$/i.test(value);
}

function note(name: string, value: string, notes: FieldNotes): void {
  if (name === 'connection') {
    notes.closes = notes.closes || listOf(value).includes('close');
  } else if (name === 'content-length' && /^\d{1,15}$/.test(value)) {
    notes.declared = Number(value);
  }
}

function unsendable(name: string, problem: string): ReactorError {
  const what = name === '' ? "a response's statusText" : `response header ${name}`;
  return new ReactorError('ERR_REACTOR_INVALID_RESPONSE', `${what} ${problem}`);
}
