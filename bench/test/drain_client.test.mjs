// The drain client names the fate of requests right, against servers that do one
// known thing to every connection.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { before, test } from 'node:test';
import { buildTools } from '../lib/build.mjs';
import { drainClient } from '../lib/paths.mjs';

const connections = 20;

before(buildTools);

function answer(extra = '') {
  return `HTTP/1.1 200 OK\r\nContent-Length: 13\r\n${extra}\r\nHello, World!`;
}

/**
 * Answers until the client is ready, then does `last(socket)` to what comes, or
 * `last.half(socket)` to the first half of a slow request.
 */
async function fates(last, ...args) {
  let stopping = false;
  const server = createServer((socket) => {
    let text = '';
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const requests = [...text.matchAll(/\r\n\r\n/g)].length;
      if (requests === 0) return;
      if (text.startsWith('POST') && text.length < text.indexOf('\r\n\r\n') + 4 + 1024) {
        if (stopping && last.half) last.half(socket);
        return;
      }
      const post = text.startsWith('POST');
      text = '';
      if (stopping && !(post && last.half)) last(socket);
      else socket.write(answer().repeat(requests));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = spawn(drainClient, ['-t', '30', ...args, String(server.address().port)]);
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'ready');
  stopping = true;
  const counts = JSON.parse((await lines.next()).value);
  server.close();
  return counts;
}

const load = ['-c', String(connections)];

/**
 * A client that loses its processor within send() finds the connection closed after
 * it, and says `raced`: so may some, but not all.
 */
function assertLost(counts, expected) {
  assert.ok(counts.lost > 0, 'all raced');
  assert.equal(counts.lost + counts.raced, expected);
}

test('a last answer with "Connection: close" loses nothing', async () => {
  const counts = await fates((socket) => socket.end(answer('Connection: close\r\n')), ...load);
  assert.equal(counts.lost + counts.partial + counts.raced + counts.open, 0);
  assert.ok(counts.answered > connections);
});

test('a connection ended without an answer is a lost request', async () => {
  const counts = await fates((socket) => socket.end(), ...load);
  assertLost(counts, connections);
  assert.equal(counts.partial, 0);
});

test('a connection reset without an answer is a lost request', async () => {
  const counts = await fates((socket) => socket.resetAndDestroy(), ...load);
  assertLost(counts, connections);
  assert.equal(counts.partial, 0);
});

test('an answer cut off is partial, what waits behind it is lost', async () => {
  const counts = await fates((socket) => socket.end(answer().slice(0, -3)), ...load, '-d', '3');
  assertLost(counts, 2 * connections);
  assert.equal(counts.partial, connections);
});

test('requests behind an announced close are declined', async () => {
  const counts = await fates(
    (socket) => socket.end(answer('Connection: close\r\n')),
    ...load,
    '-d',
    '3',
  );
  assert.deepEqual([counts.lost, counts.declined], [0, 2 * connections]);
});

test('an answer of another status is refused', async () => {
  const refusal =
    'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
  const counts = await fates((socket) => socket.end(refusal), ...load);
  assert.deepEqual([counts.lost, counts.refused], [0, connections]);
});

test('a close in the middle of a request is a cut', async () => {
  const last = (socket) => socket.end(answer('Connection: close\r\n'));
  last.half = (socket) => socket.end();
  // Whoever stalls between the halves, client or server, spoils it.
  let counts;
  for (let attempt = 0; attempt < 5 && counts?.cut !== 5; attempt++) {
    counts = await fates(last, '-c', '1', '-s', '5');
  }
  assert.deepEqual([counts.lost, counts.cut], [0, 5]);
});

test('connections that the server leaves open are counted', async () => {
  const counts = await fates(() => {}, ...load, '-t', '3');
  assert.equal(counts.open, connections);
});
