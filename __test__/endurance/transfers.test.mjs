// Bodies far larger than memory should be, through real clients, and what either
// side feels of the other. 1 GiB of each is `npm run endurance -- transfers`.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { request } from 'undici';
import { until } from '../support/command.mjs';
import { testWith } from '../support/programs.mjs';
import { open } from '../support/wire.mjs';
import { MIB, MOST_GROWTH, TRANSFERS, transfer, transferServer } from './transfers.mjs';

/** What the kernel's buffers and both windows may hold, with room to spare. */
const MOST_UNDER_WAY = 16 * MIB;

/** Gigabytes, on a machine that does other things too. */
const SLOW_MS = 600_000;

let server;

test.beforeEach(async () => {
  server = await transferServer();
});

test.afterEach.always(async (t) => {
  t.is(await server.stop(), '');
});

for (const name of Object.keys(TRANSFERS)) {
  // By curl, which is quick, the whole gigabyte.
  const isByCurl = name.endsWith('curl');
  const size = isByCurl ? 1024 * MIB : 256 * MIB;
  const declare = isByCurl ? testWith('curl', test.serial) : test.serial;
  declare(`memory stays flat: ${name} of ${size / MIB} MiB`, async (t) => {
    t.timeout(SLOW_MS);
    // A stalling machine may let a peak happen once; what grows with the body does so again.
    let peak = MOST_GROWTH;
    for (const bytes of [size, 2 * size]) {
      const { arrived, counted, growth, duration } = await transfer(server, name, bytes);
      t.log(`${(growth / MIB).toFixed(1)} MiB more at the peak, ${duration.toFixed(0)} ms`);
      t.deepEqual({ arrived, counted }, { arrived: bytes, counted: bytes });
      peak = growth;
      if (peak < MOST_GROWTH) {
        break;
      }
    }
    t.true(peak < MOST_GROWTH, `${peak} bytes more at the peak`);
  });
}

test.serial(
  'a client that does not read stops the producer, and one that reads on starts it',
  async (t) => {
    const socket = await connected(t);
    socket.pause();
    socket.write(get('/endless'));
    const pulled = async () => (await server.state()).pulled;
    const held = await settled(pulled);
    t.true(held < MOST_UNDER_WAY, `${held} bytes were made for nobody`);

    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received > 3 * MOST_UNDER_WAY) {
        socket.pause();
      }
    });
    socket.resume();
    await until(() => received > 3 * MOST_UNDER_WAY, 'the producer to go on');
    const more = await settled(pulled);
    t.true(more > 3 * MOST_UNDER_WAY);
    t.true(more < received + MOST_UNDER_WAY, `${more} bytes made, ${received} received`);
  },
);

test.serial(
  'a client that leaves while it is sent to cancels the stream and aborts the signal',
  async (t) => {
    for (const leave of ['destroy', 'resetAndDestroy']) {
      await server.reset();
      const socket = await connected(t);
      socket.write(get('/endless'));
      await once(socket, 'data');
      socket[leave]();
      await until(async () => (await server.state()).cancelled === 1, `the stream (${leave})`);
      t.is((await server.state()).aborted, 1, leave);
    }
    await onlyOneConnection();
  },
);

test.serial('a client that closes its side aborts the signal and is sent to', async (t) => {
  await server.reset();
  const socket = await connected(t);
  socket.write(get('/endless'));
  await once(socket, 'data');
  socket.end();
  await until(async () => (await server.state()).aborted === 1, 'the signal');
  const before = socket.bytesRead;
  socket.resume();
  // More than can have been under way.
  await until(() => socket.bytesRead - before > 2 * MOST_UNDER_WAY, 'the rest');
  t.is((await server.state()).cancelled, 0);
  socket.destroy();
  await until(async () => (await server.state()).cancelled === 1, 'the stream');
  await onlyOneConnection();
});

test.serial(
  'a client that leaves while it sends breaks the body off and aborts the signal',
  async (t) => {
    for (const leave of ['destroy', 'resetAndDestroy', 'end']) {
      await server.reset();
      const socket = await connected(t);
      socket.write(post('/count', 64 * MIB));
      socket.write(Buffer.alloc(MIB));
      await until(async () => (await server.state()).taken === MIB, 'the first bytes');
      socket[leave]();
      await until(async () => (await server.state()).brokenOff === 1, `the body (${leave})`);
      t.is((await server.state()).aborted, 1, leave);
    }
    await onlyOneConnection();
  },
);

test.serial(
  'a handler that does not read stops the client, and one that reads on gets it all',
  async (t) => {
    const size = 4 * MOST_UNDER_WAY;
    const socket = await connected(t);
    socket.write(post('/count/later', size));
    socket.write(Buffer.alloc(size));
    const sent = async () => socket.bytesWritten - socket.writableLength;
    const held = await settled(sent);
    t.true(held < MOST_UNDER_WAY, `${held} bytes were taken for a handler that reads nothing`);
    await server.go();
    const [answer] = await once(socket, 'data');
    t.regex(String(answer), /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n67108864$/s);
  },
);

for (const [path, status, body] of [
  ['/cancel', 200, 'enough'],
  ['/refuse', 403, 'not wanted'],
]) {
  test.serial(
    `a handler that cancels a body is heard by a client that still sends: ${path}`,
    async (t) => {
      const socket = await open(t, server);
      const size = 64 * MIB;
      socket.send(post(path, size));
      const piece = '-'.repeat(MIB);
      for (let left = size; left > 0; left -= MIB) {
        socket.send(piece);
      }
      // Read to its end: were it cut off, the answer might be lost with the connection.
      const answer = await socket.closes();
      const whole = `^HTTP/1\\.1 ${status} .*\r\nConnection: close\r\n\r\n${body}$`;
      t.regex(answer, new RegExp(whole, 's'));
    },
  );
}

test.serial('every event leaves before the next is made', async (t) => {
  const { body } = await request(`${server.url}/events`);
  const events = body[Symbol.asyncIterator]();
  for (let n = 1; n <= 50; n++) {
    await server.go();
    const { value } = await events.next();
    t.is(String(value), `data: event ${n}\n\n`);
    t.is((await server.state()).pulled, n);
  }
  body.on('error', () => {});
  body.destroy();
  await until(async () => (await server.state()).cancelled === 1, 'the producer to be told');
  t.is((await server.state()).aborted, 1);
});

async function connected(t) {
  const socket = connect({ port: server.port, host: server.hostname, allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Every other connection is closed than the one that asks. */
async function onlyOneConnection() {
  await until(async () => (await server.state()).connections === 1, 'connections to close');
}

/** A number once it has begun to grow and has stopped for half a second. */
async function settled(read) {
  let last = 0;
  let since = Date.now();
  for (let number = await read(); Date.now() - since < 500; number = await read()) {
    if (number !== last || number === 0) {
      last = number;
      since = Date.now();
    }
    await sleep(20);
  }
  return last;
}

function get(path) {
  return `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`;
}

function post(path, length) {
  return `POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: ${length}\r\n\r\n`;
}
