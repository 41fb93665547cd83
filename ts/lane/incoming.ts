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
  /** It has not been answered, and the client is there. */
  readonly isOpen: boolean;
  /** Tells the engine that `bytes` of the body have been taken. */
  pull(bytes: number): void;
}

/**
 * The body of a request that came whole. It stays where the engine put it until
 * somebody reads it, or until the arrays are wanted for the next batch.
 */
export class WholeIncoming implements Body {
  readonly #owner: BodyOwner;
  readonly #heads: Heads;
  readonly #offset: number;
  readonly #length: number;
  /** Once it is in memory of its own, or somebody asks after it is gone. */
  #stored: Body | null = null;
  #isTaken = false;
  #isLost = false;

  constructor(owner: BodyOwner, heads: Heads, offset: number, length: number) {
    this.#owner = owner;
    this.#heads = heads;
    this.#offset = offset;
    this.#length = length;
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
    this.#isTaken = true;
    // Decoded where it lies.
    return decode(this.#heads.bytes, this.#offset, this.#offset + this.#length);
  }

  takeBytes(): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
    if (this.#stored !== null || this.#isTaken || this.#isLost) {
      return this.#store().takeBytes();
    }
    this.#isTaken = true;
    return this.#copy();
  }

  takePieces(): Pieces {
    return this.#store().takePieces();
  }

  clone(): Body {
    return this.#store().clone();
  }

  /** The arrays will be used again. */
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
    this.#stored ??= this.#isTaken
      ? spentBody()
      : this.#isLost
        ? new StreamedBody(brokenStream(answered()))
        : new StoredBody(this.#copy());
    return this.#stored;
  }

  #copy(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#heads.bytes.subarray(this.#offset, this.#offset + this.#length));
  }
}

/**
 * The body of a request that comes piece by piece. The engine sends no more than
 * 256 KiB beyond what has been taken.
 */
export class StreamedIncoming implements Body {
  readonly #owner: BodyOwner;
  /** Pieces that have come. From `#first` on nobody has taken them. */
  readonly #pieces: (Uint8Array<ArrayBuffer> | undefined)[] = [];
  #first = 0;
  #isComplete = false;
  #error: unknown = null;
  /** Who waits for the next piece, or for the end. */
  #onPiece: (() => void) | null = null;
  /** Read without a stream. */
  #isTaken = false;
  #isCancelled = false;
  /** Once somebody has asked for the stream. */
  #streamed: StreamedBody | null = null;

  constructor(owner: BodyOwner) {
    this.#owner = owner;
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
   * The next piece, for somebody who wants no stream: `null` at the end,
   * `undefined` where none has come; then `onPiece` is called once one has.
   * @throws what broke the body off
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

  /** All pieces have come, though somebody may yet have to take them. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Somebody waits for the next piece, or for the end. */
  get isAwaited(): boolean {
    return this.#onPiece !== null;
  }

  /** A piece has come. */
  push(piece: Uint8Array<ArrayBuffer>): void {
    this.#pieces.push(piece);
    if (this.#isCancelled) {
      this.#next();
    }
    this.#onPiece?.();
  }

  /** All pieces have come. */
  complete(): void {
    this.#isComplete = true;
    this.#onPiece?.();
  }

  /** No more will come. */
  fail(error: unknown): void {
    if (!this.#isComplete && this.#error === null) {
      this.#error = error;
      this.#onPiece?.();
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
        // Whoever asks this late gets to see that it has been read.
        void this.#streamed.stream.getReader().cancel();
      }
    }
    return this.#streamed;
  }

  /** All pieces, for somebody who wants no stream. */
  async #collect(): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
        pieces.push(piece);
      }
      if (this.#error !== null) {
        throw this.#error;
      }
      if (this.#isComplete) {
        return concat(pieces);
      }
      await this.#more();
    }
  }

  /** Piece by piece; the rest is thrown away where the reader stops early. */
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

  /** No piece is asked for before somebody reads: the engine shall feel who is slow. */
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

  /** The rest is taken and thrown away, so that the response can still be sent. */
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
      // Each is reported as taken.
    }
  }

  /** Not `shift`: there may be as many pieces as bytes in the window, and it moves them all. */
  #next(): Uint8Array<ArrayBuffer> | undefined {
    const piece = this.#pieces[this.#first];
    if (piece !== undefined) {
      this.#pieces[this.#first++] = undefined;
      if (2 * this.#first >= this.#pieces.length) {
        this.#pieces.splice(0, this.#first);
        this.#first = 0;
      }
      this.#owner.pull(piece.length);
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

/** Somebody reads the body of a request that is over. */
export function answered(): TypeError {
  return new TypeError('the request was answered before its body had been read');
}
