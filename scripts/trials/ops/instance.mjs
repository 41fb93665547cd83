// `reactor-rs serve` with the trials' module, on a port that a successor takes over.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../../setup.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const BIN = join(ROOT, 'dist/cli/bin.js');

/** None outlives the trial, no successor either. @type {Set<number>} */
const pids = new Set();
process.on('exit', () => pids.forEach(kill));

function kill(pid) {
  pids.delete(pid);
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

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
  child.once('exit', () => pids.delete(child.pid));
  pids.add(child.pid);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    assert(!done, `the program ended: ${stderr}`);
    return JSON.parse(value);
  };
  let said = await next();
  return {
    ...said,
    child,
    ended,
    stderr: () => stderr,

    /** Ends it as a supervisor does. */
    async stop() {
      process.kill(said.pid, 'SIGTERM');
      if (said.pid !== child.pid) return gone(said.pid);
      const [code, signal] = await ended;
      assert.deepEqual([code, signal], [0, null], stderr);
    },

    /** Makes it start its successor; resolves when that serves and the old process has ended. */
    async succeed() {
      const old = said.pid;
      process.kill(old, 'SIGUSR2');
      do said = await next();
      while (said.event !== 'listening');
      assert.notEqual(said.pid, old);
      pids.add(said.pid);
      await gone(old);
    },

    kill() {
      kill(said.pid);
    },
  };
}

/** Waits until there is no such process. */
async function gone(pid) {
  for (let i = 0; ; i++) {
    try {
      process.kill(pid, 0);
      // What has ended and was not waited for is there as long as its parent is.
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return;
    } catch {
      return;
    }
    assert(i < 600, `process ${pid} has not ended`);
    await sleep(50);
  }
}
