// Deno.serve: `deno run --allow-all deno.mjs PORT HANDLER [DATABASE]`.

import { application } from './application.mjs';

const [port, handler, databasePort] = Deno.args;
const fetch = await application(handler, databasePort);
Deno.serve({ hostname: '127.0.0.1', port: Number(port), onListen() {} }, fetch);
