// The example server of crates/server, running: the engine without Node.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { SetupError } from './setup.mjs';

/**
 * Starts it and waits until it listens. It ends with this process at the latest.
 *
 * @param {string[]} command the server, or a program that runs it, and all arguments
 * @returns child, port, and ended, a promise of the exit code and the signal
 * @throws {SetupError} if it ends instead
 */
export async function startServe([program, ...args]) {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'pipe'] });
  process.on('exit', () => child.kill('SIGKILL'));
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
    process.on(signal, () => process.exit(code));
  }
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  let said = '';
  const listening = new Promise((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
      const [, port] = /^listening on .*:(\d+)\n/m.exec(said) ?? [];
      if (port !== undefined) {
        resolve({ port: Number(port) });
      }
    });
  });
  const first = await Promise.race([listening, ended]);
  if (first.port === undefined) {
    throw new SetupError(said.trim() || `${program} ended with ${first.code ?? first.signal}`);
  }
  return { child, ended, port: first.port };
}
