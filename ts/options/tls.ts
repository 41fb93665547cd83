import type { NativeTls, NativeTlsEntry } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import type { SNICallback } from '../types/tls.js';
import { asObject, checked, invalid } from './check.js';
import { boolean, DAY_MS, integer, oneOf, optional, type Rule, text } from './rules.js';
import { keysOf, passphraseAt } from './tls-keys.js';
import { refuseUnknownTls } from './tls-names.js';
import { type Files, textsOf } from './tls-texts.js';
import { alpnOf, type Versions } from './versions.js';

/** A checked `tls` option. */
export interface ResolvedTls {
  readonly native: NativeTls;
  /** What clients may choose from by ALPN. */
  readonly versions: Versions;
  /** Is asked what serves a name; `null` if the entries alone say that. */
  readonly sni: SNICallback | null;
  /** The files that it was read from, to be watched; none if the user does not want that. */
  readonly files: readonly string[];
  /** Reads everything again, from the files as they are now. */
  readonly again: () => ResolvedTls;
}

/** Completes "must be …". */
const TLS = 'an object with "cert" and "key", or several of these, one for each host name';

/** The options of an entry that count for the whole listener. */
const SHARED = {
  unknownName: oneOf(['default', 'refuse'], 'default'),
  sessionTimeout: integer(1, 604_800, 7200),
  handshakeTimeout: integer(1, DAY_MS, 10_000),
  watch: boolean(true),
} as const;

/** The options that are a single value. */
const RULES = {
  requestCert: boolean(false),
  rejectUnauthorized: boolean(true),
  minVersion: oneOf(['TLSv1.2', 'TLSv1.3'], 'TLSv1.2'),
  ciphers: optional(text('names of cipher suites with colons between', /^[^\0]+$/)),
  honorCipherOrder: boolean(true),
} as const;

export const TLS_NAMES: readonly string[] = [
  ...['cert', 'key', 'passphrase', 'ca', 'crl', 'requestCert', 'rejectUnauthorized'],
  ...['serverName', 'unknownName', 'minVersion', 'ciphers', 'honorCipherOrder', 'ALPNProtocols'],
  ...['ticketKeys', 'sessionTimeout', 'handshakeTimeout', 'watch', 'SNICallback'],
];

/**
 * The suites in the server's order. AES-128 takes less time than AES-256, above all in a handshake,
 * and nothing breaks either.
 */
const CIPHERS = [
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'],
].join(':');

/** A name, or a wildcard for one label. */
const NAME = /^(?:\*\.)?(?:[\w](?:[\w-]{0,61}[\w])?\.)*[\w](?:[\w-]{0,61}[\w])?\.?$/;

/** Bytes of a ticket key, as in Node. */
const TICKET_KEY = 48;

/**
 * Checks a `tls` option and reads its files. The engine checks what the texts hold.
 * @param name of the option, for errors: `tls`, `listen[1].tls`, or nothing if it is at the top
 * @param versions what the server speaks
 * @throws {ReactorError} names the first option that is wrong, or the file.
 */
export function resolveTls(name: string, given: unknown, versions: Versions): ResolvedTls {
  const files: Files = new Set();
  const list = Array.isArray(given) ? given : [given];
  if (list.length === 0) {
    throw invalid(`option "${name}"`, TLS, given);
  }
  const named = list.map((one, index) => {
    const own = Array.isArray(given) ? `${name}[${index}]` : name;
    const options = asObject(`option "${own}"`, one, TLS);
    refuseUnknownTls(options, TLS_NAMES, inside(own, ''));
    return { name: own, options };
  });
  const entries = named.map(({ name: own, options }) => entryOf(own, options, versions, files));
  const shared = <K extends keyof typeof SHARED>(option: K) =>
    sharedOf(named, option, (label, value) =>
      checked(SHARED[option] as Rule<unknown>, label, value),
    );
  const ticketKeys = sharedOf(named, 'ticketKeys', ticketKeysOf) as Uint8Array[] | undefined;
  const native: NativeTls = {
    entries,
    unknownName: shared('unknownName') as string,
    sessionTimeout: shared('sessionTimeout') as number,
    handshakeTimeout: shared('handshakeTimeout') as number,
    ...(ticketKeys === undefined ? {} : { ticketKeys }),
  };
  const sni = sharedOf(named, 'SNICallback', (label, value) => {
    if (value !== undefined && typeof value !== 'function') {
      throw invalid(label, 'a function', value);
    }
    return value;
  });
  return {
    native,
    versions,
    sni: (sni as SNICallback | undefined) ?? null,
    files: shared('watch') === true ? [...files] : [],
    again: () => resolveTls(name, given, versions),
  };
}

function entryOf(
  name: string,
  options: Record<string, unknown>,
  versions: Versions,
  files: Files,
): NativeTlsEntry {
  const get = <K extends keyof typeof RULES>(option: K) =>
    checked(
      RULES[option] as Rule<unknown>,
      `option "${inside(name, option)}"`,
      options[option],
    ) as (typeof RULES)[K] extends Rule<infer T> ? T : never;
  for (const option of ['cert', 'key']) {
    if (isNothing(options[option])) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `option "${inside(name, option)}" is missing: TLS needs a certificate and its private key`,
      );
    }
  }
  const texts = (option: string) =>
    isNothing(options[option]) ? undefined : textsOf(inside(name, option), options[option], files);
  const clientCa = texts('ca');
  const crl = texts('crl');
  const requestCert = get('requestCert');
  if (requestCert && get('rejectUnauthorized') && clientCa === undefined) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `option "${inside(name, 'requestCert')}" needs "${inside(name, 'ca')}": the certificates of the authorities that sign clients' certificates`,
    );
  }
  const ciphers = get('ciphers');
  const passphrase = passphraseAt(inside(name, 'passphrase'), options.passphrase);
  return {
    names: namesOf(inside(name, 'serverName'), options.serverName),
    certificates: texts('cert') ?? [],
    keys: keysOf(inside(name, 'key'), options.key, passphrase, files),
    minVersion: get('minVersion'),
    ciphers: ciphers ?? CIPHERS,
    serverOrder: get('honorCipherOrder'),
    protocols: protocolsOf(inside(name, 'ALPNProtocols'), options.ALPNProtocols, versions),
    requestCert,
    rejectUnauthorized: get('rejectUnauthorized'),
    ...(clientCa === undefined ? {} : { clientCa }),
    ...(crl === undefined ? {} : { crl }),
  };
}

/** The name of an option inside of another. */
function inside(name: string, option: string): string {
  return name === '' ? option : `${name}.${option}`;
}

function isNothing(given: unknown): boolean {
  return given === undefined || (Array.isArray(given) && given.length === 0);
}

function namesOf(option: string, given: unknown): string[] {
  if (given === undefined) {
    return [];
  }
  const names = Array.isArray(given) ? given : [given];
  const isName = (name: unknown) =>
    typeof name === 'string' && name.length <= 253 && NAME.test(name) && !/^[\d.]+$/.test(name);
  if (names.length === 0 || !names.every(isName)) {
    throw invalid(
      `option "${option}"`,
      'a host name such as "example.com" or "*.example.com", or several',
      given,
    );
  }
  return names;
}

/** The value of an option that counts for the whole listener, wherever it is given. */
function sharedOf(
  entries: readonly { name: string; options: Record<string, unknown> }[],
  option: string,
  read: (label: string, value: unknown) => unknown,
): unknown {
  const given = entries.filter(({ options }) => options[option] !== undefined);
  const [first, ...others] = given.map(({ name, options }) => ({
    name,
    value: read(`option "${inside(name, option)}"`, options[option]),
  }));
  for (const other of others) {
    if (String(other.value) !== String(first?.value)) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        `option "${inside(other.name, option)}" differs from "${inside(first?.name ?? '', option)}": it counts for the whole listener; give it once`,
      );
    }
  }
  return first === undefined ? read('', undefined) : first.value;
}

function ticketKeysOf(label: string, given: unknown): Uint8Array[] | undefined {
  if (given === undefined) {
    return undefined;
  }
  const keys = Array.isArray(given) ? given : [given];
  const isKey = (key: unknown) => key instanceof Uint8Array && key.length === TICKET_KEY;
  if (keys.length === 0 || keys.length > 16 || !keys.every(isKey)) {
    // The keys are secret.
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `${label} must be a Buffer of ${TICKET_KEY} bytes, or up to 16 of these`,
    );
  }
  return keys;
}

/** Names of versions of HTTP. A client that is promised one would not understand the others. */
const VERSION = /^(?:http\/.*|h2c?|h3.*|spdy.*)$/;

function protocolsOf(option: string, given: unknown, versions: Versions): Uint8Array[] {
  const spoken = alpnOf(versions);
  const names =
    given instanceof Uint8Array
      ? fromWire(given)
      : given === undefined
        ? spoken.map((name) => Buffer.from(name))
        : Array.isArray(given)
          ? given.map((name) => (typeof name === 'string' ? Buffer.from(name) : name))
          : undefined;
  const isProtocol = (name: unknown) =>
    name instanceof Uint8Array && name.length > 0 && name.length <= 255;
  if (names === undefined || !names.every(isProtocol)) {
    throw invalid(
      `option "${option}"`,
      `names of 1 to 255 bytes, such as ${listed(spoken)}`,
      given,
    );
  }
  const unspoken = names
    .map((name) => Buffer.from(name).toString('latin1'))
    .find((name) => VERSION.test(name) && !spoken.includes(name));
  if (unspoken !== undefined) {
    const off = { h2: 'http2', 'http/1.1': 'http1' }[unspoken];
    const why = off === undefined ? '' : `; option "${off}" is false`;
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `option "${option}" has "${unspoken}": this server speaks ${listed(spoken)} only${why}`,
    );
  }
  return names;
}

function listed(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(' and ');
}

/** Names as Node also takes them: each with its length before it. */
function fromWire(bytes: Uint8Array): Uint8Array[] | undefined {
  const names: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + (bytes[at] as number);
    if (end > bytes.length) {
      return undefined;
    }
    names.push(bytes.subarray(at + 1, end));
    at = end;
  }
  return names;
}

/** The value with its URLs as text: a thread can be sent text, and no URL. */
export function portable(given: unknown): unknown {
  if (given instanceof URL) {
    return given.href;
  }
  if (Array.isArray(given)) {
    return given.map(portable);
  }
  const isPlain =
    typeof given === 'object' &&
    given !== null &&
    [Object.prototype, null].includes(Object.getPrototypeOf(given));
  return isPlain
    ? Object.fromEntries(Object.entries(given).map(([name, value]) => [name, portable(value)]))
    : given;
}
