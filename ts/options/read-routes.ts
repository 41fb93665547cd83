import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { givenType, partOf } from '../fetch/file.js';
import { asParts } from '../fetch/foreign.js';
import { GenuineResponse } from '../fetch/genuine.js';
import { isLike } from '../fetch/likes.js';
import { setOwn } from '../fetch/own-property.js';
import { isReactorResponse, storedText } from '../fetch/response.js';
import { isFiles } from './files.js';
import { bad, isPlainObject } from './route-check.js';
import { isResponse, OWN_FIELDS } from './static-answer.js';

/**
 * The routes with each `Response` and `Blob` replaced by its content, for `resolveRoutes`; a
 * promise if a body must be read first. Each is read once, and the program may still read it.
 * @throws {ReactorError} `ERR_REACTOR_INVALID_ROUTE`, names the path; also as a rejection.
 */
export function readRoutes(given: unknown): unknown {
  if (!isPlainObject(given)) {
    return given;
  }
  const pending: Promise<void>[] = [];
  /** One object may answer several routes. Its body is read only once. */
  const read = new Map<object, unknown>();
  const readInto = (into: Record<string, unknown>, key: string, value: unknown, label: string) => {
    const set = (of: unknown) => setOwn(into, key, of);
    const files = filesOf(value);
    if (files !== undefined) {
      set(files);
      return;
    }
    if (!isBlob(value) && !isResponseLike(value)) {
      set(value);
      return;
    }
    const known = read.has(value) ? read.get(value) : readStatic(label, value);
    read.set(value, known);
    if (known instanceof Promise) {
      pending.push(known.then(set));
    } else {
      set(known);
    }
  };
  const routes: Record<string, unknown> = {};
  for (const [pattern, route] of Object.entries(given)) {
    const label = `route "${pattern}"`;
    if (!isPlainObject(route) || isResponse(route) || isFiles(route) || isResponseLike(route)) {
      readInto(routes, pattern, route, label);
      continue;
    }
    const methods: Record<string, unknown> = {};
    for (const [method, answer] of Object.entries(route)) {
      readInto(methods, method, answer, `${label} ${method}`);
    }
    setOwn(routes, pattern, methods);
  }
  return pending.length === 0 ? routes : Promise.all(pending).then(() => routes);
}

/**
 * The route of files that a value asks for; `undefined` for another value. It can go to another thread,
 * which a URL cannot.
 */
function filesOf(value: unknown): Record<string, unknown> | undefined {
  if (isFiles(value)) {
    const files = { ...value };
    for (const option of ['dir', 'file']) {
      const path = files[option];
      if (path instanceof URL) {
        files[option] = path.href;
      }
    }
    return files;
  }
  const part = typeof value === 'object' && value !== null ? partOf(value) : null;
  // A part of a file is read, as any Blob is.
  if (part === null || part.start !== 0 || part.end !== Number.POSITIVE_INFINITY) {
    return undefined;
  }
  const type = givenType(value as object);
  return { file: part.path, ...(type === undefined ? {} : { headers: { 'content-type': type } }) };
}

/**
 * Status, headers and body as `render` takes them; a promise if the body must be read first.
 */
function readStatic(label: string, value: Blob | Response): unknown {
  if (isBlob(value)) {
    const headers = value.type === '' ? {} : { 'content-type': value.type };
    return settled(value.arrayBuffer()).then((bytes) => ({ headers, body: new Uint8Array(bytes) }));
  }
  if (value.bodyUsed) {
    throw bad(label, 'has a Response whose body has been read before', value);
  }
  if (value.type === 'error' || value.status === 0) {
    throw bad(label, 'cannot answer with Response.error()', value);
  }
  const { status, statusText = '' } = value;
  const body = textOf(value);
  const headers = headersOf(
    isReactorResponse(value) ? [...(value as Response).headers].flat() : asParts(value).fields,
  );
  if (body !== undefined) {
    return { status, statusText, headers, body };
  }
  // A clone is read, so that the program may still read its own.
  return settled(value.clone().arrayBuffer()).then(
    (bytes) => ({ status, statusText, headers, body: new Uint8Array(bytes) }),
    (cause) => {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_ROUTE',
        `${label} has a Response whose body cannot be read: ${inspect(cause)}`,
        { cause },
      );
    },
  );
}

/** A promise of Node's own, since a foreign one may have fewer methods. */
function settled<T>(promise: PromiseLike<T>): Promise<T> {
  return Promise.resolve(promise);
}

/** The body of one of this package's responses, if it is a string or there is none. */
function textOf(response: object): string | undefined {
  return isReactorResponse(response) ? storedText(response) : undefined;
}

/** The fields in the form of a route's `headers`, without those that the engine writes. */
function headersOf(fields: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    // A field without a name is the reason phrase.
    if (name !== '' && !OWN_FIELDS.includes(name.toLowerCase())) {
      const values = Object.hasOwn(headers, name) ? (headers[name] as string[]) : [];
      setOwn(headers, name, [...values, fields[i + 1] as string]);
    }
  }
  return headers;
}

function isBlob(value: unknown): value is Blob {
  return (
    value instanceof Blob ||
    (typeof value === 'object' &&
      value !== null &&
      isLike(value) &&
      typeof (value as Partial<Blob>).arrayBuffer === 'function')
  );
}

function isResponseLike(value: unknown): value is Response {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value instanceof GenuineResponse ||
      isReactorResponse(value) ||
      (typeof (value as Response).clone === 'function' &&
        typeof (value as Response).status === 'number' &&
        typeof (value as Response).arrayBuffer === 'function'))
  );
}
