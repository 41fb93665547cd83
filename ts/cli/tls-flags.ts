import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Option } from 'commander';
import { ReactorError } from '../errors/errors.js';
import { isForMetrics, passedSockets } from '../options/activation.js';
import { invalid } from '../options/check.js';
import { asListenOptions, isPlace, OF_ONE, PASSED } from '../options/listen.js';
import { parseOption } from '../options/table.js';
import { developmentCertificate } from './self-signed.js';

/** A flag of `serve` about listeners or TLS. It may be given several times. */
export interface TlsFlag {
  readonly flags: string;
  readonly env: string;
  /** The option of the API that it sets; several flags make one option. */
  readonly option: string;
  readonly text: string;
  readonly group: string;
}

const LISTENERS = 'Listeners:';
const TLS = 'TLS:';

/** In the order of the help text. */
export const TLS_FLAGS = [
  {
    flags: '--listen <where>',
    env: 'REACTOR_LISTEN',
    option: 'listen',
    text: 'in place of a port, several: 80, 0.0.0.0:80, https://:443, unix:/run/app.sock, fd:3',
    group: LISTENERS,
  },
  {
    flags: '--fd <n>',
    env: 'REACTOR_FD',
    option: 'fd',
    text: 'in place of a port, descriptors of inherited sockets: 3, or 3,4',
    group: LISTENERS,
  },
  {
    flags: '--redirect-to-tls',
    env: 'REACTOR_REDIRECT_TO_TLS',
    option: 'listen.redirectToTls',
    text: 'ports without TLS redirect to the one with it',
    group: LISTENERS,
  },
  {
    flags: '--tls-cert <file>',
    env: 'REACTOR_TLS_CERT',
    option: 'tls.cert',
    text: 'certificate with those that signed it, in PEM; several for several names',
    group: TLS,
  },
  {
    flags: '--tls-key <file>',
    env: 'REACTOR_TLS_KEY',
    option: 'tls.key',
    text: 'its private key; the passphrase is in REACTOR_TLS_PASSPHRASE',
    group: TLS,
  },
  {
    flags: '--tls-client-ca <file>',
    env: 'REACTOR_TLS_CLIENT_CA',
    option: 'tls.ca',
    text: 'serve only clients with a certificate that this authority has signed',
    group: TLS,
  },
  {
    flags: '--tls-self-signed',
    env: 'REACTOR_TLS_SELF_SIGNED',
    option: 'tls.selfSigned',
    text: 'for development: an own certificate for localhost, which no client trusts',
    group: TLS,
  },
] as const satisfies readonly TlsFlag[];

type TlsFlagName = (typeof TLS_FLAGS)[number]['option'];
type Env = Readonly<Record<string, string | undefined>>;
type Given = Readonly<Record<string, unknown>>;

export function addTlsFlags(command: Command): void {
  const collect = (one: string, all: string[] = []) => [...all, one];
  for (const { flags, env, text, group } of TLS_FLAGS) {
    const option = new Option(flags, `${text} (${env})`).helpGroup(group);
    command.addOption(flags.includes('<') ? option.argParser(collect) : option);
  }
}

/** What a flag or its variable gives: the values, and how the user wrote the name. */
interface Source {
  readonly label: string;
  readonly values: readonly string[];
  readonly isFlag: boolean;
}

function sourceOf(name: TlsFlagName, given: Given, env: Env): Source | undefined {
  const flag = TLS_FLAGS.find(({ option }) => option === name) as TlsFlag;
  const option = new Option(flag.flags);
  const value = given[option.attributeName()];
  if (value !== undefined) {
    const values = Array.isArray(value) ? value : [String(value)];
    return { label: option.long as string, values, isFlag: true };
  }
  const variable = env[flag.env];
  const values = variable?.split(',').filter(Boolean) ?? [];
  return values.length === 0 ? undefined : { label: flag.env, values, isFlag: false };
}

/** Whether a flag without a value is given; a variable may also say no. */
function isOn(name: TlsFlagName, given: Given, env: Env): boolean {
  const source = sourceOf(name, given, env);
  const [value = ''] = source?.values ?? [];
  if (source === undefined || /^(?:false|0)$/.test(value)) {
    return false;
  }
  if (!/^(?:true|1)$/.test(value)) {
    throw invalid(source.label, 'true or false', value);
  }
  return true;
}

/** Whether the command makes its certificate itself. */
export function isSelfSigned(given: Given, env: Env): boolean {
  return isOn('tls.selfSigned', given, env);
}

const PLACE =
  'a port from 0 to 65535, or text such as "0.0.0.0:80", "https://:443", "unix:/run/app.sock" or "fd:3"; the flag is given once for each place';

/**
 * Adds what the flags and variables say about listeners and TLS to the options. They win over the
 * module's.
 * @param isFinal whether certificates are to be made and looked at now
 * @param labelOf the flag or variable that set an option, if there is one
 * @throws {ReactorError} names the flag or variable
 */
export function addTlsOptions(
  options: Record<string, unknown>,
  given: Given,
  env: Env,
  isFinal: boolean,
  labelOf: (option: string) => { label: string; isFlag: boolean } | undefined,
): void {
  addTls(options, given, env, isFinal);
  const passed = passedSource(env);
  const [listen, fd] = (['listen', 'fd'] as const).map((name) => {
    const source = sourceOf(name, given, env);
    if (passed !== undefined && source?.isFlag) {
      throw refused(`${source.label} cannot be given together with ${passed.label}`);
    }
    return passed === undefined ? source : undefined;
  });
  const wrong = listen?.values.find((text) => !isPlace(text));
  if (listen !== undefined && wrong !== undefined) {
    throw invalid(listen.label, PLACE, wrong);
  }
  const places = passed ?? listen ?? fd;
  if (places !== undefined && isListenUsed(options, places, labelOf)) {
    const texts = (passed ?? listen)?.values ?? [];
    const all = texts.map((value) => (/^\d+$/.test(value) ? Number(value) : value));
    const fds = fd === undefined || (listen?.isFlag && !fd.isFlag) ? [] : descriptorsOf(fd);
    for (const name of [...OF_ONE, 'listen']) {
      delete options[name];
    }
    if (all.length === 0 && fds.length === 1) {
      // With a certificate it has TLS, as a port has.
      [options.fd] = fds;
    } else {
      const entries = [...all, ...fds.map((one) => `fd:${one}`)];
      options.listen = entries.length === 1 ? entries[0] : entries;
    }
  }
  if (isOn('listen.redirectToTls', given, env)) {
    options.listen = redirected(options.listen, labelled('listen.redirectToTls', given, env));
  }
  refuseUnusedTls(options, given, env);
}

/** A flag of the one kind of address beats a variable of the other. */
function isListenUsed(
  options: Record<string, unknown>,
  listen: Source,
  labelOf: (option: string) => { label: string; isFlag: boolean } | undefined,
): boolean {
  for (const name of OF_ONE) {
    const other = options[name] === undefined ? undefined : labelOf(name);
    if (other?.isFlag) {
      if (listen.isFlag) {
        throw refused(`${other.label} cannot be given together with ${listen.label}`);
      }
      return false;
    }
  }
  return true;
}

/** Sockets that a service manager has passed for clients count as a flag that names them. */
function passedSource(env: Env): Source | undefined {
  return env === process.env && !passedSockets().every(isForMetrics)
    ? { label: 'LISTEN_FDS', values: [PASSED], isFlag: true }
    : undefined;
}

function descriptorsOf({ label, values }: Source): number[] {
  const all = values
    .flatMap((value) => value.split(','))
    .map((value) => parseOption('fd', label, value) as number);
  const twice = all.find((fd, at) => all.indexOf(fd) < at);
  if (twice !== undefined) {
    throw refused(`${label} names the descriptor ${twice} twice`);
  }
  return all;
}

function addTls(options: Record<string, unknown>, given: Given, env: Env, isFinal: boolean): void {
  const cert = sourceOf('tls.cert', given, env);
  const key = sourceOf('tls.key', given, env);
  const ca = sourceOf('tls.ca', given, env);
  const isOwn = isSelfSigned(given, env);
  const passphrase = env.REACTOR_TLS_PASSPHRASE || undefined;
  if (isOwn && cert !== undefined) {
    throw refused(
      `${cert.label} cannot be given together with ${labelled('tls.selfSigned', given, env)}`,
    );
  }
  if (cert?.values.length !== key?.values.length) {
    const [more, less] =
      (cert?.values.length ?? 0) > (key?.values.length ?? 0)
        ? [cert, '--tls-key']
        : [key, '--tls-cert'];
    throw refused(`each ${more?.label} needs a ${less}; a file that holds both is given twice`);
  }
  if (isOwn && isFinal) {
    options.tls = developmentCertificate().tls;
  } else if (cert !== undefined && key !== undefined) {
    const pairs = cert.values.map((file, index) => [file, key.values[index] as string] as const);
    options.tls = entriesOf(pairs, passphrase);
  }
  if (ca !== undefined) {
    if (options.tls === undefined && !isOwn) {
      throw refused(`${ca.label} needs --tls-cert and --tls-key`);
    }
    const rules = { ca: [...ca.values], requestCert: true, rejectUnauthorized: true };
    options.tls = [options.tls ?? []].flat().map((entry) => ({ ...(entry as object), ...rules }));
  }
}

/** One entry for each set of names. Certificates for the same names differ in their keys. */
function entriesOf(
  pairs: readonly (readonly [cert: string, key: string])[],
  passphrase: string | undefined,
): Record<string, unknown>[] {
  const entries = new Map<string, { cert: string[]; key: string[]; passphrase?: string }>();
  for (const [cert, key] of pairs) {
    const names = namesOf(cert);
    const entry = entries.get(names) ?? {
      cert: [],
      key: [],
      ...(passphrase === undefined ? {} : { passphrase }),
    };
    entry.cert.push(cert);
    entry.key.push(key);
    entries.set(names, entry);
  }
  return [...entries.values()];
}

/** The names in a certificate. What is none is refused later, with the reason. */
function namesOf(file: string): string {
  try {
    return new X509Certificate(readFileSync(file)).subjectAltName ?? file;
  } catch {
    return file;
  }
}

/** The places to listen at, of which those without TLS redirect. */
function redirected(listen: unknown, label: string): unknown {
  if (listen === undefined) {
    throw refused(`${label} needs --listen: a place without TLS, and one with it`);
  }
  if (listen === PASSED) {
    throw refused(`${label} is for places of --listen, not for sockets of a service manager`);
  }
  return [listen].flat().map((entry) => {
    if (typeof entry === 'string' && /^https:/i.test(entry)) {
      return entry;
    }
    const options: { tls?: unknown; unix?: unknown } = asListenOptions(entry) ?? {};
    // What comes through a unix socket comes from a proxy on this machine.
    const isServed = Boolean(options.tls) || options.unix !== undefined;
    return isServed ? entry : { ...options, redirectToTls: true };
  });
}

/** TLS that no listener has is a mistake; the message is for the command line. */
function refuseUnusedTls(options: Record<string, unknown>, given: Given, env: Env): void {
  const name = (['tls.cert', 'tls.selfSigned'] as const).find((one) => sourceOf(one, given, env));
  if (name === undefined || options.listen === undefined || options.tls === undefined) {
    return;
  }
  const isUsed = [options.listen]
    .flat()
    .some(
      (entry) =>
        entry === PASSED ||
        (typeof entry === 'object'
          ? Boolean((entry as { tls?: unknown }).tls)
          : /^https:/i.test(String(entry))),
    );
  if (!isUsed) {
    throw refused(
      `${labelled(name, given, env)} is for no listener: write https:// before its port, such as --listen https://:8443`,
    );
  }
}

function labelled(name: TlsFlagName, given: Given, env: Env): string {
  return sourceOf(name, given, env)?.label ?? name;
}

function refused(message: string): ReactorError {
  return new ReactorError('ERR_REACTOR_INVALID_OPTION', message);
}
