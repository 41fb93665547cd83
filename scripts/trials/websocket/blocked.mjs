// JavaScript is blocked for five seconds: no socket is lost, pings are answered meanwhile, and
// messages come afterwards, in their order. The clients are those of `ws`, on a thread of their own.
//
//   node scripts/trials/websocket/blocked.mjs

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const BLOCKED_MS = 5000;
const CLIENTS = 100;
/** Each client sends so many messages and one ping, so many times while JavaScript is blocked. */
const [ROUNDS, MESSAGES] = [8, 5];

if (isMainThread) {
  const { serve } = await import('reactor-rs');
  const { check, finish } = await import('../tap.mjs');
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    websocket: {
      message(socket, message) {
        if (message === 'block') {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS);
        }
        socket.send(message);
      },
    },
    fetch: (request, info) => (info.upgrade(request) ? undefined : new Response()),
  });
  const clients = new Worker(new URL(import.meta.url), { workerData: server.url.port });
  const [seen] = await once(clients, 'message');
  await check(`JavaScript is blocked for ${BLOCKED_MS} ms`, () => {
    assert.ok(seen.answeredAfter >= BLOCKED_MS, `it answered after ${seen.answeredAfter} ms`);
    assert.equal(seen.closed, 0, 'a socket was closed');
    assert.equal(seen.pongsMeanwhile, CLIENTS * ROUNDS, 'pongs while it was blocked');
    assert.ok(seen.isInOrder, 'messages are missing, or out of order');
    return `${CLIENTS} sockets, ${seen.pongsMeanwhile} pongs meanwhile, the last after ${seen.slowest} ms`;
  });
  await server.stop();
  finish();
} else {
  const { WebSocket } = await import('ws');
  const url = `ws://127.0.0.1:${workerData}`;
  const sockets = Array.from({ length: CLIENTS }, () => new WebSocket(url));
  await Promise.all(sockets.map((socket) => once(socket, 'open')));
  const got = sockets.map(() => []);
  let [closed, pongs, slowest, sent] = [0, 0, 0, 0];
  for (const [i, socket] of sockets.entries()) {
    socket.on('close', () => closed++);
    socket.on('message', (data) => got[i].push(String(data)));
    socket.on('pong', (data) => {
      pongs++;
      slowest = Math.max(slowest, performance.now() - Number(String(data)));
    });
  }
  const begun = performance.now();
  sockets[0].send('block');
  const answered = once(sockets[0], 'message');
  await sleep(100);
  for (let round = 0; round < ROUNDS; round++) {
    for (const socket of sockets) {
      for (let i = 0; i < MESSAGES; i++) socket.send(String(sent++));
      socket.ping(String(performance.now()));
    }
    await sleep(500);
  }
  const pongsMeanwhile = pongs;
  await answered;
  const answeredAfter = Math.round(performance.now() - begun);
  const all = ROUNDS * MESSAGES;
  for (let waits = 0; waits < 100 && got.some((list) => list.length < all); waits++) {
    await sleep(100);
  }
  const isInOrder = got.every((list) => {
    const numbers = list.filter((data) => data !== 'block').map(Number);
    return numbers.length === all && numbers.every((n, i) => i === 0 || n > numbers[i - 1]);
  });
  slowest = Math.round(slowest);
  parentPort.postMessage({ answeredAfter, closed, pongsMeanwhile, slowest, isInOrder });
  for (const socket of sockets) socket.close();
}
