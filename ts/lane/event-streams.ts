/** A response that can end before its program ends it. */
export interface Leaving {
  leave(): void;
}

/**
 * The streams of server-sent events of one thread. They have no end by themselves. When the server
 * stops they are ended as if they were complete, before the drain would break them off: their clients
 * then come back by themselves, elsewhere or to the next process.
 *
 * A stream may also have an end, such as the answer of a language model. So all have half of the
 * drain time, and none is ended later than after three quarters of it.
 */
export class EventStreams {
  readonly #open = new Set<Leaving>();
  /** When they end, from and to, once the server stops. */
  #span: readonly [number, number] | null = null;

  /** Adds a response that streams, if its fields say that it is one of them. Returns whether it is. */
  add(stream: Leaving, fields: readonly string[]): boolean {
    const isOne = isOfEvents(fields);
    if (isOne) {
      this.#open.add(stream);
      if (this.#span !== null) {
        this.#plan(stream, this.#span);
      }
    }
    return isOne;
  }

  /** It has ended. No-op for a response that is not one of them. */
  delete(stream: Leaving): void {
    this.#open.delete(stream);
  }

  /** The server stops, and takes at most this many milliseconds. */
  leave(drainMs: number): void {
    if (this.#span === null) {
      const now = performance.now();
      const span = [now + drainMs / 2, now + (drainMs * 3) / 4] as const;
      this.#span = span;
      for (const stream of this.#open) {
        this.#plan(stream, span);
      }
    }
  }

  /** Each ends at a time of its own, so that their clients do not come back all at once. */
  #plan(stream: Leaving, [from, to]: readonly [number, number]): void {
    const at = from + Math.random() * (to - from);
    const leave = () => {
      if (this.#open.delete(stream)) {
        stream.leave();
      }
    };
    setTimeout(leave, Math.max(at - performance.now(), 0)).unref();
  }
}

/** @param fields names and values in turn */
function isOfEvents(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length === 12 && name.toLowerCase() === 'content-type') {
      return /^\s*text\/event-stream\s*(?:;|$)/i.test(fields[i + 1] as string);
    }
  }
  return false;
}
