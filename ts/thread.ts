// The entry point of a JavaScript thread. It loads the module, makes a lane, and answers requests
// once the main thread has put the lane into the server.

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { binding, useBinding } from './binding/binding.js';
import { ReactorError } from './errors/errors.js';
import { TraceIds } from './fetch/trace-ids.js';
import { Bridge } from './lane/bridge.js';
import { type HandlerEntry, Handlers } from './lane/handlers.js';
import { reportNode } from './lane/node-report.js';
import { readOptions } from './options/options.js';
import { Proxies } from './proxy/proxies.js';
import { ThreadUplink } from './pubsub/thread-uplink.js';
import type { DevelopmentEntry } from './threads/development.js';
import type {
  DevelopmentData,
  FromThread,
  Loaded,
  Refused,
  ThreadData,
  ToThread,
} from './threads/messages.js';
import { loadModule } from './threads/module.js';
import { resolveModule } from './threads/options.js';
import { Topics } from './websocket/topics.js';
import { WebSockets } from './websocket/web-sockets.js';

const port = parentPort as MessagePort;
const data = workerData as ThreadData;
useBinding(data.binding);

/** Only with `--watch`. */
const development = data.development && (await develop(data.development));
const handlers = new Handlers();
let bridge: Bridge | undefined;
let uplink: ThreadUplink | undefined;
let sockets: WebSockets | undefined;
const lane = new (binding().NativeLane)(() => bridge?.wake());

// However the thread ends, it gets no further request, and handlers can release what outlives the
// thread. If this does not run, Node's teardown drops the lane.
process.once('exit', () => {
  lane.close();
  bridge?.close();
});

let error: Awaited<ReturnType<typeof load>>['error'];
let websocket: Awaited<ReturnType<typeof load>>['websocket'];

try {
  const loaded = await load();
  ({ error, websocket } = loaded);
  port.on('message', onMessage);
  send(loaded.report);
} catch (thrown) {
  development?.failed(thrown);
  send(refusal(thrown));
}

async function load() {
  const { module, globals, routes } = data;
  const options = { ...(await readOptions(await loadModule(module, globals))) };
  const exported = development?.adapt(options) ?? options;
  const resolved = resolveModule(module, exported, routes);
  handlers.replace(resolved.fetch, resolved.entries);
  const report: Loaded = {
    type: 'loaded',
    lane: lane.id,
    settings: resolved.settings,
    routes: resolved.routes,
    reopens: resolved.websocket?.handlers.reopen !== undefined,
  };
  return { report, error: resolved.error, websocket: resolved.websocket };
}

function onMessage(message: ToThread): void {
  if (message.type === 'end') {
    process.exit();
  }
  if (message.type === 'settle') {
    void settle();
    return;
  }
  if (message.type === 'relayed') {
    uplink?.relayed(message);
    return;
  }
  if (message.type === 'hand-over') {
    void handOver();
    return;
  }
  if (message.type === 'adopt') {
    sockets?.adopt(message.socket);
    return;
  }
  if (message.type === 'leave') {
    bridge?.leave(message.drainMs);
    return;
  }
  if (message.type === 'show') {
    development?.show(message.state);
    return;
  }
  if (message.development !== undefined) {
    development?.show(message.development);
  }
  bridge = new Bridge(lane, {
    find: development === undefined ? (route) => handlers.find(route) : findWrapped,
    onError: error,
    proxies: Proxies.from(message.trustProxy),
    traceIds: message.trace && new TraceIds(message.trace.key, message.trace.sampled),
    serverTiming: message.serverTiming,
  });
  sockets = new WebSockets(bridge, websocket);
  bridge.webSockets = sockets;
  if (message.uplink !== null) {
    const post = port.postMessage.bind(port);
    uplink = new ThreadUplink((told, owned) => post(told, owned), message.uplink);
    Topics.of(bridge).connect(uplink);
  }
  bridge.host = message.host ?? bridge.host;
  bridge.startId = message.startId;
  lane.attach();
  bridge.wake();
  reportNode(lane);
}

async function develop({ entry, version }: DevelopmentData) {
  // Known only at run time, so a bundler must leave the import alone.
  const module = await import(/* webpackIgnore: true */ /* @vite-ignore */ entry);
  return (module as DevelopmentEntry).develop(version, (told, transfer = []) => {
    port.postMessage({ type: 'told', told }, transfer as ArrayBuffer[]);
  });
}

function findWrapped(route: number): HandlerEntry | undefined {
  const entry = handlers.find(route);
  return entry && development?.wrap(entry);
}

async function handOver(): Promise<void> {
  await sockets?.handOver((socket) => send({ type: 'moved', socket }));
  send({ type: 'left' });
}

async function settle(): Promise<void> {
  if (bridge?.hasBackground || sockets?.isLeaving) {
    send({ type: 'waiting' });
    await Promise.all([bridge?.settled(), sockets?.left()]);
  }
  send({ type: 'settled' });
}

function send(message: FromThread): void {
  port.postMessage(message);
}

function refusal(thrown: unknown): Refused {
  const { name } = data.module;
  const error =
    thrown instanceof ReactorError
      ? thrown
      : new ReactorError('ERR_REACTOR_MODULE', `cannot serve "${name}": ${String(thrown)}`, {
          cause: thrown,
        });
  return {
    type: 'refused',
    code: error.code,
    message: error.message,
    cause: portable(error.cause),
  };
}

/** A form of the value that can be sent to another thread. */
function portable(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return value instanceof Error ? new Error(value.message) : String(value);
  }
}
