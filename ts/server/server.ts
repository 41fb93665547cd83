import type { AddressInfo } from 'node:net';
import type { NativeServer } from '../binding/binding.js';
import { doorsOf } from '../cluster/doors.js';
import { fromNative, ReactorError } from '../errors/errors.js';
import { familyOf } from '../fetch/address.js';
import { addressOf, upgradeRequest } from '../fetch/info.js';
import { requestBehind } from '../fetch/request.js';
import { invalid } from '../options/check.js';
import { type ResolvedOptions, resolveStop } from '../options/options.js';
import { readRoutes } from '../options/read-routes.js';
import type { ResolvedTls } from '../options/tls.js';
import type { Relay } from '../pubsub/relay.js';
import type { DenoAddress, PeerAddress, URLAsText } from '../types/addresses.js';
import type { Routes } from '../types/routes.js';
import type { ReloadModuleOptions, ReloadOptions, Server, StopOptions } from '../types/server.js';
import type { LaneStats, Stats } from '../types/stats.js';
import type {
  PublishOptions,
  ServerWebSocket,
  UpgradeOptions,
  WebSocketMessage,
} from '../types/websocket.js';
import { Certificates, type NamesByTls } from './certificates.js';
import { removeControl } from './control.js';
import { askInProcess } from './in-process.js';
import { forget } from './inherited.js';
import { Readiness } from './readiness.js';
import { serverUrl } from './server-url.js';

/** A lane in the engine's statistics, identified by its place. */
export type LanePlace = Omit<LaneStats, 'thread'> & { readonly lane: number };

/** What runs a server's handlers. */
export interface Runtime {
  /** Replaces handlers and routes. If it throws or rejects, the old ones stay. */
  reload(native: NativeServer, options: ReloadOptions | ReloadModuleOptions): void | Promise<void>;
  /** The server begins to stop, in so many milliseconds; with `force`, at once. */
  stopping(force: boolean, drainMs: number): void;
  /** The server has stopped, and no request is under way. */
  stopped(): void | Promise<void>;
  /** Resolves when no promise of `waitUntil` is pending. */
  settled(): Promise<void>;
  /** As {@link Server.publish}. */
  publish(
    native: NativeServer,
    topic: string,
    data: WebSocketMessage,
    options: boolean | PublishOptions | undefined,
  ): number;
  subscriberCount(native: NativeServer, topic: string): number;
  /** The WebSockets of this thread that have subscribed. */
  subscribers(topic: string): ServerWebSocket[];
  /** Statistics of the lanes, with their threads. */
  lanes(places: readonly LanePlace[]): LaneStats[];
}

/** The host for requests that name none; `undefined` for a unix socket. */
export function hostOf(native: NativeServer): string | undefined {
  const { hostname, port } = native.address();
  return hostname === undefined ? undefined : authorityOf(hostname, port);
}

/** The longest delay of a timer, 24.8 days. */
const FOREVER_MS = 2 ** 31 - 1;

/** The servers of this thread that have not stopped. */
const servers = new Set<RunningServer>();

export class RunningServer implements Server {
  readonly port: number | undefined;
  readonly hostname: string | undefined;
  readonly unix: string | undefined;
  readonly metricsUrl: string | undefined;
  readonly controlPath: string | undefined;

  readonly #native: NativeServer;
  readonly #runtime: Runtime;
  /** Native threads do not keep Node's event loop alive, so a timer does. */
  readonly #keepAlive: NodeJS.Timeout;
  #state: 'running' | 'stopping' | 'stopped' = 'running';
  #forgetSignal = () => {};
  readonly #url: string;
  readonly #urls: readonly string[];
  #drainMs: number;
  readonly #certificates: Certificates;
  readonly #readiness: Readiness;
  /** The topics at a broker. */
  readonly #relay: Relay | null;
  /** The stop that is under way, or finished. */
  #stopping: Promise<void> | null = null;
  /** Between the word that the server is about to stop, and the stop. */
  #delay: Promise<void> | null = null;
  #endDelay = () => {};
  /** Those that end with this one, which waits for them. */
  #alongside: readonly RunningServer[] = [];
  /** Ends the wait for promises of `waitUntil`. */
  #hurry = () => {};
  readonly #hurried: Promise<void>;
  readonly finished: Promise<void>;
  #finish: (value: Promise<void>) => void = () => {};
  /** How many reloads have been asked for. */
  #reloads = 0;

  constructor(
    native: NativeServer,
    control: string | undefined,
    runtime: Runtime,
    { native: { timeouts }, tls, readiness }: ResolvedOptions,
    names: NamesByTls,
    relay: Relay | null,
  ) {
    this.#relay = relay;
    const address = native.address();
    this.#native = native;
    this.#runtime = runtime;
    this.port = address.port;
    this.hostname = address.hostname;
    this.unix = address.unix;
    this.controlPath = control;
    this.#urls = native.addresses().map((each, index) => urlOf(each, tls[index] != null));
    this.#url = this.#urls[0] as string;
    this.#drainMs = timeouts.drain;
    this.#readiness = new Readiness(readiness.isReady, readiness.check, (isReady) =>
      native.setReady(isReady),
    );
    this.#certificates = new Certificates(native, tls, names);
    this.#hurried = new Promise((resolve) => {
      this.#hurry = resolve;
    });
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    // The caller of `stop` gets the rejection. `finished` alone must not make it an unhandled one.
    this.finished.catch(() => {});
    const metrics = native.metricsAddress();
    if (metrics !== null) {
      this.metricsUrl = metrics.unix === undefined ? `${urlOf(metrics)}metrics` : urlOf(metrics);
    }
    this.#keepAlive = setInterval(() => {}, FOREVER_MS);
    doorsOf(native)?.watch(() => void this.stop(), this.finished);
    servers.add(this);
  }

  /** A new one each time, since programs may change it. */
  get url(): URL & URLAsText {
    return serverUrl(this.#url);
  }

  get urls(): (URL & URLAsText)[] {
    return this.#urls.map(serverUrl);
  }

  get addr(): DenoAddress {
    return denoAddress(this);
  }

  get addresses(): DenoAddress[] {
    return this.#native.addresses().map(denoAddress);
  }

  get listening(): boolean {
    return this.#state === 'running';
  }

  get pendingRequests(): number {
    const { handlers, tasks } = this.stats();
    return handlers.inFlight + tasks.queueDepth;
  }

  address(): AddressInfo | string | null {
    const { hostname: address, port, unix } = this;
    if (!this.listening) {
      return null;
    }
    return address === undefined || port === undefined
      ? (unix ?? null)
      : { address, family: familyOf(address), port };
  }

  get isReady(): boolean {
    return this.#native.isReady();
  }

  set isReady(isReady: boolean) {
    if (typeof isReady !== 'boolean') {
      throw invalid('"isReady" of a server', 'true or false', isReady);
    }
    this.#readiness.set(isReady);
  }

  /** A method of srvx's, and a flag for those who look for one. */
  get ready(): () => Promise<this> {
    return async () => this;
  }

  set ready(isReady: boolean) {
    this.isReady = isReady;
  }

  stats(): Stats {
    const stats = JSON.parse(this.#native.stats()) as Stats & { lanes: LanePlace[] };
    const pubsub = this.#relay === null ? {} : { pubsub: this.#relay.stats() };
    return { ...stats, lanes: this.#runtime.lanes(stats.lanes), ...pubsub };
  }

  requestIP(request: Request): PeerAddress | null {
    const asked = requestBehind(request);
    return asked === undefined ? null : addressOf(asked);
  }

  upgrade<Data = unknown>(request: Request, options?: UpgradeOptions<Data>): boolean {
    return upgradeRequest(request, options as UpgradeOptions);
  }

  publish(topic: string, data: WebSocketMessage, options?: boolean | PublishOptions): number {
    return this.#runtime.publish(this.#native, topic, data, options);
  }

  subscriberCount(topic: string): number {
    return this.#runtime.subscriberCount(this.#native, topic);
  }

  subscribers<Data = unknown>(topic: string): ServerWebSocket<Data>[] {
    return this.#runtime.subscribers(topic) as ServerWebSocket<Data>[];
  }

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    if (this.#state === 'stopped') {
      throw new ReactorError('ERR_REACTOR_STOPPED', 'cannot fetch: the server has been stopped');
    }
    const base = this.unix === undefined ? this.#url : 'http://localhost/';
    return askInProcess(this.#native, base, input, init);
  }

  reload<Path extends string>(options?: ReloadOptions<Path>): void | Promise<void>;
  reload(options: ReloadModuleOptions): Promise<void>;
  reload(options: ReloadOptions | ReloadModuleOptions = {}): void | Promise<void> {
    const { tls, ...rest } = (options ?? {}) as ReloadOptions & { module?: unknown };
    if (tls !== undefined && !('module' in rest)) {
      this.#refuseIfStopping();
      this.#certificates.reload(tls);
      if (Object.keys(rest).length === 0) {
        return;
      }
      return this.reload(rest as ReloadOptions);
    }
    // With a module it returns a promise, even for wrong arguments.
    const isModule = typeof options === 'object' && options !== null && 'module' in options;
    if (isModule) {
      return Promise.resolve().then(() => this.#reload(options));
    }
    const reload = ++this.#reloads;
    const { routes } = (options ?? {}) as ReloadOptions;
    const read = readRoutes(routes);
    if (!(read instanceof Promise)) {
      return this.#reload(routes === undefined ? options : { ...options, routes: read as Routes });
    }
    return read.then((routes: Routes) => {
      // A later reload wins.
      if (reload === this.#reloads) {
        return this.#reload({ ...options, routes });
      }
    });
  }

  #refuseIfStopping(): void {
    if (this.#state !== 'running') {
      throw new ReactorError('ERR_REACTOR_STOPPED', 'cannot reload: the server has been stopped');
    }
  }

  #reload(options: ReloadOptions | ReloadModuleOptions): void | Promise<void> {
    this.#refuseIfStopping();
    return this.#runtime.reload(this.#native, options);
  }

  /** Replaces what all listeners with TLS have been given. */
  replaceTls(tls: ResolvedTls | null): void {
    if (tls !== null) {
      this.#certificates.replaceAll(tls);
    }
  }

  reopenLog(): void {
    if (this.#state === 'stopped') {
      throw new ReactorError(
        'ERR_REACTOR_STOPPED',
        'cannot reopen the access log: the server has been stopped',
      );
    }
    try {
      this.#native.reopenLog();
    } catch (error) {
      throw fromNative(error);
    }
  }

  async stop(options: StopOptions | boolean = {}): Promise<void> {
    const { force, delay } = resolveStop(options);
    for (const one of this.#alongside) {
      one.stop(options).catch(() => {});
    }
    if (delay > 0 && this.#state === 'running') {
      this.#native.lameDuck();
      await this.#delayed(delay);
    }
    if (this.#state === 'stopped') {
      return;
    }
    await this.#end(force, () => this.#native.stop(force));
  }

  /**
   * As {@link stop}, for a process that ends with this server: all other servers of this thread stop
   * too, within the drain of this one, which waits for them.
   */
  async stopAll(options: StopOptions): Promise<void> {
    this.#takeAlong();
    await this.stop(options);
  }

  /**
   * As {@link stopAll}, but another process goes on with the sockets. Clients of WebSockets and
   * server-sent events are asked one after the other to come back.
   */
  async retire(): Promise<void> {
    if (this.#state === 'running') {
      this.#takeAlong();
      const all = [...this.#alongside, this];
      await Promise.all(all.map((one) => one.#end(false, () => one.#native.retire())));
    }
  }

  #takeAlong(): void {
    this.#alongside = [...servers].filter((one) => one !== this);
    for (const one of this.#alongside) {
      one.#drainMs = Math.min(one.#drainMs, this.#drainMs);
      one.#native.drainWithin(one.#drainMs);
    }
  }

  async #end(force: boolean, begin: () => Promise<void>): Promise<void> {
    this.#endDelay();
    this.#state = 'stopping';
    this.#certificates.stop();
    this.#readiness.close();
    this.#runtime.stopping(force, this.#drainMs);
    doorsOf(this.#native)?.close();
    const others = this.#alongside.map(({ finished }) => finished.catch(() => {}));
    const stopped = Promise.all([begin(), ...others]).then(() => {});
    if (force) {
      this.#hurry();
    }
    this.#stopping ??= this.#whenStopped(stopped);
    this.#finish(this.#stopping);
    await Promise.all([stopped, this.#stopping]);
  }

  /** Waits so long, or until another stop ends the delay. */
  async #delayed(ms: number): Promise<void> {
    this.#delay ??= new Promise((resolve) => {
      this.#endDelay = resolve;
    });
    const timer = setTimeout(this.#endDelay, ms);
    await this.#delay;
    clearTimeout(timer);
  }

  /**
   * Waits for the engine's drain, then for promises of `waitUntil` within what is left of the drain
   * time, then for what runs the handlers.
   */
  async #whenStopped(stopped: Promise<void>): Promise<void> {
    const until = performance.now() + this.#drainMs;
    await stopped;
    await this.#settle(until - performance.now());
    await this.#runtime.stopped();
    // Last: what handlers have published while the server stopped is sent.
    await this.#relay?.close();
    this.#certificates.stopped();
    this.#state = 'stopped';
    forget(this.#native);
    servers.delete(this);
    if (this.controlPath !== undefined) {
      removeControl(this.controlPath);
    }
    this.#forgetSignal();
    clearInterval(this.#keepAlive);
  }

  /**
   * Lets signals stop the engine even while JavaScript is stuck. Only for a process that does
   * nothing else.
   */
  guardSignals(drainMs: number, delayMs: number): void {
    if (doorsOf(this.#native) === undefined) {
      this.#native.guardSignals(drainMs, delayMs);
    }
    // Else the doors must close first: they are JavaScript's.
  }

  /** Feeds a service manager's watchdog from a native thread; see the binding. */
  feedWatchdog(socket: string, periodMs: number, handlersMs: number | undefined): void {
    this.#native.feedWatchdog(socket, periodMs, handlersMs);
  }

  /** Waits for promises of `waitUntil`, at most this many milliseconds. */
  async #settle(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(ms, 0));
    });
    await Promise.race([this.#runtime.settled(), late, this.#hurried]);
    clearTimeout(timer);
  }

  close(given?: boolean | ((error?: Error) => void)): Promise<void> {
    const isStopped = this.#state === 'stopped';
    const stopped = this.stop(given === true);
    if (typeof given === 'function') {
      // The same error as in node:http.
      const error = isStopped ? serverNotRunning() : undefined;
      stopped.then(() => given(error), given);
    }
    return stopped;
  }

  shutdown(): Promise<void> {
    return this.stop();
  }

  closeIdleConnections(): void {
    this.#native.closeIdleConnections();
  }

  /** Stops when the signal aborts. */
  stopOn(signal: AbortSignal): void {
    const stop = () => void this.stop();
    signal.addEventListener('abort', stop, { once: true });
    // The signal may outlive many servers, so the listener is removed.
    this.#forgetSignal = () => signal.removeEventListener('abort', stop);
  }

  ref(): this {
    this.#keepAlive.ref();
    return this;
  }

  unref(): this {
    this.#keepAlive.unref();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function serverNotRunning(): Error {
  return Object.assign(new Error('Server is not running.'), { code: 'ERR_SERVER_NOT_RUNNING' });
}

interface Address {
  readonly hostname?: string | undefined;
  readonly port?: number | undefined;
  readonly unix?: string | undefined;
}

function denoAddress({ hostname, port, unix }: Address): DenoAddress {
  return hostname === undefined || port === undefined
    ? { transport: 'unix', path: unix as string }
    : { transport: 'tcp', hostname, port };
}

function urlOf({ hostname = '', port, unix }: Address, isSecured = false): string {
  if (unix !== undefined) {
    return unixUrl(unix);
  }
  return new URL(`${isSecured ? 'https' : 'http'}://${authorityOf(hostname, port)}/`).href;
}

/** The URL of a path; characters that would end the path are escaped. */
function unixUrl(path: string): string {
  // `@` marks an abstract name, as in ss and socat.
  const name = path.replace(/^\0/, '@');
  return new URL(`unix:${name.replace(/[%?#]/g, encodeURIComponent)}`).href;
}

/** The address as a client writes it in a URL. */
function authorityOf(hostname: string, port: number | undefined): string {
  // A client cannot connect to a wildcard address.
  const isAny = hostname === '::' || hostname === '0.0.0.0';
  const host = isAny ? 'localhost' : hostname.includes(':') ? `[${hostname}]` : hostname;
  return `${host}:${port}`;
}
