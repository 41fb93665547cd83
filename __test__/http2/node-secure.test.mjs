// `http2.createSecureServer` of reactor-rs/node beside node:http2: ALPN, HTTP/1.1 and what a socket
// tells.

import https from 'node:https';
import { connect } from 'node:tls';
import plain from 'ava';
import { createSecureServer, http2 } from 'reactor-rs/node';
import { few, listening } from '../node/both.mjs';
import { authority, withCertificates } from '../tls/certificates.mjs';
import { ask, both, close, session, until } from './node-both.mjs';

const test = withCertificates(plain);
const ca = authority();
const { cert, key } = ca.issue({ names: ['localhost', '127.0.0.1'] });
const client = ca.issue({ names: ['someone.test'], use: 'client' });
const options = { cert, key };

const seen = (req, res) => {
  const { socket } = req;
  const { subject, fingerprint256 } = socket.getPeerCertificate();
  res.setHeader('content-type', 'application/json');
  res.end(
    JSON.stringify({
      version: req.httpVersion,
      encrypted: socket.encrypted,
      authorized: socket.authorized,
      alpn: socket.alpnProtocol,
      servername: socket.servername || false,
      protocol: socket.getProtocol(),
      peer: [subject ?? null, fingerprint256 ?? null],
      scheme: req.scheme ?? null,
      session: req.stream?.session?.alpnProtocol ?? null,
      isSecure: req.stream?.session?.encrypted ?? null,
      method: req.method,
      url: req.url,
    }),
  );
};

/** One request of HTTP/1.1, if the server speaks it. */
function http1(t, server) {
  const { port } = server.address();
  const agent = new https.Agent({ ca: ca.cert });
  t.teardown(() => agent.destroy());
  return new Promise((resolve) => {
    const req = https.get({ port, host: '127.0.0.1', path: '/1', agent }, async (res) => {
      let text = '';
      for await (const piece of res) {
        text += piece;
      }
      resolve({ status: res.statusCode, text });
    });
    req.on('error', (error) => resolve({ error: error.code }));
  });
}

test('HTTP/2 and HTTP/1.1 on one port', async (t) => {
  const servers = await both(t, seen, { options: { ...options, allowHTTP1: true }, secure: true });
  const told = await Promise.all(
    servers.map(async ({ server }) => {
      const own = await session(t, server, { ca: ca.cert });
      const shown = await session(t, server, { ca: ca.cert, cert: client.cert, key: client.key });
      const answers = [await ask(own, { ':path': '/2' }), await ask(shown, { ':path': '/3' })];
      return { answers, http1: await http1(t, server) };
    }),
  );
  t.is(told[1].http1.status, 200);
  t.is(JSON.parse(told[1].http1.text).version, '1.1');
  t.deepEqual(told[1], told[0]);
});

test('a client’s certificate is told', async (t) => {
  const asks = { ...options, ca: ca.cert, requestCert: true, rejectUnauthorized: false };
  const servers = await both(t, seen, { options: asks, secure: true });
  const told = await Promise.all(
    servers.map(async ({ server }) => {
      const own = await session(t, server, { ca: ca.cert, cert: client.cert, key: client.key });
      return ask(own, { ':path': '/' });
    }),
  );
  t.true(JSON.parse(told[1].body).authorized);
  t.deepEqual(told[1], told[0]);
});

test('without allowHTTP1 there is only h2', async (t) => {
  const [, { server }] = await both(t, seen, { options, secure: true });
  const { port } = server.address();
  const tell = async (ALPNProtocols) => {
    const socket = connect({ port, host: '127.0.0.1', ca: ca.cert, ALPNProtocols });
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    return new Promise((resolve) => {
      socket.once('close', () => resolve('refused'));
      socket.once('secureConnect', () => resolve(socket.alpnProtocol));
    });
  };
  t.is(await tell(['h2', 'http/1.1']), 'h2');
  t.is(await tell(['http/1.1']), 'refused');
});

test('createSecureServer with allowHTTP1 is that of http2', async (t) => {
  const server = few(createSecureServer)({ ...options, allowHTTP1: true }, seen);
  t.true(server instanceof http2.Http2SecureServer);
  await listening(server);
  t.teardown(() => close(server));
  const own = await session(t, server, { ca: ca.cert });
  t.is(JSON.parse((await ask(own, {})).body).version, '2.0');
  t.is((await http1(t, server)).status, 200);
});

test('a session is as long as its connection', async (t) => {
  const log = [];
  const server = few(http2.createSecureServer)({ ...options, allowHTTP1: true }, seen);
  server.on('session', (session) => {
    log.push('session');
    session.on('close', () => log.push('close'));
  });
  await listening(server);
  t.teardown(() => close(server));
  const own = await session(t, server, { ca: ca.cert });
  await Promise.all([ask(own, {}), ask(own, {})]);
  await ask(own, {});
  t.deepEqual(log, ['session']);
  own.close();
  await until(() => log.length === 2, 'the end of the session');
  t.deepEqual(log, ['session', 'close']);
});

test('a session that the program closes ends after its streams; one that it destroys, at once', async (t) => {
  const server = few(http2.createSecureServer)(options, (req, res) => {
    const { session } = req.stream;
    if (req.url === '/destroy') {
      session.destroy();
      return;
    }
    session.close();
    setTimeout(() => res.end('answered'), 20);
  });
  await listening(server);
  t.teardown(() => close(server));
  const first = await session(t, server, { ca: ca.cert });
  t.is((await ask(first, {})).body, 'answered');
  await until(() => first.destroyed, 'the end of the connection');
  const second = await session(t, server, { ca: ca.cert });
  t.is((await ask(second, { ':path': '/destroy' })).fields, undefined);
  await until(() => second.destroyed, 'the end of the connection');
});

test('a server’s timeout is that of its sessions', async (t) => {
  const server = few(http2.createSecureServer)(options, seen);
  const timeouts = [];
  server.setTimeout(50, (session) => {
    timeouts.push(session.type);
    session.close();
  });
  await listening(server);
  t.teardown(() => close(server));
  const own = await session(t, server, { ca: ca.cert });
  await ask(own, {});
  await until(() => own.destroyed, 'the end of the connection');
  t.deepEqual(timeouts, [0]);
});
