// What `listen` takes, refuses and fails with, beside node:http; and listening again.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { createServer } from 'reactor-rs/node';
import { temporary } from '../support/folder.mjs';
import { closed, few, listening, raw, reactor, until } from './both.mjs';

const create = few(createServer);
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

/** What one server makes of arguments: where it listens, or the error. */
async function outcome(make, given) {
  const server = make((_req, res) => res.end('x'));
  const shown = ({ name, code, message, syscall, errno, address, port }) =>
    syscall === undefined
      ? { name, code, message }
      : { code, syscall, errno, address, port, isError: message.includes(code) };
  try {
    server.listen(...given);
    const failed = once(server, 'error').then(([error]) => shown(error));
    const error = await Promise.race([once(server, 'listening').then(() => null), failed]);
    const address = server.address();
    await closed(server);
    return error ?? (typeof address === 'string' ? address : [address.address, address.family]);
  } catch (error) {
    return shown(error);
  }
}

test('listen: forms and wrong values are what they are in Node', async (t) => {
  const folder = temporary(t);
  const path = join(folder, 'socket');
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const taken = await listening(http.createServer());
  t.teardown(() => taken.close());
  const { port } = taken.address();
  const forms = [
    [0, ''],
    [0, null],
    [0, undefined, 5],
    [0, 5, 'x'],
    [null],
    [{ port: undefined }],
    [{ port: null, host: '' }],
    [{ port: 0, path }],
    [{ path, host: '127.0.0.1' }],
    [path, 5],
    [' '],
    [''],
    ['1e9'],
    [-1],
    [1.5],
    [Number.NaN],
    [true],
    [{}],
    [[0]],
    [{ host: 'x' }],
    [{ port: true }],
    [{ port: 'x' }],
    [{ port: {} }],
    [{ path: 5 }],
    [{ path: '' }],
    [{ fd: 'x' }],
    [{ port: 0, host: 5 }],
    [{ port: 0, signal: 5 }],
    [{ port: 0, signal: null }],
    [port, '127.0.0.1'],
    [0, '203.0.113.1'],
    [join(folder, 'none', 'socket')],
    [file],
  ];
  for (const form of forms) {
    const wanted = await outcome((listener) => http.createServer(listener), form);
    t.deepEqual(await outcome(create, form), wanted, JSON.stringify(form));
  }
});

test('listen in the same turn as close: the new round serves, the old one ends', async (t) => {
  const server = await reactor(t, (req, res) => {
    if (req.url === '/slow') {
      waiting.push(res);
    } else {
      res.end('new');
    }
  });
  const waiting = [];
  const slow = raw(t, server, GET.replace('/', '/slow'));
  await until(() => waiting.length > 0, 'the request');
  let closings = 0;
  server.close(() => closings++);
  t.is(server.address(), null);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.regex(await raw(t, server, GET), /new$/);
  t.is(closings, 0);
  waiting[0].end('old');
  t.regex(await slow, /old$/);
  await until(() => closings === 1, 'the close of the first round');
  t.true(server.listening);
});

test('listen at once on the port that close lets go of', async (t) => {
  const server = await reactor(t, (_req, res) => res.end('hello'));
  for (let i = 0; i < 5; i++) {
    const { port } = server.address();
    server.close();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    t.is(server.address().port, port);
    t.regex(await raw(t, server, GET), /hello$/);
  }
});

test('listen, close and listen again before it has begun', async (t) => {
  const events = [];
  const server = create((_req, res) => res.end('hello'));
  server.on('listening', () => events.push('listening'));
  server.listen(0, '127.0.0.1').close(() => events.push('close'));
  server.listen(0, '127.0.0.1');
  await until(() => events.length === 2, 'both events');
  t.deepEqual(events.sort(), ['close', 'listening']);
  t.regex(await raw(t, server, GET), /hello$/);
  await closed(server);
});
