// Starting and stopping a server under test.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from './failure.mjs';
import { listenerOf } from './proc.mjs';

const running = new Set();

// Nothing that was started here may outlive us, however we end.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.on(signal, () => process.exit(code));
}

/** The first free port from `from` up, below the range that clients are given ports from. */
export async function freePort(from) {
  for (let port = from; port < from + 200; port++) {
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
  throw new Failure(`no free port from ${from} to ${from + 199}`);
}

/** Fills `{port}` into a command. */
export function fill(command, port) {
  return command.map((word) => word.replaceAll('{port}', String(port)));
}

/**
 * Starts a command and waits until it, or a child of it, listens on the port.
 * @param how `env`: what it has in its environment besides ours
 * @returns pid (of the process that listens), exit (a promise of code and signal),
 *   stop() and said(), the output so far
 */
export async function start(command, port, { patience = 10_000, env = {} } = {}) {
  const [program, ...args] = fill(command, port);
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  const keep = (chunk) => {
    output = (output + chunk).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  running.add(child);
  const exit = new Promise((resolve) => {
    child.once('error', (error) => {
      running.delete(child);
      resolve({ code: null, signal: null, error });
    });
    child.once('exit', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });

  const deadline = Date.now() + patience;
  for (;;) {
    const ended = await Promise.race([exit, sleep(20)]);
    if (ended) {
      const why = ended.error?.message ?? `exit ${ended.code ?? ended.signal}`;
      throw new Failure(`${program} did not start (${why})\n${output}`.trim());
    }
    const pid = listenerOf(child.pid, port);
    if (pid) return { pid, exit, said: () => output, stop: () => stop(child, pid, exit) };
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Failure(`${program} does not listen on port ${port}\n${output}`.trim());
    }
  }
}

async function stop(child, pid, exit) {
  if (child.exitCode !== null || child.signalCode !== null) return exit;
  process.kill(pid, 'SIGTERM');
  const ended = await Promise.race([exit, sleep(15_000, null, { ref: false })]);
  if (ended) return ended;
  process.kill(pid, 'SIGKILL');
  return exit;
}
