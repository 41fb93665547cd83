// `http2` of reactor-rs/node as TypeScript programs use it.

import type http from 'node:http';
import type nodes from 'node:http2';
import fastify from 'fastify';
import { createSecureServer, http2 } from 'reactor-rs/node';

/** An application of Express. */
declare const express: http.RequestListener;
/** The callback of Koa. */
declare const koa: (
  req: http.IncomingMessage | nodes.Http2ServerRequest,
  res: http.ServerResponse | nodes.Http2ServerResponse,
) => Promise<void>;

const options = { cert: 'cert.pem', key: 'key.pem', allowHTTP1: true };

http2.createServer((req, res) => {
  const authority: string = req.authority;
  res.setHeader('x-authority', authority);
  res.stream.respond({ ':status': 200 });
  res.end(req.headers[':path'] ?? '');
});
http2.createServer({ settings: { maxConcurrentStreams: 10 }, ioThreads: 2 });
http2.createSecureServer(options, express);
http2.createSecureServer(options, koa);
createSecureServer({ cert: 'cert.pem', key: 'key.pem', allowHTTP1: true }, express).listen(443);
fastify({
  http2: true,
  serverFactory: (handler) => http2.createServer(handler),
});

const server: nodes.Http2SecureServer = http2.createSecureServer(options);
server.on('stream', (stream, headers) => {
  stream.respond({ 'x-path': headers[':path'] });
  stream.end();
});
http2.createServer().on('stream', (stream, headers, flags) => {
  const pushAllowed: boolean = stream.pushAllowed;
  stream.end(`${pushAllowed} ${headers[':path']} ${flags}`);
});
http2.connect('https://localhost', { ca: 'ca' }).close();
const cancel: number = http2.constants.NGHTTP2_CANCEL;
http2.getDefaultSettings().maxConcurrentStreams = cancel;
