// Handlers that answer after a while: their answers leave together, and none waits long.

import { setImmediate as nextMacrotask, setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { ReactorResponse as Response } from '../../dist/fetch/response.js';
import { Bridge } from '../../dist/lane/bridge.js';
import { FakeLane } from './fake-lane.mjs';

/** A bridge on a fake lane with one handler. */
function connect(handle) {
  const lane = new FakeLane();
  lane.bridge = new Bridge(lane, { find: () => ({ handle, paramNames: [] }) });
  return lane;
}

const MANY = 50;

const LATER = {
  'after setImmediate': () => new Promise((resolve) => setImmediate(resolve)),
  'after nextTick': () => new Promise((resolve) => process.nextTick(resolve)),
  'after a microtask': () => null,
  'after a promise of another module': async () => {
    const { setImmediate: other } = await import('node:timers/promises');
    await other();
  },
};

for (const [name, later] of Object.entries(LATER)) {
  test(`answers of many requests ${name} leave together`, async (t) => {
    const lane = connect(async () => {
      await later();
      return new Response('x');
    });
    // The module of the last case is loaded.
    await lane.reply(lane.ask('GET', '/'));
    const before = lane.turns;
    const ids = Array.from({ length: MANY }, () => lane.ask('GET', '/'));
    for (const id of ids) {
      t.is((await lane.reply(id)).body.toString(), 'x');
    }
    t.true(lane.turns - before <= 5, `${lane.turns - before} turns`);
  });
}

test('answers leave in the order in which they were given', async (t) => {
  const lane = connect(async (request) => {
    await nextMacrotask();
    return new Response(request.url);
  });
  const ids = Array.from({ length: MANY }, (_, i) => lane.ask('GET', `/${i}`));
  await lane.reply((reply) => reply.id === ids.at(-1));
  t.deepEqual(
    lane.replies.map(({ body }) => body.toString()),
    ids.slice(0, -1).map((_, i) => `http://localhost:8080/${i}`),
  );
});

test('an answer does not wait for a handler that goes on', async (t) => {
  let release;
  const gate = new Promise((resolve) => {
    release = resolve;
  });
  const lane = connect(async (request) => {
    await (request.url.endsWith('/slow') ? gate : nextMacrotask());
    return new Response(request.url);
  });
  const slow = lane.ask('GET', '/slow');
  t.regex((await lane.reply(lane.ask('GET', '/quick'))).body.toString(), /quick/);
  release();
  t.regex((await lane.reply(slow)).body.toString(), /slow/);
});

test('an answer waits for one callback that takes long, not for all of them', async (t) => {
  let called = 0;
  /** The turns before each callback. */
  const turns = [];
  const lane = connect(
    () =>
      new Promise((resolve) => {
        setImmediate(() => {
          turns.push(lane.turns);
          for (const until = performance.now() + 5; performance.now() < until; );
          called++;
          resolve(new Response('x'));
        });
      }),
  );
  const ids = Array.from({ length: 10 }, () => lane.ask('GET', '/'));
  for (const id of ids) {
    await lane.reply(id);
  }
  t.is(called, 10);
  // The first of them begins to gather. With the second the others have waited long enough.
  t.deepEqual(
    turns.map((turn) => turn - turns[0]),
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4],
  );
});

test('requests that the client has left are not waited for', async (t) => {
  const lane = connect(async (request) => {
    if (request.url.endsWith('/left')) {
      await new Promise(() => {});
    }
    await nextMacrotask();
    return new Response('x');
  });
  const left = Array.from({ length: 3 }, () => lane.ask('GET', '/left'));
  await nextMacrotask();
  await sleep(1);
  for (const id of left) {
    lane.gone(id);
  }
  await sleep(1);
  t.is((await lane.reply(lane.ask('GET', '/'))).body.toString(), 'x');
});
