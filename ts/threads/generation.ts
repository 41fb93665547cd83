import type { NativeRoute } from '../binding/binding.js';
import { bindingFile } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import type { Relay } from '../pubsub/relay.js';
import type { MovedSocket } from '../websocket/web-sockets.js';
import { JsThread } from './js-thread.js';
import type { Attach, DevelopmentState, Loaded, ThreadData } from './messages.js';
import type { ResolvedThreads } from './options.js';

/** A thread that lived this long is replaced at once when it dies. */
const OLD_MS = 10_000;

/**
 * The pause before a thread that died young is replaced. It doubles with each death, up to the last
 * value.
 */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5000;

/** The place of one thread. */
export interface Slot {
  /** Counts from 1. */
  readonly number: number;
  /** The index among the engine's lanes. */
  readonly place: number;
  thread: JsThread | null;
  /** The id of its lane, while it takes requests. */
  lane: number | null;
  /** How many threads in a row died young here. */
  deaths: number;
}

/** The threads of one version of a module: as it was when they were started. */
export class Generation {
  readonly slots: Slot[] = [];
  readonly #options: ResolvedThreads;
  readonly #data: ThreadData;
  /** Called when the lane of a slot has changed. */
  readonly #onChange: () => void;
  /** Hears what the threads tell `--watch`. */
  readonly #hear: ((told: unknown) => void) | undefined;
  /** The routes that the first thread reported; the others must have the same. */
  #signature = '';
  #attach: Attach | null = null;
  #relay: Relay | null = null;
  /** Dead threads are no longer replaced. */
  isEnding = false;
  /** Whether the module goes on with WebSockets of an older one. */
  reopens = false;
  /** How many WebSockets it has gone on with. */
  #adopted = 0;

  /** @param version counts the generations of a server, from 1 */
  constructor(options: ResolvedThreads, version: number, onChange: () => void) {
    this.#options = options;
    this.#onChange = onChange;
    const { module, globals, routes, development } = options;
    this.#hear = development && ((told) => development.hear(version, told));
    this.#data = {
      module,
      binding: bindingFile(),
      globals,
      routes,
      development: development && { entry: development.entry, version },
    };
  }

  /**
   * Starts the first thread; resolves to its report.
   * @param place the index among the engine's lanes
   */
  async launchFirst(place: number): Promise<Loaded> {
    const slot = this.#addSlot(place);
    const report = await this.#launch(slot).loaded;
    this.#signature = signatureOf(report.routes);
    this.reopens = report.reopens;
    slot.lane = report.lane;
    return report;
  }

  /** Starts a thread for each of these places; resolves once all have reported. */
  async launchRest(places: readonly number[]): Promise<void> {
    const slots = places.map((place) => this.#addSlot(place));
    for (const slot of slots) {
      this.#launch(slot);
    }
    await Promise.all(slots.map((slot) => this.#join(slot)));
  }

  /** The server has their lanes: the threads may answer, and dead ones are replaced from now on. */
  attach(message: Attach, relay: Relay | null): void {
    this.#attach = message;
    this.#relay = relay;
    for (const slot of this.slots) {
      const thread = slot.thread as JsThread;
      thread.attach(message, relay);
      this.#watch(slot, thread);
    }
  }

  /**
   * Takes the WebSockets of all threads: `take` gets each, also those that are opened later. Resolves
   * when those that are open have been given up.
   */
  async handOver(take: (socket: MovedSocket) => void): Promise<void> {
    await Promise.all(
      this.slots.map(({ thread, lane }) => lane !== null && thread?.handOver(take)),
    );
  }

  /** Goes on with a WebSocket of an older module, on each thread in turn. */
  adopt(socket: MovedSocket): void {
    const ready = this.slots.filter(({ thread, lane }) => thread !== null && lane !== null);
    // Without any thread the engine closes it after a while.
    ready[this.#adopted++ % ready.length]?.thread?.adopt(socket);
  }

  /** Shows this with `--watch`. */
  show(state: DevelopmentState): void {
    if (this.#attach !== null) {
      // For threads that are replaced later, too.
      this.#attach = { ...this.#attach, development: state };
    }
    for (const { thread, lane } of this.slots) {
      if (lane !== null) {
        thread?.show(state);
      }
    }
  }

  /** Ends all threads. */
  async end(force: boolean): Promise<void> {
    this.isEnding = true;
    await Promise.all(this.slots.map(({ thread }) => thread?.end(force)));
  }

  /** Resolves when no promise of `waitUntil` is pending. */
  async settled(): Promise<void> {
    await Promise.all(this.slots.map(({ thread, lane }) => lane !== null && thread?.settled()));
  }

  /** Terminates all threads. */
  kill(): void {
    this.isEnding = true;
    for (const { thread } of this.slots) {
      thread?.kill();
    }
  }

  /** Starts no more threads; those that run go on answering. */
  retire(): void {
    this.isEnding = true;
    for (const { thread, lane } of this.slots) {
      if (lane === null) {
        thread?.kill();
      }
    }
  }

  /** The server stops within this many milliseconds: endless streams are ended. */
  leave(drainMs: number): void {
    for (const { thread, lane } of this.slots) {
      if (lane !== null) {
        thread?.leave(drainMs);
      }
    }
  }

  #addSlot(place: number): Slot {
    const number = this.slots.length + 1;
    const slot = { number, place, thread: null, lane: null, deaths: 0 };
    this.slots.push(slot);
    return slot;
  }

  #launch(slot: Slot): JsThread {
    const { resourceLimits } = this.#options;
    const thread = new JsThread(slot.number, this.#data, resourceLimits, this.#hear);
    slot.thread = thread;
    return thread;
  }

  /** Replaces the thread when it dies. Only the server keeps the process alive. */
  #watch(slot: Slot, thread: JsThread): void {
    thread.unref();
    // It may have ended before.
    void thread.ended.then((reason) => this.#died(slot, thread, reason));
  }

  /** Waits until the slot's thread has loaded its module. */
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
    this.#onChange();
    let then = 'has ended';
    if (!this.isEnding) {
      const pause = pauseAfter(slot, thread);
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

  #replace(slot: Slot): void {
    if (this.isEnding) {
      return;
    }
    const thread = this.#launch(slot);
    this.#watch(slot, thread);
    this.#join(slot).then(
      () => {
        if (this.isEnding) {
          // The engine would take its lane for a new one, and give it requests.
          thread.kill();
          return;
        }
        this.#onChange();
        thread.attach(this.#attach as Attach, this.#relay);
      },
      // No-op if the thread already exited; its exit reason is reported instead.
      (error) => thread.kill(error),
    );
  }
}

/** Milliseconds until a dead thread is replaced. */
function pauseAfter(slot: Slot, { startedAt }: JsThread): number {
  if (performance.now() - startedAt >= OLD_MS) {
    slot.deaths = 0;
    return 0;
  }
  slot.deaths += 1;
  return Math.min(FIRST_PAUSE_MS * 2 ** (slot.deaths - 1), LAST_PAUSE_MS);
}

/** A text that must be the same in all threads: which route has which number. */
function signatureOf(routes: readonly NativeRoute[] | undefined): string {
  const places = routes?.map(({ pattern, method, handler }) => [pattern, method, handler]);
  return JSON.stringify(places ?? null);
}
