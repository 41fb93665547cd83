// `npm run check:release`, a step of `npm test`: this machine's prebuilt binary with
// its gates, what is in the packages, and what is compiled into them.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { here, targetOf } from '../../dist/binding/platform.js';
import { skipReason } from '../programs.mjs';
import { ROOT } from '../setup.mjs';
import { build } from './build.mjs';
import { checkPackages } from './contents.mjs';
import { checkBinary } from './gates.mjs';
import { bundledCrates, notices, refusedCrates } from './licences.mjs';
import { NOTICES, stage } from './stage.mjs';
import { check, plan, skip } from './tap.mjs';
import { packageFolder, TARGETS, targetNamed } from './targets.mjs';
import { Unavailable } from './toolchain.mjs';

await checkVersions();
await checkStaging();
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

/** Their files and manifests: what the binaries are does not matter here. */
async function checkStaging() {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-release-'));
  try {
    const binary = join(folder, 'binary');
    writeFileSync(binary, 'a binary');
    await checkPackages(stage(join(folder, 'stage'), { binaries: () => binary }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkVersions() {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  await check('package.json, Cargo.toml and the platforms have one version', () => {
    const [, cargo] = /^version = "(.+)"$/m.exec(readFileSync(join(ROOT, 'Cargo.toml'), 'utf8'));
    assert.equal(cargo, version, 'Cargo.toml');
    for (const target of TARGETS) {
      const file = join(packageFolder(target), 'package.json');
      assert.equal(JSON.parse(readFileSync(file, 'utf8')).version, version, file);
    }
    return version;
  });
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
