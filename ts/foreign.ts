import type { Content } from './body.js';
import { isDisturbed, refuseUnusable } from './body.js';
import { ReactorError } from './errors.js';
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
  // What `fetch` gives has been decoded, but still has the fields of what came.
  const isDecoded = answer.url !== '' && headers.has('content-encoding');
  const fields: string[] = [];
  for (const [name, value] of headers) {
    if (!isDecoded || (name !== 'content-encoding' && name !== 'content-length')) {
      fields.push(name, value);
    }
  }
  return { status, fields, content: body as Content };
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
