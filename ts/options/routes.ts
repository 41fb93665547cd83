import { types } from 'node:util';
import type { NativeField, NativeRoute } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { TOKEN } from '../fetch/field.js';
import { asParts } from '../fetch/foreign.js';
import { GenuineResponse } from '../fetch/genuine.js';
import { isLike } from '../fetch/likes.js';
import { setOwn } from '../fetch/own-property.js';
import { isReactorResponse, storedText } from '../fetch/response.js';
import { type AnyHandler, FETCH, type HandlerEntry } from '../lane/handlers.js';
import { isInstanceOfClass, isThenable } from './application.js';
import { refuseNodeHandler } from './foreign-applications.js';

const RESPONSE_KEYS = ['status', 'statusText', 'headers', 'body'];

/** Fields of framing and connection. Only the server sends them, so that there is one source. */
const OWN_FIELDS = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding'];

/** Routes as the engine takes them, with their handlers. */
export interface ResolvedRoutes {
  /** `undefined` for the built-in application. */
  readonly routes: NativeRoute[] | undefined;
  /** In the order of their numbers. */
  readonly entries: readonly HandlerEntry[];
}

/**
 * Checks the `routes` option and renders it for the engine, which checks the patterns themselves.
 *
 * @param hasFetch there is a `fetch` handler; it also answers methods that a route's path does not
 * have
 * @param firstNumber the number of the first handler
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
      `option "routes" must be a plain object of paths and responses, got ${inspect(given)}`,
    );
  }
  const entries: HandlerEntry[] = [];
  const add = (entry: HandlerEntry) => firstNumber + entries.push(entry) - 1;
  const patterns = new Set<string>();
  const routes = Object.entries(given).flatMap(([written, route]) => {
    // Routers of frameworks write every path so.
    const pattern = written === '*' ? CATCH_ALL.pattern : written;
    if (patterns.has(pattern)) {
      throw bad(`route "${written}"`, `is the route "${pattern}", which is there too`, route);
    }
    patterns.add(pattern);
    const resolved = resolveRoute(written, pattern, route, add);
    // Without this the engine would answer 405.
    const isOpenEnded = hasFetch && resolved.every(({ method }) => method !== undefined);
    return isOpenEnded ? [...resolved, { ...CATCH_ALL, pattern }] : resolved;
  });
  if (hasFetch && !patterns.has(CATCH_ALL.pattern)) {
    routes.push(CATCH_ALL);
  }
  return { routes: hasFetch ? routes : routes.map(withoutFallThrough), entries };
}

/** A route that falls through to a missing `fetch` answers as if there were no route. */
function withoutFallThrough(route: NativeRoute): NativeRoute {
  return route.handler === FETCH ? { ...NOT_FOUND, ...placeOf(route) } : route;
}

function placeOf({ pattern, method }: NativeRoute): Pick<NativeRoute, 'pattern' | 'method'> {
  return method === undefined ? { pattern } : { pattern, method };
}

const CATCH_ALL = handlerRoute('/*', FETCH);

/** The engine's answer if there is no route. */
const NOT_FOUND = {
  status: 404,
  fields: [{ name: 'content-type', value: Buffer.from('text/plain') }],
  body: Buffer.from('404 Not Found: nothing is served under this path\n'),
};

function handlerRoute(pattern: string, handler: number): NativeRoute {
  return { pattern, handler, status: 200, fields: [], body: new Uint8Array() };
}

function resolveRoute(
  written: string,
  pattern: string,
  route: unknown,
  add: (entry: HandlerEntry) => number,
): NativeRoute[] {
  const label = `route "${written}"`;
  const forHandler = (handle: unknown) => {
    refuseNodeHandler(label, handle);
    const entry = { handle: handle as AnyHandler, paramNames: paramsIn(pattern) };
    return handlerRoute(pattern, add(entry));
  };
  if (typeof route === 'function') {
    return [forHandler(route)];
  }
  if (route === false) {
    return [handlerRoute(pattern, FETCH)];
  }
  refuseUnread(label, route);
  refuseApplication(label, route);
  if (typeof route === 'string' || isBytes(route) || isResponse(route)) {
    return [{ pattern, method: 'GET', ...render(label, route) }];
  }
  if (!isPlainObject(route)) {
    throw bad(
      label,
      'must be a string, bytes, a Blob, a Response, a function, { status, headers, body }, false or any of these by method',
      route,
    );
  }
  return Object.entries(route).map(([method, response]) => {
    if (RESPONSE_KEYS.includes(method)) {
      throw bad(label, 'mixes methods with the keys of a response', route);
    }
    if (EVERY_METHOD.includes(method.toUpperCase())) {
      throw bad(
        label,
        'has no name for every method: give the function itself as the route, or methods by name and "fetch"',
        method,
      );
    }
    if (!TOKEN.test(method) || method !== method.toUpperCase()) {
      throw bad(label, 'must name methods in upper case, such as GET', method);
    }
    if (typeof response === 'function') {
      return { ...forHandler(response), method };
    }
    if (response === false) {
      return { ...handlerRoute(pattern, FETCH), method };
    }
    refuseUnread(`${label} ${method}`, response);
    return { pattern, method, ...render(`${label} ${method}`, response) };
  });
}

/** The names of a pattern's parameters, in order; a wildcard's is `*`. */
function paramsIn(pattern: string): string[] {
  return pattern
    .split('/')
    .filter((segment) => segment.startsWith(':') || segment === '*')
    .map((segment) => (segment === '*' ? segment : segment.slice(1)));
}

type Rendered = Pick<NativeRoute, 'status' | 'phrase' | 'fields' | 'body'>;

function render(label: string, response: unknown): Rendered {
  if (typeof response === 'string' || isBytes(response)) {
    return render(label, { body: response });
  }
  if (!isPlainObject(response)) {
    throw bad(
      label,
      'must answer with a string, bytes, a Blob, a Response, a function, { status, headers, body } or false',
      response,
    );
  }
  const unknown = Object.keys(response).find((key) => !RESPONSE_KEYS.includes(key));
  if (unknown !== undefined) {
    throw bad(label, 'has a key that is none of status, statusText, headers, body', unknown);
  }
  const { status = 200, statusText = '', body = '' } = response;
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599) {
    throw bad(label, 'must have a status that is an integer from 200 to 599', status);
  }
  if (typeof statusText !== 'string' || !isPhrase(statusText)) {
    throw bad(
      label,
      'must have a statusText of tabs, blanks and visible characters to U+00FF',
      statusText,
    );
  }
  if (typeof body !== 'string' && !isBytes(body)) {
    throw bad(label, 'must have a body that is a string or bytes', body);
  }
  if (body.length > 0 && (status === 204 || status === 205 || status === 304)) {
    throw bad(label, `cannot have a body with status ${status}`, body);
  }
  const fields = renderFields(label, response.headers);
  if (body.length > 0 && !fields.some((field) => field.name.toLowerCase() === 'content-type')) {
    const type = typeof body === 'string' ? 'text/plain;charset=utf-8' : 'application/octet-stream';
    fields.push({ name: 'content-type', value: Buffer.from(type) });
  }
  return {
    status: status as number,
    phrase: Buffer.from(statusText, 'latin1'),
    fields,
    // A copy, since the caller may go on writing to its bytes.
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

/** The syntax of a reason phrase, RFC 9112 §4. */
function isPhrase(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

/** RFC 9110 §5.5: visible characters, inner blanks and tabs, and the bytes above 0x7F. */
export function isFieldValue(value: string): boolean {
  return /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/.test(value);
}

/** Whether all keys of the object are those of a response. An empty object is an empty 200. */
function isResponse(value: unknown): boolean {
  return isPlainObject(value) && Object.keys(value).every((key) => RESPONSE_KEYS.includes(key));
}

/**
 * Whether it is a plain object. The entries of a promise, a `Map` or a `Response` would mean
 * nothing.
 */
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

/**
 * The routes with each `Response` and `Blob` replaced by its content, for {@link resolveRoutes}; a
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
    if (!isPlainObject(route) || isResponse(route) || isResponseLike(route)) {
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
 * Status, headers and body as {@link render} takes them; a promise if the body must be read first.
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

/** Refuses a promise: the user has most likely called the handler. */
function refuseUnread(label: string, value: unknown): void {
  if (isThenable(value)) {
    throw bad(label, 'has a promise: await it, or give a function that returns it', value);
  }
}

/** Routers' words for every method. They are no methods of HTTP. */
const EVERY_METHOD = ['*', 'ALL', 'ANY'];

/**
 * Refuses an application. Other routers mount them, and a whole module may have been given by
 * mistake.
 */
function refuseApplication(label: string, value: unknown): void {
  const isObject = typeof value === 'object' && value !== null;
  if (isObject && 'fetch' in value && typeof value.fetch === 'function') {
    throw bad(label, 'is an application: write (request, info) => app.fetch(request, info)', value);
  }
  if (isObject && 'default' in value && typeof value.default === 'function') {
    throw bad(label, 'is a module: give its default export', value);
  }
}

function bad(label: string, problem: string, value: unknown): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_ROUTE',
    `${label} ${problem}, got ${inspect(value)}`,
  );
}
