// Fastify and Koa over HTTP/2, on node:http2 and on reactor-rs/node; Express, which only the latter
// can serve.

import { createReadStream } from 'node:fs';
import nodes from 'node:http2';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import express from 'express';
import fastify from 'fastify';
import Koa from 'koa';
import { http2 } from 'reactor-rs/node';
import { few, listening } from '../node/both.mjs';
import { ask, close, session } from './node-both.mjs';

const FILE = fileURLToPath(import.meta.url);
const BODY = JSON.stringify({ a: [1, 'ž'], long: 'x'.repeat(100_000) });
const JSON_TYPE = { 'content-type': 'application/json' };

const REQUESTS = [
  [{ ':path': '/' }],
  [{ ':path': '/', ':method': 'HEAD' }],
  [{ ':path': '/object' }],
  [{ ':path': '/nothing' }],
  [{ ':path': '/redirect' }],
  [{ ':path': '/stream' }],
  [{ ':path': '/iterable' }],
  [{ ':path': '/error' }],
  [{ ':path': '/none?a=b' }],
  [{ ':path': '/asked?a=b', cookie: 'a=b' }],
  [{ ':path': '/cookies' }],
  [{ ':path': '/body', ':method': 'POST', ...JSON_TYPE }, BODY],
  [{ ':path': '/body', ':method': 'POST', ...JSON_TYPE }, '{'],
];

async function fastifyApp(create) {
  let server;
  const app = fastify({
    http2: true,
    serverFactory: (handler) => {
      server = create(handler);
      return server;
    },
  });
  app.get('/', async () => 'Hello');
  app.get('/object', async () => ({ a: [1, 'ž'] }));
  app.get('/nothing', async (_request, reply) => reply.code(204).send());
  app.get('/redirect', async (_request, reply) => reply.redirect('/elsewhere'));
  app.get('/stream', (_request, reply) => {
    reply.type('text/plain').send(createReadStream(FILE));
  });
  app.get('/iterable', (_request, reply) => {
    reply.send(Readable.from(['a', 'b', 'c']));
  });
  app.get('/error', async () => {
    throw Object.assign(new Error('wrong'), { statusCode: 422 });
  });
  app.get('/asked', async (request) => {
    const { host, protocol, ip, url, query, method } = request;
    return { host, protocol, ip, url, query, method, version: request.raw.httpVersion };
  });
  app.get('/cookies', async (_request, reply) => {
    reply.header('set-cookie', ['a=1', 'b=2']);
    return 'set';
  });
  app.post('/body', async (request) => request.body);
  await app.ready();
  return server;
}

function koaApp(create) {
  const app = new Koa();
  app.silent = true;
  const routes = {
    '/': (ctx) => {
      ctx.body = 'Hello';
    },
    '/object': (ctx) => {
      ctx.body = { a: [1, 'ž'] };
    },
    '/nothing': (ctx) => {
      ctx.status = 204;
    },
    '/redirect': (ctx) => ctx.redirect('/elsewhere'),
    '/stream': (ctx) => {
      ctx.type = 'text/plain';
      ctx.body = createReadStream(FILE);
    },
    '/iterable': (ctx) => {
      ctx.body = Readable.from(['a', 'b', 'c']);
    },
    '/error': (ctx) => ctx.throw(422, 'wrong'),
    '/asked': (ctx) => {
      const { host, protocol, ip, url, query, method, origin, secure } = ctx;
      ctx.body = { host, protocol, ip, url, query, method, origin, secure };
    },
    '/cookies': (ctx) => {
      ctx.cookies.set('a', '1');
      ctx.cookies.set('b', '2');
      ctx.body = 'set';
    },
    '/body': async (ctx) => {
      const pieces = [];
      for await (const piece of ctx.req) {
        pieces.push(piece);
      }
      ctx.body = Buffer.concat(pieces);
    },
  };
  app.use((ctx) => routes[ctx.path]?.(ctx));
  return create(app.callback());
}

for (const [name, application] of Object.entries({ Fastify: fastifyApp, Koa: koaApp })) {
  test(name, async (t) => {
    const servers = await Promise.all([
      application(nodes.createServer),
      application(few(http2.createServer)),
    ]);
    const [wanted, got] = await Promise.all(
      servers.map(async (server) => {
        await listening(server);
        t.teardown(() => close(server));
        const client = await session(t, server);
        const answers = [];
        for (const request of REQUESTS) {
          answers.push([request[0], await ask(client, ...request)]);
        }
        return answers;
      }),
    );
    t.deepEqual(got, wanted);
  });
}

test('Express', async (t) => {
  const app = express();
  app.use(express.json({ limit: '1mb' }));
  app.get('/', (_req, res) => res.send('Hello'));
  app.get('/asked', (req, res) => {
    const { hostname, protocol, ip, url, query, httpVersion } = req;
    res.json({ hostname, protocol, ip, url, query, httpVersion, path: req.headers[':path'] });
  });
  app.get('/file', (_req, res) => res.sendFile(FILE));
  app.get('/nothing', (_req, res) => {
    res.set({ 'Keep-Alive': 'timeout=1', Upgrade: 'x', Connection: 'close' }).sendStatus(204);
  });
  app.post('/body', (req, res) => res.json(req.body));
  app.get('/fail', () => {
    throw Object.assign(new Error('wrong'), { status: 422, expose: true });
  });
  const server = await listening(few(http2.createServer)(app));
  t.teardown(() => close(server));
  const client = await session(t, server);
  const answers = await Promise.all([
    ask(client, { ':path': '/' }),
    ask(client, { ':path': '/asked?a=b' }),
    ask(client, { ':path': '/file' }),
    ask(client, { ':path': '/file', range: 'bytes=3-12' }),
    ask(client, { ':path': '/nothing' }),
    ask(client, { ':path': '/body', ':method': 'POST', ...JSON_TYPE }, BODY),
    ask(client, { ':path': '/fail' }),
    ask(client, { ':path': '/', ':method': 'HEAD' }),
  ]);
  t.deepEqual(
    answers.map(({ fields, code }) => [fields[':status'], code]),
    [200, 200, 200, 206, 204, 200, 422, 200].map((status) => [status, 0]),
  );
  t.is(answers[0].body, 'Hello');
  t.deepEqual(JSON.parse(answers[1].body), {
    hostname: 'test.local',
    protocol: 'http',
    ip: '127.0.0.1',
    url: '/asked?a=b',
    query: { a: 'b' },
    httpVersion: '2.0',
    path: '/asked?a=b',
  });
  t.true(answers[2].body.startsWith('// Fastify and Koa'));
  t.is(answers[3].body, 'Fastify an');
  t.deepEqual(JSON.parse(Buffer.from(answers[5].body, 'latin1').toString()), JSON.parse(BODY));
  t.regex(answers[6].body, /Error: wrong/);
  t.is(answers[7].body, '');
  for (const { fields } of answers) {
    for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'upgrade']) {
      t.is(fields[name], undefined, name);
    }
  }
});
