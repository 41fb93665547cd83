// What the trials of operations serve. Each upload is noted in the file $UPLOADS, so that one that was
// sent twice is found out.

import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const { UPLOADS } = process.env;

/** An event every 20 ms, from the one after that which the client saw last. */
async function* events(from, signal) {
  for (let id = from; !signal.aborted; id++) {
    yield `id: ${id}\ndata: ${process.pid}\n\n`;
    await sleep(20, undefined, { signal }).catch(() => {});
  }
}

export default {
  health: true,

  routes: {
    '/hello': () => new Response('hello'),

    '/slow': async () => {
      await sleep(100);
      return new Response('slow');
    },

    '/upload/:id': {
      async POST(request, { params }) {
        if (UPLOADS) appendFileSync(UPLOADS, `${params.id}\n`);
        let bytes = 0;
        for await (const chunk of request.body ?? []) bytes += chunk.byteLength;
        return Response.json({ bytes });
      },
    },

    '/events': (request) => {
      const from = Number(request.headers.get('last-event-id') ?? 0) + 1;
      return new Response(ReadableStream.from(events(from, request.signal)), {
        headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
      });
    },

    '/ws': (request, { upgrade }) =>
      upgrade(request) ? undefined : new Response('', { status: 426 }),
  },

  websocket: {
    message(socket, text) {
      socket.send(text);
    },
  },
};
