#!/usr/bin/env node
// Compares the load clients themselves: `reactor-rs bench` and wrk, one thread
// each, on the same server. A client that is slower than the server measures
// itself.

import { buildServe, buildTools } from './lib/build.mjs';
import { contenders } from './lib/contenders.mjs';
import { main } from './lib/failure.mjs';
import { bench, benchArgs } from './lib/load.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, medians, table, times, whole } from './lib/numbers.mjs';
import { options, pick } from './lib/options.mjs';
import { disturbance, preamble, save, verdicts } from './lib/report.mjs';
import { startChecked } from './lib/started.mjs';
import { measure, wrk, wrkArgs } from './lib/wrk.mjs';

const usage = `
usage: bench/client.mjs [options]

Takes dist/ and the native binding as they are: npm run build.

  --only NAME       the server under both (default inline; see lib/contenders.mjs)
  --scenario A,B    scenarios: c64, pipelined, c512 (default c64,pipelined)
  --rounds N        rounds, both clients once in each (default 5)
  --duration S      seconds per timed run (default 3)
  --warmup S        seconds before each timed run, not counted (default 1)
  --profile NAME    cargo profile of the example server (default release)
  --no-build        take the server as it is
  --port N          first port to try (default 18500)
  --name NAME       results go to bench/results/DATE-NAME.* (default client)
  --no-save         print only
  --assert          exit 1 when a promised ratio is missed
`;

const settings = {
  only: ['inline'],
  scenario: ['c64', 'pipelined'],
  rounds: 5,
  duration: 3,
  warmup: 1,
  profile: 'release',
  'no-build': false,
  port: 18500,
  name: 'client',
  'no-save': false,
  assert: false,
};

const LOADS = {
  c64: { connections: 64 },
  pipelined: { connections: 64, depth: 16 },
  c512: { connections: 512 },
};

const CLIENTS = { wrk, bench };

await main(async () => {
  const options_ = options(usage, settings);
  const [[name, contender]] = pick('contender', contenders(options_.profile), options_.only);
  const loads = pick('scenario', LOADS, options_.scenario);
  if (!options_['no-build']) {
    buildTools();
    if (contender.cargo) buildServe(options_.profile);
  }
  const environs = environment();

  const server = await startChecked(name, contender, options_.port, 'hello');
  const runs = await runAll(server, loads, options_);
  await server.stop();

  const summary = summarise(loads, runs);
  const targets = judge(summary);
  const text = tables(summary);
  console.log(`${text}\n\n${verdicts(targets)}${disturbance(runs)}`);
  if (!options_['no-save']) {
    const { rounds, duration, warmup } = options_;
    const data = {
      ...environs,
      settings: { rounds, duration, warmup },
      server: { name, command: server.command, answer: server.answer },
      commands: loads.flatMap(([load, scenario]) => [
        `${load}: wrk ${wrkArgs(scenario, { url: 'URL' }, duration).join(' ')}`,
        `${load}: reactor-rs ${benchArgs(scenario, { url: 'URL' }, duration).join(' ')}`,
      ]),
      medians: summary,
      targets,
      runs,
    };
    save(options_.name, data, markdown(data, text));
  }
  return options_.assert && targets.some(({ met }) => met === false) ? 1 : 0;
});

async function runAll(server, loads, { rounds, warmup, duration }) {
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    for (const [scenario, load] of loads) {
      // Each goes first in turn.
      const order = Object.entries(CLIENTS);
      for (const [client, run] of round % 2 === 0 ? order : order.reverse()) {
        if (warmup > 0) await run(load, server.target, warmup);
        const result = await measure(server.pid, load, server.target, duration, run);
        runs.push({ round: round + 1, scenario, client, ...result });
        console.error(
          `bench: round ${round + 1} ${scenario} ${client}: ${whole(result.rate)} req/s`,
        );
      }
    }
  }
  return runs;
}

/** scenario → client → medians, with the errors summed up. */
function summarise(loads, runs) {
  return Object.fromEntries(
    loads.map(([scenario]) => [
      scenario,
      Object.fromEntries(
        Object.keys(CLIENTS).map((client) => {
          const mine = runs.filter((run) => run.scenario === scenario && run.client === client);
          const { round, ...values } = medians(mine);
          return [client, { ...values, errors: mine.reduce((sum, run) => sum + run.errors, 0) }];
        }),
      ),
    ]),
  );
}

function judge(summary) {
  return Object.entries(summary).map(([scenario, { wrk, bench }]) => ({
    text: `${scenario}: reactor-rs bench req/s ≥ 1 × wrk`,
    value: times(bench.rate / wrk.rate),
    met: bench.errors === 0 && bench.rate >= wrk.rate,
  }));
}

function tables(summary) {
  const head = ['client', 'req/s', 'to wrk', 'p50 µs', 'p99 µs', 'server cores', 'errors'];
  return Object.entries(summary)
    .map(([scenario, byClient]) => {
      const rows = Object.entries(byClient).map(([client, m]) => [
        client,
        whole(m.rate),
        times(m.rate / byClient.wrk.rate),
        whole(m.p50),
        whole(m.p99),
        fixed(m.serverCores),
        String(m.errors),
      ]);
      return `${scenario}\n\n${table(head, rows)}`;
    })
    .join('\n\n');
}

function markdown(data, text) {
  const { rounds, duration, warmup } = data.settings;
  const runs = data.runs.map((run) => [
    `${run.round} ${run.scenario} ${run.client}`,
    whole(run.rate),
    whole(run.p50),
    whole(run.p99),
    fixed(run.serverCores),
    fixed(run.clientCores),
    fixed(run.otherCores + run.stolenCores),
    String(run.errors),
  ]);
  const head = ['run', 'req/s', 'p50 µs', 'p99 µs', 'server cores', 'client cores'];
  return [
    preamble('Load clients', data),
    `Medians of ${rounds} interleaved runs of ${duration} s, each after a run of ${warmup} s that` +
      ` is not counted, on ${data.server.name}: \`${data.server.command}\`. Client cores of bench` +
      ' include the start of Node, which is over before the load begins.',
    text.replace(/^(\S+)$/gm, '## $1'),
    '## Promises',
    verdicts(data.targets) + disturbance(data.runs),
    '## Commands',
    ['```', ...data.commands, '```'].join('\n'),
    '## All runs',
    table([...head, 'other cores', 'errors'], runs),
  ].join('\n\n');
}
