import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { familyOf } from '../fetch/address.js';
import type { Exchange } from '../lane/exchange.js';
import { StreamedIncoming } from '../lane/incoming.js';
import type { Sender } from '../lane/outgoing.js';
import { FINISH } from '../lane/record.js';
import { argumentError, connectionReset, warnUnsupported } from './errors.js';
import type { Head } from './head.js';
import { type NodeIncoming, type NodeOutgoing, needDrain } from './internals.js';
import { Reply, type Written } from './reply.js';
import { SocketFace } from './socket-face.js';

/** What a socket needs of its server. */
export interface SocketServer extends EventEmitter {
  address(): AddressInfo | string | null;
  /** Milliseconds that a connection is kept between requests. */
  readonly keepAliveTimeout: number;
  /** The sockets whose exchange is not over. */
  readonly sockets: Set<ExchangeSocket>;
}

/** A connection that a socket stands for, and how it is ended. */
export interface Connection {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** Ends it at once. */
  cut(): void;
  /** Ends it behind the answers that are under way. */
  finish(): void;
}

/**
 * What stands where Node's classes have a `net.Socket`: they read a request by
 * `resume` and write a body by `write`, and all else about a response is theirs.
 *
 * Where the program listens for connections it stands for one, and has the exchanges
 * of that one by turns. Elsewhere it lasts as long as its exchange; the connection may
 * live on, and the next request has another.
 */
export class ExchangeSocket extends SocketFace {
  readonly server: SocketServer;
  /** `null` where it stands for an exchange alone. */
  readonly connection: Connection | null;
  _httpMessage: ServerResponse | null = null;
  timeout = 0;
  /** It has an exchange that is not over. */
  isBusy = false;
  // Nobody looks at these two before it has its first exchange.
  #exchange!: Exchange;
  #reply!: Reply;
  #sender!: Sender;
  #req: NodeIncoming | null = null;
  /** The exchange that it had last has been answered. */
  #isReleased = false;
  #isReadToEnd = false;
  #isWaitingForPiece = false;
  /** The client has sent its last byte. */
  #isLeaving = false;
  #timer: NodeJS.Timeout | null = null;
  /** Bytes of heads and of what has been read of bodies. */
  #bytesRead = 0;

  constructor(server: SocketServer, connection: Connection | null) {
    super();
    this.server = server;
    this.connection = connection;
  }

  /** Has this exchange from now on. */
  begin(exchange: Exchange, sender: Sender): void {
    this.isBusy = true;
    this.#isReleased = false;
    this.#exchange = exchange;
    this.#sender = sender;
    this.#bytesRead += exchange.headLength;
    this.#reply = new Reply(sender, exchange, () => this.#drained());
    this.#isReadToEnd = false;
    this.#isWaitingForPiece = false;
    this.#isLeaving = false;
    exchange.onHangUp = () => this.#leaves(exchange);
    this.server.sockets.add(this);
  }

  /** The request whose body is to be read. */
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

  /** The address that the server listens on; which of a wildcard's it was is not known. */
  get localAddress(): string | undefined {
    return this.#local?.address;
  }

  get localPort(): number | undefined {
    return this.#local?.port;
  }

  get localFamily(): string | undefined {
    return this.#local?.family;
  }

  /** Of requests that it has had, as far as the program has read them. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Of the body of the response that it has, or had last. */
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
      // An interim response. The engine sends 100 itself, and no other.
      if (!String(data).startsWith('HTTP/1.1 100 ')) {
        warnUnsupported(
          'interim',
          'reactor-rs/node does not send interim responses (writeProcessing, writeEarlyHints)',
        );
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

  /** Its time is limited by the program already. */
  get hasTimer(): boolean {
    return this.#timer !== null;
  }

  /** Somebody wants more of the request's body; Node calls it whenever it reads. */
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
        // It has been copied by now, or is copied here: neither takes time.
        const bytes = incoming.takeBytes() as Uint8Array;
        this.#bytesRead += bytes.length;
        req.push(bytes);
      }
      this.#readToEnd(req);
    }
    return this;
  }

  /**
   * The response is with the engine. Nothing more can be read of a request that
   * was still coming in.
   */
  release(): void {
    this.#timer = clear(this.#timer);
    this.server.sockets.delete(this);
    const req = this.#req as NodeIncoming;
    const { incoming } = this.#exchange;
    if (incoming instanceof StreamedIncoming && !incoming.isComplete) {
      if (req._consuming || req._readableState.resumeScheduled) {
        // Whoever reads it must not take a part for the whole.
        req.destroy(connectionReset());
      } else {
        // As where it was read to its end for nobody.
        this.#readToEnd(req);
      }
    } else if (incoming === null) {
      // Node's own has seen its end long ago, which from Node 26 on makes a difference.
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
      // As late as a real socket's: Node's streams count on it.
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

  /** There is no writing behind a response. */
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

  /** As it looks to a program that may not see a difference: no reset is sent. */
  resetAndDestroy(): this {
    return this.destroy();
  }

  /** All of the response is with the engine, also where its 'finish' is still to come. */
  get #isAnswered(): boolean {
    return this.isBusy ? !this.#exchange.isOpen : this.#isReleased;
  }

  /** Ends the connection behind what has been answered on it. */
  #finish(): void {
    this.#sender.endConnection(FINISH, this.#exchange.connectionPlace);
  }

  /**
   * Emits 'timeout' after so many milliseconds in which nothing was read or
   * written. Where nobody listens on the request, the response or the server, the
   * connection is cut, as in Node whoever listens on this.
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
      // It broke off with the connection, and the request hears of that by itself.
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

  #drained(): void {
    const res = this._httpMessage as NodeOutgoing | null;
    if (res?.[needDrain] && !res.finished) {
      res[needDrain] = false;
      this.#run(() => res.emit('drain'));
    }
  }

  /** The engine has seen nothing happen on the connection. */
  inactive(): void {
    this.#timedOut();
  }

  /** The connection is no more. */
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
    // As in Node a listener on the socket does not keep it open.
    this.emit('timeout');
  }

  /**
   * The client has gone, or has sent its last byte, which Node takes for the same.
   * Node sees that a turn after it has read all before it, so a response that takes
   * no longer is still sent, and a body that has come is read to its end.
   */
  #leaves(exchange: Exchange): void {
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
    // What becomes of a connection is none of the business of a request that is over.
    if (req !== null && !(this.#isReleased && this.connection !== null)) {
      const { incoming } = this.#exchange;
      req.complete ||= !(incoming instanceof StreamedIncoming) || incoming.isComplete;
      // Before the response's 'close', as Node has it.
      req.destroy(connectionReset());
    }
    this.emit('close', hadError);
  }

  /**
   * Runs what the program listens with, in the request's async context. What it
   * throws is uncaught, as it is anywhere else, and keeps nothing from others.
   */
  #run(listener: () => void): void {
    try {
      this.#exchange.runInAsyncScope(listener, this);
    } catch (error) {
      process.nextTick(rethrow, error);
    }
  }
}

/** As Node checks it. */
function checkTime(milliseconds: unknown): void {
  if (typeof milliseconds !== 'number') {
    const what = 'The "msecs" argument must be of type number.';
    throw argumentError(TypeError, 'ERR_INVALID_ARG_TYPE', what, milliseconds);
  }
  if (!(milliseconds >= 0 && Number.isFinite(milliseconds))) {
    const what = 'The value of "msecs" is out of range. It must be a non-negative finite number.';
    throw argumentError(RangeError, 'ERR_OUT_OF_RANGE', what, milliseconds);
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
