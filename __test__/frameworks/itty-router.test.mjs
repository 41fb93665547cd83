// itty-router, unchanged, behind real sockets.

import ava from 'ava';
import {
  AutoRouter,
  cors,
  error,
  html,
  IttyRouter,
  json,
  Router,
  StatusError,
  status,
  text,
  withContent,
  withCookies,
  withParams,
} from 'itty-router';
import { request as send } from 'undici';
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
const noted = { entered: 0, aborted: 0 };

const { preflight, corsify } = cors({
  origin: ['http://other.test'],
  credentials: true,
  allowMethods: ['GET', 'PUT'],
  maxAge: 5,
});

function application() {
  const router = AutoRouter({
    base: '/api',
    before: [preflight, withCookies],
    // It makes a response of its own, which loses the status.
    finally: [
      (response, request) =>
        request.headers.has('origin') ? corsify(response, request) : response,
    ],
    catch: (thrown, request) =>
      error(thrown.status ?? 500, { message: thrown.message, at: new URL(request.url).pathname }),
  });
  const inner = AutoRouter({ base: '/api/inner' });
  inner.get('/:x', ({ x }) => `inner ${x}`);
  return router
    .get('/', () => 'root')
    .get('/users/:id', ({ id }) => ({ id }))
    .get('/files/:path+', ({ params }) => params.path)
    .get('/optional/:name.:format?', ({ params }) => ({ ...params }))
    .get('/query', ({ query }) => ({ ...query }))
    .get('/route', ({ route, method, url }) => ({ route, method, path: new URL(url).pathname }))
    .get('/cookies', ({ cookies }) => ({ ...cookies }))
    .get('/set-cookies', () => {
      const headers = new Headers({ 'x-a': 'b' });
      headers.append('set-cookie', 'a=1');
      headers.append('set-cookie', 'b=2; Path=/');
      return new Response('cookies', { headers });
    })
    .get('/headers', ({ headers }) => headers.get('x-test'))
    .get('/html', () => html('<p>é</p>'))
    .get('/text', () => text('text', { status: 203 }))
    .get('/json', () => json({ a: 1 }, { status: 201 }))
    .get('/status', () => status(204))
    .get('/redirect', () => Response.redirect('http://app.test/landed', 307))
    .get('/stream', () => new Response(new Blob(['streamed']).stream()))
    .get('/throw', () => {
      throw new Error('thrown');
    })
    .get('/status-error', () => {
      throw new StatusError(418, 'teapot');
    })
    .get('/never', (request) => {
      request.signal.addEventListener('abort', () => noted.aborted++);
      noted.entered++;
      return new Promise(() => {});
    })
    .post('/content', withContent, async ({ content }) => ({
      content: content instanceof FormData ? [...content.keys()] : content,
    }))
    .post('/bytes', async (request) => {
      const bytes = new Uint8Array(await request.arrayBuffer());
      return { length: bytes.length, sha256: sha256(bytes) };
    })
    .post('/form', async (request) => {
      const entries = [];
      for (const [name, value] of await request.formData()) {
        entries.push([name, await plain(value)]);
      }
      return entries;
    })
    .post('/echo', ({ body }) => new Response(body))
    .post('/clone', async (request) => [await request.clone().text(), await request.text()])
    .post('/again', async (request) => {
      const again = new Request(request, { headers: { 'x-new': '1' } });
      return [again.headers.get('x-new'), again.method, await again.text(), request.bodyUsed];
    })
    .put('/put', () => 'put')
    .get('/info', (_request, info) => Object.keys(info ?? {}))
    .all('/all', ({ method }) => method)
    .purge('/cache', ({ method }) => method)
    .all('/inner/*', inner.fetch);
}

const CORS = { origin: 'http://other.test' };
const JSON_TYPE = { 'content-type': 'application/json' };
const PARTS = () =>
  formOf(['title', 'é'], ['file', new File([patternOf(100_000)], 'näme.bin', { type: 'x/y' })]);

const CASES = {
  'the root': ['api'],
  'a trailing slash': ['api/'],
  'a parameter of the request': ['api/users/42'],
  'a greedy parameter': ['api/files/a/b/c.txt'],
  'an optional format': ['api/optional/name.json'],
  'no optional format': ['api/optional/name'],
  'a query': ['api/query?a=1&a=2&b=%26'],
  'route, method and URL': ['api/route?x'],
  cookies: ['api/cookies', { headers: { cookie: 'a=1; b=x=y' } }],
  'cookies set': ['api/set-cookies'],
  headers: ['api/headers', { headers: { 'x-test': 'told' } }],
  html: ['api/html'],
  text: ['api/text'],
  json: ['api/json'],
  'a status': ['api/status'],
  'a redirect': ['api/redirect'],
  'a stream': ['api/stream'],
  'an error': ['api/throw'],
  'an error with a status': ['api/status-error'],
  'content of JSON': ['api/content', post('{"a":1}', JSON_TYPE)],
  'content of a form': ['api/content', post(() => formOf(['a', '1'], ['b', '2']))],
  'content of text': ['api/content', post('just text')],
  'no content': ['api/content', { method: 'POST' }],
  'a body of bytes': ['api/bytes', post(() => patternOf(70_000))],
  'a body of 5 MiB': ['api/bytes', post(() => LARGE)],
  'a body of 5 MiB in chunks': ['api/bytes', post(() => new Blob([LARGE]).stream())],
  'a form with a file': ['api/form', post(PARTS)],
  'an urlencoded form': ['api/form', post(() => new URLSearchParams('a=1&b=é'))],
  'the body as the answer': ['api/echo', post('to and fro')],
  'a large body as the answer': ['api/echo', post(() => LARGE)],
  'a clone': ['api/clone', post('cloned')],
  'a request made of the request': ['api/again', post('again')],
  'any method': ['api/all', { method: 'PATCH' }],
  'a method of its own': ['api/cache', { method: 'PURGE' }],
  'a nested router': ['api/inner/5'],
  'no route': ['api/nothing'],
  'not below the base': ['other'],
  'no such method': ['api/put', { method: 'DELETE' }],
  'a preflight': [
    'api/put',
    { method: 'OPTIONS', headers: { ...CORS, 'access-control-request-method': 'PUT' } },
  ],
  'CORS of a GET': ['api/json', { headers: CORS }],
  'CORS of another origin': ['api/json', { headers: { origin: 'http://evil.test' } }],
  'the second argument': ['api/info'],
};

const app = application();
const wanted = await answersInProcess(app.fetch, CASES);
if (!canCopyProxies()) {
  // Newer Nodes make no request of the proxy that AutoRouter gives; we do.
  const refused = wanted.get('a request made of the request');
  const body = '["1","POST","again",true]';
  wanted.set('a request made of the request', { ...refused, status: 200, body });
}

function canCopyProxies() {
  try {
    return new Request(new Proxy(new Request('http://a/'), {})).url === 'http://a/';
  } catch {
    return false;
  }
}

test('the cases found what they looked for in the process', (t) => {
  for (const [name, code] of Object.entries({
    'a preflight': 204,
    'an error with a status': 418,
    'content of a form': 200,
    'a nested router': 200,
    'a method of its own': 200,
  })) {
    t.is(wanted.get(name).status, code, name);
  }
  t.is(wanted.get('cookies set').cookies.length, 2);
});

const server = compare(test, app, wanted, CASES);

test('a client that goes away aborts the signal', (t) =>
  leave(t, `${server().url}api/never`, noted));

test('the routers without defaults', async (t) => {
  const small = IttyRouter()
    .get('/users/:id', withParams, ({ id, params }) => new Response(`${id} ${params.id}`))
    .all('*', () => new Response('none', { status: 404 }));
  const medium = Router({ finally: [json], catch: error }).get(
    '/users/:id',
    ({ params }) => params,
  );
  for (const [router, answer] of [
    [small, '5 5'],
    [medium, '{"id":"5"}'],
  ]) {
    for (const application of [router, router.fetch]) {
      const other = await serveApp(t, application);
      const { statusCode, body } = await send(`${other.url}users/5`);
      t.is(await body.text(), answer);
      t.is(statusCode, 200);
    }
  }
});

test('the proxy that AutoRouter gives is as good as the request', async (t) => {
  const other = await serveApp(t, (request, info) => back.fetch(request, info));
  const back = AutoRouter()
    .post('/passed', (request) => fetch(`${server().url}api/echo`, request))
    .post('/itself', (request) => {
      if (request.headers.has('x-passed')) {
        return request.text();
      }
      request.headers.set('x-passed', '1');
      return fetch(request);
    })
    .get('/peer', (request, { remotePort }) => {
      return { same: other.requestIP(request)?.port === remotePort };
    });
  for (const body of ['small', LARGE]) {
    const { body: answer } = await send(`${other.url}passed`, { method: 'POST', body });
    t.is(sha256(Buffer.from(await answer.arrayBuffer())), sha256(body));
  }
  const itself = await send(`${other.url}itself`, { method: 'POST', body: 'itself' });
  t.is(await itself.body.json(), 'itself');
  const { body } = await send(`${other.url}peer`);
  t.deepEqual(await body.json(), { same: true });
});

test('a router that finds nothing and answers nothing is a 500', async (t) => {
  const errors = [];
  const other = await serveApp(
    t,
    IttyRouter().get('/a', () => new Response('a')),
    {
      error: ({ code }) => {
        errors.push(code);
        return new Response('noted', { status: 500 });
      },
    },
  );
  const { statusCode, body } = await send(`${other.url}b`);
  t.is(statusCode, 500);
  t.is(await body.text(), 'noted');
  t.deepEqual(errors, ['ERR_REACTOR_INVALID_RESPONSE']);
});
