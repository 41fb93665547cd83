/**
 * `http.createServer` over this engine: for Express, Fastify (through its `serverFactory`), Koa and
 * every other `(req, res)` handler.
 *
 * Requests and responses are Node's own `IncomingMessage` and `ServerResponse`; only their socket
 * is another. So they behave as in Node, to the codes of their errors and the order of their
 * events, except for what follows. Differences that a program might depend on give a warning once,
 * with the code `ERR_REACTOR_UNSUPPORTED`. The others are only documented here.
 *
 * Not there:
 *
 * - CONNECT: it is answered with 501, and `OPTIONS *` with 204, without a handler. A listener for
 *   'connect' gets a warning.
 * - `cluster` sharing one port.
 * - `writeContinue` does nothing: the engine itself sends `100 Continue`, at once, even if
 *   'checkContinue' has a listener. An `Expect` of another kind is answered with 417 and there is no
 *   'checkExpectation'.
 * - 'clientError': the engine answers malformed and late requests itself.
 *
 * Different:
 *
 * - Trailers (`addTrailers`) go over HTTP/1.1 only to a client that has sent `TE: trailers`. Interim
 *   responses (`writeEarlyHints`, `writeProcessing`) go to no client of HTTP/1.0.
 * - The socket of 'upgrade' is a Duplex with the members of a `net.Socket` that programs use, so
 *   `ws` and Socket.IO work unchanged. The third argument of the event is always empty: what follows
 *   the request comes from the socket. A request that has a body, asks to close, or comes behind
 *   others that are not answered is no upgrade.
 * - `req.socket` is no `net.Socket`. It has addresses, `destroy`, `end`, `setTimeout` and the
 *   events 'close', 'error' and 'timeout'. If the server has a listener for 'connection', it is the
 *   socket of that event, for all requests of the connection that do not overlap. Otherwise it
 *   belongs to one request, and the next has another. Ending or destroying it after its response
 *   closes the connection after its answers. `req.complete` may be true a moment earlier.
 * - `listen` in the same turn as `close` is possible as in Node, but 'close' comes also while the
 *   server listens again.
 * - A connection that the program brings (`server.emit('connection', socket)`) is served by Node's
 *   own parser.
 * - With `maxRequestsPerSocket` the connection ends with the 503.
 * - A request with more fields than `maxHeadersCount` is answered with 431; Node drops the excess
 *   fields.
 * - `listen({ fd })` listens on a copy of the descriptor, which itself stays open.
 * - `Date` is the engine's: `sendDate = false` and a date of the program have no effect. 204 and
 *   304 have no `Content-Length`. An answer to HEAD has the `Content-Length` that GET would have.
 *   If that is not known, it has `Transfer-Encoding: chunked`. A response from which the program
 *   has removed both `Content-Length` and `Transfer-Encoding` is chunked.
 * - A body whose length differs from its `Content-Length` is never sent as if it were complete. If
 *   nothing has been sent, the answer is a 500, else the connection is cut; in both cases stderr
 *   tells it. `strictContentLength` throws as in Node.
 * - These throw `ERR_REACTOR_INVALID_RESPONSE`: a `Transfer-Encoding` other than `chunked`, a
 *   `Content-Length` that is no number, and a name or value of more than 65535 bytes. A `writeHead`
 *   with 1xx throws `ERR_HTTP_INVALID_STATUS_CODE`.
 * - A request without a body that nobody listens to has no 'end' and 'close' events, which nobody
 *   would hear. Its state is that of a request that has ended.
 * - If the only listener for 'request' has objects `request` and `response`, made from the
 *   prototypes of Node's classes, as an application of Express has, these are the messages'
 *   prototypes from the start (from Node 24 on).
 * - `write` asks to wait from 256 KiB on, not from 16.
 * - A response that is finished before its request has arrived ends the connection. A program that
 *   still reads the request gets 'aborted' and ECONNRESET.
 * - Bodies have a limit of 4 GiB (`limits.body`), heads of 16 KiB and 2000 fields (`limits`,
 *   `maxHeaderSize`, `maxHeadersCount`). A peer that takes or sends nothing for 30 s is cut off
 *   (`timeouts`). An idle connection is kept for 75 s.
 *
 * @module
 */
import '../binding/notice.js';
import type http from 'node:http';
import {
  type Http2Listener,
  Http2SecureServer,
  type SecureHttp2ServerOptions,
} from './http2/server.js';
import type { ServerOptions } from './options.js';
import { SecureServer, type SecureServerOptions } from './secure-server.js';
import { Server } from './server.js';

export * as http2 from './http2/index.js';
export type { EngineOptions, ServerOptions } from './options.js';
export type { SecureOptions, SecureServerOptions } from './secure-server.js';
export { SecureServer, Server };

/**
 * A server for a `(req, res)` handler, as Node's `http.createServer` makes it.
 * Start it with `listen`.
 *
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`; for wrong values of Node's
 * options as Node throws.
 *
 * @example
 * import express from 'express';
 * import { createServer } from 'reactor-rs/node';
 *
 * const app = express();
 * app.get('/', (req, res) => res.send('Hello!'));
 * createServer(app).listen(3000);
 *
 * @example
 * const app = fastify({ serverFactory: (handler) => createServer(handler) });
 * await app.listen({ port: 3000 });
 */
export function createServer(listener?: http.RequestListener): Server;

/**
 * @param options the engine's options and those of `http.createServer`, see {@link ServerOptions};
 * with `cert` and `key` it is {@link createSecureServer}
 */
export function createServer<
  Request extends typeof http.IncomingMessage = typeof http.IncomingMessage,
  Response extends typeof http.ServerResponse<InstanceType<Request>> = typeof http.ServerResponse,
>(
  options: ServerOptions<Request, Response>,
  listener?: http.RequestListener<Request, Response>,
): Server;

export function createServer(
  first?: ServerOptions | http.RequestListener | null,
  second?: http.RequestListener,
): Server {
  if (typeof first === 'function') {
    return new Server({}, first);
  }
  const { cert, key } = (first ?? {}) as SecureServerOptions;
  if (cert !== undefined && key !== undefined) {
    return new SecureServer(first as SecureServerOptions, second);
  }
  return new Server(first ?? {}, second);
}

/**
 * A server with TLS for a `(req, res)` handler, as Node's `https.createServer` makes it. Its options
 * are those of {@link createServer}, and those of `tls` of `serve`: `cert`, `key`, `ca` and so on.
 * Files that are given as paths are watched.
 *
 * `addContext` and `SNICallback` take options in the place of secure contexts. Not there:
 * `pskCallback`, `ALPNCallback`, the events 'newSession', 'resumeSession', 'OCSPRequest',
 * 'keylog' and 'tlsClientError'. It is an instance of `http.Server`, not of `tls.Server`. A socket
 * has `encrypted`, `authorized`, `authorizationError`, `alpnProtocol`, `servername`,
 * `getPeerCertificate`, `getPeerX509Certificate`, `getCipher`, `getProtocol` and `isSessionReused`;
 * ask for the first of them before the response is complete.
 *
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`, `ERR_REACTOR_TLS`
 *
 * @example
 * createSecureServer({ cert: './cert.pem', key: './key.pem' }, app).listen(443);
 */
export function createSecureServer<
  Request extends typeof http.IncomingMessage = typeof http.IncomingMessage,
  Response extends typeof http.ServerResponse<InstanceType<Request>> = typeof http.ServerResponse,
>(
  options: SecureServerOptions<Request, Response> & { allowHTTP1?: never },
  listener?: http.RequestListener<Request, Response>,
): SecureServer;

/**
 * @param options with `allowHTTP1`, which only `http2.createSecureServer` has, it is that
 */
export function createSecureServer(
  options: SecureHttp2ServerOptions & { allowHTTP1: boolean },
  listener?: Http2Listener | http.RequestListener,
): Http2SecureServer;

export function createSecureServer(
  options: SecureServerOptions | SecureHttp2ServerOptions,
  listener?: unknown,
): SecureServer {
  return (options as SecureHttp2ServerOptions | undefined)?.allowHTTP1 === undefined
    ? new SecureServer(options as SecureServerOptions, listener as http.RequestListener)
    : new Http2SecureServer(options as SecureHttp2ServerOptions, listener as Http2Listener);
}
