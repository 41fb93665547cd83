/** A message that waits for the broker. */
export interface Waiting {
  readonly topic: string;
  readonly sealed: Buffer;
}

/** What a waiting message costs beside its bytes. */
const ENTRY_BYTES = 64;

/**
 * Messages that wait for the broker and those that it has not confirmed, with a bound in bytes on
 * both together.
 */
export class Backlog {
  readonly #most: number;
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes memory for a message if there is room. */
  take(sealed: Buffer): boolean {
    const cost = sealed.length + ENTRY_BYTES;
    if (this.#bytes + cost > this.#most) {
      return false;
    }
    this.#bytes += cost;
    return true;
  }

  /** Gives back the memory of a message. */
  release(sealed: Buffer): void {
    this.#bytes -= sealed.length + ENTRY_BYTES;
  }

  /** Keeps a message, whose memory has been taken, until the broker is there. */
  wait(message: Waiting): void {
    this.#waiting.push(message);
  }

  /** Hands out all that wait, in order. Their memory stays taken. */
  drain(): Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  /** Messages under way are given up: only those that wait still count. */
  forgetOthers(): void {
    this.#bytes = this.#waiting.reduce((sum, { sealed }) => sum + sealed.length + ENTRY_BYTES, 0);
  }
}
