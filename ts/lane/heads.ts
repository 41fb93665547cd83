import { type Bytes, REQUEST } from './record.js';

/**
 * The most text that one string may span. A program that keeps a request, or part of its URL, keeps
 * the whole string alive.
 */
const MOST_TEXT = 16 * 1024;

/**
 * The heads of some requests of one batch, side by side, as text.
 *
 * Making a string from memory costs about the same for ten bytes and for ten thousand. So the heads
 * of a batch share one string, and each request takes substrings. The string is made when the first
 * request wants text, at the latest before the arrays are reused.
 */
export class Heads {
  /** The arrays of the batch; to be read only while {@link isLive}. */
  readonly events: Uint32Array;
  readonly bytes: Bytes;
  /** Where the text begins in `bytes`. */
  readonly start: number;
  /** Where the text ends. */
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

  /**
   * The heads from the request at this index on, as many as may share one text.
   *
   * @param left how many events there are from this index on
   */
  static from(events: Uint32Array, bytes: Bytes, at: number, left: number): Heads {
    const heads = new Heads(events, bytes, events[at + 2] as number);
    let next = at;
    for (let rest = left; rest > 0; rest--) {
      const word = events[next] as number;
      if ((word & 0xff) === REQUEST) {
        const end = (events[next + 2] as number) + (events[next + 3] as number);
        if (!heads.extend(end)) {
          break;
        }
      }
      next += word >>> 8;
    }
    return heads;
  }

  /** Adds the head that ends there; false if the text would get too long. */
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

  /** Makes the text. To be called before the arrays are reused. */
  freeze(): void {
    void this.text;
    this.isLive = false;
  }
}
