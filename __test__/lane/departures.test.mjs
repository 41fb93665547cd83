// Clients that leave while JavaScript is busy: all that happened meanwhile is in
// the one batch that it takes next.

import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
import { open } from '../support/wire.mjs';

/** Holds this thread, while the I/O threads go on, until the engine has done something. */
function hold(condition) {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const end = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > end) {
      throw new Error('waited thirty seconds');
    }
    Atomics.wait(clock, 0, 0, 1);
  }
}

function get(path) {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
}

test('the answer for a client that has left goes to nobody', async (t) => {
  const clients = 40;
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 1,
    workerThreads: 1,
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === '/hold') {
        const { requests, connections } = server.stats();
        for (const wire of leaving) {
          wire.send(get('/left'));
        }
        hold(() => server.stats().requests.total === requests.total + clients);
        for (const wire of leaving) {
          wire.reset();
        }
        hold(() => server.stats().connections.open === connections.open - clients);
        staying.forEach((wire, n) => {
          wire.send(get(`/stays/${n}`));
        });
        hold(() => server.stats().requests.total === requests.total + 2 * clients);
      }
      return new Response(`for ${pathname}`);
    },
  });
  t.teardown(() => server.stop({ force: true }));
  const several = () => Promise.all(Array.from({ length: clients }, () => open(t, server)));
  const [leaving, staying] = [await several(), await several()];
  const wire = await open(t, server);
  wire.send(get('/hold'));
  t.regex(await wire.closes(), /for \/hold$/);
  const answers = await Promise.all(staying.map((other) => other.closes()));
  t.deepEqual(
    answers.map((text) => text.slice(text.indexOf('\r\n\r\n') + 4)),
    answers.map((_, n) => `for /stays/${n}`),
  );
  const { given, inFlight } = server.stats().handlers;
  t.deepEqual({ given, inFlight }, { given: 1 + 2 * clients, inFlight: 0 });
});

test('what a listener says to a client that has left goes to nobody', async (t) => {
  let waiting;
  const server = createServer({ ioThreads: 1, workerThreads: 1 }, (req, res) => {
    if (req.url === '/wait') {
      waiting = res;
    } else if (req.url === '/tell') {
      // Answered below, before this thread knows that its client has left.
      waiting.end('for the one that waited');
      res.end('for the one that tells');
    } else {
      res.end(`for ${req.url}`);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = { port: server.address().port, hostname: '127.0.0.1' };
  const [one, two, three] = await Promise.all([1, 2, 3].map(() => open(t, address)));
  one.send(get('/wait'));
  while (waiting === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  // In the one batch: the telling request, the departure, the next request.
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const pause = () => Atomics.wait(clock, 0, 0, 100);
  two.send(get('/tell'));
  pause();
  one.reset();
  pause();
  three.send(get('/next'));
  pause();
  t.regex(await two.closes(), /for the one that tells$/);
  t.regex(await three.closes(), /for \/next$/);
});

const HEADS = {
  'a kept connection': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'Connection: close': get('/'),
  'HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
  'an upgrade that is refused':
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'a last request with a body':
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab',
  'a body that does not end':
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n',
};

/** Waits without holding the thread. */
async function until(condition, what) {
  const end = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > end) {
      throw new Error(`waited thirty seconds for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

for (const listener of ['a port', 'a unix socket']) {
  test(`a client that leaves is noticed, and its places are free, on ${listener}`, async (t) => {
    let entered = 0;
    let aborted = 0;
    const isUnix = listener !== 'a port';
    const server = await serve({
      ...(isUnix ? { unix: join(tmpdir(), `reactor-left-${process.pid}`) } : { port: 0 }),
      hostname: isUnix ? undefined : '127.0.0.1',
      maxInFlight: 1,
      timeouts: { write: 300 },
      fetch: (request) => {
        entered++;
        request.signal.addEventListener('abort', () => aborted++);
        return new Promise(() => {});
      },
    });
    t.teardown(() => server.stop({ force: true }));
    let rounds = 0;
    for (const [name, head] of Object.entries(HEADS)) {
      rounds++;
      const wire = await open(t, server);
      wire.send(head);
      await until(() => entered === rounds, `the request of ${name}`);
      wire.leave();
      await until(() => aborted === rounds, `the signal of ${name}`);
      // With one place only, the next request would be refused.
      const isFree = () => {
        const { connections, handlers } = server.stats();
        return connections.open === 0 && handlers.inFlight === 0;
      };
      await until(isFree, `the place of ${name}`);
    }
    t.is(aborted, rounds);
  });
}

test('a stream is cancelled for a client that left, though it gives nothing', async (t) => {
  const seen = [];
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    timeouts: { write: 300 },
    fetch(request) {
      request.signal.addEventListener('abort', () => seen.push('aborted'));
      return new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(Buffer.from('data: 1\n\n')),
          cancel: () => seen.push('cancelled'),
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      );
    },
  });
  t.teardown(() => server.stop({ force: true }));
  for (const head of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', get('/'), 'GET / HTTP/1.0\r\n\r\n']) {
    seen.length = 0;
    const wire = await open(t, server);
    wire.send(head);
    await wire.reads(/data: 1/);
    wire.leave();
    await until(() => seen.length === 2, 'both to be told');
    t.deepEqual(seen, ['aborted', 'cancelled']);
  }
  t.is(server.stats().handlers.inFlight, 0);
});

test('a client that closes its side gets its answer, and a download to its end', async (t) => {
  const size = 30 * 50_000;
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === '/answer') {
        await once(request.signal, 'abort');
        return new Response('for one that still reads');
      }
      let left = 30;
      return new Response(
        new ReadableStream({
          async pull(controller) {
            await new Promise((resolve) => setTimeout(resolve, 20));
            controller.enqueue(new Uint8Array(50_000).fill(120));
            left--;
            if (left === 0) {
              controller.close();
            }
          },
        }),
      );
    },
  });
  t.teardown(() => server.stop({ force: true }));
  for (const version of ['1.1', '1.0']) {
    const ask = async (path) => {
      const wire = await open(t, server, { allowHalfOpen: true });
      wire.end(`GET ${path} HTTP/${version}\r\nHost: a\r\nConnection: close\r\n\r\n`);
      return wire.closes();
    };
    // It has a second: a machine that is very busy may take longer now and then.
    t.regex(await oneOfFive(() => ask('/answer'), /reads$/), /for one that still reads$/);
    const end = version === '1.1' ? /x\r\n0\r\n\r\n$/ : /x$/;
    const text = await oneOfFive(() => ask('/download'), end);
    t.is(text.match(/x/g)?.length, size);
  }
});

async function oneOfFive(ask, pattern) {
  let text = '';
  for (let left = 5; left > 0 && !pattern.test(text); left--) {
    text = await ask();
  }
  return text;
}

test('request and response close under reactor-rs/node whatever the client said', async (t) => {
  const seen = [];
  const server = createServer((req, res) => {
    seen.push('entered');
    req.on('aborted', () => seen.push('aborted'));
    req.on('error', () => {});
    req.on('close', () => seen.push('req close'));
    res.on('close', () => seen.push('res close'));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  t.teardown(() => server.closeAllConnections());
  for (const [name, head] of Object.entries(HEADS)) {
    seen.length = 0;
    const wire = await open(t, { port: server.address().port, hostname: '127.0.0.1' });
    wire.send(head);
    await until(() => seen.includes('entered'), `the request of ${name}`);
    wire.leave();
    await until(() => seen.length === 4, `the events of ${name}`);
    t.deepEqual([...seen].sort(), ['aborted', 'entered', 'req close', 'res close'], name);
  }
});

const HALF_CLOSED = {
  'at once': (_req, res) => res.end('x'),
  'in a promise': async (_req, res) => {
    await null;
    res.end('x');
  },
  'in a tick': (_req, res) => process.nextTick(() => res.end('x')),
  'in a turn': (_req, res) => setImmediate(() => res.end('x')),
  'behind the body': (req, res) => req.resume().on('end', () => res.end('x')),
};

for (const [name, handle] of Object.entries(HALF_CLOSED)) {
  test(`a whole request that ends its side is answered under reactor-rs/node ${name}`, async (t) => {
    const server = createServer(handle);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());
    t.teardown(() => server.closeAllConnections());
    const address = { port: server.address().port, hostname: '127.0.0.1' };
    for (let round = 0; round < 10; round++) {
      for (const length of [2, 300_000]) {
        const wire = await open(t, address, { allowHalfOpen: true });
        const body = 'a'.repeat(length);
        wire.end(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`);
        t.regex(await wire.closes(), /^HTTP\/1.1 200 [\s\S]*x/, `${length} bytes, round ${round}`);
      }
    }
  });
}

test('handlers on threads hear of clients that leave', async (t) => {
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    jsThreads: 2,
    maxInFlight: 4,
    timeouts: { write: 300 },
    module: new URL('../threads/leaving.mjs', import.meta.url),
  });
  t.teardown(() => server.stop({ force: true }));
  const names = Object.keys(HEADS);
  for (const name of names) {
    const wire = await open(t, server);
    wire.send(HEADS[name]);
    await until(() => server.stats().handlers.inFlight > 0, `the request of ${name}`);
    wire.leave();
    await until(() => server.stats().handlers.inFlight === 0, `the place of ${name}`);
  }
  await until(() => server.stats().connections.open === 0, 'the connections');
  t.is(server.stats().handlers.given, names.length);
});
