// What Prometheus's own judge says of the page of a busy server with much of what there is: TLS,
// HTTP/2, compression, files, an access log, routes with odd names; and of a page that a program's
// own metrics are on, which prom-client has counted.
//
//   node scripts/trials/ops/promtool.mjs

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:http2';
import { Agent, request } from 'node:https';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { serve } from '../../../dist/index.js';
import { ROOT } from '../../setup.mjs';
import { check, finish, program } from '../lib.mjs';
import { scratch } from '../websocket/scratch.mjs';

const promtool = program('promtool', 'apt-get install prometheus');
const openssl = program('openssl', 'apt-get install openssl');
if (promtool !== null && openssl !== null) {
  await tryIt();
}
const folder = promtool === null ? null : await scratch({ 'prom-client': '15.1.3' });
if (folder !== null) {
  await tryClient(createRequire(join(folder, 'here.mjs'))('prom-client'));
}
finish();

async function tryIt() {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-promtool-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  execFileSync(
    openssl,
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
      .concat(['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN="quoted" \\ name'])
      .concat(['-addext', 'subjectAltName=DNS:localhost']),
    { stdio: 'ignore' },
  );
  const server = await serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: { key: readFileSync(key), cert: readFileSync(cert) },
    metrics: 0,
    accessLog: join(folder, 'access.log'),
    compress: true,
    routes: {
      '/static': 'static',
      '/users/:id': ({ params }) => Response.json({ ...params, text: 'x'.repeat(5000) }),
      '/fails': () => {
        throw new Error('as it is to');
      },
      '/files/*': { dir: join(ROOT, 'docs') },
      '/odd"name/\\:x': 'odd',
    },
    fetch: ({ url }) => new Response(url, { status: 404 }),
    error: () => new Response('', { status: 500 }),
  });
  const agent = new Agent({ ca: readFileSync(cert), keepAlive: true, maxSockets: 8 });
  try {
    const paths = ['static', 'users/7', 'fails', 'files/README.md', 'odd%22name/:x', 'none'];
    for (let round = 0; round < 40; round++) {
      await Promise.all(
        paths.map((path) => ask(`https://localhost:${server.port}/${path}`, agent)),
      );
    }
    await overHttp2(server.port, readFileSync(cert), paths);
    const page = await (await fetch(server.metricsUrl)).text();
    const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], {
      input: page,
      encoding: 'utf8',
    });
    await check('promtool finds nothing wrong with the page of a busy server', () => {
      assert.deepEqual([status, stdout, stderr], [0, '', '']);
      return `${page.split('\n').length} lines`;
    });
    await check('it has what was done', () => {
      for (const part of [
        'reactor_http_route_requests_total{method="GET",route="/users/:id",code="2xx"} 41',
        'reactor_http_route_requests_total{method="GET",route="/odd\\"name/\\\\:x",code="2xx"} 41',
        'reactor_http_route_requests_total{method="GET",route="/fails",code="5xx"} 41',
        'nodejs_heap_size_used_bytes{thread="main"} ',
        'reactor_tls_handshakes_total{session=',
      ]) {
        assert(page.includes(part), `no ${part}`);
      }
    });
    await check('the alerts of examples/prometheus are rules', () => {
      const rules = join(ROOT, 'examples/prometheus/alerts.yml');
      const judged = spawnSync(promtool, ['check', 'rules', rules], { encoding: 'utf8' });
      assert.equal(judged.status, 0, judged.stdout + judged.stderr);
    });
    await check('alerts and dashboard ask for families that are there', () => {
      const asked = ['alerts.yml', 'grafana-dashboard.json']
        .map((name) => readFileSync(join(ROOT, 'examples/prometheus', name), 'utf8'))
        .join('\n')
        .match(/\b(?:reactor|nodejs|process)_\w+/g);
      const families = new Set(Array.from(page.matchAll(/^# TYPE (\w+)/gm), ([, name]) => name));
      const isThere = (name) =>
        families.has(name) || families.has(name.replace(/_(bucket|sum|count)$/, ''));
      assert.deepEqual(
        [...new Set(asked)].filter((name) => !isThere(name)),
        [],
      );
    });
  } finally {
    agent.destroy();
    await server.stop({ force: true });
    rmSync(folder, { recursive: true });
  }
}

/** A program that has all of prom-client's own metrics, and some of each kind. */
async function tryClient(client) {
  client.collectDefaultMetrics();
  const labelNames = ['name'];
  const counter = new client.Counter({ name: 'orders_total', help: 'Orders\n\\', labelNames });
  const seconds = new client.Histogram({ name: 'order_seconds', help: 'Time.', labelNames });
  const sizes = new client.Summary({ name: 'order_bytes', help: 'Sizes.', labelNames });
  const nothing = new client.Gauge({ name: 'order_share', help: 'May be no number.' });
  for (const name of ['a', '"\\\n', '}, {', '\u2028 é']) {
    counter.inc({ name });
    seconds.observe({ name }, 0.1);
    sizes.observe({ name }, 7);
  }
  nothing.set(Number.NaN);
  const server = await serve({
    hostname: '127.0.0.1',
    port: 0,
    metrics: { listen: 0, registry: client.register },
    fetch: () => new Response(''),
  });
  try {
    await check("promtool finds nothing wrong with prom-client's metrics on the page", async () => {
      const page = await (await fetch(server.metricsUrl)).text();
      assert.match(page, /^reactor_program_metrics_up 1$/m);
      assert.match(page, /^orders_total\{name="a"\} 1$/m);
      assert.match(page, /^order_seconds_bucket\{le="0.1",name="a"\} 1$/m);
      const [, twins] = /because the server has them: (.*)$/m.exec(page) ?? [];
      assert.match(twins ?? '', /\bprocess_open_fds\b.*\bnodejs_gc_duration_seconds\b/);
      const input = page;
      const judged = spawnSync(promtool, ['check', 'metrics'], { input, encoding: 'utf8' });
      const { status, stdout, stderr } = judged;
      // What it finds to say of prom-client's own names.
      const own = stderr.split('\n').filter((line) => !/^(nodejs|process)_|^$/.test(line));
      assert.deepEqual([status === 1, stdout, own], [false, '', []]);
      return `left out: ${twins}`;
    });
    await check('a page in the format of OpenMetrics is taken too', async () => {
      client.register.setContentType(client.Registry.OPENMETRICS_CONTENT_TYPE);
      const page = await (await fetch(server.metricsUrl)).text();
      assert.match(page, /^reactor_program_metrics_up 1$/m);
      assert.doesNotMatch(page, /# EOF/);
      const judged = spawnSync(promtool, ['check', 'metrics'], { input: page, encoding: 'utf8' });
      assert.notEqual(judged.status, 1, judged.stderr);
    });
  } finally {
    await server.stop({ force: true });
  }
}

async function ask(url, agent) {
  const asked = request(url, { agent, headers: { 'accept-encoding': 'br, gzip' } }).end();
  const [answer] = await once(asked, 'response');
  answer.resume();
  await once(answer, 'end');
}

async function overHttp2(port, ca, paths) {
  const session = connect(`https://localhost:${port}`, { ca });
  await Promise.all(paths.map((path) => text(session.request({ ':path': `/${path}` }))));
  session.close();
}
