import { EventEmitter } from 'node:events';
import { WINDOW } from '../lane/record.js';

/** Bytes of a request's body that are read ahead of whoever reads it. */
const READ_AHEAD = 64 * 1024;

/** Nobody reads what is written here. */
const IGNORED_STATE = { corked: 0 };

/**
 * What programs and Node's classes look at on a `net.Socket` and that says no more here than
 * whether the socket is open: the engine has the connection.
 */
export class SocketFace extends EventEmitter {
  readable = true;
  writable = true;
  destroyed = false;
  closed = false;
  /** Keeps Node from telling that a response which was cut off has finished. */
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

  /** As an `http.Server`'s sockets. */
  get allowHalfOpen(): boolean {
    return true;
  }

  get connecting(): boolean {
    return false;
  }

  get pending(): boolean {
    return false;
  }

  /** Always: the engine sends together what belongs together, and Node need not try. */
  get writableCorked(): number {
    return 1;
  }

  /** Node's `end` sets a number here before it uncorks. */
  get _writableState(): { corked: number } {
    return IGNORED_STATE;
  }

  cork(): void {}

  uncork(): void {}

  pause(): this {
    return this;
  }

  /** The engine decides on these. */
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
