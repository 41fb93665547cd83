import { ageCopies } from '../fetch/copies.js';
import type { FilePart } from '../fetch/file.js';
import { FieldBlocks } from './field-block.js';
import { dropStaleCoding, newNotes, sizeOfFields, writeFields } from './fields.js';
import { KEPT_TEXT, LargeText } from './large-text.js';
import {
  type Bytes,
  CHUNK,
  CLOSE,
  DECLARED,
  END,
  FILE_RESPONSE,
  HEAD,
  INFORM,
  type Lane,
  NO_LENGTH,
  RESPONSE,
  SEND_TRAILERS,
  TO_THE_END,
  WS_CLOSE,
  WS_PUBLISH,
  WS_SEND,
} from './record.js';
import { WIDEST, writeText } from './write-text.js';

const WORDS = 16 * 1024;
const BYTES = 256 * 1024;

/** From this size on a body is sent from where it is, in bytes or code units. */
const LARGE = 16 * 1024;

const NO_BYTES = new Uint8Array();

/** What tells the bytes of a file, and how long its path is. */
const FILE_PLACE = 20;

/** What most responses' fields take. */
const FIELD_BYTES = 4096;

/**
 * The replies of a batch, in the two arrays that the engine reads. A reply allocates nothing unless
 * it is large.
 */
export class Replies {
  words = new Uint32Array(WORDS);
  bytes = Buffer.allocUnsafeSlow(BYTES) as Bytes;
  wordCount = 0;
  /** How many turns have taken replies. */
  turns = 0;
  readonly #lane: Lane;
  /**
   * Told of the exchange that a large response is about to end; without one, of all that the replies
   * in the arrays may end.
   */
  readonly #onLarge: (id?: number) => void;
  readonly #notes = newNotes();
  readonly #blocks = new FieldBlocks();
  #byteCount = 0;
  readonly #text = new LargeText();
  /** The bytes of the text that was encoded last. */
  #encoded = 0;
  /** The fields of a large response. */
  readonly #fieldBytes = Buffer.allocUnsafeSlow(FIELD_BYTES);

  constructor(lane: Lane, onLarge: (id?: number) => void) {
    this.#lane = lane;
    this.#onLarge = onLarge;
  }

  /** The engine has taken the replies. */
  clear(): void {
    this.wordCount = 0;
    this.#byteCount = 0;
    this.turns++;
    this.#text.batch();
    ageCopies();
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
    if ((body !== null && body.length >= LARGE) || !this.hasRoom(size + most)) {
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
      const list = fields as readonly string[];
      bodyStart = this.#blocks.write(this.bytes, start, list, size, this.#notes);
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
      this.#lane.respond(id, status, flags, fields, fields.length, body, body.length);
      return;
    }
    const start = this.#put(fields);
    const bodyStart = this.#put(body);
    const at = this.#record(RESPONSE, id, 8);
    this.#place(at, status, flags, start, bodyStart, this.#byteCount);
  }

  /**
   * A response whose body the engine reads from a file.
   *
   * @param heeded names and values of the request's fields that the engine is to heed
   * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for a field that cannot be sent.
   */
  file(
    id: number,
    status: number,
    flags: number,
    fields: readonly string[],
    { path, start, end }: FilePart,
    heeded: readonly string[],
  ): void {
    this.#makeRoom(sizeOfFields(fields) + FILE_PLACE + WIDEST * path.length + sizeOfFields(heeded));
    const { bytes } = this;
    const fieldsStart = this.#byteCount;
    const place = writeFields(bytes, fieldsStart, fields, this.#notes);
    const allFlags = this.#notes.closes ? flags | CLOSE : flags;
    const isToEnd = end === Number.POSITIVE_INFINITY;
    bytes.writeUInt32LE(start >>> 0, place);
    bytes.writeUInt32LE(Math.floor(start / 2 ** 32), place + 4);
    bytes.writeUInt32LE(isToEnd ? TO_THE_END : end >>> 0, place + 8);
    bytes.writeUInt32LE(isToEnd ? TO_THE_END : Math.floor(end / 2 ** 32), place + 12);
    const pathStart = place + FILE_PLACE;
    const pathLength = writeText(bytes, path, pathStart);
    bytes.writeUInt32LE(pathLength, place + 16);
    this.#byteCount = writeFields(bytes, pathStart + pathLength, heeded, this.#notes);
    const at = this.#record(FILE_RESPONSE, id, 8);
    this.#place(at, status, allFlags, fieldsStart, place, this.#byteCount);
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

  /** The trailers of a streaming response. Its end follows. */
  trailers(id: number, fields: readonly string[]): void {
    this.#makeRoom(sizeOfFields(fields));
    const start = this.#byteCount;
    this.#byteCount = writeFields(this.bytes, start, fields, this.#notes);
    const at = this.#record(SEND_TRAILERS, id, 4);
    this.words[at + 2] = start;
    this.words[at + 3] = this.#byteCount - start;
  }

  /**
   * An informational answer, sent at once. No reply to the same request waits in the arrays.
   *
   * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for a field that cannot be sent
   */
  inform(id: number, status: number, fields: readonly string[]): void {
    const bytes = Buffer.allocUnsafe(sizeOfFields(fields));
    const end = writeFields(bytes, 0, fields, this.#notes);
    this.#lane.send(INFORM, id, status, 0, bytes.subarray(0, end), NO_BYTES, 0, 0);
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

  /** A message, a ping or a pong of a WebSocket. Returns its bytes. */
  socketMessage(id: number, flags: number, data: string | Uint8Array): number {
    const isText = typeof data === 'string';
    if (data.length >= LARGE || !this.hasRoom(isText ? data.length * WIDEST : data.length)) {
      return this.#sendLarge(WS_SEND, id, flags, NO_BYTES, data);
    }
    const start = this.#byteCount;
    const length = this.#write(data);
    const at = this.#record(WS_SEND, id, 5);
    this.words[at + 2] = flags;
    this.words[at + 3] = start;
    this.words[at + 4] = length;
    return length;
  }

  /**
   * A message for the subscribers of a topic. Returns its bytes.
   *
   * @param id of the exchange whose WebSocket does not get it, or `WS_ALL`
   */
  publish(id: number, flags: number, topic: string, data: string | Uint8Array): number {
    const most = WIDEST * topic.length + (typeof data === 'string' ? WIDEST : 1) * data.length;
    if (data.length >= LARGE || !this.hasRoom(most)) {
      return this.#sendLarge(WS_PUBLISH, id, flags, Buffer.from(topic), data);
    }
    const start = this.#byteCount;
    const topicLength = this.#write(topic);
    const length = this.#write(data);
    const at = this.#record(WS_PUBLISH, id, 7);
    this.words[at + 2] = flags;
    this.words[at + 3] = start;
    this.words[at + 4] = topicLength;
    this.words[at + 5] = start + topicLength;
    this.words[at + 6] = length;
    return length;
  }

  /** A close frame; code 0 is none. The reason has at most 123 bytes. */
  socketClose(id: number, code: number, reason: string): void {
    const start = this.#byteCount;
    const length = this.#writeShort(reason);
    const at = this.#record(WS_CLOSE, id, 5);
    this.words[at + 2] = code;
    this.words[at + 3] = start;
    this.words[at + 4] = length;
  }

  /** @param kind `WS_SUBSCRIBE` or `WS_UNSUBSCRIBE` */
  subscription(kind: number, id: number, topic: string): void {
    const start = this.#byteCount;
    const length = this.#writeShort(topic);
    const at = this.#record(kind, id, 4);
    this.words[at + 2] = start;
    this.words[at + 3] = length;
  }

  /** Sends a message of a WebSocket at once, after what is in the arrays. */
  #sendLarge(
    kind: number,
    id: number,
    flags: number,
    topic: Uint8Array,
    data: string | Uint8Array,
  ): number {
    const content = typeof data === 'string' ? this.#encode(data) : data;
    const length = typeof data === 'string' ? this.#encoded : data.length;
    this.#onLarge();
    const { words, wordCount, bytes } = this;
    this.wordCount = 0;
    this.#byteCount = 0;
    this.#lane.sendLarge(words, wordCount, bytes, kind, id, flags, topic, content, length);
    return length;
  }

  /**
   * Sends a response that is large, or does not fit, at once. It may overtake the replies in the
   * arrays, none of which belongs to the same response.
   */
  #large(
    id: number,
    status: number,
    flags: number,
    fields: readonly string[],
    body: string | Uint8Array | null,
  ): void {
    const size = sizeOfFields(fields);
    const bytes = size > FIELD_BYTES ? Buffer.allocUnsafe(size) : this.#fieldBytes;
    const written = writeFields(bytes, 0, fields, this.#notes);
    const end = body === null ? written : dropStaleCoding(bytes, written, this.#notes, body);
    const allFlags = this.#notes.closes ? flags | CLOSE : flags;
    const content = typeof body === 'string' ? this.#encode(body) : (body ?? NO_BYTES);
    const length = typeof body === 'string' ? this.#encoded : content.length;
    this.#onLarge(id);
    this.#lane.respond(id, status, allFlags, bytes, end, content, length);
  }

  /** Large text as UTF-8, which has {@link #encoded} bytes. */
  #encode(text: string): Uint8Array {
    if (text.length > KEPT_TEXT) {
      const bytes = Buffer.from(text);
      this.#encoded = bytes.length;
      return bytes;
    }
    this.#text.encode(text);
    this.#encoded = this.#text.length;
    return this.#text.bytes;
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

  /** Returns the bytes; the caller has seen that there is room. */
  #write(data: string | Uint8Array): number {
    const at = this.#byteCount;
    if (typeof data === 'string') {
      const length = writeText(this.bytes, data, at);
      this.#byteCount = at + length;
      return length;
    }
    this.bytes.set(data, at);
    this.#byteCount = at + data.length;
    return data.length;
  }

  /** Returns the bytes. Short text may be written where there is no room for more of other kinds. */
  #writeShort(text: string): number {
    this.#makeRoom(WIDEST * text.length);
    return this.#write(text);
  }

  /** Makes the array large enough for so many more bytes. */
  #makeRoom(length: number): void {
    const most = this.#byteCount + length;
    if (most > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * most) as Bytes;
      larger.set(this.bytes.subarray(0, this.#byteCount));
      this.bytes = larger;
    }
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
