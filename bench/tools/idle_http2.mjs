// As idle_client.c, over HTTP/2 without TLS: `node bench/tools/idle_http2.mjs PORT COUNT [PATH]`. It says
// "ready" once all connections are open and each has had an answer, holds them until its input ends, and
// then says how many the server has closed meanwhile. It writes the frames itself: a client's session
// would take more memory than a server's.

import { once } from 'node:events';
import { connect } from 'node:net';

/** As in idle_client.c. */
const PER_ADDRESS = 5000;

const AT_ONCE = 50;

const [SETTINGS, PING, GOAWAY] = [4, 6, 7];
const [END_STREAM, ACK] = [1, 1];

const [port, count, path = '/'] = process.argv.slice(2);
let closed = 0;
let next = 0;

function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A field whose name is in the static table, in a text of less than 127 bytes. */
const field = (index, value) =>
  Buffer.concat([Buffer.from([index, value.length]), Buffer.from(value)]);

/** `:method: GET` and `:scheme: http` are in the static table whole. */
const block = Buffer.concat([Buffer.from([0x82, 0x86]), field(4, path), field(1, '127.0.0.1')]);
const hello = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(SETTINGS, 0, 0),
  frame(1, END_STREAM | 4, 1, block),
]);

async function openOne(nth) {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(port),
    localAddress: `127.0.1.${1 + Math.floor(nth / PER_ADDRESS)}`,
  });
  socket.write(hello);
  await new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => {
      closed++;
      reject(new Error('the server closed a connection without an answer'));
    });
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const end = rest.length < 9 ? Infinity : 9 + rest.readUIntBE(0, 3);
        if (rest.length < end) return;
        const [type, flags] = [rest[3], rest[4]];
        if (type === SETTINGS && !(flags & ACK)) socket.write(frame(SETTINGS, ACK, 0));
        if (type === PING && !(flags & ACK)) {
          socket.write(frame(PING, ACK, 0, rest.subarray(9, end)));
        }
        if (type === GOAWAY) reject(new Error('the server sent GOAWAY'));
        if (rest.readUInt32BE(5) === 1 && type <= 1 && flags & END_STREAM) resolve();
        rest = rest.subarray(end);
      }
    });
  });
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
