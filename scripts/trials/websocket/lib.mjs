// What the trials of WebSocket share that attack a server: it runs in a process of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));

/**
 * A server that echoes, of `engine` `reactor-rs` or `ws`.
 * @param {object} options for server.mjs
 */
export async function startServer(options) {
  const child = spawn(
    process.execPath,
    ['--expose-gc', join(HERE, 'server.mjs'), JSON.stringify(options)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  process.on('exit', () => child.kill('SIGKILL'));
  const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await said.next();
    assert(!done, 'the server has ended');
    return JSON.parse(value);
  };
  const { port } = await next();
  return {
    url: `ws://127.0.0.1:${port}/`,
    port,
    pid: child.pid,
    /** Resident bytes after a collection of garbage. */
    async rss() {
      child.stdin.write('\n');
      return (await next()).rss;
    },
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      const [code] = await ended;
      assert.equal(code, 0, 'the server ends well');
    },
  };
}

/** Resident bytes of a process now. */
export function resident(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

export const mib = (bytes) => `${(bytes / (1 << 20)).toFixed(1)} MiB`;
