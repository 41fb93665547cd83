// What attackers do to a server, and whether it serves the others meanwhile.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { launch, printed } from '../support/command.mjs';
import { MIB } from './transfers.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVER = fileURLToPath(new URL('abuse-server.mjs', import.meta.url));

/** What the memory of a server may grow by under any attack. */
export const MOST_GROWTH = 256 * MIB;

/** How long a canary's answer, or the end of the last connection, may take on a busy machine. */
const PATIENCE_MS = 60_000;

/** The four modes of slowhttptest(1), each with what it does. */
export const SLOW_MODES = {
  // Heads of which a line comes now and then.
  headers: (url) => ['-H', '-x', '24', '-u', url],
  // Bodies of which a few bytes come now and then.
  body: (url) => ['-B', '-s', '8192', '-x', '10', '-u', `${url}/upload`],
  // Hundreds of overlapping ranges.
  range: (url) => ['-R', '-a', '10', '-b', '3000', '-t', 'GET', '-u', `${url}/large`],
  // Small windows, read a few bytes at a time.
  read: (url) => [
    '-X',
    '-w',
    '512',
    '-y',
    '1024',
    '-n',
    '5',
    '-z',
    '32',
    '-k',
    '3',
    '-u',
    `${url}/large`,
  ],
};

/** The four kinds of load under which a server is told to stop: options of bench/drain.mjs. */
export const DRAINS = {
  'kept connections': [],
  'pipelined requests': ['--depth', '16'],
  uploads: ['--slow', '50'],
  'short connections': ['--churn', '1'],
};

async function attacked(use) {
  const child = launch([SERVER]);
  const closed = once(child.process, 'close');
  try {
    const [line] = await Promise.race([once(child.process.stdout, 'data'), closed]);
    if (typeof line !== 'string') {
      throw new Error(`abuse-server.mjs ends: ${child.stderr()}`);
    }
    const port = Number(line.slice('listening '.length));
    const before = await state(port);
    const problems = await use(port);
    const after = await settled(port);
    const growth = after.resident - before.resident;
    // The one that asks is open.
    if (after.open !== 1) {
      problems.push(`${after.open - 1} connections stay open`);
    }
    if (growth > MOST_GROWTH) {
      problems.push(`it holds ${(growth / MIB).toFixed(0)} MiB more`);
    }
    child.process.kill('SIGTERM');
    const [code] = await closed;
    if (code !== 0 || child.stderr() !== '') {
      problems.push(`it ends with ${code} and says ${JSON.stringify(child.stderr())}`);
    }
    return { problems, growth };
  } finally {
    child.process.kill('SIGKILL');
  }
}

/**
 * Damaged requests, each on a connection of its own, by crates/conformance/examples/mutate.rs.
 * `seed` and those after it decide the damage.
 */
export async function mutations({ connections, seed }) {
  let counts = {};
  const result = await attacked(async (port) => {
    const { code, stdout, stderr } = await output('cargo', [
      ...['run', '-q', '--release', '-p', 'reactor-conformance', '--example', 'mutate', '--'],
      ...[`127.0.0.1:${port}`, '--connections', `${connections}`, '--seed', `${seed}`],
    ]);
    const lines = stdout.trimEnd().split('\n');
    try {
      counts = JSON.parse(lines.pop());
    } catch {
      return [`mutate ends with ${code}: ${stderr}`];
    }
    return lines.filter((line) => line !== '');
  });
  return { ...result, ...counts };
}

/** One mode of slowhttptest, with a client beside it that must be served. */
export async function slow(mode, { connections, seconds }) {
  let canaries = [];
  const result = await attacked(async (port) => {
    const stopped = new AbortController();
    const beside = canary(port, stopped.signal);
    const { code, stdout } = await output('slowhttptest', [
      ...SLOW_MODES[mode](`http://127.0.0.1:${port}`),
      ...[
        '-c',
        `${connections}`,
        '-r',
        `${connections}`,
        '-l',
        `${seconds}`,
        '-i',
        '2',
        '-p',
        '30',
      ],
    ]);
    stopped.abort();
    const asked = await beside;
    canaries = asked.times;
    // Its exit code is always 0, and its output is coloured.
    const said = stripVTControlCharacters(stdout).matchAll(/service available:\s*(\w+)/g);
    const available = [...said].at(-1)?.[1];
    return [
      ...asked.problems,
      ...(code === 0 ? [] : [`slowhttptest ends with ${code}: ${stdout.slice(-300)}`]),
      ...(available === 'YES'
        ? []
        : [`slowhttptest says that the service is available: ${available}`]),
    ];
  });
  const sorted = canaries.toSorted((a, b) => a - b);
  return {
    ...result,
    canaries: sorted.length,
    p99: sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN,
  };
}

/** Stops a server `rounds` times under one kind of load; bench/drain.mjs judges. */
export async function drains(kind, { rounds }) {
  const { code, stdout, stderr } = await output(process.execPath, [
    `${ROOT}/bench/drain.mjs`,
    ...['--rounds', `${rounds}`, '--no-save', '--assert'],
    ...DRAINS[kind],
  ]);
  const lines = stdout.trimEnd().split('\n');
  return {
    summary: lines.find((line) => line.includes('without an answer'))?.trim() ?? '',
    problems: code === 0 ? [] : [...lines.slice(-20), stderr.slice(-500)],
  };
}

/** Asks for a static route and for a handler's, on new connections, until told to stop. */
async function canary(port, signal) {
  const times = [];
  const problems = [];
  while (!signal.aborted) {
    for (const [path, wanted] of [
      ['/canary', 'alive'],
      ['/handler', 'GET 0\n'],
    ]) {
      const from = performance.now();
      const got = await ask(port, path).catch((error) => ({ body: error.message }));
      times.push(performance.now() - from);
      if (got.status !== 200 || got.body !== wanted) {
        problems.push(`a client beside it gets ${got.status} ${JSON.stringify(got.body)}`);
      }
    }
    await sleep(50);
  }
  return { times, problems: problems.slice(0, 5) };
}

/** Memory and connections once no other is left, or as they stay. */
async function settled(port) {
  const until = Date.now() + PATIENCE_MS;
  let last = await state(port);
  while (last.open > 1 && Date.now() < until) {
    await sleep(100);
    last = await state(port);
  }
  return last;
}

async function state(port) {
  return JSON.parse((await ask(port, '/state')).body);
}

async function ask(port, path) {
  const req = request({
    ...{ host: '127.0.0.1', port, path, agent: false },
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  req.end();
  const [res] = await once(req, 'response');
  let body = '';
  for await (const text of res.setEncoding('utf8')) {
    body += text;
  }
  return { status: res.statusCode, body };
}

async function output(file, args) {
  const child = spawn(file, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const { stdout, stderr } = printed(child);
  const [code] = await once(child, 'close');
  return { code, stdout: stdout(), stderr: stderr() };
}
