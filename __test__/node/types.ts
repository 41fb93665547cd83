// Compiled, never run: the types of reactor-rs/node say yes and no where they should.

import http from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { createServer, type EngineOptions, type Server, type ServerOptions } from 'reactor-rs/node';

class Incoming extends http.IncomingMessage {
  user = 'nobody';
}

export async function use(): Promise<void> {
  const engine: EngineOptions = { ioThreads: 2, limits: { body: 10 }, timeouts: { drain: 5 } };
  const options: ServerOptions = { ...engine, maxHeaderSize: 1000, keepAliveTimeout: 5 };
  const server: Server = createServer(options, (req, res) => {
    const address: string | undefined = req.socket.remoteAddress;
    res.writeHead(200, { 'x-a': 'b' }).end(address);
  });
  const same: http.Server = server;
  const address: AddressInfo | string | null = server.listen(0).address();
  server.listen({ port: 0, host: '127.0.0.1' }, () => {}).on('request', (req) => req.url);
  server.listen(0, '127.0.0.1', 5, () => {}).listen('/run/app.sock', () => {});
  // @ts-expect-error: no host is a boolean
  server.listen(0, true);
  // @ts-expect-error: no such option
  server.listen({ prot: 80 });
  // @ts-expect-error: a listener gets nothing
  server.listen(0, (port: number) => port);
  server.close((error?: Error) => error).closeAllConnections();
  void [same, address];

  createServer();
  createServer((_req, res) => res.end());
  createServer({ IncomingMessage: Incoming }, (req, res) => res.end(req.user));
  Fastify({ serverFactory: (handler) => createServer(handler) });

  // @ts-expect-error: the engine has no such mode
  createServer({ accept: 'both' });
  // @ts-expect-error: a server has a handler, not routes
  createServer({ routes: {} });
  // @ts-expect-error: the port is for listen
  createServer({ port: 80 });
  // @ts-expect-error: no handler
  createServer('text');
}
