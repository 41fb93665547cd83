// biome-ignore-all lint/complexity/noArguments: a missing argument is an error, an undefined one is not

import { formatWithOptions, type InspectOptions, inspect } from 'node:util';
import type { Content } from './body.js';
import { CODING, CONNECTION, type Fetched, fetchedWith, LENGTH, withoutStale } from './fetched.js';
import { fieldValue, lowerName } from './field.js';
import {
  type FieldSource,
  indexOf,
  isIterable,
  joined,
  listOfPairs,
  listOfRecord,
  sorted,
  withCookies,
} from './field-list.js';
import { GenuineHeaders, isInstance, standIn } from './genuine.js';

type HeadersInit = Iterable<readonly [string, string]> | Readonly<Record<string, string>>;

/** All fields as one flat list: lower-case name, value, name, value … */
let fieldsOf: (headers: ReactorHeaders) => string[];
/** The fields to send together with this content. */
let fieldsToSend: (headers: ReactorHeaders, content: Content) => string[];
let makeImmutable: (headers: ReactorHeaders) => void;
/** A copy that is immutable if the original is. */
let copyWithGuard: (headers: ReactorHeaders) => ReactorHeaders;
let fromSource: (source: FieldSource) => ReactorHeaders;
let isReactorHeaders: (value: object) => value is ReactorHeaders;
/** Whether they are a request's headers, even if the program has changed them. */
let isReceived: (headers: ReactorHeaders) => boolean;

export {
  copyWithGuard,
  fieldsOf,
  fieldsToSend,
  fromSource,
  isReactorHeaders,
  isReceived,
  makeImmutable,
};

/** Shared by all headers that have no fields of their own yet; never written to. */
const NONE: string[] = [];

/**
 * The standard's `Headers`. A request's headers read from the request's head. They build a list
 * only for operations that need one, which `get` and `has` do not.
 */
export class ReactorHeaders {
  #list: string[] = NONE;
  /** Where the fields are until the list is built. */
  #source: FieldSource | null = null;
  /** In the order of iteration: sorted and joined by name. Every change discards it. */
  #sorted: string[] | null = null;
  #isImmutable = false;
  /** Facts about the headers that these were copied from, if those came from `fetch`. */
  #fetched: Fetched | null = null;
  /** Flags of the fields that the program has set since. */
  #own = 0;

  static {
    fieldsOf = (headers) => headers.#fill();
    fieldsToSend = (headers, content) => {
      const fields = headers.#fill();
      const fetched = headers.#fetched;
      return fetched === null ? fields : withoutStale(fields, fetched, headers.#own, content);
    };
    makeImmutable = (headers) => {
      headers.#isImmutable = true;
    };
    copyWithGuard = (headers) => {
      const copy = new ReactorHeaders(headers);
      copy.#isImmutable = headers.#isImmutable;
      return copy;
    };
    fromSource = (source) => {
      const headers = new ReactorHeaders();
      headers.#source = source;
      return headers;
    };
    isReactorHeaders = (value): value is ReactorHeaders => #list in value;
    isReceived = (headers) => headers.#source !== null;
    // The same function under two names (Web IDL, "iterable declarations").
    Object.defineProperty(ReactorHeaders.prototype, Symbol.iterator, {
      value: ReactorHeaders.prototype.entries,
      writable: true,
      configurable: true,
    });
    standIn(ReactorHeaders, GenuineHeaders);
  }

  constructor(init: HeadersInit | undefined = undefined) {
    if (init === undefined) {
      return;
    }
    if ((typeof init !== 'object' && typeof init !== 'function') || init === null) {
      throw new TypeError('Headers: the fields must be a list of pairs or an object');
    }
    if (isReactorHeaders(init)) {
      this.#list = init.#fill().slice();
      this.#fetched = init.#fetched;
      this.#own = init.#own;
    } else if (isIterable(init)) {
      this.#list = withCookies(listOfPairs(init), init);
      this.#fetched = fetchedWith(init);
    } else {
      this.#list = listOfRecord(init);
    }
  }

  append(name: string, value: string): void {
    needs(arguments.length, 2, 'append');
    const key = lowerName(name);
    const text = fieldValue(key, value);
    this.#change(key).push(key, text);
  }

  delete(name: string): void {
    needs(arguments.length, 1, 'delete');
    const key = lowerName(name);
    const list = this.#change(key);
    for (let i = list.length - 2; i >= 0; i -= 2) {
      if (list[i] === key) {
        list.splice(i, 2);
      }
    }
  }

  get(name: string): string | null {
    needs(arguments.length, 1, 'get');
    const key = lowerName(name);
    const source = this.#liveSource();
    return source === null ? joined(this.#fill(), key) : source.field(key);
  }

  getSetCookie(): string[] {
    const list = this.#fill();
    const cookies: string[] = [];
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === 'set-cookie') {
        cookies.push(list[i + 1] as string);
      }
    }
    return cookies;
  }

  has(name: string): boolean {
    needs(arguments.length, 1, 'has');
    const key = lowerName(name);
    const source = this.#liveSource();
    return source === null ? indexOf(this.#fill(), key) >= 0 : source.hasField(key);
  }

  set(name: string, value: string): void {
    needs(arguments.length, 2, 'set');
    const key = lowerName(name);
    const text = fieldValue(key, value);
    const list = this.#change(key);
    const first = indexOf(list, key);
    if (first < 0) {
      list.push(key, text);
      return;
    }
    list[first + 1] = text;
    for (let i = list.length - 2; i > first; i -= 2) {
      if (list[i] === key) {
        list.splice(i, 2);
      }
    }
  }

  forEach(
    callback: (value: string, name: string, headers: ReactorHeaders) => void,
    thisArg: unknown = undefined,
  ): void {
    needs(arguments.length, 1, 'forEach');
    if (typeof callback !== 'function') {
      throw new TypeError('Headers.forEach: the callback is not a function');
    }
    // Asked anew at each step: the callback may change the headers.
    for (let i = 0; i < this.#sort().length; i += 2) {
      const sorted = this.#sort();
      callback.call(thisArg, sorted[i + 1] as string, sorted[i] as string, this);
    }
  }

  keys(): HeadersIterator<string> {
    return this.#iterate('keys');
  }

  values(): HeadersIterator<string> {
    return this.#iterate('values');
  }

  entries(): HeadersIterator<[string, string]> {
    return this.#iterate('entries');
  }

  [Symbol.iterator](): HeadersIterator<[string, string]> {
    return this.entries();
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return `Headers ${formatWithOptions(options, Object.fromEntries(this))}`;
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass asks for itself
    return isInstance(value, this, ReactorHeaders, GenuineHeaders);
  }

  #iterate<T>(kind: IteratorKind): HeadersIterator<T> {
    return new HeadersIterator(() => this.#sort(), kind);
  }

  /** The source, while asking it is faster than building the list. */
  #liveSource(): FieldSource | null {
    return this.#list === NONE && this.#source?.isLive === true ? this.#source : null;
  }

  /** The list of fields, for reading. */
  #fill(): string[] {
    if (this.#list === NONE && this.#source !== null) {
      this.#list = this.#source.fields();
    }
    return this.#list;
  }

  #change(name: string): string[] {
    if (this.#isImmutable) {
      throw new TypeError('these headers are immutable');
    }
    if (this.#fetched !== null) {
      this.#own |= flagOf(name);
    }
    this.#sorted = null;
    if (this.#fill() === NONE) {
      this.#list = [];
    }
    return this.#list;
  }

  #sort(): string[] {
    if (this.#sorted === null) {
      this.#sorted = sorted(this.#fill());
    }
    return this.#sorted;
  }
}

function flagOf(name: string): number {
  switch (name) {
    case 'content-encoding':
      return CODING;
    case 'content-length':
      return LENGTH;
    case 'connection':
      return CONNECTION;
    default:
      return 0;
  }
}

type IteratorKind = 'keys' | 'values' | 'entries';

/** Iterates over the fields as they are at each step, not as they were at the first. */
class HeadersIterator<T> implements IterableIterator<T> {
  readonly #fields: () => string[];
  readonly #kind: IteratorKind;
  #index = 0;

  static {
    const iterator = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
    Object.setPrototypeOf(HeadersIterator.prototype, iterator);
    Object.defineProperty(HeadersIterator.prototype, Symbol.toStringTag, {
      value: 'Headers Iterator',
      configurable: true,
    });
  }

  constructor(fields: () => string[], kind: IteratorKind) {
    this.#fields = fields;
    this.#kind = kind;
  }

  next(): IteratorResult<T> {
    const fields = this.#fields();
    const index = this.#index;
    if (index >= fields.length) {
      return { done: true, value: undefined };
    }
    this.#index += 2;
    const name = fields[index] as string;
    const value = fields[index + 1] as string;
    const item = this.#kind === 'keys' ? name : this.#kind === 'values' ? value : [name, value];
    return { done: false, value: item as T };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

function needs(given: number, wanted: number, method: string): void {
  if (given < wanted) {
    throw new TypeError(`Headers.${method} needs ${wanted} argument${wanted === 1 ? '' : 's'}`);
  }
}
