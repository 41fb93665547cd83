// One run of wrk, with what it cost the server, the client and the machine.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure } from './failure.mjs';
import { wrkScript } from './paths.mjs';
import {
  childrenCpuSeconds,
  contextSwitches,
  cpuBetween,
  cpuByThread,
  machineCpuSeconds,
} from './proc.mjs';

const exec = promisify(execFile);

/**
 * The arguments of wrk for a scenario: threads, connections and depth of the pipeline. A target
 * may have a file with the bytes of its request, or of several that take turns.
 */
export function wrkArgs(
  { threads = 1, connections, depth = 1 },
  { url, request, takesTurns },
  seconds,
) {
  const load = [`-t${threads}`, `-c${connections}`, `-d${Math.ceil(seconds)}s`];
  const file = request === undefined ? [] : [request];
  return [
    ...load,
    '-s',
    wrkScript,
    url,
    '--',
    String(depth),
    ...file,
    ...(takesTurns ? ['turns'] : []),
  ];
}

/** Runs wrk and returns its own figures. */
export async function wrk(scenario, target, seconds) {
  let output;
  try {
    const running = exec('wrk', wrkArgs(scenario, target, seconds));
    // wrk takes whole seconds; SIGINT ends it early, with all that it prints.
    const isWhole = Number.isInteger(seconds);
    const timer = isWhole ? null : setTimeout(() => running.child.kill('SIGINT'), seconds * 1000);
    output = (await running).stdout;
    clearTimeout(timer);
  } catch (error) {
    if (error.code === 'ENOENT') {
      throw new Failure('wrk is missing; install it (Debian, Ubuntu: apt-get install wrk)');
    }
    throw new Failure(`wrk failed: ${error.stderr || error.message}`);
  }
  const figures = JSON.parse(output.trim().split('\n').at(-1));
  // Against coordinated omission wrk adds samples as if every response were a round
  // trip of its own, which below a pipeline of many makes its percentiles nonsense.
  const sound = (scenario.depth ?? 1) === 1;
  return {
    rate: figures.requests / figures.seconds,
    requests: figures.requests,
    seconds: figures.seconds,
    p50: sound ? figures.p50 : null,
    p99: sound ? figures.p99 : null,
    errors: Object.values(figures.errors).reduce((sum, count) => sum + count, 0),
    errorKinds: figures.errors,
  };
}

/**
 * Runs wrk, or another client of its shape, and adds, per request: server CPU in
 * µs and context switches; and in cores: how busy the server, the client,
 * everybody else and the hypervisor's other guests were. A client near 1 core per
 * thread was the bottleneck itself.
 */
export async function measure(pid, scenario, target, seconds, load = wrk) {
  const read = () => ({
    server: cpuByThread(pid),
    client: childrenCpuSeconds(),
    machine: machineCpuSeconds(),
    switches: contextSwitches(pid),
  });
  const before = read();
  const run = await load(scenario, target, seconds);
  const after = read();

  // By thread in nanoseconds: /proc/PID/stat rounds to 10 ms, much in a short run.
  const server = cpuBetween(before.server, after.server);
  const client = after.client - before.client;
  const busy = after.machine.busy - before.machine.busy;
  const perRequest = (amount) => (run.requests ? amount / run.requests : null);
  return {
    ...run,
    cpu: perRequest(server * 1e6),
    voluntary: perRequest(after.switches.voluntary - before.switches.voluntary),
    involuntary: perRequest(after.switches.involuntary - before.switches.involuntary),
    serverCores: server / run.seconds,
    clientCores: client / run.seconds,
    otherCores: Math.max(0, busy - server - client) / run.seconds,
    stolenCores: (after.machine.steal - before.machine.steal) / run.seconds,
  };
}
