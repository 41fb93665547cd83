// Calls of every kind by grpc-js: `node client.mjs <port>`. A line for each thing that was tried.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const address = `127.0.0.1:${process.argv[2]}`;
const load = (name) =>
  grpc.loadPackageDefinition(
    loader.loadSync(new URL(`../example/${name}.proto`, import.meta.url).pathname, {
      longs: Number,
    }),
  );
const { Echo } = load('echo').example.v1;
const { Health } = load('health').grpc.health.v1;
const { status } = grpc;
const LARGE = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

const insecure = () => grpc.credentials.createInsecure();
const echo = new Echo(address, insecure(), LARGE);

/** A call with one reply. Resolves with all that came. */
function unary(client, method, message, { meta = new grpc.Metadata(), options = {} } = {}) {
  return new Promise((resolve) => {
    const told = {};
    const call = client[method](message, meta, options, (error, reply) => {
      Object.assign(told, { error, reply });
    });
    call.on('metadata', (fields) => {
      told.fields = fields;
    });
    call.on('status', (state) => resolve({ ...told, state, trailers: state.metadata }));
  });
}

/** How a call ends. `once` of node:events would reject with its 'error'. */
function ended(call) {
  call.on('error', () => {});
  return new Promise((resolve) => call.once('status', resolve));
}

/** Takes what a call gives. Resolves with its messages and its status. */
async function taken(call) {
  const messages = [];
  call.on('data', (message) => messages.push(message));
  return { state: await ended(call), messages };
}

async function check(name, trial) {
  try {
    const word = await trial();
    console.log(`grpc-js: ${name}${word === undefined ? '' : `, ${word}`}`);
  } catch (error) {
    console.log(`grpc-js: ${name}: FAULT ${String(error.message ?? error).replaceAll('\n', ' ')}`);
    process.exitCode = 1;
  }
}

await check('unary', async () => {
  const { reply, state } = await unary(echo, 'Say', { text: 'gr\u00fc\u00dfe' });
  assert.equal(reply.text, 'gr\u00fc\u00dfe');
  assert.equal(state.code, status.OK);
});

await check('server streaming', async () => {
  const { messages, state } = await taken(echo.Count({ upto: 1000 }));
  assert.deepEqual(
    messages.map(({ value }) => value),
    Array.from({ length: 1000 }, (_, i) => i + 1),
  );
  assert.equal(state.code, status.OK);
});

await check('client streaming', async () => {
  const reply = await new Promise((resolve, reject) => {
    const call = echo.Sum((error, message) => (error ? reject(error) : resolve(message)));
    for (let value = 1; value <= 1000; value++) {
      call.write({ value });
    }
    call.end();
  });
  assert.deepEqual({ ...reply }, { sum: 500_500, numbers: 1000 });
});

await check('bidirectional, each reply before the next request', async () => {
  const call = echo.Chat();
  const state = ended(call);
  for (let i = 0; i < 100; i++) {
    call.write({ text: `m${i}` });
    const [message] = await once(call, 'data');
    assert.equal(message.text, `you said: m${i}`);
  }
  call.end();
  assert.equal((await state).code, status.OK);
});

await check('metadata, binary too, before and behind', async () => {
  const meta = new grpc.Metadata();
  meta.set('x-text', 'a b');
  meta.set('x-raw-bin', Buffer.from([0, 255, 1]));
  const { fields, trailers } = await unary(echo, 'Say', { text: '' }, { meta });
  assert.deepEqual(fields.get('x-text'), ['a b']);
  assert.deepEqual(fields.get('x-raw-bin'), [Buffer.from([0, 255, 1])]);
  assert.deepEqual(trailers.get('x-text-behind'), ['a b']);
  assert.deepEqual(trailers.get('x-raw-behind-bin'), [Buffer.from([0, 255, 1])]);
});

await check('every code, with details', async () => {
  for (let code = 1; code <= 16; code++) {
    // grpc-js itself reads only some of what may be escaped.
    const text = `fault ${code} 100 % \u00fc`;
    const { state } = await unary(echo, 'Say', { text, failWith: code });
    assert.deepEqual([state.code, state.details], [code, text]);
    assert.deepEqual(state.metadata.get('x-failed'), ['yes']);
    assert(state.metadata.get('grpc-status-details-bin')[0].includes('ask for something else'));
  }
});

await check('a method and a service that are not there', async () => {
  const other = { ...Echo.service.Say, path: '/example.v1.Echo/Nothing' };
  const Other = grpc.makeGenericClientConstructor({ Nothing: other }, 'Other');
  const client = new Other(address, insecure());
  const { state } = await unary(client, 'Nothing', { text: '' });
  assert.equal(state.code, status.UNIMPLEMENTED);
  client.close();
});

await check('a deadline', async () => {
  const begun = performance.now();
  const options = { deadline: Date.now() + 100 };
  const { state } = await unary(echo, 'Say', { delay: 5000 }, { options });
  assert.equal(state.code, status.DEADLINE_EXCEEDED);
  assert(performance.now() - begun < 2000);
});

await check('a deadline of a stream', async () => {
  const call = echo.Count({ upto: 1000, pause: 20 }, { deadline: Date.now() + 150 });
  const { messages, state } = await taken(call);
  assert.equal(state.code, status.DEADLINE_EXCEEDED);
  assert(messages.length > 0 && messages.length < 20);
});

await check('cancellation of calls of each kind', async () => {
  const counting = echo.Count({ upto: 1000, pause: 5 });
  const chat = echo.Chat();
  const sum = echo.Sum(() => {});
  const say = echo.Say({ delay: 5000 }, () => {});
  chat.write({ text: 'first' });
  sum.write({ value: 1 });
  const states = [counting, chat, sum, say].map((call) => {
    call.on('data', () => {});
    return ended(call);
  });
  await once(chat, 'data');
  for (const call of [counting, chat, sum, say]) {
    call.cancel();
  }
  for (const state of await Promise.all(states)) {
    assert.equal(state.code, status.CANCELLED);
  }
});

await check('gzip both ways', async () => {
  const client = new Echo(address, insecure(), {
    ...LARGE,
    'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
  });
  const text = 'compress me '.repeat(20_000);
  const { reply } = await unary(client, 'Say', { text });
  assert.equal(reply.text, text);
  client.close();
});

await check('messages of 8 MiB', async () => {
  const data = Buffer.alloc(8 << 20, 7);
  const { reply } = await unary(echo, 'Say', { data });
  assert(reply.data.equals(data));
});

await check('a message that is larger than the server takes', async () => {
  const { state } = await unary(echo, 'Say', { data: Buffer.alloc(33 << 20) });
  assert.equal(state.code, status.RESOURCE_EXHAUSTED);
});

await check('health', async () => {
  const health = new Health(address, insecure());
  const { reply } = await unary(health, 'Check', { service: 'example.v1.Echo' });
  assert.equal(reply.status, 1);
  const { state } = await unary(health, 'Check', { service: 'other' });
  assert.equal(state.code, status.NOT_FOUND);
  const watch = health.Watch({ service: '' });
  watch.on('error', () => {});
  const [first] = await once(watch, 'data');
  assert.equal(first.status, 1);
  watch.cancel();
  health.close();
});

await check('1,000 concurrent streams of one connection', async () => {
  const calls = Array.from({ length: 1000 }, () => echo.Chat());
  const firsts = calls.map((call, i) => {
    call.write({ text: `${i}` });
    return once(call, 'data');
  });
  const replies = await Promise.all(firsts);
  assert(replies.every(([{ text }], i) => text === `you said: ${i}`));
  const states = calls.map(ended);
  for (const call of calls) {
    call.end();
  }
  for (const state of await Promise.all(states)) {
    assert.equal(state.code, status.OK);
  }
});

await check('2,000 calls, 100 at a time', async () => {
  let left = 2_000;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: 100 }, async () => {
      while (left-- > 0) {
        const { reply } = await unary(echo, 'Say', { text: 'again' });
        assert.equal(reply.text, 'again');
      }
    }),
  );
  return `${Math.round(2_000_000 / (performance.now() - begun))} a second`;
});

echo.close();
