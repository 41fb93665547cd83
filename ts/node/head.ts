import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { sizeOfFields } from '../lane/fields.js';

/** A response's head, as far as the engine leaves it to the program. */
export interface Head {
  /** Names and values in turn. */
  readonly fields: string[];
  /** The `content-length`; -1 without. */
  readonly declared: number;
}

/** Longest name and longest value that a record of the lane can tell. */
const MOST = 0xffff;

/** Where the phrase begins in `HTTP/1.1 200 OK`. */
const PHRASE = 13;

/** Phrases that the engine sends by itself; every other is told. */
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

/**
 * The value of a `Content-Disposition` as the program gave it. Node takes its Latin-1
 * for UTF-8 where the length of the body is known, so that the bytes come out right
 * when it sends them as UTF-8, with a body that is a string.
 */
function dispositionOf(headers: unknown, made: string): string {
  const entries = Array.isArray(headers)
    ? Array.isArray(headers[0])
      ? headers
      : headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]]] : []))
    : Object.entries(headers ?? {});
  for (const [name, value] of entries) {
    if (isDisposition(name)) {
      // What `setHeader` keeps is the name as it was spelled, and the value.
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
 * Takes apart the head that Node has made. Node has checked and ordered the
 * fields, so nothing of that is done again here; but framing, connection and date
 * belong to the engine.
 *
 * @param headers what it was made of
 * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for a framing that cannot
 * be sent, or a field that is too long.
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

/** The name in lower case of a field that is not as it seems; '' of another. */
function ownName(name: string): string {
  switch (name.length) {
    case 4:
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
  DISPOSITION,
]);

function lengthOf(value: string, before: number): number {
  const length = /^\d{1,15}$/.test(value) ? Number(value) : -1;
  if (length < 0 || (before >= 0 && before !== length)) {
    throw unsendable(`a Content-Length that is no one number of bytes, got ${inspect(value)}`);
  }
  return length;
}

/** `identity` was once how a program asked for no coding. */
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
