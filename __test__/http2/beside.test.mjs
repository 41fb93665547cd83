// Streams of one connection beside each other: what one waits for keeps no other back.

import test from 'ava';
import { start } from '../support/server.mjs';
import { fieldsOf, get, headers, Raw, SETTING, windowUpdate } from './raw.mjs';

const LARGE = 5 << 20;

async function opened(t, how) {
  const server = await start(t, {
    fetch: (request) => {
      switch (new URL(request.url).pathname) {
        case '/large':
          return new Response(new Uint8Array(LARGE));
        case '/hang':
          return new Promise(() => {});
        default:
          return new Response('hello');
      }
    },
  });
  const raw = await Raw.open(server.port, how);
  t.teardown(() => raw.destroy());
  return raw;
}

test('large answers that their client does not read keep no other request back', async (t) => {
  const raw = await opened(t, { settings: [[SETTING.initialWindowSize, 0]] });
  for (const stream of [1, 3, 5]) {
    await raw.send(get(stream, '/large'));
    await raw.until(() => raw.stream(stream).status === 200, 'the head of a large answer');
  }
  for (let stream = 7; stream < 27; stream += 2) {
    await raw.send(get(stream, '/hello'), windowUpdate(stream, 100));
    t.is(await raw.outcome(stream), '200');
  }
});

test('handlers that wait keep no other request back after a large answer', async (t) => {
  const raw = await opened(t);
  await raw.send(get(1, '/large'));
  t.is((await raw.answer(1)).size, LARGE);
  for (const stream of [3, 5, 7, 9, 11]) await raw.send(get(stream, '/hang'));
  await raw.send(headers(13, fieldsOf('/hello')));
  t.is(await raw.outcome(13), '200');
});
