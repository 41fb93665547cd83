// Responses of other implementations, which have no class in common with Node's own.

import http from 'node:http';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { ReadableStream as NodeStream } from 'node:stream/web';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import zlib from 'node:zlib';
import test from 'ava';
import { createSchema, createYoga } from 'graphql-yoga';
import { Headers as OurHeaders, Response as Quick } from 'reactor-rs';
import { Headers as UndiciHeaders, Response as UndiciResponse, fetch as undiciFetch } from 'undici';
import { GenuineResponse, genuineFetch } from '../../dist/fetch/genuine.js';
import { start } from '../support/server.mjs';
import { streamOf } from './oracle.mjs';

/** Another implementation's response: only what it is given, and what makes it one. */
const foreign = (parts) =>
  Object.defineProperties(
    { status: 200, headers: new Map(), body: null, bodyUsed: false, clone() {} },
    Object.getOwnPropertyDescriptors(parts),
  );

const bytes = (text) => new TextEncoder().encode(text);

/** One GET, with the head's lines as they came. */
function get(server, path = '/', options = {}) {
  return new Promise((resolve, reject) => {
    const url = new URL(path, server.url);
    http
      .get(url, { agent: false, ...options }, (res) => {
        const chunks = [];
        res.on('data', (chunk) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const { statusCode: status, headers, rawHeaders } = res;
          resolve({ status, headers, rawHeaders, body: Buffer.concat(chunks) });
        });
      })
      .on('error', reject);
  });
}

/** What one handler's answer came to, and what the error handler was told. */
async function answer(t, handle, options) {
  const errors = [];
  const server = await start(t, {
    fetch: handle,
    error: (error) => {
      errors.push(error);
      return new Quick(`failed: ${error.message}`, { status: 500 });
    },
  });
  return { ...(await get(server, '/', options)), errors };
}

class Reader {
  constructor(...chunks) {
    this.chunks = chunks;
  }
  async read() {
    return this.chunks.length === 0
      ? { done: true, value: undefined }
      : { done: false, value: this.chunks.shift() };
  }
  async cancel() {}
}

const BODIES = {
  'a stream of Node’s': () => streamOf('he', 'llo'),
  'a stream with readers only': () => ({ getReader: () => new Reader(bytes('he'), bytes('llo')) }),
  'a reader that needs its stream': () => ({
    chunks: [bytes('hello')],
    getReader() {
      return new Reader(...this.chunks);
    },
  }),
  'an async iterable of bytes': () => ({
    async *[Symbol.asyncIterator]() {
      yield bytes('he');
      yield bytes('llo');
    },
  }),
  'an async iterable of texts': () => ({
    async *[Symbol.asyncIterator]() {
      yield 'he';
      yield 'llo';
    },
  }),
  'an async iterator that answers at once': () => ({
    left: [bytes('hello')],
    [Symbol.asyncIterator]() {
      return { next: () => ({ done: this.left.length === 0, value: this.left.pop() }) };
    },
  }),
  'a Readable': () => Readable.from([Buffer.from('he'), Buffer.from('llo')]),
  'a Readable of text': () => Readable.from(['he', 'llo']),
  'a text': () => 'hello',
  'a buffer': () => Buffer.from('hello'),
  'an ArrayBuffer': () => bytes('hello').buffer,
  'a Blob': () => new Blob(['hello']),
  parameters: () => new URLSearchParams({ hello: '' }),
};

for (const [name, make] of Object.entries(BODIES)) {
  test(`a body that is ${name}`, async (t) => {
    const { status, body, errors } = await answer(t, () => foreign({ body: make() }));
    t.deepEqual(errors, []);
    t.is(status, 200);
    t.is(body.toString().replace('=', ''), 'hello');
  });
}

test('a response that has its body in methods only', async (t) => {
  const { body } = await answer(t, () => {
    const { body: _, ...response } = foreign({ arrayBuffer: async () => bytes('hello').buffer });
    return response;
  });
  t.is(body.toString(), 'hello');
});

const PAIRS = [
  ['Content-Type', 'x/y'],
  ['X-A', '1'],
  ['Set-Cookie', 'a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT'],
  ['Set-Cookie', 'b=2'],
];
const JOINED = PAIRS.slice(0, 2).concat([['set-cookie', `${PAIRS[2][1]}, b=2`]]);
const cookies = PAIRS.slice(2).map(([, value]) => value);

const HEADERS = {
  'an iterable of pairs': () => ({ [Symbol.iterator]: () => PAIRS[Symbol.iterator]() }),
  'a list of pairs': () => PAIRS,
  'entries only': () => ({ entries: () => PAIRS.values() }),
  'forEach only': () => ({
    forEach(call) {
      for (const [name, value] of PAIRS) {
        call(value, name, this);
      }
    },
  }),
  'a Map of lists': () => new Map([...PAIRS.slice(0, 2), ['set-cookie', cookies]]),
  'a record': () => Object.fromEntries([...PAIRS.slice(0, 2), ['set-cookie', cookies]]),
  'cookies joined, and getSetCookie': () => ({
    [Symbol.iterator]: () => JOINED.values(),
    getSetCookie: () => cookies,
  }),
  'cookies left out, and getSetCookie': () => ({
    [Symbol.iterator]: () => JOINED.slice(0, 2).values(),
    getSetCookie: () => cookies,
  }),
  'cookies joined, and raw()': () => ({
    forEach(call) {
      for (const [name, value] of JOINED) {
        call(value, name);
      }
    },
    raw: () => ({ 'set-cookie': cookies }),
  }),
  'cookies joined, and getAll()': () => ({
    entries: () => JOINED.values(),
    getAll: (name) => (name === 'set-cookie' ? cookies : []),
  }),
  'cookies joined, and nothing else': () => new Map(JOINED),
  'getSetCookie that knows of none': () => ({
    [Symbol.iterator]: () => PAIRS.values(),
    getSetCookie: () => [],
  }),
  'of npm’s undici': () => new UndiciHeaders(PAIRS),
};

for (const [name, make] of Object.entries(HEADERS)) {
  test(`headers that are ${name}`, async (t) => {
    const { headers, errors } = await answer(t, () => foreign({ headers: make(), body: 'x' }));
    t.deepEqual(errors, []);
    t.like(headers, { 'content-type': 'x/y', 'x-a': '1' });
    t.deepEqual(headers['set-cookie'], cookies);
  });
}

test('framing and connection belong to the engine, however they are written', async (t) => {
  const names = ['Content-Length', 'CONTENT-LENGTH', 'Date', 'Connection', 'Transfer-Encoding'];
  const values = ['5', '5', 'never', 'keep-alive', 'chunked'];
  for (const body of [null, 'hello', streamOf('hello'), Readable.from(['hello'])]) {
    const headers = names.map((name, i) => [name, values[i]]);
    const { errors, rawHeaders, ...got } = await answer(t, () => foreign({ headers, body }));
    t.deepEqual(errors, []);
    t.is(got.body.toString(), body === null ? '' : 'hello');
    const lower = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    t.is(new Set(lower).size, lower.length, String(lower));
    t.not(got.headers.date, 'never');
  }
});

test('what comes with the body’s type is there, whichever is looked at first', async (t) => {
  // As srvx has it: the headers are complete once there is a whole response.
  const withBody = () => {
    let type = [];
    return foreign({
      get headers() {
        return new Map(type);
      },
      get body() {
        type = [['content-type', 'a/b']];
        return bytes('x');
      },
    });
  };
  const withHeaders = () => {
    let text = 'x';
    const known = new Map();
    return foreign({
      get headers() {
        if (text !== null) {
          known.set('content-type', 'a/b');
        }
        return known;
      },
      get body() {
        const body = text;
        text = null;
        return body;
      },
    });
  };
  for (const make of [withBody, withHeaders]) {
    const { headers, body } = await answer(t, make);
    t.is(headers['content-type'], 'a/b');
    t.is(body.toString(), 'x');
  }
});

const REFUSED = {
  'a name that is no token': { headers: [['x y', '1']] },
  'a name with a line end': { headers: [['x\r\ny', '1']] },
  'an empty name': { headers: [['', '1']] },
  'a line end in a value': { headers: [['x', 'a\r\nb: c']] },
  'a NUL in a value': { headers: [['x', 'a\0b']] },
  'a control character in a value': { headers: [['x', 'a\x01b']] },
  'a code point above U+00FF': { headers: [['x', '€']] },
  'code points that would be a line end as bytes': { headers: [['x', 'a\u010d\u010ab']] },
  'a name above U+00FF': { headers: [['x\u010d', '1']] },
  'a field that is no pair': { headers: [['x']] },
  'a status of 42': { status: 42 },
  'a status of 199': { status: 199 },
  'a status of 600': { status: 600 },
  'a status of 200.5': { status: 200.5 },
  'a status that is no number': { status: Number.NaN },
  'a body that is no body': { body: { a: 1 } },
  'a body that is a number': { body: 5 },
  'a body that has been read': { bodyUsed: true, body: 'x' },
  'a body that is being read': { body: { locked: true, getReader() {} } },
};

for (const [name, parts] of Object.entries(REFUSED)) {
  test(`refused, and told to the error handler: ${name}`, async (t) => {
    const { status, body, headers, errors } = await answer(t, () => foreign(parts));
    t.is(status, 500);
    t.is(errors.length, 1);
    t.regex(body.toString(), /^failed: /);
    t.is(headers.x, undefined);
  });
}

test('a status without a body, and one that has it', async (t) => {
  let isCancelled = false;
  for (const status of [204, 205, 304]) {
    const body = new NodeStream({
      cancel() {
        isCancelled = true;
      },
    });
    const got = await answer(t, () => foreign({ status, body }));
    t.is(got.status, status);
    t.is(got.body.length, 0);
    t.true(isCancelled);
    isCancelled = false;
  }
});

test('a foreign stream is told when the client has gone', async (t) => {
  const told = { reader: withResolvers(), readable: withResolvers() };
  const readable = new Readable({
    read() {
      setImmediate(() => this.push('x'.repeat(1000)));
    },
    destroy(error, callback) {
      told.readable.resolve();
      callback(error);
    },
  });
  const bodies = [
    {
      getReader: () => ({
        read: async () => {
          await new Promise(setImmediate);
          return { done: false, value: bytes('x'.repeat(1000)) };
        },
        cancel: async () => told.reader.resolve(),
      }),
    },
    readable,
  ];
  const server = await start(t, { fetch: () => foreign({ body: bodies.shift() }) });
  for (const { promise } of [told.reader, told.readable]) {
    await new Promise((resolve) => {
      const request = http.get(server.url, { agent: false }, (res) => {
        res.once('data', () => {
          request.destroy();
          resolve();
        });
      });
      request.on('error', () => {});
    });
    await promise;
  }
  t.pass();
});

function withResolvers() {
  const result = {};
  result.promise = new Promise((resolve) => Object.assign(result, { resolve }));
  return result;
}

test('GraphQL Yoga answers', async (t) => {
  const yoga = createYoga({
    logging: false,
    schema: createSchema({
      typeDefs: 'type Query { hi: String } type Subscription { count: Int }',
      resolvers: {
        Query: { hi: () => 'hi' },
        Subscription: {
          count: {
            async *subscribe() {
              yield { count: 1 };
              yield { count: 2 };
            },
          },
        },
      },
    }),
  });
  const server = await start(t, { fetch: (request) => yoga.fetch(request) });
  const ask = (query, accept) =>
    fetch(`${server.url}graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ query }),
    });
  const answered = await ask('{ hi }', 'application/json');
  t.deepEqual([answered.status, await answered.json()], [200, { data: { hi: 'hi' } }]);
  const events = await ask('subscription { count }', 'text/event-stream');
  t.regex(await events.text(), /"count":1.*"count":2.*event: complete/s);
  const preflight = await fetch(`${server.url}graphql`, {
    method: 'OPTIONS',
    headers: { origin: 'http://a', 'access-control-request-method': 'POST' },
  });
  t.is(preflight.status, 204);
  t.is(preflight.headers.get('access-control-allow-origin'), 'http://a');
  const page = await fetch(`${server.url}graphql`, { headers: { accept: 'text/html' } });
  t.regex(await page.text(), /^<!doctype html>/i);
});

/** A form as the DOM of a test runner has it: nothing of it is Node's. */
class OtherForm {
  #entries;

  constructor(...entries) {
    this.#entries = entries;
  }
  append() {}
  getAll() {}
  [Symbol.iterator]() {
    return this.#entries[Symbol.iterator]();
  }
}

const otherFile = (name, text, members) => ({
  [Symbol.toStringTag]: 'File',
  name,
  type: 'text/x-file',
  arrayBuffer: async () => bytes(text).buffer,
  ...members,
});

test('a form with files that Node cannot read is sent as a form', async (t) => {
  class Tagged extends OtherForm {
    get [Symbol.toStringTag]() {
      return 'FormData';
    }
  }
  const read = async (Form, file) => {
    const response = new Quick(new Form(['a "b"\n', 'x\ny'], ['file', file]));
    const [[name, value], [field, found]] = [...(await response.formData())];
    return [name, value, field, found.name, found.type, await found.text()];
  };
  for (const Form of [OtherForm, Tagged]) {
    const { stream } = new Blob(['f1']);
    for (const members of [
      {},
      { stream: stream.bind(new Blob(['f1'])) },
      { stream: () => Readable.from(['f1']) },
    ]) {
      t.deepEqual(await read(Form, otherFile('ü".txt', 'f1', members)), [
        'a "b"\r\n',
        'x\r\ny',
        'file',
        'ü".txt',
        'text/x-file',
        'f1',
      ]);
    }
    // It fails, in place of waiting for ever.
    const unreadable = read(Form, otherFile('x', '', { arrayBuffer: undefined }));
    await t.throwsAsync(unreadable, { message: /neither stream\(\) nor arrayBuffer\(\)/ });
  }
});

test('a Blob without a stream, other search parameters and npm’s form-data are sent for what they are', async (t) => {
  const blob = new Quick(otherFile('x', 'blob'));
  t.is(blob.headers.get('content-type'), 'text/x-file');
  t.is(await blob.text(), 'blob');
  const params = {
    [Symbol.toStringTag]: 'URLSearchParams',
    toString: () => 'a=1',
    append() {},
    sort() {},
  };
  const search = new Quick(params);
  t.is(search.headers.get('content-type'), 'application/x-www-form-urlencoded;charset=UTF-8');
  t.is(await search.text(), 'a=1');
  const form = {
    [Symbol.toStringTag]: 'FormData',
    append() {},
    on() {},
    getHeaders: () => ({ 'content-type': 'multipart/form-data; boundary=B' }),
    pipe: (to) => to.end('--B--'),
  };
  const stream = new Quick(form);
  t.is(stream.headers.get('content-type'), 'multipart/form-data; boundary=B');
  t.is(await stream.text(), '--B--');
});

const TEXT = 'hello '.repeat(1000);
const ENCODED = {
  gzip: zlib.gzipSync(TEXT),
  br: zlib.brotliCompressSync(TEXT),
  deflate: zlib.deflateSync(TEXT),
};

/** A backend that says and sends what it is asked for. */
async function backend(t) {
  const server = http.createServer((request, response) => {
    const coding = request.url.slice(1);
    const body = ENCODED[coding] ?? Buffer.from(TEXT);
    response.writeHead(200, {
      ...(coding in ENCODED && { 'content-encoding': coding }),
      'content-length': body.length,
      'content-type': 'text/plain',
      connection: 'close',
    });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${server.address().port}/`;
}

const upper = () =>
  new TransformStream({
    transform: (chunk, controller) => controller.enqueue(chunk),
    flush: (controller) => controller.enqueue(bytes('!')),
  });

/** How programs pass on what `fetch` gave; each is to arrive as the text. */
const REWRAPPED = {
  'the body, and the response as init': (r) => new Response(r.body, r),
  'the body and the headers': (r) => new Response(r.body, { headers: r.headers }),
  'a copy of the headers, changed': (r) => {
    const headers = new Headers(r.headers);
    headers.set('x-mine', '1');
    return new Response(r.body, { headers });
  },
  'the headers as a record': (r) =>
    new Response(r.body, { headers: Object.fromEntries(r.headers) }),
  'the headers as a list': (r) => new Response(r.body, { headers: [...r.headers] }),
  'the headers set one by one': (r) => {
    const response = new Response(r.body);
    r.headers.forEach((value, name) => {
      response.headers.set(name, value);
    });
    return response;
  },
  'the text': async (r) => new Response(await r.text(), r),
  'the bytes': async (r) => new Response(await r.arrayBuffer(), r),
  'a Blob': async (r) => new Response(await r.blob(), r),
  'the text, and the headers as a record': async (r) =>
    new Response(await r.text(), { headers: Object.fromEntries(r.headers) }),
  'the bytes, and the headers as a record': async (r) =>
    new Response(await r.arrayBuffer(), { headers: Object.fromEntries(r.headers) }),
  'a clone': (r) => {
    const copy = r.clone();
    return new Response(copy.body, copy);
  },
  'what is left of a clone': (r) => {
    void r.clone().text();
    return new Response(r.body, Object.fromEntries([['headers', [...r.headers]]]));
  },
  'one half of a tee': (r) => {
    const [mine, other] = r.body.tee();
    void other.cancel();
    return new Response(mine, r);
  },
  'another stream': (r) => {
    const { readable, writable } = new TransformStream();
    void r.body.pipeTo(writable);
    return new Response(readable, r);
  },
  'a response of a response': (r) => {
    const first = new Response(r.body, r);
    return new Response(first.body, first);
  },
  'a clone of a response': (r) => new Response(r.body, r).clone(),
  'Node’s own Response': (r) => new GenuineResponse(r.body, r),
};

for (const coding of ['gzip', 'br', 'deflate', 'none']) {
  for (const [name, make] of Object.entries(REWRAPPED)) {
    test(`what fetch has decoded is passed on whole, from ${coding}: ${name}`, async (t) => {
      const url = await backend(t);
      const { body, headers, errors } = await answer(t, async () =>
        make(await fetch(url + coding)),
      );
      t.deepEqual(errors, []);
      t.is(headers['content-encoding'], undefined);
      t.is(headers['content-type'], 'text/plain');
      t.is(body.toString(), TEXT);
    });
  }
}

test('a stream that is longer than what fetch gave is passed on whole', async (t) => {
  const url = await backend(t);
  for (const coding of ['gzip', 'none']) {
    const { body, errors } = await answer(t, async () => {
      const r = await fetch(url + coding);
      return new Response(r.body.pipeThrough(upper()), r);
    });
    t.deepEqual(errors, []);
    t.is(body.toString(), `${TEXT}!`);
  }
});

test('what the program encodes anew, and says so, is sent as encoded', async (t) => {
  const url = await backend(t);
  const { body, headers } = await answer(t, async () => {
    const r = await fetch(`${url}br`);
    const own = new Headers(r.headers);
    own.set('content-encoding', 'gzip');
    return new Response(r.body.pipeThrough(new CompressionStream('gzip')), { headers: own });
  });
  t.is(headers['content-encoding'], 'gzip');
  t.is(zlib.gunzipSync(body).toString(), TEXT);
});

test('the length of what fetch has not decoded is passed on', async (t) => {
  const url = await backend(t);
  const { headers } = await answer(t, async () => {
    const r = await fetch(`${url}none`);
    return new Response(r.body, r);
  });
  t.is(headers['content-length'], String(TEXT.length));
});

test('what a fetch from before serve gave is passed on whole', async (t) => {
  const url = await backend(t);
  for (const make of [
    (r) => new Response(r.body, r),
    (r) => new Response(r.body, { headers: r.headers }),
    (r) => new Response(r.body, { headers: new Headers(r.headers) }),
    async (r) => new Response(await r.text(), r),
  ]) {
    const { body, headers, errors } = await answer(t, async () =>
      make(await genuineFetch(`${url}gzip`)),
    );
    t.deepEqual(errors, []);
    t.is(headers['content-encoding'], undefined);
    t.is(body.toString(), TEXT);
  }
});

test('headers of another implementation give their cookies one by one', (t) => {
  const joined = new Map([
    ['x', '1'],
    ['set-cookie', 'a=1, b=2'],
  ]);
  joined.getSetCookie = () => ['a=1', 'b=2'];
  const ours = new OurHeaders(joined);
  t.deepEqual(ours.getSetCookie(), ['a=1', 'b=2']);
  t.is(ours.get('x'), '1');
});

const DECODERS = {
  gzip: [zlib.createGunzip, zlib.createUnzip],
  deflate: [zlib.createInflate, zlib.createUnzip],
  br: [zlib.createBrotliDecompress],
};

/** How clients that are made of node:http give what they have decoded: node-fetch, axios, whatwg. */
const DECODED = {
  'our Response': (body, headers) => new Response(body, { headers }),
  'a clone of our Response': (body, headers) => new Response(body, { headers }).clone(),
  'another Response': (body, headers) => foreign({ body, headers: Object.entries(headers) }),
  'another stream around it': (body, headers) =>
    new Response(
      { readable: body, [Symbol.asyncIterator]: () => body[Symbol.asyncIterator]() },
      { headers },
    ),
};

for (const [coding, decoders] of Object.entries(DECODERS)) {
  for (const [name, make] of Object.entries(DECODED)) {
    test(`what a decoder of Node’s has taken off is not said of what is sent, ${coding}: ${name}`, async (t) => {
      const url = await backend(t);
      for (const decoder of decoders) {
        const { body, headers, errors } = await answer(t, async () => {
          const response = await new Promise((resolve) => {
            http.get(url + coding, resolve);
          });
          return make(response.pipe(decoder()), response.headers);
        });
        t.deepEqual(errors, []);
        t.is(headers['content-encoding'], undefined);
        t.is(body.toString(), TEXT);
      }
    });
  }
}

test('a coding that the body is in stays, whatever else is said of it', async (t) => {
  const received = { date: 'Thu, 01 Jan 1970 00:00:00 GMT', 'content-length': '1234' };
  for (const [coding, encoded] of Object.entries(ENCODED)) {
    const raw = await answer(t, () => {
      const headers = { ...received, 'content-encoding': coding };
      return new Response(encoded, { headers });
    });
    t.is(raw.headers['content-encoding'], coding);
    t.is(raw.headers['content-length'], String(encoded.length));
    t.deepEqual(raw.body, encoded);
  }
  // Only what was received is doubted.
  for (const headers of [{}, { 'content-length': '5' }]) {
    const own = await answer(t, () => {
      return new Response('plain', { headers: { ...headers, 'content-encoding': 'br' } });
    });
    t.is(own.headers['content-encoding'], 'br');
  }
  const unknown = await answer(t, () => {
    return new Response('plain', { headers: { ...received, 'content-encoding': 'x-own' } });
  });
  t.is(unknown.headers['content-encoding'], 'x-own');
});

test('a large body is looked at too', async (t) => {
  const large = 'x'.repeat(300_000);
  const { headers, body } = await answer(t, () => {
    const date = 'Thu, 01 Jan 1970 00:00:00 GMT';
    return new Response(large, {
      headers: { 'x-a': '1', 'content-encoding': 'gzip', date, 'x-b': '2' },
    });
  });
  t.deepEqual(
    [headers['content-encoding'], headers['x-a'], headers['x-b'], body.length],
    [undefined, '1', '2', large.length],
  );
});

test('what npm’s undici has fetched is passed on whole', async (t) => {
  const url = await backend(t);
  for (const make of [
    (r) => r,
    (r) => new Response(r.body, r),
    (r) => new Response(r.body, { headers: r.headers }),
    (r) => new UndiciResponse(r.body),
  ]) {
    const { body, headers, errors } = await answer(t, async () =>
      make(await undiciFetch(`${url}gzip`)),
    );
    t.deepEqual(errors, []);
    t.is(headers['content-encoding'], undefined);
    t.is(body.toString(), TEXT);
  }
});

test('in a context of its own, as test runners make them', async (t) => {
  // Jest and Vitest load programs, and so this package, in a context of node:vm.
  const require = createRequire(new URL('../../dist-cjs/', import.meta.url));
  const fresh = vm.runInNewContext('Object.getOwnPropertyNames(globalThis)');
  const isNodes = ([name]) => !fresh.includes(name) && name !== 'globalThis';
  const globals = Object.entries(Object.getOwnPropertyDescriptors(globalThis)).filter(isNodes);
  const context = vm.createContext(Object.defineProperties({}, Object.fromEntries(globals)));
  const cache = new Map();
  const load = (file) => {
    if (!cache.has(file)) {
      const { readFileSync } = require('node:fs');
      const module = { exports: {} };
      cache.set(file, module);
      const near = createRequire(file);
      const names = ['exports', 'require', 'module', '__filename', '__dirname'];
      const run = vm.compileFunction(readFileSync(file, 'utf8'), names, {
        parsingContext: context,
      });
      const within = (name) => {
        const path = name.startsWith('.') ? near.resolve(name) : name;
        return path.includes('/dist-cjs/') && path.endsWith('.js') ? load(path) : near(name);
      };
      run(module.exports, within, module, file, fileURLToPath(new URL('.', `file://${file}`)));
    }
    return cache.get(file).exports;
  };
  const inside = load(require.resolve('./index.js'));
  context.Response = inside.Response;
  context.outer = {
    bytes: bytes('AB'),
    stream: () => streamOf(bytes('AB')),
    blob: new Blob(['AB']),
  };
  const answers = vm.runInContext(
    `({
      text: () => new Response('AB'),
      'a promise': async () => new Response('AB'),
      bytes: () => new Response(new Uint8Array([65, 66])),
      buffer: () => new Response(new Uint8Array([65, 66]).buffer),
      'bytes of the other realm': () => new Response(outer.bytes),
      'a stream': () => new Response(outer.stream()),
      'a Blob': () => new Response(outer.blob),
      'an async iterable': () => new Response((async function* () { yield new Uint8Array([65, 66]); })()),
      'the request’s body': async (request) => new Response(await request.text()),
      'the request’s bytes': async (request) => new Response(await request.arrayBuffer()),
      'the request’s stream': (request) => new Response(request.body),
      'a clone': async (request) => new Response(await request.clone().text()),
      'its own text': async () => new Response(await new Response(outer.stream()).text()),
      'its own bytes': async () => new Response(await new Response(new Uint8Array([65, 66])).bytes()),
    })`,
    context,
  );
  const names = Object.keys(answers);
  const server = await inside.serve({
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 1,
    workerThreads: 1,
    fetch: (request) =>
      answers[decodeURIComponent(new URL(request.url).pathname.slice(1))](request),
    error: (error) => new inside.Response(error.stack, { status: 500 }),
  });
  t.teardown(() => server.stop({ force: true }));
  for (const name of names) {
    const r = await fetch(server.url + encodeURIComponent(name), { method: 'POST', body: 'AB' });
    t.is(await r.text(), 'AB', name);
  }
});
