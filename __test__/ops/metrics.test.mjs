// Metrics by route and of Node's threads, and a program's own on the same page.

import { once } from 'node:events';
import { connect } from 'node:http2';
import test from 'ava';
import { serve } from 'reactor-rs';
import { until } from '../support/command.mjs';

async function start(t, options) {
  const server = await serve({ hostname: '127.0.0.1', port: 0, metrics: 0, ...options });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

/** Lines of the page of metrics that begin with a name. */
async function lines(server, name) {
  const response = await fetch(server.metricsUrl);
  const page = await response.text();
  return page.split('\n').filter((line) => line.startsWith(name));
}

/** The rows of `stats().routes` as text, in their order. */
const rows = (server) =>
  server.stats().routes.map(({ method, route, requests }) => `${method} ${route} ${requests}`);

/** Asks for paths, one after another. */
async function ask(server, ...paths) {
  for (const [path, method = 'GET'] of paths.map((each) => each.split(' '))) {
    await (await fetch(new URL(path, server.url), { method })).arrayBuffer();
  }
}

test('each route has a row for each method, with the pattern as it is written', async (t) => {
  const server = await start(t, {
    ioThreads: 2,
    routes: {
      '/static': 'static',
      '/users/:id': { GET: () => new Response(''), POST: () => new Response('', { status: 503 }) },
      '/files/*': { dir: 'ts/types' },
    },
    fetch: () => new Response('', { status: 404 }),
  });
  await ask(server, '/static', '/static', '/static HEAD', '/users/1', '/users/2', '/users/1 POST');
  await ask(server, '/files/stats.ts', '/files/none', '/else', '/users/1 DELETE', '/static PURGE');
  const expected = [
    'GET /static 2',
    'HEAD /static 1',
    'GET /users/:id 2',
    'POST /users/:id 1',
    'GET /files/* 2',
    'GET fetch 1',
    'DELETE fetch 1',
    'OTHER fetch 1',
  ];
  t.deepEqual(rows(server), expected);
  const [, , users, failed, files] = server.stats().routes;
  t.like(users, { success: 2, clientError: 0, serverError: 0 });
  t.like(failed, { success: 0, serverError: 1 });
  t.like(files, { success: 1, clientError: 1 });
  await until(() =>
    server.stats().routes.every(({ requests, latency }) => latency.count === requests),
  );
  t.true(users.latencySumNs >= users.latency.maxNs && users.latency.p50Ns > 0);

  const name = 'reactor_http_route_requests_total';
  const counted = await lines(server, `${name}{method="GET",route="/files/*"`);
  t.deepEqual(counted, [
    `${name}{method="GET",route="/files/*",code="2xx"} 1`,
    `${name}{method="GET",route="/files/*",code="4xx"} 1`,
  ]);
  const durations = await lines(
    server,
    'reactor_http_route_duration_seconds_count{method="POST",route="/users/:id"} 1',
  );
  t.is(durations.length, 1);
});

test('what the server answers by itself has rows too', async (t) => {
  const server = await start(t, { routes: { '/a': 'a', '/b': { POST: () => new Response('') } } });
  await ask(server, '/none', '/b', '/b OPTIONS', '/a PURGE');
  t.deepEqual(rows(server), ['OTHER built-in 1', 'GET built-in 2', 'OPTIONS built-in 1']);
});

test('counts of a pattern go on after a reload, and HTTP/2 counts beside HTTP/1', async (t) => {
  const server = await start(t, { routes: { '/a': 'a', '/b': 'b' } });
  await ask(server, '/a', '/b');
  server.reload({ routes: { '/b': () => new Response('new'), '/c"/\\:d': 'c' } });
  await ask(server, '/b', '/a', '/c"/:d');
  const client = connect(server.url.href);
  t.teardown(() => client.destroy());
  const stream = client.request({ ':path': '/b' });
  stream.resume();
  await once(stream, 'close');
  t.deepEqual(rows(server), ['GET /a 1', 'GET /b 3', 'GET built-in 1', 'GET /c"/\\:d 1']);
  const [escaped] = await lines(server, 'reactor_http_route_requests_total{method="GET",route="/c');
  t.is(
    escaped,
    'reactor_http_route_requests_total{method="GET",route="/c\\"/\\\\:d",code="2xx"} 1',
  );
});

test('there are 256 rows at most', async (t) => {
  const paths = Array.from({ length: 300 }, (_, number) => `/r${number}`);
  const server = await start(t, { routes: Object.fromEntries(paths.map((path) => [path, 'x'])) });
  await ask(server, ...paths);
  const found = rows(server);
  t.is(found.length, 255);
  t.is(found.at(-1), 'OTHER other 46');
});

test('each JavaScript thread tells of its heap, its collections and its event loop', async (t) => {
  const server = await start(t, { fetch: () => new Response('') });
  const [node, ...more] = server.stats().node;
  t.is(more.length, 0);
  t.is(node.thread, 'main');
  const { heapUsed, heapTotal, heapLimit, external, gc, eventLoop } = node;
  t.true(0 < heapUsed && heapUsed <= heapTotal && heapTotal <= heapLimit && external > 0);
  t.true(gc.count >= 0 && eventLoop.activeMs > 0);
  const page = await lines(server, 'nodejs_');
  const samples = new Map(page.map((line) => line.split(/ (?=\S+$)/)));
  t.is(samples.get('nodejs_heap_size_used_bytes{thread="main"}'), `${heapUsed}`);
  t.is(samples.get('nodejs_gc_duration_seconds_bucket{thread="main",kind="major",le="+Inf"}'), '0');
  t.true(
    Number(samples.get('nodejs_eventloop_time_seconds_total{thread="main",state="active"}')) > 0,
  );
});

test('without metrics and a control socket, threads tell nothing', async (t) => {
  const server = await start(t, { metrics: undefined, fetch: () => new Response('') });
  t.deepEqual(server.stats().node, []);
});
