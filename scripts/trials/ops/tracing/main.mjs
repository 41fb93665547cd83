// Serves what FORM says, and prints where.

import { createRequire } from 'node:module';

const { FORM } = process.env;
const common = { hostname: '127.0.0.1', port: 0, gracefulShutdown: true };
const logged = { ...common, trace: true, accessLog: { file: process.env.LOG, format: 'json' } };

if (FORM === 'node') {
  // OpenTelemetry changes node:http once it is required.
  createRequire(import.meta.url)('node:http');
  const { createServer } = await import('reactor-rs/node');
  const server = createServer(async (request, response) => {
    const stock = await fetch(`${process.env.STOCK}/stock/${request.url.split('/').at(-1)}`);
    response.statusCode = request.url.startsWith('/fails') ? 500 : 200;
    response.end(await stock.text());
  });
  server.listen(0, '127.0.0.1', () => say(`http://127.0.0.1:${server.address().port}`));
  process.once('SIGTERM', () => server.close());
} else {
  const { serve } = await import('reactor-rs');
  const module = new URL('./fetch.mjs', import.meta.url);
  const handlers =
    FORM === 'threads' ? { module, jsThreads: 2 } : (await import('./fetch.mjs')).default;
  const stock = { routes: { '/stock/:id': () => Response.json(3) } };
  const server = await serve({ ...logged, ...(FORM === 'stock' ? stock : handlers) });
  say(server.url.replace(/\/$/, ''));
}

function say(url) {
  console.log(`listening on ${url}`);
}
