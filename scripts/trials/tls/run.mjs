// All trials of TLS, one after the other, as TAP: `node scripts/trials/tls/run.mjs`. What is not
// installed is skipped, with its reason. `check:long` runs it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { noOpenssl } from '../../../__test__/tls/certificates.mjs';
import { HERE } from './lib.mjs';

const TRIALS = ['malformed', 'encrypted', 'clients', 'browser', 'scanners', 'storm', 'rotation'];

if (noOpenssl === null) {
  for (const name of TRIALS) {
    console.log(`# ${name}`);
    const child = spawn(process.execPath, [join(HERE, `${name}.mjs`)], { stdio: 'inherit' });
    const [code] = await once(child, 'exit');
    if (code !== 0) {
      console.log(`not ok - ${name} ended with ${code}`);
      process.exitCode = 1;
    }
  }
} else {
  console.log(`# skipped: ${noOpenssl}`);
}
