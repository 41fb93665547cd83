// `npm run build:TARGET`: the binding of one platform, into its folder in npm/, and
// the gates that it must pass.

import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, SetupError } from '../setup.mjs';
import { debianRustc, musl } from './debian.mjs';
import { checkBinary } from './gates.mjs';
import { NEUTRAL } from './paths.mjs';
import { plan } from './tap.mjs';
import { binaryOf, targetNamed } from './targets.mjs';
import { gcc, lld } from './toolchain.mjs';

/** A folder for each target in it: their compilers, linkers and flags differ. */
const TARGET_DIR = join(ROOT, 'target/prebuilt');

/** Panics name their source files: not where they were on the machine that built it. */
const PATHS = [
  `--remap-path-prefix=${process.env.CARGO_HOME ?? join(homedir(), '.cargo')}=${NEUTRAL.cargo}`,
  `--remap-path-prefix=${ROOT.replace(/\/$/, '')}=${NEUTRAL.root}`,
];

/**
 * The standard library is built along: for most targets there is no compiled one to be had. It leaves
 * out what names the functions of a backtrace, 120 KB, since a stripped binary has no names.
 */
const STANDARD_LIBRARY = [
  '-Zbuild-std=std,panic_unwind',
  '-Zbuild-std-features=panic-unwind,default',
];

/**
 * Builds a target's binary. Where that fails there is none, nor an older one.
 * @param {import('./targets.mjs').Target} target
 * @throws {import('./toolchain.mjs').Unavailable} where the tools for it are not to be had
 */
export function build(target) {
  const binary = binaryOf(target);
  // Whoever runs the old one has it mapped: another file takes its place.
  rmSync(binary, { force: true });
  const { flags = [], env } = toolchainOf(target);
  const args = ['build', '--release', '--locked', '--target', target.triple, ...STANDARD_LIBRARY];
  const targetDir = join(TARGET_DIR, target.name);
  const { status, error } = spawnSync('cargo', [...args, '--target-dir', targetDir], {
    cwd: ROOT,
    env: {
      ...process.env,
      ...env,
      CARGO_ENCODED_RUSTFLAGS: [...PATHS, ...linkedBy(lld()), ...flags].join('\x1f'),
    },
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (status !== 0) {
    throw new SetupError(`cargo build for ${target.triple} failed: ${error?.message ?? status}`);
  }
  copyFileSync(join(targetDir, target.triple, 'release/libreactor_rs.so'), binary);
}

/** @param {string} folder where the program is that GCC links with */
function linkedBy(folder) {
  return [`-Clink-arg=-B${folder}`, '-Clink-arg=-Wl,--icf=all'];
}

/**
 * What cargo needs beside its usual surroundings. What links is always GCC with
 * glibc 2.17; for musl its own libc goes before that one.
 */
function toolchainOf(target) {
  const { triple, libc } = target;
  const prefix = `CARGO_TARGET_${triple.toUpperCase().replaceAll('-', '_')}`;
  const gnu = triple.replace('musl', 'gnu');
  const tools = join(gcc(gnu), 'bin', gnu);
  const env = {
    [`${prefix}_LINKER`]: `${tools}-gcc`,
    ...compilerOf(target, tools),
    RUSTC: debianRustc('rust-sources'),
    RUSTC_BOOTSTRAP: '1',
  };
  if (libc === 'gnu') {
    return { env };
  }
  const { shared, empty } = musl(target);
  // In this order, or its libc.a would be linked in: Node brings the libc, and one
  // inside the binding would be a second one.
  const folders = [shared, empty].map((folder) => `-Clink-arg=-L${folder}`);
  return {
    flags: ['-Ctarget-feature=-crt-static', '-Clink-self-contained=no', ...folders],
    env,
  };
}

/** The C compiler for what ring has in C and assembly: the one that links, too. */
function compilerOf({ triple, cpu }, tools) {
  const suffix = triple.replaceAll('-', '_');
  // Before 4.9, GCC for arm64 does not say which version of the architecture it is for.
  const flags = cpu === 'arm64' ? { [`CFLAGS_${suffix}`]: '-D__ARM_ARCH=8' } : {};
  return { [`CC_${suffix}`]: `${tools}-gcc`, [`AR_${suffix}`]: `${tools}-ar`, ...flags };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const target = targetNamed(process.argv[2]);
    build(target);
    await checkBinary(target);
    plan();
  } catch (error) {
    if (!(error instanceof SetupError)) {
      throw error;
    }
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
