// The module that the trial of generations serves. Its answers can be checked.

import { createHash } from 'node:crypto';

const encoder = new TextEncoder();

/** An event each fiftieth of a second, for as long as the client listens. */
function events() {
  let timer;
  let number = 0;
  return new ReadableStream({
    start(controller) {
      timer = setInterval(() => {
        controller.enqueue(encoder.encode(`id: ${++number}\ndata: ${process.pid}\n\n`));
      }, 50);
    },
    cancel() {
      clearInterval(timer);
    },
  });
}

export default {
  routes: {
    '/pid': () => new Response(String(process.pid)),
    '/slow': async () => {
      await new Promise((resolve) => setTimeout(resolve, 150));
      return new Response('slow');
    },
    '/upload': {
      POST: async (request) => {
        const body = Buffer.from(await request.arrayBuffer());
        return new Response(createHash('sha256').update(body).digest('hex'));
      },
    },
    '/events': () => new Response(events(), { headers: { 'content-type': 'text/event-stream' } }),
  },
  fetch: (request, info) =>
    request.headers.get('upgrade') === 'websocket'
      ? void info.upgrade(request)
      : new Response('no such page', { status: 404 }),
  websocket: { message: (socket, message) => void socket.send(message) },
};
