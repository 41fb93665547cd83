// Deploys under load, as TAP: `node scripts/trials/ops/generations.mjs`. SIGUSR2 again and again while
// clients of many kinds go on; successors that do not serve; processes that are killed in each phase.
// `--full` runs 100 generations and 20 broken successors, `--generations N` so many,
// `--only broken` one part.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check, finish } from '../tap.mjs';
import { Load } from './generations/clients.mjs';
import { childrenOf, isAlive, Served } from './generations/server.mjs';

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    generations: { type: 'string' },
    threads: { type: 'string', default: '0' },
    only: { type: 'string' },
  },
});
const GENERATIONS = Number(values.generations ?? (values.full ? 100 : 6));
const BROKEN = values.full ? 20 : 5;
/** Long enough for the clients that ask once in a second. */
const DRAIN_MS = 3000;

const folder = mkdtempSync(join(tmpdir(), 'reactor-generations-'));
const path = (name) => join(folder, name);
cpSync(fileURLToPath(new URL('./generations/app.mjs', import.meta.url)), path('handlers.mjs'));
const APP = "export { default } from './handlers.mjs';\n";
writeFileSync(path('app.mjs'), APP);
const ARGS = ['--port', '0', '--host', '127.0.0.1', '--quiet', '--drain-timeout', String(DRAIN_MS)];

/** What a successor may do in place of serving. */
const BREAKS = {
  'a syntax error': 'export default {{{\n',
  'an error at load': "throw new Error('broken');\n",
  'a load without end': 'setInterval(() => {}, 1000);\nawait new Promise(() => {});\n',
  'an exit': 'process.exit(3);\n',
  'a kill': "process.kill(process.pid, 'SIGKILL');\nawait new Promise(() => {});\n",
};

let served;
try {
  for (const part of [generations, broken, killed, supervised]) {
    if (values.only === undefined || values.only === part.name) {
      await part();
    }
  }
} finally {
  served?.kill();
  rmSync(folder, { recursive: true, force: true });
}
finish();

/** A listener of each kind. */
function places() {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...[
        '-subj',
        '/CN=localhost',
        '-days',
        '2',
        '-keyout',
        path('key.pem'),
        '-out',
        path('cert.pem'),
      ],
    ],
    { stdio: 'ignore' },
  );
  writeFileSync(
    path('places.mjs'),
    `import handlers from './handlers.mjs';
export default {
  ...handlers,
  listen: [
    { hostname: '127.0.0.1', port: 0 },
    { hostname: '127.0.0.1', port: 0, tls: { cert: ${JSON.stringify(path('cert.pem'))}, key: ${JSON.stringify(path('key.pem'))} } },
    { unix: ${JSON.stringify(path('app.sock'))} },
  ],
};
`,
  );
}

async function start(args, module = 'app.mjs', env = {}) {
  served = new Served([path(module), ...ARGS, ...args], env);
  const first = await served.served(1);
  return {
    served,
    port: first.urls.length > 0 ? Number(new URL(first.urls[0]).port) : first.port,
    first,
  };
}

async function generations() {
  places();
  const threads = values.threads === '0' ? [] : ['--js-threads', values.threads];
  served = new Served([
    path('places.mjs'),
    ...['--metrics', '127.0.0.1:0', '--accept', 'per-loop', '-i', '2', '--quiet'],
    ...['--drain-timeout', String(DRAIN_MS), ...threads],
  ]);
  const { urls, metricsUrl } = await served.served(1);
  const load = new Load({
    port: Number(new URL(urls[0]).port),
    tlsPort: Number(new URL(urls[1]).port),
    unix: path('app.sock'),
    metrics: metricsUrl,
  });
  load.start();
  await sleep(500);
  const begun = performance.now();
  for (let number = 2; number <= GENERATIONS + 1; number++) {
    served.signal('SIGUSR2');
    await served.served(number);
    // Whoever deploys does not do so again at once.
    await sleep(100);
  }
  const seconds = (performance.now() - begun) / 1000;
  await sleep(DRAIN_MS + 500);
  const { counts, failed, refused, failures } = await load.stop();
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const rate = Math.round(all / (seconds + (DRAIN_MS + 1000) / 1000));
  await check(
    `${GENERATIONS} generations under load: no request failed, no connection was refused`,
    () => {
      equal({ failed, refused, failures }, { failed: 0, refused: 0, failures: [] });
      return `${all} requests, ${rate}/s, ${JSON.stringify(counts)}`;
    },
  );
  await check('those before have ended', async () => {
    await served.until(() => served.alive().length === 1, 'the old ones to end', 20);
    equal(served.alive(), [served.pid]);
    equal(await served.ended, { code: 0, signal: null });
  });
  await check('SIGTERM ends the last one, and its unix socket', async () => {
    served.signal('SIGTERM');
    await served.until(() => served.alive().length === 0, 'the end', 20);
  });
}

async function broken() {
  const { port } = await start(['--reload-timeout', '1500']);
  const load = new Load({ port });
  load.start();
  const kinds = Object.keys(BREAKS);
  const { pid } = served;
  for (let n = 0; n < BROKEN; n++) {
    const kind = kinds[n % kinds.length];
    writeFileSync(path('app.mjs'), BREAKS[kind]);
    const told = served.err.length;
    served.signal('SIGUSR2');
    await served.until(
      () => /the successor does not serve: .*; this process goes on/.test(served.err.slice(told)),
      `the line about ${kind}`,
    );
    await served.until(() => childrenOf(pid).length === 0, `the end of ${kind}`);
  }
  writeFileSync(path('app.mjs'), APP);
  const { failed, refused, failures } = await load.stop();
  await check(`${BROKEN} successors that do not serve: nothing is lost`, () => {
    equal({ failed, refused, failures }, { failed: 0, refused: 0, failures: [] });
    equal([served.pid, served.alive()], [pid, [pid]]);
  });
  await check('then one that serves', async () => {
    // On a busy machine it may need longer than those that never serve are given.
    for (let tries = 0; tries < 20 && served.listening.length < 2; tries++) {
      const told = served.err.length;
      served.signal('SIGUSR2', pid);
      await served.until(
        () => served.listening.length > 1 || /this process goes on/.test(served.err.slice(told)),
        'one that serves',
      );
      await sleep(100);
    }
    const next = await served.served(2);
    await served.until(() => !isAlive(pid), 'the end of the old one', 20);
    equal([next.port, served.alive()], [port, [next.pid]]);
  });
  served.kill();
}

/** kill -9 in each phase, without a supervisor. */
async function killed() {
  const slow = `await new Promise((resolve) => setTimeout(resolve, 700));\n${APP}`;
  await check('the new process is killed while it loads: the old one goes on', async () => {
    const { port } = await start([]);
    const load = new Load({ port });
    load.start();
    writeFileSync(path('app.mjs'), slow);
    served.signal('SIGUSR2');
    await served.until(() => childrenOf(served.pid).length === 1, 'the new process');
    served.signal('SIGKILL', childrenOf(served.pid)[0]);
    await served.until(() => /SIGKILL ended it; this process goes on/.test(served.err), 'the line');
    const { failed, failures } = await load.stop();
    equal({ failed, failures }, { failed: 0, failures: [] });
  });
  await check(
    'the old process is killed while the new one loads: no connection is refused',
    async () => {
      const { pid, port } = served.listening[0];
      const load = new Load({ port });
      load.every('node:http, new', 50, () => connects(port));
      await sleep(100);
      served.signal('SIGUSR2');
      await served.until(() => childrenOf(pid).length === 1, 'the new process');
      served.signal('SIGKILL', pid);
      const next = await served.served(2);
      await sleep(200);
      const { refused, counts } = await load.stop();
      equal(refused, 0);
      equal(await connects(port), String(next.pid));
      return JSON.stringify(counts);
    },
  );
  await check('SIGTERM while a successor loads ends both', async () => {
    served.signal('SIGUSR2');
    const { pid } = served;
    await served.until(() => childrenOf(pid).length === 1, 'the new process');
    const [next] = childrenOf(pid);
    served.signal('SIGTERM');
    await served.until(() => !isAlive(pid) && !isAlive(next), 'both to end', 20);
    equal(served.listening.length, 2);
  });
  await check('a second SIGUSR2 while one is under way is told', async () => {
    served.kill();
    await start([]);
    served.signal('SIGUSR2');
    await served.until(() => childrenOf(served.pid).length === 1, 'the new process');
    served.signal('SIGUSR2', served.pid);
    await served.until(
      () => /starts no further successor: process \d+ is loading/.test(served.err),
      'the line',
    );
    await served.served(2);
    await served.until(() => served.alive().length === 1, 'the old one to end', 20);
  });
  writeFileSync(path('app.mjs'), APP);
  served.kill();
}

/** A parent that holds the sockets. */
async function supervised() {
  const { port } = await start(['--supervise']);
  const supervisor = served.child.pid;
  const load = new Load({ port });
  load.every('node:http, new', 50, () => connects(port));
  await check(
    'the serving process is killed: another takes its place, no connection is refused',
    async () => {
      const { pid } = served;
      served.signal('SIGKILL', pid);
      const next = await served.served(2);
      equal(await connects(port), String(next.pid));
      equal(load.tally.refused, 0);
    },
  );
  await check('SIGUSR2 to the supervisor, and to the process that serves', async () => {
    served.signal('SIGUSR2', supervisor);
    await served.served(3);
    await sleep(200);
    served.signal('SIGUSR2', served.pid);
    await served.served(4);
    await served.until(() => served.alive().length === 2, 'the old ones to end', 20);
    equal(load.tally.refused, 0);
  });
  await check(
    'a successor that does not serve is told, and the one that serves goes on',
    async () => {
      writeFileSync(path('app.mjs'), BREAKS['an error at load']);
      const { pid } = served;
      served.signal('SIGUSR2', supervisor);
      await served.until(
        () => /does not serve: it ended with 1; process \d+ goes on/.test(served.err),
        'the line',
      );
      equal(await connects(port), String(pid));
      writeFileSync(path('app.mjs'), APP);
    },
  );
  await check('SIGTERM during a hand-over ends all of them', async () => {
    served.signal('SIGUSR2', supervisor);
    await served.until(() => childrenOf(supervisor).length === 2, 'the new process');
    const all = childrenOf(supervisor);
    const { refused } = await load.stop();
    served.signal('SIGTERM', supervisor);
    equal((await served.ended).code, 0);
    equal([refused, all.filter(isAlive)], [0, []]);
  });
  await check('a supervisor that is killed leaves the service as it is', async () => {
    const again = await start(['--supervise']);
    served.signal('SIGKILL', served.child.pid);
    await served.until(() => /goes on without it/.test(served.err), 'the line');
    equal(await connects(again.port), String(served.pid));
    served.signal('SIGUSR2', served.pid);
    const next = await served.served(2);
    await served.until(() => served.alive().length === 1, 'the old one to end', 20);
    equal(await connects(again.port), String(next.pid));
    served.kill();
  });
  await check('one that crashes again and again is given up, with its exit code', async () => {
    writeFileSync(path('app.mjs'), `setTimeout(() => process.exit(7), 400);\n${APP}`);
    served = new Served([path('app.mjs'), ...ARGS, '--supervise']);
    equal((await served.ended).code, 7);
    equal(served.listening.length, 5);
    writeFileSync(path('app.mjs'), APP);
  });
}

/** The process that answers on a connection of its own. */
async function connects(port) {
  const response = await fetch(`http://127.0.0.1:${port}/pid`, {
    headers: { connection: 'close' },
  }).catch((error) => {
    throw Object.assign(new Error(error.message), { code: error.cause?.code });
  });
  return response.text();
}

function equal(found, expected) {
  const [one, other] = [found, expected].map((each) => JSON.stringify(each, null, 1));
  if (one !== other) {
    throw new Error(`expected ${other}, got ${one}`);
  }
}
