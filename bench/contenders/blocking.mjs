// One native route, one handler, and one that blocks JavaScript: `blocking.mjs PORT`.

import { serve } from '../../dist/index.js';

const server = await serve({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  routes: {
    '/static': 'Hello, World!',
    '/javascript': () => new Response('Hello, World!'),
    '/block/:ms': ({ params }) => {
      const end = performance.now() + Number(params.ms);
      while (performance.now() < end) {
        // Works, as a handler does that computes something long.
      }
      return new Response('blocked');
    },
  },
});
process.on('SIGTERM', () => server.stop());
