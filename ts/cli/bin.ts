#!/usr/bin/env node
import { hear } from './early.js';

const args = process.argv.slice(2);
if (args[0] === 'serve') {
  hear();
}
// Behind it: these take most of the time until the server listens.
const { isSupervisor } = await import('./is-supervisor.js');
const { given } = await import('./origin.js');
if (given === undefined && isSupervisor(args, process.env, process.pid)) {
  // It stays small: it loads neither the engine nor the rest of the command.
  const { supervise } = await import('./supervise.js');
  process.exit(await supervise());
} else {
  const { runProcess } = await import('./process.js');
  await runProcess(args);
}
