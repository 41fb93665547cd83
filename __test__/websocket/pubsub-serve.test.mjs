// serve({ pubsub }): servers of this process, on a broker that the test plays.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import WebSocket from 'ws';
import { serve } from '../../dist/index.js';
import { Broker } from './broker.mjs';

const MODULE = new URL('./pubsub-app.mjs', import.meta.url);
const { default: application } = await import(MODULE.href);

/** Until something is so; ava's own time-out ends it. */
async function until(isSo) {
  while (!isSo()) {
    await sleep(5);
  }
}

async function start(t, pubsub, more = application) {
  const server = await serve({ hostname: '127.0.0.1', port: 0, control: false, pubsub, ...more });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

/** A client of a topic, and what it got. */
async function client(server, topic) {
  const socket = new WebSocket(`${server.url.href.replace('http', 'ws')}${topic}`);
  const got = [];
  socket.on('message', (data, isBinary) => got.push(isBinary ? [...data] : data.toString()));
  await once(socket, 'open');
  return { socket, got };
}

test('what is published on one server reaches the others, once', async (t) => {
  const broker = new Broker();
  const adapters = [broker.adapter(), broker.adapter()];
  const [one, two] = [await start(t, adapters[0]), await start(t, adapters[1])];
  const [a, b, c] = [
    await client(one, 'news'),
    await client(one, 'news'),
    await client(two, 'news'),
  ];
  const other = await client(two, 'other');
  await until(() => adapters.every(({ channels }) => channels.has('reactor:news')));
  t.is(one.publish('news', 'from the server'), 15);
  await until(() => c.got.length === 1);
  a.socket.send('from a socket');
  a.socket.send(new Uint8Array([0, 255]));
  await until(() => c.got.length === 3 && b.got.length === 3);
  const all = ['from the server', 'from a socket', [0, 255]];
  t.deepEqual([b.got, c.got], [all, all]);
  t.deepEqual([a.got, other.got], [['from the server'], []]);
  t.like(one.stats().pubsub, { status: 'up', topics: 1, published: 3, received: 0 });
  t.like(two.stats().pubsub, { topics: 2, received: 3 });
  c.socket.close();
  await until(() => !adapters[1].channels.has('reactor:news'));
  await two.stop();
  t.is(adapters[1].calls.at(-1), 'close');
  t.is(two.stats().pubsub.status, 'closed');
});

test('publish tells of bytes, for there may be subscribers elsewhere; without a broker it does not', async (t) => {
  const alone = await start(t, undefined);
  t.is(alone.publish('news', 'hello'), 0);
  t.is(alone.stats().pubsub, undefined);
  const together = await start(t, new Broker().adapter());
  t.is(together.publish('news', 'hello'), 5);
  t.is(together.publish('news', ''), 1);
});

test('a gap reaches the sockets of the own process, as onGap likes', async (t) => {
  const broker = new Broker();
  const onGap = ({ topics, deliver }) => topics.forEach((topic) => void deliver(topic, 'reload'));
  const adapters = [broker.adapter({ onGap, onError() {} }), broker.adapter({ onError() {} })];
  const [one, two] = [await start(t, adapters[0]), await start(t, adapters[1])];
  const [a, b] = [await client(one, 'news'), await client(two, 'news')];
  await until(() => adapters.every(({ channels }) => channels.size === 1));
  broker.fail(new Error('gone'));
  two.publish('news', 'waits');
  await until(() => b.got.length === 1);
  broker.restart();
  await until(() => a.got.length === 2);
  t.deepEqual([[...a.got].sort(), b.got], [['reload', 'waits'], ['waits']]);
});

test('JavaScript threads share a subscription of the main thread', async (t) => {
  const broker = new Broker();
  const adapters = [broker.adapter(), broker.adapter()];
  const threaded = await start(t, adapters[0], { module: MODULE, jsThreads: 2 });
  const other = await start(t, adapters[1]);
  const clients = [];
  for (let count = 0; count < 6; count++) {
    clients.push(await client(threaded, 'news'));
  }
  const far = await client(other, 'news');
  await until(() => adapters.every(({ channels }) => channels.size === 1));
  t.deepEqual(adapters[0].calls, ['+reactor:news']);
  other.publish('news', 'from far');
  await until(() => clients.every(({ got }) => got.length === 1));
  clients[0].socket.send('from a thread');
  t.is(threaded.publish('news', 'from the main thread'), 20);
  await until(() => far.got.length === 3 && clients.slice(1).every(({ got }) => got.length === 3));
  await sleep(20);
  t.deepEqual([...far.got].sort(), ['from a thread', 'from far', 'from the main thread']);
  t.deepEqual(clients[0].got, ['from far', 'from the main thread']);
  for (const { socket } of clients) {
    socket.close();
  }
  await until(() => adapters[0].channels.size === 0);
});

test('sockets that go to the threads of a new module miss nothing of other processes', async (t) => {
  const broker = new Broker();
  const adapters = [broker.adapter(), broker.adapter()];
  const threaded = await start(t, adapters[0], { module: MODULE, jsThreads: 2 });
  const other = await start(t, adapters[1]);
  const clients = [await client(threaded, 'news'), await client(threaded, 'news')];
  const far = await client(other, 'news');
  await until(() => adapters.every(({ channels }) => channels.size === 1));
  let sent = 0;
  const publishing = setInterval(() => other.publish('news', `${sent++}`), 2);
  t.teardown(() => clearInterval(publishing));
  await threaded.reload({ module: MODULE });
  clients[0].socket.send('from a new thread');
  await until(() => far.got.includes('from a new thread'));
  clearInterval(publishing);
  await until(() => clients[1].got.length === sent + 1);
  await until(() => clients[0].got.length === sent);
  t.deepEqual(
    clients[0].got,
    Array.from({ length: sent }, (_, index) => `${index}`),
  );
  t.deepEqual(adapters[0].calls, ['+reactor:news']);
});

test('a thread that dies takes its topics along', async (t) => {
  const broker = new Broker();
  const adapter = broker.adapter();
  const errors = [];
  const onThreadError = (error) => errors.push(error);
  const server = await start(t, adapter, { module: MODULE, jsThreads: 1, onThreadError });
  const { socket } = await client(server, 'news');
  socket.on('error', () => {});
  await until(() => adapter.channels.size === 1);
  socket.send('die');
  await until(() => errors.length === 1 && adapter.channels.size === 0);
  t.pass();
});

test('an adapter that throws in connect keeps the server from starting', async (t) => {
  const adapter = new Broker().adapter();
  adapter.connect = async () => {
    throw new Error('no such bus');
  };
  const options = { hostname: '127.0.0.1', port: 0, control: false, ...application };
  await t.throwsAsync(serve({ ...options, pubsub: adapter }), { message: 'no such bus' });
  adapter.connect = () => {};
  const server = await serve({ ...options, pubsub: adapter });
  const { port } = server;
  const second = new Broker().adapter();
  await t.throwsAsync(serve({ ...options, port, pubsub: second }), {
    code: 'ERR_REACTOR_ADDRESS_IN_USE',
  });
  t.deepEqual(second.calls, ['close']);
  await server.stop();
});

test('a module cannot bring the connection to the broker', async (t) => {
  await t.throwsAsync(
    serve({
      port: 0,
      module: new URL('./pubsub-module.mjs', import.meta.url),
      jsThreads: 1,
    }),
    { code: 'ERR_REACTOR_INVALID_OPTION', message: /give it to "serve"/ },
  );
});
