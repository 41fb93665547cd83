// What systemd is told: by a manager that stands for it, to whose socket NOTIFY_SOCKET leads.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { launch, run, serve, until } from '../support/command.mjs';
import { testWith } from '../support/programs.mjs';

const test = testWith('python3', ava);
const MANAGER = fileURLToPath(new URL('../support/manager.py', import.meta.url));
const LOCAL = ['-H', '127.0.0.1', '-p', '0', '--control', 'false', '-q'];

const folder = mkdtempSync(join(tmpdir(), 'reactor-systemd-'));
ava.after.always(() => rmSync(folder, { recursive: true }));
let count = 0;

/** A manager at a path, or at an abstract name. */
async function manager(t, socket = join(folder, `${++count}.sock`)) {
  const child = launch([MANAGER, socket], { file: 'python3' });
  t.teardown(() => child.process.kill('SIGKILL'));
  await until(() => child.stdout().includes('listening'), 'the manager');
  const heard = () =>
    child
      .stdout()
      .trim()
      .split('\n')
      .slice(1)
      .flatMap((line) => JSON.parse(line));
  return {
    socket,
    heard,
    hears: (line) => until(() => heard().some((one) => line.test(one)), line),
  };
}

const env = ({ socket }, more = {}) => ({ env: { NOTIFY_SOCKET: socket, ...more } });

function ask(t, port, path = '/') {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  t.teardown(() => socket.destroy());
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return socket;
}

test('systemd hears when it serves, how much it does, and that it stops', async (t) => {
  const systemd = await manager(t);
  const server = await serve(t, LOCAL, env(systemd));
  await systemd.hears(/^READY=1$/);
  await systemd.hears(/^STATUS=serving: 0 requests\/s, 0 connections$/);
  t.false(systemd.heard().includes('STOPPING=1'));
  t.false(systemd.heard().includes('WATCHDOG=1'), 'it does not look for that');
  server.kill('SIGTERM');
  await systemd.hears(/^STOPPING=1$/);
  t.is((await server.closed).code, 0);
});

test('a manager may have an abstract name', async (t) => {
  const systemd = await manager(t, `@reactor-test-${process.pid}`);
  await serve(t, LOCAL, env(systemd));
  await systemd.hears(/^READY=1$/);
  t.pass();
});

test('STOPPING=1 comes when the delay begins', async (t) => {
  const systemd = await manager(t);
  const server = await serve(t, [...LOCAL, '--shutdown-delay', '1h'], env(systemd));
  server.kill('SIGTERM');
  await systemd.hears(/^STOPPING=1$/);
  t.is(server.process.exitCode, null);
});

test('a reload is between RELOADING=1, with its time, and READY=1', async (t) => {
  const systemd = await manager(t);
  const server = await serve(t, [...LOCAL, '--tls-self-signed'], env(systemd));
  await systemd.hears(/^READY=1$/);
  const before = process.hrtime.bigint() / 1000n;
  server.kill('SIGHUP');
  await systemd.hears(/^RELOADING=1$/);
  await until(() => systemd.heard().filter((line) => line === 'READY=1').length === 2, 'the end');
  const heard = systemd.heard();
  const at = heard.indexOf('RELOADING=1');
  const since = BigInt(/^MONOTONIC_USEC=(\d+)$/.exec(heard[at + 1])[1]);
  t.true(since >= before && since <= process.hrtime.bigint() / 1000n);
});

test('the watchdog is fed while a handler is stuck', async (t) => {
  const systemd = await manager(t);
  const file = join(folder, 'stuck.mjs');
  writeFileSync(
    file,
    `import { writeSync } from 'node:fs';
    export default () => { writeSync(2, 'stuck'); for (;;); };`,
  );
  const watchdog = env(systemd, { WATCHDOG_USEC: '200000' });
  const [server, strict] = await Promise.all([
    serve(t, [file, ...LOCAL], watchdog),
    manager(t).then((other) =>
      serve(t, [file, ...LOCAL, '--watchdog-handlers', '1'], {
        env: { ...watchdog.env, NOTIFY_SOCKET: other.socket },
      }).then((started) => ({ ...started, heard: other.heard })),
    ),
  ]);
  const fed = (heard) => heard().filter((line) => line === 'WATCHDOG=1').length;
  ask(t, server.port);
  ask(t, strict.port);
  await until(() => server.stderr().includes('stuck') && strict.stderr().includes('stuck'), 'both');
  const begun = fed(systemd.heard);
  // It is fed for longer than a stuck handler may take where that was asked for.
  await until(() => fed(systemd.heard) >= begun + 40, 'the food');
  const last = fed(strict.heard);
  await until(() => fed(systemd.heard) >= begun + 50, 'more food');
  t.is(fed(strict.heard), last, 'nothing is fed where a stuck handler counts');
  server.kill('SIGKILL');
  strict.kill('SIGKILL');
});

test('another process’s watchdog is not fed', async (t) => {
  const systemd = await manager(t);
  await serve(t, LOCAL, env(systemd, { WATCHDOG_USEC: '100000', WATCHDOG_PID: '1' }));
  await systemd.hears(/^READY=1$/);
  await systemd.hears(/^STATUS=/);
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.false(systemd.heard().includes('WATCHDOG=1'));
});

test('a manager that is not there is told of once, and the server serves', async (t) => {
  const gone = { socket: join(folder, 'gone.sock') };
  const server = await serve(t, LOCAL, env(gone));
  server.kill('SIGTERM');
  t.is((await server.closed).code, 0);
  t.is(server.stderr().match(/cannot tell systemd at .*gone\.sock/g)?.length, 1);
});

test('a wrong time for handlers is named', async (t) => {
  const { code, stderr } = await run(['serve', '--watchdog-handlers', '0']);
  t.is(code, 2);
  t.regex(stderr, /--watchdog-handlers must be an integer from 1 to 86400, in seconds, got "0"/);
});
