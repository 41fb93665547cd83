import * as tls from 'node:tls';
import type { NativeBenchTls, NativePem } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { asObject, checked, invalid, refuseUnknown } from '../options/check.js';
import { boolean, oneOf, optional, type Rule, text } from '../options/rules.js';
import { keysOf } from '../options/tls-keys.js';
import { type Files, textsOf } from '../options/tls-texts.js';

/** The options that are a single value. */
const RULES = {
  rejectUnauthorized: boolean(true),
  serverName: optional(text('a host name or an IP address', /^[^\s/]+$/)),
  version: optional(oneOf(['TLSv1.2', 'TLSv1.3'], 'TLSv1.3')),
  ciphers: optional(text('names of cipher suites with colons between', /^[^\0]+$/)),
  resume: boolean(true),
  passphrase: optional(text('text', /^/)),
} as const;

/** The name of a TLS option that has a flag. */
export type BenchTlsOptionName = keyof typeof RULES;

const NAMES = [...Object.keys(RULES), 'ca', 'cert', 'key'];

/** How `option "tls.ca"` is called by the errors of the modules that read certificates. */
const OPTION = /option "(tls\.\w+)"/g;

/**
 * Checks the option `tls` and reads its files. The engine checks what the texts hold.
 * @param hostname of the URL
 * @param label tells how the user wrote an option
 * @throws {ReactorError} names the first option that is wrong, or the file.
 */
export function resolveBenchTls(
  given: unknown,
  hostname: string,
  label: (name: string) => string,
): NativeBenchTls {
  try {
    return resolve(asObject(label('tls'), given ?? {}), hostname);
  } catch (error) {
    if (error instanceof ReactorError) {
      const message = error.message.replace(OPTION, (_, name: string) => label(name));
      throw new ReactorError(error.code, message, { cause: error });
    }
    throw error;
  }
}

function resolve(options: Record<string, unknown>, hostname: string): NativeBenchTls {
  refuseUnknown(options, NAMES, 'tls.');
  const get = <K extends keyof typeof RULES>(name: K) =>
    checked(
      RULES[name] as Rule<unknown>,
      `option "tls.${name}"`,
      options[name],
    ) as (typeof RULES)[K] extends Rule<infer T> ? T : never;
  const files: Files = new Set();
  const isSecure = get('rejectUnauthorized');
  const { ca, cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `option "tls.${there}" needs option "tls.${missing}": a certificate and its key belong together`,
    );
  }
  if (key !== undefined && Array.isArray(key)) {
    throw invalid('option "tls.key"', 'one private key', key);
  }
  const serverName = get('serverName') ?? hostname;
  const version = get('version');
  const ciphers = get('ciphers');
  return {
    serverName,
    ca: !isSecure ? [] : ca === undefined ? authorities() : textsOf('tls.ca', ca, files),
    ...(cert === undefined ? {} : { cert: joined(textsOf('tls.cert', cert, files)) }),
    ...(key === undefined ? {} : { key: joined(keysOf('tls.key', key, get('passphrase'), files)) }),
    insecure: !isSecure,
    ...(version === undefined ? {} : { version }),
    ...(ciphers === undefined ? {} : { ciphers }),
    resume: get('resume'),
  };
}

/** Whom Node itself trusts. */
function authorities(): NativePem[] {
  // Since Node 22.15, with those of NODE_EXTRA_CA_CERTS and of `--use-system-ca`.
  const { getCACertificates } = tls as { getCACertificates?: () => readonly string[] };
  const all = getCACertificates?.() ?? tls.rootCertificates;
  return [{ from: "Node's list of authorities", text: Buffer.from(all.join('\n')) }];
}

/** Several texts as one, such as a certificate and those that signed it. */
function joined(texts: readonly NativePem[]): NativePem {
  const from = texts.map((each) => each.from).join(', ');
  return { from, text: Buffer.concat(texts.flatMap(({ text }) => [text, Buffer.from('\n')])) };
}
