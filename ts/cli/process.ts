import { flushed } from '../server/shutdown.js';
import { main } from './main.js';

/**
 * Runs the command line and ends the process with its exit code, even if a served module would keep
 * it alive. `argv` is without node and script.
 */
export async function runProcess(argv: readonly string[]): Promise<never> {
  // The reader of the output may leave, as `head` does. That must neither print a stack trace nor
  // end a running server.
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
