// All trials of operations, as TAP: `node scripts/trials/ops/run.mjs`. What is not installed is
// skipped, with its reason. `check:long` runs it.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));

/** Those of one row run one after the other, beside those of the others. */
const SIDE_BY_SIDE = [
  ['generations', 'smuggling', 'envoy-proxy'],
  ['lame-duck', 'systemd', 'sockets'],
  ['dashboard', 'promtool', 'tracing', 'proxy'],
];
/** They measure time or memory, so they have the machine to themselves. */
const ALONE = ['balancers'];

await Promise.all(SIDE_BY_SIDE.map(all));
await all(ALONE);

async function all(names) {
  for (const name of names) {
    const begun = performance.now();
    const child = spawn(process.execPath, [join(HERE, `${name}.mjs`)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const output = await text(child.stdout);
    const code = await ended;
    console.log(`# ${name}, ${((performance.now() - begun) / 1000).toFixed(0)} s\n${output}`);
    if (code !== 0) {
      console.log(`not ok - ${name} ended with ${code}`);
      process.exitCode = 1;
    }
  }
}
