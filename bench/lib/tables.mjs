// The results as tables.

import { bestPeer } from './kinds.mjs';
import { fixed, table, times, whole } from './numbers.mjs';
import { preamble, verdicts } from './report.mjs';
import { groups, scenarios } from './scenarios.mjs';

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
    fixed(figures.serverCores),
    fixed(figures.clientCores),
    memory ? `${whole(memory.after / MIB)}` : '–',
    memory ? `${whole(memory.most / MIB)}` : '–',
    String(errors),
  ];
}

const HEAD = [
  ...['contender', 'CPU µs/req', 'least–most', 'to best peer', 'req/s', 'p50 µs', 'p99 µs'],
  ...['server cores', 'client cores', 'RSS MiB', 'most', 'errors'],
];

/** At a steady rate: what it was, and whether the server kept it. */
function steadyRow(name, { target, peak, p50, p99, p999, cpu, serverCores, ...rest }) {
  return [
    name,
    whole(peak),
    whole(target),
    whole(p50?.[0]),
    whole(p99?.[0]),
    whole(p99?.[1]),
    whole(p99?.[2]),
    whole(p999),
    whole(rest.sendDelayP99),
    fixed(cpu?.[0]),
    fixed(serverCores),
    `${rest.reached} of ${rest.runs}`,
    String(rest.errors),
  ];
}

const STEADY_HEAD = [
  ...['contender', 'peak req/s', 'rate', 'p50 µs', 'p99 µs', 'least', 'most', 'p99.9 µs'],
  ...['sent late p99 µs', 'CPU µs/req', 'server cores', 'reached', 'errors'],
];

/** A table for each scenario. */
export function tables(results) {
  return Object.entries(results)
    .map(([name, byName]) => {
      if (scenarios[name].client === 'openloop') {
        const rows = Object.entries(byName).map(([name, figures]) => steadyRow(name, figures));
        return `### ${name}: ${scenarios[name].title}\n\n${table(STEADY_HEAD, rows)}`;
      }
      const [, best] = bestPeer(byName) ?? [null, null];
      const rows = Object.entries(byName).map(([name, figures]) => row(name, figures, best));
      const parts = [
        `### ${name}: ${scenarios[name].title}`,
        table(HEAD, rows),
        agreements(byName),
      ];
      return parts.filter(Boolean).join('\n\n');
    })
    .join('\n\n');
}

/** What each agreed on over TLS, or sent of files; those that are alike stand together. */
function agreements(byName) {
  const sets = new Map();
  for (const [name, { tls, sent }] of Object.entries(byName)) {
    const what = tls ?? sent;
    if (what !== undefined) sets.set(what, [...(sets.get(what) ?? []), name]);
  }
  return [...sets].map(([what, names]) => `- ${names.join(', ')}: ${what}`).join('\n');
}

/**
 * All of a run for people to read.
 * @param stem the name of its files, without an end
 */
export function markdown(data, stem) {
  const { rounds, duration, warmup } = data.settings;
  const parts = Object.entries(groups).flatMap(([group, title]) => {
    const mine = Object.entries(data.results).filter(([name]) => scenarios[name].group === group);
    return mine.length > 0 ? [section(group, title, mine, stem)] : [];
  });
  const left = Object.entries(data.skipped).map(([name, why]) => `- ${name}: ${why}`);
  return [
    preamble('Benchmark', data),
    `Node ${Object.values(data.nodes).join(', ')}; peers ${Object.entries(data.peers)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    `Medians of ${rounds} interleaved runs of ${duration} s or a multiple of it, after ${warmup} s` +
      ' of warm-up. CPU is user and system time of the server process, over the requests, with the' +
      ' least and the most of the runs. "To best peer" is its ratio to the least of other servers' +
      ' with JavaScript handlers. A client near one core was the bottleneck itself:' +
      ' compare CPU per request there, not the rate. RSS is taken after the last run; "most" is' +
      ' the peak of the process.',
    quiet(data.results),
    ...parts,
    `## Promises\n\n${verdicts(data.promises) || 'None of these scenarios.'}`,
    ...(left.length > 0 ? [`## Left out\n\n${left.join('\n')}`] : []),
    `The commands are in [${stem}.json](${stem}.json).`,
  ].join('\n\n');
}

/** Whether others used the machine meanwhile. */
function quiet(results) {
  const all = Object.values(results).flatMap((byName) => Object.values(byName));
  const sum = (key) => all.reduce((total, figures) => total + figures[key], 0);
  const share = `${sum('disturbed')} of ${sum('runs')} runs`;
  return `In ${share} others used more than a tenth of a core.`;
}

function section(group, title, entries, stem) {
  const chart = `![${title}](${stem}-${group}.svg)`;
  return `## ${title}\n\n${chart}\n\n${tables(Object.fromEntries(entries))}`;
}
