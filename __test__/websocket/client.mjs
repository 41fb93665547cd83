import { once } from 'node:events';
import { WebSocket } from 'ws';

/** A client of `ws` that keeps what it gets. */
export function client(t, server, path = '/', protocols = [], options = {}) {
  const base = server.url.href.replace('http', 'ws').replace(/\/$/, '');
  const socket = new WebSocket(base + path, protocols, { perMessageDeflate: false, ...options });
  t.teardown(() => socket.terminate());
  const messages = [];
  const waiting = [];
  socket.on('message', (data, isBinary) => {
    const message = isBinary ? data : `${data}`;
    const next = waiting.shift();
    if (next === undefined) {
      messages.push(message);
    } else {
      next(message);
    }
  });
  socket.on('error', () => {});
  const next = () =>
    messages.length > 0
      ? Promise.resolve(messages.shift())
      : new Promise((resolve) => waiting.push(resolve));
  const opened = once(socket, 'open');
  const closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve([code, `${reason}`]));
  });
  opened.catch(() => {});
  return { socket, messages, next, opened, closed };
}
