// Compiled, never run: the public types say yes and no where they should.

import type { AddressInfo } from 'node:net';

import {
  type BenchOptions,
  type BenchResult,
  bench,
  ERROR_CODES,
  type Handler,
  type HandlerInfo,
  Headers,
  type HttpProtocol,
  type LaneStats,
  type Params,
  type PeerAddress,
  ReactorError,
  type ReactorErrorCode,
  Request,
  Response,
  type Routes,
  type ServeOptions,
  type Server,
  type ServerRequest,
  type Stats,
  serve,
  type TlsInfo,
  type TlsOptions,
  type WebSocketOptions,
} from 'reactor-rs';

const routes: Routes = {
  '/': 'text',
  '/bytes': new Uint8Array(1),
  '/whole': { status: 201, headers: { a: 'b', c: ['d', 'e'] }, body: 'x' },
  '/methods': { GET: 'a', POST: { status: 204 } },
};

const options: ServeOptions = {
  port: 0,
  hostname: undefined,
  ioThreads: 'auto',
  workerThreads: 2,
  accept: 'per-loop',
  limits: { head: 1000 },
  timeouts: { keepAlive: 5 },
  maxInFlight: 10,
  requestTimeout: 1000,
  trustProxy: ['loopback', '10.0.0.0/8'],
  signal: AbortSignal.timeout(1000),
  routes,
};

const tls: TlsOptions = {
  cert: ['./cert.pem', new URL('file:///cert.pem'), new Uint8Array(1)],
  key: { pem: './key.pem', passphrase: 'secret' },
  ALPNProtocols: ['http/1.1'],
  minVersion: 'TLSv1.3',
};
const listening: ServeOptions = {
  tls,
  listen: [80, 'https://:443', { port: 80, redirectToTls: true }, { port: 443, tls: true }],
};
// @ts-expect-error there is no such version
const old: TlsOptions = { minVersion: 'TLSv1.1' };

export async function secured(): Promise<void> {
  const server = await serve({ ...listening, fetch: (_, { tls }) => new Response(tls?.cipher) });
  server.reload({ tls: true });
  server.reload({ tls: [tls, { ...tls, serverName: '*.example.com' }] });
  const expires: number | undefined = server.stats().tls.certificates[0]?.expires;
  const [first] = server.urls;
  const subject = (info: TlsInfo): string | undefined => info.peerCertificate?.subject;
  void [old, expires, first?.href, subject];
}

export async function use(): Promise<void> {
  const server: Server = await serve(options);
  await serve();
  const port: number | undefined = server.port;
  const stats: Stats = server.stats();
  server.ref().unref().reload({ routes });
  await server.stop({ force: true });
  await using other = await serve();
  const timedOut: number = stats.handlers.timedOut;
  void [port, timedOut, other];

  const threaded = await serve({
    module: new URL('app.mjs', import.meta.url),
    jsThreads: 'auto',
    onThreadError: (error: unknown, thread: number) => void [error, thread],
    resourceLimits: { maxOldGenerationSizeMb: 64 },
  });
  const reloaded: Promise<void> = threaded.reload({ module: './app.mjs' });
  await reloaded;
  // @ts-expect-error: a module brings its routes itself
  threaded.reload({ module: './app.mjs', routes });
  // @ts-expect-error: what reloads at once is no promise
  threaded.reload({ routes }).then();
  const [lane] = stats.lanes as [LaneStats];
  const thread: number | 'main' = lane.thread;
  const waited: number = lane.queueWait.p99Ns + lane.eventLoopLag.maxNs;
  // @ts-expect-error: no such state
  void (lane.state === 'dead');
  void [thread, waited];

  const code: ReactorErrorCode = new ReactorError('ERR_REACTOR_START', 'x').code;
  const text: string = ERROR_CODES[code];
  void text;

  // @ts-expect-error: no such mode
  await serve({ accept: 'both' });
  // @ts-expect-error: a controller is no signal
  await serve({ signal: new AbortController() });
  for (const trustProxy of [true, 2, 'private', ['::1']] as const) {
    await serve({ trustProxy });
  }
  // @ts-expect-error: neither addresses nor a number
  await serve({ trustProxy: [1] });
  // @ts-expect-error: no such option
  await serve({ prot: 1 });
  // @ts-expect-error: methods are in upper case
  await serve({ routes: { '/': { get: 'x' } } });
  // What environment variables have is text.
  await serve({ port: process.env.PORT });
  // @ts-expect-error: a port is a number or text
  await serve({ port: true });
}

/** Fails to compile where the two are not the same type. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;

const parameters: [
  Same<Params<'/users/:id'>, { readonly id: string }>,
  Same<Params<'/:a/b/:c/*'>, { readonly a: string; readonly c: string; readonly '*': string }>,
  Same<Params<'/'>, { readonly [name in never]: string }>,
  Same<Params<string>, Readonly<Record<string, string>>>,
  Same<Params<'/a/:id/b/:name'>, { readonly id: string; readonly name: string }>,
  Same<Params<'/files/*'>, { readonly '*': string }>,
  Same<Params<'/static/path'>, { readonly [name in never]: string }>,
  // Only a whole segment is a parameter.
  Same<Params<'/a:b/x*'>, { readonly [name in never]: string }>,
  Same<Params<'/:a' | '/:b'>['a' & 'b'], never>,
] = [true, true, true, true, true, true, true, true, true];

const greet: Handler = async (request: ServerRequest, info: HandlerInfo) => {
  const address: string | undefined = info.remoteAddress;
  const port: number | undefined = info.remotePort;
  const id: string = info.requestId;
  const protocol: HttpProtocol = info.protocol;
  const signal: AbortSignal = request.signal;
  const same: globalThis.Request = request;
  return new Response(
    `${id} ${protocol} ${address} ${port} ${signal.aborted} ${same.url} ${info.params.any}`,
  );
};

export async function handle(): Promise<void> {
  void parameters;
  const server = await serve({
    fetch: greet,
    error: (error: unknown, request) => new Response(`${error} at ${request.url}`, { status: 500 }),
    globals: false,
    routes: {
      '/': 'text',
      '/users/:id': (request, info) => {
        const id: string = request.params.id;
        const other: string = info.params.id;
        // @ts-expect-error: the pattern has no such parameter
        request.params.name;
        return Response.json({ id, other });
      },
      '/users/:id/files/*': {
        GET: (request) => new Response(request.params.id + request.params['*']),
        // @ts-expect-error: the pattern has no such parameter
        PUT: async (_request, info) => new Response(info.params.name),
        DELETE: { status: 204 },
      },
    },
  });
  server.reload({ fetch: greet, routes: { '/:name': ({ params }) => new Response(params.name) } });
  const peer: PeerAddress | null = server.requestIP(new Request('http://localhost/'));
  const headers: globalThis.Headers = new Headers({ a: 'b' });
  void [peer, headers];

  await serve(greet);
  await serve(greet, { port: 0 });
  await serve({ fetch: () => new globalThis.Response('genuine') }, { port: 0 });
  await serve({ fetch: (request: globalThis.Request) => globalThis.fetch(request) });
  class Application {
    fetch(request: globalThis.Request, ..._rest: unknown[]): Promise<globalThis.Response> {
      return globalThis.fetch(request);
    }
  }
  await serve(new Application(), { port: 0 });

  // @ts-expect-error: without a pattern there are no parameters
  await serve({ fetch: ({ params }) => new Response(params.id) });
  // @ts-expect-error: without a pattern there are no parameters
  await serve((_request, info) => new Response(info.params.id));
  // @ts-expect-error: without a pattern there are no parameters
  server.reload({ fetch: ({ params }) => new Response(params.id) });

  // @ts-expect-error: a handler answers with a Response
  await serve({ fetch: () => 'text' });
  // @ts-expect-error: a handler answers with a Response
  await serve({ routes: { '/': () => 5 } });
  // @ts-expect-error: no handler
  await serve({ fetch: 'text' });
}

export async function routesByPath(): Promise<void> {
  await using server = await serve({
    routes: {
      '/a/:id/b/:name': ({ params }, info) => {
        const both: { readonly id: string; readonly name: string } = params;
        const same: { readonly id: string; readonly name: string } = info.params;
        // @ts-expect-error: parameters are read, not written
        params.id = 'x';
        // @ts-expect-error: no wildcard in the pattern
        params['*'];
        return Response.json({ both, same });
      },
      '/files/:kind/*': {
        GET: ({ params }) => new Response(params.kind + params['*']),
        HEAD: { status: 200 },
        'M-SEARCH': async ({ params }) => new Response(params.kind),
        // @ts-expect-error: the pattern has no such parameter
        POST: ({ params }) => new Response(params.name),
      },
      '/none': (request) => {
        // @ts-expect-error: the pattern has no parameters
        request.params.id;
        return new Response();
      },
    },
  });
  server.reload({
    routes: {
      '/:id': { GET: ({ params }) => new Response(params.id) },
      // @ts-expect-error: the pattern has no such parameter
      '/:other': ({ params }) => new Response(params.id),
    },
  });
  server.reload();
  server.reload({ fetch: () => new Response() });
  // @ts-expect-error: options of serve are not options of reload
  server.reload({ port: 1 });
  // @ts-expect-error: an error handler cannot be replaced
  server.reload({ error: () => new Response() });

  const peer = server.requestIP(new globalThis.Request('http://localhost/'));
  // @ts-expect-error: there may be no address
  peer.address;
  const family: 'IPv4' | 'IPv6' | undefined = peer?.family;
  const port: number | undefined = peer?.port;
  // @ts-expect-error: an address is not a request
  server.requestIP('127.0.0.1');
  void [family, port];

  // @ts-expect-error: a port may be missing
  const wrong: number = server.port;
  void wrong;
  // @ts-expect-error: what a server is cannot be set
  server.port = 1;
  const done: Promise<void> = server.stop();
  const disposed: Promise<void> = server[Symbol.asyncDispose]();
  // @ts-expect-error: no such option
  await server.stop({ forced: true });
  await Promise.all([done, disposed]);
}

export async function overloads(): Promise<void> {
  const one: Server = await serve({ port: 0, fetch: () => new Response() });
  const two: Server = await serve((request) => new Response(request.url), { port: 0 });
  const application = { fetch: () => new Response(), other: 1 };
  const three: Server = await serve(application, { unix: '/x' });
  const four: Server = await serve(async (request, { remoteAddress }) => {
    const { url, signal }: { url: string; signal: AbortSignal } = request;
    return Response.json({ url, aborted: signal.aborted, remoteAddress: remoteAddress ?? null });
  });
  void [one, two, three, four];
  // @ts-expect-error: a number is neither handler nor options
  await serve(8080);
  // @ts-expect-error: an application has `fetch`
  await serve({ handle: () => new Response() }, { port: 0 });
  // @ts-expect-error: a promise of text is no response
  await serve(async () => 'text', { port: 0 });
  // @ts-expect-error: a handler answers
  await serve(() => {});
  // @ts-expect-error: a promise, not a server
  serve().port;
}

export const wrongOptions: ServeOptions[] = [
  // @ts-expect-error: a number or 'auto'
  { ioThreads: 'many' },
  // @ts-expect-error: a number or 'auto'
  { workerThreads: true },
  // @ts-expect-error: true or false
  { globals: 'no' },
  // @ts-expect-error: no such limit
  { limits: { url: 5 } },
  // @ts-expect-error: milliseconds, not text
  { timeouts: { drain: '5s' } },
  // @ts-expect-error: a status is a number
  { routes: { '/': { status: '200' } } },
  // @ts-expect-error: a header is text or texts
  { routes: { '/': { headers: { a: 1 } } } },
  // @ts-expect-error: a body is text or bytes
  { routes: { '/': { body: {} } } },
  // @ts-expect-error: an error handler answers with a Response
  { error: () => 'sorry' },
];

export function errorsAndCodes(error: unknown): string {
  if (error instanceof ReactorError) {
    // @ts-expect-error: no such code
    if (error.code === 'ERR_OTHER') {
      return '';
    }
    return ERROR_CODES[error.code];
  }
  // @ts-expect-error: not one of the codes
  return new ReactorError('ERR_OTHER', 'x').message;
}

const load: BenchOptions = {
  connections: 8,
  rate: 1000,
  headers: { accept: 'text/plain', 'x-list': ['a', 'b'] },
  body: new Uint8Array(1),
  signal: AbortSignal.timeout(1000),
  onProgress: ({ requests, latency }) => void (requests + latency.p99Ns),
};

export async function useBench(): Promise<number> {
  const result: BenchResult = await bench(new URL('http://localhost'), load);
  await bench('http://localhost');
  const late: number | undefined = result.openLoop?.sendDelay.p99Ns;
  void late;
  // @ts-expect-error: no such option
  await bench('http://localhost', { treads: 1 });
  // @ts-expect-error: a time is a number of milliseconds
  await bench('http://localhost', { duration: '10s' });
  const webSocket = { size: 100, binary: true, compress: true, subscribers: 10 };
  const cast = await bench('wss://localhost', { rate: 10, webSocket });
  void (cast.settings.webSocket?.subscribers satisfies number | null | undefined);
  return result.latency.p99Ns + result.errors.timeout;
}

export async function conventions(): Promise<void> {
  const fetch = () => new Response('x');
  await serve({ fetch, port: 3000 }, (info) => void info.port);
  await serve(fetch, 3000);
  await serve(fetch, '3000', ({ address, family }) => void [address, family]);
  await serve(fetch, (info) => void info.hostname);
  await serve({ fetch }, { port: 0 }, () => {});
  await serve({ port: 3000, onListen: ({ transport }) => void transport }, fetch);
  await serve({
    handler: (_request, info, context) => {
      context.waitUntil(Promise.resolve());
      return new Response(info.remoteAddr.hostname);
    },
    host: '127.0.0.1',
    onError: () => new Response('x'),
    idleTimeout: 10,
    maxRequestBodySize: 5,
    static: { '/': new Response('x') },
    overrideGlobalObjects: false,
    gracefulShutdown: { gracefulTimeout: 5 },
  });
  await serve({
    routes: {
      '/': new globalThis.Response('x'),
      '/blob': new Blob(['x']),
      '/no': false,
      '/methods': { GET: new Response('x'), POST: false, PUT: new Blob([]) },
      '*': 'text',
    },
  });
  await serve((request, info) => {
    request.ip = info.remoteAddress;
    request.waitUntil(Promise.resolve());
    return new Response(info.requestIP(request)?.address ?? request.ip);
  });
  await serve({
    fetch(request, bun) {
      if (bun.upgrade(request, { data: { user: 'Ada' }, headers: { 'x-a': 'b' } })) {
        return;
      }
      return new Response(`${bun.subscriberCount('a')}`);
    },
    websocket: {
      data: {} as { user: string },
      idleTimeout: 60,
      open(socket) {
        socket.subscribe(socket.data.user.toUpperCase());
        // @ts-expect-error: data has no such member
        socket.data.name;
      },
      message(socket, message) {
        const sent: number = socket.send(typeof message === 'string' ? message : message.buffer);
        socket.publish('room', message, { latest: sent > 0 });
      },
      async close(socket, code, reason) {
        socket.data = { user: `${code} ${reason}` };
      },
    },
  });
  const typed: WebSocketOptions<number> = { message: (socket) => void socket.data.toFixed() };
  await serve({
    fetch: (request, info) => (info.upgrade(request) ? undefined : fetch()),
    websocket: typed,
  });
  await serve(async (request, info) => {
    const socket = info.acceptWebSocket(request);
    for await (const message of socket) {
      await socket.send(message);
    }
    const { code } = await socket.closed;
    void code.toFixed();
    return undefined;
  });
  // A handler of Workers takes the second for its environment.
  await serve({ fetch: (_request: globalThis.Request, _env: unknown, _ctx: object) => fetch() });

  const server = await serve({ fetch });
  const url: URL = server.url;
  const sum: string = `${server.url}${server.url.slice(0, -1)}${url.port}`;
  // @ts-expect-error: a URL is no string
  const text: string = server.url;
  const finished: Promise<void> = server.finished;
  const pending: number = server.pendingRequests;
  await server.stop(true);
  await server.close();
  server.close((error?: Error) => void error);
  await server.shutdown();
  server.closeIdleConnections();
  const address: AddressInfo | string | null = server.address();
  const answer: globalThis.Response = await server.fetch('/x', { method: 'POST' });
  await server.fetch(new globalThis.Request(server.url));
  void [sum, text, finished, pending, address, answer];

  // @ts-expect-error: a callback is a function
  await serve({ fetch }, 'callback', 5);
  // @ts-expect-error: true is no route
  await serve({ routes: { '/': true } });
  // @ts-expect-error: a promise is no route
  await serve({ routes: { '/': Promise.resolve(new Response()) } });
  // @ts-expect-error: what Bun's idleTimeout is in is a number
  await serve({ idleTimeout: '10s' });
}
