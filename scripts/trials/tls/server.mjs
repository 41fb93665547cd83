// A server of the TLS trials: `node server.mjs '{"listen": […], "tls": {…}}'`. It says its ports in
// a line of JSON, answers each line of its input with another, and ends with its input.

import { createInterface } from 'node:readline';
import { serve } from '../../../dist/index.js';

const options = JSON.parse(process.argv[2]);

/** A page of 20 assets, for browsers. */
const ASSETS = 20;
const page = `<!doctype html><title>trial</title><link rel="icon" href="data:,">${Array.from(
  { length: ASSETS },
  (_, n) => `<script src="/asset/${n}.js"></script>`,
).join('')}<p id="done"></p><script>document.title = 'loaded ' + window.assets;</script>`;

const large = Buffer.alloc(1 << 20, 'x');

const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  ...options,
  fetch: async (request, info) => {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case '/hello':
        return new Response('hello');
      case '/tls':
        return Response.json({ url: request.url, tls: described(info?.tls) });
      case '/page':
        return new Response(page, { headers: { 'content-type': 'text/html' } });
      case '/large':
        return new Response(large);
      case '/echo':
        return new Response(await request.arrayBuffer());
      default:
        if (pathname.startsWith('/asset/')) {
          // Large enough for several records.
          const body = `window.assets = (window.assets ?? 0) + 1; // ${'.'.repeat(20_000)}`;
          return new Response(body, { headers: { 'content-type': 'text/javascript' } });
        }
        return new Response('not found', { status: 404 });
    }
  },
});

function described(tls) {
  if (tls === undefined || tls === null) {
    return null;
  }
  const { version, cipher, alpn, serverName, authorized, authorizationError, resumed } = tls;
  const peer = tls.peerCertificate?.subject;
  return { version, cipher, alpn, serverName, authorized, authorizationError, resumed, peer };
}

const addresses = server.addresses ?? [server.address];
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
say({ ports: addresses.map(({ port }) => port) });

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.stats) {
    say(server.stats());
  } else if (asked.memory) {
    globalThis.gc?.();
    say({ rss: process.memoryUsage().rss });
  } else if (asked.reload) {
    try {
      await server.reload(asked.reload);
      say({ ok: true });
    } catch ({ message }) {
      say({ message });
    }
  } else {
    say({});
  }
}
await server.close();
