#!/usr/bin/env node
// Shows the threads of a running server by name, loads it with twelve wrk threads
// and 400 connections, and shows how its tasks spread over the workers.

import { buildServe } from './lib/build.mjs';
import { serve } from './lib/contenders.mjs';
import { Failure, main } from './lib/failure.mjs';
import { ask, get } from './lib/http.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, table, whole } from './lib/numbers.mjs';
import { options } from './lib/options.mjs';
import { threads } from './lib/proc.mjs';
import { preamble, save, verdicts } from './lib/report.mjs';
import { fill, freePort, start } from './lib/server.mjs';
import { measure } from './lib/wrk.mjs';

const usage = `
usage: bench/threads.mjs [options] [-- COMMAND …]

COMMAND is what to start, with {port} in it, for example
  npx reactor-rs serve -p {port} -i 4 -w 8
and by default the example server with those threads.

  --io N --workers N   threads that must be there (default 4 and 8), and one acceptor
  --duration S         seconds of wrk -t12 -c400 (default 30)
  --profile NAME       cargo profile of the example server (default release)
  --no-build           take the binary as it is
  --port N             first port to try (default 18400)
  --name NAME          results go to bench/results/DATE-NAME.* (default threads)
  --no-save            print only
  --assert             exit 1 when a promise is missed
`;

const settings = {
  io: 4,
  workers: 8,
  duration: 30,
  profile: 'release',
  'no-build': false,
  port: 18400,
  name: 'threads',
  'no-save': false,
  assert: false,
};

const load = { threads: 12, connections: 400 };

await main(async () => {
  const options_ = options(usage, settings);
  const { io, workers, duration } = options_;
  const command = options_.rest.length
    ? options_.rest
    : serve(options_.profile, '-i', String(io), '-w', String(workers));
  if (!options_.rest.length && !options_['no-build']) buildServe(options_.profile);
  const environs = environment();

  const port = await freePort(options_.port);
  // npx may first have to unpack the package.
  const server = await start(command, port, { patience: 60_000 });
  const names = threads(server.pid).map(({ name }) => name);
  const count = (prefix) => names.filter((name) => name.startsWith(prefix)).length;
  const found = { accept: count('rx-accept'), io: count('rx-io-'), worker: count('rx-worker-') };
  const run = await measure(server.pid, load, { url: `http://127.0.0.1:${port}/` }, duration);
  const tasks = await tasksPerWorker(port);
  const ended = await server.stop();

  const total = tasks.reduce((sum, n) => sum + n, 0);
  const targets = [
    {
      text: `threads: 1 acceptor, ${io} I/O, ${workers} workers`,
      value: `${found.accept}, ${found.io}, ${found.worker}`,
      met: found.accept === 1 && found.io === io && found.worker === workers,
    },
    {
      text: `wrk -t12 -c400 -d${duration}s without an error`,
      value: `${run.errors} errors in ${whole(run.requests)} requests`,
      met: run.errors === 0 && run.requests > 0,
    },
    {
      text: 'every worker runs tasks: at least a tenth of an even share',
      value: `least ${whole(Math.min(...tasks))}, most ${whole(Math.max(...tasks))}`,
      met: tasks.length === workers && Math.min(...tasks) >= total / workers / 10,
    },
    {
      text: 'exit code 0 on SIGTERM',
      value: String(ended.code ?? ended.signal),
      met: ended.code === 0,
    },
  ];
  const data = {
    ...environs,
    settings: { io, workers, duration },
    command: fill(command, port).join(' '),
    threads: names,
    tasks,
    targets,
    run,
  };
  const share = (n) => `${fixed((100 * n) / total, 1)} %`;
  const rows = tasks.map((n, i) => [`rx-worker-${i}`, whole(n), share(n)]);
  const text = [
    `Threads: ${names.join(' ')}`,
    table(['worker', 'tasks', 'share'], rows),
    `${whole(run.rate)} req/s, p50 ${whole(run.p50)} µs, p99 ${whole(run.p99)} µs`,
  ].join('\n\n');
  console.log(`${text}\n\n${verdicts(targets)}`);
  if (!options_['no-save']) save(options_.name, data, markdown(data, text));
  return options_.assert && targets.some(({ met }) => !met) ? 1 : 0;
});

async function tasksPerWorker(port) {
  const [answer] = await ask(port, get('/stats'));
  if (answer?.status !== 200) throw new Failure(`GET /stats answers ${JSON.stringify(answer)}`);
  return JSON.parse(answer.body).workerThreads.map(({ tasks }) => tasks);
}

function markdown(data, text) {
  return [
    preamble('Threads and the spread of tasks', data),
    `\`${data.command}\` under wrk -t12 -c400 for ${data.settings.duration} s.`,
    text,
    '## Promises',
    verdicts(data.targets),
  ].join('\n\n');
}
