import type { EventEmitter } from 'node:events';
import type {
  Http2ServerRequest,
  Http2ServerResponse,
  ServerHttp2Stream as NodeStream,
} from 'node:http2';
import type { Fields } from './fields.js';
import type { ServerHttp2Stream } from './stream.js';

/** The classes of `(req, res)`. */
export interface MessageClasses {
  readonly Http2ServerRequest: typeof Http2ServerRequest;
  readonly Http2ServerResponse: typeof Http2ServerResponse;
}

/** A request that the program gets as `(req, res)`. Node's own classes do the rest. */
export function takeRequest(
  server: EventEmitter,
  classes: MessageClasses,
  stream: ServerHttp2Stream,
  fields: Fields,
  raw: readonly string[],
): void {
  const nodeStream = stream as unknown as NodeStream;
  const req = new classes.Http2ServerRequest(
    nodeStream,
    fields as never,
    undefined as never,
    raw as readonly string[],
  );
  const res = new classes.Http2ServerResponse(nodeStream);
  if (fields[':method'] === 'CONNECT') {
    if (!server.emit('connect', req, res)) {
      res.statusCode = 405;
      res.end();
    }
    return;
  }
  const { expect } = fields;
  if (expect === '100-continue' && server.listenerCount('checkContinue') > 0) {
    server.emit('checkContinue', req, res);
    return;
  }
  if (expect !== undefined && expect !== '100-continue') {
    if (server.listenerCount('checkExpectation') > 0) {
      server.emit('checkExpectation', req, res);
    } else {
      res.statusCode = 417;
      res.end();
    }
    return;
  }
  server.emit('request', req, res);
}
