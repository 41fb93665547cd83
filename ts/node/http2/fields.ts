import http2 from 'node:http2';
import type { Exchange } from '../../lane/exchange.js';
import { RecentFields } from '../../lane/recent-fields.js';
import { argumentError } from '../errors.js';
import { http2Error } from './errors.js';

/** Header fields as node:http2 has them: by lower-case name, without a prototype. */
export type Fields = Record<string | symbol, unknown>;

/** Fields that a message has at most once, as in Node. */
const SINGLE: ReadonlySet<string> = new Set([
  ...[':status', ':method', ':authority', ':scheme', ':path', ':protocol'],
  ...['access-control-allow-credentials', 'access-control-max-age'],
  ...['access-control-request-method', 'age', 'authorization', 'content-encoding'],
  ...['content-language', 'content-length', 'content-location', 'content-md5', 'content-range'],
  ...['content-type', 'date', 'dnt', 'etag', 'expires', 'from', 'host', 'if-match'],
  ...['if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'last-modified'],
  ...['location', 'max-forwards', 'proxy-authorization', 'range', 'referer', 'retry-after', 'tk'],
  ...['upgrade-insecure-requests', 'user-agent', 'x-content-type-options'],
]);

/** Fields of HTTP/1's connections (RFC 9113 §8.2.2). */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  ...['connection', 'upgrade', 'http2-settings', 'keep-alive', 'proxy-connection'],
  'transfer-encoding',
]);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What no field may contain (RFC 9110 §5.5). */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

const recent = new RecentFields();

/**
 * Names and values of a request in turn, as node:http2 has them. The engine tells the authority as
 * `host`, and pseudo fields in no order; here they come in the order of most clients.
 *
 * A request for another protocol (RFC 8441) looks to the engine like HTTP/1.1's `Upgrade`.
 */
export function rawFieldsOf(exchange: Exchange): string[] {
  const fields = exchange.recentRawFields(recent);
  const authority = fields[0] === 'host' ? (fields[1] as string) : undefined;
  const raw = pseudoFields(exchange, authority);
  let protocol: string | undefined;
  for (let i = authority === undefined ? 0 : 2; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name === 'upgrade') {
      protocol = fields[i + 1] as string;
    } else {
      raw.push(name, fields[i + 1] as string);
    }
  }
  return protocol === undefined ? raw : asConnect(raw, protocol);
}

/** Names and values of the pseudo fields of a request. */
export function pseudoFields(exchange: Exchange, authority: string | undefined): string[] {
  const { method, scheme, target } = exchange;
  return [
    ...[':method', method, ':scheme', scheme],
    ...(authority === undefined ? [] : [':authority', authority]),
    ...[':path', target],
  ];
}

/** Removes what only HTTP/1 has, and the reason phrase, from names and values in turn. */
export function dropConnectionFields(fields: string[]): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    const name = (fields[i] as string).toLowerCase();
    if (name === '' || OF_CONNECTIONS.has(name)) {
      fields.splice(i, 2);
    }
  }
}

/** What the engine adds for a handshake of HTTP/1.1 is not there. */
function asConnect(raw: readonly string[], protocol: string): string[] {
  const fields = [':method', 'CONNECT', ':protocol', protocol];
  for (let i = 2; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name !== 'connection' && name !== 'sec-websocket-key') {
      fields.push(name, raw[i + 1] as string);
    }
  }
  return fields;
}

/** Fields by name. Those that come more than once are joined, as in Node. */
export function fieldsByName(raw: readonly string[]): Fields {
  const fields: Fields = Object.create(null);
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    const before = fields[name];
    if (before === undefined) {
      fields[name] = name === 'set-cookie' ? [value] : value;
    } else if (Array.isArray(before)) {
      before.push(value);
    } else if (!SINGLE.has(name)) {
      fields[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
    }
  }
  fields[http2.sensitiveHeaders] = [];
  return fields;
}

/** Fields that are about to be sent. */
export interface Sendable {
  /** Names in lower case and values in turn, without pseudo fields. */
  readonly list: string[];
  /** The `content-length`; -1 if there is none. */
  readonly declared: number;
}

/**
 * Checks fields as Node does, and as HTTP demands.
 *
 * @param takesStatus whether `:status` may be among them
 * @throws Node's errors, and its `ERR_INVALID_CHAR` for what Node would send nevertheless
 */
export function sendable(fields: Fields | readonly unknown[], takesStatus: boolean): Sendable {
  const list: string[] = [];
  const seen = new Set<string>();
  let declared = -1;
  const take = (given: string, all: unknown) => {
    if (all === undefined || given === '') {
      return;
    }
    const name = given.toLowerCase();
    const values = Array.isArray(all) ? all : [all];
    if (values.length === 0) {
      return;
    }
    if (SINGLE.has(name)) {
      if (values.length > 1 || seen.has(name)) {
        throw http2Error('ERR_HTTP2_HEADER_SINGLE_VALUE', name);
      }
      seen.add(name);
    }
    if (name.startsWith(':')) {
      if (!takesStatus || name !== ':status') {
        throw http2Error('ERR_HTTP2_INVALID_PSEUDOHEADER', name);
      }
      return;
    }
    if (!TOKEN.test(name)) {
      throw http2Error('ERR_INVALID_HTTP_TOKEN', name);
    }
    if (OF_CONNECTIONS.has(name) || (name === 'te' && String(values[0]) !== 'trailers')) {
      throw http2Error('ERR_HTTP2_INVALID_CONNECTION_HEADERS', name);
    }
    for (const each of values) {
      const value = String(each);
      if (FORBIDDEN.test(value)) {
        throw http2Error('ERR_INVALID_CHAR', name);
      }
      if (name === 'content-length') {
        declared = lengthOf(value);
      } else if (name !== 'date') {
        list.push(name, value);
      }
    }
  };
  if (Array.isArray(fields)) {
    for (let i = 0; i < fields.length; i += 2) {
      take(String(fields[i]), fields[i + 1]);
    }
  } else {
    for (const [name, value] of Object.entries(fields)) {
      take(name, value);
    }
  }
  return { list, declared };
}

function lengthOf(value: string): number {
  if (!/^\d{1,15}$/.test(value)) {
    throw argumentError(
      TypeError as ErrorConstructor,
      'ERR_INVALID_ARG_VALUE',
      'The header "content-length" must be a number of bytes.',
      value,
    );
  }
  return Number(value);
}

/** Statuses without a body. */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/** What a response's fields become: a copy, with the status. */
export function prepared(given: Fields | readonly unknown[] | undefined): {
  sent: Fields;
  status: number;
} {
  const sent = Object.create(null) as Fields;
  if (Array.isArray(given)) {
    for (let i = 0; i < given.length; i += 2) {
      const name = String(given[i]).toLowerCase();
      const before = sent[name];
      sent[name] = before === undefined ? given[i + 1] : [before, given[i + 1]].flat();
    }
  } else {
    Object.assign(sent, given);
  }
  const status = (sent[':status'] as number) | 0 || 200;
  if (status < 200 || status > 599) {
    throw http2Error('ERR_HTTP2_STATUS_INVALID', status);
  }
  sent[':status'] = status;
  return { sent, status };
}
