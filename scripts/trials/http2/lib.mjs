// What the trials of HTTP/2 share: a server in a process of its own, what it holds, and a client that
// must be served well whatever else happens.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export { check, finish, program, run, skip, tally } from '../lib.mjs';

export const HERE = dirname(fileURLToPath(import.meta.url));

/** `--engine node` tries the trials themselves with Node's server. */
export const ENGINE = process.argv.includes('--engine')
  ? process.argv[process.argv.indexOf('--engine') + 1]
  : 'reactor-rs';

/** @param {object} [options] for server.mjs */
export async function startServer(options = {}) {
  const words = [join(HERE, 'server.mjs'), JSON.stringify({ engine: ENGINE, ...options })];
  const child = spawn(process.execPath, ['--expose-gc', ...words], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await said.next();
    assert(!done, 'the server has ended');
    return JSON.parse(value);
  };
  const { ports } = await next();
  let last = Promise.resolve();
  const ask = (what) => {
    last = last.then(() => {
      child.stdin.write(`${JSON.stringify(what)}\n`);
      return next();
    });
    return last;
  };
  const [port, securePort] = ports;
  return {
    port,
    securePort,
    url: `http://127.0.0.1:${port}`,
    secureUrl: `https://localhost:${securePort}`,
    pid: child.pid,
    ask,
    /** What handlers saw since the last time. */
    seen: () => ask({ seen: true }),
    counts: () => ask({ counts: true }),
    stats: () => ask({ stats: true }),
    /** Resident bytes after a collection of garbage. */
    rss: async () => (await ask({ memory: true })).rss,
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

/** A value of a list, after sorting. */
export function percentile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** One request by Node's client. */
export function ask(session, fields, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(fields, { endStream: body === undefined });
    const answer = { status: 0, fields: {}, pieces: [], trailers: undefined };
    stream.on('response', (got) => {
      answer.status = got[':status'];
      answer.fields = got;
    });
    stream.on('trailers', (got) => {
      answer.trailers = got;
    });
    stream.on('data', (piece) => answer.pieces.push(piece));
    stream.on('error', reject);
    stream.on('end', () => resolve({ ...answer, body: Buffer.concat(answer.pieces) }));
    if (body !== undefined) stream.end(body);
  });
}

/**
 * A client in a process of its own that asks every few milliseconds, by a connection that it keeps.
 * @param {number} port
 */
export async function canary(port) {
  const child = spawn(process.execPath, [join(HERE, 'canary.mjs'), String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await said.next();
  return {
    /** Since the last time: `{ times, faults }`, in milliseconds and in words. */
    async heard() {
      child.stdin.write('heard\n');
      return JSON.parse((await said.next()).value);
    },
    async close() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}
