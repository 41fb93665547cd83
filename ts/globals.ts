import { GenuineHeaders, GenuineRequest, GenuineResponse, genuineFetch } from './genuine.js';
import { ReactorHeaders } from './headers.js';
import { genuineRequest, ReactorRequest, requestBehind } from './request.js';
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

/**
 * Node's own `Request`, which besides takes the request of a handler to make
 * another from. Node's looks into private parts that ours does not have.
 */
export const Request: typeof globalThis.Request = new Proxy(GenuineRequest, {
  construct(genuine, [input, ...rest]: [unknown, RequestInit?], target) {
    const request = requestBehind(input);
    const given = request === undefined ? input : genuineOf(request, rest[0]);
    return Reflect.construct(genuine, [given, ...rest], target);
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
  apply(genuine, self, [input, ...rest]: [unknown, RequestInit?]) {
    const request = requestBehind(input);
    if (request === undefined) {
      return Reflect.apply(genuine, self, [input, ...rest]);
    }
    // It has no errors but rejections.
    return new Promise((resolve, reject) => {
      const given = genuineOf(request, rest[0]);
      Reflect.apply(genuine, self, [given, ...rest]).then(resolve, reject);
    });
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
 * Returns what puts those back that were there before.
 */
export function installGlobals(): () => void {
  const undo = [
    replace('Response', GenuineResponse, Response),
    replace('Headers', GenuineHeaders, Headers),
    replace('Request', GenuineRequest, Request),
    replace('fetch', genuineFetch, fetch),
  ];
  return () => {
    for (const restore of undo) {
      restore();
    }
  };
}

function replace(name: string, genuine: unknown, ours: unknown): () => void {
  const property = Object.getOwnPropertyDescriptor(globalThis, name);
  const current = (globalThis as Record<string, unknown>)[name];
  if (current !== genuine || property?.configurable !== true) {
    return () => {};
  }
  const { enumerable = false } = property;
  const set = (value: unknown) =>
    Object.defineProperty(globalThis, name, {
      value,
      writable: true,
      configurable: true,
      enumerable,
    });
  set(ours);
  return () => set(genuine);
}

function genuineOf(request: ReactorRequest, init: RequestInit | undefined): globalThis.Request {
  const hasOtherBody = init?.body !== undefined && init.body !== null;
  return genuineRequest(request, hasOtherBody);
}
