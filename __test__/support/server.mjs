import { serve } from 'reactor-rs';

/** A server on a free port with few threads, stopped after the test. */
export async function start(t, options = {}) {
  const address = options.unix === undefined ? { port: 0, hostname: '127.0.0.1' } : {};
  const server = await serve({ ...address, ioThreads: 1, workerThreads: 1, ...options });
  t.teardown(() => server.stop({ force: true }));
  return server;
}
