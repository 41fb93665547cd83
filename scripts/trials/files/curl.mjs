// What curl asks of files: codings, ranges, resumed downloads, conditions, entity tags.
//
//   node scripts/trials/files/curl.mjs

import assert from 'node:assert/strict';
import { readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { check, cuttingProxy, finish, program, run, scratch, serveFolder } from './lib.mjs';

const curl = program('curl');
if (curl !== null) await trials();
finish();

async function trials() {
  const root = scratch('curl');
  const own = scratch('curl-own');
  const large = Buffer.from(Array.from({ length: 1 << 20 }, (_, n) => (n * 7 + (n >> 8)) & 0xff));
  const code = Buffer.from('const words = "that repeat";\n'.repeat(400));
  writeFileSync(join(root, 'large.bin'), large);
  writeFileSync(join(root, 'app.js'), code);
  writeFileSync(join(root, 'app.js.br'), brotliCompressSync(code));
  writeFileSync(join(root, 'app.js.gz'), gzipSync(code));
  writeFileSync(join(root, 'fly.css'), code);
  writeFileSync(join(root, 'index.html'), '<h1>hello</h1>');
  for (const name of ['large.bin', 'app.js', 'app.js.br', 'app.js.gz', 'fly.css', 'index.html']) {
    utimesSync(join(root, name), 1_700_000_000, 1_700_000_000);
  }
  const server = await serveFolder(root);
  const url = (path) => `${server.url}/${path}`;
  const file = (name) => join(own, name);
  const to = async (name, path, ...flags) => {
    const format = '%{http_code} %{size_download} %header{content-encoding}';
    const target = path.startsWith('http') ? path : url(path);
    const { code, out } = await run(curl, ['-s', '-o', file(name), '-w', format, ...flags, target]);
    return `${code}: ${out}`.trim();
  };
  const same = (name, bytes) =>
    assert.ok(readFileSync(file(name)).equals(bytes), `${name} differs`);

  await check('a file as it is', async () => {
    assert.equal(await to('plain', 'app.js'), `0: 200 ${code.length}`);
    same('plain', code);
  });
  await check('an index', async () => {
    assert.match(await to('index', ''), /^0: 200/);
    same('index', Buffer.from('<h1>hello</h1>'));
  });
  await check('--compressed takes br from a sibling', async () => {
    const size = statSync(join(root, 'app.js.br')).size;
    assert.equal(await to('br', 'app.js', '--compressed'), `0: 200 ${size} br`);
    same('br', code);
  });
  await check('--compressed of a file that has no sibling', async () => {
    const said = await to('fly', 'fly.css', '--compressed');
    assert.match(said, /^0: 200 \d+ (br|gzip|zstd)$/);
    same('fly', code);
    return said;
  });
  await check('--range', async () => {
    assert.equal(await to('range', 'large.bin', '--range', '1000-1999'), '0: 206 1000');
    same('range', large.subarray(1000, 2000));
    assert.equal(await to('last', 'large.bin', '--range', '-100'), '0: 206 100');
    same('last', large.subarray(-100));
    assert.match(await to('none', 'large.bin', '--range', `${large.length}-`), /^0: 416/);
  });
  await check('--range of several', async () => {
    assert.match(await to('several', 'large.bin', '--range', '0-1,10-11'), /^0: 206/);
    assert.match(readFileSync(file('several'), 'latin1'), /content-range: bytes 10-11\//i);
  });
  await check('a download that breaks off is resumed with -C -', async () => {
    const proxy = await cuttingProxy(server.port, [300_000]);
    const target = `http://127.0.0.1:${proxy.port}/large.bin`;
    assert.match(await to('resumed', target), /^18: 200/);
    const { size } = statSync(file('resumed'));
    assert.ok(size > 0 && size < large.length, `${size} bytes`);
    assert.match(await to('resumed', target, '-C', '-'), /^0: 206/);
    same('resumed', large);
    proxy.close();
    return `after ${size} bytes`;
  });
  await check('-C - where all is there already', async () => {
    writeFileSync(file('whole'), large);
    assert.match(await to('whole', 'large.bin', '-C', '-'), /^\d+: 416/);
    same('whole', large);
  });
  await check('a file that has become longer is resumed too', async () => {
    writeFileSync(file('grown'), large);
    truncateSync(file('grown'), 1000);
    assert.match(await to('grown', 'large.bin', '-C', '-'), /^0: 206/);
    same('grown', large);
  });
  await check('-I', async () => {
    const { out } = await run(curl, ['-sI', url('large.bin')]);
    assert.match(out, new RegExp(`^content-length: ${large.length}\r$`, 'im'));
    assert.match(out, /^accept-ranges: bytes\r$/im);
    assert.match(out, /^content-type: application\/octet-stream\r$/im);
  });
  await check('-z with a date and with a file', async () => {
    assert.match(await to('new', 'app.js', '-z', 'Tue, 14 Nov 2023 22:13:19 GMT'), /^0: 200/);
    assert.match(await to('old', 'app.js', '-z', 'Tue, 14 Nov 2023 22:13:20 GMT'), /^0: 304/);
    assert.match(await to('kept', 'app.js', '-R'), /^0: 200/);
    assert.match(await to('again', 'app.js', '-z', file('kept')), /^0: 304/);
    assert.match(await to('unless', 'app.js', '-z', '-Tue, 14 Nov 2023 22:13:19 GMT'), /^0: 412/);
  });
  await check('--etag-save and --etag-compare', async () => {
    assert.match(await to('tagged', 'app.js', '--etag-save', file('etag')), /^0: 200/);
    const etag = readFileSync(file('etag'), 'latin1').trim();
    assert.match(etag, /^"[^"]+"$/);
    assert.match(await to('tagged', 'app.js', '--etag-compare', file('etag')), /^0: 304/);
    writeFileSync(join(root, 'app.js'), `${code}// more\n`);
    // Beyond the second in which descriptors may be kept.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.match(await to('tagged', 'app.js', '--etag-compare', file('etag')), /^0: 200/);
    same('tagged', Buffer.from(`${code}// more\n`));
    return etag;
  });
  await check('a sibling that is older than its file is not used', async () => {
    assert.doesNotMatch(await to('stale', 'app.js', '--compressed'), /^0: 200 \d+$/);
    same('stale', Buffer.from(`${code}// more\n`));
  });
  await check('POST is refused, OPTIONS is not', async () => {
    assert.match(await to('post', 'app.js', '-d', 'x=1'), /^0: 405/);
    assert.match(await to('options', 'app.js', '-X', 'OPTIONS'), /^0: 20[04]/);
  });
  await check('nothing outside the folder, whatever curl sends', async () => {
    for (const path of ['../../etc/passwd', '%2e%2e/%2e%2e/etc/passwd', '..%2f..%2fetc/passwd']) {
      assert.match(await to('escape', path, '--path-as-is'), /^0: 40[04]/, path);
    }
  });
  await check('files over one connection', async () => {
    const paths = Array.from({ length: 50 }, (_, n) => (n % 2 ? 'app.js' : 'large.bin'));
    const args = paths.flatMap((path) => ['-o', '/dev/null', url(path)]);
    const { out } = await run(curl, ['-s', '-w', '%{http_code} %{num_connects}\n', ...args]);
    const lines = out.trim().split('\n');
    assert.equal(lines.length, 50);
    assert.deepEqual([...new Set(lines.slice(1))], ['200 0']);
  });
  await server.stop();
}
