import { finished, type Readable } from 'node:stream';
import type { ChunkResult, Reader } from './reader.js';

/**
 * Reads a stream of Node's as its async iterator does, but needs no promise for a chunk that is
 * there already.
 */
export class NodeReader implements Reader {
  readonly #stream: Readable;
  readonly #stopListening: () => void;
  #isFinished = false;
  /** Why the stream failed; `undefined` if it has not. */
  #error: unknown;
  #onChange: (() => void) | null = null;

  constructor(stream: Readable) {
    this.#stream = stream;
    const changed = () => this.#changed();
    stream.on('readable', changed);
    const forget = finished(stream, { writable: false }, (error) => {
      this.#error = error ?? undefined;
      this.#isFinished = true;
      this.#changed();
    });
    this.#stopListening = () => {
      forget();
      stream.off('readable', changed);
    };
  }

  read(): Promise<ChunkResult> | ChunkResult {
    const stream = this.#stream;
    const value: unknown = stream.destroyed ? null : stream.read();
    if (value !== null) {
      return { done: false, value };
    }
    if (!this.#isFinished) {
      return this.#readLater();
    }
    this.#stopListening();
    if (isDestroyedByItself(stream)) {
      stream.destroy();
    }
    if (this.#error !== undefined) {
      throw this.#error;
    }
    return { done: true };
  }

  cancel(): void {
    this.#stopListening();
    this.#stream.destroy();
    this.#isFinished = true;
    this.#changed();
  }

  async #readLater(): Promise<ChunkResult> {
    await new Promise<void>((resolve) => {
      this.#onChange = resolve;
    });
    return this.read();
  }

  #changed(): void {
    const onChange = this.#onChange;
    this.#onChange = null;
    onChange?.();
  }
}

/** The option `autoDestroy`, which Node's streams do not tell otherwise. */
function isDestroyedByItself(stream: Readable): boolean {
  const { _readableState: state } = stream as { _readableState?: { autoDestroy?: boolean } };
  return state?.autoDestroy !== false;
}
