// Clients that others have written: curl, openssl, Node's https, undici, Python.
//
//   node scripts/trials/tls/clients.mjs

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import tls from 'node:tls';
import { Agent, fetch } from 'undici';
import { authority, fileOf } from '../../../__test__/tls/certificates.mjs';
import { canary, check, finish, HERE, program, run, startServer } from './lib.mjs';

const ca = authority();
const rsa = ca.issue({ kind: 'rsa' });
const other = ca.issue({ names: ['other.test', '*.wild.test'] });
const own = ca.issue();
const person = ca.issue({ names: [], name: 'a client', use: 'client' });
const stranger = authority({ name: 'Unknown' }).issue({ names: [], name: 'Eve', use: 'client' });

const pair = ({ cert, key }) => ({ cert, key });
const plain = await startServer({ tls: { cert: [own.cert, rsa.cert], key: [own.key, rsa.key] } });
const named = await startServer({
  tls: [pair(own), { ...pair(other), serverName: ['other.test', '*.wild.test'] }],
});
const newest = await startServer({ tls: { ...pair(own), minVersion: 'TLSv1.3' } });
const mutual = await startServer({ tls: { ...pair(own), ca: ca.cert, requestCert: true } });
const asked = await startServer({
  tls: { ...pair(own), ca: ca.cert, requestCert: true, rejectUnauthorized: false },
});
const servers = [plain, named, newest, mutual, asked];
const bird = canary({ port: plain.port, ca: ca.cert });

/** @param {string} name @param {() => unknown} each */
async function trial(name, each) {
  await check(name, each);
  await check(`${name}: the server is well`, () => bird.sing());
}

await curl(program('curl'));
await openssl(program('openssl'));
await node();
await withUndici();
await python(program('python3'));
bird.close();
for (const server of servers) {
  await check('a server ends well', () => server.stop());
}
finish();

async function curl(path) {
  if (path === null) {
    return;
  }
  const { out: version } = await run(path, ['--version']);
  console.log(`# ${version.split('\n')[0]}`);
  const url = (server, file = '/hello') => `https://localhost:${server.port}${file}`;
  const usual = ['--silent', '--show-error', '--cacert', ca.certFile, '--http1.1'];
  const ask = (...args) => run(path, [...usual, ...args]);
  const gets = async (expected, ...args) => {
    const { code, out } = await ask(...args);
    assert.deepEqual([code, out], [0, expected]);
  };
  const fails = async (pattern, ...args) => {
    const { code, out } = await ask(...args);
    assert.notEqual(code, 0);
    assert.match(out, pattern);
    return out.trim().split('\n')[0];
  };
  const write = '%{ssl_verify_result} %{http_version} %{num_connects}\n';
  await trial('curl: as it is', () => gets('hello', url(plain)));
  await trial('curl: TLS 1.3', () => gets('hello', '--tlsv1.3', url(plain)));
  await trial('curl: TLS 1.2', () => gets('hello', '--tls-max', '1.2', url(plain)));
  await trial('curl: TLS 1.2 with RSA', () =>
    gets('hello', '--tls-max', '1.2', '--ciphers', 'ECDHE-RSA-AES128-GCM-SHA256', url(plain)),
  );
  for (const cipher of ['AES_128_GCM_SHA256', 'AES_256_GCM_SHA384', 'CHACHA20_POLY1305_SHA256']) {
    await trial(`curl: ${cipher}`, () =>
      gets('hello', '--tls13-ciphers', `TLS_${cipher}`, url(plain)),
    );
  }
  for (const curve of ['X25519', 'prime256v1', 'secp384r1']) {
    await trial(`curl: the curve ${curve}`, () => gets('hello', '--curves', curve, url(plain)));
  }
  await trial('curl: TLS 1.1 is refused', () =>
    fails(/alert|protocol/, '--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0', url(plain)),
  );
  await trial('curl: 1.2 where 1.3 is the least', () =>
    fails(/protocol version/, '--tls-max', '1.2', url(newest)),
  );
  await trial('curl: an upload of 4 MiB', async () => {
    const file = fileOf('y'.repeat(4 << 20));
    const { code, out } = await ask('--data-binary', `@${file}`, url(plain, '/echo'));
    assert.deepEqual([code, out.length], [0, 4 << 20]);
  });
  await trial('curl: 1 MiB', async () => {
    const { code, out } = await ask(url(plain, '/large'));
    assert.deepEqual([code, out.length], [0, 1 << 20]);
  });
  await trial('curl: ten requests on one connection', async () => {
    const urls = Array(10).fill(url(plain));
    const { code, out } = await ask('--write-out', write, ...urls);
    assert.equal(code, 0);
    assert.equal(
      out
        .match(/ [01]\n/g)
        .join('')
        .replaceAll(/\s/g, ''),
      '1000000000',
    );
  });
  await trial('curl: ten at the same time', async () => {
    const urls = Array(10).fill(url(plain));
    const { code, out } = await ask('--parallel', '--no-progress-meter', ...urls);
    assert.deepEqual([code, out], [0, 'hello'.repeat(10)]);
  });
  await trial('curl: the protocol by ALPN', async () => {
    const args = ['-sv', '--http1.1', '--cacert', ca.certFile, url(plain)];
    const { code, out } = await run(path, args);
    assert.equal(code, 0);
    assert.match(out, /ALPN.*accepted.*http\/1\.1/);
  });
  await trial('curl: another name', () =>
    gets(
      'hello',
      ...['--resolve', `x.wild.test:${named.port}:127.0.0.1`],
      `https://x.wild.test:${named.port}/hello`,
    ),
  );
  await trial('curl: a name that nobody has gets the default, and refuses it', () =>
    fails(
      /no alternative certificate subject name|does not match/,
      ...['--resolve', `unknown.test:${named.port}:127.0.0.1`],
      `https://unknown.test:${named.port}/hello`,
    ),
  );
  await trial('curl: a certificate of its own', () =>
    gets('hello', '--cert', person.certFile, '--key', person.keyFile, url(mutual)),
  );
  await trial('curl: without the certificate that is wanted', () =>
    fails(/certificate required|alert/, url(mutual)),
  );
  await trial('curl: with a certificate of an unknown authority', () =>
    fails(
      /unknown ca|alert|certificate/,
      ...['--cert', stranger.certFile, '--key', stranger.keyFile, url(mutual)],
    ),
  );
  await trial('curl: plain HTTP is told so', async () => {
    const { out } = await run(path, ['-s', '-i', `http://localhost:${plain.port}/`]);
    assert.match(out, /^HTTP\/1\.1 400 .*\r\n[\s\S]*https?/i);
    return out.split('\r\n').at(-1).trim();
  });
}

async function openssl(path) {
  if (path === null) {
    return;
  }
  const { out: version } = await run(path, ['version']);
  console.log(`# ${version.trim()}`);
  const request = 'GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const talk = (server, args, input = request, seconds = 20) => {
    const to = ['-connect', `127.0.0.1:${server.port}`, '-CAfile', ca.certFile];
    const name = args.includes('-noservername') ? [] : ['-servername', 'localhost'];
    const s = ['s_client', ...to, ...name, '-ign_eof', ...args];
    return run(path, s, { input, seconds });
  };
  const served = async (server, args, ...patterns) => {
    const { out } = await talk(server, args);
    for (const pattern of [/\r\n\r\nhello/, /Verify return code: 0 \(ok\)/, ...patterns]) {
      assert.match(out, pattern);
    }
    return out;
  };
  const refused = async (server, args, pattern) => {
    const { out } = await talk(server, args);
    assert.doesNotMatch(out, /\r\n\r\nhello/);
    assert.match(out, pattern);
    return out.match(pattern)[0];
  };
  await trial('openssl: TLS 1.3', () => served(plain, ['-tls1_3'], /New, TLSv1\.3/));
  await trial('openssl: TLS 1.2', () =>
    served(plain, ['-tls1_2'], /New, TLSv1\.2/, /Extended master secret: yes/),
  );
  for (const old of ['-tls1_1', '-tls1']) {
    await trial(`openssl: ${old}`, () =>
      refused(plain, [old, '-cipher', 'ALL:@SECLEVEL=0'], /alert protocol version/),
    );
  }
  for (const cipher of [
    ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ]) {
    await trial(`openssl: ${cipher}`, () =>
      served(plain, ['-tls1_2', '-cipher', cipher], new RegExp(`Cipher is ${cipher}`)),
    );
  }
  for (const cipher of ['AES128-GCM-SHA256', 'ECDHE-RSA-AES128-SHA', 'DHE-RSA-AES128-GCM-SHA256']) {
    await trial(`openssl: ${cipher} is refused`, () =>
      refused(
        plain,
        ['-tls1_2', '-cipher', `${cipher}:@SECLEVEL=0`],
        /alert handshake failure|no cipher match/,
      ),
    );
  }
  for (const curve of ['X25519', 'P-256', 'P-384']) {
    await trial(`openssl: ${curve}`, () => served(plain, ['-groups', curve]));
  }
  await trial('openssl: P-521 is refused', () =>
    refused(plain, ['-groups', 'P-521'], /alert handshake failure/),
  );
  // It sends a share of a group that the server lacks, and is asked for another one.
  await trial('openssl: a second hello', () => served(plain, ['-groups', 'P-521:P-256']));
  await trial('openssl: five reconnections in 1.2 resume', async () => {
    const { out } = await talk(plain, ['-tls1_2', '-reconnect']);
    assert.equal(out.match(/^Reused, TLSv1\.2/gm)?.length, 5);
  });
  await trial('openssl: the same without tickets', async () => {
    const { out } = await talk(plain, ['-tls1_2', '-no_ticket', '-reconnect']);
    assert.equal(out.match(/^Reused, TLSv1\.2/gm)?.length, 5);
  });
  for (const version of ['-tls1_3', '-tls1_2']) {
    await trial(`openssl: a session is kept in a file, ${version}`, async () => {
      const file = fileOf('', 'session.pem');
      await served(plain, [version, '-sess_out', file]);
      await served(plain, [version, '-sess_in', file], /^Reused, /m);
    });
    await trial(`openssl: a session of another server, ${version}`, async () => {
      const file = fileOf('', 'session.pem');
      await served(newest.port && version === '-tls1_3' ? newest : named, [
        version,
        '-sess_out',
        file,
      ]);
      await served(plain, [version, '-sess_in', file], /^New, /m);
    });
  }
  await trial('openssl: early data is not taken', async () => {
    const session = fileOf('', 'session.pem');
    await served(plain, ['-tls1_3', '-sess_out', session]);
    assert.match(readFileSync(session, 'utf8'), /BEGIN SSL SESSION/);
    const early = fileOf(request);
    const { out } = await talk(plain, ['-tls1_3', '-sess_in', session, '-early_data', early], '');
    assert.match(out, /Early data was (not sent|rejected)|does not support early data/i);
  });
  // Without -ign_eof, a line of `R` renegotiates, and one of `K` updates both keys.
  const type = (version, input) =>
    run(path, ['s_client', '-connect', `127.0.0.1:${plain.port}`, version], { input, seconds: 10 });
  await trial('openssl: renegotiation is refused', async () => {
    const { out } = await type('-tls1_2', 'R\n');
    assert.match(out, /RENEGOTIATING/);
    const refused = out.match(/no renegotiation|alert [a-z ]+/);
    assert.notEqual(refused, null, out.slice(-500));
    return refused[0];
  });
  await trial('openssl: a key update', async () => {
    const { out } = await type('-tls1_3', 'K\n');
    assert.match(out, /KEYUPDATE/);
    assert.doesNotMatch(out, /alert|^[0-9A-F]+:error:/m);
  });
  await trial('openssl: a name', () =>
    served(named, ['-servername', 'other.test'], /subject=CN = other\.test/),
  );
  await trial('openssl: a name by a wildcard', () =>
    served(named, ['-servername', 'a.wild.test'], /subject=CN = other\.test/),
  );
  await trial('openssl: an unknown name', () =>
    served(named, ['-servername', 'unknown.test'], /subject=CN = localhost/),
  );
  await trial('openssl: no name', () => served(named, ['-noservername'], /subject=CN = localhost/));
  for (const version of ['-tls1_3', '-tls1_2']) {
    const cert = ['-cert', person.certFile, '-key', person.keyFile];
    const wrong = ['-cert', stranger.certFile, '-key', stranger.keyFile];
    await trial(`openssl: a certificate of its own, ${version}`, () =>
      served(mutual, [version, ...cert], /Acceptable client certificate CA names/),
    );
    await trial(`openssl: without one, ${version}`, () =>
      refused(mutual, [version], /alert (certificate required|handshake failure|bad certificate)/),
    );
    await trial(`openssl: one of an unknown authority, ${version}`, () =>
      refused(mutual, [version, ...wrong], /alert unknown ca/),
    );
    await trial(`openssl: a certificate is asked for and not given, ${version}`, () =>
      served(asked, [version]),
    );
  }
  await trial('openssl: ALPN http/1.1', () =>
    served(plain, ['-alpn', 'http/1.1'], /ALPN protocol: http\/1\.1/),
  );
  await trial('openssl: ALPN that nobody speaks', () =>
    refused(plain, ['-alpn', 'smtp'], /alert no application protocol/),
  );
  await trial('openssl: fragments of 512 bytes', () =>
    served(plain, ['-split_send_frag', '512', '-max_send_frag', '512']),
  );
  await trial('openssl: a status request', () =>
    served(plain, ['-status'], /OCSP response: no response sent/),
  );
}

async function node() {
  console.log(`# node ${process.version}, OpenSSL ${process.versions.openssl}`);
  const get = ({ port }, options = {}) =>
    new Promise((resolve, reject) => {
      const to = { host: '127.0.0.1', port, servername: 'localhost', ca: ca.cert, agent: false };
      https
        .get({ ...to, path: '/tls', ...options }, (res) => {
          let text = '';
          res.setEncoding('utf8').on('data', (piece) => {
            text += piece;
          });
          res.on('end', () => resolve(JSON.parse(text)));
        })
        .on('error', reject);
    });
  await trial('node: as it is', async () => {
    const { url } = await get(plain);
    assert.match(url, /^https:\/\/127\.0\.0\.1:/);
  });
  await trial('node: a certificate of its own', async () => {
    assert.match((await get(mutual, person)).url, /^https:/);
  });
  await trial('node: without the certificate that is wanted', () =>
    assert.rejects(get(mutual), /certificate required|ECONNRESET|alert/i),
  );
  await trial('node: a certificate of an unknown authority', () =>
    assert.rejects(get(mutual, stranger), /unknown ca|ECONNRESET|alert/i),
  );
  await trial('node: 200 requests of 20 kept connections', async () => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 20 });
    await Promise.all(Array.from({ length: 200 }, () => get(plain, { agent })));
    agent.destroy();
  });
  await trial('node: 100 connections, resumed', async () => {
    const before = (await plain.stats()).tls?.handshakes;
    const agent = new https.Agent({ keepAlive: false, maxCachedSessions: 10 });
    for (let n = 0; n < 100; n++) {
      await get(plain, { agent });
    }
    agent.destroy();
    const after = (await plain.stats()).tls?.handshakes;
    return JSON.stringify({ before, after });
  });
  await trial('node: what it knows of the connection', async () => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port: plain.port,
      servername: 'localhost',
      ca: ca.cert,
    });
    await new Promise((resolve, reject) =>
      socket.once('secureConnect', resolve).once('error', reject),
    );
    assert.equal(socket.authorized, true);
    assert.equal(socket.getProtocol(), 'TLSv1.3');
    socket.destroy();
  });
}

async function withUndici() {
  const connect = { ca: ca.cert };
  const dispatchers = {
    'as it is': new Agent({ connect }),
    pipelined: new Agent({ connect, pipelining: 10, connections: 2 }),
    'with a certificate': new Agent({
      connect: { ...connect, cert: person.cert, key: person.key },
    }),
  };
  for (const [name, dispatcher] of Object.entries(dispatchers)) {
    const { port } = name === 'with a certificate' ? mutual : plain;
    await trial(`undici: ${name}`, async () => {
      const texts = await Promise.all(
        Array.from({ length: 100 }, async () => {
          const answer = await fetch(`https://localhost:${port}/hello`, { dispatcher });
          return answer.text();
        }),
      );
      assert.deepEqual(new Set(texts), new Set(['hello']));
    });
    await dispatcher.close();
  }
  await trial('undici: without the certificate that is wanted', async () => {
    const dispatcher = new Agent({ connect });
    await assert.rejects(fetch(`https://localhost:${mutual.port}/hello`, { dispatcher }));
    await dispatcher.close();
  });
}

async function python(path) {
  if (path === null) {
    return;
  }
  const args = [join(HERE, 'client.py'), ca.certFile, person.certFile, person.keyFile];
  const { code, out } = await run(path, [...args, plain.port, mutual.port].map(String));
  for (const line of out.trim().split('\n')) {
    if (line.startsWith('#')) {
      console.log(line);
      continue;
    }
    const [name, fault] = line.split('\t');
    await trial(`python: ${name}`, () => assert.equal(fault, 'ok'));
  }
  await check('python: all of it ran', () => assert.equal(code, 0));
}
