import { http2Error } from './errors.js';
import { kSocket } from './internals.js';

/** What a session's socket takes from the session. */
const OF_SESSION: ReadonlySet<unknown> = new Set(['setTimeout', 'ref', 'unref', 'destroy']);

/** What would get in the protocol's way. */
const REFUSED: ReadonlySet<unknown> = new Set([
  ...['emit', 'end', 'pause', 'read', 'resume', 'write'],
  ...['setEncoding', 'setKeepAlive', 'setNoDelay'],
]);

interface Session {
  readonly [kSocket]: object;
}

/** The socket of a session as programs may use it, with Node's rules. */
export function socketOf(session: Session): object {
  return new Proxy(session, HANDLER);
}

const HANDLER: ProxyHandler<Session> = {
  has: (session, name) => name in session || name in session[kSocket],
  get: (session, name) => {
    const owner = ownerOf(session, name);
    const value = Reflect.get(owner, name);
    return typeof value === 'function' ? value.bind(owner) : value;
  },
  set: (session, name, value) => Reflect.set(ownerOf(session, name), name, value),
  getPrototypeOf: (session) => Reflect.getPrototypeOf(session[kSocket]),
};

function ownerOf(session: Session, name: string | symbol): object {
  if (REFUSED.has(name)) {
    throw http2Error('ERR_HTTP2_NO_SOCKET_MANIPULATION');
  }
  return OF_SESSION.has(name) ? session : session[kSocket];
}
