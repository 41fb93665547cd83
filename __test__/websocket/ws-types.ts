// What TypeScript must take, and refuse, of `reactor-rs/ws`: compiled, never run.

import type { IncomingMessage } from 'node:http';
import { createServer } from 'reactor-rs/node';
import DefaultWebSocket, {
  createWebSocketStream,
  type RawData,
  Server,
  type ServerOptions,
  WebSocket,
  WebSocketServer,
} from 'reactor-rs/ws';

const server = createServer();
const options: ServerOptions = {
  server,
  path: '/chat',
  perMessageDeflate: { threshold: 10 },
  handleProtocols: (protocols) => [...protocols][0] ?? false,
  verifyClient: ({ origin, secure, req }) => secure && origin === req.headers.host,
};
const sockets: WebSocketServer = new Server(options, () => {});
new WebSocketServer({
  noServer: true,
  verifyClient: (info, done) => done(info.secure, 403, 'no', { a: 'b' }),
}).handleUpgrade(
  {} as IncomingMessage,
  {} as import('node:stream').Duplex,
  Buffer.alloc(0),
  (socket) => socket.terminate(),
);

sockets.on('connection', (socket, req) => {
  const { url }: IncomingMessage = req;
  socket.on('message', (data: RawData, isBinary: boolean) => {
    socket.send(`${data}${url}`, { binary: isBinary, compress: false }, (error) => error?.message);
  });
  socket.addEventListener('message', ({ data, target }) => [data, target]);
  socket.onclose = ({ code, reason, wasClean }) => [code.toFixed(), reason.length, wasClean];
  socket.binaryType = 'arraybuffer';
  // @ts-expect-error: there is no such type
  socket.binaryType = 'text';
  // @ts-expect-error: a code is a number
  socket.close('1000');
  const state: 0 | 1 | 2 | 3 = socket.readyState;
  if (state === WebSocket.OPEN) {
    createWebSocketStream(socket).pipe(process.stdout);
  }
});
sockets.on('headers', (headers, req) => headers.push(`x-url: ${req.url}`));
for (const socket of sockets.clients) {
  socket.ping();
}
sockets.close((error) => error);

class Mine extends DefaultWebSocket {
  user = '';
}
new WebSocketServer({ port: 0, WebSocket: Mine });
