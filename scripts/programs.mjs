// Programs that are not the project's own: where they are, and what brings them.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SetupError } from './setup.mjs';

/** Debian's and Ubuntu's package of each, where it has not the program's own name. */
const PACKAGES = { ab: 'apache2-utils', perf: 'linux-perf (Ubuntu: linux-tools-generic)' };

/** The path of a program, as a shell would find it; null where there is none. */
export function find(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** What is missing, and what to do about it. */
export function missing(name) {
  return `${name} was not found; install it (Debian: apt-get install ${PACKAGES[name] ?? name})`;
}

/**
 * The path of a program that there must be.
 *
 * @throws {SetupError} with what to install
 */
export function need(name) {
  const path = find(name);
  if (path === null) {
    throw new SetupError(missing(name));
  }
  return path;
}
