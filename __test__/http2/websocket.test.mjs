// WebSocket on streams of HTTP/2 (RFC 8441), by Node's http2 client with frames of its own.

import { once } from 'node:events';
import http2 from 'node:http2';
import test from 'ava';
import { WebSocket } from 'ws';
import { serve } from '../../dist/index.js';
import { data, headers, Raw } from './raw.mjs';

/** A masked frame of a client. */
function frame(opcode, payload) {
  const data = Buffer.from(payload);
  const mask = Buffer.from([1, 2, 3, 4]);
  const head =
    data.length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | data.length])
      : Buffer.from([0x80 | opcode, 0x80 | 126, data.length >> 8, data.length & 255]);
  return Buffer.concat([head, mask, data.map((byte, at) => byte ^ mask[at % 4])]);
}

/** Frames of a server, as they come. */
async function* frames(stream) {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length < 2) break;
      let [at, length] = [2, rest[1] & 127];
      if (length === 126) [at, length] = [4, rest.readUInt16BE(2)];
      if (length === 127) [at, length] = [10, Number(rest.readBigUInt64BE(2))];
      if (rest.length < at + length) break;
      yield { opcode: rest[0] & 15, data: rest.subarray(at, at + length) };
      rest = rest.subarray(at + length);
    }
  }
}

async function session(t, server) {
  const client = http2.connect(server.url);
  t.teardown(() => client.destroy());
  await once(client, 'remoteSettings');
  t.true(client.remoteSettings.enableConnectProtocol);
  return client;
}

async function connect(client, path, fields = {}) {
  const stream = client.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': path,
      'sec-websocket-version': '13',
      ...fields,
    },
    { endStream: false },
  );
  const [headers] = await once(stream, 'response');
  return { stream, headers, next: frames(stream) };
}

async function open(t, options) {
  const server = await serve({ port: 0, hostname: '127.0.0.1', ...options });
  t.teardown(() => server.close({ timeout: 100 }));
  return server;
}

const echo = {
  open(ws) {
    ws.send(`hello ${ws.data.name}`);
  },
  message(ws, message) {
    if (message === 'bye') ws.close(4001, 'as you wish');
    else ws.send(message);
  },
};

function upgrading(request, info) {
  const { searchParams } = new URL(request.url);
  const name = searchParams.get('name');
  if (name === null) return new Response('who?', { status: 403 });
  return info.upgrade(request, { data: { name } })
    ? undefined
    : new Response('no', { status: 400 });
}

test('several WebSockets share a connection with requests, and each has its own messages', async (t) => {
  const server = await open(t, {
    websocket: echo,
    fetch: (request, info) =>
      request.headers.get('upgrade') ? upgrading(request, info) : new Response('page'),
  });
  const client = await session(t, server);
  const sockets = await Promise.all(
    ['a', 'b', 'c'].map((name) => connect(client, `/?name=${name}`)),
  );
  for (const [at, { stream, headers, next }] of sockets.entries()) {
    t.is(headers[':status'], 200);
    t.is(headers.upgrade, undefined);
    t.is(headers['sec-websocket-accept'], undefined);
    t.is(`${(await next.next()).value.data}`, `hello ${'abc'[at]}`);
    stream.write(frame(1, `from ${at}`));
  }
  const page = client.request({ ':path': '/' });
  page.setEncoding('utf8');
  t.is((await page.toArray()).join(''), 'page');
  for (const [at, { next }] of sockets.entries()) {
    t.is(`${(await next.next()).value.data}`, `from ${at}`);
  }
  // A large message, larger than the windows of both sides.
  const large = Buffer.alloc(60_000, 'x');
  for (let count = 0; count < 8; count += 1) sockets[0].stream.write(frame(2, large));
  for (let count = 0; count < 8; count += 1) {
    t.deepEqual((await sockets[0].next.next()).value.data, large);
  }
  sockets[1].stream.write(frame(1, 'bye'));
  const { opcode, data } = (await sockets[1].next.next()).value;
  t.is(opcode, 8);
  t.is(data.readUInt16BE(0), 4001);
  sockets[1].stream.write(frame(8, data.subarray(0, 2)));
  t.true((await sockets[1].next.next()).done, 'the stream ends');
  // The client resets one: the others go on.
  sockets[2].stream.close(http2.constants.NGHTTP2_CANCEL);
  sockets[0].stream.write(frame(1, 'still'));
  t.is(`${(await sockets[0].next.next()).value.data}`, 'still');
});

test('a request for a WebSocket that is not one gets an error, and never a success', async (t) => {
  const server = await open(t, {
    websocket: echo,
    routes: { '/fixed': new Response('fixed'), '/page': () => new Response('page') },
    fetch: (request, info) => upgrading(request, info),
  });
  const client = await session(t, server);
  for (const [path, status] of [
    ['/', 403],
    ['/fixed', 501],
    ['/page', 501],
  ]) {
    const { headers, stream } = await connect(client, path);
    t.is(headers[':status'], status, path);
    stream.resume();
  }
  const other = client.request(
    { ':method': 'CONNECT', ':protocol': 'connect-udp', ':path': '/' },
    { endStream: false },
  );
  const refused = await Promise.race([
    once(other, 'response').then(([headers]) => headers[':status']),
    once(other, 'error').then(() => 'reset'),
  ]).catch(() => 'reset');
  t.true(refused === 'reset' || refused >= 400, `${refused}`);
});

test('a stream that both sides have ended is not reset', async (t) => {
  const server = await open(t, {
    websocket: echo,
    fetch: (request, info) => upgrading(request, info),
  });
  const raw = await Raw.open(server.port);
  t.teardown(() => raw.destroy());
  const fields = [
    ...[
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':scheme', 'http'],
    ],
    ...[
      [':authority', 'localhost'],
      [':path', '/?name=a'],
      ['sec-websocket-version', '13'],
    ],
  ];
  await raw.send(headers(1, fields, { end: false }));
  await raw.until(() => raw.stream(1).size > 0, 'a greeting');
  await raw.send(data(1, '', true));
  await raw.until(() => raw.stream(1).isEnded, 'the end of the stream');
  await raw.ponged();
  t.is(raw.stream(1).reset, undefined);
});

test('topics reach sockets of both protocols, and a stop tells them', async (t) => {
  const server = await open(t, {
    websocket: {
      open(ws) {
        ws.subscribe('news');
      },
      message(ws, message) {
        ws.publish('news', message);
      },
    },
    fetch: (request, info) => upgrading(request, info),
  });
  const client = await session(t, server);
  const [a, b] = await Promise.all(['a', 'b'].map((name) => connect(client, `/?name=${name}`)));
  const http1 = new WebSocket(`${server.url.replace('http', 'ws')}?name=c`);
  await once(http1, 'open');
  const heard = once(http1, 'message');
  a.stream.write(frame(1, 'extra'));
  t.is(`${(await b.next.next()).value.data}`, 'extra');
  t.is(`${(await heard)[0]}`, 'extra');
  server.publish('news', 'all');
  t.is(`${(await a.next.next()).value.data}`, 'all');
  t.is(`${(await b.next.next()).value.data}`, 'all');
  const closes = once(http1, 'close');
  const stops = server.close({ timeout: 2000 });
  for (const { next, stream } of [a, b]) {
    const { opcode, data } = (await next.next()).value;
    t.deepEqual([opcode, data.readUInt16BE(0)], [8, 1001]);
    stream.write(frame(8, data.subarray(0, 2)));
    t.true((await next.next()).done);
  }
  await Promise.all([closes, stops]);
});
