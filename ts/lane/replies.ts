import { dropStaleCoding, newNotes, sizeOfFields, writeFields } from './fields.js';
import {
  type Bytes,
  CHUNK,
  CLOSE,
  DECLARED,
  END,
  HEAD,
  type Lane,
  NO_LENGTH,
  RESPONSE,
} from './record.js';

const WORDS = 16 * 1024;
const BYTES = 256 * 1024;

/**
 * Up to this length text is written here, character by character. Beyond it a native call is
 * cheaper.
 */
const SHORT_TEXT = 96;

/** The most UTF-8 bytes for one UTF-16 code unit. */
export const WIDEST = 3;

const NO_BYTES = new Uint8Array();

/** The longest text whose bytes are kept, in case it is sent again. */
const KEPT_TEXT = 4 * 1024 * 1024;

/** A kept text is dropped after this many batches without use. */
const KEPT_BATCHES = 64;

/**
 * The replies of a batch, in the two arrays that the engine reads. A reply allocates nothing unless
 * it is large.
 */
export class Replies {
  words = new Uint32Array(WORDS);
  readonly bytes = Buffer.allocUnsafeSlow(BYTES) as Bytes;
  wordCount = 0;
  readonly #lane: Lane;
  /** Told of the exchange that a large response is about to end. */
  readonly #onLarge: (id: number) => void;
  readonly #notes = newNotes();
  #byteCount = 0;
  /** The last large text and its bytes: programs often send the same text to many clients. */
  #largeText = '';
  #largeBytes: Uint8Array = NO_BYTES;
  #batchesKept = 0;

  constructor(lane: Lane, onLarge: (id: number) => void) {
    this.#lane = lane;
    this.#onLarge = onLarge;
  }

  /** The engine has taken the replies. */
  clear(): void {
    this.wordCount = 0;
    this.#byteCount = 0;
    if (this.#largeText !== '' && ++this.#batchesKept > KEPT_BATCHES) {
      this.#largeText = '';
      this.#largeBytes = NO_BYTES;
    }
  }

  /** Whether `length` more bytes fit. */
  hasRoom(length: number): boolean {
    return this.#byteCount + length <= BYTES;
  }

  /**
   * A whole response.
   *
   * @param isHead the request is HEAD; without a body, the program's `content-length` is that of
   * GET's answer
   * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for a field that cannot be sent.
   */
  response(
    id: number,
    status: number,
    flags: number,
    fields: readonly string[] | null,
    body: string | Uint8Array | null,
    isHead: boolean,
  ): void {
    const size = fields === null ? 0 : sizeOfFields(fields);
    const most = body === null ? 0 : typeof body === 'string' ? body.length * WIDEST : body.length;
    if (!this.hasRoom(size + most)) {
      this.#large(
        id,
        status,
        isHead && body === null ? flags | NO_LENGTH : flags,
        fields ?? [],
        body,
      );
      return;
    }
    const start = this.#byteCount;
    let bodyStart = start;
    let allFlags = isHead && body === null ? flags | NO_LENGTH : flags;
    if (size > 0) {
      bodyStart = writeFields(this.bytes, start, fields as readonly string[], this.#notes);
      allFlags |= this.#notes.closes ? CLOSE : 0;
      if (isHead && body === null && this.#notes.declared >= 0) {
        const encoded = this.bytes.slice(start, bodyStart);
        this.head(id, status, allFlags, encoded, NO_BYTES, this.#notes.declared);
        this.plain(END, id, 0);
        return;
      }
      if (body !== null && this.#notes.coding !== '') {
        bodyStart = dropStaleCoding(this.bytes, bodyStart, this.#notes, body);
      }
    }
    let end = bodyStart;
    if (typeof body === 'string') {
      end = bodyStart + writeText(this.bytes, body, bodyStart);
    } else if (body !== null) {
      this.bytes.set(body, bodyStart);
      end = bodyStart + body.length;
    }
    this.#byteCount = end;
    const at = this.#record(RESPONSE, id, 8);
    this.#place(at, status, allFlags, start, bodyStart, end);
  }

  /** A whole response whose fields are encoded already. */
  whole(id: number, status: number, flags: number, fields: Uint8Array, body: Uint8Array): void {
    if (!this.hasRoom(fields.length + body.length)) {
      this.#onLarge(id);
      this.#lane.send(RESPONSE, id, status, flags, fields, body, 0, 0);
      return;
    }
    const start = this.#put(fields);
    const bodyStart = this.#put(body);
    const at = this.#record(RESPONSE, id, 8);
    this.#place(at, status, flags, start, bodyStart, this.#byteCount);
  }

  /**
   * The head of a streaming response, with its first bytes.
   *
   * @param fields as {@link writeFields} writes them
   * @param declared the length of the whole body; -1 if unknown
   */
  head(
    id: number,
    status: number,
    flags: number,
    fields: Uint8Array,
    body: Uint8Array,
    declared: number,
  ): void {
    const allFlags = declared < 0 ? flags : flags | DECLARED;
    const low = declared < 0 ? 0 : declared >>> 0;
    const high = declared < 0 ? 0 : Math.floor(declared / 2 ** 32);
    if (!this.hasRoom(fields.length + body.length)) {
      this.#onLarge(id);
      this.#lane.send(HEAD, id, status, allFlags, fields, body, low, high);
      return;
    }
    const start = this.#put(fields);
    const bodyStart = this.#put(body);
    const at = this.#record(HEAD, id, 10);
    this.#place(at, status, allFlags, start, bodyStart, this.#byteCount);
    this.words[at + 8] = low;
    this.words[at + 9] = high;
  }

  /** The next bytes of a streaming response; the caller has checked {@link hasRoom}. */
  chunk(id: number, data: Uint8Array): void {
    const start = this.#put(data);
    const at = this.#record(CHUNK, id, 4);
    this.words[at + 2] = start;
    this.words[at + 3] = data.length;
  }

  /**
   * The same for text; returns the number of bytes. There must be room for {@link WIDEST} bytes for
   * each code unit.
   */
  textChunk(id: number, text: string): number {
    const start = this.#byteCount;
    const length = writeText(this.bytes, text, start);
    this.#byteCount = start + length;
    const at = this.#record(CHUNK, id, 4);
    this.words[at + 2] = start;
    this.words[at + 3] = length;
    return length;
  }

  /** A reply that carries only one number. */
  plain(kind: number, id: number, value: number): void {
    const at = this.#record(kind, id, 3);
    this.words[at + 2] = value;
  }

  /** Tells the engine to end a connection. */
  endConnection(kind: number, ioThread: number, slot: number, number: number): void {
    const at = this.#record(kind, ioThread, 4);
    this.words[at + 2] = slot;
    this.words[at + 3] = number;
  }

  /**
   * Sends a response that does not fit, at once and in memory of its own. It may overtake the
   * replies in the arrays, none of which belongs to the same response.
   */
  #large(
    id: number,
    status: number,
    flags: number,
    fields: readonly string[],
    body: string | Uint8Array | null,
  ): void {
    const bytes = Buffer.allocUnsafe(sizeOfFields(fields));
    const written = writeFields(bytes, 0, fields, this.#notes);
    const end = body === null ? written : dropStaleCoding(bytes, written, this.#notes, body);
    const allFlags = this.#notes.closes ? flags | CLOSE : flags;
    const content = typeof body === 'string' ? this.#encode(body) : (body ?? NO_BYTES);
    this.#onLarge(id);
    this.#lane.send(RESPONSE, id, status, allFlags, bytes.subarray(0, end), content, 0, 0);
  }

  #encode(text: string): Uint8Array {
    if (text.length > KEPT_TEXT) {
      return Buffer.from(text);
    }
    if (text !== this.#largeText) {
      this.#largeText = text;
      this.#largeBytes = Buffer.from(text);
    }
    this.#batchesKept = 0;
    return this.#largeBytes;
  }

  /** Writes the words that a whole response and the head of a streaming one share. */
  #place(
    at: number,
    status: number,
    flags: number,
    start: number,
    bodyStart: number,
    end: number,
  ): void {
    const { words } = this;
    words[at + 2] = status;
    words[at + 3] = flags;
    words[at + 4] = start;
    words[at + 5] = bodyStart - start;
    words[at + 6] = bodyStart;
    words[at + 7] = end - bodyStart;
  }

  #put(data: Uint8Array): number {
    const at = this.#byteCount;
    this.bytes.set(data, at);
    this.#byteCount += data.length;
    return at;
  }

  #record(kind: number, id: number, length: number): number {
    const at = this.wordCount;
    if (at + length > this.words.length) {
      const larger = new Uint32Array(this.words.length * 2);
      larger.set(this.words);
      this.words = larger;
    }
    this.wordCount = at + length;
    this.words[at] = kind | (length << 8);
    this.words[at + 1] = id;
    return at;
  }
}

/**
 * Writes text as UTF-8. Returns the number of bytes, at most {@link WIDEST} for each code unit, for
 * which there must be room.
 */
export function writeText(bytes: Bytes, text: string, at: number): number {
  const { length } = text;
  if (length <= SHORT_TEXT) {
    let i = 0;
    while (i < length) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        break;
      }
      bytes[at + i] = code;
      i++;
    }
    if (i === length) {
      return length;
    }
  }
  return bytes.utf8Write(text, at, length * WIDEST);
}
