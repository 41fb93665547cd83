// Answers of 1 MiB and of a few bytes: `large.mjs PORT`. `/static` is there before the
// first request, `/handler` comes from JavaScript.

import { Response, serve } from '../../dist/index.js';

const large = 'x'.repeat(1024 * 1024);
await serve({
  port: Number(process.argv[2]),
  hostname: '127.0.0.1',
  ioThreads: 1,
  backlog: 4096,
  routes: { '/static': { body: large } },
  fetch: ({ url }) => new Response(url.endsWith('/handler') ? large : 'small'),
});
