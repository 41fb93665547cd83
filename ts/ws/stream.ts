import { Duplex, type DuplexOptions } from 'node:stream';
import type { WebSocket } from './socket.js';

/**
 * A stream of a WebSocket's messages: what is written is sent as binary messages, and what comes can
 * be read. Ending it closes the WebSocket.
 */
export function createWebSocketStream(socket: WebSocket, options: DuplexOptions = {}): Duplex {
  const stream = new Duplex({
    ...options,
    objectMode: false,
    writableObjectMode: false,
    read() {
      socket.resume();
    },
    write(chunk, _encoding, written) {
      socket.send(chunk, written);
    },
    final(done) {
      if (socket.readyState === CLOSED) {
        done();
        return;
      }
      socket.once('close', () => done());
      socket.close();
    },
    destroy(error, done) {
      if (socket.readyState === CLOSED) {
        done(error);
        return;
      }
      socket.once('close', () => done(error));
      socket.terminate();
    },
  });
  socket.on('message', (message, isBinary) => {
    const data = !isBinary && stream.readableObjectMode ? String(message) : message;
    if (!stream.push(data)) {
      socket.pause();
    }
  });
  socket.once('error', (error) => stream.destroy(error));
  socket.once('close', () => {
    if (!stream.destroyed) {
      stream.push(null);
    }
  });
  return stream;
}

const CLOSED = 3;
