import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { ReactorError } from '../errors/errors.js';
import { warnUnsupported } from './errors.js';
import { SecureServer, type SecureServerOptions } from './secure-server.js';
import { TUNABLES } from './tunables.js';

/** Node's own class, before it is replaced. */
const NodeSecureServer = https.Server;

/** Options of Node's that the engine has not, and that change what clients get. */
export const ONLY_NODE: readonly string[] = [
  ...['SNICallback', 'ALPNCallback', 'pskCallback', 'pfx', 'secureContext'],
  ...['secureProtocol', 'maxVersion', 'privateKeyIdentifier', 'privateKeyEngine'],
];

/** Listeners for these come into play before the engine can know of them. */
const ONLY_NODES_EVENTS: readonly string[] = [
  ...['newSession', 'resumeSession', 'OCSPRequest', 'keylog', 'tlsClientError'],
];

type WhyNode = (
  server: http.Server,
  options: http.ServerOptions,
  events: readonly string[],
) => string | undefined;

/**
 * A server in a program that was written for node:https. One that must be Node's own is a face of
 * such a server, since `tls.Server` is another class.
 */
class RegisteredSecureServer extends SecureServer {
  readonly #options: SecureServerOptions;
  readonly #whyNode: WhyNode;
  readonly #initial: Readonly<Record<string, unknown>>;
  #node: https.Server | null = null;
  /** From `listen` on. */
  #isDecided = false;

  constructor(
    options: SecureServerOptions,
    listener: http.RequestListener | undefined,
    whyNode: WhyNode,
  ) {
    super(options, listener);
    this.#options = options;
    this.#whyNode = whyNode;
    this.#initial = Object.fromEntries(TUNABLES.map((name) => [name, this[name]]));
  }

  protected override get mayBecomeNode(): boolean {
    // The constructors of its parents ask too.
    return !(#isDecided in this && this.#isDecided);
  }

  override listen(...given: unknown[]): this {
    if (!this.#isDecided) {
      const why = this.#whyNode(this, this.#options, ONLY_NODES_EVENTS);
      this.#isDecided = true;
      if (why !== undefined) {
        this.#becomeNode(why);
      }
    }
    if (this.#node !== null) {
      this.#node.listen(...(given as []));
      return this;
    }
    return super.listen(...given);
  }

  override address(): AddressInfo | string | null {
    return this.#node === null ? super.address() : this.#node.address();
  }

  override close(callback?: (error?: Error) => void): this {
    if (this.#node === null) {
      return super.close(callback);
    }
    this.#node.close(callback);
    return this;
  }

  override closeAllConnections(): void {
    if (this.#node === null) {
      super.closeAllConnections();
    } else {
      this.#node.closeAllConnections();
    }
  }

  override closeIdleConnections(): void {
    if (this.#node === null) {
      super.closeIdleConnections();
    } else {
      this.#node.closeIdleConnections();
    }
  }

  override getConnections(callback: (error: Error | null, count: number) => void): this {
    if (this.#node === null) {
      return super.getConnections(callback);
    }
    this.#node.getConnections(callback);
    return this;
  }

  override ref(): this {
    this.#node?.ref();
    return this.#node === null ? super.ref() : this;
  }

  override unref(): this {
    this.#node?.unref();
    return this.#node === null ? super.unref() : this;
  }

  override setSecureContext(...given: Parameters<SecureServer['setSecureContext']>): void {
    if (this.#node === null) {
      super.setSecureContext(...given);
    } else {
      this.#node.setSecureContext(given[0] as Parameters<https.Server['setSecureContext']>[0]);
    }
  }

  override addContext(...given: Parameters<SecureServer['addContext']>): void {
    if (this.#node === null) {
      super.addContext(...given);
    } else {
      this.#node.addContext(...(given as Parameters<https.Server['addContext']>));
    }
  }

  /** From here on Node's own server serves, and its events are this server's. */
  #becomeNode(why: string): void {
    warnUnsupported(
      `node:https:${why}`,
      `reactor-rs/node/register: a server stays that of node:https, because it ${why}`,
    );
    const node = new NodeSecureServer(this.#options as https.ServerOptions);
    this.#node = node;
    for (const name of TUNABLES) {
      if (this[name] !== this.#initial[name]) {
        Object.assign(node, { [name]: this[name] });
      }
    }
    Object.defineProperty(this, 'listening', { get: () => node.listening, configurable: true });
    const forwarded = new Set<string | symbol>(['newListener', 'removeListener', 'connection']);
    const forward = (event: string | symbol) => {
      if (!forwarded.has(event)) {
        forwarded.add(event);
        node.on(event as string, (...given: unknown[]) => this.emit(event as string, ...given));
      }
    };
    for (const event of ['request', 'listening', 'close', 'error', ...this.eventNames()]) {
      forward(event);
    }
    // The first is this package's, for connections that programs bring.
    for (const listener of this.listeners('connection').slice(1)) {
      node.on('connection', listener as () => void);
    }
    this.on('newListener', (event: string | symbol, listener: () => void) => {
      forward(event);
      if (event === 'connection') {
        node.on('connection', listener);
      }
    });
  }
}

/**
 * Puts this server in the place of `https.createServer` and `https.Server`.
 * @param whyNode why a server must be Node's own, if it must
 */
export function installHttps(whyNode: WhyNode): void {
  /** Node's is a function, too: programs call it with and without `new`. */
  function Replacement(this: unknown, ...given: unknown[]): unknown {
    const [first, second] = given;
    const options = ((typeof first === 'function' ? {} : first) ?? {}) as SecureServerOptions;
    const listener = (typeof first === 'function' ? first : second) as http.RequestListener;
    const genuine = () => Reflect.construct(NodeSecureServer, [options, listener]);
    if (new.target === undefined && this instanceof http.Server) {
      throw new ReactorError(
        'ERR_REACTOR_UNSUPPORTED',
        'https.Server cannot be called as a function for an object of another class',
      );
    }
    const option = ONLY_NODE.find((name) => (options as Record<string, unknown>)[name] != null);
    const target = new.target ?? Replacement;
    if (option !== undefined) {
      return isOwn(target) ? stay(`has the option "${option}"`, genuine) : genuine();
    }
    try {
      return Reflect.construct(RegisteredSecureServer, [options, listener, whyNode], target);
    } catch (error) {
      // Node may know keys and ciphers that are too weak here, or take what is refused here.
      if (!(error instanceof ReactorError) || !isOwn(target)) {
        throw error;
      }
      const { message } = error;
      return stay(`cannot be another: ${message}`, genuine);
    }
  }

  const isOwn = (target: unknown) => target === Replacement;
  Object.defineProperty(RegisteredSecureServer, 'name', { value: 'Server' });
  Object.defineProperty(RegisteredSecureServer.prototype, 'constructor', {
    value: Replacement,
    writable: true,
    configurable: true,
  });
  Replacement.prototype = RegisteredSecureServer.prototype;
  Object.setPrototypeOf(Replacement, NodeSecureServer);
  Object.defineProperty(Replacement, 'name', { value: 'Server' });
  Object.defineProperty(Replacement, Symbol.hasInstance, {
    value(this: unknown, value: unknown) {
      const isOurs = Function.prototype[Symbol.hasInstance].call(this, value);
      return isOurs || (this === Replacement && value instanceof NodeSecureServer);
    },
  });
  const create = (first?: unknown, second?: unknown) =>
    new (Replacement as unknown as new (...given: unknown[]) => https.Server)(first, second);
  Object.defineProperty(create, 'name', { value: 'createServer' });
  Object.assign(https, { Server: Replacement, createServer: create });
}

function stay(why: string, genuine: () => unknown): unknown {
  warnUnsupported(
    `node:https:${why}`,
    `reactor-rs/node/register: a server stays that of node:https, because it ${why}`,
  );
  return genuine();
}
