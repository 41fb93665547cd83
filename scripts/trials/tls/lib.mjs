// What the TLS trials share: servers in processes of their own, and a client that must always be
// served.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import https from 'node:https';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export { check, finish, program, run, skip, tally } from '../lib.mjs';

export const HERE = dirname(fileURLToPath(import.meta.url));

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
