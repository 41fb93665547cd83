import { EventEmitter } from 'node:events';
import http, { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ReactorError } from '../errors/errors.js';
import { CLOSE } from '../lane/record.js';
import { warnUnsupported } from '../node/errors.js';
import { createServer } from '../node/index.js';
import { HAND_OVER, OFFER, type Offer, type PipeSocket } from '../node/pipe-socket.js';
import { type ConnectionListener, WebSocketConnection } from '../websocket/connection.js';
import type { ResolvedSettings } from '../websocket/settings.js';
import {
  agreesToDeflate,
  fieldsOf,
  linesOf,
  protocolsOf,
  type Refusal,
  refusalOf,
} from './handshake.js';
import { installedWs } from './installed.js';
import { type ClientInfo, type ServerOptions, settingsOf, type Verified } from './options.js';
import { WebSocket } from './socket.js';

type Taken = (socket: WebSocket, req: IncomingMessage) => void;

export interface ServerEvents {
  listening: [];
  connection: [socket: WebSocket, req: IncomingMessage];
  /** The lines of the 101, to which listeners may add some. */
  headers: [headers: string[], req: IncomingMessage];
  /** A request that is no handshake. With a listener the answer is its own, by the socket. */
  wsClientError: [error: Error, socket: Duplex, req: IncomingMessage];
  error: [error: Error];
  close: [];
}

/** Sockets that are a WebSocket already, or are about to be. */
const TAKEN = new WeakSet<Duplex>();

/** A server's states. */
const RUNNING = 0;
const CLOSING = 1;
const CLOSED = 2;

/** The WebSockets of an HTTP server, as `ws` has them. Their frames are the engine's. */
export class WebSocketServer extends EventEmitter<ServerEvents> {
  readonly options: ServerOptions;
  /** The open connections, unless `clientTracking` is `false`. */
  declare readonly clients: Set<WebSocket>;
  readonly #settings: ResolvedSettings;
  /** How many connections are not closed. */
  #open = 0;
  #state = RUNNING;
  #server: http.Server | null = null;
  #stopListening = () => {};
  /** Upgrades sockets that are no connections of the engine. */
  #other: { handleUpgrade(...given: unknown[]): void } | null = null;

  /** @throws {TypeError} unless there is exactly one of `port`, `server` and `noServer` */
  constructor(options: ServerOptions = {}, listening?: () => void) {
    super();
    const { port, server, noServer } = options;
    if ([port != null, Boolean(server), Boolean(noServer)].filter(Boolean).length !== 1) {
      throw new TypeError(
        'One and only one of the "port", "server", or "noServer" options must be specified',
      );
    }
    this.options = { clientTracking: true, WebSocket, ...options };
    this.#settings = settingsOf(this.options);
    if (this.options.clientTracking) {
      Object.defineProperty(this, 'clients', { value: new Set(), enumerable: true });
    }
    if (port != null) {
      this.#server = createServer((_req, res) => {
        res.writeHead(426, { 'content-type': 'text/plain' }).end(STATUS_CODES[426]);
      });
    } else if (server) {
      this.#server = server;
    }
    if (this.#server !== null) {
      this.#listenTo(this.#server);
    }
    if (port != null) {
      const { host, backlog } = options;
      this.#server?.listen(
        { port, ...(host == null ? {} : { host }), ...(backlog == null ? {} : { backlog }) },
        listening,
      );
    }
  }

  /** As in `ws`: the HTTP server; `null` without one, and once it is closed. */
  get _server(): http.Server | null {
    return this.#server;
  }

  /** The address of the HTTP server; `null` without one. */
  address(): AddressInfo | string | null {
    if (this.options.noServer) {
      throw new Error('The server is operating in "noServer" mode');
    }
    return this.#server?.address() ?? null;
  }

  /**
   * Takes no further connections, and emits 'close' when all are closed. It closes none itself. An
   * HTTP server that it has made is closed, too.
   */
  close(closed?: (error?: Error) => void): void {
    if (this.#state === CLOSED) {
      if (closed !== undefined) {
        this.once('close', () => closed(new Error('The server is not running')));
      }
      process.nextTick(() => this.#closed());
      return;
    }
    if (closed !== undefined) {
      this.once('close', closed as () => void);
    }
    if (this.#state === CLOSING) {
      return;
    }
    this.#state = CLOSING;
    this.#stopListening();
    const server = this.#server;
    this.#server = null;
    if (server !== null && !this.options.server) {
      server.close(() => this.#closed());
    } else if (this.#open === 0 || this.options.clientTracking === false) {
      process.nextTick(() => this.#closed());
    }
  }

  /** Whether a request is for this server. Programs may override it. */
  shouldHandle(req: IncomingMessage): boolean {
    const { path } = this.options;
    return !path || (req.url ?? '').split('?', 1)[0] === path;
  }

  /**
   * Makes a WebSocket of a request that has come with 'upgrade'. A socket that is no connection of this
   * package's servers becomes one of the installed `ws`.
   *
   * @throws {ReactorError} `ERR_REACTOR_UNSUPPORTED` for such a socket without `ws`
   */
  handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer, taken: Taken): void {
    if (!(OFFER in socket)) {
      this.#otherServer().handleUpgrade(req, socket, head, taken);
      return;
    }
    const pipe = socket as PipeSocket;
    const ignore = () => {};
    pipe.on('error', ignore);
    const refusal = refusalOf(req);
    if (refusal !== null) {
      this.#refuseClient(refusal, req, pipe);
      return;
    }
    if (!this.shouldHandle(req)) {
      refuse(pipe, { status: 400, message: '' });
      return;
    }
    const protocols = protocolsOf(req);
    if (protocols === null) {
      const message = 'Invalid Sec-WebSocket-Protocol header';
      this.#refuseClient({ status: 400, message }, req, pipe);
      return;
    }
    this.#verify(req, (isVerified, status = 401, message = '', headers = {}) => {
      if (isVerified) {
        pipe.removeListener('error', ignore);
        this.#complete(protocols, req, pipe, taken);
      } else {
        refuse(pipe, { status, message, headers });
      }
    });
  }

  #verify(req: IncomingMessage, done: Verified): void {
    const { verifyClient } = this.options;
    if (!verifyClient) {
      done(true);
      return;
    }
    const { authorized, encrypted } = req.socket as Socket & Record<string, unknown>;
    const info: ClientInfo = {
      origin: req.headers.origin,
      secure: Boolean(authorized || encrypted),
      req,
    };
    if (verifyClient.length === 2) {
      verifyClient(info, done);
    } else {
      done(Boolean((verifyClient as (info: ClientInfo) => unknown)(info)));
    }
  }

  #complete(protocols: Set<string>, req: IncomingMessage, socket: PipeSocket, taken: Taken): void {
    if (!socket.readable || !socket.writable) {
      socket.destroy();
      return;
    }
    if (TAKEN.has(socket)) {
      throw new Error(
        'server.handleUpgrade() was called more than once with the same socket, possibly due to a misconfiguration',
      );
    }
    if (this.#state !== RUNNING) {
      refuse(socket, { status: 503, message: '' });
      return;
    }
    const offer = socket[OFFER];
    if (offer === null) {
      throw new ReactorError(
        'ERR_REACTOR_UNSUPPORTED',
        'handleUpgrade of reactor-rs/ws needs a socket that the program has neither read nor written',
      );
    }
    TAKEN.add(socket);
    const protocol = this.#protocolOf(protocols, req);
    let fields = protocol === '' ? [] : ['Sec-WebSocket-Protocol', protocol];
    if (this.listenerCount('headers') > 0) {
      const lines = linesOf(req, protocol);
      this.emit('headers', lines, req);
      fields = fieldsOf(lines);
    }
    const Class = this.options.WebSocket ?? WebSocket;
    const client = new Class(null, undefined, this.options);
    const connection = this.#upgrade(offer, fields, client, socket);
    if (connection === null) {
      return;
    }
    const compresses = Boolean(this.options.perMessageDeflate) && agreesToDeflate(req);
    const extensions = compresses ? 'permessage-deflate' : '';
    client._begin(connection, { socket, protocol, extensions });
    this.#keep(client);
    taken(client, req);
  }

  /** `null` if the engine has refused it. */
  #upgrade(
    { exchange, sender }: Offer,
    fields: readonly string[],
    client: WebSocket,
    socket: PipeSocket,
  ): WebSocketConnection | null {
    const told = new Told(client);
    const result = WebSocketConnection.upgrade(exchange, sender, this.#settings, fields, told);
    if (result instanceof WebSocketConnection) {
      told.over = socket[HAND_OVER](client);
      return result;
    }
    const { status, text, fields: own } = result;
    const headers: Record<string, string> = {};
    for (let i = 0; i < own.length; i += 2) {
      headers[own[i] as string] = own[i + 1] as string;
    }
    refuse(socket, { status, message: text, headers });
    return null;
  }

  #protocolOf(protocols: Set<string>, req: IncomingMessage): string {
    const { handleProtocols } = this.options;
    if (protocols.size === 0) {
      return '';
    }
    const [first = ''] = protocols;
    return (handleProtocols ? handleProtocols(protocols, req) : first) || '';
  }

  #keep(client: WebSocket): void {
    this.#open++;
    this.clients?.add(client);
    client.once('close', () => {
      this.#open--;
      this.clients?.delete(client);
      const isLast = this.#state === CLOSING && this.#open === 0;
      if (isLast && this.clients !== undefined && (this.options.server || this.options.noServer)) {
        process.nextTick(() => this.#closed());
      }
    });
  }

  #listenTo(server: http.Server): void {
    const events: Record<string, (...given: never[]) => void> = {
      listening: () => this.emit('listening'),
      error: (error: Error) => this.emit('error', error),
      upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => {
        this.handleUpgrade(req, socket, head, (client) => this.emit('connection', client, req));
      },
    };
    for (const [event, listener] of Object.entries(events)) {
      server.on(event, listener as () => void);
    }
    this.#stopListening = () => {
      for (const [event, listener] of Object.entries(events)) {
        server.removeListener(event, listener as () => void);
      }
    };
  }

  #closed(): void {
    this.#state = CLOSED;
    this.emit('close');
  }

  #refuseClient(refusal: Refusal, req: IncomingMessage, socket: PipeSocket): void {
    if (this.listenerCount('wsClientError') > 0) {
      this.emit('wsClientError', new Error(refusal.message), socket, req);
    } else {
      refuse(socket, refusal);
    }
  }

  /** A server of the installed `ws` for sockets of other servers. */
  #otherServer(): { handleUpgrade(...given: unknown[]): void } {
    if (this.#other === null) {
      const ws = installedWs();
      const why = 'a socket is no connection of reactor-rs/node or reactor-rs/node/register';
      if (ws === null) {
        throw new ReactorError(
          'ERR_REACTOR_UNSUPPORTED',
          `reactor-rs/ws: ${why}; make the server with createServer of reactor-rs/node, or install "ws"`,
        );
      }
      warnUnsupported('ws:other', `reactor-rs/ws: ${why}, so its frames are those of "ws"`);
      const { server, port, WebSocket: _, ...options } = this.options;
      const other = new ws.WebSocketServer({ ...options, noServer: true });
      other.on('headers', (lines, req) =>
        this.emit('headers', lines as string[], req as IncomingMessage),
      );
      this.#other = other;
    }
    return this.#other;
  }
}

/** Passes on to a WebSocket what its connection is told. */
class Told implements ConnectionListener {
  /** Closes the socket of the upgrade. */
  over: (() => void) | null = null;
  readonly #client: WebSocket;

  constructor(client: WebSocket) {
    this.#client = client;
  }

  message(data: string | Buffer<ArrayBuffer>, isText: boolean): undefined {
    this.#client._message(data, isText);
  }

  ping(data: Buffer): void {
    this.#client._control('ping', data);
  }

  pong(data: Buffer): void {
    this.#client._control('pong', data);
  }

  drain(): void {
    this.#client._drain();
  }

  close(code: number, reason: string, wasClean: boolean): void {
    this.over?.();
    this.#client._close(code, reason, wasClean);
  }
}

/** Answers a request that becomes no WebSocket, and closes its connection. */
function refuse(socket: PipeSocket, { status, message, headers = {} }: Refusal): void {
  const body = message || STATUS_CODES[status] || '';
  const offer = socket[OFFER];
  if (offer !== null) {
    const fields = Object.entries({ 'content-type': 'text/html', ...headers }).flat();
    const { exchange, sender } = offer;
    sender.replies.response(exchange.id, status, CLOSE, fields, body, exchange.isHead);
    sender.finish(exchange);
    sender.schedule();
  }
  socket.destroy();
}
