import type http from 'node:http';
import type { ServerOptions } from './options.js';
import { Server } from './server.js';

export type { EngineOptions, ServerOptions } from './options.js';
export { Server };

export function createServer(listener?: http.RequestListener): Server;
export function createServer(options: ServerOptions, listener?: http.RequestListener): Server;
export function createServer(
  first?: ServerOptions | http.RequestListener | null,
  second?: http.RequestListener,
): Server {
  if (typeof first === 'function') {
    return new Server({}, first);
  }
  return new Server(first ?? {}, second);
}
