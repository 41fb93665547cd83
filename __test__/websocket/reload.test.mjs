// WebSockets of JavaScript threads, while the module is replaced: with the clients of `ws`.

import { setTimeout as sleep } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';
import test from 'ava';
import { start } from '../support/server.mjs';
import { client } from './client.mjs';

const moduleOf = (name) => new URL(`./reload/${name}.mjs`, import.meta.url);

/** What threads of the modules have told: that they have ended, and warnings. */
const told = [];
/** When a thread of each module was alive, at last. */
const lastAlive = new Map();
const channel = new BroadcastChannel('reload.test');
channel.onmessage = ({ data }) => {
  if (data.alive === undefined) {
    told.push(data);
  } else {
    lastAlive.set(data.alive, performance.now());
  }
};
channel.unref();

test.beforeEach(() => {
  told.length = 0;
  lastAlive.clear();
});

/** Whether so many threads of a module have ended. One that was terminated is only silent. */
function haveEnded(name, count) {
  const isSilent = performance.now() - lastAlive.get(name) > 3000;
  return isSilent || told.filter(({ ended }) => ended === name).length === count;
}

async function until(condition) {
  while (!condition()) {
    await sleep(10);
  }
}

/** Opens clients that have been greeted. */
async function open(t, server, count, query = '') {
  const clients = Array.from({ length: count }, (_, i) => client(t, server, `/?name=${i}${query}`));
  const greetings = await Promise.all(clients.map(({ next }) => next()));
  return { clients, greetings };
}

async function ask({ socket, next }) {
  socket.send('who');
  return JSON.parse(await next());
}

/** More than any of these tests takes: old threads end before. */
const LONG = { drain: 600_000 };

test.serial('fifty sockets that talk all the time go on with new code, twice', async (t) => {
  const more = { jsThreads: 2, ioThreads: 2, timeouts: LONG };
  const server = await start(t, { module: moduleOf('one'), ...more });
  const { clients, greetings } = await open(t, server, 50);
  t.true(greetings.every((greeting) => greeting === 'open one'));
  t.is(server.subscriberCount('room'), 50);

  const closes = [];
  for (const [i, { closed }] of clients.entries()) {
    void closed.then((how) => closes.push([i, how]));
  }
  // Each has a few questions under way, until both reloads are over.
  let isOver = false;
  const talks = clients.map(async ({ socket, next }) => {
    let asked = 0;
    let answered = 0;
    while (!isOver || answered < asked) {
      while (!isOver && asked - answered < 4) {
        socket.send(`q${asked++}`);
      }
      if (answered === asked) {
        break;
      }
      const answer = await next();
      answered++;
      if (answer !== `${answered} q${answered - 1}`) {
        throw new Error(`got ${answer} as answer ${answered}`);
      }
    }
    return answered;
  });
  await sleep(100);
  await server.reload({ module: moduleOf('two') });
  await sleep(100);
  await server.reload({ module: moduleOf('three') });
  // The old threads end by themselves.
  await until(() => haveEnded('one', 2) && haveEnded('two', 2));
  isOver = true;
  t.deepEqual(closes, []);
  const counts = await Promise.all(talks);
  t.true(counts.every((count) => count > 0));
  t.log(`${counts.reduce((sum, count) => sum + count)} answers`);

  const answers = await Promise.all(clients.map(ask));
  for (const [i, { name, data, isDate, subscriptions, remoteAddress }] of answers.entries()) {
    t.is(name, 'three');
    t.like(data, { name: `${i}`, count: counts[i], reopened: 2 });
    t.true(isDate);
    t.deepEqual(subscriptions, ['room']);
    t.is(remoteAddress, '127.0.0.1');
  }
  const shares = server.stats().lanes.map(({ inFlight }) => inFlight);
  t.is(shares.length, 2);
  t.true(
    shares.every((share) => share >= 10),
    `${shares}`,
  );
  t.is(server.subscriberCount('room'), 50);
  server.publish('room', 'news');
  for (const { next } of clients) {
    t.is(await next(), 'news');
  }
  t.true(clients.every(({ socket, messages }) => socket.readyState === 1 && messages.length === 0));

  // The new threads' sockets end as all do.
  await server.stop();
  for (const { closed } of clients) {
    t.is((await closed)[0], 1001);
  }
  t.is(server.stats().webSockets.open, 0);
});

test.serial('a request that becomes a WebSocket after the reload goes on as well', async (t) => {
  const server = await start(t, { module: moduleOf('one'), jsThreads: 1, timeouts: LONG });
  const late = client(t, server, '/?name=0&wait');
  await until(() => told.some(({ waits }) => waits === 'one'));
  await server.reload({ module: moduleOf('two') });
  channel.postMessage('go');
  t.is(await late.next(), 'open one');
  let answer;
  do {
    answer = await ask(late);
  } while (answer.name === 'one');
  t.like(answer, { name: 'two', data: { name: '0', reopened: 1 } });
  await until(() => haveEnded('one', 1));
  t.is(late.socket.readyState, 1);
});

test.serial(
  'a module without "reopen" takes no sockets over: 1012 when their thread ends',
  async (t) => {
    const timeouts = { drain: 1500 };
    const server = await start(t, { module: moduleOf('one'), jsThreads: 1, timeouts });
    const { clients } = await open(t, server, 2);
    await server.reload({ module: moduleOf('without') });
    t.like(await ask(clients[0]), { name: 'one' });
    t.is((await open(t, server, 1)).greetings[0], 'open without');
    for (const { closed } of clients) {
      t.is((await closed)[0], 1012);
    }
    await until(() => haveEnded('one', 1));
  },
);

test.serial(
  'a socket whose data cannot be cloned is closed with 1012, with a warning',
  async (t) => {
    const server = await start(t, { module: moduleOf('one'), jsThreads: 1, timeouts: LONG });
    const { clients: odd } = await open(t, server, 2, '&odd');
    const [other] = (await open(t, server, 1)).clients;
    await server.reload({ module: moduleOf('two') });
    for (const { closed } of odd) {
      t.deepEqual(await closed, [1012, 'the server starts again']);
    }
    await until(() => haveEnded('one', 1));
    t.like(await ask(other), { name: 'two' });
    const warnings = told.filter(({ warning }) => warning !== undefined);
    t.is(warnings.length, 1);
    t.regex(
      warnings[0].warning,
      /WebSockets cannot go on .+ "data" cannot be cloned: call\(\) \{\} /,
    );
  },
);
