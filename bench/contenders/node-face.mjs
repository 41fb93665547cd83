// A (req, res) listener on reactor-rs/node: `node-face.mjs PORT`.

import { createServer } from '../../dist/node/index.js';

const server = createServer((_, res) => {
  res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 });
  res.end('Hello, World!');
});
server.listen(Number(process.argv[2]), '127.0.0.1');
process.on('SIGTERM', () => server.close());
