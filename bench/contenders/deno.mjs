// Deno.serve: `deno run --allow-all deno.mjs PORT HANDLER [DATABASE]`.

import { application } from './application.mjs';
import { FOLDER } from './folder.mjs';
import { denoFetch, isWebSocket } from './websockets.mjs';

const [port, handler, databasePort] = Deno.args;

/** A stream of the file, as its documents show it. It takes the path as it is. */
async function file({ url }) {
  const file = await Deno.open(FOLDER + new URL(url).pathname);
  const { size } = await file.stat();
  return new Response(file.readable, { headers: { 'content-length': String(size) } });
}

const handlerOf = async () =>
  isWebSocket(handler) ? denoFetch(handler) : application(handler, databasePort);
const fetch = handler === 'files' ? file : await handlerOf();
const [cert, key] = ['TLS_CERT', 'TLS_KEY'].map((name) => Deno.env.get(name));
const tls =
  cert === undefined ? {} : { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
Deno.serve({ hostname: '127.0.0.1', port: Number(port), onListen() {}, ...tls }, fetch);
