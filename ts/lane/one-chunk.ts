import type { ChunkResult } from '../fetch/reader.js';

/** A body in memory, as a source of one chunk. */
export class OneChunk {
  #chunk: string | Uint8Array | null;

  constructor(chunk: string | Uint8Array | null) {
    this.#chunk = chunk;
  }

  getReader(): this {
    return this;
  }

  read(): ChunkResult {
    const value = this.#chunk;
    this.#chunk = null;
    return value === null ? { done: true, value: undefined } : { done: false, value };
  }

  cancel(): Promise<void> {
    this.#chunk = null;
    return Promise.resolve();
  }
}
