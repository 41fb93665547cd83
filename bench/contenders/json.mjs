// 12 KiB of JSON: `json.mjs PORT [CODING]`. With a coding the engine compresses it for each client.

import { Response, serve } from '../../dist/index.js';
import { json } from '../lib/json.mjs';

const [port, coding] = process.argv.slice(2);
const text = json();
await serve({
  port: Number(port),
  hostname: '127.0.0.1',
  ioThreads: 1,
  compress: coding === undefined ? false : { codings: [coding] },
  fetch: () => new Response(text, { headers: { 'content-type': 'application/json' } }),
});
