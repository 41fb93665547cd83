// The unit of examples/systemd under a real systemd, as the first process of a namespace of its own:
// it sees this machine's files, read-only, and none of its processes. That needs root.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, finish, program, skip } from '../lib.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../../..');
const SYSTEMD = ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'].find(existsSync);
/** In milliseconds; it has ended long before. */
const MOST_MS = 60_000;

if (SYSTEMD === undefined || process.getuid() !== 0 || program('unshare') === null) {
  skip('the unit under systemd: it needs systemd, unshare and root');
  finish();
  process.exit();
}

const folder = mkdtempSync(join(tmpdir(), 'reactor-systemd-'));
const units = join(folder, 'units');
mkdirSync(units);
writeFileSync(join(folder, 'app.mjs'), app());
const example = readFileSync(join(ROOT, 'examples/systemd/reactor-app.service'), 'utf8');
writeFileSync(join(units, 'app.service'), adapted(example));
writeFileSync(
  join(units, 'trial.target'),
  '[Unit]\nDefaultDependencies=no\nWants=inside.service\n',
);
writeFileSync(
  join(units, 'inside.service'),
  `[Unit]
DefaultDependencies=no
[Service]
ExecStart=${process.execPath} ${join(HERE, 'systemd-inside.mjs')} ${folder}
`,
);
writeFileSync(join(folder, 'begin.sh'), begin());

// An empty control group, which the namespace takes for the root.
const group = `/sys/fs/cgroup/${existsSync('/sys/fs/cgroup/systemd') ? 'systemd/' : ''}${folder.split('/').pop()}`;
let result;
try {
  mkdirSync(group);
  const unshare = ['-m', '-p', '-C', '-u', '-i', '--fork', '--kill-child', '--mount-proc'];
  const script = `echo $$ > ${group}/cgroup.procs && exec unshare ${unshare.join(' ')} sh ${folder}/begin.sh`;
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'ignore', 'pipe'] });
  let trouble = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    trouble += text;
  });
  const closed = once(child, 'close');
  const done = join(folder, 'out/done');
  const until = Date.now() + MOST_MS;
  while (!existsSync(done) && child.exitCode === null && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill('SIGKILL');
  await closed;
  const out = join(folder, 'out/results');
  result = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')) : { trouble };
} catch (error) {
  result = { trouble: error.message };
}
// Its processes may still be ending, and each service had a group below.
for (let tries = 0; existsSync(group) && tries < 50; tries++) {
  spawnSync('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
  await new Promise((resolve) => setTimeout(resolve, 100));
}
if (result.trouble !== undefined) {
  skip(`the unit under systemd: no namespace for it here (${result.trouble.trim()})`);
} else {
  for (const { name, note, error } of result.checks) {
    await check(name, () => {
      if (error !== undefined) {
        throw new Error(error);
      }
      return note;
    });
  }
}
rmSync(folder, { recursive: true, force: true });
finish();

function app() {
  return `export default {
  async fetch(request) {
    if (new URL(request.url).pathname === '/stuck') for (;;);
    return new Response(String(process.pid));
  },
};`;
}

/** The example, with this checkout and this Node, on a port, and for a user that there is. */
function adapted(unit) {
  const flags = `-H 127.0.0.1 -p 18080 --metrics 127.0.0.1:18081 --control false`;
  return (
    unit
      .replace(
        /^ExecStart=.*$/m,
        `ExecStart=${process.execPath} ${ROOT}/dist/cli/bin.js serve app.mjs ${flags}`,
      )
      .replace(/^WorkingDirectory=.*$/m, `WorkingDirectory=${folder}`)
      .replace(/^(User|Group)=.*$/gm, '')
      .replace(/^WatchdogSec=.*$/m, 'WatchdogSec=2')
      // Mounts of a namespace in a namespace are not allowed everywhere, and checkouts are in homes.
      .replace(/^(Protect|Private)\w+=.*$/gm, '')
      .replace('[Unit]', '[Unit]\nDefaultDependencies=no')
      .replace(/^(After|Wants)=network.*$/gm, '')
      .replace(
        '[Service]',
        `[Service]\nStandardOutput=append:${folder}/out/log\nStandardError=append:${folder}/out/log`,
      )
  );
}

function begin() {
  return `set -e
mount --make-rprivate /
mkdir -p ${folder}/out
mount --bind ${folder}/out ${folder}/out
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mount -t tmpfs tmpfs /etc/systemd/system
cp ${units}/* /etc/systemd/system/
if [ -d /sys/fs/cgroup/systemd ]; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
else
  mount -t cgroup2 cgroup /sys/fs/cgroup
fi
ip link set lo up 2>/dev/null || true
mount -o remount,bind,ro /
exec env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin ${SYSTEMD} --system --unit=trial.target
`;
}
