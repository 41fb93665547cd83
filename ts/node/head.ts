import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { sizeOfFields } from '../lane/fields.js';
import { type NodeOutgoing, outHeaders } from './internals.js';

/** The part of a response's head that the engine leaves to the program. */
export interface Head {
  /** Names and values in turn. */
  readonly fields: string[];
  /** The `content-length`; -1 if there is none. */
  declared: number;
}

/** The longest name or value that fits a record of the lane. */
const MOST = 0xffff;

/** What is read of a response to make its head. */
export type Headed = Pick<
  NodeOutgoing,
  | 'statusCode'
  | 'shouldKeepAlive'
  | 'maxRequestsOnConnectionReached'
  | 'useChunkedEncodingByDefault'
  | '_hasBody'
  | '_contentLength'
  | '_keepAliveTimeout'
> & {
  readonly _defaultKeepAlive?: boolean;
  readonly _removedConnection?: boolean;
  readonly _removedContLen?: boolean;
  readonly _maxRequestsPerSocket?: unknown;
  [key: symbol]: unknown;
};

/** Where the reason phrase begins in `HTTP/1.1 200 OK`. */
const PHRASE = 13;

/** Phrases that the engine sends by itself. All others are passed to it. */
const PHRASES: Readonly<Record<string, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  500: 'Internal Server Error',
};

/** The status lines of these phrases, by status. */
const STATUS_LINES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(PHRASES).map(([status, phrase]) => [status, `HTTP/1.1 ${status} ${phrase}\r\n`]),
);

/**
 * The value of `Content-Disposition` as the program gave it. If the length of the body is known,
 * Node reads the value's Latin-1 as UTF-8. It does so because it sends head and text body together
 * as UTF-8.
 */
function dispositionOf(headers: unknown, made: string): string {
  const entries = Array.isArray(headers)
    ? Array.isArray(headers[0])
      ? headers
      : headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]]] : []))
    : Object.entries(headers ?? {});
  for (const [name, value] of entries) {
    if (isDisposition(name)) {
      // `setHeader` stores the name as it was spelled, and the value.
      const isKept = Array.isArray(value) && !Array.isArray(headers) && isDisposition(value[0]);
      const given = isKept ? value[1] : value;
      return typeof given === 'string' ? given : made;
    }
  }
  return made;
}

function isDisposition(name: unknown): boolean {
  return String(name).toLowerCase() === DISPOSITION;
}

const DISPOSITION = 'content-disposition';

/**
 * Splits the head that Node has made. Node has checked and ordered the fields, so that is not
 * repeated here. Framing, connection and date belong to the engine.
 *
 * @param headers what Node made the head of
 * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for framing that cannot be sent, or a field
 * that is too long.
 */
export function takeApart(text: string, headers?: unknown): Head {
  const fields: string[] = [];
  let declared = -1;
  let line = text.indexOf('\r\n') + 2;
  const phrase = text.substring(PHRASE, line - 2);
  if (phrase !== PHRASES[text.substring(PHRASE - 4, PHRASE - 1)]) {
    fields.push('', phrase);
  }
  for (;;) {
    const end = text.indexOf('\r\n', line);
    if (end <= line) {
      break;
    }
    const colon = text.indexOf(': ', line);
    const name = text.substring(line, colon);
    const value = text.substring(colon + 2, end);
    line = end + 2;
    switch (ownName(name)) {
      case DISPOSITION:
        fields.push(name, dispositionOf(headers, value));
        break;
      case '':
      case 'trailer':
        fields.push(name, value);
        break;
      case 'content-length':
        declared = lengthOf(value, declared);
        break;
      case 'transfer-encoding':
        refuseCoding(value);
        break;
    }
  }
  if (sizeOfFields(fields) > MOST) {
    refuseLong(fields);
  }
  return { fields, declared };
}

/**
 * The head of a response for which Node has just made the text, without reading that text. `null`
 * for the rare fields that only {@link takeApart} knows.
 *
 * @param headers what Node made the head of: what `setHeader` has stored, or what `writeHead` got
 * @throws {ReactorError} as {@link takeApart} does
 */
export function headOf(res: Headed, statusLine: string, headers: unknown): Head | null {
  const gathered: Gathered = { fields: [], declared: -1, hasConnection: false, hasCoding: false };
  if (statusLine !== STATUS_LINES[res.statusCode]) {
    gathered.fields.push('', statusLine.substring(PHRASE, statusLine.length - 2));
  }
  if (headers != null && !gather(gathered, headers, headers === res[outHeaders])) {
    return null;
  }
  const { fields, declared, hasConnection, hasCoding } = gathered;
  // The same as Node adds by itself.
  const isFramed = declared >= 0 || hasCoding;
  if (!(hasConnection || res._removedConnection) && res.shouldKeepAlive) {
    const isPersistent = declared >= 0 || res.useChunkedEncodingByDefault;
    const timeout = res._keepAliveTimeout;
    if (isPersistent && !res.maxRequestsOnConnectionReached && timeout && res._defaultKeepAlive) {
      if (~~(res._maxRequestsPerSocket as number) > 0) {
        return null;
      }
      fields.push('Keep-Alive', spanOf(timeout));
    }
  }
  if (sizeOfFields(fields) > MOST) {
    refuseLong(fields);
  }
  const isOwnLength =
    !isFramed && res._hasBody && res.useChunkedEncodingByDefault && !res._removedContLen;
  return { fields, declared: isOwnLength ? (res._contentLength ?? -1) : declared };
}

interface Gathered {
  readonly fields: string[];
  declared: number;
  hasConnection: boolean;
  hasCoding: boolean;
}

/** Adds fields in one of the forms that Node takes. False if one of them is rare. */
function gather(into: Gathered, headers: unknown, isStored: boolean): boolean {
  if (isStored) {
    const stored = headers as Record<string, [string, unknown]>;
    for (const key in stored) {
      const entry = stored[key] as [string, unknown];
      if (!add(into, entry[0], entry[1])) {
        return false;
      }
    }
    return true;
  }
  if (Array.isArray(headers)) {
    const arePairs = Array.isArray(headers[0]);
    for (let i = 0; i < headers.length; i += arePairs ? 1 : 2) {
      const [name, value] = arePairs ? headers[i] : [headers[i], headers[i + 1]];
      if (!add(into, name, value)) {
        return false;
      }
    }
    return true;
  }
  const given = headers as Record<string, unknown>;
  for (const name in given) {
    if (Object.hasOwn(given, name) && !add(into, name, given[name])) {
      return false;
    }
  }
  return true;
}

function add(into: Gathered, name: string, value: unknown): boolean {
  if (typeof value !== 'string' && typeof value !== 'number') {
    return false;
  }
  const text = String(value);
  switch (ownName(name)) {
    case '':
      into.fields.push(name, text);
      return true;
    case 'content-length':
      into.declared = lengthOf(text, into.declared);
      return true;
    case 'transfer-encoding':
      refuseCoding(text);
      into.hasCoding = true;
      return true;
    case 'connection':
      into.hasConnection = true;
      return true;
    case 'date':
      return true;
    default:
      return false;
  }
}

/** The value of `Keep-Alive`, kept: it is the same for all responses of a server. */
function spanOf(timeout: number): string {
  if (timeout !== lastTimeout) {
    lastTimeout = timeout;
    lastSpan = `timeout=${Math.floor(timeout / 1000)}`;
  }
  return lastSpan;
}

let lastTimeout = -1;
let lastSpan = '';

/** The lower-case name of a field that needs special treatment; '' for any other. */
function ownName(name: string): string {
  switch (name.length) {
    case 4:
    case 7:
    case 10:
    case 14:
    case 17:
    case 19: {
      const lower = name.toLowerCase();
      return OWN_NAMES.has(lower) ? lower : '';
    }
    default:
      return '';
  }
}

const OWN_NAMES = new Set([
  'date',
  'connection',
  'content-length',
  'transfer-encoding',
  'trailer',
  DISPOSITION,
]);

function lengthOf(value: string, before: number): number {
  const length = /^\d{1,15}$/.test(value) ? Number(value) : -1;
  if (length < 0 || (before >= 0 && before !== length)) {
    throw unsendable(`a Content-Length that is no one number of bytes, got ${inspect(value)}`);
  }
  return length;
}

/** Refuses unknown codings. `identity` is an old way to ask for none. */
function refuseCoding(value: string): void {
  if (!/^(?:chunked|identity)$/i.test(value)) {
    throw unsendable(`a Transfer-Encoding that is not "chunked", got ${inspect(value)}`);
  }
}

function refuseLong(fields: readonly string[]): void {
  const long = fields.find((text) => text.length > MOST);
  if (long !== undefined) {
    throw unsendable(`a header field of ${long.length} bytes; a name or a value may have ${MOST}`);
  }
}

function unsendable(what: string): ReactorError {
  return new ReactorError('ERR_REACTOR_INVALID_RESPONSE', `a response has ${what}`);
}
