import type http from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { NativeBound } from '../binding/binding.js';
import { doorsOf } from '../cluster/doors.js';
import { fromNative } from '../errors/errors.js';
import type { ConnectionEvent } from '../lane/connection-event.js';
import type { Exchange } from '../lane/exchange.js';
import type { Sender } from '../lane/outgoing.js';
import type { ResolvedOptions } from '../options/options.js';
import type { ResolvedTls } from '../options/tls.js';
import { bind, startEngine } from '../serve.js';
import { nodeError, warnUnsupported } from './errors.js';
import { NodeServer } from './genuine.js';
import type { Http2Door } from './http2-door.js';
import { readListenArguments, type Where } from './listen.js';
import { isInUse, listenError } from './listen-error.js';
import { type MessageOptions, messageOptions } from './message-options.js';
import { OpenSockets } from './open-sockets.js';
import {
  ABSENT_EVENTS,
  type EngineOptions,
  engineOptions,
  type ServerOptions,
  splitOptions,
  warnOfEvent,
  warnOfOptions,
} from './options.js';
import { localOf, Round } from './round.js';
import { ExchangeSocket, type SocketServer } from './socket.js';
import {
  defineTunables,
  type Interests,
  initialTunables,
  TUNABLES,
  type Tunables,
  tuned,
} from './tunables.js';

/**
 * An `http.Server` whose connections and protocol are the engine's.
 *
 * It is an instance of Node's class, with Node's properties and events. The module's description
 * says what it does not do.
 */
export class Server extends NodeServer implements SocketServer {
  /** The sockets of exchanges that are not over. */
  readonly sockets: OpenSockets<ExchangeSocket> = new OpenSockets();
  readonly #engine: EngineOptions;
  readonly #node: http.ServerOptions;
  readonly #messages: MessageOptions;
  readonly #tunables: Tunables;
  /** How connections are secured; `null` in clear. */
  readonly #secured: () => ResolvedTls | null;
  /** What takes requests of HTTP/2; `null` if it is not spoken. */
  readonly #http2: Http2Door | null;
  /** Serves a connection that the program brings itself. */
  readonly #serveForeign: (socket: unknown) => void;
  /** The current round: from `listen` to `close`. */
  #round: Round | null = null;
  /** Rounds that have been closed and are not over. */
  readonly #leaving = new Set<Round>();
  #isReferenced = true;
  /** The server works as node:http's own, and the engine is not used. */
  #isNode = false;
  /** The engine is used, and Node's own is no longer possible until the next `close`. */
  #isDecided = false;
  /** Node's own listeners and properties, for a server that becomes Node's own. */
  readonly #nodes: {
    readonly connection: readonly Listener[];
    readonly listening: readonly Listener[];
    readonly tunables: Readonly<Record<string, unknown>>;
  };

  /** @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`; for Node's options, Node's own errors. */
  constructor(
    options: ServerOptions,
    listener?: http.RequestListener,
    secured: () => ResolvedTls | null = () => null,
    http2: Http2Door | null = null,
  ) {
    const { engine, node } = splitOptions(options);
    // Node's constructor refuses what is no object.
    super(typeof options === 'object' ? node : options, listener);
    warnOfOptions(node);
    // A property according to Node's types, but an accessor in fact.
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
    // Node's own listeners would set up timers and parsers.
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
    this.#secured = secured;
    this.#http2 = http2;
    const tunables = initialTunables(engine, node);
    this.#tunables = tunables;
    defineTunables(this, tunables, () => this.#retune());
    this.#messages = messageOptions(this, node);
    // Wrong options must be reported here, not by `listen`.
    this.#options({ port: 0 });
    const retune = (event: string | symbol) => {
      if (event === 'connection' || event === 'timeout' || event === 'drop') {
        // After the listener has been added or removed.
        process.nextTick(() => this.#retune());
      }
    };
    this.on('removeListener', retune);
    this.on('newListener', (event: string | symbol) => {
      retune(event);
      if (!this.mayBecomeNode || this.#isDecided) {
        warnOfEvent(event, ABSENT_EVENTS);
      }
    });
  }

  /**
   * Starts to listen, and emits 'listening' when it serves. As in Node the {@link address} is known
   * at once, unless a host name must be resolved. The forms are Node's; of a handle only the
   * descriptor counts.
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
    const round = new Round(this, this.#messages, this.#tunables, where, this.#http2?.begin(this));
    this.#round = round;
    try {
      round.bound = round.canBindAtOnce ? this.#bind(where) : null;
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
   * Why this server must be Node's own: its listeners or options need what the engine does not
   * have. `undefined` if it need not, as always for this class.
   */
  protected whyNode(): string | undefined {
    return undefined;
  }

  /** Whether {@link whyNode} can return a reason. */
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
   * Stops listening, and emits 'close' when the last request under way has been answered. Idle
   * connections are closed at once.
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
    // As in Node, the program may listen again at once.
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

  /** Cuts every connection, also during a request. */
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

  /** Closes connections that wait for their next request. */
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

  /** The current round, and closed rounds that are not over. */
  get #rounds(): Round[] {
    return this.#round === null ? [...this.#leaving] : [...this.#leaving, this.#round];
  }

  /**
   * Binds the address. `null` if an earlier round of this server still has it, which frees it
   * within a moment.
   */
  #bind(where: Where): NativeBound | null {
    try {
      return bind(this.#options(where));
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
    // A library may have added a listener in the turn of `listen`.
    const why = this.whyNode();
    if (why !== undefined) {
      this.#listenAsNode(why, round);
      return;
    }
    this.#isDecided = true;
    const { where } = round;
    try {
      const hooks = {
        take: (exchange: Exchange, sender: Sender) => round.take(exchange, sender),
        onConnection: (event: ConnectionEvent, sender: Sender) => round.connection(event, sender),
      };
      for (let tries = 0; round.bound === null && round.canBindAtOnce; tries++) {
        if (round.isClosed) {
          break;
        }
        round.bound = tries < MOST_TRIES ? this.#bind(where) : bind(this.#options(where));
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
    if (round.running !== null) {
      // As in Node, `worker.disconnect` of node:cluster closes the server.
      doorsOf(round.running.native)?.watch(() => this.close(), round.over);
    }
    // The program may have changed properties meanwhile.
    this.#retune();
    if (!this.#isReferenced) {
      round.running?.server.unref();
    }
    round.isListening = true;
    // Outside the promise, so that an error of a listener is uncaught, not an unhandled rejection.
    process.nextTick(() => {
      if (!round.isClosed) {
        this.emit('listening');
      }
    });
  }

  async #stop(round: Round, force: boolean): Promise<void> {
    await round.running?.server.stop({ force, delay: this.#engine.shutdownDelay ?? 0 });
    this.#leaving.delete(round);
    round.running = null;
    round.disconnect();
    process.nextTick(() => {
      this.emit('close');
      round.end();
    });
  }

  /** Lets Node's own server serve the bound address. */
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

  /** Turns into a server of Node's own. */
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

  #options(where: Where): ResolvedOptions {
    const tls = this.#secured();
    return engineOptions(this.#engine, this.#node, this.#tunables, {
      interests: this.#interests,
      where,
      tls,
      http2: this.#http2,
    });
  }

  /** Gives the engine the current certificates. */
  protected secure(): void {
    this.#round?.running?.server.replaceTls(this.#secured());
  }

  get isSecure(): boolean {
    return this.#secured() !== null;
  }

  /** Tells the engine the current properties and listeners. */
  #retune(): void {
    const { native } = this.#round?.running ?? {};
    if (native !== undefined) {
      const { native: options } = this.#options({ port: 0 });
      native.retune(tuned(options, this.#engine, this.#tunables, this.#interests));
    }
  }

  get #interests(): Interests {
    return {
      connection:
        this.#http2 !== null ||
        this.listeners('connection').some((own) => own !== this.#serveForeign),
      timeout: this.listenerCount('timeout') > 0,
      drop: this.listenerCount('drop') > 0,
    };
  }

  /** Listening failed. */
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

/** How often an address is tried that an earlier round has yet to free. */
const MOST_TRIES = 200;
const TRY_AGAIN_MS = 5;

type Listener = (...given: unknown[]) => void;
