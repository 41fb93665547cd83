// Programs that are not the project's own: where they are, and what brings them.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SetupError } from './setup.mjs';

/** Debian's and Ubuntu's package of each, where it has not the program's own name. */
const PACKAGES = {
  ab: 'apache2-utils',
  'c++': 'g++',
  gcc: 'gcc libc6-dev',
  perf: 'linux-perf (Ubuntu: linux-tools-generic)',
  promtool: 'prometheus',
  readelf: 'binutils',
  script: 'bsdutils',
  'systemd-analyze': 'systemd',
};

/** A machine that runs the checks unattended need not have these. */
const EXTRA = [
  ...['gdb', 'haproxy', 'nginx', 'perf', 'promtool', 'slowhttptest', 'systemd-analyze', 'valgrind'],
];

/** The path of a program, as a shell would find it; null where there is none. */
export function find(name) {
  const path = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const folder of name.includes('/') ? [''] : path) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
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
 * Why a check that needs a program is left out; null where it is to run, and perhaps to
 * fail: with `CI` set nothing is left out for want of a program that CI should have.
 *
 * @param {string} name
 * @param {string} [at] its path, where that is not to be looked for
 */
export function skipReason(name, at = name) {
  const mustBe = process.env.CI && !EXTRA.includes(name);
  return mustBe || find(at) !== null ? null : missing(name);
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
