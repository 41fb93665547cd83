import { File } from 'node:buffer';
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { ReadableStream } from 'node:stream/web';
import { type InspectOptions, inspect as inspectInFull } from 'node:util';
import { binding } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import type { FileInit, ReactorFile } from '../types/file.js';
import { decode } from './body.js';
import { filePath } from './file-path.js';
import { readPart, streamOfPart } from './file-reads.js';

/** Which bytes of which file. */
export interface FilePart {
  /** Absolute. */
  readonly path: string;
  readonly start: number;
  /** The first byte after the part; `Infinity` is the end of the file. */
  readonly end: number;
}

/** The type of a file whose name tells none. */
const UNKNOWN_TYPE = 'application/octet-stream';

let partOf: (value: object) => FilePart | null;
let givenType: (value: object) => string | undefined;

export {
  /** The type that a program gave a file of {@link file}; `undefined` if the name decides. */
  givenType,
  /** What a file of {@link file} stands for; `null` for anything else, such as another `Blob`. */
  partOf,
};

/**
 * A file on disk as a `Blob`. It is looked up when it is used, so it need not exist yet.
 *
 * Its prototype is that of Node's `File`, so that it is one to all who ask. It has no content that
 * Node's own code could find, or that would be taken for an empty file.
 */
class FileOnDisk {
  readonly #path: string;
  readonly #start: number;
  readonly #end: number;
  readonly #type: string | undefined;

  static {
    partOf = (value) =>
      #path in value ? { path: value.#path, start: value.#start, end: value.#end } : null;
    givenType = (value) => (#path in value ? value.#type : undefined);
    Object.setPrototypeOf(FileOnDisk.prototype, File.prototype);
  }

  constructor(path: string, start: number, end: number, type: string | undefined) {
    this.#path = path;
    this.#start = start;
    this.#end = end;
    this.#type = type;
  }

  get name(): string {
    return basename(this.#path);
  }

  get size(): number {
    return Math.max(0, Math.min(this.#end, this.#wholeSize()) - this.#start);
  }

  get lastModified(): number {
    return Math.trunc(this.#stat()?.mtimeMs ?? 0);
  }

  get type(): string {
    return this.#type ?? binding().contentTypeOf(this.name) ?? UNKNOWN_TYPE;
  }

  slice(start = 0, end?: number, type = ''): FileOnDisk {
    const from = this.#place(start);
    const to = end === undefined ? this.#end : this.#place(end);
    return new FileOnDisk(this.#path, from, Math.max(from, to), checkedType('slice', type));
  }

  stream(): ReadableStream<Uint8Array> {
    return streamOfPart(this.#part());
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return readPart(this.#part());
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer;
  }

  async text(): Promise<string> {
    return decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async exists(): Promise<boolean> {
    const found = await stat(this.#path).catch(() => undefined);
    return found?.isFile() ?? false;
  }

  /** Node makes text of what it does not know, where it wants to make a Blob of several parts. */
  [Symbol.toPrimitive](): never {
    throw new TypeError(
      `file(${JSON.stringify(this.#path)}) is not read yet, so it is neither text nor part of another Blob: await its text() or bytes()`,
    );
  }

  [inspectInFull.custom](_depth: number, options: InspectOptions): string {
    const { path, start, end } = this.#part();
    const part = start === 0 && end === Number.POSITIVE_INFINITY ? {} : { start, end };
    const shown = { path, ...part, type: this.#type };
    return `file ${inspectInFull(shown, options)}`;
  }

  #part(): FilePart {
    return { path: this.#path, start: this.#start, end: this.#end };
  }

  /** A place within this part, as one in the file. */
  #place(offset: number): number {
    const whole = Math.trunc(Number(offset)) || 0;
    return whole < 0
      ? this.#start + Math.max(0, this.size + whole)
      : Math.min(this.#end, this.#start + whole);
  }

  #wholeSize(): number {
    return this.#stat()?.size ?? 0;
  }

  #stat(): { size: number; mtimeMs: number } | undefined {
    try {
      const found = statSync(this.#path);
      return found.isFile() ? found : undefined;
    } catch {
      return undefined;
    }
  }
}

/**
 * A file on disk, as a `Blob`. Nothing is read yet, and the file need not exist. The body of a
 * `Response` of this package is sent by the engine: with `ETag` and `Last-Modified`, ranges and
 * conditional requests.
 *
 * @param path relative to the working directory, or a `file:` URL. `new URL('./x', import.meta.url)`
 * is relative to the module.
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION` for anything else
 *
 * @example
 * import { file, Response, serve } from 'reactor-rs';
 *
 * await serve({ fetch: () => new Response(file('./report.pdf')) });
 */
export function file(path: string | URL, init: FileInit = {}): ReactorFile {
  const found = filePath(path);
  if (found === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `file() takes a path or a file: URL, got ${inspect(path instanceof URL ? path.href : path)}`,
    );
  }
  if (typeof init !== 'object' || init === null) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `the second argument of file() must be an object such as { type: "text/html" }, got ${inspect(init)}`,
    );
  }
  const type = init.type === undefined ? undefined : checkedType('file', init.type);
  const made = new FileOnDisk(resolve(found), 0, Number.POSITIVE_INFINITY, type);
  return made as unknown as ReactorFile;
}

/** Other characters could not be sent in a header. */
function checkedType(name: string, type: unknown): string {
  if (typeof type !== 'string' || !/^[\x20-\x7e]*$/.test(type)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `the type in ${name}() must be a media type such as "text/html", got ${inspect(type)}`,
    );
  }
  return type;
}
