import { binding, type NativeServer } from './binding.js';
import { fromNative, ReactorError } from './errors.js';
import { resolveOptions, resolveReload, resolveStop } from './options.js';
import type { ReloadOptions, ServeOptions, Server, Stats, StopOptions } from './types.js';

/**
 * Starts a server and resolves once it listens.
 *
 * @throws {ReactorError} (as a rejection) `ERR_REACTOR_INVALID_OPTION`,
 * `ERR_REACTOR_UNKNOWN_OPTION` and `ERR_REACTOR_INVALID_ROUTE` for what was
 * asked; `ERR_REACTOR_ADDRESS_IN_USE`, `ERR_REACTOR_ADDRESS_NOT_AVAILABLE`,
 * `ERR_REACTOR_PERMISSION`, `ERR_REACTOR_HOST_NOT_FOUND`,
 * `ERR_REACTOR_SOCKET_PATH` and `ERR_REACTOR_START` for what the system refused.
 *
 * @example
 * const server = await serve({ port: 0, routes: { '/hello': 'Hello!' } });
 * console.log(server.url);
 * await server.stop();
 */
export async function serve(options: ServeOptions = {}): Promise<Server> {
  const resolved = resolveOptions(options);
  try {
    return new RunningServer(await binding.start(resolved));
  } catch (error) {
    throw fromNative(error);
  }
}

/** The longest delay a timer takes, 24.8 days. */
const FOREVER_MS = 2 ** 31 - 1;

class RunningServer implements Server {
  readonly url: string;
  readonly port: number | undefined;
  readonly hostname: string | undefined;
  readonly unix: string | undefined;

  readonly #native: NativeServer;
  /** Native threads do not count for Node's event loop; a timer holds it open. */
  readonly #keepAlive: NodeJS.Timeout;
  #state: 'running' | 'stopping' | 'stopped' = 'running';

  constructor(native: NativeServer) {
    const address = native.address();
    this.#native = native;
    this.port = address.port;
    this.hostname = address.hostname;
    this.unix = address.unix;
    this.url = urlOf(address);
    this.#keepAlive = setInterval(() => {}, FOREVER_MS);
  }

  stats(): Stats {
    return JSON.parse(this.#native.stats()) as Stats;
  }

  reload(options: ReloadOptions = {}): void {
    const routes = resolveReload(options);
    if (this.#state !== 'running') {
      throw new ReactorError('ERR_REACTOR_STOPPED', 'cannot reload: the server has been stopped');
    }
    try {
      this.#native.reload(routes);
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
    clearInterval(this.#keepAlive);
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
  // A wildcard address is no address to connect to.
  const isAny = hostname === '::' || hostname === '0.0.0.0';
  const host = isAny ? 'localhost' : hostname.includes(':') ? `[${hostname}]` : hostname;
  return `http://${host}:${port}/`;
}
