// Scanners that others have written: sslscan, testssl.sh, sslyze. Each finding of theirs that is not
// "ok" must be in the lists below, with its reason.
//
//   node scripts/trials/tls/scanners.mjs [--keep FOLDER]     # what they print goes there

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { authority } from '../../../__test__/tls/certificates.mjs';
import { find } from '../../programs.mjs';
import { canary, check, finish, program, run, skip, startServer } from './lib.mjs';

/** Of testssl.sh, by the beginning of its name for the finding. */
const EXPLAINED = {
  engine_problem: 'of the machine that scans',
  cert_expirationStatus: 'the certificate is the trial’s, for 30 days',
  cert_notAfter: 'the same',
  cert_revocation: 'the authority is the trial’s, and keeps no list',
  cert_chain_of_trust: 'the authority is the trial’s',
  cert_trust: 'the same',
  DNS_CAArecord: 'there is no DNS for localhost',
  sessionresumption_ticket:
    'its client may end before the tickets of TLS 1.3 come; those of clients.mjs resume',
  HSTS: 'headers are the application’s',
  security_headers: 'headers are the application’s',
};

const at = process.argv.indexOf('--keep');
const folder = at < 0 ? null : process.argv[at + 1];
if (folder !== null) {
  mkdirSync(folder, { recursive: true });
}
const keep = (name, text) => folder !== null && writeFileSync(join(folder, name), text);

const ca = authority();
const ec = ca.issue({ names: ['localhost'] });
const rsa = ca.issue({ names: ['localhost'], kind: 'rsa' });
const server = await startServer({ tls: { cert: [ec.cert, rsa.cert], key: [ec.key, rsa.key] } });
const bird = canary({ port: server.port, ca: ca.cert });
const target = `localhost:${server.port}`;
await sslscan();
await testssl();
await sslyze();
bird.close();
await check('the server ends well', () => server.stop());
finish();

async function sslscan() {
  const path = program('sslscan');
  if (path === null) {
    return;
  }
  const { out } = await run(path, ['--no-colour', target], { seconds: 120 });
  keep('sslscan.txt', out);
  for (const line of [
    ...['SSLv2 +disabled', 'SSLv3 +disabled', 'TLSv1.0 +disabled', 'TLSv1.1 +disabled'],
    ...['TLSv1.2 +enabled', 'TLSv1.3 +enabled', 'Server supports TLS Fallback SCSV'],
    ...['renegotiation not supported', 'TLSv1.3 not vulnerable', 'TLSv1.2 not vulnerable'],
  ]) {
    await check(`sslscan: ${line}`, () => assert.match(out, new RegExp(line)));
  }
  await check('sslscan: nine ciphers, all AEAD with forward secrecy', () => {
    const ciphers = [...out.matchAll(/^(Preferred|Accepted) .* bits +(\S+)/gm)];
    assert.equal(ciphers.length, 9);
    assert(ciphers.every(([, , name]) => /^(TLS_|ECDHE-).*(GCM|CHACHA20)/.test(name)));
  });
  await check('sslscan: the server is well', () => bird.sing());
}

async function testssl() {
  const path = find('testssl') ?? find('testssl.sh');
  if (path === null) {
    skip('testssl was not found (apt-get install testssl.sh)');
    return;
  }
  // It writes to no file that is there already.
  const json = join(mkdtempSync(join(tmpdir(), 'reactor-testssl-')), 'findings.json');
  const args = ['--quiet', '--color', '0', '--warnings', 'off'];
  const more = ['--add-ca', ca.certFile, '--jsonfile', json, target];
  const { out } = await run(path, [...args, ...more], { seconds: 600 });
  keep('testssl.txt', out);
  const findings = JSON.parse(readFileSync(json, 'utf8'));
  rmSync(dirname(json), { recursive: true });
  await check('testssl: it ran', () => assert(findings.length > 100, out.slice(-1000)));
  const bad = findings.filter(({ severity }) => !['OK', 'INFO'].includes(severity));
  const grade = findings.find(({ id }) => id === 'overall_grade');
  console.log(
    `# testssl: ${findings.length} findings, ${bad.length} not ok, grade ${grade?.finding}`,
  );
  for (const { id, severity, finding } of bad) {
    await check(`testssl: ${severity} ${id}`, () => {
      const why = Object.entries(EXPLAINED).find(([name]) => id.startsWith(name))?.[1];
      assert(why !== undefined, finding);
      return why;
    });
  }
  await check('testssl: the server is well', () => bird.sing());
}

async function sslyze() {
  const python = process.env.SSLYZE_PYTHON ?? 'python3';
  const { out: version } = await run(python, [
    '-c',
    "import importlib.metadata as m; print(m.version('sslyze'))",
  ]);
  if (!/^\d/.test(version)) {
    skip('sslyze was not found (pip install sslyze; SSLYZE_PYTHON is its python)');
    return;
  }
  const args = ['-m', 'sslyze', '--certinfo_ca_file', ca.certFile, target];
  const { out } = await run(python, args, { seconds: 300 });
  keep('sslyze.txt', out);
  await check(`sslyze: Mozilla's intermediate configuration`, () =>
    assert.match(out, /OK - Compliant/),
  );
  const bad = out
    .split('\n')
    .filter((line) => /FAILED|VULNERABLE|WARNING|NOT SUPPORTED/.test(line));
  await check('sslyze: nothing else', () => {
    // Its lists have no authority of the trial's, which also has no logs and no OCSP.
    const own = /CA Store|OCSP|Certificate Transparency|CryptographyDeprecationWarning/;
    const left = bad.filter((line) => !own.test(line));
    const stapling = /^ +NOT SUPPORTED - Server did not send back an OCSP response$/;
    assert.deepEqual(
      left.filter((line) => !stapling.test(line)),
      [],
    );
  });
  await check('sslyze: the server is well', () => bird.sing());
}
