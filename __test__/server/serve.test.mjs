// The API as a program uses it: start, answer, reload, stop.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { ReactorError, serve } from 'reactor-rs';
import { Agent, Client, fetch } from 'undici';
import { launch, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

test('port 0 takes a free port and url names it', async (t) => {
  const server = await start(t);
  t.true(server.port > 0);
  t.is(server.hostname, '127.0.0.1');
  t.is(server.unix, undefined);
  t.is(server.url.href, `http://127.0.0.1:${server.port}/`);
  t.is((await fetch(server.url)).status, 200);
});

test('without a hostname every address of both families is served', async (t) => {
  const server = await start(t, { hostname: undefined });
  t.is(server.url.href, `http://localhost:${server.port}/`);
  t.is((await fetch(`http://127.0.0.1:${server.port}/`)).status, 200);
  if (server.hostname === '::') {
    t.is((await fetch(`http://[::1]:${server.port}/`)).status, 200);
  } else {
    t.is(server.hostname, '0.0.0.0', 'a machine without IPv6');
  }
});

test('an IPv6 address is bracketed in url', async (t) => {
  let server;
  try {
    server = await start(t, { hostname: '::1' });
  } catch (error) {
    t.is(error.code, 'ERR_REACTOR_ADDRESS_NOT_AVAILABLE', 'a machine without IPv6');
    return;
  }
  t.is(server.url.href, `http://[::1]:${server.port}/`);
  t.is((await fetch(server.url)).status, 200);
});

test('without routes the built-in application answers', async (t) => {
  const server = await start(t);
  const hello = await fetch(server.url);
  t.is(await hello.text(), 'Hello, World!');
  t.regex(hello.headers.get('content-type'), /^text\/plain/);
  const echo = await fetch(`${server.url}echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-test' },
    body: 'some body',
  });
  t.is(await echo.text(), 'some body');
  t.is(echo.headers.get('content-type'), 'application/x-test');
  const head = await fetch(`${server.url}echo/head`, { headers: { 'x-seen': 'yes' } });
  t.regex(await head.text(), /^GET \/echo\/head HTTP\/1\.1\r\n.*x-seen: yes/s);
  t.is((await fetch(`${server.url}healthz`)).status, 200);
  const stats = await (await fetch(`${server.url}stats`)).json();
  t.deepEqual(Object.keys(stats).sort(), Object.keys(server.stats()).sort());
  t.is((await fetch(`${server.url}missing`)).status, 404);
});

test('routes answer strings, bytes and whole responses', async (t) => {
  const bytes = Uint8Array.from([0, 1, 254, 255]);
  const server = await start(t, {
    routes: {
      '/text': 'grüße',
      '/bytes': bytes,
      '/whole': {
        status: 418,
        headers: { 'X-Tea': ['green', 'black'], 'content-type': 'a/b' },
        body: 'pot',
      },
      '/empty': {},
      '/gone': { status: 204 },
      '/moved': { status: 301, headers: { location: '/text' } },
    },
  });
  const text = await fetch(`${server.url}text`);
  t.is(await text.text(), 'grüße');
  t.is(text.headers.get('content-type'), 'text/plain;charset=utf-8');
  t.truthy(text.headers.get('date'));

  const binary = await fetch(`${server.url}bytes`);
  t.deepEqual(new Uint8Array(await binary.arrayBuffer()), bytes);
  t.is(binary.headers.get('content-type'), 'application/octet-stream');

  const whole = await fetch(`${server.url}whole`);
  t.is(whole.status, 418);
  t.is(whole.headers.get('x-tea'), 'green, black');
  t.is(whole.headers.get('content-type'), 'a/b');
  t.is(await whole.text(), 'pot');

  const empty = await fetch(`${server.url}empty`);
  t.is(empty.status, 200);
  t.is(empty.headers.get('content-length'), '0');

  const gone = await fetch(`${server.url}gone`);
  t.is(gone.status, 204);
  t.is(gone.headers.get('content-length'), null);

  const moved = await fetch(`${server.url}moved`, { redirect: 'manual' });
  t.is(moved.headers.get('location'), '/text');
  t.is((await fetch(server.url)).status, 404, 'routes replace the built-in application');
});

test('a response is a snapshot of the bytes it was given', async (t) => {
  const bytes = Buffer.from('before');
  const server = await start(t, { routes: { '/': bytes } });
  bytes.fill('x');
  t.is(await (await fetch(server.url)).text(), 'before');
});

test('HEAD has the headers of GET and no body', async (t) => {
  const server = await start(t, { routes: { '/': 'twelve bytes' } });
  const wire = await open(t, server);
  wire.send('HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const answer = await wire.closes();
  t.regex(answer, /^HTTP\/1\.1 200 /);
  t.regex(answer, /content-length: 12\r\n/i);
  t.true(answer.endsWith('\r\n\r\n'));
});

test('a method that a route does not have is a 405 with Allow', async (t) => {
  const server = await start(t, {
    routes: { '/': 'get only', '/form': { GET: 'form', POST: { status: 201, body: 'made' } } },
  });
  const refused = await fetch(server.url, { method: 'DELETE' });
  t.is(refused.status, 405);
  t.deepEqual(refused.headers.get('allow').split(/, */).sort(), ['GET', 'HEAD']);
  const made = await fetch(`${server.url}form`, { method: 'POST', body: 'x' });
  t.is(made.status, 201);
  t.is(await made.text(), 'made');
  const form = await fetch(`${server.url}form`, { method: 'PUT' });
  t.is(form.status, 405);
  t.true(form.headers.get('allow').includes('POST'));
});

test('patterns take parameters and wildcards, static paths win', async (t) => {
  const server = await start(t, {
    routes: { '/users/me': 'static', '/users/:id': 'parameter', '/assets/*': 'rest' },
  });
  const read = async (path) => (await fetch(server.url + path)).text();
  t.is(await read('users/me'), 'static');
  t.is(await read('users/42'), 'parameter');
  t.is(await read('assets/a/b.css'), 'rest');
  t.is((await fetch(`${server.url}users/42/more`)).status, 404);
});

test('pipelined requests are answered in order', async (t) => {
  const server = await start(t, { routes: { '/a': 'first', '/b': 'second' } });
  const wire = await open(t, server);
  wire.send(
    'GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  );
  t.regex(await wire.closes(), /first.*second$/s);
});

test('many requests on few connections', async (t) => {
  const server = await start(t);
  const client = new Client(server.url, { pipelining: 16 });
  t.teardown(() => client.destroy());
  const bodies = await Promise.all(
    Array.from({ length: 500 }, async (_, i) => {
      const answer = await client.request({ path: '/echo', method: 'PUT', body: `body ${i}` });
      return answer.body.text();
    }),
  );
  t.deepEqual(
    bodies,
    Array.from({ length: 500 }, (_, i) => `body ${i}`),
  );
});

test('reload swaps the routes, a bad route keeps the old ones', async (t) => {
  const server = await start(t, { routes: { '/': 'old' } });
  const read = async () => (await fetch(server.url)).text();
  server.reload({ routes: { '/': 'new' } });
  t.is(await read(), 'new');
  t.throws(() => server.reload({ routes: { 'no-slash': 'x' } }), {
    instanceOf: ReactorError,
    code: 'ERR_REACTOR_INVALID_ROUTE',
    message: /no-slash/,
  });
  t.is(await read(), 'new');
  server.reload();
  t.is(await read(), 'Hello, World!', 'without routes the built-in application');
});

test('two servers in one process do not know each other', async (t) => {
  const [one, two] = await Promise.all([
    start(t, { routes: { '/': 'one' } }),
    start(t, { routes: { '/': 'two' } }),
  ]);
  t.not(one.port, two.port);
  t.is(await (await fetch(one.url)).text(), 'one');
  await one.stop();
  t.is(await (await fetch(two.url)).text(), 'two');
  await t.throwsAsync(fetch(one.url));
});

test('a port in use is an error that names the address', async (t) => {
  const server = await start(t);
  await t.throwsAsync(serve({ port: server.port, hostname: '127.0.0.1' }), {
    instanceOf: ReactorError,
    code: 'ERR_REACTOR_ADDRESS_IN_USE',
    message: new RegExp(`127\\.0\\.0\\.1:${server.port}`),
  });
});

test('an address of another machine is an error that names it', async (t) => {
  await t.throwsAsync(serve({ port: 0, hostname: '192.0.2.1' }), {
    code: 'ERR_REACTOR_ADDRESS_NOT_AVAILABLE',
    message: /192\.0\.2\.1/,
  });
});

test('a host name that does not resolve is an error that names it', async (t) => {
  await t.throwsAsync(serve({ port: 0, hostname: 'no-such-host.invalid' }), {
    code: 'ERR_REACTOR_HOST_NOT_FOUND',
    message: /no-such-host\.invalid/,
  });
});

test('stop lets a request under way finish, then resolves', async (t) => {
  const server = await start(t);
  const wire = await open(t, server);
  wire.send('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345');
  await until(() => server.stats().connections.open === 1, 'the connection');
  // The head has been read once the server has counted its bytes.
  await until(() => server.stats().bytes.received > 50, 'the head');
  let isStopped = false;
  const stopped = server.stop().then(() => {
    isStopped = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.false(isStopped);
  wire.send('67890');
  t.regex(await wire.closes(), /^HTTP\/1\.1 200 .*1234567890$/s);
  await stopped;
  await t.throwsAsync(fetch(server.url));
});

test('stop closes idle connections at once', async (t) => {
  const server = await start(t);
  const wire = await open(t, server);
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await wire.reads(/Hello, World!$/);
  await server.stop();
  await wire.closes();
  t.pass();
});

test.serial('stop cuts a request off when the drain time is over', async (t) => {
  const server = await start(t, { timeouts: { drain: 200 } });
  const wire = await open(t, server);
  wire.send('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345');
  await until(() => server.stats().bytes.received > 50, 'the head');
  const began = performance.now();
  await server.stop();
  t.true(performance.now() - began < 5000);
  await wire.closes();
});

test('stop with force does not wait, also while draining', async (t) => {
  const server = await start(t, { timeouts: { drain: 60_000 } });
  const wire = await open(t, server);
  wire.send('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345');
  await until(() => server.stats().bytes.received > 50, 'the head');
  const drained = server.stop();
  const began = performance.now();
  await server.stop({ force: true });
  await drained;
  t.true(performance.now() - began < 5000);
  await wire.closes();
});

test('stop may be called again, reload may not follow it', async (t) => {
  const server = await start(t);
  await Promise.all([server.stop(), server.stop()]);
  await server.stop();
  await server.stop({ force: true });
  t.throws(() => server.reload(), { code: 'ERR_REACTOR_STOPPED' });
});

test('a stopped port can be bound again at once', async (t) => {
  const first = await start(t);
  t.is((await fetch(first.url)).status, 200);
  await first.stop();
  const second = await start(t, { port: first.port });
  t.is((await fetch(second.url)).status, 200);
});

test('asyncDispose drains and stops', async (t) => {
  const server = await start(t);
  await server[Symbol.asyncDispose]();
  await t.throwsAsync(fetch(server.url));
});

test('stats count connections, requests and bytes, also after the stop', async (t) => {
  const server = await start(t);
  const wire = await open(t, server);
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await wire.reads(/Hello, World!$/);
  wire.send('GET /missing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await wire.closes();
  await server.stop();
  const stats = server.stats();
  t.is(stats.connections.accepted, 1);
  t.is(stats.connections.open, 0);
  t.true(stats.bytes.received > 50);
  t.true(stats.bytes.sent > 50);
});

test('a unix socket is served, and removed on stop', async (t) => {
  const unix = join(temporary(t), 'app.sock');
  const server = await start(t, { unix });
  t.is(server.url.href, `unix:${unix}`);
  t.is(server.unix, unix);
  t.is(server.port, undefined);
  t.is(server.hostname, undefined);
  const dispatcher = new Agent({ connect: { socketPath: unix } });
  t.teardown(() => dispatcher.destroy());
  t.is(await (await fetch('http://localhost/', { dispatcher })).text(), 'Hello, World!');
  await t.throwsAsync(serve({ unix }), {
    code: 'ERR_REACTOR_ADDRESS_IN_USE',
    message: /app\.sock/,
  });
  await server.stop();
  t.false(existsSync(unix));
});

test('per-loop accepts on every I/O thread', async (t) => {
  const server = await start(t, { accept: 'per-loop', ioThreads: 2 });
  const statuses = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const wire = await open(t, server);
      wire.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      return (await wire.closes()).slice(9, 12);
    }),
  );
  t.true(statuses.every((status) => status === '200'));
});

/** Names of the engine's threads in a process of its own that serves with these options. */
async function threadNames(options) {
  const program = `
    import { readdirSync, readFileSync } from 'node:fs';
    import { serve } from '${new URL('../../dist/index.js', import.meta.url)}';
    const server = await serve({ port: 0, fetch: () => new Response('x'), ...${options} });
    await fetch(server.url);
    const names = readdirSync('/proc/self/task').map((task) =>
      readFileSync('/proc/self/task/' + task + '/comm', 'utf8').trim());
    console.log(names.filter((name) => name.startsWith('rx-')).sort().join());
    await server.stop();`;
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
  return stdout.trim();
}

test('one I/O thread accepts itself unless told otherwise, several have an acceptor', async (t) => {
  t.is(await threadNames('{ ioThreads: 1 }'), 'rx-io-0');
  t.is(await threadNames("{ ioThreads: 1, accept: 'auto' }"), 'rx-io-0');
  t.is(await threadNames("{ ioThreads: 1, accept: 'acceptor' }"), 'rx-accept,rx-io-0');
  t.is(await threadNames('{ ioThreads: 2 }'), 'rx-accept,rx-io-0,rx-io-1');
});

test('limits bound a request', async (t) => {
  const server = await start(t, {
    limits: { requestLine: 100, head: 1000, fields: 5, body: 10 },
  });
  const status = async (request) => {
    const wire = await open(t, server);
    wire.send(request);
    return (await wire.closes()).slice(9, 12);
  };
  t.is(await status(`GET /${'a'.repeat(200)} HTTP/1.1\r\nHost: a\r\n\r\n`), '414');
  t.is(await status(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(1000)}\r\n\r\n`), '431');
  t.is(await status(`GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(5)}\r\n`), '431');
  t.is(await status('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n'), '413');
});

// Serial tests run alone: these measure time.
test.serial('timeouts end a connection that stalls', async (t) => {
  const server = await start(t, { timeouts: { head: 2000, keepAlive: 2000 } });
  const stalled = await open(t, server);
  stalled.send('GET / HT');
  const idle = await open(t, server);
  idle.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.regex(await stalled.closes(), /^HTTP\/1\.1 408 /);
  t.regex(await idle.closes(), /Hello, World!$/);
});

test('maxConnections bounds what is open', async (t) => {
  const server = await start(t, { maxConnections: 2 });
  const [one, two] = [await open(t, server), await open(t, server)];
  for (const wire of [one, two]) {
    wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await wire.reads(/Hello, World!$/);
  }
  const third = await open(t, server);
  third.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.false(third.received().includes('Hello'), 'a third waits or is turned away');
});

test('a running server keeps the process alive, unref lets it end, ref takes that back', async (t) => {
  const program = (then) => `
    import { serve } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
    const server = await serve({ port: 0, hostname: '127.0.0.1' });
    ${then}
    console.log('ready');
  `;
  const start = (then) => {
    const child = launch(['--input-type=module', '--eval', program(then)]);
    t.teardown(() => child.process.kill('SIGKILL'));
    return child;
  };
  const kept = start('');
  const taken = start('server.unref().ref();');
  const let_ = start('server.unref();');
  const stopped = start('await server.stop();');
  await until(() => let_.process.exitCode === 0, 'the unref process to end');
  await until(() => stopped.process.exitCode === 0, 'the stopped process to end');
  await until(() => kept.stdout() && taken.stdout(), 'the others to be ready');
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.is(kept.process.exitCode, null);
  t.is(taken.process.exitCode, null);
});
