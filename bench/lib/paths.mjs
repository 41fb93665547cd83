// Where things are. Everything runs with the repository's top as its working
// directory, so that recorded commands are relative and can be repeated anywhere.

import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const top = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const results = 'bench/results';
export const control = 'target/bench/control';
export const idleClient = 'target/bench/idle_client';
export const idleClientWebSocket = 'bench/tools/idle_websocket.mjs';
export const idleClientHttp2 = 'bench/tools/idle_http2.mjs';
export const idleClientTls = 'bench/tools/idle_tls.mjs';
export const drainClient = 'target/bench/drain_client';
export const slowReaders = 'target/bench/slow_readers';
export const wrkScript = 'bench/wrk.lua';
export const shortClient = 'target/bench/short_client';
export const filesClient = 'target/bench/files_client';
export const sseClient = 'target/bench/sse_client';
/** Files with the bytes of requests, made when they are wanted. */
export const requests = 'target/bench/requests';

process.chdir(top);
