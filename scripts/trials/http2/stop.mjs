// A server that stops: it says so, what is under way ends well, and no request is lost or done twice by
// a client that asks another server for what this one says it has not done.
//
//   node scripts/trials/http2/stop.mjs [--engine node]

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { data, get, post, Raw } from '../../../__test__/http2/raw.mjs';
import { ask, check, finish, startServer } from './lib.mjs';

await check('requests under way are answered, and the connection is closed', async () => {
  const server = await startServer();
  const raw = await Raw.open(server.port);
  const { length } = await Promise.all(
    Array.from({ length: 20 }, (_, n) => raw.send(get(2 * n + 1, '/wait?ms=400'))),
  );
  await raw.send(post(41, '/whole'), data(41, 'begun, '));
  await raw.ponged();
  const stopping = server.stop();
  await raw.until(() => raw.goaway !== null, 'GOAWAY');
  assert.equal(raw.goaway.code, 'NO_ERROR');
  await raw.send(data(41, 'and ended', true));
  for (let n = 0; n < length; n++) {
    const { status, body } = await raw.answer(2 * n + 1);
    assert.deepEqual([status, body], [200, 'waited']);
  }
  assert.equal((await raw.answer(41)).body, 'begun, and ended');
  assert.equal(await raw.over(), 'NO_ERROR');
  assert(raw.goaway.last >= 41, `the last stream is ${raw.goaway.last}`);
  await stopping;
});

await check('an idle connection is closed at once', async () => {
  const server = await startServer();
  const raw = await Raw.open(server.port);
  await raw.send(get(1, '/hello'));
  assert.equal((await raw.answer(1)).body, 'hello');
  const begun = performance.now();
  const stopping = server.stop();
  assert.equal(await raw.over(), 'NO_ERROR');
  await stopping;
  return `${Math.round(performance.now() - begun)} ms`;
});

await check("Node's client sees no error", async () => {
  const server = await startServer();
  const session = http2.connect(server.url);
  const faults = [];
  session.on('error', ({ message }) => faults.push(message));
  await once(session, 'connect');
  const asked = Array.from({ length: 50 }, () => ask(session, { ':path': '/wait?ms=200' }));
  await ask(session, { ':path': '/hello' });
  const stopping = server.stop();
  const answers = await Promise.all(asked);
  assert(answers.every(({ status }) => status === 200));
  if (!session.destroyed) await once(session, 'close');
  await stopping;
  assert.deepEqual(faults, []);
});

await check('each request is done exactly once by a client that asks again', async () => {
  const [first, second] = [await startServer(), await startServer()];
  const answered = new Map();
  let next = 0;
  let isStopped = false;
  let retried = 0;
  const client = async () => {
    const raw = await Raw.open(first.port);
    const sent = [];
    for (let stream = 1; raw.goaway === null && raw.ended === null; stream += 2) {
      const id = next++;
      sent.push([stream, id]);
      raw.send(get(stream, `/wait?ms=${id % 20}&id=${id}`));
      if (stream % 16 === 1) await sleep(1);
      // What is open stays within what a server takes.
      await raw.until(
        () => sent.filter(([s]) => !raw.stream(s).isEnded).length < 60 || raw.ended !== null,
        'answers',
      );
    }
    // It asks once more behind the GOAWAY: that one is not done, or it is answered.
    await raw.over();
    const other = await Raw.open(second.port);
    let again = 1;
    for (const [stream, id] of sent) {
      const came = raw.stream(stream);
      if (came.isEnded && came.status === 200) {
        answered.set(id, 'first');
        continue;
      }
      const isRefused = came.reset === 'REFUSED_STREAM' || stream > (raw.goaway?.last ?? 0);
      assert(isRefused, `stream ${stream} is neither answered nor refused: ${raw.told()}`);
      retried++;
      await other.send(get(again, `/wait?ms=0&id=${id}`));
      assert.equal(await other.outcome(again), '200');
      answered.set(id, 'second');
      again += 2;
    }
    other.destroy();
  };
  const clients = Array.from({ length: 4 }, client);
  await sleep(500);
  const ids = (seen) => seen.map(({ url }) => new URL(url).searchParams.get('id'));
  const before = ids(await first.seen());
  const stopped = first.ask({ stop: true }).then(() => {
    isStopped = true;
  });
  await Promise.all(clients);
  await stopped;
  assert(isStopped);
  const done = [...before, ...ids(await first.seen()), ...ids(await second.seen())];
  await first.stop();
  await second.stop();
  assert.equal(answered.size, next);
  const isWhole = done.length < 1000;
  if (isWhole) assert.deepEqual(done.length, new Set(done).size, 'none is done twice');
  return `${next} requests, ${retried} of them asked again`;
});

finish();
