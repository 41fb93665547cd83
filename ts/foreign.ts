import zlib from 'node:zlib';
import type { Content } from './body.js';
import { isDisturbed, refuseUnusable } from './body.js';
import { ReactorError } from './errors.js';
import { endToEnd, listOf } from './hops.js';
import { show } from './show.js';

/** The parts of a response that is not of our class. */
export interface Parts {
  readonly status: number;
  readonly fields: string[];
  readonly content: Content;
}

/**
 * The parts of a genuine `Response`: Node's own, or one of another copy of
 * undici, which has no class in common with it.
 * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for what is none.
 */
export function asParts(answer: unknown): Parts {
  if (!isResponse(answer)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_RESPONSE',
      `a handler must answer with a Response, got ${show(answer)}`,
    );
  }
  // The body first: there are lazy classes whose headers are complete only then.
  const { status, body, headers } = answer;
  refuseUnusable(answer.bodyUsed || (body !== null && isDisturbed(body)), body);
  const isFetched = Boolean(answer.url);
  // What `fetch` has decoded still has the fields of what came.
  const isDecoded = isFetched && body !== null && isDecodable(headers.get('content-encoding'));
  const fields: string[] = [];
  for (const [name, value] of isFetched ? endToEnd(headers) : headers) {
    if (!isDecoded || (name !== 'content-encoding' && name !== 'content-length')) {
      fields.push(name, value);
    }
  }
  return { status, fields, content: body as Content };
}

/** The codings that Node's `fetch` decodes, which it does only where it knows all of a body. */
const DECODABLE = ['br', 'deflate', 'gzip', 'x-gzip', ...(decodesZstd() ? ['zstd'] : [])];

function isDecodable(codings: string | null): boolean {
  return Boolean(codings) && listOf(codings as string).every((name) => DECODABLE.includes(name));
}

/** Since undici 7.11, where Node's zlib has it. */
function decodesZstd(): boolean {
  const [major = 0, minor = 0] = (process.versions.undici ?? '').split('.').map(Number);
  return 'createZstdDecompress' in zlib && (major > 7 || (major === 7 && minor >= 11));
}

function isResponse(value: unknown): value is Response {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Response>).status === 'number' &&
    typeof (value as Partial<Response>).clone === 'function' &&
    typeof (value as Partial<Response>).headers?.getSetCookie === 'function'
  );
}
