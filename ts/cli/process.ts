import { flushed } from '../server/shutdown.js';
import { main } from './main.js';

/**
 * Runs the command line, `argv` without node and script, as what this process is for: ends
 * it with the exit code, whatever a served module still holds open.
 */
export async function runProcess(argv: readonly string[]): Promise<never> {
  // Whoever read our output may leave, as `head` does: that must neither print a
  // stack trace nor end a server that is running.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') {
        throw error;
      }
    });
  }
  const exitCode = await main(argv);
  await flushed();
  process.exit(exitCode);
}
