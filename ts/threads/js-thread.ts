import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath as pathOf, pathToFileURL } from 'node:url';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { threadFile } from '#here';
import { packageRoot } from '../binding/place.js';
import { ReactorError } from '../errors/errors.js';
import type { Relay } from '../pubsub/relay.js';
import { ThreadTopics } from '../pubsub/thread-uplink.js';
import type { MovedSocket } from '../websocket/web-sockets.js';
import type {
  Attach,
  DevelopmentState,
  FromThread,
  Loaded,
  ThreadData,
  ToThread,
} from './messages.js';
import { UNSETTLED, unsettled } from './module.js';

/** How long a thread may take to end before it is terminated. */
const END_MS = 500;

/**
 * How long a terminated thread is awaited. JavaScript stops at once. A thread inside a system call,
 * such as `execSync`, stops only after it, and is left behind.
 */
const TERMINATE_MS = 1000;

/**
 * The file that threads start with: the installed package's, or the one beside a bundle. It is an
 * ES module, even if this file is the CommonJS build's.
 */
function findThread(): URL {
  const root = packageRoot();
  const file = root === undefined ? threadFile() : pathToFileURL(join(root, 'dist/thread.js'));
  // The bundler may have been configured for another extension.
  const names = [file, new URL('./thread.mjs', file)];
  const found = names.find((name) => existsSync(name));
  if (found !== undefined) {
    return found;
  }
  throw new ReactorError(
    'ERR_REACTOR_START',
    `JavaScript threads begin with ${pathOf(file)}, which does not exist; bundle "reactor-rs/thread" as an entry named "thread", or install reactor-rs beside the bundle`,
  );
}

/**
 * What a thread starts with. A process whose program came as text with `--input-type=module` cannot
 * start a worker from a file, since Node applies that flag to the file.
 */
function entryOf(file: URL): URL | string {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS].join(' ');
  return /--input-type/.test(flags) ? `import(${JSON.stringify(file.href)})` : file;
}

/** One JavaScript thread from start to end, seen from the main thread. */
export class JsThread {
  readonly startedAt = performance.now();
  /** Resolves to its report once it has loaded its module; rejects if it cannot. */
  readonly loaded: Promise<Loaded>;
  /** Resolves when it has ended: to the reason, or to `undefined` if it was told to end. */
  readonly ended: Promise<unknown>;
  readonly #worker: Worker;
  #reason: unknown;
  #isTold = false;

  /**
   * @param number counts from 1
   * @param hear what the thread tells `--watch`
   */
  constructor(
    number: number,
    data: ThreadData,
    limits: ResourceLimits | undefined,
    hear?: (told: unknown) => void,
  ) {
    const entry = entryOf(findThread());
    const worker = new Worker(entry, {
      eval: typeof entry === 'string',
      workerData: data,
      argv: process.argv.slice(2),
      name: `reactor-rs ${number}`,
      ...(limits === undefined ? {} : { resourceLimits: limits }),
    });
    this.#worker = worker;
    const { name } = data.module;
    worker.on('error', (error) => {
      this.#reason ??= error;
    });
    this.ended = new Promise((resolve) => {
      worker.once('exit', (code) => {
        if (!this.#isTold) {
          this.#reason ??= new ReactorError(
            'ERR_REACTOR_THREAD',
            `JavaScript thread ${number} of "${name}" ended by itself with code ${code}`,
            code === UNSETTLED ? { cause: code } : {},
          );
        }
        resolve(this.#reason);
      });
    });
    this.loaded = new Promise((resolve, reject) => {
      worker.on('message', (message: FromThread) => {
        if (message.type === 'loaded') {
          resolve(message);
          return;
        }
        if (message.type === 'told') {
          hear?.(message.told);
          return;
        }
        if (message.type !== 'refused') {
          return;
        }
        const { code, message: text, cause } = message;
        this.kill(new ReactorError(code, text, { cause }));
      });
      void this.ended.then((reason) => reject(asModuleError(name, reason)));
    });
    // A rejection is no unhandled one if the caller does not wait.
    this.loaded.catch(() => {});
  }

  /** The server has its lane: the thread may answer. */
  attach(message: Attach, relay: Relay | null): void {
    if (relay !== null) {
      const topics = new ThreadTopics(relay, (reply) => this.#send(reply));
      this.#worker.on('message', (told: FromThread) => {
        if (told.type === 'topics') {
          topics.receive(told);
        }
      });
      void this.ended.then(() => topics.gone());
    }
    this.#send(message);
  }

  /**
   * Asks it to give up its WebSockets: `take` gets each, also those that it opens later. Resolves when
   * it has given up those that are open, or has ended.
   */
  async handOver(take: (socket: MovedSocket) => void): Promise<void> {
    const left = new Promise<void>((resolve) => {
      this.#worker.on('message', (message: FromThread) => {
        if (message.type === 'moved') {
          take(message.socket);
        } else if (message.type === 'left') {
          resolve();
        }
      });
    });
    this.#send({ type: 'hand-over' });
    await Promise.race([this.ended, left]);
  }

  /** Goes on with a WebSocket of another thread. */
  adopt(socket: MovedSocket): void {
    this.#send({ type: 'adopt', socket });
  }

  /** The server stops within this many milliseconds. */
  leave(drainMs: number): void {
    this.#send({ type: 'leave', drainMs });
  }

  /** Shows this with `--watch`. */
  show(state: DevelopmentState): void {
    this.#send({ type: 'show', state });
  }

  /** Does not keep the process alive. */
  unref(): void {
    this.#worker.unref();
  }

  /** Terminates it; {@link ended} resolves to `reason`. */
  kill(reason?: unknown): void {
    this.#isTold = true;
    this.#reason ??= reason;
    void this.#worker.terminate();
  }

  /**
   * Ends it after its `exit` handlers. With `force`, or if that takes too long, it is terminated.
   */
  async end(force: boolean): Promise<void> {
    this.#isTold = true;
    if (!force) {
      this.#send({ type: 'end' });
      await this.#endsWithin(END_MS);
    }
    void this.#worker.terminate();
    await this.#endsWithin(TERMINATE_MS);
  }

  /**
   * Resolves when no promise of its handlers' `waitUntil` is pending, when it has ended, or when it
   * does not answer.
   */
  async settled(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const settled = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_MS);
      this.#worker.on('message', ({ type }: FromThread) => {
        if (type === 'waiting') {
          clearTimeout(timer);
        } else if (type === 'settled') {
          resolve();
        }
      });
    });
    this.#send({ type: 'settle' });
    await Promise.race([this.ended, settled]);
    clearTimeout(timer);
  }

  async #endsWithin(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([this.ended, late]);
    clearTimeout(timer);
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }
}

/** Whether a thread ended because nothing was left that could settle its top-level await. */
function isUnsettled(reason: unknown): boolean {
  return reason instanceof ReactorError && reason.cause === UNSETTLED;
}

/** The error for a thread that ended before it had loaded its module. */
function asModuleError(name: string, reason: unknown): ReactorError {
  if (reason instanceof ReactorError && reason.code !== 'ERR_REACTOR_THREAD') {
    return reason;
  }
  if (isUnsettled(reason)) {
    return new ReactorError('ERR_REACTOR_MODULE', unsettled(name), { cause: reason });
  }
  const text = reason instanceof Error ? reason.message : String(reason);
  return new ReactorError(
    'ERR_REACTOR_MODULE',
    `cannot serve "${name}": a thread ended while loading it: ${text}`,
    { cause: reason },
  );
}
