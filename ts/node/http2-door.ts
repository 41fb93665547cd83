import type { Server } from 'node:http';
import type { Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import type { Versions } from '../options/versions.js';
import type { ExchangeSocket } from './socket.js';

/** What a server has that speaks HTTP/2. */
export interface Http2Door {
  readonly versions: Versions;
  /** Whether clients are told that WebSockets may be streams (RFC 8441). */
  readonly extendedConnect: boolean;
  /** What takes the requests of a server that begins to listen. */
  begin(server: Server): Http2Taker;
}

/** Takes requests of HTTP/2. */
export interface Http2Taker {
  /** Whether every connection is one of HTTP/2. */
  readonly isAlone: boolean;
  /** A connection of HTTP/2 has begun. No-op if that is known. */
  begin(socket: ExchangeSocket): unknown;
  /** @param socket stands for the connection */
  take(exchange: Exchange, sender: Sender, socket: ExchangeSocket): void;
}
