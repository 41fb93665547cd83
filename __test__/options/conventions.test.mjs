// What users of other servers write first: it works, or they are told what to write.

import http from 'node:http';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import connect from 'express';
import Fastify from 'fastify';
import { getRequestIP, H3 } from 'h3';
import { Hono } from 'hono';
import Koa from 'koa';
import { Response as OurResponse, serve } from 'reactor-rs';
import { fetch } from 'undici';
import { until } from '../support/command.mjs';
import { open } from '../support/wire.mjs';

/** Their whole entries want a global `Bun` and `Deno`. */
const HONO = new URL('../../node_modules/hono/dist/adapter/', import.meta.url).href;
const { getConnInfo: bunConnInfo } = await import(`${HONO}bun/conninfo.js`);
const { getConnInfo: denoConnInfo } = await import(`${HONO}deno/conninfo.js`);

const LOCAL = { port: 0, hostname: '127.0.0.1', ioThreads: 1, workerThreads: 1 };

async function start(t, ...given) {
  const server = await serve(...given);
  t.teardown(() => server.stop({ force: true }));
  return server;
}

const text = async (server, path = '', init) => (await fetch(server.url + path, init)).text();

const hello = () => new Response('hello');

test('serve(options, callback) calls it with the address, as @hono/node-server does', async (t) => {
  const told = [];
  const server = await start(t, { fetch: hello, ...LOCAL }, (info) => told.push(info));
  t.is(told.length, 1);
  t.like(told[0], { address: '127.0.0.1', family: 'IPv4', port: server.port });
  t.is(await text(server), 'hello');
});

test('serve(handler, port), and a callback behind it', async (t) => {
  const free = await start(t, hello, LOCAL);
  await free.stop({ force: true });
  let told;
  const server = await start(t, hello, String(free.port), (info) => {
    told = info;
  });
  t.is(server.port, free.port);
  t.is(told.port, free.port);
});

test('serve(options, handler) and onListen, as Deno has them', async (t) => {
  let told;
  const onListen = (address) => {
    told = address;
  };
  const server = await start(t, { ...LOCAL, onListen }, hello);
  t.is(await text(server), 'hello');
  t.like(told, { transport: 'tcp', hostname: '127.0.0.1', port: server.port });
  const named = await start(t, { ...LOCAL, handler: hello, onError: () => new Response('sorry') });
  t.is(await text(named), 'hello');
});

test('what onListen throws stops the server and is what serve rejects with', async (t) => {
  let port;
  const failing = serve({ ...LOCAL, fetch: hello }, (info) => {
    port = info.port;
    throw new Error('mine');
  });
  await t.throwsAsync(failing, { message: 'mine' });
  await t.throwsAsync(fetch(`http://127.0.0.1:${port}/`));
});

test('an application that is a plain object has its options beside a second argument too', async (t) => {
  const application = {
    ...LOCAL,
    port: 1,
    name: 'mine',
    greeting: 'this',
    fetch() {
      if (this.greeting !== 'this') throw new Error('another this');
      throw new Error('handler');
    },
    error: (error) => new Response(`error: ${error.message}`),
    routes: { '/route': 'routed' },
  };
  const server = await start(t, application, { port: 0 });
  t.is(await text(server), 'error: handler');
  t.is(await text(server, 'route'), 'routed');
});

test('what is not clear is refused, with what to write', async (t) => {
  const fails = (given, message) =>
    t.throwsAsync(serve(...given), { code: 'ERR_REACTOR_INVALID_OPTION', message });
  await fails([{ ...LOCAL, routes: { '/': 'x' } }, () => {}], /"fetch" or as "onListen"/);
  await fails([hello, { ...LOCAL, fetch: hello }], /"fetch" is given twice/);
  await fails([hello, hello, hello], /last argument/);
  await fails([hello, LOCAL, 5], /must be a function, got 5/);
  await fails([hello, null], /must be options, a port or a function, got null/);
  await fails([hello, new Map()], /must be options, a port or a function, got Map/);
  await fails([{ ...LOCAL, fetch: hello, onListen: hello }, hello], /mean the same/);
  await fails([Promise.resolve(hello), LOCAL], /is a promise: await it/);
  await fails([runInNewContext('Promise.resolve({})')], /is a promise: await it/);
  await fails([new URL('./app.mjs', import.meta.url)], /serve\(\{ module: "file:.*app\.mjs" \}\)/);
  await fails(['./app.mjs'], /for a module write \{ module: "\.\/app\.mjs" \}/);
  await fails([new Map()], /must be a handler, an application with "fetch" or options, got Map/);
  await fails([class App {}, LOCAL], /is a class: give an instance of it, such as new App\(\)/);
  await fails([{ ...LOCAL, fetch: class App {} }], /"fetch" is a class/);
  await fails(
    [{ ...LOCAL, static: './public' }],
    /option "static" must be .*routes: \{ "\/\*": \{ dir/,
  );
  await fails([3000, hello], /serve\(handler, 3000\)/);
  await fails([undefined, LOCAL], /got undefined/);
  await fails([{ host: 'localhost:3000' }], /"host" must be a host name or IP address/);
  await fails([3000], /write \{ port: 3000 \}/);
  await fails([LOCAL, { fetch: hello }], /the first of two arguments/);
  await fails([{ ...LOCAL, host: '127.0.0.1' }], /"host" and "hostname" mean the same/);
  await fails([{ host: 5 }], 'option "host" must be a host name or IP address, got 5');
  await t.throwsAsync(serve({ fetch: hello, ...LOCAL, prot: 1 }, { port: 0 }), {
    message: /unknown option "prot"; did you mean "port"/,
  });
});

const polka = { handler() {}, use() {}, listen() {}, get() {} };
const NODE_APPLICATIONS = {
  Express: [connect(), /Express.*"reactor-rs\/node".*createServer\(app\)/],
  Koa: [new Koa(), /Koa.*createServer\(app\.callback\(\)\)/],
  'what Koa makes': [new Koa().callback(), /\(req, res\) handler.*"reactor-rs\/node"/],
  Fastify: [Fastify(), /Fastify.*serverFactory/],
  Connect: [Object.assign((_req, _res, next) => next(), { use() {}, handle() {} }), /Connect/],
  polka: [polka, /polka.*app\.handler/],
  'a server of node:http': [http.createServer(), /node:http.*"reactor-rs\/node"/],
  'an arrow function': [(_req, res) => res.end('x'), /\(req, res\) handler/],
  'an async function': [
    async function handler(_request, response) {
      response.writeHead(200);
    },
    /\(req, res\) handler/,
  ],
  'a minified function': [(_e, t) => t.status(200).send('x'), /\(req, res\) handler/],
};

for (const [name, [application, message]] of Object.entries(NODE_APPLICATIONS)) {
  test(`${name} is refused with reactor-rs/node in every place`, async (t) => {
    const expected = { code: 'ERR_REACTOR_INVALID_OPTION', message };
    await t.throwsAsync(serve(application, LOCAL), expected);
    await t.throwsAsync(serve(application), expected);
    if (typeof application === 'function') {
      await t.throwsAsync(serve({ ...LOCAL, fetch: application }), expected);
      await t.throwsAsync(serve({ ...LOCAL, routes: { '/': application } }), expected);
    }
  });
}

test('handlers of ours with two parameters are not taken for those of node:http', async (t) => {
  const handlers = [
    (_request, info) => new Response(info.remoteAddress),
    (_req, res) => new Response(String(res.remotePort > 0)),
    async (request, server) => new Response(server.requestIP(request).address),
    async (_request, { remoteAddress }) => new Response(remoteAddress),
    (_req, { write = 'x' }) => new Response(write),
    (_request, _env, ctx) => {
      ctx.waitUntil(Promise.resolve());
      return new Response('x');
    },
  ];
  for (const handler of handlers) {
    const server = await start(t, handler, LOCAL);
    t.is((await fetch(server.url)).status, 200, String(handler));
  }
});

test('names of other servers that mean the same are taken', async (t) => {
  const server = await start(t, {
    host: '127.0.0.1',
    port: '0',
    static: { '/static': new Response('static') },
    maxRequestBodySize: 5,
    idleTimeout: 30,
    tcpBacklog: 64,
    overrideGlobalObjects: false,
    development: false,
    tls: undefined,
    plugins: [],
    silent: true,
    fetch: async (request) => new OurResponse(await request.text()),
  });
  t.is(server.hostname, '127.0.0.1');
  t.is(await text(server, 'static'), 'static');
  t.is(await text(server, '', { method: 'POST', body: '12345' }), '12345');
  t.is((await fetch(server.url, { method: 'POST', body: '123456' })).status, 413);
});

test('idleTimeout is in seconds, 0 is a day, and a time that is given wins', async (t) => {
  const { resolveOptions } = await import('../../dist/options/options.js');
  const timeouts = (options) => resolveOptions(options).native.timeouts;
  t.like(timeouts({ idleTimeout: 2 }), { keepAlive: 2000, body: 2000, write: 2000, head: 30_000 });
  t.like(timeouts({ idleTimeout: 0 }), { keepAlive: 86_400_000 });
  t.like(timeouts({ idleTimeout: 2, timeouts: { write: 5 } }), { keepAlive: 2000, write: 5 });
  for (const idleTimeout of [-1, 86_401, '10', Number.NaN]) {
    await t.throwsAsync(serve({ idleTimeout }), {
      message: /"idleTimeout" must be a number of sec/,
    });
  }
});

test('names of other servers that are none here say where their meaning lives', async (t) => {
  const cases = [
    [{ development: true }, /"error"/],
    [{ ws: {} }, /"websocket"/],
    [{ cert: 'x', key: 'y' }, /belongs into "tls"/],
    [{ middleware: [hello] }, /wrap .*"fetch"/],
    [{ silent: false }, /"onListen"/],
    [{ manual: true }, /listens at once/],
    [{ keepAliveTimeout: 5 }, /"timeouts\.keepAlive"/],
    [{ headersTimeout: 5 }, /"timeouts\.head"/],
    [{ maxHeaderSize: 5 }, /"limits\.head"/],
    [{ bodyLimit: 5 }, /"limits\.body"/],
    [{ logger: true }, /"accessLog"/],
    [{ createServer: hello }, /reactor-rs\/node/],
    [{ workers: 2 }, /"jsThreads"/],
    [{ path: '/x.sock' }, /"unix"/],
    [{ fetch: hello, scheduled() {} }, /only "fetch" is called/],
    // In any style of writing, and with a slip.
    [{ bodylimit: 5 }, /"limits\.body"/],
    [{ max_body_size: 5 }, /"limits\.body"/],
    [{ 'keep-alive-timeout': 5 }, /"timeouts\.keepAlive"/],
    [{ keepAliveTimout: 5 }, /if you mean "keepAliveTimeout": .*"timeouts\.keepAlive"/],
    [{ websockets: {} }, /"websocket"/],
    [{ default: hello }, /exports by default/],
    [{ '/': hello }, /paths belong into "routes"/],
    [{ GET: hello }, /methods belong to a path/],
    [{ notFound: hello }, /"fetch" answers/],
    [{ readableAll: true }, /"unixMode"/],
  ];
  for (const [options, message] of cases) {
    await t.throwsAsync(serve({ ...LOCAL, ...options }), {
      code: 'ERR_REACTOR_UNKNOWN_OPTION',
      message,
    });
  }
});

test.serial('PORT counts in a program too, and an option wins', async (t) => {
  t.teardown(() => {
    delete process.env.PORT;
  });
  const probe = await start(t, { ...LOCAL });
  await probe.stop({ force: true });
  process.env.PORT = String(probe.port);
  t.is((await start(t, { hostname: '127.0.0.1', fetch: hello })).port, probe.port);
  t.not((await start(t, { ...LOCAL, fetch: hello })).port, probe.port);
  process.env.PORT = 'http';
  await t.throwsAsync(serve({ fetch: hello }), {
    code: 'ERR_REACTOR_INVALID_OPTION',
    message: /variable PORT must be an integer from 0 to 65535, got "http"/,
  });
});

test('routes answer with a Response, a Blob, or by fetch', async (t) => {
  const shared = new Response('shared', { status: 201, headers: { 'x-a': '1' } });
  shared.headers.append('set-cookie', 'a=1');
  shared.headers.append('set-cookie', 'b=2');
  const stream = new Response(new Blob(['a', 'stream']).stream());
  const server = await start(t, {
    ...LOCAL,
    fetch: ({ url, method }) => new Response(`fetch ${method} ${new URL(url).pathname}`),
    routes: {
      '/shared': shared,
      '/again': { GET: shared, POST: new Response('posted'), DELETE: false },
      '/ours': OurResponse.json({ a: 1 }),
      '/old': Response.redirect('https://example.com/new', 301),
      '/near': OurResponse.redirect('/shared?ü', 307),
      '/stream': stream,
      '/blob': new Blob(['<p>'], { type: 'text/html' }),
      '/none': new Response(null, { status: 204 }),
      '/api/*': 'not for all',
      '/api/open': false,
    },
  });
  for (const path of ['shared', 'again']) {
    const response = await fetch(server.url + path);
    t.is(response.status, 201);
    t.is(await response.text(), 'shared');
    t.is(response.headers.get('x-a'), '1');
    t.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
    t.is(response.headers.get('content-type'), 'text/plain;charset=UTF-8');
  }
  t.is(await shared.text(), 'shared', 'it is still the program’s');
  t.is(await text(server, 'again', { method: 'POST' }), 'posted');
  t.is(await text(server, 'again', { method: 'DELETE' }), 'fetch DELETE /again');
  const json = await fetch(`${server.url}ours`);
  t.is(json.headers.get('content-type'), 'application/json');
  t.deepEqual(await json.json(), { a: 1 });
  const old = await fetch(`${server.url}old`, { redirect: 'manual' });
  t.deepEqual([old.status, old.headers.get('location')], [301, 'https://example.com/new']);
  const near = await fetch(`${server.url}near`);
  t.deepEqual([near.status, new URL(near.url).search], [201, '?%C3%BC']);
  t.is(await text(server, 'stream'), 'astream');
  const blob = await fetch(`${server.url}blob`);
  t.is(blob.headers.get('content-type'), 'text/html');
  t.is(await blob.text(), '<p>');
  t.is((await fetch(`${server.url}none`)).status, 204);
  t.is(await text(server, 'api/closed'), 'not for all');
  t.is(await text(server, 'api/open'), 'fetch GET /api/open');
  t.is(await text(server, 'elsewhere'), 'fetch GET /elsewhere');
  const head = await fetch(`${server.url}shared`, { method: 'HEAD' });
  t.is(head.headers.get('content-length'), '6');
});

/** A response of an implementation that shares no class with Node's, and makes promises of its own. */
class OtherResponse {
  constructor(body, status) {
    this.status = status;
    this.headers = new Map([['content-type', 'text/x-other']]);
    this.body = body;
  }

  clone() {
    return this;
  }

  arrayBuffer() {
    const { buffer } = new TextEncoder().encode(this.body);
    // biome-ignore lint/suspicious/noThenProperty: some implementations have only this
    return { then: (resolve) => resolve(buffer) };
  }
}

test('routes take a Response and a Blob of other implementations', async (t) => {
  const blob = {
    [Symbol.toStringTag]: 'Blob',
    type: 'text/x-blob',
    arrayBuffer: async () => new TextEncoder().encode('blob').buffer,
  };
  const server = await start(t, {
    ...LOCAL,
    routes: { '/response': new OtherResponse('other', 203), '/blob': { GET: blob } },
  });
  const response = await fetch(`${server.url}response`);
  t.deepEqual([response.status, await response.text()], [203, 'other']);
  t.is(response.headers.get('content-type'), 'text/x-other');
  const other = await fetch(`${server.url}blob`);
  t.deepEqual([other.headers.get('content-type'), await other.text()], ['text/x-blob', 'blob']);
});

test('a route that can never be answered says what to write', async (t) => {
  const app = new (class {
    fetch() {}
  })();
  const cases = [
    [{ ALL: hello }, /no name for every method.*"ALL"/],
    [{ GET: hello, '*': hello }, /no name for every method/],
    [app, /is an application: write \(request, info\) => app\.fetch\(request, info\)/],
    [{ fetch: hello }, /is an application/],
    [{ default: hello }, /is a module: give its default export/],
    [runInNewContext('Promise.resolve(1)'), /has a promise: await it/],
  ];
  for (const [route, message] of cases) {
    await t.throwsAsync(serve({ ...LOCAL, routes: { '/': route } }), {
      code: 'ERR_REACTOR_INVALID_ROUTE',
      message,
    });
  }
});

test('without fetch, false is no route; "*" is every path', async (t) => {
  const server = await start(t, { ...LOCAL, routes: { '/a/*': 'a', '/a/b': false } });
  const unknown = await fetch(`${server.url}b`);
  const closed = await fetch(`${server.url}a/b`);
  t.deepEqual([closed.status, await closed.text()], [404, await unknown.text()]);
  t.is(closed.headers.get('content-type'), unknown.headers.get('content-type'));
  const all = await start(t, {
    ...LOCAL,
    routes: { '/a': 'a', '*': ({ params }) => new Response(params['*']) },
  });
  t.is(await text(all, 'a'), 'a');
  t.is(await text(all, 'x/y'), 'x/y');
});

test('reload takes a Response, at once or once its body has been read; the last one holds', async (t) => {
  const server = await start(t, { ...LOCAL, routes: { '/': 'first' } });
  t.is(server.reload({ routes: { '/': new OurResponse('second') } }), undefined);
  t.is(await text(server), 'second');
  await server.reload({ routes: { '/': new Blob(['third']) } });
  t.is(await text(server), 'third');
  const late = server.reload({ routes: { '/': new Blob(['fourth']) } });
  server.reload({ routes: { '/': 'fifth' } });
  await late;
  t.is(await text(server), 'fifth');
  await t.throwsAsync(server.reload({ routes: { '/': new Blob(['x']), '/b': 5 } }), {
    code: 'ERR_REACTOR_INVALID_ROUTE',
  });
  t.is(await text(server), 'fifth');
});

test('frameworks find the client’s address where they look for it', async (t) => {
  const h3 = new H3();
  h3.get('/', (event) => String(getRequestIP(event)));
  const hono = (find) => {
    const app = new Hono();
    app.get('/', (c) => c.text(find(c)));
    return app;
  };
  const found = {
    deno: (_request, info) => new Response(info.remoteAddr.hostname),
    bun: (request, server) => new Response(server.requestIP(request).address),
    h3,
    'hono/deno': hono((c) => denoConnInfo(c).remote.address),
    'hono/bun': hono((c) => bunConnInfo(c).remote.address),
    'hono on node': hono((c) => c.env.incoming.socket.remoteAddress),
    srvx: (request) => new Response(request.ip),
  };
  for (const [name, application] of Object.entries(found)) {
    t.is(await text(await start(t, application, LOCAL)), '127.0.0.1', name);
  }
});

test('middleware may set request.ip; what Bun has and this server has not is not there', async (t) => {
  const server = await start(t, LOCAL, (request, info) => {
    request.ip = '1.2.3.4';
    return Response.json([request.ip, 'timeout' in info, typeof info.timeout]);
  });
  t.is(await text(server), '["1.2.3.4",false,"undefined"]');
});

test('the second argument shows what it has', async (t) => {
  const server = await start(t, {
    ...LOCAL,
    routes: {
      '/:id': (_request, info) =>
        Response.json([inspect(info), JSON.stringify(info), info.requestId]),
    },
  });
  const [shown, json, id] = JSON.parse(await text(server, 'x'));
  t.regex(shown, /127\.0\.0\.1/);
  t.regex(shown, /id: 'x'/);
  const told = { remoteAddress: '127.0.0.1', protocol: 'HTTP/1.1', requestId: id };
  t.like(JSON.parse(json), { ...told, params: { id: 'x' } });
});

test('two servers never share a request’s id', async (t) => {
  const ids = new Set();
  const handler = (_request, info) => new Response(info.requestId);
  for (let i = 0; i < 8; i++) {
    const server = await start(t, handler, LOCAL);
    ids.add((await text(server)).split('-')[0]);
    await server.stop({ force: true });
  }
  t.is(ids.size, 8);
});

test('a Response that is thrown is the answer, from an error handler too', async (t) => {
  const server = await start(t, {
    ...LOCAL,
    error: () => {
      throw new Response('from error', { status: 418 });
    },
    routes: {
      '/now': () => {
        throw new Response('now', { status: 401 });
      },
      '/later': async () => {
        throw new OurResponse('later', { status: 403, headers: { 'x-a': 'b' } });
      },
      '/error': () => {
        throw new Error('no answer');
      },
      '/other': async () => {
        throw new OtherResponse('other', 409);
      },
      // It is an error, whatever it has of the response that it came from.
      '/both': () => {
        throw Object.assign(new Error('both'), new OtherResponse('both', 404));
      },
    },
  });
  for (const [path, status, body] of [
    ['now', 401, 'now'],
    ['later', 403, 'later'],
    ['error', 418, 'from error'],
    ['other', 409, 'other'],
    ['both', 418, 'from error'],
  ]) {
    const response = await fetch(server.url + path);
    t.deepEqual([response.status, await response.text()], [status, body]);
  }
});

test('a stop waits for what waitUntil was given; what it is rejected with is reported', async (t) => {
  const reported = [];
  let finish;
  const background = new Promise((resolve) => {
    finish = resolve;
  });
  const hono = new Hono();
  hono.get('/hono', (c) => {
    c.executionCtx.waitUntil(Promise.reject(new Error('in the background')));
    return c.text('answered');
  });
  const h3 = new H3();
  h3.get('/h3', (event) => {
    event.waitUntil(background);
    return 'answered';
  });
  const server = await start(t, {
    ...LOCAL,
    fetch: (...given) => (given[0].url.endsWith('h3') ? h3 : hono).fetch(...given),
    error: (error) => {
      reported.push(error.message);
      return new Response();
    },
  });
  t.is(await text(server, 'hono'), 'answered');
  await until(() => reported.length > 0, 'the report');
  t.deepEqual(reported, ['in the background']);
  t.is(await text(server, 'h3'), 'answered');
  let isStopped = false;
  const stopped = server.stop().then(() => {
    isStopped = true;
  });
  while (await isListening(server)) {}
  // The engine has stopped before it is asked whether anything is to be waited for.
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.false(isStopped);
  finish();
  await stopped;
});

async function isListening(server) {
  try {
    await fetch(`http://127.0.0.1:${server.port}/`);
    return true;
  } catch {
    return false;
  }
}

test('a forced stop, and one whose time is over, wait for nothing', async (t) => {
  for (const [options, how] of [
    [{}, { force: true }],
    [{ timeouts: { drain: 50 } }, {}],
  ]) {
    const server = await start(t, { ...LOCAL, ...options }, (request) => {
      request.waitUntil(new Promise(() => {}));
      return new Response('x');
    });
    t.is(await text(server), 'x');
    await server.stop(how);
  }
  t.pass();
});

test('a server has what those of Node, Bun, Deno and srvx have', async (t) => {
  const server = await start(t, hello, LOCAL);
  const { port } = server;
  t.is(await server.ready(), server);
  t.deepEqual(server.address(), { address: '127.0.0.1', family: 'IPv4', port });
  t.like(server.addr, { transport: 'tcp', hostname: '127.0.0.1', port });
  t.true(server.listening);
  let isFinished = false;
  server.finished.then(() => {
    isFinished = true;
  });
  await text(server);
  t.false(isFinished);
  await server.close();
  await server.finished;
  t.is(server.address(), null);
  t.false(server.listening);
  const error = await new Promise((resolve) => server.close(resolve));
  t.is(error.code, 'ERR_SERVER_NOT_RUNNING');

  for (const stop of [
    (other) => other.stop(true),
    (other) => other.close(true),
    (other) => other.shutdown(),
    (other) => new Promise((resolve) => other.close(resolve)),
  ]) {
    const other = await start(t, hello, LOCAL);
    await stop(other);
    await t.throwsAsync(fetch(`http://127.0.0.1:${other.port}/`));
    await other.finished;
  }
});

test('pendingRequests counts those that are not answered', async (t) => {
  let answer;
  const server = await start(
    t,
    LOCAL,
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  t.is(server.pendingRequests, 0);
  const pending = text(server);
  await until(() => answer !== undefined, 'the handler');
  t.is(server.pendingRequests, 1);
  answer(new Response('x'));
  await pending;
  await until(() => server.pendingRequests === 0, 'the count');
  t.pass();
});

test('closeIdleConnections closes those that wait, and only those', async (t) => {
  let answer;
  const server = await start(t, {
    ...LOCAL,
    routes: {
      '/static': 'x',
      '/slow': () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    },
  });
  const idle = await open(t, server);
  idle.send('GET /static HTTP/1.1\r\nHost: a\r\n\r\n');
  await idle.reads(/x$/);
  const busy = await open(t, server);
  busy.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => answer !== undefined, 'the handler');
  server.closeIdleConnections();
  await idle.closes();
  answer(new Response('late'));
  await busy.reads(/late$/);
  busy.send('GET /static HTTP/1.1\r\nHost: a\r\n\r\n');
  await busy.reads(/x$/);
  t.is(server.stats().connections.open, 1);
});

test('url is a URL that goes on doing for text', async (t) => {
  const server = await start(t, hello, LOCAL);
  const href = `http://127.0.0.1:${server.port}/`;
  const { url } = server;
  t.true(url instanceof URL);
  t.is(url.port, String(server.port));
  t.is(new URL('/x', url).href, `${href}x`);
  t.is(`${url}`, href);
  t.is(`${url}x`, `${href}x`);
  t.is(JSON.stringify({ url }), JSON.stringify({ url: href }));
  t.is(inspect(url), href);
  t.is(url.slice(0, -1), href.slice(0, -1));
  t.is(url.replace(/\/$/, ''), href.slice(0, -1));
  t.true(url.startsWith('http:'));
  t.deepEqual(url.split('/'), href.split('/'));
  t.is(await (await globalThis.fetch(url)).text(), 'hello');
  const answered = await new Promise((resolve) => http.get(url, resolve));
  t.is(answered.statusCode, 200);
  answered.resume();
  url.pathname = '/mine';
  t.is(server.url.href, href);
});

test('Response.redirect takes what the client resolves', (t) => {
  const located = (url) => OurResponse.redirect(url).headers.get('location');
  t.is(located('/a?b=c#d'), '/a?b=c#d');
  t.is(located('../up'), '../up');
  t.is(located('?q=ü ö'), '?q=%C3%BC%20%C3%B6');
  t.is(located('/a%20b'), '/a%20b');
  t.is(located(' https://example.com '), 'https://example.com/');
  t.is(located('/a\r\nset-cookie: x'), '/aset-cookie:%20x');
  t.is(located('/\ud800'), '/%EF%BF%BD');
  for (const wrong of ['', ' ', 'http://', 'https://a b/']) {
    t.throws(() => OurResponse.redirect(wrong), { instanceOf: TypeError });
  }
});

test('server.fetch answers as over a socket: routes, handlers, errors, refusals', async (t) => {
  const server = await start(t, {
    ...LOCAL,
    limits: { body: 10 },
    routes: {
      '/static': { status: 201, headers: { 'x-a': ['1', '2'] }, body: 'static' },
      '/users/:id': ({ params }) => Response.json(params),
      '/get': { GET: () => new Response('get') },
      '/fails': () => {
        throw new Error('mine');
      },
      '/stream': () => new Response(new Blob(['a', 'b']).stream()),
      '/none': () => new Response(null, { status: 204 }),
      '/echo': async (request) =>
        new Response(await request.text(), {
          status: 299,
          headers: { 'x-url': request.url, 'x-type': request.headers.get('content-type') },
        }),
    },
    error: (error) => new Response(`error ${error.message}`, { status: 500 }),
  });
  const paths = ['static', 'users/5', 'get', 'fails', 'stream', 'none', 'nowhere', 'users/'];
  for (const path of paths) {
    for (const method of ['GET', 'HEAD', 'PUT']) {
      const ours = await server.fetch(`/${path}`, { method });
      const theirs = await fetch(server.url + path, { method });
      t.true(ours instanceof globalThis.Response);
      t.is(ours.status, theirs.status, `${method} ${path}`);
      t.is(await ours.text(), await theirs.text(), `${method} ${path}`);
      for (const name of ['content-type', 'content-length', 'x-a', 'allow']) {
        t.is(ours.headers.get(name), theirs.headers.get(name), `${method} ${path} ${name}`);
      }
    }
  }
  const echo = await server.fetch(
    new Request('http://example.com/echo?q', {
      method: 'POST',
      body: new URLSearchParams({ a: 'b' }),
    }),
  );
  t.is(await echo.text(), 'a=b');
  t.is(echo.status, 299);
  t.is(echo.headers.get('x-url'), 'http://example.com/echo?q');
  t.regex(echo.headers.get('x-type'), /^application\/x-www-form-urlencoded/);
  t.is((await server.fetch('/echo', { method: 'POST', body: 'x'.repeat(11) })).status, 413);
  const controller = new AbortController();
  controller.abort(new Error('not now'));
  await t.throwsAsync(server.fetch('/static', { signal: controller.signal }), {
    message: 'not now',
  });
  await server.stop();
  await t.throwsAsync(server.fetch('/static'), { code: 'ERR_REACTOR_STOPPED' });
});

test('server.fetch asks the built-in application and handlers on threads too', async (t) => {
  const builtIn = await start(t, LOCAL);
  t.is(await (await builtIn.fetch('/')).text(), 'Hello, World!');
  const module = new URL('../threads/app.mjs', import.meta.url);
  const threaded = await start(t, { ...LOCAL, module, jsThreads: 2 });
  t.like(await (await threaded.fetch('/thread')).json(), { isMainThread: false });
});

test('a call of server.fetch that is aborted aborts its request', async (t) => {
  let aborted;
  const server = await start(t, LOCAL, (request) => {
    request.signal.addEventListener('abort', () => {
      aborted = true;
    });
    return new Promise(() => {});
  });
  const controller = new AbortController();
  const asked = server.fetch('/', { signal: controller.signal });
  await until(() => server.pendingRequests === 1, 'the request');
  controller.abort();
  const error = await t.throwsAsync(asked, { any: true });
  t.is(error.name, 'AbortError');
  await until(() => aborted, 'the handler to hear of it');
  t.pass();
});

test('a handler that is undefined is told: the built-in application would answer in its place', async (t) => {
  const application = {};
  for (const start of [
    () => serve({ port: 0, fetch: undefined }),
    () => serve({ port: 0, fetch: application.nope }),
    () => serve({ fetch: application.nope, port: 0 }, () => {}),
  ]) {
    const error = await t.throwsAsync(async () => {
      const server = await start();
      await server.stop();
    });
    t.is(error.code, 'ERR_REACTOR_INVALID_OPTION');
    t.regex(error.message, /"fetch"/);
  }
  // With routes there is something to answer, and without the name nothing was meant.
  for (const options of [{ fetch: undefined, routes: { '/': 'x' } }, {}]) {
    const server = await serve({ port: 0, hostname: '127.0.0.1', ...options });
    await server.stop();
  }
  t.pass();
});
