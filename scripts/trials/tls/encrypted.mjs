// Wrong messages under encryption, said by tlslite-ng (pip install tlslite-ng; TLSLITE_PYTHON is its
// python). encrypted.py has the cases, this their judgement.
//
//   node scripts/trials/tls/encrypted.mjs

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { authority } from '../../../__test__/tls/certificates.mjs';
import { canary, check, finish, HERE, run, skip, startServer } from './lib.mjs';

/** What is right, or does no harm: the request behind it is answered. */
const SERVED = [
  ...['nothing', 'an empty record of data', 'thirty empty records of data'],
  ...['a record of 16384 bytes of a head', 'user canceled', 'a certificate of its own'],
  ...[1, 10].flatMap((n) => [`${n} key updates`, `${n} key updates, answers wanted`]),
  "a request, and the socket's half close",
];

/** Whose outcome a rule or this server says: alerts by number (RFC 8446, section 6). */
const EXACTLY = {
  'a fatal alert': 'cut',
  'close notify, then data': 'closed',
  'a request and close notify': 'data, closed',
  renegotiation: '100',
  'a record said twice': '20',
  'a record said again': '20',
  'random ciphertext': '20',
  'data in clear': '20',
  'a wrong finished': '51',
  'a finished that is wrong': '51',
  'a key update with 2': '47',
  'a key update with 255': '47',
  'a key update and more in one record': '10',
  'no certificate where one is wanted': '116',
};

/** Either is allowed: TLS 1.2 has no rule, and rustls ignores it. */
const EITHER = ['an empty handshake record', 'an unknown alert'];

const python = process.env.TLSLITE_PYTHON ?? 'python3';
const { out: version } = await run(python, ['-c', 'import tlslite; print(tlslite.__version__)']);
if (/^\d/.test(version)) {
  console.log(`# tlslite-ng ${version.trim()}`);
  await trials();
} else {
  skip('tlslite-ng was not found (pip install tlslite-ng; TLSLITE_PYTHON is its python)');
}
finish();

async function trials() {
  const ca = authority();
  const own = ca.issue();
  const person = ca.issue({ names: [], name: 'a client', use: 'client' });
  const pair = { cert: own.cert, key: own.key };
  const plain = await startServer({ tls: pair });
  const mutual = await startServer({ tls: { ...pair, ca: ca.cert, requestCert: true } });
  const bird = canary({ port: plain.port, ca: ca.cert });
  await bird.sing();
  const args = [plain.port, mutual.port, person.certFile, person.keyFile].map(String);
  const { code, out } = await run(python, [join(HERE, 'encrypted.py'), ...args], { seconds: 300 });
  await check('all of it ran', () => assert.equal(code, 0, out));
  const lines = out.trim().split('\n');
  await check('there are 100 cases and more', () => assert(lines.length > 100));
  for (const line of lines) {
    const [name, seen] = line.split('\t');
    const what = name.slice('1.x: '.length);
    await check(name, () => {
      if (SERVED.includes(what)) {
        assert.equal(seen, 'data');
      } else if (what in EXACTLY) {
        assert.equal(seen, EXACTLY[what]);
      } else if (!EITHER.includes(what)) {
        // An alert, or the end where rustls has none for its caller.
        assert.match(seen, /^(\d+|cut|reset|closed|error TLSClosedConnectionError.*)$/);
      }
      return seen;
    });
  }
  await check('the server is well', () => bird.sing());
  bird.close();
  await check('the servers end well', async () => {
    await plain.stop();
    await mutual.stop();
  });
}
