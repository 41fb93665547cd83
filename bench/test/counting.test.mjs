// The tools that count instructions and cache lines, on small examples.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindingCost } from '../lib/callgrind.mjs';
import { Lines, moves, written } from '../lib/lines.mjs';
import { Queues } from '../lib/queues.mjs';

test('native work of the JavaScript thread is calls into the binding less calls into Node', () => {
  const profile = `events: Ir
ob=(1) /usr/bin/node
fn=(1) Call
10 7
cob=(2) /there/counted.node
cfn=(2) turn
calls=1 20
11 500
ob=(2)
fn=(2)
20 300
cob=(1)
cfn=(3) napi_get_value
calls=2 30
21 40
cob=(3) /lib/libc.so.6
cfn=(4) memcpy
calls=1 40
22 160
+1 9
ob=(1)
fn=(3)
30 40
ob=(3)
fn=(5) start_thread
50 1
cob=(2)
cfn=(6) loop
calls=1 60
51 1000
totals: 1057
`;
  assert.deepEqual(bindingCost(profile), { thread: 500 - 40, all: 309 });
});

test('an access belongs to the thread whose stack was used last', () => {
  const lines = new Lines(['1000-2000', '3000-4000', '5000-6000']);
  const stack = [' S 1008,8', ' S 3008,8', ' S 5008,8'];
  const write = (thread, address) => `${stack[thread]}\nI  40,3\n M ${address},8\n`;
  // All three write one line; the first two take turns at another; one has a line of its own.
  let trace = '==1== valgrind speaks\n';
  for (let i = 0; i < 10; i++) {
    for (const thread of [0, 1, 2]) trace += write(thread, '8000');
    for (const thread of [0, 1]) trace += write(thread, '8048');
    trace += write(2, '8080');
  }
  // In parts that end anywhere.
  for (let at = 0; at < trace.length; at += 7) lines.push(Buffer.from(trace.slice(at, at + 7)));
  const shared = written(lines, 10, 0.2);
  assert.deepEqual(
    shared.map(({ address, writers, writes }) => [address, writers, writes]),
    [[0x8000, 3, 30]],
  );
  // The first access of a line is a move too.
  assert.deepEqual(moves(lines), { pair: 20, shared: 30 });
});

test('a line that others only read moves once for each of them and write', () => {
  const lines = new Lines(['1000-2000', '3000-4000', '5000-6000']);
  const read = ' L 3008,8\n L 8000,8\n L 8000,8\n L 5008,8\n L 8000,8\n';
  lines.push(Buffer.from(` S 1008,8\n S 8000,8\n${read} S 1008,8\n S 8000,8\n${read}`));
  assert.deepEqual(moves(lines), { pair: 0, shared: 6 });
  assert.deepEqual(written(lines, 2, 0.2), []);
});

test('simulated threads are never busier than the time that passes, and lose no request', () => {
  const costs = { connections: 4, handler: 1000, instruction: 350, loop: 1000, lane: 1000 };
  Object.assign(costs, { turn: 500, system: 1000, wait: 100, move: 60, pair: 10, handover: 8 });
  Object.assign(costs, { wake: 1000, woken: 3000, round: 20_000, seconds: 1 });
  const rate = (threads) => {
    const result = new Queues(threads, costs, { prefers: true, even: true }).run();
    assert.ok(result.loops < 1 && result.lanes < 1, JSON.stringify(result));
    // Four requests are under way all the time; each takes its round and more.
    assert.ok(result.rate < (threads * 4 * 1e9) / 20_000, JSON.stringify(result));
    return result.rate;
  };
  assert.ok(rate(4) > 2.5 * rate(1));
});
