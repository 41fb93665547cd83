// What the TLS trials share: servers in processes of their own, a client that must always be
// served, checks that are printed as TAP, and programs that may be missing.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import https from 'node:https';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { find } from '../../programs.mjs';

export const HERE = dirname(fileURLToPath(import.meta.url));

/** Checks of this process. */
export const tally = { passed: 0, failed: 0, skipped: 0 };

/**
 * One check, printed as a line of TAP.
 * @param {string} name
 * @param {() => unknown} run throws where it fails
 */
export async function check(name, run) {
  try {
    const note = await run();
    tally.passed++;
    console.log(`ok - ${name}${typeof note === 'string' ? ` # ${note}` : ''}`);
  } catch (error) {
    tally.failed++;
    console.log(`not ok - ${name}`);
    console.log(`  ${String(error?.stack ?? error).replaceAll('\n', '\n  ')}`);
  }
}

/** @param {string} what is left out, and why */
export function skip(what) {
  tally.skipped++;
  console.log(`# skipped: ${what}`);
}

/** The path of a program, or null, which is printed with what to do. */
export function program(name, install = `apt-get install ${name}`) {
  const path = find(name);
  if (path === null) {
    skip(`${name} was not found (${install})`);
  }
  return path;
}

/**
 * Runs a program to its end.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {object} [options]
 * @param {string} [options.input]
 * @param {number} [options.seconds] that it may take
 * @param {Record<string, string>} [options.env]
 * @param {Promise<void>} [options.until] when it is interrupted
 * @returns {Promise<{ code: number | null, out: string }>} stdout and stderr, as they came
 */
export async function run(file, args, { input, seconds = 60, env = {}, until } = {}) {
  const child = spawn(file, args, { env: { ...process.env, ...env }, timeout: seconds * 1000 });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      out += text;
    });
  }
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  until?.then(() => child.kill('SIGINT'));
  const [code] = await once(child, 'close');
  return { code, out };
}

/**
 * A server in a process of its own.
 * @param {object} options of `serve()`, as JSON can tell them
 */
export async function startServer(options) {
  const child = spawn(process.execPath, [join(HERE, 'server.mjs'), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const said = lines[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await said.next();
    assert(!done, 'the server has ended');
    return JSON.parse(value);
  };
  const { ports } = await next();
  const ask = async (what) => {
    child.stdin.write(`${JSON.stringify(what)}\n`);
    return next();
  };
  return {
    ports,
    port: ports[0],
    pid: child.pid,
    ask,
    stats: () => ask({ stats: true }),
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      const [code] = await ended;
      assert.equal(code, 0, 'the server ends well');
    },
  };
}

/**
 * A client that must be served whatever else happens: by a connection that it keeps, and by a new
 * one.
 * @param {{ port: number, ca: string }} server
 */
export function canary({ port, ca }) {
  const kept = new https.Agent({ keepAlive: true, maxSockets: 1, ca });
  let connections = 0;
  const get = (agent) =>
    new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port,
        agent,
        ca,
        servername: 'localhost',
        path: '/hello',
      };
      const request = https.get({ ...options, timeout: 10_000 }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text) => {
          body += text;
        });
        response.on('end', () => resolve(body));
      });
      request.on('socket', (socket) => {
        socket.once('secureConnect', () => {
          connections++;
        });
      });
      request.on('timeout', () => request.destroy(new Error('the canary waited for 10 s')));
      request.on('error', reject);
    });
  return {
    /** Throws if it is not served, or not by the connection that it keeps. */
    async sing() {
      assert.equal(await get(kept), 'hello', 'the kept connection is served');
      const before = connections;
      assert.equal(await get(kept), 'hello');
      assert.equal(connections, before, 'the connection is kept');
      assert.equal(await get(false), 'hello', 'a new connection is served');
    },
    get connections() {
      return connections;
    },
    close: () => kept.destroy(),
  };
}

/** Prints what was counted, and sets the exit code. */
export function finish() {
  console.log(`# ${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
}
