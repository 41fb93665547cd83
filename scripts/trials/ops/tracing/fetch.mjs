// Handlers that ask another server, in three ways: routes, Hono, and threads if this is a module.

import { trace } from '@opentelemetry/api';
import { Hono } from 'hono';

const { STOCK } = process.env;
const stock = async (id) => (await fetch(`${STOCK}/stock/${id}`)).json();

const hono = new Hono();
hono.use(async (c, next) => {
  await next();
  // Its router knows the route, which the engine does not.
  const span = trace.getActiveSpan();
  span?.updateName(`${c.req.method} ${c.req.routePath}`);
  span?.setAttribute('http.route', c.req.routePath);
});
hono.get('/hono/:id', async (c) => c.json(await stock(c.req.param('id'))));

const routes = {
  '/items/:id': async (request) => Response.json(await stock(request.params.id)),
  '/fails/:id': async () => {
    await stock(1);
    throw new RangeError('no such item');
  },
  '/stream/:id': async () =>
    new Response(
      (async function* () {
        yield Buffer.from('[');
        yield Buffer.from(`${JSON.stringify(await stock(2))}]`);
      })(),
    ),
};

export default { routes, fetch: hono.fetch };
