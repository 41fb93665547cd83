import { createPrivateKey } from 'node:crypto';
import type { NativePem } from '../binding/binding.js';
import { ReactorError } from '../errors/errors.js';
import { refuseUnknown } from './check.js';
import { each, type Files, textOf } from './tls-texts.js';

/** An encrypted key, of today's form (PKCS #8) or OpenSSL's old one. */
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;

/** Each private key of a text. */
const KEYS = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----[\s\S]*?-----END \1-----/g;

/**
 * The private keys that an option gives, one or several. Encrypted ones are opened.
 * @param name of the option, such as `tls.key`
 * @param passphrase of the keys that have none of their own
 */
export function keysOf(
  name: string,
  given: unknown,
  passphrase: string | undefined,
  files: Files,
): NativePem[] {
  const shared = name.replace(/[^.]*$/, 'passphrase');
  return each(name, given, (own, one) => {
    if (!isPair(one)) {
      return opened(textOf(own, one, files), shared, passphrase);
    }
    refuseUnknown(one, ['pem', 'passphrase'], `${own}.`);
    const words = passphraseAt(`${own}.passphrase`, one.passphrase) ?? passphrase;
    return opened(textOf(`${own}.pem`, one.pem, files), `${own}.passphrase`, words);
  });
}

function isPair(given: unknown): given is Record<string, unknown> {
  return (
    typeof given === 'object' &&
    given !== null &&
    !(given instanceof URL) &&
    !ArrayBuffer.isView(given) &&
    'pem' in given
  );
}

/** A passphrase, if it is text. The error does not show it. */
export function passphraseAt(option: string, given: unknown): string | undefined {
  if (given !== undefined && typeof given !== 'string') {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `option "${option}" must be text, got a value of type ${typeof given}`,
    );
  }
  return given;
}

/** The text with its keys in clear. */
function opened(pem: NativePem, option: string, passphrase: string | undefined): NativePem {
  const text = Buffer.from(pem.text).toString('latin1');
  if (!ENCRYPTED.test(text)) {
    return pem;
  }
  if (passphrase === undefined || passphrase === '') {
    throw new ReactorError(
      'ERR_REACTOR_TLS',
      `the private key of ${pem.from} is encrypted: give its passphrase as option "${option}"`,
    );
  }
  const clear = text.replace(KEYS, (key) =>
    ENCRYPTED.test(key) ? clearOf(key, pem.from, option, passphrase) : key,
  );
  return { from: pem.from, text: Buffer.from(clear, 'latin1') };
}

function clearOf(key: string, from: string, option: string, passphrase: string): string {
  try {
    const opened = createPrivateKey({ key, passphrase });
    return opened.export({ type: 'pkcs8', format: 'pem' }) as string;
  } catch (cause) {
    // OpenSSL has several errors for a wrong passphrase: what it decrypts to is no key.
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const isWrong = /BAD_DECRYPT|BAD_PASSWORD|DECODE|UNSUPPORTED|NESTED|ASN1/i.test(code);
    throw new ReactorError(
      'ERR_REACTOR_TLS',
      isWrong
        ? `the private key of ${from} cannot be opened: option "${option}" is not its passphrase`
        : `the private key of ${from} cannot be opened: ${message}`,
      { cause },
    );
  }
}
