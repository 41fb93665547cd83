// Bun.serve: `bun bun.mjs PORT HANDLER [DATABASE]`.

import { application } from './application.mjs';

const [port, handler, databasePort] = process.argv.slice(2);
const fetch = await application(handler, databasePort);
// By default Bun closes a connection that is idle for 10 s.
Bun.serve({ fetch, hostname: '127.0.0.1', port: Number(port), idleTimeout: 0 });
