import { allocate } from './incoming.js';

/**
 * Bytes that may be lent to the engine at once. Memory is allocated for all of a body when its
 * handler wants it, and a client may declare more than it sends.
 */
const MOST_LENT = 128 * 1024 * 1024;

/** The memory that is lent to the engine, which reads bodies into it. */
export class Lending {
  #bytes = 0;

  /** Memory for a body of this length, to be lent; `null` if too much is lent already. */
  allocate(length: number): Uint8Array<ArrayBuffer> | null {
    if (this.#bytes + length > MOST_LENT) {
      return null;
    }
    const memory = allocate(length);
    this.#bytes += length;
    return memory;
  }

  /** Memory of this length is no longer lent. */
  takeBack(length: number): void {
    this.#bytes -= length;
  }
}
