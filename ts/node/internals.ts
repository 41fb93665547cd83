import { IncomingMessage, OutgoingMessage, ServerResponse } from 'node:http';
import { ReactorError } from '../errors/errors.js';

/**
 * Undocumented members of Node's classes that this adapter needs. All of them are much older than
 * Node 20. If a later Node lacks one, loading this file fails, so that no response goes wrong.
 */
export interface NodeOutgoing extends ServerResponse {
  /** The head as text. Once it is set, the head cannot be changed. */
  _header: string | null;
  /** If false, the first write sends `_header` before its data. */
  _headerSent: boolean;
  /** The connection closes after this response. */
  _last: boolean;
  /** The client is asked to close the connection, because of `maxRequestsPerSocket`. */
  maxRequestsOnConnectionReached: boolean;
  /** False for HEAD and for statuses without a body. */
  _hasBody: boolean;
  /** The length of the body according to `end` or a field. */
  _contentLength: number | null;
  /** Milliseconds for `Keep-Alive: timeout=N` in the head; 0 for none. */
  _keepAliveTimeout: number;
  /** The argument of `addTrailers`. */
  _trailer: string;
  _sent100: boolean;
  _closed: boolean;
  /** Makes `_header` from the status line and the fields, and decides the framing. */
  _storeHeader(statusLine: string, headers: unknown): void;
  /** Called by `end` once everything has been written. */
  _finish(): void;
  [key: symbol]: unknown;
}

/** The same for requests. */
export interface NodeIncoming extends IncomingMessage {
  joinDuplicateHeaders: boolean;
  upgrade: boolean;
  /** Whether the program has begun to read it. */
  _consuming: boolean;
  /** Whether the request will not be read. */
  _dumped: boolean;
  /** Listeners of all events. */
  readonly _eventsCount: number;
  readonly _readableState: {
    readonly resumeScheduled: boolean;
    readingMore: boolean;
    ended: boolean;
    endEmitted: boolean;
    destroyed: boolean;
    closed: boolean;
    closeEmitted: boolean;
  };
  /** Sets `rawHeaders`, and the source of `headers`. */
  _addHeaderLines(lines: readonly string[], count: number): void;
  _dump(): void;
}

const sample = new ServerResponse(new IncomingMessage(null as never)) as NodeOutgoing;

/** Set by a `write` that returns false, and reset by the emitter of 'drain'. */
export const needDrain: symbol = symbolOf(sample, 'kNeedDrain');

/** What `setHeader` has stored: names as spelled and values, by lower-case name. */
export const outHeaders: symbol = symbolOf(sample, 'kOutHeaders');

for (const [owner, name] of [
  [OutgoingMessage.prototype, '_storeHeader'],
  [OutgoingMessage.prototype, '_send'],
  [ServerResponse.prototype, '_finish'],
  [ServerResponse.prototype, 'assignSocket'],
  [ServerResponse.prototype, 'detachSocket'],
  [IncomingMessage.prototype, '_addHeaderLines'],
  [IncomingMessage.prototype, '_dump'],
] as const) {
  if (typeof (owner as unknown as Record<string, unknown>)[name] !== 'function') {
    throw missing(name);
  }
}

/** Node's own methods, for the replacements that call them. */
export const { _storeHeader: storeHeader } = OutgoingMessage.prototype as unknown as Pick<
  NodeOutgoing,
  '_storeHeader'
>;
export const { _finish: finish } = ServerResponse.prototype as unknown as Pick<
  NodeOutgoing,
  '_finish'
>;

export const { assignSocket } = ServerResponse.prototype;

/** The listeners of an emitter by event: one, or an array of several. */
export function listenersOf(emitter: object): Readonly<Record<string, unknown>> {
  return (emitter as { _events?: Record<string, unknown> })._events ?? {};
}

/** The same as Node does when a response is over. */
export function emitClose(res: NodeOutgoing): void {
  if (!res._closed) {
    res.destroyed = true;
    res._closed = true;
    res.emit('close');
  }
}

/** A symbol-named property of Node's whose symbol is not exported. */
export function symbolOf(owner: object, description: string): symbol {
  const found = Object.getOwnPropertySymbols(owner).find(
    (symbol) => symbol.description === description,
  );
  if (found === undefined) {
    throw missing(description);
  }
  return found;
}

function missing(name: string): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_UNSUPPORTED',
    `reactor-rs/node does not work with Node ${process.version}: its http module has no ${name}`,
  );
}
