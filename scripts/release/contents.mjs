// What is in the packages, against what should be.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../setup.mjs';
import { NOTICES } from './stage.mjs';

/** In every root package, whatever its sources. */
const ROOT_FILES = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  NOTICES,
  'dist-cjs/native.d.ts',
  'dist-cjs/package.json',
  'index.d.ts',
  'package.json',
];

/** The files of the root package: each source compiled, and its types. */
export function expectedInRoot() {
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
      .filter((file) => !file.startsWith('cli/') && file !== 'thread.ts')
      .flatMap(compiled)
      .map((file) => `dist-cjs/${file}`),
  ].sort();
}

/** The files of a platform's package. */
export function expectedInPlatform(target) {
  return ['LICENSE', 'README.md', NOTICES, 'package.json', `reactor-rs.${target}.node`].sort();
}

/** What `npm pack` would put into the tarball of a folder. */
export function packed(folder) {
  const args = ['pack', '--dry-run', '--json', '--loglevel=error'];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const [{ files, unpackedSize }] = JSON.parse(stdout);
  return { files: files.map(({ path }) => path).sort(), unpackedSize };
}

/** @throws where the folder would pack more or less than it should */
export function checkContents(folder, expected) {
  const { files, unpackedSize } = packed(folder);
  const missing = expected.filter((file) => !files.includes(file));
  const superfluous = files.filter((file) => !expected.includes(file));
  assert.deepEqual({ missing, superfluous }, { missing: [], superfluous: [] });
  return `${files.length} files, ${unpackedSize} bytes unpacked`;
}
