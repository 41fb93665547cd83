import { IncomingMessage } from 'node:http';
import type { NodeIncoming } from './internals.js';

/**
 * Whether nobody has listened to the request or read of it. Then the events at its end reach nobody,
 * and the state they leave can be set at once.
 */
export function isUntouched(req: NodeIncoming): boolean {
  return (
    canEndUnheard &&
    req._eventsCount === 0 &&
    !req._consuming &&
    !req.destroyed &&
    req.readableFlowing === null
  );
}

/**
 * Ends a request without a body, as if it had been read to its end and closed. If a listener has
 * come meanwhile, that is what happens.
 */
export function endUnheard(req: NodeIncoming): void {
  if (isUntouched(req)) {
    setEnded(req);
  } else if (!req.destroyed) {
    req.push(null);
    if (!req._consuming && !req._readableState.resumeScheduled) {
      dump(req);
    }
  }
}

/** Reads and drops what is left of a request. */
export function dump(req: NodeIncoming): void {
  req._dump();
  // From Node 26 on, a request that has arrived whole counts as read.
  req.resume();
}

function setEnded(req: NodeIncoming): void {
  const state = req._readableState;
  req._dumped = true;
  req._consuming = true;
  state.readingMore = false;
  state.ended = true;
  state.endEmitted = true;
  state.destroyed = true;
  state.closed = true;
  state.closeEmitted = true;
}

/** Whether this Node's streams have the state that is set here. */
const canEndUnheard = tryEnded();

function tryEnded(): boolean {
  const req = new IncomingMessage(null as never) as NodeIncoming;
  if ((req as { _eventsCount?: unknown })._eventsCount !== 0) {
    return false;
  }
  setEnded(req);
  return req.readableEnded && req.destroyed && req.closed && !req.readable;
}
