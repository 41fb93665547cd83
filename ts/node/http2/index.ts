/**
 * `node:http2` over this engine: `createServer` and `createSecureServer` are this package's, all else
 * is Node's. Requests and responses are Node's own `Http2ServerRequest` and `Http2ServerResponse`;
 * only their stream is another.
 *
 * Different:
 *
 * - To an application of Express, whose messages can only be those of HTTP/1, requests of HTTP/2 come
 *   as an `IncomingMessage` and a `ServerResponse`, with `httpVersion` '2.0' and the pseudo fields. On
 *   Node's own server Express fails.
 * - `req.headers` has `:authority` even if the client sent `host`. `rawHeaders` has the pseudo
 *   fields in an order of its own, and cookies joined.
 * - `Date` is the engine's. A response that is complete at once has a `content-length`. A body of
 *   another length than its `content-length` is not sent as if it were complete. A value that HTTP
 *   forbids throws `ERR_INVALID_CHAR`; Node sends it.
 * - No push: `pushAllowed` is false.
 * - Streams for WebSockets (`settings.enableConnectProtocol`, RFC 8441) come to 'upgrade', where a
 *   `WebSocketServer` of `reactor-rs/ws` takes them. Without a listener they are answered with 405.
 * - The code of a reset is not passed on: `rstCode` of a stream that the client resets is `CANCEL`.
 * - A response that is finished before its request has arrived ends the stream. A program that still
 *   reads the request gets 'aborted'.
 * - A session has its streams, `close`, `destroy`, `setTimeout`, its addresses and what TLS says. It
 *   does not ping and changes no settings; `remoteSettings` are the protocol's defaults.
 * - Clients may open 100 streams at once (`settings.maxConcurrentStreams`); in Node there is no limit.
 *   An idle connection is kept for 75 s.
 * - No 'unknownProtocol', 'priority' and 'sessionError': the engine closes connections that break the
 *   protocol.
 *
 * @module
 */
import type { RequestListener } from 'node:http';
import type { Http2SecureServer as NodeSecureServer, Http2Server as NodeServer } from 'node:http2';
import type { Http2ServerOptions } from './options.js';
import {
  type Http2Listener,
  Http2SecureServer,
  Http2Server,
  type SecureHttp2ServerOptions,
} from './server.js';

export {
  connect,
  constants,
  getDefaultSettings,
  getPackedSettings,
  getUnpackedSettings,
  Http2ServerRequest,
  Http2ServerResponse,
  sensitiveHeaders,
} from 'node:http2';
export type { Http2ServerOptions } from './options.js';
export type { Http2Listener, SecureHttp2ServerOptions } from './server.js';
export { Http2SecureServer, Http2Server } from './server.js';

/**
 * A server of HTTP/2 in clear (h2c, by prior knowledge), as Node's `http2.createServer` makes it. It
 * is an {@link Http2Server}, whose type is Node's.
 *
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`
 */
export function createServer(listener?: Http2Listener): NodeServer;
export function createServer(options: Http2ServerOptions, listener?: Http2Listener): NodeServer;
/** @param listener one that was written for HTTP/1.1, such as an application of Express */
export function createServer(listener: RequestListener): NodeServer;
export function createServer(options: Http2ServerOptions, listener: RequestListener): NodeServer;
export function createServer(first?: unknown, second?: unknown): NodeServer {
  const isListener = typeof first === 'function';
  const options = (isListener ? {} : (first ?? {})) as Http2ServerOptions;
  const listener = (isListener ? first : second) as Http2Listener | undefined;
  return new Http2Server(options, listener) as unknown as NodeServer;
}

/**
 * A server of HTTP/2 with TLS, as Node's `http2.createSecureServer` makes it. With `allowHTTP1: true`
 * clients that know only HTTP/1.1 get that. It is an {@link Http2SecureServer}, whose type is Node's.
 *
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`, `ERR_REACTOR_TLS`
 *
 * @example
 * const options = { cert: './cert.pem', key: './key.pem', allowHTTP1: true };
 * http2.createSecureServer(options, (req, res) => res.end('Hello!')).listen(443);
 */
export function createSecureServer(
  options: SecureHttp2ServerOptions,
  listener?: Http2Listener,
): NodeSecureServer;
/** @param listener one that was written for HTTP/1.1, such as an application of Express */
export function createSecureServer(
  options: SecureHttp2ServerOptions,
  listener: RequestListener,
): NodeSecureServer;
export function createSecureServer(
  options: SecureHttp2ServerOptions,
  listener?: unknown,
): NodeSecureServer {
  const server = new Http2SecureServer(options ?? {}, listener as Http2Listener | undefined);
  return server as unknown as NodeSecureServer;
}
