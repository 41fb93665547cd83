// A Fastify application, for node.mjs.

import fastify from '../peers/node_modules/fastify/fastify.js';
import { list } from './content.mjs';

export function fastifyApp(options) {
  const app = fastify(options);
  app.get('/', (_request, reply) => reply.type('text/plain').send('Hello, World!'));
  app.get('/list', () => list);
  app.post('/items', async ({ body, headers, query }) => ({
    agent: headers['user-agent'],
    trace: headers['x-trace'],
    page: query.page,
    items: body.items.length,
    name: body.name,
  }));
  return app;
}
