// Makes a checkout ready to run: node_modules, the native binding in release,
// the TypeScript. Skips what is up to date. Runs before anything is installed,
// so it uses nothing but Node.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { missingRequirements } from './requirements.mjs';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What went wrong, for the user: one line, or one for each thing that is missing. */
export class SetupError extends Error {}

/**
 * Brings everything up to date; with `force` builds even what seems to be, with
 * `acceptTypes` takes the binding's types as the native build makes them.
 */
export function setup({ force = false, acceptTypes = false } = {}) {
  const native = new Stamp('build/native.stamp', [
    'Cargo.toml',
    'Cargo.lock',
    'build.rs',
    'crates',
  ]);
  const isBuilt = !force && hasBinding() && native.isCurrent();
  // Before the long installation, not after it.
  const missing = missingRequirements(!isBuilt);
  if (missing.length > 0) {
    throw new SetupError(missing.join('\n'));
  }
  install();
  if (!isBuilt) {
    buildNative();
    native.write();
  }
  if (acceptTypes) {
    copyFileSync(GENERATED_TYPES, join(ROOT, 'index.d.ts'));
  }
  buildTypeScript(force);
}

function install() {
  const stamp = new Stamp('node_modules/.reactor-setup', [
    'package.json',
    'package-lock.json',
    '.npmrc',
  ]);
  if (stamp.isCurrent() && existsSync(join(ROOT, 'node_modules/.bin/napi'))) {
    return;
  }
  // Not `npm ci`: it refuses a lock file that leaves out other platforms'
  // optional packages, as npm 11 itself writes it. The lock file is obeyed and
  // not written either way.
  run('installing npm packages', 'npm', [
    'install',
    '--no-save',
    '--include=dev',
    '--include=optional',
    '--loglevel=error',
  ]);
  stamp.write();
}

function hasBinding() {
  const isThere = readdirSync(ROOT).some((name) => /^reactor-rs\..*\.node$/.test(name));
  return isThere && existsSync(GENERATED_TYPES);
}

function buildNative() {
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  run('building the native binding (release)', bin('napi'), [
    'build',
    '--platform',
    '--release',
    '--no-js',
    '--dts',
    'build/index.d.ts',
  ]);
}

function buildTypeScript(force) {
  const stamp = new Stamp('dist/.stamp', [
    'ts',
    'index.d.ts',
    'tsconfig.json',
    'tsconfig.cjs.json',
    'dashboard',
    'scripts/dashboard.mjs',
    'scripts/setup.mjs',
  ]);
  if (!force && stamp.isCurrent()) {
    return;
  }
  // The compiler does not remove what a deleted source had made.
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  rmSync(COMMONJS, { recursive: true, force: true });
  run('building the TypeScript', bin('tsc'), ['-p', '.']);
  run('building the TypeScript as CommonJS', bin('tsc'), ['-p', 'tsconfig.cjs.json']);
  makeCommonJs();
  run('building the dashboard', process.execPath, ['scripts/dashboard.mjs']);
  stamp.write();
}

/** The build for those versions of Node that cannot `require` an ES module. */
const COMMONJS = join(ROOT, 'dist-cjs');

/** Without this Node, and TypeScript with its types, would take it for ES modules. */
const COMMONJS_MANIFEST = { type: 'commonjs', imports: { '#here': './here.cjs' } };

function makeCommonJs() {
  writeFileSync(join(COMMONJS, 'package.json'), `${JSON.stringify(COMMONJS_MANIFEST)}\n`);
  // index.d.ts beside the package's package.json describes an ES module, which
  // CommonJS cannot import from, be it types alone.
  copyFileSync(join(ROOT, 'index.d.ts'), join(COMMONJS, 'native.d.ts'));
  const types = join(COMMONJS, 'binding/binding.d.ts');
  writeFileSync(
    types,
    readFileSync(types, 'utf8').replaceAll("'../../index.js'", "'../native.js'"),
  );
}

/** The binding's types as the last native build made them; the committed ones must agree. */
export const GENERATED_TYPES = join(ROOT, 'build/index.d.ts');

/** Path of an installed command. */
export function bin(name) {
  return join(ROOT, 'node_modules/.bin', name);
}

function run(what, command, args) {
  process.stderr.write(`set-up: ${what}\n`);
  // On stderr: stdout belongs to the program that is about to run.
  const { status, signal, error } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (status !== 0) {
    const why = error?.message ?? (signal ? `ended by ${signal}` : `exit code ${status}`);
    throw new SetupError(`${what} failed: ${why}`);
  }
}

/**
 * Remembers the content of sources, so that a product is rebuilt when they
 * change. Content, not times: git gives every file of a fresh checkout the time
 * of the checkout.
 */
class Stamp {
  #file;
  #digest;

  constructor(file, sources) {
    this.#file = join(ROOT, file);
    const hash = createHash('sha256');
    for (const path of sources.flatMap(filesUnder)) {
      hash
        .update(`${path}\0`)
        .update(readFileSync(join(ROOT, path)))
        .update('\0');
    }
    this.#digest = hash.digest('hex');
  }

  isCurrent() {
    return existsSync(this.#file) && readFileSync(this.#file, 'utf8') === this.#digest;
  }

  write() {
    writeFileSync(this.#file, this.#digest);
  }
}

/** A file itself, or every file under a folder, in a fixed order. */
function filesUnder(path) {
  const full = join(ROOT, path);
  if (!existsSync(full)) {
    return [];
  }
  try {
    return readdirSync(full)
      .sort()
      .flatMap((name) => filesUnder(join(path, name)));
  } catch (error) {
    if (error.code === 'ENOTDIR') {
      return [path];
    }
    throw error;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    setup({
      force: process.argv.includes('--force'),
      acceptTypes: process.argv.includes('--accept-types'),
    });
  } catch (error) {
    if (!(error instanceof SetupError)) {
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
