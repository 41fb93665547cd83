import { ReactorError } from '../errors/errors.js';
import { ReactorHeaders } from '../fetch/headers.js';
import { fieldsOfHead } from './head-fields.js';
import type { Heads } from './heads.js';
import { StreamedIncoming, type WholeIncoming } from './incoming.js';

/** An exchange. */
interface Owner {
  /** The request's body; `null` where there is none. */
  readonly incoming: WholeIncoming | StreamedIncoming | null;
}

/** Not members: few programs ask, and each exchange has all members. */
const TRAILERS = new WeakMap<Owner, Promise<ReactorHeaders>>();

/** The lines of the trailers of a request whose record begins at this word. */
export function trailersAt({ events, bytes }: Heads, at: number): string {
  const end = at + ((events[at] as number) >>> 8);
  const start = events[end - 2] as number;
  return bytes.latin1Slice(start, start + (events[end - 1] as number));
}

/** The trailers as names and values in turn, spelled as the client sent them. */
export function rawTrailers(lines: string): string[] {
  return lines === '' ? [] : fieldsOfHead(`\r\n${lines}\r\n`, 0);
}

/** Resolves when the body has come whole. */
export function trailersOf(exchange: Owner): Promise<ReactorHeaders> {
  let promise = TRAILERS.get(exchange);
  if (promise === undefined) {
    promise = whenWhole(exchange.incoming);
    // A program that does not wait for them has done nothing wrong.
    promise.catch(() => {});
    TRAILERS.set(exchange, promise);
  }
  return promise;
}

async function whenWhole(incoming: Owner['incoming']): Promise<ReactorHeaders> {
  if (incoming instanceof StreamedIncoming && !incoming.isComplete) {
    const error = incoming.error ?? (await settled(incoming));
    if (error !== null) {
      throw error;
    }
  }
  const headers = new ReactorHeaders();
  const fields = rawTrailers(incoming?.trailers ?? '');
  for (let i = 0; i < fields.length; i += 2) {
    headers.append(fields[i] as string, fields[i + 1] as string);
  }
  return headers;
}

function settled(incoming: StreamedIncoming): Promise<unknown> {
  return new Promise((resolve) => {
    incoming.onSettled = resolve;
  });
}

/** The error for an informational answer behind the response. */
export function tooLate(): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_RESPONSE',
    'an informational answer must be sent before the response, which has been given',
  );
}
