// The control counts requests right wherever segments are cut. Run with
// `node --test bench/test`.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildTools } from '../lib/build.mjs';
import { ask, get, split } from '../lib/http.mjs';
import { control } from '../lib/paths.mjs';
import { freePort, start } from '../lib/server.mjs';

let port;
let server;

before(async () => {
  buildTools();
  port = await freePort(18500);
  server = await start([control, '{port}'], port);
});
after(() => server.stop());

/**
 * Sends the pieces as segments of their own, then counts what comes back: not
 * before as many as are expected, and a little longer for what is too many.
 */
async function answers(pieces, expected) {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setNoDelay(true);
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  for (const piece of pieces) {
    socket.write(piece);
    await sleep(2);
  }
  const deadline = Date.now() + 10_000;
  while (split(received).length < expected && Date.now() < deadline) {
    await sleep(1);
  }
  await sleep(20);
  socket.destroy();
  assert.equal(received.length % split(received)[0].length, 0, 'only whole responses');
  return split(received).length;
}

test('a request in one piece', async () => {
  assert.equal((await ask(port, get('/')))[0].status, 200);
});

test('two requests cut at every place', async () => {
  const bytes = 'GET / HTTP/1.1\r\n\r\n'.repeat(2);
  for (let cut = 1; cut < bytes.length; cut++) {
    assert.equal(await answers([bytes.slice(0, cut), bytes.slice(cut)], 2), 2, `cut at ${cut}`);
  }
});

test('byte by byte', async () => {
  assert.equal(await answers([...get('/').repeat(2)], 2), 2);
});

test('bytes of a counted request are not counted again', async () => {
  assert.equal(await answers(['A\r\n\r\n', '\r\n', '\r', '\n'], 2), 2);
  assert.equal(await answers(['A\r\n\r\n', '\r\n', 'B\r\n\r\n'], 2), 2);
});

test('a pipeline of more than one receive buffer, read slowly', async () => {
  const count = 200_000;
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.write('\r\n\r\n'.repeat(count));
  await sleep(100);
  let received = 0;
  const length = (await ask(port, get('/')))[0].length;
  const done = new Promise((resolve) => {
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received >= count * length) resolve();
    });
  });
  socket.resume();
  await done;
  await sleep(20);
  assert.equal(received, count * length);
  socket.destroy();
});

test('a half-closed connection gets its answer and is closed', async () => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(get('/'));
  const chunks = [];
  for await (const chunk of socket) chunks.push(chunk);
  assert.equal(split(Buffer.concat(chunks)).length, 1);
});
