// The npm scripts around a server, each run for real where its program is installed,
// and each without it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { find, missing } from '../../scripts/programs.mjs';
import { printed, serve, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** One after the other: most are load, and cargo builds for one at a time. */
const test = ava.serial;

/** The first of them builds what it runs. */
const SLOW_MS = 900_000;

/**
 * A test of what is built first, which takes cargo, and perhaps of a program that may
 * not be there. Cargo is not where the release workflow tests its binaries.
 */
function builtTest(program, title, body) {
  let declare = program === null ? test : testWith(program, test);
  if (find('cargo') === null) {
    console.log(`skipped: "${title}": cargo was not found`);
    declare = test.skip;
  }
  declare(title, async (t) => {
    t.timeout(SLOW_MS);
    await body(t);
  });
}

/** Starts `npm run NAME -- …`. */
function start(t, name, args, env = {}) {
  return follow(t, spawn('npm', ['run', '-s', name, '--', ...args], options(env)));
}

/** Starts a script where there is nothing but Node to be found. */
function startAlone(t, name, args) {
  const PATH = temporary(t);
  symlinkSync(process.execPath, join(PATH, 'node'));
  // Part of the C library's own package.
  symlinkSync(find('getconf'), join(PATH, 'getconf'));
  const file = join(ROOT, 'scripts', `${name}.mjs`);
  return follow(t, spawn(process.execPath, [file, ...args], options({ PATH })));
}

function options(env) {
  // A test runner's colours are no business of what it tests.
  return { cwd: ROOT, env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', ...env } };
}

function follow(t, child) {
  t.teardown(() => child.kill('SIGTERM'));
  const { stdout, stderr } = printed(child);
  const ended = once(child, 'close').then(([code]) => ({
    code,
    stdout: stdout(),
    stderr: stderr(),
  }));
  return { child, ended, stdout, stderr };
}

const BRIEF = ['--rounds', '1', '--duration', '1'];

builtTest(null, 'loadtest checks, loads and compares with every client there is', async (t) => {
  const { code, stdout, stderr } = await start(t, 'loadtest', BRIEF).ended;
  t.is(code, 0, stderr);
  t.regex(stdout, /^http:\/\/127\.0\.0\.1:\d+\/: 4 I\/O threads, 8 workers$/m);
  t.regex(stdout, /^GET \/: 200 "Hello, World!", the same for 16 pipelined requests$/m);
  t.regex(stdout, /^\| reactor-rs bench \| +[\d,]+ \| 1\.000 × \| +\d+\.\d\d \| +\d+\.\d\d \|$/m);
  for (const client of ['wrk', 'ab']) {
    const row = new RegExp(`^\\| ${client} +\\| +[1-9][\\d,]+ \\| \\d\\.\\d{3} × \\|`, 'm');
    const leftOut = `left out: ${missing(client)}\n`;
    t.is(row.test(stdout), find(client) !== null, stdout);
    t.is(stdout.includes(leftOut), find(client) === null, stdout);
  }
  t.regex(stdout, /^[1-9][\d,]+ requests, 0 errors\nthe server counted [1-9][\d,]+: these, and/m);
});

builtTest(null, 'loadtest says which clients it leaves out', async (t) => {
  const { code, stdout, stderr } = await startAlone(t, 'loadtest', BRIEF).ended;
  t.is(code, 0, stderr);
  t.true(
    stdout.startsWith(
      'left out: wrk was not found; install it (Debian: apt-get install wrk)\n' +
        'left out: ab was not found; install it (Debian: apt-get install apache2-utils)\n',
    ),
    stdout,
  );
  t.regex(stdout, /^\| reactor-rs bench \|/m);
});

builtTest(null, 'loadtest does not pass a server whose answers are wrong', async (t) => {
  const module = join(temporary(t), 'app.mjs');
  // Right as long as it is only looked at.
  writeFileSync(
    module,
    'let n = 0;\nexport default () => new Response(n++ < 100 ? "right" : "wrong");\n',
  );
  const late = await start(t, 'loadtest', [...BRIEF, '--', module]).ended;
  t.is(late.code, 1);
  t.regex(late.stdout, /^[\d,]+ requests, [1-9][\d,]* errors$/m);
  const gone = await start(t, 'loadtest', [...BRIEF, '--path', '/nowhere']).ended;
  t.deepEqual(
    [gone.code, gone.stderr],
    [1, 'loadtest: GET /nowhere is answered with 404, not 200\n'],
  );
  const none = await start(t, 'loadtest', ['--', '-i', '17']).ended;
  t.is(none.code, 1);
  t.regex(none.stderr, /^loadtest: the server did not start: reactor-rs: [^\n]*"17"\n$/);
});

builtTest('gdb', 'debug stops at accept, dispatch and reply, and shows the engine', async (t) => {
  const { child, ended, stdout, stderr } = start(t, 'debug', [
    '--',
    '-p',
    '0',
    '-i',
    '2',
    '-w',
    '1',
  ]);
  const said = () => stdout() + stderr();
  // gdb reads the next line when the one before is done.
  child.stdin.write(
    [
      'run',
      'info inferiors',
      'reactor loops',
      'reactor connections',
      'continue',
      'finish',
      'reactor queue',
      'reactor connections 0',
      'continue',
      'reactor loops',
      'reactor trace',
      'continue',
      'reactor connections',
      'reactor connections x',
      'kill',
      'reactor loops',
      'quit',
      '',
    ].join('\n'),
  );
  const [, port] = await heard(said, ended, /listening on 127\.0\.0\.1:(\d+)/);
  const first = connect(port, '127.0.0.1');
  t.teardown(() => first.destroy());
  first.write('GET /echo/head?a HTTP/1.1\r\nHost: a\r\n\r\nGET /half');
  const [answer] = await once(first.setEncoding('latin1'), 'data');
  t.regex(answer, /^HTTP\/1\.1 200 OK\r\n/);
  first.write('-way');
  const second = connect(port, '127.0.0.1');
  t.teardown(() => second.destroy());
  second.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(second, 'data');
  const [one, two] = [first.localPort, second.localPort].map((port) => `127.0.0.1:${port}`);
  const [, pid] = /\* 1 +process (\d+)/.exec(stdout());
  await untilAsleep(Number(pid));
  // As Ctrl-C in a terminal.
  process.kill(Number(pid), 'SIGINT');
  const { code, stdout: shown, stderr: refused } = await ended;
  t.is(code, 0);
  let rest = shown;
  for (const [what, pattern] of [
    ['the first stop', `accept: ${one}, fd \\d+, to loop 0\n`],
    ['the loops', 'loop  thread   turns  requests  connections .*\n +0  its own +\\d+ +0 +0 '],
    ['no connections', 'no open connections\n'],
    ['the second stop', 'dispatch: GET /echo/head\\?a, from loop 0 slot 0\\.0 request 0\n'],
    ['the queue', '1 of 4096 tasks are queued\n  GET /echo/head\\?a  from loop 0 slot 0\\.0 '],
    ['a worker', '  worker 0: (parked|awake)\n'],
    ['a connection', ` 0 +0 +0 +\\d+  ${one}  Head +\\d+ ms +1 +1  "GET /half" +0  Http1\n`],
    ['the third stop', 'reply: 200, to loop 0 slot 0\\.0 request 0\n'],
    ['the loops again', ' 0  its own +\\d+ +1 +1 +1 +0 +0\n'],
    ['the trace', `accept: ${two}, .* to loop 1\ndispatch: GET /, .*\nreply: 200, `],
    ['the interrupt', 'received signal SIGINT'],
    ['both', ` 0 .* ${one}  Head .*"GET /half-way" .*\n +1 .* ${two}  Idle .* "" +0  Http1\n`],
    ['the end', 'Inferior 1 \\(process \\d+\\) killed'],
  ]) {
    const match = new RegExp(pattern).exec(rest);
    t.not(match, null, `${what}: ${pattern} in ${rest}`);
    rest = rest.slice(match.index + match[0].length);
  }
  t.regex(refused, /^reactor connections takes the number of a loop, not 'x'$/m);
  t.regex(refused, /^the server does not run; start it with: run$/m);
});

builtTest('valgrind', 'memcheck passes the server, and fails one that leaks', async (t) => {
  const path = temporary(t);
  const check = (name, ...options) => {
    const log = ['--seconds', '1', '--log', join(path, name)];
    const server = ['-i', '2', '-w', '1', '--drain', '1000', ...options];
    return start(t, 'memcheck', [...log, '--', ...server]).ended;
  };
  // At the same time: most of it is waiting.
  const [sound, leaks] = await Promise.all([check('sound'), check('leaks', '--leak', '12345')]);
  t.is(sound.code, 0, sound.stdout + sound.stderr);
  t.regex(sound.stdout, /^HEAP SUMMARY:$/m);
  t.regex(sound.stdout, /^ +definitely lost: 0 bytes in 0 blocks$/m);
  t.true(sound.stdout.endsWith('\nok: no leak, no invalid access\n'));
  t.regex(sound.stderr, /^load: [1-9]\d* requests, 0 errors\nload: \d+ conversations right$/m);
  t.is(leaks.code, 1);
  t.regex(leaks.stdout, /^ +definitely lost: 12,345 bytes in 1 blocks$/m);
  t.true(leaks.stdout.endsWith('\nFAILED\n'));
  t.true(leaks.stderr.endsWith(`memcheck: valgrind found errors; see ${join(path, 'leaks')}\n`));
});

builtTest('perf', 'perf draws a flame graph with the functions of the engine', async (t) => {
  const svg = join(temporary(t), 'graph.svg');
  const names = ['rx-io-0', 'EventLoop::turn', 'Out::flush', 'rx-worker-0', 'pool::Worker::run'];
  let ended;
  let seen = '';
  // On a busy machine the server may have little of one second.
  for (const seconds of ['1', '3', '9']) {
    const args = ['--seconds', seconds, '--output', svg, '--', '-i', '1', '-w', '1'];
    ended = await start(t, 'perf', args).ended;
    const { code, stderr } = ended;
    if (/^perf: the kernel does not let perf record/m.test(stderr)) {
      t.is(code, 1);
      t.regex(stderr, /is \d\); allow it with: sudo sysctl kernel\.perf_event_paranoid=1\n$/);
      console.log(`skipped: the flame graph: ${stderr.trim()}`);
      return;
    }
    seen = code === 0 ? readFileSync(svg, 'utf8') : '';
    if (names.every((name) => seen.includes(name))) {
      break;
    }
  }
  const { code, stdout, stderr } = ended;
  t.is(code, 0, stderr);
  t.regex(stdout, /^[1-9][\d,]* requests\/s while (cycles|cpu-clock)\S* was recorded, 0 errors$/m);
  t.regex(stdout, /graph\.svg: [1-9][\d,]* samples; open it in a browser\n/);
  t.regex(seen, /^<\?xml[\s\S]*<svg[\s\S]*<\/svg>\s*$/);
  for (const name of names) {
    t.true(seen.includes(name), name);
  }
});

builtTest(null, 'monitor shows a server that runs', async (t) => {
  const env = { REACTOR_RUNTIME_DIR: temporary(t) };
  const none = await start(t, 'monitor', ['--once'], env).ended;
  t.deepEqual([none.code, none.stdout], [1, '']);
  t.regex(none.stderr, /^reactor-rs: no server of yours is running [^\n]*\n$/);
  const { pid } = await serve(t, ['-H', '127.0.0.1', '-p', '0'], { env });
  const one = await start(t, 'monitor', ['--once', '-n', '0.1'], env).ended;
  t.is(one.code, 0, one.stderr);
  t.regex(one.stdout, new RegExp(`^reactor-rs \\S+  pid ${pid}  127\\.0\\.0\\.1:\\d+  up `));
  const help = await start(t, 'monitor', ['--help']).ended;
  t.is(help.code, 0);
  t.regex(help.stdout, /^Usage: reactor-rs monitor/);
});

builtTest(null, 'monitor, and start, do not mind a reader that leaves', async (t) => {
  const env = { REACTOR_RUNTIME_DIR: temporary(t) };
  const server = start(t, 'start', ['-H', '127.0.0.1', '-p', '0', '--json'], env);
  await until(() => server.stdout().includes('\n'), 'the server');
  server.child.stderr.destroy();
  const monitor = start(t, 'monitor', ['--json', '-n', '0.1'], env);
  await until(() => monitor.stdout().includes('\n'), 'a sample');
  monitor.child.stdout.destroy();
  const { code, stderr } = await monitor.ended;
  t.deepEqual([code, stderr], [0, '']);
  // Its summary finds nobody either.
  process.kill(JSON.parse(server.stdout()).pid, 'SIGTERM');
  t.is((await server.ended).code, 0);
});

for (const [script, program, name] of [
  ['debug', 'gdb', 'gdb'],
  ['memcheck', 'valgrind', 'valgrind'],
  ['perf', 'perf', 'linux-perf (Ubuntu: linux-tools-generic)'],
]) {
  test(`${script} without ${program} says what to install`, async (t) => {
    t.deepEqual(await startAlone(t, script, []).ended, {
      code: 1,
      stdout: '',
      stderr: `${script}: ${program} was not found; install it (Debian: apt-get install ${name})\n`,
    });
  });
}

for (const [script, args, code, message] of [
  ['loadtest', ['--nope'], 2, "Unknown option '--nope'"],
  ['loadtest', ['--rounds', '0'], 1, "--rounds must be from 1 to 99999, got '0'"],
  ['loadtest', ['--path', 'x'], 1, "--path must begin with a slash, got 'x'"],
  ['memcheck', ['--seconds', 'x'], 1, "--seconds must be from 1 to 9999, got 'x'"],
  ['perf', ['--seconds', '-'], 1, "--seconds must be from 1 to 9999999, got '-'"],
]) {
  test(`"npm run ${script} -- ${args.join(' ')}" is one line`, async (t) => {
    const wrong = await startAlone(t, script, args).ended;
    t.deepEqual([wrong.code, wrong.stdout], [code, '']);
    t.true(wrong.stderr.startsWith(`${script}: ${message}`), wrong.stderr);
    t.is(wrong.stderr.indexOf('\n'), wrong.stderr.length - 1);
  });
}

const RUST = { cargo: 'echo cargo 1.88.0', rustc: 'echo rustc 1.88.0', cc: ':' };

for (const [what, programs, missing] of [
  ['nothing', RUST, []],
  ['a compiler', { ...RUST, cc: 'exit 1' }, [/^cc was not found or does not link .*: apt-get/]],
  [
    'a new Rust',
    { ...RUST, cargo: 'echo cargo 1.87.1', rustc: 'echo "rustc 1.9.0 (x 2016)"' },
    [/^Rust 1\.88 or newer is needed, cargo is 1\.87\.1; /, /, rustc is 1\.9\.0; "rustup update"/],
  ],
  [
    'all of them',
    {},
    [/^cargo was not found .*rustup\.rs/, /^rustc was not found/, /^cc was not found/],
  ],
]) {
  test(`set-up tells in a line each what is missing: ${what}`, async (t) => {
    const PATH = temporary(t);
    for (const [name, does] of Object.entries(programs)) {
      writeFileSync(join(PATH, name), `#!/bin/sh\n${does}\n`, { mode: 0o755 });
    }
    const file = JSON.stringify(join(ROOT, 'scripts/requirements.mjs'));
    const source = `import(${file}).then((m) => console.log(JSON.stringify(m.missingRequirements(true))))`;
    const child = follow(t, spawn(process.execPath, ['-e', source], options({ PATH })));
    const { code, stdout, stderr } = await child.ended;
    t.is(code, 0, stderr);
    const lines = JSON.parse(stdout);
    t.is(lines.length, missing.length, stdout);
    for (const [index, line] of lines.entries()) {
      t.regex(line, missing[index]);
      t.false(line.includes('\n'));
    }
  });
}

test('a check is left out for want of a program, in CI only if CI need not have it', async (t) => {
  const file = JSON.stringify(join(ROOT, 'scripts/programs.mjs'));
  const source = `import(${file}).then(({ skipReason }) =>
    console.log(JSON.stringify(['curl', 'gdb', 'node'].map((name) => skipReason(name)))))`;
  const PATH = temporary(t);
  symlinkSync(process.execPath, join(PATH, 'node'));
  for (const [CI, wanted] of [
    ['', [/curl was not found; install it/, /gdb was not found; install it/, null]],
    ['1', [null, /gdb was not found; install it/, null]],
  ]) {
    const child = follow(
      t,
      spawn(process.execPath, ['-e', source, 'as-a-script'], options({ PATH, CI })),
    );
    const { stdout } = await child.ended;
    for (const [index, why] of JSON.parse(stdout).entries()) {
      wanted[index] === null ? t.is(why, null) : t.regex(why, wanted[index]);
    }
  }
});

test('each tells its usage', async (t) => {
  for (const script of ['loadtest', 'memcheck', 'perf', 'debug']) {
    const { code, stdout } = await start(t, script, ['--help']).ended;
    t.is(code, 0);
    t.regex(stdout, /^usage: npm run /);
  }
});

/** Waits for what is said, after a build perhaps, and takes it apart. */
async function heard(said, ended, pattern) {
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  const deadline = Date.now() + SLOW_MS;
  while (!pattern.test(said())) {
    if (isOver || Date.now() > deadline) {
      throw new Error(`never said ${pattern}, but: ${said()}`);
    }
    await sleep(10);
  }
  return pattern.exec(said());
}

/** Until the engine's threads sleep in two looks: they have done what there was to do. */
async function untilAsleep(pid) {
  const areAsleep = () =>
    readdirSync(`/proc/${pid}/task`)
      .map((task) => readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8'))
      .filter((stat) => stat.includes('(rx-'))
      .every((stat) => /\) S /.test(stat));
  await until(async () => {
    const wereAsleep = areAsleep();
    await sleep(50);
    return wereAsleep && areAsleep();
  }, 'the threads to sleep');
}
