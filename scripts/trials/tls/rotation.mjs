// A certificate that is replaced again and again under load, every second time by something broken:
// no request fails, and after each swap no client sees another certificate.
//
//   node scripts/trials/tls/rotation.mjs [--swaps 1000]

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { parseArgs } from 'node:util';
import { authority, fileOf } from '../../../__test__/tls/certificates.mjs';
import { ROOT } from '../../setup.mjs';
import { canary, check, finish, run, startServer } from './lib.mjs';

const { values } = parseArgs({ options: { swaps: { type: 'string', default: '1000' } } });
const swaps = Number(values.swaps);

const ca = authority();
const good = Array.from({ length: 8 }, (_, n) => ca.issue({ kind: n % 4 === 3 ? 'rsa' : 'ec' }));
const [first, second] = good;
const past = {
  from: new Date(Date.now() - 20 * 86_400_000),
  until: new Date(Date.now() - 86_400_000),
};
const expired = ca.issue(past);

/** What files may hold by mistake. Null is no file. */
const BROKEN = [
  { name: 'another key', cert: first.cert, key: second.key },
  { name: 'no key', cert: first.cert, key: '' },
  { name: 'no certificate', cert: '', key: first.key },
  { name: 'half a certificate', cert: first.cert.slice(0, 300), key: first.key },
  { name: 'half a key', cert: first.cert, key: first.key.slice(0, 100) },
  { name: 'a key in the place of the certificate', cert: first.key, key: first.key },
  { name: 'other bytes', cert: '\0\x01\xff'.repeat(1000), key: first.key },
  { name: 'damaged base64', cert: first.cert.replace(/M/g, '*'), key: first.key },
  { name: 'no file', cert: null, key: first.key },
  { name: 'an expired certificate', cert: expired.cert, key: expired.key },
];

const certFile = fileOf(first.cert, 'cert.pem');
const keyFile = fileOf(first.key, 'key.pem');
const server = await startServer({ tls: { cert: certFile, key: keyFile, watch: false } });
const bird = canary({ port: server.port, ca: ca.cert });

/** Both files, each in one step, as certbot and others do. */
function put({ cert, key }) {
  for (const [file, text] of [
    [certFile, cert],
    [keyFile, key],
  ]) {
    if (text === null) {
      rmSync(file, { force: true });
    } else {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    }
  }
}

const fingerprint = ({ cert }) => new X509Certificate(cert).fingerprint256;

/** The certificate that a new client sees. */
function seen() {
  return new Promise((resolve, reject) => {
    const to = { host: '127.0.0.1', port: server.port, servername: 'localhost', ca: ca.cert };
    const socket = tls.connect(to, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** The load client, until it is told to stop. */
async function load(...args) {
  const cli = join(ROOT, 'dist/cli/bin.js');
  const more = [
    'bench',
    '--json',
    '--cacert',
    ca.certFile,
    '--max-errors',
    '100%',
    '-d',
    `${60 + swaps / 10}s`,
  ];
  const url = `https://localhost:${server.port}/hello`;
  const { out } = await run(process.execPath, [cli, ...more, ...args, url], {
    seconds: 100 + swaps / 10,
    until: stopped.promise,
  });
  return JSON.parse(out.slice(out.indexOf('{')));
}

const stopped = Promise.withResolvers?.() ?? deferred();
function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => {
    made.resolve = resolve;
  });
  return made;
}

const loads = Promise.all([
  load('-c', '16', '-R', '500'),
  load('-c', '8', '-R', '100', '--no-keepalive', '--no-resume'),
  load('-c', '8', '-R', '100', '--no-keepalive'),
]);
await sleep(1_000);

/** Whatever happens, the load ends with the trial. */
process.on('exit', () => stopped.resolve());

let current = first;
let wrong = 0;
const reasons = new Map();
await check(`${swaps} swaps, half of them broken`, async () => {
  for (let n = 0; n < swaps; n++) {
    if (n % 2 === 1) {
      const broken = BROKEN[(n >> 1) % BROKEN.length];
      put(broken);
      const { ok, message } = await server.ask({ reload: { tls: true } });
      assert.equal(ok, undefined, `taken: ${broken.name}`);
      reasons.set(broken.name, message);
    } else {
      current = good[(n >> 1) % good.length];
      put(current);
      const { ok, message } = await server.ask({ reload: { tls: true } });
      assert.equal(ok, true, message);
    }
    wrong += (await seen()) === fingerprint(current) ? 0 : 1;
  }
});
stopped.resolve();
await check('no wrong certificate after a swap', () => assert.equal(wrong, 0));
for (const [name, message] of reasons) {
  await check(`${name} is refused, and the reason is told`, () => {
    assert.match(message, /cert\.pem|key\.pem/);
    return message.replaceAll(/\/\S*\//g, '…/');
  });
}
for (const { requests, errors } of await loads) {
  await check(`no request failed of ${requests}`, () => {
    assert(requests > 0);
    assert.deepEqual(
      Object.entries(errors).filter(([, count]) => count > 0),
      [],
    );
  });
}
await check('the server is well', () => bird.sing());
await check('what it counted', async () => {
  const { tls: counted } = await server.stats();
  assert.equal(counted.reloads, swaps - (swaps >> 1));
  assert.equal(counted.reloadFailures, swaps >> 1);
  return JSON.stringify({ ...counted, certificates: undefined });
});

// By itself: files that are watched.
put(first);
const watched = await startServer({ tls: { cert: certFile, key: keyFile } });
await check('files that are watched are taken by themselves', async () => {
  const to = { host: '127.0.0.1', port: watched.port, servername: 'localhost', ca: ca.cert };
  const shows = () =>
    new Promise((resolve, reject) => {
      const socket = tls.connect(to, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  for (const each of [second, BROKEN[0], first, BROKEN[3], good[2]]) {
    const before = await shows();
    put(each);
    const isBroken = BROKEN.includes(each);
    const wanted = isBroken ? before : fingerprint(each);
    const deadline = Date.now() + 15_000;
    while ((await shows()) !== wanted) {
      assert(Date.now() < deadline, 'the watcher took too long');
      await sleep(50);
    }
    if (isBroken) {
      await sleep(1_500);
      assert.equal(await shows(), before);
    }
  }
});
bird.close();
await server.stop();
await watched.stop();
assert(readFileSync(certFile, 'utf8').length > 0);
finish();
