// Fastify 5 through its serverFactory, with its plugins, on node:http and on this
// server.

import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import compress from '@fastify/compress';
import cookie from '@fastify/cookie';
import multipart from '@fastify/multipart';
import files from '@fastify/static';
import test from 'ava';
import fastify from 'fastify';
import { createServer } from 'reactor-rs/node';
import { FormData } from 'undici';
import { both, few } from './both.mjs';

const FOLDER = mkdtempSync(join(tmpdir(), 'reactor-node-'));
test.after.always(() => rmSync(FOLDER, { recursive: true, force: true }));
const LARGE = Buffer.alloc(500_003, 'Lorem ipsum dolor. ');
writeFileSync(join(FOLDER, 'large.txt'), LARGE);
writeFileSync(join(FOLDER, 'index.html'), '<p>index');

/** An application with everything, and its server. */
async function application(create) {
  let server;
  const app = fastify({
    serverFactory: (handler) => {
      server = create(handler);
      return server;
    },
    bodyLimit: 2_000_000,
    requestIdHeader: 'x-id',
  });
  app.register(cookie, { secret: 'secret' });
  app.register(files, { root: FOLDER, prefix: '/static/' });
  app.register(multipart);
  app.register(async (zipped) => {
    await zipped.register(compress, { threshold: 0 });
    zipped.get('/zip/text', async () => 'compress me '.repeat(300));
    zipped.get('/zip/stream', (_request, reply) => {
      reply.type('text/plain').send(createReadStream(join(FOLDER, 'large.txt')));
    });
  });
  app.get('/', async () => 'Hello');
  app.get('/object', async () => ({ a: [1, 'ž'] }));
  app.get('/nothing', async (_request, reply) => reply.code(204).send());
  app.get('/redirect', async (_request, reply) => reply.redirect('/elsewhere'));
  app.get('/stream', (_request, reply) => {
    reply.type('text/plain').send(createReadStream(join(FOLDER, 'large.txt')));
  });
  app.get('/web-stream', async () => new Response('a web response', { headers: { 'x-a': 'b' } }));
  app.get('/iterable', (_request, reply) => {
    reply.send(Readable.from(['a', 'b', 'c']));
  });
  app.get('/bytes', async () => Buffer.from([0, 255]));
  app.get('/error', async () => {
    throw Object.assign(new Error('wrong'), { statusCode: 422 });
  });
  app.get('/failing-stream', (_request, reply) => {
    reply.send(
      new Readable({
        read() {
          this.destroy(new Error('before the first byte'));
        },
      }),
    );
  });
  app.get('/cookies', async (request, reply) => {
    reply.setCookie('a', '1', { httpOnly: true }).setCookie('b', '2', { signed: true });
    return request.cookies;
  });
  app.get('/hijack', (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { 'x-raw': 'yes' }).end('raw');
  });
  app.get('/item/:id', async (request) => {
    const { params, query, hostname, protocol, ip, id, url, is404 } = request;
    return { params, query, hostname, protocol, ip, id, url, is404 };
  });
  const schema = {
    body: { type: 'object', required: ['a'], properties: { a: { type: 'number' } } },
  };
  app.post('/schema', { schema }, async ({ body }) => body);
  app.post('/echo', async ({ body }) => body);
  app.addContentTypeParser('application/x-raw', (_request, payload, done) => done(null, payload));
  app.post('/raw', (request, reply) => reply.send(request.body));
  app.post('/upload', async (request) => {
    const seen = [];
    for await (const part of request.parts()) {
      const size = part.type === 'file' ? (await part.toBuffer()).length : part.value.length;
      seen.push([part.fieldname, part.filename ?? null, size]);
    }
    return seen;
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    reply.header('x-hook', 'sent');
    return payload;
  });
  await app.ready();
  return server;
}

let served;
test.before(async () => {
  served = await both(application);
});
test.after.always(() => served.close());

const post = (body, type = 'application/json') => ({
  method: 'POST',
  body,
  headers: { 'content-type': type },
});

const CASES = {
  'a text': ['/', {}, 200],
  'an object': ['/object', {}, 200],
  'HEAD of an object': ['/object', { method: 'HEAD' }, 200],
  204: ['/nothing', {}, 204],
  'a redirect': ['/redirect', {}, 302],
  'a file stream': ['/stream', {}, 200],
  'a web response': ['/web-stream', {}, 200],
  'a stream of an iterable': ['/iterable', {}, 200],
  bytes: ['/bytes', {}, 200],
  'an error with a status': ['/error', {}, 422],
  'a stream that fails before its first byte': ['/failing-stream', {}, 500],
  'an unknown path': ['/unknown', {}, 404],
  'a raw reply': ['/hijack', {}, 200],
  cookies: ['/cookies', { headers: { cookie: 'c=d; e=%C5%BE' } }, 200],
  'what a request says of itself': [
    '/item/a%20b?x=1&x=2',
    { headers: { 'x-id': 'an-id', host: 'a.example:81' } },
    200,
  ],
  'a static file': ['/static/large.txt', {}, 200],
  'HEAD of a static file': ['/static/large.txt', { method: 'HEAD' }, 200],
  'a static index': ['/static/', {}, 200],
  'a range': ['/static/large.txt', { headers: { range: 'bytes=5-99' } }, 206],
  'a range that is not there': ['/static/large.txt', { headers: { range: 'bytes=900000-' } }, 416],
  'a compressed text': ['/zip/text', { headers: { 'accept-encoding': 'gzip' } }, 200],
  'a compressed stream': ['/zip/stream', { headers: { 'accept-encoding': 'br' } }, 200],
  'a body that fits its schema': ['/schema', post('{"a":1}'), 200],
  'a body that does not': ['/schema', post('{"b":1}'), 400],
  'broken json': ['/echo', post('{"a'), 400],
  'an empty body of json': ['/echo', post(''), 400],
  'a text body': ['/echo', post('žluť', 'text/plain'), 200],
  'a body of an unknown type': ['/echo', post('x', 'application/unknown'), 415],
  'a body over the limit': ['/echo', post(`"${'x'.repeat(2_500_000)}"`), 413],
  'a large body': ['/echo', post(JSON.stringify('x'.repeat(1_500_000))), 200],
  'a body piped back': ['/raw', post(Buffer.alloc(1_500_000, 'ab'), 'application/x-raw'), 200],
};

for (const [name, [path, options, status]] of Object.entries(CASES)) {
  test(`fastify: ${name}`, async (t) => {
    t.is((await served.same(t, path, options)).status, status);
  });
}

test('fastify: an ETag that the client has is a 304', async (t) => {
  const { headers, body } = await served.same(t, '/static/large.txt');
  t.true(body.equals(LARGE));
  const again = { headers: { 'if-none-match': headers.etag } };
  t.is((await served.same(t, '/static/large.txt', again)).status, 304);
});

test('fastify: uploads through multipart', async (t) => {
  const upload = () => {
    const body = new FormData();
    body.append('name', 'value');
    body.append('file', new Blob([Buffer.alloc(900_000, 'x')]), 'large.bin');
    return { method: 'POST', body };
  };
  t.deepEqual(JSON.parse((await served.same(t, '/upload', upload())).body), [
    ['name', null, 5],
    ['file', 'large.bin', 900_000],
  ]);
});

test('fastify: listen and close are its own', async (t) => {
  const app = fastify({ serverFactory: (handler) => few(createServer)(handler) });
  app.get('/', async () => 'up');
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  t.is(await (await fetch(url)).text(), 'up');
  const second = fastify({ serverFactory: (handler) => few(createServer)(handler) });
  const { port } = app.server.address();
  await t.throwsAsync(second.listen({ port, host: '127.0.0.1' }), { code: 'EADDRINUSE' });
  await app.close();
  await t.throwsAsync(fetch(url));
});

test('fastify: listen without a host is on localhost', async (t) => {
  const app = fastify({ serverFactory: (handler) => few(createServer)(handler) });
  app.get('/', async ({ socket }) => typeof socket.remoteAddress);
  await app.listen({ port: 0 });
  t.teardown(() => app.close());
  const { port } = app.server.address();
  t.is(await (await fetch(`http://localhost:${port}/`)).text(), 'string');
});
