#!/usr/bin/env node
// SIGTERM in the middle of load: does the server lose a request, how does it exit,
// and how long does it take? bench/tools/drain_client.c says what counts as lost.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildServe, buildTools } from './lib/build.mjs';
import { contenders } from './lib/contenders.mjs';
import { Failure, main } from './lib/failure.mjs';
import { environment } from './lib/machine.mjs';
import { table, whole } from './lib/numbers.mjs';
import { options, pick } from './lib/options.mjs';
import { drainClient } from './lib/paths.mjs';
import { questions } from './lib/questions.mjs';
import { preamble, save, verdicts } from './lib/report.mjs';
import { fill, freePort, start } from './lib/server.mjs';

const usage = `
usage: bench/drain.mjs [options] [-- COMMAND …]

  --only NAME       contender (default worker-i4w8; see lib/contenders.mjs), or give
                    a COMMAND of your own, with {port} in it
  --rounds N        servers started and stopped (default 10)
  --connections N   connections that always wait for an answer (default 200)
  --depth N         requests per write (default 1)
  --slow N          further connections whose POST /echo comes in two halves (default 0)
  --churn N         requests after which a connection is replaced (default 0: never)
  --limit S         the server's drain time in seconds (default 10)
  --profile NAME    cargo profile of the example server (default release)
  --no-build        take the binaries as they are
  --port N          first port to try (default 18300)
  --name NAME       results go to bench/results/DATE-NAME.* (default drain)
  --no-save         print only
  --assert          exit 1 when a promise is missed
`;

const settings = {
  only: 'worker-i4w8',
  rounds: 10,
  connections: 200,
  depth: 1,
  slow: 0,
  churn: 0,
  limit: 10,
  profile: 'release',
  'no-build': false,
  port: 18300,
  name: 'drain',
  'no-save': false,
  assert: false,
};

await main(async () => {
  const options_ = options(usage, settings);
  const { rounds, connections, depth, slow, churn, limit } = options_;
  const [[, contender]] = options_.rest.length
    ? [['', { command: () => options_.rest }]]
    : pick('contender', contenders(options_.profile), [options_.only]);
  if (!options_['no-build']) {
    buildTools();
    if (contender.cargo) buildServe(options_.profile);
  }
  const environs = environment();

  const args = [
    '-c',
    connections,
    '-d',
    depth,
    '-s',
    slow,
    '-n',
    churn,
    '-p',
    questions.hello.path,
  ];
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    const port = await freePort(options_.port);
    // Not always the same moment after the start.
    const delay = 200 + 50 * (round % 10);
    const run = await drain(contender.command('hello'), port, args.map(String), delay, limit);
    runs.push({ round: round + 1, ...run });
    console.error(
      `bench: round ${round + 1}: lost ${run.lost}, exit ${run.exit}, ${whole(run.ms)} ms`,
    );
  }

  const targets = judge(runs, limit);
  const data = {
    ...environs,
    settings: { rounds, connections, depth, slow, churn, limit },
    commands: [
      fill(contender.command('hello'), options_.port).join(' '),
      `${drainClient} ${options_.port} ${args.join(' ')}`,
    ],
    targets,
    runs,
  };
  const text = tables(runs);
  console.log(`${text}\n\n${verdicts(targets)}`);
  if (!options_['no-save']) save(options_.name, data, markdown(data, text));
  return options_.assert && targets.some(({ met }) => !met) ? 1 : 0;
});

/** One server: load, SIGTERM, and what became of both. */
async function drain(command, port, args, delay, limit) {
  const server = await start(command, port);
  const client = spawn(drainClient, [...args, '-t', String(limit + 5), String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const ready = await Promise.race([lines.next(), sleep(5000, null, { ref: false })]);
  if (ready?.value !== 'ready') {
    client.kill();
    throw new Failure('the server does not answer every connection of drain_client');
  }
  await sleep(delay);

  const from = performance.now();
  process.kill(server.pid, 'SIGTERM');
  const ended = await Promise.race([server.exit, sleep((limit + 5) * 1000, null, { ref: false })]);
  const ms = performance.now() - from;
  if (!ended) process.kill(server.pid, 'SIGKILL');
  const counts = JSON.parse((await lines.next()).value);
  return { ...counts, exit: ended ? (ended.code ?? ended.signal) : 'none', ms, delay };
}

function judge(runs, limit) {
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const slowest = Math.max(...runs.map(({ ms }) => ms));
  const bad = runs.filter(({ exit }) => exit !== 0);
  return [
    {
      text: `no accepted request is lost in ${runs.length} stops`,
      value: `${sum('lost')} without an answer, ${sum('partial')} with a part of one, of ${whole(sum('answered'))}`,
      met: sum('lost') + sum('partial') === 0,
    },
    {
      text: 'every request is answered with 200',
      value: `${sum('refused')} with another status`,
      met: sum('refused') === 0,
    },
    {
      text: 'exit code 0',
      value: bad.length ? `${bad.length} others, such as ${bad[0].exit}` : 'always',
      met: bad.length === 0,
    },
    {
      text: `exit within the drain time of ${limit} s`,
      value: `${whole(slowest)} ms at most`,
      met: slowest <= limit * 1000,
    },
  ];
}

function tables(runs) {
  const keys = [
    'answered',
    'refused',
    'lost',
    'oldest',
    'partial',
    'raced',
    'declined',
    'cut',
    'unaccepted',
    'open',
  ];
  const head = [
    'round',
    ...keys.map((key) => (key === 'oldest' ? 'oldest µs' : key)),
    'exit',
    'ms to exit',
  ];
  const rows = runs.map((run) => {
    return [
      String(run.round),
      ...keys.map((key) => whole(run[key])),
      String(run.exit),
      whole(run.ms),
    ];
  });
  return table(head, rows);
}

function markdown(data, text) {
  return [
    preamble('Stopping under load', data),
    `${data.settings.rounds} servers, each sent SIGTERM while ${data.settings.connections} connections` +
      ' wait for answers.',
    ['```', ...data.commands, '```'].join('\n'),
    text,
    '- lost: written while the connection stood, then closed or reset without a byte of an answer;' +
      ' oldest is the longest time between such a write and the close\n' +
      '- partial: an answer that was cut off\n' +
      '- raced: the FIN of the server came while the request was being sent\n' +
      '- declined: pipelined behind a request whose answer said "Connection: close"\n' +
      '- cut: the server closed before the request was written in full\n' +
      '- unaccepted: as lost, on a connection that never had an answer\n' +
      '- open: connections that the server left open',
    '## Promises',
    verdicts(data.targets),
  ].join('\n\n');
}
