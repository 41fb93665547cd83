import { runInThisContext } from 'node:vm';

type Globals = typeof globalThis;

/**
 * A test runner may load this in a context of its own (`node:vm`), which may lack
 * some of Node's globals. Those of the main context are always there.
 */
function global<K extends keyof Globals>(name: K): Globals[K] {
  return globalThis[name] ?? (runInThisContext('globalThis') as Globals)[name];
}

/**
 * The classes that Node itself has, taken before anything replaces the globals.
 * Ours stand in front of them on the prototype chain, so that an instance of
 * ours is an instance of theirs.
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

/** Whether it is an `AbortSignal`, of Node or of what a test runner has in its place. */
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
 * What `value instanceof ours` answers where `ours` takes the place of
 * `genuine`: true for instances of both, so that what Node's `fetch` returns
 * passes too. A subclass of ours checks as any class does.
 */
export function isInstance(
  value: unknown,
  asked: unknown,
  ours: unknown,
  genuine: unknown,
): boolean {
  return ordinaryHasInstance.call(asked === ours ? genuine : asked, value);
}

/** A class, for its prototype and name. */
interface Class {
  readonly name: string;
  readonly prototype: object;
}

/**
 * Makes `ours` a class that programs cannot tell from `genuine`: the same name,
 * the same members that can be listed, and instances that are instances of both.
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
