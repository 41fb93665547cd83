import type { RequestListener } from 'node:http';
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  ServerOptions as NodeOptions,
  Settings,
} from 'node:http2';
import { warnUnsupported } from '../errors.js';
import { warnOfEvent } from '../options.js';
import { SecureServer, type SecureServerOptions } from '../secure-server.js';
import { Server } from '../server.js';
import { assertObject } from './arguments.js';
import { type MessageClasses, takeRequest } from './compat.js';
import type { Fields } from './fields.js';
import { type Http2ServerOptions, type Parted, partOptions } from './options.js';
import type { SessionServer } from './session.js';
import { Sessions } from './sessions.js';
import type { ServerHttp2Stream } from './stream.js';

/** A handler of requests of HTTP/2. Requests of HTTP/1.1 come as Node's classes of that. */
export type Http2Listener = (req: Http2ServerRequest, res: Http2ServerResponse) => unknown;

/** The options of {@link createSecureServer}. */
export type SecureHttp2ServerOptions = Http2ServerOptions &
  Omit<SecureServerOptions, keyof NodeOptions> & {
    /** Whether clients may also speak HTTP/1.1. */
    allowHTTP1?: boolean | undefined;
  };

/** Events of Node's servers that never come, and why. */
const ABSENT_EVENTS: Readonly<Record<string, string>> = {
  unknownProtocol: 'the engine closes a connection of another protocol',
  priority: 'RFC 9113 has no such priorities',
  sessionError: 'the engine ends a connection that breaks the protocol',
};

/** A server of HTTP/2 in clear, as Node's `http2.createServer` makes it. */
export class Http2Server extends Server implements SessionServer {
  readonly localSettings: Settings;

  constructor(options: Http2ServerOptions, listener?: Http2Listener) {
    const parted = partOptions(options);
    super(parted.shared, listener as unknown as RequestListener, undefined, {
      versions: { http1: false, http2: true },
      extendedConnect: parted.settings.enableConnectProtocol === true,
      begin: (server) => new Sessions(server as Http2Server, true),
    });
    this.localSettings = parted.settings;
    prepare(this, parted);
  }

  /** Not there: the settings are those of `createServer`. */
  updateSettings(settings: Settings): void {
    updateSettings(settings);
  }
}

/** A server of HTTP/2 with TLS, as Node's `http2.createSecureServer` makes it. */
export class Http2SecureServer extends SecureServer implements SessionServer {
  readonly localSettings: Settings;

  constructor(options: SecureHttp2ServerOptions, listener?: Http2Listener) {
    const parted = partOptions(options);
    super(parted.shared as SecureServerOptions, listener as unknown as RequestListener, {
      versions: { http1: options.allowHTTP1 === true, http2: true },
      extendedConnect: parted.settings.enableConnectProtocol === true,
      begin: (server) => new Sessions(server as Http2SecureServer, options.allowHTTP1 !== true),
    });
    this.localSettings = parted.settings;
    prepare(this, parted);
  }

  /** Not there: the settings are those of `createSecureServer`. */
  updateSettings(settings: Settings): void {
    updateSettings(settings);
  }
}

function prepare(server: Http2Server | Http2SecureServer, { classes }: Parted): void {
  // A session has it, and no connection of the engine's.
  Object.defineProperty(server, 'timeout', {
    value: 0,
    writable: true,
    enumerable: true,
    configurable: true,
  });
  if (server.listenerCount('request') > 0) {
    takeRequests(server, classes);
  }
  server.on('newListener', (event: string | symbol) => {
    if (event === 'request') {
      takeRequests(server, classes);
    }
    warnOfEvent(event, ABSENT_EVENTS);
  });
}

const ready = new WeakSet<object>();

/** As in Node, requests are made of streams once there is a listener for them. */
function takeRequests(server: Http2Server | Http2SecureServer, classes: MessageClasses): void {
  if (!ready.has(server)) {
    ready.add(server);
    server.on('stream', (stream: ServerHttp2Stream, fields: Fields, _: number, raw: string[]) =>
      takeRequest(server, classes, stream, fields, raw),
    );
  }
}

function updateSettings(settings: Settings): void {
  assertObject(settings, 'settings');
  warnUnsupported(
    'updateSettings',
    'reactor-rs/node: updateSettings has no effect; give the settings to createServer',
  );
}
