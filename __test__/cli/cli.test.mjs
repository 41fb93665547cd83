// The command line as a user runs it.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ava from 'ava';
import { fetch } from 'undici';
import { BIN, launch, run, serve, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { open } from '../support/wire.mjs';

const exec = promisify(execFile);
/** One after the other: each test is a process or more, and some measure time. */
const test = ava.serial;
const LOCAL = ['-H', '127.0.0.1', '-p', '0'];

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);

test('--version prints the version', async (t) => {
  for (const flag of ['-v', '--version']) {
    t.deepEqual(await run([flag]), { code: 0, signal: null, stdout: `${version}\n`, stderr: '' });
  }
});

test('--help prints the commands, serve --help its options', async (t) => {
  for (const flag of ['-h', '--help']) {
    const main = await run([flag]);
    t.is(main.code, 0);
    t.regex(main.stdout, /Usage: reactor-rs .*Commands:.*serve.*Examples:/s);
    const serve = await run(['serve', flag]);
    t.is(serve.code, 0);
    t.regex(serve.stdout, /--port <n>.*0 to 65535.*default 8080.*PORT/s);
    t.regex(serve.stdout, /--io-threads <n>.*1 to 16, or\s+auto; default 4/s);
    t.regex(serve.stdout, /--worker-threads <n>.*1 to 32, or\s+auto;\s+default 8/s);
    t.regex(serve.stdout, /Examples:\n.*reactor-rs serve -p 3000/s);
  }
});

test('without a command it prints the help on stderr and exits with 2', async (t) => {
  const { code, stdout, stderr } = await run([]);
  t.is(code, 2);
  t.is(stdout, '');
  t.regex(stderr, /Usage: reactor-rs/);
});

const MISTAKES = [
  [['serve', '-i', '0'], '-i/--io-threads must be an integer from 1 to 16, or "auto", got "0"'],
  [['serve', '-i', '17'], '-i/--io-threads must be an integer from 1 to 16, or "auto", got "17"'],
  [['serve', '-i', 'abc'], '-i/--io-threads must be an integer from 1 to 16, or "auto", got "abc"'],
  [['serve', '-w', '0'], '-w/--worker-threads must be an integer from 1 to 32, or "auto", got "0"'],
  [
    ['serve', '-w', '33'],
    '-w/--worker-threads must be an integer from 1 to 32, or "auto", got "33"',
  ],
  [['serve', '-p', '70000'], '-p/--port must be an integer from 0 to 65535, got "70000"'],
  [['serve', '-p', '-1'], '-p/--port must be an integer from 0 to 65535, got "-1"'],
  [['serve', '-p', '80.5'], '-p/--port must be an integer from 0 to 65535, got "80.5"'],
  [['serve', '-p', '0x50'], '-p/--port must be an integer from 0 to 65535, got "0x50"'],
  [['serve', '-p', ''], '-p/--port must be an integer from 0 to 65535, got ""'],
  [['serve', '-H', 'a b'], '-H/--host must be a host name or IP address, got "a b"'],
  [['serve', '--accept', 'both'], '--accept must be "auto", "acceptor" or "per-loop", got "both"'],
  [['serve', '--max-head', '1'], '--max-head must be an integer from 128 to 1048576, got "1"'],
  [
    ['serve', '--drain-timeout', '5s'],
    '--drain-timeout must be an integer from 0 to 86400000, got "5s"',
  ],
  [
    ['serve', '--unix', '/tmp/x', '-p', '1'],
    '-p/--port cannot be given together with --unix: a server listens on one address',
  ],
  [['serve', '--prot', '1'], "unknown option '--prot' (Did you mean --port?)"],
  [['serve', '-p'], "option '-p, --port <n>' argument missing"],
  [['serve', './missing.mjs'], 'cannot serve "./missing.mjs": there is no such file'],
  [['serve', '/dev/null'], 'cannot serve "/dev/null": it is not a file'],
  [['serve', 'a.mjs', 'b.mjs'], "too many arguments for 'serve'. Expected 1 argument but got 2."],
  [['srve'], "unknown command 'srve' (Did you mean serve?)"],
  [['--nonsense'], "unknown option '--nonsense'"],
];

for (const [args, message] of MISTAKES) {
  test(`"reactor-rs ${args.join(' ')}" is one line and exit code 2`, async (t) => {
    t.deepEqual(await run(args), {
      code: 2,
      signal: null,
      stdout: '',
      stderr: `reactor-rs: ${message}\n`,
    });
  });
}

test('a bad environment variable is named', async (t) => {
  const { code, stderr } = await run(['serve'], { env: { REACTOR_IO_THREADS: '99' } });
  t.is(code, 2);
  t.is(
    stderr,
    'reactor-rs: REACTOR_IO_THREADS must be an integer from 1 to 16, or "auto", got "99"\n',
  );
});

test('the banner on stderr names address and threads', async (t) => {
  const child = launch([BIN, 'serve', ...LOCAL, '-i', '2', '-w', '3']);
  t.teardown(() => child.process.kill('SIGKILL'));
  await until(() => child.stderr().includes('\n'), 'the banner');
  const [, url] = child
    .stderr()
    .match(
      /^reactor-rs listening on (http:\/\/127\.0\.0\.1:\d+\/) \(2 I\/O threads, 3 workers, pid \d+\)\n$/,
    );
  t.is(await (await fetch(url)).text(), 'Hello, World!');
  t.is(child.stdout(), '');
});

test('--quiet prints nothing', async (t) => {
  const server = await serve(t, ['-q', ...LOCAL]);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
  t.is(server.stderr(), '');
});

test('--json prints one line with the address and the threads', async (t) => {
  const server = await serve(t, [...LOCAL, '-i', '1', '-w', '2']);
  const { event, url, hostname, port, ioThreads, workerThreads, pid } = server;
  t.is(event, 'listening');
  t.is(url, `http://127.0.0.1:${port}/`);
  t.is(hostname, '127.0.0.1');
  t.deepEqual([ioThreads, workerThreads, pid], [1, 2, server.process.pid]);
  server.kill('SIGINT');
  await server.closed;
  t.is(server.stdout().split('\n').length, 2);
});

testWith('script', test)('colours only on a terminal, and not with NO_COLOR', async (t) => {
  // script(1) gives the command a terminal.
  const onTerminal = (env) =>
    run(['-qec', `${process.execPath} ${BIN} serve -i 0`, '/dev/null'], {
      file: 'script',
      env: { TERM: 'xterm-256color', ...env },
    });
  const coloured = await onTerminal({});
  t.true(coloured.stdout.includes('\x1b[31m'));
  t.is(coloured.code, 2);
  const plain = await onTerminal({ NO_COLOR: '1' });
  t.false(plain.stdout.includes('\x1b'));
  const empty = await onTerminal({ NO_COLOR: '' });
  t.true(empty.stdout.includes('\x1b[31m'), 'https://no-color.org');
  t.false((await onTerminal({ FORCE_COLOR: '0' })).stdout.includes('\x1b'));
  const piped = await run(['serve', '-i', '0']);
  t.false(piped.stderr.includes('\x1b'));
  const forced = await run(['serve', '-i', '0'], { env: { FORCE_COLOR: '1' } });
  t.true(forced.stderr.includes('\x1b[31m'));
});

test('a bad HOST is named as the variable, a bad flag is not', async (t) => {
  const host = 'no-such-host.invalid';
  const { code, stderr } = await run(['serve', '-p', '0'], { env: { HOST: host } });
  t.is(code, 1);
  t.regex(stderr, /no-such-host\.invalid.*variable HOST.*-H\/--host/);
  const flag = await run(['serve', '-p', '0', '-H', host], { env: { HOST: '127.0.0.1' } });
  t.notRegex(flag.stderr, /HOST/);
});

test('flag over environment variable over default', async (t) => {
  const env = {
    PORT: '0',
    HOST: '127.0.0.1',
    REACTOR_IO_THREADS: '3',
    REACTOR_WORKER_THREADS: '5',
  };
  const fromEnv = await serve(t, [], { env });
  t.is(fromEnv.hostname, '127.0.0.1');
  t.deepEqual([fromEnv.ioThreads, fromEnv.workerThreads], [3, 5]);
  const fromFlags = await serve(t, ['-i', '1', '-w', '1', '-H', 'localhost'], { env });
  t.deepEqual([fromFlags.ioThreads, fromFlags.workerThreads], [1, 1]);
  const fromDefaults = await serve(t, LOCAL, { env: { REACTOR_IO_THREADS: '' } });
  t.deepEqual([fromDefaults.ioThreads, fromDefaults.workerThreads], [4, 8]);
});

test('a flag for a socket beats a variable for a port', async (t) => {
  const unix = join(temporary(t), 'app.sock');
  const server = await serve(t, ['--unix', unix], { env: { PORT: '8080', HOST: '::' } });
  t.is(server.unix, unix);
});

test('threads fit the cores with auto', async (t) => {
  const server = await serve(t, [...LOCAL, '-i', 'auto', '-w', 'auto']);
  t.true(server.ioThreads >= 1 && server.ioThreads <= 16);
  t.true(server.workerThreads >= 1 && server.workerThreads <= 32);
});

test('threads are named and as many as asked for', async (t) => {
  const server = await serve(t, [...LOCAL, '-i', '4', '-w', '8']);
  const names = () =>
    readdirSync(`/proc/${server.pid}/task`)
      .map((task) => nameOf(`/proc/${server.pid}/task/${task}/comm`))
      .filter((name) => name.startsWith('rx-'));
  const expected = [
    'rx-accept',
    ...Array.from({ length: 4 }, (_, i) => `rx-io-${i}`),
    ...Array.from({ length: 8 }, (_, i) => `rx-worker-${i}`),
    'rx-signals',
  ];
  // A thread gives itself its name, once it runs.
  await until(() => names().length >= expected.length, 'the threads');
  t.deepEqual(names().sort(), expected.sort());
});

test('a module has no worker threads', async (t) => {
  const server = await serve(t, ['__test__/threads/app.mjs', ...LOCAL, '-i', '2', '-w', '8']);
  const names = () =>
    readdirSync(`/proc/${server.pid}/task`).map((task) =>
      nameOf(`/proc/${server.pid}/task/${task}/comm`),
    );
  await until(() => names().filter((name) => name.startsWith('rx-io')).length === 2, 'the loops');
  t.deepEqual(
    names().filter((name) => name.startsWith('rx-worker')),
    [],
  );
});

/** Empty where the thread has ended meanwhile. */
function nameOf(file) {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

test('a port in use is exit code 1 and a line that names it and says what to do', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  t.teardown(() => other.close());
  const { port } = other.address();
  const { code, stdout, stderr } = await run(['serve', '-H', '127.0.0.1', '-p', `${port}`]);
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, new RegExp(`^reactor-rs: [^\\n]*127\\.0\\.0\\.1:${port}[^\\n]*\\n$`));
  t.regex(stderr, /in use/);
});

testWith('curl', test)('curl talks to a port and to a unix socket', async (t) => {
  const tcp = await serve(t, LOCAL);
  const hello = await exec('curl', ['-sS', '-i', tcp.url]);
  t.regex(hello.stdout, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nHello, World!$/s);
  const echo = await exec('curl', [
    '-sS',
    '--data-binary',
    'abc',
    '-H',
    'Transfer-Encoding: chunked',
    `${tcp.url}echo`,
  ]);
  t.is(echo.stdout, 'abc');
  const expect = await exec('curl', [
    '-sS',
    '-v',
    '-H',
    'Expect: 100-continue',
    '-d',
    'abc',
    `${tcp.url}echo`,
  ]);
  t.is(expect.stdout, 'abc');
  t.regex(expect.stderr, /< HTTP\/1\.1 100 Continue/);
  const old = await exec('curl', ['-sS', '-i', '--http1.0', tcp.url]);
  t.regex(old.stdout, /^HTTP\/1\.[01] 200 .*connection: close/is);

  const unix = join(temporary(t), 'app.sock');
  const local = await serve(t, ['--unix', unix]);
  t.is(local.url, `unix:${unix}`);
  t.is(
    (await exec('curl', ['-sS', '--unix-socket', unix, 'http://localhost/'])).stdout,
    'Hello, World!',
  );
  local.kill('SIGTERM');
  await local.closed;
  t.false(existsSync(unix));
});

test('a socket file that a killed server left is replaced, a live one is an error', async (t) => {
  const unix = join(temporary(t), 'app.sock');
  const dead = await serve(t, ['--unix', unix]);
  dead.kill('SIGKILL');
  await dead.closed;
  t.true(existsSync(unix));
  await serve(t, ['--unix', unix]);
  const refused = await run(['serve', '--unix', unix]);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^reactor-rs: [^\n]*app\.sock[^\n]*\n$/);
});

const METRICS = ['--metrics', '0'];

/** A connection with half a request, of which the server has read the head. */
async function half(t, server) {
  const wire = await open(t, server);
  wire.send('POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345');
  const isRead = /^reactor_http_request_heads_total 1$/m;
  await until(async () => isRead.test(await (await fetch(server.metricsUrl)).text()), 'the head');
  return wire;
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} drains: a request under way is answered, exit code 0, a summary`, async (t) => {
    const server = await serve(t, [...LOCAL, ...METRICS]);
    const wire = await half(t, server);
    server.kill(signal);
    await until(() => server.stderr().includes(signal), 'the drain to begin');
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.is(server.process.exitCode, null);
    wire.send('67890');
    t.regex(await wire.closes(), /^HTTP\/1\.1 200 .*1234567890$/s);
    t.deepEqual(await server.closed, { code: 0, signal: null });
    t.regex(
      server.stderr(),
      /\nserved 1 request on 1 connection, \d+ B in, \d+ B out, up \d+\.\d s\n$/,
    );
  });
}

test('a second signal cuts off what is under way', async (t) => {
  const drained = async () => {
    const server = await serve(t, [...LOCAL, ...METRICS, '--drain-timeout', '60000']);
    const wire = await half(t, server);
    server.kill('SIGINT');
    await until(() => server.stderr().includes('SIGINT'), 'the drain to begin');
    // A terminal and npm deliver one Ctrl-C twice: that does not count.
    server.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 400));
    return { server, wire };
  };
  let { server, wire } = await drained();
  // On a machine that stalls it may come later than one twice.
  for (let attempt = 1; attempt < 5 && server.process.exitCode !== null; attempt++) {
    ({ server, wire } = await drained());
  }
  t.is(server.process.exitCode, null);
  server.kill('SIGINT');
  t.deepEqual(await server.closed, { code: 130, signal: null });
  await wire.closes();
});

test('the drain time ends a stop that would not end', async (t) => {
  const server = await serve(t, [...LOCAL, ...METRICS, '--drain-timeout', '300']);
  await half(t, server);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('a reader that leaves early ends neither --help nor a server', async (t) => {
  const help = launch([BIN, 'serve', '--help']);
  help.process.stdout.destroy();
  const [code] = await once(help.process, 'close');
  t.deepEqual({ code, stderr: help.stderr() }, { code: 0, stderr: '' });

  const server = await serve(t, LOCAL);
  server.process.stdout.destroy();
  server.process.stderr.destroy();
  t.is((await fetch(server.url)).status, 200);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});
