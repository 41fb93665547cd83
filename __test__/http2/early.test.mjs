// Calls that are answered before their client has sent all, and what the client had sent by then. It is
// no fault: none of it may end the connection, which carries other calls.

import test from 'ava';
import { http2 } from '../../dist/node/index.js';
import { start } from '../support/server.mjs';
import { block } from './hpack.mjs';
import { data, get, headers, post, Raw, rst, windowUpdate } from './raw.mjs';

const FIRST_WINDOW = 65_535;
const odd = (n) => 2 * n + 1;

/** A connection, and what ends the call to `/wait`. */
async function opened(t) {
  let release;
  const isReleased = new Promise((resolve) => {
    release = resolve;
  });
  const server = await start(t, {
    fetch: async (request) => {
      switch (new URL(request.url).pathname) {
        case '/wait':
          await isReleased;
          return new Response('waited');
        case '/first':
          await request.body.getReader().read();
          return new Response('enough', { status: 400 });
        default:
          return new Response('not read', { status: 400 });
      }
    },
  });
  const raw = await Raw.open(server.port);
  t.teardown(() => raw.destroy());
  return { raw, release };
}

/** Messages of so many bytes, as many as a window takes behind what was sent. */
const messages = (stream, bytes, sent) =>
  Array.from({ length: Math.floor((FIRST_WINDOW - sent) / bytes) }, () =>
    data(stream, Buffer.alloc(bytes)),
  );

for (const path of ['/unread', '/first']) {
  test(`small messages that were under way when their call was answered: ${path}`, async (t) => {
    const { raw, release } = await opened(t);
    await raw.send(get(1, '/wait'));
    for (let stream = 3; stream < 13; stream += 2) {
      await raw.send(post(stream, path), data(stream, Buffer.alloc(10)));
      t.is(await raw.outcome(stream), '400');
      await raw.until(() => raw.stream(stream).reset === 'NO_ERROR', 'the end of the upload');
      await raw.send(...messages(stream, 10, 10), data(stream, '', true));
    }
    release();
    t.is(await raw.outcome(1), '200', 'the call beside them');
    t.is(raw.goaway, null);
  });
}

test('what is sent past the window of a call that was answered counts as useless', async (t) => {
  const { raw } = await opened(t);
  await raw.send(post(1, '/unread'));
  t.is(await raw.outcome(1), '400');
  const all = messages(1, 10, 0);
  await raw.send(...all, ...all.slice(0, 1100));
  t.is(await raw.over(), 'ENHANCE_YOUR_CALM');
});

test('clients that reset a call which was answered early', async (t) => {
  const { raw, release } = await opened(t);
  await raw.send(get(1, '/wait'));
  for (let n = 1; n <= 1500; n += 50) {
    const streams = Array.from({ length: 50 }, (_, at) => odd(n + at));
    await raw.send(...streams.map((stream) => post(stream, '/unread')));
    for (const stream of streams) {
      t.is(await raw.outcome(stream), '400');
    }
    await raw.send(...streams.map((stream) => rst(stream, 0)));
  }
  await raw.ponged();
  release();
  t.is(await raw.outcome(1), '200', 'the call beside them');
  t.is(raw.goaway, null);
});

test('a call that came after the last one, with trailers', async (t) => {
  let session;
  const server = http2.createServer((request, response) => {
    session = request.stream.session;
    server.once('go on', () => response.end('waited'));
    server.emit('come');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const raw = await Raw.open(server.address().port);
  t.teardown(() => raw.destroy());
  const come = new Promise((resolve) => server.once('come', resolve));
  await raw.send(get(1, '/wait'));
  await come;
  session.close();
  await raw.until(() => raw.goaway?.last === 1, 'the last call');
  await raw.send(
    post(3, '/late'),
    windowUpdate(3, 10),
    data(3, 'abc'),
    headers(3, block([['x-a', 'b']])),
  );
  await raw.ponged();
  server.emit('go on');
  t.is(await raw.outcome(1), '200', 'the call before it');
  t.is(raw.stream(3).reset, undefined, 'it may be asked again elsewhere');
  t.is(raw.goaway.code, 'NO_ERROR');
});

test('many requests that are refused with an answer', async (t) => {
  const { raw, release } = await opened(t);
  await raw.send(get(1, '/wait'));
  const refused = [
    ['a head that is too large', [['x-large', '!'.repeat(16_250)]], 431],
    ['an expectation', [['expect', 'nothing']], 417],
  ];
  let n = 1;
  for (const [what, more, status] of refused) {
    for (let turn = 0; turn < 30; turn++) {
      const streams = Array.from({ length: 50 }, () => odd(n++));
      await raw.send(...streams.map((stream) => get(stream, '/', more)));
      for (const stream of streams) t.is(await raw.outcome(stream), String(status), what);
    }
  }
  release();
  t.is(await raw.outcome(1), '200', 'the call beside them');
  t.is(raw.goaway, null);
});

test('a client resets all requests that it may have open', async (t) => {
  const server = await start(t, {
    limits: { streams: 1000 },
    fetch: (request) =>
      new URL(request.url).pathname === '/hang' ? new Promise(() => {}) : new Response('hello'),
  });
  const raw = await Raw.open(server.port);
  t.teardown(() => raw.destroy());
  await raw.ponged();
  const streams = Array.from({ length: 1000 }, (_, n) => odd(n));
  await raw.send(...streams.map((stream) => get(stream, '/hang')));
  await raw.ponged();
  await raw.send(...streams.map((stream) => rst(stream)));
  await raw.ponged();
  t.is(raw.goaway, null);
});
