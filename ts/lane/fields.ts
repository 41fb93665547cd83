import zlib from 'node:zlib';
import { ReactorError } from '../errors/errors.js';
import { listOf } from '../fetch/hop-by-hop.js';

/** What the fields said that only the engine may send. One object, reused for each response. */
export interface FieldNotes {
  /** The connection is to be closed after the response. */
  closes: boolean;
  /** The `content-length` that the program gave; -1 without one. */
  declared: number;
  /**
   * There is a `date`. Programs do not set it, so the fields were copied from a received message.
   */
  isReceived: boolean;
  /** The last `content-encoding`, and where its field lies; empty if there is none. */
  coding: string;
  codingStart: number;
  codingEnd: number;
}

/** A record for {@link writeFields} to fill. */
export function newNotes(): FieldNotes {
  return {
    closes: false,
    declared: -1,
    isReceived: false,
    coding: '',
    codingStart: 0,
    codingEnd: 0,
  };
}

export function clearNotes(notes: FieldNotes): void {
  notes.closes = false;
  notes.declared = -1;
  notes.isReceived = false;
  notes.coding = '';
}

/** An upper bound of the bytes that {@link writeFields} writes. */
export function sizeOfFields(fields: readonly string[]): number {
  let size = 0;
  for (let i = 0; i < fields.length; i += 2) {
    size += 4 + (fields[i] as string).length + (fields[i + 1] as string).length;
  }
  return size;
}

/**
 * Writes fields as the engine reads them: length of the name, length of the value, both in two
 * bytes, name, value. Returns the end. A field without a name is the reason phrase.
 *
 * Fields of framing and connection belong to the engine: they are left out and noted.
 *
 * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for a value that cannot be sent. The
 * standard's `Headers` accepts control characters that HTTP forbids (RFC 9110 §5.5).
 */
export function writeFields(
  bytes: Uint8Array,
  start: number,
  fields: readonly string[],
  notes: FieldNotes,
): number {
  let at = start;
  clearNotes(notes);
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (isOwn(name) && !isSpan(name, value)) {
      note(name, value, notes);
      continue;
    }
    const fieldStart = at;
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
      // A larger code would be cut to the byte of another character.
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
    if (nameLength === 16 && name === 'content-encoding') {
      notes.coding = value;
      notes.codingStart = fieldStart;
      notes.codingEnd = at;
    }
  }
  return at;
}

/**
 * Removes a `content-encoding` that was copied from a received message, if the body has been
 * decoded since. The client could not read that body. Returns the new end of the fields.
 *
 * @param end as {@link writeFields} returned it
 */
export function dropStaleCoding(
  bytes: Uint8Array,
  end: number,
  notes: FieldNotes,
  body: string | Uint8Array,
): number {
  if (notes.coding === '' || !isStale(notes, body)) {
    return end;
  }
  bytes.copyWithin(notes.codingStart, notes.codingEnd, end);
  return end - (notes.codingEnd - notes.codingStart);
}

function isStale({ coding, declared, isReceived }: FieldNotes, body: string | Uint8Array): boolean {
  const isText = typeof body === 'string';
  const length = isText ? Buffer.byteLength(body) : body.length;
  // Without a `date` or a length the program made the fields. A body that still has the received
  // length has not been decoded.
  if ((!isReceived && declared < 0) || length === 0 || length === declared) {
    return false;
  }
  switch (listOf(coding).at(-1)) {
    case 'gzip':
    case 'x-gzip':
      return isText || body[0] !== 0x1f || body[1] !== 0x8b;
    case 'zstd':
      return isText || body[0] !== 0x28 || body[1] !== 0xb5;
    // Neither coding has a magic number. Decoding is tried, and only if the fields were surely
    // received.
    case 'br':
      return isText || (isReceived && declared >= 0 && !decodes(body, unbrotli));
    case 'deflate':
      return (
        isText || (isReceived && declared >= 0 && !decodes(body, zlib.inflateSync, inflateRaw))
      );
    default:
      return false;
  }
}

const unbrotli: typeof zlib.inflateSync = (bytes, options) =>
  zlib.brotliDecompressSync(bytes, {
    ...(options as object),
    finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH,
  });

const inflateRaw: typeof zlib.inflateSync = (bytes, options) => zlib.inflateRawSync(bytes, options);

/** How many bytes are tried, and the most that they may decode to. */
const TRIED = 4096;
const MOST_TRIED = 1024 * 1024;

/** Whether one of the decoders accepts the beginning of the body. */
function decodes(body: Uint8Array, ...decoders: (typeof zlib.inflateSync)[]): boolean {
  const { Z_SYNC_FLUSH: finishFlush } = zlib.constants;
  return decoders.some((decode) => {
    try {
      decode(body.subarray(0, TRIED), { finishFlush, maxOutputLength: MOST_TRIED });
      return true;
    } catch (error) {
      return (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
    }
  });
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

/** A `keep-alive` that only tells a timeout. The engine sends it on connections that it keeps. */
function isSpan(name: string, value: string): boolean {
  return name === 'keep-alive' && /^timeout=\d{1,9}(?:, *max=\d{1,9})?$/i.test(value);
}

function note(name: string, value: string, notes: FieldNotes): void {
  if (name === 'connection') {
    notes.closes = notes.closes || listOf(value).includes('close');
  } else if (name === 'content-length' && /^\d{1,15}$/.test(value)) {
    notes.declared = Number(value);
  } else if (name === 'date') {
    notes.isReceived = true;
  }
}

function unsendable(name: string, problem: string): ReactorError {
  const what = name === '' ? "a response's statusText" : `response header ${name}`;
  return new ReactorError('ERR_REACTOR_INVALID_RESPONSE', `${what} ${problem}`);
}
