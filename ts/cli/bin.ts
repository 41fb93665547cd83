#!/usr/bin/env node
import { isSupervisor } from './is-supervisor.js';
import { given } from './origin.js';

const args = process.argv.slice(2);
if (given === undefined && isSupervisor(args, process.env, process.pid)) {
  // It stays small: it loads neither the engine nor the rest of the command.
  const { supervise } = await import('./supervise.js');
  process.exit(await supervise());
} else {
  const { runProcess } = await import('./process.js');
  await runProcess(args);
}
