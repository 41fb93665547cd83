// Bun.serve: `bun bun.mjs PORT HANDLER [DATABASE]`.

import { application } from './application.mjs';
import { FOLDER } from './folder.mjs';
import { isWebSocket, serveOptions } from './websockets.mjs';

const [port, handler, databasePort] = process.argv.slice(2);

/** It takes the path as it is: this is what such a handler costs at least. */
const file = ({ url }) => new Response(Bun.file(FOLDER + new URL(url).pathname));

const fetch = handler === 'files' ? file : await application(handler, databasePort);
const serves = isWebSocket(handler) ? serveOptions(handler) : { fetch };
// By default Bun closes a connection that is idle for 10 s.
const { TLS_CERT: cert, TLS_KEY: key, HTTP2 } = process.env;
const tls = cert === undefined ? {} : { tls: { cert: Bun.file(cert), key: Bun.file(key) } };
const http2 = HTTP2 === '1';
Bun.serve({ ...serves, hostname: '127.0.0.1', port: Number(port), idleTimeout: 0, http2, ...tls });
