import { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { endToEnd, type Field, listOf } from './hop-by-hop.js';

/** Facts about a body that came from `fetch`, and about the fields that came with it. */
export interface Fetched {
  /** `fetch` has decoded the body, so its fields describe other bytes. */
  readonly isDecoded: boolean;
  readonly coding: string | null;
  readonly length: string | null;
}

/** By the body's stream, and by the headers that came with it. */
const FETCHED = new WeakMap<object, Fetched>();

/** A response of `fetch`, Node's or another implementation's. */
interface FetchedResponse {
  readonly url: string;
  readonly body: unknown;
  readonly headers: { get(name: string): string | null };
}

/** The facts about the response that these headers came with. */
export function fetchedWith(headers: object): Fetched | null {
  return FETCHED.get(headers) ?? fetchedUnseen(headers as Partial<Headers>);
}

/**
 * The same for headers of a `fetch` that was kept from before this package's took its place, or of
 * another copy of undici. Their headers cannot be changed. A program cannot make such headers,
 * except by a redirect, which has no coding.
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
 * Notes a response of `fetch`, because the program may make another response of its parts. The
 * `content-encoding` and `content-length` among those do not fit the decoded body.
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
        // Both bodies have a new stream.
        noteParts(response, fetched);
        noteParts(copy, fetched);
        return copy;
      },
    });
  }
  return response;
}

/**
 * The same for a response of a foreign `fetch`, if the program passes it as the init of its own
 * response.
 *
 * @param init the second argument of `new Response`
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
  // Answers to HEAD, and 304s, have the fields of GET's answer.
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

/**
 * Flags of the fields that a program often copies from a response of `fetch`. A set flag means that
 * the program has set the field itself.
 */
export const CODING = 1;
export const LENGTH = 2;
export const CONNECTION = 4;

/**
 * The fields of a response whose headers were copied from those of `fetch`, without the fields that
 * describe only the received message.
 *
 * @param own flags of the fields that the program has set itself since
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
  // The program sends another stream, whose length is unknown.
  const isOther = typeof content === 'object' && content !== null && !FETCHED.has(content);
  const drops = (name: string) =>
    (name === 'content-encoding' && isDecoded && (own & CODING) === 0) ||
    (name === 'content-length' && (isDecoded || isOther) && (own & LENGTH) === 0);
  return kept.filter(([name]) => !drops(name)).flat();
}

/**
 * The fields of a response with this body, without a coding that has been removed from the body,
 * and without the length in that coding.
 */
export function asDecoded(fields: string[], stream: object): string[] {
  const codings = TAKEN_OFF.get(stream);
  if (codings !== undefined) {
    // It is the length before decoding, or not needed.
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

/** Node's decoders, each a `Transform`, and the codings that each removes. */
const DECODERS = [
  [zlib.Gunzip, ['gzip', 'x-gzip']],
  [zlib.Unzip, ['gzip', 'x-gzip', 'deflate']],
  [zlib.Inflate, ['deflate']],
  [zlib.InflateRaw, ['deflate']],
  [zlib.BrotliDecompress, ['br']],
  [(zlib as { ZstdDecompress?: unknown }).ZstdDecompress, ['zstd']],
] as unknown as readonly (readonly [(new () => object) | undefined, readonly string[]])[];

/** The codings that have been removed from a body, by its stream. */
const TAKEN_OFF = new WeakMap<object, readonly string[]>();

/**
 * Notes which coding a decoder of Node's has removed from `stream`. Clients built on `node:http`,
 * such as node-fetch and axios, give a decoder as the body.
 */
export function noteDecoder(source: object, stream: object): void {
  const { readable } = source as { readable?: unknown };
  const candidate = typeof readable === 'object' ? readable : source;
  if (!(candidate instanceof Transform)) {
    return;
  }
  for (const [decoder, codings] of DECODERS) {
    if (decoder !== undefined && candidate instanceof decoder) {
      TAKEN_OFF.set(stream, codings);
      return;
    }
  }
}

/** Notes the same for a stream that was made from another. */
export function handOnDecoder(from: object, to: object): void {
  const codings = TAKEN_OFF.get(from);
  if (codings !== undefined) {
    TAKEN_OFF.set(to, codings);
  }
}

/**
 * The codings that Node's `fetch` decodes. It decodes a body only if it knows all codings of it.
 */
const DECODABLE = ['br', 'deflate', 'gzip', 'x-gzip', ...(decodesZstd() ? ['zstd'] : [])];

/** Whether `fetch` decodes a body with this `content-encoding`. */
export function isDecodable(codings: string | null): boolean {
  return Boolean(codings) && listOf(codings as string).every((name) => DECODABLE.includes(name));
}

/** Undici does since 7.11, if Node's zlib does. */
function decodesZstd(): boolean {
  const [major = 0, minor = 0] = (process.versions.undici ?? '').split('.').map(Number);
  return 'createZstdDecompress' in zlib && (major > 7 || (major === 7 && minor >= 11));
}
