// Programs that others have written: curl, nghttp and h2load, in clear and over TLS.
//
//   node scripts/trials/http2/programs.mjs [--engine node]

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { authority, noOpenssl } from '../../../__test__/tls/certificates.mjs';
import { patterned, TEXT } from './handler.mjs';
import { check, ENGINE, finish, program, run, skip, startServer } from './lib.mjs';

const isOurs = ENGINE === 'reactor-rs';
const folder = mkdtempSync(join(tmpdir(), 'reactor-http2-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const upload = join(folder, 'upload');
const bytes = patterned(10 << 20);
const sha256 = createHash('sha256').update(bytes).digest('hex');
writeFileSync(upload, bytes);
writeFileSync(join(folder, 'app.js'), 'export const words = "that repeat";\n'.repeat(400));

const ca = noOpenssl === null ? authority() : null;
const own = ca?.issue();
if (ca === null) skip(`all over TLS: ${noOpenssl}`);
const server = await startServer({
  dir: folder,
  ...(own === undefined ? {} : { tls: { cert: own.cert, key: own.key } }),
  ...(isOurs ? { settings: { compress: true } } : {}),
});

const curlPath = program('curl');
if (curlPath !== null) {
  const { out: version } = await run(curlPath, ['--version']);
  console.log(`# ${version.split('\n')[0]}`);
  if (/HTTP2/.test(version)) {
    const secure = ['--http2', '--cacert', ca?.certFile];
    await curl('curl in clear', server.url, ['--http2-prior-knowledge'], version);
    if (ca !== null) await curl('curl', server.secureUrl, secure, version);
    if (isOurs && ca !== null) await other(server);
  } else {
    skip('this curl has no HTTP/2');
  }
}
const nghttpPath = program('nghttp', 'apt-get install nghttp2-client');
if (nghttpPath !== null) {
  await nghttp('nghttp in clear', server.url);
  if (ca !== null) await nghttp('nghttp', server.secureUrl);
}
const h2loadPath = program('h2load', 'apt-get install nghttp2-client');
if (h2loadPath !== null) {
  await h2load('h2load in clear', server.url);
  if (ca !== null) await h2load('h2load', server.secureUrl);
}
await check('the server ends well', () => server.stop());
finish();

async function curl(name, url, flags, version) {
  const ask = (...args) => run(curlPath, ['-sS', ...flags, ...args]);
  const told = '\n%{http_code} %{http_version} %{num_connects}';
  const asked = async (path, ...args) => {
    const { code, out } = await ask('-w', told, ...args, `${url}${path}`);
    const at = out.lastIndexOf('\n');
    return { code, text: out.slice(0, at), told: out.slice(at + 1) };
  };
  await check(`${name}: a text`, async () => {
    assert.deepEqual(await asked('/hello'), { code: 0, text: 'hello', told: '200 2 1' });
  });
  await check(`${name}: 10 MiB down`, async () => {
    const to = join(folder, 'down');
    const { code } = await ask('-o', to, `${url}/large`);
    assert.equal(code, 0);
    const { out } = await run('sha256sum', [to]);
    assert.equal(out.split(' ')[0], sha256);
  });
  await check(`${name}: 10 MiB up`, async () => {
    const { text } = await asked('/sha', '--data-binary', `@${upload}`);
    assert.deepEqual(JSON.parse(text), { size: bytes.length, sha256 });
  });
  await check(`${name}: 10 MiB up, without its length`, async () => {
    const { text } = await asked('/sha', '-X', 'POST', '-T', '-', '--no-progress-meter');
    assert.equal(JSON.parse(text).size, 0);
    const { code, out } = await run('sh', [
      '-c',
      `cat "$0" | "$@" -T - ${url}/sha`,
      ...[upload, curlPath, '-sS', ...flags],
    ]);
    assert.equal(code, 0, out);
    assert.deepEqual(JSON.parse(out), { size: bytes.length, sha256 });
  });
  await check(`${name}: Expect: 100-continue`, async () => {
    const { text, code } = await asked(
      '/sha',
      ...['-H', 'Expect: 100-continue', '--data-binary', `@${upload}`],
    );
    assert.equal(code, 0);
    assert.equal(JSON.parse(text).sha256, sha256);
  });
  await check(`${name}: HEAD`, async () => {
    const { code, out } = await ask('-I', `${url}/text`);
    assert.equal(code, 0);
    assert.match(out, /^HTTP\/2 200/);
    if (isOurs) assert.match(out, new RegExp(`content-length: ${TEXT.length}\r\n`));
  });
  await check(`${name}: a 304`, async () => {
    const { told } = await asked('/tagged', '-H', 'If-None-Match: "t"');
    assert.match(told, /^304 2/);
  });
  await check(`${name}: a 404 and a 500`, async () => {
    assert.match((await asked('/nowhere')).told, /^404 2/);
    assert.match((await asked('/throws')).told, /^500 2/);
  });
  // curl before 8 cannot keep a connection in clear, whatever the server.
  const keeps = url.startsWith('https') || Number(/^curl (\d+)/.exec(version)[1]) >= 8;
  if (!keeps) skip(`${name}: several requests on a connection, which this curl cannot`);
  if (keeps)
    await check(`${name}: ten requests, one connection`, async () => {
      const urls = Array(10).fill(`${url}/hello`);
      const { out } = await ask('-w', told, ...urls);
      assert.equal(out, Array.from({ length: 10 }, (_, n) => `hello\n200 2 ${n ? 0 : 1}`).join(''));
    });
  if (keeps)
    await check(`${name}: fifty at once`, async () => {
      const urls = Array(50).fill(`${url}/wait?ms=100`);
      const began = performance.now();
      const all = ['--parallel', '--parallel-max', '50', '--no-progress-meter'];
      const { out } = await ask(...all, ...urls);
      assert.equal(out, 'waited'.repeat(50));
      return `${Math.round(performance.now() - began)} ms`;
    });
  await check(`${name}: fields`, async () => {
    const { out } = await ask('-D', '-', '-o', '/dev/null', `${url}/answered?status=203`);
    assert.match(out, /^HTTP\/2 203 ?\r\n/);
    assert.match(out, /\r\nx-upper: Two\r\n/);
    assert.match(out, /\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n/);
    assert.match(out, /\r\nx-long: l{5000}\r\n/);
    assert.doesNotMatch(out, /^(connection|keep-alive|transfer-encoding):/im);
  });
  await check(`${name}: events one by one`, async () => {
    const { out } = await ask('-N', `${url}/events?most=5`);
    assert.equal(out, [0, 1, 2, 3, 4].map((n) => `data: ${n}\n\n`).join(''));
  });
  await check(`${name}: it goes in the middle, and the handler hears of it`, async () => {
    const { aborted } = await server.counts();
    const { code } = await ask('--max-time', '0.4', `${url}/hang`);
    assert.equal(code, 28);
    for (let n = 0; (await server.counts()).aborted === aborted; n++) {
      assert(n < 100, 'the signal is told');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  if (!isOurs) return;
  await check(`${name}: compressed`, async () => {
    const { out } = await ask('--compressed', '-D', join(folder, 'head'), `${url}/text`);
    assert.equal(out, TEXT);
  });
  await check(`${name}: a file, a range of it, and its tag`, async () => {
    const { text, told } = await asked('/files/app.js', '-r', '0-5');
    assert.deepEqual([text, told.slice(0, 5)], ['export', '206 2']);
    const { out: head } = await ask('-I', `${url}/files/app.js`);
    const [, tag] = /etag: (.+)\r\n/.exec(head);
    assert.match((await asked('/files/app.js', '-H', `If-None-Match: ${tag}`)).told, /^304/);
  });
  await check(`${name}: trailers`, async () => {
    const { code, out } = await ask('-v', '-o', '/dev/null', `${url}/trailers`);
    assert.equal(code, 0);
    assert.match(out, /< x-checksum: abc/);
  });
  await check(`${name}: what the handler knows`, async () => {
    const { protocol, url: seen } = JSON.parse((await asked('/fields')).text);
    assert.equal(protocol, 'HTTP/2.0');
    assert.equal(seen, `${url}/fields`);
  });
}

/** Clients of HTTP/1.1 at the same ports. */
async function other({ url, secureUrl }) {
  const one = ['-sS', '--http1.1', '-w', ' %{http_version}'];
  await check('curl: HTTP/1.1 at the same ports', async () => {
    assert.equal((await run(curlPath, [...one, `${url}/hello`])).out, 'hello 1.1');
    const { out } = await run(curlPath, [...one, '--cacert', ca.certFile, `${secureUrl}/hello`]);
    assert.equal(out, 'hello 1.1');
  });
  await check('curl: Upgrade: h2c is answered by HTTP/1.1', async () => {
    const { out } = await run(curlPath, [
      '-sS',
      '--http2',
      '-w',
      ' %{http_version}',
      `${url}/hello`,
    ]);
    assert.equal(out, 'hello 1.1');
  });
}

/** Without the warning that it does not check certificates. */
function said(out) {
  return out.replaceAll(/^\[WARNING\].*\n/gm, '');
}

async function nghttp(name, url) {
  const { out: version } = await run(nghttpPath, ['--version']);
  console.log(`# ${version.trim()}`);
  await check(`${name}: 100 streams at once`, async () => {
    const { code, out } = await run(nghttpPath, ['-ns', '-m', '100', '--no-dep', `${url}/hello`]);
    assert.equal(code, 0, out);
    assert.equal(out.match(/ 200 .*\/hello/g)?.length, 100, out.slice(-500));
  });
  await check(`${name}: an upload, padded, on a small window`, async () => {
    const args = ['-b', '32', '-w', '14', '-W', '15', '-d', upload, `${url}/sha`];
    const { code, out } = await run(nghttpPath, args);
    assert.equal(code, 0, out.slice(-500));
    assert.equal(JSON.parse(said(out)).sha256, sha256);
  });
  await check(`${name}: a large answer on a window of 16 KiB`, async () => {
    const { code, out } = await run(nghttpPath, ['-nv', '-w', '14', '-W', '14', `${url}/large`]);
    assert.equal(code, 0);
    const lengths = [...out.matchAll(/recv.*DATA frame <length=(\d+)/g)].map((found) => +found[1]);
    assert.equal(
      lengths.reduce((sum, length) => sum + length, 0),
      bytes.length,
    );
  });
  await check(`${name}: its request is continued in other frames`, async () => {
    const { code, out } = await run(nghttpPath, ['--continuation', `${url}/hello`]);
    // Its head is larger than a frame, and ours takes 16 KiB of fields.
    assert.equal(code, 0, out.slice(-500));
  });
  await check(`${name}: trailers of a request`, async () => {
    const body = join(folder, 'body');
    writeFileSync(body, 'with trailers');
    const args = ['-d', body, '--trailer', 'x-late: yes', `${url}/got-trailers`];
    const { code, out } = await run(nghttpPath, args);
    assert.equal(code, 0, out);
    if (isOurs) {
      assert.deepEqual(JSON.parse(said(out)), {
        body: 'with trailers',
        trailers: { 'x-late': 'yes' },
      });
    }
  });
  await check(`${name}: Expect: 100-continue`, async () => {
    const args = ['--expect-continue', '-d', upload, `${url}/sha`];
    const { code, out } = await run(nghttpPath, args);
    assert.equal(code, 0);
    assert.equal(JSON.parse(said(out)).sha256, sha256);
  });
}

async function h2load(name, url) {
  const load = async (path, ...args) => {
    const { code, out } = await run(h2loadPath, [...args, `${url}${path}`]);
    assert.equal(code, 0, out);
    const [, done, succeeded, failed, errored] =
      /(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored/.exec(out);
    assert.equal(`${failed} ${errored}`, '0 0', out);
    assert.equal(succeeded, done);
    return /finished in .*?, (\S+ req\/s)/.exec(out)[1];
  };
  await check(`${name}: 10,000 requests`, () => load('/hello', '-n10000', '-c10', '-m20', '-t1'));
  await check(`${name}: 40 MiB on 4 connections`, () => load('/large', '-n4', '-c4', '-m1'));
  await check(`${name}: more streams than are allowed at once`, () =>
    load('/hello', '-n3000', '-c1', '-m500'),
  );
  await check(`${name}: 100 uploads`, () =>
    load('/whole', '-n100', '-c4', '-m10', '-d', join(folder, 'app.js')),
  );
}
