// `npm run release`: stages all packages in build/release, checks each once more, and
// publishes them, the platforms' first, so that nobody gets a root package without
// them. Without --publish it is a dry run, which sends nothing.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SetupError } from '../setup.mjs';
import { tool } from '../tool.mjs';
import { checkPackages } from './contents.mjs';
import { checkBinary } from './gates.mjs';
import { hasProvenance, repositoryOf } from './provenance.mjs';
import { stage, stagedIn } from './stage.mjs';
import { plan } from './tap.mjs';
import { fileOf, TARGETS } from './targets.mjs';
import { BUILD } from './toolchain.mjs';

const USAGE = `
usage: npm run release [-- [--publish] [--staged]]

Stages the packages in build/release, with the binaries that build:TARGET has made,
checks their contents and their binaries, and shows what publishing them would send.

  --publish   send it: in GitHub Actions with npm's statement of provenance, which
              only a CI can make; elsewhere without one
  --staged    take what an earlier run has staged; needs nothing but Node and npm,
              and readelf, and apt-get for what musl has
`;

const OPTIONS = {
  publish: { type: 'boolean', default: false },
  staged: { type: 'boolean', default: false },
};

await tool('release', USAGE, async (args) => {
  const { values } = parseArgs({ args, options: OPTIONS });
  const repository = repositoryOf(process.env);
  // Before the long part.
  const isProvable = values.publish && hasProvenance(process.env);
  const folder = join(BUILD, 'release');
  const staged = (values.staged ? stagedIn : stage)(folder, { repository });
  await checkPackages(staged);
  for (const target of TARGETS) {
    await checkBinary(target, join(staged.platforms[target.name], fileOf(target)));
  }
  const { failed, skipped } = plan();
  // What could not be looked at is nothing to publish either.
  if (failed > 0 || (values.publish && skipped > 0)) {
    throw new SetupError('nothing is published: see above what failed or was skipped');
  }
  if (values.publish && !isProvable) {
    process.stdout.write('publishing without provenance: only a CI can state it\n');
  }
  const how = values.publish ? (isProvable ? ['--provenance'] : []) : ['--dry-run'];
  for (const each of [...Object.values(staged.platforms), staged.root]) {
    publish(each, how, values.publish);
  }
  return 0;
});

function publish(folder, how, isReal) {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const spec = `${name}@${version}`;
  // A release that was broken off goes on where it was.
  if (isReal && npm(folder, ['view', spec, 'version'], 'ignore') === 0) {
    process.stdout.write(`${spec}: is published already\n`);
    return;
  }
  if (npm(folder, ['publish', '--access', 'public', ...how], 'inherit') !== 0) {
    throw new SetupError(`${spec} could not be published`);
  }
  process.stdout.write(`${spec}: ${isReal ? 'published' : 'dry run'}\n`);
}

function npm(cwd, args, stdio) {
  return spawnSync('npm', args, { cwd, stdio: ['ignore', stdio, stdio] }).status;
}
