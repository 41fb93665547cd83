import type { AnyHandler, Entry } from './bridge.js';

/** The number of what answers where no route does. */
export const FETCH = 0;

/**
 * The handlers by the numbers that the engine's routes lead to.
 *
 * A number is not used again: when the routes are replaced, requests that were
 * routed before are still on their way, and must find the handlers they were
 * routed to. Those of the routes before the last are let go.
 */
export class Handlers {
  #fetch: Entry | undefined;
  #routes: readonly Entry[] = [];
  /** The number of the first of {@link #routes}. */
  #first = FETCH + 1;
  #oldRoutes: readonly Entry[] = [];
  #oldFirst = FETCH + 1;

  /** Whether there is a handler for what no route answers. */
  get hasFetch(): boolean {
    return this.#fetch !== undefined;
  }

  /** The number that the next route will get. */
  get next(): number {
    return this.#first + this.#routes.length;
  }

  find(route: number): Entry | undefined {
    if (route === FETCH) {
      return this.#fetch;
    }
    return route >= this.#first
      ? this.#routes[route - this.#first]
      : this.#oldRoutes[route - this.#oldFirst];
  }

  /**
   * Handlers from now on; those of the routes are numbered from {@link next}.
   * Returns what takes it back.
   */
  replace(fetch: AnyHandler | undefined, routes: readonly Entry[]): () => void {
    const before = [
      this.#fetch,
      this.#routes,
      this.#first,
      this.#oldRoutes,
      this.#oldFirst,
    ] as const;
    this.#first = this.next;
    this.#oldRoutes = before[1];
    this.#oldFirst = before[2];
    this.#routes = routes;
    if (fetch !== undefined) {
      this.#fetch = { handle: fetch, paramNames: [] };
    }
    return () => {
      [this.#fetch, this.#routes, this.#first, this.#oldRoutes, this.#oldFirst] = before;
    };
  }
}
