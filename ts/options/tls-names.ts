import { ReactorError } from '../errors/errors.js';
import { refuseUnknown } from './check.js';

/** Names of Node, Bun, Deno and proxies, with where their meaning lives here. */
const ADVICE: Readonly<Record<string, string>> = {
  ...each(['certFile', 'certificate', 'certs', 'crt', 'certChain'], 'it is called "cert" here'),
  ...each(['keyFile', 'privateKey', 'keys', 'privkey'], 'it is called "key" here'),
  ...each(['caFile', 'clientCa', 'clientCA'], 'it is called "ca" here'),
  ...each(['servername', 'sni', 'hostname', 'domain', 'names'], 'it is called "serverName" here'),
  ...each(['alpn', 'alpnProtocols', 'nextProtocols'], 'it is called "ALPNProtocols" here'),
  ...each(['cipherSuites', 'ciphersuites'], 'it is called "ciphers" here'),
  ...each(['minTLSVersion', 'minProtocol', 'protocols'], 'it is called "minVersion" here'),
  ...each(
    ['pfx', 'pkcs12', 'p12'],
    'give PEM: "openssl pkcs12 -in file.pfx -nodes -out file.pem" makes it, and the file is both "cert" and "key"',
  ),
  ...each(
    ['maxVersion', 'secureProtocol', 'secureOptions'],
    'TLS 1.2 and 1.3 are spoken; "minVersion" says which is the oldest',
  ),
  ...each(
    ['ecdhCurve', 'dhparam', 'dhParamsFile', 'sigalgs', 'clientCertEngine'],
    'key exchange and signatures are always the strong ones',
  ),
  ...each(['sessionIdContext'], 'sessions are kept apart by what is asked of clients'),
  ...each(
    ['pskCallback', 'pskIdentityHint'],
    'pre-shared keys without certificates are not spoken',
  ),
  ...each(['ALPNCallback'], 'give "ALPNProtocols"'),
  ...each(['lowMemoryMode'], 'an idle connection has no buffers anyway'),
  ...each(
    ['privateKeyIdentifier', 'privateKeyEngine'],
    'OpenSSL is not used here; give the key as PEM',
  ),
};

/** Refuses unknown names in a `tls` option. */
export function refuseUnknownTls(
  options: Record<string, unknown>,
  known: readonly string[],
  prefix: string,
): void {
  for (const name of Object.keys(options)) {
    const advice = Object.hasOwn(ADVICE, name) ? ADVICE[name] : undefined;
    if (advice !== undefined && !known.includes(name) && options[name] !== undefined) {
      throw new ReactorError(
        'ERR_REACTOR_UNKNOWN_OPTION',
        `unknown option "${prefix}${name}": ${advice}`,
      );
    }
  }
  refuseUnknown(options, known, prefix);
}

function each(names: readonly string[], advice: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, advice]));
}
