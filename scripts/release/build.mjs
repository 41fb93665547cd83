// `npm run build:TARGET`: the binding of one platform, into its folder in npm/, and
// the gates that it must pass.

import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, SetupError } from '../setup.mjs';
import { checkBinary } from './gates.mjs';
import { plan, skip } from './tap.mjs';
import { binaryOf, targetNamed } from './targets.mjs';
import { gcc, Unavailable } from './toolchain.mjs';

/** Apart from target/release: other linkers, other flags. */
const TARGET_DIR = join(ROOT, 'target/prebuilt');

/**
 * Builds a target's binary.
 * @param {import('./targets.mjs').Target} target
 * @throws {Unavailable} where the tools for it are not to be had
 */
export function build(target) {
  const { cargo = [], env } = toolchainOf(target);
  const args = ['build', '--release', '--locked', '--target', target.triple, ...cargo];
  const { status, error } = spawnSync('cargo', [...args, '--target-dir', TARGET_DIR], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (status !== 0) {
    throw new SetupError(`cargo build for ${target.triple} failed: ${error?.message ?? status}`);
  }
  const binary = binaryOf(target);
  // Whoever runs the old one has it mapped.
  rmSync(binary, { force: true });
  copyFileSync(join(TARGET_DIR, target.triple, 'release/libreactor_rs.so'), binary);
}

/** What cargo needs beside its usual surroundings. */
function toolchainOf({ triple }) {
  const prefix = `CARGO_TARGET_${triple.toUpperCase().replaceAll('-', '_')}`;
  const linker = join(gcc(triple), 'bin', `${triple}-gcc`);
  return { env: { [`${prefix}_LINKER`]: linker } };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [name] = process.argv.slice(2);
  try {
    const target = targetNamed(name);
    build(target);
    await checkBinary(target);
    plan();
  } catch (error) {
    if (error instanceof Unavailable) {
      skip(name, error.message);
    } else if (error instanceof SetupError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    } else {
      throw error;
    }
  }
}
