// `npm test`, `npm run check`: the checks of a few minutes. `npm run check:long`
// (`--long`): those that take longer. Each one's output as it comes, and at the end
// one line that sums them up. A check that has no count of its own counts as one;
// one that cannot run counts as failed.

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { skipReason } from './programs.mjs';
import { bin, GENERATED_TYPES, ROOT, setup } from './setup.mjs';

/** @typedef {{ passed: number, failed: number, isSkipped?: boolean }} Tally */
/** @typedef {(text: string) => void} Output */

/**
 * The test files that measure time or memory, or are load themselves: each runs
 * alone, after all others. What is not named here runs beside others.
 */
const TIMED =
  '__test__/{bench/bench,cli/cli,fetch/fetch,lane/limits,server/memory,server/metrics,threads/threads}.test.mjs';

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
const SHORT_CHECKS = [
  {
    name: 'cargo fmt',
    run: () => component('rustfmt', 'fmt', ['--all', '--check']),
  },
  {
    name: 'clippy',
    // A newer Rust brings lints that nobody has seen yet: outside CI they are told, and
    // fail nothing in a checkout that was not touched.
    run: () =>
      component('clippy', 'clippy', [
        ...['--workspace', '--all-targets', '--'],
        ...(process.env.CI ? ['-D', 'warnings'] : []),
      ]),
  },
  { name: 'tsc', run: () => command(bin('tsc'), ['-p', 'tsconfig.test.json']) },
  { name: 'tsc dashboard', run: () => command(bin('tsc'), ['-p', 'dashboard']) },
  { name: 'biome', run: () => command(bin('biome'), ['check', '--error-on-warnings', '.']) },
  { name: 'imports', run: () => command(process.execPath, ['scripts/imports.mjs']) },
  { name: 'index.d.ts', run: () => once(checkTypes) },
  {
    name: 'cargo test and ava',
    run: () =>
      sum(
        // Compiling takes both cores of a small machine, running hardly any.
        () => command('cargo', ['test', '--workspace', '--no-run', '-q'], () => NOTHING),
        () =>
          together(
            (io) => command('cargo', TESTS, countCargo, IMPATIENT, io),
            (io) => ava(['__test__/**/*.test.mjs', `!${TIMED}`, `!${LONG}`], io),
          ),
      ),
  },
  { name: 'ava, one at a time', run: () => ava([TIMED, '--concurrency', '1']) },
];

/**
 * Those that need one core and measure no time: two of them run beside each other. Counts of
 * instructions are the same on a busy machine.
 * @type {typeof SHORT_CHECKS}
 */
const ONE_CORE = [
  { name: 'loom', run: (io) => command('sh', ['scripts/loom.sh'], countCargo, {}, io) },
  {
    name: 'simulation',
    // Fresh seeds, so that each run looks where none has looked; it prints them.
    run: (io) => command('sh', ['scripts/soak.sh', '2000'], countCargo, {}, io),
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
];

/** Those that run beside them. @type {typeof SHORT_CHECKS} */
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
  ...['watch/run', 'compress/chromium', 'files/run', 'tls/run'].map(trials),
];

/** @type {(typeof SHORT_CHECKS[number] | (typeof SHORT_CHECKS)[])[]} */
const LONG_CHECKS = [
  [ONE_CORE, BESIDE],
  { name: 'ava', run: () => ava([LONG, '--concurrency', '1']) },
  ...['websocket/run', 'http2/run', 'ops/run'].map(trials),
];

const CHECKS = [
  { name: 'set-up', run: () => once(() => setup()) },
  ...(process.argv.includes('--long') ? LONG_CHECKS : SHORT_CHECKS),
];

const total = { passed: 0, failed: 0 };
const times = [];
for (const check of CHECKS) {
  if (Array.isArray(check)) {
    const [first, second] = check;
    await together(
      (io) => all(first, io),
      (io) => all(second, io),
    );
  } else if ((await all([check])).failed > 0 && check.name === 'set-up') {
    // Everything after it would fail for the same reason.
    break;
  }
}
process.stdout.write(`\n== times: ${times.join(', ')}\n`);
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed > 0 ? 1 : 0;

/**
 * Runs checks one after the other, and counts them.
 * @param {typeof SHORT_CHECKS} checks
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
 * @returns {typeof SHORT_CHECKS[number]}
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
 * @returns {Promise<Tally> | Tally}
 */
function component(name, subcommand, args) {
  // rustup has a program of that name also where the component is missing.
  if (spawnSync('cargo', [subcommand, '--version'], { cwd: ROOT }).status === 0) {
    return command('cargo', [subcommand, ...args]);
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
 * Runs one part after the other.
 * @param {(() => Promise<Tally>)[]} parts
 * @returns {Promise<Tally>}
 */
async function sum(...parts) {
  const tally = { passed: 0, failed: 0 };
  for (const part of parts) {
    const { passed, failed } = await part();
    tally.passed += passed;
    tally.failed += failed;
  }
  return tally;
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
