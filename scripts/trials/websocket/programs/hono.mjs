// @hono/node-server with `websocket`, on a server that it is given.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { serve, upgradeWebSocket } from '@hono/node-server';
import { Hono } from 'hono';
import { WebSocket } from 'ws';
import { check } from './tap.mjs';

export default async function trial({ createServer, WebSocketServer }) {
  const app = new Hono();
  const closes = [];
  app.get('/', (c) => c.text('http'));
  app.get(
    '/chat',
    upgradeWebSocket((c) => ({
      onOpen: (_event, ws) => ws.send(`welcome ${c.req.query('name')}`),
      onMessage: ({ data }, ws) => ws.send(data),
      onClose: ({ code }) => closes.push(code),
    })),
  );
  const wss = new WebSocketServer({ noServer: true });
  const server = serve({
    fetch: app.fetch,
    createServer,
    port: 0,
    hostname: '127.0.0.1',
    websocket: { server: wss },
  });
  await once(server, 'listening');
  const { port } = server.address();

  await check('@hono/node-server: upgradeWebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?name=me`);
    const [hello] = await once(socket, 'message');
    assert.equal(String(hello), 'welcome me');
    socket.send('text');
    const [text, isBinary] = await once(socket, 'message');
    assert.deepEqual([String(text), isBinary], ['text', false]);
    socket.send(Buffer.from([1, 2, 3]));
    const [bytes] = await once(socket, 'message');
    assert.deepEqual([...bytes], [1, 2, 3]);
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'http');
    socket.close(4000);
    await once(socket, 'close');
    assert.deepEqual(closes, [4000]);
  });

  await check('@hono/node-server: what has no such route is refused', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/none`);
    const [error] = await once(socket, 'error');
    assert.match(error.message, /Unexpected server response: (400|404)/);
  });
}
