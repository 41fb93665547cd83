import { types } from 'node:util';
import { isInstanceOfClass } from './application.js';
import type { NativeField, NativeRoute } from './binding.js';
import type { AnyHandler, Entry } from './bridge.js';
import { ReactorError } from './errors.js';
import { FETCH } from './handlers.js';
import { TOKEN } from './headers.js';
import { show } from './show.js';

const RESPONSE_KEYS = ['status', 'headers', 'body'];

/** Framing and connection fields belong to the server: two sources would contradict each other. */
const OWN_FIELDS = [
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
];

/** Routes as the engine takes them, and the handlers that they lead to. */
export interface ResolvedRoutes {
  /** `undefined` for the built-in application. */
  readonly routes: NativeRoute[] | undefined;
  /** In the order of their numbers. */
  readonly entries: readonly Entry[];
}

/**
 * Checks the `routes` option and renders it for the engine. Patterns themselves
 * are checked by the engine, which knows them all.
 *
 * @param hasFetch a handler takes every request that no route answers, also on
 * the path of a route that does not have its method
 * @param firstNumber of the handlers among them
 * @throws {ReactorError} `ERR_REACTOR_INVALID_ROUTE`, names the path.
 */
export function resolveRoutes(
  given: unknown,
  hasFetch: boolean,
  firstNumber: number,
): ResolvedRoutes {
  if (given === undefined) {
    return { routes: hasFetch ? [CATCH_ALL] : undefined, entries: [] };
  }
  if (!isPlainObject(given)) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `option "routes" must be a plain object of paths and responses, got ${show(given)}`,
    );
  }
  const entries: Entry[] = [];
  const add = (entry: Entry) => firstNumber + entries.push(entry) - 1;
  const routes = Object.entries(given).flatMap(([pattern, route]) => {
    const resolved = resolveRoute(pattern, route, add);
    // The engine would answer 405.
    const isOpenEnded = hasFetch && resolved.every(({ method }) => method !== undefined);
    return isOpenEnded ? [...resolved, { ...CATCH_ALL, pattern }] : resolved;
  });
  if (hasFetch && !Object.hasOwn(given, CATCH_ALL.pattern)) {
    routes.push(CATCH_ALL);
  }
  return { routes, entries };
}

const CATCH_ALL = handlerRoute('/*', FETCH);

function handlerRoute(pattern: string, handler: number): NativeRoute {
  return { pattern, handler, status: 200, fields: [], body: new Uint8Array() };
}

function resolveRoute(
  pattern: string,
  route: unknown,
  add: (entry: Entry) => number,
): NativeRoute[] {
  const label = `route "${pattern}"`;
  const forHandler = (handle: unknown) =>
    handlerRoute(pattern, add({ handle: handle as AnyHandler, paramNames: paramsIn(pattern) }));
  if (typeof route === 'function') {
    return [forHandler(route)];
  }
  if (typeof route === 'string' || isBytes(route) || isResponse(route)) {
    return [{ pattern, method: 'GET', ...render(label, route) }];
  }
  if (!isPlainObject(route)) {
    throw bad(
      label,
      'must be a string, bytes, a function, { status, headers, body } or any of these by method',
      route,
    );
  }
  return Object.entries(route).map(([method, response]) => {
    if (RESPONSE_KEYS.includes(method)) {
      throw bad(label, 'mixes methods with the keys of a response', route);
    }
    if (!TOKEN.test(method) || method !== method.toUpperCase()) {
      throw bad(label, 'must name methods in upper case, such as GET', method);
    }
    return typeof response === 'function'
      ? { ...forHandler(response), method }
      : { pattern, method, ...render(`${label} ${method}`, response) };
  });
}

/** The names of a pattern's parameters in their order; a wildcard's is `*`. */
function paramsIn(pattern: string): string[] {
  return pattern
    .split('/')
    .filter((segment) => segment.startsWith(':') || segment === '*')
    .map((segment) => (segment === '*' ? segment : segment.slice(1)));
}

function render(label: string, response: unknown): Pick<NativeRoute, 'status' | 'fields' | 'body'> {
  if (typeof response === 'string' || isBytes(response)) {
    return render(label, { body: response });
  }
  if (!isPlainObject(response)) {
    throw bad(
      label,
      'must answer with a string, bytes, a function or { status, headers, body }',
      response,
    );
  }
  const unknown = Object.keys(response).find((key) => !RESPONSE_KEYS.includes(key));
  if (unknown !== undefined) {
    throw bad(label, 'has a key that is none of status, headers, body', unknown);
  }
  const { status = 200, body = '' } = response;
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599) {
    throw bad(label, 'must have a status that is an integer from 200 to 599', status);
  }
  if (typeof body !== 'string' && !isBytes(body)) {
    throw bad(label, 'must have a body that is a string or bytes', body);
  }
  if (body.length > 0 && (status === 204 || status === 304)) {
    throw bad(label, `cannot have a body with status ${status}`, body);
  }
  const fields = renderFields(label, response.headers);
  if (body.length > 0 && !fields.some((field) => field.name.toLowerCase() === 'content-type')) {
    const type = typeof body === 'string' ? 'text/plain;charset=utf-8' : 'application/octet-stream';
    fields.push({ name: 'content-type', value: Buffer.from(type) });
  }
  return {
    status: status as number,
    fields,
    // A copy: the caller may go on writing to its bytes while we start.
    body: typeof body === 'string' ? Buffer.from(body) : Uint8Array.from(body),
  };
}

function renderFields(label: string, headers: unknown): NativeField[] {
  if (headers === undefined) {
    return [];
  }
  if (!isPlainObject(headers)) {
    throw bad(label, 'must have headers that are a plain object of names and values', headers);
  }
  return Object.entries(headers).flatMap(([name, values]) => {
    if (!TOKEN.test(name)) {
      throw bad(label, 'has a header name that is not a token', name);
    }
    if (OWN_FIELDS.includes(name.toLowerCase())) {
      throw bad(label, 'sets a header that only the server may set', name);
    }
    return (Array.isArray(values) ? values : [values]).map((value: unknown) => {
      if (typeof value !== 'string' || !isFieldValue(value)) {
        throw bad(label, `has a bad value for header ${name}`, value);
      }
      return { name, value: Buffer.from(value, 'latin1') };
    });
  });
}

/** RFC 9110 §5.5: visible characters, inner blanks and tabs, and the bytes above 0x7F. */
export function isFieldValue(value: string): boolean {
  return /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/.test(value);
}

/** An object with only keys of a response; an empty one is an empty 200. */
function isResponse(value: unknown): boolean {
  return isPlainObject(value) && Object.keys(value).every((key) => RESPONSE_KEYS.includes(key));
}

/** A plain object: of a promise, a `Map` or a `Response` there is nothing to list. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !isInstanceOfClass(value)
  );
}

export function isBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value);
}

function bad(label: string, problem: string, value: unknown): ReactorError {
  return new ReactorError('ERR_REACTOR_INVALID_ROUTE', `${label} ${problem}, got ${show(value)}`);
}
