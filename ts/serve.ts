import { binding, type NativeServer } from './binding.js';
import { Bridge, type BridgeOptions } from './bridge.js';
import { newControlPath } from './control.js';
import { fromNative, ReactorError } from './errors.js';
import { installGlobals } from './globals.js';
import { Handlers } from './handlers.js';
import { type ResolvedOptions, resolveOptions, resolveReload, resolveStop } from './options.js';
import { exchangeOf, requestBehind } from './request.js';
import { show } from './show.js';
import type {
  Handler,
  PeerAddress,
  ReloadOptions,
  ServeOptions,
  Server,
  Stats,
  StopOptions,
} from './types.js';

/**
 * Starts a server and resolves once it listens.
 *
 * @throws {ReactorError} (as a rejection; the reason of `signal` comes as it is)
 * `ERR_REACTOR_INVALID_OPTION`,
 * `ERR_REACTOR_UNKNOWN_OPTION` and `ERR_REACTOR_INVALID_ROUTE` for what was
 * asked; `ERR_REACTOR_ADDRESS_IN_USE`, `ERR_REACTOR_ADDRESS_NOT_AVAILABLE`,
 * `ERR_REACTOR_PERMISSION`, `ERR_REACTOR_HOST_NOT_FOUND`,
 * `ERR_REACTOR_SOCKET_PATH`, `ERR_REACTOR_LOG` and `ERR_REACTOR_START` for what the
 * system refused; `ERR_REACTOR_PLATFORM` and `ERR_REACTOR_BINDING` where there is
 * no native binding.
 *
 * @example
 * const server = await serve({
 *   port: 0,
 *   routes: { '/hello': 'Hello!', '/users/:id': ({ params }) => Response.json(params) },
 *   fetch: () => new Response('Not found', { status: 404 }),
 * });
 * console.log(server.url);
 * await server.stop();
 */
export async function serve<const Path extends string>(
  options?: ServeOptions<Path>,
): Promise<Server>;

/**
 * Starts a server whose requests a handler answers, or an application that has
 * one as its `fetch`, such as those of Hono, h3 and Elysia.
 *
 * @example
 * const server = await serve(() => new Response('Hello!'), { port: 3000 });
 */
export async function serve<const Path extends string>(
  handler: Handler | Application,
  options?: ServeOptions<Path>,
): Promise<Server>;

export async function serve(
  first: ServeOptions | Handler | Application = {},
  second?: ServeOptions,
): Promise<Server> {
  const resolved = resolveOptions(optionsOf(first, second));
  const { signal } = resolved;
  signal?.throwIfAborted();
  let server: RunningServer;
  try {
    server = await start(resolved);
  } catch (error) {
    throw fromNative(error);
  }
  if (signal !== undefined) {
    if (signal.aborted) {
      await server.stop({ force: true });
    }
    signal.throwIfAborted();
    server.stopOn(signal);
  }
  return server;
}

/** Something that answers requests, whatever else it may have and do. */
export interface Application {
  fetch(request: Request, info?: unknown): Response | Promise<Response>;
}

/** The options that `serve` was given, in either of its forms. */
function optionsOf(first: unknown, second: unknown): ServeOptions {
  // What is neither is refused with the options, which name themselves.
  const options = applicationOptions(first) ?? (first as ServeOptions);
  if (second === undefined) {
    return options;
  }
  const fetch = (options as Partial<Application> | null)?.fetch;
  if (typeof fetch !== 'function') {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `the first of two arguments must be a handler or an application with "fetch", got ${show(first)}`,
    );
  }
  return { ...(second as ServeOptions), fetch: fetch.bind(first) };
}

/**
 * The options that a handler, an application or options stand for; `undefined`
 * for what is none of them.
 */
export function applicationOptions(given: unknown): Record<string, unknown> | undefined {
  if (typeof given === 'function') {
    return { fetch: given };
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return undefined;
  }
  if (!isInstanceOfClass(given)) {
    return given as Record<string, unknown>;
  }
  const { fetch } = given as Partial<Application>;
  return typeof fetch === 'function' ? { fetch: fetch.bind(given) } : undefined;
}

/** An application is one, options are a plain object. */
function isInstanceOfClass(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}

/** @param take see {@link BridgeOptions.take} */
export async function start(
  options: ResolvedOptions,
  take?: BridgeOptions['take'],
): Promise<RunningServer> {
  const handlers = new Handlers();
  handlers.replace(options.fetch, options.entries);
  if (options.globals && (options.fetch !== undefined || options.entries.length > 0)) {
    installGlobals();
  }
  const lane = new (binding().NativeLane)(() => bridge.wake());
  const bridge = new Bridge(lane, {
    find: (route) => handlers.find(route),
    onError: options.error,
    proxies: options.proxies,
    take,
  });
  const { control: wanted } = options;
  const control = wanted === true ? await newControlPath() : wanted || undefined;
  const native = await binding().start(
    { ...options.native, ...(control === undefined ? {} : { control }) },
    lane,
  );
  const { hostname, port } = native.address();
  if (hostname !== undefined) {
    bridge.host = authorityOf(hostname, port);
  }
  bridge.startId = native.startId();
  lane.attach(native, options.drives ? () => bridge.wake() : undefined);
  // Requests that came before nobody has announced.
  bridge.wake();
  return new RunningServer(native, handlers, control, () => lane.close());
}

/** The longest delay a timer takes, 24.8 days. */
const FOREVER_MS = 2 ** 31 - 1;

class RunningServer implements Server {
  readonly url: string;
  readonly port: number | undefined;
  readonly hostname: string | undefined;
  readonly unix: string | undefined;
  readonly metricsUrl: string | undefined;
  readonly controlPath: string | undefined;

  readonly #native: NativeServer;
  readonly #handlers: Handlers;
  readonly #closeLane: () => void;
  /** Native threads do not count for Node's event loop; a timer holds it open. */
  readonly #keepAlive: NodeJS.Timeout;
  #state: 'running' | 'stopping' | 'stopped' = 'running';
  #forgetSignal = () => {};

  constructor(
    native: NativeServer,
    handlers: Handlers,
    control: string | undefined,
    closeLane: () => void,
  ) {
    const address = native.address();
    this.#native = native;
    this.#handlers = handlers;
    this.#closeLane = closeLane;
    this.port = address.port;
    this.hostname = address.hostname;
    this.unix = address.unix;
    this.controlPath = control;
    this.url = urlOf(address);
    const metrics = native.metricsAddress();
    if (metrics !== null) {
      this.metricsUrl = metrics.unix === undefined ? `${urlOf(metrics)}metrics` : urlOf(metrics);
    }
    this.#keepAlive = setInterval(() => {}, FOREVER_MS);
  }

  stats(): Stats {
    return JSON.parse(this.#native.stats()) as Stats;
  }

  requestIP(request: Request): PeerAddress | null {
    const asked = requestBehind(request);
    if (asked === undefined) {
      return null;
    }
    const { remoteAddress: address, remotePort: port } = exchangeOf(asked);
    if (address === undefined) {
      return null;
    }
    return { address, family: address.includes(':') ? 'IPv6' : 'IPv4', port: port ?? 0 };
  }

  reload(options: ReloadOptions = {}): void {
    const handlers = this.#handlers;
    const { fetch, routes, entries } = resolveReload(options, handlers.hasFetch, handlers.next);
    if (this.#state !== 'running') {
      throw new ReactorError('ERR_REACTOR_STOPPED', 'cannot reload: the server has been stopped');
    }
    const undo = handlers.replace(fetch, entries);
    try {
      this.#native.reload(routes);
    } catch (error) {
      undo();
      throw fromNative(error);
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

  async stop(options: StopOptions = {}): Promise<void> {
    const { force } = resolveStop(options);
    if (this.#state === 'stopped') {
      return;
    }
    this.#state = 'stopping';
    await this.#native.stop(force);
    this.#state = 'stopped';
    this.#closeLane();
    this.#forgetSignal();
    clearInterval(this.#keepAlive);
  }

  /** Stops when the signal aborts. */
  stopOn(signal: AbortSignal): void {
    const stop = () => void this.stop();
    signal.addEventListener('abort', stop, { once: true });
    // A signal may outlive many servers.
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

function urlOf(address: { hostname?: string; port?: number; unix?: string }): string {
  const { hostname = '', port, unix } = address;
  if (unix !== undefined) {
    return `unix:${unix}`;
  }
  return `http://${authorityOf(hostname, port)}/`;
}

/** How a client names the address. */
function authorityOf(hostname: string, port: number | undefined): string {
  // A wildcard address is no address to connect to.
  const isAny = hostname === '::' || hostname === '0.0.0.0';
  const host = isAny ? 'localhost' : hostname.includes(':') ? `[${hostname}]` : hostname;
  return `${host}:${port}`;
}
