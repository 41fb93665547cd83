import type { NativeRoute } from '../binding/binding.js';
import { bindingFile } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { JsThread } from './js-thread.js';
import type { Attach, Loaded, ThreadData } from './messages.js';
import type { ResolvedThreads } from './options.js';

/** A thread that has lived this long is replaced at once when it dies. */
const OLD_MS = 10_000;

/** The pause before a replacement for a thread that died young; it doubles up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5000;

/** A place for a thread. */
export interface Slot {
  /** From 1. */
  readonly number: number;
  /** Its place among the engine's lanes. */
  readonly place: number;
  thread: JsThread | null;
  /** The number of its lane, while it takes requests. */
  lane: number | null;
  /** Threads that died young here, one after the other. */
  deaths: number;
}

/** The threads that run one module as it was when they were started. */
export class Generation {
  readonly slots: Slot[] = [];
  readonly #options: ResolvedThreads;
  readonly #data: ThreadData;
  /** Called when a slot's lane has come or gone. */
  readonly #onChange: () => void;
  /** The routes that the first thread reported, which all have. */
  #signature = '';
  #attach: Attach | null = null;
  /** No thread is replaced any more. */
  isEnding = false;

  constructor(options: ResolvedThreads, onChange: () => void) {
    this.#options = options;
    this.#onChange = onChange;
    const { module, globals, routes } = options;
    this.#data = { module, binding: bindingFile(), globals, routes };
  }

  /**
   * Starts the first thread, to its report.
   * @param place of the engine's lanes
   */
  async launchFirst(place: number): Promise<Loaded> {
    const slot = this.#addSlot(place);
    const report = await this.#launch(slot).loaded;
    this.#signature = signatureOf(report.routes);
    slot.lane = report.lane;
    return report;
  }

  /** Starts one more for each of these places, to their reports. */
  async launchRest(places: readonly number[]): Promise<void> {
    const slots = places.map((place) => this.#addSlot(place));
    for (const slot of slots) {
      this.#launch(slot);
    }
    await Promise.all(slots.map((slot) => this.#join(slot)));
  }

  /** Their lanes are in the server: they answer, and are replaced from now on. */
  attach(message: Attach): void {
    this.#attach = message;
    for (const slot of this.slots) {
      const thread = slot.thread as JsThread;
      thread.attach(message);
      this.#watch(slot, thread);
    }
  }

  /** Ends every thread there is. */
  async end(force: boolean): Promise<void> {
    this.isEnding = true;
    await Promise.all(this.slots.map(({ thread }) => thread?.end(force)));
  }

  /** Resolves when nothing is left that a handler wants waited for. */
  async settled(): Promise<void> {
    await Promise.all(this.slots.map(({ thread, lane }) => lane !== null && thread?.settled()));
  }

  /** Terminates every thread there is. */
  kill(): void {
    this.isEnding = true;
    for (const { thread } of this.slots) {
      thread?.kill();
    }
  }

  /** No thread comes any more; those that answer stay. */
  retire(): void {
    this.isEnding = true;
    for (const { thread, lane } of this.slots) {
      if (lane === null) {
        thread?.kill();
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
    const thread = new JsThread(slot.number, this.#data, this.#options.resourceLimits);
    slot.thread = thread;
    return thread;
  }

  /** Only the server keeps the process alive. */
  #watch(slot: Slot, thread: JsThread): void {
    thread.unref();
    // It may have ended already.
    void thread.ended.then((reason) => this.#died(slot, thread, reason));
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
          // The engine would take its lane for a new one, and give it new requests.
          thread.kill();
          return;
        }
        this.#onChange();
        thread.attach(this.#attach as Attach);
      },
      // Says nothing where the thread has ended by itself: then that is the reason.
      (error) => thread.kill(error),
    );
  }
}

/** Milliseconds until the place of a thread that died is taken. */
function pauseAfter(slot: Slot, { startedAt }: JsThread): number {
  if (performance.now() - startedAt >= OLD_MS) {
    slot.deaths = 0;
    return 0;
  }
  slot.deaths += 1;
  return Math.min(FIRST_PAUSE_MS * 2 ** (slot.deaths - 1), LAST_PAUSE_MS);
}

/** What must be the same in all threads: where each number leads. */
function signatureOf(routes: readonly NativeRoute[] | undefined): string {
  const places = routes?.map(({ pattern, method, handler }) => [pattern, method, handler]);
  return JSON.stringify(places ?? null);
}
