// HPACK against Python's `hpack`: what one encodes the other decodes, and both refuse the same blocks.
//
//   node scripts/trials/http2/hpack.mjs [SEED [ROUNDS]]

import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../../setup.mjs';
import { check, finish, program, run, skip } from '../lib.mjs';
import { pythonWithHttp2 } from './python.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));

await compare(await pythonWithHttp2(), program('cargo', 'https://rustup.rs'));
finish();

async function compare(python, cargo) {
  if (python === null || cargo === null) return;
  const crate = ['--manifest-path', join(ROOT, 'Cargo.toml'), '-p', 'reactor-proto'];
  const words = ['build', '--quiet', ...crate, '--example', 'hpack_lines'];
  const format = ['--message-format', 'json-render-diagnostics'];
  const built = await run(cargo, [...words, ...format], { seconds: 300 });
  const lines = built.out.split('\n').filter((line) => line.startsWith('{'));
  const made = lines.map((line) => JSON.parse(line).executable).findLast((path) => path);
  if (made === undefined) {
    skip(`the example hpack_lines was not built: ${built.out.trim().split('\n').at(-1)}`);
    return;
  }
  const { code, out } = await run(python, [
    join(HERE, 'compare_hpack.py'),
    made,
    ...process.argv.slice(2),
  ]);
  for (const line of out.trim().split('\n')) {
    if (line.startsWith('#')) {
      console.log(line);
    } else {
      const [name, fault] = line.split('\t');
      await check(name, () => assert.equal(fault, 'ok'));
    }
  }
  await check('all comparisons ran', () => assert.equal(code, 0, out));
}
