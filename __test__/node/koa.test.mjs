// Koa, on node:http and on this server.

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import Koa from 'koa';
import { both } from './both.mjs';

const FILE = fileURLToPath(import.meta.url);

function application() {
  const app = new Koa({ keys: ['secret'], proxy: true });
  app.silent = true;
  app.use(async (ctx, next) => {
    await next();
    ctx.set('X-After', String(ctx.status));
  });
  const routes = {
    '/': (ctx) => {
      ctx.body = 'Hello';
    },
    '/object': (ctx) => {
      ctx.body = { a: 'ž' };
    },
    '/bytes': (ctx) => {
      ctx.body = Buffer.from([0, 255]);
    },
    '/stream': (ctx) => {
      ctx.type = 'js';
      ctx.body = createReadStream(FILE, { highWaterMark: 100 });
    },
    '/iterable': (ctx) => {
      ctx.body = Readable.from(['a', 'b']);
    },
    '/web': (ctx) => {
      ctx.body = new Blob(['a blob']);
    },
    '/nothing': (ctx) => {
      ctx.status = 204;
    },
    '/null': (ctx) => {
      ctx.body = null;
    },
    '/redirect': (ctx) => ctx.redirect('/elsewhere'),
    '/cookies': (ctx) => {
      ctx.cookies.set('a', 'b', { signed: true });
      ctx.cookies.set('c', 'd');
      ctx.body = ctx.cookies.get('e') ?? 'none';
    },
    '/throw': (ctx) => ctx.throw(403, 'no'),
    '/fail': () => {
      throw new Error('hidden');
    },
    '/assert': (ctx) => ctx.assert(false, 401, 'who?', { headers: { 'x-a': 'b' } }),
    '/fresh': (ctx) => {
      ctx.etag = 'tag';
      ctx.body = 'stale';
      if (ctx.fresh) {
        ctx.status = 304;
      }
    },
    '/self': (ctx) => {
      const { method, url, path, query, host, ip, ips, protocol, secure } = ctx;
      ctx.body = {
        method,
        url,
        path,
        query,
        host,
        ip,
        ips,
        protocol,
        secure,
        q: ctx.accepts('json'),
      };
    },
    '/respond': (ctx) => {
      ctx.respond = false;
      ctx.res.end('by hand');
    },
    '/body': async (ctx) => {
      const chunks = [];
      for await (const chunk of ctx.req) {
        chunks.push(chunk);
      }
      ctx.body = Buffer.concat(chunks);
    },
    '/flush': (ctx) => {
      ctx.type = 'text/event-stream';
      ctx.flushHeaders();
      ctx.body = Readable.from(['data: 1\n\n', 'data: 2\n\n']);
    },
  };
  app.use((ctx) => routes[ctx.path]?.(ctx));
  return app;
}

let served;
test.before(async () => {
  served = await both((create) => create(application().callback()));
});
test.after.always(() => served.close());

const STATUSES = {
  '/nothing': 204,
  '/null': 204,
  '/redirect': 302,
  '/throw': 403,
  '/fail': 500,
  '/assert': 401,
  // Koa's status where nothing has set another.
  '/respond': 404,
  '/flush': 404,
  '/unknown': 404,
};

for (const path of [
  '/',
  '/object',
  '/bytes',
  '/stream',
  '/iterable',
  '/web',
  '/nothing',
  '/null',
  '/redirect',
  '/cookies',
  '/throw',
  '/fail',
  '/assert',
  '/fresh',
  '/self?a=1',
  '/respond',
  '/flush',
  '/unknown',
]) {
  test(`koa: ${path}`, async (t) => {
    t.is((await served.same(t, path)).status, STATUSES[path] ?? 200);
  });
}

test('koa: HEAD', async (t) => {
  for (const path of ['/', '/object', '/bytes']) {
    t.is((await served.same(t, path, { method: 'HEAD' })).status, 200);
  }
});

test('koa: a body, small and large', async (t) => {
  for (const size of [10, 60_000, 800_000]) {
    const body = Buffer.alloc(size, 'ab');
    t.true((await served.same(t, '/body', { method: 'POST', body })).body.equals(body));
  }
});

test('koa: a tag that the client has', async (t) => {
  const known = { headers: { 'if-none-match': '"tag"' } };
  t.is((await served.same(t, '/fresh', known)).status, 304);
});
