#!/usr/bin/env node
// What open, idle keep-alive connections cost: resident memory each, and the rate
// of a busy client beside them.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildServe, buildTools } from './lib/build.mjs';
import { contenders } from './lib/contenders.mjs';
import { Failure, main } from './lib/failure.mjs';
import { ask, get } from './lib/http.mjs';
import { bench } from './lib/load.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, median, table, whole } from './lib/numbers.mjs';
import { options, pick } from './lib/options.mjs';
import { idleClient, idleClientTls, idleClientWebSocket } from './lib/paths.mjs';
import { memory as memoryOf, openFiles } from './lib/proc.mjs';
import { questions } from './lib/questions.mjs';
import { disturbance, preamble, save, verdicts } from './lib/report.mjs';
import { fill, freePort, start } from './lib/server.mjs';
import { certificate } from './lib/tls.mjs';
import { measure, wrk } from './lib/wrk.mjs';

const usage = `
usage: bench/idle.mjs [options] [-- COMMAND …]

  --only NAME       contender (default worker-i4w8; see lib/contenders.mjs), or give
                    a COMMAND of your own, with {port} in it
  --tls             over TLS
  --websocket       WebSockets instead of HTTP connections, with echoes beside them; the default
                    contender is reactor-rs on this Node
  --connections N   idle connections (default 10000)
  --rounds N        wrk runs with and without them, taking turns (default 3)
  --duration S      seconds per run (default 5), after --warmup S (default 1)
  --profile NAME    cargo profile of the example server (default release)
  --no-build        take the binaries as they are
  --port N          first port to try (default 18200)
  --name NAME       results go to bench/results/DATE-NAME.* (default idle)
  --no-save         print only
  --assert          exit 1 when a promise is missed
`;

const settings = {
  only: null,
  tls: false,
  websocket: false,
  connections: 10_000,
  rounds: 3,
  duration: 5,
  warmup: 1,
  profile: 'release',
  'no-build': false,
  port: 18200,
  name: 'idle',
  'no-save': false,
  assert: false,
};

const load = { connections: 64 };

/** What opens idle connections. */
const CLIENTS = {
  plain: [idleClient],
  tls: [process.execPath, idleClientTls],
  websocket: [process.execPath, idleClientWebSocket],
};

await main(async () => {
  const options_ = options(usage, settings);
  const { connections, rounds, duration, warmup, tls: isSecure, websocket } = options_;
  if (isSecure && websocket) throw new Failure('--tls and --websocket exclude each other');
  const asks = websocket ? 'websocket' : 'hello';
  const [own] = process.versions.node.split('.');
  const only = options_.only ?? (websocket ? `reactor-${own}` : 'worker-i4w8');
  const [[, contender]] = options_.rest.length
    ? [['', { command: () => options_.rest }]]
    : pick('contender', contenders(options_.profile), [only]);
  if (!options_['no-build']) {
    buildTools();
    if (contender.cargo) buildServe(options_.profile);
  }
  const environs = environment();

  const port = await freePort(options_.port);
  const command = [...contender.command(asks), ...(isSecure ? contender.tls(certificate()) : [])];
  const server = await start(command, port);
  const { path } = questions[asks];
  const scheme = websocket ? 'ws' : 'http';
  const target = { url: `${scheme}${isSecure ? 's' : ''}://127.0.0.1:${port}${path}` };
  const client = websocket ? bench : wrk;
  if (websocket) {
    const { errors } = await bench({ connections: 1 }, target, 0.2);
    if (errors > 0) throw new Failure('the server does not echo');
  } else {
    const [answer] = await ask(port, get(path), 1, { isSecure });
    if (answer?.status !== 200) throw new Failure(`the server answers ${JSON.stringify(answer)}`);
  }

  const where = [port, path, websocket ? 'websocket' : isSecure ? 'tls' : 'plain'];
  const memory = await measureMemory(server, connections, where);
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    // Which of the two comes first changes from round to round.
    for (const idle of round % 2 ? [connections, 0] : [0, connections]) {
      const crowd = idle ? await hold(idle, where) : null;
      if (warmup > 0) await client(load, target, warmup);
      const run = await measure(server.pid, load, target, duration, client);
      const closed = crowd ? await crowd.release() : 0;
      await quiet(server.pid, memory.files);
      runs.push({ round: round + 1, idle, closed, ...run });
      console.error(`bench: round ${round + 1}, ${idle} idle: ${whole(run.rate)} req/s`);
      if (closed) console.error(`bench: WARNING: the server closed ${closed} idle connections`);
    }
  }
  await server.stop();

  const rate = (idle) => median(runs.filter((run) => run.idle === idle).map((run) => run.rate));
  const ratio = rate(connections) / rate(0);
  const most = websocket ? 700 : isSecure ? 5 * 1024 : 1024;
  const program = websocket ? 'reactor-rs bench' : 'wrk';
  const targets = [
    {
      text: `an idle ${websocket ? 'WebSocket' : 'connection'} adds ≤ ${most} bytes of resident memory`,
      value: `${fixed(memory.perConnection, 0)} bytes`,
      met: memory.perConnection <= most,
    },
    {
      text: `${program} -c64 beside ${connections} idle connections keeps ≥ 0.9 × its rate`,
      value: rounds ? `${ratio.toFixed(3)} ×` : null,
      met: rounds ? ratio >= 0.9 : null,
    },
  ];
  const data = {
    ...environs,
    settings: { connections, rounds, duration, warmup, tls: isSecure, websocket },
    command: fill(command, port).join(' '),
    memory,
    ratio: rounds ? ratio : null,
    targets,
    runs,
  };
  const text = tables(data);
  console.log(`${text}\n\n${verdicts(targets)}${disturbance(runs)}`);
  if (!options_['no-save']) save(options_.name, data, markdown(data, text));
  return options_.assert && targets.some(({ met }) => met === false) ? 1 : 0;
});

/** Resident memory of a fresh server before, with and after the idle connections. */
async function measureMemory(server, connections, where) {
  const files = openFiles(server.pid);
  const before = memoryOf(server.pid);
  const crowd = await hold(connections, where);
  await sleep(500);
  const during = memoryOf(server.pid);
  const closed = await crowd.release();
  if (closed) throw new Failure(`the server closed ${closed} of the idle connections`);
  await quiet(server.pid, files);
  return {
    files,
    before,
    during,
    after: memoryOf(server.pid),
    perConnection: (during.rss - before.rss) / connections,
    anonymousPerConnection: (during.anonymous - before.anonymous) / connections,
  };
}

/** Opens idle connections from a process of their own. */
async function hold(count, [port, path, kind]) {
  const [file, ...args] = CLIENTS[kind];
  const child = spawn(file, [...args, String(port), String(count), path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = await lines.next();
  if (ready.value !== 'ready') throw new Failure('the idle connections could not be opened');
  return {
    async release() {
      child.stdin.end();
      const closed = Number((await lines.next()).value);
      await lines.next();
      return closed;
    },
  };
}

/** Waits until the server has closed what its clients have. */
async function quiet(pid, files) {
  const deadline = Date.now() + 10_000;
  while (openFiles(pid) > files) {
    if (Date.now() > deadline)
      throw new Failure('the server keeps connections that its clients closed');
    await sleep(50);
  }
}

function tables({ memory, runs }) {
  const kib = (bytes) => fixed(bytes / 1024, 0);
  const sizes = ['before', 'during', 'after'].map((when) => {
    return [when, kib(memory[when].rss), kib(memory[when].anonymous)];
  });
  sizes.push([
    'bytes per connection',
    fixed(memory.perConnection, 0),
    fixed(memory.anonymousPerConnection, 0),
  ]);
  const rates = runs.map((run) => [
    `${run.round}, ${run.idle} idle`,
    whole(run.rate),
    whole(run.p50),
    whole(run.p99),
    fixed(run.cpu),
    fixed(run.otherCores + run.stolenCores),
    String(run.errors),
  ]);
  const head = ['round', 'req/s', 'p50 µs', 'p99 µs', 'CPU µs/req', 'other cores', 'errors'];
  return `${table(['server', 'resident KiB', 'anonymous KiB'], sizes)}\n\n${table(head, rates)}`;
}

function markdown(data, text) {
  const { connections, rounds, duration, warmup, tls, websocket } = data.settings;
  const kind = websocket ? 'WebSockets' : `keep-alive connections${tls ? ' over TLS' : ''}`;
  const program = websocket ? 'reactor-rs bench -c 64' : 'wrk -t1 -c64';
  return [
    preamble('Idle connections', data),
    `\`${data.command}\`, ${connections} ${kind} that have had one request each.` +
      ' Memory is read on the fresh server, before them and with them, and after they have gone.' +
      ` Then ${rounds} runs of ${program}, ${duration} s each after ${warmup} s of warm-up,` +
      ' with and without them in turn.',
    text,
    '## Promises',
    verdicts(data.targets) + disturbance(data.runs),
  ].join('\n\n');
}
