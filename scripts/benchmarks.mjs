// The parts of README.md and docs/benchmarks.md that are made from the newest results of
// `npm run bench`, losses included.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bestPeer, isOurs, kindOf, nodeOf } from '../bench/lib/kinds.mjs';
import { groups, scenarios } from '../bench/lib/scenarios.mjs';

/** `2026-11-30-all.json`, and `-all-2` after it; so for `files`. */
const NAME = /^(\d{4}-\d\d-\d\d)-(all|files)(?:-(\d+))?\.json$/;

const KINDS = {
  reactor: 'reactor-rs',
  face: '`reactor-rs/node`',
  inline: 'native route',
  worker: 'native route on a worker',
  node: 'node:http',
  'node-compat': 'node:http2, (req, res)',
  uws: 'uWebSockets.js 20',
  bun: 'Bun',
  deno: 'Deno',
  fastify: 'Fastify',
  hono: 'Hono on @hono/node-server',
  'hono-reactor': 'Hono on reactor-rs',
  nginx: 'nginx',
  h2o: 'h2o',
  folder: '`reactor-rs serve ./folder`',
  sirv: 'sirv',
  'serve-static': 'serve-static',
  control: 'the control',
  bare: 'the stream alone',
};

/** The columns of README.md: each kind on the newest Node that it has. */
const README_KINDS = ['reactor', 'uws', 'bun', 'deno', 'node'];

/** And its rows. */
const README_SCENARIOS = [
  ...['hello-c64', 'hello-pipelined', 'hello-c1', 'hello-c4096', 'conn-new', 'api'],
  ...['upload-64k-collected', 'upload-1m-collected', 'string-64k', 'stream-generator'],
  ...['stream-start', 'late-immediate', 'late-database', 'headers'],
];

/**
 * @param root the top of the repository
 * @param file a results file; by default the newest of all scenarios
 * @returns name of a part → its text, as a function
 */
export function benchmarkParts(root, file = newest(join(root, 'bench/results'), 'all')) {
  const data = JSON.parse(readFileSync(join(root, 'bench/results', file), 'utf8'));
  const stem = file.replace(/\.json$/, '');
  const parts = {
    'benchmark-about': () => about(data, stem),
    'benchmark-summary': () => summary(data, stem),
    'benchmark-promises': () => promises(data),
  };
  for (const group of Object.keys(groups)) {
    parts[`benchmark-${group}`] = () => groupPart(root, data, stem, group);
  }
  parts['benchmark-files'] = () => filesPart(root);
  return parts;
}

/** The name of the newest file of a run: `all` scenarios, or `files`. */
function newest(folder, run) {
  const [last] = readdirSync(folder)
    .map((name) => NAME.exec(name))
    .filter((match) => match?.[2] === run)
    .sort((a, b) => b[1].localeCompare(a[1]) || Number(b[3] ?? 1) - Number(a[3] ?? 1));
  if (last === undefined && run === 'all') {
    throw new Error('bench/results has no results of all scenarios; "npm run bench" makes them');
  }
  return last?.[0] ?? null;
}

function about({ date, commit, dirty, machine, nodes, peers, settings, results }, stem) {
  const all = Object.values(results).flatMap((byName) => Object.values(byName));
  const sum = (key) => all.reduce((total, figures) => total + figures[key], 0);
  const versions = [
    `Node ${Object.values(nodes)
      .map((version) => version.slice(1))
      .join(', ')}`,
    `Bun ${peers['@oven/bun-linux-x64']}`,
    `Deno ${peers['@deno/linux-x64-glibc']}`,
    `Express ${peers.express}`,
    `Fastify ${peers.fastify}`,
    `Hono ${peers.hono}`,
  ];
  const { rounds, duration } = settings;
  return [
    `[Results](../bench/results/${stem}.md) of ${date.slice(0, 10)}, commit ${commit.slice(0, 9)}` +
      `${dirty ? ' with changes' : ''}: ${machine.cpu}, ${machine.cores} cores, Linux` +
      ` ${machine.kernel}. ${versions.join(', ')}.`,
    `Medians of ${rounds} rounds; runs of ${duration} s or more. In ${sum('disturbed')} of` +
      ` ${sum('runs')} runs others used more than a tenth of a core.`,
  ].join('\n\n');
}

/** Files are a run of their own, whose results are beside those of all scenarios. */
function filesPart(root) {
  const file = newest(join(root, 'bench/results'), 'files');
  if (file === null) return 'Not measured.';
  const data = JSON.parse(readFileSync(join(root, 'bench/results', file), 'utf8'));
  const stem = file.replace(/\.json$/, '');
  const sent = Object.entries(data.results['files-mix'] ?? {}).map(
    ([name, figures]) => `- ${titleOf(name)}: ${figures.sent}`,
  );
  return [
    about(data, stem),
    groupPart(root, data, stem, 'files'),
    `What each sends of the page:\n\n${sent.join('\n')}`,
    promises({ promises: data.promises.filter(({ text }) => text.startsWith('files-')) }),
  ].join('\n\n');
}

/** The contender of a kind on the newest Node. */
function newestOf(byName, kind) {
  return Object.keys(byName)
    .filter((name) => kindOf(name) === kind && !name.endsWith('@before'))
    .at(-1);
}

function titleOf(name, group) {
  const node = nodeOf(name);
  const isStreams = group === 'http2' && kindOf(name) === 'node';
  const kind = isStreams ? 'node:http2, streams' : (KINDS[kindOf(name)] ?? name);
  return node === null ? kind : `${kind}, Node ${node}`;
}

function scenarioTitle(name) {
  const { group, title } = scenarios[name];
  return ['hello', 'fields', 'framework'].includes(group) ? title : `${SHORT[group]}: ${title}`;
}

const SHORT = {
  connections: 'short',
  upload: 'upload',
  answer: 'answer',
  stream: 'stream',
  late: 'late',
  events: 'events',
  openloop: 'steady',
  tls: 'TLS',
  files: 'files',
  http2: 'HTTP/2',
};

/** Three digits are what a figure is worth. */
function digits(value) {
  if (value === null || value === undefined) return '–';
  if (value >= 100) return Math.round(value).toLocaleString('en-GB');
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** Bold where the best of the others is ahead. */
function ratio(mine, other) {
  if (mine === undefined || other === undefined || !other) return '–';
  const text = `${(mine / other).toFixed(2)} ×`;
  return mine > other ? `**${text}**` : text;
}

function summary({ results }, stem) {
  const names = README_SCENARIOS.filter((name) => results[name] !== undefined);
  const rows = names.map((name) => {
    const byName = results[name];
    const cells = README_KINDS.map((kind) => digits(byName[newestOf(byName, kind)]?.cpu[0]));
    const mine = byName[newestOf(byName, 'reactor')]?.cpu[0];
    return [scenarioTitle(name), ...cells, ratio(mine, bestPeer(byName)?.[1])];
  });
  const node = nodeOf(newestOf(results[names[0]] ?? {}, 'reactor') ?? '');
  const heads = README_KINDS.map((kind) => KINDS[kind]);
  const first = `[µs a request](bench/results/${stem}.md), Node ${node ?? '–'}`;
  return table([first, ...heads, 'to the best'], rows);
}

/** The contenders of a group, ours first, in the order that they have in the results. */
function columns(results, names) {
  const all = [...new Set(names.flatMap((name) => Object.keys(results[name])))].filter(
    (name) => !name.endsWith('@before'),
  );
  return [...all.filter(isOurs), ...all.filter((name) => !isOurs(name))];
}

/** A group: its chart, and a table of each figure that matters there. */
function groupPart(root, { results }, stem, group) {
  const names = Object.keys(results).filter((name) => {
    return scenarios[name]?.group === group && Object.keys(results[name]).length > 0;
  });
  if (names.length === 0) return 'Not measured.';
  const contenders = columns(results, names);
  const heads = names.map((name) => scenarios[name].title);
  const figures = (title, read) =>
    table(
      [title, ...heads],
      contenders.map((contender) => [
        titleOf(contender, group),
        ...names.map((name) => {
          const mine = results[name][contender];
          return mine === undefined ? '–' : digits(read(mine));
        }),
      ]),
    );
  const chart = `bench/results/${stem}-${group}.svg`;
  return [
    ...(existsSync(join(root, chart)) ? [`![${groups[group]}](../${chart})`] : []),
    ...TABLES[group].map(([title, read]) => figures(title, read)),
  ].join('\n\n');
}

const CPU = ['µs a request', ({ cpu }) => cpu?.[0]];
const RATE = ['requests/s', ({ rate }) => rate?.[0]];
const P99 = ['p99, ms', ({ p99 }) => (p99 ? p99[0] / 1000 : undefined)];
const MEMORY = ['most memory, MiB', ({ memory }) => memory && memory.most / 2 ** 20];

const TABLES = {
  hello: [CPU, RATE, P99],
  connections: [CPU, RATE],
  upload: [CPU, MEMORY],
  answer: [CPU, MEMORY],
  stream: [CPU],
  late: [CPU, RATE],
  fields: [CPU],
  framework: [CPU, RATE],
  tls: [CPU, RATE, P99],
  files: [CPU, RATE, P99, MEMORY],
  http2: [CPU, RATE],
  events: [['µs an event', CPU[1]], ['events/s', RATE[1]], MEMORY],
  openloop: [
    ['requests/s', ({ target }) => target],
    P99,
    ['cores of the server', ({ serverCores }) => serverCores],
  ],
};

function promises({ promises }) {
  const word = (met) => (met === null ? 'not measured' : met ? 'met' : '**missed**');
  return table(
    ['promise', 'measured', ''],
    promises.map(({ text, value, met }) => [text, value ?? '–', word(met)]),
  );
}

function table([first, ...heads], rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line([first, ...heads]),
    line(['---', ...heads.map(() => '---:')]),
    ...rows.map(line),
  ].join('\n');
}
