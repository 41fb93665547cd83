// What limits handlers: their number, their time, and a signal.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Response, serve } from 'reactor-rs';
import { request as send } from 'undici';
import { Bridge } from '../../dist/lane/bridge.js';
import { launch, serve as serveCommand, until } from '../support/command.mjs';
import { moduleOf, temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';
import { FakeLane } from './fake-lane.mjs';

/**
 * Long enough for a handler to be called on a busy machine: a request that has
 * waited so long for the thread is not given to it any more.
 */
const TIME = 1500;

function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}

test('a handler that takes too long is answered for', async (t) => {
  const gate = deferred();
  const seen = [];
  const server = await start(t, {
    requestTimeout: TIME,
    fetch: async (request) => {
      request.signal.addEventListener('abort', () => seen.push(request.signal.reason));
      await gate.promise;
      return new Response('late');
    },
    error: (error) => t.fail(String(error)),
  });
  const begin = performance.now();
  const { statusCode, headers, body } = await send(server.url);
  t.is(statusCode, 503);
  t.is(headers['retry-after'], undefined);
  t.is(await body.text(), '503 Service Unavailable: the handler did not answer in time\n');
  t.true(performance.now() - begin >= TIME - 1);
  await until(() => seen.length === 1, 'the signal');
  t.true(seen[0] instanceof DOMException);
  t.is(seen[0].name, 'TimeoutError');
  t.regex(seen[0].message, /requestTimeout/);
  gate.resolve();
  await until(() => server.stats().handlers.inFlight === 0, 'the end');
  t.deepEqual(server.stats().handlers, { given: 1, inFlight: 0, rejected: 0, timedOut: 1 });
});

test('a client that leaves is told apart from one that was answered late', async (t) => {
  const reasons = [];
  const server = await start(t, {
    requestTimeout: 60_000,
    fetch: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason.name);
          reject(signal.reason);
        });
      }),
    error: (error) => t.fail(String(error)),
  });
  const wire = await open(t, server);
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => server.stats().handlers.inFlight === 1, 'the request');
  const controller = new AbortController();
  const gone = t.throwsAsync(send(server.url, { signal: controller.signal }), { any: true });
  await until(() => server.stats().handlers.inFlight === 2, 'the other request');
  controller.abort();
  await gone;
  await until(() => reasons.length === 1, 'the signal');
  t.deepEqual(reasons, ['AbortError']);
});

test('the late answer does not reach the next request of the connection', async (t) => {
  const late = deferred();
  const server = await start(t, {
    requestTimeout: TIME,
    fetch: async (request) => {
      const path = new URL(request.url).pathname;
      if (path === '/late') {
        await late.promise;
        return new Response('the late answer');
      }
      await sleep(50);
      return new Response('the next answer');
    },
  });
  const wire = await open(t, server);
  wire.send('GET /late HTTP/1.1\r\nHost: a\r\n\r\n');
  await wire.reads(/in time\n$/);
  wire.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  late.resolve();
  const received = await wire.reads(/the next answer$/);
  t.notRegex(received, /the late answer/);
  t.deepEqual(received.match(/^HTTP\/1.1 \d+/gm), ['HTTP/1.1 503', 'HTTP/1.1 200']);
});

test('a late stream is cancelled', async (t) => {
  const begin = deferred();
  const cancelled = deferred();
  const server = await start(t, {
    requestTimeout: TIME,
    fetch: async () => {
      await begin.promise;
      return new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
          cancel: (reason) => cancelled.resolve(reason),
        }),
      );
    },
  });
  t.is((await send(server.url)).statusCode, 503);
  await until(() => server.stats().handlers.inFlight === 0, 'the bridge to know');
  begin.resolve();
  t.is((await cancelled.promise).name, 'TimeoutError');
});

test('an upload that takes too long ends, and its reader is told', async (t) => {
  const failed = deferred();
  const server = await start(t, {
    requestTimeout: TIME,
    fetch: async (request) => {
      try {
        return new Response(await request.text());
      } catch (error) {
        failed.resolve(error);
        throw error;
      }
    },
    error: (error) => t.fail(String(error)),
  });
  const wire = await open(t, server);
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  t.is((await failed.promise).name, 'TimeoutError');
  const received = await wire.closes();
  t.regex(received, /^HTTP\/1.1 503 .*\r\nConnection: close\r\n\r\n503 [^\r]*$/s);
});

test('a response that has begun in time is not cut off', async (t) => {
  const server = await start(t, {
    requestTimeout: TIME,
    fetch: () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue(new TextEncoder().encode('begun,'));
            await sleep(TIME + 500);
            controller.enqueue(new TextEncoder().encode(' done'));
            controller.close();
          },
        }),
      ),
  });
  const { statusCode, body } = await send(server.url);
  t.is(statusCode, 200);
  t.is(await body.text(), 'begun, done');
  t.is(server.stats().handlers.timedOut, 0);
});

test('what a handler throws late goes to error, its own abort does not', async (t) => {
  const errors = [];
  const server = await start(t, {
    requestTimeout: TIME,
    fetch: async (request) => {
      if (request.url.endsWith('/own')) {
        await sleep(60_000, undefined, { signal: request.signal });
      }
      await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
      throw new Error('of another kind');
    },
    error: (error) => {
      errors.push(error.message);
      return new Response('not sent');
    },
  });
  const answers = await Promise.all([send(`${server.url}own`), send(`${server.url}other`)]);
  t.deepEqual(
    answers.map((answer) => answer.statusCode),
    [503, 503],
  );
  await until(() => errors.length > 0, 'the error');
  t.deepEqual(errors, ['of another kind']);
});

/**
 * The beginning of a module, with what a handler does to keep the JavaScript thread
 * until the file `go` is in the folder; `entered` says that it does.
 */
const SPINNING = (folder) => `
  import { existsSync, writeFileSync } from 'node:fs';
  const spin = () => {
    writeFileSync(${JSON.stringify(join(folder, 'entered'))}, '');
    for (const end = Date.now() + 30_000; Date.now() < end; ) {
      if (existsSync(${JSON.stringify(join(folder, 'go'))})) return;
    }
  };
`;

test.serial(
  'the 503 comes while the JavaScript thread is stuck, and it does not work for nobody',
  async (t) => {
    const folder = temporary(t);
    const module = moduleOf(
      t,
      `${SPINNING(folder)}
      const paths = [];
      export default {
        routes: { '/native': 'native' },
        fetch(request) {
          const { pathname } = new URL(request.url);
          paths.push(pathname);
          if (pathname === '/stuck') spin();
          return Response.json(paths);
        },
      };`,
    );
    const args = ['-p', '0', '-H', '127.0.0.1', '-i', '1', '--request-timeout', '300'];
    const server = await serveCommand(t, [module, ...args]);
    // On a busy machine its time may be over before it comes to its handler.
    while (!existsSync(join(folder, 'entered'))) {
      const { statusCode, body } = await send(`${server.url}stuck`);
      await body.dump();
      t.is(statusCode, 503);
    }
    const others = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { statusCode, body } = await send(`${server.url}other`);
        await body.dump();
        return statusCode;
      }),
    );
    t.deepEqual(others, Array(20).fill(503));
    t.is((await send(`${server.url}native`)).statusCode, 200);
    writeFileSync(join(folder, 'go'), '');
    let paths;
    await until(async () => {
      const { statusCode, body } = await send(`${server.url}after`);
      paths = statusCode === 200 ? await body.json() : await body.dump();
      return statusCode === 200;
    }, 'the thread');
    t.is(paths[0], '/stuck');
    t.false(paths.includes('/other'), 'nobody waits for it');
  },
);

test.serial('a full lane stops the reading of its sockets, and of no other', async (t) => {
  const folder = temporary(t);
  const child = launch([
    moduleOf(
      t,
      `${SPINNING(folder)}
      import { serve } from '${new URL('../../dist/index.js', import.meta.url)}';
      const server = await serve({
        port: 0,
        hostname: '127.0.0.1',
        ioThreads: 1,
        metrics: 0,
        routes: { '/native': 'native' },
        fetch(request) {
          const { pathname } = new URL(request.url);
          if (pathname === '/stuck') spin();
          return new Response(pathname);
        },
      });
      console.log(JSON.stringify([server.port, server.metricsUrl]));`,
    ),
  ]);
  t.teardown(() => child.process.kill('SIGKILL'));
  await until(() => child.stdout().endsWith('\n'), 'the server');
  const [port, metricsUrl] = JSON.parse(child.stdout());
  const server = { port, hostname: '127.0.0.1' };
  const get = (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  /** How many requests have been read, once they are enough and no more come for a while. */
  const read = async (least) => {
    let last = 0;
    let since = Date.now();
    await until(async () => {
      const text = await (await send(metricsUrl)).body.text();
      const now = Number(/^reactor_http_request_heads_total (\d+)$/m.exec(text)[1]);
      if (now !== last) {
        last = now;
        since = Date.now();
      }
      return now >= least && Date.now() - since > 500;
    }, `${least} requests`).catch((error) => {
      throw new Error(`${error.message}, ${last} were read`);
    });
    return last;
  };
  const wires = await Promise.all(Array.from({ length: 400 }, () => open(t, server)));
  const [many, few] = [wires.slice(0, 300), wires.slice(300)];
  // Small answers first: a new connection may have only two requests at handlers.
  for (const wire of many) {
    wire.send(get('/small').repeat(8));
  }
  for (const wire of many) {
    await until(() => wire.received().match(/\/small/g)?.length === 8, 'eight answers');
  }
  const before = await read(300 * 8);
  const stuck = await open(t, server);
  stuck.send(get('/stuck'));
  await until(() => existsSync(join(folder, 'entered')), 'the handler');
  // More than the 4096 that may wait.
  for (const wire of many) {
    wire.send(get('/first').repeat(16));
  }
  // A socket that has a request waiting for room is not read on. How many requests are read
  // until then depends on how they arrive: those that the lane takes, at least.
  const full = await read(before + 1 + 4096);
  for (const wire of few) {
    wire.send(get('/first'));
  }
  const parked = await read(full + 100);
  // Their sockets are not read from now.
  for (const wire of few) {
    wire.send(get('/second'));
  }
  const native = await open(t, server);
  native.send(get('/native'));
  await native.reads(/native$/);
  t.is(await read(parked + 1), parked + 1);
  writeFileSync(join(folder, 'go'), '');
  await stuck.reads(/\/stuck$/);
  for (const wire of many) {
    await until(() => wire.received().match(/\/first/g)?.length === 16, 'sixteen answers');
  }
  for (const wire of few) {
    t.regex(await wire.reads(/\/second$/), /^HTTP\/1.1 200 .*\/first.*\/second$/s);
  }
});

test('with maxInFlight one more is refused without JavaScript', async (t) => {
  const gate = deferred();
  let calls = 0;
  const server = await start(t, {
    ioThreads: 2,
    maxInFlight: 3,
    routes: { '/native': 'native', '/routed': () => new Response('routed') },
    fetch: async () => {
      calls++;
      await gate.promise;
      return new Response('held');
    },
  });
  const held = [1, 2, 3].map(() => send(server.url));
  await until(() => server.stats().handlers.inFlight === 3, 'three requests');
  for (const path of ['', 'routed']) {
    const { statusCode, headers, body } = await send(server.url + path, {
      method: 'POST',
      body: 'some',
    });
    t.is(statusCode, 503);
    t.is(headers['retry-after'], '1');
    await body.dump();
  }
  t.is((await send(`${server.url}native`)).statusCode, 200);
  t.is(calls, 3);
  t.deepEqual(server.stats().handlers, { given: 3, inFlight: 3, rejected: 2, timedOut: 0 });
  gate.resolve();
  for (const { statusCode, body } of await Promise.all(held)) {
    t.is(statusCode, 200);
    t.is(await body.text(), 'held');
  }
  await until(() => server.stats().handlers.inFlight === 0, 'the places');
  t.is((await send(`${server.url}routed`)).statusCode, 200);
});

test('--max-in-flight and --request-timeout take what the options take', async (t) => {
  const args = ['-p', '0', '-H', '127.0.0.1', '--max-in-flight', '1', '--request-timeout', '1500'];
  const server = await serveCommand(t, [
    moduleOf(t, 'export default () => new Promise(() => {});'),
    ...args,
  ]);
  // One too many, and one that takes too long.
  const [one, other] = await Promise.all([send(server.url), send(server.url)]);
  t.deepEqual([one.statusCode, other.statusCode], [503, 503]);
  t.deepEqual([one.headers['retry-after'], other.headers['retry-after']].sort(), ['1', undefined]);
});

test('the bridge drops what comes after the time is over', async (t) => {
  const lane = new FakeLane();
  const gate = deferred();
  const requests = [];
  lane.bridge = new Bridge(lane, {
    find: () => ({
      paramNames: [],
      handle: async (request) => {
        requests.push(request);
        await gate.promise;
        return new Response('late');
      },
    }),
  });
  const whole = lane.ask('GET', '/');
  const upload = lane.ask('POST', '/', {}, { body: '', streams: true });
  await until(() => requests.length === 2, 'the handlers');
  const text = t.throwsAsync(requests[1].text(), { any: true, name: 'TimeoutError' });
  lane.timedOut(whole);
  lane.timedOut(upload);
  await text;
  t.is(requests[0].signal.reason.name, 'TimeoutError');
  t.true(requests[1].signal.aborted);
  gate.resolve();
  await sleep(20);
  t.deepEqual(lane.replies, []);
});

test('a half-closed request whose time is over stays aborted as it was', async (t) => {
  const lane = new FakeLane();
  let seen;
  lane.bridge = new Bridge(lane, {
    find: () => ({
      paramNames: [],
      handle: (request) => {
        seen = request;
        return new Promise(() => {});
      },
    }),
  });
  const id = lane.ask('GET', '/');
  await until(() => seen !== undefined, 'the handler');
  lane.halfClosed(id);
  await until(() => seen.signal.aborted, 'the half-close');
  const { reason } = seen.signal;
  t.is(reason.name, 'AbortError');
  lane.timedOut(id);
  await sleep(20);
  t.is(seen.signal.reason, reason);
});

test('a signal stops the server gracefully', async (t) => {
  const controller = new AbortController();
  const gate = deferred();
  const server = await start(t, {
    signal: controller.signal,
    fetch: async () => {
      await gate.promise;
      return new Response('finished');
    },
  });
  const request = send(server.url);
  await until(() => server.stats().handlers.inFlight === 1, 'the request');
  controller.abort();
  t.throws(() => server.reload(), { code: 'ERR_REACTOR_STOPPED' });
  await sleep(50);
  gate.resolve();
  const { statusCode, body } = await request;
  t.is(statusCode, 200);
  t.is(await body.text(), 'finished');
  await server.stop();
  await t.throwsAsync(send(server.url), { code: 'ECONNREFUSED' });
});

test('a signal of another implementation stops the server too', async (t) => {
  // As test runners with a DOM of their own have it.
  class OtherSignal extends EventTarget {
    aborted = false;
    throwIfAborted() {}
  }
  const signal = new OtherSignal();
  const server = await start(t, { signal, fetch: () => new Response('x') });
  signal.aborted = true;
  signal.dispatchEvent(new Event('abort'));
  await server.finished;
  await t.throwsAsync(send(String(server.url)), { code: 'ECONNREFUSED' });
});

test('a signal that has aborted before starts nothing', async (t) => {
  const reason = new Error('no more');
  const server = await start(t, { routes: {} });
  // A port that is taken, but never bound.
  const options = { port: server.port, hostname: '127.0.0.1', signal: AbortSignal.abort(reason) };
  t.is(await t.throwsAsync(serve(options)), reason);
  await t.throwsAsync(serve({ ...options, port: -1 }), { code: 'ERR_REACTOR_INVALID_OPTION' });
});

test('a signal that aborts while the server starts leaves nothing behind', async (t) => {
  const controller = new AbortController();
  const free = await start(t, { routes: {} });
  const { port } = free;
  await free.stop();
  const options = { port, hostname: '127.0.0.1', fetch: () => new Response('x') };
  const starting = serve({ ...options, signal: controller.signal });
  controller.abort('enough');
  t.is(
    await starting.then(
      () => t.fail(),
      (reason) => reason,
    ),
    'enough',
  );
  const again = await start(t, options);
  t.is((await send(again.url)).statusCode, 200);
});

test('a module that stops its server ends the command', async (t) => {
  const module = moduleOf(
    t,
    `const controller = new AbortController();
    export default {
      signal: controller.signal,
      fetch() {
        controller.abort();
        return new Response('the last');
      },
    };`,
  );
  const server = await serveCommand(t, [module, '-p', '0', '-H', '127.0.0.1']);
  const { body } = await send(server.url);
  t.is(await body.text(), 'the last');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('a server that has stopped lets go of its signal', async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const counts = { on: 0, off: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args) => {
    counts.on++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args) => {
    counts.off++;
    removeEventListener.apply(signal, args);
  };
  const server = await start(t, { signal, routes: {} });
  await server.stop();
  t.deepEqual(counts, { on: 1, off: 1 });
  controller.abort();
  t.pass();
});

test('a refused upload says why to its reader, and the signal does not say that the client left', async (t) => {
  const seen = {};
  const server = await start(t, {
    limits: { body: 1000 },
    timeouts: { body: 1500 },
    fetch: async (request) => {
      const name = new URL(request.url).pathname.slice(1);
      seen[name] = { aborts: 0 };
      request.signal.addEventListener('abort', () => {
        seen[name].aborts++;
      });
      try {
        await request.text();
      } catch ({ name: kind, code, status }) {
        Object.assign(seen[name], { kind, code, status });
      }
      return new Response('late');
    },
  });
  const begin = (name) =>
    `POST /${name} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n`;
  for (const [name, status, code, rest] of [
    ['large', 413, 'ERR_REACTOR_BODY_TOO_LARGE', `800\r\n${'a'.repeat(2048)}\r\n0\r\n\r\n`],
    ['broken', 400, 'ERR_REACTOR_BODY_INVALID', 'zz\r\n'],
    ['slow', 408, 'ERR_REACTOR_BODY_TIMEOUT', ''],
  ]) {
    const wire = await open(t, server);
    wire.send(begin(name));
    await until(() => seen[name] !== undefined);
    wire.send(rest);
    await wire.reads(new RegExp(`^HTTP/1.1 ${status} `));
    await until(() => seen[name].code !== undefined);
    t.deepEqual(seen[name], { aborts: 0, kind: 'ReactorError', code, status });
  }
});
