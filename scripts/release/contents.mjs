// What is in the packages, against what should be.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../setup.mjs';
import { NOTICES } from './stage.mjs';
import { check } from './tap.mjs';
import { fileOf, TARGETS } from './targets.mjs';
import { packedBy } from './toolchain.mjs';

/** In every root package, whatever its sources. */
const ROOT_FILES = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  NOTICES,
  'dist-cjs/native.d.ts',
  'dist-cjs/package.json',
  'dist/dashboard.html',
  'index.d.ts',
  'package.json',
];

/**
 * Some checks for each package.
 * @param {import('./stage.mjs').Staged} staged
 */
export async function checkPackages({ root, platforms, repository }) {
  const manifest = manifestOf(root);
  await check('the root package: its files', () => checkContents(root, expectedInRoot()));
  await check('the root package runs no script and brings no tools', () => {
    assert.equal(manifest.private, undefined);
    assert.equal(manifest.scripts, undefined);
    assert.equal(manifest.devDependencies, undefined);
    return `depends on ${Object.keys(manifest.dependencies).join(', ')}`;
  });
  await check('the root package names its platform packages, by their exact versions', () => {
    const wanted = TARGETS.map(({ name }) => [`@reactor-rs/binding-${name}`, manifest.version]);
    assert.deepEqual(manifest.optionalDependencies, Object.fromEntries(wanted));
  });
  for (const target of TARGETS) {
    const { name, cpu, libc } = target;
    await check(`${name}: its files`, () =>
      checkContents(platforms[name], expectedInPlatform(target)),
    );
    await check(`${name}: is installed where it runs, and runs no script`, () => {
      const { version, os, cpu: cpus, libc: libcs, main, scripts } = manifestOf(platforms[name]);
      assert.deepEqual(
        { version, os, cpu: cpus, libc: libcs, main, scripts },
        {
          version: manifest.version,
          os: ['linux'],
          cpu: [cpu],
          libc: [{ gnu: 'glibc', musl: 'musl' }[libc]],
          main: fileOf(target),
          scripts: undefined,
        },
      );
    });
  }
  await check('every package names the repository, where there is one', () => {
    for (const folder of [root, ...Object.values(platforms)]) {
      assert.equal(manifestOf(folder).repository?.url, repository, folder);
    }
    return repository ?? 'there is none';
  });
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** The files of the root package: each source compiled, and its types. */
function expectedInRoot() {
  const sources = readdirSync(join(ROOT, 'ts'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath ?? entry.path, entry.name).slice(ROOT.length + 'ts/'.length),
    );
  const compiled = (file) =>
    file.endsWith('.cts')
      ? [file.replace(/\.cts$/, '.cjs'), file.replace(/\.cts$/, '.d.cts')]
      : [file.replace(/\.ts$/, '.js'), file.replace(/\.ts$/, '.d.ts')];
  return [
    ...ROOT_FILES,
    ...sources.flatMap(compiled).map((file) => `dist/${file}`),
    // The command line and the threads of a module are ES modules on every Node.
    ...sources
      // What only the command and its threads have is not required.
      .filter((file) => !/^(cli|watch)\/|^(thread|here)\.ts$/.test(file))
      .flatMap(compiled)
      .map((file) => `dist-cjs/${file}`),
  ].sort();
}

/** The files of a platform's package. */
function expectedInPlatform(target) {
  return ['LICENSE', 'README.md', NOTICES, 'package.json', fileOf(target)].sort();
}

/** What `npm pack` would put into the tarball of a folder. */
function packed(folder) {
  const args = ['pack', '--dry-run', '--json', '--loglevel=error'];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const [{ files, unpackedSize }] = packedBy(stdout);
  return { files: files.map(({ path }) => path).sort(), unpackedSize };
}

/** @throws where the folder would pack more or less than it should */
function checkContents(folder, expected) {
  const { files, unpackedSize } = packed(folder);
  const missing = expected.filter((file) => !files.includes(file));
  const superfluous = files.filter((file) => !expected.includes(file));
  assert.deepEqual({ missing, superfluous }, { missing: [], superfluous: [] });
  return `${files.length} files, ${unpackedSize} bytes unpacked`;
}
