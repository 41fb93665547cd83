// Health checks, the flag of readiness, and the time in which a server only says that it will end.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { serve as serveHere } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
import { fetch } from 'undici';
import { launch, serve, until } from '../support/command.mjs';
import { moduleOf } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

const LONG = 3_600_000;
const LOCAL = ['-H', '127.0.0.1', '-p', '0', '--control', 'false', '-q'];
const INDEX = new URL('../../dist/index.js', import.meta.url).href;

const folder = mkdtempSync(join(tmpdir(), 'reactor-health-'));
test.after.always(() => rmSync(folder, { recursive: true }));

/** Asks on a connection of its own, and resolves with all that came. */
async function ask(t, server, path, method = 'GET', more = '') {
  const conn = await open(t, server);
  conn.end(`${method} ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`);
  return conn.closes();
}

const statusOf = (answer) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const status = async (...what) => statusOf(await ask(...what));

test('the engine answers both checks, and HEAD and OPTIONS', async (t) => {
  const server = await start(t, { health: true });
  const ready = await ask(t, server, '/readyz');
  t.regex(ready, /^HTTP\/1\.1 200 OK\r\n/);
  t.regex(ready, /cache-control: no-store/is);
  t.true(ready.endsWith('\r\n\r\nready\n'));
  t.true((await ask(t, server, '/livez')).endsWith('\r\n\r\nalive\n'));
  const head = await ask(t, server, '/readyz', 'HEAD');
  t.regex(head, /^HTTP\/1\.1 200 .*content-length: 6\r\n.*\r\n\r\n$/is);
  t.regex(
    await ask(t, server, '/livez', 'OPTIONS'),
    /^HTTP\/1\.1 204 .*allow: GET, HEAD, OPTIONS/is,
  );
  t.is(await status(t, server, '/readyz', 'POST'), 405);
});

test('without the option the paths are the program’s', async (t) => {
  const server = await start(t, { fetch: ({ url }) => new Response(new URL(url).pathname) });
  t.true((await ask(t, server, '/readyz')).endsWith('/readyz'));
});

test('a route of the program wins, also after a reload', async (t) => {
  const server = await start(t, {
    health: true,
    routes: { '/livez': 'own' },
    fetch: () => new Response(),
  });
  t.true((await ask(t, server, '/livez')).endsWith('\r\n\r\nown'));
  t.true((await ask(t, server, '/readyz')).endsWith('ready\n'));
  server.reload({ routes: { '/readyz': 'own' } });
  t.true((await ask(t, server, '/readyz')).endsWith('\r\n\r\nown'));
  t.true((await ask(t, server, '/livez')).endsWith('alive\n'));
});

test('paths can be others, or none', async (t) => {
  const server = await start(t, { health: { ready: '/up/now', live: false }, routes: {} });
  t.is(await status(t, server, '/up/now'), 200);
  t.is(await status(t, server, '/readyz'), 404);
  t.is(await status(t, server, '/livez'), 404);
});

test('the program says whether it is ready', async (t) => {
  const server = await start(t, { health: { isReady: false }, routes: { '/': { GET: 'still' } } });
  t.false(server.isReady);
  t.false(server.stats().ready);
  t.true((await ask(t, server, '/readyz')).endsWith('not ready\n'));
  t.is(await status(t, server, '/readyz'), 503);
  t.is(await status(t, server, '/livez'), 200);
  const answer = await ask(t, server, '/');
  t.is(statusOf(answer), 200, 'who comes all the same is served');
  t.notRegex(answer, /connection: close/is);
  // HAProxy's check where none is configured.
  t.is(await status(t, server, '/', 'OPTIONS'), 503);
  server.ready = true;
  t.true(server.isReady);
  t.is(await status(t, server, '/readyz'), 200);
  t.is(await status(t, server, '/', 'OPTIONS'), 204);
  t.is(await server.ready(), server);
  t.throws(() => (server.isReady = 'no'), {
    code: 'ERR_REACTOR_INVALID_OPTION',
    message: /isReady.*true or false.*"no"/,
  });
});

test('the program is asked whether it is ready', async (t) => {
  let answer;
  const check = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const server = await start(t, { health: { check }, routes: {} });
  t.false(server.isReady, 'not before the first answer');
  answer(undefined);
  await until(() => server.isReady, 'the answer');
  server.isReady = false;
  t.is(await status(t, server, '/readyz'), 503, 'the flag counts too');
  const failing = await start(t, {
    health: {
      check: () => {
        throw new Error('away');
      },
    },
    routes: {},
  });
  t.is(await status(t, failing, '/readyz'), 503);
});

test('the metrics have both checks, whatever the options are', async (t) => {
  const server = await start(t, { metrics: '127.0.0.1:0', routes: {} });
  const at = (path) => new URL(path, server.metricsUrl);
  t.is((await fetch(at('/readyz'))).status, 200);
  t.is((await fetch(at('/livez'))).status, 200);
  server.isReady = false;
  t.is((await fetch(at('/readyz'))).status, 503);
  const page = await (await fetch(server.metricsUrl)).text();
  t.regex(page, /^reactor_ready 0$/m);
  t.regex(page, /^reactor_stopping 0$/m);
});

test('before its end a server accepts and answers, and says that it will end', async (t) => {
  const unix = join(folder, 'lame.sock');
  const server = await start(t, { health: true, unix, fetch: () => new Response('ok') });
  const idle = await open(t, server);
  idle.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.notRegex(await idle.reads(/ok$/), /connection: close/is);
  const stopped = server.stop({ delay: LONG });
  await until(() => server.stats().stopping, 'the word');
  t.true((await ask(t, server, '/readyz')).endsWith('stopping\n'));
  t.is(await status(t, server, '/livez'), 200);
  t.false(server.isReady);
  t.true(server.listening);
  // An open connection ends behind its next answer, which no client takes for an error.
  idle.send('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const rest = (await idle.closes()).split('ok').slice(1, 3);
  t.notRegex(rest[0], /connection: close/i, 'another request has come already');
  t.regex(rest[1], /connection: close/is);
  const fresh = await open(t, server);
  fresh.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.regex(await fresh.closes(), /^HTTP\/1\.1 200 OK.*connection: close.*ok$/is);
  await server.stop();
  await stopped;
  t.false(server.listening);
});

test('a forced stop ends the delay too', async (t) => {
  const server = await start(t, { routes: { '/': 'ok' } });
  const stopped = server.stop({ delay: LONG });
  await server.stop({ force: true });
  await stopped;
  t.pass();
});

test('a delay ends by itself', async (t) => {
  const server = await start(t, { routes: { '/': 'ok' } });
  await server.stop({ delay: 1 });
  t.false(server.listening);
});

test('HTTP/2 clients get GOAWAY, and those that come later their answer first', async (t) => {
  const server = await start(t, { health: true, fetch: () => new Response('ok') });
  const get = (session, path) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path });
      let code;
      stream.on('response', (head) => {
        code = head[':status'];
      });
      stream
        .on('error', reject)
        .on('close', () => resolve(code))
        .resume();
    });
  const before = http2.connect(`http://127.0.0.1:${server.port}`);
  t.teardown(() => before.destroy());
  t.is(await get(before, '/'), 200);
  const told = new Promise((resolve) => before.once('goaway', resolve));
  const stopped = server.stop({ delay: LONG });
  t.is(await told, 0);
  for (const [path, code] of [
    ['/', 200],
    ['/readyz', 503],
  ]) {
    const after = http2.connect(`http://127.0.0.1:${server.port}`);
    const closed = new Promise((resolve) => after.once('close', resolve));
    // Settings have come: nothing says that this connection is at its end.
    await new Promise((resolve) => after.once('remoteSettings', resolve));
    t.is(await get(after, path), code);
    await closed;
  }
  await server.stop();
  await stopped;
});

test('checks are answered while every handler is stuck', async (t) => {
  const file = join(folder, 'stuck.mjs');
  writeFileSync(
    file,
    `import { writeSync } from 'node:fs';
    export default { health: { handlers: 1 }, fetch() { writeSync(2, 'stuck'); for (;;); } };`,
  );
  const servers = await Promise.all([
    serve(t, [file, ...LOCAL, '-i', 'auto']),
    serve(t, [file, ...LOCAL, '--js-threads', '1']),
  ]);
  for (const server of servers) {
    connect(server.port, '127.0.0.1')
      .on('error', () => {})
      .write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => server.stderr().includes('stuck'), 'the handler');
    const here = { port: server.port, hostname: '127.0.0.1' };
    t.is(await status(t, here, '/readyz'), 200);
    // Asked for: a handler that is stuck for a second is dead.
    await until(async () => (await status(t, here, '/livez')) === 503, 'the handler to count');
    server.kill('SIGKILL');
  }
});

test('flag and variable leave the module its paths and its word on being ready', async (t) => {
  const health = "{ ready: '/r', live: false, isReady: false, check: () => true }";
  const file = moduleOf(t, `export default { health: ${health}, routes: {} };\n`);
  for (const [flags, variable, ready] of [
    [['--health'], undefined, 503],
    [[], 'true', 503],
    [[], 'false', 404],
  ]) {
    const env = variable === undefined ? {} : { REACTOR_HEALTH: variable };
    const server = await serve(t, [file, ...LOCAL, ...flags], { env });
    const here = { port: server.port, hostname: '127.0.0.1' };
    t.is(await status(t, here, '/r'), ready, variable);
    t.is(await status(t, here, '/readyz'), 404);
    t.is(await status(t, here, '/livez'), 404);
  }
});

test('a signal begins the delay of the command, one more the drain', async (t) => {
  const server = await serve(t, [...LOCAL, '--health', '--shutdown-delay', '1h']);
  const here = { port: server.port, hostname: '127.0.0.1' };
  t.is(await status(t, here, '/readyz'), 200);
  server.kill('SIGTERM');
  await until(async () => (await status(t, here, '/readyz')) === 503, 'the word');
  const answer = await ask(t, here, '/');
  t.regex(answer, /^HTTP\/1\.1 200 OK.*connection: close.*Hello/is);
  // Signals that are too close together are one.
  await new Promise((resolve) => setTimeout(resolve, 300));
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('in a pod of Kubernetes the delay is five seconds', async (t) => {
  const args = LOCAL.filter((flag) => flag !== '-q');
  const server = await serve(t, args, { env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } });
  server.kill('SIGTERM');
  await until(() => server.stderr().includes('\n'), 'the word');
  t.regex(
    server.stderr(),
    /SIGTERM: not ready any more, and ending in 5\.0 s; once more to end now/,
  );
});

test('the delay ends by itself where JavaScript is stuck too', async (t) => {
  const file = join(folder, 'guard.mjs');
  writeFileSync(
    file,
    `import { writeSync } from 'node:fs';
    export default { routes: { '/static': 'ok' }, fetch() { writeSync(2, 'stuck'); for (;;); } };`,
  );
  const delay = ['--shutdown-delay', '4s', '--drain-timeout', '100', '--health'];
  const server = await serve(t, [file, ...LOCAL, ...delay]);
  const here = { port: server.port, hostname: '127.0.0.1' };
  connect(server.port, '127.0.0.1')
    .on('error', () => {})
    .write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => server.stderr().includes('stuck'), 'the handler');
  server.kill('SIGTERM');
  await until(async () => (await status(t, here, '/readyz')) === 503, 'the word');
  t.is(await status(t, here, '/static'), 200);
  const refused = () =>
    new Promise((resolve) => {
      const socket = connect(server.port, '127.0.0.1');
      socket
        .on('error', () => resolve(true))
        .on('connect', () => resolve(socket.destroy() && false));
    });
  await until(refused, 'the drain');
  server.kill('SIGKILL');
});

test('gracefulShutdown has the delay', async (t) => {
  const child = launch([
    '--input-type=module',
    '--eval',
    `import { serve } from ${JSON.stringify(INDEX)};
    const server = await serve({ port: 0, hostname: '127.0.0.1', health: true,
      gracefulShutdown: true, shutdownDelay: ${LONG}, routes: { '/': 'ok' } });
    console.log(server.port);`,
  ]);
  t.teardown(() => child.process.kill('SIGKILL'));
  const exited = new Promise((resolve) => child.process.once('exit', resolve));
  await until(() => child.stdout().includes('\n'), 'the port');
  const here = { port: Number(child.stdout()), hostname: '127.0.0.1' };
  child.process.kill('SIGTERM');
  await until(async () => (await status(t, here, '/readyz')) === 503, 'the word');
  t.is(await status(t, here, '/'), 200);
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.process.kill('SIGTERM');
  t.is(await exited, 0);
});

test('a server of reactor-rs/node has checks, and a delay for close', async (t) => {
  const server = createServer({ health: true, shutdownDelay: LONG }, (_, res) => res.end('node'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const here = { port: server.address().port, hostname: '127.0.0.1' };
  t.is(await status(t, here, '/readyz'), 200);
  const closed = new Promise((resolve) => server.close(resolve));
  const conn = await open(t, here);
  conn.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.regex(await conn.closes(), /^HTTP\/1\.1 200 OK.*connection: close.*node/is);
  t.false(server.listening);
  // It ends the delay too.
  server.closeAllConnections();
  await closed;
});

test('wrong options are named', async (t) => {
  for (const [options, message] of [
    [{ health: 'yes' }, /option "health" must be true, false or an object, got "yes"/],
    [{ health: { readyz: '/' } }, /unknown option "health.readyz"/],
    [{ health: { ready: 'readyz' } }, /"health.ready" must be a path such as "\/readyz", or false/],
    [{ health: { ready: '/:all' } }, /"health.ready" must be a path/],
    [{ health: { live: '/readyz' } }, /"health.live" must be another path than "health.ready"/],
    [
      { health: { handlers: 0 } },
      /"health.handlers" must be an integer from 1 to 86400, in seconds/,
    ],
    [{ health: { check: true } }, /option "health.check" must be a function, got true/],
    [{ health: { isReady: 1 } }, /"health.isReady" must be true or false, got 1/],
    [{ shutdownDelay: -1 }, /option "shutdownDelay" must be an integer from 0 to 86400000, got -1/],
  ]) {
    await t.throwsAsync(serveHere({ port: 0, ...options }), { message });
  }
  const server = await start(t, { routes: {} });
  await t.throwsAsync(server.stop({ delay: '5s' }), {
    message: /option "delay" must be from 0 to 86400000 milliseconds, got "5s"/,
  });
});
