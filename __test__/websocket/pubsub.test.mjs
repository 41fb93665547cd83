// Topics at a broker: the relay with an adapter of the test's own, and the adapters of Redis and
// NATS with clients that the test plays. scripts/trials/websocket/pubsub.mjs has the real ones.

import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import test from 'ava';
import { nats } from '../../dist/nats/index.js';
import { subjectOf } from '../../dist/nats/subject.js';
import { open, seal } from '../../dist/pubsub/envelope.js';
import { Relay } from '../../dist/pubsub/relay.js';
import { resolvePubSub } from '../../dist/pubsub/settings.js';
import { ThreadTopics, ThreadUplink } from '../../dist/pubsub/thread-uplink.js';
import { redis } from '../../dist/redis/index.js';
import { Broker } from './broker.mjs';

const HOW = { isText: true, compress: true, latest: false };
const BINARY = { ...HOW, isText: false };

const require = createRequire(import.meta.url);

/** All callbacks that wait have run. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Until something is so; ava's own time-out ends it. */
async function until(isSo) {
  while (!isSo()) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A relay with what it has delivered and told. */
async function relayOf(broker, options = {}, lingerMs = 1) {
  const delivered = [];
  const gaps = [];
  const errors = [];
  const adapter = broker.adapter({
    onGap: (gap) => gaps.push(gap),
    onError: ({ code, message }) => errors.push(`${code} ${message}`),
    ...options,
  });
  const deliver = (topic, data, how) =>
    delivered.push([topic, how.isText ? Buffer.from(data).toString() : [...data]]);
  const relay = new Relay(adapter, deliver, lingerMs);
  await relay.start();
  return { relay, adapter, delivered, gaps, errors };
}

test('a message reaches the other processes with subscribers, and not its own', async (t) => {
  const broker = new Broker();
  const [one, two, three] = [await relayOf(broker), await relayOf(broker), await relayOf(broker)];
  one.relay.subscribed('news');
  two.relay.subscribed('news');
  three.relay.subscribed('weather');
  one.relay.publish('news', 'Grüße', HOW);
  one.relay.publish('news', new Uint8Array([0, 255]), BINARY);
  t.deepEqual(one.delivered, []);
  t.deepEqual(two.delivered, [
    ['news', 'Grüße'],
    ['news', [0, 255]],
  ]);
  t.deepEqual(three.delivered, []);
  t.like(one.relay.stats(), { status: 'up', published: 2, received: 0, topics: 1, backlog: 0 });
  t.like(two.relay.stats(), { published: 0, received: 2 });
});

test('the broker is told of the first and the last subscriber only', async (t) => {
  const { relay, adapter } = await relayOf(new Broker(), { prefix: 'app:' });
  relay.subscribed('a');
  relay.subscribed('a');
  relay.unsubscribed('a');
  t.deepEqual(adapter.calls, ['+app:a']);
  relay.unsubscribed('a');
  relay.unsubscribed('a');
  await until(() => adapter.calls.length > 1);
  t.deepEqual(adapter.calls, ['+app:a', '-app:a']);
  relay.subscribed('a');
  t.deepEqual(adapter.calls, ['+app:a', '-app:a', '+app:a']);
});

test('a topic whose subscriber comes back stays subscribed', async (t) => {
  const { relay, adapter, delivered } = await relayOf(new Broker(), {}, 5);
  relay.subscribed('a');
  relay.subscribed('b');
  for (let count = 0; count < 3; count++) {
    relay.unsubscribed('a');
    relay.subscribed('a');
  }
  relay.unsubscribed('b');
  adapter.events.message('reactor:b', seal(Buffer.alloc(8), 'on the way', HOW));
  await until(() => adapter.calls.length === 3);
  adapter.events.message('reactor:b', seal(Buffer.alloc(8), 'late', HOW));
  t.deepEqual(adapter.calls, ['+reactor:a', '+reactor:b', '-reactor:b']);
  t.deepEqual(delivered, [['b', 'on the way']]);
  t.is(relay.stats().topics, 1);
});

test('programs with different prefixes do not hear each other', async (t) => {
  const broker = new Broker();
  const [one, two] = [
    await relayOf(broker, { prefix: 'a:' }),
    await relayOf(broker, { prefix: 'b:' }),
  ];
  two.relay.subscribed('news');
  one.relay.publish('news', 'hello', HOW);
  t.deepEqual(two.delivered, []);
});

test('while the broker is away messages wait, then go in order; a gap is told', async (t) => {
  const broker = new Broker();
  const [one, two] = [await relayOf(broker), await relayOf(broker)];
  one.relay.subscribed('other');
  two.relay.subscribed('news');
  broker.fail(new Error('connection refused'));
  broker.fail(new Error('connection refused'));
  one.relay.publish('news', '1', HOW);
  one.relay.publish('news', '2', HOW);
  t.deepEqual(two.delivered, []);
  t.true(one.relay.stats().backlog > 0);
  t.is(one.relay.stats().status, 'down');
  broker.restart();
  t.deepEqual(
    two.delivered.map(([, text]) => text),
    ['1', '2'],
  );
  t.is(one.relay.stats().backlog, 0);
  t.deepEqual(
    two.gaps.map(({ reason, topics, lost }) => ({ reason, topics, lost })),
    [{ reason: 'outage', topics: ['news'], lost: 0 }],
  );
  t.true(two.gaps[0].outage >= 0);
  const said =
    'ERR_REACTOR_PUBSUB pubsub fake cannot be reached; messages for other processes wait, those from them are missed: connection refused';
  t.deepEqual(one.errors, [said]);
  broker.fail(new Error('again'));
  t.is(one.errors.length, 2);
});

test('no gap is told when the broker is there from the start, and one when it comes late', async (t) => {
  const early = await relayOf(new Broker());
  t.deepEqual(early.gaps, []);
  const broker = new Broker();
  broker.isDown = true;
  const late = await relayOf(broker);
  late.relay.subscribed('news');
  broker.restart();
  t.deepEqual(late.gaps[0].topics, ['news']);
});

test('what does not fit into the backlog is dropped, counted, and told to others', async (t) => {
  const broker = new Broker();
  const [one, two] = [await relayOf(broker, { backlog: 1000 }), await relayOf(broker)];
  two.relay.subscribed('news');
  two.relay.subscribed('quiet');
  broker.fail();
  const large = 'x'.repeat(400);
  for (let count = 0; count < 5; count++) {
    one.relay.publish('news', `${count}${large}`, HOW);
  }
  t.like(one.relay.stats(), { dropped: 3, failed: 0 });
  t.true(one.relay.stats().backlog <= 1000);
  t.regex(one.errors[1], /has a backlog of 1000 bytes, which is full/);
  t.is(one.errors.length, 2);
  broker.restart();
  t.deepEqual(
    two.delivered.map(([, text]) => text[0]),
    ['0', '1'],
  );
  t.is(one.gaps[0].lost, 3);
  const told = two.gaps.map(({ reason, topics }) => [reason, topics]);
  t.deepEqual(told.sort(), [
    ['dropped', ['news']],
    ['outage', ['news', 'quiet']],
  ]);
});

test('messages that the client has not confirmed count as backlog, and are not sent twice', async (t) => {
  const broker = new Broker();
  const [one, two] = [await relayOf(broker, { backlog: 1000 }), await relayOf(broker)];
  two.relay.subscribed('news');
  broker.confirms = false;
  for (let count = 0; count < 12; count++) {
    one.relay.publish('news', `${count}`.padEnd(20), HOW);
  }
  t.is(two.delivered.length, 10);
  t.like(one.relay.stats(), { dropped: 2, published: 0 });
  for (const confirm of broker.held.splice(0, 4)) {
    confirm();
  }
  await turn();
  t.like(one.relay.stats(), { published: 4 });
  broker.fail();
  t.like(one.relay.stats(), { failed: 6, backlog: 0 });
  broker.confirms = true;
  broker.restart();
  t.is(two.delivered.length, 10);
  t.is(one.gaps[0].lost, 8);
});

test('a broker that was slow, with drops: others are told once it has caught up', async (t) => {
  const broker = new Broker();
  const [one, two] = [await relayOf(broker, { backlog: 1000 }), await relayOf(broker)];
  two.relay.subscribed('news');
  broker.confirms = false;
  for (let count = 0; count < 12; count++) {
    one.relay.publish('news', `${count}`.padEnd(20), HOW);
  }
  await turn();
  t.deepEqual(two.gaps, []);
  for (const confirm of broker.held.splice(0)) {
    confirm();
  }
  await turn();
  t.deepEqual(
    two.gaps.map(({ reason, topics }) => [reason, topics]),
    [['dropped', ['news']]],
  );
  t.is(one.relay.stats().dropped, 2);
});

test('a message larger than the backlog is dropped, which others are told', async (t) => {
  const broker = new Broker();
  const [one, two] = [await relayOf(broker, { backlog: 1000 }), await relayOf(broker)];
  two.relay.subscribed('news');
  one.relay.publish('news', 'x'.repeat(2000), HOW);
  await turn();
  t.deepEqual([two.delivered.length, two.gaps.length], [0, 1]);
});

test('a message that the client refuses is lost, which others are told', async (t) => {
  const broker = new Broker();
  const [one, two] = [await relayOf(broker), await relayOf(broker)];
  two.relay.subscribed('news');
  one.adapter.refuses = new Error('too large');
  one.relay.publish('news', 'a', HOW);
  one.relay.publish('news', 'b', HOW);
  await new Promise((resolve) => queueMicrotask(resolve));
  one.adapter.refuses = null;
  await turn();
  await turn();
  t.deepEqual(one.errors, ['ERR_REACTOR_PUBSUB pubsub fake did not take a message: too large']);
  t.like(one.relay.stats(), { failed: 2, backlog: 0 });
  t.deepEqual(
    two.gaps.map(({ reason, topics }) => [reason, topics]),
    [['dropped', ['news']]],
  );
});

test('deliver of a gap reaches this process only', async (t) => {
  const broker = new Broker();
  const onGap = ({ deliver, topics: [topic] }) => deliver(topic, 'reload');
  const [one, two] = [await relayOf(broker, { onGap }), await relayOf(broker)];
  one.relay.subscribed('news');
  two.relay.subscribed('news');
  broker.fail();
  broker.restart();
  t.deepEqual([one.delivered, two.delivered], [[['news', 'reload']], []]);
});

test('an onGap that throws is reported', async (t) => {
  const broker = new Broker();
  const onGap = () => {
    throw new Error('oops');
  };
  const { errors } = await relayOf(broker, { onGap });
  broker.fail();
  broker.restart();
  t.regex(errors[1], /has an "onGap" that threw: oops/);
});

test('messages of other programs and versions are left out, with one warning', async (t) => {
  const { relay, adapter, delivered, errors } = await relayOf(new Broker());
  relay.subscribed('news');
  for (const data of [
    Buffer.from('{"text":"a longer text of another program"}'),
    Buffer.alloc(0),
  ]) {
    adapter.events.message('reactor:news', data);
  }
  const other = seal(Buffer.alloc(8), 'text', HOW);
  other[1] = 9;
  adapter.events.message('reactor:news', other);
  t.deepEqual(delivered, []);
  t.is(errors.length, 2);
  t.regex(errors[1], /version 9, not 1/);
});

test('an envelope keeps what it was given', (t) => {
  const [id, other] = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)];
  for (const how of [HOW, BINARY, { isText: true, compress: false, latest: true }]) {
    const opened = open(other, seal(id, 'text', how));
    t.deepEqual(
      [opened.kind, opened.how, Buffer.from(opened.data).toString()],
      ['message', how, 'text'],
    );
  }
  t.is(open(id, seal(id, 'text', HOW)).kind, 'own');
});

test('a closed relay sends nothing, and its adapter may serve again', async (t) => {
  const broker = new Broker();
  const { relay, adapter } = await relayOf(broker);
  await t.throwsAsync(async () => new Relay(adapter, () => {}), { message: /in use by another/ });
  await relay.close();
  await relay.close();
  relay.publish('news', 'late', HOW);
  t.is(relay.stats().status, 'closed');
  t.deepEqual(adapter.calls, ['close']);
  t.notThrows(() => new Relay(adapter, () => {}));
});

/** A thread's uplink to a relay; messages go when the test says so. */
function threadOf(relay, most) {
  const posted = [];
  const replies = [];
  const uplink = new ThreadUplink((message, owned) => {
    posted.push(structuredClone(message, { transfer: owned }));
  }, most);
  const topics = new ThreadTopics(relay, (reply) => replies.push(reply));
  return {
    uplink,
    topics,
    posted,
    async go() {
      await turn();
      for (const message of posted.splice(0)) {
        topics.receive(message);
      }
      for (const reply of replies.splice(0)) {
        uplink.relayed(reply);
      }
    },
  };
}

test('threads: one subscription at the broker for all, until the last thread has none', async (t) => {
  const { relay, adapter } = await relayOf(new Broker());
  const [one, two] = [threadOf(relay, 1000), threadOf(relay, 1000)];
  one.uplink.subscribed('a');
  one.uplink.subscribed('b');
  one.uplink.unsubscribed('b');
  two.uplink.subscribed('a');
  await one.go();
  await two.go();
  t.deepEqual(adapter.calls, ['+reactor:a']);
  one.uplink.unsubscribed('a');
  await one.go();
  t.deepEqual(adapter.calls, ['+reactor:a']);
  two.topics.gone();
  two.topics.gone();
  await until(() => adapter.calls.length > 1);
  t.deepEqual(adapter.calls, ['+reactor:a', '-reactor:a']);
});

test('threads: messages of a turn go together, as they were when they were published', async (t) => {
  const broker = new Broker();
  const [one, two] = [await relayOf(broker), await relayOf(broker)];
  two.relay.subscribed('news');
  const thread = threadOf(one.relay, 10_000);
  const bytes = new Uint8Array([1, 2]);
  thread.uplink.publish('news', bytes, BINARY);
  bytes[0] = 9;
  thread.uplink.publish('news', 'text', HOW);
  await turn();
  t.is(thread.posted.length, 1);
  await thread.go();
  t.deepEqual(two.delivered, [
    ['news', [1, 2]],
    ['news', 'text'],
  ]);
});

test('threads: what the main thread does not take is bounded, and drops are counted', async (t) => {
  const broker = new Broker();
  const [one, two] = [await relayOf(broker), await relayOf(broker)];
  two.relay.subscribed('news');
  const thread = threadOf(one.relay, 1000);
  for (let count = 0; count < 8; count++) {
    thread.uplink.publish('news', 'x'.repeat(50), HOW);
  }
  await thread.go();
  t.is(two.delivered.length, 4);
  t.is(one.relay.stats().dropped, 4);
  await turn();
  t.is(two.gaps[0].reason, 'dropped');
  thread.uplink.publish('news', 'again', HOW);
  await thread.go();
  t.is(two.delivered.length, 5);
});

test('wrong options are named', (t) => {
  const code = 'ERR_REACTOR_INVALID_OPTION';
  t.throws(() => redis({}), { code, message: /a client of "ioredis"/ });
  t.throws(() => nats({}), { code, message: /await connect/ });
  t.throws(() => redis(new FakeIoRedis(), { prefix: 'a b' }), { code, message: /"prefix"/ });
  t.throws(() => redis(new FakeIoRedis(), { backlog: -1 }), { code, message: /"backlog"/ });
  t.throws(() => redis(new FakeIoRedis(), { onGap: 1 }), { code, message: /"onGap"/ });
  t.throws(() => redis(new FakeIoRedis(), { size: 1 }), { message: /unknown option "size"/ });
  t.throws(() => redis(Object.assign(new FakeIoRedis(), { isCluster: true })), {
    code,
    message: /one node/,
  });
  t.throws(() => resolvePubSub('redis://'), { code });
  t.throws(() => resolvePubSub(new FakeIoRedis()), { code, message: /not the client itself/ });
  t.throws(() => resolvePubSub({ connect() {} }), { code, message: /no method "subscribe"/ });
  t.is(resolvePubSub(undefined), undefined);
});

test('both entries are there for require too', (t) => {
  t.is(typeof require('reactor-rs/redis').redis, 'function');
  t.is(typeof require('reactor-rs/nats').nats, 'function');
});

/** What clients of `ioredis` do, as far as it is used. */
class FakeIoRedis extends EventEmitter {
  static made = [];
  status = 'wait';
  calls = [];
  refuses = null;

  duplicate(options) {
    const client = new FakeIoRedis();
    client.options = options;
    FakeIoRedis.made.push(client);
    return client;
  }

  psubscribe() {}

  async connect() {
    this.calls.push('connect');
  }

  become(status, ...values) {
    this.status = status;
    this.emit(status, ...values);
  }

  async subscribe(...channels) {
    this.calls.push(`+${channels}`);
    if (this.refuses !== null && channels.includes('secret')) {
      throw this.refuses;
    }
  }

  async unsubscribe(...channels) {
    this.calls.push(`-${channels}`);
  }

  async publish(channel, data) {
    this.calls.push(`${channel} ${data.length}`);
    return 1;
  }

  async quit() {
    this.calls.push('quit');
  }

  disconnect() {
    this.calls.push('disconnect');
  }
}

/** What clients of `redis` do, as far as it is used. */
class FakeNodeRedis extends EventEmitter {
  static made = [];
  isReady = false;
  isOpen = false;
  calls = [];
  listener = null;

  duplicate(options) {
    const client = new FakeNodeRedis();
    client.options = options;
    FakeNodeRedis.made.push(client);
    return client;
  }

  pSubscribe() {}

  async connect() {
    this.calls.push('connect');
    this.isOpen = true;
  }

  become(event, ...values) {
    this.isReady = event === 'ready';
    this.emit(event, ...values);
  }

  async subscribe(channels, listener, asBuffers) {
    this.calls.push(`+${channels}`);
    this.listener = listener;
    this.asBuffers = asBuffers;
  }

  async unsubscribe(channels) {
    this.calls.push(`-${channels}`);
  }

  async publish(channel, data) {
    this.calls.push(`${channel} ${Buffer.isBuffer(data)}`);
  }

  async quit() {
    this.calls.push('quit');
  }

  async disconnect() {
    this.calls.push('disconnect');
  }
}

/** What an adapter tells. */
function listening() {
  const told = [];
  const events = {
    message: (channel, data) => told.push(`${channel} ${data}`),
    up: () => told.push('up'),
    down: (error) => told.push(`down ${error?.message ?? ''}`.trim()),
    error: (error) => told.push(`error ${error.message}`),
  };
  return { told, events };
}

test.serial('ioredis: two connections, subscribed again after a reconnect', async (t) => {
  FakeIoRedis.made = [];
  const adapter = redis(new FakeIoRedis());
  const { told, events } = listening();
  adapter.connect(events);
  const [subscriber, publisher] = FakeIoRedis.made;
  t.like(publisher.options, { enableOfflineQueue: false, autoResendUnfulfilledCommands: false });
  adapter.subscribe('a');
  publisher.become('ready');
  t.deepEqual([told, subscriber.calls], [[], ['connect']]);
  subscriber.become('ready');
  await turn();
  t.deepEqual([told, subscriber.calls], [['up'], ['connect', '+a']]);
  adapter.subscribe('b');
  adapter.subscribe('c');
  adapter.unsubscribe('a');
  adapter.subscribe('d');
  adapter.unsubscribe('d');
  await turn();
  t.deepEqual(subscriber.calls.slice(2), ['-a', '+b,c']);
  subscriber.emit('messageBuffer', Buffer.from('b'), Buffer.from('hello'));
  await adapter.publish('x', Buffer.alloc(3));
  t.deepEqual(publisher.calls, ['connect', 'x 3']);
  subscriber.status = 'connecting';
  subscriber.emit('error', new Error('refused'));
  subscriber.become('close');
  adapter.unsubscribe('b');
  adapter.subscribe('e');
  await turn();
  t.is(subscriber.calls.length, 4);
  subscriber.become('ready');
  await turn();
  t.deepEqual(subscriber.calls.slice(4), ['+e,c']);
  t.deepEqual(told, ['up', 'b hello', 'down refused', 'down', 'up']);
  await adapter.close();
  t.deepEqual(subscriber.calls.at(-1), 'disconnect');
  t.deepEqual(publisher.calls.slice(-2), ['quit', 'disconnect']);
});

test.serial('ioredis: a lost publisher is an outage; a refused channel is told', async (t) => {
  FakeIoRedis.made = [];
  const adapter = redis(new FakeIoRedis());
  const { told, events } = listening();
  adapter.connect(events);
  const [subscriber, publisher] = FakeIoRedis.made;
  subscriber.become('ready');
  publisher.become('ready');
  await turn();
  publisher.become('close');
  subscriber.refuses = new Error('NOPERM');
  adapter.subscribe('secret');
  adapter.subscribe('open');
  await turn();
  t.deepEqual(subscriber.calls.slice(1), ['+secret,open', '+secret', '+open']);
  publisher.become('ready');
  publisher.become('end');
  t.deepEqual(told, [
    'up',
    'down',
    'error NOPERM',
    'up',
    'down the client has given up: its "retryStrategy" says so',
  ]);
});

test.serial('redis: buffers, and the client keeps its channels over a reconnect', async (t) => {
  FakeNodeRedis.made = [];
  const adapter = redis(new FakeNodeRedis());
  const { told, events } = listening();
  adapter.connect(events);
  const [subscriber, publisher] = FakeNodeRedis.made;
  t.deepEqual(
    [subscriber, publisher].map((client) => client.options.disableOfflineQueue),
    [false, true],
  );
  subscriber.become('ready');
  publisher.become('ready');
  await turn();
  adapter.subscribe('a');
  adapter.subscribe('b');
  await turn();
  subscriber.listener(Buffer.from('hello'), Buffer.from('a'));
  await adapter.publish('x', new Uint8Array(3));
  t.deepEqual(publisher.calls, ['connect', 'x true']);
  t.true(subscriber.asBuffers);
  subscriber.become('error', new Error('Socket closed unexpectedly'));
  subscriber.become('reconnecting');
  adapter.unsubscribe('b');
  adapter.subscribe('c');
  subscriber.become('ready');
  await turn();
  t.deepEqual(subscriber.calls, ['connect', '+a,b', '-b', '+c']);
  t.deepEqual(told, ['up', 'a hello', 'down Socket closed unexpectedly', 'down', 'up']);
  await adapter.close();
  t.deepEqual(publisher.calls.slice(-2), ['quit', 'disconnect']);
});

/** What a connection of NATS does, as far as it is used. */
class FakeNats {
  calls = [];
  subscriptions = new Map();
  #statuses = [];
  #wake = () => {};
  #close = () => {};
  #closed = new Promise((resolve) => {
    this.#close = resolve;
  });
  flushes = () => Promise.resolve();

  publish(subject, data) {
    this.calls.push(`${subject} ${data.length}`);
  }

  subscribe(subject, { callback }) {
    this.calls.push(`+${subject}`);
    this.subscriptions.set(subject, callback);
    return { unsubscribe: () => this.calls.push(`-${subject}`) };
  }

  flush() {
    this.calls.push('flush');
    return this.flushes();
  }

  closed() {
    return this.#closed;
  }

  isClosed() {
    return false;
  }

  end(error) {
    this.#close(error);
  }

  tell(status) {
    this.#statuses.push(status);
    this.#wake();
  }

  async *status() {
    for (;;) {
      while (this.#statuses.length > 0) {
        yield this.#statuses.shift();
      }
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

test('nats: one flush for the messages of a turn, and the connection stays open', async (t) => {
  const connection = new FakeNats();
  const adapter = nats(connection);
  const { told, events } = listening();
  adapter.connect(events);
  await turn();
  t.deepEqual(told, ['up']);
  adapter.subscribe('reactor:a b');
  connection.subscriptions.get('reactor:a%20b')(null, { data: Buffer.from('hello') });
  await Promise.all([adapter.publish('x', Buffer.alloc(1)), adapter.publish('y', Buffer.alloc(2))]);
  t.deepEqual(connection.calls, ['flush', '+reactor:a%20b', 'x 1', 'y 2', 'flush']);
  connection.tell({ type: 'disconnect' });
  await turn();
  connection.tell({ type: 'reconnecting' });
  connection.tell({ type: 'reconnect' });
  await turn();
  await turn();
  connection.tell({ type: 'error', error: new Error('permissions') });
  await turn();
  t.deepEqual(told, ['up', 'reactor:a b hello', 'down', 'up', 'error permissions']);
  await adapter.close();
  t.deepEqual(connection.calls.slice(-2), ['-reactor:a%20b', 'flush']);
  connection.tell({ type: 'disconnect' });
  await turn();
  t.is(told.length, 5);
});

test('nats: a connection that gives up says what keeps it trying', async (t) => {
  const connection = new FakeNats();
  const adapter = nats(connection);
  const { told, events } = listening();
  adapter.connect(events);
  await turn();
  connection.end();
  await turn();
  t.regex(told[1], /maxReconnectAttempts: -1/);
});

test('nats: what no subject may have is escaped, and no two channels share a subject', (t) => {
  const subjects = {
    'reactor:news': 'reactor:news',
    'a.b': 'a.b',
    '.a..b.': '%2Ea%2E%2Eb%2E',
    'a *>%': 'a%20%2A%3E%25',
    ü: '%C3%BC',
    '%C3%BC': '%25C3%25BC',
  };
  for (const [channel, subject] of Object.entries(subjects)) {
    t.is(subjectOf(channel), subject);
  }
});
