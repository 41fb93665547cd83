import { binding, type NativeBound, type NativeServer } from './binding/binding.js';
import { fromNative } from './errors/errors.js';
import { familyOf } from './fetch/address.js';
import { installGlobals } from './fetch/globals.js';
import { Bridge } from './lane/bridge.js';
import type { BridgeOptions } from './lane/bridge-options.js';
import { Handlers } from './lane/handlers.js';
import { reportNode } from './lane/node-report.js';
import { type Application, optionsOf } from './options/application.js';
import { signalAt } from './options/check.js';
import { type ResolvedOptions, readOptions, resolveOptions } from './options/options.js';
import { EVERYWHERE } from './options/table.js';
import { Relay } from './pubsub/relay.js';
import { withInherited } from './server/inherited.js';
import { Local } from './server/local.js';
import { hostOf, RunningServer } from './server/server.js';
import { stopOnSignals } from './server/shutdown.js';
import { startNative } from './server/start-native.js';
import { isThreaded } from './threads/options.js';
import { serveModule } from './threads/threads.js';
import type { ListenAddress } from './types/addresses.js';
import type { Handler, Pathless } from './types/handler.js';
import type { ServeOptions } from './types/options.js';
import type { PubSub } from './types/pubsub.js';
import type { Server } from './types/server.js';
import { Topics } from './websocket/topics.js';
import { WebSockets } from './websocket/web-sockets.js';

/**
 * Starts a server and resolves once it listens.
 *
 * @throws {ReactorError} (as a rejection) with one of these codes. If `signal` aborts, the
 * rejection is its reason.
 *
 * - `ERR_REACTOR_INVALID_OPTION`, `ERR_REACTOR_UNKNOWN_OPTION` and `ERR_REACTOR_INVALID_ROUTE`:
 *   an option or route is wrong
 * - `ERR_REACTOR_ADDRESS_IN_USE`, `ERR_REACTOR_ADDRESS_NOT_AVAILABLE`, `ERR_REACTOR_PERMISSION`,
 *   `ERR_REACTOR_HOST_NOT_FOUND`, `ERR_REACTOR_SOCKET_PATH`, `ERR_REACTOR_LOG` and
 *   `ERR_REACTOR_START`: the system refused it
 * - `ERR_REACTOR_MODULE`: the `module` cannot be served
 * - `ERR_REACTOR_PLATFORM` and `ERR_REACTOR_BINDING`: there is no native binding
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
export async function serve<const Path extends string, Data = unknown>(
  options?: ServeOptions<Path, Data>,
): Promise<Server>;

/**
 * Starts a server and calls a function once it listens, as `serve` of @hono/node-server does.
 * The function is the same as {@link ServeOptions.onListen}.
 *
 * @example
 * await serve({ fetch: app.fetch, port: 3000 }, ({ port }) => console.log(`on port ${port}`));
 */
export async function serve<const Path extends string, Data = unknown>(
  options: ServeOptions<Path, Data> & { fetch: Handler<Pathless> },
  onListen: (address: ListenAddress) => void,
): Promise<Server>;

/**
 * Starts a server with a handler, or with an application whose `fetch` is one, such as those of
 * Hono, h3 and Elysia.
 *
 * @example
 * const server = await serve(() => new Response('Hello!'), { port: 3000 });
 */
export async function serve<const Path extends string, Data = unknown>(
  handler: Handler<Pathless> | Application,
  options?: ServeOptions<Path, Data>,
): Promise<Server>;

export async function serve(
  handler: Handler<Pathless> | Application,
  port: number | string,
  onListen?: (address: ListenAddress) => void,
): Promise<Server>;

export async function serve<const Path extends string, Data = unknown>(
  handler: Handler<Pathless> | Application,
  options: ServeOptions<Path, Data> | undefined,
  onListen: (address: ListenAddress) => void,
): Promise<Server>;

export async function serve(
  handler: Handler<Pathless> | Application,
  onListen: (address: ListenAddress) => void,
): Promise<Server>;

/** Starts a server with options and a handler, in the order of `Deno.serve`. */
export async function serve(
  options: Omit<ServeOptions<never>, 'fetch' | 'routes'>,
  handler: Handler<Pathless>,
): Promise<Server>;

export async function serve(...given: unknown[]): Promise<Server> {
  const options = optionsOf(given, EVERYWHERE);
  if (isThreaded(options)) {
    const signal = signalAt({ ...options });
    signal?.throwIfAborted();
    const { server, resolved } = await serveModule(options);
    return listening(server, { ...resolved, signal });
  }
  const resolved = resolveOptions(await readOptions(options));
  resolved.signal?.throwIfAborted();
  return listening(await start(resolved).catch(rethrow), resolved);
}

/** Tells the program that the server listens, and connects the signals that stop it. */
async function listening(
  server: RunningServer,
  { signal, onListen, gracefulShutdown }: ResolvedOptions,
): Promise<Server> {
  try {
    signal?.throwIfAborted();
    onListen?.(listenAddress(server));
  } catch (error) {
    await server.stop({ force: true });
    throw error;
  }
  if (signal !== undefined) {
    server.stopOn(signal);
  }
  if (gracefulShutdown !== undefined) {
    stopOnSignals(server, gracefulShutdown);
  }
  return server;
}

/** Where a server listens, in the form of Node, Deno and @hono/node-server. */
function listenAddress({ hostname, port, unix }: Server): ListenAddress {
  return hostname === undefined || port === undefined
    ? { transport: 'unix', path: unix as string }
    : { transport: 'tcp', hostname, port, address: hostname, family: familyOf(hostname) };
}

function rethrow(error: unknown): never {
  throw fromNative(error);
}

async function start(options: ResolvedOptions): Promise<RunningServer> {
  return (await startEngine(options)).server;
}

/** Binds the address at once, or goes on with the socket of the process before this one. */
export function bind({ native }: ResolvedOptions): NativeBound {
  return binding().bind(withInherited(native));
}

/**
 * Starts the engine with handlers on this thread.
 *
 * @param hooks replace the handlers; see {@link BridgeOptions}
 * @param bound the listening socket, if it is bound already
 */
export async function startEngine(
  options: ResolvedOptions,
  hooks: Pick<BridgeOptions, 'take' | 'onConnection'> = {},
  bound?: NativeBound,
): Promise<{ server: RunningServer; native: NativeServer; bridge: Bridge }> {
  const handlers = new Handlers();
  handlers.replace(options.fetch, options.entries);
  const hasHandlers = options.fetch !== undefined || options.entries.length > 0;
  const releaseGlobals = options.globals && hasHandlers ? installGlobals() : () => {};
  const lane = new (binding().NativeLane)(() => bridge.wake());
  const bridge = new Bridge(lane, {
    find: (route) => handlers.find(route),
    onError: options.error,
    proxies: options.proxies,
    traceIds: options.traceIds,
    serverTiming: options.serverTiming,
    ...hooks,
  });
  const webSockets = new WebSockets(bridge, options.websocket);
  // Others that take requests have doors of their own.
  bridge.webSockets = hooks.take === undefined ? webSockets : null;
  let endReport = () => {};
  const release = () => {
    releaseGlobals();
    endReport();
  };
  const runtime = new Local(handlers, lane, bridge, webSockets, release);
  let relay: Relay | null = null;
  const { native, control, names } = await startRelay(options.pubsub, Topics.of(bridge))
    .then((started) => {
      relay = started;
      return startNative(options, [lane.id], bound);
    })
    .catch(async (error) => {
      runtime.stopped();
      await relay?.close();
      throw error;
    });
  bridge.host = hostOf(native) ?? bridge.host;
  bridge.startId = native.startId();
  lane.attach();
  if (options.drives) {
    lane.drive(native, () => bridge.wake());
  }
  // Requests may have come before the lane was attached; no event announced them.
  bridge.wake();
  endReport = reportNode(lane);
  const server = new RunningServer(native, control, runtime, options, names, relay);
  return { server, native, bridge };
}

/** Connects the topics of this thread to a broker, if there is one. */
async function startRelay(pubsub: PubSub | undefined, topics: Topics): Promise<Relay | null> {
  if (pubsub === undefined) {
    return null;
  }
  const relay = new Relay(pubsub, (topic, data, how) => {
    topics.deliver(topic, data, how.isText, how);
  });
  await relay.start();
  topics.connect(relay);
  return relay;
}
