// What systemd.mjs runs inside its namespace, as a service: it starts, watches and ends the other.

import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { launch, until } from '../../../__test__/support/command.mjs';
import { HOLD } from './hold.mjs';

const out = join(process.argv[2], 'out');
const run = promisify(execFile);
const ctl = async (...args) => (await run('systemctl', args)).stdout.trim();
const checks = [];

async function check(name, body) {
  try {
    checks.push({ name, note: await body() });
  } catch (error) {
    checks.push({
      name,
      error: `${error.stack}\n${error.stderr ?? ''}\n${await show()}\n${log()}`,
    });
  }
  writeFileSync(join(out, 'results'), JSON.stringify({ checks }));
}

const log = () => readFileSync(join(out, 'log'), 'utf8').slice(-2000);

function show() {
  return ctl(
    'show',
    'app',
    '-p',
    'ActiveState,SubState,MainPID,NRestarts,Result,ExecMainStatus,StatusText',
  );
}

async function facts() {
  const lines = (await show()).split('\n').map((line) => line.split(/=(.*)/s));
  return Object.fromEntries(lines);
}

const pid = async () => Number((await facts()).MainPID);

function expect(actual, expected, what) {
  if (actual !== expected) {
    throw new Error(`${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
  }
}

const get = async (path = '/') => (await fetch(`http://127.0.0.1:18080${path}`)).text();

/** The service has been started again after its process was ended. */
async function restarted(count) {
  await until(async () => {
    const { NRestarts, ActiveState } = await facts();
    return Number(NRestarts) === count && ActiveState === 'active';
  }, `restart ${count}`);
}

await check('start returns when the server listens', async () => {
  await ctl('start', 'app');
  expect(await get(), String(await pid()), 'who answers');
  const { ActiveState, SubState } = await facts();
  expect(`${ActiveState} ${SubState}`, 'active running', 'the state');
});

if (checks[0].error !== undefined) {
  writeFileSync(join(out, 'done'), '');
  process.exit();
}

await check('systemctl status tells how much it does', async () => {
  await until(async () => /requests\/s/.test((await facts()).StatusText), 'the status');
  return (await facts()).StatusText;
});

await check(
  'a handler that is stuck for three times the watchdog’s period is left alone',
  async () => {
    const before = await pid();
    const gone = fetch('http://127.0.0.1:18080/stuck').catch(() => {});
    await sleep(6000);
    expect(await pid(), before, 'the process');
    expect((await facts()).NRestarts, '0', 'restarts');
    expect((await fetch('http://127.0.0.1:18081/readyz')).status, 200, '/readyz');
    await run('kill', ['-KILL', String(before)]);
    await gone;
    await restarted(1);
  },
);

await check('an engine that is stuck is started anew', async () => {
  const before = await pid();
  const threads = readdirSync(`/proc/${before}/task`).map((thread) =>
    readFileSync(`/proc/${before}/task/${thread}/comm`, 'utf8').trim(),
  );
  const loop = threads.find((name) => name.startsWith('rx-io-'));
  const held = launch(['-c', HOLD, String(before), loop], { file: 'python3', stdin: 'pipe' });
  await until(() => held.stdout().includes('held') || held.process.exitCode !== null, 'the hold');
  if (held.process.exitCode !== null) {
    return 'skipped: python3 and ptrace are needed';
  }
  const since = performance.now();
  await until(async () => (await facts()).Result === 'watchdog', 'the watchdog');
  const after = (performance.now() - since) / 1000;
  // Only now it can be ended.
  held.process.kill('SIGKILL');
  await restarted(2);
  expect(await get(), String(await pid()), 'who answers');
  return `after ${after.toFixed(1)} s of a period of 2 s`;
});

async function stop() {
  await ctl('stop', 'app');
  const { ActiveState, Result } = await facts();
  expect(`${ActiveState} ${Result}`, 'inactive success', 'the state');
}

await check('stop ends it well', stop);
await ctl('start', 'app');

await check('reload hands over to another process, which is the main one then', async () => {
  const before = await pid();
  if (!/kill -USR2/.test(await ctl('cat', 'app'))) {
    return 'skipped: not in the unit';
  }
  await ctl('reload', 'app');
  await until(async () => (await pid()) !== before, 'another main process');
  await until(async () => (await get()) === String(await pid()), 'its answer');
  const { ActiveState, NRestarts } = await facts();
  expect(`${ActiveState} ${NRestarts}`, 'active 0', 'the state');
  const after = await pid();
  // Longer than the watchdog's period: the successor feeds it.
  await sleep(4000);
  expect(await pid(), after, 'the main process');
  expect((await facts()).ActiveState, 'active', 'the state later');
});

// With control groups of version 1 systemd in a container waits for its own children only, and kills
// a main process that another process has started.
await check('stop ends a successor well', () =>
  existsSync('/sys/fs/cgroup/systemd') ? 'skipped: it needs control groups of version 2' : stop(),
);
writeFileSync(join(out, 'done'), '');
