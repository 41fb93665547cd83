// The command ends when it is told to, even if JavaScript is stuck or clients stay.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { BIN, launch, serve, until } from '../support/command.mjs';

/** Only a hang can reach it. */
const HANG_MS = 120_000;
/** Two signals that are no further apart are taken for one. */
const TWO_MS = 400;
const LOCAL = ['-H', '127.0.0.1', '-p', '0', '--control', 'false', '-q'];
const STUCK = `
  import { writeSync } from 'node:fs';
  export default { routes: { '/static': 'ok' }, fetch() { writeSync(2, 'stuck'); for (;;); } };`;

const folder = mkdtempSync(join(tmpdir(), 'reactor-stuck-'));
test.after.always(() => rmSync(folder, { recursive: true }));
let count = 0;

/** The path of a module with this text. */
function moduleOf(text) {
  const file = join(folder, `${++count}.mjs`);
  writeFileSync(file, text);
  return file;
}

/** A module of this text, served. */
async function served(t, text, ...flags) {
  t.timeout(HANG_MS);
  return serve(t, [moduleOf(text), ...LOCAL, ...flags]);
}

/** Asks, and waits for no answer. */
function ask(t, port, path = '/') {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  t.teardown(() => socket.destroy());
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return socket;
}

/** A server with a handler that does not return. */
async function stuck(t, ...flags) {
  const server = await served(t, STUCK, ...flags);
  ask(t, server.port);
  await until(() => server.stderr().includes('stuck'), 'the handler');
  return server;
}

for (const [signal, code] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
]) {
  test(`a second ${signal} ends a server whose handler never returns`, async (t) => {
    const server = await stuck(t);
    server.kill(signal);
    await sleep(TWO_MS);
    server.kill(signal);
    t.deepEqual(await server.closed, { code, signal: null });
    t.regex(server.stderr(), /JavaScript does not come to an end/);
  });
}

test('a server whose handler never returns ends after the drain, at one signal', async (t) => {
  const server = await stuck(t, '--drain-timeout', '100');
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 143, signal: null });
});

test('with two loops of its own too', async (t) => {
  const server = await stuck(t, '-i', '2', '--accept', 'per-loop', '--drain-timeout', '100');
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 143, signal: null });
});

test('JavaScript threads that never return are ended, by one signal and by two', async (t) => {
  const one = await stuck(t, '--js-threads', '2', '--drain-timeout', '100');
  one.kill('SIGTERM');
  t.deepEqual(await one.closed, { code: 0, signal: null });
  const two = await stuck(t, '--js-threads', '1');
  two.kill('SIGTERM');
  await sleep(TWO_MS);
  two.kill('SIGTERM');
  t.deepEqual(await two.closed, { code: 143, signal: null });
});

test('a module that never ends to load is ended by one signal', async (t) => {
  t.timeout(HANG_MS);
  const file = moduleOf("import { writeSync } from 'node:fs'; writeSync(2, 'stuck'); for (;;);");
  for (const flags of [[], ['--js-threads', '1']]) {
    const child = launch([BIN, 'serve', file, ...LOCAL, ...flags]);
    t.teardown(() => child.process.kill('SIGKILL'));
    const closed = new Promise((resolve) => child.process.once('close', (...how) => resolve(how)));
    await until(() => child.stderr().includes('stuck'), 'the module');
    child.process.kill('SIGTERM');
    t.deepEqual(await closed, [null, 'SIGTERM']);
  }
});

const STUCK_AT_EXIT = `
  import { writeSync } from 'node:fs';
  process.on('exit', () => { writeSync(2, 'stuck'); for (;;); });
  export default () => new Response('x');`;

test('a server that is stuck in an exit listener ends by itself, and at a second signal', async (t) => {
  const one = await served(t, STUCK_AT_EXIT, '--drain-timeout', '100');
  one.kill('SIGTERM');
  t.deepEqual(await one.closed, { code: 143, signal: null });
  const two = await served(t, STUCK_AT_EXIT);
  two.kill('SIGTERM');
  await until(() => two.stderr().includes('stuck'), 'the exit listener');
  two.kill('SIGTERM');
  const { code, signal } = await two.closed;
  t.true(code === 143 || signal === 'SIGTERM');
});

test("a module's own signal listeners are called as ever", async (t) => {
  const text = `
    process.on('SIGTERM', (name) => console.error('heard', name));
    process.once('SIGINT', (name) => console.error('heard', name));
    export default () => new Promise((resolve) => setTimeout(resolve, 1e6));`;
  const server = await served(t, text);
  ask(t, server.port);
  await sleep(100);
  server.kill('SIGTERM');
  await until(() => server.stderr().includes('heard SIGTERM'), 'the listener');
  await sleep(TWO_MS);
  server.kill('SIGINT');
  t.deepEqual(await server.closed, { code: 130, signal: null });
  t.regex(server.stderr(), /heard SIGTERM\nheard SIGINT/);
});

test('a module that takes all signals decides alone', async (t) => {
  const text = `
    export default () => {
      process.removeAllListeners('SIGTERM');
      process.on('SIGTERM', () => { console.error('heard'); setTimeout(() => process.exit(7), 900); });
      console.error('taken');
    };`;
  const server = await served(t, text);
  ask(t, server.port);
  await until(() => server.stderr().includes('taken'), 'the module');
  server.kill('SIGTERM');
  await sleep(TWO_MS);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 7, signal: null });
});

test('clients that do not read hold up no stop', async (t) => {
  const text = `
    const large = new Uint8Array(8 << 20);
    export default () => new Response(large);`;
  for (const flags of [[], ['-i', '2', '--accept', 'per-loop']]) {
    const server = await served(t, text, '--drain-timeout', '300', ...flags);
    const clients = Array.from({ length: 10 }, () => ask(t, server.port).pause());
    await sleep(300);
    server.kill('SIGTERM');
    t.deepEqual(await server.closed, { code: 0, signal: null });
    t.is(clients.length, 10);
  }
});
