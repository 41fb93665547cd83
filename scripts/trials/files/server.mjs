// A server of folders, for the trials of files: `node server.mjs '{"dir": "/folder", …}'`. It says
// its port in a line of JSON, and ends with its input. `/block?ms=…` blocks JavaScript.

import { join } from 'node:path';
import { file, serve } from 'reactor-rs';

const { dir, settings = {}, ...options } = JSON.parse(process.argv[2]);

const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  ...settings,
  routes: {
    '/block': (request) => {
      const ms = Number(new URL(request.url).searchParams.get('ms'));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
      return new Response('blocked');
    },
    '/body/*': (request) => new Response(file(join(dir, new URL(request.url).pathname.slice(6)))),
    '/*': { dir, ...options },
  },
});
process.stdout.write(`${JSON.stringify({ port: Number(new URL(server.url).port) })}\n`);
process.stdin.resume().on('end', () => server.stop());
