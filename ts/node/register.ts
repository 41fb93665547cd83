/**
 * Puts this server in the place of `http.createServer`, `http.Server`, `https.createServer`,
 * `https.Server`, `http2.createServer` and `http2.createSecureServer` in a whole program, libraries
 * included, without changing it. Clients stay Node's own.
 *
 * A server stays Node's own, with a warning, if it needs something that the engine does not have:
 *
 * - a listener for 'connect' or 'checkExpectation' that is there by the end of the turn of `listen`
 * - the options `insecureHTTPParser` and `requireHostHeader: false`
 * - heads of more than 1 MiB
 * - a worker of `cluster`
 * - with `https`: `SNICallback`, `ALPNCallback`, `pskCallback`, `pfx` and other options that only
 *   OpenSSL has; keys and ciphers that are too weak here; listeners for sessions and OCSP.
 * - with `http2`: the same options; `origins`, `remoteCustomSettings`, `paddingStrategy` and
 *   `settings.customSettings`.
 *
 * Without a native binding all servers stay Node's own.
 *
 * @example
 * node --import reactor-rs/node/register server.js
 *
 * @example
 * node --require reactor-rs/node/register server.cjs
 *
 * @module
 */
import cluster from 'node:cluster';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { binding } from '../binding/binding.js';
import { warnUnsupported } from './errors.js';
import { isReplaced, keepGenuine, NodeServer } from './genuine.js';
import type { ServerOptions } from './options.js';
import { installHttp2 } from './register-http2.js';
import { installHttps } from './register-https.js';
import { Server } from './server.js';
import { MOST_HEAD } from './tunables.js';

/** A server in a program that was written for node:http. */
class RegisteredServer extends Server {
  readonly #options: http.ServerOptions;

  constructor(options: ServerOptions, listener?: http.RequestListener) {
    super(options, listener);
    this.#options = options;
  }

  protected override get mayBecomeNode(): boolean {
    return true;
  }

  protected override whyNode(): string | undefined {
    return whyNode(this, this.#options);
  }
}

/**
 * Why a server must be Node's own, if it must.
 * @param events for which listeners are a reason too
 */
function whyNode(
  server: http.Server,
  options: http.ServerOptions,
  events: readonly string[] = [],
): string | undefined {
  const event = ['connect', 'checkExpectation', ...events].find(
    (name) => server.listenerCount(name) > 0,
  );
  if (event !== undefined) {
    return `has a listener for '${event}'`;
  }
  return whyNodeByOptions(options);
}

function whyNodeByOptions(options: http.ServerOptions): string | undefined {
  const { insecureHTTPParser, requireHostHeader, maxHeaderSize = 0 } = options;
  if (insecureHTTPParser === true || requireHostHeader === false) {
    return 'is to take malformed requests';
  }
  if ((maxHeaderSize || http.maxHeaderSize) > MOST_HEAD) {
    return 'is to take heads of more than 1 MiB';
  }
  return cluster.isWorker ? 'shares its port with other processes, by cluster' : undefined;
}

/** `http.Server` is a function: programs call it with and without `new`, and derive from it. */
function Replacement(this: unknown, ...given: unknown[]): unknown {
  if (new.target === undefined && this instanceof NodeServer) {
    // `http.Server.call(this)`: the object exists already, so it can only become Node's own.
    Reflect.apply(NodeServer as unknown as (...given: unknown[]) => void, this, given);
    becomeNode(this);
    return undefined;
  }
  const [first, second] = given;
  const args = typeof first === 'function' ? [{}, first] : [first ?? {}, second];
  return Reflect.construct(RegisteredServer, args, new.target ?? Replacement);
}

/** Gives an object of an old-style subclass Node's methods in place of this package's. */
function becomeNode(server: object): void {
  for (const name of Object.getOwnPropertyNames(Server.prototype)) {
    const ours = Object.getOwnPropertyDescriptor(Server.prototype, name)?.value;
    const value = (NodeServer.prototype as unknown as Record<string, unknown>)[name];
    // Accessors need what the constructor of this package's class makes.
    const isMethod = name !== 'constructor' && typeof ours === 'function';
    if (isMethod && (server as Record<string, unknown>)[name] === ours) {
      Object.defineProperty(server, name, { value, configurable: true, writable: true });
    }
  }
  warnUnsupported(
    'node:inherits',
    'reactor-rs/node/register: a server stays that of node:http, because its class calls http.Server as a function',
  );
}

function install(): void {
  Object.defineProperty(RegisteredServer, 'name', { value: 'Server' });
  Object.defineProperty(RegisteredServer.prototype, 'constructor', {
    value: Replacement,
    writable: true,
    configurable: true,
  });
  Replacement.prototype = RegisteredServer.prototype;
  Object.setPrototypeOf(Replacement, NodeServer);
  Object.defineProperty(Replacement, 'name', { value: 'Server' });
  Object.defineProperty(Replacement, Symbol.hasInstance, {
    // Servers made before the replacement are instances too.
    value(this: unknown, value: unknown) {
      return this === Replacement
        ? value instanceof NodeServer
        : Function.prototype[Symbol.hasInstance].call(this, value);
    },
  });
  keepGenuine(Replacement);
  const create = (first?: unknown, second?: unknown) =>
    new (Replacement as unknown as new (...given: unknown[]) => http.Server)(first, second);
  Object.defineProperty(create, 'name', { value: 'createServer' });
  Object.assign(http, { Server: Replacement, createServer: create });
  installHttps(whyNode);
  installHttp2(whyNodeByOptions);
  syncBuiltinESMExports();
}

if (!isReplaced()) {
  try {
    binding();
    install();
  } catch (error) {
    const { message } = error as Error;
    process.emitWarning(`reactor-rs/node/register: servers stay those of node:http: ${message}`, {
      type: 'ReactorWarning',
      code: (error as NodeJS.ErrnoException).code ?? 'ERR_REACTOR_BINDING',
    });
  }
}
