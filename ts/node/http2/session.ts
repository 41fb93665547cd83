import { EventEmitter } from 'node:events';
import http2 from 'node:http2';
import type { Server as NetServer } from 'node:net';
import { warnUnsupported } from '../errors.js';
import type { ExchangeSocket } from '../socket.js';
import { http2Error } from './errors.js';
import { IdleTimer } from './idle-timer.js';
import { kSocket } from './internals.js';
import { socketOf } from './session-socket.js';

const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_SESSION_SERVER } = http2.constants;

/** The server of a session. */
export interface SessionServer extends NetServer {
  /** Milliseconds without activity after which a session emits 'timeout'. */
  timeout: number;
  /** What its clients are told of it, as Node names it. */
  readonly localSettings: http2.Settings;
}

/** A stream, as its session uses it. */
export interface SessionStream {
  readonly id: number;
  close(code: number): void;
  destroy(error?: Error): unknown;
}

/**
 * A connection of HTTP/2, as node:http2 has it. The engine has the protocol. So what a program can do
 * is to see the streams, to close the connection and to set a timeout.
 */
export class ServerHttp2Session extends EventEmitter {
  readonly server: SessionServer;
  readonly type: number = NGHTTP2_SESSION_SERVER;
  readonly connecting = false;
  readonly pendingSettingsAck = false;
  readonly goawayCode = NGHTTP2_NO_ERROR;
  readonly goawayLastStreamID = 0;
  /** Its streams that are not over. */
  readonly streams = new Set<SessionStream>();
  /** The code with which the program has destroyed it. */
  destroyCode: number = NGHTTP2_NO_ERROR;
  closed = false;
  destroyed = false;
  [kSocket]: ExchangeSocket;
  #socket: object | undefined;
  readonly #timer = new IdleTimer(this);
  #lastId = 0;

  /** @param socket stands for the connection */
  constructor(server: SessionServer, socket: ExchangeSocket) {
    super();
    this.server = server;
    this[kSocket] = socket;
    socket.once('close', () => this.#disconnected());
  }

  /** What can be done with the connection. It cannot be read and written. */
  get socket(): object {
    this.#socket ??= socketOf(this);
    return this.#socket;
  }

  get encrypted(): boolean {
    return 'encrypted' in this[kSocket];
  }

  get alpnProtocol(): string {
    return this.encrypted ? 'h2' : 'h2c';
  }

  get originSet(): string[] | undefined {
    return undefined;
  }

  get localSettings(): http2.Settings {
    return this.destroyed ? {} : this.server.localSettings;
  }

  /** The engine does not tell those of the client: these are the protocol's defaults. */
  get remoteSettings(): http2.Settings {
    return this.destroyed ? {} : { ...http2.getDefaultSettings(), enablePush: false };
  }

  get state(): object {
    return this.destroyed ? {} : { nextStreamID: 2, lastProcStreamID: this.#lastId };
  }

  /** A stream has begun. */
  add(stream: SessionStream): void {
    this.#lastId = Math.max(this.#lastId, stream.id);
    this.streams.add(stream);
    this.refresh();
  }

  /** A stream is over. */
  remove(stream: SessionStream): void {
    this.streams.delete(stream);
    if (this.closed) {
      setImmediate(() => this.#endIfClosed());
    }
  }

  refresh(): void {
    this.#timer.refresh();
  }

  /** Emits 'timeout' after this many milliseconds without activity. */
  setTimeout(milliseconds: number, callback?: () => void): this | undefined {
    if (this.destroyed) {
      return undefined;
    }
    this.#timer.set(milliseconds, callback);
    return this;
  }

  /** Ends the connection after its streams. */
  close(callback?: () => void): void {
    if (this.closed || this.destroyed) {
      return;
    }
    this.closed = true;
    if (typeof callback === 'function') {
      this.once('close', callback);
    }
    this[kSocket].connection?.finish();
    this.#endIfClosed();
  }

  /** Ends the connection at once. */
  destroy(given: Error | number = NGHTTP2_NO_ERROR, code?: number): void {
    if (this.destroyed) {
      return;
    }
    const isCode = typeof given === 'number';
    const error = isCode
      ? given === NGHTTP2_NO_ERROR
        ? undefined
        : http2Error('ERR_HTTP2_SESSION_ERROR', given)
      : given;
    const fallback = error == null ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR;
    this.#end(error, isCode ? given : (code ?? fallback));
  }

  /** As `close`: the engine says with which stream the connection ends. */
  goaway(): void {
    if (this.destroyed) {
      throw http2Error('ERR_HTTP2_INVALID_SESSION');
    }
    this[kSocket].connection?.finish();
  }

  /** Not there: the engine pings no client of HTTP/2. */
  ping(first: unknown, second?: unknown): boolean {
    if (this.destroyed) {
      throw http2Error('ERR_HTTP2_INVALID_SESSION');
    }
    const callback = (typeof first === 'function' ? first : second) as (
      ...given: unknown[]
    ) => void;
    notThere('ping');
    process.nextTick(callback, http2Error('ERR_HTTP2_PING_CANCEL'), 0, undefined);
    return false;
  }

  /** Not there: a client is told the settings once. */
  settings(settings: http2.Settings, callback?: (...given: unknown[]) => void): void {
    notThere('settings');
    if (callback !== undefined) {
      process.nextTick(callback, null, settings, 0);
    }
  }

  altsvc(): void {
    notThere('altsvc');
  }

  origin(): void {
    notThere('origin');
  }

  /** No-op: the windows are the engine's. */
  setLocalWindowSize(): void {}

  setNextStreamID(): void {}

  ref(): void {}

  unref(): void {}

  #endIfClosed(): void {
    if (this.closed && this.streams.size === 0 && !this.destroyed) {
      // The engine closes the connection by itself.
      this.#over(undefined);
    }
  }

  #end(error: Error | undefined, code: number): void {
    this.destroyCode = code;
    const streams = [...this.streams];
    this.#over(error);
    for (const stream of streams) {
      stream.destroy(error);
    }
    this[kSocket].connection?.cut();
  }

  #over(error: Error | undefined): void {
    this.closed = true;
    this.destroyed = true;
    this.#timer.set(0);
    process.nextTick(() => {
      if (error !== undefined) {
        this.emit('error', error);
      }
      this.emit('close');
    });
  }

  #disconnected(): void {
    const streams = [...this.streams];
    for (const stream of streams) {
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    if (!this.destroyed) {
      this.#over(undefined);
    }
  }
}

function notThere(what: string): void {
  warnUnsupported(`http2:${what}`, `reactor-rs/node has no http2 session.${what}()`);
}
