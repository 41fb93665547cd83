import { Blob } from 'node:buffer';
import { ReadableStream } from 'node:stream/web';
import { URLSearchParams } from 'node:url';
import { types } from 'node:util';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { type Content, extract, isDisturbed, refuseUnusable } from './body.js';
import { isDecodable } from './fetched.js';
import { fieldValue, lowerName } from './field.js';
import { GenuineFormData, GenuineHeaders } from './genuine.js';
import { isReactorHeaders } from './headers.js';
import { endToEnd, type Field } from './hop-by-hop.js';
import { isLike } from './likes.js';
import { streamFrom } from './streams.js';

/** The parts of a response that is not this package's. */
export interface Parts {
  readonly status: number;
  readonly fields: string[];
  readonly content: Content;
}

/** The members that a response of any implementation has. */
interface ForeignResponse {
  readonly status: number;
  readonly headers: ForeignHeaders;
  readonly body?: unknown;
  readonly bodyUsed?: unknown;
  readonly url?: unknown;
  readonly statusText?: unknown;
  readonly arrayBuffer?: unknown;
}

/** The ways in which implementations expose their fields. */
interface ForeignHeaders extends Partial<Iterable<unknown>> {
  entries?: unknown;
  forEach?: unknown;
  /** The standard's method for cookies, which cannot be joined. */
  getSetCookie?: unknown;
  /** node-fetch's method: lists of values by name. */
  raw?: unknown;
  /** The method before `getSetCookie`. */
  getAll?: unknown;
}

/**
 * The parts of a `Response` of any implementation: Node's own, another copy of undici's, or one
 * that only behaves like it. Examples are node-fetch's and `@whatwg-node/fetch`'s. They have no
 * class in common.
 *
 * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` if it is no response, or cannot be sent
 * @throws {TypeError} for a field that the standard's `Headers` would refuse
 */
export function asParts(answer: unknown): Parts {
  if (!isResponse(answer)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_RESPONSE',
      `a handler must answer with a Response, got ${inspect(answer)}`,
    );
  }
  const { status } = answer;
  if (status !== 0 && !(Number.isInteger(status) && status >= 200 && status <= 599)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_RESPONSE',
      `the status of a response must be 200 to 599, got ${status}`,
    );
  }
  // Some classes add the body's `content-type` when `headers` is read, others when `body` is. After
  // reading both the fields are complete.
  void answer.headers;
  const content = contentOf(answer);
  const all = fieldsFrom(answer.headers);
  const phrase = phraseOf(answer);
  if (!answer.url) {
    return { status, fields: [...phrase, ...all.flat()], content };
  }
  // `fetch` decodes the body but keeps the fields of the encoded one.
  const isDecoded = content !== null && isDecodable(joinedValue(all, 'content-encoding'));
  const fields = endToEnd(all).filter(
    ([name]) => !(isDecoded && (name === 'content-encoding' || name === 'content-length')),
  );
  return { status, fields: [...phrase, ...fields.flat()], content };
}

/** The reason phrase as a field without a name, which `writeFields` checks. */
function phraseOf({ statusText }: ForeignResponse): string[] {
  return typeof statusText === 'string' && statusText !== '' ? ['', statusText] : [];
}

/** Whether it is a response of any class. */
export function isResponse(value: unknown): value is ForeignResponse {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const { status, headers, clone, text, arrayBuffer } = value as Record<string, unknown>;
  return (
    typeof status === 'number' &&
    typeof headers === 'object' &&
    headers !== null &&
    [clone, text, arrayBuffer].some((method) => typeof method === 'function')
  );
}

/** The content to send, in the form in which the implementation keeps the body. */
function contentOf(answer: ForeignResponse): Content {
  const { body, status } = answer;
  const stream = typeof body === 'object' && body !== null ? streamFrom(body) : null;
  refuseUnusable(
    Boolean(answer.bodyUsed) || (stream !== null && isDisturbed(body as ReadableStream)),
    body as ReadableStream | null,
  );
  // RFC 9110 §6.4.1: no body. Some implementations allow one nevertheless.
  if (status === 204 || status === 205 || status === 304) {
    stream?.cancel().catch(() => {});
    return null;
  }
  if (stream !== null || body === null) {
    return stream;
  }
  if (body === undefined) {
    return typeof answer.arrayBuffer === 'function' ? streamOfAll(answer) : null;
  }
  if (!isContent(body)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_RESPONSE',
      `a response has a body that is neither a stream nor bytes nor text, got ${inspect(body)}`,
    );
  }
  const [stored] = extract(body);
  return stored.take();
}

/**
 * Memory is recognised by `util.types`, not by `instanceof`: a program or a test runner may have
 * other classes in the globals.
 */
function isContent(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) {
    return typeof body === 'string';
  }
  return (
    ArrayBuffer.isView(body) ||
    types.isAnyArrayBuffer(body) ||
    body instanceof Blob ||
    body instanceof URLSearchParams ||
    body instanceof GenuineFormData ||
    isLike(body)
  );
}

/** A stream for a response without streams, as some are that were written for browsers or tests. */
function streamOfAll(answer: ForeignResponse): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const { arrayBuffer } = answer as { arrayBuffer(): Promise<ArrayBuffer> };
        const bytes = new Uint8Array(await arrayBuffer.call(answer));
        if (bytes.length > 0) {
          controller.enqueue(bytes);
        }
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * The fields of headers of any implementation, checked as the standard's `Headers` checks them.
 * Otherwise an invalid name or value would be cut to a valid one.
 */
function fieldsFrom(headers: ForeignHeaders): Field[] {
  if (headers instanceof GenuineHeaders || isReactorHeaders(headers)) {
    return [...(headers as Iterable<Field>)];
  }
  const fields: Field[] = [];
  const add = (name: unknown, value: unknown) => {
    const key = lowerName(name);
    for (const item of Array.isArray(value) ? value : [value]) {
      fields.push([key, fieldValue(key, item)]);
    }
  };
  eachField(headers, add);
  const cookies = cookiesOf(headers, fields);
  if (cookies === null) {
    return fields;
  }
  const others = fields.filter(([name]) => name !== 'set-cookie');
  return [
    ...others,
    ...cookies.map((value): Field => ['set-cookie', fieldValue('set-cookie', value)]),
  ];
}

function eachField(headers: ForeignHeaders, add: (name: unknown, value: unknown) => void): void {
  const { entries, forEach } = headers;
  const pairs =
    typeof headers[Symbol.iterator] === 'function'
      ? (headers as Iterable<unknown>)
      : typeof entries === 'function'
        ? (entries.call(headers) as Iterable<unknown>)
        : typeof forEach === 'function'
          ? null
          : Object.entries(headers);
  if (pairs === null) {
    const each = forEach as (this: unknown, call: (value: unknown, name: unknown) => void) => void;
    each.call(headers, (value, name) => add(name, value));
    return;
  }
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new TypeError(
        'the headers of a response have a field that is no pair of name and value',
      );
    }
    add(pair[0], pair[1]);
  }
}

/** The cookies one by one, if iteration may have joined them; `null` if it has not. */
function cookiesOf(headers: ForeignHeaders, fields: readonly Field[]): unknown[] | null {
  const shown = fields.filter(([name]) => name === 'set-cookie');
  const { getSetCookie, raw, getAll } = headers;
  const told: unknown =
    typeof getSetCookie === 'function'
      ? getSetCookie.call(headers)
      : typeof raw === 'function'
        ? (raw.call(headers) as Record<string, unknown>)['set-cookie']
        : typeof getAll === 'function' && shown.length > 0
          ? getAll.call(headers, 'set-cookie')
          : undefined;
  if (Array.isArray(told) && told.length > 0) {
    return told;
  }
  // A cookie's value has no comma (RFC 6265 §4.1.1). The date in `Expires` has one, without a "="
  // after it.
  return shown.length === 1 ? (shown[0] as Field)[1].split(/, *(?=[^\s;,=]+=)/) : null;
}

function joinedValue(fields: readonly Field[], name: string): string | null {
  const values = fields.flatMap(([key, value]) => (key === name ? [value] : []));
  return values.length === 0 ? null : values.join(', ');
}
