// What a hostile client may do to an HTTP/2 server, each with what must come of it. The tests run them
// small, the trials large, beside a client that must be served well.
//
// An attack gets `open`, which opens connections, and `scale`. It returns a note, and throws where the
// server did not do what it must.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { added, indexed, literal, resized, string } from './hpack.mjs';
import {
  continuation,
  DATA,
  data,
  fieldsOf,
  frame,
  get,
  headers,
  PADDED,
  PRIORITY,
  ping,
  post,
  priorityUpdate,
  rst,
  SETTING,
  settings,
  windowUpdate,
} from './raw.mjs';

const CALM = 'ENHANCE_YOUR_CALM';
const MOST = 2 ** 31 - 1;
const BATCH = 65_536;

/**
 * Sends what `make` returns, numbered from 0, in large writes, until the connection has ended.
 * @returns {Promise<number>} how many were sent
 */
async function pour(raw, most, make) {
  let parts = [];
  let size = 0;
  for (let n = 0; n < most && raw.ended === null && raw.goaway === null; n++) {
    const part = make(n);
    parts.push(part);
    size += part.length;
    if (size >= BATCH || n + 1 === most) {
      await raw.send(Buffer.concat(parts));
      // What has come is dealt with before more is sent.
      await new Promise(setImmediate);
      [parts, size] = [[], 0];
    }
  }
}

/** The connection ends, with GOAWAY of one of these codes before it. */
async function ends(raw, ...codes) {
  const code = await raw.over();
  assert(codes.includes(code), `ended with ${code}, not ${codes.join(' or ')}: ${raw.told()}`);
  return code;
}

/** The connection still serves. */
async function serves(raw, stream) {
  await raw.send(get(stream, '/hello'));
  assert.equal(await raw.outcome(stream), '200', 'the connection serves on');
  await raw.ponged();
}

const odd = (n) => 2 * n + 1;

/** One that pours streams which the server has to reset. */
const provoked = (name, make, ...codes) => ({
  row: 'rapid reset',
  name: `streams that the server has to reset: ${name}`,
  async run({ open, scale }) {
    const raw = await open();
    await pour(raw, 2_000 * scale, (n) => make(odd(n)));
    return ends(raw, CALM, ...codes);
  },
});

/** One that pours frames that carry nothing. */
const useless = (name, make) => ({
  row: 'useless frames',
  name: `useless frames: ${name}`,
  async run({ open, scale }) {
    const raw = await open();
    const bytes = make(0).length;
    await pour(raw, Math.ceil(((12 << 20) * scale) / bytes), make);
    return ends(raw, CALM);
  },
});

/** One that sends what must be answered, and reads nothing. */
const owed = (name, make) => ({
  row: 'owed replies',
  name: `${name}, and the answers are not read`,
  async run({ open, scale }) {
    const raw = await open();
    await raw.ponged();
    raw.socket.pause();
    let sent = 0;
    let isHeld = false;
    // The kernel takes some MiB for both sides.
    while (sent < 600_000 * scale && raw.ended === null && !isHeld) {
      const parts = [];
      for (let n = 0; n < 2_000; n++) parts.push(make(sent + n));
      isHeld = !(await raw.offer(Buffer.concat(parts)));
      sent += 2_000;
    }
    raw.socket.resume();
    // Where it was ended, what came after is thrown away for a while.
    const isOver = () => raw.ended !== null || raw.goaway !== null;
    if (!isHeld) await raw.until(isOver, 'an end').catch(() => {});
    const wasEnded = isOver();
    assert(isHeld || wasEnded, `${sent} were taken, with no end: ${raw.told()}`);
    const how = raw.goaway?.code ?? raw.ended ?? 'held back';
    raw.destroy();
    return how;
  },
});

/**
 * `blocks`: handlers or the attacker itself keep the machine busy, so that times say little.
 * @type {{ row: string, name: string, most?: number, isLong?: boolean, blocks?: boolean, run: Function }[]}
 */
export const ATTACKS = [
  {
    row: 'rapid reset',
    name: 'requests that are reset at once',
    async run({ open, scale }) {
      const raw = await open();
      await pour(raw, 5_000 * scale, (n) =>
        Buffer.concat([get(odd(n), '/wait?ms=50'), rst(odd(n))]),
      );
      return ends(raw, CALM);
    },
  },
  {
    row: 'rapid reset',
    name: 'streams that were reset hold their places until their JavaScript thread has heard of it',
    isLong: true,
    blocks: true,
    async run({ open }) {
      const raw = await open();
      const other = await open();
      const parts = [];
      for (let n = 0; n < 100; n++) parts.push(get(odd(n), '/hang'));
      await raw.send(...parts);
      await raw.ponged();
      await sleep(50);
      await other.send(get(1, '/block?ms=400'));
      await sleep(50);
      await raw.send(...parts.map((_, n) => rst(odd(n))), get(201, '/hello'));
      assert.equal(await raw.outcome(201), 'RST REFUSED_STREAM');
      assert.equal(await other.outcome(1), '200');
      for (let stream = 203; ; stream += 2) {
        await raw.send(get(stream, '/hello'));
        if ((await raw.outcome(stream)) === '200') break;
        assert(stream < 301, 'places come free');
        await sleep(20);
      }
    },
  },
  provoked('a zero increment', (stream) =>
    Buffer.concat([post(stream, '/hello'), windowUpdate(stream, 0)]),
  ),
  provoked('a window overflows', (stream) =>
    Buffer.concat([post(stream, '/hello'), windowUpdate(stream, MOST)]),
  ),
  provoked(
    'DATA after the end',
    (stream) => Buffer.concat([get(stream, '/wait?ms=50'), data(stream, 'x')]),
    'STREAM_CLOSED',
  ),
  provoked(
    'HEADERS after the end',
    (stream) => Buffer.concat([get(stream, '/wait?ms=50'), get(stream, '/wait?ms=50')]),
    'STREAM_CLOSED',
    'PROTOCOL_ERROR',
  ),
  provoked('more than the length', (stream) =>
    Buffer.concat([post(stream, '/hello', [['content-length', '1']]), data(stream, 'xx', true)]),
  ),
  provoked('PRIORITY of a wrong length', (stream) =>
    Buffer.concat([post(stream, '/hello'), frame(PRIORITY, 0, stream, 'abc')]),
  ),
  provoked('malformed heads', (stream) => get(stream, '/hello', [['Upper', 'x']])),
  provoked('more streams than are allowed', (stream) => post(stream, '/held'), 'PROTOCOL_ERROR'),
  {
    row: 'CONTINUATION flood',
    name: 'CONTINUATION without an end, empty',
    async run({ open, scale }) {
      const raw = await open();
      await raw.send(headers(1, fieldsOf('/hello'), { more: true }));
      await pour(raw, 100_000 * scale, () => continuation(1, ''));
      return ends(raw, CALM, 'PROTOCOL_ERROR');
    },
  },
  {
    row: 'CONTINUATION flood',
    name: 'CONTINUATION without an end, of whole frames',
    async run({ open, scale }) {
      const raw = await open();
      await raw.send(headers(1, fieldsOf('/hello'), { more: true }));
      const part = Buffer.concat(Array(16).fill(literal('x-a', 'y'.repeat(900))));
      await pour(raw, 2_000 * scale, () => continuation(1, part));
      return ends(raw, CALM);
    },
  },
  {
    row: 'CONTINUATION flood',
    name: 'nine frames of CONTINUATION, with their end',
    async run({ open }) {
      const raw = await open();
      const parts = [headers(1, fieldsOf('/hello'), { more: true })];
      for (let n = 1; n <= 9; n++) parts.push(continuation(1, literal(`x-${n}`, 'a'), n === 9));
      await raw.send(...parts);
      return ends(raw, CALM);
    },
  },
  {
    row: 'CONTINUATION flood',
    name: 'eight frames of CONTINUATION are a request',
    async run({ open }) {
      const raw = await open();
      const parts = [headers(1, fieldsOf('/hello'), { more: true })];
      for (let n = 1; n <= 8; n++) parts.push(continuation(1, literal(`x-${n}`, 'a'), n === 8));
      await raw.send(...parts);
      assert.equal(await raw.outcome(1), '200');
      await serves(raw, 3);
    },
  },
  {
    row: 'CONTINUATION flood',
    name: 'a head that does not end in time',
    isLong: true,
    async run({ open }) {
      const raw = await open();
      // Its acknowledgement of SETTINGS would be a frame inside the block.
      await raw.ponged();
      await raw.send(headers(1, fieldsOf('/hello'), { more: true }));
      return ends(raw, CALM);
    },
  },
  {
    row: 'CONTINUATION flood',
    name: 'a preface that does not end in time',
    isLong: true,
    async run({ open }) {
      const all = await Promise.all(Array.from({ length: 50 }, () => open({ bare: true })));
      await Promise.all(all.map((raw) => raw.send('PRI * HTTP/2.0\r\n\r\nSM')));
      const said = new Set(await Promise.all(all.map((raw) => raw.over(15_000))));
      return [...said].join(', ');
    },
  },
  {
    row: 'header bomb',
    name: 'a head of too many fields is a 431, and the connection goes on',
    async run({ open }) {
      const raw = await open();
      const more = Array.from({ length: 101 }, (_, n) => [`x-${n}`, 'a']);
      await raw.send(get(1, '/hello', more));
      assert.equal(await raw.outcome(1), '431');
      await serves(raw, 3);
    },
  },
  {
    row: 'header bomb',
    name: 'a field of the table, named again and again, is a 431',
    async run({ open }) {
      const raw = await open();
      const bomb = Buffer.concat([
        headersBlock('/hello'),
        added('x-bomb', 'b'.repeat(3_900)),
        Buffer.concat(Array(10).fill(indexed(62))),
      ]);
      await raw.send(headers(1, bomb));
      assert.equal(await raw.outcome(1), '431');
      await serves(raw, 3);
    },
  },
  {
    row: 'header bomb',
    name: 'the same beyond four times the limit ends the connection',
    async run({ open, scale }) {
      const wires = await Promise.all(Array.from({ length: 10 * scale }, () => open()));
      const bomb = Buffer.concat([
        headersBlock('/hello'),
        added('x-bomb', 'b'.repeat(3_900)),
        Buffer.concat(Array(12_000).fill(indexed(62))),
      ]);
      await Promise.all(wires.map((raw) => raw.send(headers(1, bomb))));
      const codes = new Set(await Promise.all(wires.map((raw) => ends(raw, CALM))));
      return [...codes].join();
    },
  },
  {
    row: 'header bomb',
    name: 'cookie crumbs cost as fields do',
    async run({ open }) {
      const raw = await open();
      // An added crumb, and then one octet for each.
      const crumbs = (count) =>
        Buffer.concat([
          headersBlock('/hello'),
          added('cookie', 'a=b'),
          Buffer.concat(Array(count).fill(indexed(62))),
        ]);
      await raw.send(headers(1, crumbs(600)));
      assert.equal(await raw.outcome(1), '431');
      await serves(raw, 3);
      await raw.send(headers(5, crumbs(15_000)));
      return ends(raw, CALM);
    },
  },
  {
    row: 'header bomb',
    name: 'a table of more than 4 KiB',
    async run({ open }) {
      const raw = await open();
      await raw.send(headers(1, Buffer.concat([resized(1 << 20), headersBlock('/hello')])));
      return ends(raw, 'COMPRESSION_ERROR');
    },
  },
  {
    row: 'header bomb',
    name: 'changes of the table size, again and again',
    async run({ open }) {
      const raw = await open();
      const many = Buffer.concat(Array(5_000).fill(resized(0)));
      await raw.send(headers(1, Buffer.concat([many, headersBlock('/hello')])));
      // Nothing forbids them, and they cost nothing.
      assert.equal(await raw.outcome(1), '200');
      await serves(raw, 3);
    },
  },
  {
    row: 'header bomb',
    name: 'an integer without an end',
    async run({ open }) {
      const raw = await open();
      await raw.send(headers(1, Buffer.concat([Buffer.of(0xff), Buffer.alloc(1_000, 0x80)])));
      return ends(raw, 'COMPRESSION_ERROR');
    },
  },
  {
    row: 'header bomb',
    name: 'a string that is longer than its block',
    async run({ open }) {
      const raw = await open();
      const block = Buffer.concat([
        Buffer.of(0),
        string('x'),
        Buffer.of(0x7f, 0xff, 0xff, 0xff, 7),
      ]);
      await raw.send(headers(1, Buffer.concat([headersBlock('/hello'), block])));
      return ends(raw, 'COMPRESSION_ERROR');
    },
  },
  owed('pings', () => ping()),
  owed('SETTINGS', () => settings([[SETTING.initialWindowSize, 65_535]])),
  owed('resets of our own', (n) => get(odd(n), '/hello', [['Upper', 'x']])),
  {
    row: 'owed replies',
    name: 'more settings than 32 in a frame',
    async run({ open }) {
      const raw = await open();
      await raw.send(settings(Array.from({ length: 33 }, () => [0x99, 1])));
      return ends(raw, CALM);
    },
  },
  {
    row: 'owed replies',
    name: 'pings whose answers are read, for a while',
    async run({ open, scale }) {
      const raw = await open();
      await pour(raw, 50_000 * scale, () => ping());
      if (raw.ended === null && raw.goaway === null) await raw.ponged();
      return `${raw.pings} pongs, ${raw.goaway?.code ?? 'open'}`;
    },
  },
  {
    row: 'empty DATA',
    name: 'empty DATA',
    async run({ open, scale }) {
      const raw = await open();
      await raw.send(post(1, '/sha'));
      await pour(raw, 20_000 * scale, () => data(1));
      return ends(raw, CALM);
    },
  },
  {
    row: 'empty DATA',
    name: 'DATA that is all padding',
    async run({ open, scale }) {
      const raw = await open();
      await raw.send(post(1, '/sha'));
      const padding = Buffer.concat([Buffer.of(200), Buffer.alloc(200)]);
      await pour(raw, 20_000 * scale, () => frame(DATA, PADDED, 1, padding));
      return ends(raw, CALM, 'FLOW_CONTROL_ERROR');
    },
  },
  {
    row: 'empty DATA',
    name: 'DATA of one octet',
    async run({ open, scale }) {
      const raw = await open();
      await raw.send(post(1, '/sha'));
      await pour(raw, 60_000 * scale, () => data(1, 'x'));
      return ends(raw, CALM);
    },
  },
  useless('of an unknown type', () => frame(0xbe, 0, 0)),
  useless('of an unknown type, with something in them', () => frame(0xbe, 0, 0, 'nothing to see')),
  useless('PRIORITY', (n) => frame(PRIORITY, 0, odd(n % 50), Buffer.alloc(5))),
  useless('PRIORITY_UPDATE', (n) => priorityUpdate(odd(n % 50), 'u=1')),
  useless('WINDOW_UPDATE of one', () => windowUpdate(0, 1)),
  {
    row: 'stalled windows',
    name: 'windows that stay at zero',
    most: 320 << 20,
    blocks: true,
    async run({ open, scale }) {
      const wires = [];
      for (let n = 0; n < 4 * scale; n++) {
        const raw = await open({ settings: [[SETTING.initialWindowSize, 0]] });
        wires.push(raw);
        const parts = [];
        for (let s = 0; s < 100; s++) parts.push(get(odd(s), '/streamed?pieces=1000&size=16384'));
        await raw.send(...parts);
      }
      await Promise.all(wires.map((raw) => raw.ponged()));
      // Each is given up after the time for writing.
      const ended = await Promise.all(
        wires.map(async (raw) => {
          const codes = [];
          for (let s = 0; s < 100; s++) codes.push((await raw.answer(odd(s), 20_000)).reset);
          return [...new Set(codes)].join();
        }),
      );
      for (const each of new Set(ended)) assert.match(String(each), /CANCEL|^$/);
      for (const raw of wires.filter(({ ended }) => ended === null)) {
        await raw.send(settings([[SETTING.initialWindowSize, 65_535]]));
        await serves(raw, 301);
      }
      return [...new Set(ended)].join();
    },
    isLong: true,
  },
  {
    row: 'stalled windows',
    name: 'large windows, and a socket that nobody reads',
    most: 320 << 20,
    blocks: true,
    isLong: true,
    async run({ open, scale }) {
      const wires = [];
      for (let n = 0; n < 8 * scale; n++) {
        const raw = await open({ settings: [[SETTING.initialWindowSize, MOST]] });
        wires.push(raw);
        await raw.send(windowUpdate(0, MOST - 65_535));
        await raw.ponged();
        raw.socket.pause();
        const parts = [];
        for (let s = 0; s < 100; s++) parts.push(get(odd(s), '/streamed?pieces=1000&size=65536'));
        await raw.send(...parts);
      }
      await sleep(2_500);
      for (const raw of wires) raw.destroy();
    },
  },
  {
    row: 'stalled windows',
    name: 'large answers that are made whole, and windows that stay at zero',
    most: Number.POSITIVE_INFINITY,
    blocks: true,
    isLong: true,
    async run({ open }) {
      const wires = [];
      for (let n = 0; n < 2; n++) {
        const raw = await open({ settings: [[SETTING.initialWindowSize, 0]] });
        wires.push(raw);
        const parts = [];
        for (let s = 0; s < 100; s++) parts.push(get(odd(s), '/large'));
        await raw.send(...parts);
      }
      await sleep(1_500);
      for (const raw of wires) raw.destroy();
    },
  },
  {
    row: 'stalled windows',
    name: 'a window that grows by one octet at a time',
    most: 64 << 20,
    blocks: true,
    isLong: true,
    async run({ open }) {
      const raw = await open({ settings: [[SETTING.initialWindowSize, 1]] });
      const parts = [];
      for (let s = 0; s < 100; s++) parts.push(get(odd(s), '/streamed?pieces=10&size=65536'));
      await raw.send(...parts);
      for (let turn = 0; turn < 40 && raw.ended === null; turn++) {
        await raw.send(...parts.map((_, s) => windowUpdate(odd(s), 1)));
        await sleep(25);
      }
      const { bytes } = raw;
      raw.destroy();
      return `${bytes} octets in frames of one`;
    },
  },
  {
    row: 'stalled windows',
    name: 'uploads that no handler reads: all that the windows allow',
    most: 192 << 20,
    blocks: true,
    isLong: true,
    async run({ open, scale }) {
      const wires = [];
      for (let n = 0; n < 8 * scale; n++) {
        const raw = await open({});
        wires.push(raw);
        await raw.ponged();
        const window = raw.settings.get(SETTING.initialWindowSize) ?? 65_535;
        const piece = Buffer.alloc(16_384);
        const parts = [];
        for (let s = 0; s < 100; s++) parts.push(post(odd(s), '/hang'));
        await raw.send(...parts);
        // A server gives more credit for the connection than 65,535 if it wants more.
        for (let s = 0; s < 100 && raw.ended === null; s++) {
          for (let left = Math.min(window, 262_144); left >= piece.length; left -= piece.length) {
            if (!(await raw.offer(data(odd(s), piece), 200)) || raw.goaway !== null) break;
          }
        }
      }
      await sleep(300);
      const said = new Set(wires.map((raw) => raw.goaway?.code ?? raw.ended ?? 'open'));
      for (const raw of wires) raw.destroy();
      return [...said].join();
    },
  },
  {
    row: 'window overflow',
    name: 'the window of the connection overflows',
    async run({ open }) {
      const raw = await open();
      await raw.send(windowUpdate(0, MOST), windowUpdate(0, MOST));
      return ends(raw, 'FLOW_CONTROL_ERROR');
    },
  },
  {
    row: 'window overflow',
    name: 'the window of a stream overflows, and the others go on',
    async run({ open }) {
      const raw = await open();
      await raw.send(post(1, '/echo'), windowUpdate(1, MOST), post(3, '/echo'), data(3, 'x', true));
      const { reset } = await raw.answer(1);
      assert.equal(reset, 'FLOW_CONTROL_ERROR');
      assert.equal(await raw.outcome(3), '200');
      await serves(raw, 5);
    },
  },
  {
    row: 'window overflow',
    name: 'SETTINGS make a window overflow',
    async run({ open }) {
      const raw = await open();
      await raw.send(post(1, '/echo'), windowUpdate(1, MOST - 65_535));
      await raw.send(settings([[SETTING.initialWindowSize, MOST]]));
      return ends(raw, 'FLOW_CONTROL_ERROR');
    },
  },
  {
    row: 'window overflow',
    name: 'an initial window of 2^31',
    async run({ open }) {
      const raw = await open();
      await raw.send(settings([[SETTING.initialWindowSize, 2 ** 31]]));
      return ends(raw, 'FLOW_CONTROL_ERROR');
    },
  },
  {
    row: 'window overflow',
    name: 'a zero increment of the connection',
    async run({ open }) {
      const raw = await open();
      await raw.send(windowUpdate(0, 0));
      return ends(raw, 'PROTOCOL_ERROR');
    },
  },
  {
    row: 'window overflow',
    name: 'a zero increment of a stream, and the others go on',
    async run({ open }) {
      const raw = await open();
      await raw.send(post(1, '/echo'), windowUpdate(1, 0));
      const { reset } = await raw.answer(1);
      assert.equal(reset, 'PROTOCOL_ERROR');
      await serves(raw, 3);
    },
  },
  {
    row: 'window overflow',
    name: 'more DATA than the window of a stream',
    async run({ open }) {
      const raw = await open({ acks: false });
      await raw.until(() => raw.settings.size > 0 || raw.frames.length > 0);
      const window = raw.settings.get(SETTING.initialWindowSize) ?? 65_535;
      await raw.send(post(1, '/hang'));
      const piece = Buffer.alloc(16_384);
      await pour(raw, Math.ceil(window / piece.length) + 300, () => data(1, piece));
      const came = await raw.answer(1);
      const code = came.reset ?? raw.goaway?.code;
      assert.equal(code, 'FLOW_CONTROL_ERROR', raw.told());
    },
  },
];

function headersBlock(path) {
  return Buffer.concat(fieldsOf(path).map(([name, value]) => literal(name, value)));
}
