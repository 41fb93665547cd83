// What a server that has stopped, or has not come to start, leaves behind: nothing.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const SUBJECT = fileURLToPath(new URL('cycles.mjs', import.meta.url));
/** Only a hang can reach it. */
const SLOW_MS = 300_000;
const MIB = 1024 * 1024;

/** The kind of cycle, and how often: threads take a second to come and go. */
const KINDS = {
  serve: 500,
  'serve with two loops': 200,
  'serve with everything': 200,
  'serve, stopped by force': 200,
  'serve, kept': 200,
  'serve without handlers': 200,
  threads: 10,
  node: 500,
  'node, port in use': 200,
  'port in use': 200,
  'bad access log': 200,
  'metrics in use': 200,
  'no control socket': 200,
  'threads, port in use': 10,
};

for (const [kind, cycles] of Object.entries(KINDS)) {
  test(`${cycles} cycles leave descriptors, threads and memory as they were: ${kind}`, async (t) => {
    t.timeout(SLOW_MS);
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--expose-gc',
      SUBJECT,
      kind,
      String(cycles),
    ]);
    const { before, after } = JSON.parse(stdout);
    t.deepEqual(after.files.sort(), before.files.sort());
    t.is(after.threads, before.threads);
    // A lane's arrays are 0.6 MiB, an engine some 0.3 MiB; allocators keep pages that
    // were freed. A stopped server that is kept has its numbers.
    const growth = Object.fromEntries(
      ['arrayBuffers', 'heapUsed', 'resident'].map((name) => [name, after[name] - before[name]]),
    );
    const detail = JSON.stringify(growth);
    t.true(growth.arrayBuffers < MIB, detail);
    t.true(growth.heapUsed < MIB, detail);
    t.true(growth.resident < (kind === 'serve, kept' ? 96 : 48) * MIB, detail);
  });
}
