// `reactor-rs serve` with TLS and with several listeners.

import { X509Certificate } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import plain from 'ava';
import { run, serve } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { authority, encryptKey, withCertificates } from './certificates.mjs';
import { get } from './client.mjs';

const test = withCertificates(plain);
const local = ['-H', '127.0.0.1', '-p', '0', '-i', '1', '-w', '1'];

test('certificates and keys are flags, several of them, or variables', async (t) => {
  const ca = authority();
  const issued = ['a.test', 'b.test', 'a.test'].map((name, index) =>
    ca.issue({ names: [name], kind: index === 2 ? 'rsa' : 'ec' }),
  );
  const flags = issued.flatMap((one) => ['--tls-cert', one.certFile, '--tls-key', one.keyFile]);
  const server = await serve(t, [...local, ...flags]);
  const subject = async (servername, options) => {
    const { peer } = await get(server.url, { ca: ca.cert, servername, ...options });
    return [peer.subject.CN, peer.asn1Curve ?? 'rsa'];
  };
  t.deepEqual(await subject('a.test'), ['a.test', 'prime256v1']);
  t.deepEqual(await subject('b.test'), ['b.test', 'prime256v1']);
  const rsa = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' };
  t.deepEqual(await subject('a.test', rsa), ['a.test', 'rsa']);

  const [one] = issued;
  const client = ca.issue({ names: ['someone'], use: 'client' });
  const { keyFile } = encryptKey(one.keyFile, 'secret');
  const env = {
    REACTOR_TLS_CERT: one.certFile,
    REACTOR_TLS_KEY: keyFile,
    REACTOR_TLS_PASSPHRASE: 'secret',
    REACTOR_TLS_CLIENT_CA: ca.certFile,
  };
  const other = await serve(t, local, { env });
  const options = { ca: ca.cert, servername: 'a.test' };
  const { status } = await get(other.url, { ...options, cert: client.cert, key: client.key });
  t.is(status, 200);
  await t.throwsAsync(get(other.url, options), { message: /certificate required/i });
});

test('several listeners, all in the banner and in --json', async (t) => {
  const ca = authority();
  const one = ca.issue();
  const places = ['--listen', '127.0.0.1:0', '--listen', 'https://127.0.0.1:0'];
  const args = [...places, '--tls-cert', one.certFile, '--tls-key', one.keyFile];
  const server = await serve(t, [...args, '--redirect-to-tls'], { env: { PORT: '1' } });
  const [clear, secured] = server.urls;
  t.is(server.url, clear);
  const response = await fetch(clear, { redirect: 'manual' });
  t.deepEqual([response.status, response.headers.get('location')], [308, secured]);
  t.is((await get(secured, { ca: ca.cert })).status, 200);
  server.kill('SIGTERM');
  t.is((await server.closed).code, 0);
});

test('a self-signed certificate is made once, private, and named in the banner', async (t) => {
  const state = temporary(t);
  const env = { XDG_STATE_HOME: state };
  const certificate = async () => {
    const server = await serve(t, [...local, '--tls-self-signed'], { env });
    const ca = readFileSync(server.selfSigned);
    const { peer, status } = await get(server.url, { ca });
    t.is(status, 200);
    t.is((await get(server.url, { ca, servername: 'localhost' })).status, 200);
    server.kill('SIGTERM');
    await server.closed;
    return peer.fingerprint256;
  };
  const first = await certificate();
  t.is(await certificate(), first);
  const folder = join(state, 'reactor-rs');
  const pair = join(folder, 'self-signed.pem');
  t.is(statSync(pair).mode & 0o777, 0o600);
  t.is(statSync(folder).mode & 0o777, 0o700);
  t.deepEqual(readdirSync(folder).sort(), ['self-signed-cert.pem', 'self-signed.pem']);
  const read = new X509Certificate(readFileSync(pair));
  t.true(Date.parse(read.validTo) > Date.now() + 300 * 86_400_000);
  t.truthy(read.checkIP('::1'));

  // A damaged one, and one that holds no more than a month, are replaced.
  writeFileSync(pair, 'nonsense');
  const second = await certificate();
  t.not(second, first);
  const old = authority().issue({ until: new Date(Date.now() + 20 * 86_400_000) });
  writeFileSync(pair, old.key + old.cert);
  t.not(await certificate(), new X509Certificate(old.cert).fingerprint256);

  chmodSync(folder, 0o777);
  const { code, stderr } = await run(['serve', ...local, '--tls-self-signed'], { env });
  t.is(code, 1);
  t.regex(stderr, /must be a folder of this user that no other can write to/);
});

test('the banner says aloud that a self-signed certificate is for development', async (t) => {
  const { launch, until, BIN } = await import('../support/command.mjs');
  const env = { XDG_STATE_HOME: temporary(t) };
  const server = launch([BIN, 'serve', ...local, '--tls-self-signed'], { env });
  t.teardown(() => server.process.kill('SIGKILL'));
  await until(() => /development only/.test(server.stderr()), 'the banner');
  t.regex(server.stderr(), /listening on https:\/\/127\.0\.0\.1:\d+\//);
  t.regex(server.stderr(), /curl --cacert \S+self-signed-cert\.pem/);
});

test('mistakes name the flag', async (t) => {
  const cases = [
    [['--tls-cert', 'a'], /^reactor-rs: each --tls-cert needs a --tls-key/],
    [['--tls-key', 'a'], /^reactor-rs: each --tls-key needs a --tls-cert/],
    [['--tls-client-ca', 'a'], /--tls-client-ca needs --tls-cert and --tls-key/],
    [['--tls-self-signed', '--tls-cert', 'a', '--tls-key', 'b'], /cannot be given together with/],
    [['--listen', '0', '-p', '0'], /-p\/--port cannot be given together with --listen/],
    [['--listen', 'nowhere:x'], /--listen must be a port from 0 to 65535, or text such as/],
    [['--redirect-to-tls'], /--redirect-to-tls needs --listen/],
    [['--tls-self-signed', '--listen', '0'], /write https:\/\/ before its port/],
  ];
  const env = { XDG_STATE_HOME: temporary(t) };
  for (const [args, message] of cases) {
    const { code, stderr } = await run(['serve', ...args], { env });
    t.is(code, 2, args.join(' '));
    t.regex(stderr, message);
  }
  const wrong = await run(['serve', ...local, '--tls-cert', '/nowhere', '--tls-key', '/nowhere']);
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /cannot read "\/nowhere": there is no such file/);
});
