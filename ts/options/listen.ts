import type { NativeEndpoint } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import type { Proxies } from '../proxy/proxies.js';
import { isForMetrics, isForTls, passedSockets } from './activation.js';
import { asObject, checked, invalid, refuseUnknown } from './check.js';
import { parseListener } from './listener.js';
import type { Rule } from './rules.js';
import { RULES } from './table.js';
import { type ResolvedTls, resolveTls } from './tls.js';
import type { Versions } from './versions.js';

/** Where a server listens, and how each place is secured. */
export interface ResolvedListen {
  readonly endpoints: NativeEndpoint[];
  /** Of each endpoint; `null` for one in clear. */
  readonly tls: readonly (ResolvedTls | null)[];
}

/** The options of `serve` that are about its only listener. */
export const OF_ONE = [
  'port',
  'hostname',
  'unix',
  'unixMode',
  'ipv6Only',
  'fd',
  'reusePort',
] as const;

/** The value of `listen` for the sockets that a service manager passes. */
export const PASSED = 'systemd';

/** The most listeners of a server. */
const MOST = 16;

const NAMES = [...OF_ONE, 'host', 'tls', 'redirectToTls', 'proxyProtocol'];

const ENTRY =
  'a port, text such as "0.0.0.0:80", "https://:443", "unix:/run/app.sock" or "fd:3", or an object with "port", "unix" or "fd"; or "systemd" alone';

/** Checks where to listen. `options` are those of `serve`, without aliases. */
export function resolveListen(
  options: Readonly<Record<string, unknown>>,
  versions: Versions,
  proxies: Proxies | null,
): ResolvedListen {
  const { listen, tls } = options;
  const secured = tls === undefined || tls === false ? null : resolveTls('tls', tls, versions);
  if (listen === undefined) {
    const port = portOfEnvironment(options);
    const own = secured === null ? {} : { tls: true };
    const only = endpointOf('', { ...options, ...own, port }, { secured, versions, proxies });
    return { endpoints: [only.endpoint], tls: [only.tls] };
  }
  for (const name of OF_ONE) {
    if (options[name] !== undefined) {
      throw refused(`option "${name}" cannot be given together with "listen": give it inside`);
    }
  }
  const given =
    listen === PASSED ? passedEntries(secured !== null) : Array.isArray(listen) ? listen : [listen];
  if (given.length === 0 || given.length > MOST) {
    throw invalid('option "listen"', `1 to ${MOST} places to listen at`, listen);
  }
  const all = given.map((entry, index) => {
    const name = Array.isArray(listen) ? `listen[${index}]` : 'listen';
    const { proxyProtocol = options.proxyProtocol, ...own } = entryOf(name, entry);
    const shared = { secured, versions, proxies };
    return { name, ...endpointOf(`${name}.`, { ...own, proxyProtocol }, shared) };
  });
  refuseTwice(all);
  if (secured !== null && !all.some((each) => each.tls === secured)) {
    throw refused(
      'option "tls" is for no place of "listen": give tls: true to those that it secures',
    );
  }
  const main = all.find(
    ({ endpoint }) => endpoint.tls !== undefined && endpoint.unix === undefined,
  );
  for (const { name, endpoint, redirect } of all) {
    if (redirect !== false) {
      endpoint.redirect = redirectOf(`${name}.redirectToTls`, redirect, main?.endpoint.port);
    }
  }
  return { endpoints: all.map(({ endpoint }) => endpoint), tls: all.map((each) => each.tls) };
}

/** A socket is listened to once. */
function refuseTwice(all: readonly { readonly name: string; readonly endpoint: NativeEndpoint }[]) {
  const names = new Map<number, string>();
  for (const { name, endpoint } of all) {
    const { fd } = endpoint;
    const first = fd === undefined ? undefined : names.get(fd);
    if (first !== undefined) {
      throw refused(`options "${first}" and "${name}" are the same descriptor, ${fd}`);
    }
    if (fd !== undefined) {
      names.set(fd, name);
    }
  }
}

/**
 * An entry of `listen` as an object.
 * @throws {ReactorError} if it is neither an object nor a short form
 */
export function asListenOptions(given: unknown, name = 'listen'): object | null {
  const options = typeof given === 'object' ? given : optionsOf(given);
  if (options === undefined) {
    throw invalid(`option "${name}"`, ENTRY, given);
  }
  return options;
}

/** Whether text is a place to listen at, as a command line names it. */
export function isPlace(text: string): boolean {
  return /^\d+$/.test(text)
    ? Number(text) <= 65535
    : text === PASSED || optionsOf(text) !== undefined;
}

/** The places of the sockets that a service manager has passed, by their names. */
function passedEntries(hasTls: boolean): object[] {
  const all = passedSockets();
  const sockets = all.filter((one) => !isForMetrics(one));
  if (sockets.length === 0 && all.length > 0) {
    throw refused(
      'option "listen" is "systemd", but every socket that the service manager has passed is named "metrics": a .socket unit for clients is missing',
    );
  }
  if (sockets.length === 0) {
    throw refused(
      'option "listen" is "systemd", but no service manager has passed a socket to this process: LISTEN_FDS is not set, or LISTEN_PID is another process; start it by a .socket unit',
    );
  }
  const secured = sockets.filter(isForTls);
  if (secured.length > 0 && !hasTls) {
    throw refused(
      `the service manager has passed a socket named "${secured[0]?.name}": give certificate and key as option "tls"`,
    );
  }
  // Where no name tells, certificates are meant for all, as for a port.
  const isSecured = secured.length === 0 ? () => hasTls : isForTls;
  return sockets.map((one) => ({ fd: one.fd, tls: isSecured(one) }));
}

/** The options that an entry of `listen` means. */
function entryOf(name: string, given: unknown): Record<string, unknown> {
  const options = asListenOptions(given, name);
  const entry = { ...asObject(`option "${name}"`, options, ENTRY) };
  refuseUnknown(entry, NAMES, `${name}.`);
  const { host, ...rest } = entry;
  if (host === undefined) {
    return rest;
  }
  if (rest.hostname !== undefined) {
    throw refused(`options "${name}.host" and "${name}.hostname" mean the same: give one of them`);
  }
  return { ...rest, hostname: host };
}

/** Options for a port or a text; `undefined` if it is neither. */
function optionsOf(given: unknown): Record<string, unknown> | undefined {
  if (typeof given === 'number') {
    return { port: given };
  }
  if (typeof given !== 'string') {
    return undefined;
  }
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*?)\/?$/i.exec(given) ?? [];
  const tls = scheme?.toLowerCase() === 'https' ? { tls: true } : {};
  const place = scheme === undefined ? given : rest;
  const [, fd] = /^fd:(\d+)$/.exec(place) ?? [];
  if (fd !== undefined) {
    return { fd: Number(fd), ...tls };
  }
  if (/^@./.test(place)) {
    return { unix: `\0${place.slice(1)}`, ...tls };
  }
  const found = parseListener(place.replace(/^:(?=\d)/, ''), '');
  if (found === undefined) {
    return undefined;
  }
  const { unix, hostname, port } = found;
  return unix !== undefined
    ? { unix, ...tls }
    : { port, ...(hostname === '' ? {} : { hostname }), ...tls };
}

interface Resolved {
  readonly endpoint: NativeEndpoint;
  readonly tls: ResolvedTls | null;
  readonly redirect: boolean | number;
}

/** What all listeners of a server share. */
interface Shared {
  /** How those with `tls: true` are secured; `null` if nothing is given for them. */
  readonly secured: ResolvedTls | null;
  readonly versions: Versions;
  readonly proxies: Proxies | null;
}

/** @param prefix of the names of its options, for errors */
function endpointOf(
  prefix: string,
  options: Readonly<Record<string, unknown>>,
  shared: Shared,
): Resolved {
  const get = <T>(name: (typeof OF_ONE)[number]) =>
    checked(RULES[name] as Rule<unknown>, `option "${prefix}${name}"`, options[name]) as T;
  const unix = get<string | undefined>('unix');
  if (unix !== undefined) {
    for (const name of ['port', 'hostname', 'ipv6Only']) {
      if (options[name] !== undefined && options[name] !== false) {
        throw refused(
          `option "${prefix}${name}" cannot be given together with "${prefix}unix": a server listens on one address`,
        );
      }
    }
  }
  const fd = get<number | undefined>('fd');
  if (fd !== undefined) {
    for (const name of ['port', 'hostname', 'ipv6Only', 'unix', 'unixMode', 'reusePort']) {
      if (options[name] !== undefined && options[name] !== false) {
        throw refused(
          `option "${prefix}${name}" cannot be given together with "${prefix}fd": the socket is bound already`,
        );
      }
    }
  }
  const reusePort = get<boolean>('reusePort');
  if (reusePort && unix !== undefined) {
    throw refused(
      `option "${prefix}reusePort" cannot be given together with "${prefix}unix": only a port can be shared`,
    );
  }
  const mode = modeOf(prefix, get('unixMode'), unix);
  const tls = tlsOf(`${prefix}tls`, options.tls, shared);
  const redirect = options.redirectToTls ?? false;
  if (typeof redirect !== 'boolean' && !isPort(redirect)) {
    throw invalid(
      `option "${prefix}redirectToTls"`,
      'true, false or a port from 1 to 65535',
      redirect,
    );
  }
  if (redirect !== false && tls !== null) {
    throw refused(`option "${prefix}redirectToTls" is for a listener without "tls"`);
  }
  return {
    endpoint: {
      ...(unix === undefined ? {} : { unix }),
      ...(mode === undefined ? {} : { unixMode: mode }),
      ...(get('ipv6Only') ? { ipv6Only: true } : {}),
      ...(fd === undefined ? {} : { fd }),
      ...(reusePort ? { reusePort } : {}),
      hostname: get('hostname'),
      port: Number(get('port')),
      ...(tls === null ? {} : { tls: tls.native }),
      ...proxyProtocolOf(prefix, options.proxyProtocol, shared),
    },
    tls,
    redirect: redirect as boolean | number,
  };
}

/** Headers of the PROXY protocol are taken from trusted peers only, so there must be some. */
function proxyProtocolOf(
  prefix: string,
  given: unknown,
  { proxies }: Shared,
): Pick<NativeEndpoint, 'proxyProtocol'> {
  const rule = checked(RULES.proxyProtocol, `option "${prefix}proxyProtocol"`, given);
  if (rule === false) {
    return {};
  }
  if (proxies === null) {
    throw refused(
      `option "${prefix}proxyProtocol" needs "trustProxy": the addresses of the balancers whose headers count, such as "10.0.0.0/8", "private" or "unix"`,
    );
  }
  return { proxyProtocol: { required: rule === 'required', trusted: [...proxies.peers] } };
}

function tlsOf(name: string, given: unknown, { secured, versions }: Shared): ResolvedTls | null {
  if (given === undefined || given === false) {
    return null;
  }
  if (given !== true) {
    return resolveTls(name, given, versions);
  }
  if (secured === null) {
    throw refused(`option "${name}" is true: give certificate and key as option "tls"`);
  }
  return secured;
}

/** @param main the port of the first listener with TLS */
function redirectOf(
  name: string,
  given: boolean | number,
  main: number | undefined,
): { port: number } {
  if (typeof given === 'number') {
    return { port: given };
  }
  if (main === undefined) {
    throw refused(`option "${name}" is true, but no port of "listen" has TLS`);
  }
  return { port: main };
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** The port from the option or the environment variable, in this order. */
function portOfEnvironment(options: Readonly<Record<string, unknown>>): unknown {
  const { PORT } = process.env;
  // `PORT= command` unsets the variable for one command in a shell.
  const isElsewhere = options.unix !== undefined || options.fd !== undefined;
  if (options.port !== undefined || isElsewhere || !PORT) {
    return options.port;
  }
  const port = RULES.port.fromText(PORT);
  if (!RULES.port.accepts(port)) {
    throw invalid('the environment variable PORT', RULES.port.allowed, PORT);
  }
  return port;
}

/** The permissions as a number. They are a mistake for a socket without a file. */
function modeOf(
  prefix: string,
  mode: number | string | undefined,
  unix: string | undefined,
): number | undefined {
  if (mode === undefined) {
    return undefined;
  }
  if (unix === undefined || unix.startsWith('\0')) {
    throw refused(
      `option "${prefix}unixMode" needs "${prefix}unix" with a path: only the file of a unix socket has permissions`,
    );
  }
  return typeof mode === 'string' ? Number.parseInt(mode.replace('0o', ''), 8) : mode;
}

function refused(message: string): ReactorError {
  return new ReactorError('ERR_REACTOR_INVALID_OPTION', message);
}
