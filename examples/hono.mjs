// An application of Hono: `node examples/hono.mjs`

import { Hono } from 'hono';
import { logger } from 'hono/logger';
import { serve } from 'reactor-rs';

const app = new Hono();
app.use(logger((line) => console.error(line)));
app.get('/', (c) => c.text('Hello from Hono!'));
app.get('/users/:id', (c) => c.json({ id: c.req.param('id') }));
app.post('/users', async (c) => c.json({ created: await c.req.json() }, 201));

const server = await serve(app, {
  hostname: '127.0.0.1',
  port: process.env.PORT ?? 3000,
  gracefulShutdown: true,
});
console.log(`listening on ${server.url}`);
