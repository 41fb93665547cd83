import { types } from 'node:util';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { concat } from '../fetch/body.js';
import type { Exchange } from './exchange.js';
import { newNotes, sizeOfFields, writeFields } from './fields.js';
import { ABORT, CLOSE, END, NO_LENGTH, WINDOW } from './record.js';
import type { Replies } from './replies.js';

/** A response of which nothing has been sent. */
export interface Starting {
  /** The program has paused: sends the head, and the body so far. */
  begin(): void;
}

/** The bridge, as a streaming response uses it. */
export interface Sender {
  /** @param kind `CUT` or `FINISH` */
  endConnection(kind: number, place: ConnectionPlace): void;
  readonly replies: Replies;
  /** Plans a turn, which sends what is in {@link replies}. */
  schedule(): void;
  /** Calls `begin` once the program has paused, in the next turn. */
  start(response: Starting): void;
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

/**
 * One response whose body is a stream.
 *
 * Its head waits until the program pauses, and takes along the chunks that came until then. A body
 * that is complete by then is sent whole, with its length. After that each chunk is sent as it
 * comes.
 */
export class Outgoing implements Starting {
  readonly #sender: Sender;
  readonly #exchange: Exchange;
  readonly #status: number;
  readonly #fields: Uint8Array;
  readonly #flags: number;
  /** The length according to the program or the body; -1 if unknown. */
  readonly #declared: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #held: Uint8Array[] = [];
  #heldLength = 0;
  #sent = 0;
  /** Bytes sent that the client has not taken yet. */
  #underWay = 0;
  #hasBegun = false;
  #isOver = false;
  #onRoom: (() => void) | null = null;

  /**
   * @param length of the body; -1 if unknown
   * @throws {ReactorError} for a field that cannot be sent
   * @throws {TypeError} for a stream that already has a reader
   */
  constructor(
    sender: Sender,
    exchange: Exchange,
    status: number,
    fields: readonly string[],
    stream: ReadableStream<Uint8Array>,
    length: number,
  ) {
    const notes = newNotes();
    const bytes = Buffer.allocUnsafe(sizeOfFields(fields));
    const end = writeFields(bytes, 0, fields, notes);
    this.#sender = sender;
    this.#exchange = exchange;
    this.#status = status;
    this.#fields = bytes.subarray(0, end);
    this.#flags = (notes.closes ? CLOSE : 0) | (exchange.isHead ? NO_LENGTH : 0);
    this.#declared = length < 0 ? notes.declared : length;
    this.#reader = stream.getReader();
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
      this.#onRoom?.();
    };
    exchange.onGone = () => this.#stop(exchange.reason);
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (this.#isOver) {
          return;
        }
        if (done) {
          break;
        }
        await this.#write(value);
      }
      this.#end();
    } catch (error) {
      if (!this.#isOver) {
        this.#fail(error);
      }
    }
  }

  /** Sends the head and the chunks held back. */
  begin(): void {
    if (this.#hasBegun || this.#isOver) {
      return;
    }
    this.#hasBegun = true;
    const first = concat(this.#held);
    this.#held = [];
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
    this.#sender.schedule();
  }

  async #write(chunk: unknown): Promise<void> {
    const data = bytesOf(chunk);
    this.#sent += data.length;
    if (this.#declared >= 0 && this.#sent > this.#declared) {
      throw this.#wrongLength();
    }
    if (!this.#hasBegun) {
      if (this.#heldLength + data.length <= MOST_HELD) {
        // A copy: the program may use its buffer again for the next chunk.
        this.#held.push(new Uint8Array(data));
        this.#heldLength += data.length;
        return;
      }
      this.begin();
    }
    const { replies } = this.#sender;
    let at = 0;
    while (at < data.length && !this.#isOver) {
      const length = Math.min(data.length - at, MOST_AT_ONCE, WINDOW - this.#underWay);
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
      replies.whole(id, this.#status, this.#flags, this.#fields, concat(this.#held));
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
    this.#sender.replies.plain(ABORT, this.#exchange.id, 0);
    this.#sender.finish(this.#exchange);
    this.#sender.schedule();
    this.#sender.report(this.#exchange, error);
  }

  /** Sends nothing more, and cancels the stream with the reason. */
  #stop(reason: unknown): void {
    this.#isOver = true;
    this.#held = [];
    this.#reader.cancel(reason).catch(() => {});
    this.#onRoom?.();
  }

  #wrongLength(): ReactorError {
    return new ReactorError(
      'ERR_REACTOR_INVALID_RESPONSE',
      `a response body is not of the declared length: ${this.#sent} of ${this.#declared} bytes`,
    );
  }
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
