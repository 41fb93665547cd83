import http from 'node:http';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { NativeServer } from '../binding/binding.js';
import { Request as AnyRequest } from '../fetch/globals.js';
import { ReactorResponse } from '../fetch/response.js';

/** Fields that the new connection sets itself. */
const OF_CONNECTION: readonly string[] = [
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
];

/** Statuses whose responses have no body in the standard's `Response`. */
const BODILESS: readonly number[] = [101, 103, 204, 205, 304];

/**
 * Sends a request to a server of this process over a private pair of sockets, past its listener. It
 * is answered as a client's would be: by routes, handlers on any thread, limits and error handlers.
 */
export async function askInProcess(
  native: NativeServer,
  base: string,
  input: string | URL | Request,
  init: RequestInit | undefined,
): Promise<Response> {
  const isText = typeof input === 'string' || input instanceof URL;
  const request = new AnyRequest(isText ? new URL(input, base) : input, init);
  request.signal.throwIfAborted();
  const url = new URL(request.url);
  // Sent in one piece, so that its length is known, as it is for nearly every request of `fetch`.
  const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer());
  const headers: Record<string, string | string[]> = { host: url.host };
  for (const [name, value] of request.headers) {
    if (!OF_CONNECTION.includes(name)) {
      headers[name] = value;
    }
  }
  if (body !== undefined) {
    headers['content-length'] = String(body.length);
  }
  return new Promise((resolve, reject) => {
    const { method, signal } = request;
    const asked = http.request({
      method,
      path: url.pathname + url.search,
      headers,
      signal,
      createConnection: () => new Socket({ fd: native.connect(), readable: true, writable: true }),
    });
    asked.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    asked.on('response', (answer) => resolve(responseOf(answer, method)));
    asked.end(body);
  });
}

function responseOf(answer: http.IncomingMessage, method: string): Response {
  const { statusCode: status = 0, statusMessage: statusText, rawHeaders } = answer;
  const headers: [string, string][] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!/^(?:connection|keep-alive|transfer-encoding)$/i.test(name)) {
      headers.push([name, rawHeaders[i + 1] as string]);
    }
  }
  const hasBody = method !== 'HEAD' && !BODILESS.includes(status);
  const body = hasBody ? (Readable.toWeb(answer) as unknown as ReadableStream) : null;
  if (!hasBody) {
    answer.resume();
  }
  return new ReactorResponse(body as ConstructorParameters<typeof ReactorResponse>[0], {
    status,
    statusText,
    headers,
  }) as unknown as Response;
}
