// `npm run debug`: the debug build of the example server under gdb, with commands
// that know the engine.

import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { need } from './programs.mjs';
import { buildServe, tool } from './tool.mjs';

const USAGE = `
usage: npm run debug [-- SERVER OPTIONS]

Starts gdb on target/debug/examples/serve, by default with -p 8080 -i 2 -w 2. Type
run. It stops where a connection comes to its loop, a task goes into the queue and a
reply comes back. In gdb:

  reactor loops              the I/O loops
  reactor connections [N]    open connections, of loop N
  reactor queue              queued tasks, and what the workers do
  reactor trace              a line for each stop, without stopping
  reactor break              stops again
  help reactor               all of it
`;

await tool('debug', USAGE, async (args) => {
  const gdb = need('gdb');
  const server = buildServe('dev');
  // Where other scripts have options of their own, two dashes come before the server's.
  const given = args[0] === '--' ? args.slice(1) : args;
  const options = given.length > 0 ? given : ['-p', '8080', '-i', '2', '-w', '2'];
  // As `rust-gdb` does: the binary names the compiler's printers of Vec, String and
  // so on, and gdb loads such scripts only from where it is told to.
  const { stdout } = spawnSync('rustc', ['--print', 'sysroot'], { encoding: 'utf8' });
  const printers = join(stdout.trim(), 'lib/rustlib/etc');
  const child = spawn(
    gdb,
    [
      '-q',
      ...['-d', printers, '-iex', `add-auto-load-safe-path ${printers}`],
      ...['-x', 'scripts/reactor.gdb', '--args', server, ...options, '--no-sigint'],
    ],
    { stdio: 'inherit', env: { ...process.env, PYTHONPATH: printers } },
  );
  // Ctrl-C is gdb's, which gets it from the terminal itself.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
});
