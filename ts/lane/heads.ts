import { type Bytes, REQUEST, WS_IN_HEADS, WS_MESSAGE } from './record.js';

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
   * The heads from the event at this index on, as many as may share one text. Messages of
   * WebSockets lie among them.
   *
   * @param start where the first of them begins
   * @param left how many events there are from this index on
   */
  static from(events: Uint32Array, bytes: Bytes, start: number, at: number, left: number): Heads {
    const heads = new Heads(events, bytes, start);
    let next = at;
    for (let rest = left; rest > 0; rest--) {
      const word = events[next] as number;
      const kind = word & 0xff;
      // The place of a head, or of a message.
      const place = kind === REQUEST ? next + 2 : next + 3;
      if (
        kind === REQUEST ||
        (kind === WS_MESSAGE && ((events[next + 2] as number) & WS_IN_HEADS) !== 0)
      ) {
        const end = (events[place] as number) + (events[place + 1] as number);
        if (!heads.extend(end)) {
          break;
        }
      }
      next += word >>> 8;
    }
    return heads;
  }

  /** The text that lies here in `bytes`. */
  cut(start: number, length: number): string {
    return this.text.substring(start - this.start, start - this.start + length);
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
