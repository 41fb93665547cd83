// A (req, res) listener, Express or Fastify on node:http or on reactor-rs/node:
// `node.mjs PORT QUESTION http|face|compat [CHECKOUT [DATABASE]]`. With HTTP2=1 it is node:http2: for
// `http` its streams, for `compat` a (req, res) listener.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { database } from './content.mjs';
import { isWebSocket, withWs } from './websockets.mjs';

const [port, question, kind, checkout = '.', databasePort] = process.argv.slice(2);
const { TLS_CERT, TLS_KEY, HTTP2 } = process.env;
const createServer = await maker();

/** What makes a server of a listener: that of node:http, node:https, node:http2 or ours. */
async function maker() {
  const tls = TLS_CERT && { cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) };
  if (HTTP2 === '1') {
    const http2 = await import('node:http2');
    return (listener) =>
      tls ? http2.createSecureServer(tls, listener) : http2.createServer(listener);
  }
  if (tls) {
    const https = await import('node:https');
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
  if (HTTP2 === '1' && kind === 'http') {
    const { streams } = await import('./http2-streams.mjs');
    return createServer()
      .on('stream', streams[question])
      .listen(...address);
  }
  const { listeners } = await import('./listeners.mjs');
  const all = listeners({ database: await database(databasePort) });
  return createServer(all[question]).listen(...address);
}
