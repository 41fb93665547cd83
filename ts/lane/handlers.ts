import type { ReactorInfo } from '../fetch/info.js';
import type { ReactorRequest } from '../fetch/request.js';

/** A handler, as the bridge calls it. */
export type AnyHandler = (
  request: ReactorRequest,
  info: ReactorInfo,
  context?: ReactorInfo,
) => unknown;

/** One handler, and its pattern's parameter names in order. */
export interface HandlerEntry {
  readonly handle: AnyHandler;
  readonly paramNames: readonly string[];
  /** The pattern of its route; `undefined` for the `fetch` handler. */
  readonly route?: string | undefined;
}

/** The number of the `fetch` handler, which answers if no route does. */
export const FETCH = 0;

/**
 * How many generations of routes keep their handlers. A request is routed when its head has come.
 * It may then wait for its body or its turn through several reloads.
 */
const MOST_GENERATIONS = 8;

/** The handlers of routes that were given together, in the order of their numbers. */
interface Generation {
  /** The number of the first handler. */
  readonly first: number;
  readonly entries: readonly HandlerEntry[];
}

/**
 * Handlers by the number that a route of the engine carries.
 *
 * Numbers are not reused. After a reload, requests that were routed before are still on their way,
 * and must find their handlers.
 */
export class Handlers {
  #fetch: HandlerEntry | undefined;
  /** The newest first. */
  #generations: readonly Generation[] = [];

  /** Whether there is a `fetch` handler. */
  get hasFetch(): boolean {
    return this.#fetch !== undefined;
  }

  /** The number of the next route's handler. */
  get next(): number {
    const [newest] = this.#generations;
    return newest === undefined ? FETCH + 1 : newest.first + newest.entries.length;
  }

  /** The handler; `undefined` if its generation has been dropped. */
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
   * Sets the handlers; those of the routes are numbered from {@link next}. Returns a function that
   * undoes it.
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
