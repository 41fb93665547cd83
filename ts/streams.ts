import { AsyncLocalStorage } from 'node:async_hooks';
import { ReadableStream } from 'node:stream/web';

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
  return new ReadableStream(
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
}

function openerOf(source: Source): (() => Reader) | null {
  if (typeof source.getReader === 'function') {
    return () => (source as { getReader(): Reader }).getReader();
  }
  const iterate = source[Symbol.asyncIterator];
  if (typeof iterate !== 'function') {
    return null;
  }
  return () => {
    const iterator = iterate.call(source) as AsyncIterator<unknown>;
    return {
      read: () => iterator.next(),
      async cancel() {
        await iterator.return?.();
        // A generator that nobody has begun does not get as far as its own clean-up.
        if (typeof source.pipe === 'function' && typeof source.destroy === 'function') {
          source.destroy();
        }
      },
    };
  };
}
