import type { Exchange } from './exchange.js';

/** Exchanges that outlive the dispatch of their request, by number. */
export class OpenExchanges {
  readonly #exchanges: (Exchange | undefined)[] = [];
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get(id: number): Exchange | undefined {
    return this.#exchanges[id];
  }

  add(exchange: Exchange): void {
    if (this.#exchanges[exchange.id] === undefined) {
      this.#count++;
    }
    this.#exchanges[exchange.id] = exchange;
  }

  /** No-op for one that is not among them: its number may be another's by now. */
  delete(exchange: Exchange): void {
    if (this.#exchanges[exchange.id] === exchange) {
      this.#exchanges[exchange.id] = undefined;
      this.#count--;
    }
  }

  /** Removes all, and returns them. */
  clear(): Exchange[] {
    this.#count = 0;
    return this.#exchanges.splice(0).filter((exchange) => exchange !== undefined);
  }
}
