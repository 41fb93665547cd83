import { types } from 'node:util';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import type { ServeOptions } from '../types/options.js';
import { ALIAS_NAMES } from './aliases.js';
import { refuseClass, refuseForeignApplication } from './foreign-applications.js';
import { adviceOn } from './foreign-names.js';
import { closest } from './names.js';

/** An object that answers requests with its `fetch`. */
export interface Application {
  fetch(request: Request, info?: unknown, context?: unknown): Response | Promise<Response>;
}

/**
 * Turns the arguments of `serve` into options. There are four forms: this package's, Deno's
 * (`serve({ port }, handler)`), @hono/node-server's (`serve({ fetch }, onListen)`), and a port
 * alone (`serve(handler, 3000)`).
 *
 * @param names of all options
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION` if the arguments are ambiguous.
 */
export function optionsOf(
  [first, second, third]: readonly unknown[],
  names: readonly string[],
): ServeOptions {
  refuseForeignApplication('what "serve" is to run', first);
  if (first === undefined && second === undefined && third === undefined) {
    return {};
  }
  if (isThenable(first)) {
    throw mistaken('the first argument of "serve" is a promise: await it');
  }
  if (typeof first === 'number' && typeof second === 'function') {
    throw mistaken(`a port is the second argument of "serve": serve(handler, ${first})`);
  }
  if (typeof first === 'number' && second === undefined) {
    throw mistaken(
      `options must be an object, got ${inspect(first)}; for a port write { port: ${first} }`,
    );
  }
  if (first instanceof URL) {
    throw mistaken(`a module is an option of "serve": serve({ module: ${inspect(first.href)} })`);
  }
  if (typeof first === 'string' && second === undefined) {
    throw mistaken(
      `options must be an object, got ${inspect(first)}; for a module write { module: ${inspect(first)} }`,
    );
  }
  refuseClass('what "serve" is to run', first);
  const application = applicationOptions(first);
  if (application === undefined && isObject(first) && Object.keys(first).length === 0) {
    throw mistaken(
      `the first argument must be a handler, an application with "fetch" or options, got ${inspect(first)}`,
    );
  }
  // Anything else is refused when the options are checked, with a message that names it.
  const options = application ?? (first as Record<string, unknown>);
  if (second === undefined && third === undefined) {
    return options as ServeOptions;
  }
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw mistaken(
      `the first argument must be a handler, an application or options, got ${inspect(first)}`,
    );
  }
  if (typeof second === 'function') {
    if (third !== undefined) {
      throw mistaken(`a callback is the last argument of "serve", got ${inspect(third)} after it`);
    }
    return withFunction(options, second);
  }
  const rest = ownOptions(first, options, names);
  const merged = second === undefined ? rest : withMore(rest, second, first);
  return (third === undefined ? merged : withCallback(merged, third)) as ServeOptions;
}

/** The options in the first argument, unless that is a handler or an instance of a class. */
function ownOptions(
  first: unknown,
  options: Record<string, unknown>,
  names: readonly string[],
): Record<string, unknown> {
  const handler = handlerOf(options);
  if (handler === undefined) {
    return options;
  }
  const fetch = typeof first === 'function' ? handler : handler.bind(first);
  const rest: Record<string, unknown> = { fetch };
  for (const [name, value] of Object.entries(options)) {
    // An application may have members of its own. A member that looks like an option is meant as
    // one.
    const isOption =
      names.includes(name) ||
      ALIAS_NAMES.includes(name) ||
      adviceOn(name) !== undefined ||
      closest(name, names) !== undefined;
    if (isOption && name !== 'fetch' && name !== 'handler') {
      rest[name] = value;
    }
  }
  return rest;
}

/** Adds the options of the second argument, which win. */
function withMore(
  rest: Record<string, unknown>,
  second: unknown,
  first: unknown,
): Record<string, unknown> {
  if (isPort(second)) {
    return { ...rest, port: second };
  }
  if (handlerOf(rest) === undefined) {
    throw mistaken(
      `the first of two arguments must be a handler or an application with "fetch", got ${inspect(first)}`,
    );
  }
  if (typeof second !== 'object' || second === null || isInstanceOfClass(second)) {
    throw mistaken(
      `the second argument of "serve" must be options, a port or a function, got ${inspect(second)}`,
    );
  }
  const options = second as Record<string, unknown>;
  if (handlerOf(options) !== undefined) {
    throw mistaken('"fetch" is given twice: in the first argument of "serve" and in the second');
  }
  return { ...rest, ...options };
}

/**
 * Refuses an undefined `fetch`. `fetch: app.nope` is most likely a slip, and the built-in
 * application would answer instead.
 */
export function refuseMissingFetch(options: Record<string, unknown>): void {
  if (Object.hasOwn(options, 'fetch') && options.fetch === undefined) {
    throw mistaken(
      'option "fetch" is undefined: give a function, or leave "fetch" out for the built-in application',
    );
  }
}

/** A function after options: the handler if there is none yet, else the `onListen` callback. */
function withFunction(options: Record<string, unknown>, given: unknown): ServeOptions {
  if (handlerOf(options) !== undefined || options.module !== undefined) {
    return withCallback(options, given) as ServeOptions;
  }
  refuseMissingFetch(options);
  if (options.routes !== undefined || options.static !== undefined) {
    throw mistaken(
      'a function after options with "routes" may be a handler or called when the server listens: give it as "fetch" or as "onListen"',
    );
  }
  return { ...options, fetch: given } as ServeOptions;
}

function withCallback(options: Record<string, unknown>, given: unknown): Record<string, unknown> {
  if (typeof given !== 'function') {
    throw mistaken(`the last argument of "serve" must be a function, got ${inspect(given)}`);
  }
  if (options.onListen !== undefined) {
    throw mistaken('a callback and "onListen" mean the same: give one of them');
  }
  return { ...options, onListen: given };
}

function handlerOf(
  options: Record<string, unknown>,
): ((...given: unknown[]) => unknown) | undefined {
  const handler = options.fetch ?? options.handler;
  return typeof handler === 'function' ? (handler as (...given: unknown[]) => unknown) : undefined;
}

/**
 * A promise of any realm. People forget that a module loads, or an application is built,
 * asynchronously.
 */
export function isThenable(value: unknown): boolean {
  // A module's namespace may export a "then" of its own.
  return isObject(value) && !types.isModuleNamespaceObject(value) && 'then' in value
    ? typeof value.then === 'function'
    : false;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPort(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'string';
}

function mistaken(message: string): ReactorError {
  return new ReactorError('ERR_REACTOR_INVALID_OPTION', message);
}

/** The options that a handler, an application or options mean; `undefined` for anything else. */
export function applicationOptions(given: unknown): Record<string, unknown> | undefined {
  if (typeof given === 'function') {
    // The applications of some frameworks are functions with a `fetch`.
    const { fetch } = given as Partial<Application>;
    return { fetch: typeof fetch === 'function' ? fetch.bind(given as unknown) : given };
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return undefined;
  }
  if (!isInstanceOfClass(given)) {
    return given as Record<string, unknown>;
  }
  const { fetch } = given as Partial<Application>;
  return typeof fetch === 'function' ? { fetch: fetch.bind(given) } : undefined;
}

/**
 * Whether it is an instance of a class, as applications are. Options and routes are plain objects,
 * of any realm.
 */
export function isInstanceOfClass(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}
