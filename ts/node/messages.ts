import diagnostics from 'node:diagnostics_channel';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Exchange } from '../lane/exchange.js';
import { RecentFields } from '../lane/recent-fields.js';
import { ASKS_TO_CLOSE, CLOSE } from '../lane/record.js';
import { rawTrailers } from '../lane/trailers.js';
import { headOf, takeApart } from './head.js';
import { dropConnectionFields, pseudoFields } from './http2/fields.js';
import {
  assignSocket,
  emitClose,
  finish,
  type NodeIncoming,
  type NodeOutgoing,
  storeHeader,
} from './internals.js';
import type { MessageOptions } from './message-options.js';
import type { ExchangeSocket } from './socket.js';
import { dump, endUnheard, isUntouched } from './unheard.js';

const onStart = diagnostics.channel('http.server.request.start');
const onResponseFinish = diagnostics.channel('http.server.response.finish');

const recent = new RecentFields();

/** The request of an exchange: Node's own class over an {@link ExchangeSocket}. */
export function makeRequest(
  exchange: Exchange,
  socket: ExchangeSocket,
  options: MessageOptions,
): NodeIncoming {
  const { requestTarget } = options;
  const connection = socket as unknown as Socket;
  const req = (
    requestTarget === null
      ? new options.IncomingMessage(connection)
      : Reflect.construct(options.IncomingMessage, [connection], requestTarget)
  ) as NodeIncoming;
  let fields = exchange.recentRawFields(recent);
  const { isHttp10, isHttp2 } = exchange;
  if (isHttp2) {
    const authority = fields[0] === 'host' ? fields[1] : undefined;
    fields = [...pseudoFields(exchange, authority), ...fields];
    if (exchange.incoming !== null && !exchange.hasField('content-length')) {
      // What was written for HTTP/1 looks there for a body.
      fields.push('transfer-encoding', 'chunked');
    }
  }
  req.httpVersionMajor = isHttp2 ? 2 : 1;
  req.httpVersionMinor = isHttp10 || isHttp2 ? 0 : 1;
  req.httpVersion = isHttp2 ? '2.0' : isHttp10 ? '1.0' : '1.1';
  req.joinDuplicateHeaders = options.joinDuplicateHeaders;
  req._addHeaderLines(fields, fields.length);
  req.method = exchange.method;
  req.url = exchange.target;
  req.upgrade = false;
  socket.request = req;
  return req;
}

/**
 * The response of an exchange: Node's own class, which checks and orders everything that a program
 * can observe.
 *
 * Two of its methods are replaced: the one that decides the head, and the one that is called at the
 * end. The replacements are on the object itself. So they survive when a framework changes the
 * object's prototype.
 */
export function makeResponse(
  req: NodeIncoming,
  socket: ExchangeSocket,
  options: MessageOptions,
): NodeOutgoing {
  const { rejectNonStandardBodyWrites, responseTarget } = options;
  const highWaterMark = socket.writableHighWaterMark;
  const how = { highWaterMark, rejectNonStandardBodyWrites };
  const res: NodeOutgoing =
    responseTarget === null
      ? new options.ServerResponse(req, how)
      : Reflect.construct(options.ServerResponse, [req, how], responseTarget);
  // The engine decides whether an HTTP/1.0 connection is kept.
  res.shouldKeepAlive = true;
  // For `Keep-Alive: timeout=N` in the head, as Node sends it.
  res._keepAliveTimeout = req.httpVersionMajor === 2 ? 0 : socket.server.keepAliveTimeout;
  if (options.uniqueHeaders !== null) {
    const [symbol, names] = options.uniqueHeaders;
    res[symbol] = names;
  }
  res._storeHeader = decideHead;
  res._finish = finishBody;
  if (socket.connection === null && res.assignSocket === assignSocket) {
    // The same without a listener for the socket's 'close': the socket tells its response itself.
    socket._httpMessage = res;
    (res as { socket: unknown }).socket = socket;
  } else {
    res.assignSocket(socket as unknown as Socket);
  }
  res.on('finish', afterFinish);
  return res;
}

/** Tells subscribers of Node's diagnostics channels, such as an APM. */
export function announceStart(req: NodeIncoming, res: NodeOutgoing, server: Server): void {
  if (onStart.hasSubscribers) {
    onStart.publish({ request: req, response: res, socket: req.socket, server });
  }
}

function decideHead(this: NodeOutgoing, statusLine: string, headers: unknown): void {
  storeHeader.call(this, statusLine, headers);
  const text = this._header as string;
  // From here on Node adds nothing more, neither the head nor the length of a chunk.
  this._headerSent = true;
  this.chunkedEncoding = false;
  const socket = this.socket as unknown as ExchangeSocket | null;
  if (socket === null) {
    return;
  }
  try {
    const head = headOf(this, statusLine, headers) ?? takeApart(text, headers);
    const { declared } = head;
    if (this.req.httpVersionMajor === 2) {
      dropConnectionFields(head.fields);
    }
    // `end` sets the length even if the head of the answer to HEAD does not tell it.
    const isKnown = declared < 0 && this.req.method === 'HEAD' && (this._contentLength ?? 0) > 0;
    const flags = this._last ? CLOSE : this.maxRequestsOnConnectionReached ? ASKS_TO_CLOSE : 0;
    if (isKnown) {
      head.declared = this._contentLength as number;
    }
    socket.setHead(finalStatus(this.statusCode), head, flags);
  } catch (error) {
    // The program can still answer with another response.
    this._header = null;
    this._headerSent = false;
    throw error;
  }
}

/** Refuses an interim status, with Node's `ERR_HTTP_INVALID_STATUS_CODE`. */
function finalStatus(status: number): number {
  if (status < 200) {
    throw Object.assign(new RangeError(`Invalid status code: ${status}`), {
      code: 'ERR_HTTP_INVALID_STATUS_CODE',
    });
  }
  return status;
}

function finishBody(this: NodeOutgoing): void {
  const socket = this.socket as unknown as ExchangeSocket;
  if (this._trailer !== '') {
    socket.setTrailers(rawTrailers(this._trailer));
  }
  socket.finishReply();
  finish.call(this);
}

/** The same as Node's server does on a response's 'finish', in the same order. */
function afterFinish(this: NodeOutgoing): void {
  const socket = this.socket as unknown as ExchangeSocket;
  const req = this.req as NodeIncoming;
  if (onResponseFinish.hasSubscribers) {
    const { server } = socket;
    onResponseFinish.publish({ request: req, response: this, socket, server });
  }
  const isQuiet = socket.hasNoBody && isUntouched(req);
  socket.release(isQuiet);
  if (!isQuiet && !req._consuming && !req._readableState.resumeScheduled) {
    dump(req);
  }
  this.detachSocket(socket as unknown as Socket);
  process.nextTick(close, this, isQuiet);
}

function close(res: NodeOutgoing, isQuiet: boolean): void {
  emitClose(res);
  if (isQuiet) {
    endUnheard(res.req as NodeIncoming);
  }
}
