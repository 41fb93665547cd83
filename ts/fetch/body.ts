import { Blob } from 'node:buffer';
import { Readable } from 'node:stream';
// From the modules, not the globals, which the program may have replaced.
import { ReadableStream } from 'node:stream/web';
import { URLSearchParams } from 'node:url';
import { types } from 'node:util';
import { copyOfBytes, giveBack } from './copies.js';
import { handOnDecoder } from './fetched.js';
import { GenuineResponse } from './genuine.js';
import { isReadByNode, likeBody } from './likes.js';
import type { Pieces } from './multipart.js';
import { Source } from './source.js';
import { guarded, handOnScope, rememberScope } from './streams.js';

/** The body of a request or a response, which can be read once. */
export interface Body {
  /** Whether it has been read, at least in part. */
  readonly isUsed: boolean;
  /** The body as a stream, made on demand. */
  readonly stream: ReadableStream<Uint8Array>;
  /**
   * The whole body, as a value if it is in memory.
   * @throws {TypeError} if it has been read, or is being read.
   */
  takeText(): string | Promise<string>;
  /** Like {@link takeText}. The caller may keep and change the bytes. */
  takeBytes(): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
  /** Like {@link takeBytes}, in the pieces in which the body arrives. */
  takePieces(): Pieces;
  /** A second body with the same content, to be read independently. */
  clone(): Body;
}

/** The content of a body that is to be sent. */
export type Content = string | Uint8Array | Blob | ReadableStream<Uint8Array> | Source | null;

/** The content that was last taken, if it is a copy that nothing else refers to. */
let lastCopy: Content = null;

/** The content has been sent. If it is a copy that nothing else refers to, its memory is kept. */
export function sent(content: Content): void {
  if (content !== null && content === lastCopy) {
    giveBack(lastCopy as Uint8Array);
  }
  lastCopy = null;
}

/** A body in memory. */
export class StoredBody implements Body {
  readonly #content: string | Uint8Array | Blob;
  #stream: ReadableStream<Uint8Array> | null = null;
  #isTaken = false;
  /** The content is a copy that nothing else refers to. */
  #isCopy: boolean;
  /** The same, and it fills an ArrayBuffer of its own, which may be given away. */
  #isOwn = false;

  /** @param content bytes that nothing else changes */
  constructor(content: string | Uint8Array | Blob, isCopy = false) {
    this.#content = content;
    this.#isCopy = isCopy;
  }

  /** A body of bytes that fill their ArrayBuffer, and that nothing else refers to. */
  static owning(bytes: Uint8Array<ArrayBuffer>): StoredBody {
    const body = new StoredBody(bytes);
    body.#isOwn = true;
    return body;
  }

  get isUsed(): boolean {
    return this.#isTaken || (this.#stream !== null && isDisturbed(this.#stream));
  }

  get stream(): ReadableStream<Uint8Array> {
    if (this.#stream === null) {
      this.#isCopy = false;
      this.#stream = this.#isTaken ? spentStream() : this.#streamOfContent();
    }
    return this.#stream;
  }

  takeText(): string | Promise<string> {
    const content = this.#take();
    if (typeof content === 'string') {
      return wellFormed(content);
    }
    return types.isUint8Array(content) ? decode(content) : content.text();
  }

  takeBytes(): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
    const content = this.#take();
    if (typeof content === 'string') {
      return encode(content);
    }
    if (this.#isOwn) {
      return content as Uint8Array<ArrayBuffer>;
    }
    return types.isUint8Array(content)
      ? new Uint8Array(content)
      : content.arrayBuffer().then((buffer) => new Uint8Array(buffer));
  }

  takePieces(): Pieces {
    const content = this.#take();
    if (typeof content === 'string') {
      return [encode(content)];
    }
    return types.isUint8Array(content) ? [content] : piecesOf(content.stream());
  }

  /** The content, to be sent. */
  take(): string | Uint8Array | Blob {
    const content = this.#take();
    lastCopy = this.#isCopy ? (content as Uint8Array) : null;
    return content;
  }

  clone(): StoredBody {
    refuseUnusable(this.isUsed, this.#stream);
    this.#isCopy = false;
    this.#isOwn = false;
    return new StoredBody(this.#content);
  }

  #streamOfContent(): ReadableStream<Uint8Array> {
    const content = this.#content;
    if (content instanceof Blob) {
      return content.stream();
    }
    return streamOf(() => {
      if (typeof content === 'string') {
        return encode(content);
      }
      return this.#isOwn ? content : new Uint8Array(content);
    });
  }

  #take(): string | Uint8Array | Blob {
    refuseUnusable(this.isUsed, this.#stream);
    this.#isTaken = true;
    if (this.#stream !== null) {
      // The program may hold the stream, so it must look read.
      void spend(this.#stream);
    }
    return this.#content;
  }
}

/** A body that is a stream, or of which one is made once the program asks for it. */
export class StreamedBody implements Body {
  #stream: ReadableStream<Uint8Array> | Source;
  #isTaken = false;

  constructor(stream: ReadableStream<Uint8Array> | Source) {
    this.#stream = stream;
  }

  get isUsed(): boolean {
    return this.#isTaken || (!(this.#stream instanceof Source) && isDisturbed(this.#stream));
  }

  get stream(): ReadableStream<Uint8Array> {
    if (this.#stream instanceof Source) {
      this.#stream = this.#isTaken ? spentStream() : this.#stream.toStream();
    }
    return this.#stream;
  }

  async takeText(): Promise<string> {
    return decode(await this.takeBytes());
  }

  takeBytes(): Promise<Uint8Array<ArrayBuffer>> {
    refuseUnusable(this.isUsed, this.stream);
    return readAll(this.stream);
  }

  takePieces(): Pieces {
    refuseUnusable(this.isUsed, this.stream);
    return piecesOf(this.stream);
  }

  /** The content, to be sent. */
  take(): ReadableStream<Uint8Array> | Source {
    const content = this.#stream;
    refuseUnusable(this.isUsed, content instanceof Source ? null : content);
    this.#isTaken = content instanceof Source;
    return content;
  }

  clone(): StreamedBody {
    const { stream } = this;
    refuseUnusable(this.isUsed, stream);
    const [mine, other] = stream.tee();
    handOnScope(stream, mine);
    handOnScope(stream, other);
    handOnDecoder(stream, mine);
    handOnDecoder(stream, other);
    this.#stream = mine;
    return new StreamedBody(other);
  }
}

/**
 * The body and the `content-type` of a value, according to the Fetch standard, "extract a body".
 */
export function extract(
  given: unknown,
): readonly [body: StoredBody | StreamedBody, type: string | null] {
  if (typeof given === 'object' && given !== null) {
    if (ArrayBuffer.isView(given)) {
      return [new StoredBody(copyOf(given), true), null];
    }
    if (given instanceof ReadableStream) {
      refuseUnusable(isDisturbed(given), given);
      rememberScope(given);
      return [new StreamedBody(given), null];
    }
    if (types.isGeneratorObject(given)) {
      // An async generator is nothing else, which all that follows would have to find out.
      const source = Source.ofGenerator(given);
      if (source !== null) {
        return [new StreamedBody(source), null];
      }
    }
    if (given instanceof URLSearchParams) {
      const type = 'application/x-www-form-urlencoded;charset=UTF-8';
      return [new StoredBody(given.toString()), type];
    }
    if (given instanceof Blob) {
      return [new StoredBody(given), given.type === '' ? null : given.type];
    }
    if (types.isAnyArrayBuffer(given)) {
      return [new StoredBody(copyOf(wholeOf(given)), true), null];
    }
    if (isReadByNode(given)) {
      // A rare and intricate case that Node's own class handles.
      const genuine = new GenuineResponse(given as FormData);
      const type = genuine.headers.get('content-type');
      const stream = guarded(genuine.body as ReadableStream<Uint8Array>);
      rememberScope(stream);
      return [new StreamedBody(stream), type];
    }
    const like = likeBody(given);
    if (like !== null) {
      const [content, type] = like;
      if (typeof content === 'string') {
        return [new StoredBody(content), type];
      }
      rememberScope(content);
      return [new StreamedBody(content), type];
    }
    const source = Source.from(given);
    if (source !== null) {
      return [new StreamedBody(source), null];
    }
  }
  return [new StoredBody(`${given}`), 'text/plain;charset=UTF-8'];
}

/** Decodes UTF-8 as the standard does, without a byte order mark. */
export function decode(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const text = utf8Slice.call(bytes, start, end);
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}

/** Whether the stream has been read from or cancelled. */
export function isDisturbed(stream: ReadableStream): boolean {
  // Node's types allow only its own streams here; its documentation allows both kinds.
  return Readable.isDisturbed(stream as never);
}

/** @throws {TypeError} if the body has been read, or its stream has a reader. */
export function refuseUnusable(isUsed: boolean, stream: ReadableStream | null): void {
  if (isUsed) {
    throw new TypeError('Body is unusable: Body has already been read');
  }
  if (stream?.locked) {
    throw new TypeError('Body is unusable: its stream has a reader');
  }
}

/** A body that has been read. */
export function spentBody(): StoredBody {
  const body = new StoredBody('');
  body.take();
  return body;
}

/** A stream that fails with this error. */
export function brokenStream(error: unknown): ReadableStream<Uint8Array> {
  return new ReadableStream({ type: 'bytes', start: (controller) => controller.error(error) });
}

/** A stream that has been read to its end. */
function spentStream(): ReadableStream<Uint8Array> {
  const stream = streamOf(() => new Uint8Array());
  void spend(stream);
  return stream;
}

/** Reads the rest of a stream, into one piece. */
export async function readAll(stream: ReadableStream): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return concat(chunks);
    }
    if (!types.isUint8Array(value)) {
      const error = new TypeError('Received non-Uint8Array chunk');
      await reader.cancel(error);
      throw error;
    }
    chunks.push(value);
  }
}

/**
 * Reads the rest of a stream, piece by piece. The stream counts as read at once. Stopping early
 * cancels it.
 */
function piecesOf(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = stream.getReader();
  let first: ReturnType<typeof reader.read> | null = reader.read();
  first.catch(() => {});
  return {
    [Symbol.asyncIterator]: () => ({
      next() {
        const next = first ?? reader.read();
        first = null;
        return next as Promise<IteratorResult<Uint8Array, undefined>>;
      },
      async return() {
        await reader.cancel();
        return { done: true, value: undefined };
      },
    }),
  };
}

/** Joins chunks in new memory, even if there is only one. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const chunk of chunks) {
    length += chunk.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Node's fastest decoder. It works on any Uint8Array. */
const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(start: number, end: number): string;
};

const BYTE_ORDER_MARK = 0xfeff;

const ENCODER = new TextEncoder();

function encode(text: string): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(text);
}

/**
 * The text as it would be after encoding and decoding: without lone surrogates and without a mark.
 */
function wellFormed(text: string): string {
  const sound = /\p{Surrogate}/u.test(text) ? decode(encode(text)) : text;
  return sound.charCodeAt(0) === BYTE_ORDER_MARK ? sound.slice(1) : sound;
}

/**
 * A copy, since the caller may go on writing to its bytes. Transferred memory gives an empty one.
 * @throws {TypeError} for shared or resizable memory, which the standard refuses (Web IDL, "buffer
 * source types").
 */
function copyOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  if (!types.isArrayBuffer(buffer) || isResizable(buffer)) {
    throw new TypeError('a body cannot be made of memory that is shared or resizable');
  }
  if (byteLength === 0) {
    return new Uint8Array();
  }
  return copyOfBytes(buffer, byteOffset, byteLength);
}

function wholeOf(buffer: ArrayBufferLike): ArrayBufferView {
  return { buffer, byteOffset: 0, byteLength: buffer.byteLength };
}

/** The property exists since ES2024. */
function isResizable(buffer: ArrayBuffer): boolean {
  return (buffer as { resizable?: boolean }).resizable === true;
}

/** @param bytesOf the content as bytes, which the stream may give away */
function streamOf(bytesOf: () => Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: 'bytes',
    pull(controller) {
      const bytes = bytesOf();
      if (bytes.length > 0) {
        controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
      }
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

/** Locks and cancels a stream, so that it looks read. */
async function spend(stream: ReadableStream): Promise<void> {
  const reader = stream.getReader();
  await reader.cancel();
}
