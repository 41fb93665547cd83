// All trials of `serve --watch`, one after the other, as TAP: `node scripts/trials/watch/run.mjs`.
// What is not installed is skipped, with its reason. `check:long` runs it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

for (const name of ['saves', 'browser']) {
  console.log(`# ${name}`);
  const file = fileURLToPath(new URL(`./${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [file], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) {
    console.log(`not ok - ${name} ended with ${code}`);
    process.exitCode = 1;
  }
}
