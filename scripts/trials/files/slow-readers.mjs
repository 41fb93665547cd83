// 100 clients read a file of 1 GiB slowly: the server's memory stays, and others do not wait. Then a
// file of 5 GiB, whole and by ranges beyond 4 GiB. Both files have no blocks on the disk.
//
//   node scripts/trials/files/slow-readers.mjs [--seconds 10]

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  check,
  finish,
  get,
  mib,
  percentile,
  program,
  resident,
  run,
  scratch,
  serveFolder,
  startServer,
} from './lib.mjs';

const READERS = 100;
const MOST = 16 << 20;
/** The most that others may wait; more where they wait long without the readers, too. */
const MOST_MS = 10;
const GIB = 2 ** 30;
/** What a reader takes at once, and how often. */
const [PIECE, PAUSE_MS] = [128 << 10, 100];

if (isMainThread) {
  await trials();
  finish();
} else if (workerData.role === 'readers') {
  await readSlowly(workerData);
} else {
  await askOften(workerData);
}

async function trials() {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' } } });
  const seconds = Number(values.seconds);
  const root = scratch('slow-readers');
  writeFileSync(join(root, 'small.txt'), 'x'.repeat(1000));
  for (const [name, size] of [
    ['1g.bin', GIB],
    ['5g.bin', 5 * GIB],
  ]) {
    writeFileSync(join(root, name), '');
    truncateSync(join(root, name), size);
  }
  for (const [kind, path] of [
    ['a folder', '/1g.bin'],
    ["a handler's file()", '/body/1g.bin'],
  ]) {
    const server = kind === 'a folder' ? await serveFolder(root) : await startServer({ dir: root });
    await beside(kind, server, path, seconds);
    await server.stop();
  }
  const server = await serveFolder(root);
  await large(server);
  await server.stop();
}

async function beside(kind, server, path, seconds) {
  const worker = (role) =>
    new Worker(new URL(import.meta.url), {
      workerData: { role, port: server.port, path, seconds },
    });
  // What a server needs once is there before anything is measured.
  const alone = worker('others');
  const [quiet] = await once(alone, 'message');
  const before = resident(server.pid);
  const readers = worker('readers');
  await once(readers, 'message');
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, resident(server.pid));
  }, 50);
  const others = worker('others');
  const [busy] = await once(others, 'message');
  clearInterval(timer);
  readers.postMessage('stop');
  const [{ bytes, least }] = await once(readers, 'message');
  await check(`${READERS} slow readers of 1 GiB from ${kind}: memory`, () => {
    assert.ok(least > 0, 'a reader got nothing');
    const growth = most - before;
    assert.ok(growth < MOST, `it grew by ${mib(growth)}`);
    return `${mib(before)}, at most ${mib(growth)} more; ${mib(bytes)} read meanwhile`;
  });
  await check(`${READERS} slow readers of 1 GiB from ${kind}: others`, () => {
    const text = `p99 ${busy.p99.toFixed(2)} ms, alone ${quiet.p99.toFixed(2)} ms, ${busy.count} requests`;
    assert.ok(busy.p99 < Math.max(MOST_MS, 3 * quiet.p99), text);
    return text;
  });
}

async function large(server) {
  const size = 5 * GIB;
  const curl = program('curl');
  if (curl !== null) {
    await check('5 GiB as a whole', async () => {
      const begun = performance.now();
      const format = '%{http_code} %{size_download}';
      const args = ['-s', '-o', '/dev/null', '-w', format, `${server.url}/5g.bin`];
      const { out } = await run(curl, args, { seconds: 300 });
      assert.equal(out, `200 ${size}`);
      return `${((performance.now() - begun) / 1000).toFixed(1)} s`;
    });
  }
  await check('ranges beyond 4 GiB', async () => {
    for (const [range, first, last] of [
      ['4294967290-4294967300', 4_294_967_290, 4_294_967_300],
      ['-5', size - 5, size - 1],
      [`${4 * GIB}-${4 * GIB + 1_000_000}`, 4 * GIB, 4 * GIB + 1_000_000],
      [`${size - 1}-`, size - 1, size - 1],
    ]) {
      const answer = await fetch(`${server.url}/5g.bin`, { headers: { range: `bytes=${range}` } });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers.get('content-range'), `bytes ${first}-${last}/${size}`);
      assert.equal((await answer.arrayBuffer()).byteLength, last - first + 1);
    }
  });
  await check('the last GiB of it', async () => {
    const headers = { range: `bytes=${4 * GIB}-` };
    const answer = await fetch(`${server.url}/5g.bin`, { headers });
    let bytes = 0;
    for await (const chunk of answer.body) bytes += chunk.length;
    assert.equal(bytes, GIB);
  });
}

/** Many sockets that take a piece now and then. */
async function readSlowly({ port, path }) {
  const got = Array(READERS).fill(0);
  const sockets = got.map((_, nth) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.write(get(path));
    let room = 0;
    socket.on('readable', () => take());
    const take = () => {
      while (room > 0) {
        const piece = socket.read();
        if (piece === null) return;
        got[nth] += piece.length;
        room -= piece.length;
      }
    };
    return {
      end: () => socket.destroy(),
      more: () => {
        room = PIECE;
        take();
      },
    };
  });
  const timer = setInterval(() => {
    for (const socket of sockets) socket.more();
  }, PAUSE_MS);
  await sleep(1000);
  parentPort.postMessage('ready');
  await once(parentPort, 'message');
  clearInterval(timer);
  for (const socket of sockets) socket.end();
  parentPort.postMessage({ bytes: got.reduce((sum, n) => sum + n, 0), least: Math.min(...got) });
}

/** Another client: a small file over a connection that it keeps, every few milliseconds. */
async function askOften({ port, seconds }) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const times = [];
  let [text, answered] = ['', () => {}];
  socket.setEncoding('latin1').on('data', (piece) => {
    text += piece;
    const head = text.indexOf('\r\n\r\n');
    if (head >= 0 && text.length === head + 4 + 1000) answered();
  });
  let isOver = false;
  socket.on('close', () => {
    if (!isOver) throw new Error('the server closed the connection');
  });
  const end = performance.now() + seconds * 1000;
  const request = get('/small.txt');
  while (performance.now() < end) {
    const begun = performance.now();
    text = '';
    const answer = new Promise((resolve) => {
      answered = resolve;
    });
    socket.write(request);
    await answer;
    times.push(performance.now() - begun);
    await sleep(2);
  }
  isOver = true;
  socket.destroy();
  parentPort.postMessage({ p99: percentile(times, 0.99), count: times.length });
}
