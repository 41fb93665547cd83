import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { familyOf } from '../fetch/address.js';
import type { ClientWatcher, Exchange } from '../lane/exchange.js';
import { StreamedIncoming } from '../lane/incoming.js';
import type { Sender } from '../lane/outgoing.js';
import { FINISH } from '../lane/record.js';
import { connectionReset } from './errors.js';
import type { Head } from './head.js';
import { emitClose, type NodeIncoming, type NodeOutgoing, needDrain } from './internals.js';
import type { OpenSockets, Placed } from './open-sockets.js';
import { Reply, type Writer, type Written } from './reply.js';
import { SocketFace } from './socket-face.js';
import { checkTime } from './time.js';
import { addTrailers, inform } from './trailers.js';

/** The server, as its sockets use it. */
export interface SocketServer extends EventEmitter {
  address(): AddressInfo | string | null;
  /** Milliseconds that an idle connection is kept. */
  readonly keepAliveTimeout: number;
  /** The sockets of exchanges that are not over. */
  readonly sockets: OpenSockets<ExchangeSocket>;
  /** Whether its connections have TLS. */
  readonly isSecure: boolean;
}

/** The connection that a socket stands for. */
export interface Connection {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** Closes it at once. */
  cut(): void;
  /** Closes it after the answers under way. */
  finish(): void;
}

/**
 * Takes the place of the `net.Socket` under Node's classes. They read a request with `resume` and
 * write a body with `write`; the rest of a response is theirs.
 *
 * If the program listens for 'connection', a socket stands for a connection and has its exchanges
 * one after the other. Otherwise it lasts as long as one exchange. The connection may live on, and
 * its next request gets another socket.
 */
export class ExchangeSocket extends SocketFace implements Placed, ClientWatcher, Writer {
  readonly server: SocketServer;
  /** `null` if it stands only for an exchange. */
  readonly connection: Connection | null;
  _httpMessage: ServerResponse | null = null;
  timeout = 0;
  place = -1;
  /** It has an exchange that is not over. */
  isBusy = false;
  // Both are set before the first use, with the first exchange.
  #exchange!: Exchange;
  #reply!: Reply;
  #sender!: Sender;
  #req: NodeIncoming | null = null;
  /** The last exchange has been answered. */
  #isReleased = false;
  #isReadToEnd = false;
  #isWaitingForPiece = false;
  /** The client has closed its sending side. */
  #isLeaving = false;
  #timer: NodeJS.Timeout | null = null;
  /** Bytes of heads, and of bodies as far as they have been read. */
  #bytesRead = 0;

  constructor(server: SocketServer, connection: Connection | null) {
    super();
    this.server = server;
    this.connection = connection;
  }

  /** Starts an exchange. */
  begin(exchange: Exchange, sender: Sender): void {
    this.isBusy = true;
    this.#isReleased = false;
    this.#exchange = exchange;
    this.#sender = sender;
    this.#bytesRead += exchange.headLength;
    this.#reply = new Reply(sender, exchange, this);
    this.#isReadToEnd = false;
    this.#isWaitingForPiece = false;
    this.#isLeaving = false;
    exchange.watcher = this;
    this.server.sockets.add(this);
  }

  /** A request of HTTP/2 has come on its connection. */
  learn(_exchange: Exchange): void {}

  /** Sets the request whose body is to be read. */
  set request(req: NodeIncoming) {
    this.#req = req;
    req.complete = !(this.#exchange.incoming instanceof StreamedIncoming);
  }

  get remoteAddress(): string | undefined {
    return (this.connection ?? this.#exchange).remoteAddress;
  }

  get remotePort(): number | undefined {
    return (this.connection ?? this.#exchange).remotePort;
  }

  get remoteFamily(): string | undefined {
    return familyOf(this.remoteAddress);
  }

  /** The address that the server listens on. For a wildcard the actual address is unknown. */
  get localAddress(): string | undefined {
    return this.#local?.address;
  }

  get localPort(): number | undefined {
    return this.#local?.port;
  }

  get localFamily(): string | undefined {
    return this.#local?.family;
  }

  /** Bytes of its requests, as far as the program has read them. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes of the body of the current or last response. */
  get bytesWritten(): number {
    return this.#reply?.total ?? 0;
  }

  get writableLength(): number {
    return this.#reply?.waiting ?? 0;
  }

  /** The head of the response is decided. */
  setHead(status: number, head: Head, flags: number): void {
    this.#reply.setHead(status, head, flags);
  }

  /** The client has taken bytes of the response. */
  taken(bytes: number): void {
    this.#reply.taken(bytes);
  }

  /**
   * Names and values of trailers in turn. As in Node, a response whose length its head tells has
   * none.
   */
  setTrailers(trailers: readonly string[]): void {
    if (!this.#reply.hasLength) {
      this.#reply.trailers = trailers;
    }
  }

  /** The body of the response has been written. */
  finishReply(): void {
    this.#reply.end();
  }

  write(
    data: string | Uint8Array,
    encodingOrCallback?: BufferEncoding | Written | null,
    callback?: Written | null,
  ): boolean {
    const encoding = typeof encodingOrCallback === 'function' ? null : encodingOrCallback;
    const written = typeof encodingOrCallback === 'function' ? encodingOrCallback : callback;
    if (!this.isBusy || this.#reply.isEmpty) {
      if (this.isBusy) {
        inform(this.#exchange, String(data));
      }
      if (typeof written === 'function') {
        process.nextTick(written);
      }
      return true;
    }
    this.#timer?.refresh();
    if (typeof data !== 'string') {
      return this.#reply.write(data, data.length, written ?? null);
    }
    if (encoding == null || encoding === 'utf8' || encoding === 'utf-8' || data === '') {
      return this.#reply.write(data, Buffer.byteLength(data), written ?? null);
    }
    const bytes = Buffer.from(data, encoding);
    return this.#reply.write(bytes, bytes.length, written ?? null);
  }

  /** Whether the program has set a timeout. */
  get hasTimer(): boolean {
    return this.#timer !== null;
  }

  /** Reads on in the request's body. Node calls it whenever it wants to read. */
  resume(): this {
    const req = this.#req;
    if (req === null || this.#isReadToEnd || this.#isWaitingForPiece || req.destroyed) {
      return this;
    }
    const { incoming } = this.#exchange;
    if (incoming === null) {
      this.#readToEnd(req);
    } else if (incoming instanceof StreamedIncoming) {
      this.#readPiece(req, incoming);
    } else {
      if (!req._dumped) {
        const bytes = incoming.takeBytes();
        if (bytes instanceof Promise) {
          // It is no longer in memory, so the promise rejects.
          bytes.catch(() => {});
          req.destroy(connectionReset());
          return this;
        }
        this.#bytesRead += bytes.length;
        req.push(bytes);
      }
      this.#readToEnd(req);
    }
    return this;
  }

  /** It stands for one request only, which has no body. */
  get hasNoBody(): boolean {
    return this.connection === null && this.#exchange.incoming === null;
  }

  /**
   * The engine has the response. A request that is still arriving can no longer be read.
   *
   * @param isQuiet the request is ended elsewhere
   */
  release(isQuiet: boolean): void {
    this.#timer = clear(this.#timer);
    this.server.sockets.delete(this);
    const req = this.#req as NodeIncoming;
    const { incoming } = this.#exchange;
    if (incoming instanceof StreamedIncoming && !incoming.isComplete) {
      if (req._consuming || req._readableState.resumeScheduled) {
        // The reader must not take a part of the body for all of it.
        req.destroy(connectionReset());
      } else {
        // The same as for a body that is read to its end and dropped.
        this.#readToEnd(req);
      }
    } else if (incoming === null && !isQuiet) {
      // Node's own request has seen its end before. From Node 26 on that matters.
      this.resume();
    }
    this.isBusy = false;
    this.#isReleased = true;
  }

  destroy(error?: Error | null): this {
    if (!this.destroyed) {
      const isAnswered = this.#isAnswered;
      this.#cutOff();
      if (this.connection !== null) {
        this.connection.cut();
      } else if (isAnswered) {
        this.#finish();
      }
      // In a later turn, as with a real socket. Node's streams rely on it.
      setImmediate(() => {
        if (error && this.listenerCount('error') > 0) {
          this.emit('error', error);
        }
        this.#close(Boolean(error));
      });
    }
    return this;
  }

  destroySoon(): void {
    this.end();
  }

  /** Ends the socket. Nothing can be written after a response. */
  end(...given: unknown[]): this {
    const callback = given.find((value) => typeof value === 'function');
    if (callback !== undefined) {
      this.once('close', callback as () => void);
    }
    const isWriting = this._httpMessage !== null && !this._httpMessage.writableEnded;
    if (this.connection !== null && !isWriting) {
      if (this.writable) {
        this.writable = false;
        this.connection.finish();
      }
      return this;
    }
    if (isWriting) {
      this.destroy();
    } else if (this.connection === null && this.writable) {
      this.writable = false;
      this.#finish();
    }
    return this;
  }

  /** Like `destroy`; no reset is sent. */
  resetAndDestroy(): this {
    return this.destroy();
  }

  /** The engine has the whole response, even if its 'finish' is still to come. */
  get #isAnswered(): boolean {
    return this.isBusy ? !this.#exchange.isOpen : this.#isReleased;
  }

  /** Closes the connection after its answers. */
  #finish(): void {
    if (this.#exchange.isHttp2) {
      // Other requests of the connection may be under way, and more may come.
      return;
    }
    this.#sender.endConnection(FINISH, this.#exchange.connectionPlace);
  }

  /**
   * Emits 'timeout' after this many milliseconds without reading or writing. If neither the
   * request, the response nor the server has a listener for it, the connection is closed. A
   * listener on the socket does not prevent that, as in Node.
   */
  setTimeout(milliseconds: number, callback?: () => void): this {
    checkTime(milliseconds);
    this.#timer = clear(this.#timer);
    this.timeout = milliseconds;
    if (callback !== undefined) {
      if (milliseconds === 0) {
        this.removeListener('timeout', callback);
      } else {
        this.once('timeout', callback);
      }
    }
    if (milliseconds > 0 && !this.destroyed) {
      this.#timer = setTimeout(() => this.#timedOut(), milliseconds).unref();
    }
    return this;
  }

  address(): AddressInfo | Record<string, never> {
    return this.#local ?? {};
  }

  get #local(): AddressInfo | null {
    const address = this.server.address();
    return typeof address === 'string' ? null : address;
  }

  #readToEnd(req: NodeIncoming): void {
    this.#isReadToEnd = true;
    req.complete = true;
    addTrailers(req, this.#exchange);
    req.push(null);
    if (this.#isLeaving) {
      this.#hangUpLater();
    }
  }

  #readPiece(req: NodeIncoming, incoming: StreamedIncoming): void {
    let piece: Uint8Array | null | undefined;
    try {
      piece = incoming.takePiece(this.#onPiece);
    } catch {
      // The body broke off with the connection. The request learns that by itself.
      return;
    }
    if (piece === undefined) {
      this.#isWaitingForPiece = true;
    } else if (piece === null) {
      this.#readToEnd(req);
    } else {
      this.#timer?.refresh();
      this.#bytesRead += piece.length;
      req.push(piece);
    }
  }

  readonly #onPiece = (): void => {
    this.#isWaitingForPiece = false;
    this.#run(this.resume);
  };

  /** The program may write again. */
  drained(): void {
    const res = this._httpMessage as NodeOutgoing | null;
    if (res?.[needDrain] && !res.finished) {
      res[needDrain] = false;
      this.#run(() => res.emit('drain'));
    }
  }

  /** The engine saw no activity on the connection. */
  inactive(): void {
    this.#timedOut();
  }

  /** The connection is closed. */
  disconnected(): void {
    if (!this.destroyed) {
      this.#cutOff();
      this.#close(false);
    }
  }

  #timedOut(): void {
    const req = this.#req;
    const isForRequest = req !== null && !req.complete && req.emit('timeout', this);
    const isForResponse = this._httpMessage?.emit('timeout', this) ?? false;
    const isForServer = this.server.emit('timeout', this);
    if (!isForRequest && !isForResponse && !isForServer) {
      this.destroy();
    }
    // As in Node, a listener on the socket does not keep the connection open.
    this.emit('timeout');
  }

  /**
   * The client has left or closed its sending side, which Node treats alike. Node notices it one
   * turn after reading everything before it. So a response that is ready by then is still sent, and
   * a body that has arrived is read to its end.
   */
  leaves(exchange: Exchange): void {
    // The connection may have had another exchange since.
    if (exchange !== this.#exchange) {
      return;
    }
    this.#isLeaving = true;
    if (!exchange.isOpen) {
      this.#run(this.#hungUp);
    } else if (!(exchange.incoming instanceof StreamedIncoming) || this.#isReadToEnd) {
      this.#hangUpLater();
    }
  }

  #hangUpLater(): void {
    const exchange = this.#exchange;
    setImmediate(() => exchange === this.#exchange && this.#run(this.#hungUp));
  }

  #hungUp(): void {
    if (!this.destroyed && this._httpMessage !== null) {
      this.#cutOff();
      this.#close(false);
    }
  }

  #cutOff(): void {
    this.destroyed = true;
    this.readable = false;
    this.writable = false;
    this._hadError = true;
    this.#timer = clear(this.#timer);
    this.server.sockets.delete(this);
    if (this.isBusy || this.connection === null) {
      this.isBusy = false;
      this.#reply.abort();
    }
  }

  #close(hadError: boolean): void {
    this.closed = true;
    const req = this.#req;
    // A request that is over does not care about its connection.
    if (req !== null && !(this.#isReleased && this.connection !== null)) {
      const { incoming } = this.#exchange;
      req.complete ||= !(incoming instanceof StreamedIncoming) || incoming.isComplete;
      // Before the response's 'close', as in Node.
      req.destroy(connectionReset());
    }
    if (this.connection === null && this._httpMessage !== null) {
      emitClose(this._httpMessage as NodeOutgoing);
    }
    this.emit('close', hadError);
  }

  /**
   * Calls listeners of the program in the request's async context. An error is uncaught, as
   * elsewhere, and does not stop the rest.
   */
  #run(listener: () => void): void {
    try {
      this.#exchange.runInAsyncScope(listener, this);
    } catch (error) {
      process.nextTick(rethrow, error);
    }
  }
}

function clear(timer: NodeJS.Timeout | null): null {
  if (timer !== null) {
    clearTimeout(timer);
  }
  return null;
}

export function rethrow(error: unknown): never {
  throw error;
}
