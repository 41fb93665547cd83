// ws: server, noServer, path, subprotocols, compression, and who may come.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { closed, portOf } from './lib.mjs';
import { check } from './tap.mjs';

const open = async (url, ...rest) => {
  const socket = new WebSocket(url, ...rest);
  await once(socket, 'open');
  return socket;
};

const close = async (socket) => {
  socket.close(1000, 'bye');
  await once(socket, 'close');
};

const refusal = (url, ...rest) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ...rest);
    socket.on('unexpected-response', (_req, response) => resolve(response.statusCode));
    socket.on('open', () => reject(new Error('it is open')));
    socket.on('error', reject);
  });

export default async function trial({ createServer, WebSocketServer }) {
  await check('ws: { server } beside requests', async () => {
    const server = createServer((_req, res) => res.end('http'));
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket, req) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      socket.send(`hello ${req.url}`);
    });
    const port = await portOf(server);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/here?a=1`);
    const [hello] = await once(socket, 'message');
    assert.equal(String(hello), 'hello /here?a=1');
    assert.equal(sockets.clients.size, 1);
    for (const data of ['text', 'ünï', '', Buffer.alloc(0), Buffer.alloc(70_000, 1)]) {
      socket.send(data);
      const [got, isBinary] = await once(socket, 'message');
      assert.equal(isBinary, typeof data !== 'string');
      assert.deepEqual(isBinary ? got : String(got), data);
    }
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'http');
    const server1 = [...sockets.clients][0];
    const gone = once(server1, 'close');
    await close(socket);
    const [code, reason] = await gone;
    assert.deepEqual([code, String(reason)], [1000, 'bye']);
    assert.equal(sockets.clients.size, 0);
    sockets.close();
    await closed(server);
  });

  await check('ws: { noServer }, two of them by path', async () => {
    const server = createServer((_req, res) => res.end());
    const one = new WebSocketServer({ noServer: true });
    const two = new WebSocketServer({ noServer: true });
    one.on('connection', (socket) => socket.send('one'));
    two.on('connection', (socket) => socket.send('two'));
    server.on('upgrade', (req, socket, head) => {
      const { pathname } = new URL(req.url, 'ws://host');
      const target = { '/one': one, '/two': two }[pathname];
      if (target === undefined) {
        socket.destroy();
        return;
      }
      target.handleUpgrade(req, socket, head, (client) => target.emit('connection', client, req));
    });
    const port = await portOf(server);
    for (const name of ['one', 'two', 'one']) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/${name}`);
      const [data] = await once(socket, 'message');
      assert.equal(String(data), name);
      await close(socket);
    }
    const neither = new WebSocket(`ws://127.0.0.1:${port}/three`);
    const [error] = await once(neither, 'error');
    assert.match(error.message, /socket hang up/);
    await closed(server);
  });

  await check('ws: { path }, verifyClient and handleProtocols', async () => {
    const server = createServer((_req, res) => res.end());
    new WebSocketServer({
      server,
      path: '/chat',
      verifyClient: ({ req, origin, secure }, done) => {
        assert.equal(secure, false);
        done(origin === 'https://good.example', 403, 'no', { 'X-Why': String(req.url) });
      },
      handleProtocols: (protocols) => [...protocols].find((name) => name === 'v2') ?? false,
    }).on('connection', (socket) => socket.send(socket.protocol));
    const port = await portOf(server);
    const url = `ws://127.0.0.1:${port}`;
    const origin = 'https://good.example';
    const socket = new WebSocket(`${url}/chat`, ['v1', 'v2'], { origin });
    const [protocol] = await once(socket, 'message');
    assert.equal(String(protocol), 'v2');
    assert.equal(socket.protocol, 'v2');
    await close(socket);
    assert.equal(await refusal(`${url}/chat`, { origin: 'https://evil.example' }), 403);
    assert.equal(await refusal(`${url}/other`, { origin }), 400);
    await closed(server);
  });

  await check('ws: perMessageDeflate', async () => {
    const server = createServer();
    new WebSocketServer({ server, perMessageDeflate: { threshold: 0 } }).on(
      'connection',
      (socket) => socket.on('message', (data) => socket.send(String(data))),
    );
    const port = await portOf(server);
    const socket = await open(`ws://127.0.0.1:${port}`);
    assert.match(socket.extensions, /permessage-deflate/);
    for (const text of ['short', 'long '.repeat(20_000)]) {
      socket.send(text);
      const [data] = await once(socket, 'message');
      assert.equal(String(data), text);
    }
    await close(socket);
    await closed(server);
  });

  await check('ws: a broadcast to 100 clients', async () => {
    const server = createServer();
    const sockets = new WebSocketServer({ server });
    const port = await portOf(server);
    const clients = await Promise.all(
      Array.from({ length: 100 }, () => open(`ws://127.0.0.1:${port}`)),
    );
    const heard = clients.map((client) => once(client, 'message'));
    for (const client of sockets.clients) {
      client.send('to all');
    }
    for (const [data] of await Promise.all(heard)) {
      assert.equal(String(data), 'to all');
    }
    await Promise.all(clients.map(close));
    sockets.close();
    await closed(server);
  });
}
