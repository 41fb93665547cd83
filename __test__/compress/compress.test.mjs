// Compression of handlers' answers, as clients see it.

import { execFile } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import test from 'ava';
import { Agent, request as undici } from 'undici';
import { serve as command } from '../support/command.mjs';
import { moduleOf } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { start } from '../support/server.mjs';
import { authority, withCertificates } from '../tls/certificates.mjs';

const { brotliDecompressSync, gunzipSync } = zlib;

const DECODED = { br: brotliDecompressSync, zstd: zlib.zstdDecompressSync, gzip: gunzipSync };

/** Node has zstd from 22.15 on; before that nothing here could read it. */
const CODINGS = zlib.zstdDecompressSync === undefined ? ['br', 'gzip'] : ['br', 'zstd', 'gzip'];

const ROWS = Array.from({ length: 300 }, (_, id) => ({ id, name: `user ${id}`, active: true }));
const JSON_TEXT = JSON.stringify(ROWS);
/** Larger than what a loop compresses itself. */
const LARGE = JSON_TEXT.repeat(20);

/** One request over a connection of its own; the body as it was sent and as it reads. */
async function get(server, path, headers = { 'accept-encoding': 'gzip, br' }, method = 'GET') {
  const answer = await undici(new URL(path, server.url), { method, headers });
  const raw = Buffer.from(await answer.body.arrayBuffer());
  const coding = answer.headers['content-encoding'];
  const decode = DECODED[coding] ?? ((bytes) => bytes);
  return {
    status: answer.statusCode,
    headers: answer.headers,
    coding,
    raw,
    text: method === 'HEAD' ? '' : decode(raw).toString(),
  };
}

const answer = (body, headers = {}, status = 200) =>
  new Response(body, { status, headers: { 'content-type': 'application/json', ...headers } });

const HANDLERS = {
  '/json': () => Response.json(ROWS),
  '/text': () => new Response(JSON_TEXT),
  '/bytes': () => answer(Buffer.from(JSON_TEXT)),
  '/large': () => answer(LARGE, { etag: '"x"' }),
  '/tagged': () => answer(JSON_TEXT, { etag: '"x"', 'accept-ranges': 'bytes', vary: 'Origin' }),
  '/missing': () => answer(JSON_TEXT, {}, 404),
  '/small': () => answer('{}'),
  '/image': () => answer(JSON_TEXT, { 'content-type': 'image/png' }),
  '/encoded': () => answer(JSON_TEXT, { 'content-encoding': 'x-own' }),
  '/part': () => answer(JSON_TEXT, { 'content-range': 'bytes 0-9/99' }, 206),
  '/fixed': () => answer(JSON_TEXT, { 'cache-control': 'max-age=1, no-transform' }),
  '/private': () => answer(JSON_TEXT, { 'cache-control': 'private' }),
  '/cookie': () => answer(JSON_TEXT, { 'set-cookie': 'a=b' }),
  '/none': () => new Response(null, { status: 204 }),
  '/same': () => new Response(null, { status: 304, headers: { etag: '"x"' } }),
};

const fetch = (request) => HANDLERS[new URL(request.url).pathname]();

test('what is compressed, and what its fields say', async (t) => {
  const server = await start(t, { fetch, compress: true });
  for (const path of ['/json', '/text', '/bytes', '/large', '/tagged', '/missing']) {
    const expected = path === '/large' ? LARGE : JSON_TEXT;
    for (const coding of CODINGS) {
      const headers = { 'accept-encoding': coding };
      const { text, raw, ...got } = await get(server, path, headers);
      t.is(got.coding, coding, path);
      t.is(text, expected, path);
      t.is(Number(got.headers['content-length']), raw.length, path);
      t.true(raw.length < expected.length / 4, path);
      t.regex([got.headers.vary].flat().join(), /accept-encoding/i, path);
      const head = await get(server, path, headers, 'HEAD');
      for (const name of ['content-length', 'content-encoding', 'etag', 'vary', 'content-type']) {
        t.deepEqual(head.headers[name], got.headers[name], `${path}: ${name} to HEAD`);
      }
    }
  }
  const tagged = await get(server, '/tagged');
  t.is(tagged.headers.etag, 'W/"x"');
  t.is(tagged.headers['accept-ranges'], undefined);
  t.is([tagged.headers.vary].flat().join(', '), 'Origin, Accept-Encoding');
  t.is((await get(server, '/missing')).status, 404);
});

test('what is left alone', async (t) => {
  const server = await start(t, { fetch, compress: true });
  const paths = ['/small', '/image', '/encoded', '/part', '/fixed', '/private', '/cookie'];
  for (const path of [...paths, '/none', '/same']) {
    const { coding, headers } = await get(server, path);
    t.is(coding, path === '/encoded' ? 'x-own' : undefined, path);
    t.is(headers.vary, undefined, path);
  }
  t.is((await get(server, '/same')).headers.etag, '"x"');
});

test('the client chooses, and caches hear of it also where it gets the bytes as they are', async (t) => {
  const server = await start(t, { fetch, compress: true });
  const clients = [
    ['br, gzip', 'br'],
    ['gzip, br', 'br'],
    ['gzip;q=1, br;q=0.9', 'gzip'],
    ['*', 'br'],
    ['br;q=0, zstd;q=0, *;q=0.1', 'gzip'],
    ['x-gzip', 'gzip'],
    ['identity;q=0, gzip;q=0.001', 'gzip'],
    ['zstd;q=0, deflate', undefined],
    ...(CODINGS.includes('zstd')
      ? [
          ['gzip, deflate, br, zstd', 'br'],
          ['gzip, zstd', 'zstd'],
          ['br;q=0.8, zstd;q=0.9', 'zstd'],
          ['br;q=0, *;q=0.1', 'zstd'],
        ]
      : []),
    ['identity, gzip;q=0.5', undefined],
    ['gzip;q=0', undefined],
    ['', undefined],
    [undefined, undefined],
  ];
  for (const [accept, coding] of clients) {
    const headers = accept === undefined ? {} : { 'accept-encoding': accept };
    const got = await get(server, '/tagged', headers);
    t.is(got.coding, coding, accept);
    t.is(got.text, JSON_TEXT, accept);
    t.is(got.headers.etag, coding ? 'W/"x"' : '"x"', accept);
    t.regex([got.headers.vary].flat().join(), /Accept-Encoding/, accept);
  }
});

test('without the option nothing is compressed', async (t) => {
  for (const compress of [undefined, false, { codings: [] }]) {
    const server = await start(t, { fetch, compress });
    const { coding, headers } = await get(server, '/tagged');
    t.deepEqual([coding, headers.vary, headers.etag], [undefined, 'Origin', '"x"']);
  }
});

test('the members of the option', async (t) => {
  const compress = {
    threshold: 2,
    codings: ['gzip'],
    types: ['Image/PNG'],
    private: true,
    effort: 'dense',
  };
  const server = await start(t, { fetch, compress });
  for (const path of ['/image', '/private', '/cookie']) {
    t.is((await get(server, path)).coding, 'gzip', path);
  }
  // It would be no shorter.
  t.is((await get(server, '/small')).coding, undefined);
  t.is((await get(server, '/text', { 'accept-encoding': 'br' })).coding, undefined);
});

test('padding hides the length, and no decoder sees it', async (t) => {
  const server = await start(t, { fetch, compress: { padding: 200 } });
  for (const coding of CODINGS) {
    const lengths = new Set();
    for (let round = 0; round < 20; round += 1) {
      const { raw, text } = await get(server, '/text', { 'accept-encoding': coding });
      t.is(text, JSON_TEXT);
      lengths.add(raw.length);
    }
    t.true(lengths.size > 5, `${coding}: ${[...lengths]}`);
  }
});

test('routes without JavaScript are compressed too, and a route may say no', async (t) => {
  const headers = { 'content-type': 'text/css', etag: '"s"' };
  const server = await start(t, {
    compress: true,
    routes: {
      '/static': { body: JSON_TEXT, headers },
      '/static-plain': { body: JSON_TEXT, headers, compress: false },
      '/handler': { GET: () => new Response(JSON_TEXT) },
      '/handler-plain': { GET: () => new Response(JSON_TEXT), compress: false },
    },
  });
  for (const coding of CODINGS) {
    const accept = { 'accept-encoding': coding };
    for (const path of ['/static', '/handler']) {
      const got = await get(server, path, accept);
      t.is(got.coding, coding);
      t.is(got.text, JSON_TEXT);
    }
    t.is((await get(server, '/static', accept)).headers.etag, 'W/"s"');
    const head = await get(server, '/static', accept, 'HEAD');
    t.is(head.coding, coding);
  }
  const plain = await get(server, '/static', {});
  t.is(plain.text, JSON_TEXT);
  t.deepEqual([plain.headers.etag, plain.headers.vary], ['"s"', 'Accept-Encoding']);
  for (const path of ['/static-plain', '/handler-plain']) {
    const got = await get(server, path);
    t.deepEqual([got.coding, got.headers.vary, got.text], [undefined, undefined, JSON_TEXT]);
  }
  server.reload({ routes: { '/static': { body: `${JSON_TEXT} `, headers } } });
  t.is((await get(server, '/static')).text, `${JSON_TEXT} `, 'new routes are compressed anew');
});

/** A body whose pieces come when the test wants. */
function pieces() {
  let controller;
  const stream = new ReadableStream({ start: (given) => (controller = given) });
  const encoder = new TextEncoder();
  return {
    stream,
    push: (text) => controller.enqueue(encoder.encode(text)),
    end: () => controller.close(),
    fail: () => controller.error(new Error('over')),
  };
}

const DECODER = {
  br: zlib.createBrotliDecompress,
  zstd: zlib.createZstdDecompress,
  gzip: zlib.createGunzip,
};

for (const coding of CODINGS) {
  test(`events of ${coding} arrive one by one`, async (t) => {
    const body = pieces();
    const headers = { 'content-type': 'text/event-stream' };
    const server = await start(t, {
      compress: true,
      fetch: () => new Response(body.stream, { headers }),
    });
    body.push('data: 0\n\n');
    const response = await undici(server.url, { headers: { 'accept-encoding': coding } });
    t.is(response.headers['content-encoding'], coding);
    const decoder = response.body.pipe(DECODER[coding]());
    const read = decoder[Symbol.asyncIterator]();
    for (let event = 0; event < 20; event += 1) {
      // The next is sent only when this one has been read.
      t.is(String((await read.next()).value), `data: ${event}\n\n`);
      body.push(`data: ${event + 1}\n\n`);
    }
    t.is(String((await read.next()).value), 'data: 20\n\n');
    body.end();
    t.true((await read.next()).done);
  });
}

test('a large stream, one with a declared length, and one that fails', async (t) => {
  const whole = LARGE.repeat(10);
  const stream = () => new Blob([whole]).stream();
  const failing = pieces();
  const server = await start(t, {
    compress: true,
    error: () => new Response('', { status: 500 }),
    fetch: (request) => {
      const headers = { 'content-type': 'text/plain' };
      switch (new URL(request.url).pathname) {
        case '/declared':
          headers['content-length'] = String(whole.length);
          return new Response(stream(), { headers });
        case '/fails':
          return new Response(failing.stream, { headers });
        default:
          return new Response(stream(), { headers });
      }
    },
  });
  for (const path of ['/', '/declared']) {
    for (const coding of CODINGS) {
      const got = await get(server, path, { 'accept-encoding': coding });
      t.is(got.coding, coding);
      t.true(got.text === whole, path);
      t.is(got.headers['content-length'], undefined);
    }
  }
  failing.push('before the fault');
  const response = await undici(new URL('/fails', server.url), {
    headers: { 'accept-encoding': 'gzip' },
  });
  const chunks = response.body[Symbol.asyncIterator]();
  await chunks.next();
  failing.fail();
  await t.throwsAsync(async () => {
    while (!(await chunks.next()).done);
  });
});

test('streams beyond the memory for them go as they are, and their memory comes back', async (t) => {
  const open = new Set();
  const server = await start(t, {
    compress: true,
    fetch: () => {
      const body = pieces();
      open.add(body);
      body.push('data: first\n\n');
      return new Response(body.stream, { headers: { 'content-type': 'text/event-stream' } });
    },
  });
  const ask = () =>
    new Promise((resolve, reject) => {
      const asked = http.get(server.url, { headers: { 'accept-encoding': 'gzip' }, agent: false });
      asked.on('response', (response) => {
        response.on('error', () => {});
        resolve({ coding: response.headers['content-encoding'], leave: () => asked.destroy() });
      });
      asked.on('error', reject);
    });
  const clients = [];
  while (clients.length < 300) {
    clients.push(await ask());
  }
  const coded = clients.filter(({ coding }) => coding === 'gzip').length;
  t.true(coded > 80 && coded < 300, `${coded}`);
  for (const { leave } of clients) {
    leave();
  }
  for (;;) {
    const { coding, leave } = await ask();
    leave();
    if (coding === 'gzip') {
      break;
    }
    await sleep(20);
  }
  t.pass();
});

test('HTTP/1.0: whole answers are compressed, a stream with its length is not', async (t) => {
  const body = pieces();
  const server = await start(t, {
    compress: true,
    fetch: (request) =>
      new URL(request.url).pathname === '/stream'
        ? new Response(body.stream, {
            headers: { 'content-type': 'text/plain', 'content-length': String(JSON_TEXT.length) },
          })
        : new Response(JSON_TEXT),
  });
  const finish = () => {
    body.push(JSON_TEXT.slice(10));
    body.end();
  };
  const raw = (path, begun = () => {}) =>
    new Promise((resolve, reject) => {
      const socket = net.connect(Number(server.port), '127.0.0.1');
      socket.write(`GET ${path} HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n`);
      const got = [];
      socket.once('data', begun);
      socket.on('data', (piece) => got.push(piece));
      socket.on('error', reject);
      socket.on('close', () => resolve(Buffer.concat(got)));
    });
  const whole = await raw('/');
  const at = whole.indexOf('\r\n\r\n') + 4;
  t.regex(whole.subarray(0, at).toString(), /Content-Encoding: gzip/);
  t.is(gunzipSync(whole.subarray(at)).toString(), JSON_TEXT);
  body.push(JSON_TEXT.slice(0, 10));
  // The rest only when the beginning has come: else it would be no stream.
  const stream = (await raw('/stream', finish)).toString();
  t.notRegex(stream, /Content-Encoding/);
  t.true(stream.endsWith(JSON_TEXT));
});

withCertificates(test)('over TLS', async (t) => {
  const { cert, key } = authority().issue();
  const server = await start(t, { fetch, compress: true, tls: { cert, key } });
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  t.teardown(() => dispatcher.close());
  for (const path of ['/text', '/large']) {
    const { headers, body } = await undici(new URL(path, server.url), {
      headers: { 'accept-encoding': 'br' },
      dispatcher,
    });
    t.is(headers['content-encoding'], 'br');
    const raw = Buffer.from(await body.arrayBuffer());
    t.true(brotliDecompressSync(raw).toString() === (path === '/large' ? LARGE : JSON_TEXT));
  }
});

test('wrong options are refused by name', async (t) => {
  const wrong = [
    [{ compress: 'gzip' }, /option "compress" must be true, false or an object/],
    [{ compress: { level: 4 } }, /unknown option "compress.level"/],
    [{ compress: { codings: ['deflate'] } }, /option "compress.codings" must be some of/],
    [{ compress: { padding: 257 } }, /option "compress.padding"/],
    [{ compress: { types: ['text'] } }, /option "compress.types"/],
    [{ compression: true }, /"compress"/],
  ];
  for (const [options, message] of wrong) {
    await t.throwsAsync(start(t, { fetch, ...options }), { message });
  }
  const routes = { '/': { GET: () => new Response(''), compress: 1 } };
  await t.throwsAsync(start(t, { routes }), { message: /must have a "compress"/ });
});

testWith('curl', test)('curl --compressed', async (t) => {
  const server = await start(t, { fetch, compress: true });
  const run = promisify(execFile);
  const args = ['-s', '--compressed', '-D', '-', new URL('/large', server.url).href];
  const { stdout } = await run('curl', args, { maxBuffer: 1 << 26 });
  t.regex(stdout, /Content-Encoding: (br|gzip)/);
  t.true(stdout.endsWith(LARGE));
});

test('reactor-rs serve --compress', async (t) => {
  const file = moduleOf(t, `export default () => new Response('a'.repeat(5000));`);
  const cases = [
    [['--compress', file], {}, 'br'],
    [[file], {}, undefined],
    [[file], { REACTOR_COMPRESS: 'gzip' }, 'gzip'],
    [[file], { REACTOR_COMPRESS: 'false' }, undefined],
  ];
  for (const [args, env, coding] of cases) {
    const child = await command(t, ['-p', '0', '-H', '127.0.0.1', ...args], { env });
    t.is((await get({ url: child.url }, '/')).coding, coding, `${args} ${JSON.stringify(env)}`);
    child.kill('SIGTERM');
    await child.closed;
  }
});
