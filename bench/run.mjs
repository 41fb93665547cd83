#!/usr/bin/env node
// Compares servers: answers checked first, contenders interleaved, medians and their spread.
// `npm run bench` runs all of it.

import { resolve } from 'node:path';
import { makeFolder } from './contenders/folder.mjs';
import { buildServe, buildTools } from './lib/build.mjs';
import { absence, before, contenders } from './lib/contenders.mjs';
import { Failure, main } from './lib/failure.mjs';
import { h2loadArgs } from './lib/h2load.mjs';
import { isOurs, isPeer, kindOf, nodeOf } from './lib/kinds.mjs';
import { benchArgs } from './lib/load.mjs';
import { environment } from './lib/machine.mjs';
import { onceArgs } from './lib/once.mjs';
import { runOpenLoop } from './lib/openloop.mjs';
import { options, pick } from './lib/options.mjs';
import { plots } from './lib/plots.mjs';
import { comparisons, judge } from './lib/promises.mjs';
import { http2Parts, requestFiles } from './lib/questions.mjs';
import { save, verdicts } from './lib/report.mjs';
import { partOf, runRounds, startAll } from './lib/rounds.mjs';
import { scenarios } from './lib/scenarios.mjs';
import { buildProject, installPeers, nodes, peerVersions, startDatabase } from './lib/setup.mjs';
import { shortArgs } from './lib/short.mjs';
import { markdown, tables } from './lib/tables.mjs';
import { wrkArgs } from './lib/wrk.mjs';

const usage = `
usage: bench/run.mjs [options]

Without options: all scenarios and contenders, in about 40 minutes.

  --scenario A,B    scenarios, or groups of them (see --list)
  --only A,B        contenders, or kinds of them: reactor is reactor-24 and reactor-26
  --node A,B        versions of Node for the contenders that run on it (default 24,26)
  --quick           a part of the scenarios on the newest Node, in 5 minutes
  --rounds N        rounds, every contender once in each (default 5)
  --duration S      seconds per timed run, 0.1 and more (default 0.7)
  --warmup S        seconds before the rounds of a contender, not counted (default 0.5)
  --before DIR      another checkout, built: its contenders take part as NAME@before,
                    and CPU per request may be 3 % above theirs
  --profile NAME    cargo profile of the example server (default release)
  --no-build        take dist/ and the binaries as they are
  --port N          first port to try (default 18100)
  --name NAME       results go to bench/results/DATE-NAME.* (default all, or parts)
  --no-save         print only
  --assert          exit 1 when a promised ratio is missed
  --list            print scenarios and contenders, and run nothing
`;

const settings = {
  scenario: [],
  only: [],
  node: ['24', '26'],
  quick: false,
  rounds: 5,
  duration: 0.7,
  warmup: 0.5,
  before: null,
  profile: 'release',
  'no-build': false,
  port: 18100,
  name: null,
  'no-save': false,
  assert: false,
  list: false,
};

/** uWebSockets.js has a binary for it that wants no new glibc. */
const UWS_NODE = '20';

/** Clients of scenarios that are `reactor-rs bench`. */
const OWN_CLIENTS = ['openloop', 'tls', 'websocket'];

/** Programs of the system that a scenario may need, by what Debian calls their packages. */
const PROGRAMS = { wrk: 'wrk', 'redis-server': 'redis-server', h2load: 'nghttp2-client' };

await main(async () => {
  const options_ = options(usage, settings);
  if (options_.quick) quicken(options_);
  const loads = pickScenarios(options_);
  if (options_.list) return list(loads, options_);
  const versions = nodes(options_.node);
  const older = options_.node.includes(UWS_NODE) ? [] : nodes([UWS_NODE]);
  const all = contenders(options_.profile, versions, older);

  installPeers();
  const { chosen, skipped } = pickContenders(all, loads, options_);
  if (!options_['no-build']) {
    buildTools();
    if (chosen.some(([, { cargo }]) => cargo)) buildServe(options_.profile);
    const isOwnClient = loads.some(([, { client }]) => OWN_CLIENTS.includes(client));
    const isOwnServer = chosen.some(
      ([name, { isBuilt }]) => isBuilt || (isOurs(name) && nodeOf(name) !== null),
    );
    if (isOwnClient || isOwnServer) buildProject();
  }
  if (loads.some(([, { group }]) => group === 'files')) makeFolder();
  const environs = environment();
  console.error(`bench: ${plan(loads, chosen, options_)}`);

  const results = {};
  const commands = { loads: {}, contenders: {} };
  for (const parts of units(loads)) {
    const [[name, { needs, client = 'wrk' }]] = parts;
    const programs = [client, needs].filter((program) => Object.hasOwn(PROGRAMS, program));
    const why = programs.map((program) => absence(program, PROGRAMS[program])).find(Boolean);
    if (why !== undefined) {
      console.error(`bench: SKIPPED ${name}: ${why}`);
      skipped[name] = why;
      continue;
    }
    let unit;
    try {
      unit = await runUnit(parts, chosen, options_);
    } catch (error) {
      // A run of many minutes goes on without this scenario.
      if (!(error instanceof Failure)) throw error;
      console.error(`bench: SKIPPED ${name}: ${error.message}`);
      skipped[`${name} as a whole`] = error.message.split('\n', 1)[0];
      continue;
    }
    const { figures, faults, load, servers } = unit;
    Object.assign(results, figures);
    commands.loads[name] = load;
    // That of the first scenario; in others a contender runs another question.
    commands.contenders = { ...servers, ...commands.contenders };
    for (const [contender, fault] of Object.entries(faults)) {
      skipped[`${name} ${contender}`] = fault;
    }
  }

  const data = {
    ...environs,
    settings: Object.fromEntries(
      ['rounds', 'duration', 'warmup'].map((key) => [key, options_[key]]),
    ),
    nodes: Object.fromEntries(
      [...older, ...versions].map(({ major, version }) => [major, version]),
    ),
    peers: peerVersions(),
    skipped,
    commands,
    results,
  };
  data.promises = [...comparisons(results), ...judge(results)];
  console.log(`${tables(results)}\n\n${verdicts(data.promises)}`);
  for (const [name, why] of Object.entries(skipped)) console.log(`- left out: ${name}: ${why}`);
  if (!options_['no-save']) {
    const isAll = options_.scenario.length === 0 && options_.only.length === 0;
    const name = options_.name ?? (isAll && !options_.quick ? 'all' : 'parts');
    save(name, data, (stem) => markdown(data, stem), plots(results));
  }
  const isMissed = data.promises.some(({ met }) => met === false);
  const isFaulty = Object.keys(skipped).some((key) => key.includes(' '));
  return isFaulty || (options_.assert && isMissed) ? 1 : 0;
});

/** The overview: fewer scenarios, one Node and the one that uWebSockets.js has a binary for. */
function quicken(options_) {
  options_.rounds = Math.min(options_.rounds, 3);
  options_.duration = Math.min(options_.duration, 0.5);
  options_.warmup = Math.min(options_.warmup, 0.3);
}

/** By name, by group, or all. */
function pickScenarios({ scenario: wanted, quick }) {
  if (wanted.length === 0) {
    return Object.entries(scenarios).filter(([, scenario]) => !quick || scenario.quick);
  }
  const inGroup = (word) =>
    Object.entries(scenarios).filter(([name, { group }]) => group === word || name === word);
  const names = wanted.flatMap((word) => {
    const found = inGroup(word);
    return found.length > 0 ? found.map(([name]) => name) : [word];
  });
  return pick('scenario', scenarios, names);
}

/** Those that take part, and why others do not. */
function pickContenders(all, loads, { only, quick, before: folder }) {
  const newest = Object.keys(all)
    .findLast((name) => name.startsWith('reactor-'))
    .slice('reactor-'.length);
  const skipped = {};
  const names = only.flatMap((word) => {
    const ofKind = Object.keys(all).filter((name) => kindOf(name) === word);
    return Object.hasOwn(all, word) || ofKind.length === 0 ? [word] : ofKind;
  });
  let wanted = pick('contender', all, names);
  if (quick && only.length === 0) {
    wanted = wanted.filter(([name]) => {
      return !/-\d+$/.test(name) || name.endsWith(`-${newest}`) || name.startsWith('uws-');
    });
  }
  const own = wanted.filter(([name, contender]) => {
    if (!loads.some(([, scenario]) => partOf(scenario, [[name, contender]]).length > 0)) {
      return false;
    }
    const why = contender.missing?.() ?? null;
    if (why === null) return true;
    console.error(`bench: SKIPPED ${name}: ${why}`);
    skipped[name] = why;
    return false;
  });
  const chosen = folder ? [...own, ...before(own, resolve(folder))] : own;
  return { chosen, skipped };
}

/** What shares its servers: each scenario for itself, but all steady rates, which share the peaks. */
function units(loads) {
  const isSteady = ([, { client }]) => client === 'openloop';
  const steady = loads.filter(isSteady);
  const others = loads.filter((load) => !isSteady(load)).map((load) => [load]);
  return steady.length > 0 ? [...others, steady] : others;
}

/** Runs scenarios that share their servers. */
async function runUnit(parts, chosen, options_) {
  const [[name, scenario]] = parts;
  const database = scenario.needs === 'redis-server' ? await startDatabase(options_.port) : null;
  const { servers, faults } = await startAll(scenario, partOf(scenario, chosen), {
    port: database ? database.port + 1 : options_.port,
    database: database ? String(database.port) : undefined,
  });
  try {
    warnOfLengths(name, servers);
    const figures =
      scenario.client === 'openloop'
        ? await runOpenLoop(parts, servers, options_, isPeer)
        : { [name]: await runRounds(name, scenario, servers, options_) };
    for (const { name, fault } of servers) if (fault !== undefined) faults[name] = fault;
    return { figures, faults, ...commandsOf(scenario, servers, options_) };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await database?.stop();
  }
}

/** How the servers and the load of a scenario were run. */
function commandsOf({ client, load, asks }, servers, { before: folder, duration }) {
  const target = { url: 'URL', ...requestFiles(asks) };
  const loads = {
    short: `target/bench/short_client ${shortArgs(load, target, duration).join(' ')}`,
    once: `target/bench/files_client ${onceArgs(load, target, 'SET').join(' ')}`,
    events: `target/bench/sse_client PORT ${load.connections} ${duration}`,
    openloop: `reactor-rs ${benchArgs({ ...load, rate: 'RATE' }, target, duration).join(' ')}`,
    websocket: `reactor-rs ${benchArgs(load, { url: `ws${load.isSecure ? 's' : ''}:URL` }, duration).join(' ')}`,
    tls: `reactor-rs ${benchArgs(load, { url: 'https:URL' }, duration).join(' ')}`,
    h2load: `h2load ${h2loadArgs(load, { ...http2Parts(asks), url: `http${load.isSecure ? 's' : ''}:URL` }, duration).join(' ')}`,
  };
  const commands = servers.map(({ name, command }) => {
    // A folder of one machine says nothing to a reader of the results.
    return [name, folder ? command.replaceAll(resolve(folder), 'BEFORE') : command];
  });
  return {
    load: loads[client] ?? `wrk ${wrkArgs(load, target, duration).join(' ')}`,
    servers: Object.fromEntries(commands),
  };
}

/** The control stands for the same work only while it sends the same number of bytes. */
function warnOfLengths(name, servers) {
  const alike = servers.filter(({ ownHead, answer }) => answer && !ownHead);
  if (new Set(alike.map(({ answer }) => answer.length)).size > 1) {
    const list = alike.map(({ name, answer }) => `${name} ${answer.length}`).join(', ');
    console.error(`bench: WARNING: ${name}: answers differ in length (${list})`);
  }
}

/** How much there is to do and about how long it takes. */
function plan(loads, chosen, { rounds, duration, warmup }) {
  let runs = 0;
  let seconds = 0;
  for (const [, scenario] of loads) {
    const count = partOf(scenario, chosen).length;
    runs += count * rounds;
    // A start and a check take about 0.5 s, the begin and the end of a run 0.15 s; our own
    // client is a program in Node and takes 0.2 s more.
    const around = OWN_CLIENTS.includes(scenario.client) ? 0.35 : 0.15;
    seconds += count * (0.5 + warmup + rounds * (duration * (scenario.longer ?? 1) + around));
  }
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  return `${loads.length} scenarios, ${runs} runs, about ${minutes} min`;
}

function list(loads, { profile, node }) {
  const versions = node.map((major) => ({ major, path: '' }));
  const all = contenders(profile, versions, [{ major: UWS_NODE, path: '' }]);
  for (const [name, { group, title }] of loads) console.log(`${name}: ${group}: ${title}`);
  console.log(`contenders: ${Object.keys(all).join(', ')}`);
}
