#!/usr/bin/env node
// How long do others wait while one loop sends 1 MiB to thousands of slow readers, and
// what does that hold in memory? bench/tools/slow_readers.c says who reads how.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { buildTools } from './lib/build.mjs';
import { Failure, main } from './lib/failure.mjs';
import { environment } from './lib/machine.mjs';
import { fixed, medians, table, whole } from './lib/numbers.mjs';
import { options, pick } from './lib/options.mjs';
import { slowReaders } from './lib/paths.mjs';
import { preamble, save, verdicts } from './lib/report.mjs';
import { fill, freePort, start } from './lib/server.mjs';

const usage = `
usage: bench/slow-readers.mjs [options]

  --only NAMES      contenders (default all but those that are not installed)
  --readers N       slow readers (default 5000)
  --bytes N         what each takes at once (default 16384)
  --every MS        how often it does (default 200)
  --seconds N       of each round (default 10)
  --rounds N        of each contender, in turns (default 3)
  --port N          first port to try (default 18700)
  --name NAME       results go to bench/results/DATE-NAME.* (default slow-readers)
  --no-save         print only
  --assert          exit 1 when a promise is missed
`;

const settings = {
  only: [],
  readers: 5000,
  bytes: 16_384,
  every: 200,
  seconds: 10,
  rounds: 3,
  port: 18700,
  name: 'slow-readers',
  'no-save': false,
  assert: false,
};

/** What one small answer in a hundred may take longer than. */
const MOST_P99_MS = 600;

const LARGE = 'bench/contenders/large.mjs';
const NGINX = 'bench/contenders/large-nginx.sh';

const CONTENDERS = {
  static: { command: ['node', LARGE, '{port}'], path: '/static' },
  handler: { command: ['node', LARGE, '{port}'], path: '/handler' },
  nginx: { command: [NGINX, '{port}', 'on'], path: '/static' },
  'nginx without sendfile': { command: [NGINX, '{port}', 'off'], path: '/static' },
};

/** With as many open files as the system allows. */
const unlimited = (command) => [
  'sh',
  '-c',
  'ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"',
  ...command,
];

await main(async () => {
  const options_ = options(usage, settings);
  const { readers, bytes, every, seconds, rounds } = options_;
  const all = Object.entries(CONTENDERS);
  const contenders = options_.only.length
    ? pick('contender', CONTENDERS, options_.only)
    : all.filter(([name]) => !name.startsWith('nginx') || hasNginx());
  buildTools();
  const environs = environment();

  const runs = [];
  for (let round = 1; round <= rounds; round++) {
    for (const [name, contender] of contenders) {
      const run = await measure(contender, options_);
      runs.push({ round, contender: name, ...run });
      console.error(`bench: round ${round}, ${name}: p99 ${fixed(run.p99)} ms`);
    }
  }

  const of = (name) => runs.filter(({ contender }) => contender === name);
  const median = (name, key) => medians(of(name))[key];
  const targets = contenders
    .map(([name]) => name)
    .filter((name) => name === 'static' || name === 'handler')
    .map((name) => ({
      text: `${name}: p99 < ${MOST_P99_MS} ms`,
      value: `${fixed(median(name, 'p99'))} ms`,
      met: median(name, 'p99') < MOST_P99_MS,
    }));
  const keys = ['p50', 'p99', 'max', 'mibPerSecond'];
  const text = table(
    ['server', 'p50 ms', 'p99 ms', 'longest ms', 'MiB/s', 'memory MiB', 'TCP memory MiB'],
    contenders.map(([name]) => [
      name,
      ...keys.map((key) => fixed(median(name, key))),
      whole(median(name, 'residentMiB')),
      whole(median(name, 'tcpMiB')),
    ]),
  );
  const data = {
    ...environs,
    settings: { readers, bytes, every, seconds, rounds },
    targets,
    runs,
  };
  console.log(`${text}\n\n${verdicts(targets)}`);
  if (!options_['no-save']) save(options_.name, data, markdown(data, text));
  return options_.assert && targets.some(({ met }) => !met) ? 1 : 0;
});

function hasNginx() {
  return process.env.PATH.split(':').some((folder) => {
    try {
      return readFileSync(`${folder}/nginx`).length > 0;
    } catch {
      return false;
    }
  });
}

async function measure({ command, path }, { readers, bytes, every, seconds, port: from }) {
  const port = await freePort(from);
  const server = await start(unlimited(fill(command, port)), port);
  let residentMiB = 0;
  let tcpMiB = 0;
  const look = setInterval(() => {
    residentMiB = Math.max(residentMiB, resident(server.pid));
    tcpMiB = Math.max(tcpMiB, tcpMemory());
  }, 50);
  const args = [port, readers, bytes, every, seconds, path, '/small'].map(String);
  const [program, ...rest] = unlimited([slowReaders, ...args]);
  const client = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  client.stdout.on('data', (data) => {
    output += data;
  });
  const [code] = await once(client, 'close');
  clearInterval(look);
  await server.stop();
  if (code !== 0) throw new Failure(`slow_readers ended with ${code}`);
  return { ...JSON.parse(output), residentMiB, tcpMiB };
}

/** Of a process, in MiB. */
function resident(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

/** Of all connections of the machine, in MiB. */
function tcpMemory() {
  const pages = /TCP:.* mem (\d+)/.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1];
  return (Number(pages ?? 0) * 4096) / 1024 / 1024;
}

function markdown(data, text) {
  const { readers, bytes, every, seconds, rounds } = data.settings;
  return [
    preamble('Thousands of slow readers', data),
    '',
    `${whole(readers)} connections ask for 1 MiB again and again and take ${whole(bytes)} bytes ` +
      `every ${every} ms. Beside them 16 connections ask for a small answer 200 times a second; ` +
      `times count from when each was due. Medians of ${rounds} rounds of ${seconds} s. TCP memory ` +
      'is that of the whole machine, the client included.',
    '',
    text,
    '',
    verdicts(data.targets),
  ].join('\n');
}
