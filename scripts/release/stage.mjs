// The packages as they go to a registry, in build/release: the root package, wired
// to its platform packages by @napi-rs/cli, and a folder for each of those.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, ROOT, SetupError } from '../setup.mjs';
import { binaryOf, packageFolder, TARGETS } from './targets.mjs';

/** What there is in a root package beside package.json. */
const PARTS = ['dist', 'dist-cjs', 'index.d.ts', 'README.md', 'CHANGELOG.md', 'LICENSE'];

/** The licences of what is compiled into the binaries. */
export const NOTICES = 'THIRD-PARTY-LICENSES.md';

/**
 * Fills the folder and returns where the packages are.
 *
 * @param {string} folder
 * @param {{ binaries?: (target: import('./targets.mjs').Target) => string }} [options]
 * where a target's binary is; by default where the build puts it
 * @returns {{ root: string, platforms: Record<string, string> }} by target
 * @throws {SetupError} where a binary has not been built
 */
export function stage(folder, { binaries = binaryOf } = {}) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of [...PARTS, NOTICES]) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  writeManifest(folder, manifest);
  const platforms = {};
  for (const target of TARGETS) {
    const binary = binaries(target);
    if (!existsSync(binary)) {
      throw new SetupError(`${binary} does not exist; "npm run build:${target.name}" makes it`);
    }
    const to = join(folder, 'npm', target.name);
    cpSync(packageFolder(target), to, {
      recursive: true,
      filter: (file) => !file.endsWith('.node'),
    });
    cpSync(binary, join(to, `reactor-rs.${target.name}.node`));
    for (const part of ['LICENSE', NOTICES]) {
      cpSync(join(ROOT, part), join(to, part));
    }
    platforms[target.name] = to;
  }
  wire(folder);
  // Nobody who installs it runs them, and "npm" is not part of the root package.
  const { scripts, devDependencies, ava, napi, ...published } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  );
  writeManifest(folder, published);
  return { root: folder, platforms };
}

/** Lets the CLI write the optionalDependencies. Without these options it publishes. */
function wire(folder) {
  const args = ['pre-publish', '--skip-optional-publish', '--no-gh-release', '--tag-style', 'npm'];
  const { status, stdout, stderr } = spawnSync(bin('napi'), args, {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0) {
    throw new SetupError(`napi pre-publish failed: ${stderr}${stdout}`);
  }
}

function writeManifest(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}
