// OpenTelemetry's SDK with examples/opentelemetry: one trace across two servers of this package, whose
// spans come here by OTLP.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, finish, skip } from '../lib.mjs';
import { installed } from './tracing/installed.mjs';

/** Of OTLP: the kinds of a span, and the status of one that failed. */
const SERVER = 2;
const CLIENT = 3;
const FAILED = 2;

/** What has come by OTLP, and who waits for more. */
const spans = [];
let onSpans = () => {};
const children = [];

const { folder, why } = await installed();
if (folder === null) {
  skip(why);
} else {
  const logs = mkdtempSync(join(tmpdir(), 'reactor-tracing-'));
  const receiver = await receive();
  try {
    await tryAll(logs, `http://127.0.0.1:${receiver.address().port}`);
  } finally {
    for (const { child } of children) {
      child.kill('SIGKILL');
    }
    receiver.close();
    rmSync(logs, { recursive: true });
  }
}
finish();

async function tryAll(logs, endpoint) {
  const stock = await start('stock', logs, endpoint);
  const env = { STOCK: stock.url };
  const [routes, threads, node] = await Promise.all(
    ['routes', 'threads', 'node'].map((form) => start(form, logs, endpoint, env)),
  );

  for (const [name, server, path, route] of [
    ['routes', routes, '/items/7', '/items/:id'],
    ['a streamed body', routes, '/stream/7', '/stream/:id'],
    ['Hono', routes, '/hono/7', '/hono/:id'],
    ['threads', threads, '/items/7', '/items/:id'],
    ['Hono on threads', threads, '/hono/7', '/hono/:id'],
    ['reactor-rs/node', node, '/items/7', undefined],
  ]) {
    await check(`${name}: one trace across two servers, parents and children right`, async () => {
      const id = await ask(server, path, '01', 200);
      const [first, client, second] = await traceOf(id, 3);
      assert.equal(first.parentSpanId, id.slice(0, 16));
      assert.equal(client.parentSpanId, first.spanId);
      assert.equal(second.parentSpanId, client.spanId);
      assert.deepEqual([first.kind, client.kind, second.kind], [SERVER, CLIENT, SERVER]);
      assert.deepEqual([first.service, second.service], [server.form, 'stock']);
      assert.equal(first.name, route === undefined ? 'GET' : `GET ${route}`);
      assert.equal(second.name, 'GET /stock/:id');
      assert.equal(attribute(first, 'http.request.method'), 'GET');
      assert.equal(attribute(first, 'http.response.status_code'), 200);
      assert.equal(attribute(first, 'http.route'), route);
      assert.equal(attribute(first, 'url.path'), path);
      for (const span of [first, client, second]) {
        assert.notEqual(span.status.code, FAILED);
      }
      assert.ok(BigInt(first.endTimeUnixNano) >= BigInt(client.endTimeUnixNano));
    });
  }

  await check('an error is told with its span, whose status says so', async () => {
    const id = await ask(routes, '/fails/1', '01', 500);
    const [first, , second] = await traceOf(id, 3);
    assert.equal(first.status.code, FAILED);
    assert.equal(attribute(first, 'error.type'), 'RangeError');
    assert.equal(attribute(first, 'http.response.status_code'), 500);
    const [event] = first.events;
    assert.equal(event.name, 'exception');
    assert.equal(attribute(event, 'exception.message'), 'no such item');
    assert.notEqual(second.status.code, FAILED);
  });

  await check('reactor-rs/node: a status of 500 is an error', async () => {
    const [first] = await traceOf(await ask(node, '/fails/1', '01', 500), 3);
    assert.deepEqual([first.status.code, attribute(first, 'http.response.status_code')], [2, 500]);
  });

  const unsampled = [];
  for (const server of [routes, threads, node]) {
    unsampled.push(await ask(server, '/items/7', '00', 200));
  }
  await check('a trace that begins here has one id in spans and access logs', async () => {
    const before = spans.length;
    assert.equal((await fetch(`${routes.url}/items/9`)).status, 200);
    await until(() => spans.slice(before).filter(({ kind }) => kind === SERVER).length === 2);
    const [first] = spans.slice(before).filter(({ service }) => service === 'routes');
    const trace = spans.filter(({ traceId }) => traceId === first.traceId);
    assert.equal(trace.length, 3);
    const root = trace.find(({ parentSpanId }) => !parentSpanId);
    assert.equal(root.name, 'GET /items/:id');
  });

  for (const { child, ended } of children) {
    child.kill('SIGTERM');
    await ended;
  }
  await check('what the caller has not sampled is not told, and the next server knows', () => {
    const ids = unsampled.map((id) => id.slice(16));
    assert.deepEqual(
      spans.filter(({ traceId }) => ids.includes(traceId)),
      [],
    );
    const asked = stock.log().filter(({ trace_id }) => ids.includes(trace_id));
    assert.deepEqual(
      asked.map(({ trace_flags }) => trace_flags),
      ['00', '00', '00'],
    );
  });

  await check('each line of the access logs has the ids of its span', () => {
    for (const { form, log } of [stock, routes, threads]) {
      const lines = log().filter(({ trace_flags }) => trace_flags !== '00');
      assert.ok(lines.length > 1);
      for (const { trace_id, span_id, parent_id } of lines) {
        const span = spans.find(({ spanId }) => spanId === span_id);
        assert.equal(span?.traceId, trace_id, `${form} ${span_id}`);
        assert.equal(span.parentSpanId || null, parent_id);
      }
    }
  });
}

/** Asks as a part of a trace; returns the ids of parent and trace in one. */
async function ask({ url }, path, flags, status) {
  const [trace, parent] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  const response = await fetch(url + path, {
    headers: { traceparent: `00-${trace}-${parent}-${flags}` },
  });
  assert.equal(response.status, status, await response.text());
  return parent + trace;
}

/** The spans of a trace, from the first to the last. */
async function traceOf(id, count) {
  const of = () => spans.filter(({ traceId }) => traceId === id.slice(16));
  await until(() => of().length >= count);
  assert.equal(of().length, count);
  const chain = [];
  for (let parent = id.slice(0, 16); chain.length < count; parent = chain.at(-1).spanId) {
    const next = of().find(({ parentSpanId }) => parentSpanId === parent);
    assert.ok(next, `a span has the parent ${parent}: ${JSON.stringify(of())}`);
    chain.push(next);
  }
  return chain;
}

function attribute({ attributes }, name) {
  const value = attributes.find(({ key }) => key === name)?.value;
  return value && (value.stringValue ?? Number(value.intValue));
}

/** Waits for spans; a deadline that only a hang can reach. */
async function until(condition) {
  const timer = setTimeout(() => onSpans(), 10_000);
  const since = performance.now();
  while (!condition()) {
    assert.ok(performance.now() - since < 10_000, 'spans are missing after 10 s');
    await new Promise((resolve) => {
      onSpans = resolve;
    });
  }
  clearTimeout(timer);
}

/** A receiver of OTLP over HTTP, in JSON. */
async function receive() {
  const server = http.createServer(async (request, response) => {
    const { resourceSpans } = JSON.parse(Buffer.concat(await request.toArray()).toString());
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = attribute(resource, 'service.name');
      spans.push(
        ...scopeSpans.flatMap((scope) => scope.spans.map((span) => ({ ...span, service }))),
      );
    }
    response.end('{}');
    onSpans();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function start(form, logs, endpoint, env = {}) {
  const file = join(logs, `${form}.log`);
  const hook = form === 'node' ? './trial/http.mjs' : './example/tracing.mjs';
  const child = spawn(process.execPath, ['--import', hook, './trial/main.mjs'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ...env,
      FORM: form,
      LOG: file,
      OTEL_SERVICE_NAME: form,
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      OTEL_NODE_RESOURCE_DETECTORS: 'env',
      // The errors that the trial makes.
      NODE_NO_WARNINGS: '1',
    },
  });
  const ended = once(child, 'exit');
  children.push({ child, ended });
  let printed = '';
  const url = await new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      printed += text;
      const found = /^listening on (\S+)$/m.exec(printed)?.[1];
      if (found !== undefined) {
        resolve(found);
      }
    });
    child.once('exit', () => reject(new Error(`${form} did not start: ${printed}`)));
  });
  const lines = () => readFileSync(file, 'utf8').trim().split('\n');
  return { form, url, log: () => lines().map((line) => JSON.parse(line)) };
}
