// A handler that answers with a file: the engine is told which, and what the request asks of it.

import { openAsBlob, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { file } from '../../dist/fetch/file.js';
import { GenuineResponse } from '../../dist/fetch/genuine.js';
import { ReactorResponse as Response } from '../../dist/fetch/response.js';
import { Bridge } from '../../dist/lane/bridge.js';
import { temporary } from '../support/folder.mjs';
import { FakeLane } from './fake-lane.mjs';

const TO_THE_END = 2n ** 64n - 1n;
const CLOSE = 2;

function connect(handle) {
  const lane = new FakeLane();
  lane.bridge = new Bridge(lane, {
    find: () => ({ handle, paramNames: [] }),
    onError: (error) => new Response(`failed: ${error.message}`, { status: 500 }),
  });
  return lane;
}

const ASKED = {
  Range: 'bytes=0-1',
  'If-None-Match': '"a"',
  'if-match': '"b"',
  'If-Range': '"c"',
  'If-Modified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT',
  'If-Unmodified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT',
  'Accept-Encoding': 'br, gzip',
  accept: '*/*',
  cookie: 'a=b',
};

test('the engine is told the path, the fields, and what the request says of ranges, conditions and codings', async (t) => {
  const lane = connect(
    () => new Response(file('/srv/ü/a.bin', { type: 'x/y' }), { headers: { 'x-a': '1' } }),
  );
  const reply = await lane.reply(lane.ask('GET', '/', ASKED));
  t.like(reply, {
    kind: 'file',
    status: 200,
    flags: 0,
    start: 0n,
    end: TO_THE_END,
    path: '/srv/ü/a.bin',
    fields: [
      ['x-a', '1'],
      ['content-type', 'x/y'],
    ],
  });
  t.deepEqual(Object.fromEntries(reply.heeded), {
    range: ASKED.Range,
    'if-none-match': ASKED['If-None-Match'],
    'if-match': ASKED['if-match'],
    'if-range': ASKED['If-Range'],
    'if-modified-since': ASKED['If-Modified-Since'],
    'if-unmodified-since': ASKED['If-Unmodified-Since'],
    'accept-encoding': ASKED['Accept-Encoding'],
  });
});

test('a late answer, HEAD and a type of the program’s own', async (t) => {
  const lane = connect(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const headers = { 'content-type': 'a/b', connection: 'close' };
    return new Response(file('/x', { type: 'x/y' }), { status: 206, headers });
  });
  const reply = await lane.reply(lane.ask('HEAD', '/', ASKED));
  t.like(reply, { status: 206, flags: CLOSE, fields: [['content-type', 'a/b']] });
  t.is(reply.heeded.length, 7);
});

test('conditions are not for other methods, nor for a part of a file', async (t) => {
  const whole = connect(() => new Response(file('/x', { type: 'x/y' })));
  t.deepEqual((await whole.reply(whole.ask('PUT', '/', ASKED))).heeded, []);
  const part = connect(() => new Response(file('/x', { type: 'x/y' }).slice(5, 2 ** 33, 'a/b')));
  const reply = await part.reply(part.ask('GET', '/', ASKED));
  t.like(reply, { start: 5n, end: 2n ** 33n, fields: [['content-type', 'a/b']], heeded: [] });
  const rest = connect(() => new Response(file('/x').slice(2 ** 40 + 1)));
  t.like(await rest.reply(rest.ask('GET', '/')), { start: 2n ** 40n + 1n, end: TO_THE_END });
});

test('replies are larger than their array if they must be', async (t) => {
  const path = `/${'é'.repeat(2000)}`;
  const lane = connect(() => new Response(file(path, { type: 'x/y' })));
  const long = { 'if-none-match': `"${'x'.repeat(3000)}"` };
  const ids = Array.from({ length: 60 }, () => lane.ask('GET', '/', long));
  for (const id of ids) {
    const reply = await lane.reply(id);
    t.is(reply.path, path);
    t.is(reply.heeded[0][1].length, 3002);
  }
});

test('a field of the request that is too long to pass on counts as not sent', async (t) => {
  const lane = connect(() => new Response(file('/x', { type: 'x/y' })));
  const reply = await lane.reply(lane.ask('GET', '/', { range: `bytes=${'1'.repeat(70_000)}-` }));
  t.deepEqual(reply.heeded, []);
});

test('a field of the response that cannot be sent fails', async (t) => {
  const headers = { 'x-a': 'a\u0001b' };
  const lane = connect(() => new Response(file('/x', { type: 'x/y' }), { headers }));
  t.like(await lane.response(lane.ask('GET', '/')), { status: 500 });
});

test('Node’s own Response, and a Blob of fs.openAsBlob, stream', async (t) => {
  const path = join(temporary(t), 'a.txt');
  writeFileSync(path, 'content');
  const blob = await openAsBlob(path, { type: 'a/b' });
  for (const made of [
    () => new GenuineResponse(file(path, { type: 'a/b' })),
    () => new Response(blob),
    () => new GenuineResponse(blob),
    () =>
      new Response(file(path, { type: 'a/b' }).stream(), { headers: { 'content-type': 'a/b' } }),
  ]) {
    const lane = connect(made);
    const reply = await lane.response(lane.ask('GET', '/', ASKED));
    t.like(reply, { status: 200, body: 'content', fields: [['content-type', 'a/b']] });
  }
});

test('a response whose body was read is an error', async (t) => {
  const path = join(temporary(t), 'a.txt');
  writeFileSync(path, 'content');
  const lane = connect(async () => {
    const response = new Response(file(path, { type: 'a/b' }));
    t.is(await response.text(), 'content');
    return response;
  });
  t.like(await lane.response(lane.ask('GET', '/')), { status: 500 });
});
