import type { TraceIds } from '../fetch/trace-ids.js';
import type { Proxies } from '../proxy/proxies.js';
import type { ErrorHandler } from './answers.js';
import type { ConnectionEvent } from './connection-event.js';
import type { Exchange } from './exchange.js';
import type { HandlerEntry } from './handlers.js';
import type { Sender } from './outgoing.js';

/** What a bridge is made with. */
export interface BridgeOptions {
  /** The handler of the route with this number; `undefined` if it has been dropped. */
  find(route: number): HandlerEntry | undefined;
  /** Answers for handlers that fail. */
  readonly onError?: ErrorHandler | undefined;
  /** The trusted proxies, which may tell a request's origin; `null` for none. */
  readonly proxies?: Proxies | null;
  /** Makes the ids of requests and traces; without it they are of this bridge alone. */
  readonly traceIds?: TraceIds | null | undefined;
  /** Whether answers tell how long their handlers took. */
  readonly serverTiming?: boolean | undefined;
  /**
   * Takes every request in place of the handlers. It answers through the bridge, as its
   * {@link Sender}, and must not throw.
   */
  readonly take?: ((exchange: Exchange, sender: Sender) => void) | undefined;
  /** Told of connections, if the engine was asked to announce them; must not throw. */
  readonly onConnection?: ((event: ConnectionEvent, sender: Sender) => void) | undefined;
}
