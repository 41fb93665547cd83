import http from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { fromNative, ReactorError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { defaultOf } from '../options.js';
import type { Sender } from '../outgoing.js';
import { start } from '../serve.js';
import type { Server as RunningServer } from '../types.js';
import { nodeError, warnUnsupported } from './errors.js';
import { type NodeIncoming, type NodeOutgoing, symbolOf } from './internals.js';
import { readListenArguments, type Where } from './listen.js';
import { announceStart, type MessageOptions, makeRequest, makeResponse } from './messages.js';
import {
  type EngineOptions,
  engineOptions,
  type ServerOptions,
  splitOptions,
  type Tunables,
  warnOfTunables,
} from './options.js';
import { ExchangeSocket, rethrow, type SocketServer } from './socket.js';

/**
 * Events of Node's that never come and that a program may depend on. Of
 * 'clientError' and 'dropRequest' nothing is said: frameworks listen for them only
 * to answer in ways in which the engine answers by itself.
 */
const ABSENT_EVENTS: Readonly<Record<string, string>> = {
  upgrade: 'connections cannot be upgraded: there are no WebSockets on this server',
  connect: 'CONNECT is answered with 501',
  connection: 'connections belong to the engine',
  checkExpectation: 'an unknown Expect is answered with 417',
};

/**
 * An `http.Server` whose connections, and all of HTTP, are the engine's.
 *
 * It is one by its class too, and has Node's properties and events. See the
 * module's description for what it does not do.
 */
export class Server extends http.Server implements SocketServer {
  /** The sockets whose exchange is not over. */
  readonly sockets: Set<ExchangeSocket> = new Set();
  readonly #engine: EngineOptions;
  readonly #node: http.ServerOptions;
  readonly #messages: MessageOptions;
  readonly #initial: Tunables;
  #state: 'idle' | 'starting' | 'listening' | 'closing' = 'idle';
  #running: RunningServer | null = null;
  #isReferenced = true;

  /**
   * @throws {ReactorError} `ERR_REACTOR_UNKNOWN_OPTION`, `ERR_REACTOR_INVALID_OPTION`.
   */
  constructor(options: ServerOptions, listener?: http.RequestListener) {
    const { engine, node } = splitOptions(options);
    super(node, listener);
    // A property to its types, and an accessor in Node.
    Object.defineProperty(this, 'listening', { get: () => this.#state === 'listening' });
    // Node's own would set up timers and parsers.
    super.removeAllListeners('listening');
    super.removeAllListeners('connection');
    this.#engine = engine;
    this.#node = node;
    this.headersTimeout =
      engine.timeouts?.head ?? node.headersTimeout ?? defaultOf('timeouts.head');
    this.keepAliveTimeout =
      engine.timeouts?.keepAlive ?? node.keepAliveTimeout ?? defaultOf('timeouts.keepAlive');
    this.requestTimeout = 0;
    this.#initial = this.#tunables();
    this.#messages = {
      IncomingMessage: node.IncomingMessage ?? http.IncomingMessage,
      ServerResponse: (node.ServerResponse ??
        http.ServerResponse) as unknown as MessageOptions['ServerResponse'],
      joinDuplicateHeaders: node.joinDuplicateHeaders ?? false,
      rejectNonStandardBodyWrites: node.rejectNonStandardBodyWrites ?? false,
      uniqueHeaders: node.uniqueHeaders == null ? null : uniqueHeadersOf(this),
    };
    // What is wrong shall be said here and not when it listens.
    engineOptions(engine, node, this.#initial, { port: 0 });
    this.on('newListener', (event: string | symbol) => {
      const why = typeof event === 'string' ? ABSENT_EVENTS[event] : undefined;
      if (why !== undefined) {
        const name = event as string;
        warnUnsupported(name, `reactor-rs/node never emits '${name}': ${why}`);
      }
    });
  }

  /**
   * Starts to listen, and emits 'listening' when it does. Until then
   * {@link address} is `null`: unlike in Node, starting takes a while. The forms are
   * Node's, but for handles and file descriptors.
   */
  override listen(
    port?: number,
    hostname?: string,
    backlog?: number,
    listeningListener?: () => void,
  ): this;
  override listen(port?: number, hostname?: string, listeningListener?: () => void): this;
  override listen(port?: number, backlog?: number, listeningListener?: () => void): this;
  override listen(port?: number, listeningListener?: () => void): this;
  override listen(path: string, backlog?: number, listeningListener?: () => void): this;
  override listen(path: string, listeningListener?: () => void): this;
  override listen(options: ListenOptions, listeningListener?: () => void): this;
  override listen(...given: unknown[]): this {
    if (this.#state !== 'idle') {
      throw nodeError(
        'ERR_SERVER_ALREADY_LISTEN',
        'Listen method has been called more than once without closing.',
      );
    }
    const { where, callback } = readListenArguments(given);
    if (callback !== undefined) {
      this.once('listening', callback);
    }
    this.#state = 'starting';
    where.signal?.addEventListener('abort', () => this.close(), { once: true });
    if (where.signal?.aborted) {
      process.nextTick(() => this.close());
    }
    // Programs set timeouts on what `listen` returns.
    process.nextTick(() => void this.#start(where));
    return this;
  }

  override address(): AddressInfo | string | null {
    const running = this.#running;
    if (running === null || this.#state !== 'listening') {
      return null;
    }
    const { hostname: address, port } = running;
    if (address === undefined || port === undefined) {
      return running.unix ?? null;
    }
    return { address, family: address.includes(':') ? 'IPv6' : 'IPv4', port };
  }

  /**
   * Listens no more, and emits 'close' when the last request under way has been
   * answered. Idle connections are closed at once.
   */
  override close(callback?: (error?: Error) => void): this {
    if (this.#state === 'idle' || this.#state === 'closing') {
      if (callback !== undefined) {
        const error = nodeError('ERR_SERVER_NOT_RUNNING', 'Server is not running.');
        this.once('close', () => callback(error));
      }
      if (this.#state === 'idle') {
        process.nextTick(() => this.emit('close'));
      }
      return this;
    }
    if (callback !== undefined) {
      this.once('close', callback as () => void);
    }
    const isStarting = this.#state === 'starting';
    this.#state = 'closing';
    if (!isStarting) {
      void this.#stop(false);
    }
    return this;
  }

  /**
   * Cuts the connections of all requests that are under way. Idle connections can
   * only be cut once the server is closing.
   */
  override closeAllConnections(): void {
    for (const socket of [...this.sockets]) {
      socket.destroy();
    }
    if (this.#state === 'closing') {
      void this.#running?.stop({ force: true });
    }
  }

  /** Does nothing before {@link close}, which closes them itself. */
  override closeIdleConnections(): void {}

  override getConnections(callback: (error: Error | null, count: number) => void): this {
    const open = this.#running?.stats().connections.open ?? 0;
    process.nextTick(callback, null, open);
    return this;
  }

  override ref(): this {
    this.#isReferenced = true;
    this.#running?.ref();
    return this;
  }

  override unref(): this {
    this.#isReferenced = false;
    this.#running?.unref();
    return this;
  }

  async #start(where: Where): Promise<void> {
    const now = this.#tunables();
    warnOfTunables(this.#initial, now);
    try {
      const options = engineOptions(this.#engine, this.#node, now, where);
      this.#running = await start(options, (exchange, sender) => this.#take(exchange, sender));
    } catch (error) {
      const isClosing = this.#state === 'closing';
      this.#state = 'idle';
      process.nextTick(() => {
        this.emit('error', listenError(fromNative(error), where));
        if (isClosing) {
          this.emit('close');
        }
      });
      return;
    }
    if (!this.#isReferenced) {
      this.#running.unref();
    }
    if (this.#state === 'closing') {
      await this.#stop(true);
      return;
    }
    this.#state = 'listening';
    // Not in the promise: what a listener throws is uncaught, not unhandled.
    process.nextTick(() => {
      if (this.#state === 'listening') {
        this.emit('listening');
      }
    });
  }

  async #stop(force: boolean): Promise<void> {
    await this.#running?.stop({ force });
    this.#running = null;
    this.#state = 'idle';
    process.nextTick(() => this.emit('close'));
  }

  #take(exchange: Exchange, sender: Sender): void {
    const socket = new ExchangeSocket(this, exchange, sender);
    let req: NodeIncoming;
    let res: NodeOutgoing;
    try {
      req = makeRequest(exchange, socket, this.#messages);
      res = makeResponse(req, socket, this.#messages);
    } catch (error) {
      // A class of the program's own threw; the other requests shall be heard.
      this.sockets.delete(socket);
      sender.fail(exchange, error);
      return;
    }
    if (this.timeout > 0) {
      socket.setTimeout(this.timeout);
    }
    try {
      announceStart(req, res, this);
      const isExpecting =
        this.listenerCount('checkContinue') > 0 &&
        !exchange.isHttp10 &&
        /(?:^|\W)100-continue(?:$|\W)/i.test(req.headers.expect ?? '');
      this.emit(isExpecting ? 'checkContinue' : 'request', req, res);
    } catch (error) {
      // Uncaught, as in Node; but the other requests of the batch shall be heard.
      process.nextTick(rethrow, error);
    }
  }

  #tunables(): Tunables {
    const { keepAliveTimeout, headersTimeout, requestTimeout } = this;
    const { maxHeadersCount, maxRequestsPerSocket } = this;
    return {
      keepAliveTimeout,
      headersTimeout,
      requestTimeout,
      maxHeadersCount,
      maxRequestsPerSocket,
    };
  }
}

function uniqueHeadersOf(server: object): readonly [symbol, unknown] {
  const symbol = symbolOf(server, 'kUniqueHeaders');
  return [symbol, (server as Record<symbol, unknown>)[symbol]];
}

/** Codes that programs of Node's know. */
const SYSTEM_CODES: Readonly<Record<string, string>> = {
  ERR_REACTOR_ADDRESS_IN_USE: 'EADDRINUSE',
  ERR_REACTOR_ADDRESS_NOT_AVAILABLE: 'EADDRNOTAVAIL',
  ERR_REACTOR_PERMISSION: 'EACCES',
  ERR_REACTOR_HOST_NOT_FOUND: 'ENOTFOUND',
};

function listenError(error: unknown, where: Where): unknown {
  const code = error instanceof ReactorError ? SYSTEM_CODES[error.code] : undefined;
  if (code === undefined) {
    return error;
  }
  const { message } = error as Error;
  const address = where.unix ?? where.hostname ?? '::';
  const port = where.unix === undefined ? { port: where.port } : {};
  const details = { syscall: 'listen', address, ...port, cause: error };
  return nodeError(code, `listen ${code}: ${message}`, details);
}
