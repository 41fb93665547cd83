// Fields that a program sends again and again are kept as bytes: each response must have its own.

import test from 'ava';
import { ReactorHeaders as Headers } from '../../dist/fetch/headers.js';
import { ReactorResponse as Response } from '../../dist/fetch/response.js';
import { Bridge } from '../../dist/lane/bridge.js';
import { FakeLane } from './fake-lane.mjs';

const CLOSE = 2;
const LONG =
  'of a length that is worth to be kept as bytes, as the fields of most responses are, with all of theirs';

/** The replies to as many requests as there are answers. */
async function replies(answers) {
  const lane = new FakeLane();
  let next = 0;
  lane.bridge = new Bridge(lane, {
    find: () => ({ handle: () => answers[next++](), paramNames: [] }),
  });
  const all = [];
  for (let i = 0; i < answers.length; i++) {
    all.push(await lane.response(lane.ask('GET', '/')));
  }
  return all;
}

/** The fields of each reply, as an object. */
async function fields(answers) {
  return (await replies(answers)).map((reply) => Object.fromEntries(reply.fields));
}

const one = { 'x-one': LONG, 'x-two': 'second', 'content-type': 'text/plain' };

test('fields that are kept are not those of the responses in between', async (t) => {
  const kept = () => new Response('text', { headers: one });
  const other = { 'x-other': `other ${LONG}`, 'content-type': 'text/html' };
  const between = () => new Response('another text', { headers: other });
  const sent = await fields([kept, kept, between, kept, between, between, kept]);
  t.deepEqual(sent, [one, one, other, one, other, other, one]);
});

test('the same fields, sent often, stay what they are', async (t) => {
  const answer = () => new Response('text', { headers: one });
  for (const sent of await fields(Array.from({ length: 8 }, () => answer))) {
    t.deepEqual(sent, one);
  }
});

test('fields of the same size and number are told apart', async (t) => {
  const all = Array.from({ length: 60 }, (_, i) => ({
    'x-one': `${LONG} ${String(i % 3).padStart(2, '0')}`,
    'x-two': `${i % 2}`,
    'content-type': 'text/plain',
  }));
  const sent = await fields(all.map((headers) => () => new Response('text', { headers })));
  t.deepEqual(sent, all);
});

test('the headers of a response may change after it was sent', async (t) => {
  const first = new Response('text', { headers: one });
  const answer = () => new Response('text', { headers: one });
  const other = { ...one, 'x-two': 'fourth' };
  const change = () => {
    first.headers.set('x-two', 'fourth');
    return new Response('text', { headers: other });
  };
  const sent = await fields([() => first, answer, answer, change, answer]);
  t.deepEqual(sent, [one, one, one, other, one]);
});

test('what only the engine may send is noted each time', async (t) => {
  const answers = Array.from(
    { length: 4 },
    () => () => new Response('text', { headers: { ...one, connection: 'close' } }),
  );
  for (const { flags, fields } of await replies(answers)) {
    t.is(flags & CLOSE, CLOSE);
    t.deepEqual(Object.fromEntries(fields), one);
  }
  // And is not noted of the fields after them.
  for (const { flags } of await replies([
    ...answers,
    () => new Response('', { headers: one }),
  ]).then((all) => all.slice(-1))) {
    t.is(flags & CLOSE, 0);
  }
});

test('a coding that the body does not have is dropped each time', async (t) => {
  const headers = { ...one, 'content-encoding': 'gzip', 'content-length': '20', date: 'now' };
  const sent = await fields(
    Array.from({ length: 4 }, () => () => new Response('plain text', { headers })),
  );
  for (const each of sent) {
    t.deepEqual(each, one);
  }
});

test('values are checked however often their name was sent', (t) => {
  const name = 'x-checked-often';
  for (let i = 0; i < 3; i++) {
    t.is(new Headers({ [name]: LONG }).get(name), LONG);
    t.is(new Headers({ [name]: ` ${LONG} ` }).get(name), LONG);
    t.is(new Headers({ [name]: `${LONG}\t` }).get(name), LONG);
    t.throws(() => new Headers({ [name]: `${LONG}\n${LONG}` }), { instanceOf: TypeError });
    t.throws(() => new Headers({ [name]: `${LONG}\u0100` }), { instanceOf: TypeError });
    t.is(new Headers({ [name]: 1 }).get(name), '1');
    t.is(new Headers({ [name]: undefined }).get(name), 'undefined');
  }
});
