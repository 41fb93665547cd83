#!/usr/bin/env node
// Whether requests of different loops and handler threads meet in a cache line. A machine with few
// cores cannot show how an engine behaves on many. But it can show what each thread writes.

import { spawn, spawnSync } from 'node:child_process';
import { find, missing } from '../scripts/programs.mjs';
import { Failure, main } from './lib/failure.mjs';
import { Lines, moves, moving, written } from './lib/lines.mjs';
import { fixed, table, whole } from './lib/numbers.mjs';
import { options } from './lib/options.mjs';
import './lib/paths.mjs';

const usage = `
usage: bench/lines.mjs [options]
  --program FILE      instead of the example server, which it builds (crates/server/examples/lanes)
  --threads N         loops, and as many lanes or workers (default 16)
  --connections N     per loop (default 16)
  --requests N        per connection (default 8)
  --path PATH         / is answered by a lane, /worker by a worker (default /)
  --options LIST      further options of the program, such as --shared-count
  --share P           a line counts as shared if three threads write it at least P times in a
                      hundred of their requests (default 20)
  --top N             prints so many of the shared lines (default 12)
  --assert            it is a failure if a line is shared that is not a lane's queue

Runs the server under valgrind's lackey with every memory access written down, asks it, and prints
which cache lines several threads write, and how often lines move from thread to thread.`;

await main(async () => {
  const args = options(usage, {
    program: '',
    threads: 16,
    connections: 16,
    requests: 8,
    path: '/',
    options: [],
    share: 20,
    top: 12,
    assert: false,
  });
  if (find('valgrind') === null) {
    console.log(`# skipped: ${missing('valgrind')}`);
    return 0;
  }
  const program = args.program || build();
  const { lines, lanes, requests } = await trace(program, args);
  const shared = written(lines, requests / args.threads, args.share / 100);
  const { pair, shared: several } = moves(lines);
  console.log(`${whole(requests)} requests of ${args.path}, ${args.threads} loops and as many`);
  console.log(`handler threads: ${whole(lines.accesses)} memory accesses`);
  console.log(`lines moved between two threads: ${fixed(pair / requests)} a request`);
  console.log(`lines moved between more threads: ${fixed(several / requests)} a request`);
  console.log(`\nlines that three threads or more write: ${shared.length}`);
  print(shared.slice(0, args.top), lanes, requests);
  console.log('\nlines that move most between more than two threads');
  print(moving(lines).slice(0, args.top), lanes, requests);
  if (!args.assert) return 0;
  const other = shared.filter(({ address }) => laneAt(address, lanes) < 0);
  console.log(`\n${other.length === 0 ? 'ok' : 'not ok'} - no shared line but queues of lanes`);
  return other.length === 0 ? 0 : 1;
});

/** Counts are per request. */
function print(found, lanes, requests) {
  if (found.length === 0) return;
  const each = (count) => fixed(count / requests, 3);
  const rows = found.map((line) => [
    nameOf(line.address, lanes),
    `${line.writers}`,
    `${line.readers}`,
    ...[line.writes, line.reads, line.moves].map(each),
  ]);
  console.log(table(['line', 'writers', 'readers', 'writes', 'reads', 'moves'], rows));
}

/** Lanes lie apart; what is near a lane's beginning is the lane's. -1 for another address. */
function laneAt(address, lanes) {
  return lanes.findIndex((from) => address >= from && address < from + 1024);
}

function nameOf(address, lanes) {
  const lane = laneAt(address, lanes);
  if (lane < 0) return address.toString(16);
  return `lane ${lane} + ${address - lanes[lane]}`;
}

function build() {
  const args = ['build', '--release', '--quiet', '-p', 'reactor-server', '--example', 'lanes'];
  const { status } = spawnSync('cargo', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Failure(`'cargo ${args.join(' ')}' failed`);
  return 'target/release/examples/lanes';
}

/** Runs the program, asks it, and follows its accesses from when it listens. */
async function trace(program, { threads, connections, requests, path, options }) {
  const handlers = path === '/worker' ? ['-w', threads] : ['-l', threads];
  const server = spawn(
    'valgrind',
    [
      ...['--tool=lackey', '--trace-mem=yes', '--basic-counts=no', '--fair-sched=yes'],
      ...['--log-fd=3', program, '-p', '0', '-i', threads, ...handlers, ...options].map(String),
    ],
    { stdio: ['ignore', 'inherit', 'pipe', 'pipe'] },
  );
  const kill = () => server.kill('SIGKILL');
  process.on('exit', kill);
  let said = '';
  let [lines, lanes] = [null, []];
  // What comes before is the start.
  server.stdio[3].on('data', (chunk) => lines?.push(chunk));
  const port = await new Promise((resolve, reject) => {
    const fail = () => reject(new Failure(`${program} does not start: ${said}`));
    server.on('exit', fail).on('error', fail);
    server.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
      const stacks = /^stacks (.+)$/m.exec(said)?.[1];
      const places = /^lanes (.+)$/m.exec(said)?.[1] ?? '';
      const port = /^listening on \S*:(\d+)$/m.exec(said)?.[1];
      if (stacks === undefined || port === undefined) return;
      lines = new Lines(stacks.split(' '));
      lanes = places.split(' ').map((place) => Number.parseInt(place, 16));
      resolve(Number(port));
    });
  });
  const all = threads * connections;
  const client = ['bench/lib/steady.mjs', port, path, all, requests].map(String);
  const status = await new Promise((resolve) => {
    spawn(process.execPath, client, { stdio: ['ignore', 'inherit', 'inherit'] }).on(
      'exit',
      resolve,
    );
  });
  if (status !== 0) throw new Failure('the client failed');
  // The end is not followed.
  const followed = lines;
  lines = null;
  server.removeAllListeners('exit');
  server.kill('SIGKILL');
  process.off('exit', kill);
  return { lines: followed, lanes, requests: all * requests };
}
