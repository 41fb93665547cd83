// `npm run monitor`: set-up, then the monitor, in this same process: the terminal
// and the exit code are its own.

import { SetupError, setup } from './setup.mjs';

try {
  setup();
  const { runProcess } = await import('../dist/cli/process.js');
  await runProcess(['monitor', ...process.argv.slice(2)]);
} catch (error) {
  if (!(error instanceof SetupError)) {
    throw error;
  }
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
