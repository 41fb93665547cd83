import { ReactorError } from '../errors/errors.js';
import type { Trailers } from '../types/trailers.js';
import { fieldsOf, ReactorHeaders } from './headers.js';

export type { Trailers };

/**
 * Fields that must not be trailers (RFC 9110 §6.5.1): they frame, route or authenticate a message,
 * modify a request, or tell how a response is to be taken.
 */
const OF_HEADS: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expect',
  'expires',
  'host',
  'keep-alive',
  'location',
  'max-forwards',
  'pragma',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'retry-after',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
  'www-authenticate',
]);

/**
 * The trailers of a response as its init gives them.
 * @throws {ReactorError} if they are there and cannot be sent
 */
export function givenTrailers(given: Trailers): Trailers {
  if (typeof given !== 'function' && !isPromise(given)) {
    trailerList(given);
  }
  return given;
}

/** Names and values in turn, now that the body has ended. */
export async function readTrailers(given: Trailers): Promise<string[]> {
  return trailerList(await (typeof given === 'function' ? given() : given));
}

/** Nobody reads them. A promise among them may reject all the same. */
export function leaveTrailers(given: Trailers): void {
  if (isPromise(given)) {
    given.then(undefined, () => {});
  }
}

function trailerList(given: unknown): string[] {
  const list = fieldsOf(
    new ReactorHeaders(given as ConstructorParameters<typeof ReactorHeaders>[0]),
  );
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] as string;
    if (OF_HEADS.has(name) || name.startsWith('if-')) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_RESPONSE',
        `"${name}" cannot be a trailer, only a header (RFC 9110 section 6.5.1)`,
      );
    }
  }
  return list;
}

function isPromise(given: Trailers): given is Extract<Trailers, Promise<unknown>> {
  return typeof (given as Partial<PromiseLike<unknown>>).then === 'function';
}
