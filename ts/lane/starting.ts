/** A response of which nothing has been sent. */
export interface Starting {
  /** Whether nothing has been sent yet, and more may come. */
  readonly isHeld: boolean;
  /** The bytes that came until now. */
  readonly heldBytes: number;
  /** The program has paused: sends the head, and the body so far. */
  begin(): void;
}

/** Ticks that a streaming response may take until it begins, without and with further bytes. */
const MOST_IDLE_TICKS = 4;
const MOST_TICKS = 128;

/** Streaming responses that have not sent their head. */
export class StartingResponses {
  readonly #responses: Starting[] = [];
  /** The bytes that they held at the last tick. */
  #heldBytes = 0;
  /** Ticks since the last turn, and since those bytes changed. */
  #ticks = 0;
  #idleTicks = 0;

  add(response: Starting): void {
    this.#responses.push(response);
  }

  /** It has been sent whole. Most often it is the last that was added. */
  drop(response: Starting): void {
    if (this.#responses[this.#responses.length - 1] === response) {
      this.#responses.pop();
    }
  }

  /**
   * Whether to wait for another tick before they begin. Node's streams give each chunk in a tick of
   * its own. Most bodies are then complete, and leave as a whole.
   */
  areGettingOn(): boolean {
    if (this.#responses.length === 0) {
      return false;
    }
    let isHeld = false;
    let bytes = 0;
    for (const response of this.#responses) {
      if (response.isHeld) {
        isHeld = true;
        bytes += response.heldBytes;
      }
    }
    if (bytes !== this.#heldBytes) {
      this.#heldBytes = bytes;
      this.#idleTicks = 0;
    }
    this.#ticks++;
    this.#idleTicks++;
    return isHeld && this.#idleTicks <= MOST_IDLE_TICKS && this.#ticks <= MOST_TICKS;
  }

  /** A turn comes: those that are not complete send their heads. */
  begin(): void {
    if (this.#responses.length === 0) {
      return;
    }
    for (const response of this.#responses) {
      response.begin();
    }
    this.#responses.length = 0;
    this.#heldBytes = 0;
    this.#ticks = 0;
    this.#idleTicks = 0;
  }
}
