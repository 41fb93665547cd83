// Heads of requests and answers: what HTTP/1.1 takes and sends, HTTP/2 does, each in its own way.

import http from 'node:http';
import test from 'ava';
import { start } from '../support/server.mjs';
import { block } from './hpack.mjs';
import { continuation, fieldsOf, get, headers, Raw } from './raw.mjs';

const FRAME = 16_384;

/** A head in as many frames as it needs. */
function inFrames(stream, bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += FRAME) {
    const part = bytes.subarray(at, at + FRAME);
    const isLast = at + FRAME >= bytes.length;
    parts.push(
      at === 0 ? headers(stream, part, { more: !isLast }) : continuation(stream, part, isLast),
    );
  }
  return parts;
}

const overHttp1 = (port, fields) =>
  new Promise((resolve, reject) => {
    http
      .get({ port, host: '127.0.0.1', headers: fields, agent: false }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      })
      .on('error', reject);
  });

test('a head may be as large as the limit says, in as many frames as it takes', async (t) => {
  const limit = 1 << 20;
  const server = await start(t, {
    limits: { head: limit },
    fetch: (request) => new Response(String(request.headers.get('x-large').length)),
  });
  for (const size of [100_000, 200_000, limit - 1000, limit]) {
    const raw = await Raw.open(server.port);
    t.teardown(() => raw.destroy());
    // A byte that Huffman's code makes no shorter.
    const value = '!'.repeat(size);
    const fields = fieldsOf('/', { more: [['x-large', value]] });
    await raw.send(...inFrames(1, block(fields)));
    const expected = size < limit ? 200 : 431;
    t.is(await raw.outcome(1), String(expected), `${size} bytes over HTTP/2`);
    if (expected === 200) t.is(raw.stream(1).body, String(size));
    t.is(await overHttp1(server.port, { 'x-large': value }), expected, `${size} over HTTP/1.1`);
  }
});

test('no answer has a field of HTTP/1’s connections', async (t) => {
  const fields = {
    upgrade: 'h2,h2c',
    te: 'trailers',
    'proxy-connection': 'close',
    'keep-alive': 'timeout=5',
    'x-own': '1',
  };
  const server = await start(t, {
    routes: {
      '/inline': new Response('x', { headers: fields }),
      '/function': () => new Response('x', { headers: fields }),
      '/426': () =>
        new Response('x', { status: 426, headers: { upgrade: 'websocket', 'x-own': '1' } }),
    },
    fetch: () =>
      new Response('x', {
        headers: { ...fields, connection: 'upgrade', 'transfer-encoding': 'chunked' },
      }),
  });
  const raw = await Raw.open(server.port);
  t.teardown(() => raw.destroy());
  for (const [n, path] of ['/inline', '/function', '/426', '/fetch'].entries()) {
    const stream = 2 * n + 1;
    await raw.send(get(stream, path));
    const answer = await raw.answer(stream);
    t.is(answer.body, 'x');
    const names = answer.fields.map(([name]) => name).filter((name) => name !== 'content-type');
    t.deepEqual(names.sort(), ['content-length', 'date', 'x-own'], path);
  }
});
