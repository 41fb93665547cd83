import { close, createReadStream, fstat, open, type Stats } from 'node:fs';
import type { Duplex } from 'node:stream';
import { argumentError } from '../errors.js';
import { assertObject } from './arguments.js';
import { http2Error } from './errors.js';
import { type Fields, isBodiless, prepared } from './fields.js';

/** Options of `respondWithFile` and `respondWithFD`, as Node's. */
export interface FileOptions {
  /** The first byte that is sent. */
  offset?: number | undefined;
  /** How many bytes are sent; all of them if it is negative or not given. */
  length?: number | undefined;
  waitForTrailers?: boolean | undefined;
  /** May change the fields, or prevent the response by returning `false`. */
  statCheck?:
    | ((stats: Stats, fields: Fields, range: { offset: number; length: number }) => unknown)
    | undefined;
  /** Gets an error from before the response, which else destroys the stream. */
  onError?: ((error: Error) => void) | undefined;
}

/** What sends a file. */
interface Stream extends Duplex {
  readonly headersSent: boolean;
  readonly headRequest: boolean;
  respond(fields: Fields, options: object): void;
}

/** Sends a regular file, with its length. */
export function sendFile(stream: Stream, path: unknown, given: unknown, options: unknown): void {
  const { fields, checked } = check(stream, given, options);
  const fail = (error: Error) => {
    if (checked.onError === undefined) {
      stream.destroy(error);
    } else {
      checked.onError(error);
    }
  };
  open(path as string, 'r', (error, fd) => {
    if (error) {
      fail(error);
      return;
    }
    fstat(fd, (error, stats) => {
      const why =
        error ??
        (stats.isFile() ? undefined : http2Error('ERR_HTTP2_SEND_FILE')) ??
        (isOver(stream) ? http2Error('ERR_HTTP2_INVALID_STREAM') : undefined);
      if (why !== undefined) {
        close(fd, () => {});
        fail(why);
        return;
      }
      const range = rangeOf(checked);
      if (isRefused(stream, checked, stats, fields, range)) {
        close(fd, () => {});
        return;
      }
      const left = stats.size - range.offset;
      const length = range.length < 0 ? left : Math.min(left, range.length);
      fields['content-length'] = length;
      send(stream, fd, fields, checked, { offset: range.offset, length, isOwned: true });
    });
  });
}

/** Sends what can be read of a descriptor, which stays open. */
export function sendDescriptor(
  stream: Stream,
  given: unknown,
  givenFields: unknown,
  options: unknown,
): void {
  const { fields, checked } = check(stream, givenFields, options);
  const fd = typeof given === 'object' ? (given as { fd?: unknown } | null)?.fd : given;
  if (typeof fd !== 'number') {
    const what = 'The "fd" argument must be of type number or an instance of FileHandle.';
    throw argumentError(TypeError as ErrorConstructor, 'ERR_INVALID_ARG_TYPE', what, given);
  }
  if (checked.statCheck === undefined) {
    send(stream, fd, fields, checked, { ...rangeOf(checked), isOwned: false });
    return;
  }
  fstat(fd, (error, stats) => {
    const why = error ?? (isOver(stream) ? http2Error('ERR_HTTP2_INVALID_STREAM') : undefined);
    if (why !== undefined) {
      stream.destroy(why);
      return;
    }
    const range = rangeOf(checked);
    if (!isRefused(stream, checked, stats, fields, range)) {
      send(stream, fd, fields, checked, { ...range, isOwned: false });
    }
  });
}

function check(
  stream: Stream,
  given: unknown,
  options: unknown,
): { fields: Fields; checked: FileOptions } {
  assertObject(options, 'options');
  assertObject(given, 'headers');
  const checked = { ...(options as FileOptions | undefined) };
  for (const [name, type] of [
    ['offset', 'number'],
    ['length', 'number'],
    ['statCheck', 'function'],
  ] as const) {
    const value: unknown = checked[name];
    if (value !== undefined && typeof value !== type) {
      const what = `The property 'options.${name}' is invalid.`;
      throw argumentError(TypeError as ErrorConstructor, 'ERR_INVALID_ARG_VALUE', what, value);
    }
  }
  const { sent: fields, status } = prepared(given as Fields | undefined);
  if (stream.headRequest || isBodiless(status)) {
    throw http2Error('ERR_HTTP2_PAYLOAD_FORBIDDEN', status);
  }
  return { fields, checked };
}

function rangeOf({ offset = 0, length = -1 }: FileOptions): { offset: number; length: number } {
  return { offset, length };
}

/** Whether the program wants no response, or has given another. */
function isRefused(
  stream: Stream,
  { statCheck }: FileOptions,
  stats: Stats,
  fields: Fields,
  range: { offset: number; length: number },
): boolean {
  return statCheck?.call(stream, stats, fields, range) === false || stream.headersSent;
}

function isOver(stream: Stream): boolean {
  return stream.destroyed || stream.closed;
}

function send(
  stream: Stream,
  fd: number,
  fields: Fields,
  { waitForTrailers }: FileOptions,
  { offset, length, isOwned }: { offset: number; length: number; isOwned: boolean },
): void {
  stream.respond(fields, { waitForTrailers });
  if (length === 0) {
    if (isOwned) {
      close(fd, () => {});
    }
    stream.end();
    return;
  }
  const end = length < 0 ? {} : { end: offset + length - 1 };
  const file = createReadStream('', { fd, start: offset, ...end, autoClose: isOwned });
  file.on('error', (error) => stream.destroy(error));
  if (isOwned) {
    stream.on('close', () => file.destroy());
  }
  file.pipe(stream);
}
