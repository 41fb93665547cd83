// The cases of the Autobahn test suite's sections 12 and 13, by their numbers: many compressed messages
// of one size, in one frame or in several, with several offers. Its files are replaced by texts and
// bytes that are as large and as easy to compress.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib';
import { BINARY, CLOSE, CONTINUATION, closing, FIN, frame, RSV1, TEXT, Wire } from './frames.mjs';

/** Bytes of a message, and of each of its frames; 0 for one frame. */
const SHAPES = [
  [16, 0],
  [64, 0],
  [256, 0],
  [1024, 0],
  [4096, 0],
  [8192, 0],
  [16_384, 0],
  [32_768, 0],
  [65_536, 0],
  [131_072, 0],
  [8192, 256],
  [16_384, 256],
  [32_768, 256],
  [65_536, 256],
  [131_072, 256],
  [131_072, 1024],
  [131_072, 4096],
  [131_072, 32_768],
];

/** Bytes of each text, of which messages are parts one after the other. */
const SIZE = 300_000;

function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function words(seed, list) {
  const next = random(seed);
  let text = '';
  while (text.length < SIZE) {
    text += `${list[Math.floor(next() ** 2 * list.length)]}${next() < 0.1 ? '.\n' : ' '}`;
  }
  return text;
}

const WORDS =
  'the of and a to in he have it that for they with as not on she at by this we you do but from or which one would all will there say who make when can more if no man out other so what time up go about than into could state only new year some take come these know see use get like then first any work now may such give over think most even find day also after way many must look before great back through long where much should well people down own just because good each those feel seem how high too place little world very still nation hand old life tell write become here show house both between need mean call develop under last right move thing general school never same another begin while number part turn real leave might want point form off child few small since against ask late home interest large person end open public follow during present without again hold govern around possible head consider word program problem however lead system set order eye plan run keep face fact group play stand increase early course change help line'.split(
    ' ',
  );

/** What stands for the suite's files, by the second number of a case. */
const TEXTS = [
  // A large file of JSON.
  () => {
    const next = random(1);
    const rows = [];
    for (let id = 0; rows.length < SIZE / 60; id++) {
      const name = WORDS[Math.floor(next() * WORDS.length)];
      rows.push({ id, name, value: Math.floor(next() * 1e6), tags: [name.length, id % 7] });
    }
    return [TEXT, JSON.stringify(rows)];
  },
  // A picture: a slow gradient with noise.
  () => {
    const next = random(2);
    const bytes = Buffer.alloc(SIZE);
    for (let i = 0; i < SIZE; i++) bytes[i] = ((i >> 9) + Math.floor(next() * 9)) & 0xff;
    return [BINARY, bytes];
  },
  // Readable text.
  () => [TEXT, words(3, WORDS)],
  // A page of HTML.
  () => [TEXT, words(4, WORDS).replaceAll('.\n', '.</p>\n<p class="text">')],
  // Text whose characters have several bytes.
  () => [
    TEXT,
    words(
      5,
      WORDS.map((word) => word.replaceAll('e', 'é').replaceAll('o', '✓')),
    ),
  ],
].map((make) => {
  let made;
  return () => {
    made ??= make();
    return made;
  };
});

const OFFER = 'permessage-deflate';
const takes = '; client_no_context_takeover; client_max_window_bits';
const offer = (noTakeover, bits) =>
  `${OFFER}${noTakeover ? '; server_no_context_takeover' : ''}${bits > 0 ? `; server_max_window_bits=${bits}` : ''}${takes}`;

/** What section 13 asks for: that the server keeps no window, and how large one it may have. */
const OFFERS = [
  offer(false, 0),
  offer(true, 0),
  offer(false, 9),
  offer(false, 15),
  offer(true, 9),
  offer(true, 15),
  [offer(true, 9), offer(true, 0), offer(false, 0)].join(', '),
];

const shaped = (name, text, extensions) =>
  SHAPES.map(([size, frames], i) => ({ name: `${name}.${i + 1}`, text, size, frames, extensions }));

/** Groups of cases. */
export const COMPRESSION = [
  ...TEXTS.map((text, i) => [
    `12.${i + 1}`,
    shaped(`12.${i + 1}`, text, `${OFFER}; client_max_window_bits`),
  ]),
  ...OFFERS.map((extensions, i) => [`13.${i + 1}`, shaped(`13.${i + 1}`, TEXTS[0], extensions)]),
];

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

/** A stream of zlib, given whole messages one after the other. */
class Messages {
  #stream;
  #parts = [];

  constructor(stream) {
    this.#stream = stream;
    stream.on('data', (part) => this.#parts.push(part));
  }

  async through(bytes) {
    this.#parts = [];
    const failed = once(this.#stream, 'error').then(([error]) => Promise.reject(error));
    failed.catch(() => {});
    this.#stream.write(bytes);
    await Promise.race([
      failed,
      new Promise((resolve) => this.#stream.flush(constants.Z_SYNC_FLUSH, resolve)),
    ]);
    return Buffer.concat(this.#parts);
  }

  close() {
    this.#stream.close();
  }
}

/** The part of a text that begins there; a character is never cut. */
function part(text, at, size) {
  if (typeof text !== 'string') {
    const from = at % (text.length - size);
    return text.subarray(from, from + size);
  }
  const bytes = Buffer.from(text);
  let from = at % (bytes.length - size);
  while ((bytes[from] & 0xc0) === 0x80) from++;
  let end = from + size;
  while ((bytes[end] & 0xc0) === 0x80) end--;
  return bytes.subarray(from, end);
}

/** Sends messages one after the other, each compressed, and compares what comes back. */
export async function converse(url, { text, size, frames, extensions }, count) {
  const wire = await Wire.open(url, { extensions });
  const agreed = wire.extensions ?? '';
  const parameter = (name) => new RegExp(`; *${name}(?:=(\\d+))?`).exec(agreed);
  let deflate = null;
  let inflate = null;
  try {
    assert.match(agreed, /^permessage-deflate/, 'the server agrees to compression');
    const clientBits = Number(parameter('client_max_window_bits')?.[1] ?? 15);
    const serverBits = Number(parameter('server_max_window_bits')?.[1] ?? 15);
    for (const bits of extensions
      .split(',')[0]
      .match(/server_max_window_bits=(\d+)/)
      ?.slice(1) ?? []) {
      assert(serverBits <= Number(bits), 'a window that is not larger than what was offered');
    }
    const keepsOwn = parameter('client_no_context_takeover') === null;
    const keepsTheirs = parameter('server_no_context_takeover') === null;
    assert(!extensions.split(',')[0].includes('server_no') || !keepsTheirs);
    deflate = keepsOwn && new Messages(createDeflateRaw({ windowBits: clientBits }));
    inflate = new Messages(createInflateRaw({ windowBits: serverBits }));
    const inflated = async (bytes) => {
      const all = await inflate.through(Buffer.concat([bytes, TAIL]));
      if (!keepsTheirs) {
        inflate.close();
        inflate = new Messages(createInflateRaw({ windowBits: serverBits }));
      }
      return all;
    };
    const [opcode, from] = text();
    for (let n = 0, at = 0; n < count; n++) {
      const message = part(from, at, size);
      at += size;
      const whole = deflate
        ? await deflate.through(message)
        : deflateRawSync(message, { windowBits: clientBits, finishFlush: constants.Z_SYNC_FLUSH });
      assert(whole.subarray(-4).equals(TAIL));
      const bytes = whole.subarray(0, -4);
      const each = frames === 0 ? bytes.length : frames;
      for (let start = 0; start < bytes.length; start += each) {
        const fin = start + each >= bytes.length ? FIN : 0;
        const first = start === 0 ? RSV1 | opcode : CONTINUATION;
        await wire.send(frame(fin | first, bytes.subarray(start, start + each)));
      }
      const read = await wire.next(inflated);
      assert(read !== null, `the connection ended: ${wire.ended}`);
      assert.equal(read.opcode, opcode, read.reason);
      assert(read.payload.equals(message), `message ${n} is as it was sent`);
    }
    await wire.send(frame(FIN | CLOSE, closing(1000)));
    const read = await wire.next(inflated);
    assert.deepEqual([read?.opcode, read?.code], [CLOSE, 1000]);
    assert.equal(await wire.next(inflated), null);
  } finally {
    if (deflate) deflate.close();
    inflate?.close();
    wire.destroy();
  }
}
