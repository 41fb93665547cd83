// Compilers for glibc 2.17, out of npm's packages that hold them. Nothing is
// installed: they are unpacked below build/, which git ignores.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, SetupError } from '../setup.mjs';

export const BUILD = join(ROOT, 'build');

/** A toolchain that cannot be had here; nothing is wrong with the project. */
export class Unavailable extends SetupError {}

/** GCC with a sysroot of glibc 2.17, by target; for x64 hosts, there are no others. */
const GCC = {
  'x86_64-unknown-linux-gnu': {
    spec: '@napi-rs/cross-toolchain-x64-target-x86_64@1.0.0',
    integrity:
      'sha512-lecoghCfoTAX9MLFcIx9/nL9M8xdkZ9n8Pki8qjKUNzjiq1zbECdEbzIZAMMHRtrXxifK9dAyYuh8gSxNbr2og==',
  },
  'aarch64-unknown-linux-gnu': {
    spec: '@napi-rs/cross-toolchain-x64-target-aarch64@1.0.3',
    integrity:
      'sha512-EMFcy/ahFsmCY3BI1tMC3wRUYZ+cDuILg7nP1micaKXW1tO1+RvUB1CC6QYe+cv2W4Tuz9wr3qcFExWyjgWf2w==',
  },
};

/**
 * The folder of a GCC for that triple, downloaded once.
 * @param {string} triple
 * @throws {Unavailable}
 */
export function gcc(triple) {
  const { spec, integrity } = GCC[triple];
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Unavailable(
      `${spec} runs on linux x64 only, this is ${process.platform} ${process.arch}`,
    );
  }
  return unpacked(`gcc-${triple}`, (folder) => {
    download(spec, integrity, folder);
    const inner = join(folder, `${triple}.tar.xz`);
    must('tar', ['-xJf', inner, '-C', folder], `unpacking ${spec} (needs xz)`);
    rmSync(inner);
  });
}

/**
 * The folder of a program `ld` that GCC takes in place of its own: Rust's, for all targets. Functions
 * with the same code become one with it (`--icf=all`), which saves 1 %.
 * @throws {Unavailable} where the Rust of this machine comes without it
 */
export function lld() {
  const sysroot = must('rustc', ['--print', 'sysroot'], 'rustc').trim();
  const [, host] = /^host: (.+)$/m.exec(must('rustc', ['-vV'], 'rustc'));
  const program = join(sysroot, 'lib/rustlib', host, 'bin/rust-lld');
  if (!existsSync(program)) {
    throw new Unavailable(`${program} is not there: rustup's toolchains have it`);
  }
  const folder = join(BUILD, 'toolchain', 'lld');
  mkdirSync(folder, { recursive: true });
  const script = `#!/bin/sh\nexec '${program}' -flavor gnu "$@"\n`;
  writeFileSync(join(folder, 'ld'), script, { mode: 0o755 });
  return folder;
}

/**
 * A folder below build/ that is complete or not there.
 * @param {string} name
 * @param {(folder: string) => void} fill
 */
export function unpacked(name, fill) {
  const folder = join(BUILD, 'toolchain', name);
  const stamp = join(folder, '.complete');
  if (!existsSync(stamp)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    fill(folder);
    writeFileSync(stamp, '');
  }
  return folder;
}

/**
 * Unpacks a package of npm's, which must be the one that was meant.
 * @param {string} spec
 * @param {string} integrity as in a lock file
 * @param {string} folder
 * @throws {Unavailable} where it cannot be downloaded
 */
export function download(spec, integrity, folder) {
  const args = ['pack', spec, '--json', '--loglevel=error', '--pack-destination', folder];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) {
    throw new Unavailable(`${spec} cannot be downloaded: ${lastLine(stderr)}`);
  }
  const [packed] = packedBy(stdout);
  if (packed.integrity !== integrity) {
    throw new Error(`${spec} has the digest ${packed.integrity}, not ${integrity}`);
  }
  const archive = join(folder, packed.filename);
  must('tar', ['-xzf', archive, '-C', folder, '--strip-components=1'], `unpacking ${spec}`);
  rmSync(archive);
}

/** What `npm pack --json` has packed: an array, from npm 12 an object by name. */
export function packedBy(stdout) {
  return Object.values(JSON.parse(stdout));
}

/**
 * Runs a command that a toolchain needs.
 * @throws {Unavailable}
 */
export function must(command, args, what, options = {}) {
  const { status, stderr, stdout, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    ...options,
  });
  if (status !== 0) {
    throw new Unavailable(`${what} failed: ${error?.message ?? lastLine(stderr)}`);
  }
  return stdout;
}

function lastLine(text) {
  // npm's last one says where its log is.
  const lines = text.split('\n').filter((line) => line.trim() && !/complete log/.test(line));
  return lines.at(-1) ?? 'no reason given';
}
