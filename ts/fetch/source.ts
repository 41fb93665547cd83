import type { ReadableStream } from 'node:stream/web';
import { handOnDecoder, noteDecoder } from './fetched.js';
import type { ChunkResult, Reader } from './reader.js';
import {
  bytesOfReader,
  openerOf,
  openerOfGenerator,
  rememberScope,
  type Scope,
  scopeHere,
} from './streams.js';

/**
 * Content that arrives in pieces, of anything that Node accepts as a body and that is no stream of
 * the standard: an async iterable, or a stream of Node's. To make a stream of it costs several
 * times what it costs to read it.
 *
 * Nothing is read before the first `read` of its reader, or of the stream.
 */
export class Source {
  /** The async context in which the program gave it. */
  readonly scope: Scope = scopeHere();
  readonly #open: () => Reader;

  constructor(open: () => Reader) {
    this.#open = open;
  }

  /** The source of this value; `null` if it has none. */
  static from(given: object): Source | null {
    const open = openerOf(given);
    if (open === null) {
      return null;
    }
    const source = new Source(open);
    noteDecoder(given, source);
    return source;
  }

  /** The source of an async generator; `null` for another generator. */
  static ofGenerator(given: object): Source | null {
    const open = openerOfGenerator(given);
    return open && new Source(open);
  }

  getReader(): SourceReader {
    return new SourceReader(this.#open);
  }

  /** The content as a stream of the standard, in place of {@link getReader}. */
  toStream(): ReadableStream<Uint8Array> {
    const stream = bytesOfReader(this.#open);
    rememberScope(stream, this.scope);
    handOnDecoder(this, stream);
    return stream;
  }

  /** Tells the producer that nothing is going to be read. */
  cancel(reason: unknown): Promise<void> {
    return this.getReader().cancel(reason);
  }
}

/** Opens the source for the first call. */
class SourceReader {
  readonly #open: () => Reader;
  #reader: Reader | null = null;

  constructor(open: () => Reader) {
    this.#open = open;
  }

  read(): Promise<ChunkResult> | ChunkResult {
    this.#reader ??= this.#open();
    return this.#reader.read() as Promise<ChunkResult> | ChunkResult;
  }

  async cancel(reason: unknown): Promise<void> {
    this.#reader ??= this.#open();
    await this.#reader.cancel(reason);
  }
}
