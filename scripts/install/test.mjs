// `npm run test:install`: the packages as users get them. They are published to a
// private registry on loopback and installed from it into empty folders, by every
// package manager, on a PATH without a compiler and without another network.
// `npm test` goes on where the package managers cannot be had, by itself it fails.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { here, targetOf } from '../../dist/binding/platform.js';
import { stage } from '../release/stage.mjs';
import { check, plan, skip } from '../release/tap.mjs';
import { binaryOf, TARGETS } from '../release/targets.mjs';
import { BUILD, must, Unavailable } from '../release/toolchain.mjs';
import { bin, ROOT } from '../setup.mjs';
import * as bundles from './bundles.mjs';
import * as programs from './programs.mjs';
import { startRegistry } from './registry.mjs';
import { bindingsIn, World } from './world.mjs';

const exec = promisify(execFile);
const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const HERE = targetOf(here);
const OWN = `binding-${HERE}`;

/** How each manager is used, and what it calls things. */
const MANAGERS = [
  { name: 'npm', install: ['npm', 'install', 'reactor-rs'], run: ['npx'], omit: '--omit=optional' },
  {
    name: 'pnpm',
    install: ['pnpm', 'add', 'reactor-rs'],
    run: ['pnpm', 'exec'],
    omit: '--no-optional',
  },
  {
    name: 'yarn 1',
    install: ['yarn1', 'add', 'reactor-rs'],
    run: ['yarn1', '--silent', 'run'],
    omit: '--ignore-optional',
    // It does not know the field "libc".
    isLibcBlind: true,
  },
  {
    name: 'yarn 4',
    install: ['yarn4', 'add', 'reactor-rs'],
    run: ['yarn4', 'run'],
    files: { '.yarnrc.yml': 'nodeLinker: node-modules\n', 'yarn.lock': '' },
  },
  {
    name: "yarn 4 Plug'n'Play",
    install: ['yarn4', 'add', 'reactor-rs'],
    run: ['yarn4', 'run'],
    // There is no node_modules: Node and TypeScript need to be told by it.
    node: ['yarn4', 'node'],
    files: { '.yarnrc.yml': 'nodeLinker: pnp\n', 'yarn.lock': '' },
  },
];

const folder = mkdtempSync(join(tmpdir(), 'reactor-install-'));
let registry;
try {
  const tools = installTools();
  registry = await startRegistry(join(folder, 'registry'), join(tools, 'verdaccio/bin/verdaccio'));
  const world = new World(join(folder, 'machine'), registry, {
    pnpm: join(tools, 'pnpm/bin/pnpm.cjs'),
    yarn1: join(tools, 'yarn/bin/yarn.js'),
    yarn4: join(tools, '@yarnpkg/cli-dist/bin/yarn.js'),
  });
  await publish(world);
  await checkMachine(world);
  // They share nothing but the registry, and wait for files most of the time.
  await Promise.all([
    ...MANAGERS.map((manager) => checkManager(world, manager)),
    checkScriptsIgnored(world),
    checkOmitted(world),
    checkElsewhere(world),
    checkBundles(world),
  ]);
} catch (error) {
  if (!(error instanceof Unavailable)) {
    throw error;
  }
  if (process.argv.includes('--required')) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } else {
    skip('the install test', error.message);
  }
} finally {
  await registry?.stop();
  rmSync(folder, { recursive: true, force: true });
}
plan();

/** The registry and the managers, installed once; the only use of a network. */
function installTools() {
  const from = join(ROOT, 'scripts/install');
  const to = join(BUILD, 'install-tools');
  const lock = 'package-lock.json';
  const wanted = readFileSync(join(from, lock), 'utf8');
  const stamp = join(to, 'node_modules/.lock');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    rmSync(to, { recursive: true, force: true });
    for (const file of ['package.json', lock, '.npmrc']) {
      cpSync(join(from, file), join(to, file));
    }
    const args = ['ci', '--ignore-scripts', '--loglevel=error'];
    must('npm', args, 'installing the registry and the package managers', { cwd: to });
    writeFileSync(stamp, wanted);
  }
  return join(to, 'node_modules');
}

/** All five packages, and what the root package depends on. */
async function publish(world) {
  const own = TARGETS.find(({ name }) => name === HERE);
  const isPrebuilt = existsSync(binaryOf(own));
  process.stdout.write(
    `# ${HERE}: ${isPrebuilt ? 'the prebuilt binary' : "this checkout's own build; there is no prebuilt one"}\n`,
  );
  const binary = isPrebuilt ? binaryOf(own) : join(ROOT, `reactor-rs.${HERE}.node`);
  // Those for other platforms must never be opened here.
  const decoy = join(folder, 'decoy');
  writeFileSync(decoy, 'for another platform');
  const { root, platforms } = stage(join(folder, 'stage'), {
    binaries: ({ name }) => (name === HERE ? binary : decoy),
  });
  await check('publishing to the registry', async () => {
    const needed = Object.keys(dependencies).map((name) => join(ROOT, 'node_modules', name));
    const packages = [...needed, ...Object.values(platforms), root];
    for (const each of packages) {
      await world.must(folder, 'npm', ['publish', each, '--access', 'public']);
    }
    return `${packages.length} packages`;
  });
}

async function checkMachine(world) {
  await check('the machine has no compiler', async () => {
    for (const tool of ['cargo', 'rustc', 'gcc', 'cc', 'make', 'python3']) {
      const { code } = await world.run(folder, 'sh', ['-c', `command -v ${tool}`]);
      assert.notEqual(code, 0, tool);
    }
  });
}

async function checkManager(world, manager) {
  const { name, install, run, files, isLibcBlind, node } = manager;
  const [command, ...args] = install;
  const [program, ...before] = node ?? ['node'];
  const application = world.application(folderOf(name), {
    'app.mjs': programs.ESM,
    'app.cjs': programs.COMMONJS,
    'typed.mts': programs.TYPESCRIPT_ESM,
    'typed-cjs.cts': programs.TYPESCRIPT_COMMONJS,
    ...files,
  });

  await check(`${name}: ${args.join(' ')} brings the one platform package that fits`, async () => {
    await world.must(application, command, args);
    const found = bindingsIn(application);
    const libc = HERE.split('-').at(-1);
    assert.deepEqual(
      isLibcBlind ? found.filter((each) => each.endsWith(libc)) : found,
      [OWN],
      found.join(', '),
    );
    return found.join(', ');
  });
  await check(`${name}: reactor-rs serve -i 4 -w 8`, () => checkServe(world, application, run));
  await check(`${name}: import`, async () => {
    assert.equal(await world.must(application, program, [...before, 'app.mjs']), programs.PRINTED);
  });
  await check(`${name}: require`, async () => {
    assert.equal(await world.must(application, program, [...before, 'app.cjs']), programs.PRINTED);
  });
  if (node !== undefined) {
    return;
  }
  if (process.allowedNodeEnvironmentFlags.has('--experimental-require-module')) {
    await check(`${name}: require where Node cannot require ES modules`, async () => {
      const flags = ['--no-experimental-require-module', 'app.cjs'];
      assert.equal(await world.must(application, 'node', flags), programs.PRINTED);
    });
  }
  for (const module of ['node16', 'nodenext']) {
    await check(`${name}: TypeScript with types, module ${module}`, async () => {
      await compile(application, module);
      for (const file of ['typed.mjs', 'typed-cjs.cjs']) {
        assert.equal(await world.must(application, 'node', [`out/${file}`]), programs.PRINTED);
      }
    });
  }
}

/** A name that every shell and file system takes. */
function folderOf(name) {
  return name.replace(/\W/g, '');
}

/** The command as a shell has it, until a signal ends it. */
async function checkServe(world, application, [command, ...args]) {
  const flags = ['-i', '4', '-w', '8', '-H', '127.0.0.1', '-p', '0', '--json'];
  const running = world.start(application, command, [...args, 'reactor-rs', 'serve', ...flags]);
  let pid;
  try {
    const deadline = Date.now() + 30_000;
    while (!running.stdout.includes('\n')) {
      assert.equal(running.child.exitCode, null, running.stdout + running.stderr);
      assert.ok(Date.now() < deadline, 'it does not listen');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const listening = JSON.parse(running.stdout);
    pid = listening.pid;
    assert.deepEqual([listening.ioThreads, listening.workerThreads], [4, 8]);
    assert.equal(await (await fetch(listening.url)).text(), 'Hello, World!');
  } finally {
    (pid === undefined ? running.child : { kill: (by) => process.kill(pid, by) }).kill('SIGTERM');
  }
  const { code } = await running.ended;
  assert.equal(code, 0, running.stderr);
}

/** With the checkout's compiler; the types are those of the installed package. */
async function compile(application, module) {
  writeFileSync(
    join(application, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module,
        target: 'es2022',
        strict: true,
        skipLibCheck: false,
        types: ['node'],
        typeRoots: [join(ROOT, 'node_modules/@types')],
        rootDir: '.',
        outDir: 'out',
      },
      files: ['typed.mts', 'typed-cjs.cts'],
    }),
  );
  const args = ['-p', '.', '--pretty', 'false'];
  await exec(bin('tsc'), args, { cwd: application }).catch(({ stdout, message }) => {
    throw new Error(stdout || message);
  });
}

async function checkScriptsIgnored(world) {
  await check('npm: --ignore-scripts takes nothing away', async () => {
    const application = world.application('ignore-scripts', {
      'app.mjs': programs.SERVE_OR_ERROR,
    });
    await world.must(application, 'npm', ['install', '--ignore-scripts', 'reactor-rs']);
    assert.equal(await world.must(application, 'node', ['app.mjs']), 'served\n');
  });
}

async function checkOmitted(world) {
  for (const { name, install, omit } of MANAGERS.filter((manager) => manager.omit)) {
    const application = world.application(`omit-${folderOf(name)}`, {
      'app.mjs': programs.SERVE_OR_ERROR,
    });
    const [command, ...args] = install;
    await check(`${name}: ${omit}: the error says what is missing and how to get it`, async () => {
      await world.must(application, command, [...args, omit]);
      assert.deepEqual(bindingsIn(application), []);
      const printed = await world.must(application, 'node', ['app.mjs']);
      assert.match(
        printed,
        new RegExp(
          `^ERR_REACTOR_BINDING reactor-rs ${version} needs the package @reactor-rs/${OWN}@${version}, which is not installed; --omit=optional .*"npm install --include=optional" gets it`,
        ),
      );
    });
    if (name === 'npm') {
      await check('npm: what the error says gets it', async () => {
        await world.must(application, 'npm', ['install', '--include=optional']);
        assert.equal(await world.must(application, 'node', ['app.mjs']), 'served\n');
      });
    }
  }
}

/** What bundlers and tracers, with the checkout's own, make of an installed package. */
async function checkBundles(world) {
  for (const name of ['npm', 'pnpm']) {
    const { install } = MANAGERS.find((manager) => manager.name === name);
    const [command, ...args] = install;
    const application = world.application(`bundles-${name}`, bundles.FILES);
    await world.must(application, command, args);
    for (const [number, bundle] of bundles.BUNDLES.entries()) {
      await check(`${name}: ${bundle.name}`, async () => {
        const apart = join(folder, `bundled-${name}-${number}`);
        const beside = join(application, `out-${number}`);
        const file = await bundle.make(application, bundle.isWhole ? apart : beside);
        assert.equal(await world.must(folder, 'node', [file]), bundles.PRINTED);
      });
    }
  }
}

async function checkElsewhere(world) {
  await check('npm: installs for a platform without a binary', async () => {
    const application = world.application('elsewhere');
    const platform = ['--os=darwin', '--cpu=arm64'];
    await world.must(application, 'npm', ['install', ...platform, 'reactor-rs']);
    assert.deepEqual(bindingsIn(application), []);
    assert.ok(existsSync(join(application, 'node_modules/reactor-rs/package.json')));
  });
}
