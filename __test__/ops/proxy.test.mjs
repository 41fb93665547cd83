// The PROXY protocol, as balancers speak it: what handlers, log and statistics see of it, and what
// becomes of those that may not use it or use it wrongly.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import test from 'ava';
import { bench, serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';
import WebSocket from 'ws';
import { run } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';
import { authority, noOpenssl } from '../tls/certificates.mjs';
import { binary, IPV4, LOCAL, line, SSL, tlv, withChecksum } from './header.mjs';

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';

/** What is counted of connections that were closed. */
const failures = (some = {}) => ({ untrusted: 0, missing: 0, malformed: 0, timeout: 0, ...some });

const seen = (request, info) =>
  Response.json({
    url: request.url,
    address: info.remoteAddress,
    port: info.remotePort,
    proxy: info.proxy && { ...info.proxy, tlvs: info.proxy.tlvs.map((it) => it.type) },
  });

const balanced = (t, options = {}) =>
  start(t, { proxyProtocol: 'required', trustProxy: 'loopback,unix', fetch: seen, ...options });

/** What the handler saw of a connection that began with these pieces, sent one after the other. */
async function ask(t, server, ...pieces) {
  const wire = await open(t, server);
  for (const piece of pieces) {
    wire.send(typeof piece === 'string' ? piece : piece.toString('latin1'));
    await new Promise((resolve) => setTimeout(resolve, pieces.length > 3 ? 2 : 0));
  }
  const answer = await wire.closes();
  return answer.startsWith('HTTP/1.1 200') ? JSON.parse(answer.split('\r\n\r\n')[1]) : answer;
}

test('a line of version 1 names the client', async (t) => {
  const server = await balanced(t);
  const v4 = await ask(t, server, line() + GET);
  t.like(v4, { address: '203.0.113.7', port: 56324, url: 'http://a.test/' });
  t.like(v4.proxy, {
    version: 1,
    source: { address: '203.0.113.7', port: 56324 },
    destination: { address: '192.0.2.2', port: 443 },
    balancer: { address: '127.0.0.1' },
  });
  t.is((await ask(t, server, line('2001:DB8::1', 1) + GET)).address, '2001:db8::1');
  t.is((await ask(t, server, line('::ffff:192.0.2.7', 1) + GET)).address, '192.0.2.7');
  const noPort = await ask(t, server, line('192.0.2.7', 0) + GET);
  t.like(noPort, { address: '192.0.2.7' });
  const unknown = await ask(t, server, `PROXY UNKNOWN\r\n${GET}`);
  t.like(unknown, { address: undefined, proxy: { version: 1, source: null, tlvs: [] } });
  const { proxyProtocol } = server.stats();
  t.deepEqual(proxyProtocol, { v1: 5, v2: 0, local: 0, failed: failures() });
});

test('a header of version 2 tells more', async (t) => {
  const server = await balanced(t);
  const facts = [
    tlv(1, 'h2'),
    tlv(2, 'shop.test'),
    tlv(4, 'padding'),
    tlv(5, [1, 2, 255]),
    SSL,
    tlv(0x30, 'blue'),
    tlv(0xea, '\x01vpce-08d2bf15fac5001c9'),
  ];
  const header = binary(0x21, 0x11, IPV4, ...facts);
  const told = await ask(t, server, header, GET);
  t.like(told, { address: '203.0.113.9', port: 0x1234, url: 'https://a.test/' });
  t.like(told.proxy, {
    version: 2,
    alpn: 'h2',
    authority: 'shop.test',
    netns: 'blue',
    vpcEndpoint: 'vpce-08d2bf15fac5001c9',
    uniqueId: { type: 'Buffer', data: [1, 2, 255] },
    tlvs: [1, 2, 4, 5, 0x20, 0x30, 0xea],
    tls: {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      hasCertificate: true,
      verified: true,
      commonName: 'client.test',
      signatureAlgorithm: 'RSA-SHA256',
      keyAlgorithm: 'RSA2048',
    },
  });
  const path = Buffer.alloc(216);
  path.write('/run/app.sock');
  const unix = await ask(t, server, binary(0x21, 0x31, path), GET);
  t.like(unix, { proxy: { source: { path: '/run/app.sock' }, destination: { path: '' } } });
  t.is(unix.address, undefined);
  const local = await ask(t, server, LOCAL, GET);
  t.like(local, { address: '127.0.0.1', proxy: null, url: 'http://a.test/' });
  const checked = withChecksum(0x21, 0x11, IPV4);
  t.is((await ask(t, server, checked, GET)).address, '203.0.113.9');
  checked[20] ^= 1;
  t.is(await ask(t, server, checked, GET), '');
  t.deepEqual(server.stats().proxyProtocol, {
    v1: 0,
    v2: 4,
    local: 1,
    failed: failures({ malformed: 1 }),
  });
});

test('it does not matter how the bytes are cut', async (t) => {
  const server = await balanced(t);
  for (const header of [Buffer.from(line()), binary(0x21, 0x11, IPV4, tlv(2, 'a.test'))]) {
    const bytes = Buffer.concat([header, Buffer.from(GET)]);
    const single = Array.from({ length: header.length + 3 }, (_, at) => bytes.subarray(at, at + 1));
    const told = await ask(t, server, ...single, bytes.subarray(header.length + 3));
    t.regex(told.address, /^203\.0\.113\./);
  }
});

test('what is no header, or a wrong one, ends the connection without a word', async (t) => {
  const server = await balanced(t);
  for (const bytes of [
    GET,
    `PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n${GET}`,
    `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n${GET}`,
    `PROXY UNKNOWN${' '.repeat(100)}`,
    binary(0x22, 0x11, IPV4),
    binary(0x21, 0x11, IPV4, Buffer.from([2, 0, 9])),
    binary(0x21, 0, Buffer.alloc(4081)),
  ]) {
    t.is(await ask(t, server, bytes), '');
  }
  const cut = await open(t, server);
  cut.end('PROXY TCP4 1.2');
  t.is(await cut.closes(), '');
  const { proxyProtocol, connections, requests } = server.stats();
  t.deepEqual(proxyProtocol.failed, failures({ missing: 1, malformed: 7 }));
  t.is(connections.closed.proxy, 8);
  t.is(requests.total, 0);
});

test('only trusted peers may say where a connection comes from', async (t) => {
  const options = { trustProxy: '192.0.2.0/24' };
  const closed = await balanced(t, options);
  t.is(await ask(t, closed, line() + GET).catch(({ code }) => code === 'ECONNRESET' && ''), '');
  t.deepEqual(closed.stats().proxyProtocol.failed, failures({ untrusted: 1 }));
  const lenient = await balanced(t, { ...options, proxyProtocol: 'optional' });
  t.regex(await ask(t, lenient, line() + GET), /^HTTP\/1\.1 400 .*PROXY/s);
  t.like(await ask(t, lenient, GET), { address: '127.0.0.1', proxy: null });
});

test('an optional header may be missing', async (t) => {
  const server = await balanced(t, { proxyProtocol: 'optional' });
  t.like(await ask(t, server, line() + GET), { address: '203.0.113.7' });
  t.like(await ask(t, server, GET), { address: '127.0.0.1', proxy: null });
  t.like(await ask(t, server, '\r\n', GET), { address: '127.0.0.1', proxy: null });
  const post = GET.replace('GET', 'P', 1);
  t.like(await ask(t, server, post), { address: '127.0.0.1' });
  t.is(await ask(t, server, `PROXY TCP4 bad\r\n${GET}`), '');
});

// Alone, so that the connections are open before their time is over.
test.serial('a header must come in time', async (t) => {
  const server = await balanced(t, { timeouts: { head: 250 } });
  const wires = await Promise.all(['', 'PROXY TCP4'].map(() => open(t, server)));
  wires[1].send('PROXY TCP4');
  for (const wire of wires) {
    t.is(await wire.closes(), '');
  }
  t.deepEqual(server.stats().proxyProtocol.failed, failures({ timeout: 2 }));
});

test('health checks are no errors', async (t) => {
  const server = await balanced(t);
  for (const bytes of ['', LOCAL.toString('latin1'), 'PROXY UNKNOWN\r\n']) {
    const orderly = await open(t, server);
    orderly.end(bytes);
    await orderly.closes();
  }
  const { proxyProtocol, connections, requests } = server.stats();
  t.deepEqual(proxyProtocol, { v1: 1, v2: 1, local: 1, failed: failures() });
  t.like(connections.closed, { peer: 3, aborted: 0, proxy: 0 });
  t.is(requests.total, 0);
});

test('fields of a proxy count only if it is the one that the header names', async (t) => {
  const server = await balanced(t, { trustProxy: 'loopback,192.0.2.0/24' });
  const forwarded = GET.replace('\r\n\r\n', '\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n');
  t.is((await ask(t, server, line('203.0.113.7') + forwarded)).address, '203.0.113.7');
  t.is((await ask(t, server, line('192.0.2.99') + forwarded)).address, '198.51.100.1');
  // The balancer is trusted. A client that it does not know is not.
  for (const header of ['PROXY UNKNOWN\r\n', binary(0x21, 0x00, Buffer.alloc(0))]) {
    const answer = await ask(t, server, header, forwarded);
    t.like(answer, {
      address: undefined,
      proxy: { source: null, balancer: { address: '127.0.0.1' } },
    });
  }
  const one = await balanced(t, { trustProxy: 1 });
  t.is((await ask(t, one, line('203.0.113.7') + forwarded)).address, '203.0.113.7');
  const secure = forwarded.replace('GET /', 'GET https://a.test/');
  t.regex(await ask(t, one, line() + secure), /^HTTP\/1\.1 421/);
  const two = await balanced(t, { trustProxy: 2 });
  t.is((await ask(t, two, line('203.0.113.7') + forwarded)).address, '198.51.100.1');
});

test('the log names client and balancer', async (t) => {
  const file = join(temporary(t), 'access.log');
  const server = await balanced(t, { accessLog: { file, format: 'json' } });
  await ask(t, server, line() + GET);
  await server.stop();
  const entry = JSON.parse(readFileSync(file, 'utf8'));
  t.like(entry, { remote: '203.0.113.7', port: 56324 });
  t.regex(entry.proxy, /^127\.0\.0\.1:\d+$/);
});

const certified = noOpenssl === null ? test : test.skip;

certified('it comes before TLS and HTTP/2', async (t) => {
  const own = authority().issue({ names: ['localhost'] });
  const server = await balanced(t, { tls: { cert: own.cert, key: own.key } });
  const secured = async (pieces, options) => {
    const socket = connect(server.port, '127.0.0.1');
    for (const piece of pieces) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return tls.connect({ socket, rejectUnauthorized: false, ...options });
  };
  const bytes = binary(0x21, 0x11, IPV4);
  for (const pieces of [[bytes], [bytes.subarray(0, 7), bytes.subarray(7)]]) {
    const socket = await secured(pieces);
    socket.write(GET);
    let answer = '';
    for await (const part of socket) {
      answer += part;
    }
    t.like(JSON.parse(answer.split('\r\n\r\n')[1]), {
      url: 'https://a.test/',
      address: '203.0.113.9',
    });
  }
  const socket = await secured([line()], { ALPNProtocols: ['h2'] });
  const session = http2.connect('https://a.test', { createConnection: () => socket });
  const request = session.request({ ':path': '/x' });
  const told = JSON.parse((await request.toArray()).join(''));
  t.like(told, { url: 'https://a.test/x', address: '203.0.113.7', proxy: { version: 1 } });
  session.close();
  const plain = await secured([]);
  await once(plain, 'error');
  t.is(server.stats().proxyProtocol.failed.missing, 1);
});

test('it comes before a WebSocket, and through a unix socket', async (t) => {
  const unix = join(temporary(t), 'app.sock');
  const server = await balanced(t, {
    unix,
    fetch: (request, info) => void info.upgrade(request, { data: info.proxy?.version }),
    websocket: {
      open: (ws) => ws.send(`${ws.remoteAddress} ${ws.data}`),
    },
  });
  t.truthy(server);
  const socket = new WebSocket('ws://a.test/', {
    createConnection: () => {
      const raw = connect(unix);
      raw.write(line());
      return raw;
    },
  });
  const [message] = await once(socket, 'message');
  t.is(String(message), '203.0.113.7 1');
  socket.close();
  await once(socket, 'close');
});

test('a server of node:http names the client too', async (t) => {
  const server = createServer({ proxyProtocol: 'required', trustProxy: 'loopback' }, (req, res) => {
    res.end(JSON.stringify({ address: req.socket.remoteAddress, port: req.socket.remotePort }));
  });
  const opened = [];
  server.on('connection', (socket) => opened.push(socket.remoteAddress));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address();
  const wire = await open(t, { port, hostname: '127.0.0.1' });
  wire.send(line() + GET);
  t.regex(await wire.closes(), /\{"address":"203\.0\.113\.7","port":56324\}$/);
  t.deepEqual(opened, ['203.0.113.7']);
  const answered = http.get({ port }).on('error', () => {});
  await once(answered, 'error');
});

test('the load client begins with one', async (t) => {
  const server = await balanced(t);
  for (const proxyProtocol of ['v1', 'v2']) {
    const url = `http://127.0.0.1:${server.port}/`;
    const result = await bench(url, { requests: 20, connections: 2, proxyProtocol });
    t.is(result.errors.total, 0, JSON.stringify(result.errors));
  }
  const flags = ['--proxy-protocol', '-n', '10', '-c', '2', '--http2'];
  const place = `127.0.0.1:${server.port}`;
  const [name, ...others] = flags;
  for (const args of [
    [place, ...flags],
    [name, place, ...others],
  ]) {
    const { code, stdout, stderr } = await run(['bench', ...args]);
    t.is(code, 0, `${args}: ${stdout}${stderr}`);
  }
  const { v1, v2, failed } = server.stats().proxyProtocol;
  t.deepEqual([v1 >= 2, v2 >= 4, failed], [true, true, failures()]);
});

test('each listener has its own rule', async (t) => {
  const server = await start(t, {
    port: undefined,
    hostname: undefined,
    proxyProtocol: 'required',
    trustProxy: 'loopback',
    listen: [
      { port: 0, hostname: '127.0.0.1' },
      { port: 0, hostname: '127.0.0.1', proxyProtocol: false },
    ],
    fetch: seen,
  });
  const [first, second] = server.addresses;
  t.like(await ask(t, first, line() + GET), { address: '203.0.113.7' });
  t.like(await ask(t, second, GET), { address: '127.0.0.1', proxy: null });
});

test('wrong options are named', async (t) => {
  const wrong = async (options, message) =>
    t.throwsAsync(serve({ port: 0, fetch: seen, ...options }), { message });
  await wrong({ proxyProtocol: true }, /"proxyProtocol" must be "required", "optional" or false/);
  await wrong({ proxyProtocol: 'required' }, /"proxyProtocol" needs "trustProxy"/);
  await wrong(
    { port: undefined, listen: [{ port: 0, proxyProtocol: 'v2' }], trustProxy: true },
    /"listen\[0\]\.proxyProtocol" must be/,
  );
});
