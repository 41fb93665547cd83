import { ReactorError } from '../errors/errors.js';
import { concat } from '../fetch/body.js';
import type { Exchange } from '../lane/exchange.js';
import { newNotes, sizeOfFields, writeFields } from '../lane/fields.js';
import type { Sender, Starting } from '../lane/outgoing.js';
import { ABORT, END, NO_LENGTH, WINDOW } from '../lane/record.js';
import type { Head } from './head.js';

/** What a write calls when its bytes are with the engine. */
export type Written = (error?: Error | null) => void;

/** Bytes of one reply, so that one response leaves room for others. */
const MOST_AT_ONCE = 64 * 1024;

const NO_BYTES = new Uint8Array();

/**
 * The response to one exchange, on its way to the engine.
 *
 * What the program writes waits until it has no more to do at once. A response
 * that has been ended by then goes as a whole; otherwise its head goes with what
 * there is, and after that each piece as it comes, as far as the client keeps up.
 */
export class Reply implements Starting {
  readonly #sender: Sender;
  readonly #exchange: Exchange;
  /** Called when the program may write again after it was told to wait. */
  readonly #onDrain: () => void;
  #state: 'empty' | 'held' | 'streaming' | 'over' = 'empty';
  #status = 0;
  #head: Head | null = null;
  #flags = 0;
  /** Written and not with the engine. */
  #pieces: (string | Uint8Array)[] = [];
  /** The first of them, and how much of it has gone. */
  #first = 0;
  #offset = 0;
  /** Bytes of them that have not gone. */
  #waiting = 0;
  /** Bytes of the whole body so far. */
  #total = 0;
  /** Sent, and not yet taken by the client. */
  #underWay = 0;
  #mustDrain = false;
  #isStarting = false;
  #isEnding = false;
  #isFlushing = false;
  /** Called once all that is waiting has gone. */
  #callbacks: Written[] = [];

  constructor(sender: Sender, exchange: Exchange, onDrain: () => void) {
    this.#sender = sender;
    this.#exchange = exchange;
    this.#onDrain = onDrain;
  }

  /** Bytes that have been written and are not with the engine. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Bytes that have been written. */
  get total(): number {
    return this.#total;
  }

  /**
   * The program has decided on the head.
   * @param flags `CLOSE` or `ASKS_TO_CLOSE`, or 0
   */
  setHead(status: number, head: Head, flags: number): void {
    if (this.#state === 'empty') {
      this.#status = status;
      this.#head = head;
      this.#flags = flags | (this.#exchange.isHead ? NO_LENGTH : 0);
      this.#state = 'held';
    }
  }

  /** There is no head yet: what is written is no part of the response. */
  get isEmpty(): boolean {
    return this.#state === 'empty';
  }

  /** Takes the next bytes of the body. False asks the program to wait for 'drain'. */
  write(data: string | Uint8Array, length: number, written: Written | null): boolean {
    if (this.#state === 'over') {
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

  /** All has been written. */
  end(): void {
    if (this.#state === 'held') {
      this.#whole();
    } else if (this.#state === 'streaming') {
      this.#isEnding = true;
      this.#pump();
    }
  }

  /**
   * Breaks the response off, and with it the connection. What was written before is
   * sent, as far as there is room for it.
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
    // The engine lets go of the request now.
    exchange.keepBody();
    this.#sender.replies.head(exchange.id, this.#status, this.#flags, encoded, NO_BYTES, declared);
    exchange.onAck = (taken) => {
      this.#underWay = Math.max(0, this.#underWay - taken);
      this.#pump();
      if (this.#mustDrain && this.#waiting === 0 && this.#underWay <= WINDOW / 2) {
        this.#mustDrain = false;
        this.#onDrain();
      }
    };
    this.#pump();
  }

  /** A response of which nothing has gone and nothing more will come. */
  #whole(): void {
    const exchange = this.#exchange;
    const { fields, declared } = this.#head as Head;
    const hasBody = !exchange.isHead && this.#status !== 204 && this.#status !== 304;
    if (exchange.isHead || (hasBody && declared < 0)) {
      // Not even a length of zero may be said of what nobody knows.
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

  /** Sends what the client has room for. */
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
      replies.plain(END, this.#exchange.id, 0);
      this.#sender.finish(this.#exchange);
    }
    this.#sender.schedule();
    this.#settle(null);
  }

  /** Whether all that has been written could be sent. */
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
    // It may have to wait in the middle of it.
    this.#pieces[index] = bytes;
    return bytes;
  }

  /** The body is not of the length that the head, which has gone, says. */
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

  /** Tells those who wrote, though not before they have returned. */
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
