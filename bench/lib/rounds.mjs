// One scenario: its contenders started and checked, then rounds in which each has its turn.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { answers } from './contenders.mjs';
import { Failure } from './failure.mjs';
import { fixed, spreads, whole } from './numbers.mjs';
import { memory, peakMemory } from './proc.mjs';
import { kindOf } from './scenarios.mjs';
import { startChecked } from './started.mjs';
import { measure, wrk } from './wrk.mjs';

const exec = promisify(execFile);

/** The contenders of a scenario: those that it is about and that can answer. */
export function partOf(scenario, chosen) {
  const { asks, load = {}, only, not = [] } = scenario;
  return chosen.filter(([name, contender]) => {
    const kind = kindOf(name);
    if (only !== undefined ? !only.includes(kind) : not.includes(kind)) return false;
    return answers(contender, asks) && !(load.closes && contender.neverCloses);
  });
}

/** Each round begins with another, so that none always follows the same. */
export function turned(list, round) {
  const shift = round % list.length;
  return [...list.slice(shift), ...list.slice(0, shift)];
}

/** Starts and checks them, one after the other. Those that fail are left out, and why is said. */
export async function startAll(scenario, chosen, { port: firstPort, database }) {
  const servers = [];
  const faults = {};
  let port = firstPort;
  for (const [name, contender] of chosen) {
    if (contender.isBare) {
      servers.push(bare(name, contender, scenario.asks));
      continue;
    }
    try {
      const { depth = 1, closes } = scenario.load ?? {};
      const how = { depth, closes, database };
      const server = await startChecked(name, contender, port, scenario.asks, how);
      servers.push(server);
      port = server.port + 1;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      faults[name] = error.message.split('\n', 1)[0];
      console.error(`bench: LEFT OUT: ${error.message}`);
    }
  }
  return { servers, faults };
}

/** What has no server takes part too: its `run` gives requests, seconds and CPU per request. */
function bare(name, contender, question) {
  const run = async (seconds) => {
    const [program, ...args] = contender.command(question, seconds);
    const { requests, seconds: elapsed, cpu } = JSON.parse((await exec(program, args)).stdout);
    return { requests, seconds: elapsed, rate: requests / elapsed, cpu, errors: 0 };
  };
  const command = contender.command(question, 'SECONDS').join(' ');
  return { name, run, command, stop: async () => {} };
}

/**
 * Rounds of a closed loop.
 * @param client how one run is made: (load, target, seconds) → the figures of wrk
 */
export async function runRounds(name, scenario, servers, settings, client = wrk) {
  const { load, longer = 1 } = scenario;
  const { rounds, warmup } = settings;
  const duration = Number((settings.duration * longer).toFixed(2));
  if (warmup > 0) {
    for (const { run, target } of servers) {
      if (run === undefined) await client(load, target, warmup);
    }
  }
  const runs = Object.fromEntries(servers.map((server) => [server.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const server of turned(servers, round)) {
      const result = server.run
        ? await server.run(duration)
        : await measure(server.pid, load, server.target, duration, client);
      runs[server.name].push(result);
      const note = result.errors ? `, ${result.errors} ERRORS` : '';
      const place = `${name} ${round + 1}/${rounds} ${server.name}`;
      console.error(
        `bench: ${place}: ${whole(result.rate)} req/s, ${fixed(result.cpu)} µs CPU${note}`,
      );
    }
  }
  return Object.fromEntries(
    servers.map((server) => [server.name, summarise(server, runs[server.name])]),
  );
}

/** The figures of a contender: [median, least, most] of what was timed, and its memory. */
function summarise(server, runs) {
  const { requests, seconds, max, ...figures } = spreads(runs);
  const errors = runs.reduce((sum, run) => sum + run.errors, 0);
  // Whether the machine was quiet.
  const disturbed = runs.filter((run) => run.otherCores + run.stolenCores > 0.1).length;
  const result = { ...figures, errors, disturbed, runs: runs.length };
  if (server.pid !== undefined) {
    result.memory = {
      start: server.rssAtStart,
      after: memory(server.pid).rss,
      most: peakMemory(server.pid),
    };
  }
  return result;
}
