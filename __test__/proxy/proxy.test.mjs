// What trusted proxies say about a request's origin, and that other peers are not believed.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { Response, serve } from 'reactor-rs';
import { Client, request as send } from 'undici';
import { MOST_HOPS, nodeOf } from '../../dist/proxy/forwarded.js';
import { Proxies } from '../../dist/proxy/proxies.js';
import { run, serve as serveCommand } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { open } from '../support/wire.mjs';

const PEER = '127.0.0.1';

/** What proxies that are trusted so make of these header fields. */
function originOf(trustProxy, fields, peer = PEER, own = 'http') {
  const source = { field: (name) => fields[name] ?? null };
  const origin = Proxies.from(trustProxy).originOf(source, peer, peer && 5000, own);
  return { ...origin };
}

const client = (trustProxy, forwardedFor, peer) =>
  originOf(trustProxy, { 'x-forwarded-for': forwardedFor }, peer).address;

const forwarded = (trustProxy, value, peer) => originOf(trustProxy, { forwarded: value }, peer);

test('a node is an address with or without a port', (t) => {
  const nodes = {
    '192.0.2.1': ['192.0.2.1', undefined],
    '192.0.2.1:80': ['192.0.2.1', 80],
    '192.0.2.1:65535': ['192.0.2.1', 65_535],
    '192.0.2.1:_port': ['192.0.2.1', undefined],
    '2001:db8::1': ['2001:db8::1', undefined],
    '2001:DB8:0:0::0001': ['2001:db8::1', undefined],
    '[2001:db8::1]': ['2001:db8::1', undefined],
    '[2001:db8::1]:443': ['2001:db8::1', 443],
    '[::ffff:192.0.2.1]:443': ['192.0.2.1', 443],
    '::ffff:192.0.2.1': ['192.0.2.1', undefined],
    '::ffff:c000:201': ['192.0.2.1', undefined],
    '::': ['::', undefined],
  };
  for (const [text, [address, port]] of Object.entries(nodes)) {
    t.deepEqual(nodeOf(text), { address, port }, text);
  }
});

test('what is no address is no node', (t) => {
  const texts = [
    ...['', ' ', 'unknown', 'Unknown', '_hidden', '_hidden:80', 'localhost', 'example.com', '-'],
    ...['1.2.3', '1.2.3.4.5', '01.2.3.4', '256.1.1.1', '0x7f.0.0.1', '2130706433', '1.2.3.4/8'],
    ...['1.2.3.4:', '1.2.3.4:0', '1.2.3.4:65536', '1.2.3.4:123456', '1.2.3.4:8a', '1.2.3.4:80:80'],
    ...[
      '[1.2.3.4]',
      '[::1',
      '::1]',
      '[::1]80',
      '[::1]:',
      '[]',
      '[::1%eth0]',
      'fe80::1%eth0',
      ':::',
    ],
    ...[
      '1::2::3',
      '12345::',
      '1.2.3.4, 5.6.7.8',
      '"1.2.3.4"',
      '1.2.3.4\0',
      'é',
      '1'.repeat(10_000),
    ],
  ];
  for (const text of texts) {
    t.is(nodeOf(text), null, text);
  }
});

test('the client is the first address, from the server on, that is not trusted', (t) => {
  const cases = [
    // Nobody forwards.
    ['loopback', null, PEER],
    ['loopback', '', PEER],
    ['loopback', '203.0.113.7', '203.0.113.7'],
    // What the client wrote before does not count.
    ['loopback', '1.1.1.1, 203.0.113.7', '203.0.113.7'],
    ['loopback', '127.0.0.1, 203.0.113.7', '203.0.113.7'],
    ['loopback', 'garbage, "\\, 203.0.113.7', '203.0.113.7'],
    // Through a second proxy.
    ['loopback, private', '203.0.113.7, 10.1.2.3', '203.0.113.7'],
    ['loopback', '203.0.113.7, 10.1.2.3', '10.1.2.3'],
    [['loopback', '10.0.0.0/8'], '1.1.1.1,203.0.113.7 , 10.1.2.3', '203.0.113.7'],
    [['loopback', '10.1.2.3'], '203.0.113.7, 10.1.2.3', '203.0.113.7'],
    [['loopback', '10.1.2.4'], '203.0.113.7, 10.1.2.3', '10.1.2.3'],
    // All of them are trusted: the farthest.
    ['loopback,private', '192.168.1.1, 172.16.0.1, 10.1.2.3', '192.168.1.1'],
    ['loopback,private', 'fd00::1', 'fd00::1'],
    ['loopback,private', '172.15.0.1, 172.32.0.1', '172.32.0.1'],
    // The chain is broken: as far as it goes.
    ['loopback', 'unknown', PEER],
    ['loopback', '203.0.113.7, unknown', PEER],
    ['loopback,private', '203.0.113.7, _hidden, 10.1.2.3', '10.1.2.3'],
    ['loopback', '203.0.113.7, '.padEnd(500, 'x'), PEER],
    // Empty items do not count.
    ['loopback', ' , 203.0.113.7,, ', '203.0.113.7'],
    ['loopback', ',,,', PEER],
    // IPv6, and IPv4 in its clothes.
    ['loopback', '2001:db8::7', '2001:db8::7'],
    ['loopback', '[2001:DB8::7]:1234', '2001:db8::7'],
    ['loopback,2001:db8::/32', '203.0.113.7, 2001:db8:5::1', '203.0.113.7'],
    ['loopback,10.0.0.0/8', '203.0.113.7, ::ffff:10.1.2.3', '203.0.113.7'],
    ['loopback,::ffff:10.0.0.0/104', '203.0.113.7, 10.1.2.3', '203.0.113.7'],
    ['loopback,::/0', '2001:db8::7, 203.0.113.7', '203.0.113.7'],
    ['loopback,::/0', '203.0.113.7, 2001:db8::7', '203.0.113.7'],
    ['loopback,0.0.0.0/0', '203.0.113.7, 2001:db8::7', '2001:db8::7'],
    // Numbers.
    [1, '1.1.1.1, 203.0.113.7', '203.0.113.7'],
    [2, '1.1.1.1, 203.0.113.7', '1.1.1.1'],
    [2, '9.9.9.9, 1.1.1.1, 203.0.113.7', '1.1.1.1'],
    [3, '1.1.1.1, 203.0.113.7', '1.1.1.1'],
    [2, 'unknown, 203.0.113.7', '203.0.113.7'],
    // Everybody.
    [true, '1.1.1.1, 203.0.113.7', '1.1.1.1'],
    [true, null, PEER],
  ];
  for (const [trustProxy, header, expected] of cases) {
    t.is(client(trustProxy, header), expected, `${trustProxy}: ${header}`);
  }
});

test('a peer that is not trusted is the client whatever it says', (t) => {
  const fields = {
    'x-forwarded-for': '1.1.1.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil.example',
  };
  for (const trustProxy of ['private', '127.0.0.2', ['unix', '::1'], '127.0.0.1/32', 'loopback']) {
    const peer = '203.0.113.7';
    t.deepEqual(originOf(trustProxy, fields, peer), {
      address: peer,
      port: 5000,
      scheme: 'http',
      host: null,
    });
  }
  for (const trustProxy of [false, 0]) {
    t.is(Proxies.from(trustProxy), null);
  }
});

test('a unix socket has a name of its own', (t) => {
  const source = { field: (name) => (name === 'x-forwarded-for' ? '203.0.113.7' : null) };
  const address = (trust) =>
    Proxies.from(trust).originOf(source, undefined, undefined, 'http').address;
  t.is(address('unix'), '203.0.113.7');
  t.is(address(['unix', 'loopback']), '203.0.113.7');
  t.is(address(true), '203.0.113.7');
  t.is(address(1), '203.0.113.7');
  for (const trust of ['loopback', 'private', ['0.0.0.0/0', '::/0']]) {
    t.is(address(trust), undefined, String(trust));
  }
});

test('trust in one peer is not kept for the next', (t) => {
  const proxies = Proxies.from(['unix', 'loopback']);
  const source = { field: (name) => (name === 'x-forwarded-for' ? '1.1.1.1' : null) };
  const asks = ['127.0.0.1', '8.8.8.8', undefined, '8.8.8.8', '127.0.0.1', '127.0.0.1', '::1'];
  const got = asks.map((peer) => proxies.originOf(source, peer, 1, 'http').address);
  t.deepEqual(got, ['1.1.1.1', '8.8.8.8', '1.1.1.1', '8.8.8.8', '1.1.1.1', '1.1.1.1', '1.1.1.1']);
});

test('Forwarded is read as RFC 7239 has it', (t) => {
  const cases = [
    ['for=203.0.113.7', { address: '203.0.113.7' }],
    ['For="203.0.113.7:4711"', { address: '203.0.113.7', port: 4711 }],
    ['for="[2001:db8::7]:4711"', { address: '2001:db8::7', port: 4711 }],
    ['for="[2001:DB8::7]"', { address: '2001:db8::7' }],
    ['for="\\2\\03.0.113.7"', { address: '203.0.113.7' }],
    // Interoperable though against the grammar.
    ['for=203.0.113.7:4711', { address: '203.0.113.7', port: 4711 }],
    ['for=[2001:db8::7]:4711', { address: '2001:db8::7', port: 4711 }],
    ['for=2001:db8::7', { address: '2001:db8::7' }],
    [
      'for=203.0.113.7;proto=https;by=10.0.0.1;host=example.com',
      { address: '203.0.113.7', scheme: 'https', host: 'example.com' },
    ],
    [
      ' ; FOR = 1.1.1.1, HOST="example.com:8443";;Proto=HTTPS; for=203.0.113.7 ;',
      { address: '203.0.113.7', scheme: 'https', host: 'example.com:8443' },
    ],
    ['proto=https', { address: PEER, port: 5000, scheme: 'https' }],
    ['secret="a,b;c=\\"d\\"";for=203.0.113.7', { address: '203.0.113.7' }],
    ['for=1.1.1.1, for=203.0.113.7;ext="x, for=9.9.9.9"', { address: '203.0.113.7' }],
    // A client's open quote swallows nothing.
    ['for="1.1.1.1, for=203.0.113.7', { address: '203.0.113.7' }],
    ['for="\\", for="203.0.113.7"', { address: '203.0.113.7' }],
    ['", , ;;=;"", for=203.0.113.7;proto=https', { address: '203.0.113.7', scheme: 'https' }],
    // No address.
    ...['unknown', '_hidden', '"_SEVKISEK:80"', '""', '"a', 'x y', '1.2.3', '', '"unknown:80"'].map(
      (node) => [`for=203.0.113.7, for=${node}`, { address: PEER, port: 5000 }],
    ),
    ['for=unknown;proto=https', { address: PEER, port: 5000, scheme: 'https' }],
    ['for=1.1.1.1;for=203.0.113.7;proto=https', { address: PEER, port: 5000 }],
    ['for=203.0.113.7 proto=https', { address: PEER, port: 5000 }],
    ['for=203.0.113.7;proto', { address: PEER, port: 5000 }],
    ['', { address: PEER, port: 5000 }],
    [',;,', { address: PEER, port: 5000 }],
  ];
  for (const [value, expected] of cases) {
    const origin = { port: undefined, scheme: 'http', host: null, ...expected };
    t.deepEqual(forwarded('loopback', value), origin, value);
  }
  t.deepEqual(
    forwarded('loopback,private', 'for=9.9.9.9, for=203.0.113.7;proto=https, for=10.1.1.1'),
    { address: '203.0.113.7', port: undefined, scheme: 'https', host: null },
  );
});

test('scheme and host are those that the farthest trusted proxy was asked for', (t) => {
  const cases = [
    [{ proto: 'https' }, 'https', null],
    [{ proto: 'HTTPS ' }, 'https', null],
    [{ proto: 'http' }, 'http', null],
    [{ proto: 'ftp' }, 'http', null],
    [{ proto: 'https://' }, 'http', null],
    [{ host: 'example.com' }, 'http', 'example.com'],
    [{ host: 'example.com:8443', proto: 'https' }, 'https', 'example.com:8443'],
    [{ host: '[2001:db8::1]:8443' }, 'http', '[2001:db8::1]:8443'],
    // Anybody may have written the first one.
    [{ for: '203.0.113.7', proto: 'https, http' }, 'http', null],
    [{ for: '203.0.113.7', host: 'evil.example, example.com' }, 'http', 'example.com'],
    // One each.
    [{ for: '203.0.113.7, 10.1.1.1', proto: 'https, http' }, 'https', null],
    [{ for: '1.1.1.1, 203.0.113.7, 10.1.1.1', proto: 'ftp, https, http' }, 'https', null],
    [{ for: '203.0.113.7, 10.1.1.1', host: 'example.com, inner' }, 'http', 'example.com'],
    // One for all.
    [{ for: '203.0.113.7, 10.1.1.1', proto: 'https', host: 'x' }, 'https', 'x'],
    // No hosts.
    ...[
      'a b',
      'a/b',
      'a@b',
      'a?b',
      'a#b',
      'a\\b',
      'a:b',
      'a:123456',
      ':80',
      '[::1',
      '::1',
      'a:99999',
    ].map((host) => [{ host }, 'http', null]),
    [{ host: 'a'.repeat(254) }, 'http', null],
  ];
  for (const [said, scheme, host] of cases) {
    const fields = Object.fromEntries(
      Object.entries(said).map(([name, value]) => [`x-forwarded-${name}`, value]),
    );
    const origin = originOf('loopback,private', fields);
    t.deepEqual([origin.scheme, origin.host], [scheme, host], JSON.stringify(said));
  }
});

test('beside X-Forwarded fields Forwarded does not count', (t) => {
  for (const name of ['for', 'proto', 'host']) {
    const fields = {
      [`x-forwarded-${name}`]: '203.0.113.7',
      forwarded: 'for=1.1.1.1;proto=https;host=evil',
    };
    const { address, scheme, host } = originOf('loopback', fields);
    t.is(address, name === 'for' ? '203.0.113.7' : PEER);
    t.is(scheme, 'http');
    t.is(host, name === 'host' ? '203.0.113.7' : null);
  }
});

/** Numbers that are the same on every run. */
function random(seed) {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

test('whatever a client sends, the trusted proxies’ word stands behind it', (t) => {
  const pieces = [
    ...['for=', 'proto=https', 'host=evil', '1.1.1.1', '10.0.0.1', '[::1]', ':80', 'unknown', '_x'],
    ...['"', '\\', '\\"', '\\\\"', ',', ';', '=', ' ', '\t', '""', 'é', '/', '%', '\x7f'],
  ];
  const next = random(1);
  for (let round = 0; round < 5_000; round++) {
    const garbage = Array.from({ length: next(12) }, () => pieces[next(pieces.length)]).join('');
    t.is(client('loopback,private', `${garbage}, 203.0.113.7, 10.1.1.1`), '203.0.113.7');
    const written = 'for=203.0.113.7;host=example.com, for="10.1.1.1:80";proto=http';
    const origin = forwarded('loopback,private', `${garbage}, ${written}`);
    if (
      origin.address !== '203.0.113.7' ||
      origin.scheme !== 'http' ||
      origin.host !== 'example.com'
    ) {
      t.fail(JSON.stringify([garbage, origin]));
    }
    // Alone it may say anything, but what comes out is an address.
    t.not(nodeOf(forwarded(true, garbage).address), null, garbage);
    t.not(nodeOf(client(true, garbage)), null, garbage);
  }
});

test('a quoted string is written and read back', (t) => {
  const next = random(2);
  const characters = 'ab,;= \t"\\';
  for (let round = 0; round < 5_000; round++) {
    const text = Array.from({ length: next(10) }, () => characters[next(characters.length)]).join(
      '',
    );
    const quoted = `"${text.replace(/["\\]/g, '\\$&')}"`;
    const origin = forwarded('loopback', `for=1.1.1.1;x=${quoted}, x=${quoted};for=203.0.113.7`);
    t.is(origin.address, '203.0.113.7', quoted);
  }
});

test('long fields cost little', (t) => {
  const length = 1_000_000;
  const begin = performance.now();
  for (const piece of [
    ',',
    ' ',
    '"',
    '\\',
    ';',
    '=',
    '10.0.0.1,',
    'for=10.0.0.1,',
    '\\"',
    'for=" ;',
  ]) {
    const text = piece.repeat(length / piece.length);
    for (const value of [text, `x;${text}x`, `for=1${text}`]) {
      client('loopback,private', value);
      client(true, value);
      forwarded('loopback,private', value);
      forwarded(true, value);
    }
  }
  // 120 times a million characters; quadratic time would be hours.
  t.true(performance.now() - begin < 60_000);
  const many = Array.from({ length: 100 }, (_, i) => `10.0.0.${i}`).join(', ');
  t.is(client('loopback,private', many), `10.0.0.${100 - MOST_HOPS}`);
});

const tell = (server) => (request, info) =>
  Response.json({
    url: request.url,
    address: info.remoteAddress ?? null,
    port: info.remotePort ?? null,
    ip: server().requestIP(request),
    header: request.headers.get('x-forwarded-for'),
  });

async function start(t, options) {
  const address = options.unix === undefined ? { port: 0, hostname: PEER } : {};
  let server;
  const fetch = options.fetch ?? tell(() => server);
  server = await serve({ ...address, ioThreads: 1, workerThreads: 1, ...options, fetch });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

const SAID = {
  'x-forwarded-for': '1.1.1.1, 203.0.113.7:999',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'example.com:443',
};

test('no header is believed without the option', async (t) => {
  for (const trustProxy of [undefined, false, 0, 'private', '127.0.0.2', 'unix']) {
    const server = await start(t, { trustProxy });
    for (const headers of [SAID, { forwarded: 'for=1.1.1.1;proto=https;host=example.com' }]) {
      const { body } = await send(`${server.url}path?q`, { headers });
      const told = await body.json();
      t.is(told.url, `${server.url}path?q`);
      t.is(told.address, PEER);
      t.true(told.port > 0);
      t.deepEqual(told.ip, { address: PEER, family: 'IPv4', port: told.port });
    }
  }
});

test('a trusted proxy is believed', async (t) => {
  for (const trustProxy of [true, 1, 'loopback', ['127.0.0.0/8']]) {
    const server = await start(t, { trustProxy });
    const address = trustProxy === true ? '1.1.1.1' : '203.0.113.7';
    const port = trustProxy === true ? undefined : 999;
    const { body } = await send(`${server.url}path?q`, { headers: SAID });
    t.deepEqual(await body.json(), {
      url: 'https://example.com/path?q',
      address,
      port: port ?? null,
      ip: { address, family: 'IPv4', port: port ?? 0 },
      header: SAID['x-forwarded-for'],
    });
  }
});

test('several lines of a field are one list', async (t) => {
  const server = await start(t, { trustProxy: 'loopback,private' });
  const wire = await open(t, server);
  wire.send(
    'GET http://inner/a/../b HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2001:db8::7\r\n' +
      'X-Forwarded-For: 10.0.0.1\r\nX-FORWARDED-PROTO: https\r\n\r\n',
  );
  const received = await wire.reads(/}$/);
  const told = JSON.parse(received.slice(received.indexOf('\r\n\r\n')));
  t.is(told.address, '2001:db8::7');
  t.is(told.ip.family, 'IPv6');
  t.is(told.url, 'https://inner/b');
});

test('it can be asked for later too', async (t) => {
  let server;
  server = await start(t, {
    trustProxy: 'loopback',
    fetch: async (request, info) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return tell(() => server)(request, info);
    },
  });
  const all = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const headers = { ...SAID, 'x-forwarded-for': `203.0.113.${i}` };
      return (await send(server.url, { headers })).body.json();
    }),
  );
  t.deepEqual(
    all.map((told) => told.address),
    all.map((_, i) => `203.0.113.${i}`),
  );
});

testWith('curl', test)('real clients say Forwarded', async (t) => {
  const server = await start(t, { trustProxy: 'loopback' });
  const { stdout } = await promisify(execFile)('curl', [
    '--silent',
    ...['--header', 'Forwarded: for="[2001:db8::7]:4711";proto=https;host=example.com'],
    server.url.href,
  ]);
  const told = JSON.parse(stdout);
  t.deepEqual([told.url, told.address, told.port], ['https://example.com/', '2001:db8::7', 4711]);
});

test('the peer at a unix socket is trusted by name', async (t) => {
  const folder = temporary(t);
  for (const [trustProxy, expected] of [
    [undefined, [null, null, null]],
    ['loopback', [null, null, null]],
    ['unix', ['203.0.113.7', 999, { address: '203.0.113.7', family: 'IPv4', port: 999 }]],
    [1, ['203.0.113.7', 999, { address: '203.0.113.7', family: 'IPv4', port: 999 }]],
    [true, ['1.1.1.1', null, { address: '1.1.1.1', family: 'IPv4', port: 0 }]],
  ]) {
    const unix = join(folder, `${String(trustProxy)}.sock`);
    await start(t, { unix, trustProxy });
    const agent = new Client('http://inner', { socketPath: unix });
    t.teardown(() => agent.destroy());
    const { body } = await agent.request({ path: '/', method: 'GET', headers: SAID });
    const told = await body.json();
    t.deepEqual([told.address, told.port, told.ip], expected);
    t.is(told.url, expected[0] === null ? 'http://inner/' : 'https://example.com/');
  }
});

test('--trust-proxy takes what the option takes', async (t) => {
  const folder = temporary(t);
  const module = join(folder, 'app.mjs');
  writeFileSync(module, 'export default (_, info) => new Response(info.remoteAddress);');
  for (const [spelled, expected] of [
    ['false', PEER],
    ['0', PEER],
    ['10.0.0.0/8', PEER],
    ['1', '203.0.113.7'],
    ['private,loopback', '203.0.113.7'],
    ['true', '1.1.1.1'],
  ]) {
    const server = await serveCommand(t, [module, '-p', '0', '-H', PEER, '--trust-proxy', spelled]);
    const { body } = await send(server.url, { headers: SAID });
    t.is(await body.text(), expected, spelled);
    server.kill('SIGKILL');
  }
  const { code, stderr } = await run(['serve', '--trust-proxy', 'localhost']);
  t.is(code, 2);
  t.regex(stderr, /--trust-proxy must be true, false, a number .*, got "localhost"/);
});

test('over TLS the scheme is https, unless a trusted proxy says otherwise', (t) => {
  const scheme = (fields, peer) => originOf('loopback', fields, peer, 'https').scheme;
  t.is(scheme({}), 'https');
  t.is(scheme({ 'x-forwarded-for': '203.0.113.7' }), 'https');
  t.is(scheme({ 'x-forwarded-proto': 'http' }), 'http');
  t.is(scheme({ 'x-forwarded-proto': 'ftp' }), 'https');
  t.is(scheme({ 'x-forwarded-proto': 'http' }, '203.0.113.9'), 'https');
});
