import { type Application, optionsOf } from './application.js';
import { binding, type NativeBound, type NativeServer } from './binding.js';
import { Bridge, type BridgeOptions } from './bridge.js';
import { fromNative } from './errors.js';
import { installGlobals } from './globals.js';
import { Handlers } from './handlers.js';
import { Local } from './local.js';
import { type ResolvedOptions, resolveOptions, signalAt } from './options.js';
import { hostOf, RunningServer, startNative } from './server.js';
import { isThreaded } from './thread-options.js';
import { serveModule } from './threads.js';
import type { Handler, Pathless, ServeOptions, Server } from './types.js';

/**
 * Starts a server and resolves once it listens.
 *
 * @throws {ReactorError} (as a rejection; the reason of `signal` comes as it is)
 * `ERR_REACTOR_INVALID_OPTION`,
 * `ERR_REACTOR_UNKNOWN_OPTION` and `ERR_REACTOR_INVALID_ROUTE` for what was
 * asked; `ERR_REACTOR_ADDRESS_IN_USE`, `ERR_REACTOR_ADDRESS_NOT_AVAILABLE`,
 * `ERR_REACTOR_PERMISSION`, `ERR_REACTOR_HOST_NOT_FOUND`,
 * `ERR_REACTOR_SOCKET_PATH`, `ERR_REACTOR_LOG` and `ERR_REACTOR_START` for what the
 * system refused; `ERR_REACTOR_MODULE` for a `module` that cannot be served;
 * `ERR_REACTOR_PLATFORM` and `ERR_REACTOR_BINDING` where there is no native binding.
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
  handler: Handler<Pathless> | Application,
  options?: ServeOptions<Path>,
): Promise<Server>;

export async function serve(
  first: ServeOptions | Handler<Pathless> | Application = {},
  second?: ServeOptions,
): Promise<Server> {
  const options = optionsOf(first, second);
  const signal = isThreaded(options) ? signalAt({ ...options }) : undefined;
  signal?.throwIfAborted();
  if (isThreaded(options)) {
    return stoppedBy((await serveModule(options)).server, signal);
  }
  const resolved = resolveOptions(options);
  resolved.signal?.throwIfAborted();
  return stoppedBy(await start(resolved).catch(rethrow), resolved.signal);
}

/** The server, which the signal stops from now on, or has stopped already. */
async function stoppedBy(server: RunningServer, signal: AbortSignal | undefined): Promise<Server> {
  if (signal !== undefined) {
    if (signal.aborted) {
      await server.stop({ force: true });
    }
    signal.throwIfAborted();
    server.stopOn(signal);
  }
  return server;
}

function rethrow(error: unknown): never {
  throw fromNative(error);
}

async function start(options: ResolvedOptions): Promise<RunningServer> {
  return (await startEngine(options)).server;
}

/**
 * Starts the engine with handlers on this thread.
 *
 * @param hooks what stands in the place of the handlers; see {@link BridgeOptions}
 * @param bound what it shall listen on, where that is bound already
 */
export async function startEngine(
  options: ResolvedOptions,
  hooks: Pick<BridgeOptions, 'take' | 'onConnection'> = {},
  bound?: NativeBound,
): Promise<{ server: RunningServer; native: NativeServer; bridge: Bridge }> {
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
    ...hooks,
  });
  const runtime = new Local(handlers, lane, bridge);
  const { native, control } = await startNative(options, [lane.id], bound).catch((error) => {
    runtime.stopped();
    throw error;
  });
  bridge.host = hostOf(native) ?? bridge.host;
  bridge.startId = native.startId();
  lane.attach();
  if (options.drives) {
    lane.drive(native, () => bridge.wake());
  }
  // Requests that came before nobody has announced.
  bridge.wake();
  const server = new RunningServer(native, control, runtime);
  return { server, native, bridge };
}
