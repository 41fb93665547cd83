// `npm test`, `npm run check`: the checks of a few minutes. `npm run check:long`
// (`--long`): those that take longer. Each one's output as it comes, and at the end
// one line that sums them up. A check that has no count of its own counts as one;
// one that cannot run counts as failed.

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { skipReason } from './programs.mjs';
import { bin, GENERATED_TYPES, ROOT } from './setup.mjs';

/** @typedef {{ passed: number, failed: number, isSkipped?: boolean }} Tally */
/** @typedef {(text: string) => void} Output */

/**
 * The test files that measure time or memory, or are load themselves: each runs
 * alone, after all others. What is not named here runs beside others.
 */
const TIMED =
  '__test__/{bench/bench,cli/cli,fetch/fetch,lane/limits,server/memory,server/metrics,threads/threads}.test.mjs';

/** The test files that take longest, one after the other: `check:long` has them. */
const SLOW =
  '__test__/{cli/{stuck,watch,watch-errors},endurance/cycles,node/register,package/{binding,bundle,release},server/environment,threads/module}.test.mjs';

/** The test files that take minutes, which also run alone: `check:long` has them. */
const LONG = '__test__/{endurance/{abuse,endings,leaks,transfers},package/scripts}.test.mjs';

/**
 * resolv.conf(5): tests ask for hosts that do not exist, for which a machine without
 * a network may wait 10 s for each of its name servers.
 */
const IMPATIENT = { RES_OPTIONS: 'timeout:1 attempts:1' };

const TESTS = ['test', '--workspace', '--no-fail-fast'];

/** A step that counts as no check while it works. @type {Tally} */
const NOTHING = { passed: 0, failed: 0, isSkipped: true };

/** @type {{ name: string, run: (output?: Output) => Promise<Tally> | Tally }[]} */
const SET_UP = [
  {
    name: 'set-up',
    run: (io) => command(process.execPath, ['scripts/setup.mjs'], undefined, {}, io),
  },
];

/** What cargo does in its folder for debugging, while the set-up links the binding on one core. */
const RUST = [
  {
    name: 'cargo fmt',
    run: (io) => component('rustfmt', 'fmt', ['--all', '--check'], io),
  },
  {
    name: 'clippy',
    // A newer Rust brings lints that nobody has seen yet: outside CI they are told, and
    // fail nothing in a checkout that was not touched.
    run: (io) =>
      component(
        'clippy',
        'clippy',
        ['--workspace', '--all-targets', '--', ...(process.env.CI ? ['-D', 'warnings'] : [])],
        io,
      ),
  },
  // Compiling takes both cores of a small machine, running hardly any.
  {
    name: 'cargo build of tests',
    run: (io) => command('cargo', ['test', '--workspace', '--no-run', '-q'], () => NOTHING, {}, io),
  },
];

const SHORT_CHECKS = [
  { name: 'tsc', run: () => command(bin('tsc'), ['-p', 'tsconfig.test.json']) },
  { name: 'tsc dashboard', run: () => command(bin('tsc'), ['-p', 'dashboard']) },
  { name: 'biome', run: () => command(bin('biome'), ['check', '--error-on-warnings', '.']) },
  { name: 'imports', run: () => command(process.execPath, ['scripts/imports.mjs']) },
  { name: 'index.d.ts', run: () => once(checkTypes) },
  {
    name: 'cargo test and ava',
    run: () =>
      together(
        (io) => command('cargo', TESTS, countCargo, IMPATIENT, io),
        (io) => ava(['__test__/**/*.test.mjs', `!${TIMED}`, `!${SLOW}`, `!${LONG}`], io),
      ),
  },
  { name: 'ava, one at a time', run: () => ava([TIMED, '--concurrency', '1']) },
];

/**
 * Those that need one core and measure no time: others run beside them. Counts of instructions are
 * the same on a busy machine.
 * @type {typeof SET_UP}
 */
const ONE_CORE = [
  { name: 'loom', run: (io) => command('sh', ['scripts/loom.sh'], countCargo, {}, io) },
  {
    name: 'simulation',
    // Fresh seeds, so that each run looks where none has looked; it prints them.
    run: (io) => command('sh', ['scripts/soak.sh', '1500'], countCargo, {}, io),
  },
  {
    name: 'fuzz',
    // libFuzzer is C++.
    run: (io) =>
      withProgram('c++', process.env.CXX, () =>
        command('sh', ['fuzz/run.sh', '4'], undefined, {}, io),
      ),
  },
  {
    name: 'instructions',
    run: (io) =>
      withProgram('valgrind', undefined, () => node(['bench/instructions.mjs'], countItems, io)),
  },
  trials('files/run'),
];

/** Those that run beside them. @type {typeof SET_UP} */
const BESIDE = [
  { name: 'prebuilt', run: (io) => node(['scripts/release/check.mjs'], countTap, io) },
  { name: 'install', run: (io) => node(['scripts/install/test.mjs'], countTap, io) },
  {
    name: 'bench tools',
    run: (io) =>
      withProgram('gcc', process.env.CC, () =>
        node(['--test', '--test-reporter=tap', 'bench/test'], countNode, io),
      ),
  },
  ...['watch/run', 'compress/chromium', 'tls/run'].map(trials),
];

/** @type {(typeof SET_UP[number] | (typeof SET_UP)[])[]} */
const LONG_CHECKS = [
  [ONE_CORE, BESIDE],
  { name: 'ava, slow', run: () => ava([SLOW]) },
  { name: 'ava, one at a time', run: () => ava([LONG, '--concurrency', '1']) },
  ...['websocket/run', 'http2/run', 'ops/run'].map(trials),
];

const CHECKS = process.argv.includes('--long')
  ? [[SET_UP, []], ...LONG_CHECKS]
  : [[SET_UP, RUST], ...SHORT_CHECKS];

const total = { passed: 0, failed: 0 };
const times = [];
for (const check of CHECKS) {
  const [first, second] = Array.isArray(check) ? check : [[check], []];
  const { failed } = await together(
    (io) => all(first, io),
    (io) => all(second, io),
  );
  if (first === SET_UP && failed > 0) {
    // Everything after it would fail for the same reason.
    break;
  }
}
process.stdout.write(`\n== times: ${times.join(', ')}\n`);
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed > 0 ? 1 : 0;

/**
 * Runs checks one after the other, and counts them.
 * @param {typeof SET_UP} checks
 * @param {Output} [output]
 * @returns {Promise<Tally>}
 */
async function all(checks, output = (text) => process.stdout.write(text)) {
  const tally = { passed: 0, failed: 0 };
  for (const { name, run } of checks) {
    output(`\n== ${name}\n`);
    const from = performance.now();
    const { passed, failed } = await run(output);
    times.push(`${name} ${((performance.now() - from) / 1000).toFixed(0)} s`);
    tally.passed += passed;
    tally.failed += failed;
    if (failed > 0) {
      output(`== ${name}: ${failed} FAILED\n`);
    }
  }
  total.passed += tally.passed;
  total.failed += tally.failed;
  return tally;
}

/**
 * Trials with real programs.
 * @param {string} path the script's
 * @returns {typeof SET_UP[number]}
 */
function trials(path) {
  const name = `${dirname(path)} trials`;
  return { name, run: (io) => node([`scripts/trials/${path}.mjs`], countItems, io) };
}

/**
 * @param {string[]} args
 * @param {(output: string) => Tally} count
 * @param {Output} [output]
 */
function node(args, count, output) {
  return command(process.execPath, args, count, {}, output);
}

/**
 * A check that needs a program which a checkout can do without.
 * @param {string} name
 * @param {string | undefined} at where the user says that it is
 * @param {() => Promise<Tally>} run
 * @returns {Promise<Tally> | Tally}
 */
function withProgram(name, at, run) {
  const why = skipReason(name, at || name);
  return why === null ? run() : skipped(why);
}

/**
 * A check by a part of Rust that not every installation has; CI has them all.
 * @param {string} name for rustup
 * @param {string} subcommand of cargo
 * @param {string[]} args
 * @param {Output} [output]
 * @returns {Promise<Tally> | Tally}
 */
function component(name, subcommand, args, output) {
  // rustup has a program of that name also where the component is missing.
  if (spawnSync('cargo', [subcommand, '--version'], { cwd: ROOT }).status === 0) {
    return command('cargo', [subcommand, ...args], undefined, {}, output);
  }
  const tally = skipped(
    `cargo ${subcommand} was not found; install it (rustup component add ${name})`,
  );
  return process.env.CI ? { ...tally, failed: 1 } : tally;
}

/**
 * What counts neither way.
 * @param {string} why
 * @returns {Tally}
 */
function skipped(why) {
  process.stdout.write(`skipped: ${why}\n`);
  return { passed: 0, failed: 0 };
}

/**
 * @param {string[]} args patterns of names, and flags
 * @param {Output} [output]
 */
function ava(args, output) {
  return command(bin('ava'), ['--tap', ...args], countTap, IMPATIENT, output);
}

/**
 * Runs two parts beside each other; what the second prints comes after the first.
 * @param {(output?: Output) => Promise<Tally>} first
 * @param {(output?: Output) => Promise<Tally>} second
 * @returns {Promise<Tally>}
 */
async function together(first, second) {
  let held = '';
  const hold = (text) => {
    held += text;
  };
  const later = second(hold);
  const one = await first();
  const other = await later;
  process.stdout.write(held);
  return { passed: one.passed + other.passed, failed: one.failed + other.failed };
}

/**
 * Runs a command, shows its output and counts in it; without `count` the command
 * itself is one check.
 * @param {string} file
 * @param {string[]} args
 * @param {(output: string) => Tally} [count]
 * @param {Record<string, string>} [env]
 * @param {Output} [output] where what it prints goes
 * @returns {Promise<Tally>}
 */
function command(file, args, count, env = {}, output = (text) => process.stdout.write(text)) {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: ROOT,
      // Colours would hide the lines that are counted.
      env: { ...process.env, CARGO_TERM_COLOR: 'never', FORCE_COLOR: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      printed += text;
      output(text);
    });
    child.stderr.pipe(process.stderr, { end: false });
    child.on('error', (error) => {
      output(`${file}: ${error.message}\n`);
      resolve({ passed: 0, failed: 1 });
    });
    child.on('close', (code) => {
      const tally = count?.(printed) ?? { passed: code === 0 ? 1 : 0, failed: 0 };
      const { passed, failed, isSkipped = false } = tally;
      // Whatever it counted: a failed command has failed, and one that ran no
      // test has not passed, unless it says why.
      const isBad = code !== 0 || (passed === 0 && !isSkipped);
      resolve({ passed, failed: isBad ? Math.max(failed, 1) : failed });
    });
  });
}

/**
 * A check made here: it throws when it fails.
 * @param {() => void} check
 * @returns {Tally}
 */
function once(check) {
  try {
    check();
    return { passed: 1, failed: 0 };
  } catch (error) {
    process.stdout.write(`${error.message}\n`);
    return { passed: 0, failed: 1 };
  }
}

/** @param {string} output */
function countCargo(output) {
  const tally = { passed: 0, failed: 0 };
  for (const [, passed, failed] of output.matchAll(
    /^test result: \w+\. (\d+) passed; (\d+) failed;/gm,
  )) {
    tally.passed += Number(passed);
    tally.failed += Number(failed);
  }
  return tally;
}

/** @param {string} output */
function countTap(output) {
  return {
    passed: output.match(/^ok /gm)?.length ?? 0,
    failed: output.match(/^not ok /gm)?.length ?? 0,
    isSkipped: /^# skipped: /m.test(output),
  };
}

/**
 * One for each item. An item without a baseline for this machine's tools is counted and cannot
 * fail, which the output says.
 * @param {string} output
 */
function countItems(output) {
  return {
    passed: output.match(/^ok - /gm)?.length ?? 0,
    failed: output.match(/^not ok - /gm)?.length ?? 0,
    isSkipped: /^# skipped: /m.test(output),
  };
}

/** @param {string} output */
function countNode(output) {
  const number = (name) => Number(output.match(new RegExp(`^# ${name} (\\d+)$`, 'm'))?.[1] ?? 0);
  return { passed: number('pass'), failed: number('fail') + number('cancelled') };
}

function checkTypes() {
  const generated = readFileSync(GENERATED_TYPES, 'utf8');
  if (generated !== readFileSync(join(ROOT, 'index.d.ts'), 'utf8')) {
    throw new Error('index.d.ts differs from what the native build makes: run "npm run types"');
  }
}
