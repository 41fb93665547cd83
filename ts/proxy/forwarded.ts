import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { FieldSource } from '../fetch/field-list.js';

/** The most proxies that are followed; it bounds the work for one request. */
export const MOST_HOPS = 32;

/** A client or proxy, as the next proxy saw it. */
export interface Node {
  readonly address: string;
  /** `undefined` if the proxy did not tell it. */
  readonly port: number | undefined;
}

/**
 * What proxies say about a request. Each proxy appends to the fields, so they are read from the
 * end. In each list the nearest proxy's word comes first, and a client's own comes last.
 */
export interface Forwarded {
  /** The node that each proxy got the request from. */
  readonly nodes: readonly string[];
  /** The scheme and the host that the proxy at this hop was asked for. */
  scheme(hop: number): string | undefined;
  host(hop: number): string | undefined;
}

/**
 * Reads the fields of a request. If there is any `X-Forwarded-` field, `Forwarded` (RFC 7239) is
 * ignored. A proxy writes one kind, and most that write the former pass on a client's `Forwarded`.
 */
export function forwardedOf(fields: FieldSource): Forwarded {
  const client = fields.field('x-forwarded-for');
  const scheme = fields.field('x-forwarded-proto');
  const host = fields.field('x-forwarded-host');
  if (client === null && scheme === null && host === null) {
    const forwarded = fields.field('forwarded');
    return forwarded === null ? NOTHING : new Elements(elementsOf(forwarded));
  }
  return new Lists(itemsOf(client), itemsOf(scheme), itemsOf(host));
}

/**
 * Reads the address and port of a node: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
 * `[2001:db8::1]:80`. `null` if it tells no address: `unknown`, `_hidden`, or invalid text.
 */
export function nodeOf(text: string): Node | null {
  if (text.length > LONGEST_NODE) {
    return null;
  }
  const [, inBrackets, plain, port] = NODE.exec(text) ?? [];
  const number = port === undefined || port.startsWith('_') ? undefined : Number(port);
  if (number !== undefined && (number === 0 || number > 65_535)) {
    return null;
  }
  if (inBrackets !== undefined) {
    return isIPv6(inBrackets) ? { address: canonical(inBrackets), port: number } : null;
  }
  if (plain !== undefined && isIPv4(plain)) {
    return { address: plain, port: number };
  }
  return BARE_IPV6.test(text) && isIPv6(text)
    ? { address: canonical(text), port: undefined }
    : null;
}

/** An IPv6 address in RFC 5952's canonical form. A mapped IPv4 address becomes IPv4. */
export function canonical(address: string): string {
  const { address: text } = new SocketAddress({ address, family: 'ipv6' });
  return text.startsWith('::ffff:') && text.includes('.') ? text.slice('::ffff:'.length) : text;
}

/** An address has at most 45 characters; brackets and a port are added. */
const LONGEST_NODE = 64;

/** RFC 7239 §6. The port may be obfuscated even if the address is not. */
const NODE = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::(\d{1,5}|_[\w.-]+))?$/i;

/** Without a zone, which Node would accept. */
const BARE_IPV6 = /^[0-9a-f:.]+$/i;

/** The `X-Forwarded-` fields. */
class Lists implements Forwarded {
  readonly nodes: readonly string[];
  readonly #schemes: readonly string[];
  readonly #hosts: readonly string[];

  constructor(nodes: readonly string[], schemes: readonly string[], hosts: readonly string[]) {
    this.nodes = nodes;
    this.#schemes = schemes;
    this.#hosts = hosts;
  }

  scheme(hop: number): string | undefined {
    return at(this.#schemes, hop);
  }

  host(hop: number): string | undefined {
    return at(this.#hosts, hop);
  }
}

/**
 * Most proxies set these fields for all proxies behind them, which add nothing. So the last item
 * counts for all further hops.
 */
function at(items: readonly string[], hop: number): string | undefined {
  return items[Math.min(hop, items.length - 1)];
}

/** The parameters of an element of `Forwarded` that are used here. */
interface Element {
  for: string;
  proto?: string;
  host?: string;
}

class Elements implements Forwarded {
  readonly nodes: readonly string[];
  readonly #elements: readonly Element[];

  constructor(elements: readonly Element[]) {
    this.nodes = elements.map((element) => element.for);
    this.#elements = elements;
  }

  scheme(hop: number): string | undefined {
    return this.#elements[hop]?.proto;
  }

  host(hop: number): string | undefined {
    return this.#elements[hop]?.host;
  }
}

const NOTHING: Forwarded = new Elements([]);

/** The items of a list without quoted strings, the last one first. */
function itemsOf(list: string | null): string[] {
  const items: string[] = [];
  let end = list?.length ?? 0;
  while (list !== null && end > 0 && items.length < MOST_HOPS) {
    const comma = list.lastIndexOf(',', end - 1);
    const item = list.slice(comma + 1, end).trim();
    // RFC 9110 §5.6.1: empty items do not count.
    if (item !== '') {
      items.push(item);
    }
    end = comma;
  }
  return items;
}

const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The elements of `Forwarded`, the last one first. Quotes are also matched from the end: a quote
 * that a client left open must not swallow a proxy's element.
 */
function elementsOf(list: string): Element[] {
  const elements: Element[] = [];
  let end = list.length;
  let isQuoted = false;
  for (let i = list.length - 1; i >= -1 && elements.length < MOST_HOPS; i--) {
    const code = i < 0 ? COMMA : list.charCodeAt(i);
    if (code === QUOTE) {
      let first = i;
      while (first > 0 && list.charCodeAt(first - 1) === BACKSLASH) {
        first--;
      }
      // After an odd number of backslashes the quote is escaped.
      if ((i - first) % 2 === 0) {
        isQuoted = !isQuoted;
      }
      i = first;
    } else if (code === COMMA && (i < 0 || !isQuoted)) {
      const text = list.slice(i + 1, end).trim();
      if (text !== '') {
        elements.push(elementOf(text));
      }
      end = i;
    }
  }
  return elements;
}

/** One pair of an element. Values such as `192.0.2.1:80` need quotes, but are accepted without. */
const PAIR =
  /[ \t]*(?:([!#$%&'*+.^_`|~0-9a-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^";, \t]*))[ \t]*)?(?:;|$)/iy;

function elementOf(text: string): Element {
  const element: Element = { for: '' };
  const seen = new Set<string>();
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < text.length) {
    const match = PAIR.exec(text);
    const name = match?.[1]?.toLowerCase();
    // RFC 7239 §4: no parameter occurs twice.
    if (match === null || (name !== undefined && seen.has(name))) {
      return { for: '' };
    }
    if (name !== undefined) {
      seen.add(name);
      const value = match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '';
      if (name === 'for' || name === 'proto' || name === 'host') {
        element[name] = value;
      }
    }
  }
  return element;
}
