// The certificate that contenders serve with over TLS, and what our client offers them.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { Failure } from './failure.mjs';

const FOLDER = 'target/bench/tls';

/** All take it if it is all that is offered, so that all do the same work. */
export const CIPHER = 'TLS_AES_128_GCM_SHA256';

/** A self-signed certificate for ECDSA on P-256, and its key: two files, made when they are wanted. */
export function certificate() {
  const files = { cert: `${FOLDER}/cert.pem`, key: `${FOLDER}/key.pem` };
  if (Object.values(files).every((path) => existsSync(path))) return files;
  mkdirSync(FOLDER, { recursive: true });
  const { error, status, stderr } = spawnSync('openssl', [
    ...['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    ...['-days', '3650', '-subj', '/CN=localhost', '-keyout', files.key, '-out', files.cert],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
  ]);
  if (error) throw new Failure('openssl is missing; install it (apt-get install openssl)');
  if (status !== 0) throw new Failure(`openssl failed: ${stderr}`);
  return files;
}

/** What a run agreed on, in words. */
export function agreed({ version, cipher, group, handshakes, resumed }) {
  const share = handshakes > 0 ? Math.round((100 * resumed) / handshakes) : 0;
  return `${version}, ${cipher}, ${group ?? 'no group'}, ${share} % of the handshakes resumed`;
}
