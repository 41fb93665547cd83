// Which native binding is loaded and what is said where there is none: the compiled
// package in a folder of its own, beside platform packages of every kind.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { here, isSupported, targetOf } from '../../dist/binding/platform.js';
import { temporary } from '../support/folder.mjs';

const exec = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TARGET = targetOf(here);
const PACKAGE = `@reactor-rs/binding-${TARGET}`;
const BINDING = join(ROOT, `reactor-rs.${TARGET}.node`);
const manifest = read('package.json');
const { version } = manifest;

function read(file) {
  return JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
}

/** An application's folder with the package in it, and no binding. */
function application(t) {
  const folder = temporary(t);
  const root = join(folder, 'node_modules/reactor-rs');
  for (const part of ['dist', 'dist-cjs', 'package.json']) {
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  }
  return folder;
}

/** Puts the platform's package there; `binding` is the file that it brings. */
function addPackage(folder, { version: of = version, binding = BINDING } = {}) {
  const root = join(folder, 'node_modules', PACKAGE);
  mkdirSync(root, { recursive: true });
  const main = `reactor-rs.${TARGET}.node`;
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: PACKAGE, version: of, main }));
  cpSync(binding, join(root, main));
  return join(root, main);
}

/** What a program prints, run in that folder as another platform where that is given. */
async function run(folder, program, { platform = {}, flags = [] } = {}) {
  const disguise = Object.entries(platform)
    .map(([key, value]) => `Object.defineProperty(process, '${key}', { value: '${value}' });`)
    .join('');
  const args = [...flags, '--import', `data:text/javascript,${disguise}`, '--input-type=module'];
  return exec(process.execPath, [...args, '--eval', program], { cwd: folder });
}

/** Prints the code and the message of what `serve` rejects with. */
const SERVE = `
  const { serve } = await import('reactor-rs');
  try {
    const server = await serve({ port: 0, hostname: '127.0.0.1', routes: { '/': 'served' } });
    console.log(await (await fetch(server.url)).text());
    await server.stop();
  } catch (error) {
    console.log(error.name, error.code, error.message);
  }
`;

test('the platform package is found and serves', async (t) => {
  const folder = application(t);
  addPackage(folder);
  t.is((await run(folder, SERVE)).stdout, 'served\n');
});

test('a binding that was built in the package itself is preferred', async (t) => {
  const folder = application(t);
  addPackage(folder, { binding: join(ROOT, 'package.json') });
  cpSync(BINDING, join(folder, `node_modules/reactor-rs/reactor-rs.${TARGET}.node`));
  t.is((await run(folder, SERVE)).stdout, 'served\n');
});

test('a missing platform package: which it is, why, and what gets it', async (t) => {
  const { stdout, stderr } = await run(application(t), SERVE);
  t.is(stderr, '');
  t.is(
    stdout,
    `ReactorError ERR_REACTOR_BINDING reactor-rs ${version} needs the package ${PACKAGE}@${version}, which is not installed; --omit=optional or --no-optional leaves it out, and so does a lock file or a node_modules folder from another platform; "npm install --include=optional" gets it, in the latter cases once node_modules and the lock file have been removed\n`,
  );
});

test('in a checkout, a missing binding names the command that builds it', async (t) => {
  const folder = application(t);
  writeFileSync(join(folder, 'node_modules/reactor-rs/Cargo.toml'), '');
  t.regex((await run(folder, SERVE)).stdout, /ERR_REACTOR_BINDING .*"npm run build" makes\n$/);
});

test('a platform package of another version is not loaded', async (t) => {
  const folder = application(t);
  addPackage(folder, { version: '0.0.9' });
  t.is(
    (await run(folder, SERVE)).stdout,
    `ReactorError ERR_REACTOR_BINDING reactor-rs ${version} needs the package ${PACKAGE}@${version}, 0.0.9 is installed; "npm install reactor-rs@${version}" gets the right one\n`,
  );
});

test('a binding that cannot be loaded is named with the reason', async (t) => {
  const folder = application(t);
  const file = addPackage(folder, { binding: join(ROOT, 'package.json') });
  const { stdout } = await run(folder, SERVE);
  t.true(
    stdout.startsWith(
      `ReactorError ERR_REACTOR_BINDING reactor-rs cannot load its native binding ${PACKAGE}: `,
    ),
    stdout,
  );
  // glibc's words begin with it, musl's end with it and the cause.
  t.true(stdout.includes(file), stdout);
  t.is(stdout.split('\n').length, 2, 'one line');
});

test('the command line says it in one line, with exit code 1', async (t) => {
  const folder = application(t);
  cpSync(join(ROOT, 'node_modules/commander'), join(folder, 'node_modules/commander'), {
    recursive: true,
  });
  const command = join(folder, 'node_modules/reactor-rs/dist/cli/bin.js');
  const { code, stdout, stderr } = await t.throwsAsync(
    exec(process.execPath, [command, 'serve', '-p', '0'], { cwd: folder }),
  );
  t.deepEqual(
    { code, stdout, lines: stderr.split('\n').length },
    { code: 1, stdout: '', lines: 2 },
  );
  t.regex(stderr, new RegExp(`needs the package ${PACKAGE}`));
});

for (const [platform, arch] of [
  ['darwin', 'arm64'],
  ['win32', 'x64'],
  ['linux', 'riscv64'],
]) {
  test(`on ${platform} ${arch} it can be imported, says what is supported, and does not serve`, async (t) => {
    const folder = application(t);
    const line = `reactor-rs runs on Linux, x64 and arm64, with glibc 2.17 or newer or musl; this is ${platform} ${arch}, where it can be imported but not serve`;
    const options = { platform: { platform, arch } };
    const { stdout, stderr } = await run(folder, SERVE, options);
    t.is(stdout, `ReactorError ERR_REACTOR_PLATFORM ${line}\n`);
    t.is(stderr.match(/reactor-rs runs on/g).length, 1);
    t.true(stderr.includes(`[ERR_REACTOR_PLATFORM] Warning: ${line}\n`), stderr);

    const listening = `
      import { createServer } from 'reactor-rs/node';
      import { Response } from 'reactor-rs';
      createServer(() => {}).on('error', (error) => console.log(error.code)).listen(0);
      console.log(await new Response('used').text());
    `;
    const node = await run(folder, listening, options);
    t.is(node.stdout, 'used\nERR_REACTOR_PLATFORM\n');
    t.is(node.stderr.match(/reactor-rs runs on/g).length, 1, 'once, for both entries');
  });
}

test('a supported platform says nothing at import', async (t) => {
  const { stdout, stderr } = await run(
    application(t),
    `import 'reactor-rs'; import 'reactor-rs/node';`,
  );
  t.deepEqual({ stdout, stderr }, { stdout: '', stderr: '' });
});

test('every target has its package, of the version of this one', (t) => {
  const targets = [];
  for (const cpu of ['x64', 'arm64']) {
    for (const libc of ['gnu', 'musl']) {
      const platform = { os: 'linux', cpu, libc: () => libc };
      t.true(isSupported(platform));
      const target = targetOf(platform);
      targets.push(target);
      const own = read(`npm/${target}/package.json`);
      t.like(own, {
        name: `@reactor-rs/binding-${target}`,
        version,
        os: ['linux'],
        cpu: [cpu],
        libc: [libc === 'gnu' ? 'glibc' : 'musl'],
        engines: manifest.engines,
        main: `reactor-rs.${target}.node`,
      });
      t.is(own.scripts, undefined);
    }
  }
  t.deepEqual(readdirSync(join(ROOT, 'npm')).sort(), targets.sort());
});

test('the package runs no script when it is installed', (t) => {
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']) {
    t.false(name in manifest.scripts, name);
  }
});

// Versions of Node that cannot require an ES module are imitated by the flag that
// forbids it; the condition "module-sync" goes with it.
for (const [kind, flags] of [
  ['that requires ES modules', []],
  ['that does not', ['--no-experimental-require-module']],
]) {
  const program = `
    import { createRequire } from 'node:module';
    const require = createRequire(process.cwd() + '/app.cjs');
    require('reactor-rs/register');
    const { serve, Response, ReactorError, ERROR_CODES } = require('reactor-rs');
    const { createServer } = require('reactor-rs/node');
    const server = await serve(() => Response.json({ by: 'require' }), { port: 0, hostname: '127.0.0.1' });
    console.log(await (await fetch(server.url)).text());
    await server.stop();
    const node = createServer((req, res) => res.end('node')).listen(0, '127.0.0.1', async () => {
      console.log(await (await fetch('http://127.0.0.1:' + node.address().port)).text());
      node.close();
    });
    await serve({ port: -1 }).catch((error) => console.log(error instanceof ReactorError, error.code in ERROR_CODES));
    const imported = await import('reactor-rs');
    console.log(Object.keys(imported).sort().join() === Object.keys(require('reactor-rs')).filter((key) => key !== '__esModule' && key !== 'module.exports').sort().join());
    console.log(imported.serve === serve);
    // Both kinds in one process get along.
    const mixed = await imported.serve(() => new Response('mixed'), { port: 0, hostname: '127.0.0.1' });
    console.log(await (await fetch(mixed.url)).text());
    await mixed.stop();
  `;
  test(`require works on a Node ${kind}`, async (t) => {
    if (
      flags.length > 0 &&
      !process.allowedNodeEnvironmentFlags.has('--experimental-require-module')
    ) {
      t.log(`skipped: Node ${process.version} has no such flag`);
      t.pass();
      return;
    }
    const folder = application(t);
    addPackage(folder);
    const { stdout, stderr } = await run(folder, program, { flags });
    const lines = stdout.trim().split('\n').sort();
    t.deepEqual(
      lines,
      ['node', 'mixed', 'true', 'true true', String(flags.length === 0), '{"by":"require"}'].sort(),
    );
    t.is(stderr, '');
  });
}
