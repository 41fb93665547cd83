import type { ResponseClass } from '../types/trailers.js';
import { noteFetched } from './fetched.js';
import { GenuineHeaders, GenuineRequest, GenuineResponse, genuineFetch } from './genuine.js';
import { isReactorHeaders, isReceived, ReactorHeaders } from './headers.js';
import { endToEnd } from './hop-by-hop.js';
import { genuineInit, genuineRequest, ReactorRequest, requestBehind } from './request.js';
import { ReactorResponse } from './response.js';

/** The standard's `Response`, made fast. {@link serve} replaces the global one by it. */
export const Response = ReactorResponse as unknown as ResponseClass;
export type Response = globalThis.Response;

/** The standard's `Headers`, made fast. */
export const Headers = ReactorHeaders as unknown as typeof globalThis.Headers;
export type Headers = globalThis.Headers;

/** The arguments of `Request` and `fetch`. */
type Arguments = readonly [input?: unknown, init?: RequestInit | undefined, ...rest: unknown[]];

/**
 * Node's own `Request`. It also accepts a handler's request as its input. Node's class alone would
 * look for private parts that such a request lacks.
 */
export const Request: typeof globalThis.Request = new Proxy(GenuineRequest, {
  construct(genuine, given: Arguments, target) {
    return Reflect.construct(genuine, passable(given), target);
  },
});

export type Request = globalThis.Request;

// Code that makes another request by `request.constructor` gets a class that programs can
// construct.
Object.defineProperty(ReactorRequest.prototype, 'constructor', {
  value: Request,
  writable: true,
  configurable: true,
});

/** Node's own `fetch`. It also accepts a handler's request as its input. */
export const fetch: typeof globalThis.fetch = new Proxy(genuineFetch, {
  apply(genuine, self, given: Arguments) {
    try {
      return Reflect.apply(genuine, self, passable(given)).then(noteFetched);
    } catch (error) {
      // `fetch` never throws; it rejects.
      return Promise.reject(error);
    }
  },
});

/**
 * Puts the quick classes in the place of the global ones.
 *
 * Handlers are written with the global `Response`, and should be fast without importing another.
 * Node's takes several times as long to make as everything else in a small request. Objects of both
 * kinds are instances of both classes, so programs need not care which they have.
 *
 * A global that the program has already replaced stays as it is.
 *
 * Returns a function that releases them. When every user has released them, the former globals come
 * back, except those that the program has replaced since. Quick classes that a program still holds
 * go on working.
 */
export function installGlobals(): () => void {
  for (const [name, genuine, ours] of PAIRS) {
    replace(name, genuine, ours);
  }
  users++;
  let isReleased = false;
  return () => {
    if (isReleased) {
      return;
    }
    isReleased = true;
    users--;
    if (users === 0) {
      for (const [name, genuine, ours] of PAIRS) {
        replace(name, ours, genuine);
      }
    }
  };
}

/** How many have installed the quick classes and not released them. */
let users = 0;

const PAIRS = [
  ['Response', GenuineResponse, Response],
  ['Headers', GenuineHeaders, Headers],
  ['Request', GenuineRequest, Request],
  ['fetch', genuineFetch, fetch],
] as const;

/** Replaces a global, if its current value is `before`. */
function replace(name: string, before: unknown, after: unknown): void {
  const property = Object.getOwnPropertyDescriptor(globalThis, name);
  const current = (globalThis as Record<string, unknown>)[name];
  if (current !== before || property?.configurable !== true) {
    return;
  }
  const { enumerable = false } = property;
  Object.defineProperty(globalThis, name, {
    value: after,
    writable: true,
    configurable: true,
    enumerable,
  });
}

/**
 * Arguments that Node's own `Request` and `fetch` understand. They look into private parts of a
 * request. Fields that belonged to the incoming connection are left out.
 */
function passable(given: Arguments): Arguments {
  const [input, init] = given;
  const request = requestBehind(input);
  const passed = passableInit(init);
  if (request === undefined && passed === init) {
    return given;
  }
  const hasOtherBody = init?.body !== undefined && init.body !== null;
  return [request === undefined ? input : genuineRequest(request, hasOtherBody), passed];
}

function passableInit(init: RequestInit | undefined): RequestInit | undefined {
  if (requestBehind(init) !== undefined) {
    const request = init as unknown as ReactorRequest;
    return { ...genuineInit(request), body: request.body };
  }
  const headers: unknown = init?.headers;
  const areOurs = typeof headers === 'object' && headers !== null && isReactorHeaders(headers);
  return areOurs && isReceived(headers) ? { ...init, headers: endToEnd(headers) } : init;
}
