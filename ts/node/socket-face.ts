import { EventEmitter } from 'node:events';
import { WINDOW } from '../lane/record.js';

/** Bytes of a request's body that are read before the program asks for them. */
const READ_AHEAD = 64 * 1024;

/** A place for writes that have no effect. */
const IGNORED_STATE = { corked: 0 };

/**
 * Members of a `net.Socket` that programs and Node's classes look at. Here they only tell whether
 * the socket is open, because the engine has the connection.
 */
export class SocketFace extends EventEmitter {
  readable = true;
  writable = true;
  destroyed = false;
  closed = false;
  /** Keeps Node from reporting a response that was cut off as finished. */
  _hadError = false;

  get readableHighWaterMark(): number {
    return READ_AHEAD;
  }

  get writableHighWaterMark(): number {
    return WINDOW;
  }

  get readyState(): string {
    return this.destroyed ? 'closed' : 'open';
  }

  get writableEnded(): boolean {
    return !this.writable;
  }

  get writableFinished(): boolean {
    return this.closed && !this._hadError;
  }

  get readableEnded(): boolean {
    return !this.readable;
  }

  /** The same as for sockets of an `http.Server`. */
  get allowHalfOpen(): boolean {
    return true;
  }

  get connecting(): boolean {
    return false;
  }

  get pending(): boolean {
    return false;
  }

  /** Always corked: the engine already sends together what belongs together. */
  get writableCorked(): number {
    return 1;
  }

  /** Node's `end` sets `corked` before it uncorks. */
  get _writableState(): { corked: number } {
    return IGNORED_STATE;
  }

  cork(): void {}

  uncork(): void {}

  pause(): this {
    return this;
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
}
