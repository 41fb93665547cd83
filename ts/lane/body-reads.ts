import type { Exchange } from './exchange.js';
import { COLLECT, PULL } from './record.js';
import type { Replies } from './replies.js';

/** What has been read of bodies since the last turn, and what is wanted of them. */
export class BodyReads {
  /** Exchanges whose body has been read, in part. */
  readonly #credits: Exchange[] = [];
  /** Exchanges that want the rest of their body in one piece. */
  readonly #collecting: Exchange[] = [];

  pull(exchange: Exchange, bytes: number): void {
    if (exchange.credit === 0) {
      this.#credits.push(exchange);
    }
    exchange.credit += bytes;
  }

  collect(exchange: Exchange): void {
    this.#collecting.push(exchange);
  }

  /** Tells the engine, with the replies of the next turn. */
  report(replies: Replies): void {
    for (const exchange of this.#credits) {
      if (exchange.isOpen) {
        replies.plain(PULL, exchange.id, exchange.credit);
      }
      exchange.credit = 0;
    }
    empty(this.#credits);
    for (const exchange of this.#collecting) {
      if (exchange.isOpen) {
        replies.plain(COLLECT, exchange.id, 0);
      }
    }
    empty(this.#collecting);
  }
}

/** Setting an array's length costs as much as a native call, even if the array is empty. */
export function empty(array: unknown[]): void {
  if (array.length > 0) {
    array.length = 0;
  }
}
