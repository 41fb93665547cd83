// `npm run check:release`, a step of `npm test`: this machine's prebuilt binary with
// its gates, what is in the packages, and what is compiled into them.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { here, targetOf } from '../../dist/platform.js';
import { skipReason } from '../programs.mjs';
import { ROOT } from '../setup.mjs';
import { build } from './build.mjs';
import { checkContents, expectedInPlatform, expectedInRoot } from './contents.mjs';
import { checkBinary } from './gates.mjs';
import { bundledCrates, notices, refusedCrates } from './licences.mjs';
import { NOTICES, stage } from './stage.mjs';
import { check, plan, skip } from './tap.mjs';
import { targetNamed } from './targets.mjs';
import { Unavailable } from './toolchain.mjs';

await checkPackages();
await checkLicences();
await checkPrebuilt();
plan();

async function checkPrebuilt() {
  const target = targetNamed(targetOf(here));
  try {
    build(target);
  } catch (error) {
    if (!(error instanceof Unavailable)) {
      throw error;
    }
    skip(`the prebuilt binary of ${target.name}`, error.message);
    return;
  }
  const why = skipReason('readelf');
  if (why === null) {
    await checkBinary(target);
  } else {
    skip(`the gates of ${target.name}`, why);
  }
}

/** Their files only: what the binaries are does not matter here. */
async function checkPackages() {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-release-'));
  try {
    const binary = join(folder, 'binary');
    writeFileSync(binary, 'a binary');
    const { root, platforms } = stage(join(folder, 'stage'), { binaries: () => binary });
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    await check('the root package: its files', () => checkContents(root, expectedInRoot()));
    await check('the root package runs no script and brings no tools', () => {
      assert.equal(manifest.scripts, undefined);
      assert.equal(manifest.devDependencies, undefined);
      return `depends on ${Object.keys(manifest.dependencies).join(', ')}`;
    });
    await check('the root package names its platform packages, by their exact versions', () => {
      const wanted = Object.keys(platforms).map((name) => [
        `@reactor-rs/binding-${name}`,
        manifest.version,
      ]);
      assert.deepEqual(manifest.optionalDependencies, Object.fromEntries(wanted));
    });
    for (const [name, at] of Object.entries(platforms)) {
      await check(`${name}: its files`, () => checkContents(at, expectedInPlatform(name)));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkLicences() {
  const crates = bundledCrates();
  await check('every bundled crate is from crates.io, under a licence that is allowed', () => {
    assert.deepEqual(
      refusedCrates(crates).map(({ name, version, license }) => `${name} ${version}: ${license}`),
      [],
    );
    return `${crates.length} crates`;
  });
  await check(`${NOTICES} is current`, () => {
    const isCurrent = readFileSync(join(ROOT, NOTICES), 'utf8') === notices(crates);
    assert.ok(isCurrent, 'it differs: run "npm run licences"');
  });
}
