// `jsThreads`: one module on several JavaScript threads behind one port.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { Agent, fetch, Pool } from 'undici';
import { serve } from '../../dist/index.js';
import { serve as command, launch, run, until } from '../support/command.mjs';
import { moduleOf, temporary } from '../support/folder.mjs';

const test = ava.serial;

const APP = new URL('app.mjs', import.meta.url);
const INDEX = new URL('../../dist/index.js', import.meta.url).href;
const LOCAL = { port: 0, hostname: '127.0.0.1' };

/** A server with threads; what they die of is kept in `errors`. */
async function start(t, options = {}) {
  const errors = [];
  const server = await serve({
    module: APP,
    jsThreads: 3,
    ...LOCAL,
    onThreadError: (error, thread) => errors.push({ error, thread }),
    ...options,
  });
  t.teardown(() => server.stop({ force: true }));
  // One connection for each request, so that a dead one concerns no other.
  const agent = new Agent({ pipelining: 0 });
  const get = (path, init) => fetch(`${server.url}${path}`, { dispatcher: agent, ...init });
  return { server, errors, get, agent };
}

/** How many requests each thread answers of some that overlap. */
async function spread(get, requests = 60) {
  return count(Array.from({ length: requests }, async () => (await get('slow')).text()));
}

/**
 * The same, once for each server, where all overlap whatever the machine does
 * meanwhile: each is sent when the one before is with a thread, and none is answered
 * before the last.
 */
async function spreadHeld({ get, server }) {
  const answers = [];
  for (let n = 1; n <= 60; n++) {
    answers.push(get('held').then((answer) => answer.text()));
    await until(() => server.stats().handlers.inFlight === n, 'the request');
  }
  const channel = new BroadcastChannel('release');
  channel.postMessage('');
  const seen = await count(answers);
  channel.close();
  await until(() => server.stats().handlers.inFlight === 0, 'the end');
  return seen;
}

async function count(answers) {
  const seen = new Map();
  for (const thread of await Promise.all(answers)) {
    seen.set(thread, (seen.get(thread) ?? 0) + 1);
  }
  return seen;
}

test('requests spread evenly over the threads, none of which is the main one', async (t) => {
  const { get, server } = await start(t);
  const seen = await spreadHeld({ get, server });
  t.is(seen.size, 3);
  for (const n of seen.values()) {
    t.true(n >= 15 && n <= 25, `${n} of 60`);
  }
  t.false((await (await get('thread')).json()).isMainThread);
});

test('what a handler has on the main thread it has on others', async (t) => {
  const { get, server } = await start(t, { routes: { '/given': 'given', '/static': 'better' } });
  t.is(await (await get('params/x%20y')).text(), 'x y');
  t.is(await (await get('given')).text(), 'given');
  t.is(await (await get('static')).text(), 'better');
  t.is(await (await get('no/such')).text(), 'no /no/such');
  t.is(await (await get('url')).text(), `${server.url}url`);
  const { address, port } = await (await get('peer')).json();
  t.is(address, '127.0.0.1');
  t.true(port > 0);
  const failed = await get('error');
  t.deepEqual([failed.status, await failed.text()], [500, 'of the handler']);
  t.is(await (await get('events')).text(), 'data: 0\n\ndata: 1\n\ndata: 2\n\n');
});

test('proxies are believed in threads as on the main one', async (t) => {
  const { get } = await start(t, { trustProxy: 'loopback' });
  const headers = { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-host': 'example.org' };
  t.is((await (await get('peer', { headers })).json()).address, '192.0.2.7');
  t.is(await (await get('url', { headers })).text(), 'http://example.org/url');
});

test('bodies stream both ways, on all threads at once', async (t) => {
  const { get } = await start(t);
  const part = new Uint8Array(100_000).fill(7);
  await Promise.all(
    Array.from({ length: 9 }, async () => {
      let left = 20;
      const body = new ReadableStream({
        async pull(controller) {
          await sleep(1);
          if (left-- === 0) {
            controller.close();
          } else {
            controller.enqueue(part);
          }
        },
      });
      const answer = await get('echo', { method: 'POST', body, duplex: 'half' });
      t.is((await answer.arrayBuffer()).byteLength, 2_000_000);
    }),
  );
});

test('an application of hono runs on threads', async (t) => {
  const file = moduleOf(
    t,
    `import { Hono } from ${JSON.stringify(import.meta.resolve('hono'))};
    const app = new Hono();
    app.get('/hello/:name', (c) => c.text('Hello ' + c.req.param('name')));
    app.post('/json', async (c) => c.json(await c.req.json()));
    export default app;`,
  );
  const { get } = await start(t, { module: file });
  t.is(await (await get('hello/x')).text(), 'Hello x');
  t.deepEqual(await (await get('json', { method: 'POST', body: '{"a":1}' })).json(), { a: 1 });
  t.is((await get('none')).status, 404);
});

test('a module without jsThreads has one thread, not the main one', async (t) => {
  const { get } = await start(t, { jsThreads: undefined });
  t.is((await spread(get)).size, 1);
  t.false((await (await get('thread')).json()).isMainThread);
});

test('the module says how many threads and where, what was given wins', async (t) => {
  const file = moduleOf(
    t,
    `import { threadId } from 'node:worker_threads';
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    export default {
      jsThreads: 2, port: 1, unix: '/nowhere/socket', limits: { body: 3, head: 1000 },
      fetch: async (request) => {
        await request.text();
        await sleep(20);
        return new Response(String(threadId));
      },
    };`,
  );
  const { get } = await start(t, { module: file, jsThreads: undefined, limits: { body: 5 } });
  t.is((await spread(get)).size, 2);
  t.is((await get('', { method: 'POST', body: '12345' })).status, 200);
  t.is((await get('', { method: 'POST', body: '123456' })).status, 413);
  t.is((await get('', { headers: { long: 'x'.repeat(1500) } })).status, 431);
});

const DEATHS = {
  uncaught: ['an uncaught error', (t, error) => t.is(error.message, 'uncaught')],
  rejection: ['an unhandled rejection', (t, error) => t.is(error.message, 'rejected')],
  exit: [
    'process.exit()',
    (t, error) => {
      t.is(error.code, 'ERR_REACTOR_THREAD');
      t.regex(error.message, /^JavaScript thread \d of ".*app\.mjs" ended by itself with code 3$/);
    },
  ],
  memory: ['too little memory', (t, error) => t.is(error.code, 'ERR_WORKER_OUT_OF_MEMORY')],
};

for (const [path, [what, judge]] of Object.entries(DEATHS)) {
  test(`a thread that dies of ${what} under load is replaced, and all get an answer`, async (t) => {
    const { errors, get, server } = await start(t, {
      resourceLimits: { maxOldGenerationSizeMb: 32 },
    });
    const statuses = new Map();
    let isOver = false;
    const load = Array.from({ length: 12 }, async () => {
      while (!isOver) {
        const { status } = await get('slow');
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    });
    await sleep(50);
    const fatal = await get(`dies/${path}`);
    t.is(fatal.status, 503);
    t.is(fatal.headers.get('retry-after'), '1');
    await until(
      () => errors.length === 1 && server.stats().lanes.every(({ state }) => state !== 'starting'),
      'a replacement',
    );
    await until(() => statuses.get(200) > 50, 'answers');
    isOver = true;
    await Promise.all(load);
    statuses.delete(200);
    statuses.delete(503);
    t.deepEqual([...statuses], []);
    t.is(errors.length, 1);
    judge(t, errors[0].error);
    // Three again, one of them another.
    await until(async () => (await spread(get)).size === 3, 'requests at all three');
    await until(() => server.stats().handlers.inFlight === 0, 'the end');
  });
}

test('a stream of a thread that dies is broken off, others go on', async (t) => {
  const { get, errors } = await start(t, { jsThreads: 1 });
  const stream = await get('endless');
  const reading = t.throwsAsync(stream.arrayBuffer());
  t.is((await get('dies/exit')).status, 503);
  await reading;
  await until(() => errors.length === 1, 'the news');
  await until(async () => (await get('thread')).status === 200, 'the replacement');
});

test('while no thread is up, handlers are answered with 503 and routes as ever', async (t) => {
  const flag = moduleOf(t, '', 'broken');
  rmSync(flag);
  const file = moduleOf(
    t,
    `import { existsSync } from 'node:fs';
    if (existsSync(${JSON.stringify(flag)})) throw new Error('broken now');
    export default { routes: { '/static': 'static', '/exit': () => process.exit(1), '/ok': () => new Response('ok') } };`,
  );
  const { get, errors } = await start(t, { module: file, jsThreads: 2 });
  writeFileSync(flag, '');
  for (let n = 0; n < 2; n++) {
    await Promise.all([get('exit'), get('exit')]);
  }
  await until(() => errors.length >= 4, 'threads that cannot start');
  const refused = await get('ok');
  t.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1']);
  t.is(await (await get('static')).text(), 'static');
  t.true(errors.some(({ error }) => error.code === 'ERR_REACTOR_MODULE'));
  t.regex(errors.at(-1).error.message, /cannot serve ".*": Error: broken now/);
  // Pauses double: no storm.
  const before = errors.length;
  const began = performance.now();
  await sleep(700);
  const seconds = (performance.now() - began) / 1000;
  t.true(errors.length - before <= 9 * seconds, `${errors.length - before} in ${seconds} s`);
  rmSync(flag);
  await until(async () => (await get('ok')).status === 200, 'threads again');
});

test('by default a death is told on stderr, with thread and module', async (t) => {
  const child = launch([
    '--input-type=module',
    '--eval',
    `const { serve } = await import(${JSON.stringify(INDEX)});
    const server = await serve({ module: ${JSON.stringify(fileURLToPath(APP))}, jsThreads: 2, port: 0 });
    console.log((await fetch(server.url + 'dies/uncaught')).status);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await server.stop();`,
  ]);
  const [code] = await new Promise((resolve) => child.process.once('close', (...a) => resolve(a)));
  t.is(code, 0, child.stderr());
  t.is(child.stdout(), '503\n');
  t.regex(
    child.stderr(),
    /^reactor-rs: JavaScript thread 1 of ".*app\.mjs" has ended and is replaced in 100 ms: Error: uncaught\n/,
  );
});

test('a thread that is stuck stops neither the others nor routes without handlers', async (t) => {
  const failures = [];
  // On a machine that stalls, a second thread may look stuck.
  while (failures.length < 3) {
    const failure = await besideStuckThread(t);
    if (failure === null) {
      t.pass();
      return;
    }
    failures.push(failure);
  }
  t.fail(failures.join('\n'));
});

/** What is wrong with what others are answered while one thread is stuck. */
async function besideStuckThread(t) {
  const { get, server } = await start(t, { requestTimeout: 30_000 });
  // Connections that are kept, and have been with all threads.
  const pool = new Pool(server.url.slice(0, -1), { connections: 64, pipelining: 1 });
  t.teardown(() => pool.destroy());
  const ask = (path) =>
    pool
      .request({ path, method: 'GET' })
      .then(async ({ statusCode, body }) => ({ statusCode, text: await body.text() }));
  await Promise.all(Array.from({ length: 128 }, () => ask('/slow')));
  let isStuck = true;
  const stuck = get('spin').then(
    () => {
      isStuck = false;
    },
    () => {},
  );
  await until(() => server.stats().lanes.some(({ state }) => state === 'blocked'), 'a block');
  const answers = [];
  for (let round = 0; round < 5; round++) {
    answers.push(...(await Promise.all(Array.from({ length: 64 }, () => ask('/slow')))));
    answers.push(...(await Promise.all(Array.from({ length: 64 }, () => ask('/static')))));
  }
  // No answer above waited until the stuck request was given up.
  const isInTime = isStuck;
  await server.stop({ force: true });
  await stuck;
  const statuses = new Set(answers.map(({ statusCode }) => statusCode));
  // Two threads, and "static".
  const texts = new Set(answers.map(({ text }) => text));
  const isGood = isInTime && statuses.size === 1 && statuses.has(200) && texts.size === 3;
  return isGood ? null : JSON.stringify({ isInTime, statuses: [...statuses], texts: [...texts] });
}

test('stats tell of each thread: what it has, how long that waited, how late it is', async (t) => {
  let death = null;
  const { get, server } = await start(t, {
    onThreadError: (_error, thread) => {
      death ??= { thread, lanes: server.stats().lanes };
    },
  });
  await spreadHeld({ get, server });
  let { lanes } = server.stats();
  // A thread may have been late for other reasons.
  await until(() => {
    lanes = server.stats().lanes;
    return lanes.every(({ state }) => state === 'running');
  }, 'threads that run');
  t.deepEqual(
    lanes.map(({ thread, state, inFlight, queued }) => ({ thread, state, inFlight, queued })),
    [1, 2, 3].map((thread) => ({ thread, state: 'running', inFlight: 0, queued: 0 })),
  );
  for (const { queueWait, eventLoopLag } of lanes) {
    t.true(queueWait.count >= 15 && queueWait.count <= 25, `${queueWait.count} waits`);
    t.true(queueWait.p50Ns > 0 && queueWait.p50Ns <= queueWait.maxNs);
    t.true(eventLoopLag.count > 0 && eventLoopLag.maxNs > 0);
  }
  const spinning = get('spin').catch(() => {});
  await until(() => {
    lanes = server.stats().lanes;
    return lanes.some(({ state, inFlight }) => state === 'blocked' && inFlight === 1);
  }, 'a block');
  t.is(lanes.filter(({ inFlight }) => inFlight > 0).length, 1);
  t.is((await get('dies/exit')).status, 503);
  await until(() => death !== null, 'the death');
  const dead = death.lanes.filter(({ state }) => state === 'starting');
  t.deepEqual(
    dead.map(({ thread, queueWait }) => [thread, queueWait.count]),
    [[death.thread, 0]],
  );
  await server.stop({ force: true });
  await spinning;
});

test('stats tell of the main thread too', async (t) => {
  const server = await serve({ ...LOCAL, fetch: () => new Response('x') });
  t.teardown(() => server.stop());
  await (await fetch(server.url)).text();
  const [lane, ...others] = server.stats().lanes;
  t.deepEqual(others, []);
  const { thread, state, inFlight, queued, queueWait } = lane;
  t.deepEqual(
    { thread, state, inFlight, queued },
    { thread: 'main', state: 'running', inFlight: 0, queued: 0 },
  );
  t.is(queueWait.count, 1);
});

test('metrics tell of each thread', async (t) => {
  const { get, server } = await start(t, { metrics: 0, ioThreads: 1 });
  await spreadHeld({ get, server });
  const page = await (await fetch(server.metricsUrl)).text();
  for (const lane of [0, 1, 2]) {
    t.regex(
      page,
      new RegExp(`^reactor_lane_queue_wait_seconds_count\\{lane="${lane}"\\} [12]\\d$`, 'm'),
    );
    t.regex(
      page,
      new RegExp(
        `^reactor_lane_event_loop_lag_seconds_bucket\\{lane="${lane}",le="10"\\} [1-9]`,
        'm',
      ),
    );
    t.regex(page, new RegExp(`^reactor_lane_blocked\\{lane="${lane}"\\} 0$`, 'm'));
    t.regex(page, new RegExp(`^reactor_thread_cpu_seconds_total\\{thread="js-${lane}"\\} `, 'm'));
  }
});

/** A module that says `word`, later and at once. */
const saying = (word) => `
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  export default {
    routes: {
      '/${word}': 'static',
      '/say': async () => { await sleep(30); return new Response('${word}'); },
      '/long': async () => { await sleep(1500); return new Response('${word}'); },
    },
    fetch: () => new Response('${word} at once'),
  };`;

test('reload with a module: fresh threads and routes, none of the requests under load is lost', async (t) => {
  const file = moduleOf(t, saying('first'));
  const { get, server, errors } = await start(t, { module: file });
  const tasks = () => readdirSync('/proc/self/task').length;
  const before = tasks();
  const seen = new Map();
  let isOver = false;
  const long = get('long');
  await until(() => server.stats().handlers.inFlight === 1, 'the long one');
  const load = Array.from({ length: 12 }, async (_, n) => {
    while (!isOver) {
      const answer = await get(n % 2 ? 'say' : 'other');
      const key = `${answer.status} ${await answer.text()}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
  });
  const hasSaid = (word) =>
    until(() => seen.has(`200 ${word}`) && seen.has(`200 ${word} at once`), `all of ${word}`);
  await hasSaid('first');
  for (const word of ['second', 'third']) {
    writeFileSync(file, saying(word));
    await server.reload({ module: file });
    t.is(await (await get('say')).text(), word);
    t.is(await (await get(word)).text(), 'static');
    t.is(server.stats().lanes.length, 3);
    await hasSaid(word);
  }
  t.is(await (await get('first')).text(), 'third at once');
  isOver = true;
  await Promise.all(load);
  t.is(await (await long).text(), 'first');
  const words = ['first', 'second', 'third'].flatMap((w) => [`200 ${w}`, `200 ${w} at once`]);
  t.deepEqual([...seen.keys()].sort(), words.sort());
  t.deepEqual(errors, []);
  await until(() => tasks() <= before, 'the end of the old threads');
  await server.stop();
});

test('a reload that fails leaves the old threads', async (t) => {
  const file = moduleOf(t, saying('first'));
  const { get, server } = await start(t, { module: file });
  for (const [source, code] of [
    [`throw new Error('at load');`, 'ERR_REACTOR_MODULE'],
    ['export default 5;', 'ERR_REACTOR_MODULE'],
    [`export default { routes: { 'bad': () => {} } };`, 'ERR_REACTOR_INVALID_ROUTE'],
    [
      `import { threadId } from 'node:worker_threads'; export default { routes: { ['/' + threadId]: () => {} } };`,
      'ERR_REACTOR_MODULE',
    ],
  ]) {
    const bad = moduleOf(t, source);
    const error = await t.throwsAsync(server.reload({ module: bad }));
    t.is(error.code, code);
    t.is(await (await get('say')).text(), 'first');
  }
  await t.throwsAsync(server.reload({ module: './none.mjs' }), {
    code: 'ERR_REACTOR_INVALID_OPTION',
  });
  await t.throwsAsync(server.reload({ module: 5 }), { code: 'ERR_REACTOR_INVALID_OPTION' });
  t.throws(() => server.reload({ routes: {} }), {
    code: 'ERR_REACTOR_INVALID_OPTION',
    message: /is reloaded with a module: reload\(\{ module \}\)/,
  });
  await server.stop();
  await t.throwsAsync(server.reload({ module: file }), { code: 'ERR_REACTOR_STOPPED' });
});

test('a stop while a reload loads ends its threads too', async (t) => {
  const file = moduleOf(t, saying('first'));
  const { server } = await start(t, { module: file });
  const slow = moduleOf(t, `await new Promise((r) => setTimeout(r, 20_000)); ${saying('slow')}`);
  const reload = t.throwsAsync(server.reload({ module: slow }), { code: 'ERR_REACTOR_STOPPED' });
  await sleep(200);
  const began = performance.now();
  await server.stop();
  t.true(performance.now() - began < 10_000);
  await reload;
});

test('a stop while a reload waits for earlier threads lets it start none', async (t) => {
  const { get, server } = await start(t, { jsThreads: 1 });
  const held = [];
  for (const reloads of [1, 2]) {
    // Earlier threads stay as long as they have a request.
    held.push(get('never').catch(() => {}));
    await until(() => server.stats().lanes[0].inFlight === 1, `request ${reloads}`);
    await server.reload({ module: APP });
  }
  const hanging = moduleOf(t, `await new Promise((r) => setTimeout(r, 60_000)); ${saying('x')}`);
  const reload = t.throwsAsync(server.reload({ module: hanging }), {
    code: 'ERR_REACTOR_STOPPED',
  });
  await new Promise(setImmediate);
  await server.stop({ force: true });
  await reload;
  await Promise.all(held);
});

test('a replacement that is loading when a reload comes answers nothing any more', async (t) => {
  const folder = temporary(t);
  const [isSlow, loading, gate] = ['slow', 'loading', 'gate'].map((name) => join(folder, name));
  const old = moduleOf(
    t,
    `import { existsSync, writeFileSync } from 'node:fs';
    if (existsSync(${JSON.stringify(isSlow)})) {
      writeFileSync(${JSON.stringify(loading)}, '');
      while (!existsSync(${JSON.stringify(gate)})) {
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
    export default {
      routes: {
        '/say': async () => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          return new Response('old');
        },
        '/never': () => new Promise(() => {}),
        '/dies': () => process.exit(3),
      },
    };`,
  );
  const { get, server } = await start(t, { module: old, jsThreads: 2 });
  // Keeps the other of the old threads, and so their places, until the end.
  const held = get('never').catch(() => {});
  await until(() => server.stats().lanes.some(({ inFlight }) => inFlight === 1), 'the request');
  writeFileSync(isSlow, '');
  await get('dies');
  await until(() => existsSync(loading), 'a replacement that loads');
  const file = moduleOf(t, saying('new'), 'new.mjs');
  await server.reload({ module: file });
  writeFileSync(gate, '');
  const seen = new Set();
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(Array.from({ length: 12 }, () => get('say')));
    for (const answer of answers) {
      seen.add(await answer.text());
    }
  }
  t.deepEqual([...seen], ['new']);
  await server.stop({ force: true });
  await held;
});

test('a module is for a server that was started with one', async (t) => {
  const server = await serve({ ...LOCAL, fetch: () => new Response('x') });
  t.teardown(() => server.stop());
  await t.throwsAsync(server.reload({ module: APP }), {
    code: 'ERR_REACTOR_INVALID_OPTION',
    message: /is for a server that was started with "module"/,
  });
});

test('stop waits for a stuck thread as long as a drain may take, then ends it', async (t) => {
  const { get, server } = await start(t, { timeouts: { drain: 500 } });
  const stuck = get('spin').then(
    ({ status }) => status,
    () => 'cut',
  );
  await until(() => server.stats().handlers.inFlight === 1, 'the request');
  const began = performance.now();
  await server.stop();
  const took = performance.now() - began;
  t.true(took >= 450 && took < 8000, `${took} ms`);
  t.is(await stuck, 'cut');
  t.throws(() => server.reload(), { code: 'ERR_REACTOR_STOPPED' });
});

test('a drain that takes too long aborts what a thread still has before it ends', async (t) => {
  const file = moduleOf(
    t,
    `import { appendFileSync } from 'node:fs';
    const note = (text) => appendFileSync(new URL('noted', import.meta.url), text);
    export default ({ signal }) => {
      note('begun ');
      signal.addEventListener('abort', () => note(signal.reason.name));
      return new Promise(() => {});
    };`,
  );
  const noted = () => readFileSync(join(dirname(file), 'noted'), { flag: 'a+' }).toString();
  const { get, server } = await start(t, { module: file, jsThreads: 1, timeouts: { drain: 1 } });
  const asked = get('').catch(() => {});
  await until(() => noted() === 'begun ', 'the handler to begin');
  await server.stop();
  await asked;
  t.is(noted(), 'begun AbortError');
});

test('stop with force ends a stuck thread at once', async (t) => {
  const { get, server } = await start(t);
  const stuck = get('spin').catch(() => {});
  await until(() => server.stats().handlers.inFlight === 1, 'the request');
  const began = performance.now();
  await server.stop({ force: true });
  t.true(performance.now() - began < 8000, `${performance.now() - began} ms`);
  await stuck;
});

test('a drain lets every thread finish', async (t) => {
  const { get, server } = await start(t);
  const slow = Array.from({ length: 30 }, () => get('slow'));
  await until(() => server.stats().handlers.given === 30, 'the requests');
  await server.stop();
  for (const answer of await Promise.all(slow)) {
    t.is(answer.status, 200);
  }
});

test('threads are gone after stop, twenty times', async (t) => {
  const tasks = () => readdirSync('/proc/self/task').length;
  await (await serve({ module: APP, ...LOCAL })).stop();
  const before = tasks();
  for (let round = 0; round < 20; round++) {
    const server = await serve({ module: APP, jsThreads: 1 + (round % 3), ...LOCAL });
    const asked = fetch(`${server.url}slow`).then(
      (answer) => answer.text(),
      () => 'cut',
    );
    if (round % 4 === 0) {
      await asked;
    }
    await server.stop({ force: round % 2 === 1 });
    await asked;
  }
  await until(() => tasks() <= before, 'no more threads than before');
  t.pass();
});

test('an AbortSignal and await using stop threads too', async (t) => {
  const controller = new AbortController();
  const server = await serve({ module: APP, ...LOCAL, signal: controller.signal });
  t.is((await fetch(`${server.url}static`)).status, 200);
  controller.abort();
  await until(async () => {
    try {
      await fetch(`${server.url}static`);
      return false;
    } catch {
      return true;
    }
  }, 'the stop');
  const reason = new Error('no');
  await t.throwsAsync(serve({ module: APP, ...LOCAL, signal: AbortSignal.abort(reason) }), {
    is: reason,
  });
  const other = await serve({ module: APP, ...LOCAL });
  await other[Symbol.asyncDispose]();
  await t.throwsAsync(fetch(other.url));
});

/** A process that serves with threads, and what it does then. */
const program = (then) => [
  '--input-type=module',
  '--eval',
  `const { serve } = await import(${JSON.stringify(INDEX)});
  const server = await serve({ module: ${JSON.stringify(fileURLToPath(APP))}, jsThreads: 4, port: 0, hostname: '127.0.0.1' });
  for (let i = 0; i < 8; i++) {
    (async () => { for (;;) await (await fetch(server.url + (i % 2 ? 'slow' : 'thread'))).text(); })().catch(() => {});
  }
  ${then}`,
];

const ended = (child) =>
  new Promise((resolve) =>
    child.process.once('close', (code, signal) => resolve({ code, signal })),
  );

test('process.exit() under load ends with its own code', async (t) => {
  for (let round = 0; round < 10; round++) {
    const child = launch(program(`setTimeout(() => process.exit(7), ${round * 20});`));
    t.deepEqual(
      { ...(await ended(child)), stderr: child.stderr() },
      { code: 7, signal: null, stderr: '' },
    );
  }
});

test('an uncaught error of the main thread ends the process as ever', async (t) => {
  const child = launch(program(`setTimeout(() => { throw new Error('on purpose'); }, 100);`));
  t.deepEqual(await ended(child), { code: 1, signal: null });
  t.regex(child.stderr(), /on purpose/);
});

test('after unref() threads do not keep the process', async (t) => {
  const child = launch([
    '--input-type=module',
    '--eval',
    `const { serve } = await import(${JSON.stringify(INDEX)});
    const server = await serve({ module: ${JSON.stringify(fileURLToPath(APP))}, jsThreads: 4, port: 0 });
    console.log((await fetch(server.url + 'static')).status);
    server.unref();`,
  ]);
  t.deepEqual(await ended(child), { code: 0, signal: null });
  t.is(child.stdout(), '200\n');
});

test('a worker that has a server with threads is terminated under load, with all of them', async (t) => {
  for (let round = 0; round < 20; round++) {
    const { Worker } = await import('node:worker_threads');
    const worker = new Worker(
      `(async () => {
        const { serve } = await import(${JSON.stringify(INDEX)});
        const server = await serve({ module: ${JSON.stringify(fileURLToPath(APP))}, jsThreads: 2, port: 0, hostname: '127.0.0.1' });
        for (let i = 0; i < 4; i++) {
          (async () => { for (;;) await (await fetch(server.url + 'thread')).text(); })().catch(() => {});
        }
        require('node:worker_threads').parentPort.postMessage(server.url.href);
      })();`,
      { eval: true },
    );
    const url = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    t.is((await fetch(`${url}thread`)).status, 200);
    await sleep(round * 2);
    await worker.terminate();
    await t.throwsAsync(fetch(url));
  }
});

test('a thread may die while the engine reads uploads into its memory', async (t) => {
  const file = moduleOf(
    t,
    `export default {
      async fetch(request) {
        if (request.url.endsWith('/dies')) {
          process.exit(3);
        }
        return new Response(String((await request.arrayBuffer()).byteLength));
      },
    };`,
  );
  const { get, server, errors } = await start(t, { module: file, jsThreads: 2, ioThreads: 2 });
  const body = 'x'.repeat(4_000_000);
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
  for (let round = 0; round < 6; round++) {
    const dead = errors.length;
    const isRunning = ({ state }) => state === 'running';
    await until(() => server.stats().lanes.every(isRunning), 'both threads');
    let closed = 0;
    const sockets = Array.from({ length: 6 }, () => {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.on('close', () => closed++);
      // Which keeps coming until the connection is closed.
      socket.write(head + body.slice(0, 1_000_000));
      return socket;
    });
    await until(() => server.stats().handlers.inFlight >= 6, 'the uploads');
    for (const socket of sockets) {
      socket.write(body.slice(0, 2_000_000));
    }
    await get('dies').catch(() => {});
    await until(() => errors.length > dead, 'the death');
    for (const socket of sockets) {
      socket.write(body.slice(0, 500_000));
      socket.destroy();
    }
    await until(() => closed === 6 && server.stats().handlers.inFlight === 0, 'the end');
  }
  t.is(await (await get('', { method: 'POST', body })).text(), String(body.length));
});

const REFUSED = {
  'functions without a module': [
    { fetch: () => new Response(), jsThreads: 2 },
    /option "jsThreads" needs "module": functions cannot go to another thread; .*serve\(\{ module:/,
  ],
  'nothing but a number': [{ jsThreads: 2 }, /option "jsThreads" needs "module"/],
  'what is called for threads, without them': [
    { fetch: () => new Response(), onThreadError: () => {} },
    /option "onThreadError" needs "module"/,
  ],
  'a fetch beside a module': [
    { module: APP, fetch: () => new Response() },
    /option "fetch" cannot be given together with "module"/,
  ],
  'an error handler beside a module': [
    { module: APP, error: () => new Response() },
    /option "error" cannot be given together with "module"/,
  ],
  'a route with a function beside a module': [
    { module: APP, routes: { '/': { GET: () => new Response() } } },
    /option "routes" with a function cannot be given together with "module"/,
  ],
  'too many threads': [{ module: APP, jsThreads: 65 }, /"jsThreads" must be .* 1 to 64, or "auto"/],
  'no thread': [{ module: APP, jsThreads: 0 }, /"jsThreads" must be an integer from 1 to 64/],
  'a module that is no path': [
    { module: 5 },
    /"module" must be the path of a module or a file: URL/,
  ],
  'a module from the web': [{ module: new URL('http://a/b.mjs') }, /"module" must be the path/],
  'a module that is not there': [
    { module: './none.mjs' },
    /cannot serve ".*": there is no such file/,
  ],
  'a bad limit': [
    { module: APP, resourceLimits: { stackSizeMb: 'x' } },
    /"resourceLimits.stackSizeMb" must be a number of MiB above 0, got "x"/,
  ],
  'an unknown limit': [
    { module: APP, resourceLimits: { heap: 5 } },
    /unknown option "resourceLimits.heap"/,
  ],
  'a bad option': [{ module: APP, port: -1 }, /"port" must be/],
  'an unknown option': [{ module: APP, prot: 5 }, /unknown option "prot"; did you mean "port"\?/],
};

for (const [name, [options, message]] of Object.entries(REFUSED)) {
  test(`refused: ${name}`, async (t) => {
    const error = await t.throwsAsync(serve({ ...LOCAL, ...options }));
    t.regex(error.code, /^ERR_REACTOR_(INVALID|UNKNOWN)_OPTION$/);
    t.regex(error.message, message);
  });
}

const BAD_MODULES = {
  'throws as it is loaded': [
    `throw new Error('at load');`,
    'ERR_REACTOR_MODULE',
    /cannot serve ".*app\.mjs": Error: at load/,
  ],
  'exits as it is loaded': [
    'process.exit(9);',
    'ERR_REACTOR_MODULE',
    /a thread ended while loading it: .* ended by itself with code 9/,
  ],
  'exports nothing': ['', 'ERR_REACTOR_MODULE', /its default export must be a handler/],
  'has other routes in each thread': [
    `import { threadId } from 'node:worker_threads';
    export default { routes: { ['/' + threadId]: () => new Response() } };`,
    'ERR_REACTOR_MODULE',
    /has other routes in thread [23] than in the first/,
  ],
  'has a signal': [
    `export default { signal: new AbortController().signal, fetch: () => new Response() };`,
    'ERR_REACTOR_INVALID_OPTION',
    /option "signal" cannot be exported by ".*app\.mjs".* give it to "serve"/,
  ],
  'has an unknown option': [
    'export default { fetsh: () => {} };',
    'ERR_REACTOR_UNKNOWN_OPTION',
    /did you mean "fetch"/,
  ],
  'has a bad option': ['export default { port: -1 };', 'ERR_REACTOR_INVALID_OPTION', /"port" must/],
  'has an option that cannot travel': [
    'export default { port: 0, queue: () => 5 };',
    'ERR_REACTOR_INVALID_OPTION',
    /option "queue" of ".*app\.mjs" has a value that cannot go to another thread/,
  ],
};

for (const [name, [source, code, message]] of Object.entries(BAD_MODULES)) {
  test(`refused: a module that ${name}`, async (t) => {
    const module = moduleOf(t, source);
    const given = name === 'has a bad option' ? { hostname: '127.0.0.1' } : LOCAL;
    const error = await t.throwsAsync(serve({ ...given, module, jsThreads: 3 }));
    t.is(error.code, code);
    t.regex(error.message, message);
  });
}

test('the command line serves a module on threads, with its flags and variables', async (t) => {
  const flags = ['-H', '127.0.0.1', '-p', '0', '-i', '1', '-w', '1', '--js-threads', '2'];
  const server = await command(t, [fileURLToPath(APP), ...flags, '--quiet'], {
    env: { REACTOR_TEST_VARIABLE: 'seen', REACTOR_TEST_SAYS_EXIT: '1' },
  });
  t.is(server.jsThreads, 2);
  const seen = await spread((path) => fetch(`${server.url}${path}`));
  t.is(seen.size, 2);
  const { argv, variable } = await (await fetch(`${server.url}process`)).json();
  t.is(variable, 'seen');
  t.deepEqual(argv.slice(0, 3), ['serve', '--json', fileURLToPath(APP)]);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
  // Their own cleanup runs.
  t.is(server.stdout().match(/exit of \d/g)?.length, 2);
});

test('the command line takes the number from the environment and from the module', async (t) => {
  const file = moduleOf(t, `export default { jsThreads: 2, fetch: () => new Response('x') };`);
  const flags = [file, '-H', '127.0.0.1', '-p', '0', '-i', '1', '-w', '1', '--quiet'];
  const own = await command(t, flags);
  t.is(own.jsThreads, 2);
  t.is((await fetch(own.url)).status, 200);
  const other = await command(t, flags, { env: { REACTOR_JS_THREADS: '3' } });
  t.is(other.jsThreads, 3);
});

test('the command line refuses threads without a module, and a bad number', async (t) => {
  const none = await run(['serve', '--js-threads', '2']);
  t.is(none.code, 2);
  t.is(none.stderr, 'reactor-rs: --js-threads needs a module, whose handlers the threads run\n');
  const variable = await run(['serve'], { env: { REACTOR_JS_THREADS: '2' } });
  t.is(variable.code, 2);
  t.is(
    variable.stderr,
    'reactor-rs: REACTOR_JS_THREADS needs a module, whose handlers the threads run\n',
  );
  const bad = await run(['serve', fileURLToPath(APP), '--js-threads', '65']);
  t.is(bad.code, 2);
  t.regex(bad.stderr, /--js-threads must be an integer from 1 to 64, or "auto", got "65"/);
});

test('a second Ctrl-C ends a stuck thread', async (t) => {
  const flags = ['-H', '127.0.0.1', '-p', '0', '-i', '1', '-w', '1', '--js-threads', '2'];
  const server = await command(t, [fileURLToPath(APP), ...flags, '--metrics', '0']);
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1', () => {
    socket.write('GET /spin HTTP/1.1\r\nHost: a\r\n\r\n');
  }).on('error', () => {});
  const blocked = /^reactor_lane_blocked\{lane="\d"\} 1$/m;
  await until(async () => blocked.test(await (await fetch(server.metricsUrl)).text()), 'a block');
  server.kill('SIGINT');
  await until(() => server.stderr().includes('SIGINT'), 'the drain to begin');
  // One that comes sooner may be the same Ctrl-C.
  await sleep(400);
  server.kill('SIGINT');
  t.deepEqual(await server.closed, { code: 130, signal: null });
});

test('a stop waits for what handlers on threads gave to waitUntil', async (t) => {
  const folder = temporary(t);
  const done = join(folder, 'done');
  const module = moduleOf(
    t,
    `import { writeFileSync } from 'node:fs';
    export default (request, env, context) => {
      context.waitUntil(new Promise((resolve) => setTimeout(resolve, 900)).then(() => {
        writeFileSync(${JSON.stringify(done)}, '');
      }));
      return new Response('answered');
    };`,
  );
  const { server, get } = await start(t, { module, jsThreads: 2 });
  t.is(await (await get('')).text(), 'answered');
  await server.stop();
  t.true(existsSync(done));
});

test('a module on threads has routes that are a Response or a Blob, and so has what is given beside it', async (t) => {
  const module = moduleOf(
    t,
    `export default {
      routes: { '/own': new Response('own'), '/blob': { GET: new Blob(['blob']) }, '*': false },
      handler: () => new Response('handler'),
    };`,
  );
  const routes = { '/given': new Response('given', { headers: { 'x-a': 'b' } }) };
  const { get } = await start(t, { module, jsThreads: 2, routes });
  for (const path of ['own', 'blob', 'given']) {
    t.is(await (await get(path)).text(), path);
  }
  t.is(await (await get('other')).text(), 'handler');
  t.is((await get('given')).headers.get('x-a'), 'b');
});
