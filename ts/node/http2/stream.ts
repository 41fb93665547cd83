import http2 from 'node:http2';
import { Duplex } from 'node:stream';
import type { ClientWatcher, Exchange } from '../../lane/exchange.js';
import type { Sender } from '../../lane/outgoing.js';
import type { Head } from '../head.js';
import { Reply, type Writer } from '../reply.js';
import { rethrow } from '../socket.js';
import { assertObject, checkClose } from './arguments.js';
import { http2Error, nameOfCode } from './errors.js';
import { type Fields, isBodiless, prepared, sendable } from './fields.js';
import { type FileOptions, sendDescriptor, sendFile } from './files.js';
import { IdleTimer } from './idle-timer.js';
import type { ServerHttp2Session } from './session.js';
import { Upload } from './upload.js';

const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = http2.constants;

/** Up to this size, in bytes, a piece is copied, so that the program may go on at once. */
const MOST_COPIED = 64 * 1024;

/** The options of {@link ServerHttp2Stream.respond}. */
export interface RespondOptions {
  endStream?: boolean | undefined;
  waitForTrailers?: boolean | undefined;
  sendDate?: boolean | undefined;
}

/**
 * A request and its response, as node:http2 has them. The engine has the frames; what programs see
 * of them is the same, except that no push is possible.
 */
export class ServerHttp2Stream extends Duplex implements ClientWatcher, Writer {
  static {
    // A property according to the types of `Duplex`, but an accessor in fact.
    Object.defineProperty(ServerHttp2Stream.prototype, 'closed', {
      get(this: ServerHttp2Stream) {
        return this.#isClosed;
      },
      configurable: true,
    });
  }

  /** Whether it has been closed or reset. */
  declare readonly closed: boolean;
  readonly id: number;
  readonly #exchange: Exchange;
  readonly #reply: Reply;
  readonly #upload: Upload;
  readonly #timer: IdleTimer;
  #session: ServerHttp2Session | undefined;
  #head: Head | null = null;
  #sentHeaders: Fields | undefined;
  #sentInfo: Fields[] | undefined;
  #sentTrailers: Fields | undefined;
  #rstCode = NGHTTP2_NO_ERROR;
  #isHead = false;
  #isClosed = false;
  #isAborted = false;
  /** The program is asked for trailers when the body has been written. */
  #hasTrailers = false;
  #areTrailersReady = false;
  /** `end` has been called, so what is written cannot change any more. */
  #isEnding = false;
  /** The response has been given to the engine, or broken off. */
  #isOver = false;
  /** Called when there is room for more to be written. */
  #onRoom: ((error?: Error | null) => void) | null = null;

  constructor(session: ServerHttp2Session, exchange: Exchange, sender: Sender) {
    super({ allowHalfOpen: true, decodeStrings: false, autoDestroy: false });
    this.#session = session;
    this.#exchange = exchange;
    this.#reply = new Reply(sender, exchange, this);
    this.#upload = new Upload(this, exchange, (listener) => this.#run(listener));
    this.#timer = new IdleTimer(this);
    this.id = exchange.sequence;
    exchange.watcher = this;
    session.add(this);
    if (this.endAfterHeaders) {
      this.push(null);
    }
    if (exchange.isHead) {
      // As in Node, the response is without a body from the start.
      this.end();
      this.#isHead = true;
    }
  }

  get session(): ServerHttp2Session | undefined {
    return this.#session;
  }

  get pending(): boolean {
    return false;
  }

  /** Whether the request has no body. */
  get endAfterHeaders(): boolean {
    return this.#exchange.incoming === null;
  }

  get headRequest(): boolean {
    return this.#isHead;
  }

  get headersSent(): boolean {
    return this.#sentHeaders !== undefined;
  }

  get sentHeaders(): Fields | undefined {
    return this.#sentHeaders;
  }

  get sentInfoHeaders(): Fields[] | undefined {
    return this.#sentInfo;
  }

  get sentTrailers(): Fields | undefined {
    return this.#sentTrailers;
  }

  get aborted(): boolean {
    return this.#isAborted;
  }

  /** The code with which it was closed. That of a client's reset is not known: it is `CANCEL`. */
  get rstCode(): number {
    return this.#rstCode;
  }

  get bufferSize(): number {
    return this.#reply.waiting + this.writableLength;
  }

  /** The engine's windows are not told. */
  get state(): object {
    return {};
  }

  /** The engine never pushes: browsers have given it up. */
  get pushAllowed(): boolean {
    return false;
  }

  pushStream(): never {
    throw http2Error('ERR_HTTP2_PUSH_DISABLED');
  }

  /** No-op, as in Node: RFC 9113 has no such priorities any more. */
  priority(): void {}

  /**
   * Begins the response.
   * @throws Node's errors, for fields that cannot be sent
   */
  respond(given?: Fields | readonly unknown[], options: RespondOptions = {}): void {
    this.#assertUnsent();
    assertObject(options, 'options');
    if (!Array.isArray(given)) {
      assertObject(given, 'headers', 'of type object or an instance of Array');
    }
    const { sent, status } = prepared(given as Fields | readonly unknown[] | undefined);
    const { list, declared } = sendable(Array.isArray(given) ? given : sent, true);
    const ends = options.endStream === true || isBodiless(status) || this.#isHead;
    this.#hasTrailers = options.waitForTrailers === true && !ends;
    this.#head = { fields: list, declared };
    this.#reply.setHead(status, this.#head, 0);
    this.#sentHeaders = sent;
    this.refresh();
    if (this.writableEnded) {
      // HEAD, whose response ends with its fields.
      this.#finish(() => {});
    } else if (ends) {
      this.end();
    }
  }

  /** Responds with a regular file, and its length. */
  respondWithFile(path: unknown, fields?: Fields, options?: FileOptions): void {
    this.#assertUnsent();
    sendFile(this, path, fields, options);
  }

  /** Responds with what can be read of a descriptor, which stays open. */
  respondWithFD(fd: unknown, fields?: Fields, options?: FileOptions): void {
    this.#assertUnsent();
    sendDescriptor(this, fd, fields, options);
  }

  /** Sends an interim response, such as 103. The engine itself sends 100. */
  additionalHeaders(given: Fields): void {
    this.#assertOpen();
    if (this.headersSent) {
      throw http2Error('ERR_HTTP2_HEADERS_AFTER_RESPOND');
    }
    assertObject(given, 'headers');
    const fields = Object.assign(Object.create(null), given) as Fields;
    const status = (fields[':status'] as number) | 0;
    if (fields[':status'] != null) {
      fields[':status'] = status;
      if (status === 101) {
        throw http2Error('ERR_HTTP2_STATUS_101');
      }
      if (status < 100 || status >= 200) {
        throw http2Error('ERR_HTTP2_INVALID_INFO_STATUS', status);
      }
    }
    const { list } = sendable(fields, true);
    this.#sentInfo ??= [];
    this.#sentInfo.push(fields);
    this.refresh();
    if (status > 101) {
      this.#exchange.inform(status, list);
    }
  }

  /** Sends trailers, after 'wantTrailers'. */
  sendTrailers(given: Fields): void {
    this.#assertOpen();
    if (this.#sentTrailers !== undefined) {
      throw http2Error('ERR_HTTP2_TRAILERS_ALREADY_SENT');
    }
    if (!this.#areTrailersReady) {
      throw http2Error('ERR_HTTP2_TRAILERS_NOT_READY');
    }
    assertObject(given, 'headers');
    const fields = Object.assign(Object.create(null), given) as Fields;
    const { list } = sendable(fields, false);
    this.#sentTrailers = fields;
    this.#hasTrailers = false;
    this.refresh();
    if (list.length > 0) {
      this.#reply.trailers = list;
    }
    this.#finish(() => {});
  }

  /**
   * Closes the stream. With an error code, or before the response is complete, it is reset.
   * @param callback a listener for 'close'
   */
  close(code: number = NGHTTP2_NO_ERROR, callback?: () => void): void {
    checkClose(code, callback);
    if (this.#isClosed) {
      return;
    }
    if (callback !== undefined) {
      this.once('close', callback);
    }
    const isEnding = this.writableEnded;
    this.#setClosed(code);
    if (!isEnding || this.writableFinished || code !== NGHTTP2_NO_ERROR) {
      this.#reset();
    } else {
      this.once('finish', () => this.#reset());
    }
  }

  /** Emits 'timeout' after this many milliseconds without activity. */
  setTimeout(milliseconds: number, callback?: () => void): this | undefined {
    if (this.destroyed) {
      return undefined;
    }
    this.#timer.set(milliseconds, callback);
    return this;
  }

  /** There was activity. */
  refresh(): void {
    this.#timer.refresh();
    this.#session?.refresh();
  }

  override end(...given: unknown[]): this {
    this.#isEnding = true;
    return super.end(...(given as []));
  }

  override _read(): void {
    this.#upload.read();
  }

  override _write(
    chunk: string | Uint8Array,
    encoding: BufferEncoding,
    callback: (error?: Error | null) => void,
  ): void {
    this.refresh();
    if (!this.headersSent) {
      this.respond();
    }
    let data = chunk;
    let length: number;
    if (typeof data === 'string') {
      if (encoding !== 'utf8' && (encoding as string) !== 'utf-8') {
        data = Buffer.from(data, encoding);
      }
      length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    } else {
      length = data.length;
      if (!this.#isEnding) {
        if (length > MOST_COPIED) {
          // The program may use its memory again when the engine has the bytes.
          this.#reply.write(data, length, callback);
          return;
        }
        data = Buffer.from(data);
      }
    }
    if (this.#reply.write(data, length, null)) {
      callback();
    } else {
      this.#onRoom = callback;
    }
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#exchange.isHead || this.#isClosed) {
      callback();
      return;
    }
    if (!this.headersSent) {
      this.respond();
    }
    if (!this.#hasTrailers) {
      this.#finish(callback);
      return;
    }
    callback();
    // After the turn in which the program ends, so that it can still listen for the event.
    process.nextTick(() => this.#wantTrailers());
  }

  override _destroy(given: Error | null, callback: (error?: Error | null) => void): void {
    const session = this.#session as ServerHttp2Session;
    const { destroyCode } = session;
    let code = this.#isClosed ? this.#rstCode : destroyCode;
    let error = given;
    if (error !== null && error !== undefined) {
      const isAbort = error.name === 'AbortError';
      code = destroyCode || (isAbort ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
    }
    if (!this.#isClosed) {
      this.#setClosed(code);
    }
    this.push(null);
    this.#breakOff();
    this.#session = undefined;
    session.remove(this);
    if (error == null && code !== NGHTTP2_NO_ERROR && code !== NGHTTP2_CANCEL) {
      error = http2Error('ERR_HTTP2_STREAM_ERROR', nameOfCode(code));
    }
    callback(error);
  }

  /** The client has taken bytes of the response. */
  taken(bytes: number): void {
    this.refresh();
    this.#reply.taken(bytes);
  }

  /** The program may write again. */
  drained(): void {
    const callback = this.#onRoom;
    this.#onRoom = null;
    if (callback !== null) {
      this.#run(callback);
    }
  }

  /** The client has reset the stream, or has gone. */
  leaves(exchange: Exchange): void {
    if (!exchange.isOpen) {
      this.#run(() => this.#ended(NGHTTP2_CANCEL));
    }
  }

  #assertUnsent(): void {
    this.#assertOpen();
    if (this.headersSent) {
      throw http2Error('ERR_HTTP2_HEADERS_SENT');
    }
  }

  #assertOpen(): void {
    if (this.destroyed || this.#isClosed) {
      throw http2Error('ERR_HTTP2_INVALID_STREAM');
    }
  }

  #wantTrailers(): void {
    if (this.destroyed || this.#isClosed) {
      return;
    }
    this.#areTrailersReady = true;
    if (!this.emit('wantTrailers')) {
      this.sendTrailers({});
    }
  }

  /** Gives the engine the end of the response. */
  #finish(callback: (error?: Error | null) => void): void {
    const reply = this.#reply;
    const sent = (error?: Error | null) => {
      callback(error);
      if (!this.#isOver) {
        this.#isOver = true;
        // After 'finish'.
        process.nextTick(() => this.#ended(this.#isClosed ? this.#rstCode : NGHTTP2_NO_ERROR));
      }
    };
    if (reply.isHeld && !this.#isHead && this.#head !== null && this.#head.declared < 0) {
      // It is complete before it has begun.
      this.#head.declared = reply.total;
    }
    reply.end();
    if (this.#exchange.isOpen) {
      reply.write('', 0, sent);
    } else {
      process.nextTick(sent);
    }
  }

  /** Resets the stream, as far as it is still open. */
  #reset(): void {
    this.#breakOff();
    // Later, as in Node, where the library that has the frames tells it.
    setImmediate(() => this.#ended(this.#rstCode));
  }

  #breakOff(): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#reply.abort();
    }
  }

  /** The stream is over for the engine. */
  #ended(code: number): void {
    if (this.destroyed) {
      return;
    }
    const isCutShort = !this.#upload.isComplete;
    if (!this.#isClosed) {
      this.#setClosed(code);
    }
    if (isCutShort && this.#upload.isRead && !this.#isAborted) {
      // The reader must not take a part of the body for all of it.
      this.#isAborted = true;
      this.emit('aborted');
    }
    if (!this.readable || code !== NGHTTP2_NO_ERROR || isCutShort) {
      this.destroy();
      return;
    }
    this.on('end', () => this.destroy());
    if (!this.#upload.isRead && this.readableFlowing === null) {
      this.resume();
    } else {
      this.read(0);
    }
  }

  #setClosed(code: number): void {
    this.#isClosed = true;
    this.#rstCode = code;
    this.#timer.set(0);
    if (this.listenerCount('timeout') > 0) {
      this.removeAllListeners('timeout');
    }
    if (!this.writableEnded) {
      if (!this.#isAborted) {
        this.#isAborted = true;
        this.emit('aborted');
      }
      this.end();
    }
  }

  /** Calls listeners of the program in the request's async context. */
  #run(listener: () => void): void {
    try {
      this.#exchange.runInAsyncScope(listener, this);
    } catch (error) {
      process.nextTick(rethrow, error);
    }
  }
}
