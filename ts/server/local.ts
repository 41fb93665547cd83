import type { NativeLane, NativeServer } from '../binding/binding.js';
import { fromNative, ReactorError } from '../errors/errors.js';
import type { Bridge } from '../lane/bridge.js';
import type { Handlers } from '../lane/handlers.js';
import { resolveReload } from '../options/options.js';
import { resolveWebSocket } from '../options/websocket.js';
import type { ReloadModuleOptions, ReloadOptions } from '../types/server.js';
import type { LaneStats } from '../types/stats.js';
import type { PublishOptions, ServerWebSocket, WebSocketMessage } from '../types/websocket.js';
import type { WebSockets } from '../websocket/web-sockets.js';
import type { LanePlace, Runtime } from './server.js';

/** Runs handlers on the thread that called `serve`. */
export class Local implements Runtime {
  readonly #handlers: Handlers;
  readonly #lane: NativeLane;
  /** `null` once the server has stopped: a program may keep the server, and a bridge is large. */
  #bridge: Bridge | null;

  /** Nothing is left once the server has stopped: it reaches the bridge, too. */
  #release: () => void;
  /** `null` once the server has stopped, too: it has the bridge. */
  #webSockets: WebSockets | null;

  /**
   * @param release puts the global classes back, unless another server still uses the quick
   * ones, and ends what else this thread does for the server
   */
  constructor(
    handlers: Handlers,
    lane: NativeLane,
    bridge: Bridge,
    webSockets: WebSockets,
    release: () => void,
  ) {
    this.#handlers = handlers;
    this.#webSockets = webSockets;
    this.#lane = lane;
    this.#bridge = bridge;
    this.#release = release;
  }

  reload(native: NativeServer, options: ReloadOptions | ReloadModuleOptions): void {
    const handlers = this.#handlers;
    if ('module' in options) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        'option "module" of reload is for a server that was started with "module"; give "fetch" and "routes"',
      );
    }
    const { websocket, ...rest } = options;
    const resolved = resolveWebSocket(websocket);
    if (resolved !== undefined) {
      this.#webSockets?.replace(resolved);
      if (Object.keys(rest).length === 0) {
        return;
      }
    }
    const { fetch, routes, entries } = resolveReload(rest, handlers.hasFetch, handlers.next);
    const undo = handlers.replace(fetch, entries);
    try {
      native.reload(routes);
    } catch (error) {
      undo();
      throw fromNative(error);
    }
  }

  stopping(force: boolean, drainMs: number): void {
    if (!force) {
      this.#bridge?.leave(drainMs);
    }
  }

  stopped(): void {
    this.#lane.close();
    this.#bridge?.close();
    this.#bridge = null;
    this.#webSockets = null;
    this.#release();
    this.#release = () => {};
  }

  async settled(): Promise<void> {
    await this.#bridge?.settled();
  }

  publish(
    _: NativeServer,
    topic: string,
    data: WebSocketMessage,
    options: boolean | PublishOptions | undefined,
  ): number {
    return this.#webSockets?.publish(topic, data, options) ?? 0;
  }

  subscriberCount(_: NativeServer, topic: string): number {
    return this.#webSockets?.subscriberCount(topic) ?? 0;
  }

  subscribers(topic: string): ServerWebSocket[] {
    return this.#webSockets?.subscribers(topic) ?? [];
  }

  lanes(places: readonly LanePlace[]): LaneStats[] {
    return places.map(({ lane: _, ...rest }) => ({ thread: 'main', ...rest }));
  }
}
