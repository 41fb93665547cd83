#!/usr/bin/env node
// What users would wait at half of the peak rate: each server under the same
// constant rate, as an open loop, with latency from when a request was due.
//
// Two rates, from peaks that are measured first: half of the peak of the first
// contender, and half of that of the second. A server takes part at a rate that
// its own peak reaches.

import { contenders } from './lib/contenders.mjs';
import { main } from './lib/failure.mjs';
import { bench, benchArgs } from './lib/load.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, median, medians, table, times, whole } from './lib/numbers.mjs';
import { options, pick } from './lib/options.mjs';
import { disturbance, preamble, save, verdicts } from './lib/report.mjs';
import { startChecked } from './lib/started.mjs';
import { measure } from './lib/wrk.mjs';

const usage = `
usage: bench/openloop.mjs [options]

Takes dist/ and the native binding as they are: npm run build.

  --ours NAME       the contender that is judged (default reactor-20)
  --theirs NAME     what it is judged by (default node-20)
  --others A,B      further contenders (default bun,deno; '' for none)
  --connections N   (default 64)
  --rounds N        rounds, every contender once in each (default 5)
  --peak-rounds N   rounds in which the peaks are measured (default 3)
  --duration S      seconds per timed run (default 3)
  --warmup S        seconds before each, not counted (default 1)
  --profile NAME    cargo profile of the example server (default release)
  --port N          first port to try (default 18600)
  --name NAME       results go to bench/results/DATE-NAME.* (default openloop)
  --no-save         print only
  --assert          exit 1 when the promise is missed
`;

const settings = {
  ours: 'reactor-20',
  theirs: 'node-20',
  others: ['bun', 'deno'],
  connections: 64,
  rounds: 5,
  'peak-rounds': 3,
  duration: 3,
  warmup: 1,
  profile: 'release',
  port: 18600,
  name: 'openloop',
  'no-save': false,
  assert: false,
};

await main(async () => {
  const options_ = options(usage, settings);
  const { ours, theirs, others } = options_;
  const all = contenders(options_.profile);
  const chosen = [ours, theirs, ...others].map((name) => pick('contender', all, [name])[0]);
  const environs = environment();

  const servers = [];
  let port = options_.port;
  for (const [name, contender] of chosen) {
    const server = await startChecked(name, contender, port, 'hello');
    servers.push(server);
    port = server.port + 1;
  }
  const peaks = await findPeaks(servers, options_);
  const rates = [...new Set([ours, theirs].map((name) => Math.round(peaks[name] / 2)))];
  const runs = await runAll(servers, rates, peaks, options_);
  for (const server of servers) await server.stop();

  const summary = summarise(rates, servers, runs);
  const targets = [judge(summary, rates, options_)];
  const text = tables(summary, peaks);
  console.log(`${text}\n\n${verdicts(targets)}${disturbance(runs)}`);
  if (!options_['no-save']) {
    const { rounds, duration, warmup, connections } = options_;
    const data = {
      ...environs,
      settings: { rounds, duration, warmup, connections },
      contenders: servers.map(({ name, command, answer }) => ({ name, command, answer })),
      peaks,
      rates,
      medians: summary,
      targets,
      runs,
    };
    save(options_.name, data, markdown(data, text));
  }
  return options_.assert && targets.some(({ met }) => met !== true) ? 1 : 0;
});

/** Each server's median rate in a closed loop. */
async function findPeaks(servers, { connections, duration, warmup, 'peak-rounds': rounds }) {
  const rates = Object.fromEntries(servers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, target } of turned(servers, round)) {
      if (warmup > 0) await bench({ connections }, target, warmup);
      const { rate } = await bench({ connections }, target, duration);
      rates[name].push(rate);
      console.error(`bench: peak ${round + 1} ${name}: ${whole(rate)} req/s`);
    }
  }
  return Object.fromEntries(Object.entries(rates).map(([name, list]) => [name, median(list)]));
}

async function runAll(servers, rates, peaks, { connections, rounds, duration, warmup }) {
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    for (const rate of rates) {
      for (const { name, target, pid } of turned(servers, round)) {
        if (peaks[name] < rate) continue;
        const load = { connections, rate };
        if (warmup > 0) await bench(load, target, warmup);
        const run = await measure(pid, load, target, duration, bench);
        runs.push({ round: round + 1, target: rate, contender: name, ...run });
        const note = run.reached ? '' : ', NOT REACHED';
        const place = `round ${round + 1} ${whole(rate)}/s ${name}`;
        console.error(`bench: ${place}: p50 ${whole(run.p50)}, p99 ${whole(run.p99)} µs${note}`);
      }
    }
  }
  return runs;
}

/** Each round begins with another contender, so that none always follows the same. */
function turned(list, round) {
  const shift = round % list.length;
  return [...list.slice(shift), ...list.slice(0, shift)];
}

/** rate → contender → medians; null for one whose peak is below the rate. */
function summarise(rates, servers, runs) {
  return Object.fromEntries(
    rates.map((rate) => [
      rate,
      Object.fromEntries(
        servers.map(({ name }) => {
          const mine = runs.filter((run) => run.target === rate && run.contender === name);
          if (mine.length === 0) return [name, null];
          const { round, target, ...values } = medians(mine);
          const errors = mine.reduce((sum, run) => sum + run.errors, 0);
          const reached = mine.filter((run) => run.reached).length;
          return [name, { ...values, errors, reached, runs: mine.length }];
        }),
      ),
    ]),
  );
}

/** At half of our peak if both reach that, otherwise at half of theirs. */
function judge(summary, rates, { ours, theirs }) {
  const both = (rate) => [summary[rate][ours], summary[rate][theirs]];
  const holds = (m) => m !== null && m.reached > m.runs / 2;
  const rate = rates.find((rate) => both(rate).every(holds));
  const text = `p99 of ${ours} ≤ that of ${theirs} at the same rate`;
  if (rate === undefined) return { text, value: null, met: null };
  const [mine, other] = both(rate);
  return {
    text: `${text}, ${whole(rate)} requests/s`,
    value: `${whole(mine.p99)} µs, ${whole(other.p99)} µs, ${times(mine.p99 / other.p99)}`,
    met: mine.errors === 0 && mine.p99 <= other.p99,
  };
}

function tables(summary, peaks) {
  const head = [
    ...['contender', 'peak req/s', 'p50 µs', 'p99 µs', 'p99.9 µs', 'max µs'],
    ...['sent late p99 µs', 'CPU µs/req', 'server cores', 'reached', 'errors'],
  ];
  return Object.entries(summary)
    .map(([rate, byName]) => {
      const rows = Object.entries(byName).map(([name, m]) =>
        m === null
          ? [name, whole(peaks[name]), ...Array(9).fill('–')]
          : [
              name,
              whole(peaks[name]),
              whole(m.p50),
              whole(m.p99),
              whole(m.p999),
              whole(m.max),
              whole(m.sendDelayP99),
              fixed(m.cpu),
              fixed(m.serverCores),
              `${m.reached} of ${m.runs}`,
              String(m.errors),
            ],
      );
      return `${whole(Number(rate))} requests/s\n\n${table(head, rows)}`;
    })
    .join('\n\n');
}

function markdown(data, text) {
  const { rounds, duration, warmup, connections } = data.settings;
  const runs = data.runs.map((run) => [
    `${run.round} ${whole(run.target)}/s ${run.contender}`,
    whole(run.rate),
    ...[run.p50, run.p99, run.p999, run.max, run.sendDelayP99].map(whole),
    fixed(run.clientLoad),
    fixed(run.otherCores + run.stolenCores),
    run.reached ? 'yes' : 'no',
    String(run.errors),
  ]);
  const head = ['run', 'req/s', 'p50 µs', 'p99 µs', 'p99.9 µs', 'max µs', 'sent late p99 µs'];
  return [
    preamble('Latency at half of the peak rate', data),
    `Medians of ${rounds} interleaved runs of ${duration} s, each after ${warmup} s at the same` +
      ` rate that are not counted, over ${connections} connections. Requests go out evenly whatever the server does, and` +
      ' latency counts from when a request was due. The peak is the median of a closed loop with as' +
      ' many connections. A dash: the peak is below the rate. Sent late: the part of the latency' +
      " that lies before the request is written: waiting for a free connection, and the client's" +
      ' own thread waking up.',
    text.replace(/^(\S+ requests\/s)$/gm, '## $1'),
    '## Promise',
    verdicts(data.targets) + disturbance(data.runs),
    '## Commands',
    [
      '```',
      ...data.contenders.map(({ name, command }) => `${name}: ${command}`),
      ...data.rates.map(
        (rate) =>
          `reactor-rs ${benchArgs({ connections, rate }, { url: 'URL' }, duration).join(' ')}`,
      ),
      '```',
    ].join('\n'),
    '## All runs',
    table([...head, 'client load', 'other cores', 'reached', 'errors'], runs),
  ].join('\n\n');
}
