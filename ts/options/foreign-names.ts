/** Advice for an option of another server. */
interface Foreign {
  /** The rest of a sentence that begins with the option's name. */
  readonly advice: string;
  /** Values that ask for what is the case anyway. */
  readonly harmless?: readonly unknown[];
}

/**
 * Options of other servers that do not exist here, with where their meaning lives. They are Bun's,
 * Deno's, srvx's, @hono/node-server's, Fastify's, uWebSockets.js's, Node's, and common guesses.
 * Names that mean exactly the same as an option here are accepted, see `aliases.ts`.
 */
const FOREIGN: Readonly<Record<string, Foreign>> = {
  // Address.
  ...called('hostname', ['address', 'addr', 'bind', 'ip', 'iface', 'interface', 'listenHost']),
  ...called('unix', ['socket', 'socketPath', 'unixSocket', 'path', 'sock']),
  ...called('port', ['listenPort', 'httpPort']),
  ...called('listen', ['listeners', 'addresses', 'endpoints']),
  exclusive: { advice: 'the port is always exclusive', harmless: [true] },
  ...called('ipv6Only', ['ipv6', 'v6Only', 'dualStack']),
  ...called('unixMode', ['readableAll', 'writableAll', 'socketMode'], [false]),
  ...each(['noDelay', 'tcpNoDelay', 'nodelay'], {
    advice: 'TCP_NODELAY is always set',
    harmless: [true],
  }),
  transport: { advice: 'for a unix socket give its path as "unix"', harmless: ['tcp'] },
  protocol: {
    advice: 'this server speaks HTTP/1.1 and HTTP/2; for https give "tls"',
    harmless: ['http', 'https'],
  },

  // Handlers.
  ...called('fetch', ['onRequest', 'request', 'callback', 'handle', 'app', 'requestHandler']),
  ...called('error', ['errorHandler', 'onerror', 'setErrorHandler', 'err']),
  ...each(['default', 'module.default'], {
    advice:
      "give what the module exports by default, such as serve((await import('./app.js')).default)",
  }),
  ...each(['notFound', '404', 'notFoundHandler', 'setNotFoundHandler'], {
    advice: '"fetch" answers what no route does',
  }),
  ...each(
    ['publicDir', 'staticDir', 'publicPath', 'serveStatic', 'dir', 'folder', 'files', 'spa'],
    {
      advice: 'a folder is a route, such as routes: { "/*": { dir: "./public" } }',
    },
  ),
  ...each(['prefix', 'basePath', 'baseURI', 'baseURL'], {
    advice: 'there is no common prefix; write whole paths in "routes", or look at request.url',
  }),
  ...each(['onClose', 'onStop', 'onShutdown'], {
    advice: 'wait for "server.finished", which resolves when the server has stopped',
  }),
  ...called('onListen', ['listening', 'onListening', 'onStart', 'ready', 'listenCallback']),
  middleware: {
    advice: 'there is no middleware; wrap the function that you give as "fetch"',
    harmless: [],
  },
  plugins: { advice: 'there are no plugins; wrap the function that you give as "fetch"' },
  ...called('websocket', ['ws', 'websockets', 'sockets', 'webSocketServer']),
  manual: {
    advice: 'the server listens at once; call "serve" when it shall',
    harmless: [false],
  },
  silent: {
    advice: '"serve" prints nothing; print what you want to in "onListen"',
    harmless: [true],
  },
  development: {
    advice:
      'there are no error pages; what handlers throw is printed on stderr, or goes to "error"',
    harmless: [false],
  },
  id: { advice: 'servers have no id; "server.reload" replaces handlers and routes' },
  createServer: {
    advice:
      'the engine is the server; for a (req, res) handler import createServer from "reactor-rs/node"',
  },
  serverOptions: {
    advice:
      'its options have names of their own here, such as "timeouts.keepAlive" and "limits.head"',
  },
  autoCleanupIncoming: { advice: 'bodies that no handler reads are dropped', harmless: [true] },
  node: {
    advice: 'options of node:http have names of their own here, such as "timeouts.keepAlive"',
  },
  bun: { advice: 'give its options as they are called here' },
  deno: { advice: 'give its options as they are called here' },
  ...each(['scheduled', 'email', 'tail', 'trace'], {
    advice: 'only "fetch" is called here; give that alone, such as serve(worker.fetch)',
  }),

  // TLS and HTTP/2.
  ...each(['ssl', 'https', 'secure'], {
    advice: 'give certificate and key as "tls": { cert, key }',
    harmless: [false],
  }),
  ...each(['cert', 'key', 'ca', 'passphrase', 'crl', 'requestCert', 'SNICallback', 'ciphers'], {
    advice: 'it belongs into "tls", such as tls: { cert, key }',
  }),
  ...each(['pfx', 'key_file_name', 'cert_file_name', 'certFile', 'keyFile'], {
    advice: 'give certificate and key as PEM in "tls": { cert, key }',
  }),
  ...called('http2', ['h2', 'h2c', 'enableHttp2'], [true]),
  ...called('http1', ['allowHTTP1', 'h1'], [true]),
  ...called('limits.streams', [
    'maxConcurrentStreams',
    'maxStreams',
    'concurrentStreams',
    'streams',
    'limits.maxConcurrentStreams',
    'limits.maxStreams',
  ]),
  ...each(['http3', 'quic', 'h3'], {
    advice: 'this server speaks HTTP/1.1 and HTTP/2',
    harmless: [false],
  }),

  // Threads.
  ...each(['workers', 'threads', 'cluster', 'concurrency', 'instances', 'processes'], {
    advice:
      '"jsThreads" with "module" runs handlers on several threads; "ioThreads" and "workerThreads" are the engine\'s',
  }),

  // Bodies and heads.
  ...called('limits.body', [
    'bodyLimit',
    'bodySize',
    'maxBody',
    'maxBodySize',
    'maxBodyLength',
    'maxRequestSize',
    'maxPayloadLength',
    'maxPayload',
    'limits.maxBodySize',
    'limits.bodySize',
  ]),
  ...called('limits.head', ['maxHeaderSize', 'maxHeadSize', 'headerSize', 'limits.headers']),
  ...called('limits.fields', ['maxHeadersCount', 'maxHeaders', 'limits.headersCount']),
  ...called('limits.requestLine', ['maxUrlLength', 'maxParamLength', 'limits.url']),
  maxBackpressure: { advice: 'a response has a window of 256 KiB; it waits for the client itself' },
  requireHostHeader: { advice: 'a request must have one (RFC 9112 §3.2)', harmless: [true] },
  joinDuplicateHeaders: { advice: '"request.headers.get" joins them', harmless: [true] },
  insecureHTTPParser: { advice: 'the parser is strict; there is no other', harmless: [false] },
  highWaterMark: { advice: "windows are the engine's own" },
  ...called('compress', ['compression', 'automaticCompression'], [false, 0]),
  cors: { advice: 'let the handler set these headers', harmless: [false] },

  // Times.
  ...called('timeouts.keepAlive', [
    'keepAliveTimeout',
    'keepAlive',
    'timeouts.keepAliveTimeout',
    'timeouts.idle',
  ]),
  ...called('timeouts.head', [
    'headersTimeout',
    'headerTimeout',
    'headTimeout',
    'timeouts.headers',
  ]),
  ...called('timeouts.body', ['bodyTimeout', 'readTimeout', 'timeouts.read']),
  ...called('timeouts.write', ['writeTimeout', 'sendTimeout', 'timeouts.send']),
  ...called('timeouts.drain', [
    'drainTimeout',
    'shutdownTimeout',
    'gracePeriod',
    'gracefulTimeout',
    'forceTimeout',
    'stopTimeout',
    'closeTimeout',
    'timeouts.shutdown',
    'timeouts.graceful',
  ]),
  ...called('requestTimeout', ['handlerTimeout', 'timeouts.request', 'timeouts.handler']),
  ...each(['timeout', 'connectionTimeout', 'socketTimeout', 'timeouts.connection'], {
    advice:
      'times have names here: "timeouts.head", ".body", ".write" and ".keepAlive", and "requestTimeout" for a handler, all in milliseconds',
  }),
  ...each(['keepAliveInitialDelay', 'keepAliveTimeoutBuffer'], {
    advice: 'a connection that waits is closed after "timeouts.keepAlive"',
  }),
  maxRequestsPerSocket: { advice: 'a connection has as many requests as it likes', harmless: [0] },
  forceCloseConnections: {
    advice: '"server.stop" closes idle connections; stop({ force: true }) closes all',
  },

  // Watching.
  ...called('accessLog', ['logger', 'log', 'logging', 'logs'], [false]),
  ...called('metrics', ['prometheus', 'metricsPort']),
  ...called('trustProxy', ['proxy', 'trustedProxies', 'proxyTrust', 'behindProxy'], [false]),
  ...called('maxConnections', ['maxSockets', 'connections', 'limits.connections']),
  ...called('maxInFlight', ['maxConcurrent', 'maxPending', 'limits.requests']),
  ...called('gracefulShutdown', ['shutdown', 'graceful', 'handleSignals', 'signals']),
  ...called('globals', ['polyfill', 'patchGlobals']),
};

/** By their names as {@link plain} writes them. */
const BY_PLAIN_NAME = new Map(
  Object.entries(FOREIGN).map(([name, foreign]) => [plain(name), foreign]),
);

/**
 * A name without differences of style: `body_limit` and `bodylimit` are the same as `bodyLimit`.
 */
export function plain(name: string): string {
  return name.toLowerCase().replace(/[-_ ]/g, '');
}

/** All of the names, to find the one that a misspelled name means. */
export const FOREIGN_NAMES: readonly string[] = Object.keys(FOREIGN);

/** Where the meaning of another server's option lives; `undefined` for an unknown name. */
export function adviceOn(name: string): string | undefined {
  return BY_PLAIN_NAME.get(plain(name))?.advice;
}

/** Whether another server's option asks for what is the case anyway. */
export function isHarmless(name: string, value: unknown): boolean {
  if (!Object.hasOwn(FOREIGN, name)) {
    return false;
  }
  // An empty list asks for nothing.
  const isEmpty = Array.isArray(value) && value.length === 0;
  return value === undefined || isEmpty || (FOREIGN[name]?.harmless ?? []).includes(value);
}

function called(
  ours: string,
  names: readonly string[],
  harmless: readonly unknown[] = [],
): Record<string, Foreign> {
  return each(names, { advice: `it is called "${ours}" here`, harmless });
}

function each(names: readonly string[], foreign: Foreign): Record<string, Foreign> {
  return Object.fromEntries(names.map((name) => [name, foreign]));
}
