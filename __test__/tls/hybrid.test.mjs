// X25519MLKEM768 with OpenSSL's client, which Node has from 24 on.

import { once } from 'node:events';
import tls from 'node:tls';
import plain from 'ava';
import { start } from '../support/server.mjs';
import { authority, withCertificates } from './certificates.mjs';

const [major, minor] = process.versions.openssl.split('.').map(Number);
const knowsGroup = major > 3 || (major === 3 && minor >= 5);
if (!knowsGroup) {
  const { versions } = process;
  console.log(
    `skipped: Node ${versions.node} has OpenSSL ${versions.openssl}, and ML-KEM came with 3.5`,
  );
}
const test = knowsGroup ? withCertificates(plain) : plain.skip;

/** The group that a client with these curves gets. */
async function groupOf({ port }, ca, ecdhCurve) {
  const options = { host: '127.0.0.1', port, ca, servername: 'localhost', ecdhCurve };
  const socket = tls.connect(options);
  await once(socket, 'secureConnect');
  const { name } = socket.getEphemeralKeyInfo();
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const [answer] = await once(socket, 'data');
  socket.resume();
  await once(socket, 'end');
  socket.destroy();
  return [name, String(answer).slice(9, 12)];
}

test('a client that sends a share for ML-KEM gets it, another is not asked for one', async (t) => {
  const ca = authority();
  const { cert, key } = ca.issue();
  const server = await start(t, { tls: { cert, key }, fetch: () => new Response('hello') });
  const port = Number(server.url.port);
  const groups = {
    X25519MLKEM768: 'X25519MLKEM768',
    'X25519MLKEM768:X25519': 'X25519MLKEM768',
    // What the client does by itself, as browsers do.
    auto: 'X25519MLKEM768',
    // It knows the group, and has sent a share of the first only.
    'X25519:X25519MLKEM768': 'X25519',
    'prime256v1:X25519MLKEM768': 'prime256v1',
    X25519: 'X25519',
  };
  for (const [curves, group] of Object.entries(groups)) {
    t.deepEqual(await groupOf({ port }, ca.cert, curves), [group, '200'], curves);
  }
});
