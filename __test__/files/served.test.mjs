// Folders and files as routes, and file() as a body, as clients see them.

import { execFile } from 'node:child_process';
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import test from 'ava';
import { file, Response as OurResponse } from 'reactor-rs';
import { request } from 'undici';
import { GenuineResponse } from '../../dist/fetch/genuine.js';
import { moduleOf, temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

const exec = promisify(execFile);

const PNG = Buffer.from('89504e470d0a1a0a0000000d', 'hex');
const SCRIPT = 'export const answer = 42;\n'.repeat(200);

/** A folder with these files. They are ten seconds old, so that their entity tags are strong. */
function folderOf(t, files) {
  const dir = temporary(t);
  for (const [name, content] of Object.entries(files)) {
    put(join(dir, name), content);
  }
  return dir;
}

function put(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  const time = Date.now() / 1000 - 10;
  utimesSync(path, time, time);
}

function site(t) {
  return folderOf(t, {
    'index.html': '<h1>home</h1>',
    'about.html': 'about',
    '404.html': 'not here',
    'app-BxK3s9aQ.js': SCRIPT,
    'app.js': SCRIPT,
    'app.js.br': brotliCompressSync(SCRIPT),
    'app.js.gz': gzipSync(SCRIPT),
    'logo.png': PNG,
    'docs/index.html': 'docs',
    'data/a b.json': '{"a":1}',
    'data/ü.txt': 'ü',
    '.env': 'secret',
    '.well-known/security.txt': 'mail',
  });
}

/** Status, body and header fields, as they were sent. */
async function get(server, path, headers = {}, method = 'GET') {
  const url = new URL(server.url);
  const answer = await request(url.origin, { path, method, headers });
  const body = Buffer.from(await answer.body.arrayBuffer());
  return { status: answer.statusCode, text: body.toString(), body, headers: answer.headers };
}

test('a folder: types, lengths, entity tags, dates, and what stops sniffing', async (t) => {
  const server = await start(t, { routes: { '/*': { dir: site(t) } } });
  for (const [path, type, text] of [
    ['/', /^text\/html; ?charset=utf-8$/i, '<h1>home</h1>'],
    ['/index.html', /^text\/html/, '<h1>home</h1>'],
    ['/app.js', /^(text|application)\/javascript/, SCRIPT],
    ['/docs/', /^text\/html/, 'docs'],
    ['/data/a%20b.json', /^application\/json/, '{"a":1}'],
    ['/data/%C3%BC.txt', /^text\/plain; ?charset=utf-8$/i, 'ü'],
    ['/.well-known/security.txt', /^text\/plain/, 'mail'],
  ]) {
    const { status, headers, text: got } = await get(server, path);
    t.is(status, 200, path);
    t.is(got, text, path);
    t.regex(headers['content-type'], type, path);
    t.is(headers['content-length'], String(Buffer.byteLength(text)));
    t.regex(headers.etag, /^"[^"]+"$/);
    t.regex(headers['last-modified'], / GMT$/);
    t.is(headers['cache-control'], 'no-cache');
    t.is(headers['x-content-type-options'], 'nosniff');
    t.is(headers['accept-ranges'], 'bytes');
  }
  t.is((await get(server, '/logo.png')).headers['content-type'], 'image/png');
});

test('what is not there is a 404 with 404.html; notFound names another page', async (t) => {
  const dir = site(t);
  const server = await start(t, {
    routes: {
      '/*': { dir },
      '/a/*': { dir, notFound: 'about.html' },
      '/b/*': { dir, notFound: false },
    },
  });
  for (const path of [
    '/none',
    '/none/',
    '/data/',
    '/.env',
    '/%2e%2e/x',
    '/docs/..%2f..',
    '/a%00',
  ]) {
    const { status, text, headers } = await get(server, path);
    t.deepEqual([status, text], [404, 'not here'], path);
    t.regex(headers['content-type'], /^text\/html/);
  }
  t.like(await get(server, '/a/none'), { status: 404, text: 'about' });
  const plain = await get(server, '/b/none');
  t.is(plain.status, 404);
  t.regex(plain.headers['content-type'], /^text\/plain/);
});

test('HEAD, OPTIONS and 405; with fetch, other methods go there', async (t) => {
  const dir = site(t);
  const server = await start(t, {
    routes: { '/*': { dir }, '/logo': { file: `${dir}/logo.png` } },
  });
  for (const [path, length] of [
    ['/', '13'],
    ['/logo', String(PNG.length)],
  ]) {
    const head = await get(server, path, {}, 'HEAD');
    t.like(head, { status: 200, text: '' });
    t.is(head.headers['content-length'], length);
    const post = await get(server, path, {}, 'POST');
    t.is(post.status, 405);
    t.regex(post.headers.allow, /GET.*HEAD/);
    const options = await get(server, path, {}, 'OPTIONS');
    t.is(options.status, 204);
    t.regex(options.headers.allow, /GET.*HEAD/);
  }
  const both = await start(t, {
    routes: { '/*': { dir } },
    fetch: ({ method }) => new Response(`fetch ${method}`),
  });
  t.is((await get(both, '/', {}, 'POST')).text, 'fetch POST');
  t.is((await get(both, '/')).text, '<h1>home</h1>');
  t.is((await get(both, '/none')).status, 404);
});

test('browsers learn what pages of other origins may do, also beside fetch', async (t) => {
  const dir = site(t);
  const routes = { '/*': { dir, cors: true }, '/logo': { file: `${dir}/logo.png` } };
  for (const fetch of [undefined, () => new Response('fetch', { status: 418 })]) {
    const server = await start(t, { routes, ...(fetch && { fetch }) });
    const asked = { origin: 'https://a.example', 'access-control-request-method': 'GET' };
    const { status, headers } = await get(server, '/app.js', asked, 'OPTIONS');
    t.is(status, 204);
    t.is(headers['access-control-allow-origin'], '*');
    t.regex(headers['access-control-allow-methods'], /GET.*HEAD/);
    const without = await get(server, '/logo', asked, 'OPTIONS');
    t.is(without.status, fetch === undefined ? 204 : 418);
    t.is(without.headers['access-control-allow-origin'], undefined);
  }
});

test('conditions and ranges', async (t) => {
  const server = await start(t, { routes: { '/*': { dir: site(t) } } });
  const { headers } = await get(server, '/app.js');
  const { etag, 'last-modified': modified } = headers;
  for (const [asked, status] of [
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': `"x", ${etag}` }, 304],
    [{ 'if-none-match': '"x"' }, 200],
    [{ 'if-modified-since': modified }, 304],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-match': etag }, 200],
    [{ range: 'bytes=0-5', 'if-range': etag }, 206],
    [{ range: 'bytes=0-5', 'if-range': '"x"' }, 200],
  ]) {
    t.is((await get(server, '/app.js', asked)).status, status, JSON.stringify(asked));
  }
  const part = await get(server, '/app.js', { range: 'bytes=7-11', 'accept-encoding': 'br' });
  t.deepEqual([part.status, part.text], [206, 'const']);
  t.is(part.headers['content-range'], `bytes 7-11/${SCRIPT.length}`);
  t.is((await get(server, '/app.js', { range: 'bytes=-3' })).text, '2;\n');
  const beyond = await get(server, '/app.js', { range: 'bytes=99999-' });
  t.is(beyond.status, 416);
  t.is(beyond.headers['content-range'], `bytes */${SCRIPT.length}`);
  const several = await get(server, '/app.js', { range: 'bytes=0-1,7-8' });
  t.is(several.status, 206);
  t.regex(several.headers['content-type'], /^multipart\/byteranges; ?boundary=/);
});

test('files beside a file are sent in its place, by what the client takes', async (t) => {
  const dir = site(t);
  const server = await start(t, {
    routes: { '/*': { dir }, '/plain/*': { dir, precompressed: false, compress: false } },
  });
  for (const [accepted, coding, decode] of [
    ['br, gzip', 'br', brotliDecompressSync],
    ['gzip', 'gzip', gunzipSync],
    ['br;q=0.1, gzip', 'gzip', gunzipSync],
    ['identity', undefined, (bytes) => bytes],
    [undefined, undefined, (bytes) => bytes],
  ]) {
    const asked = accepted === undefined ? {} : { 'accept-encoding': accepted };
    const { headers, body } = await get(server, '/app.js', asked);
    t.is(headers['content-encoding'], coding, accepted);
    t.regex(headers.vary, /accept-encoding/i);
    t.is(decode(body).toString(), SCRIPT);
    t.regex(headers['content-type'], /javascript/);
  }
  const plain = await get(server, '/plain/app.js', { 'accept-encoding': 'br, gzip' });
  t.is(plain.headers['content-encoding'], undefined);
  t.is(plain.text, SCRIPT);
});

test('what has nothing beside it is compressed when it is asked for, unless it is told not to', async (t) => {
  const dir = site(t);
  const server = await start(t, {
    routes: { '/*': { dir }, '/plain/*': { dir, compress: false } },
  });
  const path = '/app-BxK3s9aQ.js';
  let answer;
  // The first answers may be sent as they are, while it is compressed.
  for (let i = 0; i < 100 && answer?.headers['content-encoding'] === undefined; i++) {
    answer = await get(server, path, { 'accept-encoding': 'gzip' });
  }
  t.is(answer.headers['content-encoding'], 'gzip');
  t.is(gunzipSync(answer.body).toString(), SCRIPT);
  const plain = await get(server, `/plain${path}`, { 'accept-encoding': 'gzip' });
  t.is(plain.headers['content-encoding'], undefined);
});

test('index, clean URLs, redirects with a slash', async (t) => {
  const dir = site(t);
  const server = await start(t, {
    routes: {
      '/*': { dir },
      '/i/*': { dir, index: ['none.html', 'about.html'] },
      '/n/*': { dir, index: false },
      '/c/*': { dir, cleanUrls: true },
      '/s/*': { dir, slashRedirect: false },
    },
  });
  const location = async (path) => {
    const { status, headers } = await get(server, path);
    return [Math.floor(status / 100), headers.location];
  };
  t.deepEqual(await location('/docs?a=1'), [3, '/docs/?a=1']);
  t.is((await get(server, '/i/')).text, 'about');
  t.is((await get(server, '/n/')).status, 404);
  t.is((await get(server, '/c/about')).text, 'about');
  t.is((await get(server, '/about')).status, 404);
  t.deepEqual(await location('/c/about.html?a=1'), [3, '/c/about?a=1']);
  t.deepEqual(await location('/c/index.html'), [3, '/c/']);
  t.like(await get(server, '/s/docs'), { status: 200, text: 'docs' });
});

test('the name of a folder’s pattern redirects too, unless it has a route', async (t) => {
  const dir = site(t);
  const routes = {
    '/a/*': { dir },
    '/b/*': { dir },
    '/b': 'own',
    '/c/*': { dir, slashRedirect: false },
    '/:lang/d/*': { dir },
    '/e/*': { GET: { dir }, POST: () => new Response('posted') },
  };
  const alone = await start(t, { routes });
  const { status, headers } = await get(alone, '/a?x=1');
  t.deepEqual([status, headers.location], [301, '/a/?x=1']);
  t.is((await get(alone, '/b')).text, 'own');
  t.is((await get(alone, '/c')).text, '<h1>home</h1>');
  t.is((await get(alone, '/en/d')).status, 404);
  t.is((await get(alone, '/e')).headers.location, '/e/');
  t.is((await get(alone, '/a', {}, 'POST')).status, 405);
  const both = await start(t, { routes, fetch: ({ method }) => new Response(method) });
  t.is((await get(both, '/a')).headers.location, '/a/');
  t.is((await get(both, '/a', {}, 'POST')).text, 'POST');
  t.is((await get(both, '/e', {}, 'POST')).text, 'POST');
});

test('spa is for navigations only', async (t) => {
  const dir = site(t);
  const server = await start(t, {
    routes: { '/*': { dir, spa: true }, '/x/*': { dir, spa: 'about.html' } },
  });
  const page = { 'sec-fetch-mode': 'navigate', accept: 'text/html,*/*;q=0.8' };
  t.like(await get(server, '/users/7', page), { status: 200, text: '<h1>home</h1>' });
  t.like(await get(server, '/users/7', { accept: 'text/html' }), { status: 200 });
  t.like(await get(server, '/x/users/7', page), { status: 200, text: 'about' });
  const script = { 'sec-fetch-mode': 'cors', accept: '*/*' };
  t.is((await get(server, '/none.js', script)).status, 404);
  t.is((await get(server, '/users/7')).status, 404);
});

test('dotfiles, listings, caching, CORS and further fields', async (t) => {
  const dir = site(t);
  const server = await start(t, {
    routes: {
      '/*': {
        dir,
        dotfiles: true,
        listing: true,
        immutable: true,
        cacheControl: 'max-age=60',
        cors: true,
        headers: {
          'x-all': ['1', '2'],
          '*.js': { 'x-script': '1', 'cache-control': 'max-age=5' },
          'docs/**': { 'x-docs': '1' },
        },
      },
      '/o/*': { dir, cors: 'https://example.com', cacheControl: false },
    },
  });
  t.is((await get(server, '/.env')).text, 'secret');
  const listing = await get(server, '/data/');
  t.is(listing.status, 200);
  t.regex(listing.headers['content-type'], /^text\/html/);
  t.regex(listing.text, /href="[^"]*a%20b\.json"/);
  const home = (await get(server, '/')).headers;
  t.is(home['cache-control'], 'max-age=60');
  t.is(home['access-control-allow-origin'], '*');
  t.deepEqual([home['x-all']].flat().join(', '), '1, 2');
  t.is(home['x-script'], undefined);
  const hashed = (await get(server, '/app-BxK3s9aQ.js')).headers;
  t.is(hashed['x-script'], '1');
  const docs = (await get(server, '/docs/index.html')).headers;
  t.deepEqual([docs['x-docs'], docs['x-script']], ['1', undefined]);
  const script = (await get(server, '/app.js')).headers;
  t.is(script['cache-control'], 'max-age=5', 'a field by pattern wins');
  const other = (await get(server, '/o/')).headers;
  t.is(other['access-control-allow-origin'], 'https://example.com');
  t.is(other['cache-control'], undefined);
});

test('immutable is for names with a hash', async (t) => {
  const server = await start(t, { routes: { '/*': { dir: site(t), immutable: true } } });
  const cached = async (path) => (await get(server, path)).headers['cache-control'];
  t.is(await cached('/app-BxK3s9aQ.js'), 'public, max-age=31536000, immutable');
  t.is(await cached('/app.js'), 'no-cache');
  t.is(await cached('/'), 'no-cache');
});

test('links out of the folder are refused, those within it followed', async (t) => {
  const dir = site(t);
  const other = folderOf(t, { 'secret.txt': 'secret' });
  symlinkSync(join(other, 'secret.txt'), join(dir, 'out.txt'));
  symlinkSync(other, join(dir, 'out'));
  symlinkSync('about.html', join(dir, 'in.html'));
  const server = await start(t, { routes: { '/*': { dir } } });
  t.is((await get(server, '/out.txt')).status, 404);
  t.is((await get(server, '/out/secret.txt')).status, 404);
  t.is((await get(server, '/in.html')).text, 'about');
});

test('a file that is replaced, removed and made again is served as it is', async (t) => {
  const dir = site(t);
  const server = await start(t, { routes: { '/*': { dir } } });
  const eventually = async (expected) => {
    // What is known of a file is looked at again after a second.
    let last;
    for (const end = Date.now() + 10_000; Date.now() < end; ) {
      last = await get(server, '/about.html');
      if (last.text === expected) {
        return true;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return last.text;
  };
  t.is((await get(server, '/about.html')).text, 'about');
  put(join(dir, 'new'), 'another');
  renameSync(join(dir, 'new'), join(dir, 'about.html'));
  t.true(await eventually('another'));
  rmSync(join(dir, 'about.html'));
  t.true(await eventually('not here'));
  put(join(dir, 'about.html'), 'again');
  t.true(await eventually('again'));
});

test('one file, whatever the path; by method; and file() as a route', async (t) => {
  const dir = site(t);
  const logo = join(dir, 'logo.png');
  const server = await start(t, {
    routes: {
      '/a': { file: logo, headers: { 'x-a': '1' } },
      '/b': file(logo),
      '/c': file(logo, { type: 'image/x-other' }),
      '/d': { GET: { file: logo }, POST: () => new Response('posted') },
      '/e': file(logo).slice(1, 4),
      '/f/*': { file: join(dir, 'index.html') },
    },
  });
  for (const path of ['/a', '/b', '/c', '/d']) {
    const { status, body, headers } = await get(server, path);
    t.is(status, 200);
    t.deepEqual(body, PNG);
    t.is(headers['content-type'], path === '/c' ? 'image/x-other' : 'image/png');
    t.regex(headers.etag, /^"/);
    t.is((await get(server, path, { range: 'bytes=1-3' })).text, 'PNG');
  }
  t.is((await get(server, '/a')).headers['x-a'], '1');
  t.is((await get(server, '/d', {}, 'POST')).text, 'posted');
  t.is((await get(server, '/e')).text, 'PNG');
  t.is((await get(server, '/f/any/path')).text, '<h1>home</h1>');
});

test('new Response(file()): type, conditions and ranges, at once and late', async (t) => {
  const path = join(site(t), 'app.js');
  const server = await start(t, {
    routes: {
      '/now': () => new OurResponse(file(path)),
      '/late': async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return new Response(file(path), { headers: { 'x-a': '1' } });
      },
      '/node': () => new GenuineResponse(file(path)),
    },
  });
  for (const place of ['/now', '/late']) {
    const { status, text, headers } = await get(server, place);
    t.deepEqual([status, text], [200, SCRIPT], place);
    t.regex(headers['content-type'], /javascript/);
    t.is(headers['content-length'], String(SCRIPT.length));
    t.is(headers['x-a'], place === '/late' ? '1' : undefined);
    t.is((await get(server, place, { 'if-none-match': headers.etag })).status, 304);
    const part = await get(server, place, { range: 'bytes=7-11' });
    t.deepEqual([part.status, part.text], [206, 'const']);
    const head = await get(server, place, {}, 'HEAD');
    t.deepEqual([head.status, head.text], [200, '']);
    t.is(head.headers['content-length'], String(SCRIPT.length));
  }
  const node = await get(server, '/node', { range: 'bytes=7-11' });
  t.deepEqual([node.status, node.text], [200, SCRIPT]);
  t.regex(node.headers['content-type'], /javascript/);
});

test('new Response(file()) as the handler wants it: status, type, a part, its own entity tag', async (t) => {
  const path = join(site(t), 'app.js');
  const server = await start(t, {
    fetch: ({ url }) => {
      const { pathname } = new URL(url);
      const answers = {
        '/status': () => new OurResponse(file(path), { status: 201 }),
        '/type': () => new OurResponse(file(path), { headers: { 'content-type': 'a/b' } }),
        '/part': () => new OurResponse(file(path).slice(7, 12, 'text/x-part')),
        '/etag': () => new OurResponse(file(path), { headers: { etag: '"mine"' } }),
        '/206': () =>
          new OurResponse(file(path).slice(0, 6), {
            status: 206,
            headers: { 'content-range': `bytes 0-5/${SCRIPT.length}` },
          }),
      };
      return answers[pathname]();
    },
  });
  t.like(await get(server, '/status', { range: 'bytes=0-1' }), { status: 201, text: SCRIPT });
  t.is((await get(server, '/type')).headers['content-type'], 'a/b');
  const part = await get(server, '/part', { range: 'bytes=0-1' });
  t.deepEqual([part.status, part.text], [200, 'const']);
  t.is(part.headers['content-type'], 'text/x-part');
  t.is((await get(server, '/etag')).headers.etag, '"mine"');
  t.is((await get(server, '/etag', { 'if-none-match': '"mine"' })).status, 304);
  t.like(await get(server, '/206', { range: 'bytes=0-5' }), { status: 206, text: 'export' });
});

test('new Response(file()) for what is not there is a 500', async (t) => {
  const dir = site(t);
  const server = await start(t, {
    fetch: ({ url }) => new OurResponse(file(join(dir, new URL(url).pathname))),
  });
  for (const path of ['/none', '/docs']) {
    t.is((await get(server, path)).status, 500, path);
  }
  t.is((await get(server, '/about.html')).text, 'about', 'and the server goes on');
});

test('server.fetch, pipelined requests and a large file', async (t) => {
  const large = Buffer.alloc(3_000_000, 'large ');
  const dir = folderOf(t, { 'large.bin': large, 'small.txt': 'small' });
  const server = await start(t, {
    routes: { '/*': { dir }, '/handler': () => new OurResponse(file(join(dir, 'large.bin'))) },
  });
  for (const path of ['/large.bin', '/handler']) {
    const answer = await server.fetch(`${server.url.origin}${path}`);
    t.true(large.equals(Buffer.from(await answer.arrayBuffer())));
    t.true(large.equals((await get(server, path)).body));
  }
  const wire = await open(t, server);
  const ask = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  wire.send(ask('/small.txt') + ask('/large.bin') + ask('/small.txt', 'Connection: close\r\n'));
  const all = await wire.closes();
  t.is(all.split('HTTP/1.1 200 OK\r\n').length, 4);
  t.true(all.endsWith('small'));
});

test('on JavaScript threads: folders, file() as a route and as a body', async (t) => {
  const dir = site(t);
  const source = `
    import { file, Response } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
    const dir = ${JSON.stringify(dir)};
    export default {
      routes: { '/m/*': { dir }, '/logo': file(dir + '/logo.png') },
      fetch: () => new Response(file(dir + '/app.js')),
    };`;
  const server = await start(t, {
    module: moduleOf(t, source),
    jsThreads: 2,
    routes: { '/s/*': { dir: new URL(`file://${dir}/`) }, '/about': file(join(dir, 'about.html')) },
  });
  t.is((await get(server, '/m/')).text, '<h1>home</h1>');
  t.is((await get(server, '/s/')).text, '<h1>home</h1>');
  t.deepEqual((await get(server, '/logo')).body, PNG);
  t.is((await get(server, '/about')).text, 'about');
  t.is((await get(server, '/x')).text, SCRIPT);
  t.is((await get(server, '/x', { range: 'bytes=7-11' })).text, 'const');
});

test('folders go on while JavaScript is blocked, and change with reload', async (t) => {
  const [one, two] = [folderOf(t, { 'a.txt': 'one' }), folderOf(t, { 'a.txt': 'two' })];
  const server = await start(t, { routes: { '/*': { dir: one } } });
  t.is((await get(server, '/a.txt')).text, 'one');
  server.reload({ routes: { '/*': { dir: two } } });
  t.is((await get(server, '/a.txt')).text, 'two');
  t.throws(() => server.reload({ routes: { '/*': { dir: join(one, 'none') } } }), {
    code: 'ERR_REACTOR_INVALID_ROUTE',
  });
  t.is((await get(server, '/a.txt')).text, 'two');
});

testWith('curl', test)(
  'curl: a download, compressed, resumed, and only if it is newer',
  async (t) => {
    const dir = site(t);
    const server = await start(t, { routes: { '/*': { dir } } });
    const to = join(temporary(t), 'app.js');
    const url = `${server.url}app.js`;
    const curl = async (...args) => (await exec('curl', ['-sS', ...args])).stdout;
    await curl('--compressed', '-o', to, url);
    t.is(readFileSync(to, 'utf8'), SCRIPT);
    writeFileSync(to, SCRIPT.slice(0, 1000));
    await curl('-C', '-', '-o', to, url);
    t.is(readFileSync(to, 'utf8'), SCRIPT);
    t.is(await curl('-o', to, '-w', '%{http_code}', '-z', to, url), '304');
    t.regex(await curl('-I', url), /^HTTP\/1\.1 200 OK\r\n/);
    t.is(
      await curl(
        '--path-as-is',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        `${server.url}../../etc/passwd`,
      ),
      '404',
    );
  },
);
