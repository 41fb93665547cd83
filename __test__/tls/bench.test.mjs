// The load client over TLS: against node:https with real certificates, from JavaScript and from the
// command line.

import { once } from 'node:events';
import { createServer as createPlain } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import ava from 'ava';
import { bench, ReactorError } from '../../dist/index.js';
import { run } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { authority, encryptKey, withCertificates } from './certificates.mjs';

/** One after the other: each is load. */
const test = withCertificates(ava.serial);

let made;

/** One authority and one certificate for all. */
function certificates() {
  if (made === undefined) {
    const ca = authority();
    made = { ca, own: ca.issue() };
  }
  return made;
}

/** An https server; `seen` counts its handshakes. */
async function start(t, options = {}, listen = [0, '127.0.0.1']) {
  const { own } = certificates();
  const seen = { requests: 0, full: 0, resumed: 0, names: new Set(), errors: [] };
  const server = createServer({ cert: own.cert, key: own.key, ...options }, (request, response) => {
    seen.requests++;
    let length = 0;
    request.on('data', (part) => {
      length += part.length;
    });
    request.on('end', () => response.end(`Hello, ${length}`));
  });
  server.on('secureConnection', (socket) => {
    seen[socket.isSessionReused() ? 'resumed' : 'full']++;
    seen.names.add(socket.servername);
    seen.protocol = socket.getProtocol();
    seen.cipher = socket.getCipher().name;
    seen.alpn = socket.alpnProtocol;
    seen.peer = socket.getPeerCertificate().subject?.CN;
  });
  server.on('tlsClientError', (error) => seen.errors.push(error));
  server.listen(...listen);
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, seen, port: server.address().port };
}

test('both sides count the same, over TLS 1.2 and 1.3', async (t) => {
  const { ca } = certificates();
  for (const [version, cipher] of [
    ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
    ['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ]) {
    const { seen, port } = await start(t);
    const result = await bench(`https://localhost:${port}/`, {
      requests: 500,
      connections: 5,
      method: 'POST',
      body: 'x'.repeat(40_000),
      expectBody: 'Hello, 40000',
      // Node goes by its own order, and has AES-256 first.
      tls: { ca: ca.cert, version, ciphers: cipher },
    });
    t.deepEqual([result.succeeded, result.errors.total], [500, 0], JSON.stringify(result));
    t.is(seen.requests, 500);
    const { tls } = result;
    t.deepEqual([tls.version, tls.cipher, tls.group], [version, cipher, 'X25519']);
    t.deepEqual([seen.protocol, seen.cipher, seen.alpn], [version, cipher, 'http/1.1']);
    t.deepEqual([tls.handshakes, tls.handshake.count], [5, 5]);
    t.true(tls.handshake.minNs > 0 && tls.handshake.p50Ns <= tls.handshake.maxNs);
    // One more handshake came before the run.
    t.is(seen.full + seen.resumed, 6);
    t.is(seen.resumed, tls.resumed);
    t.true(seen.names.has('localhost'));
    t.is(result.settings.resume, true);
  }
});

test('sessions are resumed, or are not', async (t) => {
  const { ca } = certificates();
  const { seen, port } = await start(t);
  for (const version of ['TLSv1.3', 'TLSv1.2']) {
    for (const resume of [true, false]) {
      Object.assign(seen, { full: 0, resumed: 0 });
      const { tls, succeeded, settings } = await bench(`https://127.0.0.1:${port}/`, {
        requests: 100,
        connections: 4,
        keepAlive: false,
        tls: { ca: ca.certFile, version, resume },
      });
      t.deepEqual([succeeded, tls.handshakes, settings.resume], [100, 100, resume]);
      t.deepEqual([seen.full + seen.resumed, seen.resumed], [101, tls.resumed]);
      // Node gives two tickets of TLS 1.3 in a full handshake and none in a resumed one, and the client
      // uses each once.
      const least = version === 'TLSv1.3' ? 55 : 96;
      t.true(resume ? tls.resumed >= least : tls.resumed === 0, `${version}: ${tls.resumed}`);
    }
  }
});

test('a client certificate is shown', async (t) => {
  const { ca } = certificates();
  const mine = ca.issue({ names: [], name: 'load client', use: 'client' });
  const { seen, port } = await start(t, { ca: ca.cert, requestCert: true });
  const url = `https://localhost:${port}/`;
  const encrypted = encryptKey(mine.keyFile, 'secret');
  for (const own of [
    { cert: mine.cert, key: mine.key },
    { cert: Buffer.from(mine.cert), key: { pem: encrypted.key, passphrase: 'secret' } },
    { cert: mine.certFile, key: encrypted.keyFile, passphrase: 'secret' },
  ]) {
    seen.peer = undefined;
    const result = await bench(url, { requests: 20, tls: { ca: ca.cert, ...own } });
    t.is(result.succeeded, 20);
    t.is(seen.peer, 'load client');
  }
  const without = await bench(url, { requests: 8, connections: 4, tls: { ca: ca.cert } });
  t.deepEqual([without.succeeded, without.errors.total], [0, 8]);
});

test('what is wrong with the server is named before the run', async (t) => {
  const { ca } = certificates();
  const past = ca.issue({ from: new Date('2020-01-01'), until: new Date('2020-02-01') });
  const fails = async (url, tls) => {
    const error = await t.throwsAsync(bench(url, { requests: 1, tls, timeout: 20_000 }), {
      instanceOf: ReactorError,
    });
    t.is(error.code, 'ERR_REACTOR_CONNECT');
    return error.message;
  };
  const { port } = await start(t);
  const other = authority({ name: 'Another authority' });
  const strange = await fails(`https://localhost:${port}/`, { ca: other.cert });
  t.regex(strange, /not signed by a known authority; give its authority with --cacert \(tls\.ca\)/);
  t.regex(await fails(`https://localhost:${port}/`), /not signed by a known authority/);
  const named = { ca: ca.cert, serverName: 'example.com' };
  t.regex(
    await fails(`https://localhost:${port}/`, named),
    /is for .*localhost.*, not for example\.com; --insecure/,
  );
  const expired = await start(t, { cert: past.cert, key: past.key });
  t.regex(
    await fails(`https://localhost:${expired.port}/`, { ca: ca.cert }),
    /expired at 2020-02-01T00:00:00Z/,
  );
  const old = await start(t, { maxVersion: 'TLSv1.2' });
  t.regex(
    await fails(`https://localhost:${old.port}/`, { ca: ca.cert, version: 'TLSv1.3' }),
    /ended TLS with the alert protocol_version/,
  );
  const plain = createPlain((_, response) => response.end('x')).listen(0, '127.0.0.1');
  await once(plain, 'listening');
  t.teardown(() => plain.close());
  t.regex(
    await fails(`https://127.0.0.1:${plain.address().port}/`, { ca: ca.cert }),
    /does not speak TLS there; http:\/\/ is for servers without it/,
  );
  const any = await bench(`https://localhost:${expired.port}/`, {
    requests: 10,
    tls: { rejectUnauthorized: false },
  });
  t.is(any.succeeded, 10);
});

test('--cacert, --cert, --key, --insecure, --no-resume, --tls-version', async (t) => {
  const { ca } = certificates();
  const mine = ca.issue({ names: [], name: 'load client', use: 'client' });
  const { seen, port } = await start(t, { ca: ca.cert, requestCert: true });
  const url = `https://localhost:${port}/`;
  const own = ['--cacert', ca.certFile, '--cert', mine.certFile, '--key', mine.keyFile];
  const base = ['bench', '-n', '40', '-c', '2', ...own];
  const text = await run([...base, url]);
  t.is(text.code, 0, text.stderr);
  t.regex(
    text.stdout,
    /^TLS {8}TLSv1\.3 TLS_AES_256_GCM_SHA384 X25519\n {11}2 handshakes, \d resumed \(.*\); .* at p50, .* at p99, at most .*$/m,
  );
  t.is(seen.peer, 'load client');
  const short = await run([...base, '--no-keepalive', '--tls-version', '1.2', '--json', url]);
  t.is(short.code, 0, short.stderr);
  const { tls } = JSON.parse(short.stdout);
  t.deepEqual([tls.version, tls.handshakes], ['TLSv1.2', 40]);
  t.true(tls.resumed >= 38);
  const whole = await run([...base, '--no-keepalive', '--no-resume', '--json', url]);
  t.deepEqual(JSON.parse(whole.stdout).tls.resumed, 0);
  const strange = await run(['bench', '-n', '1', url]);
  t.is(strange.code, 1);
  t.regex(
    strange.stderr,
    /^reactor-rs: cannot connect to .*: the server's certificate is not .*\n$/,
  );
  const insecure = await run([...base.slice(0, 5), ...own.slice(2), '--insecure', '--json', url]);
  t.is(JSON.parse(insecure.stdout).succeeded, 40);
});

test('over a unix socket the URL names the server', async (t) => {
  const { ca } = certificates();
  const unix = join(temporary(t), 'app.sock');
  const { seen } = await start(t, {}, [unix]);
  const result = await bench('https://localhost/', { unix, requests: 20, tls: { ca: ca.cert } });
  t.is(result.succeeded, 20);
  t.deepEqual([...seen.names], ['localhost']);
});

test('options and flags that are wrong are named', async (t) => {
  const { ca, own } = certificates();
  const encrypted = encryptKey(own.keyFile, 'secret');
  for (const [tls, code, message] of [
    [{ cA: 1 }, 'UNKNOWN_OPTION', /^unknown option "tls\.cA"; did you mean "tls\.ca"/],
    [{ cert: own.cert }, 'INVALID_OPTION', /^option "tls\.cert" needs option "tls\.key"/],
    [{ version: 'TLSv1.1' }, 'INVALID_OPTION', /^option "tls\.version" must be "TLSv1\.2" or/],
    [{ resume: 1 }, 'INVALID_OPTION', /^option "tls\.resume" must be true or false, got 1/],
    [{ ca: own.key }, 'TLS', /^tls\.ca holds no certificate: it holds a private key/],
    [{ ca: '/no/such' }, 'TLS', /^option "tls\.ca": cannot read "\/no\/such": there is no/],
    [{ ciphers: 'RC4' }, 'TLS', /^the cipher "RC4" is not supported/],
    [{ cert: own.cert, key: ca.key }, 'TLS', /is for another key than/],
    [{ cert: own.cert, key: encrypted.key }, 'TLS', /is encrypted/],
  ]) {
    const error = await t.throwsAsync(bench('https://127.0.0.1:1/', { tls }), {
      instanceOf: ReactorError,
    });
    t.deepEqual(error.code, `ERR_REACTOR_${code}`, error.message);
    t.regex(error.message, message);
  }
  const clear = await t.throwsAsync(bench('http://127.0.0.1:1/', { tls: {} }));
  t.is(
    clear.message,
    'option "tls" is for https:// and wss:// URLs, this is "http://127.0.0.1:1/"',
  );
  for (const [args, message, exit = 2] of [
    [['--cacert', '/no/such'], '--cacert cannot read "/no/such": there is no such file'],
    [['--tls-version', '1.1'], '--tls-version must be 1.2 or 1.3, got "1.1"'],
    [['--cert', own.certFile], '--cert needs --key: a certificate and its key belong together'],
    [['--cert', own.certFile, '--key', own.certFile], 'holds no private key', 1],
  ]) {
    const { code, stderr } = await run(['bench', ...args, 'https://127.0.0.1:1/']);
    t.is(code, exit, stderr);
    t.true(stderr.startsWith('reactor-rs: ') && stderr.includes(message), stderr);
  }
  const { code, stderr } = await run(['bench', '--insecure', 'http://127.0.0.1:1/']);
  t.deepEqual([code, stderr.includes('is for https:// and wss:// URLs')], [2, true], stderr);
});
