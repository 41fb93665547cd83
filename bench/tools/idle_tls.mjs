// As idle_client.c, over TLS: `node bench/tools/idle_tls.mjs PORT COUNT [PATH]`. It says "ready" once
// all connections are open and answered, holds them until its input ends, and then says how many
// the server has closed meanwhile.

import { once } from 'node:events';
import { connect } from 'node:tls';
import { get } from '../lib/http.mjs';

/** As in idle_client.c. */
const PER_ADDRESS = 5000;

/** Handshakes under way: more would only wait for this process. */
const AT_ONCE = 50;

const [port, count, path = '/'] = process.argv.slice(2);
let closed = 0;
let next = 0;

async function openOne(nth) {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(port),
    localAddress: `127.0.1.${1 + Math.floor(nth / PER_ADDRESS)}`,
    rejectUnauthorized: false,
  });
  socket.write(get(path));
  const [answer] = await once(socket, 'data');
  if (!String(answer).startsWith('HTTP/1.1 200')) throw new Error(`answered ${answer}`);
  socket.on('close', () => closed++);
  socket.on('error', () => {});
}

async function openAll() {
  while (next < Number(count)) await openOne(next++);
}

await Promise.all(Array.from({ length: AT_ONCE }, openAll));
console.log('ready');
process.stdin.resume();
await once(process.stdin, 'end');
console.log(closed);
process.exit();
