import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath as pathOf, pathToFileURL } from 'node:url';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { threadFile } from '#here';
import { packageRoot } from '../binding/place.js';
import { ReactorError } from '../errors/errors.js';
import type { Attach, FromThread, Loaded, ThreadData, ToThread } from './messages.js';
import { UNSETTLED, unsettled } from './module.js';

/** How long a thread that has been told to end may take before it is terminated. */
const END_MS = 500;

/**
 * How long a terminated one is waited for. JavaScript ends at once; a thread inside a
 * system call, such as `execSync`, only after it, and is left behind.
 */
const TERMINATE_MS = 1000;

/**
 * The file that a thread begins with: the installed package's, or for a bundle without that
 * the one beside it. Threads are ES modules, also where this file is the CommonJS build's.
 */
function findThread(): URL {
  const root = packageRoot();
  const file = root === undefined ? threadFile() : pathToFileURL(join(root, 'dist/thread.js'));
  // A bundler may have been told of another extension.
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
 * What a thread begins with. A process that was given its program as text, and told that it
 * is a module, starts no worker from a file: it takes `--input-type` for the file's.
 */
function entryOf(file: URL): URL | string {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS].join(' ');
  return /--input-type/.test(flags) ? `import(${JSON.stringify(file.href)})` : file;
}

/** One JavaScript thread, from its start to its end, as the main thread sees it. */
export class JsThread {
  readonly startedAt = performance.now();
  /** What it reports once it has loaded its module; rejected where it does not come to that. */
  readonly loaded: Promise<Loaded>;
  /** Resolves when it has ended: with the reason, or with `undefined` where it was told to. */
  readonly ended: Promise<unknown>;
  readonly #worker: Worker;
  #reason: unknown;
  #isTold = false;

  /** @param number from 1 */
  constructor(number: number, data: ThreadData, limits: ResourceLimits | undefined) {
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
        if (message.type !== 'refused') {
          return;
        }
        const { code, message: text, cause } = message;
        this.kill(new ReactorError(code, text, { cause }));
      });
      void this.ended.then((reason) => reject(asModuleError(name, reason)));
    });
    // Whether anybody waits for it or not.
    this.loaded.catch(() => {});
  }

  /** Its lane is in the server: it may answer. */
  attach(message: Attach): void {
    this.#send(message);
  }

  /** It does not keep the process alive. */
  unref(): void {
    this.#worker.unref();
  }

  /** Terminates it; `reason` is what {@link ended} says. */
  kill(reason?: unknown): void {
    this.#isTold = true;
    this.#reason ??= reason;
    void this.#worker.terminate();
  }

  /**
   * Ends it: its `exit` handlers run, unless `force` says that there is no time or it does
   * not come to it.
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
   * Resolves when nothing is left that its handlers want waited for, when it has ended, and
   * where it does not come to say so.
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

/** Whether a thread ended since nothing could settle what it awaits. */
function isUnsettled(reason: unknown): boolean {
  return reason instanceof ReactorError && reason.cause === UNSETTLED;
}

/** Why a thread ended before it had loaded its module. */
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
