import type { NativeRoute } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { TOKEN } from '../fetch/field.js';
import { type AnyHandler, FETCH, type HandlerEntry } from '../lane/handlers.js';
import { isThenable } from './application.js';
import { FOLDER_NAMES } from './file-names.js';
import { isFiles, resolveFiles } from './files.js';
import { refuseNodeHandler } from './foreign-applications.js';
import { bad, isBytes, isPlainObject } from './route-check.js';
import { isResponse, RESPONSE_KEYS, render } from './static-answer.js';

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
    const resolved = resolveCompressed(written, pattern, route, hasFetch, add);
    // Without this the engine would answer 405.
    const isOpenEnded = hasFetch && resolved.every(({ method }) => method !== undefined);
    return isOpenEnded ? [...resolved, { ...CATCH_ALL, pattern }] : resolved;
  });
  routes.push(...withoutSlash(routes, patterns));
  if (hasFetch && !patterns.has(CATCH_ALL.pattern)) {
    routes.push(CATCH_ALL);
  }
  return { routes: hasFetch ? routes : routes.map(withoutFallThrough), entries };
}

/**
 * Routes for the folders' own names: with `/docs/*` the folder also answers `/docs`, with a redirect to
 * `/docs/`, unless that path has a route of its own. A name with a parameter could be many others.
 */
function withoutSlash(
  routes: readonly NativeRoute[],
  patterns: ReadonlySet<string>,
): NativeRoute[] {
  const folders = routes.filter(({ files }) => files !== undefined && !files.single);
  const names = new Map(folders.map(({ pattern }) => [pattern, pattern.slice(0, -2)]));
  return routes.flatMap((route) => {
    const name = names.get(route.pattern) ?? '';
    const isOwn = name !== '' && !name.includes('/:') && !patterns.has(name);
    const answers = route.files !== undefined || route.handler === FETCH;
    return isOwn && answers ? [{ ...route, pattern: name }] : [];
  });
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

/** Takes `compress` out of a route that has methods or a response beside it. */
function resolveCompressed(
  written: string,
  pattern: string,
  route: unknown,
  hasFetch: boolean,
  add: (entry: HandlerEntry) => number,
): NativeRoute[] {
  // Files have an option of that name, which means how they are sent.
  if (!isPlainObject(route) || isFiles(route) || !Object.hasOwn(route, 'compress')) {
    return resolveRoute(written, pattern, route, hasFetch, add);
  }
  const { compress, ...rest } = route as Record<string, unknown>;
  if (compress !== undefined && typeof compress !== 'boolean') {
    throw bad(`route "${written}"`, 'must have a "compress" that is true or false', compress);
  }
  const resolved = resolveRoute(written, pattern, rest, hasFetch, add);
  return compress === false ? resolved.map((each) => ({ ...each, compress })) : resolved;
}

function resolveRoute(
  written: string,
  pattern: string,
  route: unknown,
  hasFetch: boolean,
  add: (entry: HandlerEntry) => number,
): NativeRoute[] {
  const label = `route "${written}"`;
  const forHandler = (handle: unknown) => {
    refuseNodeHandler(label, handle);
    const entry = { handle: handle as AnyHandler, paramNames: paramsIn(pattern), route: written };
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
  if (isFiles(route)) {
    const files = resolveFiles(label, pattern, route, hasFetch ? 'GET' : undefined);
    // Without `fetch` the engine also answers the other methods. With it browsers still have to learn
    // from the engine what other origins may do.
    const asks = hasFetch && files.files?.cors !== undefined;
    return asks ? [files, { ...files, method: 'OPTIONS' }] : [files];
  }
  if (!isPlainObject(route)) {
    throw bad(
      label,
      'must be a string, bytes, a Blob, a Response, a function, { status, headers, body }, { dir }, { file }, false or any of these by method',
      route,
    );
  }
  return Object.entries(route).map(([method, response]) => {
    if (RESPONSE_KEYS.includes(method)) {
      throw bad(label, 'mixes methods with the keys of a response', route);
    }
    if (FOLDER_NAMES.includes(method)) {
      throw bad(
        label,
        'serves a folder by { dir: "./public" }, a file by { file: "./a.png" }',
        route,
      );
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
    if (isFiles(response)) {
      return resolveFiles(`${label} ${method}`, pattern, response, method);
    }
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
