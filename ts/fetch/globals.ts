import { noteFetched } from './fetched.js';
import { GenuineHeaders, GenuineRequest, GenuineResponse, genuineFetch } from './genuine.js';
import { isReactorHeaders, isReceived, ReactorHeaders } from './headers.js';
import { endToEnd } from './hop-by-hop.js';
import { genuineInit, genuineRequest, ReactorRequest, requestBehind } from './request.js';
import { ReactorResponse } from './response.js';

/**
 * The standard's `Response`, quick to make. What {@link serve} puts in the place
 * of the global one.
 */
export const Response = ReactorResponse as unknown as typeof globalThis.Response;
export type Response = globalThis.Response;

/** The standard's `Headers`, quick to make. */
export const Headers = ReactorHeaders as unknown as typeof globalThis.Headers;
export type Headers = globalThis.Headers;

/** What `Request` and `fetch` are called with. */
type Arguments = readonly [input?: unknown, init?: RequestInit | undefined, ...rest: unknown[]];

/**
 * Node's own `Request`, which besides takes the request of a handler to make
 * another from. Node's looks into private parts that ours does not have.
 */
export const Request: typeof globalThis.Request = new Proxy(GenuineRequest, {
  construct(genuine, given: Arguments, target) {
    return Reflect.construct(genuine, passable(given), target);
  },
});

export type Request = globalThis.Request;

// What makes another of the same kind is not what made this one.
Object.defineProperty(ReactorRequest.prototype, 'constructor', {
  value: Request,
  writable: true,
  configurable: true,
});

/** Node's own `fetch`, which besides takes the request of a handler to pass on. */
export const fetch: typeof globalThis.fetch = new Proxy(genuineFetch, {
  apply(genuine, self, given: Arguments) {
    try {
      return Reflect.apply(genuine, self, passable(given)).then(noteFetched);
    } catch (error) {
      // It has no errors but rejections.
      return Promise.reject(error);
    }
  },
});

/**
 * Puts the quick classes in the place of the global ones.
 *
 * A handler is written with the global `Response`, and its author expects what a
 * server promises without importing another: Node's takes several times as long
 * to make as everything else in a small request together. Both kinds are
 * instances of both classes, so a program cannot tell, whichever it got hold of.
 *
 * A global that somebody else has replaced already stays as it is.
 *
 * Returns what releases them: once everybody who installed them has done so, those are put
 * back that were there before, but for what somebody has replaced since. Classes that a
 * program has taken by then go on working, for both kinds mix.
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

/** Those who have installed the quick classes and not released them. */
let users = 0;

const PAIRS = [
  ['Response', GenuineResponse, Response],
  ['Headers', GenuineHeaders, Headers],
  ['Request', GenuineRequest, Request],
  ['fetch', genuineFetch, fetch],
] as const;

/** Puts one in the place of the other, where that is what is there. */
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
 * The same for Node's own, which looks into private parts of a request and sends
 * no fields that were for the connection it came over.
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
