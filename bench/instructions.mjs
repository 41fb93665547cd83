#!/usr/bin/env node
// How many instructions the engine executes for each kind of request, and whether they have become
// more since the committed baseline. Unlike times, counts are the same on a busy machine.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { find, missing } from '../scripts/programs.mjs';
import { GROUPS } from './lib/counts.mjs';
import { Failure, main } from './lib/failure.mjs';
import { median, table, times, whole } from './lib/numbers.mjs';
import { options } from './lib/options.mjs';
import './lib/paths.mjs';

const BASELINES = 'bench/baselines/instructions.json';
/**
 * Two threads that hand one request to each other meet by chance: who sees the other's work before
 * it sleeps takes fewer turns. The same code has counted 5,700 to 7,200. So these are printed and
 * not judged. What the same code does for 16 requests at a time repeats, and is.
 */
const BY_CHANCE = new Set(['worker: one request', 'lane: one request']);

/** How often an item that has too many instructions is counted again. */
const MORE = 3;

/** Groups whose counts vary by more than the default tolerance. */
const TOLERANCES = Object.entries(GROUPS)
  .filter(([, { tolerance }]) => tolerance !== undefined)
  .map(
    ([name, { tolerance }]) => `${tolerance} for the group '${name}', whose threads meet by chance`,
  )
  .join(', ');

const usage = `
usage: npm run bench:instructions [-- options]
  --only LIST      these groups: ${Object.keys(GROUPS).join(', ')}
  --runs N         counts each so often, prints the spread, compares the least (default 1)
  --tolerance P    more than P percent above the baseline is a failure (default 3, and at
                   least ${TOLERANCES}); one request
                   at a time between two threads varies, and is not judged
  --update         writes the counts as the baseline for this toolchain
  --strict         it is a failure if there is no baseline for this toolchain

Builds what it counts in the release profile, whatever the environment says of that. The binding's
TypeScript is taken as it is: npm run setup builds it. Exit code 1 if an item has more instructions
than it may.`;

await main(async () => {
  const args = options(usage, {
    only: [],
    runs: 1,
    tolerance: 3,
    update: false,
    strict: false,
  });
  const names = args.only.length > 0 ? args.only : Object.keys(GROUPS);
  const unknown = names.find((name) => !Object.hasOwn(GROUPS, name));
  if (unknown !== undefined) throw new Failure(`no group '${unknown}'; see --help`);
  if (find('valgrind') === null) {
    // What check.mjs takes for a step that is left out.
    console.log(`# skipped: ${missing('valgrind')}`);
    return 0;
  }
  build();
  const runs = [];
  for (let run = 0; run < args.runs; run++) {
    const counts = {};
    for (const name of names) Object.assign(counts, await GROUPS[name].count());
    runs.push(counts);
  }
  return report(await again(runs, names, args), args);
});

/**
 * Threads that meet otherwise take a turn more, above all on a busy machine. So an item with too
 * many instructions is counted again, and has as few as it ever had.
 */
async function again(runs, names, { tolerance, update }) {
  const baseline = baselineOf(toolchain());
  const isHigh = ([item, count]) => isTooHigh(item, count / baseline[item], tolerance);
  for (let time = 0; time < MORE && !update && runs.length === 1; time++) {
    for (const name of names) {
      const items = GROUPS[name].items.map((item) => [item, runs[0][item]]);
      if (!items.some(isHigh)) continue;
      for (const [item, count] of Object.entries(await GROUPS[name].count())) {
        runs[0][item] = Math.min(runs[0][item], count);
      }
    }
  }
  return runs;
}

/** Whether an item has more instructions than it may. */
function isTooHigh(item, ratio, tolerance) {
  const group = Object.values(GROUPS).find(({ items }) => items.includes(item));
  const most = Math.max(tolerance, group?.tolerance ?? 0);
  return !BY_CHANCE.has(item) && ratio > 1 + most / 100;
}

function baselineOf(key) {
  const all = existsSync(BASELINES) ? JSON.parse(readFileSync(BASELINES, 'utf8')) : {};
  return all[key] ?? {};
}

/** Prints the counts beside the baseline. Returns the exit code. */
function report(runs, { tolerance, update, strict }) {
  const key = toolchain();
  const baselines = existsSync(BASELINES) ? JSON.parse(readFileSync(BASELINES, 'utf8')) : {};
  const baseline = baselines[key] ?? {};
  const counts = {};
  const rows = [];
  const problems = [];
  for (const item of Object.keys(runs[0])) {
    const values = runs.map((run) => run[item]);
    counts[item] = Math.round(Math.min(...values));
    const ratio = counts[item] / baseline[item];
    if (isTooHigh(item, ratio, tolerance)) problems.push(item);
    const spread = (Math.max(...values) - Math.min(...values)) / median(values);
    const row = [item, whole(counts[item]), whole(baseline[item]), times(ratio)];
    rows.push(runs.length > 1 ? [...row, `${(spread * 100).toFixed(2)} %`] : row);
  }
  const head = ['instructions', 'now', 'baseline', 'ratio'];
  console.log(`${key}\n`);
  console.log(table(runs.length > 1 ? [...head, 'spread'] : head, rows));
  console.log();
  if (update) {
    baselines[key] = { ...baseline, ...counts };
    mkdirSync(dirname(BASELINES), { recursive: true });
    writeFileSync(BASELINES, `${JSON.stringify(baselines, null, 2)}\n`);
    console.log(`${BASELINES} has these counts now`);
    return 0;
  }
  if (baselines[key] === undefined) {
    console.log(`no baseline for this toolchain in ${BASELINES}: --update writes one`);
  }
  for (const item of Object.keys(runs[0])) {
    if (BY_CHANCE.has(item)) {
      console.log(`# not judged, since its two threads meet by chance: ${item}`);
      continue;
    }
    // As `check.mjs` counts.
    console.log(`${problems.includes(item) ? 'not ok' : 'ok'} - ${item}`);
  }
  if (problems.length > 0) {
    console.log(`further above the baseline than tolerated (--help): ${problems.join('; ')}`);
  }
  return problems.length > 0 || (strict && baselines[key] === undefined) ? 1 : 0;
}

/** What changes counts though the code is the same. */
function toolchain() {
  const rustc = said('rustc', '--version').split(' ')[1];
  const libc = process.report.getReport().header.glibcVersionRuntime ?? 'musl';
  // The C library chooses its copying by the processor.
  const vectors = /^flags\s*:.*\bavx2\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'))
    ? ', avx2'
    : '';
  const valgrind = said('valgrind', '--version').trim();
  return `rustc ${rustc}, release, ${process.arch}${vectors}, libc ${libc}, ${valgrind}`;
}

function said(program, ...args) {
  return spawnSync(program, args, { encoding: 'utf8' }).stdout;
}

function build() {
  const env = Object.entries(process.env);
  const options = { stdio: ['ignore', 'inherit', 'inherit'] };
  // As users get it, whatever a developer has set to build faster.
  options.env = Object.fromEntries(env.filter(([name]) => !name.startsWith('CARGO_PROFILE_')));
  for (const what of [
    ['-p', 'reactor-proto', '--example', 'codec'],
    ['-p', 'reactor-server', '--example', 'serve', '--example', 'lanes'],
    ['-p', 'reactor-rs', '--lib'],
  ]) {
    const args = ['build', '--release', '--quiet', ...what];
    const { status } = spawnSync('cargo', args, options);
    if (status !== 0) throw new Failure(`'cargo ${args.join(' ')}' failed`);
  }
  mkdirSync('target/bench', { recursive: true });
  copyFileSync('target/release/libreactor_rs.so', 'target/bench/counted.node');
}
