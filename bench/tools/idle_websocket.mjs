// As idle_client.c, over WebSockets: `node bench/tools/idle_websocket.mjs PORT COUNT [PATH]`. It says
// "ready" once all are open, holds them until its input ends, and then says how many the server has
// closed meanwhile.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';

/** As in idle_client.c. */
const PER_ADDRESS = 5000;

const AT_ONCE = 50;

const [port, count, path = '/'] = process.argv.slice(2);
let closed = 0;
let next = 0;

async function openOne(nth) {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(port),
    localAddress: `127.0.1.${1 + Math.floor(nth / PER_ADDRESS)}`,
  });
  const key = randomBytes(16).toString('base64');
  const fields = `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`;
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${fields}`,
  );
  const [answer] = await once(socket, 'data');
  if (!String(answer).startsWith('HTTP/1.1 101')) throw new Error(`answered ${answer}`);
  socket.on('close', () => closed++);
  socket.on('error', () => {});
  // A server that pings gets no pong, and is to be asked to send none.
  socket.resume();
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
