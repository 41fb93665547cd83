// Hono as a module of `reactor-rs serve`: a greeting, with a middleware.

import { Hono } from 'hono';

const app = new Hono();
app.use(async (_, next) => {
  await next();
});
app.get('/', (c) => c.text('Hello, World!'));

export default app;
