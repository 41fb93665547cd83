// The access log as a user switches it on.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { serve as serveApi } from 'reactor-rs';
import { run, serve, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { open } from '../support/wire.mjs';

const LOCAL = ['-H', '127.0.0.1', '-p', '0'];

function lines(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').filter(Boolean) : [];
}

const targets = (file) => lines(file).map((line) => JSON.parse(line).target);

/** A server with handlers, stopped at the end of the test. */
async function start(t, options) {
  const server = await serveApi({ hostname: '127.0.0.1', port: 0, ...options });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

test('a file has one line for each request, native or in JavaScript', async (t) => {
  const file = join(temporary(t), 'access.log');
  const server = await start(t, {
    accessLog: { file, format: 'json' },
    routes: {
      '/static': 'static',
      '/handler': () => new Response('handler', { status: 201 }),
      '/fails': () => {
        throw new Error('on purpose');
      },
    },
    error: () => new Response('sorry', { status: 500 }),
    fetch: () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode('strea'));
            await new Promise((resolve) => setTimeout(resolve, 20));
            controller.enqueue(new TextEncoder().encode('med'));
            controller.close();
          },
        }),
      ),
  });
  const wire = await open(t, server);
  const get = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\nUser-Agent: test/1\r\n\r\n`;
  wire.send(['/static', '/handler', '/fails', '/stream?a=b'].map(get).join(''));
  await wire.reads(/0\r\n\r\n$/);
  await server.stop();
  const log = lines(file).map((line) => JSON.parse(line));
  t.deepEqual(
    log.map(({ target, status, bytes, outcome, user_agent }) => [
      target,
      status,
      bytes,
      outcome,
      user_agent,
    ]),
    [
      ['/static', 200, 6, 'complete', 'test/1'],
      ['/handler', 201, 7, 'complete', 'test/1'],
      ['/fails', 500, 5, 'complete', 'test/1'],
      // 5\r\nstrea\r\n 3\r\nmed\r\n 0\r\n\r\n
      ['/stream?a=b', 200, 23, 'complete', 'test/1'],
    ],
  );
  t.true(log[3].duration_us >= 19_000, `${log[3].duration_us}`);
  t.true(Math.abs(Date.parse(log[0].time) - Date.now()) < 60_000, log[0].time);
  t.is(new Set(log.map((line) => line.id)).size, 4);
  t.deepEqual(server.stats().accessLog, { written: 4, lost: 0, errors: 0 });
  t.is(server.stats().requests.latency.count, 4);
});

test('a client that goes while a handler works has status 499', async (t) => {
  const file = join(temporary(t), 'access.log');
  let release;
  let entered;
  const inside = new Promise((resolve) => {
    entered = resolve;
  });
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const server = await start(t, {
    accessLog: { file, format: 'common' },
    fetch: async (request) => {
      entered();
      await Promise.race([
        held,
        new Promise((resolve) => request.signal.addEventListener('abort', resolve)),
      ]);
      await held;
      return new Response('too late');
    },
  });
  const wire = await open(t, server);
  wire.send('GET /gone HTTP/1.1\r\nHost: x\r\n\r\n');
  await inside;
  wire.reset();
  await until(() => server.stats().connections.open === 0, 'the connection to end');
  release();
  await server.stop();
  t.regex(lines(file).join('|'), /^127\.0\.0\.1 - - \[.*\] "GET \/gone HTTP\/1\.1" 499 0$/);
});

test('SIGUSR1 opens the file anew', async (t) => {
  const file = join(temporary(t), 'access.log');
  const server = await serve(t, [...LOCAL, '--access-log', file, '--log-format', 'json']);
  const wire = await open(t, server);
  wire.send('GET /one HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => lines(file).length === 1, 'the first line');
  renameSync(file, `${file}.1`);
  server.kill('SIGUSR1');
  await until(() => existsSync(file), 'the new file');
  // What comes at first may still go into the old file.
  const sent = ['/one'];
  await until(() => {
    sent.push(`/${sent.length}`);
    wire.send(`GET ${sent.at(-1)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return lines(file).length > 0;
  }, 'a line in the new file');
  const answers = new RegExp(`^(?:.*?HTTP/1\\.1 \\d){${sent.length}}`, 's');
  await wire.reads(answers);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
  const [old, recent] = [targets(`${file}.1`), targets(file)];
  t.true(old.length > 0 && recent.length > 0);
  // Each in one of the two, in its order.
  t.deepEqual([...old, ...recent], sent);
});

test('a handler is told the id that the log has', async (t) => {
  const file = join(temporary(t), 'access.log');
  const seen = [];
  const server = await start(t, {
    accessLog: { file, format: 'json' },
    ioThreads: 2,
    fetch: async (request, info) => {
      // Behind the batch, in which a record of numbers was.
      await new Promise((resolve) => setTimeout(resolve, 5));
      seen.push([new URL(request.url).pathname, info.requestId]);
      return new Response();
    },
  });
  for (const name of ['a', 'b', 'c']) {
    const wire = await open(t, server);
    wire.send([0, 1].map((n) => `GET /${name}${n} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    await wire.reads(/(?:HTTP.*){2}\r\n\r\n$/s);
  }
  await server.stop();
  const logged = lines(file).map((line) => JSON.parse(line));
  t.is(new Set(logged.map(({ id }) => id)).size, 6);
  t.deepEqual(seen.sort(), logged.map(({ target, id }) => [target, id]).sort());
});

test('a reopening that fails says so and goes on in the old file', async (t) => {
  const path = temporary(t);
  const file = join(path, 'logs');
  const server = await serve(t, [...LOCAL, '--access-log', file, '--log-format', 'json']);
  renameSync(path, `${path}-moved`);
  t.teardown(() => rmSync(`${path}-moved`, { recursive: true, force: true }));
  server.kill('SIGUSR1');
  await until(() => server.stderr().includes('stays in use'), 'the complaint');
  t.true(
    server.stderr().includes(`cannot open the access log '${file}': its folder does not exist`),
    server.stderr(),
  );
  const wire = await open(t, server);
  wire.send('GET /still HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => lines(join(`${path}-moved`, 'logs')).length === 1, 'the line');
});

test('- is standard output', async (t) => {
  const server = await serve(t, [...LOCAL, '--access-log', '-']);
  const wire = await open(t, server);
  wire.send('GET /a"b HTTP/1.1\r\nHost: x\r\nUser-Agent: \\x\xff"\r\n\r\n');
  await wire.reads(/HTTP\/1\.1 \d/);
  await until(() => server.stdout().includes('GET'), 'the line');
  t.regex(
    server.stdout(),
    /\n127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}(:\d\d){3} \+0000\] "GET \/a\\x22b HTTP\/1\.1" 40[04] \d+ "-" ".*"\n$/,
  );
});

test('a log that cannot be opened is one line, and the server does not start', async (t) => {
  const shared = join(temporary(t), 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  const link = join(shared, 'link.log');
  symlinkSync('/tmp/elsewhere.log', link);
  for (const [file, cause] of [
    [link, `'${link}' is a symbolic link in a folder that other users can write to`],
    ['/no/such/folder/a.log', 'its folder does not exist'],
    [tmpdir(), 'it is a folder'],
  ]) {
    const { code, stdout, stderr } = await run(['serve', ...LOCAL, '--access-log', file]);
    t.is(code, 1);
    t.is(stdout, '');
    t.is(stderr, `reactor-rs: cannot open the access log '${file}': ${cause}\n`);
  }
  await t.throwsAsync(serveApi({ port: 0, accessLog: '/no/such/folder/a.log' }), {
    code: 'ERR_REACTOR_LOG',
  });
});

test('a full disk is reported once and costs no request', async (t) => {
  const server = await serve(t, [...LOCAL, '--access-log', '/dev/full']);
  const wire = await open(t, server);
  for (let n = 1; n <= 3; n++) {
    wire.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await wire.reads(new RegExp(`(ok\\n[^]*){${n}}`));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
  const complaints = server
    .stderr()
    .split('\n')
    .filter((line) => line.includes('access log'));
  t.deepEqual(complaints, [
    "reactor-rs: cannot write the access log '/dev/full': No space left on device (os error 28); records are lost until it works again",
  ]);
});

test('reopenLog does nothing without a log and refuses after the stop', async (t) => {
  const server = await start(t, {});
  server.reopenLog();
  t.is(server.stats().accessLog, null);
  await server.stop();
  t.throws(() => server.reopenLog(), { code: 'ERR_REACTOR_STOPPED' });
});

test('mistakes name the option and what it takes', async (t) => {
  for (const [accessLog, message] of [
    [
      7,
      'option "accessLog" must be a path, "-" for standard output, or an object with "file" and "format", got 7',
    ],
    [{}, 'option "accessLog.file" must be a path, or "-" for standard output, got undefined'],
    ['', 'option "accessLog.file" must be a path, or "-" for standard output, got ""'],
    [
      { file: '-', format: 'xml' },
      'option "accessLog.format" must be "common", "combined" or "json", got "xml"',
    ],
  ]) {
    await t.throwsAsync(serveApi({ port: 0, accessLog }), {
      code: 'ERR_REACTOR_INVALID_OPTION',
      message,
    });
  }
  await t.throwsAsync(serveApi({ port: 0, accessLog: { path: '-' } }), {
    code: 'ERR_REACTOR_UNKNOWN_OPTION',
    message: /unknown option "accessLog\.path"/,
  });
  const alone = await run(['serve', '--log-format', 'json']);
  t.deepEqual(
    [alone.code, alone.stderr],
    [2, 'reactor-rs: --log-format needs --access-log: there is no log\n'],
  );
});

test('in the environment a format alone is no mistake', async (t) => {
  const server = await serve(t, LOCAL, { env: { REACTOR_LOG_FORMAT: 'json' } });
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('a format on the command line is for the log that a module asks for', async (t) => {
  const path = temporary(t);
  const [module, log] = [join(path, 'app.mjs'), join(path, 'access.log')];
  const serves = (more) => `export default { fetch: () => new Response('x'), ${more} };`;
  writeFileSync(module, serves(`accessLog: ${JSON.stringify(log)}`));
  for (const threads of [[], ['--js-threads', '1']]) {
    const args = [module, ...LOCAL, '--log-format', 'json', ...threads];
    const server = await serve(t, args);
    t.is((await fetch(`${server.url}${threads.length}`)).status, 200);
    server.kill('SIGTERM');
    t.deepEqual(await server.closed, { code: 0, signal: null });
  }
  t.deepEqual(targets(log), ['/0', '/2']);

  writeFileSync(module, serves(''));
  const alone = await run(['serve', module, ...LOCAL, '--log-format', 'json']);
  t.deepEqual(
    [alone.code, alone.stderr],
    [2, 'reactor-rs: --log-format needs --access-log: there is no log\n'],
  );
});
