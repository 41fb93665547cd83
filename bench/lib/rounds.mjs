// One scenario: its contenders started and checked, then rounds in which each has its turn.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { answers } from './contenders.mjs';
import { measureEvents } from './events.mjs';
import { Failure } from './failure.mjs';
import { h2load, Stalled } from './h2load.mjs';
import { kindOf } from './kinds.mjs';
import { bench } from './load.mjs';
import { fixed, spreads, whole } from './numbers.mjs';
import { once } from './once.mjs';
import { memory, peakMemory } from './proc.mjs';
import { short } from './short.mjs';
import { startChecked } from './started.mjs';
import { agreed } from './tls.mjs';
import { measure, wrk } from './wrk.mjs';

const exec = promisify(execFile);

/** The contenders of a scenario: those that it is about and that can answer. */
export function partOf(scenario, chosen) {
  const { asks, load, only } = scenario;
  return chosen.filter(([name, contender]) => {
    if (only !== undefined && !only.includes(kindOf(name))) return false;
    if (contender.groups !== undefined && !contender.groups.includes(scenario.group)) return false;
    if (isHttp2(scenario) && !contender.http2) return false;
    if (isSecureLoad(scenario) && contender.tls === undefined) return false;
    return answers(contender, asks) && !(load.requests && contender.neverCloses);
  });
}

/** Whether it is over TLS. */
const isSecureLoad = ({ client, load }) => client === 'tls' || load.isSecure === true;

const isHttp2 = ({ client }) => client === 'h2load';

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
      const { depth = 1, requests } = scenario.load;
      const isSecure = isSecureLoad(scenario);
      const scheme = scenario.client === 'websocket' ? 'ws' : 'http';
      const closes = requests !== undefined;
      const how = { depth, closes, database, isSecure, scheme, http2: isHttp2(scenario) };
      const server = await startOne(name, contender, port, scenario.asks, how);
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

/** Between the search for a free port and the start somebody else may have taken it. */
async function startOne(name, contender, port, ...rest) {
  try {
    return await startChecked(name, contender, port, ...rest);
  } catch (error) {
    if (!/in use/i.test(error.message)) throw error;
    return startChecked(name, contender, port + 20, ...rest);
  }
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

const TRIES = 3;

/** How a client warms a server up, or null, and how it is timed. */
const CLIENTS = {
  wrk: { warm: wrk, timed: measure },
  short: { warm: short, timed: (...args) => measure(...args, short) },
  events: { warm: null, timed: measureEvents },
  tls: { warm: bench, timed: (...args) => measure(...args, bench) },
  once: { warm: once, timed: (...args) => measure(...args, once) },
  websocket: { warm: bench, timed: (...args) => measure(...args, bench) },
  h2load: { warm: h2load, timed: (...args) => measure(...args, h2load) },
};

/** Rounds of a closed loop, or of clients that only listen. */
export async function runRounds(name, scenario, servers, settings) {
  const { load, longer = 1 } = scenario;
  const { warm, timed } = CLIENTS[scenario.client ?? 'wrk'];
  const { rounds, warmup } = settings;
  const duration = Number((settings.duration * longer).toFixed(2));
  if (warmup > 0 && warm !== null) {
    for (const server of servers.filter(({ run }) => run === undefined)) {
      await attempt(server, () => patiently(() => warm(load, server.target, warmup)));
    }
  }
  const runs = Object.fromEntries(servers.map((server) => [server.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const server of turned(servers, round)) {
      const { pid, target, run } = server;
      const once = () =>
        run ? run(duration) : patiently(() => timed(pid, load, target, duration));
      const result = await attempt(server, once);
      if (result === null) continue;
      runs[server.name].push(result);
      const note = result.errors ? `, ${result.errors} ERRORS` : '';
      const place = `${name} ${round + 1}/${rounds} ${server.name}`;
      console.error(
        `bench: ${place}: ${whole(result.rate)} req/s, ${fixed(result.cpu)} µs CPU${note}`,
      );
    }
  }
  return summaries(servers, (server) => summarise(server, runs[server.name]));
}

/** What a client gives that is started again where it did not end; its figures are of one run. */
async function patiently(run) {
  for (let tries = 1; ; tries++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Stalled) || tries === TRIES) throw error;
      console.error(`bench: ${error.message}; once more`);
    }
  }
}

/** What `run` gives; null once it has failed, after which the server takes no part. */
export async function attempt(server, run) {
  if (server.fault !== undefined) return null;
  try {
    return await run();
  } catch (error) {
    [server.fault] = error.message.split('\n', 1);
    console.error(`bench: LEFT OUT: ${server.name}: ${error.message}`);
    return null;
  }
}

/** By name, of those that have not failed until now. */
export function summaries(servers, make) {
  const entries = [];
  for (const server of servers.filter(({ fault }) => fault === undefined)) {
    try {
      entries.push([server.name, make(server)]);
    } catch (error) {
      // Its process has ended since its last run.
      server.fault = error.message;
    }
  }
  return Object.fromEntries(entries);
}

/** What is kept with its spread, and of what the median alone. */
const SPREAD = ['cpu', 'rate', 'p50', 'p99'];
const MEDIANS = ['p999', 'sendDelayP99', 'target', 'serverCores', 'clientCores'];

/** The figures of a contender: [median, least, most] of SPREAD, medians, and its memory. */
export function summarise(server, runs) {
  const all = spreads(runs);
  const result = {};
  for (const key of SPREAD) if (all[key]) result[key] = all[key];
  for (const key of MEDIANS) if (all[key]) [result[key]] = all[key];
  result.errors = runs.reduce((sum, run) => sum + run.errors, 0);
  result.runs = runs.length;
  if (server.answer?.sent) result.sent = server.answer.sent;
  if (runs.at(-1)?.tls) result.tls = agreed(runs.at(-1).tls);
  if (runs.at(-1)?.agreed) result.tls = runs.at(-1).agreed;
  // Whether the machine was quiet.
  result.disturbed = runs.filter((run) => run.otherCores + run.stolenCores > 0.1).length;
  if (server.pid !== undefined) {
    const { rss } = memory(server.pid);
    result.memory = { start: server.rssAtStart, after: rss, most: peakMemory(server.pid) };
  }
  return result;
}
