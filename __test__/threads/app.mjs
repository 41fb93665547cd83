// What the threads of threads.test.mjs run.

import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

process.once('exit', () => {
  if (process.env.REACTOR_TEST_SAYS_EXIT) {
    console.log(`exit of ${threadId}`);
  }
});

/** Handlers of `/held` wait until a test says so, to all threads of its process. */
const channel = new BroadcastChannel('release');
const released = new Promise((resolve) => {
  channel.onmessage = resolve;
});
channel.unref();

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export default {
  requestTimeout: 60_000,
  routes: {
    '/static': 'static',
    '/params/:name': ({ params }) => new Response(params.name),
    '/thread': () => Response.json({ threadId, isMainThread }),
    '/slow': async () => {
      await sleep(20);
      return new Response(String(threadId));
    },
    '/held': async () => {
      await released;
      return new Response(String(threadId));
    },
    '/process': () =>
      Response.json({ argv: process.argv.slice(2), variable: process.env.REACTOR_TEST_VARIABLE }),
    '/peer': (_request, info) =>
      Response.json({ address: info.remoteAddress, port: info.remotePort }),
    '/url': ({ url }) => new Response(url),
    '/echo': { POST: ({ body }) => new Response(body) },
    '/events': () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            for (let n = 0; n < 3; n++) {
              controller.enqueue(new TextEncoder().encode(`data: ${n}\n\n`));
              await sleep(5);
            }
            controller.close();
          },
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      ),
    '/never': () => new Promise(() => {}),
    '/endless': () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            await sleep(1);
            controller.enqueue(new Uint8Array(1000));
          },
        }),
      ),
    '/error': () => {
      throw new Error('of the handler');
    },
    '/spin': () => {
      for (;;);
    },
    '/dies/uncaught': () => {
      setTimeout(() => {
        throw new Error('uncaught');
      });
      return new Promise(() => {});
    },
    '/dies/rejection': () => {
      Promise.reject(new Error('rejected'));
      return new Promise(() => {});
    },
    '/dies/exit': () => process.exit(3),
    '/dies/memory': () => {
      const all = [];
      for (;;) {
        all.push(new Array(10_000).fill(0).map((_, n) => ({ n })));
      }
    },
  },
  fetch: (request) => new Response(`no ${new URL(request.url).pathname}`, { status: 404 }),
  error: (error) => new Response(error.message, { status: 500 }),
};
