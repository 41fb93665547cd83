// Certificates for tests, made by openssl(1) in a folder that goes with the process.
//
//   const ca = authority();
//   const { cert, key, certFile, keyFile } = ca.issue({ names: ['localhost', '127.0.0.1'] });
//
// Everything is PEM text; each also lies in a file. Certificates are in date unless said otherwise.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipReason } from '../../scripts/programs.mjs';

/** Why tests that need certificates are skipped; null where openssl is there. */
export const noOpenssl = skipReason('openssl');

/** `test`, or where openssl is missing one that skips, with the reason in the output. */
export function withCertificates(test) {
  if (noOpenssl === null) {
    return test;
  }
  console.log(`skipped: ${noOpenssl}`);
  const skip = (...given) => test.skip(...given);
  const serial = (...given) => test.serial.skip(...given);
  const { after } = test;
  return Object.assign(skip, { skip, serial: Object.assign(serial, { skip: serial }), after });
}

/** Stands for what openssl makes, in tests that are skipped. */
const NOTHING = {
  ...{ cert: '', certFile: '', leafFile: '', key: '', keyFile: '', crl: '', crlFile: '' },
  issue: () => NOTHING,
  intermediate: () => NOTHING,
  revoke: () => NOTHING,
};

const DAY_MS = 86_400_000;

/** What `openssl genpkey` takes for each kind of key. */
const KINDS = {
  ec: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'ec-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ed25519: ['-algorithm', 'ED25519'],
};

let root;
let count = 0;

/** A new file's or folder's path. It is removed when the process ends. */
function fresh(name) {
  if (root === undefined) {
    root = mkdtempSync(join(tmpdir(), 'reactor-tls-'));
    process.on('exit', () => rmSync(root, { recursive: true, force: true }));
  }
  count++;
  return join(root, `${count}-${name}`);
}

function openssl(...args) {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A time as `openssl ca` takes it: YYYYMMDDHHMMSSZ. */
function timeOf(date) {
  return `${date
    .toISOString()
    .replace(/[-:T]/g, '')
    .replace(/\.\d+Z$/, '')}Z`;
}

/** The name of a subject; `/` parts names for openssl. */
function subject(name) {
  return `/CN=${name.replaceAll('/', '\\/')}`;
}

/** A new private key: its file, and its text. */
export function makeKey(kind = 'ec') {
  if (noOpenssl !== null) {
    return NOTHING;
  }
  const keyFile = fresh('key.pem');
  openssl('genpkey', ...KINDS[kind], '-out', keyFile);
  return { keyFile, key: readFileSync(keyFile, 'utf8') };
}

/** The same key, encrypted. `traditional` is the form with `Proc-Type: 4,ENCRYPTED`. */
export function encryptKey(keyFile, passphrase, { traditional = false } = {}) {
  const out = fresh('encrypted.pem');
  const form = traditional ? ['-traditional'] : [];
  openssl(
    'pkey',
    '-in',
    keyFile,
    '-out',
    out,
    '-aes256',
    '-passout',
    `pass:${passphrase}`,
    ...form,
  );
  return { keyFile: out, key: readFileSync(out, 'utf8') };
}

/**
 * An authority that signs certificates.
 *
 * @param {object} [options]
 * @param {string} [options.name] its subject's name
 * @param {string} [options.kind] of its key: ec, ec-384, rsa, ed25519
 */
export function authority({ name = 'Test authority', kind = 'ec' } = {}) {
  if (noOpenssl !== null) {
    return NOTHING;
  }
  const folder = fresh('authority');
  mkdirSync(join(folder, 'new'), { recursive: true });
  const { keyFile, key } = makeKey(kind);
  const certFile = join(folder, 'ca.pem');
  openssl(
    ...['req', '-x509', '-new', '-key', keyFile, '-out', certFile, '-days', '3650'],
    ...['-subj', subject(name), '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  );
  return signer({ folder, certFile, keyFile, key, chain: '' });
}

/** What an authority or an intermediate one can do. `chain` is what goes behind its own. */
function signer({ folder, certFile, keyFile, key, chain }) {
  const cert = readFileSync(certFile, 'utf8');
  const config = join(folder, 'ca.cnf');
  writeFileSync(join(folder, 'index.txt'), '');
  writeFileSync(join(folder, 'index.txt.attr'), 'unique_subject = no\n');
  writeFileSync(join(folder, 'crlnumber'), '01\n');
  writeFileSync(
    config,
    `[ca]
default_ca = here
[here]
dir = ${folder}
database = $dir/index.txt
new_certs_dir = $dir/new
crlnumber = $dir/crlnumber
rand_serial = yes
default_md = default
policy = any
copy_extensions = none
[any]
commonName = optional
`,
  );

  /**
   * @param {object} [options]
   * @param {readonly string[]} [options.names] host names and IP addresses; the first is its
   *   subject's name
   * @param {string} [options.kind] of its key
   * @param {string} [options.keyFile] a key that is there already
   * @param {Date} [options.from] from when, and
   * @param {Date} [options.until] until when it holds
   * @param {'server' | 'client' | 'authority'} [options.use]
   * @param {string} [options.name] its subject's name, where it is none of its names
   */
  function issue({
    names = ['localhost', '127.0.0.1', '::1'],
    kind = 'ec',
    keyFile: given,
    from = new Date(Date.now() - DAY_MS),
    until = new Date(Date.now() + 30 * DAY_MS),
    use = 'server',
    name = names[0] ?? 'nameless',
  } = {}) {
    const own =
      given === undefined ? makeKey(kind) : { keyFile: given, key: readFileSync(given, 'utf8') };
    const request = fresh('request.pem');
    const out = fresh('cert.pem');
    const extensions = fresh('extensions.cnf');
    openssl('req', '-new', '-key', own.keyFile, '-subj', subject(name), '-out', request);
    const alternative = names.map((each) => `${isIP(each) === 0 ? 'DNS' : 'IP'}:${each}`);
    writeFileSync(
      extensions,
      [
        `basicConstraints=critical,CA:${use === 'authority' ? 'TRUE' : 'FALSE'}`,
        `keyUsage=critical,${use === 'authority' ? 'keyCertSign,cRLSign' : 'digitalSignature'}`,
        ...(use === 'authority' ? [] : [`extendedKeyUsage=${use}Auth`]),
        ...(alternative.length === 0 || use === 'authority'
          ? []
          : [`subjectAltName=${alternative.join(',')}`]),
        'subjectKeyIdentifier=hash',
        'authorityKeyIdentifier=keyid',
      ].join('\n'),
    );
    openssl(
      ...['ca', '-batch', '-notext', '-config', config, '-cert', certFile, '-keyfile', keyFile],
      ...['-in', request, '-out', out, '-extfile', extensions],
      ...['-startdate', timeOf(from), '-enddate', timeOf(until)],
    );
    const leaf = readFileSync(out, 'utf8');
    // A client gets the intermediate authorities too, never the root.
    const whole = leaf + chain;
    const chainFile = fresh('chain.pem');
    writeFileSync(chainFile, whole);
    return { ...own, cert: whole, certFile: chainFile, leafFile: out };
  }

  /** An authority that this one has signed. What it issues has its certificate behind. */
  function intermediate({ name: own = 'Intermediate authority', kind } = {}) {
    const inner = fresh('authority');
    mkdirSync(join(inner, 'new'), { recursive: true });
    const made = issue({ names: [], name: own, kind, use: 'authority' });
    const { leafFile, keyFile: innerKey, key: innerText } = made;
    return signer({
      folder: inner,
      certFile: leafFile,
      keyFile: innerKey,
      key: innerText,
      chain: readFileSync(leafFile, 'utf8') + chain,
    });
  }

  /** A revocation list with these certificates, as `issue` has returned them. */
  function revoke(...certificates) {
    const ca = ['ca', '-config', config, '-cert', certFile, '-keyfile', keyFile];
    for (const { leafFile } of certificates) {
      openssl(...ca, '-revoke', leafFile);
    }
    const crlFile = fresh('crl.pem');
    openssl(...ca, '-gencrl', '-crldays', '30', '-out', crlFile);
    return { crlFile, crl: readFileSync(crlFile, 'utf8') };
  }

  return { cert, certFile, key, keyFile, issue, intermediate, revoke };
}

/** A file with this text, which is removed when the process ends. */
export function fileOf(text, name = 'file.pem') {
  const path = fresh(name);
  writeFileSync(path, text);
  return path;
}
