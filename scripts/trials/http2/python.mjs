// A Python with httpx and its HTTP/2 (h2, hpack), which pip installs into build/ where it is missing.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../setup.mjs';
import { program, run, skip } from '../lib.mjs';

/** @returns {Promise<string | null>} its path, or null if it cannot be had, which is printed */
export async function pythonWithHttp2() {
  const path = program('python3');
  if (path === null) return null;
  const folder = join(ROOT, 'build/http2-python');
  const own = join(folder, 'bin/python3');
  if (existsSync(join(folder, 'ready'))) return own;
  const made = await run(path, ['-m', 'venv', folder], { seconds: 120 });
  const wanted = ['-m', 'pip', 'install', '-q', 'httpx[http2]==0.28.1'];
  const got = made.code === 0 ? await run(own, wanted, { seconds: 180 }) : made;
  if (got.code !== 0) {
    skip(`httpx could not be installed: ${got.out.trim().split('\n').at(-1)}`);
    return null;
  }
  await run('touch', [join(folder, 'ready')]);
  return own;
}
