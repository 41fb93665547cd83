// The cases of httpwg, which are those of h2spec read again by RFC 9113, over cleartext and over nothing
// else: it speaks no TLS.
//
//   node scripts/trials/http2/httpwg.mjs [--engine node] [--url URL] [--verbose]
//
// It is installed into build/ from the crates registry where it is missing.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { find } from '../../programs.mjs';
import { ROOT } from '../../setup.mjs';
import { check, finish, run, skip, startServer } from './lib.mjs';

const VERSION = '0.2.5';
/** h2o 2.2.5 passes so many of the 107. */
const H2O = 91;

/** Cases that the server does not pass, each with what the RFC says. */
const DEVIATIONS = {};

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'reactor-rs' },
    url: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const isOurs = values.engine === 'reactor-rs' && values.url === undefined;

const path = await httpwg();
if (path !== null) await trial(path);
finish();

async function trial(path) {
  const server =
    values.url === undefined
      ? await startServer()
      : { port: Number(new URL(values.url).port), stop: async () => {} };
  // Each case waits so long for a frame; those that wait for nothing take all of it.
  const args = ['-a', `127.0.0.1:${server.port}`, '--frame-timeout', '3000'];
  const { out } = await run(path, [...args, '--connect-timeout', '3000'], { seconds: 50 });
  if (values.verbose) console.log(out);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it prints colours.
  const plain = out.replaceAll(/\x1b\[[0-9;]*m/g, '');
  const [, passed, total] = /Passed (\d+)\/(\d+) tests/.exec(plain) ?? [];
  const good = new Set([...plain.matchAll(/Test passed: (.+)$/gm)].map(([, name]) => name));
  const bad = [...plain.matchAll(/Test failed: (.+)\n([\s\S]*?)\n\n/g)];
  const failed = bad.map(([, name, why]) => [name, why.replaceAll(/\s+/g, ' ').trim()]);
  for (const name of good) await check(`httpwg: ${name.split(' :: ').at(-1)}`, () => {});
  for (const [name, why] of failed) {
    const short = name.split(' :: ').at(-1);
    const reason = DEVIATIONS[short];
    if (reason !== undefined || !isOurs) {
      console.log(`# httpwg: ${short} fails: ${reason ?? why}`);
    } else {
      await check(`httpwg: ${short}`, () => assert.fail(why));
    }
  }
  await check('httpwg: all cases ran', () => {
    assert.equal(Number(total), 107, plain.slice(-500));
    const excused = failed.filter(([name]) => name.split(' :: ').at(-1) in DEVIATIONS).length;
    if (isOurs) {
      // A case that panics is told nowhere else.
      assert.equal(Number(passed) + excused, Number(total), plain.match(/panicked[^\n]*\n[^\n]*/g));
      assert(Number(passed) > H2O);
    }
    return `${passed} of ${total}; h2o 2.2.5 passes ${H2O}`;
  });
  await check('the server ends well', () => server.stop());
}

/** The path of the program. */
async function httpwg() {
  const installed = find('httpwg');
  if (installed !== null) return installed;
  const folder = join(ROOT, 'build/httpwg');
  const program = join(folder, 'bin/httpwg');
  if (existsSync(program)) return program;
  const cargo = find('cargo');
  if (cargo === null) {
    skip('httpwg needs cargo, which was not found');
    return null;
  }
  const { code, out } = await run(
    cargo,
    ['install', '--quiet', '--locked', 'httpwg-cli', '--version', VERSION, '--root', folder],
    {
      seconds: 300,
      env: {
        CARGO_TARGET_DIR: join(folder, 'target'),
        CARGO_PROFILE_RELEASE_OPT_LEVEL: '0',
        CARGO_PROFILE_RELEASE_LTO: 'off',
      },
    },
  );
  if (code !== 0) {
    skip(`httpwg-cli ${VERSION} could not be installed: ${out.trim().split('\n').at(-1)}`);
    return null;
  }
  return program;
}
