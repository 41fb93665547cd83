// The platforms that get a binary of their own, and what each must come to.

import { join } from 'node:path';
import { ROOT, SetupError } from '../setup.mjs';

/** Stripped; an install must not cost more than it has to. */
export const MAX_BYTES = 4 * 1024 * 1024;

/** The oldest glibc that must do: that of CentOS 7, which Node itself needs more than. */
export const MAX_GLIBC = '2.17';

/**
 * @typedef {object} Target
 * @property {string} name as in `npm/` and in `ts/binding/platform.ts`
 * @property {string} triple Rust's name
 * @property {'x64' | 'arm64'} cpu as `process.arch`
 * @property {'gnu' | 'musl'} libc
 * @property {string} machine as readelf says it
 */

/** @type {Target[]} */
export const TARGETS = ['gnu', 'musl'].flatMap((libc) =>
  [
    { cpu: 'x64', rust: 'x86_64', machine: 'Advanced Micro Devices X86-64' },
    { cpu: 'arm64', rust: 'aarch64', machine: 'AArch64' },
  ].map(({ cpu, rust, machine }) => ({
    name: `linux-${cpu}-${libc}`,
    triple: `${rust}-unknown-linux-${libc}`,
    cpu,
    libc,
    machine,
  })),
);

/**
 * @param {string | undefined} name
 * @throws {SetupError}
 */
export function targetNamed(name) {
  const target = TARGETS.find((each) => each.name === name);
  if (target === undefined) {
    const names = TARGETS.map((each) => each.name).join(', ');
    throw new SetupError(`"${name}" is no target; there are ${names}`);
  }
  return target;
}

/** The folder of a target's package. */
export function packageFolder({ name }) {
  return join(ROOT, 'npm', name);
}

/** What a target's binary is called. */
export function fileOf({ name }) {
  return `reactor-rs.${name}.node`;
}

/** Where a target's binary lies once it has been built. */
export function binaryOf(target) {
  return join(packageFolder(target), fileOf(target));
}
