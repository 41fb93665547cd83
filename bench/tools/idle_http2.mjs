// As idle_client.c, over HTTP/2 without TLS: `node bench/tools/idle_http2.mjs PORT COUNT [PATH]`. It says
// "ready" once all connections are open and each has had an answer, holds them until its input ends, and
// then says how many the server has closed meanwhile.

import { once } from 'node:events';
import { Http2Client } from '../lib/frames.mjs';

/** As in idle_client.c. */
const PER_ADDRESS = 5000;

const AT_ONCE = 50;

const [port, count, path = '/'] = process.argv.slice(2);
const clients = [];
let next = 0;

async function openOne(nth) {
  const localAddress = `127.0.1.${1 + Math.floor(nth / PER_ADDRESS)}`;
  const client = await Http2Client.to(Number(port), path, { localAddress });
  await client.ask();
  clients.push(client);
}

async function openAll() {
  while (next < Number(count)) await openOne(next++);
}

await Promise.all(Array.from({ length: AT_ONCE }, openAll));
console.log('ready');
process.stdin.resume();
await once(process.stdin, 'end');
console.log(clients.filter(({ isClosed }) => isClosed).length);
process.exit();
