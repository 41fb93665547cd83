// What a checkout needs that neither npm nor cargo brings. Runs before anything is
// installed, so it uses nothing but Node.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The oldest Node that the tools run on; the package itself takes an older one. */
const NODE = '20.19';

const [, RUST] = /^rust-version = "(.+)"$/m.exec(
  readFileSync(new URL('../Cargo.toml', import.meta.url), 'utf8'),
);

/**
 * What is missing, a line for each, with what to install.
 *
 * @param {boolean} isCompiled whether the engine is going to be
 * @returns {string[]}
 */
export function missingRequirements(isCompiled) {
  const missing = [];
  if (isOlder(process.versions.node, NODE)) {
    missing.push(`Node ${NODE} or newer is needed, this is ${process.versions.node}`);
  }
  return isCompiled ? [...missing, ...missingForRust()] : missing;
}

function missingForRust() {
  const missing = [];
  for (const program of ['cargo', 'rustc']) {
    const [, version] = /^\w+ (\d+\.\d+\.\d+)/.exec(output(program, ['--version']) ?? '') ?? [];
    if (version === undefined) {
      missing.push(
        `${program} was not found or does not run: the engine is built from Rust source; install Rust ${RUST} or newer (https://rustup.rs)`,
      );
    } else if (isOlder(version, RUST)) {
      missing.push(
        `Rust ${RUST} or newer is needed, ${program} is ${version}; "rustup update" brings it (https://rustup.rs)`,
      );
    }
  }
  // Rust links with the C compiler, which brings the C library's start-up code.
  const isOther = Object.keys(process.env).some((name) => /^CARGO_TARGET_.*_LINKER$/.test(name));
  const args = ['-x', 'c', '-', '-o', '/dev/null'];
  if (!isOther && output('cc', args, 'int main(void) { return 0; }') === undefined) {
    missing.push(
      'cc was not found or does not link a program: Rust needs it as its linker; install a C compiler (Debian: apt-get install gcc libc6-dev)',
    );
  }
  return missing;
}

/** What a program prints; undefined where it fails. */
function output(program, args, input = '') {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8', input });
  return status === 0 ? stdout : undefined;
}

function isOlder(version, than) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = than.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
