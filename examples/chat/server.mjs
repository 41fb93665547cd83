// Rooms for a chat. One process needs nothing else: `node examples/chat/server.mjs`
//
// Several processes, on one machine or many, share a broker:
//   npm install redis                   BROKER=redis://127.0.0.1:6379 node server.mjs
//   npm install @nats-io/transport-node BROKER=nats://127.0.0.1:4222 node server.mjs

import { readFileSync } from 'node:fs';
import { serve } from 'reactor-rs';

const page = readFileSync(new URL('./page.html', import.meta.url));

const server = await serve({
  hostname: process.env.HOST ?? '127.0.0.1',
  port: process.env.PORT ?? 3000,
  gracefulShutdown: true,
  pubsub: await broker(process.env.BROKER),

  routes: {
    '/': () => new Response(page, { headers: { 'content-type': 'text/html; charset=utf-8' } }),

    '/healthz': () => Response.json(server.stats().pubsub ?? { status: 'alone' }),

    '/rooms/:room': (request, { params, upgrade }) => {
      const name = new URL(request.url).searchParams.get('name')?.trim().slice(0, 40);
      if (!name) {
        return new Response('Who are you? /rooms/ROOM?name=YOU', { status: 400 });
      }
      const data = { name, topic: `room:${params.room.slice(0, 60)}` };
      return upgrade(request, { data })
        ? undefined
        : new Response('This is for WebSockets', { status: 426 });
    },
  },

  websocket: {
    // Pages of other sites cannot chat in the name of who is here.
    origin: 'same-origin',
    maxPayloadLength: 4096,

    open(socket) {
      const { name, topic } = socket.data;
      socket.subscribe(topic);
      tell(topic, { joined: name });
    },

    message(socket, text) {
      const { name, topic } = socket.data;
      tell(topic, { name, text: String(text) });
    },

    close(socket) {
      const { name, topic } = socket.data;
      tell(topic, { left: name });
    },
  },
});
console.log(`listening on ${server.url}`);

/** Sends to everybody in a room, whichever process they are connected to. */
function tell(topic, message) {
  server.publish(topic, JSON.stringify(message));
}

/** What connects the processes; nothing for a single one. */
async function broker(url) {
  // The broker was away: whoever is connected here may have missed something.
  const onGap = ({ topics, deliver }) => {
    for (const topic of topics) {
      deliver(topic, JSON.stringify({ gap: true }));
    }
  };
  if (url === undefined) {
    return undefined;
  }
  if (url.startsWith('nats:')) {
    const { connect } = await import('@nats-io/transport-node');
    const { nats } = await import('reactor-rs/nats');
    return nats(await connect({ servers: url, maxReconnectAttempts: -1 }), { onGap });
  }
  const { createClient } = await import('redis');
  const { redis } = await import('reactor-rs/redis');
  return redis(createClient({ url }), { onGap });
}
