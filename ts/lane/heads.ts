import type { Bytes } from './record.js';

/**
 * Bytes of text that one string may span. A request that is kept, or a piece of
 * its URL in somebody's cache, keeps the string alive; this bounds what for.
 */
const MOST_TEXT = 16 * 1024;

/**
 * The heads of some requests that came in one batch, side by side, as text.
 *
 * Cutting a string out of memory costs much the same for ten bytes and for ten
 * thousand, so the heads of a batch share one; each request then takes
 * substrings. It is cut when the first request wants text, and at the latest
 * before the arrays are used again: a handler may keep its request for longer.
 */
export class Heads {
  /** The arrays that the batch came in; to be read only while {@link isLive}. */
  readonly events: Uint32Array;
  readonly bytes: Bytes;
  /** Where the text begins in `bytes`. */
  readonly start: number;
  /** Where it ends. */
  end: number;
  #text: string | null = null;
  /** Whether the arrays still hold this batch. */
  isLive = true;

  constructor(events: Uint32Array, bytes: Bytes, start: number) {
    this.events = events;
    this.bytes = bytes;
    this.start = start;
    this.end = start;
  }

  /** Takes in the head that ends there; false if the text would get too long. */
  extend(end: number): boolean {
    if (end - this.start > MOST_TEXT && this.end > this.start) {
      return false;
    }
    this.end = end;
    return true;
  }

  get text(): string {
    if (this.#text === null) {
      this.#text = this.bytes.latin1Slice(this.start, this.end);
    }
    return this.#text;
  }

  /** To be called before the arrays are used again. */
  freeze(): void {
    void this.text;
    this.isLive = false;
  }
}
