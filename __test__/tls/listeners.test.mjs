// Several places to listen at, in clear and with TLS.

import http from 'node:http';
import { join } from 'node:path';
import plain from 'ava';
import { serve } from 'reactor-rs';
import { temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { authority, withCertificates } from './certificates.mjs';
import { get } from './client.mjs';

const test = withCertificates(plain);

const ca = authority();
const { cert, key } = ca.issue();
const tls = { cert, key };
const fetch = ({ url }) => new Response(url);
const host = '127.0.0.1';

/** Asks in clear. */
function ask(options) {
  return new Promise((resolve, reject) => {
    http
      .get({ agent: false, ...options }, (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (piece) => {
          text += piece;
        });
        res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text }));
      })
      .on('error', reject);
  });
}

test('one server listens at a port, at one with TLS and at a unix socket', async (t) => {
  const unix = join(temporary(t), 'a.sock');
  const server = await serve({
    listen: [
      { host, port: 0 },
      { hostname: host, port: '0', tls },
      { unix, unixMode: '600' },
    ],
    ioThreads: 2,
    fetch,
  });
  t.teardown(() => server.stop({ force: true }));
  const [first, second, third] = server.addresses;
  t.deepEqual(third, { transport: 'unix', path: unix });
  t.deepEqual(
    server.urls.map(({ href }) => href),
    [`http://${host}:${first.port}/`, `https://${host}:${second.port}/`, `unix:${unix}`],
  );
  t.is(server.url.href, server.urls[0].href);
  t.is(server.port, first.port);
  t.is((await ask({ host, port: first.port })).text, server.urls[0].href);
  t.is((await get(server.urls[1].href, { ca: ca.cert })).text, server.urls[1].href);
  t.is((await ask({ socketPath: unix, headers: { host: 'a.test' } })).text, 'http://a.test/');
  t.is(server.stats().requests.total, 3);
  await server.stop();
  await t.throwsAsync(ask({ host, port: first.port }), { code: 'ECONNREFUSED' });
  await t.throwsAsync(get(`https://${host}:${second.port}/`), { code: 'ECONNREFUSED' });
});

test('short forms of a place are a port, an address, https and a unix socket', async (t) => {
  const unix = join(temporary(t), 'a.sock');
  const listen = [
    0,
    '0',
    `${host}:0`,
    ':0',
    `http://${host}:0/`,
    `https://${host}:0`,
    `unix:${unix}`,
  ];
  const server = await start(t, { port: undefined, hostname: undefined, listen, tls, fetch });
  t.deepEqual(
    server.urls.map(({ protocol, hostname }) => [protocol, hostname]),
    [
      ['http:', 'localhost'],
      ['http:', 'localhost'],
      ['http:', host],
      ['http:', 'localhost'],
      ['http:', host],
      ['https:', host],
      ['unix:', ''],
    ],
  );
  const only = await serve({ listen: `${host}:0`, fetch });
  t.teardown(() => only.stop({ force: true }));
  t.is(only.hostname, host);
});

test('a listener may redirect to TLS, except for what certificate authorities ask', async (t) => {
  const server = await serve({
    tls,
    listen: [
      { host, port: 0, redirectToTls: true },
      { host, port: 0, tls: true },
      { host, port: 0, redirectToTls: 443 },
    ],
    fetch,
  });
  t.teardown(() => server.stop({ force: true }));
  const [from, to, public443] = server.addresses;
  const location = async (port, path, name) => {
    const { status, headers } = await ask({ host, port, path, headers: { host: name } });
    t.is(status, 308);
    return headers.location;
  };
  t.is(await location(from.port, '/a?b=c', 'a.test:80'), `https://a.test:${to.port}/a?b=c`);
  t.is(await location(public443.port, '/', 'a.test'), 'https://a.test/');
  const path = '/.well-known/acme-challenge/token';
  const { status, text } = await ask({ host, port: from.port, path });
  t.deepEqual([status, text], [200, `http://${host}:${from.port}${path}`]);
});

test('mistakes name the place', async (t) => {
  const OPTION = 'ERR_REACTOR_INVALID_OPTION';
  const cases = [
    [{ listen: [] }, OPTION, /^option "listen" must be 1 to 16 places/],
    [{ listen: [true] }, OPTION, /^option "listen\[0\]" must be a port, text such as/],
    [{ listen: 'nowhere' }, OPTION, /^option "listen" must be a port/],
    [{ listen: [{ port: 1e6 }] }, OPTION, /^option "listen\[0\]\.port" must be an integer/],
    [{ listen: { port: 0, unix: '/x' } }, OPTION, /"listen\.port" cannot be .* "listen\.unix"/],
    [{ listen: [0], port: 1 }, OPTION, /"port" cannot be given together with "listen"/],
    [{ listen: [{ prot: 1 }] }, 'ERR_REACTOR_UNKNOWN_OPTION', /"listen\[0\]\.prot"; did you/],
    [{ listen: [{ port: 0, tls: true }] }, OPTION, /"listen\[0\]\.tls" is true: give certificate/],
    [{ listen: ['https://:0'] }, OPTION, /"listen\[0\]\.tls" is true: give/],
    [{ listen: [0], tls }, OPTION, /"tls" is for no place of "listen"/],
    [{ listen: [{ redirectToTls: true }] }, OPTION, /redirectToTls" is true, but no port/],
    [{ listen: [{ tls, redirectToTls: true }] }, OPTION, /is for a listener without "tls"/],
    [
      { listen: [{ redirectToTls: 'yes' }] },
      OPTION,
      /redirectToTls" must be true, false or a port/,
    ],
    [{ listen: [{ host: 'a', hostname: 'b' }] }, OPTION, /mean the same/],
    [{ listen: [{ port: 0, tls: { cert } }] }, OPTION, /"listen\[0\]\.tls\.key" is missing/],
  ];
  for (const [options, code, message] of cases) {
    await t.throwsAsync(serve(options), { code, message });
  }
});
