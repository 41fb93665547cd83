// An Express application, for node.mjs.

import express from '../peers/node_modules/express/index.js';

export function expressApp() {
  const app = express();
  app.get('/', (_req, res) => res.type('text/plain').send('Hello, World!'));
  return app;
}
