// JavaScript is blocked for five seconds, and files go on: small and large ones, ranges, conditions,
// and those that are compressed when they are asked for. The clients have a thread of their own.
//
//   node scripts/trials/files/blocked.mjs

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { utimesSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { check, finish, percentile, scratch, startServer } from './lib.mjs';

const BLOCKED_MS = 5000;

if (isMainThread) {
  const root = scratch('blocked');
  writeFileSync(join(root, 'small.txt'), 'small');
  writeFileSync(join(root, 'large.bin'), Buffer.alloc(2 << 20, 'x'));
  for (let n = 0; n < 200; n++)
    writeFileSync(join(root, `fly-${n}.css`), `a { b: c }\n`.repeat(800));
  utimesSync(join(root, 'small.txt'), 1_700_000_000, 1_700_000_000);
  const server = await startServer({ dir: root });
  const clients = new Worker(new URL(import.meta.url), { workerData: server.url });
  const [{ blocked, counts, slowest, p99 }] = await once(clients, 'message');
  await check(`JavaScript is blocked for ${BLOCKED_MS} ms, and files go on`, () => {
    assert.ok(blocked >= BLOCKED_MS - 50, `it answered after ${blocked} ms`);
    assert.deepEqual(Object.keys(counts).sort(), ['200', '206', '304']);
    assert.ok(slowest < 1000, `a file took ${slowest} ms`);
    return `${JSON.stringify(counts)}, p99 ${p99} ms, slowest ${slowest} ms`;
  });
  await server.stop();
  finish();
} else {
  const url = workerData;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const ask = (path, headers = {}) =>
    new Promise((resolve, reject) => {
      const begun = performance.now();
      http
        .get(`${url}${path}`, { agent, headers, timeout: 10_000 }, (answer) => {
          answer.on('end', () =>
            resolve({
              ...answer.headers,
              status: answer.statusCode,
              ms: performance.now() - begun,
            }),
          );
          answer.resume();
        })
        .on('timeout', () => reject(new Error(`${path}: no answer`)))
        .on('error', reject);
    });
  const { etag } = await ask('/small.txt');
  let isBlocked = true;
  const begun = performance.now();
  // On a connection of its own.
  const blocker = new Promise((resolve, reject) => {
    http
      .get(`${url}/block?ms=${BLOCKED_MS}`, { agent: false }, (answer) => {
        isBlocked = false;
        answer.resume().on('end', () => resolve(Math.round(performance.now() - begun)));
      })
      .on('error', reject);
  });
  await sleep(200);
  const counts = {};
  const times = [];
  for (let turn = 0; isBlocked && turn < 100_000; turn++) {
    const answers = await Promise.all([
      ask('/small.txt'),
      ask('/small.txt', { 'if-none-match': etag }),
      ask('/large.bin', { range: 'bytes=1000-300000' }),
      // Each for the first time, so that a worker compresses it.
      ask(`/fly-${turn % 200}.css`, { 'accept-encoding': turn % 2 ? 'br' : 'gzip' }),
      ...(turn % 10 ? [] : [ask('/large.bin')]),
    ]);
    if (!isBlocked) break;
    for (const { status, ms } of answers) {
      counts[status] = (counts[status] ?? 0) + 1;
      times.push(ms);
    }
    await sleep(5);
  }
  const blocked = await blocker;
  const [p99, slowest] = [percentile(times, 0.99), Math.max(...times)].map(Math.round);
  parentPort.postMessage({ blocked, counts, slowest, p99 });
  agent.destroy();
}
