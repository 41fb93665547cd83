/**
 * `ws` over this engine: {@link WebSocketServer} and {@link WebSocket} with that package's options,
 * properties and events. Frames, UTF-8, pings, compression and the close handshake are native, and go on
 * while JavaScript is busy.
 *
 * The HTTP server must be one of `reactor-rs/node`, or of `node:http` under
 * `reactor-rs/node/register`. Sockets of others become those of the installed `ws`. Clients, as
 * `new WebSocket(url)`, are those of the installed `ws`, or else Node's own.
 *
 * Different from `ws`:
 *
 * - `autoPong: false` and `skipUTF8Validation` have no effect: pings are always answered, and text is
 *   always checked. `_sender` and `_receiver` are not there. `_socket` has only the addresses.
 * - A message that is sent in pieces (`fin: false`) leaves as one.
 * - A client that breaks the protocol is cut off. 'error' is emitted if it has a listener; the process
 *   does not end without one.
 * - A client that takes too little is cut off when more than `maxUnsent` bytes wait for it.
 * - When the HTTP server closes, clients are told with 1001.
 * - Only version 13 of the protocol is spoken.
 *
 * @module
 */
import '../binding/notice.js';

export type { Data } from './data.js';
export type { CloseEvent, ErrorEvent, EventListener, MessageEvent, SocketEvent } from './events.js';
export type {
  ClientInfo,
  PerMessageDeflateOptions,
  ServerOptions,
  Verified,
} from './options.js';
export type { SendOptions, Sent } from './outbox.js';
export { type ServerEvents, WebSocketServer, WebSocketServer as Server } from './server.js';
export {
  type BinaryType,
  type RawData,
  WebSocket,
  WebSocket as default,
  type WebSocketEvents,
} from './socket.js';
export { createWebSocketStream } from './stream.js';
