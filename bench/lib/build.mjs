// Builds what is measured, so that no result comes from a stale binary.

import { spawnSync } from 'node:child_process';
import { Failure } from './failure.mjs';

function run(program, ...args) {
  const { error, status } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error?.code === 'ENOENT') throw new Failure(`${program} is missing`);
  if (error || status !== 0) throw new Failure(`'${program} ${args.join(' ')}' failed`);
}

/** The C programs of bench/. */
export function buildTools() {
  run('bench/build.sh');
}

/** The example server of crates/server; `profile` is release or profiling. */
export function buildServe(profile) {
  run('cargo', 'build', '--profile', profile, '-p', 'reactor-server', '--example', 'serve');
}
