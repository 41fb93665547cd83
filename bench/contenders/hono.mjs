// A Hono application, as `hono-node.mjs` and `reactor.mjs` serve it.

import { Hono } from '../peers/node_modules/hono/dist/index.js';
import { list } from './content.mjs';

const app = new Hono();
app.get('/', (c) => c.text('Hello, World!'));
app.get('/list', (c) => c.json(list));
app.post('/items', async (c) => {
  const { items, name } = await c.req.json();
  return c.json({
    agent: c.req.header('user-agent'),
    trace: c.req.header('x-trace'),
    page: c.req.query('page'),
    items: items.length,
    name,
  });
});

export default app;
