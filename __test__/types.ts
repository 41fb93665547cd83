// Compiled, never run: the public types say yes and no where they should.

import {
  type BenchOptions,
  type BenchResult,
  bench,
  ERROR_CODES,
  type Handler,
  type HandlerInfo,
  Headers,
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
  routes,
};

export async function use(): Promise<void> {
  const server: Server = await serve(options);
  await serve();
  const port: number | undefined = server.port;
  const stats: Stats = server.stats();
  server.ref().unref().reload({ routes });
  await server.stop({ force: true });
  await using other = await serve();
  void [port, stats, other];

  const code: ReactorErrorCode = new ReactorError('ERR_REACTOR_START', 'x').code;
  const text: string = ERROR_CODES[code];
  void text;

  // @ts-expect-error: no such mode
  await serve({ accept: 'both' });
  // @ts-expect-error: no such option
  await serve({ prot: 1 });
  // @ts-expect-error: methods are in upper case
  await serve({ routes: { '/': { get: 'x' } } });
  // @ts-expect-error: a port is a number
  await serve({ port: '80' });
}

/** Fails to compile where the two are not the same type. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;

const parameters: [
  Same<Params<'/users/:id'>, { readonly id: string }>,
  Same<Params<'/:a/b/:c/*'>, { readonly a: string; readonly c: string; readonly '*': string }>,
  Same<Params<'/'>, { readonly [name in never]: string }>,
  Same<Params<string>, Readonly<Record<string, string>>>,
] = [true, true, true, true];

const greet: Handler = async (request: ServerRequest, info: HandlerInfo) => {
  const address: string | undefined = info.remoteAddress;
  const port: number | undefined = info.remotePort;
  const signal: AbortSignal = request.signal;
  const same: globalThis.Request = request;
  return new Response(`${address} ${port} ${signal.aborted} ${same.url} ${info.params.any}`);
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

  // @ts-expect-error: a handler answers with a Response
  await serve({ fetch: () => 'text' });
  // @ts-expect-error: a handler answers with a Response
  await serve({ routes: { '/': () => 5 } });
  // @ts-expect-error: no handler
  await serve({ fetch: 'text' });
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
  return result.latency.p99Ns + result.errors.timeout;
}
