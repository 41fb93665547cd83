// A server that echoes, for the cases of the Autobahn suite.

import { portOf } from './lib.mjs';

export default async function trial({ createServer, WebSocketServer }) {
  const server = createServer();
  const perMessageDeflate = { threshold: 0 };
  new WebSocketServer({ server, perMessageDeflate }).on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  console.log(`port ${await portOf(server)}`);
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.on('end', resolve));
}
