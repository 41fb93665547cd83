import { IncomingMessage, OutgoingMessage, ServerResponse } from 'node:http';
import { ReactorError } from '../errors/errors.js';

/**
 * What this adapter needs of Node's classes beyond what is documented. All of it
 * has been there since long before Node 20; where a later Node lacks some, it is
 * said at once and not by a response that goes wrong.
 */
export interface NodeOutgoing extends ServerResponse {
  /** The head as text; truthy once it cannot be changed any more. */
  _header: string | null;
  /** False makes the first write send `_header` before it. */
  _headerSent: boolean;
  /** The response is the last on its connection. */
  _last: boolean;
  /** The client shall close the connection: `maxRequestsPerSocket`. */
  maxRequestsOnConnectionReached: boolean;
  /** False for HEAD and for the statuses that have none. */
  _hasBody: boolean;
  /** What `end` says the length is, or a field did. */
  _contentLength: number | null;
  /** Milliseconds that the head says the connection is kept for; 0 says nothing. */
  _keepAliveTimeout: number;
  /** What `addTrailers` was given. */
  _trailer: string;
  _sent100: boolean;
  _closed: boolean;
  /** Makes `_header` of the status line and the fields, and decides the framing. */
  _storeHeader(statusLine: string, headers: unknown): void;
  /** Everything has been written; called by `end`. */
  _finish(): void;
  [key: symbol]: unknown;
}

/** The same of a request. */
export interface NodeIncoming extends IncomingMessage {
  joinDuplicateHeaders: boolean;
  upgrade: boolean;
  /** Somebody has begun to read it. */
  readonly _consuming: boolean;
  /** Nobody will read it. */
  readonly _dumped: boolean;
  readonly _readableState: { readonly resumeScheduled: boolean };
  /** Sets `rawHeaders`, and what `headers` is made of. */
  _addHeaderLines(lines: readonly string[], count: number): void;
  _dump(): void;
}

const sample = new ServerResponse(new IncomingMessage(null as never)) as NodeOutgoing;

/** Set by a `write` that asks its caller to wait; whoever emits 'drain' takes it back. */
export const needDrain: symbol = symbolOf(sample, 'kNeedDrain');

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

/** Node's own methods, for the ones that stand in front of them. */
export const { _storeHeader: storeHeader } = OutgoingMessage.prototype as unknown as Pick<
  NodeOutgoing,
  '_storeHeader'
>;
export const { _finish: finish } = ServerResponse.prototype as unknown as Pick<
  NodeOutgoing,
  '_finish'
>;

/** The own property of Node's that is named by a symbol it does not export. */
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
