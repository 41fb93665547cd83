// `npm run loadtest`: starts the server, checks its answers, loads it with every
// client there is, and compares.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ab } from '../bench/lib/ab.mjs';
import { ask, get } from '../bench/lib/http.mjs';
import { bench } from '../bench/lib/load.mjs';
import { fixed, medians, table, times, whole } from '../bench/lib/numbers.mjs';
import { wrk } from '../bench/lib/wrk.mjs';
import { find, missing } from './programs.mjs';
import { SetupError, setup } from './setup.mjs';
import { tool } from './tool.mjs';

const USAGE = `
usage: npm run loadtest [-- [options] [-- SERVE OPTIONS]]

Starts reactor-rs serve (by default with -i 4 -w 8) on a free port of this machine,
checks its answers, and loads it with reactor-rs bench and, where they are installed,
wrk and ab: one thread each, in turns.

  --path PATH        what is asked for (default /)
  --connections N    open at once (default 64)
  --duration S       seconds of each run (default 2)
  --rounds N         runs of each client; the table has medians (default 3)

Exit code 0 when every answer was right and the server counted as many requests as
the clients, else 1.
`;

const OPTIONS = {
  path: { type: 'string', default: '/' },
  connections: { type: 'string', default: '64' },
  duration: { type: 'string', default: '2' },
  rounds: { type: 'string', default: '3' },
};

/** Requests sent at once, to see that their answers come whole and in order. */
const PIPELINED = 16;

const EXPECTED = 'target/loadtest/expected';

const CLIENTS = { 'reactor-rs bench': { run: bench }, wrk: { run: wrk }, ab: { run: ab } };

await tool('loadtest', USAGE, async (args) => {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: OPTIONS });
  const connections = number('connections', values.connections);
  const duration = number('duration', values.duration);
  const rounds = number('rounds', values.rounds);
  if (!values.path.startsWith('/')) {
    throw new SetupError(`--path must begin with a slash, got '${values.path}'`);
  }
  setup();
  const clients = Object.entries(CLIENTS).filter(([name]) => {
    const isThere = name === 'reactor-rs bench' || find(name) !== null;
    if (!isThere) {
      say(`left out: ${missing(name)}`);
    }
    return isThere;
  });
  const server = await start(positionals.length > 0 ? positionals : ['-i', '4', '-w', '8']);
  try {
    const expected = await check(server.port, values.path);
    // As a file, because an argument can neither be long nor begin with an @.
    mkdirSync('target/loadtest', { recursive: true });
    writeFileSync(EXPECTED, expected);
    const url = `http://127.0.0.1:${server.port}${values.path}`;
    const target = { url, expected: `@${EXPECTED}` };
    const runs = [];
    for (let round = 0; round < rounds; round++) {
      for (const [name, { run }] of clients) {
        runs.push({ name, ...(await run({ connections }, target, duration)) });
      }
    }
    const served = await server.stop();
    say(compare(clients, runs));
    return judge(runs, served - server.checks, connections);
  } finally {
    server.kill();
  }
});

/** The server, on a port that the system chose. */
async function start(options) {
  const child = spawn(
    process.execPath,
    ['dist/cli/bin.js', 'serve', '--json', '-H', '127.0.0.1', '-p', '0', ...options],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  process.on('exit', () => child.kill('SIGKILL'));
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
    process.on(signal, () => process.exit(code));
  }
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(() => null);
  const first = once(child.stdout.setEncoding('utf8'), 'data').then(([line]) => JSON.parse(line));
  const listening = await Promise.race([first, ended]);
  if (listening === null) {
    throw new SetupError(`the server did not start: ${stderr.trim()}`);
  }
  const { port, ioThreads, workerThreads } = listening;
  say(`${listening.url}: ${ioThreads} I/O threads, ${workerThreads} workers`);
  return {
    port,
    /** Requests that are not the clients'. */
    checks: 1 + PIPELINED,
    kill: () => child.kill('SIGKILL'),
    /** Drains, and resolves to the number of requests that the server counted. */
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      const [, count] = /served ([\d,]+) request/.exec(stderr) ?? [];
      if (child.exitCode !== 0 || count === undefined) {
        throw new SetupError(`the server ended with ${child.exitCode}: ${stderr.trim()}`);
      }
      return Number(count.replaceAll(',', ''));
    },
  };
}

/** The body that every answer must have: that of the first, if it is a good one. */
async function check(port, path) {
  const [first] = await ask(port, get(path));
  if (first?.status !== 200) {
    throw new SetupError(`GET ${path} is answered with ${first?.status ?? 'nothing'}, not 200`);
  }
  const answers = await ask(port, get(path).repeat(PIPELINED), PIPELINED);
  const right = answers.filter(({ status, body }) => status === 200 && body === first.body);
  if (right.length !== PIPELINED) {
    throw new SetupError(
      `of ${PIPELINED} pipelined requests for ${path}, ${right.length} were answered like one alone`,
    );
  }
  const shown = JSON.stringify(first.body.slice(0, 40));
  say(`GET ${path}: 200 ${shown}, the same for ${PIPELINED} pipelined requests`);
  return first.body;
}

function compare(clients, runs) {
  const rows = clients.map(([name]) => {
    const { rate, p50, p99 } = medians(runs.filter((run) => run.name === name));
    return { name, rate, p50, p99 };
  });
  const head = ['client', 'requests/s', 'to ours', 'p50 ms', 'p99 ms'];
  return `\n${table(
    head,
    rows.map(({ name, rate, p50, p99 }) => [
      name,
      whole(rate),
      times(rate / rows[0].rate),
      fixed(p50 / 1000),
      fixed(p99 / 1000),
    ]),
  )}\n`;
}

/** Whether all went well, to the exit code. */
function judge(runs, served, connections) {
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  const requests = sum('requests');
  const errors = sum('errors');
  // Clients that stop by the clock leave requests behind, one on each connection.
  const most = requests + runs.length * connections;
  const isCounted = served >= requests && served <= most;
  say(`${whole(requests)} requests, ${whole(errors)} errors`);
  if (isCounted) {
    say(`the server counted ${whole(served)}: these, and those cut off at the end of a run`);
  } else {
    say(`the server counted ${whole(served)}, NOT from ${whole(requests)} to ${whole(most)}`);
  }
  return errors === 0 && isCounted ? 0 : 1;
}

function number(name, text) {
  if (!/^[1-9]\d{0,4}$/.test(text)) {
    throw new SetupError(`--${name} must be from 1 to 99999, got '${text}'`);
  }
  return Number(text);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
