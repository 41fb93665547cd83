// The metrics as Prometheus scrapes them.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { serve as serveApi } from 'reactor-rs';
import { run, serve, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { open } from '../support/wire.mjs';

const LOCAL = ['-H', '127.0.0.1', '-p', '0'];

/** Prometheus's own judge of the format, from Debian's package `prometheus`. */
const PROMTOOL = process.env.PROMTOOL ?? 'promtool';

/** Scrapes a URL, or `unix:` and a path. */
async function scrape(url) {
  // No connection of the agent's: one that an earlier server at the same address has
  // just closed might be in its pool still.
  const req = url.startsWith('unix:')
    ? request({ socketPath: url.slice(5), path: '/metrics', agent: false })
    : request(url, { agent: false });
  req.end();
  const [res] = await once(req, 'response');
  let body = '';
  for await (const chunk of res.setEncoding('utf8')) {
    body += chunk;
  }
  return { status: res.statusCode, type: res.headers['content-type'], body };
}

/** The value of one sample. */
function value(body, id) {
  const line = body.split('\n').find((line) => line.startsWith(`${id} `));
  return line === undefined ? undefined : Number(line.slice(id.length + 1));
}

async function start(t, options) {
  const server = await serveApi({ hostname: '127.0.0.1', port: 0, ...options });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

test('counts what happens, on a port of its own', async (t) => {
  const server = await start(t, {
    metrics: 0,
    ioThreads: 2,
    routes: { '/static': 'static', '/handler': () => new Response('') },
  });
  t.regex(server.metricsUrl, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  t.notRegex(server.metricsUrl, new RegExp(`:${server.port}/`));
  const wire = await open(t, server);
  wire.send('GET /static HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3));
  wire.send('GET /handler HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n');
  await wire.reads(/404/);
  await until(() => server.stats().requests.latency.count === 5, 'the last to be counted');
  const { status, type, body } = await scrape(server.metricsUrl);
  t.is(status, 200);
  t.is(type, 'text/plain; version=0.0.4; charset=utf-8');
  t.is(value(body, 'reactor_http_requests_total{code="2xx"}'), 4);
  t.is(value(body, 'reactor_http_requests_total{code="4xx"}'), 1);
  t.is(value(body, 'reactor_http_request_duration_seconds_count'), 5);
  t.is(value(body, 'reactor_http_request_duration_seconds_bucket{le="+Inf"}'), 5);
  t.is(value(body, 'reactor_connections_open'), 1);
  t.is(value(body, 'reactor_connections_accepted_total'), 1);
  t.is(value(body, 'reactor_lane_requests_in_flight{lane="0"}'), 0);
  t.true(value(body, 'reactor_thread_cpu_seconds_total{thread="rx-io-0"}') >= 0);
  t.true(value(body, 'process_resident_memory_bytes') > 1e6);
  // The metrics listener's own requests do not count.
  const again = await scrape(server.metricsUrl);
  t.is(value(again.body, 'reactor_http_requests_total{code="2xx"}'), 4);
  t.is(value(again.body, 'reactor_connections_accepted_total'), 1);
});

test('answers while every handler is busy', async (t) => {
  const folder = temporary(t);
  const done = join(folder, 'done');
  let isSeen = false;
  const server = await start(t, {
    metrics: 0,
    fetch: () => {
      const end = Date.now() + 30_000;
      while (!isSeen && Date.now() < end) {
        isSeen = existsSync(done);
      }
      return new Response('');
    },
  });
  // From another process: this one's thread is the busy one, until the other has seen it.
  const script = `
    const { request } = require('node:http');
    const { writeFileSync } = require('node:fs');
    request('${server.url}').on('error', () => {}).end();
    const scrape = () => request('${server.metricsUrl}', (res) => {
      res.setEncoding('utf8');
      let body = '';
      res.on('data', (chunk) => { body += chunk; });
      res.on('end', () => {
        const [, number] = /reactor_lane_requests_in_flight\\{lane="0"\\} (\\d+)/.exec(body);
        if (number === '0') {
          setTimeout(scrape, 10);
          return;
        }
        writeFileSync('${done}', '');
        process.stdout.write(number, () => process.exit());
      });
    }).end();
    scrape();`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [text] = await once(child.stdout.setEncoding('utf8'), 'data');
  t.is(text, '1');
  t.true(isSeen, 'told in time');
});

test('a unix socket serves them too', async (t) => {
  const file = join(temporary(t), 'metrics.sock');
  for (const metrics of [file, `unix:${file}`]) {
    const server = await start(t, { metrics });
    t.is(server.metricsUrl, `unix:${file}`);
    const { body } = await scrape(server.metricsUrl);
    t.is(value(body, 'reactor_connections_open'), 0);
    await server.stop();
  }
});

test('the listener ends with the server', async (t) => {
  const server = await start(t, { metrics: 0 });
  await server.stop();
  await t.throwsAsync(scrape(server.metricsUrl), { code: 'ECONNREFUSED' });
});

test('only host names of its own are answered, so that no page can make one its own', async (t) => {
  const folder = temporary(t);
  const server = await start(t, { metrics: '127.0.0.1:0', control: join(folder, 'control.sock') });
  const port = Number(new URL(server.metricsUrl).port);
  const ask = (where, path, host) =>
    new Promise((resolve, reject) => {
      const req = request({ ...where, path, agent: false, setHost: false }, (res) => {
        res.resume().on('end', () => resolve(res.statusCode));
      });
      req.setHeader('Host', host);
      req.on('error', reject).end();
    });
  const doors = [
    [{ host: '127.0.0.1', port }, '/metrics'],
    [{ host: '127.0.0.1', port }, '/snapshot'],
    [{ socketPath: join(folder, 'control.sock') }, '/'],
  ];
  for (const [where, path] of doors) {
    for (const own of [
      `127.0.0.1:${port}`,
      'localhost',
      `LOCALHOST:${port}`,
      '[::1]',
      hostname(),
    ]) {
      t.is(await ask(where, path, own), 200, own);
    }
    for (const other of ['evil.example', `rebound.example:${port}`, '127.0.0.1.evil.example']) {
      t.is(await ask(where, path, other), 421, other);
      // What a probe learns is no secret, and a cluster's probes have names of their own.
      if (path === '/metrics') t.is(await ask(where, '/readyz', other), 200, other);
    }
  }
});

test('an address that is taken names itself', async (t) => {
  const first = await start(t, { metrics: 0 });
  const { port } = new URL(first.metricsUrl);
  await t.throwsAsync(serveApi({ port: 0, metrics: Number(port) }), {
    code: 'ERR_REACTOR_ADDRESS_IN_USE',
    message: new RegExp(`^metrics: cannot listen on 127\\.0\\.0\\.1:${port}: `),
  });
});

test('metrics on the port of the server itself say whose address is taken', async (t) => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address();
  free.close();
  await once(free, 'close');
  const args = ['-H', '127.0.0.1', '-p', `${port}`, '--metrics', `${port}`];
  const { code, stderr } = await run(['serve', ...args]);
  t.is(code, 1);
  t.regex(stderr, /^reactor-rs: metrics: cannot listen on [^\n]* in use[^\n]*\n$/);
});

test('the command line has --metrics, and tells where they are', async (t) => {
  const server = await serve(t, [...LOCAL, '--metrics', '0']);
  const { body } = await scrape(server.metricsUrl);
  t.is(value(body, 'reactor_build_info{version="0.1.0"}'), 1);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
  const wrong = await run(['serve', '--metrics', 'localhost']);
  t.deepEqual(
    [wrong.code, wrong.stderr],
    [
      2,
      'reactor-rs: --metrics must be a port from 0 to 65535, "host:port", the path of a unix socket or "fd:3", got "localhost"\n',
    ],
  );
});

test('what names no listener is refused', async (t) => {
  for (const metrics of [
    -1,
    65_536,
    1.5,
    '65536',
    '127.0.0.1:65536',
    '',
    'host',
    'host:',
    ':1',
    '::1:80',
    'a b:1',
    'unix:',
    [],
  ]) {
    await t.throwsAsync(serveApi({ port: 0, metrics }), {
      code: 'ERR_REACTOR_INVALID_OPTION',
      message: /^option "metrics" must be a port/,
    });
  }
});

test('an IPv6 address is written in brackets', async (t) => {
  const server = await start(t, { metrics: '[::1]:0' }).catch((error) => {
    // A machine without IPv6.
    t.is(error.code, 'ERR_REACTOR_ADDRESS_NOT_AVAILABLE');
  });
  if (server !== undefined) {
    t.regex(server.metricsUrl, /^http:\/\/\[::1\]:\d+\/metrics$/);
  }
});

testWith(
  'promtool',
  test,
  PROMTOOL,
)('promtool finds nothing wrong', async (t) => {
  const server = await start(t, {
    metrics: 0,
    accessLog: '/dev/null',
    fetch: () => new Response(),
  });
  const wire = await open(t, server);
  wire.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await wire.reads(/200/);
  await until(() => server.stats().accessLog.written === 1, 'the record');
  const { body } = await scrape(server.metricsUrl);
  t.is(value(body, 'reactor_access_log_records_total'), 1);
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', 'metrics'], {
    input: body,
    encoding: 'utf8',
  });
  t.deepEqual([status, stdout, stderr], [0, '', '']);
});
