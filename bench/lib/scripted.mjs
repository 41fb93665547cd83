// A scripted load that goes everywhere in the example server once: every route,
// rejections, pipelines, connections that vanish, a reader that does not read.
// Each step names the statuses that must come back.
//
// usage: node bench/lib/scripted.mjs PORT PID SECONDS
//
// Waits until the port accepts; loads the server for SECONDS; at the end it sends
// SIGTERM to PID.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, main } from './failure.mjs';
import { bench } from './load.mjs';

const host = 'Host: 127.0.0.1\r\n';
const kib = (n) => Buffer.alloc(n * 1024, 'x').toString();

const post = (body, fields = '') => {
  return `POST /echo HTTP/1.1\r\n${host}Content-Length: ${body.length}\r\n${fields}\r\n${body}`;
};
const chunked = (chunks, trailers = '') => {
  const coded = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  return `POST /echo HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${coded}0\r\n${trailers}\r\n`;
};
const get = (path, fields = '') => `GET ${path} HTTP/1.1\r\n${host}${fields}\r\n`;

/** Name, bytes (a list goes out in segments), statuses expected. */
const conversations = [
  ['the root', get('/'), [200]],
  ['the root, inline', get('/inline'), [200]],
  ['HEAD', `HEAD / HTTP/1.1\r\n${host}\r\n`, [200]],
  ['a query', get('/?a=1&b=2'), [200]],
  ['the health check', get('/healthz'), [200]],
  ['statistics', get('/stats'), [200]],
  ['the head echoed', get('/echo/head', 'X-One: 1\r\nX-Two: 2\r\n'), [200]],
  ['a body echoed', post('hello', 'Content-Type: text/plain\r\n'), [200]],
  ['an empty body', post(''), [200]],
  ['a large body', post(kib(1024)), [200]],
  ['a chunked body', chunked(['a', 'bc', kib(40)], 'X-Trailer: 1\r\n'), [200]],
  ['a chunked body in segments', chunked(['abc', 'def']).match(/.{1,7}/gs), [200]],
  ['a body in segments', post('hello').match(/.{1,9}/gs), [200]],
  ['a body that waits for 100', post('hello', 'Expect: 100-continue\r\n'), [100, 200], [200]],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', [200]],
  ['HTTP/1.0 kept alive', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'.repeat(2), [200, 200]],
  ['the last request', get('/', 'Connection: close\r\n'), [200]],
  ['an unknown path', get('/nowhere'), [404]],
  ['a method not allowed', `DELETE / HTTP/1.1\r\n${host}\r\n`, [405]],
  ['an unknown method', `BREW / HTTP/1.1\r\n${host}\r\n`, [501], [405]],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', [400]],
  ['a bare LF', `GET / HTTP/1.1\n${host}\r\n`, [400]],
  [
    'a bad chunk size',
    `POST /echo HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0x5\r\n`,
    [400],
  ],
  [
    'two lengths',
    `POST /echo HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    [400],
  ],
  [
    'a body over the limit',
    `POST /echo HTTP/1.1\r\n${host}Content-Length: 99999999999\r\n\r\n`,
    [413],
  ],
  ['a long target', get(`/${kib(9)}`), [414]],
  ['a large head', get('/', `X-Large: ${kib(17)}\r\n`), [431]],
  ['an unknown expectation', get('/', 'Expect: foo\r\n'), [417]],
  ['HTTP/2.0', `GET / HTTP/2.0\r\n${host}\r\n`, [505]],
  ['a TLS hello', Buffer.from('1603010200010001fc0303', 'hex'), [400]],
  ['a pipeline', get('/').repeat(20), Array(20).fill(200)],
  ['a pipeline past 64', get('/').repeat(100), Array(100).fill(200)],
  [
    'a mixed pipeline',
    get('/') + get('/inline') + post('x') + get('/nowhere'),
    [200, 200, 200, 404],
  ],
  ['a good then a bad request', `${get('/')}GET / HTTP/1.1\r\n\r\n${get('/')}`, [200, 400]],
];

/** Connections that leave at a bad moment: the bytes they send before. */
const departures = [
  ['without a word', ''],
  ['within a head', 'GET / HT'],
  ['within a body', post('hello').slice(0, -2)],
  ['within a chunk', chunked(['hello']).slice(0, -10)],
  ['before the answer', get('/')],
  ['before many answers', get('/').repeat(64)],
  ['before a large answer', post(kib(1024))],
];

/** Sends, half-closes and collects all that comes: the server answers, then closes. */
async function converse(port, bytes) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.setNoDelay(true);
  socket.setTimeout(60_000, () => socket.destroy(new Error('no end within 60 s')));
  const chunks = [];
  const ended = new Promise((resolve, reject) => {
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.once('end', resolve);
    socket.once('error', reject);
  });
  await once(socket, 'connect');
  for (const piece of Array.isArray(bytes) ? bytes : [bytes]) {
    socket.write(piece);
    if (Array.isArray(bytes)) await sleep(5);
  }
  socket.end();
  await ended;
  socket.destroy();
  const text = Buffer.concat(chunks).toString('latin1');
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

async function depart(port, bytes, reset) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  await new Promise((resolve) => socket.write(bytes || '', resolve));
  if (reset) socket.resetAndDestroy();
  else socket.destroy();
}

/** Asks for far more than socket buffers hold, reads nothing for a while, leaves. */
async function stall(port) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  for (let i = 0; i < 32; i++) socket.write(post(kib(512)));
  await sleep(2000);
  socket.resetAndDestroy();
}

/** Tells the server to stop while connections are idle, half asked and half answered. */
async function stopUnderWay(port, pid) {
  const moments = ['', get('/'), 'GET / HT', post('hello').slice(0, -2), post(kib(1024))];
  const sockets = [];
  for (const bytes of moments) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    await new Promise((resolve) => socket.write(bytes, resolve));
    sockets.push(socket);
  }
  await sleep(100);
  process.kill(pid, 'SIGTERM');
  const closed = sockets.map((socket) => {
    socket.resume();
    return once(socket, 'close');
  });
  const all = await Promise.race([Promise.all(closed), sleep(40_000, null, { ref: false })]);
  for (const socket of sockets) socket.destroy();
  if (!all) throw new Failure('connections are still open 40 s after SIGTERM');
}

async function awaitPort(port) {
  for (let tries = 0; tries < 600; tries++) {
    const socket = connect(port, '127.0.0.1');
    const open = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
      sleep(1000, false),
    ]);
    socket.destroy();
    if (open) return;
    await sleep(100);
  }
  throw new Failure(`nothing listens on port ${port}`);
}

await main(async () => {
  const [port, pid, seconds] = process.argv.slice(2).map(Number);
  await awaitPort(port);
  let wrong = 0;
  for (const [name, bytes, ...accepted] of conversations) {
    let statuses;
    try {
      statuses = await converse(port, bytes);
    } catch (error) {
      statuses = [error.message];
    }
    if (accepted.some((list) => list.join() === statuses.join())) continue;
    wrong++;
    console.error(`load: ${name}: expected ${accepted[0]}, got ${statuses.join() || 'nothing'}`);
  }
  for (const [, bytes] of departures) {
    await depart(port, bytes, true);
    await depart(port, bytes, false);
  }
  await stall(port);
  const target = { url: `http://127.0.0.1:${port}/` };
  const { requests, errors } = await bench({ connections: 8 }, target, seconds);
  console.error(`load: ${requests} requests, ${errors} errors`);
  const last = await converse(port, get('/'));
  if (last.join() !== '200') throw new Failure(`the last request got ${last.join() || 'nothing'}`);
  await stopUnderWay(port, pid);
  if (wrong + errors > 0) throw new Failure(`${wrong} wrong answers, ${errors} failed requests`);
  console.error(`load: ${conversations.length} conversations right`);
});
