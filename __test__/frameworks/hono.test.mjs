// Hono, unchanged, behind real sockets.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzipSync, inflateSync } from 'node:zlib';
import ava from 'ava';
import { Hono } from 'hono';
import { basicAuth } from 'hono/basic-auth';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { deleteCookie, getCookie, getSignedCookie, setCookie, setSignedCookie } from 'hono/cookie';
import { cors } from 'hono/cors';
import { csrf } from 'hono/csrf';
import { etag } from 'hono/etag';
import { HTTPException } from 'hono/http-exception';
import { methodOverride } from 'hono/method-override';
import { prettyJSON } from 'hono/pretty-json';
import { proxy } from 'hono/proxy';
import { secureHeaders } from 'hono/secure-headers';
import { stream, streamSSE, streamText } from 'hono/streaming';
import { timeout } from 'hono/timeout';
import { trimTrailingSlash } from 'hono/trailing-slash';
import { request as send } from 'undici';
import { until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
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
const exec = promisify(execFile);

/** What the tests look at besides answers. */
const noted = { entered: 0, aborted: 0, cancelled: 0, produced: 0 };

const app = makeApp();

function makeApp() {
  const app = new Hono();

  // Routing.
  app.get('/', (c) => c.text('root'));
  app.get('/users/:id{[0-9]+}', (c) => c.json({ id: Number(c.req.param('id')) }));
  app.get('/users/:name', (c) => c.json({ name: c.req.param('name') }));
  app.get('/optional/:a?', (c) => c.text(`[${c.req.param('a') ?? 'none'}]`));
  app.get('/files/*', (c) => c.text(c.req.path));
  app.get('/query', (c) =>
    c.json({ one: c.req.query('a') ?? null, all: c.req.queries('a') ?? [], every: c.req.query() }),
  );
  app.on(['PURGE', 'LINK'], ['/cache', '/other'], (c) => c.text(`${c.req.method} ${c.req.path}`));
  app.all('/all', (c) => c.text(c.req.method));
  app
    .basePath('/v1')
    .get('/books', (c) => c.text('books'))
    .post((c) => c.text('created', 201));
  const nested = new Hono();
  nested.get('/inner/:x', (c) => c.text(`inner ${c.req.param('x')}`));
  app.route('/nested', nested);
  app.mount('/mounted', (request) => new Response(`mounted ${new URL(request.url).pathname}`));
  app.get('/url', (c) => c.text(c.req.url));

  // Middleware.
  app.use('/order/*', async (c, next) => {
    c.set('trace', ['before']);
    await next();
    c.header('x-trace', [...c.get('trace'), 'after'].join(' '));
  });
  app.get('/order/x', (c) => {
    c.get('trace').push('handler');
    return c.body('in order');
  });
  app.use('/replaced/*', async (c, next) => {
    await next();
    c.res = new Response(`replaced ${await c.res.text()}`, c.res);
    c.res.headers.set('x-replaced', 'yes');
  });
  app.get('/replaced/x', (c) => c.text('text', 202, { 'x-kept': '1' }));
  app.use('/secure/*', secureHeaders());
  app.get('/secure/x', (c) => c.html('<p>secure</p>'));
  app.use('/basic/*', basicAuth({ username: 'user', password: 'pass' }));
  app.get('/basic/x', (c) => c.text('let in'));
  app.use('/bearer/*', bearerAuth({ token: 'token' }));
  app.get('/bearer/x', (c) => c.text('let in'));
  app.use('/pretty/*', prettyJSON());
  app.get('/pretty/x', (c) => c.json({ a: [1] }));
  app.use('/csrf/*', csrf());
  app.post('/csrf/x', (c) => c.text('let in'));
  app.use('/trimmed/*', trimTrailingSlash());
  app.get('/trimmed/x', (c) => c.text('trimmed'));
  app.use('/override', methodOverride({ app }));
  app.delete('/override', (c) => c.text('deleted'));

  // Headers, cookies, redirects.
  app.get('/headers', (c) => {
    c.header('x-one', '1');
    c.header('x-list', 'a');
    c.header('x-list', 'b', { append: true });
    c.header('x-latin', 'é');
    c.status(203);
    return c.body('headers');
  });
  app.get('/request-headers', (c) =>
    c.json([c.req.header('X-Test') ?? null, c.req.header()['x-test'] ?? null]),
  );
  app.get('/cookies', async (c) => {
    setCookie(c, 'a', '1', { path: '/', httpOnly: true, sameSite: 'Lax' });
    setCookie(c, 'b', 'é ;=', { maxAge: 60 });
    deleteCookie(c, 'gone');
    await setSignedCookie(c, 'signed', 'value', 'secret');
    return c.json(getCookie(c));
  });
  app.get('/signed', async (c) => c.json((await getSignedCookie(c, 'secret')).signed ?? null));
  app.get('/raw-cookies', () => {
    const headers = new Headers();
    headers.append('Set-Cookie', 'one=1; Path=/');
    headers.append('set-cookie', 'two=2, with comma');
    return new Response('cookies', { headers });
  });
  app.get('/redirect', (c) => c.redirect('/landed'));
  app.get('/redirect/:code', (c) => c.redirect('/landed?é', Number(c.req.param('code'))));
  app.get('/landed', (c) => c.text('landed'));

  // Bodies.
  app.post('/json', async (c) => c.json({ got: await c.req.json() }));
  app.post('/text', async (c) => c.text(await c.req.text()));
  app.post('/bytes', async (c) => {
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    return c.json({ length: bytes.length, sha256: sha256(bytes) });
  });
  app.post('/blob', async (c) => {
    const blob = await c.req.blob();
    return c.json({ size: blob.size, type: blob.type });
  });
  app.post('/form', async (c) => {
    const form = await c.req.parseBody({ all: true });
    return c.json(await plain(form));
  });
  app.post('/form-data', async (c) => {
    const form = await c.req.formData();
    const entries = [];
    for (const [name, value] of form) {
      entries.push([name, await plain(value)]);
    }
    return c.json(entries);
  });
  app.post('/limited', bodyLimit({ maxSize: 1000 }), async (c) => {
    return c.text(`${(await c.req.text()).length}`);
  });
  app.post('/unread', (c) => c.text('not read'));
  app.post('/twice', async (c) => {
    const first = await c.req.text();
    return c.json([first, await c.req.text(), c.req.raw.bodyUsed]);
  });
  app.post('/clone', async (c) => {
    const clone = c.req.raw.clone();
    const [first, second] = await Promise.all([c.req.raw.text(), clone.text()]);
    return c.json({
      same: first === second,
      length: first.length,
      method: clone.method,
      header: clone.headers.get('x-test'),
      used: [c.req.raw.bodyUsed, clone.bodyUsed],
    });
  });
  app.post('/echo', (c) => c.body(c.req.raw.body));

  // Streams.
  app.get('/stream-text', (c) =>
    streamText(c, async (writer) => {
      for (const word of ['one', 'two', 'three']) {
        await writer.writeln(word);
        await writer.sleep(1);
      }
    }),
  );
  app.get('/stream', (c) =>
    stream(c, async (writer) => {
      await writer.write(new Uint8Array([1, 2, 3]));
      await writer.pipe(new Blob(['piped']).stream());
    }),
  );
  app.get('/stream-failing', (c) =>
    stream(
      c,
      async (writer) => {
        await writer.write('begun ');
        throw new Error('in the stream');
      },
      async (error, writer) => {
        await writer.write(`failed: ${error.message}`);
      },
    ),
  );
  app.get('/sse', (c) =>
    streamSSE(c, async (writer) => {
      for (let id = 0; id < 3; id++) {
        await writer.writeSSE({ data: `event\n${id}`, event: 'tick', id: String(id) });
      }
    }),
  );
  app.get('/readable', (c) => {
    let left = 20;
    return c.body(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(10_000).fill(left));
          if (--left === 0) {
            controller.close();
          }
        },
      }),
    );
  });
  app.get('/endless', (c) =>
    streamSSE(c, async (writer) => {
      writer.onAbort(() => noted.cancelled++);
      while (!writer.aborted) {
        noted.produced++;
        await writer.writeSSE({ data: String(noted.produced) });
        await writer.sleep(5);
      }
    }),
  );
  app.get('/never', (c) => {
    c.req.raw.signal.addEventListener('abort', () => noted.aborted++);
    noted.entered++;
    return new Promise(() => {});
  });

  // Responses of the standard.
  app.get('/static/json', () => Response.json({ a: 1 }, { status: 201, headers: { 'x-a': 'b' } }));
  app.get('/static/redirect', () => Response.redirect('http://app.test/landed', 307));
  app.get('/static/error', () => Response.error());
  app.get('/static/new', () => new Response(new Blob(['blob'], { type: 'text/x' })));
  app.get('/static/form', () => new Response(new URLSearchParams({ a: '1', b: 'é' })));
  app.get('/static/empty', () => new Response(null, { status: 204 }));
  app.get('/static/rewrapped', () => {
    const first = new Response('body', { status: 203, headers: { 'x-a': 'b' } });
    return new Response(first.body, first);
  });
  app.get('/no-content', (c) => c.body(null, 204));
  app.get('/not-modified', (c) => c.body(null, 304));

  // Errors.
  app.get('/throw', () => {
    throw new Error('thrown');
  });
  app.get('/reject', async () => {
    await sleep(1);
    throw new Error('rejected');
  });
  app.get('/exception', () => {
    throw new HTTPException(418, { message: 'teapot' });
  });
  app.get('/exception-response', () => {
    const res = new Response('custom', { status: 401, headers: { 'www-authenticate': 'Basic' } });
    throw new HTTPException(401, { res });
  });
  app.get('/timeout', timeout(20), async (c) => {
    await sleep(5000, undefined, { ref: false });
    return c.text('late');
  });
  app.onError((error, c) =>
    error instanceof HTTPException
      ? error.getResponse()
      : c.text(`${error.constructor.name}: ${error.message}`, 500),
  );
  app.notFound((c) => c.text(`nothing at ${c.req.path}`, 404));

  // Methods, CORS, conditions, compression.
  app.use(
    '/cors/*',
    cors({
      origin: 'http://other.test',
      allowMethods: ['GET', 'PUT'],
      credentials: true,
      maxAge: 5,
      exposeHeaders: ['x-a'],
    }),
  );
  app.put('/cors/x', (c) => c.text('put'));
  app.get('/cors/x', (c) => c.text('got'));
  app.use('/etag/*', etag());
  app.get('/etag/text', (c) => c.text('the same'));
  app.get('/etag/stream', (c) => c.body(new Blob(['streamed']).stream()));
  app.get('/etag/empty', (c) => c.body(null));
  app.use('/compressed/*', compress());
  app.get('/compressed/large', (c) => c.text('compress me '.repeat(1000)));
  app.get('/compressed/small', (c) => c.text('small', 200, { 'content-length': '5' }));
  app.get('/compressed/stream', (c) => {
    c.header('content-type', 'text/plain');
    return stream(c, async (writer) => {
      for (let i = 0; i < 100; i++) {
        await writer.write('compress me '.repeat(100));
      }
    });
  });
  app.get('/compressed/etag', etag(), (c) => c.text('compress me '.repeat(1000)));

  app.get('/env', (c) => c.json({ env: Object.keys(c.env), type: typeof c.env.remoteAddress }));
  app.all('/proxy/*', (c) =>
    proxy(`${c.req.header('x-target')}${c.req.path.slice('/proxy/'.length)}`, c.req),
  );
  return app;
}

const CORS = { origin: 'http://other.test' };
const JSON_TYPE = { 'content-type': 'application/json' };

const CASES = {
  'the root': [''],
  'a parameter that matches a pattern': ['users/42'],
  'a parameter that does not': ['users/J%C3%BCrgen%20x'],
  'an optional parameter': ['optional/x'],
  'no optional parameter': ['optional'],
  'a wildcard': ['files/a/b%2Fc.txt'],
  'a query': ['query?a=1&a=2&b=%26&c'],
  'a query with plus and percent': ['query?a=1+2%2B3&a=%zz'],
  'a method of its own': ['cache', { method: 'PURGE' }],
  'another path of it': ['other', { method: 'LINK' }],
  'any method': ['all', { method: 'PATCH' }],
  'a base path': ['v1/books'],
  'a base path and another method': ['v1/books', { method: 'POST' }],
  'a nested application': ['nested/inner/5'],
  'a mounted handler': ['mounted/deep/path'],
  'the URL': ['url?a=b'],
  'the URL with odd characters': ["url/../url?q='a'&b=%7Ba%7D"],
  'middleware in order': ['order/x'],
  'middleware that replaces the response': ['replaced/x'],
  'secure headers': ['secure/x'],
  'basic auth, without': ['basic/x'],
  'basic auth': ['basic/x', { headers: { authorization: `Basic ${btoa('user:pass')}` } }],
  'bearer auth, wrong': ['bearer/x', { headers: { authorization: 'Bearer other' } }],
  'bearer auth': ['bearer/x', { headers: { authorization: 'Bearer token' } }],
  'pretty JSON': ['pretty/x?pretty'],
  'a form across sites': [
    'csrf/x',
    post('a=1', {
      'content-type': 'application/x-www-form-urlencoded',
      origin: 'http://evil.test',
    }),
  ],
  'a trailing slash': ['trimmed/x/'],
  'another method by form': ['override', post(() => formOf(['_method', 'DELETE']))],
  'headers and a status': ['headers'],
  'headers of the request': ['request-headers', { headers: { 'X-Test': 'a, b' } }],
  'cookies set': ['cookies'],
  'cookies read': ['cookies', { headers: { cookie: 'x=1; y=%20z; a="q"' } }],
  'a signed cookie that was changed': ['signed', { headers: { cookie: 'signed=x.AAAA' } }],
  'cookies as they are': ['raw-cookies'],
  'a redirect': ['redirect'],
  'a permanent redirect': ['redirect/308'],
  'a JSON body': ['json', post('{"a":[1,"é"]}', JSON_TYPE)],
  'a bad JSON body': ['json', post('{"a":', JSON_TYPE)],
  'an empty JSON body': ['json', post('', JSON_TYPE)],
  'a text body': ['text', post('text é 😀', { 'content-type': 'text/plain' })],
  'no body': ['text', { method: 'POST' }],
  'a body of bytes': ['bytes', post(() => patternOf(70_000))],
  'a body of 5 MiB': ['bytes', post(() => LARGE)],
  'a body of 5 MiB in chunks': ['bytes', post(() => new Blob([LARGE]).stream())],
  'a blob': ['blob', post(() => new Blob(['blob'], { type: 'image/x' }))],
  'an urlencoded form': ['form', post(() => new URLSearchParams('a=1&a=2&b=%C3%A9+x&c='))],
  'a form with files': [
    'form',
    post(() =>
      formOf(
        ['title', 'é'],
        ['tags[]', 'a'],
        ['tags[]', 'b'],
        ['file', new File([patternOf(100_000)], 'näme "q".bin', { type: 'x/y' })],
        ['empty', new File([], 'empty.txt')],
      ),
    ),
  ],
  'a form with two files of one name': [
    'form-data',
    post(() => formOf(['f', new File(['1'], 'a')], ['f', new File(['2'], 'b')], ['t', 'x\r\ny'])),
  ],
  'a form with a file of 5 MiB': ['form-data', post(() => formOf(['f', new File([LARGE], 'big')]))],
  'an urlencoded form as FormData': ['form-data', post(() => new URLSearchParams('a=1&b=2&a=3'))],
  'a form that is none': ['form-data', post('text', { 'content-type': 'text/plain' })],
  'a form without an end': [
    'form-data',
    post('--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', {
      'content-type': 'multipart/form-data; boundary=x',
    }),
  ],
  'a body within the limit': ['limited', post('x'.repeat(1000))],
  'a body over the limit': ['limited', post('x'.repeat(1001))],
  'a body in chunks within the limit': [
    'limited',
    post(() => new Blob(['x'.repeat(1000)]).stream()),
  ],
  'a body in chunks over the limit': ['limited', post(() => new Blob(['x'.repeat(1001)]).stream())],
  'a body that nobody reads': ['unread', post('x'.repeat(10_000))],
  'a body read twice': ['twice', post('again')],
  'a clone': ['clone', post('cloned', { 'x-test': 'y' })],
  'a clone of a large body': ['clone', post('x'.repeat(2_000_000), { 'x-test': 'y' })],
  'the body as the answer': ['echo', post('to and fro')],
  'a large body as the answer': ['echo', post(() => LARGE)],
  'streamed text': ['stream-text'],
  'streamed bytes': ['stream'],
  'a stream that fails': ['stream-failing'],
  'server-sent events': ['sse'],
  'a ReadableStream': ['readable'],
  'Response.json': ['static/json'],
  'Response.redirect': ['static/redirect'],
  'a Blob': ['static/new'],
  URLSearchParams: ['static/form'],
  '204 of the standard': ['static/empty'],
  'a response in a response': ['static/rewrapped'],
  204: ['no-content'],
  304: ['not-modified'],
  'an error': ['throw'],
  'a rejection': ['reject'],
  'an HTTPException': ['exception'],
  'an HTTPException with a response': ['exception-response'],
  'a handler that takes too long': ['timeout'],
  'no route': ['no/such/path'],
  'no such method': ['v1/books', { method: 'DELETE' }],
  'HEAD of a GET': ['users/42', { method: 'HEAD' }],
  'HEAD of a stream': ['readable', { method: 'HEAD' }],
  'HEAD of nothing': ['no/such/path', { method: 'HEAD' }],
  'OPTIONS without CORS': ['all', { method: 'OPTIONS' }],
  'a preflight': [
    'cors/x',
    {
      method: 'OPTIONS',
      headers: {
        ...CORS,
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'x-a, x-b',
      },
    },
  ],
  'CORS of a GET': ['cors/x', { headers: CORS }],
  'CORS of a PUT': ['cors/x', { method: 'PUT', headers: CORS, body: 'x' }],
  'an ETag': ['etag/text'],
  'an ETag of a stream': ['etag/stream'],
  'an ETag of nothing': ['etag/empty'],
  'an ETag by HEAD': ['etag/text', { method: 'HEAD' }],
  'any ETag': ['etag/text', { headers: { 'if-none-match': '*' } }],
  'another ETag': ['etag/text', { headers: { 'if-none-match': '"other"' } }],
  'nothing to compress': ['compressed/large'],
};

const wanted = await answersInProcess((request) => app.fetch(request), CASES);

test('the cases found what they looked for in the process', (t) => {
  const statusOf = (name) => wanted.get(name).status;
  t.is(statusOf('an HTTPException'), 418);
  t.is(statusOf('a preflight'), 204);
  t.is(statusOf('any ETag'), 304);
  t.is(statusOf('a body in chunks over the limit'), 413);
  t.is(wanted.get('cookies set').cookies.length, 4);
  t.is(JSON.parse(wanted.get('a form with files').body).file.size, 100_000);
});

const server = compare(test, app, wanted, CASES);

test('an ETag that the client has is a 304', async (t) => {
  const first = await send(`${server().url}etag/text`);
  t.is(await first.body.text(), 'the same');
  const { etag: tag } = first.headers;
  for (const [match, status] of [
    [tag, 304],
    [`W/${tag}`, 304],
    [`"a", ${tag}`, 304],
    ['"a"', 200],
  ]) {
    for (const method of ['GET', 'HEAD']) {
      const again = await send(`${server().url}etag/text`, {
        method,
        headers: { 'if-none-match': match },
      });
      t.is(again.statusCode, status, `${method} ${match}`);
      t.is(again.headers.etag, tag);
      t.is(await again.body.text(), status === 200 && method === 'GET' ? 'the same' : '');
    }
  }
});

const DECODERS = { gzip: gunzipSync, deflate: inflateSync };

for (const [encoding, decode] of Object.entries(DECODERS)) {
  for (const path of ['large', 'stream', 'etag']) {
    test(`${encoding} of ${path}`, async (t) => {
      const { headers, body } = await send(`${server().url}compressed/${path}`, {
        headers: { 'accept-encoding': encoding },
      });
      const bytes = Buffer.from(await body.arrayBuffer());
      t.is(headers['content-encoding'], encoding);
      t.regex(headers.vary, /accept-encoding/i);
      t.true(bytes.length < 2000, `${bytes.length} bytes`);
      const repeats = path === 'stream' ? 10_000 : 1000;
      t.is(decode(bytes).toString(), 'compress me '.repeat(repeats));
    });
  }
}

test('a small response is not compressed', async (t) => {
  const { headers, body } = await send(`${server().url}compressed/small`, {
    headers: { 'accept-encoding': 'gzip' },
  });
  t.is(headers['content-encoding'], undefined);
  t.is(headers['content-length'], '5');
  t.is(await body.text(), 'small');
});

test('events come while the handler goes on', async (t) => {
  const { body, headers } = await send(`${server().url}endless`);
  t.is(headers['content-type'], 'text/event-stream');
  const before = noted.cancelled;
  let text = '';
  for await (const chunk of body) {
    text += chunk;
    if (text.split('\n\n').length > 5) {
      break;
    }
  }
  t.regex(text, /^data: \d+\n\ndata: \d+\n\n/);
  // Leaving the loop closed the connection.
  await until(() => noted.cancelled > before, 'onAbort');
  const { produced } = noted;
  await sleep(100);
  t.true(noted.produced - produced <= 1, 'the handler writes on for nobody');
});

test('a client that goes away aborts c.req.raw.signal', (t) =>
  leave(t, `${server().url}never`, noted));

testWith('curl', test)('curl: a jar of cookies, redirects followed, compression', async (t) => {
  const folder = temporary(t);
  const jar = join(folder, 'jar');
  const { url } = server();
  await exec('curl', ['-sS', '-c', jar, `${url}cookies`]);
  const { stdout: cookies } = await exec('curl', ['-sS', '-b', jar, `${url}cookies`]);
  t.like(JSON.parse(cookies), { a: '1', b: 'é ;=' });
  const { stdout: signed } = await exec('curl', ['-sS', '-b', jar, `${url}signed`]);
  t.is(signed, '"value"');
  const { stdout: landed } = await exec('curl', ['-sS', '-L', `${url}redirect`]);
  t.is(landed, 'landed');
  const { stdout: text } = await exec('curl', ['-sS', '--compressed', `${url}compressed/large`]);
  t.is(text, 'compress me '.repeat(1000));
});

testWith('curl', test)('curl: files in a form, after 100 Continue', async (t) => {
  const folder = temporary(t);
  const file = join(folder, 'file.bin');
  writeFileSync(file, LARGE);
  const { stdout, stderr } = await exec('curl', [
    '-sSv',
    '-H',
    'Expect: 100-continue',
    '-F',
    'title=é',
    '-F',
    `file=@${file};type=x/y`,
    `${server().url}form`,
  ]);
  t.deepEqual(JSON.parse(stdout), {
    title: 'é',
    file: { name: 'file.bin', type: 'x/y', size: LARGE.length, sha256: sha256(LARGE) },
  });
  t.regex(stderr, /HTTP\/1\.1 100 Continue/);
});

test('many requests at once get each its own answer', async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const { body } = await send(`${server().url}users/${i}`);
      return (await body.json()).id;
    }),
  );
  t.deepEqual(
    answers,
    answers.map((_, i) => i),
  );
});

test('app.request answers the same while the quick classes are global', async (t) => {
  t.not(await fetch(server().url), undefined);
  for (const [name, [path, init]] of Object.entries(CASES)) {
    if (init === undefined) {
      const response = await app.request(`/${path}`);
      t.is(response.status, wanted.get(name).status, name);
    }
  }
});

test('c.env is what serve passes besides the request', async (t) => {
  const { body } = await send(`${server().url}env`);
  t.deepEqual(await body.json(), { env: [], type: 'string' });
});

test('hono/proxy passes requests on', async (t) => {
  const front = await serveApp(t, { fetch: app.fetch });
  const headers = { 'x-target': server().url.href };
  const cookies = await send(`${front.url}proxy/cookies`, { headers });
  t.is(cookies.headers['set-cookie'].length, 4);
  await cookies.body.dump();
  for (const body of ['small', LARGE]) {
    const { statusCode, body: answer } = await send(`${front.url}proxy/echo`, {
      method: 'POST',
      headers,
      body,
    });
    t.is(statusCode, 200);
    t.is(sha256(Buffer.from(await answer.arrayBuffer())), sha256(body));
  }
});

test('Response.error() is no answer', async (t) => {
  const errors = [];
  const broken = new Hono().get('/', () => Response.error());
  const other = await serveApp(t, broken, {
    error: (error) => {
      errors.push(error.code);
      return new Response('noted', { status: 500 });
    },
  });
  const { statusCode, body } = await send(other.url);
  t.is(statusCode, 500);
  t.is(await body.text(), 'noted');
  t.deepEqual(errors, ['ERR_REACTOR_INVALID_RESPONSE']);
});
