// Elysia, unchanged, behind real sockets.

import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { Elysia, file, form, t as is, redirect, sse, status } from 'elysia';
import { request as send } from 'undici';
import { until } from '../support/command.mjs';
import {
  answersInProcess,
  compare,
  formOf,
  LARGE,
  leave,
  patternOf,
  plain,
  post,
  serveApp,
  sha256,
} from './harness.mjs';

const test = ava.serial;
const noted = { entered: 0, aborted: 0, ended: 0 };

/** @param aot whether Elysia compiles its handlers or interprets them */
function application(aot) {
  const groups = new Elysia({ prefix: '/plugin' })
    .derive(({ headers }) => ({ token: headers.authorization?.slice(7) ?? 'none' }))
    .get('/token', ({ token }) => token);
  return new Elysia({ aot })
    .use(groups)
    .state('count', 1)
    .decorate('shout', (text) => text.toUpperCase())
    .onRequest(({ set }) => {
      set.headers['x-seen'] = 'yes';
    })
    .onError(({ code, error, set }) => {
      if (code === 'NOT_FOUND') {
        set.status = 404;
        return 'nothing here';
      }
      if (code === 'VALIDATION') {
        return { code, property: error.all?.[0]?.path ?? null };
      }
      if (code === 'PARSE') {
        return { code };
      }
      return { code, kind: error.constructor.name };
    })
    .get('/', 'root')
    .get('/static-json', { a: 1 })
    .get('/users/:id', ({ params }) => params)
    .get('/optional/:a?', ({ params }) => params.a ?? 'none')
    .get('/files/*', ({ params }) => params['*'])
    .get('/query', ({ query }) => query)
    .get('/url', ({ request, path }) => [new URL(request.url).search, path])
    .get('/number/:n', ({ params: { n } }) => ({ n, type: typeof n }), {
      params: is.Object({ n: is.Numeric() }),
    })
    .get('/store', ({ store, shout }) => shout(`count ${store.count}`))
    .all('/all', ({ request }) => request.method)
    .route('PURGE', '/cache', ({ request }) => request.method)
    .group('/group', (app) => app.get('/x', () => 'in a group').post('/x', () => 'posted'))
    .guard(
      {
        beforeHandle: ({ headers, status }) =>
          headers['x-key'] ? undefined : status(401, 'no key'),
      },
      (app) => app.get('/guarded', () => 'let in'),
    )
    .get('/after', () => 'before', { afterHandle: ({ response }) => `${response} after` })
    .mount('/mounted', (request) => new Response(`mounted ${new URL(request.url).pathname}`))
    .get('/headers', ({ headers, set }) => {
      set.status = 203;
      set.headers['x-one'] = '1';
      return headers['x-test'] ?? 'none';
    })
    .get('/cookies', ({ cookie: { a, gone, read } }) => {
      a.set({ value: '1', httpOnly: true, path: '/' });
      const before = read.value ?? null;
      read.value = 'é ;';
      gone.remove();
      return { before };
    })
    .get('/redirect', () => redirect('http://app.test/landed', 307))
    .get('/status', ({ status }) => status(418, 'teapot'))
    .get('/status-of', () => new Response(null, { status: 204, headers: { 'x-a': 'b' } }))
    .post('/json', ({ body }) => ({ got: body }))
    .post('/text', ({ body }) => body, { parse: 'text' })
    .post(
      '/bytes',
      ({ body }) => ({ length: body.byteLength, sha256: sha256(Buffer.from(body)) }),
      {
        parse: 'arrayBuffer',
      },
    )
    .post(
      '/raw',
      async ({ request }) => {
        const bytes = Buffer.from(await request.arrayBuffer());
        return { length: bytes.length, sha256: sha256(bytes) };
      },
      { parse: 'none' },
    )
    .post('/form', ({ body }) => plain(body))
    .post('/checked', ({ body }) => body, {
      body: is.Object({ name: is.String({ minLength: 2 }), age: is.Number() }),
    })
    .post('/file', async ({ body }) => plain(body.file), {
      body: is.Object({ file: is.File() }),
    })
    .post('/echo', ({ request }) => new Response(request.body), { parse: 'none' })
    .post(
      '/clone',
      async ({ request }) => {
        const clone = request.clone();
        return [await request.text(), await clone.text()];
      },
      { parse: 'none' },
    )
    .get('/generator', async function* () {
      for (const word of ['one', 'two', 'three']) {
        yield word;
        await sleep(1);
      }
    })
    .get('/sse', function* () {
      yield sse({ event: 'tick', data: { a: 1 }, id: '1' });
      yield sse('two');
    })
    .get('/endless', async function* () {
      try {
        for (let i = 0; ; i++) {
          yield sse(String(i));
          await sleep(5);
        }
      } finally {
        noted.ended++;
      }
    })
    .get('/never', ({ request }) => {
      request.signal.addEventListener('abort', () => noted.aborted++);
      noted.entered++;
      return new Promise(() => {});
    })
    .get('/response', () => Response.json({ a: 1 }, { status: 201, headers: { 'x-a': 'b' } }))
    .get('/response-cookies', () => {
      const headers = new Headers();
      headers.append('set-cookie', 'a=1');
      headers.append('set-cookie', 'b=2');
      return new Response('cookies', { headers });
    })
    .get('/response-redirect', () => Response.redirect('http://app.test/landed', 303))
    .get(
      '/readable',
      () =>
        new ReadableStream({
          start(controller) {
            controller.enqueue(new Uint8Array(100_000).fill(65));
            controller.close();
          },
        }),
    )
    .get('/blob', () => new Blob(['blob'], { type: 'text/x' }))
    .get('/file-of-disk', () => file(new URL('harness.mjs', import.meta.url).pathname))
    .get('/form-data', async () => {
      const entries = form({ a: '1', b: 'two' });
      return [...(await new Response(entries).formData()).keys()];
    })
    .get('/number', () => 42)
    .get('/null', () => null)
    .get('/true', () => true)
    .get('/promise', async () => {
      await sleep(1);
      return 'later';
    })
    .get('/throw', () => {
      throw new Error('thrown');
    })
    .get('/throw-status', () => {
      throw status(409, 'conflict');
    });
}

const JSON_TYPE = { 'content-type': 'application/json' };
const PARTS = () =>
  formOf(
    ['title', 'é'],
    ['tags', 'a'],
    ['tags', 'b'],
    ['file', new File([patternOf(100_000)], 'näme.bin', { type: 'application/octet-stream' })],
  );

const CASES = {
  'a static text': [''],
  'a static object': ['static-json'],
  'a parameter': ['users/a%20%C3%A9'],
  'an optional parameter': ['optional/x'],
  'no optional parameter': ['optional'],
  'a wildcard': ['files/a/b.txt'],
  'a query': ['query?a=1&b=%26&c=x+y'],
  'the URL': ['url?a=b'],
  'a parameter that is a number': ['number/42'],
  'a parameter that is none': ['number/x'],
  'store and decoration': ['store'],
  'any method': ['all', { method: 'PATCH' }],
  'a method of its own': ['cache', { method: 'PURGE' }],
  'a group': ['group/x'],
  'a group and another method': ['group/x', { method: 'POST' }],
  'a guard': ['guarded'],
  'a guard that lets in': ['guarded', { headers: { 'x-key': '1' } }],
  'an after-handler': ['after'],
  'a plugin': ['plugin/token', { headers: { authorization: 'Bearer token' } }],
  'a mounted handler': ['mounted/deep/path'],
  'headers and a status': ['headers', { headers: { 'x-test': 'told' } }],
  'cookies set': ['cookies'],
  'cookies read': ['cookies', { headers: { cookie: 'read=x; gone=1' } }],
  'a redirect': ['redirect'],
  'a status': ['status'],
  'a status without body': ['status-of'],
  'a JSON body': ['json', post('{"a":[1,"é"]}', JSON_TYPE)],
  'a bad JSON body': ['json', post('{"a":', JSON_TYPE)],
  'a text body': ['text', post('text é')],
  'no body': ['json', { method: 'POST' }],
  'a body of bytes': ['bytes', post(() => patternOf(70_000))],
  'a body of 5 MiB': ['bytes', post(() => LARGE)],
  'a body of 5 MiB in chunks': ['raw', post(() => new Blob([LARGE]).stream())],
  'an urlencoded form': ['form', post(() => new URLSearchParams('a=1&b=é'))],
  'a form with a file': ['form', post(PARTS)],
  'a file that is asked for': ['file', post(PARTS)],
  'a body that is checked': ['checked', post('{"name":"ab","age":3}', JSON_TYPE)],
  'a body that fails the check': ['checked', post('{"name":"a","age":"x"}', JSON_TYPE)],
  'the body as the answer': ['echo', post('to and fro')],
  'a large body as the answer': ['echo', post(() => LARGE)],
  'a clone': ['clone', post('cloned')],
  'a generator': ['generator'],
  'server-sent events': ['sse'],
  'a response of the standard': ['response'],
  'cookies of the standard': ['response-cookies'],
  'Response.redirect': ['response-redirect'],
  'a ReadableStream': ['readable'],
  'a Blob': ['blob'],
  'a part of a Blob': ['blob', { headers: { range: 'bytes=1-2' } }],
  'a file of the disk': ['file-of-disk'],
  'a form': ['form-data'],
  'a number': ['number'],
  null: ['null'],
  true: ['true'],
  'a promise': ['promise'],
  'an error': ['throw'],
  'a status that is thrown': ['throw-status'],
  'no route': ['no/such/path'],
  'no such method': ['json', { method: 'DELETE' }],
  'HEAD of nothing': ['no/such/path', { method: 'HEAD' }],
};

const compiled = application(true);
const interpreted = application(false);
const wanted = await answersInProcess(compiled.fetch, CASES);
const wantedOfInterpreted = await answersInProcess(interpreted.handle, CASES);

test('the cases found what they looked for in the process', (t) => {
  for (const [name, code] of Object.entries({
    'a static text': 200,
    'a status': 418,
    'a body that fails the check': 422,
    'a file that is asked for': 200,
    'a form with a file': 200,
    'no route': 404,
  })) {
    t.is(wanted.get(name).status, code, name);
  }
  t.is(wanted.get('cookies set').cookies.length, 2);
  t.is(wantedOfInterpreted.get('a form with a file').status, 200);
});

const server = compare(test, compiled, wanted, CASES, 'compiled: ');
compare(test, interpreted.handle, wantedOfInterpreted, CASES, 'interpreted: ');

test('events come while the generator goes on, and a client that leaves ends it', async (t) => {
  const { body, headers } = await send(`${server().url}endless`);
  t.is(headers['content-type'], 'text/event-stream');
  const before = noted.ended;
  let text = '';
  for await (const chunk of body) {
    text += chunk;
    if (text.split('\n\n').length > 4) {
      break;
    }
  }
  t.regex(text, /^data: 0\n\ndata: 1\n\n/);
  await until(() => noted.ended > before, 'the generator to end');
});

test('a client that goes away aborts request.signal', (t) =>
  leave(t, `${server().url}never`, noted));

test('an application that is made while the quick classes are global', async (t) => {
  const other = await serveApp(t, application(true));
  for (const path of ['', 'static-json', 'users/5', 'generator']) {
    const { statusCode, body } = await send(other.url + path);
    t.is(statusCode, 200);
    t.true((await body.text()).length > 0, path);
  }
});
