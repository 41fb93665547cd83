// The load client: from JavaScript, and from the command line as a user runs it.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import ava from 'ava';
import { bench, ReactorError, serve } from '../../dist/index.js';
import { BIN, launch, run, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';

/** One after the other: each is load. */
const test = ava.serial;

async function start(t, options) {
  const server = await serve({ hostname: '127.0.0.1', port: 0, ...options });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

/** A server that does whatever `handle` does with a socket. */
async function startRaw(t, handle) {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    handle(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) {
      socket.destroy();
    }
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}/`;
}

const NUMBERS = ['count', 'minNs', 'meanNs', 'stdevNs', 'p50Ns', 'p75Ns', 'p90Ns', 'p99Ns'];
const LATENCY = [...NUMBERS, 'p999Ns', 'p9999Ns', 'maxNs'];

test('both sides count the same, on a handler and on a route', async (t) => {
  const server = await start(t, {
    routes: { '/fixed': 'fixed', '/users/:id': ({ params }) => new Response(params.id) },
  });
  let total = 0;
  for (const [path, body, options] of [
    ['fixed', 'fixed', { connections: 3, threads: 3 }],
    ['users/42?a=b', '42', { connections: 7, pipeline: 5 }],
    ['fixed', 'fixed', { connections: 2, keepAlive: false }],
  ]) {
    const result = await bench(server.url + path, {
      requests: 501,
      expectBody: body,
      expectStatus: 200,
      ...options,
    });
    total += 501;
    t.deepEqual([result.requests, result.succeeded, result.errors.total], [501, 501, 0]);
    t.deepEqual(result.statuses, [{ status: 200, count: 501 }]);
    t.is(result.stoppedBy, 'requests');
    await until(() => server.stats().requests.success === total, 'the count');
    t.is(server.stats().requests.total, total);
  }
});

test('method, headers and body arrive as given', async (t) => {
  const seen = [];
  const server = await start(t, {
    fetch: async (request) => {
      const { method, url, headers } = request;
      seen.push([method, new URL(url).pathname, Object.fromEntries(headers), await request.text()]);
      return new Response(null, { status: 201 });
    },
  });
  const result = await bench(`${server.url}a%20b`, {
    requests: 1,
    connections: 1,
    method: 'PATCH',
    headers: { 'X-One': 'caf\xe9', 'x-two': ['a', 'b'], host: 'example.com' },
    body: new TextEncoder().encode('hëllo'),
    expectStatus: 201,
  });
  t.is(result.succeeded, 1);
  t.deepEqual(seen, [
    [
      'PATCH',
      '/a%20b',
      { 'content-length': '6', host: 'example.com', 'x-one': 'caf\xe9', 'x-two': 'a, b' },
      'hëllo',
    ],
  ]);
});

test('a rate is kept, and its latency counts from when a request was due', async (t) => {
  const server = await start(t, { routes: { '/': 'x' } });
  const options = { rate: 500, duration: 2000, warmup: 200, connections: 8, threads: 2 };
  const rates = [];
  let wasReached = false;
  // A machine that stalls keeps no rate: one run of five has to.
  while (!wasReached && rates.length < 5) {
    const result = await bench(server.url, options);
    t.deepEqual([result.requests, result.errors.total], [1000, 0]);
    const { targetRate, reached, unsent, sendDelay } = result.openLoop;
    t.deepEqual([targetRate, unsent, sendDelay.count], [500, 0, 1000]);
    t.true(result.latency.maxNs >= sendDelay.maxNs * 0.99);
    t.true(result.durationMs >= 1900, `${result.durationMs}`);
    rates.push(result.rate);
    wasReached = reached && Math.abs(result.rate - 500) <= 25;
  }
  t.true(wasReached, rates.join());
});

test('a URL needs no scheme', async (t) => {
  const server = await start(t, { routes: { '/': 'x', '/path': { status: 201, body: '' } } });
  const { port } = server;
  for (const [url, href] of [
    [`127.0.0.1:${port}`, `http://127.0.0.1:${port}/`],
    [`localhost:${port}/path?a=http://b`, `http://localhost:${port}/path?a=http://b`],
  ]) {
    const expectStatus = url.includes('path') ? 201 : 200;
    const result = await bench(url, { requests: 2, connections: 1, expectStatus });
    t.deepEqual([result.url, result.succeeded], [href, 2]);
  }
  const typed = await run(['bench', '-n', '1', '-c', '1', `127.0.0.1:${port}`]);
  t.is(typed.code, 0, typed.stderr);
});

test('a result has every number, and settings as they were in force', async (t) => {
  const server = await start(t, { routes: { '/': 'x' } });
  const result = await bench(new URL(server.url), { duration: 100 });
  t.deepEqual(Object.keys(result).sort(), [
    'bytes',
    'clientLoad',
    'connections',
    'durationMs',
    'errors',
    'firstErrors',
    'histogram',
    'http2',
    'latency',
    'openLoop',
    'rate',
    'requests',
    'settings',
    'statuses',
    'stoppedBy',
    'succeeded',
    'tls',
    'url',
  ]);
  t.deepEqual(result.settings, {
    threads: 1,
    connections: 64,
    pipeline: 1,
    keepAlive: true,
    streams: null,
    resume: null,
    webSocket: null,
    rate: null,
    durationMs: 100,
    requests: null,
    warmupMs: 0,
    timeoutMs: 5000,
  });
  t.is(result.url, server.url.href);
  t.is(result.stoppedBy, 'duration');
  t.is(result.openLoop, null);
  t.is(result.tls, null);
  t.deepEqual(result.connections, { opened: 64, failed: 0, unasked: 0 });
  t.deepEqual(Object.keys(result.latency).sort(), [...LATENCY].sort());
  const { latency, histogram } = result;
  const ordered = ['minNs', 'p50Ns', 'p75Ns', 'p90Ns', 'p99Ns', 'p999Ns', 'p9999Ns', 'maxNs'].map(
    (name) => latency[name],
  );
  t.deepEqual(
    ordered,
    [...ordered].sort((a, b) => a - b),
  );
  t.is(latency.count, result.requests);
  t.is(
    histogram.reduce((sum, { count }) => sum + count, 0),
    result.requests,
  );
  t.true(result.rate > 0 && result.bytes.sent > 0 && result.bytes.received > 0);
  t.true(result.clientLoad > 0 && result.clientLoad <= 1);
});

test('progress is told while it runs', async (t) => {
  const server = await start(t, { routes: { '/': 'x' } });
  const seen = [];
  const onProgress = (progress) => seen.push(progress);
  const result = await bench(server.url, { duration: 3000, warmup: 300, onProgress });
  t.true(seen.length >= 2 && seen.length <= 10, `${seen.length}`);
  const last = seen.at(-1);
  t.false(last.warmingUp);
  t.true(last.elapsedMs > 500 && last.requests > 0 && last.requests <= result.requests);
  t.is(last.errors, 0);
  t.true(last.latency.p99Ns >= last.latency.p50Ns);
});

test('an aborted signal ends it with the reason', async (t) => {
  const url = await startRaw(t, () => {});
  const reason = new Error('enough');
  await t.throwsAsync(bench(url, { signal: AbortSignal.abort(reason) }), { is: reason });
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 300);
  const started = Date.now();
  await t.throwsAsync(bench(url, { duration: 60_000, signal: controller.signal }), { is: reason });
  t.true(Date.now() - started < 30_000);
});

test('errors are counted by class, with the first in words', async (t) => {
  const hangs = await startRaw(t, () => {});
  const timeout = await bench(hangs, { requests: 3, connections: 3, timeout: 200 });
  t.is(timeout.errors.timeout, 3);
  t.deepEqual(timeout.firstErrors, [{ class: 'timeout', message: 'no whole answer within 200ms' }]);
  const nonsense = await startRaw(t, (socket) => socket.on('data', () => socket.write('SSH-2.0')));
  const receive = await bench(nonsense, { requests: 5, connections: 1 });
  t.is(receive.errors.receive, 5);
  t.regex(receive.firstErrors[0].message, /no HTTP\/1 status line/);
  const server = await start(t, { fetch: () => new Response('no', { status: 503 }) });
  const status = await bench(server.url, { requests: 5 });
  t.deepEqual([status.requests, status.errors.status, status.succeeded], [5, 5, 0]);
});

const URLS =
  'host:port or a URL such as http://127.0.0.1:8080/ (http, https, ws or wss, without user name)';
const WRONG = [
  [['https://u@a/'], `url must be ${URLS}, got "https://u@a/"`],
  ...['8080', ':80', '/path', 'ftp://a', 'u@a', 'u:p@a', 'a:b', 'http:/a', 'http:///a', ''].map(
    (url) => [[url], `url must be ${URLS}, got "${url}"`],
  ),
  [['http://u:p@a/'], `url must be ${URLS}, got "http://u:p@a/"`],
  [['http://'], `url must be ${URLS}, got "http://"`],
  [[undefined], `url must be ${URLS}, got undefined`],
  [
    ['http://a', { connections: 0 }],
    'option "connections" must be an integer from 1 to 65535, got 0',
  ],
  [
    ['http://a', { threads: 3, connections: 2 }],
    'option "threads" must be at most the number of connections, which is 2, got 3',
  ],
  [
    ['http://a', { pipeline: 2, keepAlive: false }],
    'option "pipeline" must be 1 without keep-alive, where a connection carries one request, got 2',
  ],
  [
    ['http://a', { method: 'CONNECT' }],
    'option "method" must be a method other than CONNECT, such as GET, got "CONNECT"',
  ],
  [
    ['http://a', { headers: { 'a b': 'c' } }],
    'option "headers" must be an object whose names are tokens, got "a b"',
  ],
  [
    ['http://a', { headers: { a: 'b\r\nc: d' } }],
    'option "headers", "a" must be a string without control characters, got "b\\r\\nc: d"',
  ],
  [
    ['http://a', { headers: { 'content-length': '1' } }],
    "header 'content-length' is written by the client itself",
  ],
  [['http://a', { body: 5 }], 'option "body" must be a string or bytes, got 5'],
  [
    ['http://a', { method: 'HEAD', expectBody: 'x' }],
    'option "expectBody" must be empty for HEAD, whose answers have no body, got "HEAD"',
  ],
  [['http://a', { signal: {} }], 'option "signal" must be an AbortSignal, got {}'],
  [['http://a', { onProgress: 1 }], 'option "onProgress" must be a function, got 1'],
  [['http://a', { keepAlive: 1 }], 'option "keepAlive" must be true or false, got 1'],
  [['http://a', { conections: 1 }], 'unknown option "conections"; did you mean "connections"?'],
];

for (const [args, message] of WRONG) {
  test(`bench refuses: ${message}`, async (t) => {
    const error = await t.throwsAsync(bench(...args), { instanceOf: ReactorError });
    t.is(error.message, message);
    t.regex(error.code, /^ERR_REACTOR_(INVALID|UNKNOWN)_OPTION$/);
  });
}

test('a server that is not there is a rejection that names it', async (t) => {
  const error = await t.throwsAsync(bench('http://127.0.0.1:1'), { instanceOf: ReactorError });
  t.is(error.code, 'ERR_REACTOR_CONNECT');
  t.regex(error.message, /^cannot connect to 127\.0\.0\.1:1: .*refused/);
  const lost = await t.throwsAsync(bench('http://no.such.host.invalid'));
  t.is(lost.code, 'ERR_REACTOR_HOST_NOT_FOUND');
  t.regex(lost.message, /^cannot find host 'no\.such\.host\.invalid': /);
});

test('a thread that ends takes its run along', async (t) => {
  const server = await start(t, { routes: { '/': 'x' } });
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(
      `import { bench } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
       bench(${JSON.stringify(server.url)}, { duration: 60_000 });`,
      { eval: true, type: 'module' },
    );
    t.teardown(() => worker.terminate());
    const before = server.stats().requests.total;
    await until(() => server.stats().requests.total > before + 100, 'load');
    await worker.terminate();
    await until(() => server.stats().connections.open === 0, 'the end of its connections');
    const { total } = server.stats().requests;
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.is(server.stats().requests.total, total);
  }
});

test('process.exit() under load ends with its own code', async (t) => {
  const server = await start(t, { routes: { '/': 'x' } });
  for (let round = 0; round < 5; round++) {
    const index = new URL('../../dist/index.js', import.meta.url).href;
    const child = launch([
      '--input-type=module',
      '--eval',
      `import { bench } from ${JSON.stringify(index)};
       bench(${JSON.stringify(server.url)}, { duration: 60_000, threads: 2 });
       setTimeout(() => process.exit(7), ${round * 20});`,
    ]);
    const [code, signal] = await once(child.process, 'close');
    t.deepEqual({ code, signal, stderr: child.stderr() }, { code: 7, signal: null, stderr: '' });
  }
});

// The command line.

async function cli(t, args, options) {
  const server = await start(t, { routes: { '/': 'Hello', '/gone': { status: 410, body: 'no' } } });
  return { server, ...(await run(['bench', ...args(server.url.href)], options)) };
}

test('bench reports on stdout and exits with 0', async (t) => {
  const { code, stdout, stderr, server } = await cli(t, (url) => ['-n', '1234', '-c', '5', url]);
  t.is(stderr, '');
  t.is(code, 0);
  const lines = [
    `${server.url}: 1 thread, 5 connections, `,
    'requests   1,234\n',
    'succeeded  1,234 (100.00 %)\n',
    'errors     0\n',
    'statuses   200: 1,234\n',
    'rate ',
    'bytes ',
    'latency    from sending to the whole answer\n',
    '  p50 ',
    '  p99.99 ',
    '  max ',
    '  ≤ ',
  ];
  for (const line of lines) {
    t.true(stdout.includes(line), `${line} in ${stdout}`);
  }
  t.true(stdout.includes('█'));
  t.is(server.stats().requests.total, 1234);
});

test('--json prints one line, the result of the API', async (t) => {
  const load = ['-t', '2', '-c', '4', '--pipeline', '3', '-n', '300', '-d', '1.5m'];
  const args = ['--json', ...load, '--warmup', '0', '--timeout', '20'];
  const { code, stdout } = await cli(t, (url) => [...args, url]);
  t.is(code, 0);
  t.is(stdout.indexOf('\n'), stdout.length - 1);
  const result = JSON.parse(stdout);
  t.deepEqual([result.requests, result.succeeded], [300, 300]);
  const { threads, connections, pipeline } = result.settings;
  t.deepEqual([threads, connections, pipeline], [2, 4, 3]);
  t.is(result.latency.count, 300);
  const { durationMs, warmupMs, timeoutMs } = result.settings;
  t.deepEqual([durationMs, warmupMs, timeoutMs], [90_000, 0, 20_000]);
});

test('-R says whether the rate was reached', async (t) => {
  // So few that each has half a second: a machine that is busy may be late by that much.
  const args = ['-R', '2', '-d', '2s', '--warmup', '100ms', '-c', '4'];
  const { code, stdout } = await cli(t, (url) => [...args, url]);
  t.is(code, 0);
  t.regex(stdout, /^requests {3}4$/m);
  t.regex(stdout, /^rate {7}2 requests\/s, of 2 asked for: reached; sent .* late at p99$/m);
  t.true(stdout.includes('latency    from when a request was due to its whole answer\n'));
  const hangs = await startRaw(t, () => {});
  const slow = await run([
    'bench',
    '-R',
    '100',
    '-d',
    '200ms',
    '-c',
    '2',
    '--timeout',
    '1s',
    hangs,
  ]);
  t.is(slow.code, 1);
  t.regex(slow.stdout, /asked for: NOT REACHED; 1\d requests never went out$/m);
});

test('-R: a server that is slow and keeps up has reached the rate', async (t) => {
  const slow = await start(t, {
    fetch: async () => {
      await sleep(700);
      return new Response('x');
    },
  });
  const { code, stdout } = await run(['bench', '-R', '2', '-d', '1s', '-c', '4', slow.url]);
  t.is(code, 0);
  t.regex(stdout, /^rate {7}2 requests\/s, of 2 asked for: reached; sent .* late at p99$/m);
});

test('what is not as expected is exit code 1, within --max-errors 0', async (t) => {
  const status = await cli(t, (url) => ['-n', '10', '--expect-status', '404', url]);
  t.is(status.code, 1);
  t.is(status.stderr, 'reactor-rs: 10 of 10 requests failed, more than --max-errors 0\n');
  t.regex(status.stdout, /^errors {5}10: status 10\n {11}first status error: status 200$/m);
  const body = await cli(t, (url) => ['-n', '10', '--expect-body', 'Hallo', url]);
  t.is(body.code, 1);
  t.regex(body.stdout, /^errors {5}10: body 10$/m);
  const right = await cli(t, (url) => [
    ...['-n', '10', '--expect-status', '410', '--expect-body', 'no', '--max-errors', '0'],
    `${url}gone`,
  ]);
  t.deepEqual([right.code, right.stderr], [0, '']);
  for (const [limit, code] of [
    ['9', 1],
    ['10', 0],
    ['99.9%', 1],
    ['100%', 0],
  ]) {
    const some = await cli(t, (url) => ['-n', '10', '--max-errors', limit, `${url}gone`]);
    t.is(some.code, code, limit);
  }
});

test('-m, -H and -b make the request, @ reads a file', async (t) => {
  const folder = temporary(t);
  const file = join(folder, 'body.txt');
  writeFileSync(file, 'from a file');
  const seen = [];
  const server = await start(t, {
    fetch: async (request) => {
      seen.push([request.method, request.headers.get('x-a'), await request.text()]);
      return new Response('from a file');
    },
  });
  const base = ['bench', '-n', '1', '-c', '1'];
  const request = ['-m', 'PUT', '-H', 'X-A: 1', '-H', 'X-A:2'];
  const fromFile = ['-b', `@${file}`, '--expect-body', `@${file}`];
  t.is((await run([...base, ...request, ...fromFile, server.url.href])).code, 0);
  t.is((await run([...base, '-m', 'POST', '-b', 'inline', server.url.href])).code, 0);
  t.deepEqual(seen, [
    ['PUT', '1, 2', 'from a file'],
    ['POST', null, 'inline'],
  ]);
});

test('--unix and --no-keepalive', async (t) => {
  const folder = temporary(t);
  const unix = join(folder, 'app.sock');
  const server = await serve({ unix, routes: { '/': 'x' } });
  t.teardown(() => server.stop({ force: true }));
  const args = ['bench', '--unix', unix, '--no-keepalive', '--json', '-n', '50', 'http://any/'];
  const { code, stdout } = await run(args);
  t.is(code, 0);
  t.is(JSON.parse(stdout).connections.opened, 50);
});

test('Ctrl-C prints what was counted and exits with 130', async (t) => {
  const server = await start(t, { routes: { '/': 'x' } });
  const child = launch([BIN, 'bench', '-d', '60s', server.url.href]);
  t.teardown(() => child.process.kill('SIGKILL'));
  const closed = once(child.process, 'close');
  await until(() => server.stats().requests.total > 5000, 'load');
  child.process.kill('SIGINT');
  const [code, signal] = await closed;
  t.deepEqual([code, signal], [130, null]);
  t.regex(child.stdout(), /\(interrupted\)\n/);
  t.regex(child.stdout(), /^succeeded {2}[\d,]{4,} \(100\.00 %\)$/m);
});

testWith('script', test)('a line is kept up to date on a terminal only', async (t) => {
  const server = await start(t, { routes: { '/': 'x' } });
  const command = `${process.execPath} ${BIN} bench -d 3s ${server.url}`;
  // script(1) gives the command a terminal.
  const seen = await run(['-qec', command, '/dev/null'], {
    file: 'script',
    env: { TERM: 'xterm-256color' },
  });
  t.is(seen.code, 0);
  t.regex(seen.stdout, /\d\.\d s {2}[\d,]+ req\/s {2}p50 .* {2}p99 .* {2}0 errors/);
});

const TIME = '(on the command line 500ms, 10s, 2m)';
const MISTAKES = [
  [['-c', '0', 'http://a'], '-c/--connections must be an integer from 1 to 65535, got "0"'],
  [['-c', '1e3', 'http://a'], '-c/--connections must be an integer from 1 to 65535, got "1e3"'],
  [
    ['-t', '3', '-c', '2', 'http://a'],
    '-t/--threads must be at most the number of connections, which is 2, got 3',
  ],
  [
    ['-d', '5x', 'http://a'],
    `-d/--duration must be from 1 to 86400000 milliseconds ${TIME}, got "5x"`,
  ],
  [
    ['-d', '25h', 'http://a'],
    `-d/--duration must be from 1 to 86400000 milliseconds ${TIME}, got "25h"`,
  ],
  [
    ['--timeout', '0', 'http://a'],
    `--timeout must be from 1 to 86400000 milliseconds ${TIME}, got "0"`,
  ],
  [['-n', '0', 'http://a'], '-n/--requests must be an integer from 1 to 9007199254740991, got "0"'],
  [['-R', '0', 'http://a'], '-R/--rate must be an integer from 1 to 10000000, got "0"'],
  [
    ['--pipeline', '2', '--no-keepalive', 'http://a'],
    '--pipeline must be 1 without keep-alive, where a connection carries one request, got 2',
  ],
  [
    ['-H', 'nope', 'http://a'],
    '-H/--header must be a line such as "Accept: text/plain", got "nope"',
  ],
  [
    ['-H', 'a b: c', 'http://a'],
    '-H/--header must be a line such as "Accept: text/plain", got "a b: c"',
  ],
  [
    ['-m', 'G T', 'http://a'],
    '-m/--method must be a method other than CONNECT, such as GET, got "G T"',
  ],
  [['-b', '@/no/such', 'http://a'], '-b/--body cannot read "/no/such": there is no such file'],
  [['-b', '@/tmp', 'http://a'], '-b/--body cannot read "/tmp": EISDIR'],
  [
    ['--max-errors', '101%', 'http://a'],
    '--max-errors must be a number of requests or a share from 0% to 100%, got "101%"',
  ],
  [
    ['--expect-status', '20', 'http://a'],
    '--expect-status must be an integer from 100 to 999, got "20"',
  ],
  [['https://u@a/'], `url must be ${URLS}, got "https://u@a/"`],
  [['u@a:80'], `url must be ${URLS}, got "u@a:80"`],
  [[], 'bench needs a URL, such as reactor-rs bench http://localhost:8080/'],
  [['--prot', 'http://a'], "unknown option '--prot'"],
];

for (const [args, message] of MISTAKES) {
  test(`"reactor-rs bench ${args.join(' ')}" is one line and exit code 2`, async (t) => {
    t.deepEqual(await run(['bench', ...args]), {
      code: 2,
      signal: null,
      stdout: '',
      stderr: `reactor-rs: ${message}\n`,
    });
  });
}

test('a server that is not there is exit code 1 and a line that names it', async (t) => {
  const { code, stdout, stderr } = await run(['bench', 'http://127.0.0.1:1/']);
  t.deepEqual([code, stdout], [1, '']);
  t.regex(stderr, /^reactor-rs: cannot connect to 127\.0\.0\.1:1: [^\n]*refused[^\n]*\n$/);
});

test('bench --help names every flag, and what the exit codes mean', async (t) => {
  const { code, stdout } = await run(['bench', '--help']);
  t.is(code, 0);
  for (const flag of [
    ...['-t, --threads', '-c, --connections', '-d, --duration', '-n, --requests', '-R, --rate'],
    ...['--pipeline', '--no-keepalive', '--warmup', '--timeout', '--unix', '--json'],
    ...['-m, --method', '-H, --header', '-b, --body'],
    ...['--expect-status', '--expect-body', '--max-errors', 'exit code'],
    ...['--cacert', '--cert', '--key', '--insecure', '--no-resume', '--tls-version', '--ciphers'],
  ]) {
    t.true(stdout.includes(flag), flag);
  }
});
