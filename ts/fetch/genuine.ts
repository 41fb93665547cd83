import { runInThisContext } from 'node:vm';

type Globals = typeof globalThis;

/**
 * A test runner may load this module in a context of its own (`node:vm`), which may lack some of
 * Node's globals. The main context has all of them.
 */
function global<K extends keyof Globals>(name: K): Globals[K] {
  return globalThis[name] ?? (runInThisContext('globalThis') as Globals)[name];
}

/**
 * Node's own classes, taken before anything replaces the globals. This package's classes stand in
 * front of them on the prototype chain, so their instances are instances of both.
 */
export const GenuineHeaders = global('Headers');
/** Node's own `Request`. */
export const GenuineRequest = global('Request');
/** Node's own `Response`. */
export const GenuineResponse = global('Response');
/** Node's own `fetch`. */
export const genuineFetch = global('fetch');
/** Node's own `FormData`. */
export const GenuineFormData = global('FormData');
/** Node's own `AbortController`. */
export const GenuineAbortController = global('AbortController');
/** Node's own `AbortSignal`. */
export const GenuineAbortSignal = global('AbortSignal');
/** Node's own `DOMException`. */
export const GenuineDOMException = global('DOMException');

/** Whether it is an `AbortSignal`, of Node or of a test runner. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  if (value instanceof GenuineAbortSignal) {
    return true;
  }
  const { aborted, addEventListener, throwIfAborted } = (value ?? {}) as Partial<AbortSignal>;
  const methods = [addEventListener, throwIfAborted];
  return typeof aborted === 'boolean' && methods.every((method) => typeof method === 'function');
}

const ordinaryHasInstance = Function.prototype[Symbol.hasInstance];

/**
 * The answer to `value instanceof ours`, where `ours` replaces `genuine`. It is true for instances
 * of both, such as a response of Node's `fetch`. For a subclass of `ours` the check is the ordinary
 * one.
 */
export function isInstance(
  value: unknown,
  asked: unknown,
  ours: unknown,
  genuine: unknown,
): boolean {
  return ordinaryHasInstance.call(asked === ours ? genuine : asked, value);
}

/** The part of a class that is needed here. */
interface Class {
  readonly name: string;
  readonly prototype: object;
}

/**
 * Makes `ours` look like `genuine` to programs: the same name, the same enumerable members, and
 * instances of both classes.
 */
export function standIn(ours: Class, genuine: Class): void {
  Object.setPrototypeOf(ours.prototype, genuine.prototype);
  Object.defineProperty(ours, 'name', { value: genuine.name });
  for (const [from, to] of [
    [genuine, ours],
    [genuine.prototype, ours.prototype],
  ] as const) {
    for (const [key, { enumerable }] of Object.entries(Object.getOwnPropertyDescriptors(from))) {
      if (enumerable && Object.hasOwn(to, key)) {
        Object.defineProperty(to, key, { enumerable });
      }
    }
  }
}
