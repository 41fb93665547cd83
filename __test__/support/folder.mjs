import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of its own, which is removed when the test ends. */
export function temporary(t) {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A module of this source in a folder of its own. */
export function moduleOf(t, source, name = 'app.mjs') {
  const file = join(temporary(t), name);
  writeFileSync(file, source);
  return file;
}
