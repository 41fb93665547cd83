// The load client over WebSockets: against servers of npm's ws, from JavaScript and from the command line.

import { once } from 'node:events';
import { createServer } from 'node:https';
import ava from 'ava';
import { WebSocketServer } from 'ws';
import { bench, ReactorError } from '../../dist/index.js';
import { run } from '../support/command.mjs';
import { authority, withCertificates } from '../tls/certificates.mjs';

/** One after the other: each is load. */
const test = withCertificates(ava.serial);

/** Echoes, or hands each message to all connections. */
async function start(
  t,
  options = {},
  answer = (socket, data, isBinary) => socket.send(data, { binary: isBinary }),
) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  const seen = { messages: 0, binary: 0, codes: new Set(), extensions: new Set() };
  server.on('connection', (socket, request) => {
    seen.extensions.add(socket.extensions);
    seen.headers = request.headers;
    socket.on('message', (data, isBinary) => {
      seen.messages++;
      seen.binary += isBinary;
      answer(socket, data, isBinary, server, seen.messages);
    });
    socket.on('close', (code) => seen.codes.add(code));
    socket.on('error', () => {});
  });
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  if (options.server === undefined) await once(server, 'listening');
  const { port } = (options.server ?? server).address();
  return { url: `ws://127.0.0.1:${port}/`, port, seen };
}

const toAll = (_, data, isBinary, server) => {
  for (const socket of server.clients) socket.send(data, { binary: isBinary });
};

test('messages come back and are counted', async (t) => {
  const { url, seen } = await start(t);
  let total = 0;
  for (const [settings, webSocket] of [
    [{}, {}],
    [
      { connections: 3, pipeline: 7 },
      { size: 1024, binary: true },
    ],
    [{ connections: 4, threads: 2 }, { size: 70_000 }],
    [{ connections: 5, body: 'grüße ✓' }, {}],
  ]) {
    const result = await bench(url, { requests: 501, connections: 2, ...settings, webSocket });
    total += 501;
    t.deepEqual([result.requests, result.succeeded, result.errors.total], [501, 501, 0]);
    t.is(result.latency.count, 501);
    t.is(seen.messages, total);
    t.is(result.settings.webSocket.binary, webSocket.binary ?? false);
  }
  t.is(seen.binary, 501);
  t.deepEqual([...seen.codes], [1000]);
});

test('headers arrive, and the URL is the target', async (t) => {
  const { url, seen } = await start(t);
  const headers = { Origin: 'https://a.example', 'Sec-WebSocket-Protocol': 'a' };
  const { succeeded } = await bench(`${url}path?x`, { requests: 1, connections: 1, headers });
  t.is(succeeded, 1);
  t.is(seen.headers.origin, 'https://a.example');
  const own = { Upgrade: 'x' };
  await t.throwsAsync(bench(url, { requests: 1, headers: own }), { message: /Upgrade/ });
});

test('compressed messages come back', async (t) => {
  const { url, seen } = await start(t, { perMessageDeflate: { threshold: 0 } });
  const body = JSON.stringify(Array.from({ length: 50 }, (_, id) => ({ id, name: `name ${id}` })));
  const options = { requests: 200, connections: 3, body, webSocket: { compress: true } };
  const result = await bench(url, options);
  t.deepEqual([result.succeeded, result.errors.total], [200, 0]);
  t.true(result.bytes.received < (200 * body.length) / 2);
  t.deepEqual([...seen.extensions], ['permessage-deflate']);

  const plain = await start(t);
  const { errors, firstErrors } = await bench(plain.url, { ...options, requests: 3 });
  t.is(errors.connect, 3);
  t.regex(firstErrors[0].message, /does not agree to permessage-deflate/);
});

test('over TLS', async (t) => {
  const own = authority().issue();
  const https = createServer({ cert: own.cert, key: own.key });
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  t.teardown(() => https.close());
  const { port } = await start(t, { server: https, port: undefined, host: undefined });
  const result = await bench(`wss://127.0.0.1:${port}/`, {
    requests: 300,
    connections: 3,
    pipeline: 3,
    webSocket: { size: 20_000 },
    tls: { rejectUnauthorized: false },
  });
  t.deepEqual([result.succeeded, result.errors.total], [300, 0]);
  t.is(result.tls.handshakes, 3);
});

test('an answer that differs is an error, as is a close', async (t) => {
  const { url } = await start(t, {}, (socket, data, _, __, number) => {
    if (number === 5) socket.close(1013, 'enough');
    else socket.send(number === 2 ? 'other' : String(data));
  });
  const { succeeded, errors, firstErrors } = await bench(url, { requests: 5, connections: 1 });
  t.deepEqual([succeeded, errors.body, errors.receive], [3, 1, 1]);
  t.regex(firstErrors.find((error) => error.class === 'receive').message, /1013 enough/);

  const fixed = await start(t, {}, (socket) => socket.send('pong'));
  const result = await bench(fixed.url, { requests: 9, connections: 2, expectBody: 'pong' });
  t.deepEqual([result.succeeded, result.errors.total], [9, 0]);
});

test('a broadcast counts once for each subscriber', async (t) => {
  const { url } = await start(t, {}, toAll);
  const options = { requests: 40, rate: 400, threads: 2, webSocket: { subscribers: 20 } };
  const result = await bench(url, options);
  t.deepEqual([result.requests, result.succeeded, result.errors.total], [800, 800, 0]);
  t.deepEqual([result.connections.opened, result.settings.webSocket.subscribers], [21, 20]);

  const drops = await start(t, {}, (socket, data, isBinary, server, number) => {
    if (number % 10 !== 5) toAll(socket, data, isBinary, server);
  });
  const { succeeded, errors } = await bench(drops.url, options);
  t.deepEqual([succeeded, errors.receive], [720, 80]);
});

test('options that do not go together are refused', async (t) => {
  const url = 'ws://127.0.0.1:1/';
  for (const [target, options, problem] of [
    ['http://127.0.0.1:1/', { webSocket: {} }, /"webSocket" is for ws:\/\//],
    [url, { method: 'POST' }, /"method" must be GET/],
    [url, { keepAlive: false }, /"keepAlive" must be true/],
    [url, { expectStatus: 101 }, /"expectStatus"/],
    [url, { body: 'x', webSocket: { size: 2 } }, /"webSocket.size" and option "body" exclude/],
    [url, { body: Buffer.from([0xff]) }, /"body" must be UTF-8/],
    [url, { webSocket: { subscribers: 2 } }, /"webSocket.subscribers" needs option "rate"/],
    [
      url,
      { rate: 1, webSocket: { subscribers: 2, size: 9 } },
      /"webSocket.size" must be at least 10/,
    ],
    [url, { rate: 1, connections: 3, webSocket: { subscribers: 2 } }, /exclude each other/],
    [url, { webSocket: { sise: 2 } }, /unknown option "webSocket.sise"; did you mean/],
    [url, { tls: {} }, /"tls" is for https:\/\/ and wss:\/\//],
  ]) {
    const error = await t.throwsAsync(bench(target, options), { instanceOf: ReactorError });
    t.regex(error.message, problem);
  }
});

test('from the command line', async (t) => {
  const { url } = await start(t);
  const args = [
    'bench',
    '-n',
    '100',
    '-c',
    '2',
    '--pipeline',
    '4',
    '--size',
    '64',
    '--binary',
    url,
  ];
  const text = await run(args);
  t.is(text.code, 0, text.stderr);
  t.regex(text.stdout, /: 1 thread, 2 connections, messages of 64 B binary, 4 at once/);
  t.regex(text.stdout, /^messages {3}100$/m);
  t.regex(text.stdout, /^rate .* messages\/s$/m);
  t.notRegex(text.stdout, /statuses/);
  const json = await run([...args, '--json']);
  t.deepEqual(JSON.parse(json.stdout).settings.webSocket, {
    size: 64,
    binary: true,
    compress: false,
    subscribers: null,
  });
  const wrong = await run(['bench', '--size', '0', url]);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /--size must be/);

  const room = await start(t, {}, toAll);
  const cast = await run(['bench', '-n', '10', '--subscribers', '5', '-R', '100', room.url]);
  t.is(cast.code, 0, cast.stderr);
  t.regex(cast.stdout, /messages of 20 B text to 5 subscribers/);
  t.regex(cast.stdout, /sent at 100 asked for/);
});
