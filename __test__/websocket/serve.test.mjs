// serve({ websocket }) with the clients of `ws`.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { serve } from 'reactor-rs';
import { start } from '../support/server.mjs';
import { client } from './client.mjs';

const MIB = 1024 * 1024;

const upgrade = (request, server) =>
  server.upgrade(request) ? undefined : new Response('no handshake', { status: 400 });

test('echo of text and bytes, of all sizes', async (t) => {
  const server = await start(t, {
    fetch: upgrade,
    websocket: {
      message(socket, message) {
        t.true(socket.send(message) !== 0);
      },
    },
  });
  const { socket, next, opened } = client(t, server);
  await opened;
  const sizes = [0, 1, 20, 125, 126, 1000, 16_384, 65_535, 65_536, 300_000, 5 * MIB];
  for (const size of sizes) {
    for (const message of ['x'.repeat(size), 'é'.repeat(size / 2), Buffer.alloc(size, size)]) {
      socket.send(message);
      t.true(same(await next(), message), `${size}`);
    }
  }
  // Many at once come in order.
  const many = Array.from({ length: 2000 }, (_, i) => `${i} ${'ö'.repeat(i % 300)}`);
  for (const message of many) {
    socket.send(message);
  }
  for (const message of many) {
    t.true((await next()) === message);
  }
});

function same(one, other) {
  return typeof one === 'string' ? one === other : Buffer.from(one).equals(Buffer.from(other));
}

test('closing from either side, with codes and reasons', async (t) => {
  const seen = [];
  const server = await start(t, {
    fetch: upgrade,
    websocket: {
      message(socket, message) {
        const [code, reason] = message.split(' ');
        socket.send('last');
        socket.close(...(code === '' ? [] : [Number(code), reason]));
        t.is(socket.readyState, 2);
        t.is(socket.send('late'), 0);
      },
      close(socket, code, reason) {
        seen.push([code, reason]);
        t.is(socket.readyState, 3);
      },
    },
  });
  for (const [message, expected] of [
    ['', [1000, '']],
    ['4000 bye', [4000, 'bye']],
  ]) {
    const { socket, next, opened, closed } = client(t, server);
    await opened;
    socket.send(message);
    t.is(await next(), 'last');
    t.deepEqual(await closed, expected);
  }
  for (const [given, expected] of [
    [
      [4001, 'mine'],
      [4001, ''],
    ],
    [[], [1005, '']],
  ]) {
    const { socket, opened, closed } = client(t, server);
    await opened;
    socket.close(...given);
    t.deepEqual(await closed, expected);
  }
  const { socket, opened } = client(t, server);
  await opened;
  socket.terminate();
  while (seen.length < 5) {
    await sleep(5);
  }
  t.deepEqual(seen, [
    [1000, ''],
    [4000, 'bye'],
    [4001, 'mine'],
    [1005, ''],
    [1006, ''],
  ]);
});

test('fields, subprotocol and data of the upgrade', async (t) => {
  const server = await start(t, {
    fetch(request, info) {
      const headers = { 'set-cookie': 'a=1', 'x-a': 'b' };
      const data = new URL(request.url).pathname;
      return info.upgrade(request, { headers, data }) ? undefined : new Response();
    },
    websocket: {
      protocols: ['v2', 'v1'],
      open(socket) {
        socket.send(JSON.stringify([socket.data, socket.protocol, socket.remoteAddress]));
      },
    },
  });
  const { socket, next, opened } = client(t, server, '/chat', ['v1', 'v2']);
  let headers;
  socket.on('upgrade', (response) => {
    ({ headers } = response);
  });
  await opened;
  t.is(socket.protocol, 'v2');
  t.deepEqual(JSON.parse(await next()), ['/chat', 'v2', '127.0.0.1']);
  t.like(headers, { 'set-cookie': ['a=1'], 'x-a': 'b' });
});

test('a request that is no handshake is answered as the handler wants', async (t) => {
  const server = await start(t, {
    routes: { '/none': (request, info) => void info.upgrade(request) },
    fetch: upgrade,
    websocket: {},
  });
  const plain = await fetch(server.url);
  t.is(plain.status, 400);
  t.is(await plain.text(), 'no handshake');
  const none = await fetch(new URL('/none', server.url.href));
  t.is(none.status, 426);
  t.is(none.headers.get('upgrade'), 'websocket');
  const socket = connect(server.port, '127.0.0.1');
  socket.write(
    'GET /none HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  const [answer] = await once(socket, 'data');
  socket.destroy();
  t.regex(`${answer}`, /^HTTP\/1\.1 426 .*\r\nsec-websocket-version: 13\r\n/is);
});

test('pages of other origins get a 403', async (t) => {
  const server = await start(t, { fetch: upgrade, websocket: { origin: 'same-origin' } });
  const own = client(t, server, '/', [], { origin: server.url.origin });
  await own.opened;
  const other = client(t, server, '/', [], { origin: 'https://evil.test' });
  await t.throwsAsync(other.opened, { message: /403/ });
});

test('topics reach all subscribers but the sender, and who leaves says so', async (t) => {
  const server = await start(t, {
    fetch(request, info) {
      return info.upgrade(request, { data: new URL(request.url).search.slice(1) })
        ? undefined
        : new Response();
    },
    websocket: {
      open(socket) {
        socket.subscribe('room');
        socket.publish('room', `${socket.data} came`);
        socket.send('welcome');
      },
      message: (socket, message) => void socket.publish('room', message),
      close: (socket) => void socket.publish('room', `${socket.data} left`),
    },
  });
  const ann = client(t, server, '/?ann');
  await ann.opened;
  t.is(await ann.next(), 'welcome');
  const bob = client(t, server, '/?bob');
  await bob.opened;
  t.is(await bob.next(), 'welcome');
  t.is(await ann.next(), 'bob came');
  bob.socket.send('hi');
  t.is(await ann.next(), 'hi');
  t.is(server.subscriberCount('room'), 2);
  t.deepEqual(
    server.subscribers('room').map(({ data }) => data),
    ['ann', 'bob'],
  );
  t.is(server.publish('room', Buffer.from([1, 2])), 2);
  t.deepEqual(await ann.next(), Buffer.from([1, 2]));
  t.deepEqual(await bob.next(), Buffer.from([1, 2]));
  bob.socket.close();
  t.is(await ann.next(), 'bob left');
  t.deepEqual(
    server.subscribers('room').map(({ data }) => data),
    ['ann'],
  );
  t.is(server.publish('other', 'x'), 0);
});

test('messages that were published before the last topic is left still come', async (t) => {
  const server = await start(t, {
    fetch: upgrade,
    websocket: {
      open: (socket) => void socket.subscribe('room'),
      message(socket) {
        for (let i = 0; i < 5; i++) {
          t.is(server.publish('room', `${i}`), 1);
        }
        socket.unsubscribe('room');
        server.publish('room', 'after');
        socket.send('end');
      },
    },
  });
  const { socket, next, opened } = client(t, server);
  await opened;
  socket.send('go');
  const got = [];
  while (got.at(-1) !== 'end') {
    got.push(await next());
  }
  t.deepEqual(got, ['0', '1', '2', '3', '4', 'end']);
});

test('a slow client: send says so, drops what does not fit, and drain follows', async (t) => {
  let drained;
  const drain = new Promise((resolve) => {
    drained = resolve;
  });
  const sent = [];
  const server = await start(t, {
    fetch: upgrade,
    websocket: {
      backpressureLimit: 8 * MIB,
      async message(socket) {
        // One after the other, so that the engine notices.
        for (let i = 0; i < 60; i++) {
          sent.push(socket.send(Buffer.alloc(256 * 1024, i)));
          await sleep(1);
        }
        t.true(socket.getBufferedAmount() > MIB);
      },
      drain(socket) {
        drained(socket.getBufferedAmount());
      },
    },
  });
  const { socket, opened, messages } = client(t, server);
  await opened;
  socket.send('go');
  socket.pause();
  while (sent.length < 60) {
    await sleep(10);
  }
  t.true(sent[0] === 256 * 1024);
  t.true(sent.includes(-1));
  t.is(sent.at(-1), 0);
  socket.resume();
  t.true((await drain) <= MIB);
  const expected = sent.filter((result) => result !== 0).length;
  while (messages.length < expected) {
    await sleep(10);
  }
  await sleep(50);
  t.is(messages.length, expected);
});

test('a message that is too long closes with 1009, one that is no text with 1007', async (t) => {
  const codes = [];
  const server = await start(t, {
    fetch: upgrade,
    websocket: { maxPayloadLength: 1000, close: (_, code) => void codes.push(code) },
  });
  const long = client(t, server);
  await long.opened;
  long.socket.send('x'.repeat(1001));
  t.is((await long.closed)[0], 1009);
  const invalid = client(t, server);
  await invalid.opened;
  invalid.socket.send(Buffer.from([0xff]), { binary: false });
  t.is((await invalid.closed)[0], 1007);
  while (codes.length < 2) {
    await sleep(5);
  }
  // The client's answer, or what the engine has closed with.
  t.deepEqual(codes, [1009, 1007]);
});

test('while JavaScript is blocked pings are answered and messages wait in order', async (t) => {
  const script = `
    import { serve } from 'reactor-rs';
    const server = await serve({
      port: 0, hostname: '127.0.0.1', ioThreads: 2,
      fetch: (request, info) => info.upgrade(request) ? undefined : new Response(),
      websocket: {
        message(socket, message) {
          if (message === 'block') {
            const until = Date.now() + 1500;
            while (Date.now() < until) {}
          }
          socket.send(message);
        },
      },
    });
    console.log(server.url.href);
  `;
  const { spawn } = await import('node:child_process');
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  const server = { url: new URL(`${line}`.trim()) };
  const { socket, messages, next, opened } = client(t, server);
  await opened;
  socket.send('block');
  await sleep(100);
  for (let i = 0; i < 10; i++) {
    socket.send(`${i}`);
  }
  socket.ping('are you there');
  const [data] = await once(socket, 'pong');
  t.is(`${data}`, 'are you there');
  t.is(messages.length, 0, 'JavaScript has not answered yet');
  t.is(await next(), 'block');
  for (let i = 0; i < 10; i++) {
    t.is(await next(), `${i}`);
  }
});

test('pings and pongs of handlers', async (t) => {
  const seen = [];
  const server = await start(t, {
    fetch: upgrade,
    websocket: {
      open: (socket) => void socket.ping('server'),
      ping: (_, data) => void seen.push(`ping ${data}`),
      pong: (_, data) => void seen.push(`pong ${data}`),
    },
  });
  const { socket, opened } = client(t, server);
  await opened;
  socket.ping('client');
  await once(socket, 'pong');
  while (seen.length < 2) {
    await sleep(5);
  }
  t.deepEqual(seen.sort(), ['ping client', 'pong server']);
});

test('a client that says nothing is closed after its idle time', async (t) => {
  const server = await start(t, {
    fetch: upgrade,
    websocket: { idleTimeout: 0.2, sendPings: false },
  });
  const { opened, closed } = client(t, server);
  await opened;
  t.true([1000, 1001, 1006, 1008].includes((await closed)[0]), `${await closed}`);
});

test('a stop closes sockets with 1001', async (t) => {
  const codes = [];
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: upgrade,
    websocket: { close: (_, code) => void codes.push(code) },
  });
  const clients = [client(t, server), client(t, server)];
  await Promise.all(clients.map(({ opened }) => opened));
  await server.stop();
  t.deepEqual(
    (await Promise.all(clients.map(({ closed }) => closed))).map(([code]) => code),
    [1001, 1001],
  );
  t.deepEqual(codes, [1001, 1001]);
});

test('messages are compressed for clients that can read it', async (t) => {
  let compress = false;
  const server = await start(t, {
    fetch: upgrade,
    websocket: {
      perMessageDeflate: true,
      message(socket, message) {
        compress = !compress;
        socket.send(message, compress);
      },
    },
  });
  for (const options of [{ perMessageDeflate: true }, {}]) {
    const { socket, next, opened } = client(t, server, '/', [], options);
    await opened;
    t.is(socket.extensions.includes('permessage-deflate'), options.perMessageDeflate === true);
    const text = JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ id: i, name: 'é' })));
    for (const isCompressed of [options.perMessageDeflate === true, false]) {
      const before = socket._socket.bytesRead;
      socket.send(text);
      t.is(await next(), text);
      const bytes = socket._socket.bytesRead - before;
      t.is(bytes < text.length / 2, isCompressed, `${bytes}`);
    }
  }
});

test('an async iterable of messages', async (t) => {
  const ended = [];
  const server = await start(t, {
    async fetch(request, info) {
      const socket = info.acceptWebSocket(request);
      for await (const message of socket) {
        await socket.send(message);
      }
      ended.push(await socket.closed);
    },
  });
  const { socket, next, opened } = client(t, server);
  await opened;
  for (const message of ['a', 'ö', 'x'.repeat(3 * MIB), Buffer.alloc(10)]) {
    socket.send(message);
    t.true(same(await next(), message));
  }
  socket.close(4002, 'done');
  while (ended.length < 1) {
    await sleep(5);
  }
  t.deepEqual(ended, [{ code: 4002, reason: 'done', wasClean: true }]);
  t.is((await fetch(server.url)).status, 426);
});

test('an async iterable that nobody reads makes the client wait', async (t) => {
  let go;
  const gate = new Promise((resolve) => {
    go = resolve;
  });
  let bytes = 0;
  const server = await start(t, {
    async fetch(request, info) {
      const socket = info.acceptWebSocket(request);
      await gate;
      for await (const message of socket) {
        bytes += message.length;
      }
    },
  });
  const { socket, opened } = client(t, server);
  await opened;
  const piece = Buffer.alloc(MIB);
  for (let i = 0; i < 40; i++) {
    socket.send(piece);
  }
  await sleep(300);
  t.true(socket.bufferedAmount > 10 * MIB, `${socket.bufferedAmount}`);
  go();
  while (bytes < 40 * MIB) {
    await sleep(10);
  }
  t.is(bytes, 40 * MIB);
});

test('reload gives open sockets new handlers', async (t) => {
  const answer = (text) => ({ message: (socket) => void socket.send(text) });
  const server = await start(t, { fetch: upgrade, websocket: answer('old') });
  const { socket, next, opened } = client(t, server);
  await opened;
  socket.send('');
  t.is(await next(), 'old');
  server.reload({ websocket: answer('new') });
  socket.send('');
  t.is(await next(), 'new');
  t.is((await fetch(server.url)).status, 400, 'routes stay');
});

test('sockets of all JavaScript threads share topics; a thread that dies closes its sockets with 1012', async (t) => {
  const server = await start(t, {
    module: new URL('./module.mjs', import.meta.url),
    jsThreads: 2,
    onThreadError() {},
  });
  const clients = [];
  const threads = new Set();
  while (threads.size < 2 || clients.length < 4) {
    const each = client(t, server);
    await each.opened;
    each.thread = await each.next();
    threads.add(each.thread);
    clients.push(each);
  }
  const [first, ...others] = clients;
  first.socket.send('hi all');
  for (const { next } of others) {
    t.is(await next(), 'hi all');
  }
  t.is(await (await fetch(server.url)).text(), `${clients.length}`);
  t.is(server.subscriberCount('room'), clients.length);
  t.is(server.publish('room', 'from main'), 9);
  for (const { next } of clients) {
    t.is(await next(), 'from main');
  }
  const { thread } = first;
  const own = clients.filter((each) => each.thread === thread);
  first.socket.send('die');
  t.deepEqual(
    (await Promise.all(own.map(({ closed }) => closed))).map(([code]) => code),
    own.map(() => 1012),
  );
  const left = clients.filter((each) => each.thread !== thread);
  server.publish('room', 'still here');
  for (const { next } of left) {
    t.is(await next(), 'still here');
  }
});

test('a new module goes on with the sockets that are open', async (t) => {
  const module = new URL('./module.mjs', import.meta.url);
  const server = await start(t, { module, jsThreads: 2, timeouts: { drain: 2000 } });
  const clients = [];
  for (let i = 0; i < 6; i++) {
    const each = client(t, server, `/?${i}`);
    await each.opened;
    t.regex(await each.next(), /^thread/);
    clients.push(each);
  }
  const [first, ...others] = clients;
  // What is sent meanwhile is not lost, and comes in order.
  let count = 0;
  let isReloading = true;
  const reloaded = server.reload({ module }).then(() => {
    isReloading = false;
  });
  while (isReloading || count < 100) {
    first.socket.send(`${count++}`);
    await sleep(2);
  }
  await reloaded;
  for (const { next } of others) {
    let expected = 0;
    while (expected < count) {
      const message = await next();
      if (!message.startsWith('again')) {
        t.is(message, `${expected++}`);
      }
    }
  }
  // Each has been told by its new thread, which is none of the old ones.
  t.true(clients.every(({ socket }) => socket.readyState === 1));
  others[0].socket.send('from other');
  // It may come before the old thread has given the socket up.
  const [last, greeting] = [await first.next(), await first.next()].sort().reverse();
  t.regex(greeting, /^again in thread \d+, was in \d+, in room$/);
  t.is(last, 'from other');
  t.is(server.subscriberCount('room'), 6);
});

test('an open socket keeps no request, unless an error handler is given it', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const requests = [];
  const note = (request, server) => {
    requests.push(new WeakRef(request));
    return upgrade(request, server);
  };
  const websocket = {
    message(socket, message) {
      if (message === 'throw') {
        throw new Error('thrown');
      }
      socket.send(message);
    },
  };
  const reported = [];
  const error = (thrown, request) => {
    reported.push([thrown.message, new URL(request.url).pathname]);
    return new Response();
  };
  const open = async (options, path) => {
    const server = await start(t, { fetch: note, websocket, ...options });
    const { socket, next, opened } = client(t, server, path);
    await opened;
    return async (...messages) => {
      for (const message of messages) {
        socket.send(message);
      }
      t.is(await next(), 'echo');
    };
  };
  const plain = await open({}, '/plain');
  await plain('echo');
  await sleep(0);
  for (let i = 0; i < 50 && requests[0].deref() !== undefined; i++) {
    collect();
    await plain('echo');
  }
  t.is(requests[0].deref(), undefined);

  const handled = await open({ error }, '/handled');
  collect();
  await handled('throw', 'echo');
  t.deepEqual(reported, [['thrown', '/handled']]);
});
