// Deno.serve: `deno run --allow-all deno.mjs PORT HANDLER [DATABASE]`.

import { application } from './application.mjs';
import { denoFetch, isWebSocket } from './websockets.mjs';

const [port, handler, databasePort] = Deno.args;
const fetch = isWebSocket(handler) ? denoFetch(handler) : await application(handler, databasePort);
const [cert, key] = ['TLS_CERT', 'TLS_KEY'].map((name) => Deno.env.get(name));
const tls =
  cert === undefined ? {} : { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
Deno.serve({ hostname: '127.0.0.1', port: Number(port), onListen() {}, ...tls }, fetch);
