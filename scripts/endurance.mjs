// `npm run endurance`: what takes too long for `npm test`.

import { spawnSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { DRAINS, drains, mutations, SLOW_MODES, slow } from '../__test__/endurance/abuse.mjs';
import { ANSWERS } from '../__test__/endurance/answers.mjs';
import { ENDINGS, endRepeatedly } from '../__test__/endurance/endings.mjs';
import { watch } from '../__test__/endurance/leaks.mjs';
import {
  MIB,
  MOST_GROWTH,
  TRANSFERS,
  transfer,
  transferServer,
} from '../__test__/endurance/transfers.mjs';
import { nodeVersions } from './node-versions.mjs';
import { skipReason } from './programs.mjs';
import { bin, ROOT, SetupError, setup } from './setup.mjs';

const USAGE = `
usage: npm run endurance -- [PART …] [options]

  suite       all of ava's tests, on several versions of Node
  endings     a server under load ends in every way there is, again and again,
              on several versions of Node
  leak        what a server holds on to over many requests of every kind
  transfers   the memory of a server while large bodies go through it
  differential
              random requests to this server and to node:http
  abuse       damaged requests, slow clients of four kinds (slowhttptest), and
              stops under four kinds of load

  --node MAJORS      versions of Node for endings and suite, installed if
                     missing (default 20,22,24,26)
  --ending NAMES     ${Object.keys(ENDINGS).join(', ')} (default all)
  --answer NAMES     ${Object.keys(ANSWERS).join(', ')} (default all)
  --rounds N         rounds of each combination (default 200)
  --seed N           another N, other moments (default 0)
  --requests N       requests of leak (default 1000000)
  --size MIB         size of each transfer (default 1024)
  --seeds N          random seeds of differential (default 50)
  --connections N    connections of abuse with damaged requests (default 3100000);
                     --seed decides the damage
  --slow N           connections of each slow kind (default 5000)
  --stops N          stops under each kind of load (default 50)

Without a part all of them run. Exit code 1 when anything went wrong.
`;

const PARTS = { suite, endings, leak, transfers, differential, abuse };

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      node: { type: 'string', default: '20,22,24,26' },
      ending: { type: 'string', default: Object.keys(ENDINGS).join() },
      answer: { type: 'string', default: Object.keys(ANSWERS).join() },
      rounds: { type: 'string', default: '200' },
      seed: { type: 'string', default: '0' },
      requests: { type: 'string', default: '1000000' },
      size: { type: 'string', default: '1024' },
      seeds: { type: 'string', default: '50' },
      connections: { type: 'string', default: '3100000' },
      slow: { type: 'string', default: '5000' },
      stops: { type: 'string', default: '50' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE.trimStart());
    return 0;
  }
  const parts = positionals.length > 0 ? positionals : Object.keys(PARTS);
  const run = parts.map((part) => of('part', part, PARTS));
  setup();
  let failures = 0;
  for (const part of run) {
    failures += await part(values);
  }
  return failures > 0 ? 1 : 0;
}

/** The tests, with each version for the runner and all that it starts. */
function suite(values) {
  let failures = 0;
  for (const { version, path } of nodeVersions(majorsOf(values))) {
    const env = { ...process.env, PATH: `${dirname(path)}${delimiter}${process.env.PATH}` };
    const { status } = spawnSync(path, [bin('ava'), '--tap'], {
      cwd: ROOT,
      env,
      stdio: 'inherit',
    });
    failures += status === 0 ? 0 : 1;
    say(`${status === 0 ? 'ok' : 'FAILED'}  ${version}  the suite`);
  }
  return failures;
}

function majorsOf({ node }) {
  const majors = node.split(',');
  for (const major of majors) {
    number('node', major);
  }
  return majors;
}

/** Every way to end, with every kind of handler, on every version. */
async function endings(values) {
  const rounds = number('rounds', values.rounds);
  const seed = number('seed', values.seed);
  const majors = majorsOf(values);
  const names = values.ending.split(',');
  const answers = values.answer.split(',');
  names.map((name) => of('--ending', name, ENDINGS));
  answers.map((name) => of('--answer', name, ANSWERS));
  const total = { combinations: 0, rounds: 0, failures: 0 };
  for (const { version, path: node } of nodeVersions(majors)) {
    for (const ending of names) {
      for (const answer of answers) {
        const from = performance.now();
        const sums = await endRepeatedly({ ending, answer, rounds, node, seed });
        const { failures, ...counts } = sums;
        const figures = Object.entries(counts).map(([what, count]) => `${what} ${count}`);
        const seconds = ((performance.now() - from) / 1000).toFixed(0);
        const line = [version, ending, answer, ...figures, `${seconds} s`].join('  ');
        say(`${failures.length > 0 ? 'FAILED' : 'ok'}  ${line}`);
        failures.forEach(say);
        total.combinations += 1;
        total.rounds += counts.rounds;
        total.failures += failures.length;
      }
    }
  }
  const { combinations } = total;
  say(`endings: ${combinations} combinations, ${total.rounds} rounds, ${total.failures} failures`);
  return total.failures;
}

/** Many requests, and one line for each measurement. */
async function leak(values) {
  const requests = number('requests', values.requests);
  const { sent, problems } = await watch({
    requests,
    onLap: ({ sent, resident, native, javascript, ...counts }) => {
      const sizes = Object.entries({ resident, native, javascript }).map(([name, bytes]) => {
        return `${name} ${(bytes / MIB).toFixed(1)} MiB`;
      });
      const others = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
      say([`after ${sent} requests`, ...sizes, ...others].join('  '));
    },
  });
  problems.forEach(say);
  say(`leak: ${sent} requests, ${problems.length} leaks`);
  return problems.length;
}

/** Every kind of transfer. */
async function transfers(values) {
  const size = MIB * number('size', values.size);
  const server = await transferServer();
  let failures = 0;
  for (const name of Object.keys(TRANSFERS)) {
    const { arrived, counted, growth, duration } = await transfer(server, name, size);
    const isGood = arrived === size && counted === size && growth < MOST_GROWTH;
    failures += isGood ? 0 : 1;
    say(
      `${isGood ? 'ok' : 'FAILED'}  ${name}  ${arrived / MIB} of ${size / MIB} MiB  ${(growth / MIB).toFixed(1)} MiB more at the peak  ${(duration / 1000).toFixed(1)} s`,
    );
  }
  const stderr = await server.stop();
  if (stderr !== '') {
    failures += 1;
    say(`FAILED  it prints ${JSON.stringify(stderr)}`);
  }
  say(`transfers: ${Object.keys(TRANSFERS).length} transfers, ${failures} failures`);
  return failures;
}

/** The comparison with node:http, from other seeds than `npm test` has. */
function differential(values) {
  const seeds = number('seeds', values.seeds);
  let failures = 0;
  for (let n = 0; n < seeds; n++) {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const { status, stdout, stderr } = spawnSync(
      bin('ava'),
      ['__test__/server/differential.test.mjs'],
      {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, REACTOR_DIFF_SEED: String(seed) },
      },
    );
    say(`${status === 0 ? 'ok' : 'FAILED'}  REACTOR_DIFF_SEED=${seed}`);
    if (status !== 0) {
      failures += 1;
      say(stdout + stderr);
    }
  }
  say(`differential: ${seeds} seeds, ${failures} failures`);
  return failures;
}

/** What attackers do, and clients and requests that must not suffer from it. */
async function abuse(values) {
  const connections = number('connections', values.connections);
  const slowConnections = number('slow', values.slow);
  const rounds = number('stops', values.stops);
  const seed = number('seed', values.seed);
  const missing = skipReason('slowhttptest');
  let failures = 0;
  const report = (what, problems, figures) => {
    failures += problems.length > 0 ? 1 : 0;
    say([problems.length > 0 ? 'FAILED' : 'ok', what, ...figures].join('  '));
    problems.forEach(say);
  };
  if (connections > 0) {
    const { problems, growth, served, refused } = await mutations({ connections, seed });
    report(`${connections} connections with damaged requests`, problems, [
      `${served} requests served, ${refused} refused`,
      `${(growth / MIB).toFixed(1)} MiB more held`,
    ]);
  }
  if (slowConnections > 0 && missing !== null) {
    say(`skipped: ${missing}`);
  }
  for (const mode of slowConnections > 0 && missing === null ? Object.keys(SLOW_MODES) : []) {
    const run = await slow(mode, { connections: slowConnections, seconds: 30 });
    report(`${slowConnections} slow clients: ${mode}`, run.problems, [
      `${run.canaries} canaries served, p99 ${run.p99.toFixed(1)} ms`,
      `${(run.growth / MIB).toFixed(1)} MiB more held`,
    ]);
  }
  for (const kind of rounds > 0 ? Object.keys(DRAINS) : []) {
    const { problems, summary } = await drains(kind, { rounds });
    report(`${rounds} stops under ${kind}`, problems, [summary]);
  }
  say(`abuse: ${failures} failures`);
  return failures;
}

/** The entry of a table. */
function of(what, name, table) {
  if (!Object.hasOwn(table, name)) {
    throw new SetupError(
      `${what} '${name}' is not there; there are: ${Object.keys(table).join(', ')}`,
    );
  }
  return table[name];
}

function number(name, text) {
  if (!/^\d+$/.test(text)) {
    throw new SetupError(`--${name} takes whole numbers, not '${text}'`);
  }
  return Number(text);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error.code?.startsWith('ERR_PARSE_ARGS');
  if (!isUsage && !(error instanceof SetupError)) {
    throw error;
  }
  process.stderr.write(`endurance: ${error.message}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
