/** Kinds of bytes in a request target: whether a URL parser would keep them. */
const PLAIN = 0;
const SLASH = 1;
const QUERY = 2;
/** Kept in a query, but not in a path. */
const QUERY_ONLY = 3;
/** Left to the URL parser. */
const UNUSUAL = 4;

/** By code. The parser percent-encodes or rewrites the unusual ones (URL standard, §1.3). */
const KINDS = new Uint8Array(256).fill(UNUSUAL);
for (let code = 0x21; code <= 0x7e; code++) {
  const char = String.fromCharCode(code);
  KINDS[code] = '"#<>\''.includes(char) ? UNUSUAL : '\\^`{|}'.includes(char) ? QUERY_ONLY : PLAIN;
}
// A single quote is encoded only in a query. It is too rare to deserve a kind.
KINDS[0x2f] = SLASH;
KINDS[0x3f] = QUERY;

const DOT = 0x2e;
const PERCENT = 0x25;

/** Origins by scheme and host as the client sent it. A server sees few. */
const ORIGINS = new Map<string, string>();
const MOST_ORIGINS = 64;
let lastScheme = '';
let lastHost = '';
let lastOrigin = '';

/**
 * The URL of a request, as the URL standard writes it.
 *
 * Nearly every target is in that form already, which one pass over its characters shows. Only the
 * others need a URL parser.
 *
 * @param host the effective host, or a substitute if the client sent none
 */
export function urlOf(host: string, target: string, scheme: 'http' | 'https' = 'http'): string {
  const isLast = host === lastHost && scheme === lastScheme;
  const origin = isLast ? lastOrigin : originOf(scheme, host);
  return isNormal(target) ? origin + target : parsed(origin, target);
}

function originOf(scheme: string, host: string): string {
  const given = `${scheme}://${host}`;
  let origin = ORIGINS.get(given);
  if (origin === undefined) {
    // A host may be valid in HTTP but not in a URL, such as `%zz`.
    origin = URL.canParse(given) ? new URL(given).origin : `${scheme}://invalid`;
    if (ORIGINS.size < MOST_ORIGINS) {
      ORIGINS.set(given, origin);
    }
  }
  lastScheme = scheme;
  lastHost = host;
  lastOrigin = origin;
  return origin;
}

/** Whether a URL parser would leave the target unchanged. */
function isNormal(target: string): boolean {
  const length = target.length;
  if (target.charCodeAt(0) !== 0x2f) {
    return false;
  }
  for (let i = 0; i < length; i++) {
    const kind = KINDS[target.charCodeAt(i)];
    if (kind === PLAIN) {
      continue;
    }
    if (kind === SLASH) {
      const next = target.charCodeAt(i + 1);
      if ((next === DOT || next === PERCENT) && mayBeDots(target, i + 1)) {
        return false;
      }
    } else if (kind === QUERY) {
      return isNormalQuery(target, i + 1);
    } else {
      return false;
    }
  }
  return true;
}

function isNormalQuery(target: string, from: number): boolean {
  for (let i = from; i < target.length; i++) {
    if (KINDS[target.charCodeAt(i)] === UNUSUAL) {
      return false;
    }
  }
  return true;
}

/** Whether the segment is `.` or `..`, with each dot as itself or as `%2e`. */
function mayBeDots(target: string, at: number): boolean {
  let i = at;
  for (let dots = 0; dots < 2; dots++) {
    if (target.charCodeAt(i) === DOT) {
      i++;
    } else if (target.charCodeAt(i) === PERCENT && /^%2e/i.test(target.substring(i, i + 3))) {
      i += 3;
    } else {
      break;
    }
  }
  const after = target[i];
  return i > at && (after === undefined || after === '/' || after === '?');
}

function parsed(origin: string, target: string): string {
  // `OPTIONS *` has no path, but a URL needs one.
  const path = target.startsWith('/') ? target : target === '*' ? '/*' : pathOf(target);
  const url = origin + path;
  return URL.canParse(url) ? new URL(url).href : `${origin}/`;
}

/** The path of an absolute-form target; `/` for CONNECT's authority-form. */
function pathOf(target: string): string {
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*(.*)$/is.exec(target)?.[1] ?? '';
  return path.startsWith('/') ? path : `/${path}`;
}
