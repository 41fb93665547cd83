// A server that echoes, for the trials of WebSocket: `node server.mjs '{"engine": "reactor-rs", …}'`. It
// says its port in a line of JSON, answers each line of its input with one, and ends with its input.

import { createInterface } from 'node:readline';

const { engine = 'reactor-rs', settings = {}, jsThreads } = JSON.parse(process.argv[2] ?? '{}');

async function ours() {
  const { serve } = await import('../../../dist/index.js');
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    maxConnections: 20_000,
    ...(jsThreads === undefined ? {} : { jsThreads }),
    websocket: {
      ...settings,
      open: (socket) => socket.data.isInRoom && socket.subscribe('room'),
      message: (socket, message) => {
        if (message === 'publish') {
          server.publish('room', Buffer.alloc(65_536, '.'));
        } else {
          socket.send(message);
        }
      },
    },
    fetch: (request, info) => {
      const data = { isInRoom: new URL(request.url).pathname === '/room' };
      return info.upgrade(request, { data })
        ? undefined
        : new Response('no WebSocket', { status: 400 });
    },
  });
  return { port: Number(new URL(server.url).port), close: () => server.close() };
}

async function ws() {
  const { WebSocketServer } = await import('ws');
  const { once } = await import('node:events');
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    maxPayload: 16 << 20,
    ...(settings.perMessageDeflate ? { perMessageDeflate: { threshold: 0 } } : {}),
  });
  const room = new Set();
  server.on('connection', (socket, { url }) => {
    if (url === '/room') room.add(socket);
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      if (String(data.subarray(0, 10)) === 'publish') {
        for (const each of room) each.send(Buffer.alloc(65_536, '.'));
      } else {
        socket.send(data, { binary: isBinary });
      }
    });
  });
  await once(server, 'listening');
  return { port: server.address().port, close: () => process.exit(0) };
}

const server = await { 'reactor-rs': ours, ws }[engine]();
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
say({ port: server.port });
for await (const _ of createInterface({ input: process.stdin })) {
  globalThis.gc?.();
  say({ rss: process.memoryUsage().rss });
}
await server.close();
