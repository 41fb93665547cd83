// Traces and the channel of requests, as a program sees them.

import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { serve as serveApi } from 'reactor-rs';
import { serve as command, until } from '../support/command.mjs';
import { moduleOf, temporary } from '../support/folder.mjs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const GOOD = `00-${TRACE}-${PARENT}-01`;

/** A server on loopback, stopped at the end of the test. */
async function start(t, options) {
  const server = await serveApi({ hostname: '127.0.0.1', port: 0, ...options });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

/** What a request with these fields, names and values in turn, is answered with. */
function ask(server, path, fields = []) {
  return new Promise((resolve, reject) => {
    const { hostname: host, port } = server;
    const request = http.request({ host, port, path, headers: ['host', host, ...fields] });
    request.on('error', reject).on('response', async (response) => {
      const chunks = await response.toArray();
      const text = Buffer.concat(chunks).toString();
      resolve({ status: response.statusCode, headers: response.headers, text });
    });
    request.end();
  });
}

const tracesItself = (_request, info) => {
  const { traceparent, headers, parentId, sampled } = info.trace;
  return Response.json({ ...info.trace.toJSON(), traceparent, headers, parentId, sampled });
};

async function traceOf(server, ...fields) {
  return JSON.parse((await ask(server, '/', fields)).text);
}

test('a trace goes on from a traceparent, and its state with it', async (t) => {
  const server = await start(t, { fetch: tracesItself });
  const state = ['tracestate', 'a=1,b@c=2', 'TraceState', 'rojo=00f067aa0ba902b7'];
  const trace = await traceOf(server, 'Traceparent', GOOD, ...state);
  const { spanId, traceparent } = trace;
  t.like(trace, { traceId: TRACE, parentId: PARENT, sampled: true });
  t.is(trace.tracestate, 'a=1,b@c=2,rojo=00f067aa0ba902b7');
  t.regex(spanId, /^[0-9a-f]{16}$/);
  t.not(spanId, PARENT);
  t.is(traceparent, `00-${TRACE}-${spanId}-01`);
  t.deepEqual(trace.headers, { traceparent, tracestate: trace.tracestate });
  t.is((await traceOf(server, 'traceparent', GOOD.replace(/1$/, '0'))).sampled, false);
});

test('what is no traceparent begins a trace', async (t) => {
  const server = await start(t, { fetch: tracesItself });
  const seen = new Set();
  const later = GOOD.replace('00', 'cc');
  for (const field of [
    null,
    '',
    `${GOOD}-more`,
    GOOD.toUpperCase(),
    GOOD.replace('00', 'ff'),
    GOOD.replace(TRACE, '0'.repeat(32)),
    GOOD.replace(PARENT, '0'.repeat(16)),
    GOOD.slice(1),
    GOOD.replace('-01', '-0x'),
    `${later}.more`,
  ]) {
    const trace = await traceOf(
      server,
      'tracestate',
      'a=1',
      ...(field === null ? [] : ['traceparent', field]),
    );
    t.is(trace.parentId, null, String(field));
    t.is(trace.tracestate, '', String(field));
    t.regex(trace.traceparent, /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-03$/);
    seen.add(trace.traceId).add(trace.spanId);
  }
  t.is(seen.size, 20, 'each has ids of its own');
  t.is((await traceOf(server, 'traceparent', GOOD, 'traceparent', GOOD)).parentId, null, 'two');
  // A later version may say more. Unknown flags are not sent on.
  const more = await traceOf(server, 'traceparent', `${later.replace(/01$/, 'fd')}-more`);
  t.like(more, { traceId: TRACE, sampled: true });
  t.regex(more.traceparent, /-01$/);
});

test('a tracestate that is too long is cut between members, a malformed one dropped', async (t) => {
  const server = await start(t, { fetch: tracesItself });
  const stateOf = async (state) =>
    (await traceOf(server, 'traceparent', GOOD, 'tracestate', state)).tracestate;
  const members = Array.from({ length: 32 }, (_, n) => `key${n}=${'v'.repeat(10)}`);
  const kept = await stateOf(members.join(' , '));
  t.true(kept.length > 490 && kept.length <= 512);
  t.true(members.join(',').startsWith(kept));
  t.is(
    await stateOf(`long=${'x'.repeat(200)},${members.slice(0, 25).join(',')}`),
    members.slice(0, 25).join(','),
  );
  t.is(await stateOf('a=1,,\t b=2 ,'), 'a=1,b=2');
  for (const bad of ['a', 'A=1', 'a=1,a=2', 'a==', 'a=\u00e9', `${members},more=1`, 'a=1 2,=3']) {
    t.is(await stateOf(bad), '', bad);
  }
});

test('the access log has the ids that the handler saw, on threads too', async (t) => {
  const file = join(temporary(t), 'access.log');
  const module = moduleOf(
    t,
    `export default { routes: { '/inline': 'x' }, fetch: (_, info) => Response.json(info.trace) };`,
  );
  const server = await start(t, {
    module,
    jsThreads: 2,
    trace: 0.5,
    accessLog: { file, format: 'json' },
  });
  const seen = [];
  for (let n = 0; n < 20; n++) {
    seen.push(JSON.parse((await ask(server, '/')).text));
  }
  seen.push(JSON.parse((await ask(server, '/', ['traceparent', GOOD])).text));
  await ask(server, '/inline', ['traceparent', GOOD]);
  await server.stop();
  const log = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const byId = new Map(log.map((line) => [line.span_id, line]));
  for (const { traceId, spanId, parentId, sampled } of seen) {
    const line = byId.get(spanId);
    t.like(line, { trace_id: traceId, parent_id: parentId });
    t.is((Number.parseInt(line.trace_flags, 16) & 1) === 1, sampled);
  }
  t.like(log.at(-1), { target: '/inline', trace_id: TRACE, parent_id: PARENT, trace_flags: '01' });
  t.is(new Set(seen.map(({ sampled }) => sampled)).size, 2, 'about half are sampled');
});

test('without the option the log has no trace, and a wrong one is named', async (t) => {
  const file = join(temporary(t), 'access.log');
  const server = await start(t, {
    fetch: () => new Response(),
    accessLog: { file, format: 'json' },
  });
  await ask(server, '/', ['traceparent', GOOD]);
  await server.stop();
  t.notRegex(readFileSync(file, 'utf8'), /trace/);
  for (const trace of [2, -1, 'yes', {}]) {
    await t.throwsAsync(serveApi({ fetch: () => new Response(), trace }), {
      message: /option "trace" must be true, false or a share from 0 to 1, got/,
    });
  }
});

test('the flag may stand before the module', async (t) => {
  const file = moduleOf(t, "export default () => new Response('mine');\n");
  const local = ['-H', '127.0.0.1', '-p', '0', '-i', '1', '--quiet'];
  for (const flags of [['--trace'], ['--trace', '0.5']]) {
    const server = await command(t, [...flags, file, ...local]);
    t.is(await (await fetch(server.url)).text(), 'mine');
  }
});

test('trace.fetch asks the next server in the same trace', async (t) => {
  const last = await start(t, { fetch: tracesItself });
  const server = await start(t, {
    fetch: async (request, info) => {
      const init = request.headers.has('x-own') ? { headers: { traceparent: GOOD } } : undefined;
      const passedOn = {
        fields: [last.url, { headers: request.headers }],
        request: [new Request(last.url, request)],
      }[request.headers.get('x-pass')];
      const response = await info.trace.fetch(...(passedOn ?? [last.url, init]));
      return Response.json({ own: info.trace, next: await response.json() });
    },
  });
  const { own, next } = await traceOf(server, 'traceparent', GOOD, 'tracestate', 'a=1');
  t.like(next, { traceId: TRACE, parentId: own.spanId, tracestate: 'a=1', sampled: true });
  const given = await traceOf(server, 'x-own', '1', 'tracestate', 'a=1');
  t.like(given.next, { traceId: TRACE, parentId: PARENT, tracestate: '' });
  for (const what of ['fields', 'request']) {
    // Those of the client name the client's span.
    for (const [field, trace] of [
      [GOOD, { traceId: TRACE, tracestate: 'a=1' }],
      ['nonsense', { tracestate: '' }],
    ]) {
      const more = ['traceparent', field, 'tracestate', 'a=1', 'x-pass', what];
      const { own: mine, next: theirs } = await traceOf(server, ...more);
      t.like(theirs, { traceId: mine.traceId, parentId: mine.spanId, ...trace }, what);
    }
  }
});

const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];

/** Subscribes to all events for the time of the test. */
function subscribed(t, on) {
  const channel = diagnostics.tracingChannel('reactor-rs:request');
  const subscribers = Object.fromEntries(
    EVENTS.map((name) => [name, (context) => on(name, context)]),
  );
  channel.subscribe(subscribers);
  t.teardown(() => channel.unsubscribe(subscribers));
  return channel;
}

test.serial('the channel tells of each request from its handler to the last byte', async (t) => {
  const told = new Map();
  const channel = subscribed(t, (name, context) => {
    const path = new URL(context.request.url).pathname;
    told.set(path, [...(told.get(path) ?? []), name]);
    told.set(context, path);
  });
  const store = new AsyncLocalStorage();
  channel.start.bindStore(store, (context) => context);
  t.teardown(() => channel.start.unbindStore(store));
  const broken = new Error('broken');
  const server = await start(t, {
    error: (error) => new Response(error.message, { status: 502 }),
    routes: {
      '/now/:id': () => new Response(store.getStore().route),
      '/late': async (request) => {
        await new Promise((resolve) => setImmediate(resolve));
        return new Response(String(store.getStore().request === request), { status: 201 });
      },
      '/throws': () => {
        throw broken;
      },
      '/thrown': () => {
        throw new Response('', { status: 404 });
      },
      '/stream': () =>
        new Response(
          (async function* () {
            yield Buffer.from(store.getStore().route);
            await new Promise((resolve) => setTimeout(resolve, 20));
            yield Buffer.from(String(told.get('/stream').length));
          })(),
        ),
      '/native': 'native',
    },
    fetch: () => Response.json({ route: store.getStore().route ?? null }),
  });
  t.is((await ask(server, '/now/1')).text, '/now/:id');
  t.like(await ask(server, '/late'), { status: 201, text: 'true' });
  t.like(await ask(server, '/throws'), { status: 502, text: 'broken' });
  t.is((await ask(server, '/thrown')).status, 404);
  t.is((await ask(server, '/stream')).text, '/stream2', 'it is not over before its body');
  t.is((await ask(server, '/other')).text, '{"route":null}');
  await ask(server, '/native');
  await until(() => told.get('/stream').length === 4, 'the end of the stream');
  const all = ['start', 'end', 'asyncStart', 'asyncEnd'];
  const contexts = new Map(
    [...told].filter(([key]) => typeof key === 'object').map(([c, p]) => [p, c]),
  );
  for (const path of ['/now/1', '/late', '/thrown', '/stream', '/other']) {
    t.deepEqual(told.get(path), all, path);
    t.is(contexts.get(path).error, undefined);
  }
  t.deepEqual([...told.get('/throws')].sort(), [...all, 'error'].sort());
  t.like(contexts.get('/throws'), { error: broken, status: 502, route: '/throws' });
  t.like(contexts.get('/thrown'), { status: 404, error: undefined });
  t.is(contexts.get('/late').response.status, 201);
  t.false(told.has('/native'));
});

test.serial('a request is over once, when its client leaves or it takes too long', async (t) => {
  const over = [];
  subscribed(t, (name, { status, route }) => {
    if (name === 'asyncEnd') {
      over.push([route, status]);
    }
  });
  let called = 0;
  const never = () => {
    called++;
    return new Promise(() => {});
  };
  const routes = { '/slow': never, '/left': never };
  const hasty = await start(t, { requestTimeout: 50, routes });
  t.is((await ask(hasty, '/slow')).status, 503);
  const patient = await start(t, { routes });
  const left = http.get(new URL('/left', patient.url)).on('error', () => {});
  await until(() => called === 2, 'the handler');
  left.destroy();
  await until(() => over.length === 2, 'the end of both');
  t.deepEqual(over, [
    ['/slow', 503],
    ['/left', undefined],
  ]);
});

test('server-timing tells how long the handler took, if it is asked for', async (t) => {
  const handlers = {
    routes: { '/native': 'x' },
    fetch: async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return new Response('x', { headers: { 'server-timing': 'db;dur=2' } });
    },
  };
  const server = await start(t, { serverTiming: true, ...handlers });
  const { headers } = await ask(server, '/');
  t.regex(headers['server-timing'], /^db;dur=2, handler;dur=\d+\.\d{3}$/);
  t.true(Number(/handler;dur=(.*)/.exec(headers['server-timing'])[1]) >= 4);
  t.is((await ask(server, '/native')).headers['server-timing'], undefined);
  t.is((await ask(await start(t, handlers), '/')).headers['server-timing'], 'db;dur=2');
});
