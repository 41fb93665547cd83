import type { AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { familyOf } from '../fetch/address.js';
import type { ReactorTlsInfo } from '../fetch/tls-info.js';
import type { ClientWatcher, Exchange } from '../lane/exchange.js';
import type { StreamedIncoming } from '../lane/incoming.js';
import type { Sender } from '../lane/outgoing.js';
import { ABORT, PIPE, PIPE_END, WINDOW } from '../lane/record.js';

/** The most bytes in one reply, so that one connection leaves room for others. */
const MOST_AT_ONCE = 64 * 1024;

/**
 * The names of the two members by which a WebSocket takes a socket's exchange. They are registered,
 * since the ES modules and the CommonJS of this package may meet in a process.
 */
export const OFFER: unique symbol = Symbol.for('reactor-rs.offer') as never;
export const HAND_OVER: unique symbol = Symbol.for('reactor-rs.handOver') as never;

/** What a socket offers: an exchange that is not answered, and the way to answer it. */
export interface Offer {
  readonly exchange: Exchange;
  readonly sender: Sender;
}

/** What has a connection in the place of its socket. */
export interface PipeOwner {
  pause(): void;
  resume(): void;
  terminate(): void;
}

type Written = (error?: Error | null) => void;

/**
 * A connection that the program may take over: the socket of 'upgrade'. Its bytes are the client's as
 * they are. It stands for a `net.Socket`, of which it has the members that programs use.
 *
 * The program takes it over when it first reads, writes or ends it. Until then the engine waits with
 * what the client sends, and a WebSocket of this package can take the exchange instead.
 */
export class PipeSocket extends Duplex implements ClientWatcher {
  readonly server: unknown;
  readonly connecting = false;
  readonly pending = false;
  timeout = 0;
  bytesRead = 0;
  bytesWritten = 0;
  #exchange: Exchange;
  readonly #sender: Sender;
  /** The client's bytes, once the connection is taken over. */
  #incoming: StreamedIncoming | null = null;
  /** What has the connection instead of this socket. */
  #owner: PipeOwner | null = null;
  readonly #local: () => AddressInfo | string | null;
  /** Bytes sent that the client has not taken yet. */
  #underWay = 0;
  /** What waits for room. */
  #waiting: { data: Uint8Array; at: number } | null = null;
  #onWritten: Written | null = null;
  #isWaitingForPiece = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    server: unknown,
    local: () => AddressInfo | string | null,
    exchange: Exchange,
    sender: Sender,
  ) {
    super({ allowHalfOpen: true });
    this.server = server;
    this.#local = local;
    this.#exchange = exchange;
    this.#sender = sender;
    exchange.watcher = this;
  }

  /** No-op: the request reads nothing from here, and need not live as long. */
  set request(_: unknown) {}

  /** Its exchange, as long as nothing has been done with the socket. */
  get [OFFER](): Offer | null {
    // It can only be asked for as long as the exchange is open.
    void this.#exchange.tls;
    const isFree = this.#incoming === null && this.#owner === null && !this.destroyed;
    return isFree && this.#exchange.isOpen
      ? { exchange: this.#exchange, sender: this.#sender }
      : null;
  }

  /**
   * The exchange has become something else, of which this socket has only the addresses.
   * @returns what to call when that is over
   */
  [HAND_OVER](owner: PipeOwner): () => void {
    this.#owner = owner;
    this.setTimeout(0);
    const { remoteAddress, remotePort, tls } = this.#exchange;
    // The exchange has the heads of all requests of its batch.
    this.#exchange = { remoteAddress, remotePort, tls, isOpen: false } as Exchange;
    return () => {
      this.push(null);
      this.destroy();
    };
  }

  /** Takes the connection over, unless it has been. */
  #begin(): StreamedIncoming {
    if (this.#incoming === null) {
      this.#incoming = this.#exchange.takeOver();
      if (this.#exchange.isOpen) {
        this.#sender.replies.plain(PIPE, this.#exchange.id, 0);
        this.#sender.schedule();
      }
      // As in Node, the client's end comes also to a program that does not read.
      process.nextTick(() => this.read(0));
    }
    return this.#incoming;
  }

  get remoteAddress(): string | undefined {
    return this.#exchange.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#exchange.remotePort;
  }

  get remoteFamily(): string | undefined {
    return familyOf(this.remoteAddress);
  }

  get localAddress(): string | undefined {
    return this.#address?.address;
  }

  get localPort(): number | undefined {
    return this.#address?.port;
  }

  get localFamily(): string | undefined {
    return this.#address?.family;
  }

  /** What TLS says of the connection; `null` in clear, or if it is asked for too late. */
  get tlsInfo(): ReactorTlsInfo | null {
    return this.#exchange.tls;
  }

  get readyState(): string {
    if (this.destroyed) {
      return 'closed';
    }
    return this.writableEnded ? 'readOnly' : this.readableEnded ? 'writeOnly' : 'open';
  }

  address(): AddressInfo | Record<string, never> {
    return this.#address ?? {};
  }

  get #address(): AddressInfo | null {
    const address = this.#local();
    return typeof address === 'string' ? null : address;
  }

  /** Emits 'timeout' after this many milliseconds without a byte; 0 is never. */
  setTimeout(milliseconds: number, callback?: () => void): this {
    this.timeout = milliseconds;
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    if (callback !== undefined) {
      if (milliseconds === 0) {
        this.removeListener('timeout', callback);
      } else {
        this.once('timeout', callback);
      }
    }
    if (milliseconds > 0 && !this.destroyed) {
      this.#timer = setTimeout(() => this.emit('timeout'), milliseconds).unref();
    }
    return this;
  }

  override pause(): this {
    this.#owner?.pause();
    return super.pause();
  }

  override resume(): this {
    this.#owner?.resume();
    return super.resume();
  }

  /** No-op: the engine decides. */
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  destroySoon(): void {
    if (this.writable) {
      this.end();
    }
    if (this.writableFinished) {
      this.destroy();
    } else {
      this.once('finish', this.destroy);
    }
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  /** The client has taken bytes. */
  taken(bytes: number): void {
    this.#underWay = Math.max(0, this.#underWay - bytes);
    this.#send();
  }

  /**
   * The connection is closed. If the exchange is still open, the client has only ended its side before
   * the connection was taken over: that comes behind its bytes, as their end.
   */
  leaves(): void {
    if (this.#exchange.isOpen) {
      return;
    }
    const failed = !this.writableFinished && this.#waiting !== null;
    setImmediate(() => {
      if (!this.readableEnded && this.#incoming?.isComplete) {
        // What has come is read to its end.
        this.#pump();
      }
      this.destroy(failed ? Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }) : undefined);
    });
  }

  override _read(): void {
    if (this.#owner === null) {
      this.#pump();
    }
  }

  #pump(): void {
    if (this.#isWaitingForPiece) {
      return;
    }
    const incoming = this.#begin();
    for (;;) {
      let piece: Uint8Array | null | undefined;
      try {
        piece = incoming.takePiece(this.#onPiece);
      } catch {
        // The connection is gone: `leaves` says so.
        return;
      }
      if (piece === undefined) {
        this.#isWaitingForPiece = true;
        return;
      }
      this.#timer?.refresh();
      if (piece === null) {
        this.push(null);
        this.read(0);
        return;
      }
      this.bytesRead += piece.length;
      if (!this.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength))) {
        return;
      }
    }
  }

  readonly #onPiece = (): void => {
    this.#isWaitingForPiece = false;
    // An error of a listener is uncaught, and the other events are handled nevertheless.
    try {
      this.#exchange.runInAsyncScope(this.#pump, this);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  };

  override _write(chunk: unknown, encoding: BufferEncoding, written: Written): void {
    if (this.#owner !== null) {
      written(new Error('a socket whose frames are the engine’s takes no bytes'));
      return;
    }
    this.#begin();
    const data = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : (chunk as Uint8Array);
    this.#waiting = { data, at: 0 };
    this.#onWritten = written;
    this.#timer?.refresh();
    this.#send();
  }

  /** Sends what waits, as far as there is room. */
  #send(): void {
    const { replies } = this.#sender;
    const waiting = this.#waiting;
    while (waiting !== null && this.#waiting === waiting) {
      const { data, at } = waiting;
      const length = Math.min(data.length - at, MOST_AT_ONCE, WINDOW - this.#underWay);
      if (at === data.length) {
        this.#waiting = null;
        const written = this.#onWritten;
        this.#onWritten = null;
        written?.();
      } else if (!this.#exchange.isOpen || length <= 0) {
        return;
      } else if (!replies.hasRoom(length)) {
        this.#sender.schedule();
        void this.#sender.flushed().then(() => this.#send());
        return;
      } else {
        replies.chunk(this.#exchange.id, data.subarray(at, at + length));
        this.#underWay += length;
        this.bytesWritten += length;
        waiting.at += length;
        this.#sender.schedule();
      }
    }
  }

  override _final(done: Written): void {
    if (this.#owner !== null) {
      this.#owner.terminate();
    } else if (this.#exchange.isOpen) {
      this.#begin();
      this.#sender.replies.plain(PIPE_END, this.#exchange.id, 0);
      this.#sender.schedule();
    }
    done();
  }

  override _destroy(error: Error | null, done: Written): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#waiting = null;
    this.#owner?.terminate();
    if (this.#exchange.isOpen) {
      this.#sender.replies.plain(ABORT, this.#exchange.id, 0);
      this.#sender.finish(this.#exchange);
      this.#sender.schedule();
    }
    const written = this.#onWritten;
    this.#onWritten = null;
    written?.(error ?? null);
    done(error);
  }
}
