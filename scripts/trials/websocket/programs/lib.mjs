// What the programs share.

import { once } from 'node:events';

/** Starts to listen on a free port, and returns it. */
export async function portOf(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/** Until something is so. */
export async function until(isSo, what) {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries === 3000) {
      throw new Error(`waited in vain until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Closes a server and waits for it. */
export async function closed(server) {
  await new Promise((resolve) => server.close(resolve));
}
