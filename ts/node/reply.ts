import { ReactorError } from '../errors/errors.js';
import { concat } from '../fetch/body.js';
import type { Leaving } from '../lane/event-streams.js';
import type { Exchange } from '../lane/exchange.js';
import { newNotes, sizeOfFields, writeFields } from '../lane/fields.js';
import type { Sender } from '../lane/outgoing.js';
import { ABORT, END, NO_LENGTH, TRAILERS_FOLLOW, WINDOW } from '../lane/record.js';
import type { Starting } from '../lane/starting.js';
import type { Head } from './head.js';

/** The callback of a write, called when the engine has the bytes. */
export type Written = (error?: Error | null) => void;

/** What writes a response. */
export interface Writer {
  /** It may write again after `write` returned false. */
  drained(): void;
}

/** The most bytes in one reply, so that one response leaves room for others. */
const MOST_AT_ONCE = 64 * 1024;

const NO_BYTES = new Uint8Array();

/**
 * The response to one exchange, on its way to the engine.
 *
 * Output waits until the program pauses. If the response has ended by then, it is sent whole.
 * Otherwise its head is sent with the output so far, and then each piece as it comes, as fast as
 * the client takes them.
 */
export class Reply implements Starting, Leaving {
  /** Names and values of the trailers in turn, which are sent at the end. */
  trailers: readonly string[] = [];
  readonly #sender: Sender;
  readonly #exchange: Exchange;
  readonly #writer: Writer;
  #state: 'empty' | 'held' | 'streaming' | 'over' = 'empty';
  #status = 0;
  #head: Head | null = null;
  #flags = 0;
  /** Pieces that the engine does not have yet. */
  #pieces: (string | Uint8Array)[] = [];
  /** The index of the first such piece, and how much of it has been sent. */
  #first = 0;
  #offset = 0;
  /** Bytes of these pieces that have not been sent. */
  #waiting = 0;
  /** Bytes of the body so far. */
  #total = 0;
  /** Bytes sent that the client has not taken yet. */
  #underWay = 0;
  #mustDrain = false;
  #isStarting = false;
  #isEnding = false;
  /** The server stops, and ends the response in place of the program. */
  #isLeaving = false;
  #isFlushing = false;
  /** Called once all pieces have been sent. */
  #callbacks: Written[] = [];

  constructor(sender: Sender, exchange: Exchange, writer: Writer) {
    this.#sender = sender;
    this.#exchange = exchange;
    this.#writer = writer;
  }

  get isHeld(): boolean {
    return this.#state === 'held';
  }

  get heldBytes(): number {
    return this.#waiting;
  }

  /** Bytes written that the engine does not have yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Bytes written. */
  get total(): number {
    return this.#total;
  }

  /**
   * The program has decided the head.
   * @param flags `CLOSE`, `ASKS_TO_CLOSE` or 0
   */
  setHead(status: number, head: Head, flags: number): void {
    if (this.#state === 'empty') {
      this.#status = status;
      this.#head = head;
      this.#flags = flags | (this.#exchange.isHead ? NO_LENGTH : 0);
      this.#state = 'held';
    }
  }

  /** Whether the head tells the length of the body. */
  get hasLength(): boolean {
    return this.#head !== null && this.#head.declared >= 0;
  }

  /** Whether there is no head yet. Then a write is not part of the response. */
  get isEmpty(): boolean {
    return this.#state === 'empty';
  }

  /** Takes the next bytes of the body. False asks the program to wait for 'drain'. */
  write(data: string | Uint8Array, length: number, written: Written | null): boolean {
    if (this.#state === 'over') {
      return false;
    }
    if (this.#isLeaving) {
      if (written !== null) {
        process.nextTick(written, streamDestroyed());
      }
      return false;
    }
    if (length > 0) {
      this.#pieces.push(data);
      this.#waiting += length;
      this.#total += length;
    }
    if (written !== null) {
      this.#callbacks.push(written);
    }
    if (this.#state === 'held') {
      if (!this.#isStarting) {
        this.#isStarting = true;
        this.#sender.start(this);
      }
    } else {
      this.#pump();
    }
    this.#mustDrain = this.#waiting + this.#underWay >= WINDOW;
    return !this.#mustDrain;
  }

  /** The program has written everything. */
  end(): void {
    if (this.#state === 'held') {
      this.#whole();
    } else if (this.#state === 'streaming') {
      this.#isEnding = true;
      this.#pump();
    }
  }

  /**
   * Ends the response as if it were complete, behind what the program has written. After that the
   * program is told as if its client had left.
   */
  leave(): void {
    if (this.#state === 'streaming' && !this.#isEnding) {
      this.#isLeaving = true;
      this.end();
    }
  }

  /**
   * Breaks off the response, and with it the connection. What was written before is sent, as far as
   * there is room.
   */
  abort(): void {
    if (this.#state === 'over') {
      return;
    }
    if (this.#pieces.length > 0 && this.#exchange.isOpen) {
      this.begin();
      this.#sendPieces();
    }
    this.#state = 'over';
    this.#sender.events.delete(this);
    this.#pieces = [];
    this.#waiting = 0;
    if (this.#exchange.isOpen) {
      this.#sender.replies.plain(ABORT, this.#exchange.id, 0);
      this.#sender.finish(this.#exchange);
      this.#sender.schedule();
    }
    this.#settle(streamDestroyed);
  }

  begin(): void {
    if (this.#state !== 'held') {
      return;
    }
    this.#state = 'streaming';
    const { fields, declared } = this.#head as Head;
    const notes = newNotes();
    const bytes = Buffer.allocUnsafe(sizeOfFields(fields));
    const encoded = bytes.subarray(0, writeFields(bytes, 0, fields, notes));
    const exchange = this.#exchange;
    // The engine drops the request after its answer, so an unread body is copied.
    exchange.keepBody();
    // Whether there will be trailers, only its end tells.
    const mayTrail = declared < 0 && !exchange.isHead;
    if (mayTrail) {
      this.#sender.events.add(this, fields);
    }
    const flags = mayTrail ? this.#flags | TRAILERS_FOLLOW : this.#flags;
    this.#sender.replies.head(exchange.id, this.#status, flags, encoded, NO_BYTES, declared);
    this.#pump();
  }

  /** The client has taken bytes. */
  taken(bytes: number): void {
    if (this.#state === 'empty' || this.#state === 'held') {
      return;
    }
    this.#underWay = Math.max(0, this.#underWay - bytes);
    this.#pump();
    if (this.#mustDrain && this.#waiting === 0 && this.#underWay <= WINDOW / 2) {
      this.#mustDrain = false;
      this.#writer.drained();
    }
  }

  /** Sends a complete response of which nothing has been sent. */
  #whole(): void {
    if (this.#isStarting) {
      this.#sender.started(this);
    }
    const exchange = this.#exchange;
    const { fields, declared } = this.#head as Head;
    const hasBody = !exchange.isHead && this.#status !== 204 && this.#status !== 304;
    if (exchange.isHead || (hasBody && (declared < 0 || this.trailers.length > 0))) {
      // The length is unknown, so not even zero may be declared. And trailers follow a stream.
      this.begin();
      this.end();
      return;
    }
    if (hasBody && this.#total !== declared) {
      this.#state = 'over';
      this.#sender.fail(exchange, this.#wrongLength());
    } else {
      this.#state = 'over';
      exchange.keepBody();
      this.#sender.replies.response(
        exchange.id,
        this.#status,
        this.#flags,
        fields,
        hasBody ? joined(this.#pieces) : null,
        false,
      );
      this.#sender.finish(exchange);
      this.#sender.schedule();
    }
    this.#pieces = [];
    this.#waiting = 0;
    this.#settle(null);
  }

  /** Sends as much as the client has room for. */
  #pump(): void {
    if (this.#state !== 'streaming' || this.#isFlushing) {
      return;
    }
    const { replies } = this.#sender;
    const { declared } = this.#head as Head;
    if (declared >= 0 && !this.#exchange.isHead && this.#total > declared) {
      this.#breakOff();
      return;
    }
    if (!this.#sendPieces()) {
      if (this.#underWay < WINDOW) {
        void this.#pumpAfterFlush();
      } else {
        this.#sender.schedule();
      }
      return;
    }
    if (this.#isEnding) {
      if (declared >= 0 && !this.#exchange.isHead && this.#total < declared) {
        this.#breakOff();
        return;
      }
      this.#state = 'over';
      this.#sender.events.delete(this);
      if (this.trailers.length > 0) {
        replies.trailers(this.#exchange.id, this.trailers);
      }
      replies.plain(END, this.#exchange.id, 0);
      this.#sender.finish(this.#exchange);
    }
    this.#sender.schedule();
    this.#settle(null);
    if (this.#isLeaving) {
      this.#exchange.hangUp();
    }
  }

  /** Sends the pieces. Returns whether all of them could be sent. */
  #sendPieces(): boolean {
    const { replies } = this.#sender;
    while (this.#first < this.#pieces.length) {
      const data = this.#bytesAt(this.#first);
      while (this.#offset < data.length) {
        const left = data.length - this.#offset;
        const length = Math.min(left, MOST_AT_ONCE, WINDOW - this.#underWay);
        if (length <= 0 || !replies.hasRoom(length)) {
          return false;
        }
        replies.chunk(this.#exchange.id, data.subarray(this.#offset, this.#offset + length));
        this.#offset += length;
        this.#underWay += length;
        this.#waiting -= length;
      }
      this.#pieces[this.#first] = NO_BYTES;
      this.#first++;
      this.#offset = 0;
    }
    this.#pieces.length = 0;
    this.#first = 0;
    return true;
  }

  async #pumpAfterFlush(): Promise<void> {
    this.#isFlushing = true;
    this.#sender.schedule();
    await this.#sender.flushed();
    this.#isFlushing = false;
    this.#pump();
  }

  #bytesAt(index: number): Uint8Array {
    const piece = this.#pieces[index] as string | Uint8Array;
    if (typeof piece !== 'string') {
      return piece;
    }
    const bytes = Buffer.from(piece);
    // Kept as bytes, since sending may pause in the middle of the piece.
    this.#pieces[index] = bytes;
    return bytes;
  }

  /** Breaks off a body whose length differs from the one in the sent head. */
  #breakOff(): void {
    const error = this.#wrongLength();
    this.abort();
    this.#sender.report(this.#exchange, error);
  }

  #wrongLength(): ReactorError {
    const { declared } = this.#head as Head;
    return new ReactorError(
      'ERR_REACTOR_INVALID_RESPONSE',
      `a response body is not of the length that its Content-Length says: ${this.#total} of ${declared} bytes`,
    );
  }

  /** Calls the writers' callbacks, in the next tick. */
  #settle(error: Error | null | (() => Error)): void {
    if (this.#callbacks.length > 0) {
      const callbacks = this.#callbacks;
      this.#callbacks = [];
      process.nextTick(callAll, callbacks, typeof error === 'function' ? error() : error);
    }
  }
}

function callAll(callbacks: readonly Written[], error: Error | null): void {
  for (const callback of callbacks) {
    callback(error);
  }
}

function streamDestroyed(): Error {
  return Object.assign(new Error('Cannot call write after a stream was destroyed'), {
    code: 'ERR_STREAM_DESTROYED',
  });
}

function joined(pieces: readonly (string | Uint8Array)[]): string | Uint8Array {
  const [first = ''] = pieces;
  if (pieces.length <= 1) {
    return first;
  }
  return concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
}
