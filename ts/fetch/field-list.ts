import { types } from 'node:util';
import { fieldValue, lowerName } from './field.js';
import { GenuineHeaders } from './genuine.js';

/** Header fields that are read where they lie, while they are there and unchanged. */
export interface FieldSource {
  /** Whether one field can be found without taking all apart. */
  readonly isLive: boolean;
  /** The values of this field, joined; `null` if there is none. The name is in lower case. */
  field(name: string): string | null;
  hasField(name: string): boolean;
  /** All fields in the order sent: lower-case name, value, name, value … */
  fields(): string[];
}

/**
 * Other implementations' headers join cookies in iteration. No client can take these apart, so the
 * cookies are asked for one by one.
 */
export function withCookies(list: string[], init: object): string[] {
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

/** Whether it is a list of pairs, or else an object (Web IDL, "HeadersInit"). */
export function isIterable(init: object): init is Iterable<unknown> {
  const iterate = (init as Partial<Iterable<unknown>>)[Symbol.iterator];
  return iterate !== undefined && iterate !== null;
}

export function listOfRecord(record: Readonly<Record<string, unknown>>): string[] {
  const list: string[] = [];
  if (types.isProxy(record)) {
    // A proxy is asked once for its keys, as the standard wants it. That is slow.
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

export function listOfPairs(pairs: Iterable<unknown>): string[] {
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
 * The text between the values of one name. In cookies a comma would become part of a value. Proxies
 * that speak HTTP/2 send several `cookie` fields (RFC 9113 §8.2.3).
 */
export function separatorOf(name: string): string {
  return name === 'cookie' ? '; ' : ', ';
}

/** The index of the first field of this name; -1 if there is none. */
export function indexOf(list: string[], name: string): number {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) {
      return i;
    }
  }
  return -1;
}

/** The values of the fields of this name, joined; `null` if there is none. */
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

/** Up to this many fields an insertion sort is fastest. Requests seldom have more. */
const FEW = 32;

/** Sorted by name, and joined by name. Cookies stay apart, since they cannot be joined. */
export function sorted(list: string[]): string[] {
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
