import type { Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import { printSocketError } from '../lane/print.js';
import type { SocketPlace } from '../lane/sockets.js';
import type { WebSocketClosed, WebSocketHandlers } from '../types/websocket.js';
import type { ConnectionListener, WebSocketConnection } from './connection.js';
import { OPEN } from './connection.js';
import { asBinaryType } from './data.js';
import type { ReactorServerWebSocket } from './server-socket.js';

/** Where a socket finds its handlers, unless it was given its own. */
interface HandlerSource {
  readonly handlers: WebSocketHandlers;
  /** The socket is closed. */
  forget(listener: SocketListener): void;
}

/** Calls a program's handlers for one socket, and takes what they throw. */
export class SocketListener implements ConnectionListener {
  socket: ReactorServerWebSocket | null = null;
  connection: WebSocketConnection | null = null;
  /** Called before the handler of `close`. */
  onClosed: ((closed: WebSocketClosed) => void) | null = null;
  /** Called when it goes on with another lane. */
  onMoved: ((place: SocketPlace) => void) | null = null;
  /** Whether one of its handlers has returned a promise. */
  isAsync = false;
  /** Promises of its handlers that have not settled. */
  #pending = 0;
  #onIdle: (() => void) | null = null;
  readonly #source: HandlerSource;
  readonly #own: WebSocketHandlers | undefined;
  /** `null` for a socket that another lane had, and where only an error handler would ask for it. */
  #exchange: Exchange | null;
  readonly #sender: Sender;

  constructor(
    source: HandlerSource,
    exchange: Exchange | null,
    sender: Sender,
    own: WebSocketHandlers | undefined,
  ) {
    this.#source = source;
    this.#exchange = exchange;
    this.#sender = sender;
    this.#own = own;
  }

  /** Whether its handlers are the server's, so that another thread has them too. */
  get isShared(): boolean {
    return this.#own === undefined;
  }

  /** Whether no promise of its handlers is pending. */
  get isIdle(): boolean {
    return this.#pending === 0;
  }

  /** Resolves when no promise of its handlers is pending. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isIdle) {
        resolve();
      } else {
        this.#onIdle = resolve;
      }
    });
  }

  /** The exchange has become this socket. */
  open(socket: ReactorServerWebSocket): void {
    this.socket = socket;
    const { handlers } = this;
    if (handlers.open !== undefined) {
      this.#run(() => handlers.open?.(socket));
    }
    if (!this.#sender.handlesErrors) {
      // The request of each open socket would be more than all else of it.
      this.#exchange = null;
    }
  }

  /** It is a socket that another thread had. */
  reopen(socket: ReactorServerWebSocket): void {
    this.socket = socket;
    const { handlers } = this;
    if (handlers.reopen !== undefined) {
      this.#run(() => handlers.reopen?.(socket));
    }
  }

  moved(place: SocketPlace): void {
    this.onMoved?.(place);
  }

  message(data: string | Buffer<ArrayBuffer>, isText: boolean): boolean {
    const { socket, handlers, connection } = this;
    // Once the program has closed it, it wants no more of it.
    if (socket === null || connection === null || connection.state !== OPEN) {
      return false;
    }
    const message = isText ? data : asBinaryType(data as Buffer<ArrayBuffer>, socket.binaryType);
    let returned: unknown;
    try {
      returned = handlers.message?.(socket, message);
    } catch (error) {
      this.#fail(error);
      return false;
    }
    return this.#awaits(returned);
  }

  ping(data: Buffer<ArrayBuffer>): void {
    const { socket, handlers } = this;
    if (socket !== null && handlers.ping !== undefined) {
      this.#run(() => handlers.ping?.(socket, asBinaryType(data, socket.binaryType)));
    }
  }

  pong(data: Buffer<ArrayBuffer>): void {
    const { socket, handlers } = this;
    if (socket !== null && handlers.pong !== undefined) {
      this.#run(() => handlers.pong?.(socket, asBinaryType(data, socket.binaryType)));
    }
  }

  drain(): void {
    const { socket, handlers } = this;
    if (socket !== null && handlers.drain !== undefined) {
      this.#run(() => handlers.drain?.(socket));
    }
  }

  close(code: number, reason: string, wasClean: boolean): void {
    const { socket, handlers } = this;
    this.onClosed?.({ code, reason, wasClean });
    this.#source.forget(this);
    if (socket !== null && handlers.close !== undefined) {
      this.#run(() => handlers.close?.(socket, code, reason));
    }
  }

  get handlers(): WebSocketHandlers {
    return this.#own ?? this.#source.handlers;
  }

  #run(call: () => unknown): void {
    try {
      this.#awaits(call());
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Whether it is a promise. What it rejects with is an error of the handler. */
  #awaits(returned: unknown): boolean {
    if (typeof returned !== 'object' || returned === null || !('then' in returned)) {
      return false;
    }
    this.isAsync = true;
    this.#pending++;
    Promise.resolve(returned).then(
      () => this.#settled(),
      (error) => {
        this.#fail(error);
        this.#settled();
      },
    );
    return true;
  }

  #settled(): void {
    this.#pending--;
    if (this.#pending === 0) {
      this.#onIdle?.();
      this.#onIdle = null;
    }
  }

  #report(error: unknown): void {
    if (this.#exchange === null) {
      printSocketError(error);
    } else {
      this.#sender.report(this.#exchange, error);
    }
  }

  #fail(error: unknown): void {
    const { socket, handlers } = this;
    if (socket === null || handlers.error === undefined) {
      this.#report(error);
      return;
    }
    const report = (second: unknown) => this.#report(second);
    try {
      const returned: unknown = handlers.error(socket, error);
      if (returned instanceof Promise) {
        returned.catch(report);
      }
    } catch (second) {
      report(second);
    }
  }
}
