// A folder beside the project in which programs of others are installed: the trials' own files are
// copied there, and find those programs and this package as any project would.

import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, skip } from '../lib.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..', '..', '..');

/** Seconds that an installation may take. */
const MOST = 300;

/**
 * Installs packages, once for each list of them.
 * @param {Readonly<Record<string, string>>} packages with their versions
 * @returns {Promise<string | null>} the folder of the programs, or null, with the reason printed
 */
export async function scratch(packages) {
  const list = JSON.stringify({ private: true, type: 'module', dependencies: packages }, null, 2);
  const key = createHash('sha256').update(list).digest('hex').slice(0, 12);
  const folder = join(tmpdir(), `reactor-trials-${key}`);
  if (!existsSync(folder)) {
    const fresh = `${folder}-${process.pid}`;
    mkdirSync(fresh);
    writeFileSync(join(fresh, 'package.json'), list);
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', fresh];
    const { code, out } = await run('npm', args, { seconds: MOST });
    if (code !== 0) {
      rmSync(fresh, { recursive: true });
      skip(`npm could not install ${Object.keys(packages).join(', ')}: ${lastError(out)}`);
      return null;
    }
    renameSync(fresh, folder);
  }
  const own = join(folder, 'node_modules', 'reactor-rs');
  rmSync(own, { recursive: true, force: true });
  symlinkSync(ROOT, own);
  const trials = join(folder, 'trials');
  rmSync(trials, { recursive: true, force: true });
  cpSync(join(HERE, 'programs'), trials, { recursive: true });
  for (const name of ['tap.mjs', 'chromium.mjs']) {
    cpSync(join(HERE, '..', name), join(trials, name));
  }
  return trials;
}

/** The first line of npm's that tells what is wrong. */
function lastError(out) {
  return /^npm error (.*)$/m.exec(out)?.[1] ?? 'it said nothing';
}
