// Large answers: their bytes, their order, and what programs do with the memory that they gave.

import test from 'ava';
import { copyOfBytes, giveBack } from '../../dist/fetch/copies.js';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

const KIB = 1024;

/** Texts of one, two and three bytes a character, and with half a character. */
const TEXTS = {
  ascii: (length, n) => `${n} `.padEnd(length, 'abcdefghij'),
  latin: (length, n) => `${n} `.padEnd(length, 'äöü'),
  wide: (length, n) => `${n} `.padEnd(length, '€中'),
  pairs: (length, n) => `${n} `.padEnd(length, '😀x'),
  half: (length, n) => `${n} `.padEnd(length, 'a\ud800'),
};

/** Around the limits: of what is large, of what is kept, and of memory that doubles. */
const LENGTHS = [
  16 * KIB - 1,
  16 * KIB,
  16 * KIB + 1,
  64 * KIB,
  100_000,
  256 * KIB,
  1024 * KIB,
  1024 * KIB + 1,
  1400 * KIB,
  4096 * KIB + 1,
];

async function handle(request) {
  const [, kind, length, n = ''] = new URL(request.url).pathname.split('/');
  if (kind === 'late') {
    await new Promise(setImmediate);
    return new Response(TEXTS.ascii(Number(length), n));
  }
  const text = (TEXTS[kind] ?? TEXTS.ascii)(Number(length), n);
  return new Response(kind === 'bytes' ? Buffer.from(text) : text);
}

const get = (path, method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

for (const kind of [...Object.keys(TEXTS), 'bytes']) {
  test(`${kind}: large answers are what the handler gave, however often`, async (t) => {
    const server = await start(t, { fetch: handle });
    for (const length of [...LENGTHS, ...LENGTHS.slice(0, 4)]) {
      for (const n of ['a', 'b', 'b']) {
        const answer = await fetch(`http://127.0.0.1:${server.port}/${kind}/${length}/${n}`);
        const wanted = Buffer.from((TEXTS[kind] ?? TEXTS.ascii)(length, n));
        const got = Buffer.from(await answer.arrayBuffer());
        t.true(got.equals(wanted), `${length} ${n}`);
        t.is(answer.headers.get('content-length'), String(wanted.length));
      }
    }
  });
}

test('large and small answers of one connection come in the order of the requests', async (t) => {
  const server = await start(t, { fetch: handle });
  const paths = [];
  for (let i = 0; i < 40; i++) {
    const kind = ['ascii', 'bytes', 'late', 'latin'][i % 4];
    const length = [10, 64 * KIB, 20 * KIB, 300 * KIB, 5][i % 5];
    paths.push(`/${kind}/${length}/${i}`);
  }
  const wire = await open(t, server);
  wire.send(`${paths.map((path) => get(path)).join('')}${get('/last/1/z', 'HEAD')}`);
  const wanted = paths.map((path) => {
    const [, kind, length, n] = path.split('/');
    return Buffer.from((TEXTS[kind] ?? TEXTS.ascii)(Number(length), n)).toString('latin1');
  });
  const total = wanted.reduce((sum, body) => sum + body.length, 0);
  const all = await wire.reads({
    test: (text) => text.length > total && text.endsWith('\r\n\r\n'),
  });
  let at = 0;
  for (const [index, body] of wanted.entries()) {
    at = all.indexOf('\r\n\r\n', at) + 4;
    t.true(all.startsWith(body, at), paths[index]);
    at += body.length;
    t.true(all.startsWith('HTTP/1.1 200 OK\r\n', at), paths[index]);
  }
});

test('HEAD of a large answer has its length and no body', async (t) => {
  const server = await start(t, { fetch: handle });
  const wire = await open(t, server);
  wire.send(get('/wide/65536/n', 'HEAD') + get('/bytes/16384/n', 'HEAD') + get('/ascii/3/abc'));
  const all = await wire.reads(/abc $/);
  const lengths = [...all.matchAll(/Content-Length: (\d+)/gi)].map(([, length]) => Number(length));
  t.deepEqual(lengths, [Buffer.byteLength(TEXTS.wide(65_536, 'n')), 16_384, 4]);
});

test('clients that read nothing get all of it once they read, and each its own', async (t) => {
  const server = await start(t, { fetch: handle });
  const requests = Array.from({ length: 8 }, async (_, n) => {
    const answer = await fetch(`http://127.0.0.1:${server.port}/bytes/${3000 * KIB}/${n}`);
    return { n, answer };
  });
  for (const { n, answer } of await Promise.all(requests)) {
    const got = Buffer.from(await answer.arrayBuffer());
    t.true(got.equals(Buffer.from(TEXTS.ascii(3000 * KIB, n))), `client ${n}`);
  }
});

test('a program may go on using the bytes that it gave', async (t) => {
  const page = new Uint8Array(64 * KIB);
  const server = await start(t, {
    fetch(request) {
      const n = Number(new URL(request.url).pathname.slice(1));
      page.fill(n);
      const response = new Response(page);
      page.fill(0xee);
      return response;
    },
  });
  const answers = Array.from({ length: 30 }, async (_, n) => {
    const answer = await fetch(`http://127.0.0.1:${server.port}/${n}`);
    return [n, new Uint8Array(await answer.arrayBuffer())];
  });
  for (const [n, got] of await Promise.all(answers)) {
    t.true(got.length === page.length && got.every((byte) => byte === n), `answer ${n}`);
  }
});

test('memory of a copy is used again only if nothing else refers to it', async (t) => {
  const fill = (n) => new Uint8Array(32 * KIB).fill(n);
  const kept = [];
  const server = await start(t, {
    async fetch(request) {
      const path = new URL(request.url).pathname;
      const response = new Response(fill(1));
      if (path === '/clone') {
        kept.push(response.clone());
      } else if (path === '/stream') {
        kept.push(new Response(response.clone().body));
      } else if (path === '/unsent') {
        kept.push(response);
        return new Response(fill(2));
      }
      return response;
    },
  });
  for (const path of ['/clone', '/stream', '/unsent', '/plain']) {
    for (let i = 0; i < 4; i++) {
      const got = await (await fetch(`http://127.0.0.1:${server.port}${path}`)).bytes();
      t.true(got.every((byte) => byte === (path === '/unsent' ? 2 : 1)));
    }
  }
  for (const response of kept) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    t.true(bytes.length === 32 * KIB && bytes.every((byte) => byte === 1));
  }
});

test('memory that is kept for copies is bounded, and foreign memory is not kept', (t) => {
  const MIB = 1024 * KIB;
  const given = new Set();
  for (let i = 0; i < 100; i++) {
    const { buffer } = Buffer.allocUnsafeSlow(MIB);
    given.add(buffer);
    giveBack(new Uint8Array(buffer));
  }
  // A view of a part of its memory is no copy of ours.
  const foreign = new ArrayBuffer(100_000);
  giveBack(new Uint8Array(foreign, 0, 20_000));
  const copies = Array.from({ length: 100 }, () => copyOfBytes(new ArrayBuffer(MIB), 0, MIB));
  t.is(copies.filter(({ buffer }) => given.has(buffer)).length, 4);
  t.not(copyOfBytes(new ArrayBuffer(20_000), 0, 20_000).buffer, foreign);
});
