// What servers do with WebSockets: `websocket` echoes, `websocket-deflate` too, with compression, and
// `websocket-broadcast` hands each message to all. Nothing is left unsent for want of a limit.

const MIB = 2 ** 20;

/** The largest message, and what may wait for one client. */
const LIMITS = { maxPayloadLength: 16 * MIB, backpressureLimit: 64 * MIB };

export const isWebSocket = (question) => question.startsWith('websocket');
export const isBroadcast = (question) => question === 'websocket-broadcast';
export const isDeflate = (question) => question === 'websocket-deflate';

/** Options for `serve` of reactor-rs and of Bun, which have the same names. */
export function serveOptions(question) {
  const shared = { compress: 'shared', decompress: 'shared' };
  let server;
  const handlers = isBroadcast(question)
    ? {
        open: (socket) => socket.subscribe('all'),
        message: (_, message) => server.publish('all', message),
      }
    : { message: (socket, message) => socket.send(message, isDeflate(question)) };
  return {
    fetch: (request, info) => {
      server = info;
      return info.upgrade(request) ? undefined : new Response('no WebSocket', { status: 400 });
    },
    websocket: {
      ...LIMITS,
      idleTimeout: 0,
      perMessageDeflate: isDeflate(question) ? shared : false,
      ...handlers,
    },
  };
}

/** npm's ws over a server of node:http, or of reactor-rs/node. */
export async function withWs(server, question) {
  const { WebSocketServer } = await import('ws');
  const sockets = new WebSocketServer({
    server,
    maxPayload: LIMITS.maxPayloadLength,
    // Each message by itself, as the others' shared compressors do.
    perMessageDeflate: isDeflate(question) && {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      zlibDeflateOptions: { level: 1 },
      threshold: 0,
    },
  });
  sockets.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, binary) => {
      const to = isBroadcast(question) ? sockets.clients : [socket];
      for (const each of to) each.send(data, { binary });
    });
  });
}

/** A fetch handler for Deno. */
export function denoFetch(question) {
  if (question !== 'websocket') throw new Error(`no ${question} here`);
  return (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  };
}
