import type { Exchange } from './exchange.js';
import { StreamedIncoming } from './incoming.js';
import {
  ACK,
  BODY,
  BODY_END,
  type Bytes,
  FILLED,
  GONE,
  HALF_CLOSED,
  numberAt,
  REST,
  TIMED_OUT,
  TRAILERS,
} from './record.js';

/** Tells an open exchange of the event of this kind whose record begins at this word. */
export function tellExchange(
  exchange: Exchange,
  kind: number,
  at: number,
  events: Uint32Array,
  bytes: Bytes,
): void {
  if (kind === ACK) {
    exchange.taken(events[at + 2] as number);
  } else if (kind === GONE) {
    const status = events[at + 2] as number;
    if (status === 0) {
      exchange.runInAsyncScope(exchange.abort, exchange);
    } else {
      exchange.runInAsyncScope(exchange.refuse, exchange, status);
    }
  } else if (kind === TIMED_OUT) {
    exchange.runInAsyncScope(exchange.timeOut, exchange);
  } else if (kind === HALF_CLOSED) {
    exchange.runInAsyncScope(exchange.hangUp, exchange);
  } else if (exchange.incoming instanceof StreamedIncoming) {
    if (kind === BODY) {
      const start = events[at + 2] as number;
      const end = start + (events[at + 3] as number);
      exchange.incoming.push(bytes.subarray(start, end));
    } else if (kind === REST) {
      exchange.incoming.pushApart(numberAt(events, at + 2));
    } else if (kind === FILLED) {
      exchange.incoming.filled(numberAt(events, at + 2));
    } else if (kind === TRAILERS) {
      const start = events[at + 2] as number;
      exchange.incoming.trailers = bytes.latin1Slice(start, start + (events[at + 3] as number));
    } else if (kind === BODY_END) {
      exchange.incoming.complete();
    }
  }
}
