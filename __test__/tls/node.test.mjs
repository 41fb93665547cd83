// `createSecureServer` of reactor-rs/node, beside Node's https.

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { connect } from 'node:tls';
import plain from 'ava';
import express from 'express';
import fastify from 'fastify';
import Koa from 'koa';
import { createSecureServer, createServer, SecureServer } from 'reactor-rs/node';
import * as ours from 'reactor-rs/ws';
import { Agent, fetch as undici } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import { authority, encryptKey, withCertificates } from './certificates.mjs';
import { get } from './client.mjs';

const test = withCertificates(plain);

const ca = authority();
const { cert, key, certFile, keyFile } = ca.issue();
const tls = { cert, key };
const client = ca.issue({ names: ['someone.test'], use: 'client' });

/** Listens on a free port; returns the URL. */
async function listen(t, server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `https://127.0.0.1:${server.address().port}/`;
}

/** What a handler sees of its connection. */
const seen = (req, res) => {
  const { socket } = req;
  const { subject, issuer, fingerprint256, subjectaltname, raw } = socket.getPeerCertificate();
  const detailed = socket.getPeerCertificate(true);
  res.setHeader('content-type', 'application/json');
  res.end(
    JSON.stringify({
      encrypted: socket.encrypted,
      authorized: socket.authorized,
      authorizationError: socket.authorizationError,
      protocol: socket.getProtocol(),
      cipher: socket.getCipher(),
      alpn: socket.alpnProtocol,
      servername: socket.servername,
      reused: socket.isSessionReused(),
      peer: { subject, issuer, fingerprint256, subjectaltname, raw: raw?.length },
      isX509: socket.getPeerX509Certificate()?.subject ?? null,
      issuerOfPeer: detailed.issuerCertificate?.subject ?? null,
    }),
  );
};

test('a socket tells the same as Node’s', async (t) => {
  const options = { ...tls, ca: ca.cert, requestCert: true, rejectUnauthorized: false };
  // Node's default order has AES-256 first.
  const ciphers = 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256';
  const node = await listen(t, https.createServer({ ...options, ciphers }, seen));
  const ours = await listen(t, createSecureServer({ ...options, ciphers }, seen));
  const clients = [
    {},
    { servername: 'localhost', ALPNProtocols: ['http/1.1'] },
    { maxVersion: 'TLSv1.2' },
    { cert: client.cert, key: client.key },
    { cert: client.cert, key: client.key, maxVersion: 'TLSv1.2' },
  ];
  for (const options of clients) {
    const [from, to] = await Promise.all(
      [node, ours].map(async (url) => {
        const { text } = await get(url, { ca: ca.cert, ...options });
        // Node knows the issuer from `ca`; what the client did not send is not there here. And a
        // client that shows no certificate has an error with Node.
        const { issuerOfPeer, authorizationError, ...rest } = JSON.parse(text);
        return rest;
      }),
    );
    t.deepEqual(to, from, JSON.stringify(Object.keys(options)));
  }
});

test('a client’s certificate that is not accepted has Node’s error', async (t) => {
  const options = { ...tls, ca: ca.cert, requestCert: true, rejectUnauthorized: false };
  const url = await listen(t, createSecureServer(options, seen));
  const until = new Date(Date.now() - 60_000);
  const cases = [
    [ca.issue({ names: ['a.test'], use: 'client', until }), 'CERT_HAS_EXPIRED'],
    [ca.issue({ names: ['a.test'] }), 'INVALID_PURPOSE'],
    [
      authority({ name: 'Others' }).issue({ names: ['a.test'], use: 'client' }),
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
  ];
  for (const [{ cert, key }, error] of cases) {
    const { authorized, authorizationError, peer } = JSON.parse(
      (await get(url, { ca: ca.cert, cert, key })).text,
    );
    t.deepEqual([authorized, authorizationError, peer.subject.CN], [false, error, 'a.test']);
  }
});

test('an application of Express runs over https', async (t) => {
  const app = express();
  app.use(express.json());
  app.get('/', (req, res) => {
    res.cookie('a', 'b', { secure: true });
    res.json({ secure: req.secure, protocol: req.protocol, hostname: req.hostname });
  });
  app.post('/echo', (req, res) => res.send(req.body));
  const url = await listen(t, createSecureServer({ cert: certFile, key: keyFile }, app));
  const dispatcher = new Agent({ connect: { ca: ca.cert } });
  t.teardown(() => dispatcher.close());
  const response = await undici(url, { dispatcher });
  t.deepEqual(await response.json(), { secure: true, protocol: 'https', hostname: '127.0.0.1' });
  t.regex(response.headers.get('set-cookie'), /Secure/);
  const body = JSON.stringify({ text: 'x'.repeat(50_000) });
  const headers = { 'content-type': 'application/json' };
  const echo = await undici(`${url}echo`, { dispatcher, method: 'POST', body, headers });
  t.is(await echo.text(), body);
});

test('Fastify and Koa run over https', async (t) => {
  const app = fastify({ serverFactory: (handler) => createSecureServer(tls, handler) });
  app.get('/', async (request) => ({ protocol: request.protocol }));
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(() => app.close());
  const { port } = app.server.address();
  const answer = await get(`https://127.0.0.1:${port}/`, { ca: ca.cert });
  t.deepEqual(JSON.parse(answer.text), { protocol: 'https' });

  const koa = new Koa();
  koa.use((context) => {
    context.body = `${context.protocol} ${context.secure}`;
  });
  const url = await listen(t, createSecureServer(tls, koa.callback()));
  t.is((await get(url, { ca: ca.cert })).text, 'https true');
});

test('createServer with a certificate is createSecureServer', async (t) => {
  const server = createServer({ ...tls, keepAliveTimeout: 1234 }, seen);
  t.true(server instanceof SecureServer);
  t.true(server instanceof http.Server);
  t.is(server.keepAliveTimeout, 1234);
  const url = await listen(t, server);
  t.true(JSON.parse((await get(url, { ca: ca.cert })).text).encrypted);
  t.false(createServer(seen) instanceof SecureServer);
});

test('contexts for names, and another one for all, while it runs', async (t) => {
  const named = (name) => ca.issue({ names: [name] });
  const server = createSecureServer({}, seen);
  t.throws(() => server.listen(0), { code: 'ERR_REACTOR_TLS', message: /needs "cert" and "key"/ });
  server.setSecureContext(tls);
  server.addContext('a.test', named('a.test'));
  const url = await listen(t, server);
  server.addContext('*.b.test', named('*.b.test'));
  const subject = async (servername) =>
    (await get(url, { ca: ca.cert, servername, rejectUnauthorized: false })).peer.subject.CN;
  t.is(await subject('a.test'), 'a.test');
  t.is(await subject('x.b.test'), '*.b.test');
  t.is(await subject('localhost'), 'localhost');
  server.setSecureContext(ca.issue({ name: 'new' }));
  t.is(await subject('localhost'), 'new');
  t.is(await subject('a.test'), 'a.test');
  const mismatch = { cert, key: named('a.test').key };
  t.throws(() => server.setSecureContext(mismatch), { code: 'ERR_REACTOR_TLS' });
  t.throws(() => server.addContext('c.test', mismatch), { code: 'ERR_REACTOR_TLS' });
  t.throws(() => server.addContext('', tls), { code: 'ERR_TLS_REQUIRED_SERVER_NAME' });
  t.is(await subject('c.test'), 'new');

  const keys = server.getTicketKeys();
  t.is(keys.length, 48);
  const { session } = await get(url, { ca: ca.cert });
  const other = createSecureServer(tls, seen);
  const otherUrl = await listen(t, other);
  other.setTicketKeys(keys);
  t.deepEqual(other.getTicketKeys(), keys);
  t.true((await get(otherUrl, { ca: ca.cert, session })).reused);
});

test('mistakes throw at once', (t) => {
  t.throws(() => createSecureServer({ cert }), {
    code: 'ERR_REACTOR_INVALID_OPTION',
    message: 'option "key" is missing: TLS needs a certificate and its private key',
  });
  const { key: encrypted } = encryptKey(keyFile, 'secret');
  t.throws(() => createSecureServer({ cert, key: encrypted }), {
    code: 'ERR_REACTOR_TLS',
    message: 'the private key of key is encrypted: give its passphrase as option "passphrase"',
  });
  t.notThrows(() => createSecureServer({ cert, key: encrypted, passphrase: 'secret' }));
  t.throws(() => createSecureServer({ cert, key: client.key }), { code: 'ERR_REACTOR_TLS' });
  t.throws(() => createSecureServer({ ...tls, minVersion: 'SSLv3' }), {
    message: /^option "minVersion" must be/,
  });
});

test('connections are announced, also as secure ones', async (t) => {
  const events = [];
  const server = createSecureServer(tls, (req, res) => {
    events.push(req.socket.encrypted);
    res.end('ok');
  });
  server.on('connection', (socket) => events.push(['connection', socket]));
  server.on('secureConnection', (socket) => events.push(['secureConnection', socket]));
  const url = await listen(t, server);
  const socket = connect({ port: server.address().port, host: '127.0.0.1', ca: ca.cert });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await once(socket.resume(), 'close');
  t.regex(url, /^https/);
  const names = events.map((event) => (Array.isArray(event) ? event[0] : event));
  t.deepEqual(names, ['connection', 'secureConnection', true]);
  t.is(events[0][1], events[1][1]);
  t.true(events[0][1].encrypted);
});

test('WebSockets of ws over TLS', async (t) => {
  const server = createSecureServer(tls, (_req, res) => res.end('https'));
  new WebSocketServer({ server }).on('connection', (socket, req) => {
    socket.on('message', (data) => socket.send(`${data.length} ${req.socket.encrypted}`));
  });
  const url = await listen(t, server);
  const socket = new WebSocket(url.replace('https', 'wss'), { ca: ca.cert });
  await once(socket, 'open');
  socket.send(Buffer.alloc(1_000_000));
  const [data] = await once(socket, 'message');
  t.is(String(data), '1000000 true');
  socket.close(1000);
  const [code] = await once(socket, 'close');
  t.is(code, 1000);
});

for (const [name, Sockets] of [
  ['ws', WebSocketServer],
  ['reactor-rs/ws', ours.WebSocketServer],
]) {
  test(`an upgraded connection tells of the client’s certificate: ${name}`, async (t) => {
    const options = { ...tls, ca: ca.cert, requestCert: true, rejectUnauthorized: false };
    const server = createSecureServer(options);
    const verifyClient = ({ secure, req: { socket } }) => secure && socket.authorized;
    new Sockets({ server, verifyClient }).on('connection', (socket, { socket: { encrypted } }) => {
      const { subject } = socket._socket.getPeerCertificate();
      const { version } = socket._socket.getCipher();
      socket.send(`${encrypted} ${subject.CN} ${version}`);
    });
    const url = (await listen(t, server)).replace('https', 'wss');
    const { cert, key } = client;
    const known = new WebSocket(url, { ca: ca.cert, cert, key });
    const [data] = await once(known, 'message');
    t.regex(String(data), /^true \S+ TLSv1\.3$/);
    known.close();
    await once(known, 'close');
    const stranger = new WebSocket(url, { ca: ca.cert });
    const [error] = await once(stranger, 'error');
    t.is(error.message, 'Unexpected server response: 401');
  });
}
