// Where a server listens: permissions, abstract names, address families, starts at once.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer as createNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { bench, serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
import { BIN, run, serve as serveCommand } from '../support/command.mjs';

const folder = mkdtempSync(join(tmpdir(), 'reactor-listeners-'));
test.after.always(() => rmSync(folder, { recursive: true }));
let count = 0;
const newPath = () => join(folder, `${++count}.sock`);
const newName = () => `reactor-${process.pid}-${++count}`;
const modeOf = (path) => statSync(path).mode & 0o777;
const hello = () => new Response('hello');

/** The body of `GET /` over a unix socket. */
function ask(socketPath) {
  return new Promise((resolve, reject) => {
    request({ socketPath, agent: false }, (response) => resolve(text(response)))
      .on('error', reject)
      .end();
  });
}

test.serial('unixMode is the permissions of the socket, whatever the umask', async (t) => {
  const umask = process.umask(0o027);
  try {
    for (const [unixMode, mode] of [
      [0o600, 0o600],
      [0o666, 0o666],
      ['0660', 0o660],
      ['770', 0o770],
      ['0o777', 0o777],
      [undefined, 0o750],
    ]) {
      const unix = newPath();
      const server = await serve({ unix, unixMode, fetch: hello });
      t.is(modeOf(unix), mode, String(unixMode));
      t.is(await ask(unix), 'hello');
      await server.stop();
    }
  } finally {
    process.umask(umask);
  }
});

test('wrong permissions are refused', async (t) => {
  for (const unixMode of [660, 0o1000, -1, 1.5, '888', '', 'rw', true]) {
    await t.throwsAsync(serve({ unix: newPath(), unixMode }), {
      message: /option "unixMode" must be permissions such as 0o660 or "0660", up to 0o777/,
    });
  }
  const needs = { message: /option "unixMode" needs "unix" with a path/ };
  await t.throwsAsync(serve({ port: 0, unixMode: 0o600 }), needs);
  await t.throwsAsync(serve({ unix: `\0${newName()}`, unixMode: 0o600 }), needs);
});

test.serial('readableAll and writableAll add to what the umask leaves', async (t) => {
  const umask = process.umask(0o077);
  try {
    for (const [options, mode] of [
      [{}, 0o700],
      [{ readableAll: true }, 0o744],
      [{ writableAll: true }, 0o722],
      [{ readableAll: true, writableAll: true }, 0o766],
      [{ readableAll: false, writableAll: undefined }, 0o700],
    ]) {
      for (const make of [createServer, createNet]) {
        const path = newPath();
        const server = make();
        await new Promise((resolve) => server.listen({ path, ...options }, resolve));
        t.is(
          modeOf(path),
          mode,
          `${make === createNet ? 'node:net' : 'ours'}: ${mode.toString(8)}`,
        );
        await new Promise((resolve) => server.close(resolve));
      }
    }
  } finally {
    process.umask(umask);
  }
});

test('a zero byte begins an abstract name', async (t) => {
  const name = newName();
  const server = await serve({ unix: `\0${name}`, fetch: hello });
  t.is(server.unix, `\0${name}`);
  t.is(server.url.href, `unix:@${name}`);
  t.is(await ask(`\0${name}`), 'hello');
  await t.throwsAsync(serve({ unix: `\0${name}`, fetch: hello }), {
    code: 'ERR_REACTOR_ADDRESS_IN_USE',
    message: new RegExp(`cannot listen on '@${name}': another server is listening there`),
  });
  const { requests, errors } = await bench('http://a/', {
    unix: `\0${name}`,
    requests: 10,
    connections: 1,
  });
  t.is(requests.completed ?? requests.total ?? requests, 10, JSON.stringify({ requests, errors }));
  await server.stop();
  await t.throwsAsync(ask(`\0${name}`), { code: 'ECONNREFUSED' });
});

test('on the command line it is an @', async (t) => {
  const name = newName();
  const server = await serveCommand(t, ['--unix', `@${name}`, '--control', 'false', '-q']);
  t.is(server.unix, `\0${name}`);
  const { code, stdout } = await run([
    'bench',
    '--unix',
    `@${name}`,
    'http://a/',
    '-n',
    '10',
    '-c',
    '1',
    '--json',
  ]);
  t.is(code, 0, stdout);
  server.kill('SIGTERM');
  t.is((await server.closed).code, 0);
});

test('listen and address of reactor-rs/node know abstract names', async (t) => {
  const name = `\0${newName()}`;
  const server = createServer((_, res) => res.end('x'));
  await new Promise((resolve) => server.listen(name, resolve));
  t.is(server.address(), name);
  t.is(await ask(name), 'x');
  await new Promise((resolve) => server.close(resolve));
});

/** Whether a connection comes to be. */
const connects = (port, host) =>
  new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });

test('ipv6Only leaves IPv4 to others', async (t) => {
  const open = (options) => serve({ port: 0, fetch: hello, ...options });
  const probe = await open({ hostname: '::' });
  const hasIpv6 = probe.hostname === '::';
  t.true(await connects(probe.port, '127.0.0.1'));
  await probe.stop();
  if (!hasIpv6) {
    t.log('no IPv6 here');
    return;
  }
  for (const accept of ['acceptor', 'per-loop']) {
    const six = await open({ hostname: '::', ipv6Only: true, accept, ioThreads: 2 });
    t.false(await connects(six.port, '127.0.0.1'));
    t.true(await connects(six.port, '::1'));
    const four = await open({ hostname: '0.0.0.0', port: six.port });
    await Promise.all([six.stop(), four.stop()]);
  }
  const command = await serveCommand(t, ['-H', '::', '-p', '0', '--ipv6-only', '-q']);
  t.false(await connects(command.port, '127.0.0.1'));
  t.true(await connects(command.port, '::1'));
  await t.throwsAsync(serve({ unix: newPath(), ipv6Only: true }), { message: /"ipv6Only" cannot/ });
});

test('of many processes that start on a dead one’s path, one listens', async (t) => {
  t.timeout(120_000);
  const path = newPath();
  const start = () => {
    const flags = ['--unix', path, '--json', '-q', '--control', 'false', '-i', '1', '-w', '1'];
    const child = spawn(process.execPath, [BIN, 'serve', ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    const ended = new Promise((resolve) => child.once('close', () => resolve('ended')));
    const listens = new Promise((resolve) => child.stdout.once('data', () => resolve('listens')));
    return { child, ended, outcome: Promise.race([ended, listens]) };
  };
  const dead = start();
  t.is(await dead.outcome, 'listens');
  for (let round = 0; round < 3; round++) {
    dead.child.kill('SIGKILL');
    await dead.ended;
    const all = Array.from({ length: 6 }, start);
    const outcomes = await Promise.all(all.map(({ outcome }) => outcome));
    t.deepEqual(
      outcomes.filter((outcome) => outcome === 'listens'),
      ['listens'],
    );
    t.is(await ask(path), 'Hello, World!');
    const winner = all[outcomes.indexOf('listens')];
    dead.child = winner.child;
    dead.ended = winner.ended;
  }
});
