// What the trials of files share: servers in processes of their own, and a proxy that breaks off.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export { check, finish, program, run, skip } from '../lib.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const BIN = join(HERE, '../../../dist/cli/bin.js');

/** A folder that is there until the process ends. */
export function scratch(name) {
  const folder = mkdtempSync(join(tmpdir(), `reactor-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * `reactor-rs serve FOLDER`, as a user runs it.
 * @param {string} folder
 * @param {readonly string[]} [flags]
 */
export const serveFolder = (folder, flags = []) =>
  started(process.execPath, [
    ...[BIN, 'serve', folder, '--json', '-p', '0', '--host', '127.0.0.1', ...flags],
  ]);

/**
 * A server with a folder and with handlers.
 * @param {object} options `dir`, options of a folder's route, and `settings` of the server
 * @param {object} [how]
 * @param {number} [how.descriptors] how many it may have
 * @param {Record<string, string>} [how.env]
 */
export function startServer(options, { descriptors, env } = {}) {
  const words = [join(HERE, 'server.mjs'), JSON.stringify(options)];
  return descriptors === undefined
    ? started(process.execPath, words, env)
    : started(
        'sh',
        ['-c', `ulimit -n ${descriptors}; exec "$0" "$@"`, process.execPath, ...words],
        env,
      );
}

async function started(file, args, env = {}) {
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  process.on('exit', () => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const lines = createInterface({ input: child.stdout });
  const { value, done } = await lines[Symbol.asyncIterator]().next();
  assert(!done, `the server has ended: ${errors}`);
  const said = JSON.parse(value);
  const port = said.port ?? Number(new URL(said.url ?? said.urls[0]).port);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    /** What it has written to standard error. */
    errors: () => errors,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Resident bytes of a process now, without the pages of files. */
export function resident(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const of = (key) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return of('VmRSS') * 1024;
}

export const mib = (bytes) => `${(bytes / (1 << 20)).toFixed(1)} MiB`;

export const get = (path, fields = []) =>
  `${[`GET ${path} HTTP/1.1`, 'Host: a', ...fields].join('\r\n')}\r\n\r\n`;

/** A value of a list, after sorting. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/**
 * A proxy that breaks its connections off after so many bytes of the answers, each once: what is
 * left of `cuts` is for the next connections, and then it breaks none.
 * @param {number} port
 * @param {number[]} cuts
 */
export async function cuttingProxy(port, cuts) {
  const requests = [];
  const server = createServer((client) => {
    const upstream = connect({ port, host: '127.0.0.1' });
    let sent = 0;
    client.on('data', (bytes) => {
      requests.push(...bytes.toString('latin1').split(/(?<=\r\n\r\n)/));
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      sent += bytes.length;
      if (cuts.length > 0 && sent > cuts[0]) {
        cuts.shift();
        // What was written goes out first, so that the client keeps it.
        client.end(bytes);
        upstream.destroy();
        return;
      }
      if (!client.write(bytes)) {
        upstream.pause();
        client.once('drain', () => upstream.resume());
      }
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ]) {
      one.on('close', () => other.destroy());
      one.on('error', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port, requests, close: () => server.close() };
}
