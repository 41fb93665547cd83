// Compiled, never run: the public types say yes and no where they should.

import {
  ERROR_CODES,
  ReactorError,
  type ReactorErrorCode,
  type Routes,
  type ServeOptions,
  type Server,
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
