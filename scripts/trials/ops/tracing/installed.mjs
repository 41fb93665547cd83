// A folder beside the project with OpenTelemetry's SDK, examples/opentelemetry and the trial's programs,
// which find it and this package as any project would. bench/observed.mjs uses it too.

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
import { run } from '../../lib.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..', '..', '..', '..');
const PACKAGES = {
  '@opentelemetry/api': '1.9.1',
  '@opentelemetry/context-async-hooks': '2.12.0',
  '@opentelemetry/instrumentation-http': '0.223.0',
  '@opentelemetry/instrumentation-undici': '0.33.0',
  '@opentelemetry/sdk-node': '0.223.0',
  hono: '4.13.19',
};

/**
 * Installs the packages, once for each list of them.
 * @returns {Promise<{ folder: string | null, why: string }>} null with the reason
 */
export async function installed() {
  const list = JSON.stringify({ private: true, type: 'module', dependencies: PACKAGES }, null, 2);
  const key = createHash('sha256').update(list).digest('hex').slice(0, 12);
  const folder = join(tmpdir(), `reactor-tracing-${key}`);
  if (!existsSync(folder)) {
    const fresh = `${folder}-${process.pid}`;
    mkdirSync(fresh);
    writeFileSync(join(fresh, 'package.json'), list);
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', fresh];
    const { code, out } = await run('npm', args, { seconds: 300 });
    if (code !== 0) {
      rmSync(fresh, { recursive: true });
      const error = /^npm error (.*)$/m.exec(out)?.[1] ?? 'it said nothing';
      return { folder: null, why: `npm could not install OpenTelemetry: ${error}` };
    }
    renameSync(fresh, folder);
  }
  const own = join(folder, 'node_modules', 'reactor-rs');
  rmSync(own, { recursive: true, force: true });
  symlinkSync(ROOT, own);
  for (const [from, to] of [
    [join(ROOT, 'examples', 'opentelemetry'), 'example'],
    [HERE, 'trial'],
  ]) {
    rmSync(join(folder, to), { recursive: true, force: true });
    cpSync(from, join(folder, to), { recursive: true });
  }
  return { folder, why: '' };
}
