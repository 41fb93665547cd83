// Bun.serve: `bun bun.mjs PORT HANDLER [DATABASE]`.

import { application } from './application.mjs';

const [port, handler, databasePort] = process.argv.slice(2);
const fetch = await application(handler, databasePort);
// By default Bun closes a connection that is idle for 10 s.
const { TLS_CERT: cert, TLS_KEY: key } = process.env;
const tls = cert === undefined ? {} : { tls: { cert: Bun.file(cert), key: Bun.file(key) } };
Bun.serve({ fetch, hostname: '127.0.0.1', port: Number(port), idleTimeout: 0, ...tls });
