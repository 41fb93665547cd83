// The program whose native part `npm run bench:instructions` counts.
//
//   node bench/js/counted.mjs BINDING

import process from 'node:process';
import { useBinding } from '../../dist/binding/binding.js';
import { serve } from '../../dist/index.js';

const CHUNK = 'x'.repeat(100);

async function* chunks() {
  for (let i = 0; i < 10; i++) yield CHUNK;
}

useBinding(process.argv[2]);
const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  // With one, the JavaScript thread would drive the loop, as long as it is quick. Under valgrind it
  // is not, so the loop would go to and fro.
  ioThreads: 2,
  routes: {
    '/': () => new Response('Hello, World!'),
    '/upload': async (request) => {
      const body = await request.arrayBuffer();
      return new Response(String(body.byteLength));
    },
    '/chunks': () => new Response(chunks()),
    // Callgrind is told to end a profile at this call, which nothing else makes.
    '/mark': () => {
      process.getgroups();
      return new Response('');
    },
  },
});
process.on('SIGTERM', () => process.exit(0));
console.error(`listening on ${server.url}`);
