import type { ReactorRequest } from '../fetch/request.js';
import type { AllowedOrigins, WebSocketOptions } from '../types/websocket.js';

/** Whether a page of this origin may open a WebSocket by this request. */
export type OriginCheck = (origin: string, request: ReactorRequest) => boolean;

/** The check for an option that has been checked itself; `null` if every origin is allowed. */
export function originCheck(allowed: WebSocketOptions['origin']): OriginCheck | null {
  if (allowed === undefined) {
    return null;
  }
  if (typeof allowed === 'function') {
    const check = allowed as unknown as OriginCheck;
    return (origin, request) => check(origin, request) === true;
  }
  const list = [allowed].flat() as readonly (string | RegExp)[];
  return (origin, request) => list.some((each) => matches(each, origin, request));
}

function matches(
  allowed: Exclude<AllowedOrigins, readonly unknown[]> & (string | RegExp),
  origin: string,
  request: ReactorRequest,
): boolean {
  if (allowed instanceof RegExp) {
    // With the flags `g` or `y` it would go on where it last ended.
    allowed.lastIndex = 0;
    return allowed.test(origin);
  }
  if (allowed !== 'same-origin') {
    return allowed === '*' || allowed.toLowerCase() === origin;
  }
  try {
    // The scheme is the proxy's where one is in front.
    return new URL(origin).host === new URL(request.url).host;
  } catch {
    // `null`, of a sandboxed page or a file.
    return false;
  }
}
