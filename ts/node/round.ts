import http from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import type { NativeBound } from '../binding/binding.js';
import { isClusterWorker } from '../cluster/doors.js';
import { familyOf } from '../fetch/address.js';
import type { ConnectionEvent } from '../lane/connection-event.js';
import { connectionKeyOf, type Exchange } from '../lane/exchange.js';
import type { ConnectionPlace, Sender } from '../lane/outgoing.js';
import { CLOSE, CLOSED, CUT, FINISH, OPENED, REFUSED, TEXT } from '../lane/record.js';
import type { startEngine } from '../serve.js';
import type { Http2Taker } from './http2-door.js';
import { listenersOf, type NodeIncoming, type NodeOutgoing } from './internals.js';
import type { Where } from './listen.js';
import type { MessageOptions } from './message-options.js';
import { announceStart, makeRequest, makeResponse } from './messages.js';
import { OFFER, PipeSocket } from './pipe-socket.js';
import { isForHttp1, PreparedMessages } from './prepared.js';
import { SecurePipeSocket, SecureSocket } from './secure-socket.js';
import { ExchangeSocket, rethrow, type SocketServer } from './socket.js';
import type { Tunables } from './tunables.js';

const UNKNOWN_METHOD = '400 Bad Request: this server does not know this method\n';

/** The running engine and what belongs to it. */
type Running = Awaited<ReturnType<typeof startEngine>>;

/**
 * From a `listen` to the end of the `close` behind it. Each `listen` has a round of its own, so that
 * the next may begin while the last one still answers.
 */
export class Round {
  readonly where: Where;
  /** The bound socket, until the engine has started. */
  bound: NativeBound | null = null;
  running: Running | null = null;
  isListening = false;
  /** The program has called `close`. */
  isClosed = false;
  /** Resolves when the server has emitted 'close'. */
  readonly over: Promise<void>;
  end: () => void = () => {};
  readonly #server: http.Server & SocketServer;
  readonly #messages: PreparedMessages;
  readonly #tunables: Tunables;
  /** What takes requests of HTTP/2; `null` if it is not spoken. */
  readonly #http2: Http2Taker | null;
  readonly #Socket: typeof ExchangeSocket;
  /** Node's option of this name: which requests may change their protocol. */
  readonly #shouldUpgrade: ((req: http.IncomingMessage) => unknown) | null;
  /** Sockets by connection, if the program listens for 'connection'. */
  readonly #connections = new Map<number, ExchangeSocket>();

  constructor(
    server: http.Server & SocketServer,
    messages: MessageOptions,
    tunables: Tunables,
    where: Where,
    http2: Http2Taker | null = null,
  ) {
    this.over = new Promise((resolve) => {
      this.end = resolve;
    });
    this.#server = server;
    this.#http2 = http2;
    this.#messages = new PreparedMessages(messages);
    this.#shouldUpgrade = messages.shouldUpgrade;
    this.#tunables = tunables;
    this.#Socket = server.isSecure ? SecureSocket : ExchangeSocket;
    this.where = where;
  }

  /** A name may take seconds to resolve, and so may a primary process of node:cluster. */
  get canBindAtOnce(): boolean {
    const { hostname, unix, fd, exclusive, reusePort } = this.where;
    if (isClusterWorker() && fd === undefined && !exclusive && !reusePort) {
      return false;
    }
    return unix !== undefined || fd !== undefined || hostname === undefined || isIP(hostname) !== 0;
  }

  /** Lets the program answer a request. */
  take(exchange: Exchange, sender: Sender): void {
    const { isHttp2 } = exchange;
    if (exchange.hasOtherMethod && !isHttp2 && !http.METHODS.includes(exchange.method)) {
      // Node's parser knows a list of methods, and closes the connection for any other.
      const { replies } = sender;
      replies.response(exchange.id, 400, TEXT | CLOSE, null, UNKNOWN_METHOD, false);
      sender.finish(exchange);
      sender.schedule();
      return;
    }
    const mayUpgrade = this.#shouldUpgrade !== null || this.#server.listenerCount('upgrade') > 0;
    if (mayUpgrade && offersUpgrade(exchange) && this.#upgrade(exchange, sender)) {
      return;
    }
    if (isHttp2 && this.#http2 !== null && !isForHttp1(listenersOf(this.#server).request)) {
      this.#takeHttp2(this.#http2, exchange, sender);
      return;
    }
    const socket = this.#socketOf(exchange);
    socket.begin(exchange, sender);
    let req: NodeIncoming;
    let res: NodeOutgoing;
    try {
      const messages = this.#messages.for(listenersOf(this.#server).request);
      req = makeRequest(exchange, socket, messages);
      res = makeResponse(req, socket, messages);
    } catch (error) {
      // The program's own class threw. The other requests of the batch must be handled
      // nevertheless.
      this.#server.sockets.delete(socket);
      sender.fail(exchange, error);
      return;
    }
    if (this.#server.timeout > 0 && !socket.hasTimer) {
      socket.setTimeout(this.#server.timeout);
    }
    try {
      announceStart(req, res, this.#server);
      if (this.#isRequestTooMany(exchange, res)) {
        this.#server.emit('dropRequest', req, socket);
        res.shouldKeepAlive = false;
        res.writeHead(503);
        res.end();
        return;
      }
      const isExpecting =
        this.#server.listenerCount('checkContinue') > 0 &&
        !exchange.isHttp10 &&
        /(?:^|\W)100-continue(?:$|\W)/i.test(req.headers.expect ?? '');
      this.#server.emit(isExpecting ? 'checkContinue' : 'request', req, res);
    } catch (error) {
      // Uncaught, as in Node. The other requests of the batch must be handled nevertheless.
      process.nextTick(rethrow, error);
    }
  }

  /** Lets the program answer a request of HTTP/2. */
  #takeHttp2(http2: Http2Taker, exchange: Exchange, sender: Sender): void {
    const key = exchange.connectionKey;
    let socket = this.#connections.get(key);
    if (socket === undefined) {
      socket = this.#open(key, exchange, exchange.connectionPlace, sender);
    }
    try {
      http2.take(exchange, sender, socket);
    } catch (error) {
      // Uncaught, as in Node. The other requests of the batch must be handled nevertheless.
      process.nextTick(rethrow, error);
    }
  }

  /** A connection has begun, or is known of by its first request. */
  #open(key: number, peer: Peer, place: ConnectionPlace, sender: Sender): ExchangeSocket {
    const opened = new this.#Socket(this.#server, {
      remoteAddress: peer.remoteAddress,
      remotePort: peer.remotePort,
      cut: () => sender.endConnection(CUT, place),
      finish: () => sender.endConnection(FINISH, place),
    });
    this.#connections.set(key, opened);
    return opened;
  }

  /**
   * Gives the program the connection of a request that offers another protocol.
   * @returns `false` if the program wants the request instead
   */
  #upgrade(exchange: Exchange, sender: Sender): boolean {
    const messages = this.#messages.for(listenersOf(this.#server).request);
    const Socket = this.#server.isSecure ? SecurePipeSocket : PipeSocket;
    const socket = new Socket(this.#server, () => this.#server.address(), exchange, sender);
    try {
      const req = makeRequest(exchange, socket as unknown as ExchangeSocket, messages);
      if (this.#shouldUpgrade !== null && !this.#shouldUpgrade.call(this.#server, req)) {
        return false;
      }
      req.upgrade = true;
      // As in Node, its body is empty: what follows belongs to the socket.
      req.complete = true;
      req.push(null);
      if (!this.#server.emit('upgrade', req, socket, Buffer.alloc(0))) {
        socket.destroy();
      }
    } catch (error) {
      if (socket[OFFER] !== null) {
        // The program had not yet done anything with it.
        socket.destroy();
      }
      // Uncaught, as in Node. The other requests of the batch must be handled nevertheless.
      process.nextTick(rethrow, error);
    }
    return true;
  }

  /** All connections are closed. */
  disconnect(): void {
    const sockets = [...this.#connections.values()];
    this.#connections.clear();
    for (const socket of sockets) {
      socket.disconnected();
    }
  }

  /**
   * The socket of its connection, if there is one and no earlier exchange uses it; else a new one.
   */
  #socketOf(exchange: Exchange): ExchangeSocket {
    // Requests of HTTP/2 overlap, and what ends one must not end the connection.
    const held =
      this.#connections.size === 0 || exchange.isHttp2
        ? undefined
        : this.#connections.get(exchange.connectionKey);
    return held === undefined || held.isBusy || held.destroyed
      ? new this.#Socket(this.#server, null)
      : held;
  }

  /** As in Node, the limit counts only for HTTP/1.1. */
  #isRequestTooMany({ sequence, isHttp10 }: Exchange, res: NodeOutgoing): boolean {
    const { maxRequestsPerSocket: most } = this.#tunables;
    if (isHttp10 || typeof most !== 'number' || !(most > 0)) {
      return false;
    }
    res.maxRequestsOnConnectionReached = most <= sequence + 1;
    return most < sequence + 1;
  }

  /** Handles an event of a connection. */
  connection(event: ConnectionEvent, sender: Sender): void {
    const { kind, address: remoteAddress, port: remotePort } = event;
    const key = connectionKeyOf(event.ioThread, event.number);
    const socket = this.#connections.get(key);
    try {
      if (kind === REFUSED) {
        const { address, port, family } = localOf(this.#server.address());
        this.#server.emit('drop', {
          localAddress: address,
          localPort: port,
          localFamily: family,
          remoteAddress,
          remotePort,
          remoteFamily: familyOf(remoteAddress),
        });
      } else if (kind === OPENED) {
        const opened = this.#open(key, { remoteAddress, remotePort }, event, sender);
        this.#server.emit('connection', opened);
        if (this.#http2?.isAlone) {
          this.#http2.begin(opened);
        }
      } else if (kind === CLOSED) {
        this.#connections.delete(key);
        socket?.disconnected();
      } else {
        socket?.inactive();
      }
    } catch (error) {
      // Uncaught, as in Node. The other events must be handled nevertheless.
      process.nextTick(rethrow, error);
    }
  }
}

/**
 * Whether a request offers another protocol, so that its connection may be taken over. One with a
 * body does not: where that ends, HTTP is still spoken. Nor does one that asks to close.
 */
function offersUpgrade(exchange: Exchange): boolean {
  if (exchange.incoming !== null || exchange.isHttp10 || !exchange.hasField('upgrade')) {
    return false;
  }
  const options = (exchange.field('connection') ?? '').toLowerCase().split(',');
  const names = options.map((name) => name.trim());
  return names.includes('upgrade') && !names.includes('close');
}

/** The client of a connection. */
interface Peer {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
}

/** Empty for a unix socket. */
export function localOf(address: AddressInfo | string | null): Partial<AddressInfo> {
  return typeof address === 'object' && address !== null ? address : {};
}
