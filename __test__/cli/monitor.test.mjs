// The control socket, and the monitor that reads it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import xterm from '@xterm/headless';
import test from 'ava';
import { serve as serveApi } from 'reactor-rs';
import { compare } from '../../dist/cli/monitor/sample.js';
import { Source } from '../../dist/cli/monitor/snapshot.js';
import { screen } from '../../dist/cli/monitor/terminal.js';
import { render } from '../../dist/cli/monitor/view.js';
import { BIN, launch, run, serve, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { open } from '../support/wire.mjs';

const INDEX = new URL('../../dist/index.js', import.meta.url).href;
const LOCAL = ['-H', '127.0.0.1', '-p', '0', '-i', '2', '-w', '1'];

/** A runtime folder of the test's own, so that it meets no other servers. */
function runtime(t) {
  const path = temporary(t);
  return { REACTOR_RUNTIME_DIR: path };
}

/** A snapshot with fixed numbers, `n` seconds after the start. */
function snapshot(n, { requests = 0, threads = ['rx-io-0', 'rx-worker-0', 'main'] } = {}) {
  const io = { connections: 64, accepted: 64, turns: 0, sleeps: 0, workerWakes: 0 };
  return {
    pid: 4242,
    version: '1.2.3',
    address: '127.0.0.1:8080',
    atMs: n * 1000,
    stats: {
      uptimeMs: n * 1000 + 3_600_000,
      connections: { accepted: 64 + n, open: 64, refused: 0, acceptPauses: 0 },
      requests: {
        total: requests,
        success: requests,
        redirect: 0,
        clientError: 12 * n,
        serverError: 0,
        latency: { maxNs: 5_350_000 },
      },
      bytes: { received: n * 1_258_291, sent: n * 3_565_158 },
      tls: null,
      webSockets: null,
      http2: null,
      tasks: { queueDepth: 3, queueCapacity: 4096, rejected: 2 * n },
      routes: [],
      ioThreads: [{ ...io, requests }],
      accessLog: { written: 10 * n, lost: 0, errors: 0 },
    },
    latency: [
      // Quick ones from before; they must not count.
      [10_000, 1_000],
      [40_000, 90 * n],
      [200_000, 9 * n],
      [5_500_000, n],
    ],
    threads: threads.map((name, index) => ({
      name,
      runningNs: n * 1e9 * (0.5 - index * 0.2),
      waitingNs: n * 1e9 * 0.25,
    })),
    lanes: [{ index: 0, queued: 1, inFlight: 7, state: 'blocked' }],
    process: { cpuMs: n * 1250, resident: 64 * 1024 * 1024, openFiles: 84, threads: 30 },
  };
}

/** What a terminal shows once it has taken in some bytes. */
class Emulator {
  constructor(columns, rows) {
    this.terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
  }

  write(bytes) {
    return new Promise((resolve) => this.terminal.write(bytes, resolve));
  }

  get kind() {
    return this.terminal.buffer.active.type;
  }

  text() {
    const buffer = this.terminal.buffer.active;
    return Array.from({ length: this.terminal.rows }, (_, row) =>
      (buffer.getLine(buffer.viewportY + row)?.translateToString(true) ?? '').trimEnd(),
    ).join('\n');
  }
}

async function shown(view, columns, rows) {
  const emulator = new Emulator(columns, rows);
  await emulator.write('what was there before\r\n'.repeat(rows + 5));
  await emulator.write(screen(render(view, { columns, rows, colours: true })));
  return emulator.text();
}

const history = [
  compare(snapshot(0), snapshot(1, { requests: 2_000 })),
  compare(snapshot(1, { requests: 2_000 }), snapshot(2, { requests: 10_000 })),
];

test('the screen in 80 columns and 24 rows', async (t) => {
  const view = { history, paused: false, sort: 'name' };
  t.is(
    await shown(view, 80, 24),
    `reactor-rs 1.2.3  pid 4242  127.0.0.1:8080  up 1 h 0 min

requests     8,012/s  ▃█
status       2xx 8,000/s   3xx 0/s   4xx 12/s   5xx 0/s
latency      p50 40 µs   p90 40 µs   p99 200 µs   max 5.3 ms
traffic      1.2 MiB/s in   3.4 MiB/s out
connections  64 open   1/s accepted
task queue   3 of 4,096   2/s refused
js lane 0    7 in flight   1 waiting   blocked
access log   10/s
process      125 % cpu   64.0 MiB   84 files   30 threads

thread       busy                              requests/s   connections
main         ████████················  35 %
rx-io-0      ██████████████████······  75 %         8,000            64
rx-worker-0  █████████████···········  55 %







q quit   p pause   s sort by name`,
  );
});

test('a row tells of TLS handshakes and of the certificate', async (t) => {
  const secured = (n, days) => {
    const at = snapshot(n);
    const expires = Date.now() / 1000 + (days + 0.5) * 86_400;
    at.stats.tls = { full: 5 * n, resumed: 45 * n, failed: 2 * n, expires };
    return at;
  };
  for (const [days, text] of [
    [80, 'certificate for 80 days'],
    [-3, 'certificate expired'],
  ]) {
    const sample = compare(secured(0, days), secured(1, days));
    const screen = await shown({ history: [sample], paused: false, sort: 'name' }, 80, 24);
    t.true(
      screen.includes(`\ntls          5/s new   45/s resumed   2/s failed   ${text}\n`),
      screen,
    );
  }
});

test('a row tells of WebSockets', async (t) => {
  const at = (n) => {
    const taken = snapshot(n);
    taken.stats.webSockets = { open: 1_000, received: 50 * n, sent: 20_000 * n, dropped: 3 * n };
    return taken;
  };
  const screen = await shown(
    { history: [compare(at(0), at(1))], paused: false, sort: 'name' },
    80,
    24,
  );
  t.true(
    screen.includes('\nwebsockets   1,000 open   50/s in   20,000/s out   3/s dropped\n'),
    screen,
  );
});

test('a row tells of HTTP/2', async (t) => {
  const at = (n) => {
    const taken = snapshot(n);
    const counted = { requests: 5_000 * n, resets: 2 * n, refused: 0, goaways: n };
    taken.stats.http2 = { connections: 40, streams: 1_200, ...counted };
    return taken;
  };
  const screen = await shown(
    { history: [compare(at(0), at(1))], paused: false, sort: 'name' },
    80,
    24,
  );
  t.true(
    screen.includes(
      '\nhttp/2       40 open   1,200 streams   5,000/s requests   2/s reset   1/s ended\n',
    ),
    screen,
  );
});

test('a screen that is too small is cut off, not scrolled', async (t) => {
  const view = { history, paused: true, sort: 'busy' };
  for (const [columns, rows] of [
    [20, 5],
    [1, 1],
    [80, 2],
  ]) {
    const text = await shown(view, columns, rows);
    const lines = text.split('\n');
    t.is(lines.length, rows);
    t.true(lines.every((line) => line.length <= columns));
    t.is(
      lines[0],
      (rows === 1 ? 'q quit' : 'reactor-rs 1.2.3  pid 4242  127.0.0.1:8080  up 1 h 0 min')
        .slice(0, columns)
        .trimEnd(),
    );
    t.is(lines.at(-1), 'q quit   p go on   s sort by busy   paused'.slice(0, columns).trimEnd());
  }
});

test('more threads than there is room for are counted', async (t) => {
  const threads = Array.from({ length: 30 }, (_, n) => `rx-worker-${n}`);
  const sample = compare(snapshot(0, { threads }), snapshot(1, { threads }));
  const text = await shown({ history: [sample], paused: false, sort: 'name' }, 80, 24);
  t.regex(text, /rx-worker-0 /);
  t.regex(text, /\nand 2\d more\n/);
  t.regex(text, /q quit/);
});

/** A snapshot with these rows of routes: method, pattern, and requests since the start. */
function withRoutes(n, rows, more) {
  const taken = snapshot(n, more);
  taken.stats.routes = rows.map(([method, route, requests, clientError = 0, serverError = 0]) => ({
    method,
    route,
    requests,
    clientError,
    serverError,
    count: requests,
    sumNs: requests * 250_000,
    p99Ns: 1_500_000,
  }));
  return taken;
}

test('the busiest routes come first', async (t) => {
  const before = withRoutes(0, [
    ['GET', '/was/busy', 5_000],
    ['GET', '/users/:id', 100],
    ['POST', `/long/${'x'.repeat(40)}`, 0],
  ]);
  const after = withRoutes(1, [
    ['GET', '/was/busy', 5_000],
    ['GET', '/users/:id', 4_100, 12],
    ['POST', `/long/${'x'.repeat(40)}`, 700, 0, 3],
    ['GET', 'fetch', 1],
  ]);
  const view = { history: [compare(before, after)], paused: false, sort: 'name' };
  const screen = await shown(view, 80, 24);
  t.is(
    screen.split('\n').slice(16).join('\n'),
    `
route                             requests/s   4xx/s   5xx/s      mean       p99
GET /users/:id                         4,000      12       0    250 µs    1.5 ms
POST /long/xxxxxxxxxxxxxxxxxxxxx…        700       0       3    250 µs    1.5 ms
GET fetch                                  1       0       0    250 µs    1.5 ms
GET /was/busy                              0       0       0              1.5 ms

q quit   p pause   s sort by name`,
  );
  t.is(screen.split('\n')[12].slice(0, 6), 'thread', 'above them');
});

test('threads and routes share the screen; a taller one has more of both', async (t) => {
  const threads = Array.from({ length: 20 }, (_, n) => `rx-worker-${n}`);
  const rows = Array.from({ length: 60 }, (_, n) => ['GET', `/${n}`, 1_000 - n]);
  const [before, after] = [withRoutes(0, [], { threads }), withRoutes(1, rows, { threads })];
  const view = { history: [compare(before, after)], paused: false, sort: 'name' };
  const count = async (height) => {
    const screen = await shown(view, 80, height);
    t.regex(screen, /^reactor-rs 1\.2\.3 [\s\S]*\nq quit [^\n]*$/);
    return [/^rx-worker-/gm, /^GET /gm].map((pattern) => screen.match(pattern)?.length ?? 0);
  };
  t.deepEqual(await count(24), [4, 2]);
  t.deepEqual(await count(20), [5, 0], 'too small for both');
  t.deepEqual(await count(40), [12, 10]);
  t.deepEqual(await count(100), [20, 39]);
  const screen = await shown(view, 80, 100);
  t.regex(screen, /\nGET \/38 [^\n]*\nand 21 more\n/);
});

test.serial('--once and --json tell of routes, by what a server counts', async (t) => {
  const { REACTOR_RUNTIME_DIR: folder } = runtime(t);
  const path = join(folder, 'routes.sock');
  const server = await serveApi({
    hostname: '127.0.0.1',
    port: 0,
    control: path,
    routes: {
      '/users/:id': () => new Response('a'),
      '/bad': () => new Response('b', { status: 503 }),
    },
  });
  t.teardown(() => server.stop({ force: true }));
  const ask = async () => {
    for (const where of ['/users/1', '/users/2', '/bad', '/none']) {
      await (await fetch(new URL(where, server.url))).text();
    }
  };
  await ask();
  let isOver = false;
  const asking = (async () => {
    for (; !isOver; await wait(20)) {
      await ask();
    }
  })();
  const once = await run(['monitor', path, '--once', '-n', '0.5']);
  t.is(once.code, 0, once.stderr);
  t.regex(
    once.stdout,
    /\n\nroute +requests\/s +4xx\/s +5xx\/s +mean +p99\nGET \/users\/:id +[\d,.]+ +0 +0 /,
  );
  t.regex(once.stdout, /\nGET \/bad +(\S+) +0 +\1 /);
  t.regex(once.stdout, /\nGET built-in +(\S+) +\1 +0 /);
  const json = await run(['monitor', path, '--once', '--json', '-n', '0.5']);
  const [first] = JSON.parse(json.stdout).routes;
  t.is(first.route, '/users/:id');
  t.true(first.requests > 0 && first.meanUs > 0 && first.p99Us > 0);
  isOver = true;
  await asking;
});

test('every serve has a socket that only its user can reach, and it goes with the server', async (t) => {
  const env = runtime(t);
  const server = await serve(t, LOCAL, { env });
  const folder = env.REACTOR_RUNTIME_DIR;
  t.deepEqual(readdirSync(folder), [`${server.pid}.sock`]);
  t.is(statSync(join(folder, `${server.pid}.sock`)).mode & 0o777, 0o600);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
  t.deepEqual(readdirSync(folder), []);
});

test('--control false opens none, a path is obeyed', async (t) => {
  const env = runtime(t);
  const folder = env.REACTOR_RUNTIME_DIR;
  const without = await serve(t, [...LOCAL, '--control', 'false'], { env });
  t.deepEqual(readdirSync(folder), []);
  without.kill('SIGTERM');
  const path = join(folder, 'mine');
  const server = await serve(t, [...LOCAL, '--control', path], { env });
  t.is(statSync(path).mode & 0o777, 0o600);
  const { code, stdout } = await run(['monitor', path, '--once', '--json', '-n', '0.1']);
  t.is(code, 0);
  t.is(JSON.parse(stdout).pid, server.pid);
});

test('a folder that others can only read is used', async (t) => {
  const env = runtime(t);
  chmodSync(env.REACTOR_RUNTIME_DIR, 0o755);
  const server = await serve(t, LOCAL, { env });
  t.deepEqual(readdirSync(env.REACTOR_RUNTIME_DIR), [`${server.pid}.sock`]);
  t.is((await run(['monitor', '--once', '-n', '0.1'], { env })).code, 0);
});

for (const [what, why, spoil] of [
  ['a folder that others can write to', 'others can write to it', (path) => chmodSync(path, 0o777)],
  ['a folder that cannot be made', 'it is not there', (path) => join(path, 'no', 'such')],
  [
    'a folder whose sockets have too long a path',
    null,
    (path) => {
      const long = join(path, 'x'.repeat(100));
      mkdirSync(long, { mode: 0o700 });
      return long;
    },
  ],
]) {
  test(`${what} is not used, which is said, and the server starts all the same`, async (t) => {
    const { REACTOR_RUNTIME_DIR: path } = runtime(t);
    const env = { REACTOR_RUNTIME_DIR: spoil(path) ?? path };
    const server = await serve(t, [...LOCAL, '--quiet'], { env });
    server.kill('SIGTERM');
    t.deepEqual(await server.closed, { code: 0, signal: null });
    t.deepEqual(
      readdirSync(path).filter((name) => name.endsWith('.sock')),
      [],
    );
    const { stderr } = await run(['monitor', '--once'], { env });
    if (why === null) {
      t.regex(server.stderr(), /^reactor-rs: no control socket: [^\n]*107 bytes[^\n]*\n$/);
    } else {
      t.is(
        server.stderr(),
        `reactor-rs: no control socket: REACTOR_RUNTIME_DIR "${env.REACTOR_RUNTIME_DIR}" cannot be used: ${why}\n`,
      );
      t.true(stderr.endsWith(` (looked in ${env.REACTOR_RUNTIME_DIR}: ${why})\n`), stderr);
    }
  });
}

/** Runs a program with an `index` to import and a `folder` for sockets, to what it prints. */
async function program(t, source) {
  const env = runtime(t);
  const names = { folder: env.REACTOR_RUNTIME_DIR, index: INDEX };
  const given = Object.entries(names).map(([name, value]) => [name, JSON.stringify(value)]);
  const consts = given.map(([name, value]) => `const ${name} = ${value};`).join('');
  const child = launch(['--input-type=module', '-e', consts + source], { env });
  const [code] = await once(child.process, 'close');
  t.is(code, 0, child.stderr());
  return { ...JSON.parse(child.stdout()), stderr: child.stderr(), folder: names.folder };
}

test('servers on several threads of a process have a socket each', async (t) => {
  const { pid, paths, folder, stderr } = await program(
    t,
    `
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const { serve } = await import(index);
    const options = { hostname: '127.0.0.1', port: 0, control: true };
    const servers = [await serve(options), await serve(options)];
    const worker = new Worker(
      'const { workerData, parentPort } = require("node:worker_threads");' +
      'import(workerData.index).then(async ({ serve }) =>' +
      ' parentPort.postMessage((await serve(workerData.options)).controlPath));',
      { eval: true, execArgv: [], workerData: { index, options } },
    );
    const [path] = await once(worker, 'message');
    const paths = [...servers.map(({ controlPath }) => controlPath), path];
    console.log(JSON.stringify({ pid: process.pid, paths }));
    process.exit();`,
  );
  const names = ['', '-2', '-3'].map((more) => join(folder, `${pid}${more}.sock`));
  t.deepEqual([paths, stderr], [names, '']);
});

test('a socket of another container’s process with the same number is left alone', async (t) => {
  const { pid, path, folder, isThere } = await program(
    t,
    `
    import { once } from 'node:events';
    import { existsSync } from 'node:fs';
    import { createServer } from 'node:net';
    const { serve } = await import(index);
    const other = createServer().listen(folder + '/' + process.pid + '.sock');
    await once(other, 'listening');
    const server = await serve({ hostname: '127.0.0.1', port: 0, control: true });
    await server.stop();
    console.log(JSON.stringify({ pid: process.pid, path: server.controlPath, isThere: existsSync(other.address()) }));
    process.exit();`,
  );
  t.deepEqual([path, isThere], [join(folder, `${pid}-2.sock`), true]);
});

test('a socket that cannot be had for another reason is done without, which is said', async (t) => {
  const { control, status, stderr } = await program(
    t,
    `
    import { symlinkSync } from 'node:fs';
    const { serve } = await import(index);
    symlinkSync('nowhere', folder + '/' + process.pid + '.sock');
    const server = await serve({ hostname: '127.0.0.1', port: 0, control: true });
    const { status } = await fetch(server.url);
    console.log(JSON.stringify({ control: server.controlPath ?? null, status }));
    process.exit();`,
  );
  t.deepEqual([control, status], [null, 200]);
  t.regex(stderr, /^reactor-rs: no control socket: control: cannot listen on '[^\n]*\n$/);
});

test('the API opens one where it is asked to', async (t) => {
  const { REACTOR_RUNTIME_DIR: folder } = runtime(t);
  const start = async (control) => {
    const server = await serveApi({ hostname: '127.0.0.1', port: 0, control });
    t.teardown(() => server.stop({ force: true }));
    return server;
  };
  t.is((await start(undefined)).controlPath, undefined);
  const path = join(folder, 'api.sock');
  const server = await start(path);
  t.is(server.controlPath, path);
  await t.throwsAsync(start(path), {
    code: 'ERR_REACTOR_ADDRESS_IN_USE',
    message: /^control: cannot listen on '.*api\.sock': /,
  });
  await t.throwsAsync(start(7), {
    code: 'ERR_REACTOR_INVALID_OPTION',
    message: 'option "control" must be true, false or the path of a unix socket, got 7',
  });
});

test('latencies are counted from the first look on', async (t) => {
  const { REACTOR_RUNTIME_DIR: folder } = runtime(t);
  const path = join(folder, 'look.sock');
  const server = await serveApi({ hostname: '127.0.0.1', port: 0, control: path });
  t.teardown(() => server.stop({ force: true }));
  const wire = await open(t, server);
  const get = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';
  wire.send(get);
  await wire.reads(/ok\n/);
  await until(() => server.stats().requests.success === 1, 'it to be counted');
  t.is(server.stats().requests.latency.count, 0);
  const source = new Source(path);
  t.teardown(() => source.close());
  const before = await source.snapshot();
  wire.send(get.repeat(3));
  await wire.reads(/(ok\n[\s\S]*){4}/);
  await until(() => server.stats().requests.latency.count >= 3, 'them to be counted');
  const after = await source.snapshot();
  t.is(server.stats().requests.latency.count, 3);
  const sample = compare(before, after);
  t.is(sample.latency.count, 3);
  t.true(sample.latency.p50 > 0 && sample.latency.p50 <= sample.latency.max);
  t.true(sample.requests.success > 0);
  t.deepEqual(
    sample.threads.filter(({ busy }) => !(busy >= 0 && busy <= 1)),
    [],
  );
});

test('without a server it says where it looked', async (t) => {
  const env = runtime(t);
  const { code, stdout, stderr } = await run(['monitor', '--once'], { env });
  t.deepEqual(
    [code, stdout, stderr],
    [
      1,
      '',
      `reactor-rs: no server of yours is running with a control socket (looked in ${env.REACTOR_RUNTIME_DIR})\n`,
    ],
  );
});

test('a killed server leaves a socket that the next one, or the monitor, removes', async (t) => {
  const env = runtime(t);
  const folder = env.REACTOR_RUNTIME_DIR;
  const killed = await serve(t, LOCAL, { env });
  killed.kill('SIGKILL');
  await killed.closed;
  t.deepEqual(readdirSync(folder), [`${killed.pid}.sock`]);
  t.is((await run(['monitor', '--once'], { env })).code, 1);
  t.deepEqual(readdirSync(folder), []);

  const again = await serve(t, LOCAL, { env });
  again.kill('SIGKILL');
  await again.closed;
  const next = await serve(t, LOCAL, { env });
  t.deepEqual(readdirSync(folder), [`${next.pid}.sock`]);
});

test('of several servers one has to be named', async (t) => {
  const env = runtime(t);
  const servers = [await serve(t, LOCAL, { env }), await serve(t, LOCAL, { env })];
  const { code, stderr } = await run(['monitor', '--once'], { env });
  t.is(code, 1);
  t.regex(stderr, /^reactor-rs: there are 2 servers, name one: pid \d+ on .*, pid \d+ on .*\n$/);
  for (const server of servers) {
    for (const name of [server.pid, server.port]) {
      const args = ['monitor', `${name}`, '--once', '--json', '-n', '0.1'];
      const found = await run(args, { env });
      t.is(JSON.parse(found.stdout).pid, server.pid, found.stderr);
    }
    t.true(stderr.includes(`pid ${server.pid} on 127.0.0.1:${server.port} `), stderr);
  }
  const wrong = await run(['monitor', '1', '--once'], { env });
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /^reactor-rs: no server has the process id or port 1; there is pid /);
});

test('a path may be a name in the working folder, for --control and for the monitor', async (t) => {
  const env = runtime(t);
  const cwd = env.REACTOR_RUNTIME_DIR;
  const server = await serve(t, [...LOCAL, '--control', 'own.sock'], { env, cwd });
  const args = ['monitor', 'own.sock', '--once', '--json', '-n', '0.1'];
  const found = await run(args, { env, cwd });
  t.is(JSON.parse(found.stdout || '{}').pid, server.pid, found.stderr);
});

test('mistakes are one line', async (t) => {
  const env = runtime(t);
  for (const [args, status, message] of [
    [[], 2, 'monitor needs a terminal; use --json or --once'],
    [['--once', 'abc'], 1, '"abc" is no process id, port or path of a control socket'],
    [
      ['--once', './no.sock'],
      1,
      'no server answers on the control socket "./no.sock": there is no such file',
    ],
    [['--once', '-n', '0'], 2, '--interval must be from 0.1 to 3600, got "0"'],
    [['--once', '-n', '1e3'], 2, '--interval must be from 0.1 to 3600, got "1e3"'],
  ]) {
    const { code, stderr } = await run(['monitor', ...args], { env });
    t.deepEqual([code, stderr], [status, `reactor-rs: ${message}\n`]);
  }
});

/** A program on a unix socket that answers in a way of its own. */
async function impostor(t, answer) {
  const path = join(mkdtempSync(join(tmpdir(), 'reactor-impostor-')), 'x.sock');
  const server = createServer((_, res) => answer(res)).listen(path);
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return path;
}

/** Each field that is text, and each that is a list, said in a hostile way. */
const hostile = (change) => {
  const all = snapshot(0);
  change(all);
  return (res) => res.end(JSON.stringify(all));
};

test.serial('what a control socket says reaches no terminal as a command', async (t) => {
  const nasty = '\x1b]0;OWNED\x07\x1b[2J\x9b31m\x7f\r\nfake\u202eline\u2028';
  const path = await impostor(
    t,
    hostile((all) => {
      all.version = nasty;
      all.address = nasty;
      all.threads.push({ name: nasty, runningNs: 1, waitingNs: 1 });
      const latency = { count: 1, p99Ns: 1 };
      const row = { requests: 1, clientError: 0, serverError: 0, latency, latencySumNs: 1 };
      all.stats.routes = [{ method: nasty, route: nasty, ...row }];
    }),
  );
  for (const flags of [['--once'], ['--once', '--json']]) {
    const { code, stdout, stderr } = await run(['monitor', path, '-n', '0.1', ...flags]);
    t.is(code, 0, stderr);
    t.regex(stdout, /OWNED/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    t.notRegex(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]/);
    t.false(stdout.includes('\nfake'));
  }
});

const LIES = {
  'no JSON': [(res) => res.end('{"pid": \x1b[31m'), 'its answer is no JSON'],
  'no object': [(res) => res.end('[]'), '"pid" is not as expected'],
  'null for statistics': [hostile((all) => (all.stats = null)), '"stats" is not as expected'],
  'text for a number': [
    hostile((all) => (all.stats.bytes.sent = '\x1b[31m')),
    '"sent" is not as expected',
  ],
  'a number that is none': [
    (res) => res.end(JSON.stringify(snapshot(0)).replace('4242', '1e999')),
    '"pid" is not as expected',
  ],
  'a state that there is not': [
    hostile((all) => (all.lanes[0].state = 'x')),
    '"state" is not as expected',
  ],
  'a member of the prototype': [
    (res) => res.end('{"__proto__":{"pid":1},"version":"1"}'),
    '"pid" is not as expected',
  ],
  'a route that is none': [
    hostile((all) => (all.stats.routes = [{ method: 'GET', route: 7 }])),
    '"(latency|route)" is not as expected',
  ],
  'threads without number': [
    hostile((all) => (all.threads = Array(50_000).fill(all.threads[0]))),
    'its answer has more than|"threads" is not as expected',
  ],
  'an answer without end': [
    (res) => {
      const more = () => res.write(' '.repeat(65_536)) && setImmediate(more);
      res.on('drain', more).on('close', () => res.removeAllListeners());
      more();
    },
    'its answer has more than',
  ],
  'a byte now and then': [
    (res) => {
      const timer = setInterval(() => res.write(' '), 100);
      res.on('close', () => clearInterval(timer));
    },
    'no whole answer within 5 s',
  ],
  'an answer that breaks off': [
    (res) => res.writeHead(200, { 'content-length': 9 }).write('{', () => res.destroy()),
    'aborted|socket hang up|broken off',
  ],
  'another status': [(res) => res.writeHead(404).end(), 'it answered 404'],
};

// One after the other: the monitor waits 5 s for an answer, which this process has to give meanwhile.
for (const [what, [answer, reason]] of Object.entries(LIES)) {
  test.serial(`a control socket that tells ${what} is refused in one line`, async (t) => {
    const path = await impostor(t, answer);
    const { code, stdout, stderr } = await run(['monitor', path, '--once']);
    t.is(code, 1);
    t.is(stdout, '');
    t.regex(
      stderr,
      new RegExp(
        `^reactor-rs: no server answers on the control socket "[^"]+": .*(${reason}).*\n$`,
      ),
    );
    t.is(stderr.indexOf('\n'), stderr.length - 1);
  });
}

test('--once prints a sample as text', async (t) => {
  const env = runtime(t);
  const server = await serve(t, LOCAL, { env });
  const { code, stdout } = await run(['monitor', '--once', '-n', '0.1'], { env });
  t.is(code, 0);
  t.true(stdout.startsWith(`reactor-rs 0.1.0  pid ${server.pid}  127.0.0.1:${server.port}  up `));
  t.regex(stdout, /\nrx-io-1 +[█·]{24} /);
  t.notRegex(stdout, /q quit/);
});

testWith('script', test)('--once does so where a terminal does not know its size', async (t) => {
  const env = runtime(t);
  const server = await serve(t, LOCAL, { env });
  const command = `stty rows 0 cols 0; exec ${process.execPath} ${BIN} monitor --once -n 0.1`;
  const { code, stdout } = await run(['-qec', command, '/dev/null'], {
    file: 'script',
    env: { ...env, TERM: 'xterm', NO_COLOR: '1' },
  });
  t.is(code, 0, stdout);
  t.true(stdout.startsWith(`reactor-rs 0.1.0  pid ${server.pid} `), stdout);
});

test('--json prints samples until the server ends', async (t) => {
  const env = runtime(t);
  const server = await serve(t, LOCAL, { env });
  const child = spawn(process.execPath, [BIN, 'monitor', '--json', '-n', '0.1'], {
    env: { ...process.env, ...env },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  await until(() => stdout.split('\n').length > 3, 'three samples');
  for (const line of stdout.split('\n').slice(0, 3)) {
    t.is(JSON.parse(line).pid, server.pid);
  }
  server.kill('SIGTERM');
  const [code] = await once(child, 'close');
  t.is(code, 1);
  t.regex(
    stderr,
    new RegExp(`^reactor-rs: the server with pid ${server.pid} has ended \\(.*\\)\n$`),
  );
});

/** The lines of a screen, with a # for each number and a | for what is drawn. */
function shape(text) {
  return text.split('\n').map((line) =>
    line
      .replace(/[▁-█·]+/g, '|')
      .replace(/\d[\d.,]*( (µs|ms|[KM]iB\/s|B\/s))?/g, '#')
      .replace(/ +/g, ' ')
      .trimEnd(),
  );
}

// script(1) runs a command in a pseudo-terminal.
testWith('script', test)(
  'in a terminal it draws, obeys keys, follows the size and leaves',
  async (t) => {
    const env = runtime(t);
    const server = await serve(t, LOCAL, { env });
    // Each makes the terminal another size.
    const flags = ['narrow', 'tiny'].map((name) => join(env.REACTOR_RUNTIME_DIR, name));
    const resize = (flag, rows, columns) =>
      `until [ -e ${flag} ]; do sleep 0.1; done; stty rows ${rows} cols ${columns} </dev/tty;`;
    const command = [
      'stty rows 30 cols 100',
      `(${resize(flags[0], 24, 60)} ${resize(flags[1], 4, 30)}) &`,
      `exec ${process.execPath} ${BIN} monitor -n 0.1`,
    ];
    const child = spawn('script', ['-qfec', command.join('\n'), '/dev/null'], {
      env: { ...process.env, ...env, SHELL: '/bin/sh', TERM: 'xterm', NO_COLOR: '' },
    });
    t.teardown(() => child.kill('SIGKILL'));
    const emulator = new Emulator(100, 30);
    child.stdout.on('data', (bytes) => emulator.write(bytes));
    const shows = (pattern, what) => until(() => pattern.test(emulator.text()), what);

    await shows(new RegExp(`pid ${server.pid} .*\\n(.*\\n)*rx-io-0`), 'the first sample');
    t.is(emulator.kind, 'alternate');
    t.deepEqual(shape(emulator.text()), [
      'reactor-rs # pid # #:# up # s',
      '',
      'requests #/s',
      'status #xx #/s #xx #/s #xx #/s #xx #/s',
      'latency no request',
      'traffic # in # out',
      'connections # open #/s accepted',
      'task queue # of #',
      'js lane # # in flight # waiting',
      'process # % cpu # MiB # files # threads',
      '',
      'thread busy requests/s connections',
      ...['main', 'rx-accept'].map((name) => `${name} | # %`),
      ...['rx-io-#', 'rx-io-#'].map((name) => `${name} | # % # #`),
      'rx-worker-# | # %',
      ...Array(12).fill(''),
      'q quit p pause s sort by name',
    ]);
    t.regex(emulator.text(), /q quit {3}p pause {3}s sort by name$/);
    child.stdin.write('s');
    await shows(/sort by busy/, 'the other order');
    // An arrow is no key of ours, also when one comes behind it at once.
    child.stdin.write('\x1b[Ap');
    await shows(/paused/, 'the pause');

    // While it pauses, only the new size makes it draw.
    emulator.terminal.resize(60, 24);
    writeFileSync(flags[0], '');
    // Written for 100 columns, the head of the table would go on in the next line.
    await shows(/requests\/s\n(?:main|rx-)[\s\S]*\nq quit[^\n]*$/, 'the smaller screen');
    t.regex(emulator.text(), /paused$/);
    child.stdin.write(' ');
    await shows(/p pause/, 'the end of the pause');

    // Too small for all but its beginning and the keys.
    emulator.terminal.resize(30, 4);
    writeFileSync(flags[1], '');
    await shows(
      /^reactor-rs \S+ {2}pid \d+[^\n]*\n\nrequests [^\n]*\nq quit {3}p pause {3}s sort by b\w*$/,
      'the smallest screen',
    );

    child.stdin.write('q');
    const [code] = await once(child, 'exit');
    t.is(code, 0);
    await until(() => emulator.kind === 'normal', 'the screen as it was');
    t.true(existsSync(join(env.REACTOR_RUNTIME_DIR, `${server.pid}.sock`)));
  },
);
