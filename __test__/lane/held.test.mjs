// Bodies that stream are held back at first, in memory that is used again, and a body that came whole
// is given away as it is: each must have its own bytes.

import test from 'ava';
import { ReactorResponse as Response } from '../../dist/fetch/response.js';
import { Bridge } from '../../dist/lane/bridge.js';
import { FakeLane } from './fake-lane.mjs';

const SIZE = 3000;

/** A stream of as many chunks, each filled with another letter, that waits between them. */
function stream(letters, wait) {
  let next = 0;
  return new ReadableStream({
    async pull(controller) {
      if (next === letters.length) {
        controller.close();
        return;
      }
      if (wait && next % 2 === 1) {
        await new Promise(setImmediate);
      }
      controller.enqueue(Buffer.alloc(SIZE, letters[next]));
      next++;
    },
  });
}

function expected(letters) {
  return [...letters].map((letter) => letter.repeat(SIZE)).join('');
}

function connect(handle, options = {}) {
  const lane = new FakeLane();
  lane.bridge = new Bridge(lane, { find: () => ({ handle, paramNames: [] }), ...options });
  return lane;
}

for (const wait of [false, true]) {
  test(`bodies that are held at the same time, ${wait ? 'with' : 'without'} pauses`, async (t) => {
    const all = ['abcdefgh', 'ijklmnopqrst', 'u', 'vwxyzABCDEFGHIJKLMNOPQRSTU', 'VWXYZ'];
    let asked = 0;
    const lane = connect(() => new Response(stream(all[asked++ % all.length], wait)));
    for (let round = 0; round < 3; round++) {
      const ids = all.map(() => lane.ask('GET', '/'));
      const answers = await Promise.all(ids.map((id) => lane.response(id)));
      t.deepEqual(
        answers.map(({ body }) => body),
        all.map(expected),
      );
    }
  });
}

test('what a response that failed has held does not get into another', async (t) => {
  let asked = 0;
  const broken = () => {
    let next = 0;
    return new ReadableStream({
      pull(controller) {
        if (next++ === 4) {
          throw new Error('broken');
        }
        controller.enqueue(Buffer.alloc(SIZE, 'o'));
      },
    });
  };
  const handle = () => new Response(asked++ % 2 === 1 ? stream('xyz', false) : broken());
  const lane = connect(handle, { onError: () => new Response('failed', { status: 500 }) });
  for (let i = 0; i < 6; i++) {
    const { status, body } = await lane.response(lane.ask('GET', '/'));
    t.deepEqual([status, body], i % 2 === 1 ? [200, expected('xyz')] : [500, 'failed']);
  }
});

/** The answer to a body by a handler that gets the request once the batch is over. */
async function late(handle, body = 'the body of the request') {
  const lane = connect(async (request) => {
    await new Promise(setImmediate);
    return new Response(await handle(request));
  });
  return (await lane.response(lane.ask('POST', '/', {}, { body }))).body;
}

test('a body that is read late, in each way', async (t) => {
  const text = 'the body of the request';
  t.is(await late((request) => request.text()), text);
  t.is(await late((request) => request.arrayBuffer()), text);
  t.is(await late((request) => new Response(request.body).text()), text);
  t.is(await late(async (request) => (await request.blob()).text()), text);
});

test('a body and its clones have their own bytes', async (t) => {
  const text = 'the body of the request';
  const both = async (first, second) => `${await first.text()} ${await second.text()}`;
  t.is(await late((request) => both(request.clone(), request)), `${text} ${text}`);
  // The clone is made when the stream of the original exists, and outlives it.
  const after = (request) => {
    request.body;
    const copy = request.clone();
    return both(new Response(request.body), copy);
  };
  t.is(await late(after), `${text} ${text}`);
  const changed = async (request) => {
    const copy = request.clone();
    (await request.bytes()).fill(0x78);
    return copy.text();
  };
  t.is(await late(changed), text);
});

test('a body that was given away looks read', async (t) => {
  const answer = await late(async (request) => {
    const buffer = await request.arrayBuffer();
    const [error] = await Promise.allSettled([request.text()]);
    return `${buffer.byteLength} ${request.bodyUsed} ${error.reason.name}`;
  });
  t.is(answer, '23 true TypeError');
});
