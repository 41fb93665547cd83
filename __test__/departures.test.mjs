// Clients that leave while JavaScript is busy: all that happened meanwhile is in
// the one batch that it takes next.

import { once } from 'node:events';
import test from 'ava';
import { serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
import { open } from './wire.mjs';

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
