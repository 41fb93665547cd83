import { Blob } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { GenuineFormData } from './genuine.js';
import { byteStreamFrom } from './streams.js';

/** A `Blob` or `File` of any implementation. */
interface BlobLike {
  readonly type?: unknown;
  readonly name?: unknown;
  readonly stream?: unknown;
  readonly arrayBuffer?: unknown;
}

/** A `FormData` of any implementation. */
type FormLike = Iterable<readonly [name: unknown, value: unknown]>;

/** npm's form-data: a stream of Node's first kind, without entries. */
interface FormStream {
  pipe(to: PassThrough): unknown;
  getHeaders(): Readonly<Record<string, unknown>>;
  on(event: 'error', call: (error: Error) => void): unknown;
}

/** The content to send, and the `content-type` that goes with it. */
type Like = readonly [content: ReadableStream<Uint8Array> | string, type: string | null];

/**
 * Whether it has the name that another implementation gives its `FormData`, `Blob` or `File`, or
 * all methods of a `FormData`.
 */
export function isLike(given: object): boolean {
  const tag = tagOf(given);
  return tag === 'Blob' || tag === 'File' || isForm(given) || isFormStream(given);
}

/**
 * Whether Node's own `Response` can read it. Up to Node 22 that class recognizes foreign objects by
 * name. It then never ends if a file, or the whole, has no `stream`, as in the DOM of some test
 * runners.
 */
export function isReadByNode(given: object): boolean {
  const tag = tagOf(given);
  if (tag === 'Blob' || tag === 'File') {
    return typeof (given as BlobLike).stream === 'function';
  }
  if (!isForm(given) || (tag !== 'FormData' && !(given instanceof GenuineFormData))) {
    return false;
  }
  return [...given].every(([, value]) => typeof value !== 'object' || value instanceof Blob);
}

/**
 * The body of a foreign `FormData`, `Blob` or `URLSearchParams` for which {@link isReadByNode} is
 * false; `null` for anything else.
 */
export function likeBody(given: object): Like | null {
  if (isForm(given)) {
    const boundary = `----reactor-rs-${randomBytes(12).toString('hex')}`;
    const content = streamOf(partsOf(given, boundary));
    return [content, `multipart/form-data; boundary=${boundary}`];
  }
  if (isFormStream(given)) {
    const through = new PassThrough();
    given.on('error', (error) => through.destroy(error));
    given.pipe(through);
    const type = given.getHeaders()['content-type'];
    return [streamOf(through), typeof type === 'string' ? type : null];
  }
  if (isLike(given)) {
    const { type } = given as BlobLike;
    const content = streamOf(bytesOf(given as BlobLike));
    return [content, typeof type === 'string' && type !== '' ? type : null];
  }
  return tagOf(given) === 'URLSearchParams'
    ? [String(given), 'application/x-www-form-urlencoded;charset=UTF-8']
    : null;
}

function tagOf(given: object): unknown {
  return (given as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
}

function isForm(given: object): given is FormLike {
  const {
    [Symbol.iterator]: iterate,
    append,
    getAll,
    sort,
  } = given as Record<PropertyKey, unknown>;
  const hasAll = [iterate, append, getAll].every((method) => typeof method === 'function');
  // A URLSearchParams has these methods too, and also `sort`.
  return hasAll && typeof sort !== 'function' && !('getSetCookie' in given);
}

function isFormStream(given: object): given is FormStream {
  const { pipe, getHeaders, append } = given as Record<string, unknown>;
  return [pipe, getHeaders, append].every((method) => typeof method === 'function');
}

function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  return byteStreamFrom(source) as ReadableStream<Uint8Array>;
}

async function* bytesOf(blob: BlobLike): AsyncGenerator<Uint8Array> {
  if (typeof blob.stream === 'function') {
    const stream: unknown = blob.stream();
    const bytes =
      typeof stream !== 'object' || stream === null
        ? null
        : stream instanceof ReadableStream
          ? stream
          : byteStreamFrom(stream);
    if (bytes !== null) {
      yield* bytes;
      return;
    }
  }
  if (typeof blob.arrayBuffer !== 'function') {
    throw new TypeError('a Blob has neither stream() nor arrayBuffer(): it cannot be read');
  }
  yield new Uint8Array((await blob.arrayBuffer()) as ArrayBuffer);
}

/** The parts of a form, as RFC 7578 and the HTML standard write them. */
async function* partsOf(form: FormLike, boundary: string): AsyncGenerator<Uint8Array> {
  for (const [name, value] of form) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
    if (typeof value !== 'object' || value === null) {
      yield Buffer.from(`${head}\r\n\r\n${withLineEnds(value)}\r\n`);
      continue;
    }
    const { name: filename = 'blob', type } = value as BlobLike;
    const media = typeof type === 'string' && type !== '' ? type : 'application/octet-stream';
    yield Buffer.from(`${head}; filename="${quoted(filename)}"\r\nContent-Type: ${media}\r\n\r\n`);
    yield* bytesOf(value);
    yield Buffer.from('\r\n');
  }
  yield Buffer.from(`--${boundary}--\r\n`);
}

function withLineEnds(value: unknown): string {
  return `${value}`.replace(/\r\n|\r|\n/g, '\r\n');
}

function quoted(name: unknown): string {
  return `${name}`.replace(/\r\n|\r|\n/g, '%0D%0A').replaceAll('"', '%22');
}
