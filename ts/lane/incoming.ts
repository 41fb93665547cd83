import { ReadableStream } from 'node:stream/web';
import {
  type Body,
  brokenStream,
  concat,
  decode,
  refuseUnusable,
  StoredBody,
  StreamedBody,
  spentBody,
} from '../fetch/body.js';
import type { Pieces } from '../fetch/multipart.js';
import type { Heads } from './heads.js';

/** The request that a body belongs to. */
export interface BodyOwner {
  /** It has not been answered, and the client has not gone. */
  readonly isOpen: boolean;
  /** Tells the engine that `bytes` of the body have been read. */
  pull(bytes: number): void;
  /** Tells the engine that what is still to come of the body is wanted in one piece. */
  collect(): void;
  /** Memory that the engine fills with a body of this length; `null` if it is better not lent. */
  lend(length: number): Uint8Array<ArrayBuffer> | null;
  /** Memory of this length is no longer lent. */
  takeBack(length: number): void;
  /** Copies the body that the engine has, if it still has it. */
  takeBody(into: Uint8Array): boolean;
}

/** In place of an offset: the engine has the body. */
export const APART = -1;

/** Bodies are decoded here that are wanted as text only. One that came whole is small. */
let decoded = new Uint8Array(0);

/**
 * The body of a request that arrived whole. It stays in the engine's arrays until it is read, or
 * until the arrays are reused.
 */
export class WholeIncoming implements Body {
  readonly #owner: BodyOwner;
  readonly #heads: Heads;
  readonly #offset: number;
  readonly #length: number;
  /** The lines of its trailers. */
  readonly trailers: string;
  /** The body in memory of its own; or, if it is gone, one that rejects. */
  #stored: Body | null = null;
  #isTaken = false;
  #isLost = false;

  constructor(owner: BodyOwner, heads: Heads, offset: number, length: number, trailers: string) {
    this.#owner = owner;
    this.#heads = heads;
    this.#offset = offset;
    this.#length = length;
    this.trailers = trailers;
  }

  get isUsed(): boolean {
    return this.#stored?.isUsed ?? this.#isTaken;
  }

  get stream(): ReadableStream<Uint8Array> {
    return this.#store().stream;
  }

  takeText(): string | Promise<string> {
    if (this.#stored !== null || this.#isTaken || this.#isLost) {
      return this.#store().takeText();
    }
    if (this.#offset === APART) {
      if (decoded.length < this.#length) {
        decoded = allocate(this.#length);
      }
      if (!this.#owner.takeBody(decoded.subarray(0, this.#length))) {
        this.#isLost = true;
        return this.#store().takeText();
      }
      this.#isTaken = true;
      return decode(decoded, 0, this.#length);
    }
    this.#isTaken = true;
    // Decoded in place, without a copy.
    return decode(this.#heads.bytes, this.#offset, this.#offset + this.#length);
  }

  takeBytes(): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
    if (this.#stored !== null || this.#isTaken || this.#isLost) {
      return this.#store().takeBytes();
    }
    const bytes = this.#copy();
    if (bytes === null) {
      return this.#store().takeBytes();
    }
    this.#isTaken = true;
    return bytes;
  }

  takePieces(): Pieces {
    return this.#store().takePieces();
  }

  clone(): Body {
    return this.#store().clone();
  }

  /** The arrays are about to be reused. */
  keep(): void {
    if (this.#stored === null && !this.#isTaken && !this.#isLost) {
      if (this.#owner.isOpen) {
        this.#store();
      } else {
        this.#isLost = true;
      }
    }
  }

  #store(): Body {
    if (this.#stored === null) {
      const bytes = this.#isTaken || this.#isLost ? null : this.#copy();
      this.#stored = this.#isTaken
        ? spentBody()
        : bytes === null
          ? new StreamedBody(brokenStream(answered()))
          : StoredBody.owning(bytes);
    }
    return this.#stored;
  }

  /** `null` if the body is gone. */
  #copy(): Uint8Array<ArrayBuffer> | null {
    if (this.#offset !== APART) {
      const end = this.#offset + this.#length;
      return new Uint8Array(this.#heads.bytes.subarray(this.#offset, end));
    }
    const bytes = allocate(this.#length);
    this.#isLost = !this.#owner.takeBody(bytes);
    return this.#isLost ? null : bytes;
  }
}

/**
 * The body of a request that arrives in pieces. The engine sends at most 256 KiB more than has been
 * read. If the body is wanted whole, the engine reads the rest into memory that is lent to it for
 * all of the body. If the length is unknown, it collects the rest and sends it as one piece.
 */
export class StreamedIncoming implements Body {
  /** The lines of its trailers, once they have come. */
  trailers = '';
  /** Called when the last piece has arrived, or the body has broken off. */
  onSettled: ((error: unknown) => void) | null = null;
  readonly #owner: BodyOwner;
  /** Its declared length; 0 if that is unknown. */
  readonly #length: number;
  /** Pieces that have arrived. Those from `#first` on have not been read. */
  readonly #pieces: (Uint8Array<ArrayBuffer> | undefined)[] = [];
  #first = 0;
  #isComplete = false;
  #error: unknown = null;
  /** Wakes the reader that waits for the next piece or the end. */
  #onPiece: (() => void) | null = null;
  /** It has been read without a stream. */
  #isTaken = false;
  #isCancelled = false;
  /** Memory for all of the body, while it is lent to the engine. */
  #whole: Uint8Array<ArrayBuffer> | null = null;
  /** How much of the body is there. */
  #at = 0;
  /** What has been read of a body that is wanted whole. */
  #collected: Uint8Array<ArrayBuffer>[] | null = null;
  /** The stream, once a program has asked for it. */
  #streamed: StreamedBody | null = null;

  /** @param length its declared length; 0 if that is unknown */
  constructor(owner: BodyOwner, length: number) {
    this.#owner = owner;
    this.#length = length;
  }

  get isUsed(): boolean {
    return this.#isTaken || (this.#streamed?.isUsed ?? false);
  }

  get stream(): ReadableStream<Uint8Array> {
    return this.#stream().stream;
  }

  async takeText(): Promise<string> {
    return decode(await this.takeBytes());
  }

  takeBytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#streamed !== null) {
      return this.#streamed.takeBytes();
    }
    refuseUnusable(this.#isTaken, null);
    this.#isTaken = true;
    return this.#collect();
  }

  takePieces(): Pieces {
    if (this.#streamed !== null) {
      return this.#streamed.takePieces();
    }
    refuseUnusable(this.#isTaken, null);
    this.#isTaken = true;
    return this.#iterate();
  }

  clone(): Body {
    return this.#stream().clone();
  }

  /**
   * The next piece, for a reader without a stream: `null` at the end, `undefined` if none has
   * arrived. In the last case `onPiece` is called when one arrives.
   * @throws the reason, if the body broke off
   */
  takePiece(onPiece: () => void): Uint8Array<ArrayBuffer> | null | undefined {
    this.#isTaken = true;
    const piece = this.#next();
    if (piece !== undefined) {
      return piece;
    }
    if (this.#error !== null) {
      throw this.#error;
    }
    if (this.#isComplete) {
      return null;
    }
    this.#onPiece = () => {
      this.#onPiece = null;
      onPiece();
    };
    return undefined;
  }

  /** Whether all pieces have arrived. Some may still be unread. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Why the body broke off; `null` if it did not. */
  get error(): unknown {
    return this.#error;
  }

  /** Whether a reader waits for the next piece or the end. */
  get isAwaited(): boolean {
    return this.#onPiece !== null;
  }

  /** A piece has arrived, in memory that is about to be used again. */
  push(piece: Uint8Array<ArrayBuffer>): void {
    if (this.#whole !== null) {
      this.#put(piece);
      return;
    }
    this.#pushOwn(new Uint8Array(piece));
  }

  /** The engine has filled this many bytes of the memory that it was lent. */
  filled(length: number): void {
    this.#at += length;
    this.#owner.pull(length);
  }

  #put(piece: Uint8Array): void {
    this.#whole?.set(piece, this.#at);
    this.filled(piece.length);
  }

  #pushOwn(piece: Uint8Array<ArrayBuffer>): void {
    this.#pieces.push(piece);
    if (this.#isCancelled) {
      this.#next();
    }
    this.#onPiece?.();
  }

  /**
   * A large piece of this length has arrived, and the engine has it. Of a body that is wanted whole
   * it is the rest. What has been read of that goes in front of it, so that nothing is left to join.
   */
  pushApart(length: number): void {
    if (this.#error !== null) {
      return;
    }
    if (this.#whole !== null) {
      if (this.#copyTo(this.#whole.subarray(this.#at, this.#at + length))) {
        this.filled(length);
      }
      return;
    }
    const before = this.#collected ?? [];
    if (this.#collected !== null) {
      this.#readInto(before);
    }
    const start = lengthOf(before);
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = allocate(start + length);
    } catch (error) {
      this.fail(error);
      return;
    }
    let at = 0;
    for (const piece of before) {
      bytes.set(piece, at);
      at += piece.length;
    }
    if (!this.#copyTo(start === 0 ? bytes : bytes.subarray(start))) {
      return;
    }
    if (this.#collected === null) {
      this.#pushOwn(bytes);
    } else {
      this.#collected = [bytes];
      this.#owner.pull(length);
    }
  }

  /** Copies what the engine has. If that is gone, the body has broken off. */
  #copyTo(into: Uint8Array): boolean {
    const isThere = this.#owner.takeBody(into);
    if (!isThere) {
      this.fail(answered());
    }
    return isThere;
  }

  /** The last piece has arrived. */
  complete(): void {
    this.#isComplete = true;
    this.#onPiece?.();
    this.onSettled?.(null);
  }

  /** The body broke off. */
  fail(error: unknown): void {
    if (!this.#isComplete && this.#error === null) {
      this.#error = error;
      this.#onPiece?.();
      this.onSettled?.(error);
    }
  }

  #stream(): StreamedBody {
    if (this.#streamed === null) {
      this.#streamed = new StreamedBody(
        new ReadableStream({
          type: 'bytes',
          pull: (controller) => this.#pull(controller),
          cancel: () => this.#cancel(),
        }),
      );
      if (this.#isTaken) {
        // The body was read before its stream was asked for. The stream must look read too.
        void this.#streamed.stream.getReader().cancel();
      }
    }
    return this.#streamed;
  }

  /** All pieces, for a reader without a stream. */
  async #collect(): Promise<Uint8Array<ArrayBuffer>> {
    const isOpen = !this.#isComplete && this.#error === null;
    this.#whole = isOpen && this.#length > 0 ? this.#owner.lend(this.#length) : null;
    if (this.#whole !== null) {
      try {
        return await this.#fill(this.#whole);
      } finally {
        this.#whole = null;
        this.#owner.takeBack(this.#length);
      }
    }
    this.#collected = [];
    if (isOpen) {
      this.#owner.collect();
    }
    for (;;) {
      this.#readInto(this.#collected);
      if (this.#error !== null) {
        throw this.#error;
      }
      if (this.#isComplete) {
        const whole = joined(this.#collected);
        this.#collected = null;
        return whole;
      }
      await this.#more();
    }
  }

  /** What has come goes to the front. The engine puts the rest behind it. */
  async #fill(whole: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    for (let piece = this.#take(); piece !== undefined; piece = this.#take()) {
      this.#put(piece);
    }
    this.#owner.collect();
    while (!this.#isComplete) {
      if (this.#error !== null) {
        throw this.#error;
      }
      await this.#more();
    }
    if (this.#at !== whole.length) {
      // A defect. Nothing shows memory that was not filled.
      throw new Error('the engine has not filled the memory of a body');
    }
    return whole;
  }

  #readInto(pieces: Uint8Array<ArrayBuffer>[]): void {
    for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
      pieces.push(piece);
    }
  }

  /** Piece by piece. If the reader stops early, the rest is dropped. */
  async *#iterate(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    try {
      for (;;) {
        for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
          yield piece;
        }
        if (this.#error !== null) {
          throw this.#error;
        }
        if (this.#isComplete) {
          return;
        }
        await this.#more();
      }
    } finally {
      this.#discard();
    }
  }

  /** Runs only when the program reads: a slow reader must slow the client down. */
  async #pull(controller: ReadableByteStreamController): Promise<void> {
    for (;;) {
      const piece = this.#next();
      if (piece !== undefined) {
        controller.enqueue(piece);
        return;
      }
      if (this.#error !== null) {
        controller.error(this.#error);
        return;
      }
      if (this.#isComplete) {
        controller.close();
        controller.byobRequest?.respond(0);
        return;
      }
      await this.#more();
      if (this.#isCancelled) {
        return;
      }
    }
  }

  /** The rest is read and dropped, so that the response can still be sent. */
  #cancel(): void {
    if (this.#isTaken) {
      return;
    }
    this.#discard();
    this.#onPiece?.();
  }

  #discard(): void {
    this.#isCancelled = true;
    while (this.#next() !== undefined) {
      // Each piece is reported to the engine as read.
    }
  }

  /** The next piece, which counts as read. */
  #next(): Uint8Array<ArrayBuffer> | undefined {
    const piece = this.#take();
    if (piece !== undefined) {
      this.#owner.pull(piece.length);
    }
    return piece;
  }

  /** `shift` would move all pieces, and a window may hold one per byte. */
  #take(): Uint8Array<ArrayBuffer> | undefined {
    const piece = this.#pieces[this.#first];
    if (piece !== undefined) {
      this.#pieces[this.#first++] = undefined;
      if (2 * this.#first >= this.#pieces.length) {
        this.#pieces.splice(0, this.#first);
        this.#first = 0;
      }
    }
    return piece;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#onPiece = () => {
        this.#onPiece = null;
        resolve();
      };
    });
  }
}

/** Memory of its own that is about to be filled. */
export function allocate(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  let length = 0;
  for (const piece of pieces) {
    length += piece.length;
  }
  return length;
}

/** Each piece has memory of its own, so a single one needs no copy. */
function joined(pieces: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only] = pieces;
  return only !== undefined && pieces.length === 1 ? only : concat(pieces);
}

/** The error for reading the body of a request that is over. */
export function answered(): TypeError {
  return new TypeError('the request was answered before its body had been read');
}
