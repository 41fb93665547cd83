#!/usr/bin/env node
// Compares servers under wrk: answers checked first, contenders interleaved,
// medians and their ratio to the control reported.

import { resolve } from 'node:path';
import { buildServe, buildTools } from './lib/build.mjs';
import { before, contenders } from './lib/contenders.mjs';
import { main } from './lib/failure.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, medians, table, times, whole } from './lib/numbers.mjs';
import { options, pick } from './lib/options.mjs';
import { disturbance, preamble, save, verdicts } from './lib/report.mjs';
import { compared, judge, scenarios } from './lib/scenarios.mjs';
import { startChecked } from './lib/started.mjs';
import { measure, wrk, wrkArgs } from './lib/wrk.mjs';

const usage = `
usage: bench/run.mjs [options]

  --only A,B        contenders (default: all but the extra ones; see lib/contenders.mjs)
  --scenario A,B    scenarios: ${Object.keys(scenarios).join(', ')} (default: all)
  --rounds N        rounds, every contender once in each (default 5)
  --duration S      seconds per timed run (default 5)
  --warmup S        seconds before each timed run, not counted (default 1)
  --before DIR      another checkout, built: its contenders take part as NAME@before,
                    and CPU per request may be 3 % above theirs
  --profile NAME    cargo profile of the example server (default release)
  --no-build        take the binaries as they are
  --port N          first port to try (default 18100)
  --name NAME       results go to bench/results/DATE-NAME.* (default throughput)
  --no-save         print only
  --assert          exit 1 when a promised ratio is missed
`;

const settings = {
  only: [],
  scenario: [],
  rounds: 5,
  duration: 5,
  warmup: 1,
  profile: 'release',
  'no-build': false,
  port: 18100,
  before: null,
  name: 'throughput',
  'no-save': false,
  assert: false,
};

await main(async () => {
  const options_ = options(usage, settings);
  const all = contenders(options_.profile);
  const own = pick('contender', all, options_.only);
  const chosen = options_.before ? [...own, ...before(own, resolve(options_.before))] : own;
  const loads = pick('scenario', scenarios, options_.scenario);
  if (!options_['no-build']) {
    buildTools();
    if (chosen.some(([, { cargo }]) => cargo)) buildServe(options_.profile);
  }
  const environs = environment();

  const servers = await startAll(chosen, options_.port);
  const runs = await runAll(servers, loads, options_);
  for (const server of servers) await server.stop();

  const summary = summarise(loads, servers, runs);
  // Of contenders that were left out on purpose nothing is to be said.
  const promised = judge(summary).filter(({ met }) => met !== null || options_.only.length === 0);
  const targets = [...(options_.before ? compared(summary) : []), ...promised];
  const text = tables(summary);
  console.log(`${text}\n\n${verdicts(targets)}${disturbance(runs)}`);
  if (!options_['no-save']) {
    const { rounds, duration, warmup } = options_;
    const data = {
      ...environs,
      settings: { rounds, duration, warmup },
      contenders: servers.map(({ name, command, question, answer }) => ({
        name,
        // A folder of one machine says nothing to a reader of the results.
        command: options_.before ? command.replaceAll(resolve(options_.before), 'BEFORE') : command,
        question,
        answer,
      })),
      loads: loads.map(([name, load]) => {
        return { name, command: `wrk ${wrkArgs(load, { url: 'URL' }, duration).join(' ')}` };
      }),
      medians: summary,
      targets,
      runs,
    };
    save(options_.name, data, markdown(data, text));
  }
  return options_.assert && targets.some(({ met }) => met === false) ? 1 : 0;
});

/** Starts every contender and checks its answer, alone and pipelined. */
async function startAll(chosen, firstPort) {
  const servers = [];
  let port = firstPort;
  for (const [name, contender] of chosen) {
    const server = await startChecked(name, contender, port);
    servers.push(server);
    port = server.port + 1;
  }
  // The control stands for the same work only while it sends the same number of bytes.
  const alike = servers.filter(({ ownHead }) => !ownHead);
  if (new Set(alike.map(({ answer }) => answer.length)).size > 1) {
    const list = alike.map(({ name, answer }) => `${name} ${answer.length}`).join(', ');
    console.error(`bench: WARNING: answers differ in length (${list}); make the control's equal`);
  }
  return servers;
}

async function runAll(servers, loads, { rounds, warmup, duration }) {
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    for (const [scenario, load] of loads) {
      // Each round begins with another contender, so that none always follows the same.
      const shift = round % servers.length;
      for (const server of [...servers.slice(shift), ...servers.slice(0, shift)]) {
        if (warmup > 0) await wrk(load, server.target, warmup);
        const run = await measure(server.pid, load, server.target, duration);
        runs.push({ round: round + 1, scenario, contender: server.name, ...run });
        const note = run.errors ? `, ${run.errors} ERRORS` : '';
        const place = `round ${round + 1} ${scenario} ${server.name}`;
        console.error(`bench: ${place}: ${whole(run.rate)} req/s, ${fixed(run.cpu)} µs CPU${note}`);
      }
    }
  }
  return runs;
}

/** scenario → contender → medians, with the errors summed up. */
function summarise(loads, servers, runs) {
  const summary = {};
  for (const [scenario] of loads) {
    summary[scenario] = {};
    for (const { name } of servers) {
      const mine = runs.filter((run) => run.scenario === scenario && run.contender === name);
      const { round, ...values } = medians(mine);
      const errors = mine.reduce((sum, run) => sum + run.errors, 0);
      summary[scenario][name] = { ...values, errors };
    }
  }
  return summary;
}

function tables(summary) {
  const head = [
    'contender',
    'req/s',
    'to control',
    'p50 µs',
    'p99 µs',
    'CPU µs/req',
    'to control',
    'vol. switches/req',
    'invol.',
    'server cores',
    'client cores',
    'other cores',
    'errors',
  ];
  return Object.entries(summary)
    .map(([scenario, byName]) => {
      const rows = Object.entries(byName).map(([name, m]) => [
        name,
        whole(m.rate),
        times(m.rate / byName.control?.rate),
        whole(m.p50),
        whole(m.p99),
        fixed(m.cpu),
        times(m.cpu / byName.control?.cpu),
        fixed(m.voluntary, 4),
        fixed(m.involuntary, 4),
        fixed(m.serverCores),
        fixed(m.clientCores),
        fixed(m.otherCores + m.stolenCores),
        String(m.errors),
      ]);
      return `${scenario}\n\n${table(head, rows)}`;
    })
    .join('\n\n');
}

function markdown(data, text) {
  const { rounds, duration, warmup } = data.settings;
  const block = (lines) => ['```', ...lines, '```'].join('\n');
  const runs = data.runs.map((run) => [
    `${run.round} ${run.scenario} ${run.contender}`,
    whole(run.rate),
    whole(run.p50),
    whole(run.p99),
    fixed(run.cpu),
    fixed(run.clientCores),
    fixed(run.otherCores + run.stolenCores),
    String(run.errors),
  ]);
  return [
    preamble('Throughput', data),
    `Medians of ${rounds} interleaved runs of ${duration} s, each after ${warmup} s of warm-up.` +
      ' CPU is user and system time of the server process. A client near one core was the' +
      ' bottleneck itself: compare CPU per request there, not the rate. Other cores: time that' +
      ' neither server nor client used, or that the hypervisor took.',
    text.replace(/^(\S+)$/gm, '## $1'),
    '## Promises',
    verdicts(data.targets) + disturbance(data.runs),
    '## Commands',
    block([
      ...data.contenders.map(
        ({ name, command, question: { path, body } }) =>
          `${name}: ${command}  (${body ? `POST ${path}, ${body}` : `GET ${path}`})`,
      ),
      ...data.loads.map(({ name, command }) => `${name}: ${command}`),
    ]),
    '## All runs',
    table(
      ['run', 'req/s', 'p50 µs', 'p99 µs', 'CPU µs/req', 'client cores', 'other cores', 'errors'],
      runs,
    ),
  ].join('\n\n');
}
