// What the npm scripts around a server share: a usage text, failures in one line,
// and how the example server of crates/server is built.

import { spawnSync } from 'node:child_process';
import { Failure } from '../bench/lib/failure.mjs';
import { ROOT, SetupError } from './setup.mjs';

/** The command line asked for something that does not exist. */
const USAGE_ERROR = 2;

/**
 * Runs a script to its exit code, from the top of the repository.
 *
 * @param {string} name what stands before a failure
 * @param {string} usage what `--help` prints
 * @param {(args: string[]) => Promise<number>} run gets the arguments and returns the
 *   exit code; a {@link SetupError}, or one of `parseArgs`, becomes one line on stderr
 */
export async function tool(name, usage, run) {
  process.chdir(ROOT);
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usage.trimStart());
    return;
  }
  try {
    process.exitCode = await run(args);
  } catch (error) {
    const isUsage = error.code?.startsWith('ERR_PARSE_ARGS');
    if (!isUsage && !(error instanceof SetupError || error instanceof Failure)) {
      throw error;
    }
    process.stderr.write(`${name}: ${error.message}\n`);
    process.exitCode = isUsage ? USAGE_ERROR : 1;
  }
}

/**
 * Builds the example server, the engine without Node.
 *
 * @param {'dev' | 'profiling'} profile as Cargo.toml has it
 * @returns {string} its path
 * @throws {SetupError}
 */
export function buildServe(profile) {
  cargo(['build', '--profile', profile, '-p', 'reactor-server', '--example', 'serve']);
  return `target/${profile === 'dev' ? 'debug' : profile}/examples/serve`;
}

/**
 * Runs cargo; what it says goes to stderr.
 *
 * @throws {SetupError}
 */
export function cargo(args) {
  const { status, error } = spawnSync('cargo', [...args, '--quiet'], {
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (error?.code === 'ENOENT') {
    throw new SetupError('cargo was not found; install Rust 1.88 or newer (https://rustup.rs)');
  }
  if (status !== 0) {
    throw new SetupError(`cargo ${args.join(' ')} failed`);
  }
}
