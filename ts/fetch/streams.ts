import { AsyncResource } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { types } from 'node:util';
import { noteDecoder } from './fetched.js';
import { NodeReader } from './node-reader.js';
import type { Reader } from './reader.js';

/** Calls a function in the async context in which this scope was made. */
export type Scope = (call: () => void) => void;

/** A constructor that adds the private fields of its subclasses to the object that it is given. */
const Stamp = class {
  constructor(onto: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is how a private field gets onto an object of another class
    return onto;
  }
} as new (
  onto: object,
) => object;

/**
 * Notes on a stream in which async context the program gave it to a body. A private field of the
 * stream itself: a `WeakMap` of short-lived keys costs several times as much, mostly in garbage
 * collections.
 */
class Scoped extends Stamp {
  #scope: Scope;

  constructor(stream: ReadableStream, scope: Scope) {
    super(stream);
    this.#scope = scope;
  }

  static note(stream: ReadableStream, scope: Scope): void {
    if (#scope in stream) {
      stream.#scope = scope;
    } else {
      new Scoped(stream, scope);
    }
  }

  static of(stream: ReadableStream): Scope | undefined {
    return #scope in stream ? stream.#scope : undefined;
  }
}

/** The async context of the caller. `AsyncLocalStorage.snapshot` is many times slower. */
export function scopeHere(): Scope {
  const resource = new AsyncResource('ReactorBody');
  return (call) => resource.runInAsyncScope(call);
}

/**
 * Notes the async context in which the program gave the stream. Its `pull` and `cancel` are the
 * program's code, but are called long after the program has returned.
 */
export function rememberScope(stream: ReadableStream, scope = scopeHere()): void {
  Scoped.note(stream, scope);
}

/** Notes the same context for a stream that was made from another. */
export function handOnScope(from: ReadableStream, to: ReadableStream): void {
  const scope = Scoped.of(from);
  if (scope !== undefined) {
    Scoped.note(to, scope);
  }
}

/** The scope in which to call a stream's methods, which run the program's code. */
export function scopeOf(stream: ReadableStream): Scope {
  return Scoped.of(stream) ?? ((call) => call());
}

/** Members that foreign streams and Node's streams may have. */
interface Source extends Partial<AsyncIterable<unknown>> {
  getReader?: unknown;
  pipe?: unknown;
  on?: unknown;
  destroy?: unknown;
}

/**
 * One of Node's web streams with the content of `source`: another implementation's stream, a
 * `Readable`, or any async iterable. `null` for anything else.
 *
 * It reads nothing from `source` before it is read itself.
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
 * The same as a stream of bytes, of anything that Node accepts as a body. Chunks may be text,
 * arrays or any memory.
 *
 * Node's own `Response` could do it, but throws an uncatchable error if the stream is cancelled
 * while it asks for the last chunk.
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
 * Wraps the stream that Node makes of a form. For the same reason it is cancelled only between two
 * chunks.
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

/** A stream of the bytes that the reader reads. */
export function bytesOfReader(open: () => Reader): ReadableStream<Uint8Array> {
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
        // A byte stream transfers the memory of its chunks, so it gets a copy.
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

/** The bytes of a chunk, which may be text, an array or any memory. */
export function memoryOf(chunk: unknown): Uint8Array {
  if (types.isUint8Array(chunk)) {
    return chunk;
  }
  return ArrayBuffer.isView(chunk)
    ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : Buffer.from(chunk as string);
}

/** Whether it is one of Node's streams, or behaves like one. */
function isNodeStream(
  source: Source,
): source is Source & { on(event: string, call: () => void): void; destroy(): void } {
  const { pipe, on, destroy } = source;
  return [pipe, on, destroy].every((method) => typeof method === 'function');
}

/** What all async generators inherit, below the prototype that each generator function has. */
const ASYNC_GENERATOR = Object.getPrototypeOf(
  Object.getPrototypeOf((async function* none() {})()),
) as AsyncGenerator<unknown>;
const { next: nextOf } = ASYNC_GENERATOR;

/**
 * Opens a reader of an async generator; `null` for another generator.
 *
 * To look a property up on a generator is slow: each generator function has a prototype of its own.
 */
export function openerOfGenerator(given: object): (() => Reader) | null {
  const inherited: unknown = Object.getPrototypeOf(Object.getPrototypeOf(given) ?? {});
  if (inherited !== ASYNC_GENERATOR || Object.hasOwn(given, 'next')) {
    return openerOf(given);
  }
  const generator = given as AsyncGenerator<unknown>;
  return () => ({
    read: () => nextOf.call(generator),
    async cancel() {
      await generator.return(undefined);
    },
  });
}

/** Opens a reader of anything that Node accepts as a stream; `null` for anything else. */
export function openerOf(source: Source): (() => Reader) | null {
  if (typeof source.getReader === 'function') {
    return () => (source as { getReader(): Reader }).getReader();
  }
  const iterate = source[Symbol.asyncIterator];
  if (typeof iterate !== 'function') {
    return null;
  }
  const isNodes = isNodeStream(source);
  if (isNodes) {
    // An 'error' without a listener would end the process. Until the stream is read it has none:
    // while the response is on its way, for HEAD, or after the client has left. The reader gets the
    // error anyway.
    source.on('error', () => {});
  }
  if (source instanceof Readable && iterate === Readable.prototype[Symbol.asyncIterator]) {
    return () => new NodeReader(source);
  }
  return () => {
    const iterator = iterate.call(source) as AsyncIterator<unknown>;
    return {
      read: () => iterator.next(),
      async cancel() {
        // The iterator is a generator. If it has not begun, its clean-up does not run. If it waits
        // for data, it does not hear of the cancellation.
        if (isNodes) {
          source.destroy();
        }
        await iterator.return?.();
      },
    };
  };
}
