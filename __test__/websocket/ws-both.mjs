// The same conversation with `ws` over `node:http` and with `reactor-rs/ws` over `reactor-rs/node`.

import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import * as node from 'reactor-rs/node';
import * as ours from 'reactor-rs/ws';
import * as theirs from 'ws';

const KINDS = {
  ws: { createServer: http.createServer, ...theirs },
  'reactor-rs/ws': { createServer: node.createServer, ...ours },
};

/** Until something is so. */
export async function until(isSo) {
  while (!(await isSo())) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** What one kind of server makes of a conversation. */
class Stage {
  constructor(kind) {
    this.kind = kind;
    /** What happened, in order. */
    this.log = [];
    this.closers = [];
  }

  note(...what) {
    this.log.push(what.map(shown));
  }

  /** A server with WebSockets, which listens. */
  async serve(options = {}, onConnection = () => {}) {
    const server = this.kind.createServer((_req, res) => res.end('http'));
    const sockets = new this.kind.WebSocketServer({ server, ...options });
    sockets.on('connection', onConnection);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.closers.push(() => {
      for (const socket of sockets.clients ?? []) {
        socket.terminate();
      }
      server.close();
      server.closeAllConnections();
    });
    this.port = server.address().port;
    return { server, sockets };
  }

  url(path = '/') {
    return `ws://127.0.0.1:${this.port}${path}`;
  }

  /** A client of `ws`. */
  dial(url = this.url(), ...rest) {
    const socket = new theirs.WebSocket(url, ...rest);
    socket.on('error', () => {});
    this.closers.push(() => socket.terminate());
    return socket;
  }

  /** One that is open. */
  async client(path, ...rest) {
    const socket = this.dial(this.url(path), ...rest);
    await once(socket, 'open');
    return socket;
  }

  /** A server with one connection: its socket there, and its client. */
  async pair(options = {}, clientOptions = {}) {
    const { server, sockets } = await this.serve(options);
    const connection = once(sockets, 'connection');
    const client = await this.client('/', [], clientOptions);
    const [socket, req] = await connection;
    return { server, sockets, socket, req, client };
  }

  /** A connection whose bytes are written by hand. */
  async raw(text) {
    const socket = connect({ port: this.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    this.closers.push(() => socket.destroy());
    let all = Buffer.alloc(0);
    socket.on('data', (piece) => {
      all = Buffer.concat([all, piece]);
    });
    socket.write(text);
    return {
      socket,
      get bytes() {
        return all;
      },
      /** All until the connection closes. */
      async rest() {
        if (!socket.closed) {
          await once(socket, 'close');
        }
        return all;
      },
    };
  }
}

/** A value that can be compared. */
function shown(value) {
  if (value instanceof Error) {
    return [value.constructor.name, value.message];
  }
  if (Buffer.isBuffer(value)) {
    return ['Buffer', value.length < 100 ? value.toString('latin1') : value.length];
  }
  if (value instanceof ArrayBuffer) {
    return ['ArrayBuffer', Buffer.from(value).toString('latin1')];
  }
  return Array.isArray(value) ? value.map(shown) : value;
}

/**
 * A test in which both do the same.
 * @param {(stage: Stage) => Promise<unknown>} play
 */
export function compare(test, name, play) {
  test(name, async (t) => {
    const logs = [];
    for (const kind of Object.values(KINDS)) {
      const stage = new Stage(kind);
      try {
        await play(stage, t);
      } finally {
        for (const close of stage.closers) {
          close();
        }
      }
      logs.push(stage.log);
    }
    t.true(logs[0].length > 0, 'something happened');
    t.deepEqual(logs[1], logs[0]);
  });
}

export const HANDSHAKE = `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r
Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

/** A frame of a client, masked with zeros. */
export function frame(first, payload, { mask = true } = {}) {
  const bytes = Buffer.from(payload);
  return Buffer.concat([
    Buffer.from([first, (mask ? 0x80 : 0) | bytes.length]),
    Buffer.alloc(mask ? 4 : 0),
    bytes,
  ]);
}
