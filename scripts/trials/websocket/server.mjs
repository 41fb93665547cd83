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
      open: (socket) => socket.data.topic !== undefined && socket.subscribe(socket.data.topic),
      message: (socket, message) => {
        if (message === 'publish') {
          server.publish('room', Buffer.alloc(65_536, '.'));
        } else if (socket.data.topic === 'all') {
          server.publish('all', message);
        } else {
          socket.send(message);
        }
      },
    },
    fetch: (request, info) => {
      // `/all` hands each message on; what is sent to `/room` only makes the server publish.
      const [, topic] = /^\/(room|all)$/.exec(new URL(request.url).pathname) ?? [];
      const data = { topic };
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
  const rooms = { '/room': new Set(), '/all': new Set() };
  server.on('connection', (socket, { url }) => {
    rooms[url]?.add(socket);
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      if (String(data.subarray(0, 10)) === 'publish') {
        for (const each of rooms['/room']) each.send(Buffer.alloc(65_536, '.'));
      } else if (url === '/all') {
        for (const each of rooms[url]) each.send(data, { binary: isBinary });
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
