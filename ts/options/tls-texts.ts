import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { types } from 'node:util';
import type { NativePem } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { filePath } from '../fetch/file-path.js';

/** Completes "must be …". */
const TEXT = 'PEM text, bytes, the path of a file, or a "file:" URL';

/** The files that texts came from, by their absolute paths. */
export type Files = Set<string>;

/**
 * The texts that an option gives, one or several.
 * @param name of the option, such as `tls.cert`
 * @param files gets the paths of the files that were read
 */
export function textsOf(name: string, given: unknown, files: Files): NativePem[] {
  return each(name, given, (own, one) => textOf(own, one, files));
}

/** Applies a function to one value or to each of several, with the name of each. */
export function each<T>(
  name: string,
  given: unknown,
  one: (name: string, value: unknown) => T,
): T[] {
  return Array.isArray(given)
    ? given.map((value, index) => one(`${name}[${index}]`, value))
    : [one(name, given)];
}

/** One text, from memory or from a file. */
export function textOf(name: string, given: unknown, files: Files): NativePem {
  const bytes = bytesOf(given);
  if (bytes !== undefined) {
    return { from: name, text: bytes };
  }
  if (typeof given === 'string' && given.includes('-----BEGIN')) {
    return { from: name, text: Buffer.from(given) };
  }
  const path = filePath(given);
  if (path === undefined) {
    throw wrong(name, given);
  }
  // The program may change its working directory before the file is read again.
  const absolute = resolve(path);
  files.add(absolute);
  return { from: absolute, text: read(name, path, absolute) };
}

function bytesOf(given: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(given)) {
    return new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  }
  return types.isAnyArrayBuffer(given) ? new Uint8Array(given) : undefined;
}

/** A private key must not be printed, not even a part of it. */
function wrong(name: string, given: unknown): ReactorError {
  const got =
    typeof given === 'string' && given.includes('\n')
      ? 'a text of several lines without a line -----BEGIN'
      : inspect(given);
  return new ReactorError(
    'ERR_REACTOR_INVALID_OPTION',
    `option "${name}" must be ${TEXT}, got ${got}`,
  );
}

/** What goes wrong when a file is read, and what to do. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is no folder',
};

/** Certificates and keys are small. A larger file is a mistake, such as a device. */
const MOST_BYTES = 4 * 1024 * 1024;

/** Base64 without markers, which may be a private key. Hardly a path is like that. */
const BASE64 = /^[A-Za-z0-9+/]{48,}={0,2}$/;

/** @param given the path, as the user wrote it */
function read(name: string, given: string, path: string): Uint8Array {
  let text: Uint8Array;
  try {
    text = readFileSync(path);
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    if (BASE64.test(given)) {
      throw new ReactorError(
        'ERR_REACTOR_TLS',
        `option "${name}" is neither PEM text nor a file that can be read: it looks like base64 without -----BEGIN and -----END`,
      );
    }
    throw new ReactorError(
      'ERR_REACTOR_TLS',
      `option "${name}": cannot read "${path}": ${REASONS[code] ?? message}`,
      { cause },
    );
  }
  if (text.length > MOST_BYTES) {
    throw new ReactorError('ERR_REACTOR_TLS', `option "${name}": "${path}" has more than 4 MiB`);
  }
  return text;
}
