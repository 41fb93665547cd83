import { AsyncLocalStorage } from 'node:async_hooks';
import { ReadableStream } from 'node:stream/web';

import { noteDecoder } from './fetched.js';

/** Calls a function in the async context in which this was made. */
export type Scope = (call: () => void) => void;

/** The context in which the program gave a stream to a body. */
const SCOPES = new WeakMap<ReadableStream, Scope>();

/**
 * Remembers the async context that a program gives a stream in: `pull` and `cancel`
 * are the program's too, and are called long after it has returned.
 */
export function rememberScope(stream: ReadableStream): void {
  SCOPES.set(stream, AsyncLocalStorage.snapshot());
}

/** The same context for a stream that was made from the first. */
export function handOnScope(from: ReadableStream, to: ReadableStream): void {
  const scope = SCOPES.get(from);
  if (scope !== undefined) {
    SCOPES.set(to, scope);
  }
}

/** Where to call what calls the program's part of a stream. */
export function scopeOf(stream: ReadableStream): Scope {
  return SCOPES.get(stream) ?? ((call) => call());
}

/** What this takes of a stream: a reader of the standard's, or what does the same. */
interface Reader {
  read(): PromiseLike<ReadResult> | ReadResult;
  cancel(reason: unknown): unknown;
}

type ReadResult = { readonly done?: boolean | undefined; readonly value?: unknown };

/** What other implementations and Node's own streams may have. */
interface Source extends Partial<AsyncIterable<unknown>> {
  getReader?: unknown;
  pipe?: unknown;
  on?: unknown;
  destroy?: unknown;
}

/**
 * A stream of Node's own that gives what `source` does: another implementation's
 * stream, a `Readable`, or any async iterable; `null` for what is none.
 *
 * Nothing is read from it before somebody reads this.
 */
export function streamFrom(source: object): ReadableStream<Uint8Array> | null {
  if (source instanceof ReadableStream) {
    return source;
  }
  const open = openerOf(source);
  if (open === null) {
    return null;
  }
  let reader: Reader | null = null;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        reader ??= open();
        const { done, value } = await reader.read();
        if (done === true) {
          controller.close();
        } else {
          controller.enqueue(value as Uint8Array);
        }
      },
      async cancel(reason) {
        reader ??= open();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  noteDecoder(source, stream);
  return stream;
}

/**
 * The same as a stream of bytes, from what else a body may be made of in Node: text,
 * arrays and memory among the chunks are bytes in it.
 *
 * Node's own `Response` would do it too, but throws where nobody can catch it if the
 * stream is cancelled while its last chunk is asked for.
 */
export function byteStreamFrom(source: object): ReadableStream<Uint8Array> | null {
  const open = openerOf(source);
  if (open === null) {
    return null;
  }
  const stream = bytesOfReader(open);
  noteDecoder(source, stream);
  return stream;
}

/**
 * The stream of a form's bytes, which Node makes. It is cancelled only when it has given
 * what it was asked for, for the same reason.
 */
export function guarded(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return bytesOfReader(() => {
    const reader = stream.getReader();
    let last: Promise<unknown> | null = null;
    return {
      read() {
        const result = reader.read();
        last = result;
        return result;
      },
      async cancel(reason) {
        await last?.catch(() => {});
        await reader.cancel(reason);
      },
    };
  });
}

function bytesOfReader(open: () => Reader): ReadableStream<Uint8Array> {
  let reader: Reader | null = null;
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      reader ??= open();
      for (;;) {
        const { done, value } = await reader.read();
        if (done === true) {
          controller.close();
          controller.byobRequest?.respond(0);
          return;
        }
        // A copy: a byte stream takes the memory of what it is given.
        const bytes = new Uint8Array(memoryOf(value));
        if (bytes.length > 0) {
          controller.enqueue(bytes);
          return;
        }
      }
    },
    async cancel(reason) {
      reader ??= open();
      await reader.cancel(reason);
    },
  });
}

function memoryOf(chunk: unknown): Uint8Array {
  return ArrayBuffer.isView(chunk)
    ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : Buffer.from(chunk as string);
}

/** Whether it is one of Node's streams, or works as one. */
function isNodeStream(
  source: Source,
): source is Source & { on(event: string, call: () => void): void; destroy(): void } {
  const { pipe, on, destroy } = source;
  return [pipe, on, destroy].every((method) => typeof method === 'function');
}

function openerOf(source: Source): (() => Reader) | null {
  if (typeof source.getReader === 'function') {
    return () => (source as { getReader(): Reader }).getReader();
  }
  const iterate = source[Symbol.asyncIterator];
  if (typeof iterate !== 'function') {
    return null;
  }
  const isNodes = isNodeStream(source);
  if (isNodes) {
    // Node ends the process at the 'error' of a stream that has no listener for it, and
    // this one has none before it is read: not while its response is on the way, nor
    // where HEAD was asked or the client has left. Who reads it gets the error.
    source.on('error', () => {});
  }
  return () => {
    const iterator = iterate.call(source) as AsyncIterator<unknown>;
    return {
      read: () => iterator.next(),
      async cancel() {
        // Its iterator is a generator. One that nobody has begun does not get as far as
        // its own clean-up, and one that waits for data hears of nothing before it has some.
        if (isNodes) {
          source.destroy();
        }
        await iterator.return?.();
      },
    };
  };
}
