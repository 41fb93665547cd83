import { realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath as pathOf } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { ReactorError } from '../errors/errors.js';
import { type ResolvedOptions, resolveOptions } from '../options/options.js';
import type { RunningServer } from '../server/server.js';
import type { Development, DevelopmentControls } from '../threads/development.js';
import type { DevelopmentState } from '../threads/messages.js';
import { findModule } from '../threads/module.js';
import { serveModule } from '../threads/threads.js';
import type { ServeOptions, ThreadCount } from '../types/options.js';
import { type Failure, failureOf, plainFailure } from './failure.js';
import type { Told } from './told.js';
import { Watcher } from './watcher.js';

/** How long a module may load before the developer is told that it still does. */
const SLOW_MS = 5000;

/** How long requests may take when the server is started anew, for other options. */
const RESTART_MS = 1000;

/** Errors of the server or the machine. A change of the module does not mend the others. */
const OF_MODULE: readonly string[] = [
  'ERR_REACTOR_MODULE',
  'ERR_REACTOR_THREAD',
  'ERR_REACTOR_INVALID_OPTION',
  'ERR_REACTOR_UNKNOWN_OPTION',
  'ERR_REACTOR_INVALID_ROUTE',
];

/** What a session tells. */
export interface SessionEvents {
  /** The changed files have taken effect. None: the developer asked for it. */
  reloaded(files: readonly string[], ms: number): void;
  /** @param hasOld whether an older version goes on answering */
  failed(failure: Failure, hasOld: boolean, files: readonly string[]): void;
  /** A handler has failed, and the module has no `error` handler. */
  handlerFailed(failure: Failure, request: string): void;
  /** A thread has ended by an error, and is replaced. */
  died(failure: Failure, thread: number): void;
  /** The module still loads. */
  slow(): void;
  /** The module has other options, for which the server is started anew. */
  restarting(): void;
  ignored(options: readonly string[]): void;
  trouble(message: string): void;
}

/** What a session serves. */
export interface Watched {
  /** The module, as the user wrote it. */
  readonly module: string;
  readonly jsThreads: ThreadCount | undefined;
  /** Files and folders beside the module's own. */
  readonly paths: readonly string[];
  /** Makes the server's options of the module's. */
  settle(module: Readonly<Record<string, unknown>>): Record<string, unknown>;
}

/** A server that a session has started. */
export interface Started {
  readonly server: RunningServer;
  readonly resolved: ResolvedOptions;
  readonly jsThreads: number;
}

/** The module of the running server has other options. */
const OTHER_SETTINGS = new Error('the module has other options');

/**
 * Serves a module, and loads it anew when its files change. While it has an error, the older version
 * answers; before there was one, a placeholder does.
 */
export class Session {
  readonly #given: Watched;
  readonly #events: SessionEvents;
  readonly #watcher: Watcher;
  #server: RunningServer | null = null;
  #controls: DevelopmentControls | null = null;
  /** The port of the last server. */
  #port: number | undefined;
  /** The options of the running server, to tell whether others come. */
  #settled: unknown;
  /** The running server only says that there is an error. */
  #isPlaceholder = false;
  /** The files that each generation has loaded. */
  #loaded = new Map<number, Set<string>>();
  /** Files that always count. */
  readonly #always = new Set<string>();
  /** Why the module cannot be loaded, as its thread tells it. */
  #told: Failure | null = null;
  readonly #ignored = new Set<string>();
  /** Changes that have not taken effect. */
  readonly #pending = new Set<string>();
  #isAsked = false;
  #isRunning = false;
  #isClosed = false;
  #wake = () => {};
  /** Stops the running server, for another one. */
  #stop = new AbortController();
  #next: Promise<Started> | null = null;

  constructor(given: Watched, events: SessionEvents) {
    this.#given = given;
    this.#events = events;
    this.#watcher = new Watcher({
      change: (files) => this.#changed(files),
      trouble: (message) => events.trouble(message),
    });
  }

  /** Aborts when another server is to take the place of the running one; see {@link next}. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Resolves once a server listens, if only to tell of an error.
   * @throws {ReactorError} if there is no such module, or the server cannot start for another reason
   * than the module.
   */
  async start(): Promise<Started> {
    const { module, paths } = this.#given;
    const { file } = await findModule(module);
    for (const path of [file, ...paths.map((path) => resolve(path))]) {
      this.#watch(path);
    }
    const packageFile = nearestPackage(realpathSync(file));
    this.#always.add(packageFile);
    this.#watcher.addFile(packageFile);
    this.#isRunning = true;
    const started = await this.#startAny([], false);
    this.#isRunning = false;
    this.#runSoon();
    return started;
  }

  /** The server that takes the place of one that was stopped by {@link signal}. */
  async next(): Promise<Started | undefined> {
    const started = await this.#next;
    this.#next = null;
    return started ?? undefined;
  }

  /** Loads the module anew, though nothing has changed. */
  reload(): void {
    this.#isAsked = true;
    this.#changed([]);
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher.close();
    this.#wake();
  }

  #watch(path: string): void {
    this.#watcher.addLinks(path);
    if (statSync(path).isDirectory()) {
      this.#watcher.addTree(path);
      return;
    }
    const real = realpathSync(path);
    this.#always.add(real);
    this.#watcher.addFile(real);
  }

  #changed(files: readonly string[]): void {
    for (const file of files) {
      this.#pending.add(file);
    }
    if (this.#isRunning) {
      // What is being loaded is out of date.
      this.#controls?.abandon();
      this.#wake();
    } else {
      this.#runSoon();
    }
  }

  get #isOutdated(): boolean {
    return this.#pending.size > 0 || this.#isAsked;
  }

  #runSoon(): void {
    if (this.#isOutdated && !this.#isClosed) {
      void this.#run();
    }
  }

  #take(): string[] {
    const files = [...this.#pending];
    this.#pending.clear();
    this.#isAsked = false;
    return files;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#isOutdated && !this.#isClosed) {
      await this.#reload(this.#take());
    }
    this.#isRunning = false;
  }

  async #reload(files: readonly string[]): Promise<void> {
    const server = this.#server as RunningServer;
    const began = performance.now();
    this.#told = null;
    const slow = setTimeout(() => this.#events.slow(), SLOW_MS);
    try {
      await server.reload({ module: this.#given.module });
      this.#isPlaceholder = false;
      this.#forgetOlder();
      this.#events.reloaded(files, performance.now() - began);
    } catch (error) {
      if (this.#isClosed || !server.listening) {
        return;
      }
      if (error === OTHER_SETTINGS) {
        await this.#restart(server, files);
      } else if (!this.#isOutdated) {
        this.#fail(error, files);
      }
    } finally {
      clearTimeout(slow);
    }
  }

  /** Another server takes the place of this one, since options of a running one cannot change. */
  async #restart(server: RunningServer, files: readonly string[]): Promise<void> {
    this.#events.restarting();
    this.#controls?.show({ kind: 'superseded' });
    const stop = this.#stop;
    this.#stop = new AbortController();
    this.#next = this.#startNext(server, files);
    stop.abort();
    await this.#next.catch(() => {});
  }

  async #startNext(server: RunningServer, files: readonly string[]): Promise<Started> {
    const force = setTimeout(() => void server.stop({ force: true }), RESTART_MS);
    await server.stop();
    clearTimeout(force);
    this.#server = null;
    const began = performance.now();
    const started = await this.#startAny(files, true);
    if (!this.#isPlaceholder) {
      this.#events.reloaded(files, performance.now() - began);
    }
    return started;
  }

  /**
   * Starts a server with the module, or one that tells its error.
   * @param isAgain whether there was a server before: a change may then mend any error
   */
  async #startAny(first: readonly string[], isAgain: boolean): Promise<Started> {
    for (let files = first; ; files = this.#take()) {
      this.#told = null;
      const slow = setTimeout(() => this.#events.slow(), SLOW_MS);
      try {
        const started = await this.#serve(this.#given.module);
        this.#isPlaceholder = false;
        this.#forgetOlder();
        return started;
      } catch (error) {
        if (this.#isClosed || !(isOfModule(error) || isAgain)) {
          throw error;
        }
        if (this.#isOutdated) {
          continue;
        }
        if (isOfModule(error)) {
          const placeholder = await this.#servePlaceholder(error, files);
          if (placeholder !== null) {
            return placeholder;
          }
        } else {
          this.#tellNothingListens(error);
        }
        await this.#untilOutdated();
      } finally {
        clearTimeout(slow);
      }
    }
  }

  /** Returns `null` if it cannot listen: the module may choose another address. */
  async #servePlaceholder(error: unknown, files: readonly string[]): Promise<Started | null> {
    const failure = this.#told ?? readFailure(error);
    this.#events.failed(failure, false, files);
    try {
      const state = { kind: 'broken', failure, isAlone: true } as const;
      const started = await this.#serve(PLACEHOLDER, state);
      this.#isPlaceholder = true;
      return started;
    } catch (second) {
      if (this.#isOutdated) {
        // It was given up for the module, which may have been mended.
        return null;
      }
      this.#tellNothingListens(second);
      return null;
    }
  }

  #tellNothingListens(error: unknown): void {
    const { message } = error as Error;
    this.#events.trouble(`nothing listens until a file changes: ${message}`);
  }

  #untilOutdated(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#isOutdated || this.#isClosed) {
        resolve();
      }
    });
  }

  async #serve(module: string, state: DevelopmentState = { kind: 'fine' }): Promise<Started> {
    const { jsThreads, settle } = this.#given;
    this.#controls = null;
    this.#loaded = new Map();
    const onThreadError = (error: unknown, thread: number) =>
      this.#events.died(failureOf(error), thread);
    const threads = jsThreads === undefined ? {} : { jsThreads };
    const started = await serveModule(
      { module, ...threads, onThreadError },
      (exported) => {
        const settled = settle(exported);
        this.#settled = settled;
        // A free port that was chosen before is kept: pages are open there.
        return settled.port === 0 && this.#port !== undefined
          ? { ...settled, port: this.#port }
          : settled;
      },
      this.#development(state),
    );
    this.#server = started.server;
    this.#port = started.server.port;
    return started;
  }

  #development(state: DevelopmentState): Development {
    return {
      entry: new URL('./in-thread.js', import.meta.url).href,
      state,
      begin: (controls) => {
        this.#controls = controls;
      },
      hear: (version, told) => this.#hear(version, told as Told),
      check: (settings) => {
        const settled = this.#given.settle(settings);
        // Wrong options are an error of the module: they must not end the running server.
        resolveOptions(settled as ServeOptions, { routes: [] });
        if (!isDeepStrictEqual(settled, this.#settled)) {
          throw OTHER_SETTINGS;
        }
      },
    };
  }

  #hear(version: number, told: Told): void {
    if (this.#isClosed) {
      return;
    }
    if (told.kind === 'file') {
      const files = this.#loaded.get(version) ?? new Set();
      this.#loaded.set(version, files);
      if (!files.has(told.file) && version >= this.#newest()) {
        files.add(told.file);
        this.#watcher.addFile(told.file, told.state);
      }
    } else if (told.kind === 'missing') {
      this.#watcher.addMissing(told.at, told.state);
    } else if (told.kind === 'failure') {
      this.#told = told.failure;
    } else if (told.kind === 'handler') {
      this.#events.handlerFailed(told.failure, told.request);
    } else if (told.kind === 'ignored') {
      this.#tellIgnored(told.options);
    } else {
      told.port.on('message', (more: Told) => this.#hear(version, more));
      told.port.unref();
    }
  }

  #newest(): number {
    return Math.max(...this.#loaded.keys());
  }

  /** Files that only older generations have loaded do not count any more. */
  #forgetOlder(): void {
    if (this.#loaded.size > 0) {
      const newest = this.#newest();
      const files = this.#loaded.get(newest) as Set<string>;
      this.#loaded = new Map([[newest, files]]);
      this.#watcher.keepOnly(new Set([...files, ...this.#always]));
    }
  }

  #tellIgnored(options: readonly string[]): void {
    const news = options.filter((option) => !this.#ignored.has(option));
    for (const option of news) {
      this.#ignored.add(option);
    }
    if (news.length > 0) {
      this.#events.ignored(news);
    }
  }

  #fail(error: unknown, files: readonly string[]): void {
    const failure = this.#told ?? readFailure(error);
    const isAlone = this.#isPlaceholder;
    this.#controls?.show({ kind: 'broken', failure, isAlone });
    this.#events.failed(failure, !isAlone, files);
  }
}

const PLACEHOLDER = pathOf(new URL('./placeholder.js', import.meta.url));

function isOfModule(error: unknown): boolean {
  return error instanceof ReactorError && OF_MODULE.includes(error.code);
}

/** An error that the main thread noticed: a thread has ended, or the exports are wrong. */
function readFailure(error: unknown): Failure {
  let cause = error;
  while (cause instanceof ReactorError && cause.cause instanceof Error) {
    cause = cause.cause;
  }
  return cause instanceof ReactorError ? plainFailure((error as Error).message) : failureOf(cause);
}

/**
 * The package.json that says what kind of modules a file's folder has; if there is none, where it
 * could be made.
 */
function nearestPackage(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const found = join(folder, 'package.json');
    if (statSync(found, { throwIfNoEntry: false })?.isFile()) {
      return found;
    }
    if (folder === dirname(folder)) {
      return join(dirname(file), 'package.json');
    }
  }
}
