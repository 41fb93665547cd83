// Other versions of Node, out of npm's packages that hold its official builds.
// They need no install script: each is one executable.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, SetupError } from './setup.mjs';

/** Below /target, which git ignores. */
const FOLDER = join(ROOT, 'target/endurance');

/**
 * Where the wanted versions are, once those that are missing have been installed.
 *
 * @param {string[]} majors such as `['20', '22']`
 * @returns {{ version: string, path: string }[]} in the order asked for
 * @throws {SetupError}
 */
export function nodeVersions(majors) {
  const missing = majors.filter((major) => !existsSync(pathOf(major)));
  if (missing.length > 0) {
    install(missing);
  }
  return majors.map((major) => {
    const path = pathOf(major);
    const version = execFileSync(path, ['--version'], { encoding: 'utf8' }).trim();
    return { version, path };
  });
}

function pathOf(major) {
  const [own] = process.versions.node.split('.');
  return major === own ? process.execPath : join(FOLDER, `node_modules/node${major}/bin/node`);
}

function install(majors) {
  mkdirSync(FOLDER, { recursive: true });
  // Its own package: without one npm would take the project's. It lists the versions
  // that are there already, which npm would otherwise remove.
  const manifest = join(FOLDER, 'package.json');
  if (!existsSync(manifest)) {
    writeFileSync(manifest, '{ "private": true }\n');
  }
  const packages = majors.map((major) => `node${major}@npm:node-linux-${process.arch}@${major}`);
  process.stderr.write(`installing Node ${majors.join(', ')} into ${FOLDER}\n`);
  const { status } = spawnSync(
    'npm',
    ['install', '--prefix', FOLDER, '--ignore-scripts', '--loglevel=error', ...packages],
    { cwd: FOLDER, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  if (status !== 0) {
    const [own] = process.versions.node.split('.');
    throw new SetupError(
      `Node ${majors.join(', ')} could not be installed from the npm registry; with --node ${own} none has to be`,
    );
  }
}
