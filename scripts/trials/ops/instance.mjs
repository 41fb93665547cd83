// `reactor-rs serve` with the trials' module, on a port that a successor takes over.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../../setup.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const BIN = join(ROOT, 'dist/cli/bin.js');

/** None outlives the trial. @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/**
 * @param {number} port
 * @param {object} [more]
 * @param {string[]} [more.flags]
 * @param {Record<string, string>} [more.env]
 * @param {string} [more.module]
 */
export async function startInstance(port, { flags = [], env = {}, module = 'app.mjs' } = {}) {
  const words = ['serve', '--json', join(HERE, module), '-H', '127.0.0.1', '-p', String(port)];
  const child = spawn(
    process.execPath,
    [BIN, ...words, '--trust-proxy', 'loopback', '-i', '2', '--control', 'false', ...flags],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  children.add(child.once('exit', () => children.delete(child)));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  assert(!first.done, `the program ended: ${stderr}`);
  return {
    ...JSON.parse(first.value),
    child,
    ended,
    stderr: () => stderr,
    /** Ends it as a supervisor does. */
    async stop() {
      child.kill('SIGTERM');
      const [code, signal] = await ended;
      assert.deepEqual([code, signal], [0, null], stderr);
    },
  };
}
