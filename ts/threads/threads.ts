import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeServer } from '../binding/binding.js';
import { cores } from '../binding/cores.js';
import { fromNative, ReactorError } from '../errors/errors.js';
import { type ResolvedOptions, resolveOptions } from '../options/options.js';
import { Relay } from '../pubsub/relay.js';
import { hostOf, type LanePlace, RunningServer, type Runtime } from '../server/server.js';
import { startNative } from '../server/start-native.js';
import type { ServeOptions, ThreadCount, TrustProxy } from '../types/options.js';
import type { PubSub } from '../types/pubsub.js';
import type { ReloadModuleOptions, ReloadOptions } from '../types/server.js';
import type { LaneStats, LatencyStats } from '../types/stats.js';
import type { PublishOptions, ServerWebSocket, WebSocketMessage } from '../types/websocket.js';
import { publishNatively } from '../websocket/publish.js';
import { checkTopic, wordOf } from '../websocket/topics.js';
import type { Development, DevelopmentControls } from './development.js';
import { Generation } from './generation.js';
import type { Attach, DevelopmentState } from './messages.js';
import { findModule } from './module.js';
import { mergeSettings, moduleTarget, type ResolvedThreads, resolveThreads } from './options.js';

/** The most threads for `'auto'`. */
const MOST = 64;

/** How often the threads from before a reload are checked. */
const LOOK_MS = 50;

/** How long they stay at least, because bodies may be on their way to them. */
const STAY_MS = 1000;

/** How many old generations may finish their requests at a time. */
const MOST_EARLIER = 2;

/** The same with `--watch`, where reloads come quickly. The oldest ends for the next one. */
const MOST_IN_DEVELOPMENT = 8;

const NONE: LatencyStats = { count: 0, p50Ns: 0, p90Ns: 0, p99Ns: 0, p999Ns: 0, maxNs: 0 };

/** Statistics of a slot without a thread. */
const EMPTY = {
  state: 'starting',
  inFlight: 0,
  queued: 0,
  queueWait: NONE,
  eventLoopLag: NONE,
} as const;

/**
 * Starts the threads of a module, then the server.
 *
 * @param settle makes the server's options of the module's; by default those given to `serve` win
 * @param development only for `--watch`
 */
export async function serveModule(
  given: ServeOptions,
  settle?: (module: Readonly<Record<string, unknown>>) => Record<string, unknown>,
  development?: Development,
): Promise<{ server: RunningServer; resolved: ResolvedOptions; jsThreads: number }> {
  const options = { ...(await resolveThreads(given)), development };
  const merge = settle ?? ((module) => mergeSettings(module, options.settings));
  const threads = new Threads(options);
  development?.begin(threads);
  try {
    return await threads.start(merge);
  } catch (error) {
    await threads.closeRelay();
    await threads.end(true);
    throw fromNative(error);
  }
}

function countOf(given: ThreadCount = 1): number {
  return given === 'auto' ? Math.min(cores(), MOST) : given;
}

/** The JavaScript threads of one server. */
class Threads implements Runtime, DevelopmentControls {
  readonly #options: ResolvedThreads;
  #current: Generation;
  /** The generations from before a reload, which finish their requests. */
  readonly #earlier = new Map<Generation, Promise<void>>();
  #native: NativeServer | null = null;
  #attach: Attach = {
    type: 'attach',
    host: undefined,
    startId: '',
    trustProxy: false,
    trace: null,
    serverTiming: false,
    uplink: null,
  };
  #relay: Relay | null = null;
  #drainMs = 0;
  #isStopping = false;
  /** The generation that a reload is loading. */
  #next: Generation | null = null;
  /** How many generations there have been. */
  #versions = 0;
  /** With `--watch`: a generation whose requests are cut off to make room. */
  #hurried: Generation | undefined;
  /** Reloads run one after the other. */
  #reloading: Promise<void> = Promise.resolve();

  constructor(options: ResolvedThreads) {
    this.#options = options;
    this.#current = this.#newGeneration(options);
  }

  #newGeneration(options: ResolvedThreads): Generation {
    return new Generation(options, ++this.#versions, () => this.#place());
  }

  /** Starts the threads and the server. */
  async start(merge: (module: Readonly<Record<string, unknown>>) => Record<string, unknown>) {
    // The others start once the first has reported what the module exports.
    const report = await this.#current.launchFirst(0);
    const options = merge(report.settings) as ServeOptions;
    const resolved = resolveOptions(options, report);
    const jsThreads = countOf(options.jsThreads);
    await this.#current.launchRest(Array.from({ length: jsThreads - 1 }, (_, n) => n + 1));
    refuseIfAbandoned(this.#current);
    const lanes = this.#current.slots.map(({ lane }) => lane as number);
    const relay = await this.#startRelay(resolved.pubsub);
    const { native, control, names } = await startNative(resolved, lanes);
    this.#native = native;
    this.#drainMs = resolved.native.timeouts.drain;
    const trustProxy: TrustProxy = options.trustProxy ?? false;
    const { development } = this.#options;
    const { traceIds, serverTiming } = resolved;
    this.#attach = {
      type: 'attach',
      host: hostOf(native),
      startId: native.startId(),
      trustProxy,
      trace: { key: traceIds.key, sampled: traceIds.sampled },
      serverTiming,
      uplink: relay?.limit ?? null,
    };
    const server = new RunningServer(native, control, this, resolved, names, relay);
    const first = development && { development: development.state };
    this.#current.attach({ ...this.#attach, ...first }, relay);
    return { server, resolved, jsThreads };
  }

  /** Connects to the broker, if there is one. */
  async #startRelay(pubsub: PubSub | undefined): Promise<Relay | null> {
    if (pubsub === undefined) {
      return null;
    }
    const relay = new Relay(pubsub, (topic, data, how) => {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      this.#native?.publish(topic, bytes, wordOf(how.isText, how));
    });
    await relay.start();
    this.#relay = relay;
    return relay;
  }

  reload(native: NativeServer, options: ReloadOptions | ReloadModuleOptions): Promise<void> {
    const target = moduleTarget(options);
    const reloaded = this.#reloading.then(() => this.#swap(native, target));
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  stopping(force: boolean, drainMs: number): void {
    this.#isStopping = true;
    this.#next?.kill();
    for (const generation of this.#all()) {
      if (this.#options.development !== undefined) {
        // Documents that hear of reloads would keep the server until the drain time is over.
        generation.show({ kind: 'superseded' });
      }
      if (force) {
        generation.kill();
      } else {
        generation.retire();
        generation.leave(drainMs);
      }
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#all().map((generation) => generation.settled()));
  }

  async stopped(): Promise<void> {
    await this.#reloading;
    await this.end(false);
  }

  publish(
    native: NativeServer,
    topic: string,
    data: WebSocketMessage,
    options: boolean | PublishOptions | undefined,
  ): number {
    return publishNatively(native, topic, data, options, this.#relay);
  }

  subscriberCount(native: NativeServer, topic: string): number {
    checkTopic(topic);
    return native.subscriberCount(topic);
  }

  /** All WebSockets are on other threads. */
  subscribers(): ServerWebSocket[] {
    return [];
  }

  lanes(places: readonly LanePlace[]): LaneStats[] {
    return this.#current.slots.map(({ number, place }) => {
      const found = places.find(({ lane }) => lane === place);
      const { lane: _, ...rest } = found ?? { lane: place, ...EMPTY };
      return { thread: number, ...rest };
    });
  }

  /** For a server that could not start: nothing else closes it. */
  async closeRelay(): Promise<void> {
    await this.#relay?.close();
  }

  /** Ends all threads. */
  async end(force: boolean): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#all().map((generation) => generation.end(force)));
  }

  #all(): Generation[] {
    return [this.#current, ...this.#earlier.keys()];
  }

  /** The ids of the lanes, by place. */
  #places(generations = this.#all()): (number | null)[] {
    const places: (number | null)[] = [];
    for (const { place, lane } of generations.flatMap(({ slots }) => slots)) {
      places[place] = lane;
    }
    return Array.from(places, (lane) => lane ?? null);
  }

  /** Tells the engine the current lanes. */
  #place(): void {
    this.#native?.setLanes(this.#places());
  }

  /** Replaces the threads by others with this module. */
  async #swap(native: NativeServer, target: string | URL): Promise<void> {
    const { development } = this.#options;
    if (this.#earlier.size >= (development === undefined ? MOST_EARLIER : MOST_IN_DEVELOPMENT)) {
      this.#hurried = development && [...this.#earlier.keys()][0];
      await Promise.race(this.#earlier.values());
    }
    const module = await findModule(target);
    // A stop ends `#next` from here on. Before it is set, a stop must be noticed here.
    this.#refuseIfStopping();
    const next = this.#newGeneration({ ...this.#options, module });
    this.#next = next;
    const [first = 0, ...rest] = this.#freePlaces(this.#current.slots.length);
    try {
      const { routes, settings } = await next.launchFirst(first);
      this.#refuseIfStopping();
      development?.check(settings);
      await next.launchRest(rest);
      this.#refuseIfStopping();
      refuseIfAbandoned(next);
      native.swap(routes, this.#places([...this.#all(), next]));
    } catch (error) {
      await next.end(true);
      throw this.#isStopping ? stoppedError() : fromNative(error);
    } finally {
      this.#next = null;
    }
    const before = this.#current;
    this.#current = next;
    this.#earlier.set(before, this.#retire(native, before, next));
    next.attach(this.#attach, this.#relay);
    if (development !== undefined) {
      before.show({ kind: 'superseded' });
    }
  }

  abandon(): void {
    (this.#native === null ? this.#current : this.#next)?.kill();
  }

  show(state: DevelopmentState): void {
    this.#current.show(state);
  }

  #refuseIfStopping(): void {
    if (this.#isStopping) {
      throw stoppedError();
    }
  }

  /** Places without a lane. */
  #freePlaces(count: number): number[] {
    const taken = new Set(this.#all().flatMap(({ slots }) => slots.map(({ place }) => place)));
    const places: number[] = [];
    for (let place = 0; places.length < count; place++) {
      if (!taken.has(place)) {
        places.push(place);
      }
    }
    return places;
  }

  /** Ends threads once they have answered their requests, at the latest after the drain time. */
  async #retire(native: NativeServer, generation: Generation, next: Generation): Promise<void> {
    generation.retire();
    const since = performance.now();
    const lived = () => performance.now() - since;
    let isLeaving = next.reopens;
    if (next.reopens) {
      const take = () => (this.#current.reopens ? this.#current : next);
      void generation
        .handOver((socket) => take().adopt(socket))
        .then(() => {
          isLeaving = false;
        });
    }
    const isBusy = () => lived() < STAY_MS || isLeaving || inFlight(native, generation) > 0;
    const isHurried = () => this.#hurried === generation;
    while (!this.#isStopping && lived() < this.#drainMs && isBusy() && !isHurried()) {
      await sleep(LOOK_MS, undefined, { ref: false });
    }
    const left = isHurried() ? 0 : Math.max(this.#drainMs - lived(), 0);
    await Promise.race([generation.settled(), sleep(left, undefined, { ref: false })]);
    if (!this.#isStopping) {
      // The engine answers their open requests with 503, or breaks them off.
      this.#earlier.delete(generation);
      this.#place();
      await generation.end(false);
    }
  }
}

/** A killed generation must not be given requests, though all its threads have loaded. */
function refuseIfAbandoned({ isEnding }: Generation): void {
  if (isEnding) {
    throw new ReactorError('ERR_REACTOR_MODULE', 'loading the module was given up');
  }
}

function stoppedError(): ReactorError {
  return new ReactorError('ERR_REACTOR_STOPPED', 'cannot reload: the server has been stopped');
}

/** How many requests these threads have not answered. */
function inFlight(native: NativeServer, { slots }: Generation): number {
  const { lanes } = JSON.parse(native.stats()) as { lanes: LanePlace[] };
  const own = lanes.filter(({ lane }) => slots.some(({ place }) => place === lane));
  return own.reduce((sum, lane) => sum + lane.inFlight, 0);
}
