// The fetch handler of a name: one of handlers.mjs, or Hono's.

import { database } from './content.mjs';
import { handlers } from './handlers.mjs';

/** @param databasePort where the handler asks a database */
export async function application(name, databasePort) {
  if (name === 'hono') {
    const { default: app } = await import('./hono.mjs');
    return app.fetch;
  }
  return handlers({ database: await database(databasePort) })[name];
}
