// Handlers behind real sockets.

import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { Headers as OurHeaders, Response as OurResponse, serve } from 'reactor-rs';
import { Client, FormData, request as send, fetch as undiciFetch } from 'undici';
import { until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

/** One after the other: some measure time, and some look at globals. */
const test = ava.serial;

const genuine = { Response, Request, Headers, fetch };

async function get(server, path = '', init = undefined) {
  const response = await undiciFetch(server.url + path, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

test('without handlers the globals stay', async (t) => {
  await start(t, { routes: { '/': 'text' } });
  await start(t, { fetch: () => new OurResponse('x'), globals: false });
  for (const [name, value] of Object.entries(genuine)) {
    t.is(globalThis[name], value);
  }
});

test('with handlers the quick classes are the globals', async (t) => {
  const server = await start(t, { fetch: () => new Response('x') });
  t.is(globalThis.Response, OurResponse);
  t.is(globalThis.Headers, OurHeaders);
  for (const [name, value] of Object.entries(genuine)) {
    const property = Object.getOwnPropertyDescriptor(globalThis, name);
    t.like(property, { writable: true, configurable: true, enumerable: name === 'fetch' });
    t.is(globalThis[name].name, value.name);
  }
  t.true(new Response() instanceof genuine.Response);
  t.true(new genuine.Response() instanceof Response);
  t.true(new Request(server.url) instanceof genuine.Request);
  const fetched = await fetch(server.url);
  t.true(fetched instanceof Response);
  t.true(fetched.headers instanceof Headers);
  t.is(await fetched.text(), 'x');
});

test('the globals are put back when the last server with handlers has stopped', async (t) => {
  const isOurs = () => globalThis.Response === OurResponse;
  const started = [];
  for (let i = 0; i < 2; i++) {
    started.push(await serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('x') }));
  }
  await started[0].stop();
  t.true(isOurs());
  const taken = globalThis.Response;
  const replaced = globalThis.fetch;
  const mine = () => {};
  globalThis.fetch = mine;
  await started[1].stop();
  t.false(isOurs());
  for (const name of ['Response', 'Request', 'Headers']) {
    t.is(globalThis[name], genuine[name]);
  }
  t.is(globalThis.fetch, mine, 'what the program has put there stays');
  t.not(replaced, genuine.fetch);
  globalThis.fetch = genuine.fetch;
  // Classes that were taken while ours were there go on working.
  const server = await start(t, { fetch: () => new taken('taken') });
  t.is((await get(server)).text, 'taken');
  await t.throwsAsync(serve({ port: server.port, hostname: '127.0.0.1', fetch: () => {} }));
  t.true(isOurs());
});

test('a handler sees the request and answers', async (t) => {
  const server = await start(t, {
    fetch: async (request, info) => {
      const { method, url } = request;
      const { remoteAddress, remotePort } = info;
      const { address, family, port } = server.requestIP(request);
      return Response.json(
        {
          method,
          url,
          header: request.headers.get('X-Test'),
          body: await request.text(),
          is: [remoteAddress === address, remotePort === port, family, address],
        },
        { status: 201, headers: { 'x-answer': 'é' } },
      );
    },
  });
  const { status, text, headers } = await get(server, 'path?q=1', {
    method: 'PUT',
    headers: { 'x-test': 'yes' },
    body: 'some body',
  });
  t.is(status, 201);
  t.deepEqual(JSON.parse(text), {
    method: 'PUT',
    url: `${server.url}path?q=1`,
    header: 'yes',
    body: 'some body',
    is: [true, true, 'IPv4', '127.0.0.1'],
  });
  t.is(headers.get('x-answer'), 'é');
  t.is(headers.get('content-type'), 'application/json');
  t.is(headers.get('content-length'), String(Buffer.byteLength(text)));
});

test('serve(handler, options) and serve(application, options)', async (t) => {
  const address = { port: 0, hostname: '127.0.0.1', ioThreads: 1, workerThreads: 1 };
  class Application {
    #text = 'application';
    fetch() {
      return new Response(this.#text);
    }
  }
  for (const [first, text] of [
    [() => new Response('handler'), 'handler'],
    [new Application(), 'application'],
    [{ fetch: () => new Response('object') }, 'object'],
  ]) {
    const server = await serve(first, address);
    t.is((await get(server)).text, text);
    await server.stop();
  }
  for (const wrong of [5, null, 'x', [], new Map(), {}]) {
    await t.throwsAsync(serve(wrong, address), { code: 'ERR_REACTOR_INVALID_OPTION' });
  }
});

test('a method of the options is called as one', async (t) => {
  const server = await start(t, {
    fetch() {
      return new Response(String(typeof this.error));
    },
    error() {
      return new Response();
    },
  });
  t.is((await get(server)).text, 'function');
});

test('routes: responses, handlers, methods, parameters, and the rest to fetch', async (t) => {
  const server = await start(t, {
    routes: {
      '/static': 'static',
      '/whole/:id': (request, info) =>
        new Response(`${request.method} ${request.params.id} ${info.params.id}`),
      '/methods/:a/:b': {
        GET: ({ params }) => Response.json(params),
        POST: 'static POST',
      },
      '/files/*': { GET: ({ params }) => new Response(params['*']) },
    },
    fetch: ({ url, method }) => new Response(`fetch ${method} ${new URL(url).pathname}`),
  });
  const cases = [
    ['GET', 'static', 'static'],
    ['POST', 'static', 'fetch POST /static'],
    ['GET', 'whole/a%20b', 'GET a b a b'],
    ['DELETE', 'whole/%C3%A9', 'DELETE é é'],
    ['GET', 'methods/1/2', '{"a":"1","b":"2"}'],
    ['POST', 'methods/1/2', 'static POST'],
    ['PUT', 'methods/1/2', 'fetch PUT /methods/1/2'],
    ['GET', 'files/a/b%2Fc?x', 'a/b/c'],
    ['GET', 'files/', ''],
    ['POST', 'files/a', 'fetch POST /files/a'],
    ['GET', '', 'fetch GET /'],
    ['PROPFIND', 'other', 'fetch PROPFIND /other'],
  ];
  for (const [method, path, text] of cases) {
    t.is((await get(server, path, { method })).text, text, `${method} ${path}`);
  }
  for (const path of ['static', 'methods/1/2', 'whole/1', 'other']) {
    const wanted = await get(server, path);
    const head = await get(server, path, { method: 'HEAD' });
    t.is(head.text, '');
    t.is(head.status, 200);
    if (path === 'static' || path === 'methods/1/2') {
      t.is(head.headers.get('content-length'), wanted.headers.get('content-length'), path);
    }
  }
});

test('routes with handlers and without fetch', async (t) => {
  const server = await start(t, { routes: { '/a': { GET: () => new Response('a') }, '/b': 'b' } });
  t.is((await get(server, 'a')).text, 'a');
  t.is((await get(server, 'b')).text, 'b');
  t.is((await get(server, 'c')).status, 404);
  const { status, headers } = await get(server, 'a', { method: 'POST' });
  t.is(status, 405);
  t.regex(headers.get('allow'), /GET/);
});

test('reload swaps handlers and routes, and requests under way finish', async (t) => {
  let release;
  const gate = new Promise((resolve) => {
    release = resolve;
  });
  const server = await start(t, {
    fetch: () => new Response('old fetch'),
    routes: {
      '/slow': async () => {
        await gate;
        return new Response('old slow');
      },
      '/a': () => new Response('old a'),
    },
  });
  const slow = get(server, 'slow');
  t.is((await get(server, 'a')).text, 'old a');
  server.reload({ routes: { '/a': () => new Response('new a') } });
  t.is((await get(server, 'a')).text, 'new a');
  t.is((await get(server, 'slow')).text, 'old fetch');
  server.reload({ fetch: () => new Response('new fetch') });
  t.is((await get(server, 'a')).text, 'new fetch');
  t.throws(() => server.reload({ fetch: () => {}, routes: { 'no/slash': () => {} } }), {
    code: 'ERR_REACTOR_INVALID_ROUTE',
  });
  t.throws(() => server.reload({ fetch: 5 }), { code: 'ERR_REACTOR_INVALID_OPTION' });
  t.is((await get(server, 'a')).text, 'new fetch');
  release();
  t.is((await slow).text, 'old slow');
});

test('a request whose body is still coming in finds its handler after several reloads', async (t) => {
  const routes = (text) => ({
    '/': async (request) => new Response(text + (await request.text())),
  });
  const server = await start(t, { routes: routes('first ') });
  for (const [reloads, answer] of [
    [1, /200 OK.*first body$/s],
    [7, /200 OK.*first body$/s],
    [8, /503 Service Unavailable.*retry-after: 1\r\n/is],
  ]) {
    server.reload({ routes: routes('first ') });
    const wire = await open(t, server);
    wire.send(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n',
    );
    // Its route has been chosen by then.
    await wire.reads(/100 Continue/);
    for (let i = 0; i < reloads; i++) {
      server.reload({ routes: routes('later ') });
    }
    wire.send('body');
    t.regex(await wire.closes(), answer, `${reloads} reloads`);
  }
});

test('reload gives handlers to a server that had none', async (t) => {
  const server = await start(t, { routes: { '/': 'static' } });
  t.is((await get(server)).text, 'static');
  server.reload({ fetch: () => new Response('handled') });
  t.is((await get(server)).text, 'handled');
});

test('errors go to the error handler, and a broken one is a 500', async (t) => {
  const seen = [];
  const server = await start(t, {
    fetch: ({ url }) => {
      if (url.endsWith('/header')) {
        return new Response('x', { headers: { 'x-split': 'a\r\nset-cookie: b' } });
      }
      throw new Error('thrown');
    },
    error: (error, request) => {
      seen.push([error.message, new URL(request.url).pathname]);
      return new Response('sorry', { status: 503 });
    },
  });
  const { status, text } = await get(server, 'x');
  t.is(status, 503);
  t.is(text, 'sorry');
  const split = await get(server, 'header');
  t.is(split.status, 503);
  t.is(split.headers.get('set-cookie'), null);
  t.deepEqual(seen[0], ['thrown', '/x']);
  t.is(seen[1][1], '/header');
});

for (const size of [0, 1, 1000, 65_535, 65_536, 65_537, 200_000, 262_144, 262_145, 3_000_000]) {
  test(`a body of ${size} bytes comes and goes whole`, async (t) => {
    const server = await start(t, {
      fetch: async (request) =>
        request.url.endsWith('/stream')
          ? new Response(request.body)
          : new Response(await request.bytes()),
    });
    const body = randomBytes(size);
    const chunked = async function* () {
      for (let at = 0; at < size; at += 10_000) {
        yield body.subarray(at, at + 10_000);
      }
    };
    for (const path of ['whole', 'stream']) {
      for (const make of [() => body, chunked]) {
        const answer = await send(server.url + path, { method: 'POST', body: make() });
        const received = Buffer.from(await answer.body.arrayBuffer());
        t.true(received.equals(body), `${path}, ${make.name}: ${received.length} of ${size}`);
      }
    }
  });
}

test('forms with files', async (t) => {
  const server = await start(t, {
    fetch: async (request) => {
      const form = await request.formData();
      const file = form.get('file');
      return Response.json([form.get('name'), file.name, file.type, await file.text()]);
    },
  });
  const form = new FormData();
  form.append('name', 'é');
  form.append('file', new Blob(['content'], { type: 'text/x' }), 'file.txt');
  const { text } = await get(server, '', { method: 'POST', body: form });
  t.deepEqual(JSON.parse(text), ['é', 'file.txt', 'text/x', 'content']);
});

test('server-sent events come one by one', async (t) => {
  const sent = [];
  const got = [];
  const server = await start(t, {
    fetch: () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            await until(() => got.length === sent.length, 'the client to have the last event');
            const event = `data: ${sent.length}\n\n`;
            sent.push(event);
            controller.enqueue(Buffer.from(event));
            if (sent.length === 5) {
              controller.close();
            }
          },
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      ),
  });
  const response = await undiciFetch(server.url);
  for await (const chunk of response.body) {
    got.push(Buffer.from(chunk).toString());
  }
  t.deepEqual(
    got,
    [0, 1, 2, 3, 4].map((n) => `data: ${n}\n\n`),
  );
});

test('a client that goes away aborts the signal and cancels the stream', async (t) => {
  const seen = [];
  let entered = 0;
  const server = await start(t, {
    fetch: (request) => {
      request.signal.addEventListener('abort', () => seen.push('aborted'));
      entered++;
      if (request.url.endsWith('/stream')) {
        return new Response(
          new ReadableStream({
            async pull(controller) {
              await sleep(5);
              controller.enqueue(new Uint8Array(10));
            },
            cancel: () => seen.push('cancelled'),
          }),
        );
      }
      return new Promise(() => {});
    },
  });
  for (const [path, wanted] of [
    ['stream', ['aborted', 'cancelled']],
    ['never', ['aborted']],
  ]) {
    seen.length = 0;
    const client = new Client(server.url);
    const controller = new AbortController();
    const pending = client.request({ method: 'GET', path: `/${path}`, signal: controller.signal });
    if (path === 'stream') {
      const { body } = await pending;
      body.on('error', () => {});
    } else {
      await until(() => entered === 2, 'the request');
    }
    controller.abort();
    await pending.catch(() => {});
    await client.destroy();
    await until(() => seen.length === wanted.length, `${path} to notice`);
    t.deepEqual([...seen].sort(), wanted);
  }
});

for (const [name, timeouts, stop] of [
  ['force', {}, { force: true }],
  ['a drain that takes too long', { drain: 1 }, {}],
]) {
  test(`handlers learn that a stop by ${name} has taken their clients`, async (t) => {
    const seen = [];
    const begun = new Set();
    const server = await start(t, {
      timeouts,
      routes: {
        '/events': () =>
          new Response(
            new ReadableStream({
              start: (controller) => controller.enqueue(Buffer.from('data: 1\n\n')),
              cancel: ({ name }) => seen.push(`events: ${name}`),
            }),
          ),
        '/wait': ({ signal }) => {
          begun.add('wait');
          signal.addEventListener('abort', () => seen.push(`wait: ${signal.reason.name}`));
          return new Promise(() => {});
        },
        '/body': async (request) => {
          begun.add('body');
          await request.text().catch(({ name }) => seen.push(`body: ${name}`));
          return new Response();
        },
      },
    });
    const [events, wait, body] = [
      await open(t, server),
      await open(t, server),
      await open(t, server),
    ];
    events.send('GET /events HTTP/1.1\r\nhost: x\r\n\r\n');
    wait.send('GET /wait HTTP/1.1\r\nhost: x\r\n\r\n');
    body.send('POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n');
    await events.reads(/data: 1/);
    await until(() => begun.size === 2, 'the handlers to begin');
    await server.stop(stop);
    await until(() => seen.length === 3, 'the handlers to be told');
    t.deepEqual(seen.sort(), ['body: AbortError', 'events: AbortError', 'wait: AbortError']);
  });
}

test('a slow client slows a large download', async (t) => {
  let produced = 0;
  const server = await start(t, {
    fetch: () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            produced += 65_536;
            controller.enqueue(new Uint8Array(65_536));
            if (produced >= 64 * 1024 * 1024) {
              controller.close();
            }
          },
        }),
      ),
  });
  const { body } = await send(server.url);
  body.pause();
  await sleep(300);
  const early = produced;
  t.true(early < 32 * 1024 * 1024, `${early} bytes were produced for nobody`);
  let received = 0;
  for await (const chunk of body) {
    received += chunk.length;
  }
  t.is(received, 64 * 1024 * 1024);
});

test('a slow handler slows a large upload', async (t) => {
  let taken = 0;
  let release;
  const gate = new Promise((resolve) => {
    release = resolve;
  });
  const server = await start(t, {
    limits: { body: 128 * 1024 * 1024 },
    fetch: async (request) => {
      const hash = createHash('sha256');
      await gate;
      for await (const chunk of request.body) {
        taken += chunk.length;
        hash.update(chunk);
      }
      return new Response(hash.digest('hex'));
    },
  });
  const piece = randomBytes(65_536);
  const hash = createHash('sha256');
  let sent = 0;
  const upload = async function* () {
    for (let i = 0; i < 512; i++) {
      sent += piece.length;
      hash.update(piece);
      yield piece;
    }
  };
  const pending = send(server.url, { method: 'POST', body: upload() });
  await sleep(300);
  t.is(taken, 0);
  t.true(sent < 16 * 1024 * 1024, `${sent} bytes were taken in for nobody`);
  release();
  const answer = await pending;
  t.is(await answer.body.text(), hash.digest('hex'));
  t.is(taken, 32 * 1024 * 1024);
});

test('passing a request on with fetch', async (t) => {
  const backend = await start(t, {
    fetch: async (request) =>
      Response.json({
        method: request.method,
        header: request.headers.get('x-test'),
        body: await request.text(),
      }),
  });
  const server = await start(t, {
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      const target = `${backend.url}${pathname.slice(1)}`;
      return pathname === '/init' ? fetch(target, request) : fetch(new Request(target, request));
    },
  });
  for (const path of ['init', 'request']) {
    for (const body of ['small', 'x'.repeat(300_000)]) {
      const init = { method: 'POST', body, headers: { 'x-test': 'yes' } };
      const { text } = await get(server, path, init);
      t.deepEqual(JSON.parse(text), { method: 'POST', header: 'yes', body });
    }
  }
});

for (const [name, pass] of Object.entries({
  'fetch(url, request)': (url, request) => fetch(url, request),
  'fetch(new Request(url, request))': (url, request) => fetch(new Request(url, request)),
  'fetch(request)': (_, request) => fetch(request),
  'fetch(new Request(request))': (_, request) => fetch(new Request(request)),
  'fetch(url, { headers: request.headers })': (url, { method, headers, body }) =>
    fetch(url, { method, headers, body, duplex: 'half' }),
})) {
  test(`what is of the client's connection stays behind in ${name}`, async (t) => {
    const backend = await start(t, {
      fetch: async (request) =>
        Response.json({ fields: [...request.headers], body: await request.text() }),
    });
    const { host } = new URL(backend.url);
    const server = await start(t, {
      trustProxy: true,
      fetch: (request) => pass(backend.url, request),
    });
    for (const framing of [
      'Content-Length: 5\r\n\r\nabcde',
      'Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n',
    ]) {
      const wire = await open(t, server);
      wire.send(
        [
          'POST / HTTP/1.1',
          'Host: a',
          `X-Forwarded-Host: ${host}`,
          'Connection: close, X-Hop',
          'X-Hop: 1',
          'X-End: 1',
          'Expect: 100-continue',
          'Keep-Alive: timeout=5',
          'Proxy-Connection: keep-alive',
          'TE: trailers',
          'Trailer: x',
          'Upgrade: h2c',
          framing,
        ].join('\r\n'),
      );
      const answer = await wire.closes();
      const { fields, body } = JSON.parse(/\{.*\}/.exec(answer)[0]);
      t.is(body, 'abcde');
      const got = Object.fromEntries(fields);
      t.like(got, { 'x-end': '1', connection: 'keep-alive' });
      const hop = ['expect', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade', 'x-hop'];
      t.deepEqual(
        hop.filter((field) => field in got),
        [],
      );
    }
  });
}

test('fetch of a request with another body does not tell the length of the first', async (t) => {
  const server = await start(t, {
    fetch: async (request) => {
      if (request.headers.has('x-passed')) {
        return new Response(await request.text());
      }
      request.headers.set('x-passed', '1');
      return fetch(request, { body: 'another, longer one' });
    },
  });
  t.is((await get(server, '', { method: 'POST', body: 'one' })).text, 'another, longer one');
});

test('fetch takes the request itself', async (t) => {
  const server = await start(t, {
    fetch: async (request) => {
      if (request.headers.has('x-passed')) {
        return new Response(`passed ${await request.text()}`);
      }
      request.headers.set('x-passed', '1');
      return fetch(request);
    },
  });
  const { text } = await get(server, '', { method: 'POST', body: 'on' });
  t.is(text, 'passed on');
});

test('what fetch gives is passed on in a response of our own', async (t) => {
  const backend = await start(t, {
    fetch: () =>
      new Response('x'.repeat(300_000), {
        status: 203,
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
          ['x-test', 'yes'],
        ],
      }),
  });
  const server = await start(t, {
    fetch: async () => {
      const answer = await fetch(backend.url);
      const passed = new Response(answer.body, answer);
      passed.headers.set('x-passed', String(answer.bodyUsed));
      return passed;
    },
  });
  const { status, text, headers } = await get(server);
  t.is(status, 203);
  t.is(text.length, 300_000);
  t.deepEqual(headers.getSetCookie(), ['a=1', 'b=2']);
  t.is(headers.get('x-test'), 'yes');
  t.is(headers.get('x-passed'), 'false');
});

test('a streamed answer of the body that still comes, on a connection that ends with it', async (t) => {
  const server = await start(t, { fetch: (request) => new Response(request.body) });
  const wire = await open(t, server);
  wire.send(
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n',
  );
  await wire.reads(/first/);
  wire.send('6\r\nsecond\r\n0\r\n\r\n');
  t.regex(await wire.closes(), /first\r\n6\r\nsecond\r\n0\r\n\r\n$/);
});

test('what fetch has decoded is not called encoded', async (t) => {
  const { gzipSync } = await import('node:zlib');
  const zipped = gzipSync('text');
  const backend = await start(t, {
    fetch: () => new Response(zipped, { headers: { 'content-encoding': 'gzip', 'x-y': 'z' } }),
  });
  const server = await start(t, { fetch: () => fetch(backend.url) });
  const { text, headers } = await get(server);
  t.is(text, 'text');
  t.is(headers.get('content-encoding'), null);
  t.is(headers.get('x-y'), 'z');
});

test('what fetch has not decoded is passed on as it came', async (t) => {
  const { gzipSync } = await import('node:zlib');
  const zipped = gzipSync('text');
  const backend = await start(t, {
    fetch: ({ url }) =>
      new Response(zipped, {
        headers: { 'content-encoding': new URL(url).searchParams.get('coding'), etag: '"x"' },
      }),
  });
  const server = await start(t, {
    fetch: ({ url, method }) => fetch(`${backend.url}${new URL(url).search}`, { method }),
  });
  for (const coding of ['unknown', 'gzip, unknown', 'unknown, gzip']) {
    const { headers, body } = await send(`${server.url}?coding=${encodeURIComponent(coding)}`);
    t.is(headers['content-encoding'], coding);
    t.is(headers['content-length'], String(zipped.length));
    t.deepEqual(Buffer.from(await body.arrayBuffer()), zipped);
  }
  // Of what HEAD has no body of, the fields are those that GET's would have.
  for (const coding of ['gzip', 'unknown']) {
    const { headers } = await send(`${server.url}?coding=${coding}`, { method: 'HEAD' });
    t.like(headers, {
      'content-encoding': coding,
      'content-length': String(zipped.length),
      etag: '"x"',
    });
  }
});

test('several codings that fetch has decoded, and zstd where it does', async (t) => {
  const zlib = await import('node:zlib');
  const bodies = {
    'gzip, BR': zlib.brotliCompressSync(zlib.gzipSync('text')),
    'x-gzip': zlib.gzipSync('text'),
    deflate: zlib.deflateSync('text'),
    ...(zlib.zstdCompressSync && { zstd: zlib.zstdCompressSync('text') }),
  };
  const backend = await start(t, {
    fetch: ({ url }) => {
      const coding = decodeURIComponent(new URL(url).search.slice(1));
      return new Response(bodies[coding], { headers: { 'content-encoding': coding } });
    },
  });
  const server = await start(t, { fetch: ({ url }) => fetch(backend.url + new URL(url).search) });
  for (const [coding, encoded] of Object.entries(bodies)) {
    const { headers, body } = await send(`${server.url}?${encodeURIComponent(coding)}`);
    const received = Buffer.from(await body.arrayBuffer());
    const isEncoded = headers['content-encoding'] !== undefined;
    t.true(coding === 'zstd' || !isEncoded, coding);
    t.deepEqual(received, isEncoded ? encoded : Buffer.from('text'), coding);
  }
});

test('a backend that closes its connection does not close the client’s', async (t) => {
  const backend = await start(t, {
    fetch: () => new Response('x', { headers: { connection: 'close', 'x-end': '1' } }),
  });
  const server = await start(t, { fetch: () => fetch(backend.url) });
  const wire = await open(t, server);
  wire.send(
    'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  );
  const received = await wire.closes();
  t.is(received.match(/HTTP\/1\.1 200/g).length, 2);
  t.is(received.match(/x-end: 1/g).length, 2);
});

test('pipelined requests are answered in order, whoever is ready first', async (t) => {
  const server = await start(t, {
    fetch: async ({ url }) => {
      const { pathname } = new URL(url);
      await sleep(pathname === '/0' ? 30 : pathname === '/1' ? 1 : 10);
      return new Response(`[${pathname}]`);
    },
  });
  const wire = await open(t, server);
  wire.send(
    [0, 1, 2, 3]
      .map((i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n${i === 3 ? 'Connection: close\r\n' : ''}\r\n`)
      .join(''),
  );
  const received = await wire.closes();
  t.deepEqual(received.match(/\[.*?\]/g), ['[/0]', '[/1]', '[/2]', '[/3]']);
});

test('HTTP/1.0 without Host, and Connection: close from a handler', async (t) => {
  const server = await start(t, {
    fetch: ({ url }) => new Response(url, { headers: { connection: 'close' } }),
  });
  const old = await open(t, server);
  old.send('GET /x HTTP/1.0\r\n\r\n');
  t.true((await old.closes()).endsWith(`\r\n\r\n${server.url}x`));
  const wire = await open(t, server);
  wire.send('GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
  const received = await wire.closes();
  t.regex(received, /connection: close/i);
  t.true(received.endsWith('http://a/x'));
});

test('over a unix socket there is no address', async (t) => {
  const folder = temporary(t);
  const server = await start(t, {
    unix: join(folder, 'socket'),
    fetch: (request, info) =>
      Response.json([server.requestIP(request), info.remoteAddress ?? null, request.url]),
  });
  const wire = await open(t, server);
  wire.send('GET /x HTTP/1.1\r\nHost: some.host\r\nConnection: close\r\n\r\n');
  t.true((await wire.closes()).endsWith('[null,null,"http://some.host/x"]'));
});

test('requestIP of a request that is not ours', async (t) => {
  const server = await start(t, { fetch: () => new Response() });
  t.is(server.requestIP(new Request('http://a/')), null);
});

test('native routes answer while a handler blocks JavaScript', async (t) => {
  const server = await start(t, {
    routes: { '/static': 'static' },
    fetch: () => {
      const end = performance.now() + 300;
      while (performance.now() < end);
      return new Response('blocked');
    },
  });
  const wire = await open(t, server);
  const other = await open(t, server);
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  other.send('GET /static HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3));
  await Promise.all([wire.reads(/blocked/), other.reads(/(static.*){3}/s)]);
  t.is(server.stats().requests.total, 4);
});

test('stop waits for handlers', async (t) => {
  let release;
  const server = await start(t, {
    fetch: async () => {
      await new Promise((resolve) => {
        release = resolve;
      });
      return new Response('done');
    },
  });
  const pending = get(server);
  await until(() => release !== undefined, 'the request');
  let hasStopped = false;
  const stopped = server.stop().then(() => {
    hasStopped = true;
  });
  await sleep(50);
  t.false(hasStopped);
  release();
  await stopped;
  t.is((await pending).text, 'done');
});

test('two servers in one process', async (t) => {
  const one = await start(t, { fetch: () => new Response('one') });
  const two = await start(t, { fetch: () => new Response('two') });
  t.deepEqual(
    await Promise.all([get(one), get(two), get(one)].map(async (answer) => (await answer).text)),
    ['one', 'two', 'one'],
  );
});

test('a head as large as the limits allow reaches its handler', async (t) => {
  const server = await start(t, {
    limits: { head: 1_048_576, requestLine: 1_048_576, fields: 10_000 },
    fetch: (request) =>
      Response.json({
        url: request.url.length,
        fields: [...request.headers.keys()].length,
        large: request.headers.get('x-large')?.length ?? null,
      }),
  });
  const ask = async (path, fields) => {
    const wire = await open(t, server);
    wire.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`);
    return JSON.parse((await wire.closes()).split('\r\n\r\n')[1]);
  };
  const url = 'http://a/'.length;
  t.deepEqual(await ask('/', `X-Large: ${'x'.repeat(600_000)}\r\n`), {
    url,
    fields: 3,
    large: 600_000,
  });
  const many = Array.from({ length: 9000 }, (_, n) => `X-${n}: ${n}\r\n`).join('');
  t.deepEqual(await ask('/', many), { url, fields: 9002, large: null });
  t.like(await ask(`/${'p'.repeat(500_000)}`, ''), { url: url + 500_000 });
  t.like(await ask('/', ''), { url, fields: 2 });
});
