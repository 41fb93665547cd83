// A disk that fails, and a process that may open no more files: 500 or 503, logged, and all is well
// again when the cause is gone. A full disk is none for who only reads; the log may be on it.
//
//   node scripts/trials/files/disk.mjs

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { check, finish, get, program, run, scratch, startServer } from './lib.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const FILES = 400;
/** What failing.c makes fail. */
const [FAILING, SMALL] = [123_457, 4_567];
/** Node, the loops and the pool have about fifty themselves. */
const DESCRIPTORS = 120;

const root = scratch('disk');
for (let n = 0; n < FILES; n++) writeFileSync(join(root, `${n}.txt`), `file ${n}`);
writeFileSync(join(root, 'large.bin'), Buffer.alloc(1 << 20, 'x'));
writeFileSync(join(root, 'failing.bin'), Buffer.alloc(FAILING, 'x'));
writeFileSync(join(root, 'failing.css'), Buffer.alloc(FAILING, 'x'));
writeFileSync(join(root, 'small.bin'), Buffer.alloc(SMALL, 'x'));

await failingDisk();
await fewDescriptors();
await noDescriptorsLeft();
finish();

/** A status, or what the connection said. */
async function statusOf(url, headers = {}) {
  try {
    const answer = await request(url, { headers, headersTimeout: 20_000, bodyTimeout: 20_000 });
    const bytes = await answer.body.arrayBuffer();
    assert.equal(bytes.byteLength, Number(answer.headers['content-length'] ?? bytes.byteLength));
    return answer.statusCode;
  } catch (error) {
    if (error.name === 'AssertionError' || /TIMEOUT/.test(error.code)) throw error;
    return 'closed';
  }
}

async function failingDisk() {
  const gcc = program('gcc', 'apt-get install gcc libc6-dev');
  if (gcc === null) return;
  const library = join(root, '.failing.so');
  const source = join(HERE, 'failing.c');
  const { code, out } = await run(gcc, ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl']);
  assert.equal(code, 0, out);
  const server = await startServer({ dir: root }, { env: { LD_PRELOAD: library } });
  for (const [name, path, headers] of [
    ['as it is', '/failing.bin', {}],
    ['a small one', '/small.bin', {}],
    ['a range', '/failing.bin', { range: 'bytes=0-99' }],
    ['large range', '/failing.bin', { range: 'bytes=0-120000' }],
    ['compressed', '/failing.css', { 'accept-encoding': 'gzip' }],
    ["a handler's file()", '/body/failing.bin', {}],
  ]) {
    await check(`a disk that fails: ${name}`, async () => {
      // A line a second is logged, not more.
      await sleep(1100);
      const before = server.errors().length;
      const status = await statusOf(`${server.url}${path}`, headers);
      // What has begun can only be broken off.
      assert.ok([500, 503, 'closed'].includes(status), `${status}`);
      assert.equal(await statusOf(`${server.url}/1.txt`), 200);
      assert.equal(await statusOf(`${server.url}/large.bin`), 200);
      for (let waits = 0; waits < 40 && server.errors().length === before; waits++) await sleep(50);
      const said = server.errors().slice(before).trim().split('\n')[0];
      assert.notEqual(said, '', `${status}, and nothing is logged`);
      return `${status}; ${said}`;
    });
  }
  await server.stop();
}

async function fewDescriptors() {
  const server = await startServer({ dir: root }, { descriptors: DESCRIPTORS });
  await check(`${FILES} files with ${DESCRIPTORS} descriptors`, async () => {
    const counts = {};
    for (let n = 0; n < FILES; n++) {
      const status = await statusOf(`${server.url}/${n}.txt`);
      counts[status] = (counts[status] ?? 0) + 1;
    }
    // Whatever is kept of descriptors has to give way.
    assert.deepEqual(Object.keys(counts), ['200'], JSON.stringify(counts));
    const files = readdirSync(`/proc/${server.pid}/fd`).filter((fd) => {
      try {
        return readlinkSync(`/proc/${server.pid}/fd/${fd}`).startsWith(root);
      } catch {
        return false;
      }
    });
    return `${files.length} of them are kept open`;
  });
  await server.stop();
}

async function noDescriptorsLeft() {
  const server = await startServer({ dir: root }, { descriptors: DESCRIPTORS });
  assert.equal(await statusOf(`${server.url}/0.txt`), 200);
  await check('connections take all descriptors, and then files are asked for', async () => {
    const sockets = Array.from({ length: DESCRIPTORS * 2 }, () => {
      const socket = connect({ port: server.port, host: '127.0.0.1' });
      socket.setEncoding('latin1').on('error', () => {});
      socket.text = '';
      socket.on('data', (text) => {
        socket.text += text;
      });
      return socket;
    });
    await sleep(1000);
    for (const [n, socket] of sockets.entries()) socket.write(get(`/${n}.txt`));
    await sleep(1500);
    const counts = {};
    for (const { text } of sockets) {
      const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'none yet';
      counts[status] = (counts[status] ?? 0) + 1;
    }
    const known = ['200', '500', '503', 'none yet'];
    assert.deepEqual(
      Object.keys(counts).filter((key) => !known.includes(key)),
      [],
      JSON.stringify(counts),
    );
    const ended = sockets
      .filter((socket) => !socket.destroyed)
      .map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.destroy();
    await Promise.all(ended);
    return JSON.stringify(counts);
  });
  await check('they are gone, and files are served again', async () => {
    for (let waits = 0; ; waits++) {
      const status = await statusOf(`${server.url}/399.txt`);
      if (status === 200) break;
      assert.ok(waits < 100, `still ${status}`);
      await sleep(100);
    }
    // Those that waited to be accepted go too.
    await sleep(1000);
    for (let n = 0; n < FILES; n += 7) {
      assert.equal(await statusOf(`${server.url}/${n}.txt`), 200, `${n}.txt`);
    }
    assert.equal(server.hasEnded(), false);
    return server.errors().trim().split('\n')[0];
  });
  await server.stop();
}
