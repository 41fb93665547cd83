// Malformed messages reach no handler, cost their own stream only, and are answered as RFC 9113 §8.1.1
// says.

import test from 'ava';
import { start } from '../support/server.mjs';
import { field, fieldsOf, get, headers, Raw } from './raw.mjs';
import { FINE, SHAPES } from './smuggling.mjs';

/** A server that notes what its handler sees, and which bodies came whole. */
async function watched(t) {
  const seen = [];
  const whole = [];
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const server = await start(t, {
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/held') {
        await held;
        return new Response('held');
      }
      if (pathname === '/after') return new Response('after');
      seen.push(`${request.method} ${request.url}`);
      const bytes = await request.arrayBuffer();
      whole.push(`${request.method} ${request.url} ${Buffer.from(bytes)}`);
      return Response.json(Object.fromEntries(request.headers));
    },
  });
  const raw = await Raw.open(server.port);
  t.teardown(() => raw.destroy());
  return { server, raw, seen, whole, release };
}

test('no malformed message reaches a handler, and the streams beside it go on', async (t) => {
  const { raw, seen, whole, release } = await watched(t);
  await raw.send(get(1, '/held'));
  let stream = 3;
  const wrong = [];
  for (const { name, frames, expected, isBegun = false } of SHAPES) {
    await raw.send(...frames(stream), get(stream + 2, '/after'));
    const outcome = await raw.outcome(stream);
    if (![expected].flat().includes(outcome)) wrong.push(`${name}: ${outcome}, not ${expected}`);
    const after = await raw.outcome(stream + 2);
    if (after !== '200') {
      wrong.push(`${name}: then ${after}`);
      break;
    }
    if (seen.splice(0).length > 0 && !isBegun) wrong.push(`${name}: a handler saw it`);
    if (whole.length > 0) wrong.push(`${name}: a handler saw its end: ${whole.splice(0)}`);
    stream += 4;
  }
  t.deepEqual(wrong, []);
  release();
  t.is(await raw.outcome(1), '200');
  t.is(raw.goaway, null);
});

test('what looks odd and is right is served', async (t) => {
  const { raw, seen } = await watched(t);
  for (const [n, { name, frames }] of FINE.entries()) {
    await raw.send(...frames(2 * n + 1));
    t.is(await raw.outcome(2 * n + 1), '200', name);
    t.is(seen.splice(0).length, 1, name);
  }
});

test('a handler sees what was sent, and nothing else', async (t) => {
  const { raw } = await watched(t);
  const more = [
    ['cookie', 'a=b'],
    ['x-a', 'one'],
    ['cookie', 'c=d'],
    ['x-a', 'two'],
    ['te', 'trailers'],
  ];
  await raw.send(headers(1, fieldsOf('/x', { more })));
  const { body, fields } = await raw.answer(1);
  t.deepEqual(JSON.parse(body), {
    cookie: 'a=b; c=d',
    host: 'localhost',
    te: 'trailers',
    'x-a': 'one, two',
  });
  for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'upgrade']) {
    t.is(field(fields, name), undefined);
  }
  t.true(fields.every(([name]) => name === name.toLowerCase()));
});
