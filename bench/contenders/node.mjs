// A (req, res) listener, Express or Fastify on node:http or on reactor-rs/node:
// `node.mjs PORT QUESTION http|face [CHECKOUT [DATABASE]]`.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { database } from './content.mjs';
import { isWebSocket, withWs } from './websockets.mjs';

const [port, question, kind, checkout = '.', databasePort] = process.argv.slice(2);
const { TLS_CERT, TLS_KEY } = process.env;
const createServer = await maker();

/** What makes a server of a listener: node:http's, node:https's or ours. */
async function maker() {
  if (TLS_CERT !== undefined) {
    const https = await import('node:https');
    const tls = { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) };
    return (listener) => https.createServer(tls, listener);
  }
  const module = kind === 'http' ? 'node:http' : resolve(checkout, 'dist/node/index.js');
  return (await import(kind === 'http' ? module : pathToFileURL(module))).createServer;
}

const server = await start();
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections?.();
});

async function start() {
  const address = [Number(port), '127.0.0.1'];
  if (question === 'fastify') {
    const { fastifyApp } = await import('./fastify.mjs');
    const app = fastifyApp({ serverFactory: (handler) => createServer(handler) });
    await app.ready();
    return app.server.listen(...address);
  }
  if (question === 'express') {
    const { expressApp } = await import('./express.mjs');
    return createServer(expressApp()).listen(...address);
  }
  if (isWebSocket(question)) {
    const server = createServer((_, res) => res.writeHead(400).end());
    await withWs(server, question);
    return server.listen(...address);
  }
  const { listeners } = await import('./listeners.mjs');
  const all = listeners({ database: await database(databasePort) });
  return createServer(all[question]).listen(...address);
}
