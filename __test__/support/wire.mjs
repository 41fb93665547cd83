// One connection, byte by byte under the test's control.

import { once } from 'node:events';
import { connect } from 'node:net';

/** Opens a connection to a server (or a unix socket path). */
export async function open(t, server, options = {}) {
  const socket = server.unix
    ? connect({ ...options, path: server.unix })
    : connect({
        ...options,
        port: server.port,
        host: server.hostname === '::' ? 'localhost' : server.hostname,
      });
  t.teardown(() => socket.destroy());
  let received = '';
  const waiting = new Set();
  const wake = () => {
    for (const check of waiting) {
      check();
    }
  };
  let isClosed = false;
  socket.setEncoding('latin1');
  socket.on('data', (text) => {
    received += text;
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
    wake();
  });
  await once(socket, 'connect');
  return {
    /** Sends bytes. */
    send: (text) => socket.write(text, 'latin1'),
    /** Sends bytes, and the end behind them. */
    end: (text) => socket.end(text, 'latin1'),
    /** Closes the connection, which may look like the end of this side only. */
    leave: () => socket.destroy(),
    /** Breaks the connection off. */
    reset: () => socket.resetAndDestroy(),
    /** What has arrived so far. */
    received: () => received,
    isClosed: () => isClosed,
    /** Resolves with everything received, once that matches. */
    reads: (pattern) => waitFor(() => pattern.test(received), String(pattern)),
    /** Resolves with everything received, once the peer has closed. */
    closes: () => waitFor(() => isClosed, 'the connection to close'),
  };

  function waitFor(condition, what) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(check);
        reject(new Error(`waited thirty seconds for ${what}, got ${JSON.stringify(received)}`));
      }, 30_000);
      const check = () => {
        if (condition()) {
          clearTimeout(timer);
          waiting.delete(check);
          resolve(received);
        }
      };
      waiting.add(check);
      check();
    });
  }
}
