// A server of large bodies in a process of its own, so that its memory is its
// own: run with --expose-gc. It says `listening PORT` on stdout.

import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const { serve } = await import(new URL('../../dist/index.js', import.meta.url).href);

const CHUNK = new Uint8Array(64 * 1024).fill(120);

/** What has happened since the last `/reset`; `/state` tells it. */
let state;

const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  ioThreads: 2,
  workerThreads: 1,
  limits: { body: 2 ** 32 },
  routes: {
    '/count': async (request) => {
      request.signal.addEventListener('abort', () => {
        state.aborted += 1;
      });
      try {
        for await (const chunk of request.body) {
          state.taken += chunk.length;
        }
      } catch {
        state.brokenOff += 1;
      }
      return new Response(String(state.taken));
    },
    // Now and then it does something else.
    '/count/slowly': async (request) => {
      let next = 0;
      for await (const chunk of request.body) {
        state.taken += chunk.length;
        if (state.taken >= next) {
          next += 4 * 2 ** 20;
          await sleep(5);
        }
      }
      return new Response(String(state.taken));
    },
    // Takes one chunk, and the rest when `/go` says so.
    '/count/later': async (request) => {
      const go = new Promise((resolve) => {
        state.go = resolve;
      });
      for await (const chunk of request.body) {
        state.taken += chunk.length;
        await go;
      }
      return new Response(String(state.taken));
    },
    '/refuse': async (request) => {
      await request.body.cancel();
      return new Response('not wanted', { status: 403 });
    },
    // Reads a little and then throws the rest away.
    '/cancel': async (request) => {
      const reader = request.body.getReader();
      const { value } = await reader.read();
      state.taken += value.length;
      await reader.cancel();
      return new Response('enough');
    },
    '/produce/:bytes': (request) => {
      let left = Number(request.params.bytes);
      return new Response(
        new ReadableStream({
          pull(controller) {
            if (left === 0) {
              controller.close();
              return;
            }
            const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
            left -= chunk.length;
            state.pulled += chunk.length;
            controller.enqueue(chunk);
          },
        }),
      );
    },
    '/endless': (request) => {
      request.signal.addEventListener('abort', () => {
        state.aborted += 1;
      });
      return new Response(
        new ReadableStream({
          pull(controller) {
            state.pulled += CHUNK.length;
            controller.enqueue(CHUNK);
          },
          cancel() {
            state.cancelled += 1;
          },
        }),
      );
    },
    // The next event is made when `/go` says so, and the last when the client has gone.
    '/events': (request) => {
      const encoder = new TextEncoder();
      request.signal.addEventListener('abort', () => {
        state.aborted += 1;
      });
      return new Response(
        new ReadableStream({
          start(controller) {
            state.go = () => {
              state.pulled += 1;
              controller.enqueue(encoder.encode(`data: event ${state.pulled}\n\n`));
            };
          },
          cancel() {
            state.cancelled += 1;
          },
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      );
    },
    '/echo': (request) =>
      new Response(
        request.body.pipeThrough(
          new TransformStream({
            transform(chunk, controller) {
              state.taken += chunk.length;
              controller.enqueue(chunk);
            },
          }),
        ),
      ),
    '/go': () => {
      state.go();
      return new Response();
    },
    '/reset': () => {
      reset();
      return Response.json(memory());
    },
    '/state': () => {
      const { open } = server.stats().connections;
      return Response.json({ ...state, ...memory(), connections: open });
    },
  },
});
reset();
process.stdout.write(`listening ${server.port}\n`);

// The parent may be killed, and cannot end this process then.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(1), 1000).unref();

function reset() {
  state = { taken: 0, brokenOff: 0, pulled: 0, cancelled: 0, aborted: 0, go: null };
  globalThis.gc();
  // proc(5): 5 sets the peak to what is resident now.
  writeFileSync('/proc/self/clear_refs', '5');
}

/** Resident memory now and at its peak since the last reset, in bytes. */
function memory() {
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (name) => 1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(status)[1]);
  return { resident: bytes('VmRSS'), peak: bytes('VmHWM') };
}
