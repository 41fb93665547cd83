// The results as tables.

import { fixed, table, times, whole } from './numbers.mjs';
import { preamble, verdicts } from './report.mjs';
import { groups, kindOf, scenarios } from './scenarios.mjs';

/** Kinds that are ours, or no server for JavaScript: no peer to be compared with. */
const NO_PEERS = new Set(['control', 'inline', 'reactor', 'face', 'hono-reactor', 'bare']);

/** The least CPU per request that a peer needs, or null. */
export function bestPeer(byName) {
  const all = Object.entries(byName)
    .filter(([name, { cpu }]) => !NO_PEERS.has(kindOf(name)) && cpu)
    .map(([, { cpu }]) => cpu[0]);
  return all.length > 0 ? Math.min(...all) : null;
}

const MIB = 2 ** 20;

function row(name, figures, best) {
  const { rate, cpu, p50, p99, memory, errors } = figures;
  const spread = (values) => (values ? `${fixed(values[1])}–${fixed(values[2])}` : '–');
  return [
    name,
    fixed(cpu?.[0]),
    spread(cpu),
    best === null ? '–' : times(cpu?.[0] / best),
    whole(rate?.[0]),
    whole(p50?.[0]),
    whole(p99?.[0]),
    fixed(figures.serverCores?.[0]),
    fixed(figures.clientCores?.[0]),
    memory ? `${whole(memory.after / MIB)}` : '–',
    memory ? `${whole(memory.most / MIB)}` : '–',
    String(errors),
  ];
}

const HEAD = [
  ...['contender', 'CPU µs/req', 'least–most', 'to best peer', 'req/s', 'p50 µs', 'p99 µs'],
  ...['server cores', 'client cores', 'RSS MiB', 'most', 'errors'],
];

/** A table for each scenario. */
export function tables(results) {
  return Object.entries(results)
    .map(([name, byName]) => {
      const best = bestPeer(byName);
      const rows = Object.entries(byName).map(([name, figures]) => row(name, figures, best));
      return `### ${name}: ${scenarios[name].title}\n\n${table(HEAD, rows)}`;
    })
    .join('\n\n');
}

/** All of a run for people to read. */
export function markdown(data) {
  const { rounds, duration, warmup } = data.settings;
  const parts = Object.entries(groups).flatMap(([group, title]) => {
    const mine = Object.entries(data.results).filter(([name]) => scenarios[name].group === group);
    return mine.length > 0 ? [`## ${title}\n\n${tables(Object.fromEntries(mine))}`] : [];
  });
  const left = Object.entries(data.skipped).map(([name, why]) => `- ${name}: ${why}`);
  return [
    preamble('Benchmark', data),
    `Node ${Object.values(data.nodes).join(', ')}; peers ${Object.entries(data.peers)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    `Medians of ${rounds} interleaved runs of ${duration} s or a multiple of it, after ${warmup} s` +
      ' of warm-up. CPU is user and system time of the server process, over the requests; under' +
      ' it the least and the most of the runs. A client near one core was the bottleneck itself:' +
      ' compare CPU per request there, not the rate. RSS is taken after the last run, "most" is' +
      ' what the process had at its peak.',
    ...parts,
    `## Promises\n\n${verdicts(data.promises) || 'None of these scenarios.'}`,
    ...(left.length > 0 ? [`## Left out\n\n${left.join('\n')}`] : []),
    `## Commands\n\n${commands(data.commands)}`,
  ].join('\n\n');
}

function commands(byScenario) {
  const lines = Object.entries(byScenario).flatMap(([scenario, words]) =>
    Object.entries(words).map(([name, command]) => `${scenario} ${name}: ${command}`),
  );
  return ['```', ...lines, '```'].join('\n');
}
