// The same request on HTTP/1.1 and on HTTP/2 gets the same answer: status, fields and body, from
// folders, files, routes, handlers and the server itself.

import { once } from 'node:events';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { dirname, join } from 'node:path';
import test from 'ava';
import { file } from 'reactor-rs';
import { temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';

const SCRIPT = 'export const answer = 42;\n'.repeat(400);
const TEN = Buffer.from('0123456789');
const LARGE = Buffer.alloc(300_000, 'large ');

/** Files that are ten seconds old, so that their entity tags are strong. */
function folder(t) {
  const dir = temporary(t);
  const files = {
    'index.html': '<h1>home</h1>',
    '404.html': 'not here',
    'ten.txt': TEN,
    'app-BxK3s9aQ.js': SCRIPT,
    'large.bin': LARGE,
    'docs/index.html': 'docs',
    'data/ü b.json': '{"a":1}',
    '.env': 'secret',
    empty: '',
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    utimesSync(path, 1_700_000_000, 1_700_000_000);
  }
  return dir;
}

/** Fields that belong to a connection, or differ from one second to the next. */
const OF_CONNECTION = new Set([
  ...['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'date', 'proxy-connection'],
]);

const PLAIN = { fetch: () => new Response('other') };

function application(dir) {
  const echo = async (request, { params }) => {
    const text = await request.text();
    // Clients add a length by themselves, or do not.
    const own = (name) => !OF_CONNECTION.has(name) && name !== 'content-length';
    const fields = [...request.headers].filter(([name]) => own(name));
    const { method, url } = request;
    return Response.json({ method, url, fields, params, text });
  };
  const pieces = async function* (count) {
    for (let i = 0; i < count; i += 1) {
      yield new TextEncoder().encode(`piece ${i} of a body that streams\n`);
      // Each goes out by itself.
      await new Promise(setImmediate);
    }
  };
  return {
    compress: true,
    limits: { body: 400_000, head: 4000, requestLine: 1000, fields: 40 },
    error: (error) => new Response(`failed: ${error.message}`, { status: 500 }),
    routes: {
      '/files/*': { dir, headers: { 'x-site': 'a' } },
      '/spa/*': { dir, spa: true },
      '/listed/*': { dir: join(dir, 'docs'), listing: true },
      '/cors/*': { dir, cors: true },
      '/origin/*': { dir, cors: 'https://example.com' },
      '/one': { file: join(dir, 'ten.txt') },
      '/static': new Response('static text', { headers: { 'x-a': '1', etag: '"s"' } }),
      '/json': Response.json({ a: 'ü'.repeat(2000) }),
      '/gone': new Response(null, { status: 410, statusText: 'No longer' }),
      '/only-get': { GET: () => new Response('got') },
      '/only-put': { PUT: () => new Response(null, { status: 201 }) },
      '/echo': echo,
      '/echo/:name': echo,
      '/text': () => new Response('a text that is long enough to compress. '.repeat(100)),
      '/empty': () => new Response(null),
      '/nothing': () => new Response(null, { status: 204 }),
      '/same': () => new Response(null, { status: 304, headers: { etag: '"x"' } }),
      '/reset': () => new Response(null, { status: 205 }),
      '/stream': () => new Response(pieces(50), { headers: { 'content-type': 'text/plain' } }),
      '/bytes': () => new Response(pieces(3), { headers: { 'content-type': 'x/y' } }),
      '/large': () => new Response(LARGE, { headers: { 'content-type': 'x/y' } }),
      '/file': () => new Response(file(join(dir, 'large.bin'))),
      '/file-304': () => new Response(file(join(dir, 'ten.txt'), { cacheControl: 'no-cache' })),
      '/cookies': () => {
        const headers = new Headers({ 'X-Mixed-Case': 'Value', 'x-latin': 'caf\u00e9' });
        headers.append('set-cookie', 'a=1; Path=/');
        headers.append('set-cookie', 'b=2');
        headers.append('vary', 'accept');
        headers.append('vary', 'x-other');
        return new Response('cookies', { headers });
      },
      '/redirect': () => Response.redirect('https://example.com/x', 307),
      '/throws': () => {
        throw new Error('on purpose');
      },
      '/connection': () =>
        new Response('x', {
          headers: { connection: 'x-hop, close', 'x-hop': '1', 'keep-alive': 'a' },
        }),
      '/declared': () => new Response(pieces(1), { headers: { 'content-length': '30' } }),
      '/trickle': (request) => new Response(request.body),
      '/ignores': () => new Response('not read'),
    },
    ...PLAIN,
  };
}

const get = (path, headers = {}, more = {}) => ({ path, headers, ...more });
const encoded = (codings) => ({ 'accept-encoding': codings });

const FILES = [
  ...[
    '/',
    '/index.html',
    '/ten.txt',
    '/docs',
    '/docs/',
    '/missing',
    '/.env',
    '/empty',
    '/a/../ten.txt',
  ],
  ...[
    '/data/%C3%BC%20b.json',
    '/data/',
    '/app-BxK3s9aQ.js',
    '/large.bin',
    '/%2e%2e/x',
    '/ten.txt?query',
  ],
];

/** Each is asked as GET, unless it says something else. */
const REQUESTS = [
  ...FILES.map((path) => get(`/files${path}`)),
  ...FILES.map((path) => get(`/files${path}`, encoded('gzip, br'), { method: 'HEAD' })),
  ...['br', 'gzip', 'zstd', 'br;q=0, gzip', 'identity;q=0, *;q=0', '*'].flatMap((codings) =>
    ['/files/app-BxK3s9aQ.js', '/text', '/json', '/stream', '/files/ten.txt'].map((path) =>
      get(path, encoded(codings)),
    ),
  ),
  ...['0-3', '-2', '5-', '0-0,9-9', '20-', '3-1', '0-3,5-6,8-', 'x'].flatMap((range) => [
    get('/files/ten.txt', { range: `bytes=${range}` }),
    get('/one', { range: `bytes=${range}` }),
    get('/file', { range: `bytes=${range}` }),
  ]),
  get('/files/ten.txt', { range: 'bytes=1-2', 'if-range': '"other"' }),
  get('/files/ten.txt', { 'if-none-match': '*' }),
  get('/files/ten.txt', { 'if-match': '"other"' }),
  get('/files/ten.txt', { 'if-modified-since': new Date().toUTCString() }),
  get('/files/ten.txt', { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' }),
  get('/file-304', { 'if-none-match': '*' }),
  get('/static', { 'if-none-match': '"s"' }),
  ...['/spa/any/page', '/spa/x.js', '/listed/', '/listed/index.html', '/cors/ten.txt'].map((path) =>
    get(path, { accept: 'text/html', origin: 'https://a.example' }),
  ),
  get('/cors/ten.txt', { origin: 'https://a.example' }, { method: 'OPTIONS' }),
  get('/origin/ten.txt', { origin: 'https://example.com' }),
  get('/origin/ten.txt', { origin: 'https://evil.example' }),
  ...['OPTIONS', 'POST', 'DELETE', 'PATCH', 'PROPFIND', 'X-OWN'].flatMap((method) =>
    ['/files/ten.txt', '/static', '/only-get', '/echo', '/nowhere'].map((path) =>
      get(path, {}, { method }),
    ),
  ),
  ...[
    ...[
      '/static',
      '/json',
      '/gone',
      '/only-get',
      '/only-put',
      '/text',
      '/empty',
      '/nothing',
      '/same',
    ],
    ...[
      '/reset',
      '/stream',
      '/bytes',
      '/large',
      '/file',
      '/cookies',
      '/redirect',
      '/throws',
      '/one',
    ],
    ...['/connection', '/declared', '/ignores', '/nowhere', '/echo/%C3%BC%2F', '/echo/a?b=c&d'],
  ].flatMap((path) => [get(path), get(path, {}, { method: 'HEAD' })]),
  get('/echo', {
    'x-a': ['1', '2'],
    cookie: 'a=1; b=2',
    accept: 'x',
    'X-Case': 'Y',
    'x-empty': '',
  }),
  // HTTP/2 sends cookies in pieces (RFC 9113 §8.2.3).
  get('/echo', { cookie: ['a=1', 'b="2; x"', 'c'] }),
  get('/echo', {}, { method: 'POST', body: 'hello' }),
  get('/echo', {}, { method: 'PUT', body: '' }),
  get('/echo', { 'content-type': 'text/plain' }, { method: 'POST', body: 'a', streams: true }),
  get('/echo', {}, { method: 'DELETE', body: 'with a body' }),
  get('/trickle', {}, { method: 'POST', body: LARGE }),
  get('/trickle', {}, { method: 'POST', body: LARGE, streams: true }),
  get('/ignores', {}, { method: 'POST', body: 'a body that is not read' }),
  get('/static', {}, { method: 'POST', body: 'a body that is not read' }),
  get('/files/ten.txt', {}, { method: 'PUT', body: 'x' }),
  // What the server refuses by itself.
  get('/echo', {}, { method: 'POST', body: Buffer.alloc(400_001) }),
  get(`/${'a'.repeat(1200)}`),
  get('/echo', { 'x-large': 'a'.repeat(5000) }),
  get('/echo', Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`x-${i}`, 'a']))),
  get('/echo', { expect: 'the unexpected' }),
  get('/a%00b'),
  get('/echo', { host: 'other.example:81' }),
  get('/echo', { host: 'a b' }),
];

/** @returns status, fields and body, without what a connection has for itself */
function answerOf(status, rawFields, body) {
  const fields = [];
  for (let i = 0; i < rawFields.length; i += 2) {
    const name = String(rawFields[i]).toLowerCase();
    if (!OF_CONNECTION.has(name) && !name.startsWith(':')) {
      fields.push(`${name}: ${rawFields[i + 1]}`);
    }
  }
  const text = Buffer.concat(body).toString('latin1');
  // The boundary of several ranges is random.
  const boundary = /boundary=(\w+)/.exec(fields.join())?.[1];
  const same = (part) => (boundary === undefined ? part : part.replaceAll(boundary, 'boundary'));
  return { status, fields: fields.map(same), body: same(text) };
}

async function overHttp1(port, { path, method = 'GET', headers, body, streams }) {
  const length =
    body === undefined || streams ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const asked = http.request({
    ...{ port, host: '127.0.0.1', path, method, agent: false },
    headers: { host: 'example.com', ...headers, ...length },
  });
  asked.on('error', () => {}).end(body);
  const [answer] = await once(asked, 'response');
  const pieces = [];
  for await (const piece of answer) {
    pieces.push(piece);
  }
  return answerOf(answer.statusCode, answer.rawHeaders, pieces);
}

function overHttp2(session, { path, method = 'GET', headers, body, streams }) {
  const { host = 'example.com', ...rest } = headers;
  const length =
    body === undefined || streams ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const pseudo = { ':method': method, ':path': path, ':authority': host };
  const stream = session.request(
    { ...pseudo, ...rest, ...length },
    { endStream: body === undefined },
  );
  return new Promise((resolve, reject) => {
    const pieces = [];
    let got;
    stream.on('response', (fields, _flags, raw) => {
      got = { status: fields[':status'], raw };
    });
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('error', (error) => (got === undefined ? reject(error) : undefined));
    stream.on('close', () =>
      got === undefined
        ? reject(new Error(`${method} ${path}: no answer, code ${stream.rstCode}`))
        : resolve(answerOf(got.status, got.raw, pieces)),
    );
    if (body !== undefined) {
      stream.end(body);
    }
  });
}

/** In which order fields of different names come is not part of the answer. */
const sorted = ({ fields, ...rest }) => ({ ...rest, fields: [...fields].sort() });

test('folders, files, routes, handlers and refusals answer alike', async (t) => {
  const { port } = await start(t, application(folder(t)));
  const session = http2.connect(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  session.on('error', () => {});
  for (const request of REQUESTS) {
    const { method = 'GET', path, headers } = request;
    const one = await overHttp1(port, request);
    const two = await overHttp2(session, request);
    const what = `${method} ${path.slice(0, 60)} ${JSON.stringify(headers).slice(0, 60)}`;
    t.deepEqual(sorted(two), sorted(one), what);
  }
  t.false(session.destroyed, 'one connection served them all');
});

// HTTP/1.1 answers in turn; on HTTP/2 they come when they are ready.
test('many at once on one connection', async (t) => {
  const { port } = await start(t, application(folder(t)));
  const session = http2.connect(`http://127.0.0.1:${port}`);
  t.teardown(() => session.destroy());
  const few = REQUESTS.filter(({ body, headers }) => !body && !headers.host).slice(0, 90);
  const ones = await Promise.all(few.map((request) => overHttp1(port, request)));
  const twos = await Promise.all(few.map((request) => overHttp2(session, request)));
  for (const [index, two] of twos.entries()) {
    t.deepEqual(sorted(two), sorted(ones[index]), few[index].path);
  }
});
