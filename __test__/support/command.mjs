// The command line as a user runs it: a process of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const BIN = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));

/** Environment variables that the command or Node reads; a test sets those it means. */
const READ = /^(PORT|HOST|CI|NO_COLOR|FORCE_COLOR|NODE_OPTIONS|REACTOR_.*)$/;

/** Runs a command to its end. */
export async function run(args, { env = {}, file = process.execPath, cwd } = {}) {
  const child = launch(file === process.execPath ? [BIN, ...args] : args, { env, file, cwd });
  const [code, signal] = await once(child.process, 'close');
  return { code, signal, stdout: child.stdout(), stderr: child.stderr() };
}

/** Starts `reactor-rs serve --json …` and resolves once it listens. */
export async function serve(t, args, options) {
  const child = launch([BIN, 'serve', '--json', ...args], options);
  t.teardown(() => child.process.kill('SIGKILL'));
  const closed = once(child.process, 'close').then(([code, signal]) => ({ code, signal }));
  const listening = new Promise((resolve) => {
    child.process.stdout.on('data', () => {
      if (child.stdout().includes('\n')) {
        // More may follow: an access log, perhaps.
        resolve(JSON.parse(child.stdout().split('\n')[0]));
      }
    });
  });
  const first = await Promise.race([listening, closed]);
  if (first.event !== 'listening') {
    throw new Error(`serve ended early: ${JSON.stringify(first)} ${child.stderr()}`);
  }
  return { ...child, ...first, closed, kill: (signal) => child.process.kill(signal) };
}

/** Starts a process and collects what it prints. */
export function launch(args, { env = {}, file = process.execPath, cwd, stdin = 'ignore' } = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !READ.test(name));
  const child = spawn(file, args, {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: [stdin, 'pipe', 'pipe'],
  });
  return { process: child, ...printed(child) };
}

/** What a process has printed, from now on. */
export function printed(child) {
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return { stdout: () => stdout, stderr: () => stderr };
}

/** Resolves once `condition` holds; fails after thirty seconds. */
export async function until(condition, what) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`waited thirty seconds for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
