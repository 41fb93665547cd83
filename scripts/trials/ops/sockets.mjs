// Sockets that others have opened, and several processes: systemd's socket activation, the units of
// examples/, and PM2's cluster mode that reloads under load.
//
//   node scripts/trials/ops/sockets.mjs

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../../setup.mjs';
import { check, finish, program, run } from '../lib.mjs';
import { scratch } from '../websocket/scratch.mjs';
import { ask, startLoad } from './load.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const BIN = join(ROOT, 'dist/cli/bin.js');
const UNITS = join(ROOT, 'examples/systemd');
const folder = mkdtempSync(join(tmpdir(), 'reactor-sockets-'));

const PM2 = { pm2: '7.0.4' };

/** A port that is free at this moment. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const activate = program('systemd-socket-activate', 'apt-get install systemd');
if (activate !== null) {
  await check(
    'systemd-socket-activate: the first clients wait until the server serves',
    async () => {
      const [web, metrics] = [await freePort(), await freePort()];
      const child = spawn(
        activate,
        [
          ...['-l', `127.0.0.1:${web}`, '-l', `127.0.0.1:${metrics}`, '--fdname=web:metrics'],
          ...['-E', `REACTOR_RUNTIME_DIR=${folder}`, '-E', 'PORT=1'],
          ...[process.execPath, BIN, 'serve', join(HERE, 'app.mjs'), '-q', '--json'],
        ],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      let out = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (out += data));
      try {
        while (!out.includes('Listening on')) await sleep(10);
        const answers = await Promise.all(
          Array.from({ length: 50 }, () => ask(web, { path: '/hello', agent: false })),
        );
        assert(answers.every(({ status, body }) => status === 200 && body === 'hello'));
        const page = await ask(metrics, { path: '/metrics', agent: false });
        assert.match(page.body, /process_open_fds/);
        assert.equal(JSON.parse(/^\{.*\}$/m.exec(out)[0]).port, web);
      } catch (error) {
        throw new Error(`${error.message}\n${out}`);
      } finally {
        // The program has taken the place of systemd's own.
        child.kill('SIGTERM');
      }
      const [code] = await once(child, 'exit');
      assert.equal(code, 0);
      return '50 clients, by the names web and metrics';
    },
  );
}

const analyze = program('systemd-analyze', 'apt-get install systemd');
if (analyze !== null) {
  await check('systemd-analyze verify: the units of examples/systemd', async () => {
    const names = ['reactor-app.service', 'reactor-web.socket', 'reactor-web@.service'];
    for (const name of names) {
      const text = readFileSync(join(UNITS, name), 'utf8')
        .replace('/usr/bin/node', process.execPath)
        .replace('WorkingDirectory=/srv/app', `WorkingDirectory=${folder}`);
      writeFileSync(join(folder, name), text);
    }
    copyFileSync(join(folder, 'reactor-web@.service'), join(folder, 'reactor-web@1.service'));
    const files = ['reactor-app.service', 'reactor-web.socket', 'reactor-web@1.service'];
    const { out } = await run(analyze, [
      'verify',
      '--man=no',
      ...files.map((name) => join(folder, name)),
    ]);
    // It looks at the units of this machine, too.
    assert.deepEqual(
      out.split('\n').filter((line) => line.includes('reactor-')),
      [],
    );
    return names.join(', ');
  });
}

const installed = await scratch(PM2);
if (installed !== null) {
  const pm2 = join(dirname(installed), 'node_modules/pm2/bin/pm2');
  const env = { PM2_HOME: join(folder, 'pm2'), REACTOR_RUNTIME_DIR: folder, NO_COLOR: '1' };
  const command = async (...args) => {
    const { code, out } = await run(process.execPath, [pm2, ...args], { env });
    assert.equal(code, 0, out);
    return out;
  };
  const port = await freePort();
  let load;
  try {
    await check('PM2 starts two workers on one port', async () => {
      const words = ['serve', join(HERE, 'app.mjs'), '-H', '127.0.0.1', '-p', String(port)];
      const own = ['--name', 'web', '-i', '2', '--wait-ready', '--kill-timeout', '12000'];
      await command('start', BIN, ...own, '--', ...words);
      assert.equal((await ask(port, { path: '/hello' })).body, 'hello');
    });
    await check('pm2 reload under load: no request fails', async () => {
      const before = await pids();
      load = startLoad(port, { kept: 8, fresh: 6, uploads: 4, events: 0, sockets: 0 });
      await sleep(300);
      await command('reload', 'web');
      await sleep(300);
      await load.stop();
      const after = await pids();
      assert.deepEqual(load.faults, []);
      assert(
        after.every((pid) => !before.includes(pid)) && after.length === 2,
        `${before}, ${after}`,
      );
      return `${Object.values(load.counts).reduce((sum, one) => sum + one)} requests`;
    });
    await check('pm2 stop ends them', async () => {
      await command('stop', 'web');
      await assert.rejects(ask(port, { path: '/hello', agent: false }), { code: 'ECONNREFUSED' });
    });
  } finally {
    await run(process.execPath, [pm2, 'kill'], { env });
  }

  /** The processes of the workers. */
  async function pids() {
    const all = JSON.parse(/^\[.*\]$/m.exec(await command('jlist'))?.[0] ?? '[]');
    return all.map((one) => one.pid);
  }
}

rmSync(folder, { recursive: true, force: true });
finish();
