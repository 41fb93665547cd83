// h3, unchanged, behind real sockets: version 2, whose applications have a
// `fetch`, and version 1 through its `toWebHandler`.

import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import * as h3 from 'h3';
import * as v1 from 'h3-v1';
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

/** What the tests look at besides answers. */
const noted = { entered: 0, aborted: 0, closed: 0 };

const PASSWORD = 'a password that is long enough for a session';

function streamOf(count) {
  let left = count;
  return new ReadableStream({
    async pull(controller) {
      await sleep(1);
      controller.enqueue(new TextEncoder().encode(`${left} `));
      if (--left === 0) {
        controller.close();
      }
    },
  });
}

function application() {
  const app = new h3.H3({ silent: true });

  app.use('/middleware/**', async (event, next) => {
    event.context.before = 'before';
    const body = await next();
    event.res.headers.set('x-after', 'after');
    return body;
  });
  app.get('/middleware/x', (event) => `${event.context.before} handler`);
  app.use(h3.onRequest((event) => event.res.headers.set('x-seen', event.req.method)));

  app.get('/', () => 'root');
  app.get('/users/:id', (event) => ({ id: h3.getRouterParam(event, 'id', { decode: true }) }));
  app.get('/files/**:rest', (event) => event.context.params.rest);
  app.get('/query', (event) => h3.getQuery(event));
  app.all('/all', (event) => event.req.method);
  app.get('/url', (event) => h3.getRequestURL(event).href);
  app.mount(
    '/mounted',
    new h3.H3().get('/inner', (event) => event.url.pathname),
  );
  app.all(
    '/based/**',
    h3.withBase('/based', (event) => new URL(event.req.url).pathname),
  );

  app.get('/headers', (event) => {
    event.res.status = 203;
    event.res.statusText = 'As Told';
    event.res.headers.append('x-list', 'a');
    event.res.headers.append('x-list', 'b');
    return event.req.headers.get('x-test');
  });
  app.get('/cookies', (event) => {
    h3.setCookie(event, 'a', '1', { httpOnly: true, path: '/' });
    h3.setCookie(event, 'b', 'é ;', { maxAge: 5 });
    h3.deleteCookie(event, 'gone');
    return { ...h3.parseCookies(event) };
  });
  app.get('/session', async (event) => {
    const session = await h3.useSession(event, { password: PASSWORD });
    const visits = (session.data.visits ?? 0) + 1;
    await session.update({ visits });
    return { visits };
  });
  app.get('/redirect', () => h3.redirect('/landed', 307));
  app.get('/auth', (event) =>
    h3.requireBasicAuth(event, { username: 'user', password: 'pass' }).then(() => 'let in'),
  );

  app.post('/json', async (event) => ({ got: await h3.readBody(event) }));
  app.post('/text', (event) => event.req.text());
  app.post('/bytes', async (event) => {
    const bytes = new Uint8Array(await event.req.arrayBuffer());
    return { length: bytes.length, sha256: sha256(bytes) };
  });
  app.post('/form', async (event) => {
    const entries = [];
    for (const [name, value] of await event.req.formData()) {
      entries.push([name, await plain(value)]);
    }
    return entries;
  });
  app.post('/limited', h3.bodyLimit(1000), async (event) => (await event.req.text()).length);
  app.post('/limited-form', async (event) => {
    h3.assertBodySize(event, 1000);
    return [...(await event.req.formData()).keys()];
  });
  app.post('/echo', (event) => event.req.body);
  app.post('/clone', async (event) => {
    const clone = event.req.clone();
    return [await event.req.text(), await clone.text()];
  });

  app.get('/stream', () => streamOf(3));
  app.get('/iterable', () =>
    h3.iterable(
      (async function* () {
        yield 'a';
        await sleep(1);
        yield { b: 1 };
      })(),
    ),
  );
  app.get('/sse', (event) => {
    const stream = h3.createEventStream(event);
    void (async () => {
      for (let i = 0; i < 3; i++) {
        await stream.push({ id: String(i), event: 'tick', data: `event ${i}` });
      }
      await stream.close();
    })();
    return stream.send();
  });
  app.get('/endless', (event) => {
    const stream = h3.createEventStream(event);
    const timer = setInterval(() => void stream.push('tick').catch(() => {}), 5);
    stream.onClosed(() => {
      clearInterval(timer);
      noted.closed++;
    });
    return stream.send();
  });
  app.get('/never', (event) => {
    event.req.signal.addEventListener('abort', () => noted.aborted++);
    noted.entered++;
    return new Promise(() => {});
  });

  app.get('/response', () => Response.json({ a: 1 }, { status: 201, headers: { 'x-a': 'b' } }));
  app.get('/response-redirect', () => Response.redirect('http://app.test/landed', 303));
  app.get('/blob', () => new Blob(['blob'], { type: 'text/x' }));
  app.get('/typed', () => new Uint8Array([1, 2, 3]));
  app.get('/null', () => null);
  app.get('/nothing', () => h3.noContent());
  app.get('/html', () => h3.html('<p>é</p>'));
  app.get('/bigint', () => 10n);
  app.get('/throw', () => {
    throw new Error('thrown');
  });
  app.get('/http-error', () => {
    throw new h3.HTTPError({
      status: 418,
      message: 'teapot',
      data: { a: 1 },
      headers: { 'x-e': 'f' },
    });
  });
  app.get(
    '/caught',
    h3.onError((error) => `caught ${error.message}`),
    () => {
      throw new h3.HTTPError('that');
    },
  );
  app.all('/cors', (event) => {
    const handled = h3.handleCors(event, {
      origin: ['http://other.test'],
      methods: ['GET', 'PUT'],
      credentials: true,
      preflight: { statusCode: 204 },
    });
    return handled === false ? 'cors' : handled;
  });
  app.get('/cached', (event) => {
    const hit = h3.handleCacheHeaders(event, {
      etag: '"tag"',
      maxAge: 60,
      modifiedTime: new Date(0),
    });
    return hit ? undefined : 'cached';
  });
  app.get('/static/**', (event) => h3.serveStatic(event, STATIC));
  app.all('/proxy/**:rest', (event) =>
    h3.proxyRequest(event, event.req.headers.get('x-target') + event.context.params.rest),
  );
  return app;
}

const STATIC = {
  getContents: () => new TextEncoder().encode('static content'),
  getMeta: (id) =>
    id.endsWith('/a.txt') ? { size: 14, etag: '"static"', type: 'text/plain' } : undefined,
};

function firstApplication() {
  const app = v1.createApp();
  const router = v1.createRouter();
  const on = (method, path, handle) => router.add(path, v1.eventHandler(handle), method);
  app.use(
    '/middleware',
    v1.eventHandler((event) => {
      event.context.before = 'before';
      v1.setResponseHeader(event, 'x-before', 'before');
    }),
  );
  on('get', '/', () => 'root');
  on('get', '/middleware/x', (event) => `${event.context.before} handler`);
  on('get', '/users/:id', (event) => ({ id: v1.getRouterParam(event, 'id', { decode: true }) }));
  on('get', '/files/**:rest', (event) => event.context.params.rest);
  on('get', '/query', (event) => v1.getQuery(event));
  on('get', '/url', (event) => v1.getRequestURL(event).pathname);
  on('get', '/headers', (event) => {
    v1.setResponseStatus(event, 203, 'As Told');
    v1.appendResponseHeader(event, 'x-list', 'a');
    v1.appendResponseHeader(event, 'x-list', 'b');
    return v1.getRequestHeader(event, 'x-test');
  });
  on('get', '/cookies', (event) => {
    v1.setCookie(event, 'a', '1', { httpOnly: true });
    v1.setCookie(event, 'b', 'é ;');
    v1.deleteCookie(event, 'gone');
    return { ...v1.parseCookies(event) };
  });
  on('get', '/redirect', (event) => v1.sendRedirect(event, '/landed', 307));
  on('post', '/json', async (event) => ({ got: await v1.readBody(event) }));
  on('post', '/text', (event) => v1.readRawBody(event));
  on('post', '/bytes', async (event) => {
    const bytes = await v1.readRawBody(event, false);
    return { length: bytes.length, sha256: sha256(bytes) };
  });
  on('post', '/form', async (event) => {
    const entries = [];
    for (const [name, value] of await v1.readFormData(event)) {
      entries.push([name, await plain(value)]);
    }
    return entries;
  });
  on('post', '/parts', async (event) => {
    const parts = (await v1.readMultipartFormData(event)) ?? [];
    return parts.map(({ name, filename, type, data }) => [name, filename, type, sha256(data)]);
  });
  on('post', '/echo', (event) => v1.getRequestWebStream(event));
  on('get', '/stream', () => streamOf(3));
  on('get', '/response', () => new Response('response', { status: 201, headers: { 'x-a': 'b' } }));
  on('get', '/nothing', (event) => v1.sendNoContent(event));
  on('get', '/throw', () => {
    throw new Error('thrown');
  });
  on('get', '/http-error', () => {
    throw v1.createError({ statusCode: 418, statusMessage: 'Teapot', data: { a: 1 } });
  });
  app.use(router);
  return app;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const CORS = { origin: 'http://other.test' };

const PARTS = () =>
  formOf(
    ['title', 'é'],
    ['file', new File([patternOf(100_000)], 'näme.bin', { type: 'x/y' })],
    ['file', new File([], 'empty')],
  );

/** What both versions have. */
const COMMON = {
  'the root': [''],
  middleware: ['middleware/x'],
  'a parameter': ['users/a%20%C3%A9'],
  'a wildcard': ['files/a/b.txt'],
  'a query': ['query?a=1&a=2&b=%26'],
  'headers and a status': ['headers', { headers: { 'x-test': 'told' } }],
  'cookies set and read': ['cookies', { headers: { cookie: 'x=1; y=%20z' } }],
  'a redirect': ['redirect'],
  'a JSON body': ['json', post('{"a":[1,"é"]}', JSON_TYPE)],
  'a bad JSON body': ['json', post('{"a":', JSON_TYPE)],
  'an urlencoded body': ['json', post(() => new URLSearchParams('a=1&b=é&a=2'))],
  'a text body': ['text', post('text é')],
  'no body': ['text', { method: 'POST' }],
  'a body of bytes': ['bytes', post(() => patternOf(70_000))],
  'a body of 5 MiB': ['bytes', post(() => LARGE)],
  'a body of 5 MiB in chunks': ['bytes', post(() => new Blob([LARGE]).stream())],
  'a form with files': ['form', post(PARTS)],
  'the body as the answer': ['echo', post('to and fro')],
  'a large body as the answer': ['echo', post(() => LARGE)],
  'a stream': ['stream'],
  'a response of the standard': ['response'],
  'no content': ['nothing'],
  'an error': ['throw'],
  'an error with a status': ['http-error'],
  'no route': ['no/such/path'],
  'HEAD of a GET': ['users/1', { method: 'HEAD' }],
};

const CASES = {
  ...COMMON,
  'any method': ['all', { method: 'PATCH' }],
  'no such method': ['json', { method: 'DELETE' }],
  'the URL': ['url?a=b'],
  'a mounted application': ['mounted/inner'],
  'a base path': ['based/deep/path', { method: 'PUT' }],
  'basic auth, without': ['auth'],
  'basic auth': ['auth', { headers: { authorization: `Basic ${btoa('user:pass')}` } }],
  'a body within the limit': ['limited', post('x'.repeat(1000))],
  'a body over the limit': ['limited', post('x'.repeat(1001))],
  'a body in chunks within the limit': [
    'limited',
    post(() => new Blob(['x'.repeat(1000)]).stream()),
  ],
  'a body in chunks over the limit': ['limited', post(() => new Blob(['x'.repeat(1001)]).stream())],
  'a form within the limit': ['limited-form', post(() => formOf(['a', '1'], ['b', '2']))],
  'a form over the limit': ['limited-form', post(PARTS)],
  'a clone': ['clone', post('cloned')],
  'an iterable': ['iterable'],
  'server-sent events': ['sse'],
  'Response.redirect': ['response-redirect'],
  'a Blob': ['blob'],
  bytes: ['typed'],
  null: ['null'],
  html: ['html'],
  'a bigint': ['bigint'],
  'an error that was caught': ['caught'],
  'HEAD of a stream': ['stream', { method: 'HEAD' }],
  'a preflight': [
    'cors',
    { method: 'OPTIONS', headers: { ...CORS, 'access-control-request-method': 'PUT' } },
  ],
  'CORS of a GET': ['cors', { headers: CORS }],
  'cache headers': ['cached'],
  'a matching ETag': ['cached', { headers: { 'if-none-match': '"tag"' } }],
  'not modified since': ['cached', { headers: { 'if-modified-since': new Date(0).toUTCString() } }],
  'a static file': ['static/a.txt'],
  'a static file by HEAD': ['static/a.txt', { method: 'HEAD' }],
  'a static file that the client has': [
    'static/a.txt',
    { headers: { 'if-none-match': '"static"' } },
  ],
  'no static file': ['static/b.txt'],
};

const FIRST_CASES = {
  ...COMMON,
  'the URL': ['url?a=b'],
  'the parts of a form': ['parts', post(PARTS)],
};

const app = application();
const asWebHandler = h3.toWebHandler(app);
const asFirst = v1.toWebHandler(firstApplication());
const wanted = await answersInProcess(app.fetch, CASES);
const wantedOfFirst = await answersInProcess(asFirst, FIRST_CASES);

test('the cases found what they looked for in the process', (t) => {
  for (const [name, status] of Object.entries({
    'a form over the limit': 413,
    'a matching ETag': 304,
    'a preflight': 204,
    'an error with a status': 418,
    'a static file': 200,
    'a JSON body': 200,
    'a form with files': 200,
  })) {
    t.is(wanted.get(name).status, status, name);
  }
  t.is(wanted.get('cookies set and read').cookies.length, 3);
  t.is(wantedOfFirst.get('cookies set and read').cookies.length, 3);
  t.is(wantedOfFirst.get('a form with files').status, 200);
});

const server = compare(test, app, wanted, CASES, 'fetch: ');
compare(test, asWebHandler, wanted, CASES, 'toWebHandler: ');
compare(test, asFirst, wantedOfFirst, FIRST_CASES, 'version 1: ');

test('a session goes over cookies', async (t) => {
  let cookie = '';
  for (const visits of [1, 2, 3]) {
    const { headers, body } = await send(`${server().url}session`, { headers: { cookie } });
    t.deepEqual(await body.json(), { visits });
    cookie = [headers['set-cookie']].flat().at(-1).split(';')[0];
  }
});

test('events come while the stream is open, and a client that leaves closes it', async (t) => {
  const { body, headers } = await send(`${server().url}endless`);
  t.is(headers['content-type'], 'text/event-stream');
  const before = noted.closed;
  let text = '';
  for await (const chunk of body) {
    text += chunk;
    if (text.length > 30) {
      break;
    }
  }
  t.regex(text, /^data: tick\n\ndata: tick\n\n/);
  await until(() => noted.closed > before, 'onClosed');
});

test('a client that goes away aborts event.req.signal', (t) =>
  leave(t, `${server().url}never`, noted));

test('proxyRequest passes requests on', async (t) => {
  const front = await serveApp(t, application());
  const headers = { 'x-target': server().url.href };
  const cookies = await send(`${front.url}proxy/cookies`, { headers });
  t.is(cookies.headers['set-cookie'].length, 3);
  await cookies.body.dump();
  for (const body of ['small', LARGE]) {
    const answer = await send(`${front.url}proxy/echo`, { method: 'POST', headers, body });
    t.is(answer.statusCode, 200);
    t.is(sha256(Buffer.from(await answer.body.arrayBuffer())), sha256(body));
  }
});
