// The packages as they go to a registry, in build/release: the root package, wired
// to its platform packages by @napi-rs/cli, and a folder for each of those.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, ROOT, SetupError } from '../setup.mjs';
import { binaryOf, fileOf, packageFolder, TARGETS } from './targets.mjs';

/** What there is in a root package beside package.json. */
const PARTS = ['dist', 'dist-cjs', 'index.d.ts', 'README.md', 'CHANGELOG.md', 'LICENSE'];

/** The licences of what is compiled into the binaries. */
export const NOTICES = 'THIRD-PARTY-LICENSES.md';

/**
 * @typedef {object} Staged
 * @property {string} root the folder of the root package
 * @property {Record<string, string>} platforms the folders of the others, by target
 * @property {string} [repository] what their manifests say where the sources are
 */

/**
 * Fills the folder and returns where the packages are.
 *
 * @param {string} folder
 * @param {object} [options]
 * @param {(target: import('./targets.mjs').Target) => string} [options.binaries]
 * where a target's binary is; by default where the build puts it
 * @param {string} [options.repository] a URL as package.json has it
 * @returns {Staged}
 * @throws {SetupError} where a binary has not been built
 */
export function stage(folder, { binaries = binaryOf, repository } = {}) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of [...PARTS, NOTICES]) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  writeManifest(folder, readManifest(ROOT));
  for (const target of TARGETS) {
    const binary = binaries(target);
    if (!existsSync(binary)) {
      throw new SetupError(`${binary} does not exist; "npm run build:${target.name}" makes it`);
    }
    const to = platformIn(folder, target);
    cpSync(packageFolder(target), to, {
      recursive: true,
      filter: (file) => !file.endsWith('.node'),
    });
    cpSync(binary, join(to, fileOf(target)));
    for (const part of ['LICENSE', NOTICES]) {
      cpSync(join(ROOT, part), join(to, part));
    }
  }
  wire(folder);
  // Nobody who installs it runs them, and "npm" is not part of the root package.
  // The checkout is private, so that `npm publish` in it sends nothing half-finished.
  const { private: _, scripts, devDependencies, ava, napi, ...published } = readManifest(folder);
  writeManifest(folder, published);
  const staged = stagedIn(folder, { repository });
  if (repository !== undefined) {
    for (const each of [staged.root, ...Object.values(staged.platforms)]) {
      writeManifest(each, { ...readManifest(each), repository: { type: 'git', url: repository } });
    }
  }
  return staged;
}

/**
 * What an earlier call has put there.
 * @param {string} folder
 * @param {{ repository?: string }} options as they were then
 * @returns {Staged}
 * @throws {SetupError} where nothing has been staged
 */
export function stagedIn(folder, { repository }) {
  const platforms = Object.fromEntries(
    TARGETS.map((target) => [target.name, platformIn(folder, target)]),
  );
  for (const each of [folder, ...Object.values(platforms)]) {
    if (!existsSync(join(each, 'package.json'))) {
      throw new SetupError(`nothing is staged in ${each}; "npm run release" does it`);
    }
  }
  return { root: folder, platforms, repository };
}

function platformIn(folder, { name }) {
  return join(folder, 'npm', name);
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

function readManifest(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function writeManifest(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}
