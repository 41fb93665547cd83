// `server.upgrade` and what handlers can do, over a lane without an engine.

import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextMacrotask } from 'node:timers/promises';
import test from 'ava';
import { Response } from 'reactor-rs';
import { Bridge } from '../../dist/lane/bridge.js';
import { resolveWebSocket } from '../../dist/options/websocket.js';
import { WebSockets } from '../../dist/websocket/web-sockets.js';
import { FakeLane } from '../lane/fake-lane.mjs';

const KEY = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-key': 'x' };

async function macrotasks(count = 4) {
  for (let i = 0; i < count; i++) {
    await nextMacrotask();
  }
}

/** A server without an engine. */
function start(websocket, fetch = (request, server) => void server.upgrade(request)) {
  const lane = new FakeLane();
  const errors = [];
  const onError = (error, request) => {
    errors.push([error, request.url]);
    return new Response('error', { status: 500 });
  };
  lane.bridge = new Bridge(lane, { find: () => ({ handle: fetch, paramNames: [] }), onError });
  lane.bridge.webSockets = new WebSockets(lane.bridge, resolveWebSocket(websocket));
  const open = (headers = {}) => lane.ask('GET', '/socket', { ...KEY, ...headers });
  const upgraded = (id) => lane.reply((reply) => reply.kind === 'upgrade' && reply.id === id);
  const sent = async (id) => {
    const { data, flags } = await lane.reply((reply) => reply.kind === 'send' && reply.id === id);
    return (flags & 0xf) === 1 ? `${data}` : data;
  };
  return { lane, errors, open, upgraded, sent };
}

test('open, message and close, with the data and fields of the upgrade', async (t) => {
  const heard = [];
  const { lane, open, upgraded, sent } = start(
    {
      open(socket) {
        heard.push(['open', socket.data, socket.readyState]);
        socket.send('welcome');
      },
      message(socket, message) {
        heard.push(['message', message]);
        t.is(socket.send(message), Math.max(Buffer.byteLength(message), 1));
      },
      close(socket, code, reason) {
        heard.push(['close', socket.data, code, reason, socket.readyState]);
      },
    },
    (request, server) => {
      const headers = [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['Upgrade', 'nonsense'],
        ['Sec-WebSocket-Accept', 'nonsense'],
      ];
      t.true(server.upgrade(request, { headers, data: { user: 'Ada' } }));
      t.false(server.upgrade(request), 'once');
      t.deepEqual(heard, [['open', { user: 'Ada' }, 1]]);
      return undefined;
    },
  );
  const id = open();
  t.deepEqual((await upgraded(id)).fields, [
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
  ]);
  t.is(await sent(id), 'welcome');
  lane.message(id, 'héllo', { way: 'bytes' });
  lane.message(id, Buffer.from([1, 2, 3]));
  lane.message(id, '');
  t.is(await sent(id), 'héllo');
  t.deepEqual(await sent(id), Buffer.from([1, 2, 3]));
  t.is(await sent(id), '');
  lane.closed(id, 4001, 'bye');
  await macrotasks();
  t.deepEqual(heard, [
    ['open', { user: 'Ada' }, 1],
    ['message', 'héllo'],
    ['message', Buffer.from([1, 2, 3])],
    ['message', ''],
    ['close', { user: 'Ada' }, 4001, 'bye', 3],
  ]);
});

test('a handler may upgrade late, and answer with anything', async (t) => {
  const { lane, errors, open, upgraded } = start({}, async (request, server) => {
    await nextMacrotask();
    server.upgrade(request);
    await nextMacrotask();
    return new Response('not sent');
  });
  const first = open();
  await upgraded(first);
  await macrotasks();
  t.deepEqual(lane.replies, []);
  lane.closed(first);
  await macrotasks();
  const second = open();
  t.is(second, first, 'the id is free again');
  await upgraded(second);
  t.deepEqual(errors, []);
});

test('what is no handshake is answered by the handler, or with the reason', async (t) => {
  const { lane } = start({}, (request, server) => {
    if (server.upgrade(request)) {
      return undefined;
    }
    return request.url.endsWith('/own') ? new Response('own', { status: 400 }) : undefined;
  });
  lane.refusal = { status: 426, fields: ['upgrade', 'websocket'], text: 'WebSockets only' };
  t.like(await lane.response(lane.ask('GET', '/own')), { status: 400, body: 'own' });
  const refused = await lane.response(lane.ask('GET', '/'));
  t.like(refused, { status: 426, body: 'WebSockets only\n' });
  t.deepEqual(refused.fields, [['upgrade', 'websocket']]);
});

test('without handlers "upgrade" says what is missing', async (t) => {
  const { lane, errors, open } = start(undefined);
  t.like(await lane.response(open()), { status: 500 });
  t.is(errors[0][0].code, 'ERR_REACTOR_INVALID_OPTION');
  t.regex(errors[0][0].message, /needs handlers: give them to "serve" as "websocket"/);
});

test('handlers can be given to one upgrade', async (t) => {
  const { lane, open, upgraded, sent } = start(undefined, (request, server) => {
    server.upgrade(request, { handlers: { message: (socket, text) => socket.send(text + text) } });
  });
  const id = open();
  await upgraded(id);
  lane.message(id, 'a');
  t.is(await sent(id), 'aa');
});

test('an answer of undefined is still an error where nothing was upgraded', async (t) => {
  const { lane, errors } = start({}, () => undefined);
  t.like(await lane.response(lane.ask('GET', '/')), { status: 500 });
  t.is(errors.length, 1);
});

test('subprotocols: the first offered, a choice of the server, a choice of the upgrade, none', async (t) => {
  const chosen = async (websocket, headers, offer) => {
    let protocol;
    const { errors, open, upgraded } = start(
      { ...websocket, open: (socket) => (protocol = socket.protocol) },
      (request, server) => void server.upgrade(request, { headers }),
    );
    const id = open(offer === undefined ? {} : { 'sec-websocket-protocol': offer });
    if (errors.length > 0 || (await Promise.race([upgraded(id), macrotasks(8)])) === undefined) {
      return errors[0]?.[0].message;
    }
    return protocol;
  };
  t.is(await chosen({}, undefined, 'a, b'), 'a');
  t.is(await chosen({}, undefined), '');
  t.is(await chosen({ protocols: ['b', 'a'] }, undefined, 'a, b'), 'b');
  t.is(await chosen({ protocols: ['c'] }, undefined, 'a, b'), '');
  t.is(await chosen({}, { 'sec-websocket-protocol': 'b' }, 'a,b'), 'b');
  t.is(await chosen({}, new Headers({ 'Sec-WebSocket-Protocol': 'a, b' }), 'b, a'), 'a');
  t.is(await chosen({}, { 'sec-websocket-protocol': '' }, 'a'), '');
  t.is(await chosen({}, { 'sec-websocket-protocol': 'a' }), '');
  t.regex(await chosen({}, { 'sec-websocket-protocol': 'c' }, 'a, b'), /"c".*offers "a", "b"/);
});

test('pages of other origins are answered with 403', async (t) => {
  const status = async (origin, sent, headers = {}) => {
    const { lane, open } = start({ origin });
    const id = open({ ...(sent === undefined ? {} : { origin: sent }), ...headers });
    const reply = await lane.reply(id);
    return reply.kind === 'upgrade' ? 101 : reply.status;
  };
  t.is(await status('https://a.test', 'https://a.test'), 101);
  t.is(await status('https://A.test', 'https://a.test'), 101);
  t.is(await status('https://a.test', undefined), 101, 'no browser');
  t.is(await status('https://a.test', 'https://evil.test'), 403);
  t.is(await status('https://a.test', 'https://a.test.evil.test'), 403);
  t.is(await status('https://a.test', 'null'), 403);
  t.is(await status(['https://a.test', /^https:\/\/.*\.b\.test$/g], 'https://x.b.test'), 101);
  t.is(await status('same-origin', 'http://localhost:8080'), 101);
  t.is(await status('same-origin', 'http://localhost:8081'), 403);
  t.is(await status('same-origin', 'null'), 403);
  const check = (origin, request) =>
    origin === 'https://ok.test' && request.url.includes('/socket');
  t.is(await status(check, 'https://ok.test'), 101);
  t.is(await status(check, 'https://no.test'), 403);
  const { lane, open } = start({ origin: 'same-origin' });
  const { body } = await lane.response(open({ origin: 'https://evil.test' }));
  t.is(body, 'Pages of https://evil.test may not open WebSockets here\n');
});

test('what handlers throw goes to "error" of the socket, or of the server', async (t) => {
  const failing = {
    open() {
      throw new Error('open');
    },
    async message() {
      throw new Error('message');
    },
    drain() {
      throw new Error('drain');
    },
    async close() {
      throw new Error('close');
    },
  };
  const own = [];
  for (const error of [undefined, (socket, thrown) => own.push([socket.data, thrown.message])]) {
    const { lane, errors, open, upgraded } = start({ ...failing, error }, (request, server) => {
      server.upgrade(request, { data: 7 });
    });
    const id = open();
    await upgraded(id);
    lane.message(id, 'x');
    lane.closed(id);
    await macrotasks();
    const messages = errors.map(([{ message }]) => message);
    t.deepEqual(messages, error === undefined ? ['open', 'message', 'close'] : []);
    t.true(errors.every(([, url]) => url === 'http://localhost:8080/socket'));
  }
  t.deepEqual(own, [
    [7, 'open'],
    [7, 'message'],
    [7, 'close'],
  ]);
});

test('what is no message is refused', async (t) => {
  let socket;
  const { open, upgraded, sent } = start({ open: (opened) => (socket = opened) });
  const id = open();
  await upgraded(id);
  const refused = (act, message) => t.throws(act, { instanceOf: TypeError, message });
  refused(
    () => socket.send({ a: 1 }),
    /must be a string or bytes, got \{.*; for JSON use JSON\.stringify/s,
  );
  refused(() => socket.send(undefined), /got undefined$/);
  refused(() => socket.sendText(Buffer.from('x')), /must be a string/);
  refused(() => socket.sendBinary('x'), /must be a Buffer/);
  refused(() => socket.publish('a', 5), /must be a string or bytes, got 5/);
  refused(() => socket.cork(), /cork takes a function/);
  t.throws(() => (socket.binaryType = 'blob'), { message: /binaryType must be one of/ });
  t.is(
    socket.cork((same) => same === socket && 5),
    5,
  );
  t.is(socket.send(new Uint16Array([1, 2])), 4);
  t.is(socket.send(new ArrayBuffer(3)), 3);
  t.is(socket.send(new SharedArrayBuffer(2)), 2);
  t.is(socket.sendBinary(new DataView(new ArrayBuffer(8), 2, 3)), 3);
  t.is(socket.sendText('é'), 2);
  for (const length of [4, 3, 2, 3]) {
    t.is((await sent(id)).length, length);
  }
  t.is(await sent(id), 'é');
});

test('the three classes of binary messages have memory of their own', async (t) => {
  const got = [];
  const { lane, open, upgraded } = start({
    message(socket, message) {
      got.push(message);
      socket.binaryType =
        { 1: 'uint8array', 2: 'arraybuffer', 3: 'nodebuffer' }[got.length] ?? 'nodebuffer';
    },
  });
  const id = open();
  await upgraded(id);
  for (const length of [5, 5, 5, 500]) {
    lane.message(id, Buffer.alloc(length, 1));
  }
  await macrotasks();
  t.true(Buffer.isBuffer(got[0]));
  t.is(Object.getPrototypeOf(got[1]), Uint8Array.prototype);
  t.true(got[2] instanceof ArrayBuffer);
  t.true(Buffer.isBuffer(got[3]));
  t.deepEqual(
    got.map((message) => (message.buffer ?? message).byteLength),
    [5, 5, 5, 500],
  );
});

test('topics: a room, presence, and the last words of one who leaves', async (t) => {
  let server;
  const { lane, upgraded } = start(
    {
      open(socket) {
        t.true(socket.subscribe('room'));
      },
      close(socket) {
        t.deepEqual(socket.subscriptions, ['room']);
        t.is(socket.publish('room', `${socket.data} left`), 5 + socket.data.length);
      },
    },
    (request, info) => {
      server = info;
      info.upgrade(request, { data: new URL(request.url).search.slice(1) });
    },
  );
  const ids = ['ann', 'bob'].map((name) => lane.ask('GET', `/?${name}`, KEY));
  await Promise.all(ids.map(upgraded));
  t.deepEqual(
    server.subscribers('room').map(({ data }) => data),
    ['ann', 'bob'],
  );
  t.is(server.subscriberCount('room'), 2);
  t.is(server.publish('room', 'hi', { latest: true, compress: false }), 2);
  t.is(server.publish('empty', 'hi'), 0);
  lane.closed(ids[0]);
  await macrotasks();
  const published = lane.replies.filter(({ kind }) => kind === 'publish');
  t.deepEqual(
    published.map(({ id, flags, data }) => [id, flags, `${data}`]),
    [
      [2 ** 32 - 1, 0x201, 'hi'],
      [2 ** 32 - 1, 0x101, 'ann left'],
    ],
  );
  t.deepEqual(
    server.subscribers('room').map(({ data }) => data),
    ['bob'],
  );
});

test('an async iterable reads message after message, and has backpressure both ways', async (t) => {
  const read = [];
  let stream;
  let go;
  const gate = new Promise((resolve) => {
    go = resolve;
  });
  const { lane, open, upgraded } = start(undefined, async (request, server) => {
    stream = server.acceptWebSocket(request);
    await gate;
    for await (const message of stream) {
      read.push(message.length);
    }
    read.push('end');
  });
  const id = open();
  await upgraded(id);
  for (let i = 0; i < 3; i++) {
    lane.message(id, 'x'.repeat(600_000), { way: 'apart' });
  }
  t.is((await lane.reply((reply) => reply.kind === 'pause')).isPaused, 1);
  go();
  t.is((await lane.reply((reply) => reply.kind === 'pause')).isPaused, 0);
  await macrotasks();
  t.deepEqual(read, [600_000, 600_000, 600_000]);

  await stream.send('quick');
  lane.unsent(id, 0, true);
  await macrotasks();
  let sent = 0;
  for (let i = 0; i < 3; i++) {
    void stream.send('slow').then(() => sent++);
  }
  await macrotasks();
  t.is(sent, 0);
  lane.unsent(id, 9, false);
  await macrotasks();
  t.is(sent, 3);

  lane.closed(id, 1001, 'bye');
  t.deepEqual(await stream.closed, { code: 1001, reason: 'bye', wasClean: true });
  await macrotasks();
  t.is(read.at(-1), 'end');
  await t.throwsAsync(stream.send('late'), { code: 'ERR_REACTOR_WEBSOCKET' });
  await t.throwsAsync(stream.send({}), { instanceOf: TypeError });
});

test('a loop over messages that is left closes the socket', async (t) => {
  const { lane, open, upgraded } = start(undefined, async (request, server) => {
    const stream = server.acceptWebSocket(request);
    for await (const message of stream) {
      await stream.send(message);
      break;
    }
  });
  const id = open();
  await upgraded(id);
  lane.message(id, 'one');
  lane.message(id, 'two');
  t.is((await lane.reply(id)).kind, 'send');
  t.like(await lane.reply(id), { kind: 'close', code: 1000 });
});

test('acceptWebSocket answers what is no handshake', async (t) => {
  const { lane, open } = start({ origin: 'same-origin' }, async (request, server) => {
    server.acceptWebSocket(request);
  });
  t.like(await lane.response(open({ origin: 'https://evil.test' })), { status: 403 });
  lane.refusal = { status: 426, fields: ['upgrade', 'websocket'], text: 'WebSockets only' };
  const refused = await lane.response(lane.ask('GET', '/'));
  t.like(refused, { status: 426, body: 'WebSockets only\n' });
  t.true(refused.fields.some(([name]) => name === 'upgrade'));
});

test('handlers of one socket keep the async context of its request', async (t) => {
  const storage = new AsyncLocalStorage();
  const seen = [];
  const { lane, open, upgraded } = start(
    {
      async message() {
        await nextMacrotask();
        seen.push(storage.getStore());
      },
    },
    (request, server) => {
      storage.run(request.headers.get('x-user'), () => server.upgrade(request));
    },
  );
  const ids = [open({ 'x-user': 'ann' }), open({ 'x-user': 'bob' })];
  await Promise.all(ids.map(upgraded));
  lane.message(ids[0], '');
  lane.message(ids[1], '');
  await macrotasks();
  t.deepEqual(seen, ['ann', 'bob']);
});

test('sockets go on with another thread', async (t) => {
  const heard = [];
  const handlers = {
    open: (socket) => void socket.subscribe('room'),
    message: (socket, message) => void socket.send(`${socket.data.name} ${message}`),
    close: (socket, code) => void heard.push(['close', socket.data.name, code]),
  };
  const before = start(handlers, (request, server) => {
    const name = request.headers.get('x-name');
    const data = name === 'odd' ? { name, call() {} } : { name };
    const own = name === 'own' ? { handlers: {} } : {};
    server.upgrade(request, { data, ...own });
  });
  const warnings = [];
  const onWarning = ({ message }) => void warnings.push(message);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const names = ['ann', 'odd', 'own', 'bob'];
  const ids = names.map((name) => before.open({ 'x-name': name }));
  await Promise.all(ids.map(before.upgraded));
  const moved = [];
  const give = (socket) => void moved.push(structuredClone(socket));
  const handedOver = before.lane.bridge.webSockets.handOver(give);
  const left = [];
  for (let i = 0; i < 2; i++) {
    left.push((await before.lane.reply((reply) => reply.kind === 'handOver')).id);
  }
  t.deepEqual(left, [ids[0], ids[3]]);
  t.like(await before.lane.reply((reply) => reply.kind === 'close'), { id: ids[1], code: 1012 });
  const expected = /^reactor-rs: WebSockets .+ "data" cannot be cloned: call\(\) \{\} /;
  t.true(warnings.some((warning) => expected.test(warning)));
  // One leaves in the meantime.
  before.lane.closed(ids[3], 1001);
  before.lane.moved(ids[0], [1, 2, 3, 4, 2 ** 32 - 1]);
  await handedOver;
  t.deepEqual(heard, [['close', 'bob', 1001]]);
  t.deepEqual(
    moved.map(({ data }) => data),
    [{ name: 'ann' }],
  );

  const after = start({
    ...handlers,
    reopen: ({ data, subscriptions }) => void heard.push(['reopen', data.name, subscriptions]),
  });
  for (const socket of moved) {
    after.lane.bridge.webSockets.adopt(socket);
  }
  t.deepEqual(after.lane.adopted, [[1, 2, 3, 4, 2 ** 32 - 1]]);
  t.deepEqual(heard[1], ['reopen', 'ann', ['room']]);
  after.lane.message(0, 'goes on');
  t.is(await after.sent(0), 'ann goes on');
  t.is(after.lane.bridge.webSockets.subscribers('room').length, 1);

  // One that is opened later leaves at once.
  const late = before.open({ 'x-name': 'eve' });
  t.is((await before.lane.reply((reply) => reply.kind === 'handOver')).id, late);

  const without = start(undefined);
  without.lane.bridge.webSockets.adopt(moved[0]);
  t.is((await without.lane.reply((reply) => reply.kind === 'close')).code, 1012);
});

test('what a program waits for goes along with a socket', async (t) => {
  const heard = [];
  let finish;
  const gate = new Promise((resolve) => {
    finish = resolve;
  });
  const before = start(
    {
      async message(socket, message) {
        await gate;
        socket.send(`late ${message}`);
      },
      backpressureLimit: 1024,
    },
    (request, server) => void server.upgrade(request, { data: 'ann' }),
  );
  const id = before.open();
  await before.upgraded(id);
  before.lane.message(id, 'question');
  await macrotasks();
  const { webSockets } = before.lane.bridge;
  const moved = [];
  const handedOver = webSockets.handOver((socket) => void moved.push(structuredClone(socket)));
  // The handler has not answered: no further messages until it has.
  t.like(await before.lane.reply(({ kind }) => kind === 'pause'), { id, isPaused: 1 });
  await macrotasks();
  t.false(before.lane.replies.some(({ kind }) => kind === 'handOver'));
  finish();
  t.is(await before.sent(id), 'late question');
  await before.lane.reply(({ kind }) => kind === 'handOver');
  const place = [0, 1, 2, 3, 4];
  before.lane.moved(id, place);
  await handedOver;
  t.like(moved, { 0: { data: 'ann', place, isPaused: false, awaitsDrain: false, close: null } });

  const after = start({
    reopen: ({ data }) => void heard.push(['reopen', data]),
    drain: ({ data }) => void heard.push(['drain', data]),
    close: ({ data }, code) => void heard.push(['close', data, code]),
  });
  const { bridge } = after.lane;
  bridge.webSockets.adopt({ ...moved[0], isPaused: true, awaitsDrain: true });
  t.like(await after.lane.reply(({ kind }) => kind === 'pause'), { id: 0, isPaused: 1 });
  bridge.webSockets.adopt({ ...moved[0], close: { code: 4000, reason: 'bye' } });
  t.like(await after.lane.reply(({ kind }) => kind === 'close'), { id: 1, code: 4000 });
  after.lane.closed(1, 4000);
  await macrotasks();
  t.deepEqual(heard, [
    ['reopen', 'ann'],
    ['drain', 'ann'],
    ['close', 'ann', 4000],
  ]);
});

test('a socket that is closed while it goes to another thread is closed there', async (t) => {
  const sockets = [];
  const { lane, open, upgraded } = start({ open: (socket) => void sockets.push(socket) });
  const id = open();
  await upgraded(id);
  const moved = [];
  const handedOver = lane.bridge.webSockets.handOver((socket) => void moved.push(socket));
  await lane.reply(({ kind }) => kind === 'handOver');
  sockets[0].close(4001, 'enough');
  t.is(sockets[0].readyState, 2);
  lane.moved(id, [0, 1, 2, 3, 4]);
  await handedOver;
  t.deepEqual(moved[0].close, { code: 4001, reason: 'enough' });
  t.is(sockets[0].readyState, 3);
  t.false(lane.replies.some(({ kind }) => kind === 'close'));
});

test('a socket whose data cannot be cloned any more is taken back and closed', async (t) => {
  const { lane, open, upgraded } = start({});
  const id = open();
  await upgraded(id);
  const handedOver = lane.bridge.webSockets.handOver(() => {
    throw new Error('cannot be cloned');
  });
  await lane.reply(({ kind }) => kind === 'handOver');
  lane.moved(id, [0, 1, 2, 3, 4]);
  await handedOver;
  t.deepEqual(lane.adopted, [[0, 1, 2, 3, 4]]);
  t.like(await lane.reply(({ kind }) => kind === 'close'), { code: 1012 });
});

test('wrong options name what is wrong', (t) => {
  const cases = [
    [5, /"websocket" must be an object with handlers/],
    [{ message: 5 }, /"websocket\.message" must be a function/],
    [{ idleTimeout: -1 }, /"websocket\.idleTimeout" must be a number of seconds from 0 to 86400/],
    [{ maxPayloadLength: 0 }, /"websocket\.maxPayloadLength" must be an integer from 1/],
    [{ whenFull: 'block' }, /"drop" or "close"/],
    [
      { perMessageDeflate: { compress: '5KB' } },
      /perMessageDeflate\.compress" must be true, false or/,
    ],
    [
      { perMessageDeflate: { level: 10 } },
      /perMessageDeflate\.level" must be an integer from 1 to 9/,
    ],
    [{ origin: 'example.com' }, /"websocket\.origin" must be "same-origin", an origin such as/],
    [{ origin: 'https://example.com/' }, /got "https:\/\/example\.com\/"/],
    [{ protocols: ['a b'] }, /"websocket\.protocols" must be names/],
    [{ maxPayload: 5 }, /"maxPayloadLength"/],
    [{ onMessage() {} }, /called "message" here/],
    [{ mesage() {} }, /did you mean "websocket\.message"/],
    [{ upgrade() {} }, /a handler upgrades/],
  ];
  for (const [given, message] of cases) {
    t.throws(() => resolveWebSocket(given), { message });
  }
  t.like(resolveWebSocket({}).settings, {
    maxPayload: 16 * 1024 * 1024,
    idleTimeout: 120_000,
    compression: 0,
    whenFull: 0,
    tellPings: false,
  });
  t.like(
    resolveWebSocket({
      idleTimeout: 0.5,
      closeOnBackpressureLimit: true,
      perMessageDeflate: { compress: 'dedicated', level: 6 },
      ping() {},
    }).settings,
    { idleTimeout: 500, whenFull: 1, compression: 2, level: 6, threshold: 64, tellPings: true },
  );
});
