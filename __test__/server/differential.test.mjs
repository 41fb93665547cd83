// The same requests to the same logic on this server and on node:http, over raw
// connections. Both must answer alike; where they may not, DIFFERENCES says why.
//
// REACTOR_DIFF_SEED=7 npx ava __test__/server/differential.test.mjs     another seed

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { serve } from 'reactor-rs';
import { until } from '../support/command.mjs';
import { answersIn, converse } from '../support/conversation.mjs';

const test = ava.serial;

/** The same each time; `npm run endurance` takes others. */
const SEED = Number(process.env.REACTOR_DIFF_SEED ?? 1);

/** Requests that come in conversations of some, by kind of what they are about. */
const CONVERSATIONS = { small: 80, framed: 50, large: 20 };

const KIB = 1024;
/** The most that the engine hands over as one piece. */
const SMALL_BODY = 64 * KIB;
/** The most of a body that is under way at once. */
const WINDOW = 256 * KIB;

const around = (size) => [size - 1, size, size + 1];
const SIZES = {
  small: [0, 1, 2, 100, 1000],
  framed: [0, 1, ...around(16 * KIB), ...around(SMALL_BODY)],
  large: [...around(SMALL_BODY), ...around(WINDOW), 1024 * KIB],
};

/** Taken before `serve` replaces it: node:http's fields go through Node's own class. */
const GenuineHeaders = Headers;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

// The logic, once in pieces that both share, once for each server.

/** For requests in HTTP/1.0 that have none. */
const NO_HOST = 'no-host.test';

const LATIN = 'd\xe9j\xe0 vu';
const MANY_FIELDS = [
  ['x-a', '1'],
  ['x-a', '2'],
  ['set-cookie', 'a=1'],
  ['set-cookie', 'b=2; Path=/'],
  ['x-latin', LATIN],
  ['x-empty', ''],
  ['content-type', 'text/x; charset=odd'],
];
const LARGE = patternOf(1024 * KIB + 7);

/** What was asked, as both servers tell it. */
function told(method, url, headers, body) {
  return JSON.stringify({
    method,
    url,
    headers: [...headers].map(([name, value]) => [
      name,
      value.length > 500 ? `${value.length} characters, ${sha256(value)}` : value,
    ]),
    length: body.length,
    sha256: sha256(body),
  });
}

/** How to answer, by the parameter `mode` of the URL: status, fields, body. */
function answerTo(mode, text) {
  switch (mode) {
    case '204':
      return [204, [['x-mode', '204']], null];
    case '304':
      return [304, [['etag', '"tag"']], null];
    case 'empty':
      return [200, [], null];
    case 'fields':
      return [203, MANY_FIELDS, text];
    case 'declared':
      return [200, [['content-length', String(Buffer.byteLength(text))]], text];
    case 'large':
      return [200, [['content-type', 'application/octet-stream']], LARGE];
    case 'error':
      return [500, [], 'failed'];
    default:
      return [200, [['content-type', 'application/json']], text];
  }
}

const MODES = [
  'json',
  'json',
  'json',
  'echo',
  'stream',
  '204',
  '304',
  'empty',
  'fields',
  'declared',
  'error',
];

/** What came of the conversations that were broken off, by their `id`, for each server. */
const noted = { node: new Map(), ours: new Map() };

function note(who, id, what) {
  if (id !== null) {
    noted[who].set(id, [...(noted[who].get(id) ?? []), what]);
  }
}

/** A response that goes on until the client has gone. */
async function* endless() {
  for (;;) {
    yield LARGE.subarray(0, 10_000);
    await sleep(1);
  }
}

async function ourHandler(request) {
  const { searchParams } = new URL(request.url);
  const mode = searchParams.get('mode');
  const id = searchParams.get('id');
  note('ours', id, 'begun');
  if (mode === 'echo') {
    return new Response(request.body, { headers: { 'content-type': 'x/echo' } });
  }
  if (mode === 'endless') {
    request.signal.addEventListener('abort', () => note('ours', id, 'gone'));
    return new Response(ReadableStream.from(endless()));
  }
  let body;
  try {
    body = await request.bytes();
  } catch {
    note('ours', id, 'failed');
    return new Response();
  }
  note('ours', id, 'whole');
  // Where the client names no host, each server has a name of its own.
  const url = request.url.replace(ours.url, `http://${NO_HOST}/`);
  const text = told(request.method, url, request.headers, body);
  const [status, headers, answer] = answerTo(mode, text);
  if (mode === 'error') {
    throw new Error('failed');
  }
  if (mode !== 'stream') {
    return new Response(answer, { status, headers });
  }
  const pieces = [text.slice(0, 10), text.slice(10, 50), text.slice(50)];
  const stream = new ReadableStream({
    async pull(controller) {
      await sleep(0);
      controller.enqueue(Buffer.from(pieces.shift()));
      if (pieces.length === 0) {
        controller.close();
      }
    },
  });
  return new Response(stream, { status, headers });
}

/** What the fetch standard's `url` would be. */
function urlOf({ url, headers }) {
  const target = url.startsWith('/') ? `http://${headers.host ?? NO_HOST}${url}` : url;
  return URL.canParse(target) ? new URL(target) : new URL('http://invalid');
}

async function nodeHandler(req, res) {
  const { href, searchParams } = urlOf(req);
  const mode = searchParams.get('mode');
  const id = searchParams.get('id');
  note('node', id, 'begun');
  if (mode === 'echo') {
    res.writeHead(200, { 'content-type': 'x/echo' });
    req.pipe(res);
    return;
  }
  if (mode === 'endless') {
    let isGone = false;
    res.on('close', () => {
      isGone = true;
      note('node', id, 'gone');
    });
    for await (const chunk of endless()) {
      if (isGone) {
        return;
      }
      res.write(chunk);
    }
  }
  const chunks = [];
  try {
    for await (const chunk of req) {
      chunks.push(chunk);
    }
  } catch {
    note('node', id, 'failed');
    return;
  }
  note('node', id, 'whole');
  const pairs = [];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    pairs.push([req.rawHeaders[i], req.rawHeaders[i + 1]]);
  }
  const text = told(req.method, href, new GenuineHeaders(pairs), Buffer.concat(chunks));
  const [status, fields, answer] = answerTo(mode, text);
  const headers = [...fields];
  const has = (wanted) => headers.some(([name]) => name === wanted);
  if (!has('content-type') && answer !== null) {
    headers.push(['content-type', 'text/plain;charset=UTF-8']);
  }
  // Without it an answer in HTTP/1.0 ends the connection.
  if (!has('content-length') && mode !== 'stream' && status !== 204 && status !== 304) {
    headers.push(['content-length', String(Buffer.byteLength(answer ?? ''))]);
  }
  res.writeHead(status, headers.flat());
  if (mode !== 'stream') {
    // Not as text: then the fields that leave with it would be UTF-8 too.
    res.end(answer === null ? undefined : Buffer.from(answer));
    return;
  }
  for (const piece of [text.slice(0, 10), text.slice(10, 50), text.slice(50)]) {
    await sleep(0);
    res.write(Buffer.from(piece));
  }
  res.end();
}

let node;
let ours;

test.before(async () => {
  node = createServer({ maxHeaderSize: 16 * KIB }, nodeHandler);
  await new Promise((resolve) => node.listen(0, '127.0.0.1', resolve));
  ours = await serve(ourHandler, {
    // As node:http, of which this is a comparison.
    http2: false,
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 1,
    workerThreads: 1,
    error: () => new Response('failed', { status: 500 }),
  });
});

test.after.always(async () => {
  node?.closeAllConnections();
  node?.close();
  await ours?.stop({ force: true });
});

// What is sent.

/** mulberry32: small, and the same everywhere. */
function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit) => Math.floor(next() * limit);
  return {
    below,
    chance: (share) => next() < share,
    pick: (list) => list[below(list.length)],
  };
}

function patternOf(length) {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) {
    bytes[i] = (i * 31 + (i >>> 8)) & 0xff;
  }
  return bytes;
}

const METHODS = [
  'GET',
  'GET',
  'HEAD',
  'POST',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'M-SEARCH',
];
/** Node's `Request` has no body for these, and neither has ours. */
const BODILESS = ['GET', 'HEAD'];

const PATHS = [
  '/',
  '/a/b/c',
  '/a//b/',
  '//double',
  '/a/./b/../c',
  '/%41%7a%zz%',
  '/%2e%2e/x',
  '/;a=1,b=2',
  "/!$&'()*+,;=:@-._~",
  '/{}|^`"<>',
  '/%5Cback',
  `/${'long/'.repeat(200)}`,
  'http://other.test:81/absolute',
];

const QUERIES = ['', 'a', 'a=b?c', 'x=%C3%A9+%20', 'q=\'"<>`{}|\\^', 'y=/../'];

const HOSTS = ['app.test', 'APP.test:80', 'app.test:8080', '127.0.0.1', '[::1]:81'];

const FIELDS = [
  ['Accept', '*/*'],
  ['accept', 'text/x, a/b;q=0.5'],
  ['COOKIE', 'a=1; b=2'],
  ['Cookie', 'c="3"'],
  ['X-Empty', ''],
  ['x-blanks', ' \t inner \t blanks \t '],
  ['x-latin', LATIN],
  ['x-bytes', '\x80\xff\xa0'],
  ["!#$%&'*+-.^_`|~0aZ", 'every token character'],
  ['X-Long', 'l'.repeat(3000)],
  ['User-Agent', 'a'],
  ['user-agent', 'b'],
  ['Content-Type', 'multipart/x; boundary="q"'],
  ['If-None-Match', '"a", W/"b"'],
  ['Referer', 'http://a/?b#c'],
  ['Upgrade-Insecure-Requests', '1'],
];

/** One request: what goes over the wire, in pieces with pauses, and its method. */
function requestOf(random, kind, isFirst, isLast) {
  const size = random.pick(SIZES[kind]);
  const method =
    size > 0
      ? random.pick(METHODS.filter((name) => !BODILESS.includes(name)))
      : random.pick(METHODS);
  const mode = random.pick(MODES);
  // node:http keeps a connection of HTTP/1.0 open only after a length.
  const hasLength = !['stream', 'echo', '204', '304'].includes(mode);
  const isOld = random.chance(0.1) && (isLast || hasLength);
  const query = [random.pick(QUERIES), `mode=${mode}`].filter((part) => part !== '').join('&');
  const target = `${random.pick(PATHS)}?${query}`;
  const fields = [];
  const count = random.chance(0.1) ? 60 : random.below(6);
  for (let i = 0; i < count; i++) {
    fields.push(random.chance(0.2) ? [`x-${i}`, `v${i}`] : random.pick(FIELDS));
  }
  trimTo(fields, 10 * KIB);
  if (!isOld || random.chance(0.5)) {
    fields.splice(random.below(fields.length + 1), 0, ['Host', random.pick(HOSTS)]);
  }
  if (isLast) {
    fields.push(
      isOld && random.chance(0.5)
        ? ['x-old', '1']
        : ['Connection', random.pick(['close', 'Close', 'x, CLOSE'])],
    );
  } else if (isOld) {
    fields.push(['Connection', 'Keep-Alive']);
  } else if (random.chance(0.2)) {
    fields.push(['Connection', 'keep-alive']);
  }
  const body = patternOf(size);
  const isChunked = !isOld && size > 0 && random.chance(0.5);
  // Behind other requests, see the differences.
  const isAsked = isFirst && !isOld && size > 0 && random.chance(0.3);
  if (isChunked) {
    fields.push([
      random.pick(['Transfer-Encoding', 'transfer-encoding']),
      random.pick(['chunked', 'Chunked']),
    ]);
  } else if (size > 0 || (method === 'POST' && random.chance(0.5))) {
    fields.push(['Content-Length', random.chance(0.1) ? `00${size}` : String(size)]);
  }
  if (isAsked) {
    fields.push(['Expect', '100-continue']);
  }
  const head = Buffer.from(
    `${random.chance(0.05) ? '\r\n' : ''}${method} ${target} HTTP/1.${isOld ? 0 : 1}\r\n${fields
      .map(([name, value]) => `${name}:${random.pick([' ', '', '  ', '\t'])}${value}\r\n`)
      .join('')}\r\n`,
    'latin1',
  );
  const framed = isChunked ? chunkedOf(random, body) : body;
  const mayWait = isAsked && random.chance(0.5);
  return { method, mode, size, isOld, isChunked, isAsked, head, framed, mayWait };
}

function trimTo(fields, most) {
  let size = 0;
  const end = fields.findIndex(([name, value]) => {
    size += name.length + value.length + 6;
    return size > most;
  });
  if (end >= 0) {
    fields.length = end;
  }
}

const EXTENSIONS = ['', '', '', ';a', ';a=b', ';a="x;y\\"z"', ';a=b;c=d'];

function chunkedOf(random, body) {
  const parts = [];
  const largest = random.pick([1, 7, 1000, 16 * KIB, 100 * KIB]);
  // Not a million chunks of one byte.
  const least = Math.ceil(body.length / 500);
  for (let at = 0; at < body.length; ) {
    const length = Math.min(body.length - at, Math.max(least, 1 + random.below(largest)));
    const hex = random.pick([
      length.toString(16),
      length.toString(16).toUpperCase(),
      `000${length.toString(16)}`,
    ]);
    parts.push(
      Buffer.from(`${hex}${random.pick(EXTENSIONS)}\r\n`),
      body.subarray(at, at + length),
      Buffer.from('\r\n'),
    );
    at += length;
  }
  parts.push(
    Buffer.from(
      `${random.pick(['0', '000', '0;a=b'])}\r\n${random.pick(['', '', 'x-trailer: 1\r\n'])}\r\n`,
    ),
  );
  return Buffer.concat(parts);
}

/** All requests of a conversation as pieces to send, cut at random. */
function piecesOf(random, requests) {
  const pieces = [];
  let pending = [];
  const flush = () => {
    const bytes = Buffer.concat(pending);
    pending = [];
    const cuts = random.pick([0, 0, 1, 3, 8]);
    let at = 0;
    for (let i = 0; i < cuts && at < bytes.length; i++) {
      const end = Math.min(
        bytes.length,
        at + 1 + random.below(random.chance(0.5) ? 200 : bytes.length),
      );
      pieces.push(bytes.subarray(at, end), random.below(2));
      at = end;
    }
    pieces.push(bytes.subarray(at));
  };
  for (const request of requests) {
    pending.push(request.head);
    if (request.mayWait) {
      flush();
      pieces.push(/HTTP\/1\.1 100 Continue\r\n\r\n/, 0);
    }
    pending.push(request.framed);
  }
  flush();
  return pieces;
}

function conversationOf(random, kind) {
  const count = kind === 'large' ? 1 + random.below(2) : 1 + random.below(8);
  const requests = Array.from({ length: count }, (_, i) =>
    requestOf(random, kind, i === 0, i === count - 1),
  );
  return { requests, pieces: piecesOf(random, requests) };
}

// What is compared.

/** Of the connection and of the clock, not of the answer. */
const NOT_COMPARED = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding'];

function comparable({ status, headers, body }) {
  const hasDate = headers.some(([name]) => name === 'date');
  return {
    status,
    hasDate,
    // The order in which different names come means nothing (RFC 9110 §5.3).
    headers: headers
      .filter(([name]) => !NOT_COMPARED.includes(name))
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
    body: body.length < 20_000 ? body.toString('latin1') : sha256(body),
  };
}

async function answersOf(who, port, { requests, pieces }) {
  try {
    const bytes = await converse(port, pieces);
    return answersIn(
      bytes,
      requests.map(({ method }) => method),
    );
  } catch (cause) {
    throw new Error(`${who}: ${cause.message}`, { cause });
  }
}

for (const [kind, count] of Object.entries(CONVERSATIONS)) {
  test(`both answer alike: ${count} conversations with ${kind} bodies`, async (t) => {
    let requests = 0;
    for (let i = 0; i < count; i++) {
      const seed = (SEED + i * 7919 + kind.length) >>> 0;
      const conversation = conversationOf(randomOf(seed), kind);
      const about = `REACTOR_DIFF_SEED=${SEED}, ${kind} conversation ${i}:\n${describe(conversation)}`;
      try {
        const [theirs, mine] = await Promise.all([
          answersOf('node:http', node.address().port, conversation),
          answersOf('reactor-rs', ours.port, conversation),
        ]);
        t.is(theirs.length, conversation.requests.length, about);
        t.deepEqual(mine.map(comparable), theirs.map(comparable), about);
        for (const [j, { method, mode }] of conversation.requests.entries()) {
          checkFraming(t, mine[j], method, mode, about);
        }
      } catch (error) {
        t.fail(`${error.message}\n${about}`);
      }
      requests += conversation.requests.length;
    }
    t.log(`seed ${SEED}: ${requests} requests`);
  });
}

function describe({ requests }) {
  return requests
    .map(({ head, size, isChunked, mayWait }) => {
      const text = head.toString('latin1');
      const shown = text.length > 400 ? `${text.slice(0, 400)}…` : text;
      return `${JSON.stringify(shown)} ${size} bytes${isChunked ? ' in chunks' : ''}${mayWait ? ', waits' : ''}`;
    })
    .join('\n');
}

/** What the standard asks of our side whatever the other does (RFC 9110 §8.6, RFC 9112 §6). */
function checkFraming(t, { status, headers }, method, mode, about) {
  const has = (wanted) => headers.some(([name]) => name === wanted);
  t.false(has('content-length') && has('transfer-encoding'), about);
  if (status === 204) {
    t.false(has('content-length') || has('transfer-encoding'), about);
  }
  if (mode === 'declared' && method !== 'HEAD') {
    t.true(has('content-length'), about);
  }
}

// Where the two differ, and why.

const HEAD = 'Host: a\r\nConnection: close\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n`;

/** By name: the bytes, the statuses that node:http and we answer, the reason. */
const DIFFERENCES = {
  'two Host fields': [
    `GET / HTTP/1.1\r\n${HEAD}Host: b\r\n\r\n`,
    [200],
    [400],
    'RFC 9112 §3.2 demands 400; two readers could pick different ones',
  ],
  'an empty Host': [
    'GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n',
    [200],
    [400],
    'RFC 9112 §3.2: an http URI has a host',
  ],
  'a Host with a blank': [
    'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
    [200],
    [400],
    'RFC 9112 §3.2 demands 400 for an invalid value',
  ],
  'a Host with a path': [
    'GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n',
    [200],
    [400],
    'RFC 9112 §3.2 demands 400 for an invalid value',
  ],
  'a Host with a user': [
    'GET / HTTP/1.1\r\nHost: u@a\r\nConnection: close\r\n\r\n',
    [200],
    [400],
    'RFC 9112 §3.2 demands 400 for an invalid value',
  ],
  'an https target over a plain connection': [
    `GET https://a/x HTTP/1.1\r\n${HEAD}\r\n`,
    [200],
    [421],
    'RFC 9110 §7.4: it is to be rejected where the connection is not secured',
  ],
  'a method in lower case': [
    `get / HTTP/1.1\r\n${HEAD}\r\n`,
    [400],
    [200],
    'RFC 9110 §9.1: methods are any token; llhttp knows a list',
  ],
  'a method of its own': [
    `FROBNICATE / HTTP/1.1\r\n${HEAD}\r\n`,
    [400],
    [200],
    'RFC 9110 §9.1: methods are any token; llhttp knows a list',
  ],
  'HTTP/1.2': [
    `GET / HTTP/1.2\r\n${HEAD}\r\n`,
    [400],
    [200],
    'RFC 9110 §2.5: a higher minor version is served as the highest known',
  ],
  'HTTP/2.0': [
    `GET / HTTP/2.0\r\n${HEAD}\r\n`,
    [200],
    [505],
    'RFC 9110 §15.6.6: we do not speak it',
  ],
  'the preface of HTTP/2': [
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    [400],
    [505],
    'RFC 9110 §15.6.6: we do not speak it',
  ],
  'HTTP/0.9': ['GET /\r\n\r\n', [200], [400], 'RFC 9112 §2.3 knows it no more'],
  'two blanks before the target': [
    `GET  / HTTP/1.1\r\n${HEAD}\r\n`,
    [200],
    [400],
    'RFC 9112 §3: a single space',
  ],
  'a fragment in the target': [
    `GET /a#b HTTP/1.1\r\n${HEAD}\r\n`,
    [200],
    [400],
    'RFC 9112 §3.2: no form of target has one',
  ],
  'GET of *': [`GET * HTTP/1.1\r\n${HEAD}\r\n`, [200], [400], 'RFC 9112 §3.2.4: for OPTIONS only'],
  'OPTIONS of *': [
    `OPTIONS * HTTP/1.1\r\n${HEAD}\r\n`,
    [200],
    [204],
    'the engine answers for the whole server; no handler is asked',
  ],
  'a target of another scheme': [
    `GET ftp://b/x HTTP/1.1\r\n${HEAD}\r\n`,
    [200],
    [400],
    'we serve http only',
  ],
  CONNECT: [
    `CONNECT a:80 HTTP/1.1\r\n${HEAD}\r\n`,
    [],
    [501],
    'node:http closes without an answer; we say that we are no proxy',
  ],
  'Transfer-Encoding in HTTP/1.0': [
    `POST / HTTP/1.0\r\n${CHUNKED}\r\n0\r\n\r\n`,
    [200],
    [400],
    'RFC 9112 §6.1: its framing is faulty',
  ],
  'gzip, chunked': [
    `POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    [200],
    [501],
    'RFC 9112 §6.1: a coding that we do not decode',
  ],
  'blanks in a chunk extension': [
    `POST / HTTP/1.1\r\n${CHUNKED}\r\n5 ; a = b\r\nhello\r\n0\r\n\r\n`,
    [400],
    [200],
    'RFC 9112 §7.1.1 has BWS there',
  ],
  'Content-Length in a trailer': [
    `POST / HTTP/1.1\r\n${CHUNKED}\r\n0\r\nContent-Length: 5\r\n\r\n`,
    [400],
    [200],
    'RFC 9110 §6.5.1: ignored, never merged',
  ],
  'many empty lines first': [
    `${'\r\n'.repeat(9)}GET / HTTP/1.1\r\n${HEAD}\r\n`,
    [200],
    [400],
    'RFC 9112 §2.2 asks for one; we bound it',
  ],
  'more fields than limits.fields': [
    `GET / HTTP/1.1\r\n${HEAD}${Array.from({ length: 101 }, (_, i) => `x-${i}: 1\r\n`).join('')}\r\n`,
    [200],
    [431],
    'our limit is 100; node:http drops those over its own',
  ],
  'a target longer than limits.requestLine': [
    `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${HEAD}\r\n`,
    [200],
    [414],
    'our limit is 8192',
  ],
  'bytes after Connection: close': [
    `GET /?mode=json HTTP/1.1\r\n${HEAD}\r\nGET /2 HTTP/1.1\r\n${HEAD}\r\n`,
    [400],
    [200],
    'RFC 9112 §9.6: what follows is not processed; llhttp makes the whole read an error',
  ],
  'a good request, then a bad one': [
    `GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n${HEAD}a b: c\r\n\r\n`,
    [400],
    [200, 400],
    'the first was whole and valid; node:http forgets its answer',
  ],
};

for (const [name, [text, theirs, mine, reason]] of Object.entries(DIFFERENCES)) {
  test(`they differ: ${name} (${reason})`, async (t) => {
    const pieces = [Buffer.from(text, 'latin1')];
    const statuses = async (port) =>
      answersIn(await converse(port, pieces), []).map(({ status }) => status);
    t.deepEqual(await statuses(node.address().port), theirs, 'node:http');
    t.deepEqual(await statuses(ours.port), mine, 'reactor-rs');
  });
}

test('they differ: 100 Continue to a pipelined request (RFC 9110 §10.1.1: before the final answer, or not at all)', async (t) => {
  const pieces = [
    Buffer.from(
      `GET /?mode=stream HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\n${HEAD}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
    ),
  ];
  const statusesAt = async (port) =>
    (await converse(port, pieces)).toString('latin1').match(/(?<=HTTP\/1\.1 )\d{3}/g);
  // In the middle of the second answer, behind its head.
  t.deepEqual(await statusesAt(node.address().port), ['200', '200', '100']);
  t.deepEqual(await statusesAt(ours.port), ['200', '200']);
});

/** What both refuse, each with its own words. */
const REFUSED = {
  'a bare LF': [`GET / HTTP/1.1\nHost: a\nConnection: close\n\n`, 400],
  'a folded field': [`GET / HTTP/1.1\r\n${HEAD}x-a: b\r\n c\r\n\r\n`, 400],
  'no Host': ['GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  'a tab before the target': [`GET\t/ HTTP/1.1\r\n${HEAD}\r\n`, 400],
  'bytes above ASCII in the target': [`GET /\xe9 HTTP/1.1\r\n${HEAD}\r\n`, 400],
  'a blank before the colon': [`GET / HTTP/1.1\r\n${HEAD}x-a : b\r\n\r\n`, 400],
  'a field without a colon': [`GET / HTTP/1.1\r\n${HEAD}xa\r\n\r\n`, 400],
  'a NUL': [`GET / HTTP/1.1\r\n${HEAD}x: a\0b\r\n\r\n`, 400],
  'a name that is no token': [`GET / HTTP/1.1\r\n${HEAD}x(: a\r\n\r\n`, 400],
  'a signed length': [`POST / HTTP/1.1\r\n${HEAD}Content-Length: +5\r\n\r\nhello`, 400],
  'a list of lengths': [`POST / HTTP/1.1\r\n${HEAD}Content-Length: 5, 5\r\n\r\nhello`, 400],
  'two lengths': [
    `POST / HTTP/1.1\r\n${HEAD}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
    400,
  ],
  'a length and chunks': [`POST / HTTP/1.1\r\n${CHUNKED}Content-Length: 5\r\n\r\n0\r\n\r\n`, 400],
  identity: [`POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: identity\r\n\r\n`, 400],
  'chunked twice': [
    `POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  'another coding': [`POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
  'a chunk size in C': [`POST / HTTP/1.1\r\n${CHUNKED}\r\n0x5\r\nhello\r\n0\r\n\r\n`, 400],
  'a blank after a chunk size': [`POST / HTTP/1.1\r\n${CHUNKED}\r\n5 \r\nhello\r\n0\r\n\r\n`, 400],
  'a chunk that is too long': [`POST / HTTP/1.1\r\n${CHUNKED}\r\n5\r\nhelloXX0\r\n\r\n`, 400],
  'a chunk size that overflows': [
    `POST / HTTP/1.1\r\n${CHUNKED}\r\n10000000000000000\r\nhello\r\n0\r\n\r\n`,
    400,
  ],
  'an extension without a name': [`POST / HTTP/1.1\r\n${CHUNKED}\r\n5;\r\nhello\r\n0\r\n\r\n`, 400],
  'another expectation': [
    `POST / HTTP/1.1\r\n${HEAD}Expect: foo\r\nContent-Length: 0\r\n\r\n`,
    417,
  ],
  'a head that is too long': [`GET / HTTP/1.1\r\n${HEAD}x: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
};

for (const [name, [text, status]] of Object.entries(REFUSED)) {
  test(`both refuse ${name}`, async (t) => {
    for (const port of [node.address().port, ours.port]) {
      const answers = answersIn(await converse(port, [Buffer.from(text, 'latin1')]), []);
      t.deepEqual(
        answers.map((answer) => answer.status),
        [status],
      );
    }
  });
}

// Clients that break off.

/**
 * By name: what is sent before the client goes away, what node:http's handler
 * notices, and what ours does. A body of at most 64 KiB with a length is whole
 * before our handler is called, so one that never comes calls no handler.
 */
const BROKEN_OFF = {
  'in the request line': ['POST /?id=ID HT', undefined, undefined],
  'in the head': ['POST /?id=ID HTTP/1.1\r\nHost: a\r\nX-', undefined, undefined],
  'before a small body': [
    'POST /?id=ID HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n',
    ['begun', 'failed'],
    undefined,
  ],
  'in a small body': [
    'POST /?id=ID HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello',
    ['begun', 'failed'],
    undefined,
  ],
  'in a large body': [
    `POST /?id=ID HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(70_000)}`,
    ['begun', 'failed'],
    ['begun', 'failed'],
  ],
  'in a chunk': [
    'POST /?id=ID HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel',
    ['begun', 'failed'],
    ['begun', 'failed'],
  ],
  'between chunks': [
    'POST /?id=ID HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    ['begun', 'failed'],
    ['begun', 'failed'],
  ],
};

for (const [name, [text, theirs, mine]] of Object.entries(BROKEN_OFF)) {
  test(`a client that leaves ${name}`, async (t) => {
    const pieces = [Buffer.from(text.replace('ID', encodeURIComponent(name))), 50];
    for (const [who, port, wanted] of [
      ['node', node.address().port, theirs],
      ['ours', ours.port, mine],
    ]) {
      await converse(port, pieces, { leaveAfter: 0 });
      const done = () => noted[who].get(name)?.length === wanted?.length;
      await until(done, `${who} to notice`);
      t.deepEqual(noted[who].get(name), wanted, who);
    }
  });
}

test('a client that leaves in the response', async (t) => {
  const pieces = [Buffer.from('GET /?mode=endless&id=response HTTP/1.1\r\nHost: a\r\n\r\n')];
  for (const [who, port] of [
    ['node', node.address().port],
    ['ours', ours.port],
  ]) {
    const bytes = await converse(port, pieces, { leaveAfter: 100_000 });
    t.true(bytes.length >= 100_000);
    await until(() => noted[who].get('response')?.includes('gone'), `${who} to notice`);
    t.deepEqual(noted[who].get('response'), ['begun', 'gone']);
  }
});

test('after all that both still answer', async (t) => {
  for (const port of [node.address().port, ours.port]) {
    const bytes = await converse(port, [Buffer.from(`GET / HTTP/1.1\r\n${HEAD}\r\n`)]);
    t.deepEqual(
      answersIn(bytes, ['GET']).map(({ status }) => status),
      [200],
    );
  }
  await until(() => ours.stats().connections.open === 0, 'connections to close');
});
