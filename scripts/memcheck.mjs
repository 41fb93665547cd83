// `npm run memcheck`: the example server under valgrind, with a load that goes
// everywhere in it once.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { need } from './programs.mjs';
import { startServe } from './serve-example.mjs';
import { SetupError, setup } from './setup.mjs';
import { buildServe, tool } from './tool.mjs';

const USAGE = `
usage: npm run memcheck [-- [options] [-- SERVER OPTIONS]]

Runs the example server (by default with -i 2 -w 2) under valgrind: every route,
refused requests, pipelines, connections that vanish, a reader that does not read,
some load, then SIGTERM in the midst of requests.

  --seconds N    how long the load lasts (default 3)
  --log FILE     all that valgrind says (default target/memcheck.log)

Exit code 0 when every answer was right, nothing was lost, no access was invalid, no
socket was left open and the server ended with 0; else 1.
`;

/** Valgrind's exit code when it has found something. */
const FOUND = 9;

/** How long the server may take to its end under valgrind. */
const PATIENCE_MS = 60_000;

await tool('memcheck', USAGE, async (args) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '3' },
      log: { type: 'string', default: 'target/memcheck.log' },
    },
  });
  if (!/^[1-9]\d{0,3}$/.test(values.seconds)) {
    throw new SetupError(`--seconds must be from 1 to 9999, got '${values.seconds}'`);
  }
  const valgrind = need('valgrind');
  setup();
  const program = buildServe('profiling');
  const options = positionals.length > 0 ? positionals : ['-i', '2', '-w', '2'];
  const server = await startServe([
    valgrind,
    ...checks(values.log),
    program,
    '-p',
    '0',
    ...options,
  ]);
  const problems = [];
  try {
    problems.push(...(await load(server, values.seconds)));
    problems.push(...(await end(server)));
  } finally {
    server.child.kill('SIGKILL');
  }
  const log = readFileSync(values.log, 'utf8').replace(/^==\d+== ?/gm, '');
  process.stdout.write(`${log.slice(log.indexOf('HEAP SUMMARY')).trim()}\n`);
  const sockets = log.match(/^Open AF_/gm)?.length ?? 0;
  if (sockets > 0) {
    problems.push(`${sockets} sockets were open at the end`);
  }
  for (const problem of problems) {
    process.stderr.write(`memcheck: ${problem}; see ${values.log}\n`);
  }
  process.stdout.write(problems.length > 0 ? 'FAILED\n' : 'ok: no leak, no invalid access\n');
  return problems.length > 0 ? 1 : 0;
});

/** How valgrind is to look. */
function checks(log) {
  return [
    ...['--leak-check=full', '--show-leak-kinds=definite,possible'],
    ...['--errors-for-leak-kinds=definite,possible', `--error-exitcode=${FOUND}`],
    // Valgrind runs one thread at a time; without it a busy one can keep the others
    // out for seconds.
    ...['--fair-sched=try', '--track-fds=yes', `--log-file=${log}`],
  ];
}

/** The scripted load, which stops the server at its end. */
async function load({ child, port }, seconds) {
  const script = ['bench/lib/scripted.mjs', port, child.pid, seconds].map(String);
  const [code] = await once(
    spawn(process.execPath, script, { stdio: ['ignore', 'inherit', 'inherit'] }),
    'exit',
  );
  if (code === 0) {
    return [];
  }
  child.kill('SIGTERM');
  return ['the load went wrong'];
}

/** Waits for the server's end. */
async function end({ ended }) {
  const how = await Promise.race([ended, sleep(PATIENCE_MS, null, { ref: false })]);
  if (how === null) {
    return [`the server does not stop within ${PATIENCE_MS / 1000} s of SIGTERM`];
  }
  if (how.code === FOUND) {
    return ['valgrind found errors'];
  }
  return how.code === 0 ? [] : [`the server ended with ${how.code ?? how.signal}`];
}
