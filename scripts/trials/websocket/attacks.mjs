#!/usr/bin/env node
// What a hostile client may do to a server that echoes: it gets the right close code, the server's memory
// stays bounded, and a client beside it is served.
//
//   node scripts/trials/websocket/attacks.mjs [--engine reactor-rs|ws] [--url ws://… --pid N]
//     [--only floods,bombs] [--scale 1]
//
// With another engine or URL, close codes may differ between servers, so that any close is right.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { constants, deflateRawSync } from 'node:zlib';
import { ROOT } from '../../setup.mjs';
import { check, finish } from '../lib.mjs';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closing,
  FIN,
  frame,
  PING,
  PONG,
  RSV1,
  request,
  TEXT,
  Wire,
} from './frames.mjs';
import { mib, resident, startServer } from './lib.mjs';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'reactor-rs' },
    url: { type: 'string' },
    pid: { type: 'string' },
    only: { type: 'string', default: '' },
    scale: { type: 'string', default: '1' },
  },
});
const isOurs = values.url === undefined && values.engine === 'reactor-rs';
const only = values.only.split(',').filter((name) => name !== '');
const scaled = (n) => Math.max(1, Math.round(n * Number(values.scale)));

/** An incomplete message may take this long, so that the trial need not wait for a minute. */
const MESSAGE_TIMEOUT_S = 3;
const MOST = 16 << 20;

const server =
  values.url === undefined
    ? await startServer({
        engine: values.engine,
        settings: { perMessageDeflate: true, messageTimeout: MESSAGE_TIMEOUT_S, closeTimeout: 2 },
      })
    : { url: values.url, pid: Number(values.pid), stop: () => {}, hasEnded: () => false };
const { url, pid } = server;
const { hostname, port, host } = new URL(url);
const DEFLATE = 'permessage-deflate; client_max_window_bits';

/** The load client, in a process of its own. */
function load(...args) {
  const cli = join(ROOT, 'dist/cli/bin.js');
  const all = [cli, 'bench', '--timeout', '20s', '--json', ...args];
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill('SIGKILL'));
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  const result = once(child, 'close').then(() => JSON.parse(out));
  return { result, interrupt: () => child.kill('SIGINT') };
}

const ms = (ns) => (ns / 1e6).toFixed(1);
const times = ({ latency: { p50Ns, p99Ns, maxNs } }) =>
  `p50 ${ms(p50Ns)} ms, p99 ${ms(p99Ns)} ms, at most ${ms(maxNs)} ms`;

/** What a server holds meanwhile: the most of its resident memory above that before. */
async function measured(name, most, run) {
  if (only.length > 0 && !only.some((each) => name.includes(each))) return;
  await check(name, async () => {
    if (pid > 0) await server.rss?.();
    const before = pid > 0 ? resident(pid) : 0;
    let peak = before;
    const timer = setInterval(() => {
      peak = Math.max(peak, pid > 0 ? resident(pid) : 0);
    }, 20);
    const began = performance.now();
    try {
      const note = await run();
      peak = Math.max(peak, pid > 0 ? resident(pid) : 0);
      assert(!server.hasEnded(), 'the server lives');
      if (isOurs) assert(peak - before <= most, `${mib(peak - before)} more than before`);
      const took = `${((performance.now() - began) / 1000).toFixed(1)} s`;
      return [note, `${mib(peak - before)} at most, ${took}`].filter(Boolean).join(', ');
    } finally {
      clearInterval(timer);
    }
  });
}

/** Reads to the end. The server has to close with one of these codes. */
async function closes(wire, ...codes) {
  let close = null;
  for (let read = await wire.next(); read !== null; read = await wire.next()) {
    if (read.opcode === CLOSE) close = read;
  }
  if (isOurs) {
    assert(close !== null, `it closes before it hangs up (${wire.ended})`);
    assert(codes.includes(close.code), `closed with ${close.code} ${close.reason}, not ${codes}`);
  }
  return close?.code ?? wire.ended;
}

/** Sends frames in writes of about 64 KiB, until all are sent or the connection ends. */
async function pour(wire, frames) {
  let parts = [];
  let size = 0;
  for (const each of frames) {
    parts.push(each);
    size += each.length;
    if (size >= 65_536) {
      await wire.send(Buffer.concat(parts));
      if (wire.ended !== null) return;
      [parts, size] = [[], 0];
    }
  }
  await wire.send(Buffer.concat(parts));
}

function* repeated(n, bytes) {
  for (let i = 0; i < n; i++) yield bytes;
}

/** As many connections at once as given, each doing the same. */
async function each(n, run, extensions, to = url) {
  const wires = [];
  for (let i = 0; i < n; i++) wires.push(await Wire.open(to, { extensions }));
  try {
    return await Promise.all(wires.map(run));
  } finally {
    for (const wire of wires) wire.destroy();
  }
}

const tallied = (codes) => {
  const counts = new Map();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  return [...counts].map(([code, n]) => `${code}: ${n}`).join(', ');
};

/** One connection that sends these bytes and is closed with one of these codes. */
async function refused(bytes, codes, extensions) {
  const wire = await Wire.open(url, { extensions });
  try {
    await wire.send(bytes);
    // Others take some of it.
    if (!isOurs) return await Promise.race([closes(wire), sleep(500)]);
    return await closes(wire, ...codes);
  } finally {
    wire.destroy();
  }
}

// A client beside the attacks, and how it is served on this machine without them.
const alone = await load('-c', '4', '-R', '200', '-d', '1s', url).result;
const bird = load('-c', '4', '-R', '200', '-d', '10m', url);
await sleep(500);

await measured('handshakes that are wrong', 16 << 20, async () => {
  const answers = [];
  for (const [method, fields] of [
    ['GET', { 'Sec-WebSocket-Version': '8' }],
    ['GET', { 'Sec-WebSocket-Version': null }],
    ['GET', { 'Sec-WebSocket-Key': null }],
    ['GET', { 'Sec-WebSocket-Key': 'short' }],
    ['GET', { Upgrade: null, Connection: null }],
    ['POST', { 'Content-Length': '0' }],
    ['GET', { 'Sec-WebSocket-Extensions': 'permessage-deflate;;' }],
  ]) {
    const socket = connect({ host: hostname, port });
    socket.on('error', () => {});
    socket.write(request({ host, fields }).replace('GET', method));
    const [data] = await once(socket, 'data');
    socket.destroy();
    const got = Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString('latin1'))?.[1]);
    const isRefused = got >= 400 && got < 500;
    assert(isRefused || !isOurs, `${method} ${JSON.stringify(fields)}: ${got}`);
    answers.push(got);
  }
  return answers.join(' ');
});

const HALVES = scaled(1000);
await measured(`half handshakes: ${HALVES} clients`, 64 << 20, async () => {
  const whole = request({ host });
  const sockets = [];
  for (let n = 0; n < HALVES; n++) {
    const localAddress = hostname === '127.0.0.1' ? `127.0.3.${1 + (n % 200)}` : undefined;
    const socket = connect({ host: hostname, port: Number(port), localAddress });
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(whole.slice(0, 1 + ((n * 7) % (whole.length - 2))));
    sockets.push(socket);
  }
  await sleep(300);
  for (const socket of sockets) socket.destroy();
});

await measured('frames that are wrong', 16 << 20, async () => {
  const zip = deflateRawSync('x'.repeat(100), { finishFlush: constants.Z_SYNC_FLUSH });
  const cases = [
    ['no mask', [1002], frame(FIN | TEXT, 'x', { masked: false })],
    ['a long length for few bytes', [1002], frame(FIN | TEXT, 'x', { bits: 16 })],
    ['a longer length for few bytes', [1002], frame(FIN | TEXT, 'x', { bits: 64 })],
    ['length 2^63', [1002], frame(FIN | BINARY, '', { length: 1n << 63n, bits: 64 })],
    ['length 2^62', [1009], frame(FIN | BINARY, '', { length: 1n << 62n, bits: 64 })],
    ['a byte too much', [1009], frame(FIN | BINARY, '', { length: MOST + 1 })],
    ['a control frame in parts', [1002], frame(PING, 'x')],
    ['a long control frame', [1002], frame(FIN | PONG, Buffer.alloc(126))],
    ['text that is none', [1007], frame(FIN | TEXT, Buffer.from([0xc3, 0x28]))],
    ['text that ends within a character', [1007], frame(FIN | TEXT, Buffer.from([0xe2, 0x9c]))],
    ['a reason that is no text', [1007], frame(FIN | CLOSE, closing(1000, Buffer.from([0xff])))],
    ['a close code that none may send', [1002], frame(FIN | CLOSE, closing(1006))],
    ['a close frame of one byte', [1002], frame(FIN | CLOSE, 'x')],
    ['a message within another', [1002], Buffer.concat([frame(TEXT, 'a'), frame(FIN | TEXT, 'b')])],
    ['a piece of no message', [1002], frame(FIN, 'x')],
    ['compressed, though not agreed', [1002], frame(FIN | RSV1 | TEXT, zip)],
    ['opcode 3', [1002], frame(FIN | 3, 'x')],
  ];
  for (const [name, codes, bytes] of cases) {
    await refused(bytes, codes).catch((error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
  const compressed = [
    ['no deflate', [1007], frame(FIN | RSV1 | TEXT, Buffer.alloc(50, 0xff))],
    ['a compressed control frame', [1002], frame(FIN | RSV1 | PING, zip)],
    [
      'a compressed second piece',
      [1002],
      Buffer.concat([frame(RSV1 | TEXT, zip.subarray(0, 5)), frame(FIN | RSV1, zip.subarray(5))]),
    ],
    [
      'compressed text that is none',
      [1007],
      frame(
        FIN | RSV1 | TEXT,
        deflateRawSync(Buffer.alloc(9, 0xff), { finishFlush: constants.Z_SYNC_FLUSH }),
      ),
    ],
  ];
  for (const [name, codes, bytes] of compressed) {
    await refused(bytes, codes, DEFLATE).catch((error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
  return `${cases.length + compressed.length} kinds`;
});

await measured('fragment floods: 131,072 frames of one byte', 64 << 20, async () => {
  const codes = await each(scaled(8), async (wire) => {
    await wire.send(frame(BINARY, 'x'));
    await pour(wire, repeated(131_071, frame(CONTINUATION, 'x')));
    return closes(wire, 1008);
  });
  return tallied(codes);
});

await measured('fragment floods: 131,072 empty frames', 32 << 20, async () => {
  const codes = await each(scaled(8), async (wire) => {
    await wire.send(frame(BINARY, ''));
    await pour(wire, repeated(131_071, frame(CONTINUATION, '')));
    return closes(wire, 1008);
  });
  return tallied(codes);
});

await measured('deflate bombs: 1 GiB of zeros in each', 96 << 20, async () => {
  // One block of 16 MiB, repeated: each ends at a byte.
  const block = deflateRawSync(Buffer.alloc(16 << 20), {
    level: 9,
    finishFlush: constants.Z_FULL_FLUSH,
  });
  const bomb = frame(FIN | RSV1 | BINARY, Buffer.concat(Array(64).fill(block)));
  const codes = await each(
    scaled(16),
    async (wire) => {
      await wire.send(bomb);
      return closes(wire, 1009);
    },
    DEFLATE,
  );
  return `${(bomb.length / 1024).toFixed(0)} KiB each, ${tallied(codes)}`;
});

await measured('deflate bombs: messages just within the limits', 448 << 20, async () => {
  // Ratios above 256 are refused, so a byte here and there is another.
  const data = Buffer.alloc(MOST - 1024);
  for (let at = 0; at < data.length; at += 256) data[at] = (at * 31) >> 8;
  const zip = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH });
  assert(data.length / zip.length < 250 && data.length / zip.length > 50);
  const ended = await each(
    scaled(4),
    async (wire) => {
      // Nobody reads the echoes.
      wire.socket.pause();
      for (let n = 0; n < 10 && wire.ended === null; n++) {
        wire.socket.write(frame(FIN | RSV1 | BINARY, zip));
        await sleep(20);
      }
      await sleep(500);
      return wire.ended ?? 'open';
    },
    DEFLATE,
  );
  return tallied(ended);
});

const PINGS = scaled(200_000);
await measured(`ping floods: ${PINGS} on each of 4, pongs unread`, 96 << 20, async () => {
  const ended = await each(4, async (wire) => {
    wire.socket.pause();
    const ping = frame(FIN | PING, Buffer.alloc(125, 'p'));
    const all = Buffer.concat(Array(500).fill(ping));
    const until = Date.now() + 5_000;
    let sent = 0;
    while (sent < PINGS && wire.ended === null && Date.now() < until) {
      // A server that reads no more leaves this waiting.
      const isTaken = await Promise.race([
        wire.send(all).then(() => true),
        sleep(500).then(() => false),
      ]);
      if (!isTaken) return 'held back';
      sent += 500;
    }
    return wire.ended ?? 'open';
  });
  return tallied(ended);
});

await measured('ping floods: pongs read', 32 << 20, async () => {
  const [pongs] = await each(1, async (wire) => {
    let pongs = 0;
    const reading = (async () => {
      for (let read = await wire.next(); read !== null; read = await wire.next()) {
        if (read.opcode === PONG) pongs++;
        if (read.opcode === TEXT) return;
      }
    })();
    await pour(wire, repeated(scaled(50_000), frame(FIN | PING, 'p')));
    await wire.send(frame(FIN | TEXT, 'the end'));
    await reading;
    return pongs;
  });
  assert(pongs > 0 || !isOurs);
  return `${pongs} pongs`;
});

await measured('slow readers: 64 that send and never read', 256 << 20, async () => {
  const message = frame(FIN | BINARY, Buffer.alloc(1 << 20));
  const ended = await each(scaled(64), async (wire) => {
    wire.socket.pause();
    for (let n = 0; n < 40 && wire.ended === null; n++) {
      const isTaken = await Promise.race([
        wire.send(message).then(() => true),
        sleep(1_000).then(() => false),
      ]);
      if (!isTaken) return 'held back';
    }
    return wire.ended ?? 'open';
  });
  return tallied(ended);
});

await measured('slow readers: 16 subscribers that never read', 400 << 20, async () => {
  const publisher = async (wire, index) => {
    if (index > 0) {
      wire.socket.pause();
      return 'silent';
    }
    // Each makes the server publish 64 KiB to all: 125 MiB for each subscriber.
    let came = 0;
    const reading = (async () => {
      while (came < 2000 && (await wire.next()) !== null) came++;
    })();
    for (let n = 0; n < 2000; n++) {
      await wire.send(frame(FIN | TEXT, 'publish'));
      while (n - came > 50 && wire.ended === null) await sleep(1);
    }
    await reading;
    return `the publisher got ${came}`;
  };
  const ended = await each(scaled(16), publisher, undefined, `${url}room`);
  return tallied(ended);
});

await measured('messages that never end: 64 of 4 MiB', 320 << 20, async () => {
  const began = Date.now();
  const codes = await each(scaled(64), async (wire) => {
    await wire.send(frame(BINARY, Buffer.alloc(4 << 20)));
    // A byte now and then is no progress that counts.
    const timer = setInterval(() => wire.send(frame(CONTINUATION, 'x')), 500);
    try {
      if (!isOurs) {
        await sleep(2_000);
        return wire.ended ?? 'open';
      }
      return await closes(wire, 1008, 1013);
    } finally {
      clearInterval(timer);
    }
  });
  return `${tallied(codes)} after ${((Date.now() - began) / 1000).toFixed(1)} s`;
});

const CLAIMS = scaled(500);
await measured(`lengths that never come: ${CLAIMS} of 16 MiB`, 32 << 20, async () => {
  const codes = await each(CLAIMS, async (wire) => {
    await wire.send(frame(FIN | BINARY, 'x', { length: MOST }));
    if (!isOurs) return 'open';
    return closes(wire, 1008);
  });
  return tallied(codes);
});

await measured('closes that are never answered', 16 << 20, async () => {
  const ended = await each(scaled(100), async (wire) => {
    await wire.send(frame(FIN | CLOSE, closing(1000)));
    const read = await wire.next();
    assert.equal(read?.opcode, CLOSE);
    await wire.over(20_000);
    return wire.ended;
  });
  return tallied(ended);
});

const SUBSCRIBERS = scaled(999);
await measured(
  `a slow reader beside ${SUBSCRIBERS}: 50 messages a second to all`,
  96 << 20,
  async () => {
    const slow = await Wire.open(`${url}all`);
    slow.socket.pause();
    const args = ['--subscribers', String(SUBSCRIBERS), '-R', '50', '--size', '4096', '-d', '4s'];
    const result = await load(...args, `${url}all`).result;
    slow.destroy();
    assert.equal(result.errors.total, 0, JSON.stringify(result.errors));
    return `${Math.round(result.rate)} a second came, ${times(result)}`;
  },
);

bird.interrupt();
const beside = await bird.result;
{
  const { latency, errors, requests } = beside;
  await check('the client beside them lost nothing', () => {
    assert.equal(errors.total, 0, JSON.stringify(errors));
    return `${requests} messages, ${times(beside)}`;
  });
  // The attackers need a processor too, and there may be two.
  const most = Math.max(1e9, 20 * alone.latency.p99Ns);
  await check(`its p99 is below ${ms(most)} ms`, () => {
    if (isOurs) assert(latency.p99Ns < most);
    return `${ms(latency.p99Ns)} ms; without attacks ${ms(alone.latency.p99Ns)} ms`;
  });
}
await server.stop();
finish();
