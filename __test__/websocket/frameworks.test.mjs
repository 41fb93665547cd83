// WebSockets of frameworks over serve({ websocket }).

import test from 'ava';
import { Elysia, t as type } from 'elysia';
import { BunAdapter } from 'elysia/adapter/bun';
import { websocket as elysiaSockets } from 'elysia/ws';
import { Hono } from 'hono';
import { upgradeWebSocket } from 'reactor-rs/hono';
import { start } from '../support/server.mjs';
import { client } from './client.mjs';

function honoApp(heard) {
  const app = new Hono();
  app.get(
    '/ws/:name',
    upgradeWebSocket((c) => ({
      onOpen(event, socket) {
        heard.push([event.type, socket.readyState, socket.url.pathname, socket.protocol]);
        socket.send(`hello ${c.req.param('name')}`);
      },
      onMessage({ data }, socket) {
        if (data === 'throw') {
          throw new Error('thrown');
        }
        socket.send(typeof data === 'string' ? data : new Uint8Array(data).reverse());
      },
      onError({ type, error }) {
        heard.push([type, error.message]);
      },
      onClose({ code, reason }, socket) {
        heard.push(['close', code, reason, socket.readyState]);
      },
    })),
    (c) => c.text('no handshake'),
  );
  return app;
}

test("Hono's upgradeWebSocket of reactor-rs/hono", async (t) => {
  const heard = [];
  const app = honoApp(heard);
  const server = await start(t, { fetch: app.fetch });
  const { socket, next, opened, closed } = client(t, server, '/ws/ada', ['v1']);
  await opened;
  t.is(await next(), 'hello ada');
  for (const message of ['text', 'ünïcode', '']) {
    socket.send(message);
    t.is(await next(), message);
  }
  for (const length of [3, 1000]) {
    socket.send(Buffer.from(Array.from({ length }, (_, i) => i)));
    t.deepEqual([...(await next())], Array.from({ length }, (_, i) => i % 256).reverse());
  }
  socket.send('throw');
  socket.send('after');
  t.is(await next(), 'after');
  socket.close(4000, 'bye');
  await closed;
  while (heard.length < 3) {
    await new Promise(setImmediate);
  }
  t.deepEqual(heard, [
    ['open', 1, '/ws/ada', 'v1'],
    ['error', 'thrown'],
    ['close', 4000, 'bye', 3],
  ]);
  t.is(await (await fetch(new URL('/ws/x', server.url.href))).text(), 'no handshake');
});

test('Hono: fields of the answer, the other form of the helper, and what is missing', async (t) => {
  const app = new Hono();
  app.get(
    '/fields',
    upgradeWebSocket(() => ({}), { headers: { 'x-a': 'b' } }),
  );
  app.get('/other', (c) =>
    upgradeWebSocket(c, { onMessage: (event, socket) => socket.send(event.data) }),
  );
  app.onError((error, c) => c.text(error.message, 500));
  const server = await start(t, { fetch: app.fetch });
  const fields = client(t, server, '/fields');
  let headers;
  fields.socket.on('upgrade', (response) => {
    ({ headers } = response);
  });
  await fields.opened;
  t.is(headers['x-a'], 'b');
  const other = client(t, server, '/other');
  await other.opened;
  other.socket.send('x');
  t.is(await other.next(), 'x');
  t.regex(await (await fetch(new URL('/other', server.url.href))).text(), /no handshake/);
  t.regex(await (await app.request('/fields')).text(), /serve\(app\)/);
});

test("Elysia's .ws with its adapter for Bun", async (t) => {
  const heard = [];
  const app = new Elysia({ adapter: BunAdapter })
    .get('/', () => 'plain')
    .ws('/ws/:room', {
      body: type.Object({ text: type.String() }),
      open(socket) {
        socket.subscribe(socket.data.params.room);
        socket.send({ hello: socket.data.params.room });
      },
      message(socket, { text }) {
        socket.publish(socket.data.params.room, { text });
        socket.send({ own: text });
      },
      close(socket, code) {
        heard.push([socket.data.params.room, code]);
      },
    });
  const server = await start(t, {
    fetch(request, info) {
      app.server = info;
      return app.fetch(request, info);
    },
    websocket: elysiaSockets,
  });
  t.is(await (await fetch(server.url)).text(), 'plain');
  const one = client(t, server, '/ws/a');
  await one.opened;
  const two = client(t, server, '/ws/a');
  await two.opened;
  t.is(await one.next(), '{"hello":"a"}');
  t.is(await two.next(), '{"hello":"a"}');
  one.socket.send('{"text":"hi"}');
  t.is(await one.next(), '{"own":"hi"}');
  t.is(await two.next(), '{"text":"hi"}');
  one.socket.send('{"no":1}');
  t.regex(await one.next(), /validation/i);
  one.socket.close(4000);
  await one.closed;
  while (heard.length < 1) {
    await new Promise(setImmediate);
  }
  t.deepEqual(heard, [['a', 4000]]);
});
