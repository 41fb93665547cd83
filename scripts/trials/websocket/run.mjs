// All trials of WebSocket, one after the other, as TAP: `node scripts/trials/websocket/run.mjs`. What
// is not installed is skipped, with its reason. `check:long` runs it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));

const TRIALS = ['autobahn', 'door1', 'door2', 'door3', 'pubsub', 'attacks'];

for (const name of TRIALS) {
  console.log(`# ${name}`);
  const child = spawn(process.execPath, [join(HERE, `${name}.mjs`)], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) {
    console.log(`not ok - ${name} ended with ${code}`);
    process.exitCode = 1;
  }
}
