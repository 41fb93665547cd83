// A server that is attacked, in a process of its own. It says `listening PORT` on stdout.

import { readFileSync } from 'node:fs';

const { serve } = await import(new URL('../../dist/index.js', import.meta.url).href);

const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  ioThreads: 2,
  workerThreads: 1,
  // Damage may make a preface of HTTP/2, whose answers the judge of HTTP/1 does not read.
  http2: false,
  // Short, so that an attack outlives them.
  timeouts: { head: 5_000, body: 5_000, write: 5_000, keepAlive: 5_000 },
  routes: {
    '/canary': 'alive',
    '/large': new Uint8Array(1024 * 1024).fill(120),
    '/state': () => {
      const status = readFileSync('/proc/self/status', 'utf8');
      const resident = 1024 * Number(/^VmRSS:\s*(\d+) kB/m.exec(status)[1]);
      return Response.json({ open: server.stats().connections.open, resident });
    },
  },
  async fetch(request) {
    const body = await request.arrayBuffer();
    return new Response(`${request.method} ${body.byteLength}\n`);
  },
  // A body that the engine refuses.
  error: () => new Response('refused', { status: 400 }),
});
process.stdout.write(`listening ${server.port}\n`);
process.once('SIGTERM', () => server.stop());

// The parent may be killed, and cannot end this process then.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(1), 1000).unref();
