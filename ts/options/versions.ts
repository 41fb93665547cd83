import { ReactorError } from '../errors/errors.js';

/** The versions of HTTP that a server speaks; at least one. */
export interface Versions {
  /** HTTP/1.0 and HTTP/1.1. */
  readonly http1: boolean;
  /** HTTP/2. */
  readonly http2: boolean;
}

/** What a server speaks whose programs know nothing else. */
export const HTTP_1: Versions = { http1: true, http2: false };

/** The names for ALPN, the best first. */
export function alpnOf({ http1, http2 }: Versions): string[] {
  return [...(http2 ? ['h2'] : []), ...(http1 ? ['http/1.1'] : [])];
}

/** @throws {ReactorError} if there is none */
export function checkVersions(versions: Versions): Versions {
  if (!versions.http1 && !versions.http2) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      'options "http1" and "http2" are both false: a server speaks at least one of them',
    );
  }
  return versions;
}
