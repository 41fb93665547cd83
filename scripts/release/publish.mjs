// `npm run release`: stages all packages in build/release and publishes them, the
// platforms' first, so that nobody gets a root package without them. Without
// --publish it is a dry run, which sends nothing.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from '../setup.mjs';
import { stage } from './stage.mjs';
import { BUILD } from './toolchain.mjs';

const isReal = process.argv.includes('--publish');

try {
  const { root, platforms } = stage(join(BUILD, 'release'));
  for (const folder of [...Object.values(platforms), root]) {
    publish(folder);
  }
} catch (error) {
  if (!(error instanceof SetupError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

function publish(folder) {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const spec = `${name}@${version}`;
  // A release that was broken off goes on where it was.
  if (isReal && npm(folder, ['view', spec, 'version'], 'ignore') === 0) {
    process.stdout.write(`${spec}: is published already\n`);
    return;
  }
  const how = isReal ? ['--provenance'] : ['--dry-run'];
  if (npm(folder, ['publish', '--access', 'public', ...how], 'inherit') !== 0) {
    throw new SetupError(`${spec} could not be published`);
  }
  process.stdout.write(`${spec}: ${isReal ? 'published' : 'dry run'}\n`);
}

function npm(cwd, args, stdio) {
  return spawnSync('npm', args, { cwd, stdio: ['ignore', stdio, stdio] }).status;
}
