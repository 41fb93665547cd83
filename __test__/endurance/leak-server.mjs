// A server that is watched for leaks, in a process of its own: run with
// --expose-gc. It says `listening PORT` on stdout. Its argument is a number of
// bytes to keep for each request: a leak that the watching has to find.

import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

const { serve } = await import(new URL('../../dist/index.js', import.meta.url).href);

const kept = [];
const bytesToKeep = Number(process.argv[2]);
const PIECE = new Uint8Array(1000).fill(120);
const LARGE_PIECE = new Uint8Array(16 * 1024).fill(120);

const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  ioThreads: 2,
  workerThreads: 2,
  error: (error) => new Response(error.message, { status: 500 }),
  routes: {
    '/native': 'native',
    '/plain/:n': ({ params }) => {
      if (bytesToKeep > 0) {
        kept.push(Buffer.alloc(bytesToKeep));
      }
      return new Response(params.n);
    },
    '/later': async ({ headers }) => {
      await setImmediate();
      return new Response(headers.get('x-name'), { headers: { 'x-name': 'later' } });
    },
    '/error': () => {
      throw new Error('on purpose');
    },
    '/rejection': async () => {
      await setImmediate();
      throw new Error('on purpose');
    },
    '/stream': () => {
      let left = 4;
      return new Response(
        new ReadableStream({
          async pull(controller) {
            await setImmediate();
            controller.enqueue(PIECE);
            left -= 1;
            if (left === 0) {
              controller.close();
            }
          },
        }),
      );
    },
    '/broken': () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue(PIECE);
            await setImmediate();
            controller.error(new Error('on purpose'));
          },
        }),
      ),
    '/text': async (request) => new Response((await request.text()).slice(0, 5)),
    '/upload': async (request) => {
      let length = 0;
      for await (const chunk of request.body) {
        length += chunk.length;
      }
      return new Response(String(length));
    },
    '/endless': () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(LARGE_PIECE) })),
    '/never': (request) =>
      new Promise((_, reject) => {
        request.signal.addEventListener('abort', () => reject(request.signal.reason));
      }),
    '/measure': async () => Response.json(await measure()),
  },
});
process.stdout.write(`listening ${server.port}\n`);

// The parent may be killed, and cannot end this process then.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(1), 1000).unref();

async function measure() {
  // What a collection finds may have a finalizer, and that frees more.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await setImmediate();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    resident: rss,
    javascript: heapUsed + external,
    native: nativeHeap(),
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    resources: process.getActiveResourcesInfo().length,
    connections: server.stats().connections.open,
  };
}

/** Resident bytes of malloc's heap, which is all of it with MALLOC_ARENA_MAX=1. */
function nativeHeap() {
  const map = readFileSync('/proc/self/smaps', 'utf8');
  const [, kilobytes] = /\[heap\]\n(?:.*\n)*?Rss: +(\d+) kB/.exec(map);
  return 1024 * Number(kilobytes);
}
