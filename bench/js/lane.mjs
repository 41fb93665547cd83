// What a request costs in JavaScript alone: the bridge with a lane that copies
// the same batch of requests into the arrays again and again, and drops the
// replies. No socket, no engine, no thread but this one.
//
//   node bench/js/lane.mjs [--batch 64] [--seconds 1] [name …]

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { FakeLane } from '../../__test__/lane/fake-lane.mjs';
import { Response as Quick } from '../../dist/index.js';
import { Bridge } from '../../dist/lane/bridge.js';

const { values, positionals } = parseArgs({
  options: {
    batch: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '1' },
    runs: { type: 'string', default: '5' },
  },
  allowPositionals: true,
});
const BATCH = Number(values.batch);
const MILLISECONDS = Number(values.seconds) * 1000;

const GenuineResponse = globalThis.Response;
const BROWSER = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'accept-language': 'en-US,en;q=0.9',
  'accept-encoding': 'gzip, deflate, br, zstd',
  cookie: 'session=0123456789abcdef0123456789abcdef; theme=dark',
};
const TWENTY = Object.fromEntries(
  Array.from({ length: 20 }, (_, i) => [`x-field-${i}`, `value ${i} of twenty, of some length`]),
);
const READ = [1, 5, 9, 13, 17].map((i) => `x-field-${i}`);
const SENT = Object.fromEntries(
  Array.from({ length: 20 }, (_, i) => [`x-answer-${i}`, `value ${i} of twenty, of some length`]),
);
const CHUNKS = Array.from({ length: 10 }, (_, i) => Buffer.from(`chunk ${i} of ten\n`));
const ALL_CHUNKS = CHUNKS.join('');
const KIBIBYTE = JSON.stringify({ text: 'x'.repeat(1000), n: 1 });

/** @type {Record<string, { ask: (lane: FakeLane) => void, handle: Function, body: string }>} */
const CASES = {
  hello: {
    ask: (lane) => lane.ask('GET', '/'),
    handle: () => new Quick('Hello, World!'),
    body: 'Hello, World!',
  },
  'hello, async': {
    ask: (lane) => lane.ask('GET', '/'),
    handle: async () => new Quick('Hello, World!'),
    body: 'Hello, World!',
  },
  'hello, genuine Response': {
    ask: (lane) => lane.ask('GET', '/'),
    handle: () => new GenuineResponse('Hello, World!'),
    body: 'Hello, World!',
  },
  'url and two headers of a browser': {
    ask: (lane) => lane.ask('GET', '/search?q=term', BROWSER),
    handle: (request) => {
      const query = request.url.indexOf('?');
      const agent = request.headers.get('user-agent');
      const cookie = request.headers.get('cookie');
      return new Quick(`${request.url.slice(query)} ${agent.length} ${cookie.length}`);
    },
    body: '?q=term 81 52',
  },
  'all headers': {
    ask: (lane) => lane.ask('GET', '/', BROWSER),
    handle: (request) => new Quick(String([...request.headers].length)),
    body: '6',
  },
  'json with headers': {
    ask: (lane) => lane.ask('GET', '/'),
    handle: () =>
      new Quick('{"hello":"world"}', {
        status: 201,
        headers: { 'content-type': 'application/json', 'x-powered-by': 'reactor-rs' },
      }),
    body: '{"hello":"world"}',
  },
  'five fields of 20 read, 20 sent': {
    ask: (lane) => lane.ask('GET', '/', TWENTY),
    handle: (request) => {
      const values = READ.map((name) => request.headers.get(name));
      return new Quick(values.join('|'), { headers: SENT });
    },
    body: READ.map((name) => TWENTY[name]).join('|'),
  },
  'json in and out': {
    ask: (lane) => lane.ask('POST', '/items?id=7', BROWSER, { body: KIBIBYTE }),
    handle: async (request) => {
      const id = new URL(request.url).searchParams.get('id');
      const agent = request.headers.get('user-agent');
      const cookie = request.headers.get('cookie');
      const { text } = await request.json();
      return Quick.json({ id, agent: agent.length, cookie: cookie.length, text: text.length });
    },
    body: '{"id":"7","agent":81,"cookie":52,"text":1000}',
  },
  'stream in one piece': {
    ask: (lane) => lane.ask('GET', '/'),
    handle: () => new Quick(new Quick('Hello, World!').body),
    body: 'Hello, World!',
  },
  'ten chunks, async generator': {
    ask: (lane) => lane.ask('GET', '/'),
    handle: () =>
      new Quick(
        (async function* () {
          for (const chunk of CHUNKS) yield chunk;
        })(),
      ),
    body: ALL_CHUNKS,
  },
  'ten chunks, ReadableStream': {
    ask: (lane) => lane.ask('GET', '/'),
    handle: () =>
      new Quick(
        new ReadableStream({
          start(controller) {
            for (const chunk of CHUNKS) controller.enqueue(chunk);
            controller.close();
          },
        }),
      ),
    body: ALL_CHUNKS,
  },
  'ten chunks, ReadableStream with pull': {
    ask: (lane) => lane.ask('GET', '/'),
    handle: () => {
      let i = 0;
      return new Quick(
        new ReadableStream({
          pull(controller) {
            if (i < CHUNKS.length) controller.enqueue(CHUNKS[i++]);
            else controller.close();
          },
        }),
      );
    },
    body: ALL_CHUNKS,
  },
  'ten chunks, Readable.from': {
    ask: (lane) => lane.ask('GET', '/'),
    handle: () => new Quick(Readable.from(CHUNKS)),
    body: ALL_CHUNKS,
  },
};

/** Serves one recorded batch until it is told to stop. */
class Replay {
  isOn = true;
  served = 0;
  #words;
  #bytes;

  constructor(ask) {
    const lane = new FakeLane();
    lane.bridge = { wake() {} };
    const words = new Uint32Array(16 * 1024);
    const record = (bytes) => {
      for (let i = 0; i < BATCH; i++) {
        ask(lane);
      }
      const count = lane.turn(words, bytes, words, 0, bytes);
      assert.equal(count, BATCH, 'the batch does not fit the arrays');
    };
    record(Buffer.alloc(256 * 1024));
    // Once more, in no more room than it takes.
    this.#bytes = Buffer.alloc(lane.used);
    record(this.#bytes);
    let end = 0;
    for (let i = 0; i < BATCH; i++) {
      end += words[end] >>> 8;
    }
    this.#words = words.slice(0, end);
  }

  turner() {
    return (...arrays) => this.turn(...arrays);
  }

  turn(events, eventBytes) {
    if (!this.isOn) {
      return 0;
    }
    events.set(this.#words);
    eventBytes.set(this.#bytes);
    this.served += BATCH;
    return BATCH;
  }

  send() {
    throw new Error('a small reply went the long way');
  }
}

/** Nanoseconds a request for one case. */
async function measure({ ask, handle }) {
  const lane = new Replay(ask);
  const bridge = new Bridge(lane, {
    find: () => ({ handle, paramNames: [] }),
    onError: (error) => {
      throw error;
    },
  });
  bridge.wake();
  await wait(MILLISECONDS / 3);
  const before = lane.served;
  const start = process.hrtime.bigint();
  await wait(MILLISECONDS);
  const nanoseconds = Number(process.hrtime.bigint() - start);
  const served = lane.served - before;
  lane.isOn = false;
  await wait(1);
  return nanoseconds / served;
}

/** The bridge answers what it should before anything is timed. */
async function check(name, { ask, handle, body }) {
  const lane = new FakeLane();
  lane.bridge = new Bridge(lane, {
    find: () => ({ handle, paramNames: [] }),
    onError: (error) => {
      throw error;
    },
  });
  ask(lane);
  assert.equal((await lane.response(0)).body, body, name);
}

function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const names = positionals.length > 0 ? positionals : Object.keys(CASES);
for (const name of names) {
  await check(name, CASES[name]);
}
/** @type {Record<string, number[]>} */
const results = Object.fromEntries(names.map((name) => [name, []]));
for (let run = 0; run < Number(values.runs); run++) {
  for (const name of names) {
    results[name].push(await measure(CASES[name]));
  }
}
console.log(`node ${process.version}, batches of ${BATCH}, median and best of ${values.runs}`);
for (const name of names) {
  const sorted = results[name].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  console.log(
    `${median.toFixed(0).padStart(6)} ns ${sorted[0].toFixed(0).padStart(6)} ns  ${name}`,
  );
}
