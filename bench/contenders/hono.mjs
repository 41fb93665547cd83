// A Hono application, as `hono-node.mjs` and `reactor.mjs` serve it.

import { Hono } from '../peers/node_modules/hono/dist/index.js';

const app = new Hono();
app.get('/', (c) => c.text('Hello, World!'));
app.get('/json', (c) => c.json({ message: 'Hello, World!' }));

export default app;
