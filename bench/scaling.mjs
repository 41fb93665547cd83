#!/usr/bin/env node
// What bounds the throughput of up to 16 loops and 16 handler threads: a simulation of the queues
// between them, for machines with more cores than this one. Each thread has a core of its own.
// Service times come from counts of instructions (`npm run bench:instructions`), cache lines that
// move (`bench/lines.mjs`), and a few times of system calls that the usage text names.

import { main } from './lib/failure.mjs';
import { fixed, table, whole } from './lib/numbers.mjs';
import { options } from './lib/options.mjs';
import { Queues } from './lib/queues.mjs';

const usage = `
usage: bench/scaling.mjs [options]
  --connections N   per loop, each with one request at a time (default 64)
  --handler NS      of JavaScript for a request (default 3000)
  --instruction PS  picoseconds for an instruction (default 350)
  --loop N          instructions of a loop for a request (default 1700)
  --lane N          native instructions of the handler's thread for a request (default 2500)
  --turn N          instructions of a turn without requests, of either (default 2000)
  --system NS       system calls for a request: recv and send (default 3200)
  --wait NS         system call of a turn: epoll_wait (default 500)
  --move NS         a cache line that moves between cores (default 60; 120 between sockets)
  --pair N          lines that a request moves between its two threads (default 36)
  --handover N      lines that a batch moves (default 8)
  --wake NS         system call that wakes a thread (default 2500)
  --woken NS        until the woken thread runs (default 8000)
  --round NS        until a client has its answer and its next request is there (default 30000)
  --seconds N       simulated time, in hundredths (default 10)

The first table is the engine's policy: a loop prefers its own share of the lanes. In the second
each request goes to the lane with the least to do. In the third connections are spread over loops by
chance, as SO_REUSEPORT does, not by the acceptor.`;

const THREADS = [1, 2, 4, 8, 16];

await main(() => {
  const args = options(usage, {
    connections: 64,
    handler: 3000,
    instruction: 350,
    loop: 1700,
    lane: 2500,
    turn: 2000,
    system: 3200,
    wait: 500,
    move: 60,
    pair: 36,
    handover: 8,
    wake: 2500,
    woken: 8000,
    round: 30_000,
    seconds: 10,
  });
  print('each loop prefers lanes of its own', args, { prefers: true, even: true });
  print('the lane with the least to do', args, { prefers: false, even: true });
  print('connections by chance', args, { prefers: true, even: false });
});

function print(title, args, policy) {
  const results = THREADS.map((threads) => new Queues(threads, args, policy).run());
  const rows = results.map((result) => [
    `${result.threads} + ${result.threads}`,
    whole(result.rate),
    `${fixed(100 * result.loops, 0)} %`,
    `${fixed(100 * result.busiest, 0)} %`,
    `${fixed(100 * result.lanes, 0)} %`,
    fixed((1e6 * result.threads * result.loops) / result.rate),
    fixed((1e6 * result.threads * result.lanes) / result.rate),
    fixed(result.handovers),
    fixed(result.wakes),
  ]);
  console.log(`\n${title}\n`);
  console.log(
    table(
      [
        'loops + lanes',
        'requests/s',
        'loops busy',
        'busiest',
        'lanes busy',
        'µs of a loop',
        'µs of a lane',
        'hand-overs/req',
        'wakes/req',
      ],
      rows,
    ),
  );
}
