import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { binding } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';

/** How long a certificate holds. Apple's clients take none that holds longer than 825 days. */
const DAYS = 397;

/** So many days before its end a new one is made. */
const DAYS_LEFT = 30;

const DAY_MS = 86_400_000;

/** A certificate for development. */
export interface DevelopmentCertificate {
  /** The certificate's file, which clients can be told to trust. */
  readonly certFile: string;
  readonly tls: { readonly cert: string; readonly key: string };
}

/**
 * The certificate that this user's servers have in development, for localhost and this machine's
 * name. It is made if it is missing, and again before it expires. Clients that trust it do so until
 * then.
 * @throws {ReactorError} if there is no safe place for its key
 */
export function developmentCertificate(): DevelopmentCertificate {
  const folder = join(stateFolder(), 'reactor-rs');
  const pairFile = join(folder, 'self-signed.pem');
  const certFile = join(folder, 'self-signed-cert.pem');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    refuseForeign(folder);
    const names = namesOfHost();
    if (!isUsable(pairFile, names)) {
      const { certificate, key } = binding().selfSigned(
        `reactor-rs on ${names.at(-1)}`,
        names,
        DAYS,
      );
      // Both in one file, so that two commands cannot mix theirs.
      replace(pairFile, key + certificate, 0o600);
    }
    const certificate = new X509Certificate(readFileSync(pairFile)).toString();
    if (read(certFile) !== certificate) {
      replace(certFile, certificate, 0o644);
    }
  } catch (cause) {
    if (cause instanceof ReactorError) {
      throw cause;
    }
    throw new ReactorError(
      'ERR_REACTOR_TLS',
      `no self-signed certificate: ${(cause as Error).message}; XDG_STATE_HOME names another folder`,
      { cause },
    );
  }
  return { certFile, tls: { cert: pairFile, key: pairFile } };
}

/** The XDG base directory specification: a relative path does not count. */
function stateFolder(): string {
  const { XDG_STATE_HOME: state = '' } = process.env;
  return state.startsWith('/') ? state : join(homedir(), '.local', 'state');
}

/** The names that a browser on this machine, or on the network, may use. */
function namesOfHost(): string[] {
  const name = hostname().toLowerCase();
  const own = /^[a-z\d][a-z\d.-]{0,252}$/.test(name) ? [name, name.split('.')[0] as string] : [];
  return [...new Set(['localhost', '*.localhost', '127.0.0.1', '::1', ...own])];
}

/** Another user who can write there could put a key of theirs in the place of ours. */
function refuseForeign(folder: string): void {
  const stat = lstatSync(folder);
  const isOurs = stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
  if (!isOurs) {
    throw new ReactorError(
      'ERR_REACTOR_TLS',
      `no self-signed certificate: "${folder}" must be a folder of this user that no other can write to`,
    );
  }
}

/** Whether the pair is whole, private, for these names, and in date for a while. */
function isUsable(file: string, names: readonly string[]): boolean {
  const text = read(file);
  if (text === undefined) {
    return false;
  }
  try {
    chmodSync(file, 0o600);
    const certificate = new X509Certificate(text);
    const left = Date.parse(certificate.validTo) - Date.now();
    const held = certificate.subjectAltName ?? '';
    return (
      left > DAYS_LEFT * DAY_MS &&
      certificate.checkPrivateKey(createPrivateKey(text)) &&
      names.every((name) =>
        name.includes(':') ? certificate.checkIP(name) !== undefined : held.includes(`:${name}`),
      )
    );
  } catch {
    return false;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Replaces a file in one step: a server may be about to read it. */
function replace(file: string, text: string, mode: number): void {
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, text, { mode, flag: 'wx' });
    renameSync(own, file);
  } catch (error) {
    rmSync(own, { force: true });
    throw error;
  }
}
