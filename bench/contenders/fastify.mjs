// Fastify: `fastify.mjs PORT`.

import fastify from '../peers/node_modules/fastify/fastify.js';

const app = fastify();
app.get('/', (_request, reply) => reply.type('text/plain').send('Hello, World!'));
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) });
