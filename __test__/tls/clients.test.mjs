// Programs as clients: curl and undici.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import plain from 'ava';
import { serve } from 'reactor-rs';
import { Agent, fetch as undici } from 'undici';
import { testWith } from '../support/programs.mjs';
import { start } from '../support/server.mjs';
import { authority, withCertificates } from './certificates.mjs';

const test = withCertificates(plain);
const exec = promisify(execFile);

const ca = authority();
const { cert, key } = ca.issue();
const client = ca.issue({ names: ['someone.test'], use: 'client' });
const fetch = async (request, { tls }) => {
  const body = await request.text();
  const { version, peerCertificate } = tls;
  return Response.json({ version, subject: peerCertificate?.subject, length: body.length });
};

const curl = async (...args) =>
  (await exec('curl', ['-sS', '--cacert', ca.certFile, ...args])).stdout;

testWith('curl', test)(
  'curl: versions, a certificate of its own, an upload, a redirect',
  async (t) => {
    const host = '127.0.0.1';
    const tls = { cert, key, ca: ca.cert, requestCert: true, rejectUnauthorized: false };
    const server = await serve({
      listen: [
        { host, port: 0, tls },
        { host, port: 0, redirectToTls: true },
      ],
      fetch,
    });
    t.teardown(() => server.stop({ force: true }));
    const [url, plainly] = server.urls.map(({ href }) => href);
    t.deepEqual(JSON.parse(await curl(url)), { version: 'TLSv1.3', length: 0 });
    t.is(JSON.parse(await curl('--tls-max', '1.2', url)).version, 'TLSv1.2');
    const own = ['--cert', client.certFile, '--key', client.keyFile];
    t.is(JSON.parse(await curl(...own, url)).subject, 'CN=someone.test');
    const data = 'x'.repeat(100_000);
    t.is(JSON.parse(await curl('-H', 'Expect:', '-d', data, url)).length, data.length);
    t.is(JSON.parse(await curl('-L', plainly)).version, 'TLSv1.3');
    // Plain HTTP on the port of TLS is told so.
    const { stdout } = await exec('curl', ['-sS', '-i', url.replace('https:', 'http:')]);
    t.regex(stdout, /^HTTP\/1\.1 400 [\s\S]*TLS/);
  },
);

test('undici: many requests over few connections, and uploads that stream', async (t) => {
  const server = await start(t, { tls: { cert, key }, fetch });
  const dispatcher = new Agent({ connections: 4, connect: { ca: ca.cert } });
  t.teardown(() => dispatcher.destroy());
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const body = index % 2 === 0 ? undefined : 'y'.repeat(index * 1000);
      const method = body === undefined ? 'GET' : 'POST';
      const answer = await undici(server.url, { dispatcher, method, body });
      return (await answer.json()).length === (body?.length ?? 0);
    }),
  );
  t.true(answers.every(Boolean));
  const { full, resumed } = server.stats().tls;
  t.true(full + resumed <= 4);
  const pieces = async function* () {
    for (let i = 0; i < 100; i++) {
      yield Buffer.alloc(10_000, 'z');
    }
  };
  const upload = { dispatcher, method: 'POST', body: pieces(), duplex: 'half' };
  t.is((await (await undici(server.url, upload)).json()).length, 1_000_000);
});
