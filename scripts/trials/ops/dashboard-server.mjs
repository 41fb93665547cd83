// The server of the trial of the dashboard, on the ports that its arguments name. It sends its
// statistics to the process that asks.

import { serve } from '../../../dist/index.js';

const [port, metrics] = process.argv.slice(2).map(Number);
const server = await serve({
  hostname: '127.0.0.1',
  port,
  metrics,
  control: true,
  ioThreads: 2,
  workerThreads: 1,
  routes: {
    '/static': 'Hello!',
    '/slow': () => new Promise((resolve) => setTimeout(resolve, 5, new Response('slow'))),
    '/fail': () => new Response('no', { status: 500 }),
    '/missing': () => new Response('no', { status: 404 }),
  },
});
process.on('message', () => process.send({ stats: server.stats() }));
process.on('disconnect', () => process.exit());
process.send({ url: server.url.href, metricsUrl: server.metricsUrl });
