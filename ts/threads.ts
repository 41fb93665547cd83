import { availableParallelism } from 'node:os';
import type { NativeRoute, NativeServer } from './binding.js';
import { fromNative, ReactorError } from './errors.js';
import { JsThread } from './js-thread.js';
import type { Attach, Loaded, ThreadData } from './messages.js';
import { type ResolvedOptions, resolveOptions } from './options.js';
import { hostOf, type LanePlace, RunningServer, type Runtime, startNative } from './server.js';
import { mergeSettings, type ResolvedThreads, resolveThreads } from './thread-options.js';
import type { LaneStats, LatencyStats, ServeOptions, ThreadCount, TrustProxy } from './types.js';

/** A thread that has lived this long is replaced at once when it dies. */
const OLD_MS = 10_000;

/** The pause before a replacement for a thread that died young; it doubles up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5000;

const MOST = 64;

const NONE: LatencyStats = { count: 0, p50Ns: 0, p90Ns: 0, p99Ns: 0, p999Ns: 0, maxNs: 0 };

/** A place whose thread is not there. */
const EMPTY = {
  state: 'starting',
  inFlight: 0,
  queued: 0,
  queueWait: NONE,
  eventLoopLag: NONE,
} as const;

/** A place for a thread. */
interface Slot {
  /** From 1. */
  readonly number: number;
  thread: JsThread | null;
  /** The number of its lane, while it takes requests. */
  lane: number | null;
  /** Threads that died young here, one after the other. */
  deaths: number;
}

/**
 * Starts the threads of a module and the server before them.
 *
 * @param settle the server's options, from what the module says; by default what was
 * given wins over that
 */
export async function serveModule(
  given: ServeOptions,
  settle?: (module: Readonly<Record<string, unknown>>) => Record<string, unknown>,
): Promise<{ server: RunningServer; resolved: ResolvedOptions; jsThreads: number }> {
  const threads = await resolveThreads(given);
  const merge = settle ?? ((module) => mergeSettings(module, threads.settings));
  const pool = new Threads(threads);
  try {
    // The others only once the first has shown what the module is.
    const report = await pool.launchFirst();
    const options = merge(report.settings) as ServeOptions;
    const resolved = resolveOptions(options, report);
    const jsThreads = countOf(options.jsThreads);
    const { trustProxy = false } = options;
    const server = await pool.start(resolved, jsThreads, trustProxy);
    return { server, resolved, jsThreads };
  } catch (error) {
    await pool.endAll(true);
    throw fromNative(error);
  }
}

function countOf(given: ThreadCount = 1): number {
  return given === 'auto' ? Math.min(availableParallelism(), MOST) : given;
}

/** The JavaScript threads of one server. */
class Threads implements Runtime {
  readonly #options: ResolvedThreads;
  readonly #data: ThreadData;
  #slots: Slot[] = [];
  /** The routes that the first thread reported, which all have. */
  #signature = '';
  #native: NativeServer | null = null;
  #attach: Attach = { type: 'attach', host: undefined, startId: '', trustProxy: false };
  #isStopping = false;

  constructor(options: ResolvedThreads) {
    this.#options = options;
    const { module, globals, routes } = options;
    this.#data = { module, globals, routes };
  }

  /** Starts the first thread, to its report. */
  async launchFirst(): Promise<Loaded> {
    const report = await this.#launch(this.#addSlot()).loaded;
    this.#signature = signatureOf(report.routes);
    return report;
  }

  /** Starts the others and the server. */
  async start(
    resolved: ResolvedOptions,
    count: number,
    trustProxy: TrustProxy,
  ): Promise<RunningServer> {
    while (this.#slots.length < count) {
      this.#launch(this.#addSlot());
    }
    await Promise.all(this.#slots.map((slot) => this.#join(slot)));
    const lanes = this.#slots.map(({ lane }) => lane as number);
    const { native, control } = await startNative(resolved, lanes);
    this.#native = native;
    this.#attach = {
      type: 'attach',
      host: hostOf(native),
      startId: native.startId(),
      trustProxy,
    };
    const server = new RunningServer(native, control, this);
    for (const slot of this.#slots) {
      slot.thread?.attach(this.#attach);
      slot.thread?.unref();
      const { thread } = slot;
      // It may have ended meanwhile.
      void thread?.ended.then((reason) => this.#died(slot, thread, reason));
    }
    return server;
  }

  reload(): never {
    throw new ReactorError(
      'ERR_REACTOR_UNSUPPORTED',
      'a server with "module" cannot be reloaded; start another and stop this one',
    );
  }

  stopping(force: boolean): void {
    this.#isStopping = true;
    if (force) {
      for (const { thread } of this.#slots) {
        thread?.kill();
      }
    }
  }

  async stopped(): Promise<void> {
    await this.endAll(false);
  }

  lanes(places: readonly LanePlace[]): LaneStats[] {
    return this.#slots.map(({ number }) => {
      const place = places.find(({ lane }) => lane === number - 1);
      const { lane: _, ...rest } = place ?? { lane: 0, ...EMPTY };
      return { thread: number, ...rest };
    });
  }

  /** Ends every thread there is. */
  async endAll(force: boolean): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#slots.map(({ thread }) => thread?.end(force)));
  }

  #addSlot(): Slot {
    const slot = { number: this.#slots.length + 1, thread: null, lane: null, deaths: 0 };
    this.#slots.push(slot);
    return slot;
  }

  #launch(slot: Slot): JsThread {
    const thread = new JsThread(slot.number, this.#data, this.#options.resourceLimits);
    slot.thread = thread;
    return thread;
  }

  /** Waits for a slot's thread to have loaded its module. */
  async #join(slot: Slot): Promise<void> {
    const { lane, routes } = await (slot.thread as JsThread).loaded;
    if (signatureOf(routes) !== this.#signature) {
      throw new ReactorError(
        'ERR_REACTOR_MODULE',
        `cannot serve "${this.#options.module.name}": it has other routes in thread ${slot.number} than in the first; each thread loads it for itself and must come to the same routes, in the same order`,
      );
    }
    slot.lane = lane;
  }

  #died(slot: Slot, thread: JsThread, reason: unknown): void {
    slot.thread = null;
    slot.lane = null;
    let then = 'has ended';
    if (!this.#isStopping) {
      this.#place();
      const pause = this.#pauseAfter(slot, thread);
      // Only the server keeps the process alive.
      setTimeout(() => this.#replace(slot), pause).unref();
      then = `has ended and is replaced in ${pause} ms`;
    }
    if (reason === undefined) {
      return;
    }
    const { onError, module } = this.#options;
    if (onError !== undefined) {
      onError(reason, slot.number);
      return;
    }
    console.error(
      `reactor-rs: JavaScript thread ${slot.number} of "${module.name}" ${then}:`,
      reason,
    );
  }

  /** Milliseconds until the place of a thread that died is taken. */
  #pauseAfter(slot: Slot, { startedAt }: JsThread): number {
    if (performance.now() - startedAt >= OLD_MS) {
      slot.deaths = 0;
      return 0;
    }
    slot.deaths += 1;
    return Math.min(FIRST_PAUSE_MS * 2 ** (slot.deaths - 1), LAST_PAUSE_MS);
  }

  #replace(slot: Slot): void {
    if (this.#isStopping) {
      return;
    }
    const thread = this.#launch(slot);
    thread.unref();
    void thread.ended.then((reason) => this.#died(slot, thread, reason));
    this.#join(slot).then(
      () => {
        this.#place();
        thread.attach(this.#attach);
      },
      // Says nothing where the thread has ended by itself: then that is the reason.
      (error) => thread.kill(error),
    );
  }

  /** Tells the engine which lanes there are. */
  #place(): void {
    this.#native?.setLanes(this.#slots.map(({ lane }) => lane));
  }
}

/** What must be the same in all threads: where each number leads. */
function signatureOf(routes: readonly NativeRoute[] | undefined): string {
  const places = routes?.map(({ pattern, method, handler }) => [pattern, method, handler]);
  return JSON.stringify(places ?? null);
}
