// express-ws: routes with `app.ws` on a server that it is given.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import express from 'express';
import expressWs from 'express-ws';
import { WebSocket } from 'ws';
import { closed, portOf } from './lib.mjs';
import { check } from './tap.mjs';

export default async function trial({ createServer }) {
  const app = express();
  const server = createServer(app);
  const { getWss } = expressWs(app, server);
  app.get('/', (_req, res) => res.send('http'));
  app.ws('/echo/:name', (socket, req) => {
    socket.on('message', (text) => socket.send(`${req.params.name}: ${text}`));
  });
  const port = await portOf(server);

  await check('express-ws: a route with a parameter, beside requests', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/echo/me`);
    await once(socket, 'open');
    socket.send('hello');
    const [data] = await once(socket, 'message');
    assert.equal(String(data), 'me: hello');
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'http');
    assert.equal(getWss().clients.size, 1);
    socket.close();
    await once(socket, 'close');
  });

  await check('express-ws: what has no route is closed', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/none`);
    await once(socket, 'close');
  });
  await closed(server);
}
