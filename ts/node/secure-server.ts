import { randomBytes } from 'node:crypto';
import type http from 'node:http';
import type { TlsOptions as NodeTlsOptions, SecureContextOptions } from 'node:tls';
import { binding } from '../binding/binding.js';
import { fromNative, ReactorError } from '../errors/errors.js';
import { type ResolvedTls, resolveTls, TLS_NAMES } from '../options/tls.js';
import { HTTP_1, type Versions } from '../options/versions.js';
import type { TlsOptions } from '../types/tls.js';
import { argumentError, warnUnsupported } from './errors.js';
import type { Http2Door } from './http2-door.js';
import { type ServerOptions, warnOfEvent } from './options.js';
import { Server } from './server.js';

/** The options of TLS that a server with a `(req, res)` handler has: this package's and Node's. */
export type SecureOptions = TlsOptions &
  Omit<NodeTlsOptions, keyof TlsOptions | keyof ServerOptions>;

/** The options of {@link createSecureServer}. */
export type SecureServerOptions<
  Request extends typeof http.IncomingMessage = typeof http.IncomingMessage,
  Response extends typeof http.ServerResponse<InstanceType<Request>> = typeof http.ServerResponse,
> = ServerOptions<Request, Response> & SecureOptions;

/** What Node has and the engine has not, with the reason. */
const MISSING: Readonly<Record<string, string>> = {
  ALPNCallback: 'ALPNProtocols counts',
  pskCallback: 'clients need certificates or nothing',
  pfx: 'give key and certificate as PEM',
  secureProtocol: 'TLS 1.2 and 1.3 are spoken; minVersion counts',
  maxVersion: 'the newest version is always TLS 1.3',
  privateKeyIdentifier: 'OpenSSL is not used; give the key as PEM',
};

/** Options of Node's without which nothing is lost: what they choose is always strong here. */
const WITHOUT_EFFECT: readonly string[] = [
  ...['ecdhCurve', 'dhparam', 'sigalgs', 'secureOptions', 'sessionIdContext', 'enableTrace'],
  ...['clientCertEngine', 'privateKeyEngine', 'pskIdentityHint', 'allowPartialTrustChain'],
  ...['secureContext', 'isServer', 'server'],
];

/** Events of Node's `tls.Server` that never come. */
const ABSENT_EVENTS: Readonly<Record<string, string>> = {
  newSession: 'sessions are kept by the engine',
  resumeSession: 'sessions are kept by the engine',
  OCSPRequest: 'no OCSP response is stapled',
  keylog: 'the keys of sessions stay in the engine',
};

/** Bytes of Node's ticket keys. */
const TICKET_KEYS = 48;

/** Certificates of a server, which may change while it runs. */
class Contexts {
  readonly #versions: Versions;
  #main: Record<string, unknown>;
  readonly #byName = new Map<string, Record<string, unknown>>();
  #resolved: ResolvedTls | null = null;

  constructor(options: Record<string, unknown>, versions: Versions) {
    this.#main = options;
    this.#versions = versions;
    this.#resolve();
  }

  /** `null` without any certificate: programs may give them later. */
  get current(): ResolvedTls | null {
    return this.#resolved;
  }

  /** Changes them, unless the engine finds that something is wrong. */
  change(make: { main?: Record<string, unknown>; name?: string; own?: object }): void {
    const { main = this.#main, name, own } = make;
    const before = [this.#main, name === undefined ? undefined : this.#byName.get(name)] as const;
    this.#main = main;
    if (name !== undefined) {
      this.#byName.set(name, { ...own, serverName: name });
    }
    try {
      this.#resolve();
    } catch (error) {
      this.#main = before[0];
      if (name !== undefined) {
        if (before[1] === undefined) {
          this.#byName.delete(name);
        } else {
          this.#byName.set(name, before[1]);
        }
      }
      throw error;
    }
  }

  /** The options that are for no name of their own. */
  get main(): Readonly<Record<string, unknown>> {
    return this.#main;
  }

  /** Later names win over earlier ones, and names over the main certificate. */
  #resolve(): void {
    const { cert, key } = this.#main;
    const hasMain = cert !== undefined || key !== undefined;
    // What is asked of clients counts for every name.
    const { serverName: _, ...rules } = this.#main;
    const named = [...this.#byName.values()].map((own) => ({ ...rules, ...own }));
    const entries = [...(hasMain ? [this.#main] : []), ...named];
    if (entries.length === 0) {
      this.#resolved = null;
      return;
    }
    const resolved = resolveTls('', entries.length === 1 ? entries[0] : entries, this.#versions);
    try {
      binding().checkTls(resolved.native);
    } catch (error) {
      throw fromNative(error);
    }
    this.#resolved = resolved;
  }
}

/**
 * An `https.Server` whose connections, protocol and TLS are the engine's. It is an instance of
 * `http.Server`, not of Node's `tls.Server`.
 */
export class SecureServer extends Server {
  readonly #contexts: Contexts;

  /**
   * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`, `ERR_REACTOR_TLS`; for Node's options,
   * Node's own errors.
   */
  constructor(
    options: SecureServerOptions,
    listener?: http.RequestListener,
    http2: Http2Door | null = null,
  ) {
    const { tls, rest } = splitTls(options as Record<string, unknown>);
    const contexts = new Contexts(tls, http2?.versions ?? HTTP_1);
    super(rest as ServerOptions, listener, () => contexts.current, http2);
    this.#contexts = contexts;
    this.on('newListener', (event: string | symbol) => {
      if (!this.mayBecomeNode) {
        warnOfEvent(event, ABSENT_EVENTS);
      }
    });
    // Programs that listen for either get the same socket.
    this.on('newListener', (event: string | symbol) => {
      if (event === 'secureConnection' && this.listenerCount('secureConnection') === 0) {
        this.on('connection', (socket) => this.emit('secureConnection', socket));
      }
    });
  }

  override listen(...given: unknown[]): this {
    if (this.#contexts.current === null) {
      throw new ReactorError(
        'ERR_REACTOR_TLS',
        'a server with TLS needs "cert" and "key", or addContext, before it listens',
      );
    }
    return super.listen(...(given as []));
  }

  /** Replaces certificates and settings for connections that come from now on. */
  setSecureContext(options: SecureContextOptions | TlsOptions): void {
    const { tls } = splitTls(options as Record<string, unknown>);
    this.#contexts.change({ main: tls });
    this.secure();
  }

  /**
   * Adds a certificate for a host name, which may have a wildcard. `context` is an object of
   * options; the result of `tls.createSecureContext` shows no key and cannot be used.
   */
  addContext(hostname: string, context: SecureContextOptions | TlsOptions): void {
    if (!hostname) {
      throw argumentError(
        TypeError as ErrorConstructor,
        'ERR_TLS_REQUIRED_SERVER_NAME',
        '"servername" is required parameter for Server.addContext',
        hostname,
      );
    }
    if ('context' in context) {
      throw new ReactorError(
        'ERR_REACTOR_UNSUPPORTED',
        'addContext needs options such as { cert, key }: a secure context of OpenSSL cannot be used',
      );
    }
    const { tls } = splitTls(context as Record<string, unknown>);
    this.#contexts.change({ name: hostname, own: tls });
    this.secure();
  }

  /** The ticket keys. If none were given, they are made here, and no longer replaced by themselves. */
  getTicketKeys(): Buffer {
    const given = this.#contexts.main.ticketKeys;
    const [first] = [given].flat();
    if (first !== undefined) {
      return Buffer.from(first as Uint8Array);
    }
    const keys = randomBytes(TICKET_KEYS);
    this.setTicketKeys(keys);
    return keys;
  }

  setTicketKeys(ticketKeys: Buffer): void {
    this.#contexts.change({ main: { ...this.#contexts.main, ticketKeys } });
    this.secure();
  }
}

/** Separates what TLS needs from the other options, and warns of what it cannot have. */
export function splitTls(options: Record<string, unknown>): {
  tls: Record<string, unknown>;
  rest: Record<string, unknown>;
} {
  const tls: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options ?? {})) {
    if (value === undefined || value === null) {
      continue;
    }
    const why = Object.hasOwn(MISSING, name) ? MISSING[name] : undefined;
    if (why !== undefined) {
      warnUnsupported(name, `option "${name}" of node:tls has no effect here: ${why}`);
    } else if (TLS_NAMES.includes(name)) {
      tls[name] = value;
    } else if (!WITHOUT_EFFECT.includes(name)) {
      rest[name] = value;
    }
  }
  return { tls, rest };
}
