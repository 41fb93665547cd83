import type { ReactorInfo, ReactorRequest } from '../fetch/request.js';

/** What answers requests, as the bridge calls it. */
export type AnyHandler = (
  request: ReactorRequest,
  info: ReactorInfo,
  context?: ReactorInfo,
) => unknown;

/** One handler, and the names of its pattern's parameters in their order. */
export interface HandlerEntry {
  readonly handle: AnyHandler;
  readonly paramNames: readonly string[];
}

/** The number of what answers where no route does. */
export const FETCH = 0;

/**
 * Generations of routes whose handlers are kept. A request was routed when its head
 * had come, and may wait for its body or its turn through several reloads.
 */
const MOST_GENERATIONS = 8;

/** The handlers of the routes that were given at once, in the order of their numbers. */
interface Generation {
  /** The number of the first. */
  readonly first: number;
  readonly entries: readonly HandlerEntry[];
}

/**
 * The handlers by the numbers that the engine's routes lead to.
 *
 * A number is not used again: when the routes are replaced, requests that were
 * routed before are still on their way, and must find the handlers they were
 * routed to.
 */
export class Handlers {
  #fetch: HandlerEntry | undefined;
  /** The newest first. */
  #generations: readonly Generation[] = [];

  /** Whether there is a handler for what no route answers. */
  get hasFetch(): boolean {
    return this.#fetch !== undefined;
  }

  /** The number that the next route will get. */
  get next(): number {
    const [newest] = this.#generations;
    return newest === undefined ? FETCH + 1 : newest.first + newest.entries.length;
  }

  /** `undefined` where the route was replaced too many times since. */
  find(route: number): HandlerEntry | undefined {
    if (route === FETCH) {
      return this.#fetch;
    }
    for (const { first, entries } of this.#generations) {
      if (route >= first) {
        return entries[route - first];
      }
    }
    return undefined;
  }

  /**
   * Handlers from now on; those of the routes are numbered from {@link next}.
   * Returns what takes it back.
   */
  replace(fetch: AnyHandler | undefined, routes: readonly HandlerEntry[]): () => void {
    const before = [this.#fetch, this.#generations] as const;
    const generation = { first: this.next, entries: routes };
    this.#generations = [generation, ...this.#generations].slice(0, MOST_GENERATIONS);
    if (fetch !== undefined) {
      this.#fetch = { handle: fetch, paramNames: [] };
    }
    return () => {
      [this.#fetch, this.#generations] = before;
    };
  }
}
