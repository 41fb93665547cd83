import { existsSync } from 'node:fs';
import http from 'node:http';
import { type AddressInfo, isIP, type ListenOptions } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { getSystemErrorMap } from 'node:util';
import { binding, type NativeBound } from '../binding/binding.js';
import { fromNative, ReactorError } from '../errors/errors.js';
import type { Bridge, ConnectionEvent } from '../lane/bridge.js';
import { connectionKeyOf, type Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import { CLOSE, CLOSED, CUT, FINISH, OPENED, REFUSED, TEXT } from '../lane/record.js';
import type { ResolvedOptions } from '../options/options.js';
import { startEngine } from '../serve.js';
import { nodeError, warnUnsupported } from './errors.js';
import { NodeServer } from './genuine.js';
import { type NodeIncoming, type NodeOutgoing, symbolOf } from './internals.js';
import { readListenArguments, type Where } from './listen.js';
import { announceStart, type MessageOptions, makeRequest, makeResponse } from './messages.js';
import {
  type EngineOptions,
  engineOptions,
  type ServerOptions,
  splitOptions,
  warnOfOptions,
} from './options.js';
import { ExchangeSocket, familyOf, rethrow, type SocketServer } from './socket.js';
import { type Interests, initialTunables, TUNABLES, type Tunables, tuned } from './tunables.js';

/**
 * Events of Node's that never come and that a program may depend on. Of
 * 'clientError' and 'dropRequest' nothing is said: frameworks listen for them only
 * to answer in ways in which the engine answers by itself.
 */
const ABSENT_EVENTS: Readonly<Record<string, string>> = {
  upgrade: 'connections cannot be upgraded: there are no WebSockets on this server',
  connect: 'CONNECT is answered with 501',
  checkExpectation: 'an unknown Expect is answered with 417',
};

const UNKNOWN_METHOD = '400 Bad Request: this server does not know this method\n';

/**
 * An `http.Server` whose connections, and all of HTTP, are the engine's.
 *
 * It is one by its class too, and has Node's properties and events. See the
 * module's description for what it does not do.
 */
export class Server extends NodeServer implements SocketServer {
  /** The sockets whose exchange is not over. */
  readonly sockets: Set<ExchangeSocket> = new Set();
  readonly #engine: EngineOptions;
  readonly #node: http.ServerOptions;
  readonly #messages: MessageOptions;
  readonly #tunables: Tunables;
  /** What serves a connection that the program brings itself. */
  readonly #serveForeign: (socket: unknown) => void;
  /** What `listen` has begun and `close` has not ended. */
  #round: Round | null = null;
  /** What `close` has ended and is not over. */
  readonly #leaving = new Set<Round>();
  #isReferenced = true;
  /** It serves with node:http's own engine; all that is ours is out of the way. */
  #isNode = false;
  /** It does not, and will not before it has been closed. */
  #isDecided = false;
  /** Node's own listeners and properties, for that. */
  readonly #nodes: {
    readonly connection: readonly Listener[];
    readonly listening: readonly Listener[];
    readonly tunables: Readonly<Record<string, unknown>>;
  };

  /**
   * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`, and as Node's own.
   */
  constructor(options: ServerOptions, listener?: http.RequestListener) {
    const { engine, node } = splitOptions(options);
    // What is no object is for Node's own to refuse.
    super(typeof options === 'object' ? node : options, listener);
    warnOfOptions(node);
    // A property to its types, and an accessor in Node.
    Object.defineProperty(this, 'listening', {
      get: () => this.#round?.isListening || this.#round?.bound != null,
      configurable: true,
    });
    const [serve] = super.listeners('connection');
    const nodes: Record<string, unknown> = {};
    for (const name of TUNABLES) {
      nodes[name] = this[name];
    }
    this.#nodes = {
      connection: super.listeners('connection') as Listener[],
      listening: super.listeners('listening') as Listener[],
      tunables: nodes,
    };
    // Node's own would set up timers and parsers.
    super.removeAllListeners('listening');
    super.removeAllListeners('connection');
    this.#serveForeign = (socket) => {
      if (!(socket instanceof ExchangeSocket)) {
        serve?.call(this, socket);
      }
    };
    super.on('connection', this.#serveForeign);
    this.#engine = engine;
    this.#node = node;
    const tunables = initialTunables(engine, node);
    this.#tunables = tunables;
    for (const name of TUNABLES) {
      Object.defineProperty(this, name, {
        get: () => tunables[name],
        set: (value) => {
          tunables[name] = value;
          this.#retune();
        },
        enumerable: true,
        configurable: true,
      });
    }
    this.#messages = {
      IncomingMessage: node.IncomingMessage ?? http.IncomingMessage,
      ServerResponse: (node.ServerResponse ??
        http.ServerResponse) as unknown as MessageOptions['ServerResponse'],
      joinDuplicateHeaders: node.joinDuplicateHeaders ?? false,
      rejectNonStandardBodyWrites: node.rejectNonStandardBodyWrites ?? false,
      uniqueHeaders: node.uniqueHeaders == null ? null : uniqueHeadersOf(this),
    };
    // What is wrong shall be said here and not when it listens.
    this.#options({ port: 0 });
    const retune = (event: string | symbol) => {
      if (event === 'connection' || event === 'timeout' || event === 'drop') {
        // When it is there, or is no more.
        process.nextTick(() => this.#retune());
      }
    };
    this.on('removeListener', retune);
    this.on('newListener', (event: string | symbol) => {
      retune(event);
      const why = typeof event === 'string' ? ABSENT_EVENTS[event] : undefined;
      if (why !== undefined && !(this.mayBecomeNode && !this.#isDecided)) {
        const name = event as string;
        warnUnsupported(name, `reactor-rs/node never emits '${name}': ${why}`);
      }
    });
  }

  /**
   * Starts to listen, and emits 'listening' when it serves. As in Node the
   * {@link address} is known at once, unless a host name has to be resolved. The
   * forms are Node's; of a handle it is the descriptor that counts.
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
    const why = this.#isNode ? undefined : this.whyNode();
    if (why !== undefined) {
      this.#becomeNode(why);
    }
    if (this.#isNode) {
      return super.listen(...(given as []));
    }
    if (this.#round !== null) {
      throw nodeError(
        'ERR_SERVER_ALREADY_LISTEN',
        'Listen method has been called more than once without closing.',
      );
    }
    const { where, callback } = readListenArguments(given);
    if (callback !== undefined) {
      this.once('listening', callback);
    }
    const round: Round = {
      where,
      bound: null,
      running: null,
      isListening: false,
      isClosed: false,
      connections: new Map(),
    };
    this.#round = round;
    try {
      round.bound = canBindAtOnce(where) ? this.#bind(where) : null;
    } catch (error) {
      this.#failed(round, error);
      return this;
    }
    where.signal?.addEventListener('abort', () => this.close(), { once: true });
    if (where.signal?.aborted) {
      process.nextTick(() => this.close());
    }
    // Programs set timeouts on what `listen` returns.
    process.nextTick(() => void this.#start(round));
    return this;
  }

  /**
   * Why this server has to be Node's own, where it may: then its listeners and options
   * ask for something that the engine does not have. By default it may not.
   */
  protected whyNode(): string | undefined {
    return undefined;
  }

  /** Whether {@link whyNode} may have something to say. */
  protected get mayBecomeNode(): boolean {
    return false;
  }

  override address(): AddressInfo | string | null {
    if (this.#isNode) {
      return super.address();
    }
    const { bound, running, isListening } = this.#round ?? {};
    const where = bound ?? (isListening ? running?.native : null);
    if (where == null) {
      return null;
    }
    const { hostname: address, port, unix } = where.address();
    if (address === undefined || port === undefined) {
      return unix ?? null;
    }
    return { address, family: address.includes(':') ? 'IPv6' : 'IPv4', port };
  }

  /**
   * Listens no more, and emits 'close' when the last request under way has been
   * answered. Idle connections are closed at once.
   */
  override close(callback?: (error?: Error) => void): this {
    if (this.#isNode) {
      return super.close(callback);
    }
    const round = this.#round;
    if (round === null) {
      if (callback !== undefined) {
        const error = nodeError('ERR_SERVER_NOT_RUNNING', 'Server is not running.');
        this.once('close', () => callback(error));
      }
      if (this.#leaving.size === 0) {
        process.nextTick(() => this.emit('close'));
      }
      return this;
    }
    if (callback !== undefined) {
      this.once('close', callback as () => void);
    }
    // As in Node the program may listen again at once.
    this.#round = null;
    this.#isDecided = false;
    this.#leaving.add(round);
    round.isClosed = true;
    round.bound?.close();
    round.bound = null;
    if (round.isListening) {
      void this.#stop(round, false);
    }
    return this;
  }

  /** Cuts every connection, whatever is under way there. */
  override closeAllConnections(): void {
    if (this.#isNode) {
      super.closeAllConnections();
      return;
    }
    for (const socket of [...this.sockets]) {
      socket.destroy();
    }
    for (const { running } of this.#leaving) {
      void running?.server.stop({ force: true });
    }
    this.#round?.running?.native.closeAllConnections();
  }

  /** Closes the connections that wait for their next request. */
  override closeIdleConnections(): void {
    if (this.#isNode) {
      super.closeIdleConnections();
      return;
    }
    this.#round?.running?.native.closeIdleConnections();
  }

  override getConnections(callback: (error: Error | null, count: number) => void): this {
    if (this.#isNode) {
      return super.getConnections(callback);
    }
    let open = 0;
    for (const { running } of this.#rounds) {
      open += running?.server.stats().connections.open ?? 0;
    }
    process.nextTick(callback, null, open);
    return this;
  }

  override ref(): this {
    if (this.#isNode) {
      return super.ref();
    }
    this.#isReferenced = true;
    for (const { running } of this.#rounds) {
      running?.server.ref();
    }
    return this;
  }

  override unref(): this {
    if (this.#isNode) {
      return super.unref();
    }
    this.#isReferenced = false;
    for (const { running } of this.#rounds) {
      running?.server.unref();
    }
    return this;
  }

  /** What it listens with, and what it has listened with and is not over. */
  get #rounds(): Round[] {
    return this.#round === null ? [...this.#leaving] : [...this.#leaving, this.#round];
  }

  /**
   * Binds, or gives `null` where that has to wait for a close of this server's own,
   * which lets go of an address within a moment.
   */
  #bind(where: Where): NativeBound | null {
    try {
      return binding().bind(this.#options(where).native);
    } catch (error) {
      if (this.#leaving.size > 0 && isInUse(error)) {
        return null;
      }
      throw error;
    }
  }

  async #start(round: Round): Promise<void> {
    if (round.isClosed) {
      await this.#stop(round, true);
      return;
    }
    // A library may have come in the turn in which the program called `listen`.
    const why = this.whyNode();
    if (why !== undefined) {
      this.#listenAsNode(why, round);
      return;
    }
    this.#isDecided = true;
    const { connections, where } = round;
    try {
      const hooks = {
        take: (exchange: Exchange, sender: Sender) => this.#take(exchange, sender, connections),
        onConnection: (event: ConnectionEvent, bridge: Bridge) =>
          this.#connection(event, bridge, connections),
      };
      for (let tries = 0; round.bound === null && canBindAtOnce(where); tries++) {
        if (round.isClosed) {
          break;
        }
        round.bound =
          tries < MOST_TRIES ? this.#bind(where) : binding().bind(this.#options(where).native);
        if (round.bound === null) {
          await wait(TRY_AGAIN_MS);
        }
      }
      if (!round.isClosed) {
        const bound = round.bound ?? undefined;
        round.running = await startEngine(this.#options(where), hooks, bound);
      }
    } catch (error) {
      this.#failed(round, error);
      return;
    }
    round.bound = null;
    if (round.isClosed) {
      await this.#stop(round, true);
      return;
    }
    // What has been set meanwhile.
    this.#retune();
    if (!this.#isReferenced) {
      round.running?.server.unref();
    }
    round.isListening = true;
    // Not in the promise: what a listener throws is uncaught, not unhandled.
    process.nextTick(() => {
      if (!round.isClosed) {
        this.emit('listening');
      }
    });
  }

  async #stop(round: Round, force: boolean): Promise<void> {
    await round.running?.server.stop({ force });
    this.#leaving.delete(round);
    round.running = null;
    const sockets = [...round.connections.values()];
    round.connections.clear();
    for (const socket of sockets) {
      socket.disconnected();
    }
    process.nextTick(() => this.emit('close'));
  }

  #take(exchange: Exchange, sender: Sender, connections: Connections): void {
    if (exchange.hasOtherMethod && !http.METHODS.includes(exchange.method)) {
      // Node's parser knows a list, and ends the connection at any other.
      const { replies } = sender;
      replies.response(exchange.id, 400, TEXT | CLOSE, null, UNKNOWN_METHOD, false);
      sender.finish(exchange);
      sender.schedule();
      return;
    }
    const socket = this.#socketOf(exchange, connections);
    socket.begin(exchange, sender);
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
    if (this.timeout > 0 && !socket.hasTimer) {
      socket.setTimeout(this.timeout);
    }
    try {
      announceStart(req, res, this);
      if (this.#isRequestTooMany(exchange, res)) {
        this.emit('dropRequest', req, socket);
        res.shouldKeepAlive = false;
        res.writeHead(503);
        res.end();
        return;
      }
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

  /** Lets Node's own serve what is bound already. */
  #listenAsNode(why: string, round: Round): void {
    const { unix, ...where } = round.where;
    const address = this.address();
    round.bound?.close();
    round.bound = null;
    this.#round = null;
    this.#becomeNode(why);
    const { hostname, port: asked, ...rest } = where;
    const port = localOf(address).port ?? asked;
    super.listen({
      ...rest,
      ...(unix !== undefined ? { path: unix } : where.fd === undefined ? { port } : {}),
      ...(hostname === undefined ? {} : { host: hostname }),
    });
    if (!this.#isReferenced) {
      super.unref();
    }
  }

  /** From now on all is Node's own. */
  #becomeNode(why: string): void {
    warnUnsupported(
      `node:${why}`,
      `reactor-rs/node/register: a server stays that of node:http, because it ${why}`,
    );
    this.#isNode = true;
    Reflect.deleteProperty(this, 'listening');
    const initial = initialTunables(this.#engine, this.#node);
    for (const name of TUNABLES) {
      const set = this.#tunables[name];
      const value = set === initial[name] ? this.#nodes.tunables[name] : set;
      Object.defineProperty(this, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    this.removeListener('connection', this.#serveForeign);
    for (const event of ['connection', 'listening'] as const) {
      for (const listener of this.#nodes[event]) {
        this.prependListener(event, listener);
      }
    }
  }

  /** That of its connection, where that has one and it is not at an earlier exchange. */
  #socketOf(exchange: Exchange, connections: Connections): ExchangeSocket {
    const held = connections.size === 0 ? undefined : connections.get(exchange.connectionKey);
    return held === undefined || held.isBusy || held.destroyed
      ? new ExchangeSocket(this, null)
      : held;
  }

  /** As in Node the limit counts for HTTP/1.1 only. */
  #isRequestTooMany({ sequence, isHttp10 }: Exchange, res: NodeOutgoing): boolean {
    const { maxRequestsPerSocket: most } = this.#tunables;
    if (isHttp10 || typeof most !== 'number' || !(most > 0)) {
      return false;
    }
    res.maxRequestsOnConnectionReached = most <= sequence + 1;
    return most < sequence + 1;
  }

  /** The engine tells of a connection. */
  #connection(event: ConnectionEvent, bridge: Bridge, connections: Connections): void {
    const { kind, address: remoteAddress, port: remotePort } = event;
    const key = connectionKeyOf(event.ioThread, event.number);
    const socket = connections.get(key);
    try {
      if (kind === REFUSED) {
        const { address, port, family } = localOf(this.address());
        this.emit('drop', {
          localAddress: address,
          localPort: port,
          localFamily: family,
          remoteAddress,
          remotePort,
          remoteFamily: familyOf(remoteAddress),
        });
      } else if (kind === OPENED) {
        const opened = new ExchangeSocket(this, {
          remoteAddress,
          remotePort,
          cut: () => bridge.endConnection(CUT, event),
          finish: () => bridge.endConnection(FINISH, event),
        });
        connections.set(key, opened);
        this.emit('connection', opened);
      } else if (kind === CLOSED) {
        connections.delete(key);
        socket?.disconnected();
      } else {
        socket?.inactive();
      }
    } catch (error) {
      // Uncaught, as in Node; but what else there is to tell shall be told.
      process.nextTick(rethrow, error);
    }
  }

  #options(where: Where): ResolvedOptions {
    return engineOptions(this.#engine, this.#node, this.#tunables, this.#interests, where);
  }

  /** Tells the engine what the properties and the listeners are now. */
  #retune(): void {
    const { native } = this.#round?.running ?? {};
    if (native !== undefined) {
      const { native: options } = this.#options({ port: 0 });
      native.retune(tuned(options, this.#engine, this.#tunables, this.#interests));
    }
  }

  get #interests(): Interests {
    return {
      connection: this.listeners('connection').some((own) => own !== this.#serveForeign),
      timeout: this.listenerCount('timeout') > 0,
      drop: this.listenerCount('drop') > 0,
    };
  }

  /** It could not listen. */
  #failed(round: Round, error: unknown): void {
    const { isClosed } = round;
    this.#leaving.delete(round);
    if (this.#round === round) {
      this.#round = null;
      this.#isDecided = false;
    }
    round.bound = null;
    process.nextTick(() => {
      this.emit('error', listenError(fromNative(error), round.where));
      if (isClosed) {
        this.emit('close');
      }
    });
  }
}

/** Sockets by connection, where the program listens for connections. */
type Connections = Map<number, ExchangeSocket>;

/** From a `listen` to the end of the `close` behind it. */
interface Round {
  readonly where: Where;
  /** What the kernel listens on while it is starting. */
  bound: NativeBound | null;
  running: Running | null;
  isListening: boolean;
  /** The program has closed it. */
  isClosed: boolean;
  readonly connections: Connections;
}

/** How often an address is tried that a close of the same server has yet to free. */
const MOST_TRIES = 200;
const TRY_AGAIN_MS = 5;

function isInUse(error: unknown): boolean {
  return (fromNative(error) as NodeJS.ErrnoException).code === 'ERR_REACTOR_ADDRESS_IN_USE';
}

type Listener = (...given: unknown[]) => void;

/** What a running server is to this one. */
type Running = Awaited<ReturnType<typeof startEngine>>;

/** A name may take seconds to resolve. */
function canBindAtOnce({ hostname, unix, fd }: Where): boolean {
  return unix !== undefined || fd !== undefined || hostname === undefined || isIP(hostname) !== 0;
}

function localOf(address: AddressInfo | string | null): Partial<AddressInfo> {
  return typeof address === 'object' && address !== null ? address : {};
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
  ERR_REACTOR_DESCRIPTOR: 'EINVAL',
};

/** The error that Node has for it, with the engine's as its cause. */
function listenError(error: unknown, where: Where): unknown {
  const code = error instanceof ReactorError ? codeOf(error, where) : undefined;
  if (code === undefined) {
    return error;
  }
  const { message } = error as Error;
  const errno = errnoOf(code);
  if (code === 'ENOTFOUND') {
    const details = { errno, syscall: 'getaddrinfo', hostname: where.hostname, cause: error };
    return nodeError(code, `getaddrinfo ${code} ${where.hostname}: ${message}`, details);
  }
  const details = { errno, syscall: 'listen', cause: error };
  if (where.fd !== undefined) {
    return nodeError(code, `listen ${code}: ${message}`, { address: null, ...details });
  }
  const address = where.unix ?? where.hostname ?? '::';
  // What has no port has -1, and 0 is none that was asked for.
  const port = where.unix !== undefined ? { port: -1 } : where.port ? { port: where.port } : {};
  return nodeError(code, `listen ${code}: ${message}`, { ...details, address, ...port });
}

function codeOf({ code }: ReactorError, { unix }: Where): string | undefined {
  if (code !== 'ERR_REACTOR_SOCKET_PATH' || unix === undefined) {
    return SYSTEM_CODES[code];
  }
  // libuv says EACCES of a folder that is not there, and EINVAL of a path that is too long.
  return existsSync(unix)
    ? 'EADDRINUSE'
    : Buffer.byteLength(unix) > MOST_PATH
      ? 'EINVAL'
      : 'EACCES';
}

/** Bytes of a unix socket's path: `sun_path`, with its end. */
const MOST_PATH = 107;

/** libuv's own, which is no number of the system's. */
const EAI_NONAME = -3008;

function errnoOf(code: string): number | undefined {
  if (code === 'ENOTFOUND') {
    return EAI_NONAME;
  }
  for (const [errno, [name]] of getSystemErrorMap()) {
    if (name === code) {
      return errno;
    }
  }
  return undefined;
}
