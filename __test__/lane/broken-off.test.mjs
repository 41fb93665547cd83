// Responses whose body fails: the client gets the answer of `error`, or what came
// before the failure and then an end that it notices. It never gets nothing.

import { createReadStream } from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
import { open } from '../support/wire.mjs';

const encoder = new TextEncoder();

const nextTick = () => new Promise((resolve) => process.nextTick(resolve));

/** A stream that gives these pieces and fails after `wait`. */
function failing(pieces, wait) {
  const left = pieces.map((piece) => encoder.encode(piece));
  return new ReadableStream({
    async pull(controller) {
      const piece = left.shift();
      if (piece !== undefined) {
        controller.enqueue(piece);
        return;
      }
      await wait();
      throw new Error('the source failed');
    },
  });
}

async function* generator() {
  yield encoder.encode('one');
  await turn();
  yield encoder.encode('two');
  await turn();
  throw new Error('the source failed');
}

const EVENTS = { headers: { 'content-type': 'text/event-stream' } };

/** What a handler answers, and all that must have come of its body; null for a 500. */
const CASES = {
  'fails at once': [() => new Response(failing([], async () => {})), null],
  'gives and fails at once': [() => new Response(failing(['DATA'], async () => {})), null],
  // Ticks are no pause of the program, so the head has not been sent.
  'fails in a tick': [() => new Response(failing([], nextTick)), null],
  'fails in a turn': [() => new Response(failing([], turn)), ''],
  'fails in a timer': [() => new Response(failing([], () => sleep(5))), ''],
  'gives and fails in a turn': [() => new Response(failing(['DATA'], turn)), 'DATA'],
  'gives several and fails in a timer': [
    () => new Response(failing(['a', 'b', 'c'], () => sleep(5))),
    'abc',
  ],
  'an async generator': [() => new Response(ReadableStream.from(generator())), 'onetwo'],
  'an event': [() => new Response(failing(['data: 1\n\n'], turn), EVENTS), 'data: 1\n\n'],
  'a declared length': [
    () => new Response(failing(['DATA'], turn), { headers: { 'content-length': '9' } }),
    'DATA',
  ],
  'a file that is not there': [() => new Response(createReadStream('/nowhere/at/all')), ''],
  'more than the client takes at once': [
    () => new Response(failing(['x'.repeat(200_000)], turn)),
    'x'.repeat(200_000),
  ],
};

/** The body that came, unless it looks whole. */
function partOf(text, isOld) {
  const at = text.indexOf('\r\n\r\n') + 4;
  const [head, body] = [text.slice(0, at), text.slice(at)];
  const length = /^content-length: (\d+)/im.exec(head);
  if (length !== null) {
    return Number(length[1]) > body.length ? body : undefined;
  }
  if (isOld) {
    return body;
  }
  let rest = body;
  let part = '';
  while (rest !== '') {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest, 16);
    if (size === 0) {
      return undefined;
    }
    part += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 2 + size + 2);
  }
  return part;
}

const HEADS = {
  'HTTP/1.1': 'GET /NUMBER HTTP/1.1\r\nHost: a\r\n\r\n',
  'a last request': 'GET /NUMBER HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'HTTP/1.0': 'GET /NUMBER HTTP/1.0\r\n\r\n',
};

for (const ioThreads of ['auto', 1, 4]) {
  test(`a body that fails is not nothing, with ioThreads ${ioThreads}`, async (t) => {
    const reported = new Set();
    const names = Object.keys(CASES);
    const number = (request) => Number(new URL(request.url).pathname.slice(1));
    const server = await serve({
      port: 0,
      hostname: '127.0.0.1',
      ioThreads,
      fetch: (request) => CASES[names[number(request)]][0](),
      error(_error, request) {
        reported.add(names[number(request)]);
        return new Response('from error', { status: 500 });
      },
    });
    t.teardown(() => server.stop({ force: true }));
    for (const [index, name] of names.entries()) {
      const wanted = CASES[name][1];
      for (const [kind, head] of Object.entries(HEADS)) {
        // It is a matter of who is first: now and then it would go well.
        for (let round = 0; round < 5; round++) {
          const wire = await open(t, server);
          wire.send(head.replace('NUMBER', index));
          if (wanted === null) {
            t.regex(await wire.reads(/from error$/), /^HTTP\/1.1 500 /, `${name}, ${kind}`);
          } else {
            const text = await wire.closes();
            t.regex(text, /^HTTP\/1.1 200 /, `${name}, ${kind}`);
            t.is(partOf(text, kind === 'HTTP/1.0'), wanted, `${name}, ${kind}`);
          }
        }
      }
    }
    t.deepEqual([...reported].sort(), names.sort(), 'all of them are reported');
  });
}

test('a body that fails behind another answer takes that one not along', async (t) => {
  let release;
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 1,
    error: () => new Response('', { status: 500 }),
    async fetch(request) {
      if (request.url.endsWith('/first')) {
        await new Promise((resolve) => {
          release = resolve;
        });
        return new Response('the first');
      }
      return new Response(
        failing(['PART'], async () => {
          await turn();
          setTimeout(release, 20);
        }),
      );
    },
  });
  t.teardown(() => server.stop({ force: true }));
  const wire = await open(t, server);
  wire.send('GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n');
  const text = await wire.closes();
  t.regex(text, /^HTTP\/1.1 200 [\s\S]*the firstHTTP\/1.1 200 [\s\S]*\r\n\r\n4\r\nPART\r\n$/);
  t.is(server.stats().handlers.inFlight, 0);
});

test('what was written before a response was destroyed is sent', async (t) => {
  const handlers = {
    now: (res) => res.destroy(),
    tick: (res) => process.nextTick(() => res.destroy()),
    turn: (res) => setImmediate(() => res.destroy()),
    timer: (res) => setTimeout(() => res.destroy(new Error('enough')), 5),
    socket: (res) => setImmediate(() => res.socket.destroy()),
  };
  const server = createServer({ ioThreads: 2 }, (req, res) => {
    res.on('error', () => {});
    const [, kind, length] = req.url.split('/');
    if (length !== undefined) {
      res.setHeader('content-length', length);
    }
    res.write('one ');
    res.write('two');
    handlers[kind](res);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  const address = { port: server.address().port, hostname: '127.0.0.1' };
  for (const kind of Object.keys(handlers)) {
    for (const path of [`/${kind}`, `/${kind}/100`]) {
      for (const version of ['1.1', '1.0']) {
        const wire = await open(t, address);
        wire.send(`GET ${path} HTTP/${version}\r\nHost: a\r\n\r\n`);
        const text = await wire.closes();
        t.regex(text, /^HTTP\/1.1 200 /, `${path} ${version}`);
        t.is(partOf(text, version === '1.0'), 'one two', `${path} ${version}`);
      }
    }
  }
});

test('requests whose responses are destroyed unwritten leave no body behind', async (t) => {
  const server = createServer({ bodyMemory: 1 << 20 }, (req, res) => {
    if (req.url === '/kept') {
      req.resume().on('end', () => res.end('kept'));
    } else {
      res.destroy();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  const address = { port: server.address().port, hostname: '127.0.0.1' };
  const post = async (path) => {
    const wire = await open(t, address);
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 60000`;
    wire.send(`${head}\r\n\r\n${'x'.repeat(60_000)}`);
    return wire.closes();
  };
  // Far more than there is room for.
  for (let round = 0; round < 50; round++) {
    t.is(await post('/dropped'), '');
  }
  t.regex(await post('/kept'), /kept$/);
});

test('a file that is not there, which nobody reads, does not end the process', async (t) => {
  const failed = [];
  const opened = (request) => {
    const stream = createReadStream('/nowhere/at/all');
    // Node throws the 'error' of a stream that has no listener for it.
    stream.on('close', () => failed.push(new URL(request.url).pathname));
    return new Response(stream);
  };
  let release;
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    error: () => new Response('from error', { status: 500 }),
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === '/later') {
        const response = opened(request);
        await sleep(20);
        return response;
      }
      if (pathname === '/left') {
        await new Promise((resolve) => {
          release = resolve;
          request.signal.addEventListener('abort', resolve);
        });
      }
      return opened(request);
    },
  });
  t.teardown(() => server.stop({ force: true }));
  const head = await open(t, server);
  head.send('HEAD /head HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  t.regex(await head.closes(), /^HTTP\/1.1 200 /);
  const later = await open(t, server);
  later.send('GET /later HTTP/1.1\r\nHost: a\r\n\r\n');
  t.regex(await later.reads(/from error$|\r\n\r\n$/), /^HTTP\/1.1 /);
  const left = await open(t, server);
  left.send('GET /left HTTP/1.1\r\nHost: a\r\n\r\n');
  while (release === undefined) {
    await sleep(1);
  }
  left.reset();
  while (failed.length < 3) {
    await sleep(1);
  }
  // The error comes before the stream closes.
  t.deepEqual(failed.sort(), ['/head', '/later', '/left']);
});

test('a Node stream that is a body is closed whatever becomes of the response', async (t) => {
  const streams = [];
  const made = {
    // Whole before it is sent, or with its end still to come.
    file: () => createReadStream(new URL(import.meta.url)),
    // Nothing ever comes of it.
    silent: () => new PassThrough(),
    form() {
      const form = new FormData();
      form.set('a', 'b');
      return form;
    },
  };
  let waiting = 0;
  let leaves = 0;
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const [, when, what] = new URL(request.url).pathname.split('/');
      if (when === 'left') {
        waiting++;
        await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
        leaves++;
      }
      const body = made[what]();
      if (body instanceof Readable) {
        streams.push(body);
      }
      return new Response(body);
    },
  });
  t.teardown(() => server.stop({ force: true }));
  for (const what of Object.keys(made)) {
    const head = await open(t, server);
    head.send(`HEAD /head/${what} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    t.regex(await head.closes(), /^HTTP\/1.1 200 /, what);
    const left = await open(t, server);
    left.send(`GET /left/${what} HTTP/1.1\r\nHost: a\r\n\r\n`);
    for (const before = leaves; leaves === before; await sleep(1)) {
      if (waiting > before) {
        left.reset();
      }
    }
    const midway = await open(t, server);
    midway.send(`GET /midway/${what} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await midway.reads(/^HTTP\/1.1 200 /);
    midway.reset();
  }
  t.is(streams.length, 6);
  while (streams.some((stream) => !stream.closed)) {
    await sleep(1);
  }
});
