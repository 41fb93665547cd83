// A WebSocket's JavaScript end, over a lane without an engine.

import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextMacrotask } from 'node:timers/promises';
import test from 'ava';
import { Bridge } from '../../dist/lane/bridge.js';
import { CLOSED, CLOSING, OPEN, WebSocketConnection } from '../../dist/websocket/connection.js';
import { settingsWith, TERMINATE } from '../../dist/websocket/settings.js';
import { Topics } from '../../dist/websocket/topics.js';
import { FakeLane } from '../lane/fake-lane.mjs';

const KIB = 1024;
const SETTINGS = settingsWith();

/** A lane whose requests become WebSockets, and what those were told. */
function connect(settings = SETTINGS, onMessage = () => {}) {
  const lane = new FakeLane();
  const heard = [];
  const connections = [];
  lane.bridge = new Bridge(lane, {
    find: () => undefined,
    take(exchange, sender) {
      const at = connections.length;
      const tell = (name, ...rest) => heard.push([at, name, ...rest]);
      connections.push(
        WebSocketConnection.upgrade(exchange, sender, settings, ['x-a', 'b'], {
          message(data, isText) {
            tell('message', isText ? data : Buffer.from(data), isText);
            return onMessage(connections[at], data, isText);
          },
          ping: (data) => tell('ping', `${data}`),
          pong: (data) => tell('pong', `${data}`),
          drain: () => tell('drain'),
          close: (code, reason, wasClean) => tell('close', code, reason, wasClean),
        }),
      );
    },
  });
  return { lane, heard, connections };
}

async function open(settings, onMessage) {
  const all = connect(settings, onMessage);
  const id = all.lane.ask('GET', '/socket', { upgrade: 'websocket' });
  await all.lane.reply((reply) => reply.kind === 'upgrade');
  const [connection] = all.connections;
  return { ...all, id, connection };
}

async function macrotasks(count = 4) {
  for (let i = 0; i < count; i++) {
    await nextMacrotask();
  }
}

test('an exchange becomes a WebSocket with the fields and settings that were given', async (t) => {
  const { lane, connections } = connect();
  const first = lane.ask('GET', '/');
  const upgraded = await lane.reply((reply) => reply.kind === 'upgrade');
  t.is(upgraded.id, first);
  t.deepEqual(upgraded.fields, [['x-a', 'b']]);
  t.is(upgraded.settings, SETTINGS);
  lane.ask('GET', '/');
  await lane.reply((reply) => reply.kind === 'upgrade');
  t.is(lane.settings.length, 1, 'the engine is told of settings once');
  t.true(connections.every(({ state }) => state === OPEN));
});

test('a request that is no handshake stays a request', async (t) => {
  const { lane, connections } = connect();
  lane.refusal = { status: 426, fields: ['upgrade', 'websocket'], text: 'no handshake' };
  const id = lane.ask('GET', '/');
  await macrotasks();
  t.deepEqual(connections, [lane.refusal]);
  lane.gone(id);
  await macrotasks();
  t.pass();
});

test('messages come by each way of the engine, in order', async (t) => {
  const { lane, heard, id } = await open();
  const long = 'ä'.repeat(100 * KIB);
  lane.message(id, 'one');
  lane.message(id, '');
  lane.ask('GET', '/between');
  lane.message(id, 'tw\u00f6', { way: 'bytes' });
  lane.message(id, 'three');
  lane.message(id, long, { way: 'apart' });
  lane.message(id, new Uint8Array([0, 255]));
  lane.message(id, new Uint8Array(0));
  lane.message(id, new Uint8Array(70 * KIB).fill(7), { way: 'apart' });
  await macrotasks();
  const got = heard.filter(([at]) => at === 0).map(([, , data]) => data);
  t.deepEqual(got.slice(0, 5), ['one', '', 'twö', 'three', long]);
  t.deepEqual(got.slice(5), [Buffer.from([0, 255]), Buffer.alloc(0), Buffer.alloc(70 * KIB, 7)]);
});

test('many messages of many connections share their texts', async (t) => {
  const { lane, heard } = connect();
  const ids = Array.from({ length: 50 }, () => lane.ask('GET', '/'));
  await macrotasks();
  for (let i = 0; i < 2000; i++) {
    lane.message(ids[i % 50], `message ${i} ${'x'.repeat(i % 90)}`);
  }
  await macrotasks(20);
  t.is(heard.length, 2000);
  t.deepEqual(
    heard.map(([at, , text]) => [at, text]),
    heard.map((_, i) => [i % 50, `message ${i} ${'x'.repeat(i % 90)}`]),
  );
});

test('what is sent within a batch leaves in one turn', async (t) => {
  const { lane, id, connection } = await open(undefined, (socket, data, isText) => {
    t.is(socket.send(data, isText, true), data.length);
  });
  const before = lane.turns;
  for (let i = 0; i < 10; i++) {
    lane.message(id, `${i}`);
  }
  for (let i = 0; i < 10; i++) {
    const { kind, flags, data } = await lane.reply(id);
    t.deepEqual([kind, flags, `${data}`], ['send', 0x101, `${i}`]);
  }
  await macrotasks();
  t.true(lane.turns - before <= 3);
  t.is(connection.bufferedAmount, 0);
  connection.send(new Uint8Array(3), false, false);
  t.is(connection.bufferedAmount, 3);
  t.is((await lane.reply(id)).flags, 2);
});

test('large messages keep their place among small ones', async (t) => {
  const { lane, id, connection } = await open();
  const large = 'é'.repeat(40 * KIB);
  connection.send('a', true, true);
  t.is(connection.send(large, true, true), 80 * KIB);
  connection.send('b', true, true);
  connection.send(new Uint8Array(300 * KIB).fill(1), false, false);
  connection.send('c', true, true);
  const sent = [];
  for (let i = 0; i < 5; i++) {
    sent.push((await lane.reply(id)).data);
  }
  t.deepEqual(
    sent.map((data) => data.length),
    [1, 80 * KIB, 1, 300 * KIB, 1],
  );
  t.is(`${sent[1]}`, large);
  t.is(`${sent[2]}${sent[4]}`, 'bc');
});

test('a body that came with a request outlives a large message of its batch', async (t) => {
  const lane = new FakeLane();
  const bodies = [];
  let connection;
  lane.bridge = new Bridge(lane, {
    find: () => undefined,
    take(exchange, sender) {
      if (exchange.incoming === null) {
        connection = WebSocketConnection.upgrade(exchange, sender, SETTINGS, [], {});
        return;
      }
      connection.send('x'.repeat(64 * KIB), true, false);
      bodies.push(exchange.incoming);
    },
  });
  lane.ask('GET', '/');
  lane.ask('POST', '/', {}, { body: 'the body' });
  await macrotasks();
  t.is(await bodies[0].takeText(), 'the body');
});

test('a congested connection says so, and drains', async (t) => {
  const { lane, heard, id, connection } = await open(settingsWith({ maxUnsent: 200 * KIB }));
  const piece = new Uint8Array(100 * KIB);
  t.is(connection.send(piece, false, false), 100 * KIB);
  await lane.reply(id);
  lane.unsent(id, 20 * KIB, true);
  await macrotasks();
  t.true(connection.isCongested);
  t.is(connection.bufferedAmount, 80 * KIB);
  t.is(connection.send(piece, false, false), -1);
  t.is(connection.send(piece, false, false), 0, 'more than may wait');
  t.is(connection.bufferedAmount, 180 * KIB);
  t.is(connection.send('x', true, true), -1, 'a small one has room');
  lane.unsent(id, 100 * KIB, true);
  await macrotasks();
  t.deepEqual(heard, []);
  lane.unsent(id, 80 * KIB + 1, false);
  await macrotasks();
  t.deepEqual(heard, [[0, 'drain']]);
  t.is(connection.bufferedAmount, 0);
  t.is(connection.send('x', true, true), 1);
  lane.unsent(id, 1, false);
  await macrotasks();
  t.is(heard.length, 1, 'once');
});

test('a program that sends much at once is told to wait before the engine knows', async (t) => {
  const { lane, heard, id, connection } = await open();
  const piece = new Uint8Array(64 * KIB);
  let count = 1;
  while (connection.send(piece, false, false) > 0) {
    count++;
  }
  t.true(count > 16 && count < 20, `${count}`);
  for (let i = 0; i < count; i++) {
    lane.unsent(id, piece.length, false);
  }
  await macrotasks();
  t.deepEqual(heard, [[0, 'drain']]);
});

test('with "close" a connection that is full is broken off', async (t) => {
  const { lane, heard, id, connection } = await open(
    settingsWith({ maxUnsent: 10, whenFull: TERMINATE }),
  );
  t.is(connection.send('x'.repeat(70 * KIB), true, false), 0);
  t.is((await lane.reply(id)).kind, 'abort');
  t.is(connection.state, CLOSING);
  lane.closed(id, 1006, '', false);
  await macrotasks();
  t.is(connection.state, CLOSED);
  t.deepEqual(heard, [[0, 'close', 1006, '', false]]);
});

test('closing: what was sent goes first, nothing is sent after, topics are left', async (t) => {
  const { lane, heard, id, connection } = await open();
  connection.subscribe('news');
  connection.send('last', true, true);
  connection.pause();
  connection.close(4000, 'so lång');
  connection.close(4001);
  t.is(connection.send('late', true, true), 0);
  t.is(connection.ping(), 0);
  t.false(connection.subscribe('other'));
  t.is(connection.publish('news', 'x', true, true), 0, 'there are no others');
  const kinds = [];
  for (let i = 0; i < 5; i++) {
    kinds.push(await lane.reply(id));
  }
  t.deepEqual(
    kinds.map(({ kind }) => kind),
    ['subscribe', 'send', 'pause', 'pause', 'close'],
  );
  t.is(kinds[4].code, 4000);
  t.is(`${kinds[4].data}`, 'so lång');
  lane.message(id, 'still read');
  lane.closed(id, 4000, 'so lång');
  await macrotasks();
  t.deepEqual(heard, [
    [0, 'message', 'still read', true],
    [0, 'close', 4000, 'so lång', true],
  ]);
  t.is(connection.state, CLOSED);
  t.deepEqual(connection.topics, []);
  connection.terminate();
  connection.close();
  await macrotasks();
  t.deepEqual(lane.replies, []);
});

test('what cannot be sent is refused with its reason', async (t) => {
  const { connection } = await open();
  const refused = (act, message, code = 'ERR_REACTOR_INVALID_OPTION') =>
    t.throws(act, code === null ? { instanceOf: TypeError, message } : { code, message });
  refused(() => connection.ping('x'.repeat(126)), /at most 125 bytes, got 126/);
  refused(() => connection.close(1005), /1000 to 1003, .* got 1005/);
  refused(() => connection.close('1000'), /got "1000"/);
  refused(() => connection.close(undefined, 'x'), /needs a code/);
  refused(() => connection.close(1000, 'ä'.repeat(62)), /at most 123 bytes of UTF-8, got 124/);
  refused(() => connection.subscribe(''), /1 to 256 bytes/);
  refused(() => connection.subscribe('ä'.repeat(129)), /1 to 256 bytes of UTF-8, got one of 258/);
  refused(() => connection.subscribe(7), /a topic must be a string, got 7/, null);
  connection.close(1000, 'ä'.repeat(61));
});

test('pings and pongs', async (t) => {
  const { lane, heard, id, connection } = await open();
  connection.ping('a');
  connection.pong(new Uint8Array([98]));
  t.like(await lane.reply(id), { kind: 'send', flags: 9 });
  t.like(await lane.reply(id), { kind: 'send', flags: 10 });
  lane.ping(id, 'c');
  lane.pong(id);
  await macrotasks();
  t.deepEqual(heard, [
    [0, 'ping', 'c'],
    [0, 'pong', ''],
  ]);
});

test('topics: subscribers of the thread, first and last', async (t) => {
  const { lane, connections } = connect();
  const ids = [lane.ask('GET', '/'), lane.ask('GET', '/')];
  await macrotasks();
  const [one, two] = connections;
  const topics = Topics.of(lane.bridge);
  const events = [];
  topics.on('first', (topic) => events.push(`first ${topic}`));
  topics.on('last', (topic) => events.push(`last ${topic}`));
  t.true(one.subscribe('a'));
  t.false(one.subscribe('a'));
  t.true(two.subscribe('a'));
  t.true(two.subscribe('b'));
  t.deepEqual(topics.subscribers('a'), [one, two]);
  t.deepEqual(two.topics, ['a', 'b']);
  t.true(two.isSubscribed('b'));
  t.false(one.isSubscribed('b'));
  t.deepEqual(topics.names, ['a', 'b']);
  t.true(one.unsubscribe('a'));
  t.false(one.unsubscribe('a'));
  lane.closed(ids[1]);
  await macrotasks();
  t.deepEqual(events, ['first a', 'first b', 'last a', 'last b']);
  t.deepEqual(lane.replies.map(({ kind, id, topic }) => [kind, id, topic]).slice(2), [
    ['subscribe', ids[0], 'a'],
    ['subscribe', ids[1], 'a'],
    ['subscribe', ids[1], 'b'],
    ['unsubscribe', ids[0], 'a'],
  ]);
});

test('publishing says whether anyone else listens, here or on other threads', async (t) => {
  const { lane, connections } = connect();
  const ids = [lane.ask('GET', '/'), lane.ask('GET', '/')];
  await macrotasks();
  lane.replies.length = 0;
  const [one, two] = connections;
  t.is(one.publish('a', 'hi', true, true), 0);
  one.subscribe('a');
  t.is(one.publish('a', 'hi', true, true), 0, 'only itself');
  t.is(one.publish('a', 'hi', true, true, { toSelf: true }), 2);
  two.subscribe('a');
  t.is(one.publish('a', new Uint8Array(3), false, false, { latest: true }), 3);
  t.is(one.publish('a', '', true, true), 1);
  lane.counts.set('far', 1);
  t.is(one.publish('far', 'é'.repeat(20 * KIB), true, true), 40 * KIB);
  Topics.of(lane.bridge).deliver('a', 'from outside', true);
  await macrotasks();
  const published = lane.replies.filter(({ kind }) => kind === 'publish');
  t.deepEqual(
    published.map(({ id, flags, topic, data }) => [id, flags, topic, data.length]),
    [
      [2 ** 32 - 1, 0x101, 'a', 2],
      [ids[0], 0x202, 'a', 3],
      [ids[0], 0x101, 'a', 0],
      [ids[0], 0x101, 'far', 40 * KIB],
      [2 ** 32 - 1, 0x101, 'a', 12],
    ],
  );
});

test('more subscriptions than the arrays hold', async (t) => {
  const { lane, id, connection } = await open();
  const topics = Array.from({ length: 4000 }, (_, i) => `${i}`.padStart(250, '-'));
  for (const topic of topics) {
    connection.subscribe(topic);
  }
  connection.send('after', true, true);
  await macrotasks();
  t.deepEqual(
    lane.replies.filter((reply) => reply.kind === 'subscribe').map(({ topic }) => topic),
    topics,
  );
  t.is(`${(await lane.reply((reply) => reply.kind === 'send' && reply.id === id)).data}`, 'after');
});

test('pause and resume are told once', async (t) => {
  const { lane, id, connection } = await open();
  connection.resume();
  connection.pause();
  connection.pause();
  connection.resume();
  t.is((await lane.reply(id)).isPaused, 1);
  t.is((await lane.reply(id)).isPaused, 0);
  t.deepEqual(lane.replies, []);
});

test('handlers run in the async context of their upgrade', async (t) => {
  const storage = new AsyncLocalStorage();
  const lane = new FakeLane();
  const seen = [];
  lane.bridge = new Bridge(lane, {
    find: () => undefined,
    take(exchange, sender) {
      storage.enterWith(exchange.target);
      WebSocketConnection.upgrade(exchange, sender, SETTINGS, [], {
        message(data) {
          seen.push(`${storage.getStore()} ${data}`);
          storage.enterWith('other');
        },
      });
    },
  });
  const ids = [lane.ask('GET', '/a'), lane.ask('GET', '/b')];
  await macrotasks();
  lane.message(ids[0], '1');
  lane.message(ids[1], '2');
  await macrotasks();
  t.deepEqual(seen, ['/a 1', '/b 2']);
});

test('events for a WebSocket that is over are dropped, and its id serves again', async (t) => {
  const { lane, heard, id, connection } = await open();
  lane.closed(id, 1001, 'bye');
  lane.message(id, 'late');
  lane.unsent(id, 5, true);
  await macrotasks();
  t.deepEqual(heard, [[0, 'close', 1001, 'bye', true]]);
  t.is(connection.send('x', true, true), 0);
  t.is(lane.ask('GET', '/'), id);
  lane.message(id, 'anew');
  await macrotasks();
  t.deepEqual(heard[1], [1, 'message', 'anew', true]);
});
