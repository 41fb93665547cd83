#!/usr/bin/env node
// Does a native route answer as ever while a handler blocks JavaScript?

import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, main } from './lib/failure.mjs';
import { ask, get } from './lib/http.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, table, whole } from './lib/numbers.mjs';
import { options } from './lib/options.mjs';
import { pace } from './lib/pace.mjs';
import { cpuSeconds, machineCpuSeconds } from './lib/proc.mjs';
import { disturbance, preamble, save, verdicts } from './lib/report.mjs';
import { fill, freePort, start } from './lib/server.mjs';

const usage = `
usage: bench/blocked.mjs [options] [-- COMMAND …]

COMMAND is what to start, with {port} in it; it has to answer the path and, by
blocking its JavaScript so long, /block/MS. By default bench/contenders/blocking.mjs.

  --path PATH       what is asked for all the time (default /static; /javascript
                    shows what a handler's clients see)
  --rate N          requests a second, sent whatever the answers take (default 1000)
  --connections N   that they take turns on (default 32)
  --block MS        how long JavaScript is blocked in a round (default 2000)
  --rounds N        with a block, and as many without, in turns (default 5)
  --port N          first port to try (default 18500)
  --name NAME       results go to bench/results/DATE-NAME.* (default blocked)
  --no-save         print only
  --assert          exit 1 when a promise is missed
`;

const settings = {
  path: '/static',
  rate: 1000,
  connections: 32,
  block: 2000,
  rounds: 5,
  port: 18500,
  name: 'blocked',
  'no-save': false,
  assert: false,
};

/** What one request in a hundred for a native route may take longer than. */
const MOST_P99_MS = 5;

await main(async () => {
  const options_ = options(usage, settings);
  const { path, rate, connections, block, rounds } = options_;
  const command = options_.rest.length
    ? options_.rest
    : ['node', 'bench/contenders/blocking.mjs', '{port}'];
  const environs = environment();
  const port = await freePort(options_.port);
  const server = await start(command, port);
  const load = { port, path, rate, connections };
  // Both ends compile what they run often.
  await pace({ ...load, until: sleep(1000) });

  const runs = [];
  for (let round = 1; round <= rounds; round++) {
    // Which of the two comes first changes from round to round.
    for (const isBlocked of round % 2 ? [false, true] : [true, false]) {
      const run = await measure(server, load, block, isBlocked);
      runs.push({ round, isBlocked, ...run });
      console.error(
        `bench: round ${round}, ${isBlocked ? 'blocked' : 'free'}: p99 ${fixed(run.p99)} ms`,
      );
    }
  }
  const ended = await server.stop();

  const blocked = runs.filter((run) => run.isBlocked);
  const worst = Math.max(...blocked.map((run) => run.p99));
  const shortest = Math.min(...blocked.map((run) => run.handlerMs));
  const targets = [
    {
      text: `p99 < ${MOST_P99_MS} ms in every round in which JavaScript is blocked`,
      value: `worst ${fixed(worst)} ms`,
      met: worst < MOST_P99_MS,
    },
    {
      text: `handlers wait until the block of ${block} ms is over`,
      value: `least ${fixed(shortest, 0)} ms`,
      met: shortest > block / 2,
    },
    {
      text: 'exit code 0 on SIGTERM',
      value: String(ended.code ?? ended.signal),
      met: ended.code === 0,
    },
  ];
  const data = {
    ...environs,
    settings: { path, rate, connections, block, rounds },
    command: fill(command, port).join(' '),
    targets,
    runs,
  };
  const text = tables(runs);
  console.log(`${text}\n\n${verdicts(targets)}${disturbance(runs)}`);
  if (!options_['no-save']) save(options_.name, data, markdown(data, text));
  return options_.assert && targets.some(({ met }) => !met) ? 1 : 0;
});

/** One round; `handlerMs` is what a request for a handler took in the middle of it. */
async function measure({ pid }, load, block, isBlocked) {
  const read = () => ({
    at: performance.now(),
    cpu: cpuSeconds(pid),
    own: process.cpuUsage(),
    ...machineCpuSeconds(),
  });
  const before = read();
  const blocking = isBlocked ? ask(load.port, get(`/block/${block}`), 1, 4 * block) : sleep(block);
  const handler = askHandler(load.port, block);
  const latencies = await pace({ ...load, until: blocking });
  const answers = await blocking;
  if (isBlocked && answers[0]?.body !== 'blocked') throw new Failure('/block was not answered');
  const handlerMs = await handler;
  const after = read();

  const seconds = (after.at - before.at) / 1000;
  const server = after.cpu - before.cpu;
  const { user, system } = process.cpuUsage(before.own);
  const client = (user + system) / 1e6;
  const sorted = Float64Array.from(latencies).sort();
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  return {
    requests: sorted.length,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
    handlerMs,
    serverCores: server / seconds,
    clientCores: client / seconds,
    otherCores: Math.max(0, after.busy - before.busy - server - client) / seconds,
    stolenCores: (after.steal - before.steal) / seconds,
  };
}

async function askHandler(port, block) {
  await sleep(block / 10);
  const from = performance.now();
  const [answer] = await ask(port, get('/javascript'), 1, 4 * block);
  if (answer?.status !== 200) throw new Failure(`/javascript answers ${JSON.stringify(answer)}`);
  return performance.now() - from;
}

function tables(runs) {
  const head = ['round', 'JavaScript', 'requests', 'p50 ms', 'p90 ms', 'p99 ms', 'p99.9 ms'];
  head.push('max ms', 'a handler ms', 'server cores', 'client cores', 'other cores');
  return table(
    head,
    runs.map((run) => [
      String(run.round),
      run.isBlocked ? 'blocked' : 'free',
      whole(run.requests),
      ...[run.p50, run.p90, run.p99, run.p999, run.max].map((value) => fixed(value)),
      fixed(run.handlerMs, 0),
      ...[run.serverCores, run.clientCores, run.otherCores].map((value) => fixed(value)),
    ]),
  );
}

function markdown(data, text) {
  const { path, rate, connections, block, rounds } = data.settings;
  return [
    preamble('A native route while JavaScript is blocked', data),
    `\`${data.command}\`; ${rate} requests a second for \`${path}\` over ${connections} connections from a process of its own, ${rounds} rounds in which a handler computes for ${block} ms and as many in which none does. A latency counts from the moment at which the request was due.`,
    text,
    '## Promises',
    verdicts(data.targets),
    disturbance(data.runs).trim(),
  ]
    .filter(Boolean)
    .join('\n\n');
}
