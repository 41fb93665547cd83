import { types } from 'node:util';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { giveBack, memoryOfSize } from '../fetch/copies.js';
import type { ChunkResult } from '../fetch/reader.js';
import { Source } from '../fetch/source.js';
import { memoryOf } from '../fetch/streams.js';
import { readTrailers, type Trailers } from '../fetch/trailers.js';
import type { EventStreams } from './event-streams.js';
import type { Exchange } from './exchange.js';
import { newNotes, sizeOfFields, writeFields } from './fields.js';
import type { OneChunk } from './one-chunk.js';
import { ABORT, type Bytes, CLOSE, END, NO_LENGTH, TRAILERS_FOLLOW, WINDOW } from './record.js';
import type { Replies } from './replies.js';
import type { Sockets } from './sockets.js';
import type { Starting } from './starting.js';
import { WIDEST, writeText } from './write-text.js';

/** The bridge, as a streaming response uses it. */
export interface Sender {
  /** @param kind `CUT` or `FINISH` */
  endConnection(kind: number, place: ConnectionPlace): void;
  readonly replies: Replies;
  readonly sockets: Sockets;
  /** The streams that are ended when the server stops. */
  readonly events: EventStreams;
  /** The program has an error handler, which is given the request. */
  readonly handlesErrors: boolean;
  /** Plans a turn, which sends what is in {@link replies}. */
  schedule(): void;
  /** Calls `begin` once the program has paused, in the next turn. */
  start(response: Starting): void;
  /** It need not begin any more. */
  started(response: Starting): void;
  /** Resolves when the engine has taken what is in {@link replies}. */
  flushed(): Promise<void>;
  /** The exchange gets no more replies. */
  finish(exchange: Exchange): void;
  /** The response failed before any of it was sent: an error is sent in its place. */
  fail(exchange: Exchange, error: unknown): void;
  /** The response failed after part of it was sent: the error is only reported. */
  report(exchange: Exchange, error: unknown): void;
}

/** How the engine finds a connection. */
export interface ConnectionPlace {
  readonly ioThread: number;
  readonly slot: number;
  readonly number: number;
}

/** The most bytes in one reply, so that one response leaves room for others. */
const MOST_AT_ONCE = 64 * 1024;

/** The most bytes held back until {@link Outgoing.begin}. */
const MOST_HELD = 64 * 1024;

/** Room for the first bytes that are held back. It comes out of Node's pool. */
const FIRST_HELD = 512;

/** From this many bytes on they are held in memory of {@link MOST_HELD} bytes that is kept. */
const MUCH_HELD = 4 * 1024;

/**
 * A connection may have a hundred streams whose client takes nothing. So a stream of HTTP/2 may be no
 * more than this ahead, in bytes, before the client has taken some of it.
 */
const FIRST_WINDOW = 64 * 1024;

const NO_BYTES: Uint8Array = new Uint8Array();

/** What a response is read from: a stream's reader, or that of a {@link Source}. */
interface ChunkReader {
  read(): Promise<ChunkResult> | ChunkResult;
  cancel(reason: unknown): Promise<unknown>;
}

/**
 * One response whose body is a stream, or comes in pieces from another source.
 *
 * Its head waits until the program pauses, and takes along the chunks that came until then. A body
 * that is complete by then is sent whole, with its length. After that each chunk is sent as it
 * comes.
 */
export class Outgoing implements Starting {
  readonly #sender: Sender;
  readonly #exchange: Exchange;
  readonly #status: number;
  readonly #fields: Uint8Array = NO_BYTES;
  readonly #flags: number;
  /** The length according to the program or the body; -1 if unknown. */
  readonly #declared: number;
  readonly #reader: ChunkReader;
  /** Those behind the body; `null` if there are none. */
  readonly #trailers: Trailers | null;
  /** The bytes of a chunk. Of a {@link Source} more is taken than of a stream. */
  readonly #bytesOf: (chunk: unknown) => Uint8Array;
  /** The bytes before {@link begin}. */
  #held = NO_BYTES;
  #heldLength = 0;
  /** What {@link #held} is a view of, if that is to be kept. */
  #heldMemory: Uint8Array | null = null;
  #sent = 0;
  /** Bytes sent that the client has not taken yet. */
  #underWay = 0;
  /** The most that may be under way. */
  #window = WINDOW;
  #hasBegun = false;
  #isOver = false;
  /** The reader has come to its end, or failed. */
  #isSpent = false;
  #onRoom: (() => void) | null = null;

  /**
   * @param flags what its fields leave out
   * @param length of the body; -1 if unknown
   * @throws {ReactorError} for a field that cannot be sent
   * @throws {TypeError} for a stream that already has a reader
   */
  constructor(
    sender: Sender,
    exchange: Exchange,
    status: number,
    fields: readonly string[],
    flags: number,
    source: ReadableStream<Uint8Array> | Source | OneChunk,
    length: number,
    trailers: Trailers | null,
  ) {
    const notes = newNotes();
    this.#sender = sender;
    this.#exchange = exchange;
    this.#status = status;
    if (fields.length > 0) {
      const bytes = Buffer.allocUnsafe(sizeOfFields(fields));
      const end = writeFields(bytes, 0, fields, notes);
      this.#fields = bytes.subarray(0, end);
    }
    this.#flags =
      flags |
      (notes.closes ? CLOSE : 0) |
      (exchange.isHead ? NO_LENGTH : 0) |
      (trailers === null ? 0 : TRAILERS_FOLLOW);
    this.#trailers = trailers;
    this.#declared = length < 0 ? notes.declared : length;
    this.#bytesOf = source instanceof Source ? memoryOf : bytesOf;
    this.#reader = source.getReader();
    if (exchange.isHttp2) {
      this.#window = FIRST_WINDOW;
    }
  }

  get isHeld(): boolean {
    return !(this.#hasBegun || this.#isOver);
  }

  get heldBytes(): number {
    return this.#heldLength;
  }

  /** Reads the stream to its end. Never rejects. */
  async run(): Promise<void> {
    const exchange = this.#exchange;
    if (exchange.isHead) {
      this.begin();
      this.#sender.replies.plain(END, exchange.id, 0);
      this.#stop(undefined);
      this.#sender.finish(exchange);
      this.#sender.schedule();
      return;
    }
    exchange.onAck = (bytes) => {
      this.#underWay = Math.max(0, this.#underWay - bytes);
      this.#window = WINDOW;
      this.#onRoom?.();
    };
    exchange.onGone = () => this.#stop(exchange.reason);
    let isReading = true;
    try {
      for (;;) {
        isReading = true;
        const read = this.#reader.read();
        // What a source has already costs no promise.
        const { done, value } = isResult(read) ? read : await read;
        isReading = false;
        if (this.#isOver) {
          return;
        }
        if (done) {
          this.#isSpent = true;
          break;
        }
        const rest = this.#take(value);
        if (rest !== null) {
          await this.#write(rest);
        }
      }
      if (this.#trailers !== null && this.#sent >= this.#declared) {
        await this.#trail(this.#trailers);
      }
      if (!this.#isOver) {
        this.#end();
      }
    } catch (error) {
      this.#isSpent ||= isReading;
      if (!this.#isOver) {
        this.#fail(error);
      }
    }
  }

  /** Ends the body as if it were complete, and cancels what it is read from. */
  leave(): void {
    if (this.#isOver || this.#declared >= 0) {
      return;
    }
    this.#end();
    this.#stop(undefined);
    // The program may have only the request's signal to stop by.
    this.#exchange.hangUp();
  }

  /** Sends the head and the chunks held back. */
  begin(): void {
    if (!this.isHeld) {
      return;
    }
    this.#hasBegun = true;
    const first = this.#held.subarray(0, this.#heldLength);
    this.#underWay = first.length;
    // The engine drops the request after its answer, so an unread body is copied.
    this.#exchange.keepBody();
    this.#sender.replies.head(
      this.#exchange.id,
      this.#status,
      this.#flags,
      this.#fields,
      first,
      this.#declared,
    );
    this.#dropHeld();
    this.#sender.schedule();
  }

  /** Takes a chunk, if there is room for it; else returns its bytes. */
  #take(chunk: unknown): Uint8Array | null {
    if (typeof chunk === 'string' && this.#declared < 0 && this.#takeText(chunk)) {
      return null;
    }
    const data = this.#bytesOf(chunk);
    this.#sent += data.length;
    if (this.#declared >= 0 && this.#sent > this.#declared) {
      throw this.#wrongLength();
    }
    if (!this.#hasBegun) {
      if (this.#heldLength + data.length <= MOST_HELD) {
        // A copy: the program may use its buffer again for the next chunk.
        this.#makeRoom(data.length);
        this.#held.set(data, this.#heldLength);
        this.#heldLength += data.length;
        return null;
      }
      this.begin();
    }
    const { replies } = this.#sender;
    if (!this.#fits(data.length)) {
      return data;
    }
    if (data.length > 0) {
      replies.chunk(this.#exchange.id, data);
      this.#underWay += data.length;
      this.#sender.schedule();
    }
    return null;
  }

  /** Takes text without an encoder, if there is surely room for it. */
  #takeText(text: string): boolean {
    const most = text.length * WIDEST;
    if (!this.#hasBegun) {
      if (this.#heldLength + most > MOST_HELD) {
        return false;
      }
      this.#makeRoom(most);
      const length = writeText(this.#held as Bytes, text, this.#heldLength);
      this.#heldLength += length;
      this.#sent += length;
      return true;
    }
    if (!this.#fits(most)) {
      return false;
    }
    if (most > 0) {
      const length = this.#sender.replies.textChunk(this.#exchange.id, text);
      this.#underWay += length;
      this.#sent += length;
      this.#sender.schedule();
    }
    return true;
  }

  /** Whether so many bytes can be sent at once. */
  #fits(length: number): boolean {
    const most = Math.min(MOST_AT_ONCE, this.#window - this.#underWay);
    return length <= most && this.#sender.replies.hasRoom(length);
  }

  /** Makes room for so many more bytes to be held. */
  #makeRoom(length: number): void {
    const needed = this.#heldLength + length;
    if (needed > this.#held.length) {
      const larger = this.#memory(needed);
      larger.set(this.#held.subarray(0, this.#heldLength));
      this.#held = larger;
    }
  }

  #memory(needed: number): Uint8Array {
    if (needed < MUCH_HELD) {
      return Buffer.allocUnsafe(Math.max(needed, FIRST_HELD, 2 * this.#held.length));
    }
    const memory = memoryOfSize(MOST_HELD);
    this.#heldMemory = memory;
    return Buffer.from(memory.buffer, 0, MOST_HELD);
  }

  #dropHeld(): void {
    if (this.#heldMemory !== null) {
      giveBack(this.#heldMemory);
      this.#heldMemory = null;
    }
    this.#held = NO_BYTES;
    this.#heldLength = 0;
  }

  /** Sends bytes as there is room for them. */
  async #write(data: Uint8Array): Promise<void> {
    const { replies } = this.#sender;
    let at = 0;
    while (at < data.length && !this.#isOver) {
      const length = Math.min(data.length - at, MOST_AT_ONCE, this.#window - this.#underWay);
      if (length <= 0) {
        await new Promise<void>((resolve) => {
          this.#onRoom = resolve;
        });
        this.#onRoom = null;
      } else if (!replies.hasRoom(length)) {
        this.#sender.schedule();
        await this.#sender.flushed();
      } else {
        replies.chunk(this.#exchange.id, data.subarray(at, at + length));
        this.#underWay += length;
        at += length;
        this.#sender.schedule();
      }
    }
  }

  /**
   * Sends the trailers, now that the body has ended. What has come of the response is sent before: if
   * the trailers fail, it is broken off.
   */
  async #trail(trailers: Trailers): Promise<void> {
    this.begin();
    const fields = await readTrailers(trailers);
    if (!this.#isOver) {
      this.#sender.replies.trailers(this.#exchange.id, fields);
    }
  }

  #end(): void {
    if (this.#declared >= 0 && this.#sent < this.#declared) {
      this.#fail(this.#wrongLength());
      return;
    }
    this.#isOver = true;
    const { replies } = this.#sender;
    const { id } = this.#exchange;
    if (this.#hasBegun) {
      replies.plain(END, id, 0);
    } else {
      const body = this.#held.subarray(0, this.#heldLength);
      replies.whole(id, this.#status, this.#flags, this.#fields, body);
      this.#dropHeld();
    }
    this.#sender.finish(this.#exchange);
    this.#sender.schedule();
  }

  #fail(error: unknown): void {
    this.#stop(error);
    if (!this.#hasBegun) {
      this.#sender.fail(this.#exchange, error);
      return;
    }
    this.#exchange.observed?.failed(error);
    this.#sender.replies.plain(ABORT, this.#exchange.id, 0);
    this.#sender.finish(this.#exchange);
    this.#sender.schedule();
    this.#sender.report(this.#exchange, error);
  }

  /** Sends nothing more, and cancels the stream with the reason. */
  #stop(reason: unknown): void {
    this.#isOver = true;
    this.#dropHeld();
    if (!this.#isSpent) {
      this.#reader.cancel(reason).catch(() => {});
    }
    this.#onRoom?.();
  }

  #wrongLength(): ReactorError {
    return new ReactorError(
      'ERR_REACTOR_INVALID_RESPONSE',
      `a response body is not of the declared length: ${this.#sent} of ${this.#declared} bytes`,
    );
  }
}

function isResult(read: Promise<ChunkResult> | ChunkResult): read is ChunkResult {
  return 'done' in read;
}

/**
 * The bytes of a chunk. The standard allows only Uint8Array. Some frameworks also stream text,
 * since other servers take it.
 */
function bytesOf(chunk: unknown): Uint8Array {
  if (types.isUint8Array(chunk)) {
    return chunk;
  }
  if (typeof chunk === 'string') {
    return Buffer.from(chunk);
  }
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  if (types.isAnyArrayBuffer(chunk)) {
    return new Uint8Array(chunk);
  }
  throw new ReactorError(
    'ERR_REACTOR_INVALID_RESPONSE',
    `a response body has a chunk that is neither bytes nor text, got ${inspect(chunk)}`,
  );
}
