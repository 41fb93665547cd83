// Node's own Response behind real sockets, where the globals are left alone.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { Response as Quick, serve } from 'reactor-rs';
import { request as send, Response as UndiciResponse } from 'undici';
import { temporary } from '../support/folder.mjs';
import { streamOf } from './oracle.mjs';

/** As frameworks derive one. */
class Derived extends Response {
  #note = 'derived';

  get note() {
    return this.#note;
  }
}

function form() {
  const data = new FormData();
  data.set('a', 'b');
  return data;
}

/** Responses, each made anew: one to send and one to compare with. */
const RESPONSES = {
  text: () => new Response('text'),
  'text beyond ASCII': () => new Response('é ā 😀'),
  'an empty text': () => new Response(''),
  'a long text': () => new Response('long '.repeat(100_000)),
  nothing: () => new Response(),
  'a status': () => new Response('made', { status: 201, statusText: 'Made' }),
  'no content': () => new Response(null, { status: 204, headers: { 'x-a': 'b' } }),
  'headers, as a record': () => new Response('<p>', { headers: { 'Content-Type': 'text/html' } }),
  'headers, as Headers': () => new Response('x', { headers: new Headers([['x-a', 'é']]) }),
  json: () => Response.json({ a: [1, 'é'] }),
  'json with a status': () => Response.json(null, { status: 400, headers: { 'x-a': 'b' } }),
  'a redirect': () => Response.redirect('http://example.com/path', 307),
  bytes: () => new Response(Uint8Array.of(0, 255, 10)),
  'a buffer': () => new Response(Uint8Array.of(0, 255, 10).buffer),
  'a view': () => new Response(new DataView(Uint8Array.of(0, 255, 10).buffer, 1)),
  'a blob': () => new Response(new Blob(['blob'], { type: 'x/y' })),
  parameters: () => new Response(new URLSearchParams({ a: 'b c' })),
  'a stream': () => new Response(streamOf('one', 'two')),
  'a clone': () => new Response('clone').clone(),
  'a derived class': () => new Derived('derived', { status: 418 }),
  'a derived class’s json': () => Derived.json({ a: 1 }),
  'of another undici': () => new UndiciResponse('other', { headers: { 'x-a': 'b' } }),
  'headers set later': () => {
    const response = new Response('later');
    response.headers.set('x-a', 'b');
    response.headers.append('set-cookie', 'a=1');
    response.headers.append('set-cookie', 'b=2');
    return response;
  },
};

async function start(t, fetch) {
  const address = { port: 0, hostname: '127.0.0.1', ioThreads: 1, workerThreads: 1 };
  const server = await serve({ ...address, globals: false, fetch });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

for (const [name, make] of Object.entries(RESPONSES)) {
  test(`Node’s own Response arrives as it was made: ${name}`, async (t) => {
    t.not(Response, Quick);
    const server = await start(t, (request) =>
      request.url.endsWith('/later') ? Promise.resolve(make()) : make(),
    );
    for (const path of ['', 'later']) {
      const { statusCode, headers, body } = await send(server.url + path);
      const wanted = make();
      t.is(statusCode, wanted.status);
      t.deepEqual(Buffer.from(await body.arrayBuffer()), Buffer.from(await wanted.arrayBuffer()));
      for (const [field] of wanted.headers) {
        const value =
          field === 'set-cookie' ? wanted.headers.getSetCookie() : wanted.headers.get(field);
        t.deepEqual(headers[field], value, field);
      }
      t.is(headers['content-type'], wanted.headers.get('content-type') ?? undefined);
    }
  });
}

test('a form keeps its boundary', async (t) => {
  const server = await start(t, () => new Response(form()));
  const { headers, body } = await send(server.url);
  const again = new Response(await body.text(), {
    headers: { 'content-type': headers['content-type'] },
  });
  t.is((await again.formData()).get('a'), 'b');
});

test('HEAD has the fields and no body', async (t) => {
  const server = await start(t, () => new Response('text', { headers: { 'x-a': 'b' } }));
  const { statusCode, headers, body } = await send(server.url, { method: 'HEAD' });
  t.is(statusCode, 200);
  t.is(headers['x-a'], 'b');
  t.is(await body.text(), '');
});

const KEPT = (dist) => `
  class Derived extends Request {
    get isDerived() {
      return true;
    }
  }
  const [Kept, keptFetch] = [Request, fetch];
  const { Response, serve } = await import('${dist}/index.js');
  const seen = async (r) => [r.method, r.url, r.headers.get('x-a'), r.headers.get('connection'), await r.text()];
  const attempt = async (make) => {
    try {
      return await make();
    } catch (error) {
      return error.constructor.name;
    }
  };
  const programs = {
    kept: (r) => seen(new Kept(r)),
    derived: async (r) => [new Derived(r.clone()).isDerived, await seen(new Derived(r))],
    'another body': async (r) => [await seen(new Derived(r, { method: 'PUT', body: 'other' })), await r.text()],
    'the body has gone over': async (r) => {
      const other = new Kept(r);
      return [r.bodyUsed, await other.text(), r.bodyUsed];
    },
    'has been read': async (r) => [await r.text(), await attempt(() => new Kept(r))],
    'twice': async (r) => [await new Kept(r).text(), await attempt(() => new Kept(r))],
    'its signal': (r) => new Kept(r).signal.aborted,
    'a clone': async (r) => [await new Kept(r.clone()).text(), await r.text()],
    'a proxy': (r) => seen(new Kept(new Proxy(r, { get: (target, key) => Reflect.get(target, key, target) }))),
  };
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 1,
    workerThreads: 1,
    globals: process.argv.includes('globals'),
    async fetch(r) {
      return Response.json(await attempt(() => programs[r.headers.get('x-program')](r)));
    },
  });
  const results = {};
  for (const name of Object.keys(programs)) {
    const headers = { 'x-a': 'b', 'x-program': name };
    const r = await keptFetch(server.url + 'p?q', { method: 'POST', headers, body: 'body' });
    results[name] = await r.json();
  }
  console.log(JSON.stringify(results).replaceAll(server.url, '/'));
  await server.stop();
`;

const [NODE] = process.versions.node.split('.').map(Number);

test('classes from before `serve` take the request of a handler', async (t) => {
  const folder = temporary(t);
  const module = join(folder, 'kept.mjs');
  writeFileSync(module, KEPT(new URL('../../dist', import.meta.url)));
  for (const args of [[], ['globals']]) {
    const { stdout } = await promisify(execFile)(process.execPath, [module, ...args]);
    if (NODE > 22) {
      // There Node's class has its parts where no other class can put any.
      t.is(JSON.parse(stdout).kept, 'TypeError');
      continue;
    }
    const seen = ['POST', '/p?q', 'b', null, 'body'];
    t.deepEqual(JSON.parse(stdout), {
      kept: seen,
      derived: [true, seen],
      'another body': [['PUT', '/p?q', 'b', null, 'other'], 'body'],
      'the body has gone over': [true, 'body', true],
      'has been read': ['body', 'TypeError'],
      twice: ['body', 'TypeError'],
      'its signal': false,
      'a clone': ['body', 'body'],
      'a proxy': seen,
    });
  }
});

const REGISTERED = (dist) => `
  const { isReactorResponse } = await import('${dist}/fetch/response.js');
  const { serve } = await import('${dist}/index.js');
  class Derived extends Response {}
  const server = await serve({
    port: 0, hostname: '127.0.0.1', ioThreads: 1, workerThreads: 1, fetch: () => new Derived('derived'),
  });
  const answer = await fetch(server.url);
  console.log(isReactorResponse(new Derived()), answer.status, await answer.text());
  await server.stop();
`;

test('classes that are derived after reactor-rs/register are quick', async (t) => {
  const folder = temporary(t);
  const module = join(folder, 'app.mjs');
  writeFileSync(module, REGISTERED(new URL('../../dist', import.meta.url)));
  const node = promisify(execFile);
  const register = import.meta.resolve('reactor-rs/register');
  for (const [args, isQuick] of [
    [[], 'false'],
    [['--import', register], 'true'],
  ]) {
    const { stdout } = await node(process.execPath, [...args, module]);
    t.is(stdout, `${isQuick} 200 derived\n`);
  }
});
