// `npm start`: set-up, then the server. In this same process, so that signals
// reach the server and its exit code is ours.

import { SetupError, setup } from './setup.mjs';

try {
  setup();
  const { runProcess } = await import('../dist/cli/process.js');
  await runProcess(['serve', '-i', '4', '-w', '8', ...process.argv.slice(2)]);
} catch (error) {
  if (!(error instanceof SetupError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
