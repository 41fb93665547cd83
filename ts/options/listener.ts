import type { NativeListen } from '../binding/binding.js';

/** The default host of a listener: only this machine can reach it. */
const LOOPBACK = '127.0.0.1';

/**
 * Reads the short form of a listener: a port, `host:port`, `[::1]:port`, `unix:` and a path, or a
 * path with a slash. `undefined` for anything else.
 * @param host where it gives a port only
 */
export function parseListener(given: unknown, host = LOOPBACK): NativeListen | undefined {
  if (typeof given === 'number') {
    return Number.isInteger(given) && given >= 0 && given <= 65_535
      ? { hostname: host, port: given }
      : undefined;
  }
  if (typeof given !== 'string' || given.includes('\0')) {
    return undefined;
  }
  const path = given.startsWith('unix:') ? given.slice(5) : given.includes('/') ? given : undefined;
  if (path !== undefined) {
    return path === '' ? undefined : { unix: path, hostname: host, port: 0 };
  }
  // An IPv6 address must be in brackets, since its end looks like a port.
  const parts = /^(?:(?<host>[^\s[\]:]{1,255}|\[[\da-fA-F:.]{2,45}\]):)?(?<port>\d{1,5})$/.exec(
    given,
  );
  const port = Number(parts?.groups?.port ?? Number.NaN);
  if (!(port <= 65_535)) {
    return undefined;
  }
  return { hostname: (parts?.groups?.host ?? host).replace(/^\[|\]$/g, ''), port };
}
