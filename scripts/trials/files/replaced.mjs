// Files that change while they are sent. One that is replaced by rename is served whole, old or new;
// one that shrinks closes its connection, and the log says so; one that grows is sent as long as it was.
//
//   node scripts/trials/files/replaced.mjs [--seconds 5]

import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  appendFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { Agent, Pool, request } from 'undici';
import { check, finish, get, scratch, startServer } from './lib.mjs';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' } } });
const MS = Number(values.seconds) * 1000;
const root = scratch('replaced');
writeFileSync(join(root, 'ok.txt'), 'ok');
const server = await startServer({ dir: root });

const MIB = 1 << 20;
/** Longer than what sockets and the server may hold of it. */
const LONG = 64 * MIB;

/** A connection that reads only what it is told to. */
async function reader(path) {
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write(get(path));
  await once(socket, 'readable');
  return {
    /** All that comes until the server closes or `enough` bytes are there: its length. */
    async rest(enough) {
      let length = 0;
      let head;
      for await (const piece of socket) {
        head ??= piece.toString('latin1').split('\r\n\r\n')[0];
        length += piece.length;
        if (length - head.length - 4 >= enough) break;
      }
      return length - head.length - 4;
    },
  };
}

const alive = async () => {
  const answer = await request(`${server.url}/ok.txt`);
  assert.equal(await answer.body.text(), 'ok');
};

for (const prefix of ['', '/body']) {
  const from = prefix === '' ? 'a folder' : "a handler's file()";
  await check(`${from}: a file that shrinks while it is sent`, async () => {
    const path = join(root, 'shrinks.bin');
    writeFileSync(path, Buffer.alloc(LONG, 'a'));
    const before = server.errors().length;
    const client = await reader(`${prefix}/shrinks.bin`);
    await sleep(200);
    truncateSync(path, 100);
    const length = await client.rest(LONG);
    assert.ok(length < LONG, 'all of it came');
    await alive();
    for (let waits = 0; waits < 50 && server.errors().length === before; waits++) await sleep(50);
    const said = server.errors().slice(before).trim();
    assert.match(said, /shrinks\.bin|shr[aiu]nk|shorter/i, `the log says "${said}"`);
    return `${(length / MIB).toFixed(1)} MiB came; ${said.split('\n')[0]}`;
  });
  await check(`${from}: a file that grows while it is sent`, async () => {
    const path = join(root, 'grows.bin');
    writeFileSync(path, Buffer.alloc(LONG, 'a'));
    const client = await reader(`${prefix}/grows.bin`);
    appendFileSync(path, Buffer.alloc(MIB, 'b'));
    assert.equal(await client.rest(LONG), LONG);
    await alive();
  });
  await check(`${from}: a file that is deleted while it is sent`, async () => {
    const path = join(root, 'goes.bin');
    writeFileSync(path, Buffer.alloc(LONG, 'a'));
    const client = await reader(`${prefix}/goes.bin`);
    unlinkSync(path);
    assert.equal(await client.rest(LONG), LONG);
    await sleep(1500);
    const { statusCode, body } = await request(`${server.url}${prefix}/goes.bin`);
    await body.dump();
    assert.ok(prefix === '' ? statusCode === 404 : statusCode >= 404, `${statusCode}`);
  });
}

for (const [size, words] of [
  [3000, 'small'],
  [300_000, 'large'],
]) {
  await check(`a ${words} file is replaced by rename under load: whole, old or new`, async () => {
    const seen = await underLoad(`${words}.bin`, size, (path, version) => {
      writeFileSync(`${path}.new`, contentOf(version, size));
      renameSync(`${path}.new`, path);
    });
    return seen;
  });
}

await check('a file and its sibling are replaced under load', () =>
  underLoad(
    'app.js',
    20_000,
    (path, version) => {
      const content = contentOf(version, 20_000);
      writeFileSync(`${path}.new`, content);
      writeFileSync(`${path}.gz.new`, gzipSync(content));
      renameSync(`${path}.new`, path);
      renameSync(`${path}.gz.new`, `${path}.gz`);
    },
    { 'accept-encoding': 'gzip' },
  ),
);

await check('a file that is written in place under load keeps the server well', async () => {
  const path = join(root, 'in-place.bin');
  const pool = new Pool(server.url, { connections: 8 });
  let [whole, broken, version, isOver] = [0, 0, 0, false];
  writeFileSync(path, contentOf(0, 200_000));
  const readers = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      try {
        const answer = await pool.request({ path: '/in-place.bin', method: 'GET' });
        const bytes = await answer.body.arrayBuffer();
        assert.equal(bytes.byteLength, Number(answer.headers['content-length']));
        whole++;
      } catch (error) {
        // A connection may be closed within an answer, but never hang.
        if (error.name === 'AssertionError' || /timeout/i.test(error.code)) throw error;
        broken++;
      }
    }
  });
  const end = performance.now() + MS / 2;
  while (performance.now() < end) {
    writeFileSync(path, contentOf(++version, 100_000 + (version % 7) * 30_000));
    await sleep(2);
  }
  isOver = true;
  await Promise.all(readers);
  await pool.close();
  await alive();
  return `${version} versions, ${whole} answers, ${broken} connections closed`;
});

await check('the server is well', async () => {
  assert.equal(server.hasEnded(), false);
  await alive();
});

await server.stop();
rmSync(root, { recursive: true, force: true });
finish();

/** All bytes of a version are the same letter, and its length is its own. */
function contentOf(version, size) {
  return Buffer.alloc(size + (version % 1000), 97 + (version % 26));
}

/** Readers that check each answer, while `replace` makes version after version. */
async function underLoad(name, size, replace, headers = {}) {
  const path = join(root, name);
  replace(path, 0);
  const dispatcher = new Agent({ connections: 8 });
  const byTag = new Map();
  const fresh = new Set();
  let [answers, conditional, version, isOver] = [0, 0, 0, false];
  const read = async (fields) => {
    const answer = await fetchOf(name, { ...headers, ...fields }, dispatcher);
    if (answer.status === 304) {
      conditional++;
      return null;
    }
    assert.equal(answer.status, 200);
    const [first] = answer.bytes;
    assert.ok(
      answer.bytes.every((byte) => byte === first),
      'an answer of two versions',
    );
    const content = `${first} ${answer.bytes.length}`;
    // The same tag is the same bytes.
    assert.equal(byTag.get(answer.etag) ?? content, content, answer.etag);
    byTag.set(answer.etag, content);
    fresh.add(content);
    answers++;
    return answer.etag;
  };
  const readers = Array.from({ length: 8 }, async (_, nth) => {
    let etag = null;
    while (!isOver) {
      etag = await read(nth % 2 && etag ? { 'if-none-match': etag } : {});
    }
  });
  const failed = Promise.all(readers);
  failed.catch(() => {
    isOver = true;
  });
  const end = performance.now() + MS;
  while (performance.now() < end && !isOver) {
    replace(path, ++version);
    await sleep(version % 50 === 0 ? 1200 : 5);
  }
  isOver = true;
  await failed;
  // What was last is served soon.
  await sleep(1500);
  const last = await fetchOf(name, headers, dispatcher);
  assert.ok(last.bytes.equals(contentOf(version, size)), 'the last version is not served');
  await dispatcher.close();
  return `${version} versions, ${fresh.size} seen, ${answers} answers, ${conditional} of 304`;
}

async function fetchOf(name, headers, dispatcher) {
  const answer = await request(`${server.url}/${name}`, { headers, dispatcher });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  const { etag, 'content-encoding': coding } = answer.headers;
  const { gunzipSync } = await import('node:zlib');
  return { status: answer.statusCode, etag, bytes: coding === 'gzip' ? gunzipSync(bytes) : bytes };
}
