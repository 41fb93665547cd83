// reactor-rs as it configures itself: `reactor.mjs PORT HANDLER [CHECKOUT [DATABASE]]`. CHECKOUT is
// the folder of the build that serves, by default this one.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { application } from './application.mjs';
import { isWebSocket, serveOptions } from './websockets.mjs';

const [port, handler, checkout = '.', databasePort] = process.argv.slice(2);
const { serve } = await import(pathToFileURL(resolve(checkout, 'dist/index.js')));
const serves = isWebSocket(handler)
  ? serveOptions(handler)
  : { fetch: await application(handler, databasePort) };
const { TLS_CERT: cert, TLS_KEY: key } = process.env;
const tls = cert === undefined ? {} : { tls: { cert, key } };
const server = await serve({ ...serves, hostname: '127.0.0.1', port: Number(port), ...tls });
process.on('SIGTERM', () => server.stop());
