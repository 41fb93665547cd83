#!/usr/bin/env node
import { main } from './main.js';

// Whoever read our output may leave, as `head` does: that must neither print a
// stack trace nor end a server that is running.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      throw error;
    }
  });
}

// Set, not process.exit(): output that is still on its way must get out.
process.exitCode = await main(process.argv.slice(2));
