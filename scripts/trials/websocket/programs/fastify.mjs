// @fastify/websocket, by Fastify's `serverFactory`.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import websocket from '@fastify/websocket';
import fastify from 'fastify';
import { WebSocket } from 'ws';
import { check } from './tap.mjs';

export default async function trial({ createServer }) {
  const app = fastify({
    serverFactory: (handler) => createServer(handler),
    forceCloseConnections: true,
  });
  await app.register(websocket);
  app.addHook('preValidation', async (request, reply) => {
    if (request.url === '/private') {
      await reply.code(401).send('no');
    }
  });
  app.register(async (scope) => {
    scope.get('/chat', { websocket: true }, (socket, request) => {
      socket.on('message', (data) => socket.send(`${request.headers.host ? 'ok' : ''} ${data}`));
    });
    scope.get('/private', { websocket: true }, (socket) => socket.close());
  });
  app.get('/', async () => 'http');
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address();

  await check('@fastify/websocket: a route, beside requests', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
    await once(socket, 'open');
    socket.send('hello');
    const [data] = await once(socket, 'message');
    assert.equal(String(data), 'ok hello');
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'http');
    socket.close();
    await once(socket, 'close');
  });

  await check('@fastify/websocket: a hook refuses', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/private`);
    const [error] = await once(socket, 'error');
    assert.equal(error.message, 'Unexpected server response: 401');
  });

  await check('@fastify/websocket: injectWS', async () => {
    const socket = await app.injectWS('/chat');
    socket.send('inside');
    const [data] = await once(socket, 'message');
    assert.match(String(data), /inside$/);
    socket.terminate();
  });

  await check('@fastify/websocket: close ends open sockets', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
    await once(socket, 'open');
    const gone = once(socket, 'close');
    await app.close();
    await gone;
  });
}
