// What clients can make the server hold: bounded in bytes, whatever they send and do not read.

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { serve, until } from '../support/command.mjs';
import { moduleOf } from '../support/folder.mjs';

const MIB = 1024 * 1024;

/** A server of its own, so that its memory is its own. */
async function start(t, source, ...args) {
  const server = await serve(t, [moduleOf(t, source), '-p', '0', '--host', '127.0.0.1', ...args]);
  const ask = async (path) => {
    const answer = await fetch(new URL(path, server.url));
    t.is(answer.status, 200);
    return answer.text();
  };
  return { server, ask };
}

/** Resident memory in bytes. */
function resident(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

/** Watches how much a process's memory grows. */
function growth(t, pid) {
  const before = resident(pid);
  let most = before;
  const look = () => {
    most = Math.max(most, resident(pid));
    return most - before;
  };
  const timer = setInterval(look, 5);
  t.teardown(() => clearInterval(timer));
  return look;
}

/** A client that counts what it gets. */
function client(t, { port }, input) {
  const socket = connect(port, '127.0.0.1');
  const got = { bytes: 0, answers: 0, socket };
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  socket.on('data', (data) => {
    got.bytes += data.length;
    got.answers += data.toString('latin1').split('HTTP/1.1 200 OK\r\n').length - 1;
  });
  socket.write(input);
  return got;
}

const get = (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

/** Turns of all threads: what is under way has arrived behind so many answers. */
async function settle(ask) {
  for (let i = 0; i < 100; i++) {
    await ask('/ping');
  }
}

const LARGE = `
  let made = 0, waiting = [];
  const large = () => new Uint8Array(4 * 1024 * 1024).fill(++made);
  export default async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/slow') {
      await new Promise((resolve) => waiting.push(resolve));
      return new Response('slow');
    }
    if (pathname === '/large') return new Response(large());
    if (pathname === '/later') {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return new Response(large());
    }
    if (pathname === '/waiting') return new Response(String(waiting.length));
    if (pathname === '/go') for (const resolve of waiting.splice(0)) resolve();
    return new Response('ok');
  };
`;

for (const path of ['/large', '/later']) {
  test.serial(`large answers that wait behind a slow one are few: ${path}`, async (t) => {
    t.timeout(120_000);
    const { server, ask } = await start(t, LARGE, '-i', '1', '-w', '1');
    for (let i = 0; i < 4; i++) {
      await ask(path);
    }
    const grown = growth(t, server.process.pid);
    const input = get('/slow') + get(path).repeat(63);
    const clients = Array.from({ length: 4 }, () => client(t, server, input));
    await until(async () => (await ask('/waiting')) === '4', 'the slow handlers');
    await settle(ask);
    const held = grown();
    t.true(
      held < 64 * MIB,
      `${(held / MIB).toFixed(1)} MiB are held for ${4 * input.length} bytes`,
    );
    await ask('/go');
    const whole = 63 * 4 * MIB;
    // A gigabyte in all; only the test's own time ends this.
    while (!clients.every(({ bytes }) => bytes > whole)) {
      await sleep(10);
    }
    t.deepEqual(
      clients.map(({ answers }) => answers),
      [64, 64, 64, 64],
    );
  });
}

test.serial('one text for many clients that do not read it is there once', async (t) => {
  const source = `
    const text = 'x'.repeat(1024 * 1024);
    export default ({ url }) => new Response(url.endsWith('/large') ? text : 'ok');
  `;
  const { server, ask } = await start(t, source, '-i', '1', '-w', '1');
  await ask('/large');
  const grown = growth(t, server.process.pid);
  const sockets = Array.from({ length: 100 }, () => {
    const { socket } = client(t, server, get('/large').repeat(16));
    socket.pause();
    return socket;
  });
  // What the kernel takes of each is no memory of the process.
  await settle(ask);
  t.is(sockets.length, 100);
  const held = grown();
  t.true(held < 48 * MIB, `${(held / MIB).toFixed(1)} MiB are held`);
});

const UPLOADS = `
  let waiting = [];
  export default async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/hold') await new Promise((resolve) => waiting.push(resolve));
    if (pathname === '/waiting') return new Response(String(waiting.length));
    if (pathname === '/go') for (const resolve of waiting.splice(0)) resolve();
    const { byteLength } = await request.arrayBuffer();
    return new Response(String(byteLength));
  };
`;

test.serial('uploads that nobody reads share bodyMemory, and stop no other', async (t) => {
  t.timeout(120_000);
  const { server, ask } = await start(t, UPLOADS, '-i', '1', '--body-memory', String(MIB));
  const size = 1024 * 1024;
  const upload = (path) =>
    Buffer.concat([
      Buffer.from(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`),
      Buffer.alloc(size, 'u'),
    ]);
  await ask('/ping');
  const grown = growth(t, server.process.pid);
  const held = Array.from({ length: 400 }, () => client(t, server, upload('/hold')));
  await until(async () => (await ask('/waiting')) === '400', 'the handlers');
  await settle(ask);
  const most = grown();
  // 1 MiB, and 16 KiB for each; the rest is what 400 connections and handlers take.
  t.true(most < 40 * MIB, `${(most / MIB).toFixed(1)} MiB are held`);

  // Others are read while these hold the room, and small bodies too.
  const other = client(t, server, upload('/other'));
  await until(() => other.answers === 1, 'an upload that is read');
  const small = await fetch(server.url, { method: 'POST', body: 'small' });
  t.is(await small.text(), '5');

  await ask('/go');
  await until(() => held.every(({ answers }) => answers === 1), 'all uploads to be read');
});
