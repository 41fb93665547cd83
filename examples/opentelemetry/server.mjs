// A shop that asks another server, in one trace: see tracing.mjs.

import { serve } from 'reactor-rs';

const STOCK = process.env.STOCK ?? 'http://localhost:8081';

const server = await serve({
  port: Number(process.env.PORT ?? 8080),
  trace: true,
  accessLog: { file: '-', format: 'json' },
  gracefulShutdown: true,
  routes: {
    '/items/:id': async (request) => {
      const stock = await fetch(`${STOCK}/stock/${request.params.id}`);
      return Response.json({ id: request.params.id, left: await stock.json() });
    },
    '/stock/:id': () => Response.json(3),
  },
});
console.error(`listening on ${server.url}`);
