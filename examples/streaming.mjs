// Streams in both directions and server-sent events:
// `npx reactor-rs serve examples/streaming.mjs`

import { setTimeout as sleep } from 'node:timers/promises';

const PAGE = `<!doctype html>
<title>Server-sent events</title>
<output></output>
<script>
  new EventSource('/events').onmessage = ({ data }) => {
    document.querySelector('output').textContent = data;
  };
</script>
`;

/** An event a second, until the client leaves or the server stops. */
async function* events(signal) {
  for (let id = 1; !signal.aborted; id++) {
    yield `id: ${id}\ndata: ${new Date().toISOString()}\n\n`;
    await sleep(1000, undefined, { signal }).catch(() => {});
  }
}

/** Numbers, made as fast as the client takes them: the engine asks for more when there is room. */
function numbers(count) {
  let next = 1;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(`${next}\n`));
      if (next++ === count) {
        controller.close();
      }
    },
  });
}

export default {
  routes: {
    '/': { headers: { 'content-type': 'text/html; charset=utf-8' }, body: PAGE },

    '/events': (request) =>
      new Response(ReadableStream.from(events(request.signal)), {
        headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
      }),

    '/numbers': () => new Response(numbers(100_000), { headers: { 'content-type': 'text/plain' } }),

    // Counts an upload as it comes, and keeps none of it.
    '/count': {
      async POST(request) {
        let bytes = 0;
        for await (const chunk of request.body ?? []) {
          bytes += chunk.byteLength;
        }
        return Response.json({ bytes });
      },
    },
  },
};
