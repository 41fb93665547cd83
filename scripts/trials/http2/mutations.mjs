// Conversations that were right, changed at random: the server lives, serves a client beside them, sends
// nothing that it must not send, and keeps nothing of them.
//
//   node scripts/trials/http2/mutations.mjs [--seconds 5] [--seed N] [--count N] [--engine node]
//     [--port N] [--verbose]
//
// The seed of a conversation that went wrong is told; `--seed N --count 1` repeats it.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { added, block, indexed, resized } from '../../../__test__/http2/hpack.mjs';
import {
  continuation,
  DATA,
  data,
  END_HEADERS,
  END_STREAM,
  fieldsOf,
  frame,
  HEADERS,
  headers,
  PADDED,
  PREFACE,
  PRIORITISED,
  PRIORITY,
  ping,
  priorityUpdate,
  Raw,
  RST_STREAM,
  rst,
  SETTING,
  settings,
  settingsAck,
  WINDOW_UPDATE,
  windowUpdate,
} from '../../../__test__/http2/raw.mjs';
import { canary, check, finish, mib, startServer } from './lib.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    seed: { type: 'string' },
    count: { type: 'string', default: '1000000000' },
    engine: { type: 'string' },
    port: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
/** Conversations at the same time. */
const PARALLEL = values.count === '1' ? 1 : 16;

/** Numbers that a seed decides (mulberry32). */
class Dice {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  /** Below `most`. */
  below(most) {
    return Math.floor(this.next() * most);
  }
  of(list) {
    return list[this.below(list.length)];
  }
  bytes(length) {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

const PATHS = [
  ...['/hello', '/echo', '/whole', '/sha', '/fields', '/answered', '/tagged', '/text', '/throws'],
  ...['/streamed?pieces=5&size=20000', '/streamed?pieces=50&size=3000&wait=1', '/wait?ms=5'],
  ...[
    '/events?most=3',
    '/trailers',
    '/got-trailers',
    '/nowhere',
    '/large',
    '/hang',
    '/hinted?ms=1',
  ],
];

/** The frames of a conversation that is right. */
function conversation(dice) {
  const frames = [];
  const pairs = [];
  if (dice.below(3) === 0) {
    const window = dice.of([0, 1, 100, 65_535, 1 << 20, 2 ** 31 - 1]);
    pairs.push([SETTING.initialWindowSize, window]);
  }
  if (dice.below(4) === 0) pairs.push([SETTING.headerTableSize, dice.of([0, 64, 4096, 1 << 16])]);
  if (dice.below(4) === 0)
    pairs.push([SETTING.maxFrameSize, dice.of([16_384, 20_000, 2 ** 24 - 1])]);
  frames.push(settings(pairs), settingsAck());
  const open = [];
  let last = -1;
  const steps = 2 + dice.below(25);
  for (let step = 0; step < steps; step++) {
    const kind = dice.below(12);
    const stream = open.length > 0 ? dice.of(open) : 0;
    if (kind < 4 || open.length === 0) {
      last += 2 * (1 + (dice.below(8) === 0 ? dice.below(50) : 0));
      const hasBody = dice.below(2) === 0;
      const more = [];
      if (dice.below(3) === 0) more.push(['cookie', 'a=b'], ['cookie', 'c=d']);
      if (dice.below(4) === 0) more.push(['te', 'trailers']);
      if (dice.below(4) === 0) more.push(['priority', 'u=1, i']);
      if (dice.below(6) === 0) more.push(['expect', '100-continue']);
      if (dice.below(6) === 0) more.push(['accept-encoding', 'gzip, br']);
      const method = hasBody ? 'POST' : dice.of(['GET', 'HEAD', 'OPTIONS', 'DELETE']);
      let head = block(fieldsOf(dice.of(PATHS), { method, more }));
      if (dice.below(4) === 0) {
        head = Buffer.concat([
          ...(dice.below(2) === 0 ? [resized(4096)] : []),
          head,
          added('x-kept', 'v'.repeat(dice.below(200))),
          indexed(62),
        ]);
      }
      const flags = hasBody ? 0 : END_STREAM;
      const form = dice.below(4);
      if (form === 0) {
        const cut = 1 + dice.below(head.length - 1);
        frames.push(frame(HEADERS, flags, last, head.subarray(0, cut)));
        frames.push(continuation(last, head.subarray(cut), true));
      } else if (form === 1) {
        const padding = dice.below(100);
        const parts = [Buffer.of(padding), Buffer.alloc(5), head, Buffer.alloc(padding)];
        const all = flags | END_HEADERS | PADDED | PRIORITISED;
        frames.push(frame(HEADERS, all, last, Buffer.concat(parts)));
      } else {
        frames.push(headers(last, head, { end: !hasBody }));
      }
      if (hasBody) open.push(last);
    } else if (kind < 7) {
      const isEnd = dice.below(3) === 0;
      const piece = dice.bytes(dice.of([0, 1, 10, 1000, 16_384]));
      if (dice.below(4) === 0) {
        const padding = dice.below(50);
        const parts = [Buffer.of(padding), piece.subarray(0, 16_000), Buffer.alloc(padding)];
        const flags = PADDED | (isEnd ? END_STREAM : 0);
        frames.push(frame(DATA, flags, stream, Buffer.concat(parts)));
      } else {
        frames.push(data(stream, piece, isEnd));
      }
      if (isEnd) open.splice(open.indexOf(stream), 1);
    } else if (kind === 7) {
      frames.push(windowUpdate(dice.of([0, stream]), 1 + dice.below(100_000)));
    } else if (kind === 8) {
      frames.push(ping(dice.bytes(8)));
    } else if (kind === 9) {
      frames.push(rst(stream, dice.below(14)));
      open.splice(open.indexOf(stream), 1);
    } else if (kind === 10) {
      frames.push(
        dice.of([frame(PRIORITY, 0, stream, Buffer.alloc(5)), priorityUpdate(stream, 'u=7')]),
      );
    } else {
      frames.push(headers(stream, [['x-late', 'yes']]));
      open.splice(open.indexOf(stream), 1);
    }
  }
  return frames;
}

/** Changes some of it. */
function changed(dice, frames) {
  const out = [...frames];
  const times = dice.below(5);
  for (let n = 0; n < times; n++) {
    const at = dice.below(out.length);
    const bytes = Buffer.from(out[at]);
    // What is no frame stays as it is.
    if (bytes.length < 9) continue;
    switch (dice.below(14)) {
      case 0:
        out.splice(at, 1);
        if (out.length === 0) out.push(ping());
        break;
      case 1:
        out.splice(at, 0, out[at]);
        break;
      case 2: {
        const other = dice.below(out.length);
        [out[at], out[other]] = [out[other], out[at]];
        break;
      }
      case 3:
        bytes[3] = dice.below(2) === 0 ? dice.below(17) : dice.below(256);
        out[at] = bytes;
        break;
      case 4:
        bytes[4] = dice.below(256);
        out[at] = bytes;
        break;
      case 5:
        bytes.writeUInt32BE(dice.of([0, 1, 2, 3, 5, 7, 99, 2 ** 31 - 1, 2 ** 31 + 1]), 5);
        out[at] = bytes;
        break;
      case 6:
        bytes.writeUIntBE(
          dice.of([0, 1, 4, 5, 8, 9, 16_384, 16_385, bytes.length, 2 ** 24 - 1]),
          0,
          3,
        );
        out[at] = bytes;
        break;
      case 7:
        // The length goes with what is left.
        out[at] = resizedFrame(bytes.subarray(0, 9 + dice.below(bytes.length - 8)));
        break;
      case 8:
        out[at] = resizedFrame(Buffer.concat([bytes, dice.bytes(dice.below(40))]));
        break;
      case 9:
      case 10:
        for (let flips = 1 + dice.below(4); flips > 0; flips--) {
          bytes[dice.below(bytes.length)] ^= 1 << dice.below(8);
        }
        out[at] = bytes;
        break;
      case 11:
        out.splice(at, 0, dice.bytes(dice.below(60)));
        break;
      case 12:
        out.splice(
          at,
          0,
          frame(dice.below(18), dice.below(256), dice.below(20), dice.bytes(dice.below(60))),
        );
        break;
      default:
        out.splice(at, 0, ...Array(dice.below(60)).fill(out[at]));
    }
  }
  return out;
}

function resizedFrame(bytes) {
  const out = Buffer.from(bytes);
  if (out.length >= 9) out.writeUIntBE(out.length - 9, 0, 3);
  return out;
}

/** What no server may send, whatever it got. */
function judge(raw, largest) {
  const ended = new Set();
  for (const { type, flags, stream, length } of raw.frames) {
    assert(length <= largest, `a frame of ${length} octets`);
    if (type === DATA || type === HEADERS) {
      assert(stream % 2 === 1, `type ${type} on stream ${stream}`);
      assert(!ended.has(stream), `type ${type} on stream ${stream}, which was ended`);
      if ((flags & END_STREAM) !== 0) ended.add(stream);
    } else if (type === RST_STREAM) {
      assert(stream !== 0);
    } else if (type === WINDOW_UPDATE) {
      assert.equal(length, 4);
    }
  }
}

async function converse(port, seed) {
  const dice = new Dice(seed);
  const frames = changed(dice, conversation(dice));
  const raw = await Raw.open(port, { bare: true, acks: dice.below(3) > 0 });
  if (values.verbose) {
    for (const each of frames) console.log(`# ${each.subarray(0, 60).toString('hex')}`);
  }
  let fault;
  raw.socket.on('error', () => {});
  const bytes = Buffer.concat([PREFACE, ...frames]);
  const way = dice.below(4);
  try {
    if (way === 0) {
      await raw.send(bytes);
    } else {
      const most = way === 1 ? 20 : 2_000;
      for (let at = 0, n = 0; at < bytes.length && raw.ended === null; n++) {
        const length = 1 + dice.below(most);
        await raw.send(bytes.subarray(at, at + length));
        at += length;
        if (n > 100) {
          await raw.send(bytes.subarray(at));
          break;
        }
      }
    }
    if (dice.below(4) > 0 && raw.ended === null) {
      await raw.send(ping());
      await raw
        .until(() => raw.pings > 0 || raw.ended !== null || raw.goaway !== null, 'an end', 300)
        .catch(() => {});
    }
    judge(raw, 2 ** 24);
  } catch (error) {
    fault = error;
  }
  if (dice.below(2) === 0) raw.socket.end();
  else raw.destroy();
  await Promise.race([new Promise((resolve) => raw.socket.once('close', resolve)), sleep(300)]);
  raw.destroy();
  if (fault !== undefined) throw new Error(`seed ${seed}: ${fault.message}`, { cause: fault });
  return raw.goaway?.code ?? (raw.pings > 0 ? 'served on' : 'no word');
}

const server =
  values.port === undefined
    ? await startServer({
        settings: { timeouts: { head: 2_000, body: 2_000, write: 2_000 }, compress: true },
      })
    : { port: Number(values.port), hasEnded: () => false, stop: async () => {} };
const bird = await canary(server.port);
const before = server.rss === undefined ? 0 : await server.rss();
const ends = new Map();
const faults = [];
let seed = first;
const until = Date.now() + 1000 * Number(values.seconds);
await Promise.all(
  Array.from({ length: PARALLEL }, async () => {
    while (Date.now() < until && seed < first + Number(values.count) && !server.hasEnded()) {
      const mine = seed++;
      try {
        const end = await converse(server.port, mine);
        ends.set(end, (ends.get(end) ?? 0) + 1);
      } catch (error) {
        faults.push(error.message.slice(0, 300));
        if (server.hasEnded()) break;
      }
    }
  }),
);
await check(`conversations changed at random, from seed ${first}`, () => {
  assert(!server.hasEnded(), 'the server lives');
  assert.deepEqual(faults.slice(0, 5), []);
  const told = [...ends].sort((one, other) => other[1] - one[1]);
  return `${seed - first}: ${told.map(([end, n]) => `${end} ${n}`).join(', ')}`;
});
const { faults: wrong } = await bird.heard();
await check('the client beside them was served', () => assert.deepEqual(wrong.slice(0, 5), []));
if (server.stats !== undefined && values.engine !== 'node') {
  await check('nothing is kept of them', async () => {
    // Handlers that hang hear of the end; others end by themselves.
    let open;
    for (let n = 0; n < 100; n++) {
      open = (await server.stats()).connections.open;
      if (open <= 1) break;
      await sleep(50);
    }
    assert(open <= 1, `${open} connections are open`);
    const more = (await server.rss()) - before;
    assert(more < 192 << 20, `${mib(more)} more than before`);
    return `${mib(more)} more than before`;
  });
}
await bird.close();
await check('the server ends well', () => server.stop());
finish();
