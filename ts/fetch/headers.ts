// biome-ignore-all lint/complexity/noArguments: a missing argument is an error, an undefined one is not

import { formatWithOptions, type InspectOptions, inspect, types } from 'node:util';
import type { Content } from './body.js';
import { CODING, CONNECTION, type Fetched, fetchedWith, LENGTH, withoutStale } from './fetched.js';
import { GenuineHeaders, isInstance, standIn } from './genuine.js';

/** Header fields that are read where they lie, as long as they are there and nobody changes them. */
export interface FieldSource {
  /** Whether one field is found without taking all apart. */
  readonly isLive: boolean;
  /** The values of the field of this lower-case name, joined; `null` without any. */
  field(name: string): string | null;
  hasField(name: string): boolean;
  /** All fields in the order sent: lower-case name, value, name, value … */
  fields(): string[];
}

type HeadersInit = Iterable<readonly [string, string]> | Readonly<Record<string, string>>;

/** The fields of one message as one flat list: lower-case name, value, name, value … */
let fieldsOf: (headers: ReactorHeaders) => string[];
/** The fields to send with this content. */
let fieldsToSend: (headers: ReactorHeaders, content: Content) => string[];
let makeImmutable: (headers: ReactorHeaders) => void;
/** A copy that can be changed just where the original can. */
let copyWithGuard: (headers: ReactorHeaders) => ReactorHeaders;
let fromSource: (source: FieldSource) => ReactorHeaders;
let isReactorHeaders: (value: object) => value is ReactorHeaders;
/** Whether they came with a request, whatever the program has made of them. */
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

/** The list of all that have no fields of their own yet; nobody may write to it. */
const NONE: string[] = [];

/**
 * The standard's `Headers`. A request's reads its fields from the head as it
 * came in and makes a list of them only for what needs one; `get` and `has` do
 * not.
 */
export class ReactorHeaders {
  #list: string[] = NONE;
  /** Where the fields are until there is a list. */
  #source: FieldSource | null = null;
  /** As iteration shows it: sorted, and joined by name. Emptied by every change. */
  #sorted: string[] | null = null;
  #isImmutable = false;
  /** What they were copied from, if `fetch` gave it. */
  #fetched: Fetched | null = null;
  /** The flags of the fields that the program has changed since. */
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
    // One function under two names (Web IDL, "iterable declarations").
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
    // Not a copy: the callback may change what it walks over.
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

  /** The source while it is quicker to ask than to make a list of. */
  #liveSource(): FieldSource | null {
    return this.#list === NONE && this.#source?.isLive === true ? this.#source : null;
  }

  /** The fields, to be read. */
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

/** Walks over the fields as they are at each step, not as they were at the first. */
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

/** Checked lower-case names by how programs spell them; they spell few. */
const NAMES = new Map<unknown, string>();
const MOST_NAMES = 1024;

/** RFC 9110 §5.6.2. */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * The lower-case form of a field name.
 * @throws {TypeError} where it is no token.
 */
export function lowerName(name: unknown): string {
  return NAMES.get(name) ?? learnName(name);
}

function learnName(name: unknown): string {
  if (typeof name === 'symbol') {
    throw new TypeError(`${String(name)} is no header name`);
  }
  const text = `${name}`;
  if (!TOKEN.test(text)) {
    throw new TypeError(`${JSON.stringify(text)} is no header name`);
  }
  const lower = text.toLowerCase();
  // A program may pass on names that clients made up; they must not fill the memory.
  if (typeof name === 'string' && NAMES.size < MOST_NAMES) {
    NAMES.set(name, lower);
  }
  return lower;
}

/**
 * The value as the standard normalises it: without blanks and line ends around
 * it.
 * @throws {TypeError} where it cannot be sent.
 */
export function fieldValue(name: string, value: unknown): string {
  const text = typeof value === 'string' ? value : `${value}`;
  const last = text.length - 1;
  for (let i = 0; i <= last; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 ? code < 0x20 || i === 0 || i === last : code > 0xff) {
      return unusualValue(name, text);
    }
  }
  return text;
}

function unusualValue(name: string, text: string): string {
  const value = trimmed(text, 0, text.length, isBlankOrLineEnd);
  if (/[\0\n\r]|[^\0-\xff]/.test(value)) {
    throw new TypeError(`header ${name} has a value that cannot be sent: ${JSON.stringify(value)}`);
  }
  return value;
}

/**
 * The part from `start` to `end` without what is blank at its ends. A regular
 * expression would take quadratic time for a client that sends many blanks.
 */
export function trimmed(
  text: string,
  start: number,
  end: number,
  isBlank: (code: number) => boolean,
): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) {
    from++;
  }
  while (from < to && isBlank(text.charCodeAt(to - 1))) {
    to--;
  }
  return text.substring(from, to);
}

/** What the Fetch standard strips, §2.2 "normalize". */
function isBlankOrLineEnd(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

/**
 * Other implementations' headers join their cookies where they are walked through,
 * which no client can take apart.
 */
function withCookies(list: string[], init: object): string[] {
  const { getSetCookie } = init as { getSetCookie?: unknown };
  if (typeof getSetCookie !== 'function' || init instanceof GenuineHeaders) {
    return list;
  }
  const cookies = getSetCookie.call(init) as unknown[];
  if (cookies.length === 0) {
    return list;
  }
  const others: string[] = [];
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== 'set-cookie') {
      others.push(list[i] as string, list[i + 1] as string);
    }
  }
  const name = 'set-cookie';
  return [...others, ...cookies.flatMap((value) => [name, fieldValue(name, value)])];
}

/** A list of pairs, or an object (Web IDL, "HeadersInit"). */
function isIterable(init: object): init is Iterable<unknown> {
  const iterate = (init as Partial<Iterable<unknown>>)[Symbol.iterator];
  return iterate !== undefined && iterate !== null;
}

function listOfRecord(record: Readonly<Record<string, unknown>>): string[] {
  const list: string[] = [];
  if (types.isProxy(record)) {
    // Asked once for its keys, as the standard does; that is slow.
    for (const name of Reflect.ownKeys(record)) {
      if (Reflect.getOwnPropertyDescriptor(record, name)?.enumerable === true) {
        const key = lowerName(name);
        list.push(key, fieldValue(key, record[name as string]));
      }
    }
    return list;
  }
  for (const name in record) {
    if (Object.hasOwn(record, name)) {
      const key = lowerName(name);
      list.push(key, fieldValue(key, record[name]));
    }
  }
  for (const symbol of Object.getOwnPropertySymbols(record)) {
    if (Object.prototype.propertyIsEnumerable.call(record, symbol)) {
      lowerName(symbol);
    }
  }
  return list;
}

function listOfPairs(pairs: Iterable<unknown>): string[] {
  const list: string[] = [];
  for (const pair of pairs) {
    if (typeof pair !== 'object' || pair === null || !(Symbol.iterator in pair)) {
      throw new TypeError('Headers: each field must be a pair of name and value');
    }
    const items = [...(pair as Iterable<unknown>)];
    if (items.length !== 2) {
      throw new TypeError('Headers: each field must be a pair of name and value');
    }
    const key = lowerName(items[0]);
    list.push(key, fieldValue(key, items[1]));
  }
  return list;
}

/**
 * What stands between the values of one name. A comma would become part of a
 * cookie's value; proxies that come from HTTP/2 send several fields of them
 * (RFC 9113 §8.2.3).
 */
export function separatorOf(name: string): string {
  return name === 'cookie' ? '; ' : ', ';
}

/** The place of the first field of this name; -1 without any. */
function indexOf(list: string[], name: string): number {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) {
      return i;
    }
  }
  return -1;
}

/** The values of the fields of this name, joined; `null` without any. */
export function joined(list: string[], name: string): string | null {
  const first = indexOf(list, name);
  if (first < 0) {
    return null;
  }
  let value = list[first + 1] as string;
  for (let i = first + 2; i < list.length; i += 2) {
    if (list[i] === name) {
      value += separatorOf(name) + list[i + 1];
    }
  }
  return value;
}

/** As many as a simple sort is the quickest for; a request seldom has more. */
const FEW = 32;

/** By name, and joined by name; cookies cannot be joined and stay apart. */
function sorted(list: string[]): string[] {
  const ordered = list.length > 2 * FEW ? sortedMany(list) : sortedFew(list);
  const result: string[] = [];
  let last = '';
  for (let i = 0; i < ordered.length; i += 2) {
    const name = ordered[i] as string;
    const value = ordered[i + 1] as string;
    if (name === last && name !== 'set-cookie') {
      result[result.length - 1] += separatorOf(name) + value;
    } else {
      result.push(name, value);
      last = name;
    }
  }
  return result;
}

/** Insertion sort, which keeps the order of equal names. */
function sortedFew(list: string[]): string[] {
  const ordered = list.slice();
  for (let i = 2; i < ordered.length; i += 2) {
    const name = ordered[i] as string;
    const value = ordered[i + 1] as string;
    let at = i;
    while (at > 0 && (ordered[at - 2] as string) > name) {
      ordered[at] = ordered[at - 2] as string;
      ordered[at + 1] = ordered[at - 1] as string;
      at -= 2;
    }
    ordered[at] = name;
    ordered[at + 1] = value;
  }
  return ordered;
}

function sortedMany(list: string[]): string[] {
  const places = Array.from({ length: list.length / 2 }, (_, i) => 2 * i);
  places.sort((a, b) => {
    const [first, second] = [list[a] as string, list[b] as string];
    return first < second ? -1 : first > second ? 1 : 0;
  });
  return places.flatMap((place) => [list[place] as string, list[place + 1] as string]);
}

function needs(given: number, wanted: number, method: string): void {
  if (given < wanted) {
    throw new TypeError(`Headers.${method} needs ${wanted} argument${wanted === 1 ? '' : 's'}`);
  }
}
