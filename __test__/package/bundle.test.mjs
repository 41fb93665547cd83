// Programs that bundlers and tracers have made, of the compiled package beside a platform
// package. scripts/install/test.mjs does the same with packages from a registry.

import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { here, targetOf } from '../../dist/binding/platform.js';
import { VERSION } from '../../dist/binding/version.js';
import { BUNDLES, FILES, PRINTED } from '../../scripts/install/bundles.mjs';
import { temporary } from '../support/folder.mjs';

const exec = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TARGET = targetOf(here);
const FILE = `reactor-rs.${TARGET}.node`;

/** A folder with an application that has installed the packages. */
function application(t) {
  const folder = temporary(t);
  const root = join(folder, 'node_modules/reactor-rs');
  for (const part of ['dist', 'dist-cjs', 'package.json']) {
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  }
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    cpSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), {
      recursive: true,
    });
  }
  const name = `@reactor-rs/binding-${TARGET}`;
  const platform = join(folder, 'node_modules', name);
  mkdirSync(platform, { recursive: true });
  writeFileSync(
    join(platform, 'package.json'),
    JSON.stringify({ name, version: VERSION, main: FILE }),
  );
  cpSync(join(ROOT, FILE), join(platform, FILE));
  for (const [file, text] of Object.entries(FILES)) {
    writeFileSync(join(folder, file), text);
  }
  return folder;
}

for (const { name, isWhole, make } of BUNDLES) {
  test(`${name}: it serves, from threads too`, async (t) => {
    const folder = application(t);
    const elsewhere = temporary(t);
    const file = await make(folder, isWhole ? elsewhere : join(folder, 'out'));
    if (isWhole) {
      // What it still needed of it would now be missing.
      rmSync(folder, { recursive: true, force: true });
    }
    const { stdout, stderr } = await exec(process.execPath, [file]).catch((error) => error);
    t.is(stdout, PRINTED, stderr);
    t.is(stderr, '');
  });
}

test('webpack is told to leave the file of a thread alone: its minifier would refuse it', (t) => {
  const text = readFileSync(join(ROOT, 'dist/here.js'), 'utf8');
  // It looks at URLs that are relative to the file.
  const urls = text.match(/new URL\([^)]*import\.meta\.url\)/g);
  t.is(urls.length, 1);
  t.regex(urls[0], /webpackIgnore: true/);
});

test('a bundle without its platform package says which it is', async (t) => {
  const folder = application(t);
  const [{ make }] = BUNDLES;
  const file = await make(folder, join(folder, 'out'));
  rmSync(join(folder, 'node_modules/@reactor-rs'), { recursive: true });
  const { stdout } = await exec(process.execPath, [file]).catch((error) => error);
  t.regex(
    stdout,
    new RegExp(`ERR_REACTOR_BINDING|needs the package @reactor-rs/binding-${TARGET}`),
  );
  t.true(stdout.includes(`needs the package @reactor-rs/binding-${TARGET}@${VERSION}`), stdout);
});

test('a bundle without the file of a thread says what to do', async (t) => {
  const folder = application(t);
  const whole = BUNDLES.find(({ name }) => name.includes('and the thread'));
  const elsewhere = temporary(t);
  const file = await whole.make(folder, elsewhere);
  rmSync(folder, { recursive: true, force: true });
  rmSync(join(elsewhere, 'thread.js'));
  t.false(existsSync(join(elsewhere, 'node_modules')));
  const { stdout } = await exec(process.execPath, [file]).catch((error) => error);
  t.regex(stdout, /ERR_REACTOR_START|bundle "reactor-rs\/thread" as an entry named "thread"/);
  t.true(stdout.includes(join(elsewhere, 'thread.js')), stdout);
});

test('the version that the package knows is that of package.json', (t) => {
  t.is(VERSION, JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version);
});
