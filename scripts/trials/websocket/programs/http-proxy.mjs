// http-proxy with `ws`: one server of this package in front of another.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import httpProxy from 'http-proxy';
import { WebSocket } from 'ws';
import { portOf, until } from './lib.mjs';
import { check } from './tap.mjs';

export default async function trial({ createServer, WebSocketServer }) {
  const behind = createServer((req, res) => res.end(`behind ${req.headers['x-forwarded-for']}`));
  const sockets = new WebSocketServer({ server: behind });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const target = `http://127.0.0.1:${await portOf(behind)}`;
  const proxy = httpProxy.createProxyServer({ target, ws: true, xfwd: true });
  const server = createServer((req, res) => proxy.web(req, res));
  server.on('upgrade', (req, socket, head) => proxy.ws(req, socket, head));
  const port = await portOf(server);

  await check('http-proxy: messages both ways, beside requests', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    await once(socket, 'open');
    for (const size of [1, 1000, 200_000, 2_000_000]) {
      const data = Buffer.alloc(size, 5);
      socket.send(data);
      const [got] = await once(socket, 'message');
      assert.deepEqual(got, data);
    }
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'behind 127.0.0.1');
    socket.close(1000);
    const [code] = await once(socket, 'close');
    assert.equal(code, 1000);
  });

  await check('http-proxy: a client that breaks off is gone behind it too', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    await once(socket, 'open');
    assert.equal(sockets.clients.size, 1);
    socket.terminate();
    await until(() => sockets.clients.size === 0, 'it is gone');
  });

  await check('http-proxy: a server behind it that ends', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    await once(socket, 'open');
    for (const client of sockets.clients) {
      client.terminate();
    }
    const [code] = await once(socket, 'close');
    assert.equal(code, 1006);
  });
}
