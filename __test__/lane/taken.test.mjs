// The bridge in the service of something that takes every request itself.

import { setImmediate as nextMacrotask } from 'node:timers/promises';
import test from 'ava';
import { Bridge } from '../../dist/lane/bridge.js';
import { FakeLane } from './fake-lane.mjs';

const MANY = 100;

function connect(take) {
  const lane = new FakeLane();
  lane.bridge = new Bridge(lane, { find: () => undefined, take });
  return lane;
}

function answer(exchange, sender, text) {
  sender.replies.response(exchange.id, 200, 0, [], text, false);
  sender.finish(exchange);
  sender.schedule();
}

test('ticks and microtasks run between the requests of a batch, and its answers leave together', async (t) => {
  let unfinished = 0;
  let most = 0;
  const lane = connect((exchange, sender) => {
    most = Math.max(most, ++unfinished);
    answer(exchange, sender, exchange.target);
    process.nextTick(() =>
      queueMicrotask(() =>
        process.nextTick(() => {
          unfinished--;
        }),
      ),
    );
  });
  const ids = Array.from({ length: MANY }, (_, i) => lane.ask('GET', `/${i}`));
  const answers = await Promise.all(ids.map((id) => lane.response(id)));
  t.deepEqual(
    answers.map(({ body }) => body),
    ids.map((_, i) => `/${i}`),
  );
  t.true(most < MANY / 2, `${most} at a time`);
  await nextMacrotask();
  t.is(unfinished, 0);
  // One takes the requests, one sends the answers.
  t.true(lane.turns <= 3, `${lane.turns} turns`);
});

test('when the lane is closed in the middle of a batch, the rest of it is not handled', async (t) => {
  const handled = [];
  const lane = connect((exchange, sender) => {
    handled.push(exchange.target);
    if (exchange.target === '/20') {
      process.nextTick(() => lane.bridge.close());
    }
    answer(exchange, sender, exchange.target);
  });
  for (let i = 0; i < MANY; i++) {
    lane.ask('GET', `/${i}`);
  }
  for (let i = 0; i < 20; i++) {
    await nextMacrotask();
  }
  t.true(handled.includes('/20'));
  t.false(handled.includes(`/${MANY - 1}`));
});
