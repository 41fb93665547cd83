// Three processes over one broker: `node pubsub.mjs CLIENT PORT MESSAGES`. The parent kills the broker
// and starts it again when it is asked to.

import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { until } from './lib.mjs';
import { check, tally } from './tap.mjs';

const [client, port, messages] = process.argv.slice(2);
const SERVER = fileURLToPath(new URL('./pubsub-server.mjs', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));
/** What examples/chat is told, where it knows the client. */
const CHAT = { redis: 'redis', '@nats-io/transport-node': 'nats' };
const TOPIC = 'some topic.of * the > trial, ünï';
const NAMES = ['a', 'b', 'c'];
const SOCKETS = 2;

/** One process with its sockets. */
class Server {
  gaps = [];
  errors = [];
  sockets = [];
  #asked = [];

  static async start(name, threads = 0, sockets = SOCKETS) {
    const server = new Server();
    server.name = name;
    server.child = fork(SERVER, [name, client, port, `${threads}`]);
    server.ended = once(server.child, 'exit');
    server.url = await new Promise((resolve, reject) => {
      server.child.once('exit', (code) => reject(new Error(`a server ended with ${code}`)));
      server.child.on('message', (told) => {
        if (told.url !== undefined) {
          resolve(told.url);
        } else if (told.gap !== undefined) {
          server.gaps.push(told.gap);
        } else if (told.error !== undefined) {
          server.errors.push(told.error);
        } else {
          server.#asked.shift()(told);
        }
      });
    });
    for (let count = 0; count < sockets; count++) {
      server.sockets.push(await Socket.open(server.url));
    }
    return server;
  }

  #ask(what) {
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.child.send(what);
    });
  }

  publish(from, to) {
    return this.#ask({ publish: { topic: TOPIC, from, to } });
  }

  async stats() {
    return (await this.#ask({ stats: true })).stats;
  }

  async stop() {
    this.child.send({ stop: true });
    await this.ended;
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

/** A client, and what it got of whom. */
class Socket {
  closed = null;
  /** The numbers of the messages, by their publishers. */
  got = new Map();

  static async open(url) {
    const socket = new Socket();
    socket.raw = new WebSocket(`${url}?topic=${encodeURIComponent(TOPIC)}`);
    socket.raw.on('message', (data) => {
      const [from, number] = data.toString().split(' ');
      const numbers = socket.got.get(from) ?? [];
      numbers.push(Number(number));
      socket.got.set(from, numbers);
    });
    socket.raw.on('close', (code) => {
      socket.closed = code;
    });
    socket.raw.on('error', () => {});
    await once(socket.raw, 'open');
    return socket;
  }

  take() {
    const { got } = this;
    this.got = new Map();
    return got;
  }

  count() {
    return [...this.got.values()].reduce((sum, { length }) => sum + length, 0);
  }
}

const all = (servers) => servers.flatMap(({ sockets }) => sockets);

/** Until each socket hears each server. */
async function joined(servers) {
  const heard = (socket) => servers.every(({ name }) => socket.got.has(name));
  await until(async () => {
    for (const server of servers) {
      await server.publish(-1, 0);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    return all(servers).every(heard);
  }, 'all sockets hear all servers');
  // What is under way comes, too.
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const socket of all(servers)) {
    socket.take();
  }
}

/** Every server publishes so many; each socket must get each message once and in order. */
async function exchange(servers, each, sockets = all(servers)) {
  const begin = performance.now();
  await Promise.all(servers.map((server) => server.publish(0, each)));
  const wanted = each * servers.length;
  await until(() => sockets.every((socket) => socket.count() >= wanted), 'all have all').catch(
    (error) => {
      const counts = sockets.map((socket) => socket.count());
      throw new Error(`${error.message}: of ${wanted} they have ${counts}`);
    },
  );
  const ms = Math.round(performance.now() - begin);
  // What comes twice would come now.
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (const socket of sockets) {
    const got = socket.take();
    assert.deepEqual([...got.keys()].sort(), servers.map(({ name }) => name).sort());
    for (const [from, numbers] of got) {
      assert.equal(numbers.length, each, `of ${from}`);
      assert.ok(
        numbers.every((number, index) => number === index),
        `the order of ${from}`,
      );
    }
  }
  return `${wanted} messages to ${sockets.length} sockets in ${ms} ms`;
}

/** What the parent does with the broker. */
async function broker(what) {
  process.send(what);
  await once(process, 'message');
}

let servers = [];
await check(
  `${client}: three processes, each message once to each subscriber, in order`,
  async () => {
    servers = await Promise.all(NAMES.map((name) => Server.start(name)));
    await joined(servers);
    const done = await exchange(servers, Math.ceil(Number(messages) / servers.length));
    for (const server of servers) {
      const { topics, dropped, failed, gaps } = await server.stats();
      assert.deepEqual(
        { topics, dropped, failed, gaps },
        { topics: 1, dropped: 0, failed: 0, gaps: 0 },
      );
    }
    return done;
  },
);

await check(
  `${client}: a broker that is killed and comes back is a gap, and all goes on`,
  async () => {
    await broker('kill');
    await until(async () => {
      const stats = await Promise.all(servers.map((server) => server.stats()));
      return stats.every(({ status }) => status === 'down');
    }, 'all have noticed');
    // Those of the own process get it; for the others it waits.
    await servers[0].publish(0, 10);
    await until(
      () => servers[0].sockets.every((socket) => socket.count() === 10),
      'its own have it',
    );
    assert.equal(servers[1].sockets[0].count(), 0);
    await broker('start');
    await until(
      () => servers.every(({ gaps }) => gaps.some(({ reason }) => reason === 'outage')),
      'all tell of a gap',
    );
    for (const { gaps, errors } of servers) {
      const [first] = gaps.filter(({ reason }) => reason === 'outage');
      assert.deepEqual(first.topics, [TOPIC]);
      assert.equal(errors.filter((text) => /cannot be reached/.test(text)).length, 1, `${errors}`);
    }
    for (const socket of all(servers.slice(1))) {
      // At most once, and in order.
      const numbers = socket.got.get('a') ?? [];
      assert.ok(numbers.every((number, index) => index === 0 || number > numbers[index - 1]));
    }
    await joined(servers);
    return exchange(servers, 200);
  },
);

await check(`${client}: a process that is killed loses its own sockets only`, async () => {
  const [, , killed] = servers;
  const left = servers.slice(0, 2);
  await killed.kill();
  await until(
    () => killed.sockets.every(({ closed }) => closed !== null),
    'its sockets are closed',
  );
  assert.deepEqual(
    killed.sockets.map(({ closed }) => closed),
    [1006, 1006],
  );
  await exchange(left, 200);
  assert.ok(all(left).every(({ closed }) => closed === null));
  const again = await Server.start('c');
  servers = [...left, again];
  await joined(servers);
  return exchange(servers, 200);
});

await check(`${client}: a socket's own publish reaches all but itself`, async () => {
  const [first, ...others] = all(servers);
  for (let count = 0; count < 100; count++) {
    first.raw.send(`x ${count}`);
  }
  await until(() => others.every((socket) => socket.count() >= 100), 'the others have it');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(first.count(), 0);
  for (const socket of others) {
    assert.deepEqual(
      socket.take().get('x'),
      Array.from({ length: 100 }, (_, index) => index),
    );
  }
});

await check(`${client}: servers that stop send what they have, and end`, async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

await check(`${client}: JavaScript threads share one subscription of their process`, async () => {
  servers = await Promise.all(NAMES.map((name) => Server.start(name, 2, 4)));
  await joined(servers);
  const done = await exchange(servers, 1000);
  const [first, ...others] = all(servers);
  for (let count = 0; count < 500; count++) {
    first.raw.send(`x ${count}`);
  }
  await until(() => others.every((socket) => socket.count() >= 500), 'the others have it');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(first.count(), 0);
  for (const socket of others) {
    assert.deepEqual(
      socket.take().get('x'),
      Array.from({ length: 500 }, (_, index) => index),
    );
  }
  for (const server of servers) {
    assert.equal((await server.stats()).topics, 1);
  }
  await Promise.all(servers.map((server) => server.stop()));
  return done;
});

/** A process of examples/chat. */
class Chat {
  static async start() {
    const chat = new Chat();
    const env = { ...process.env, PORT: '0', BROKER: `${CHAT[client]}://127.0.0.1:${port}` };
    chat.child = spawn(process.execPath, [join(HERE, 'chat', 'server.mjs')], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    chat.child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    await until(() => /^listening on \S+$/m.test(said), 'the chat listens');
    [, chat.url] = /^listening on (\S+)$/m.exec(said);
    return chat;
  }

  async enter(name) {
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}rooms/lobby?name=${name}`);
    const got = [];
    socket.on('message', (data) => got.push(data.toString()));
    await once(socket, 'open');
    return { socket, got };
  }

  async end() {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    return (await ended)[0];
  }
}

if (CHAT[client] !== undefined) {
  await check(`${client}: examples/chat across two processes, and a gap`, async () => {
    const example = join(HERE, '..', 'node_modules', 'reactor-rs', 'examples', 'chat');
    cpSync(example, join(HERE, 'chat'), { recursive: true });
    const [one, two] = await Promise.all([Chat.start(), Chat.start()]);
    try {
      const ada = await one.enter('Ada');
      const bob = await two.enter('Bob');
      const hello = JSON.stringify({ name: 'Ada', text: 'Hello' });
      await until(async () => {
        ada.socket.send('Hello');
        await new Promise((resolve) => setTimeout(resolve, 50));
        return bob.got.includes(hello);
      }, 'Bob hears Ada');
      bob.socket.send('Hello back');
      const back = JSON.stringify({ name: 'Bob', text: 'Hello back' });
      await until(() => ada.got.includes(back), 'Ada hears Bob');
      await broker('kill');
      await broker('start');
      await until(
        () => [ada, bob].every(({ got }) => got.includes('{"gap":true}')),
        'both are told of a gap',
      );
      bob.socket.close();
      await until(() => ada.got.includes('{"left":"Bob"}'), 'Ada sees Bob leave');
    } finally {
      assert.deepEqual(await Promise.all([one.end(), two.end()]), [0, 0]);
    }
  });
}

for (const { child } of servers) {
  child.kill('SIGKILL');
}
process.exit(tally.failed > 0 ? 1 : 0);
