// The load client over HTTP/2: against Node's server, from JavaScript and from the command line.

import { once } from 'node:events';
import { createServer as createHttp1 } from 'node:http';
import { constants, createSecureServer, createServer } from 'node:http2';
import { createServer as createSecureHttp1 } from 'node:https';
import { createServer as createSocket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { bench, ReactorError } from '../../dist/index.js';
import { run } from '../support/command.mjs';
import { authority as newAuthority, withCertificates } from '../tls/certificates.mjs';

/** One after the other: each is load. */
const test = withCertificates(ava.serial);

const authority = newAuthority();

/** A server of HTTP/2 that calls `answer` with each stream, its fields and how many came before it. */
async function start(t, answer, { settings, tls, options } = {}) {
  const server = tls
    ? createSecureServer({ ...tls, settings })
    : createServer({ ...options, settings });
  const seen = { streams: 0, sessions: 0, most: 0, fields: [] };
  let open = 0;
  server.on('session', (session) => {
    seen.sessions++;
    session.on('error', () => {});
    t.teardown(() => session.destroy());
  });
  server.on('stream', (stream, fields) => {
    seen.most = Math.max(seen.most, ++open);
    stream.on('close', () => open--);
    stream.on('error', () => {});
    seen.fields.push(fields);
    answer(stream, fields, seen.streams++);
  });
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address();
  return { url: `http${tls ? 's' : ''}://localhost:${port}/`, port, seen };
}

function hello(stream, _fields, _nth) {
  stream.respond({ ':status': 200, 'content-length': 5 });
  stream.end('hello');
}

/** What came of the body, back again. */
function echo(stream) {
  const chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => {
    const body = Buffer.concat(chunks);
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'content-length': body.length });
    stream.end(body);
  });
}

const HTTP2 = { http2: true, requests: 300, connections: 3, expectBody: 'hello' };

test('requests go over streams and are counted, without TLS and over it', async (t) => {
  const { key, cert } = authority.issue({ names: ['localhost'] });
  for (const tls of [undefined, { key, cert }]) {
    const { url, seen } = await start(t, hello, { tls });
    const result = await bench(url, {
      ...HTTP2,
      streams: 7,
      ...(tls ? { tls: { ca: authority.cert } } : {}),
    });
    t.deepEqual([result.requests, result.succeeded, result.errors.total], [300, 300, 0]);
    t.deepEqual([seen.streams, result.settings.streams], [300, 7]);
    t.deepEqual(result.statuses, [{ status: 200, count: 300 }]);
    t.deepEqual(result.http2, { resets: [], goaways: [] });
    t.is(result.connections.opened, 3);
    t.true(seen.most > 3, `${seen.most} at once`);
    t.is(result.tls === null, tls === undefined);
  }
});

test('method, path, fields and body arrive as given, and large bodies both ways', async (t) => {
  const { url, port, seen } = await start(t, echo);
  const body = Buffer.alloc(300_000, 'body');
  const result = await bench(`${url}a%20b?c=d`, {
    ...HTTP2,
    requests: 40,
    method: 'PUT',
    headers: { 'X-One': 'caf\xe9', 'x-two': ['a', 'b'], cookie: 'x'.repeat(3000) },
    body,
    expectBody: body,
  });
  t.deepEqual([result.succeeded, result.errors.total], [40, 0], JSON.stringify(result.firstErrors));
  for (const fields of [seen.fields[0], seen.fields.at(-1)]) {
    t.is(fields[':method'], 'PUT');
    t.is(fields[':path'], '/a%20b?c=d');
    t.is(fields[':authority'], `localhost:${port}`);
    t.is(fields[':scheme'], 'http');
    t.is(fields['x-one'], 'caf\xe9');
    t.is(fields['x-two'], 'a, b');
    t.is(fields['content-length'], '300000');
    t.is(fields.cookie.length, 3000);
  }
});

test('a server that keeps to its windows gets credit for all that it sends, padding too', async (t) => {
  const body = Buffer.alloc(20 << 20, 'large');
  const options = { paddingStrategy: constants.PADDING_STRATEGY_MAX, maxSessionMemory: 1000 };
  const { url } = await start(
    t,
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.end(body);
    },
    { options },
  );
  const result = await bench(url, { ...HTTP2, connections: 1, requests: 4, expectBody: body });
  t.deepEqual([result.succeeded, result.errors.total], [4, 0], JSON.stringify(result.firstErrors));
});

test('interim answers and trailers are no answers', async (t) => {
  const { url } = await start(t, (stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'a' }));
    stream.end('hello');
  });
  const result = await bench(url, HTTP2);
  t.deepEqual(
    [result.succeeded, result.errors.total],
    [300, 0],
    JSON.stringify(result.firstErrors),
  );
  t.deepEqual(result.statuses, [{ status: 200, count: 300 }]);
});

test('a body that is not as long as its content-length is no answer', async (t) => {
  const { url } = await start(t, (stream, _fields, nth) => {
    stream.respond({ ':status': 200, 'content-length': nth % 2 === 0 ? 6 : 5 });
    stream.end('hello');
  });
  const result = await bench(url, { ...HTTP2, requests: 10 });
  t.deepEqual([result.succeeded, result.errors.receive], [5, 5]);
  t.regex(result.firstErrors[0].message, /not as long as its content-length/);
});

test('a server that breaks the rules is an error that says which', async (t) => {
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  for (const [frame, message] of [
    // DATA on a stream that nobody has opened.
    [Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 99]), /DATA|answer no request/],
    // A PING of the wrong length.
    [Buffer.from([0, 0, 1, 6, 0, 0, 0, 0, 0, 7]), /length/],
    // A frame of more bytes than the client takes.
    [Buffer.from([0, 255, 255, 0, 0, 0, 0, 0, 1]), /./],
  ]) {
    const server = createSocket((socket) => {
      let heard = 0;
      socket.on('error', () => {});
      socket.write(settings);
      socket.on('data', (chunk) => {
        heard += chunk.length;
        // More than the preface and settings: a request.
        if (heard > 80) socket.write(frame);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const url = `http://127.0.0.1:${server.address().port}/`;
    const result = await bench(url, { ...HTTP2, connections: 1, streams: 1, requests: 2 });
    t.deepEqual([result.requests, result.errors.receive], [2, 2], JSON.stringify(result));
    t.regex(result.firstErrors[0].message, message);
    t.regex(result.firstErrors[0].message, /breaks the rules of HTTP\/2|answer no request/);
  }
});

test('no more streams are open than the server allows', async (t) => {
  const settings = { maxConcurrentStreams: 2, headerTableSize: 0, initialWindowSize: 10 };
  const { url, seen } = await start(t, echo, { settings });
  const result = await bench(url, {
    ...HTTP2,
    connections: 1,
    streams: 50,
    body: 'hello, world',
    method: 'POST',
    expectBody: 'hello, world',
  });
  t.deepEqual(
    [result.succeeded, result.errors.total],
    [300, 0],
    JSON.stringify(result.firstErrors),
  );
  t.true(seen.most <= 2, `${seen.most} at once`);
});

test('what a server resets is an error with the name of its code, and the others go on', async (t) => {
  const { url } = await start(t, (stream, fields, nth) => {
    if (nth % 3 !== 0) return hello(stream, fields);
    stream.close(nth % 2 === 0 ? constants.NGHTTP2_REFUSED_STREAM : constants.NGHTTP2_CANCEL);
  });
  const result = await bench(url, HTTP2);
  t.deepEqual([result.requests, result.succeeded, result.errors.receive], [300, 200, 100]);
  t.deepEqual(result.http2.resets, [
    { code: 'REFUSED_STREAM', count: 50 },
    { code: 'CANCEL', count: 50 },
  ]);
  t.regex(result.firstErrors[0].message, /^RST_STREAM (REFUSED_STREAM|CANCEL)$/);
  t.is(result.connections.opened, 3);
});

test('after GOAWAY without an error requests go on over another connection', async (t) => {
  const { url, seen } = await start(t, (stream, fields, nth) => {
    hello(stream, fields);
    if (nth % 50 === 49) stream.session.close();
  });
  const result = await bench(url, { ...HTTP2, connections: 2 });
  t.deepEqual([result.requests, result.succeeded, result.errors.total], [300, 300, 0]);
  t.is(result.http2.goaways[0].code, 'NO_ERROR');
  t.true(seen.sessions > 3);
});

test('after GOAWAY with an error the requests of the connection have failed', async (t) => {
  const { url } = await start(t, (stream, fields, nth) => {
    if (nth % 100 !== 99) return hello(stream, fields);
    stream.session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
  const result = await bench(url, HTTP2);
  t.is(result.requests, 300);
  t.true(result.errors.receive >= 3, JSON.stringify(result.errors));
  t.deepEqual(
    result.http2.goaways.map(({ code }) => code),
    ['ENHANCE_YOUR_CALM'],
  );
  t.is(result.firstErrors[0].message, 'GOAWAY ENHANCE_YOUR_CALM');
});

test('one answer that does not come in time is a timeout of that stream alone', async (t) => {
  const { url } = await start(t, (stream, fields, nth) => {
    if (nth !== 5) setTimeout(() => !stream.destroyed && hello(stream, fields), 2);
  });
  const result = await bench(url, {
    http2: true,
    connections: 1,
    duration: 600,
    timeout: 300,
    expectBody: 'hello',
  });
  t.deepEqual([result.errors.total, result.errors.timeout], [1, 1]);
  t.is(result.connections.opened, 1);
  t.true(result.succeeded > 20, `${result.succeeded}`);
});

test('answers are judged as those of HTTP/1 are', async (t) => {
  const { url } = await start(t, (stream, _fields, nth) => {
    stream.respond({ ':status': nth % 2 === 0 ? 500 : 200 });
    stream.end(nth % 4 === 1 ? 'jello' : 'hello');
  });
  const result = await bench(url, HTTP2);
  const { status, body } = result.errors;
  t.deepEqual([result.succeeded, status, body], [75, 150, 75]);
});

test('without keep-alive each request has a connection, and a rate is kept', async (t) => {
  const { url, seen } = await start(t, hello);
  const short = await bench(url, { ...HTTP2, requests: 30, keepAlive: false });
  t.deepEqual([short.succeeded, short.connections.opened, short.settings.streams], [30, 30, 1]);
  t.is(seen.streams, 30);
  const paced = await bench(url, { ...HTTP2, requests: 100, rate: 1000, streams: 50 });
  t.deepEqual([paced.succeeded, paced.openLoop.unsent], [100, 0]);
});

test('a server that does not speak HTTP/2 is an error at the start that says so', async (t) => {
  const { key, cert } = authority.issue({ names: ['localhost'] });
  const plain = createHttp1((_, res) => res.end('hello'));
  const secure = createSecureHttp1({ key, cert }, (_, res) => res.end('hello'));
  const silent = createServer();
  silent.on('connection', (socket) => socket.destroy());
  for (const [server, scheme, message] of [
    [
      plain,
      'http',
      /over HTTP\/2: the server does not speak it without TLS: it answers 'HTTP\/1\.1 400/,
    ],
    [secure, 'https', /over HTTP\/2: the server does not agree to h2 in the TLS handshake/],
    [silent, 'http', /over HTTP\/2: the server closes the connection; does it speak/],
  ]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const url = `${scheme}://localhost:${server.address().port}/`;
    const tls = scheme === 'https' ? { tls: { ca: authority.cert } } : {};
    await t.throwsAsync(bench(url, { http2: true, requests: 1, ...tls }), {
      instanceOf: ReactorError,
      code: 'ERR_REACTOR_CONNECT',
      message,
    });
  }
});

test('options that make no sense together are refused', async (t) => {
  for (const [options, message] of [
    [{ http2: 'yes' }, /"http2" must be true or false/],
    [{ streams: 5 }, /"streams" needs option "http2"/],
    [{ http2: true, streams: 10_001 }, /"streams" must be/],
    [{ http2: true, pipeline: 2 }, /"pipeline" is for HTTP\/1\.1: with option "http2" it is/],
    [{ http2: true, streams: 2, keepAlive: false }, /"streams" must be 1 without keep-alive/],
    [{ http2: true, headers: { Connection: 'close' } }, /header 'Connection' is of HTTP\/1\.1/],
    [{ http2: true, headers: { te: 'gzip' } }, /header 'te' is of HTTP\/1\.1/],
  ]) {
    await t.throwsAsync(bench('http://127.0.0.1:9/', options), {
      code: 'ERR_REACTOR_INVALID_OPTION',
      message,
    });
  }
  await t.throwsAsync(bench('ws://127.0.0.1:9/', { http2: true }), {
    message: /"http2" is for http:\/\/ and https:\/\/ URLs/,
  });
});

test('the command line says what it did and what ended streams', async (t) => {
  const { url } = await start(t, (stream, fields, nth) => {
    if (nth % 2 === 0) return hello(stream, fields);
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
  });
  const args = ['bench', '--http2', '--streams', '4', '-c', '2', '-n', '20', url];
  const { code, stdout, stderr } = await run(args);
  t.is(code, 1);
  t.regex(stdout, /: 1 thread, 2 connections of HTTP\/2, 4 streams each, /);
  t.regex(stdout, /^RST_STREAM REFUSED_STREAM 10$/m);
  t.regex(stderr, /10 of 20 requests failed/);
  const wrong = await run(['bench', '--http2', '-m', '32', url]);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /streams are --streams/);
});

test('a run ends while streams are open', async (t) => {
  const { url } = await start(t, async (stream, fields) => {
    await sleep(20);
    if (!stream.destroyed) hello(stream, fields);
  });
  const result = await bench(url, { http2: true, connections: 2, duration: 100 });
  t.is(result.errors.total, 0);
  t.true(result.succeeded >= 20);
});
