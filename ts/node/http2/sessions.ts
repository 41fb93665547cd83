import type { Exchange } from '../../lane/exchange.js';
import type { Sender } from '../../lane/outgoing.js';
import type { Http2Taker } from '../http2-door.js';
import type { ExchangeSocket } from '../socket.js';
import { fieldsByName, rawFieldsOf } from './fields.js';
import { ServerHttp2Session, type SessionServer } from './session.js';
import { ServerHttp2Stream } from './stream.js';

/** Flags of a HEADERS frame (RFC 9113 §6.2). */
const END_STREAM = 1;
const END_HEADERS = 4;

/** The sessions of a server: one for each connection of HTTP/2. */
export class Sessions implements Http2Taker {
  readonly isAlone: boolean;
  readonly #server: SessionServer;
  readonly #sessions = new WeakMap<ExchangeSocket, ServerHttp2Session>();

  constructor(server: SessionServer, isAlone: boolean) {
    this.#server = server;
    this.isAlone = isAlone;
  }

  /** A request has come, on the connection of this socket. */
  take(exchange: Exchange, sender: Sender, socket: ExchangeSocket): void {
    const session = this.begin(socket);
    socket.learn(exchange);
    const stream = new ServerHttp2Stream(session, exchange, sender);
    const raw = rawFieldsOf(exchange);
    const flags = END_HEADERS | (stream.endAfterHeaders ? END_STREAM : 0);
    session.emit('stream', stream, fieldsByName(raw), flags, raw);
  }

  /** The session of a connection, which may be new. */
  begin(socket: ExchangeSocket): ServerHttp2Session {
    const known = this.#sessions.get(socket);
    if (known !== undefined) {
      return known;
    }
    const server = this.#server;
    const session = new ServerHttp2Session(server, socket);
    this.#sessions.set(socket, session);
    session.on('stream', (...given) => server.emit('stream', ...given));
    session.on('error', (error) => server.emit('sessionError', error, session));
    if (server.timeout > 0) {
      session.setTimeout(server.timeout, () => {
        if (!session.closed && !server.emit('timeout', session)) {
          session.destroy();
        }
      });
    }
    server.emit('session', session);
    process.nextTick(() => session.emit('connect', session, session.socket));
    return session;
  }
}
