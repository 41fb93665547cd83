// The `tls` option: every form that a certificate and a key can have, and every mistake.

import { readFileSync } from 'node:fs';
import https from 'node:https';
import { relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import plain from 'ava';
import { serve } from 'reactor-rs';
import { start } from '../support/server.mjs';
import { authority, encryptKey, fileOf, withCertificates } from './certificates.mjs';
import { get } from './client.mjs';

const test = withCertificates(plain);

const ca = authority();
const one = ca.issue();
const pair = { cert: one.cert, key: one.key };
const fetch = ({ url }) => new Response(url);

test('certificate and key are text, bytes, a path or a file: URL, one or several', async (t) => {
  const bytes = (text) => new TextEncoder().encode(text);
  const forms = [
    pair,
    { cert: Buffer.from(one.cert), key: Buffer.from(one.key) },
    { cert: bytes(one.cert), key: bytes(one.key).buffer },
    { cert: one.certFile, key: one.keyFile },
    { cert: relative(process.cwd(), one.certFile), key: one.keyFile },
    { cert: pathToFileURL(one.certFile), key: pathToFileURL(one.keyFile).href },
    { cert: [one.cert], key: [one.keyFile] },
    { cert: one.cert, key: { pem: one.key } },
    // As editors of Windows save it.
    {
      cert: fileOf(`\ufeff${one.cert.replaceAll('\n', '\r\n')}`),
      key: Buffer.from(`\ufeff${one.key.replaceAll('\n', '\r\n')}`),
    },
    // Both in one text, as many programs make it.
    { cert: fileOf(one.key + one.cert), key: fileOf(one.key + one.cert) },
  ];
  for (const tls of forms) {
    const server = await start(t, { tls, fetch });
    t.is(server.url.protocol, 'https:');
    const { status, text } = await get(server.url.href, { ca: ca.cert });
    t.deepEqual([status, text], [200, server.url.href]);
    await server.stop();
  }
});

test('encrypted keys are opened with their passphrases', async (t) => {
  for (const traditional of [false, true]) {
    const { key, keyFile } = encryptKey(one.keyFile, 'käse', { traditional });
    const forms = [
      { key, passphrase: 'käse' },
      { key: keyFile, passphrase: 'käse' },
      { key: { pem: key, passphrase: 'käse' } },
      { key: [{ pem: key, passphrase: 'käse' }], passphrase: 'another' },
      { key: { pem: keyFile }, passphrase: 'käse' },
    ];
    for (const form of forms) {
      const server = await start(t, { tls: { cert: one.cert, ...form }, fetch });
      t.is((await get(server.url.href, { ca: ca.cert })).status, 200);
      await server.stop();
    }
    const refused = (form, message) =>
      t.throwsAsync(serve({ port: 0, tls: { cert: one.cert, ...form } }), {
        code: 'ERR_REACTOR_TLS',
        message,
      });
    await refused(
      { key },
      'the private key of tls.key is encrypted: give its passphrase as option "tls.passphrase"',
    );
    await refused({ key, passphrase: 'wrong' }, /"tls\.passphrase" is not its passphrase$/);
    await refused(
      { key: { pem: keyFile, passphrase: 'wrong' } },
      `the private key of ${keyFile} cannot be opened: option "tls.key.passphrase" is not its passphrase`,
    );
  }
});

test('every wrong value names the option, and what is allowed', async (t) => {
  const other = authority().issue();
  const expired = ca.issue({ until: new Date(Date.now() - 60_000) });
  const OPTION = 'ERR_REACTOR_INVALID_OPTION';
  const UNKNOWN = 'ERR_REACTOR_UNKNOWN_OPTION';
  const TLS = 'ERR_REACTOR_TLS';
  const cases = [
    [true, OPTION, /^option "tls" must be an object with "cert" and "key"/],
    [[], OPTION, /^option "tls" must be/],
    [[pair, 1], OPTION, /^option "tls\[1\]" must be/],
    [{}, OPTION, /^option "tls\.cert" is missing: TLS needs/],
    [{ cert: one.cert }, OPTION, /^option "tls\.key" is missing/],
    [{ ...pair, cert: 1 }, OPTION, /^option "tls\.cert" must be PEM text, bytes, .* got 1$/],
    [{ ...pair, cert: [one.cert, null] }, OPTION, /^option "tls\.cert\[1\]" must be .* got null$/],
    [{ ...pair, key: 'secret\nkey' }, OPTION, /^option "tls\.key" must be (?!.*secret)/],
    [one.key, OPTION, /^option "tls" must be .*, got PEM text$/],
    [{ ...pair, key: { key: one.key } }, OPTION, /, got a value that holds PEM text$/],
    [{ ...pair, key: [[one.key]] }, OPTION, /, got a value that holds PEM text$/],
    [
      { ...pair, key: one.key.replaceAll('\n', '\\n') },
      TLS,
      /^tls\.key is damaged: it has no line ends; -----BEGIN and -----END need lines of their own$/,
    ],
    [{ ...pair, key: one.key.replaceAll('\n', ' ') }, TLS, /: it has no line ends; [^:]*$/],
    [{ ...pair, key: one.key.replaceAll('\n', '') }, TLS, /: it has no line ends; [^:]*$/],
    [
      { ...pair, key: one.key.replace('-----\n', '-----') },
      TLS,
      /^tls\.key is damaged: a line -----BEGIN is damaged$/,
    ],
    [
      { ...pair, key: one.key.split('\n').slice(1, -2).join('') },
      TLS,
      /: it looks like base64 without -----BEGIN and -----END$/,
    ],
    [
      { ...pair, key: one.key.replace(/^/gm, '  ') },
      TLS,
      /-----BEGIN must be the start of a line, without/,
    ],
    [
      { ...pair, cert: Buffer.from(`\ufeff${one.cert}`, 'utf16le') },
      TLS,
      /^tls\.cert holds no certificate: it is in UTF-16; save/,
    ],
    [
      { ...pair, passphrase: ['geheim'] },
      OPTION,
      /^option "tls\.passphrase" must be text, got a value of type object$/,
    ],
    [{ ...pair, key: '' }, OPTION, /^option "tls\.key" must be .* got ""$/],
    [{ ...pair, key: new URL('http://a/') }, OPTION, /^option "tls\.key" must be/],
    [{ ...pair, key: { pem: one.key, pass: 'x' } }, UNKNOWN, /"tls\.key\.pass"; the options are/],
    [
      { ...pair, cert: '/nowhere/a.pem' },
      TLS,
      /"tls\.cert": cannot read "\/nowhere\/a\.pem": there/,
    ],
    [{ ...pair, cert: '/' }, TLS, /it is a folder$/],
    [{ ...pair, cert: one.key }, TLS, /^tls\.cert holds no certificate: it holds a private key$/],
    [{ ...pair, key: one.cert }, TLS, /^tls\.key holds no private key: it holds a certificate$/],
    [
      { ...pair, key: other.key },
      TLS,
      /^the certificate of tls\.cert .* another key than tls\.key$/,
    ],
    [{ cert: expired.cert, key: expired.key }, TLS, /expired at/],
    [{ ...pair, minVersion: 'TLSv1.1' }, OPTION, /"tls\.minVersion" must be "TLSv1\.2" or/],
    [{ ...pair, ciphers: 'HIGH' }, TLS, /^the cipher "HIGH" is unknown; there are TLS_AES/],
    [{ ...pair, ciphers: 1 }, OPTION, /"tls\.ciphers" must be names/],
    [{ ...pair, ALPNProtocols: ['h2'] }, OPTION, /has "h2": this server speaks "http\/1\.1" only/],
    [{ ...pair, ALPNProtocols: [''] }, OPTION, /"tls\.ALPNProtocols" must be names of 1 to 255/],
    [{ ...pair, ALPNProtocols: Buffer.from('\x09abc') }, OPTION, /"tls\.ALPNProtocols" must be/],
    [{ ...pair, requestCert: true }, OPTION, /"tls\.requestCert" needs "tls\.ca"/],
    [{ ...pair, requestCert: 1 }, OPTION, /"tls\.requestCert" must be true or false/],
    [{ ...pair, ca: one.key, requestCert: true }, TLS, /tls\.ca holds no certificate/],
    [{ ...pair, serverName: 'a..b' }, OPTION, /"tls\.serverName" must be a host name/],
    [{ ...pair, serverName: '127.0.0.1' }, OPTION, /"tls\.serverName" must be a host name/],
    [{ ...pair, serverName: 'a.*.b' }, OPTION, /"tls\.serverName" must be a host name/],
    [{ ...pair, ticketKeys: Buffer.alloc(47) }, OPTION, /"tls\.ticketKeys" must be a Buffer of 48/],
    [{ ...pair, sessionTimeout: 0 }, OPTION, /"tls\.sessionTimeout" must be an integer from 1/],
    [{ ...pair, handshakeTimeout: '1' }, OPTION, /"tls\.handshakeTimeout" must be an integer/],
    [
      [
        { ...pair, sessionTimeout: 1 },
        { ...pair, serverName: 'a.test', sessionTimeout: 2 },
      ],
      OPTION,
      /"tls\[1\]\.sessionTimeout" differs from "tls\[0\]\.sessionTimeout": it counts/,
    ],
    [{ ...pair, pfx: 'x' }, UNKNOWN, /"tls\.pfx": give PEM/],
    [{ ...pair, keyFile: 'x' }, UNKNOWN, /"tls\.keyFile": it is called "key" here/],
    [{ ...pair, servername: 'x' }, UNKNOWN, /"tls\.servername": it is called "serverName"/],
    [{ ...pair, cypher: 'x' }, UNKNOWN, /"tls\.cypher"; did you mean "tls\.ciphers"\?/],
  ];
  for (const [tls, code, message] of cases) {
    const server = serve({ port: 0, hostname: '127.0.0.1', http2: false, tls });
    await t.throwsAsync(server, { code, message });
  }
});

test('versions, ciphers and ALPN are those that were asked for', async (t) => {
  const cases = [
    [{}, {}, { protocol: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' }],
    [{}, { maxVersion: 'TLSv1.2' }, { protocol: 'TLSv1.2' }],
    [{ minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' }, { error: /protocol version/i }],
    [{ ciphers: 'TLS_AES_256_GCM_SHA384' }, {}, { cipher: 'TLS_AES_256_GCM_SHA384' }],
    [
      { ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256' },
      { maxVersion: 'TLSv1.2' },
      { cipher: 'ECDHE-ECDSA-CHACHA20-POLY1305' },
    ],
    [
      { honorCipherOrder: false },
      { ciphers: 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256' },
      { cipher: 'TLS_CHACHA20_POLY1305_SHA256' },
    ],
    [{}, { ALPNProtocols: ['h2', 'http/1.1'] }, { alpn: 'http/1.1' }],
    [{}, { ALPNProtocols: ['h2'] }, { error: /no application protocol/i }],
    [{ ALPNProtocols: [] }, { ALPNProtocols: ['h2'] }, { alpn: false }],
    [{ ALPNProtocols: Buffer.from('\x03abc\x02de') }, { ALPNProtocols: ['de'] }, { alpn: 'de' }],
  ];
  for (const [options, client, expected] of cases) {
    // What HTTP/2 changes of it is in http2/options.test.mjs.
    const server = await start(t, { http2: false, tls: { ...pair, ...options }, fetch });
    const { error, ...facts } = expected;
    const what = JSON.stringify([options, client]);
    const got = get(server.url.href, { ca: ca.cert, ...client });
    if (error === undefined) {
      t.like(await got, facts, what);
    } else {
      await t.throwsAsync(got, { message: error }, what);
    }
    await server.stop();
  }
});

test('several names have certificates of their own, with wildcards and a default', async (t) => {
  const issue = (...names) => {
    const { cert, key } = ca.issue({ names });
    return { cert, key };
  };
  const tls = [
    { ...issue('*.wild.test'), serverName: '*.wild.test' },
    { ...issue('localhost') },
    { ...issue('a.test', 'b.test'), serverName: ['a.test', 'b.test'] },
    { ...issue('own.wild.test'), serverName: 'own.wild.test' },
  ];
  const subject = async (server, servername) =>
    (await get(server.url.href, { rejectUnauthorized: false, servername })).peer.subject.CN;
  const server = await start(t, { tls, fetch });
  const names = [
    'a.test',
    'B.TEST',
    'x.wild.test',
    'own.wild.test',
    'x.y.wild.test',
    'nobody.test',
  ];
  const expected = ['a.test', 'a.test', '*.wild.test', 'own.wild.test', 'localhost', 'localhost'];
  t.deepEqual(await Promise.all(names.map((name) => subject(server, name))), expected);

  const [first, ...others] = tls;
  const strict = await start(t, { tls: [{ ...first, unknownName: 'refuse' }, ...others], fetch });
  t.is(await subject(strict, 'b.test'), 'a.test');
  await t.throwsAsync(subject(strict, 'nobody.test'), { message: /unrecognized name/i });
});

test('clients show certificates where they are asked to', async (t) => {
  const client = ca.issue({ names: ['somebody'], use: 'client' });
  const revoked = ca.issue({ names: ['somebody'], use: 'client' });
  const { crl } = ca.revoke(revoked);
  const stranger = authority({ name: 'Others' }).issue({ names: ['stranger'], use: 'client' });
  const server = await start(t, {
    tls: { ...pair, ca: ca.certFile, crl, requestCert: true },
    fetch,
  });
  const as = ({ cert, key }) => get(server.url.href, { ca: ca.cert, cert, key });
  t.is((await as(client)).status, 200);
  await t.throwsAsync(as({}), { message: /certificate required/i });
  await t.throwsAsync(as(stranger), { message: /unknown ca/i });
  await t.throwsAsync(as(revoked), { message: /revoked/i });

  const open = { ...pair, ca: ca.cert, requestCert: true, rejectUnauthorized: false };
  const lenient = await start(t, { tls: open, fetch });
  for (const { cert, key } of [{}, stranger, client]) {
    t.is((await get(lenient.url.href, { ca: ca.cert, cert, key })).status, 200);
  }
});

test('processes with the same ticket keys resume each other’s sessions', async (t) => {
  const ticketKeys = Buffer.from(Array.from({ length: 48 }, (_, index) => index));
  const servers = [];
  for (const keys of [ticketKeys, [Buffer.alloc(48, 1), ticketKeys], undefined]) {
    servers.push(await start(t, { tls: { ...pair, ticketKeys: keys }, fetch }));
  }
  const { session } = await get(servers[0].url.href, { ca: ca.cert });
  const reused = [];
  for (const { url } of servers) {
    reused.push((await get(url.href, { ca: ca.cert, session })).reused);
  }
  t.deepEqual(reused, [true, true, false]);
});

test('a handshake that takes too long is cut off', async (t) => {
  const { connect } = await import('node:net');
  const server = await start(t, { tls: { ...pair, handshakeTimeout: 50 }, fetch });
  const socket = connect(server.port, '127.0.0.1');
  await t.notThrowsAsync(
    new Promise((resolve) =>
      socket
        .on('error', () => {})
        .on('close', resolve)
        .resume(),
    ),
  );
});

test('request.url is https, also without Host and with an absolute target', async (t) => {
  const server = await start(t, { tls: pair, fetch });
  // It checks no names, since the requests are for others.
  const agent = new https.Agent({ keepAlive: true, ca: ca.cert, checkServerIdentity: () => {} });
  t.teardown(() => agent.destroy());
  const ask = async (options) => (await get(`${server.url}a?b`, { agent, ...options })).text;
  t.is(await ask({}), `${server.url}a?b`);
  t.is(await ask({ headers: { host: 'a.test' } }), 'https://a.test/a?b');
  t.is(await ask({ path: 'https://b.test/c', headers: { host: 'b.test' } }), 'https://b.test/c');
  t.is(await (await server.fetch('/a')).text(), `http://${server.url.host}/a`);
});

test('module threads get certificates from the module or from serve', async (t) => {
  const { moduleOf } = await import('../support/folder.mjs');
  const source = (more) =>
    `export default { ${more} fetch: ({ url }) => new Response(new URL(url).protocol) };`;
  const tls = `tls: { cert: new URL('${pathToFileURL(one.certFile)}'), key: '${one.keyFile}' },`;
  for (const options of [
    { module: moduleOf(t, source(tls)) },
    { module: moduleOf(t, source('')), tls: { cert: readFileSync(one.certFile), key: one.key } },
  ]) {
    const server = await serve({ port: 0, hostname: '127.0.0.1', ...options });
    t.is((await get(server.url.href, { ca: ca.cert })).text, 'https:');
    await server.stop();
  }
});
