// Asks one path again and again: a fixed number of requests over a fixed number of connections, each
// with one request at a time.
//
//   node bench/lib/steady.mjs PORT PATH CONNECTIONS REQUESTS-EACH

import { connect } from 'node:net';
import { get } from './http.mjs';

const [port, path, connections, requests] = process.argv.slice(2);

await Promise.all(
  Array.from({ length: Number(connections) }, () => {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
      let left = Number(requests);
      socket.on('connect', () => socket.write(get(path))).on('error', reject);
      socket.setEncoding('latin1').on('data', (answer) => {
        // Small answers come whole.
        if (!answer.startsWith('HTTP/1.1 200 ')) reject(new Error(`a wrong answer: ${answer}`));
        left -= 1;
        if (left > 0) {
          socket.write(get(path));
          return;
        }
        socket.destroy();
        resolve();
      });
    });
  }),
);
