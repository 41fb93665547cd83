// The options `http1`, `http2` and `limits.streams`: what a server then speaks, and to whom it says no.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import plain from 'ava';
import { serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
import { run, serve as serveCommand } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { authority, withCertificates } from '../tls/certificates.mjs';

const test = withCertificates(plain);
const ca = authority();
const { cert, key } = ca.issue();

const OPTION = 'ERR_REACTOR_INVALID_OPTION';
const UNKNOWN = 'ERR_REACTOR_UNKNOWN_OPTION';

/** What begins a connection of HTTP/2, with empty SETTINGS. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');

/** Everything that a server sends to these bytes, over a socket of this client's. */
async function exchange(port, bytes, socket = net.connect(port, '127.0.0.1')) {
  const pieces = [];
  socket.on('data', (piece) => pieces.push(piece));
  socket.write(bytes);
  await once(socket, 'end');
  socket.destroy();
  return Buffer.concat(pieces).toString('latin1');
}

const fetch = (_request, { protocol }) => new Response(protocol);

test('every wrong value names the option, and what is allowed', async (t) => {
  for (const [options, code, message] of [
    [{ http2: 'yes' }, OPTION, 'option "http2" must be true or false, got "yes"'],
    [{ http1: 1 }, OPTION, 'option "http1" must be true or false, got 1'],
    [{ http1: false, http2: false }, OPTION, /"http1" and "http2" are both false: a server speaks/],
    [
      { limits: { streams: 0 } },
      OPTION,
      /"limits\.streams" must be an integer from 1 to 10000, got/,
    ],
    [{ limits: { streams: 10_001 } }, OPTION, /"limits\.streams" must be an integer from 1 to/],
    [{ limits: { maxConcurrentStreams: 1 } }, UNKNOWN, /it is called "limits\.streams" here/],
    [{ maxConcurrentStreams: 1 }, UNKNOWN, /it is called "limits\.streams" here/],
    [{ allowHTTP1: false }, UNKNOWN, /it is called "http1" here/],
    [{ h2: false }, UNKNOWN, /it is called "http2" here/],
    [{ http3: true }, UNKNOWN, /this server speaks HTTP\/1\.1 and HTTP\/2/],
  ]) {
    const error = await t.throwsAsync(serve({ port: 0, fetch, ...options }), { code });
    (typeof message === 'string' ? t.is : t.regex)(error.message, message);
  }
});

test('a version that is not spoken is answered with 505, and told what is', async (t) => {
  const old = await start(t, { http2: false, fetch });
  const refused = await exchange(old.port, PREFACE);
  t.regex(refused, /^HTTP\/1\.1 505 .*\r\nConnection: close\r\n/s);
  t.regex(refused, /the client speaks HTTP\/2, and this port HTTP\/1\.1 only/);
  t.is(await (await globalThis.fetch(old.url)).text(), 'HTTP/1.1');

  const only = await start(t, { http1: false, fetch });
  for (const request of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'POST / HTTP/1.0\r\n\r\n', 'x\r\n']) {
    const answer = await exchange(only.port, request);
    t.regex(answer, /^HTTP\/1\.1 505 .*\r\nConnection: close\r\n/s, request);
    t.regex(answer, /the client speaks HTTP\/1, and this port HTTP\/2 only/);
  }
});

test('info.protocol is what the client speaks', async (t) => {
  const server = await start(t, { fetch });
  for (const [version, protocol] of [
    ['1.0', 'HTTP/1.0'],
    ['1.1', 'HTTP/1.1'],
    ['1.7', 'HTTP/1.1'],
  ]) {
    const request = `GET / HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`;
    t.regex(await exchange(server.port, request), new RegExp(`\r\n\r\n${protocol}$`));
  }
  const inside = await server.fetch('http://x/');
  t.is(await inside.text(), 'HTTP/1.1');
});

test('flags and variables say the same', async (t) => {
  const old = await serveCommand(t, ['-p', '0', '--no-http2']);
  t.regex(await exchange(old.port, PREFACE), /this port HTTP\/1\.1 only/);
  // A flag beats a variable where both together leave nothing to speak.
  const env = { REACTOR_HTTP2: 'false' };
  const only = await serveCommand(t, ['-p', '0', '--http2-only', '--max-streams', '7'], { env });
  t.regex(await exchange(only.port, 'GET / HTTP/1.1\r\n\r\n'), /this port HTTP\/2 only/);
  for (const [args, variables, message] of [
    [['--no-http2', '--http2-only'], {}, /--no-http2 cannot be given together with --http2-only/],
    [[], { REACTOR_HTTP1: '0', REACTOR_HTTP2: '0' }, /"http1" and "http2" are both false/],
    [['--max-streams', '0'], {}, /--max-streams must be an integer from 1 to 10000, got "0"/],
    [[], { REACTOR_HTTP2: 'on' }, /REACTOR_HTTP2 must be true or false, got "on"/],
  ]) {
    const { code, stderr } = await run(['serve', '-p', '0', ...args], { env: variables });
    t.not(code, 0);
    t.regex(stderr, message);
  }
});

/** The protocol that a client gets by ALPN from what it offers, or its error's code. */
async function alpn(port, offered) {
  const options = { port, host: '127.0.0.1', ca: ca.cert, servername: 'localhost' };
  const socket = tls.connect({ ...options, ALPNProtocols: offered });
  try {
    await once(socket, 'secureConnect');
    return socket.alpnProtocol;
  } catch (error) {
    return error.code;
  } finally {
    socket.destroy();
  }
}

const NONE = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';

test('clients choose by ALPN from what is on', async (t) => {
  for (const [options, cases] of [
    [
      {},
      [
        [['h2', 'http/1.1'], 'h2'],
        // The server's order counts.
        [['http/1.1', 'h2'], 'h2'],
        [['http/1.1'], 'http/1.1'],
        [['smtp'], NONE],
        [undefined, false],
      ],
    ],
    [
      { http2: false },
      [
        [['h2', 'http/1.1'], 'http/1.1'],
        [['h2'], NONE],
      ],
    ],
    [
      { http1: false },
      [
        [['http/1.1', 'h2'], 'h2'],
        [['http/1.1'], NONE],
      ],
    ],
    [{ own: { ALPNProtocols: ['http/1.1'] } }, [[['h2', 'http/1.1'], 'http/1.1']]],
    [{ own: { ALPNProtocols: [] } }, [[['h2', 'http/1.1'], false]]],
    [{ own: { SNICallback: () => ({ cert, key }) } }, [[['h2', 'http/1.1'], 'h2']]],
  ]) {
    const { own, ...more } = options;
    const server = await start(t, { tls: { cert, key, ...own }, fetch, ...more });
    for (const [offered, expected] of cases) {
      t.is(await alpn(server.port, offered), expected, `${JSON.stringify(options)} ${offered}`);
    }
    server.reload({ tls: { cert, key, ...own } });
    t.is(await alpn(server.port, cases[0][0]), cases[0][1], 'after a reload');
    await server.stop();
  }
  for (const [options, protocols, message] of [
    [{ http2: false }, ['h2'], /has "h2": .* speaks "http\/1\.1" only; option "http2" is false$/],
    [{ http1: false }, ['http/1.1'], /speaks "h2" only; option "http1" is false$/],
    [{}, ['h2', 'h3'], /has "h3": this server speaks "h2" and "http\/1\.1" only$/],
  ]) {
    const secured = { cert, key, ALPNProtocols: protocols };
    const error = await t.throwsAsync(serve({ port: 0, tls: secured, fetch, ...options }));
    t.regex(error.message, message);
  }
});

test('what ALPN has chosen stays', async (t) => {
  const server = await start(t, { tls: { cert, key }, fetch });
  const options = { port: server.port, host: '127.0.0.1', ca: ca.cert, servername: 'localhost' };
  const connect = (offered) => tls.connect({ ...options, ALPNProtocols: offered });
  const one = await exchange(server.port, PREFACE, connect(['http/1.1']));
  t.regex(one, /^HTTP\/1\.1 505 /);
  const two = await exchange(server.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', connect(['h2']));
  t.notRegex(two, /HTTP\/1\.1 \d/);
  // Its last frame is GOAWAY.
  t.true(two.includes('\x07\0\0\0\0\0'));
});

/** An answer over HTTP/2, by Node's client. */
async function get(url, path = '/', options = {}) {
  const session = http2.connect(url, { ca: ca.cert, ...options });
  const [settings] = await once(session, 'remoteSettings');
  const stream = session.request({ ':path': path });
  const [headers] = await once(stream, 'response');
  let text = '';
  for await (const piece of stream.setEncoding('utf8')) {
    text += piece;
  }
  session.close();
  return { settings, headers, text };
}

test('over TLS and in clear, as handlers and the access log see it', async (t) => {
  const file = join(temporary(t), 'access.log');
  const server = await start(t, {
    accessLog: { file, format: 'json' },
    limits: { streams: 7 },
    tls: { cert, key },
    listen: [{ port: 0, hostname: '127.0.0.1', tls: true }, '127.0.0.1:0'],
    port: undefined,
    hostname: undefined,
    fetch: (request, { protocol, tls }) =>
      new Response(`${protocol} ${tls?.alpnProtocol} ${new URL(request.url).pathname}`),
  });
  const [secured, clear] = server.urls;
  const { settings, headers, text } = await get(secured.href, '/over-tls?x');
  t.is(text, 'HTTP/2.0 h2 /over-tls');
  t.is(headers[':status'], 200);
  t.is(settings.maxConcurrentStreams, 7);
  t.is((await get(clear.href, '/clear')).text, 'HTTP/2.0 undefined /clear');
  t.is(await (await globalThis.fetch(clear)).text(), 'HTTP/1.1 undefined /');
  await server.stop();
  const log = readFileSync(file, 'utf8').trim().split('\n');
  const lines = log.map((line) => JSON.parse(line));
  t.deepEqual(
    lines.map(({ method, target, version, status, outcome }) => [
      ...[method, target, version, status, outcome],
    ]),
    [
      ['GET', '/over-tls?x', 'HTTP/2.0', 200, 'complete'],
      ['GET', '/clear', 'HTTP/2.0', 200, 'complete'],
      ['GET', '/', 'HTTP/1.1', 200, 'complete'],
    ],
  );
});

test('a port that redirects does so whatever is off', async (t) => {
  const server = await start(t, {
    http1: false,
    tls: { cert, key },
    listen: [
      { port: 0, hostname: '127.0.0.1', redirectToTls: 444 },
      { port: 0, hostname: '127.0.0.1', tls: true },
    ],
    port: undefined,
    hostname: undefined,
    fetch,
  });
  const answer = await globalThis.fetch(server.urls[0], { redirect: 'manual' });
  t.is(answer.status, 308);
  t.is(answer.headers.get('location'), 'https://127.0.0.1:444/');
});

test('servers of reactor-rs/node for node:http speak HTTP/1.1', async (t) => {
  const server = createServer((req, res) => res.end(req.httpVersion)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  t.regex(await exchange(server.address().port, PREFACE), /this port HTTP\/1\.1 only/);
});
