import type { Bytes } from './record.js';
import { WIDEST } from './write-text.js';

/** Longer text is encoded into memory of its own. */
export const KEPT_TEXT = 4 * 1024 * 1024;

/** The memory is given back after this many batches without use. */
const KEPT_BATCHES = 64;

/** The smallest memory, in bytes. */
const SMALLEST = 256 * 1024;

const NO_BYTES = Buffer.alloc(0) as Bytes;

/**
 * Encodes large texts, one after the other in the same memory. To allocate memory for each would
 * cost several times as much. Programs often send the same text to many clients, so the last one is
 * not encoded again.
 */
export class LargeText {
  /** The last text begins here. */
  bytes = NO_BYTES;
  /** Its length in bytes. */
  length = 0;
  #text = '';
  #unused = 0;

  encode(text: string): void {
    this.#unused = 0;
    if (text === this.#text) {
      return;
    }
    // Room for the widest form, though most texts need a third: V8 writes slowly where it must
    // look for the end. What is not written costs no memory.
    const most = text.length * WIDEST;
    if (this.bytes.length < most) {
      const size = Math.max(SMALLEST, 2 ** (32 - Math.clz32(most - 1)));
      this.bytes = Buffer.allocUnsafeSlow(size) as Bytes;
    }
    this.#text = text;
    this.length = this.bytes.utf8Write(text, 0, most);
  }

  /** A batch is over. */
  batch(): void {
    if (this.#text !== '' && ++this.#unused > KEPT_BATCHES) {
      this.#text = '';
      this.bytes = NO_BYTES;
    }
  }
}
