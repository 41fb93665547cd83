import zlib from 'node:zlib';
import { endToEnd, type Field, listOf } from './hop-by-hop.js';

/** What is known of a body that `fetch` gave, and of the fields that came with it. */
export interface Fetched {
  /** `fetch` has decoded the body, so that its fields tell of other bytes. */
  readonly isDecoded: boolean;
  readonly coding: string | null;
  readonly length: string | null;
}

/** By the stream of a body, and by the headers that came with it. */
const FETCHED = new WeakMap<object, Fetched>();

/** A response as `fetch` gives it, or another implementation's. */
interface FetchedResponse {
  readonly url: string;
  readonly body: unknown;
  readonly headers: { get(name: string): string | null };
}

/** What is known of the response that these headers came with. */
export function fetchedWith(headers: object): Fetched | null {
  return FETCHED.get(headers) ?? fetchedUnseen(headers as Partial<Headers>);
}

/**
 * The same for headers of a `fetch` that was kept from before ours took its place, or
 * of another copy of undici. A program cannot make headers that cannot be changed, but
 * for those of a redirect, which have no coding.
 */
function fetchedUnseen(headers: Partial<Headers>): Fetched | null {
  if (typeof headers.get !== 'function' || typeof headers.delete !== 'function') {
    return null;
  }
  const coding = headers.get('content-encoding');
  if (!isDecodable(coding)) {
    return null;
  }
  try {
    headers.delete('x-no-such-field');
    return null;
  } catch {
    return { isDecoded: true, coding, length: headers.get('content-length') };
  }
}

/**
 * Remembers what `fetch` gave, for the response that the program will make of its
 * parts: those of the standard have a `content-encoding` and a `content-length`
 * that their decoded body has no more.
 */
export function noteFetched<R extends Response>(response: R): R {
  const fetched = note(response);
  if (fetched !== null) {
    const clone = response.clone.bind(response);
    Object.defineProperty(response, 'clone', {
      configurable: true,
      writable: true,
      value: () => {
        const copy = clone();
        // Both have a new stream.
        noteParts(response, fetched);
        noteParts(copy, fetched);
        return copy;
      },
    });
  }
  return response;
}

/**
 * The same for a response that came from a `fetch` that is not ours, if that is what
 * the program makes another response like.
 *
 * @param init what a response is made with
 * @param headers those of `init`
 */
export function noteIfFetched(init: object, headers: unknown): void {
  if (
    typeof headers === 'object' &&
    headers !== null &&
    typeof (headers as Partial<Headers>).get === 'function' &&
    !FETCHED.has(headers) &&
    typeof (init as Partial<Response>).url === 'string'
  ) {
    note(init as FetchedResponse);
  }
}

function note(response: FetchedResponse): Fetched | null {
  // HEAD's and 304's: the fields are those of the answer to GET.
  if (response.url === '' || typeof response.body !== 'object' || response.body === null) {
    return null;
  }
  const coding = response.headers.get('content-encoding');
  const fetched = {
    isDecoded: isDecodable(coding),
    coding,
    length: response.headers.get('content-length'),
  };
  noteParts(response, fetched);
  return fetched;
}

function noteParts({ body, headers }: FetchedResponse, fetched: Fetched): void {
  FETCHED.set(body as object, fetched);
  FETCHED.set(headers, fetched);
}

/** The fields that a program may have taken over without a thought, and whether it has. */
export const CODING = 1;
export const LENGTH = 2;
export const CONNECTION = 4;

/**
 * The fields of a response whose headers were copied from those that `fetch` gave,
 * without those that are true of the received message only.
 *
 * @param own the flags of those that the program has set itself since
 */
export function withoutStale(
  fields: readonly string[],
  { isDecoded }: Fetched,
  own: number,
  content: unknown,
): string[] {
  let kept = pairsOf(fields);
  if ((own & CONNECTION) === 0) {
    kept = endToEnd(kept);
  }
  // Of another stream than the one that came nobody knows the length.
  const isOther = typeof content === 'object' && content !== null && !FETCHED.has(content);
  const drops = (name: string) =>
    (name === 'content-encoding' && isDecoded && (own & CODING) === 0) ||
    (name === 'content-length' && (isDecoded || isOther) && (own & LENGTH) === 0);
  return kept.filter(([name]) => !drops(name)).flat();
}

/**
 * The fields of a response with this body, whatever they were made from: without a
 * coding that `fetch` has taken off the body, and the length it had in that coding.
 */
export function asDecoded(fields: string[], stream: object): string[] {
  const codings = TAKEN_OFF.get(stream);
  if (codings !== undefined) {
    // The length is that of what went into the decoder, or nobody needs it.
    return pairsOf(fields)
      .filter(
        ([name, value]) =>
          name !== 'content-length' &&
          !(name === 'content-encoding' && codings.includes(value.toLowerCase())),
      )
      .flat();
  }
  const fetched = FETCHED.get(stream);
  if (fetched?.isDecoded !== true) {
    return fields;
  }
  const drops = ([name, value]: Field) =>
    (name === 'content-encoding' && value === fetched.coding) ||
    (name === 'content-length' && value === fetched.length);
  return pairsOf(fields)
    .filter((field) => !drops(field))
    .flat();
}

function pairsOf(fields: readonly string[]): Field[] {
  const pairs: Field[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    pairs.push([fields[i] as string, fields[i + 1] as string]);
  }
  return pairs;
}

/** Node's decoders, and the codings that each takes off. */
const DECODERS = [
  [zlib.Gunzip, ['gzip', 'x-gzip']],
  [zlib.Unzip, ['gzip', 'x-gzip', 'deflate']],
  [zlib.Inflate, ['deflate']],
  [zlib.InflateRaw, ['deflate']],
  [zlib.BrotliDecompress, ['br']],
  [(zlib as { ZstdDecompress?: unknown }).ZstdDecompress, ['zstd']],
] as unknown as readonly (readonly [(new () => object) | undefined, readonly string[]])[];

/** What has been taken off a body, by its stream. */
const TAKEN_OFF = new WeakMap<object, readonly string[]>();

/**
 * Remembers what a decoder of Node's has taken off what `stream` gives. Clients that are
 * made of `node:http`, such as node-fetch and axios, give one as the body.
 */
export function noteDecoder(source: object, stream: object): void {
  const { readable } = source as { readable?: unknown };
  const candidates = [source, readable];
  for (const [decoder, codings] of DECODERS) {
    if (decoder !== undefined && candidates.some((candidate) => candidate instanceof decoder)) {
      TAKEN_OFF.set(stream, codings);
      return;
    }
  }
}

/** The same for a stream that gives what another gives. */
export function handOnDecoder(from: object, to: object): void {
  const codings = TAKEN_OFF.get(from);
  if (codings !== undefined) {
    TAKEN_OFF.set(to, codings);
  }
}

/** The codings that Node's `fetch` decodes, which it does only where it knows all of a body. */
const DECODABLE = ['br', 'deflate', 'gzip', 'x-gzip', ...(decodesZstd() ? ['zstd'] : [])];

/** Whether `fetch` decodes a body with this `content-encoding`. */
export function isDecodable(codings: string | null): boolean {
  return Boolean(codings) && listOf(codings as string).every((name) => DECODABLE.includes(name));
}

/** Since undici 7.11, where Node's zlib has it. */
function decodesZstd(): boolean {
  const [major = 0, minor = 0] = (process.versions.undici ?? '').split('.').map(Number);
  return 'createZstdDecompress' in zlib && (major > 7 || (major === 7 && minor >= 11));
}
