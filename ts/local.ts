import type { NativeLane, NativeServer } from './binding.js';
import { fromNative } from './errors.js';
import type { Handlers } from './handlers.js';
import { resolveReload } from './options.js';
import type { LanePlace, Runtime } from './server.js';
import type { LaneStats, ReloadModuleOptions, ReloadOptions } from './types.js';

/** Handlers on the thread that called `serve`. */
export class Local implements Runtime {
  readonly #handlers: Handlers;
  readonly #lane: NativeLane;

  constructor(handlers: Handlers, lane: NativeLane) {
    this.#handlers = handlers;
    this.#lane = lane;
  }

  reload(native: NativeServer, options: ReloadOptions | ReloadModuleOptions): void {
    const handlers = this.#handlers;
    const { fetch, routes, entries } = resolveReload(
      options as ReloadOptions,
      handlers.hasFetch,
      handlers.next,
    );
    const undo = handlers.replace(fetch, entries);
    try {
      native.reload(routes);
    } catch (error) {
      undo();
      throw fromNative(error);
    }
  }

  stopping(): void {}

  stopped(): void {
    this.#lane.close();
  }

  lanes(places: readonly LanePlace[]): LaneStats[] {
    return places.map(({ lane: _, ...rest }) => ({ thread: 'main', ...rest }));
  }
}
