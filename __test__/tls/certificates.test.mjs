// The certificates that the other tests use are what they are taken for.

import { X509Certificate } from 'node:crypto';
import plain from 'ava';
import { authority, encryptKey, withCertificates } from './certificates.mjs';

const test = withCertificates(plain);

test('an authority issues certificates with names, dates and keys of every kind', (t) => {
  const ca = authority();
  const root = new X509Certificate(ca.cert);
  for (const kind of ['ec', 'ec-384', 'rsa', 'ed25519']) {
    const { cert, key } = ca.issue({ names: ['a.test', '*.b.test', '127.0.0.1'], kind });
    const read = new X509Certificate(cert);
    t.true(read.verify(root.publicKey), kind);
    t.is(read.checkHost('x.b.test'), '*.b.test');
    t.is(read.checkIP('127.0.0.1'), '127.0.0.1');
    t.regex(key, /BEGIN PRIVATE KEY/);
  }
  const until = new Date(Date.now() - 1000);
  const { cert } = ca.issue({ until });
  t.true(Math.abs(Date.parse(new X509Certificate(cert).validTo) - until) <= 1000);
});

test('an intermediate authority is part of the chains that it issues', (t) => {
  const { cert } = authority().intermediate().issue();
  t.is(cert.match(/BEGIN CERTIFICATE/g).length, 2);
});

test('there are revocation lists and encrypted keys of both forms', (t) => {
  const ca = authority();
  const client = ca.issue({ names: ['someone'], use: 'client' });
  t.regex(ca.revoke(client).crl, /BEGIN X509 CRL/);
  t.regex(encryptKey(client.keyFile, 'secret').key, /BEGIN ENCRYPTED PRIVATE KEY/);
  const { key } = encryptKey(client.keyFile, 'secret', { traditional: true });
  t.regex(key, /Proc-Type: 4,ENCRYPTED/);
});
