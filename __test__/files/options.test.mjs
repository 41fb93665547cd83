// Routes of files: what they take, and what they say of what they do not.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { file, serve } from 'reactor-rs';
import { readRoutes } from '../../dist/options/read-routes.js';
import { resolveRoutes } from '../../dist/options/routes.js';
import { temporary } from '../support/folder.mjs';

/** A folder with an index, a page and a folder of fonts. */
function site(t) {
  const dir = temporary(t);
  mkdirSync(join(dir, 'fonts'));
  for (const name of ['index.html', 'app.html', '404.html', 'fonts/a.woff2', 'logo.png']) {
    writeFileSync(join(dir, name), name);
  }
  return dir;
}

/** The routes for the engine, with fields as text. */
async function resolved(routes, hasFetch = false) {
  const { routes: all } = resolveRoutes(await readRoutes(routes), hasFetch, 1);
  return all.map(({ pattern, method, handler, files }) => ({
    pattern,
    method,
    ...(handler === undefined ? {} : { handler }),
    ...(files && {
      files: {
        ...files,
        fields: files.fields.map(({ glob, fields }) => [
          glob,
          ...fields.map(({ name, value }) => `${name}: ${value}`),
        ]),
      },
    }),
  }));
}

const DEFAULTS = {
  single: false,
  index: ['index.html'],
  notFound: '404.html',
  cleanUrls: false,
  slashRedirect: true,
  dotfiles: false,
  listing: false,
  cacheControl: 'no-cache',
  siblings: true,
  compress: true,
  fields: [],
};

test('a folder has the defaults that are told', async (t) => {
  const dir = site(t);
  const expected = [{ pattern: '/*', method: undefined, files: { path: dir, ...DEFAULTS } }];
  t.deepEqual(await resolved({ '/*': { dir } }), expected);
  t.deepEqual(await resolved({ '*': { dir: pathToFileURL(dir) } }), expected);
  t.deepEqual(await resolved({ '/*': { dir: pathToFileURL(dir).href } }), expected);
  t.deepEqual(await resolved({ '/*': { dir: `${dir}/fonts/..`, index: undefined } }), expected);
});

test('every option reaches the engine', async (t) => {
  const dir = site(t);
  const [{ files }] = await resolved({
    '/a/*': {
      dir,
      index: ['app.html', 'index.html'],
      spa: true,
      notFound: './fonts/a.woff2',
      cleanUrls: true,
      slashRedirect: false,
      dotfiles: true,
      listing: true,
      immutable: true,
      cacheControl: 'public, max-age=60',
      cors: true,
      precompressed: false,
      compress: false,
      headers: {
        'x-a': ['1', '2'],
        '*.pdf': { 'x-b': '3' },
        '/fonts/**': { 'x-c': '4' },
        'fonts/*.woff2': { 'x-d': '5' },
        '**': { 'x-e': '6' },
      },
    },
  });
  t.deepEqual(files, {
    path: dir,
    single: false,
    index: ['app.html', 'index.html'],
    spa: 'app.html',
    notFound: 'fonts/a.woff2',
    cleanUrls: true,
    slashRedirect: false,
    dotfiles: true,
    listing: true,
    immutable: 'public, max-age=31536000, immutable',
    cacheControl: 'public, max-age=60',
    cors: '*',
    siblings: false,
    compress: false,
    fields: [
      ['**/*', 'x-a: 1', 'x-a: 2'],
      ['**/*.pdf', 'x-b: 3'],
      ['fonts/**/*', 'x-c: 4'],
      ['fonts/*.woff2', 'x-d: 5'],
      ['**/*', 'x-e: 6'],
    ],
  });
});

test('options that are off are left out', async (t) => {
  const dir = site(t);
  const off = { index: false, spa: false, notFound: false, cacheControl: false, cors: false };
  const [{ files }] = await resolved({ '/*': { dir, ...off } });
  t.deepEqual(files.index, []);
  for (const name of ['spa', 'notFound', 'cacheControl', 'cors', 'immutable']) {
    t.false(name in files, name);
  }
  const origin = 'https://example.com';
  t.like((await resolved({ '/*': { dir, spa: 'app.html', cors: origin } }))[0].files, {
    spa: 'app.html',
    cors: origin,
  });
});

test('one file: { file }, and file(), also with a type', async (t) => {
  const path = join(site(t), 'logo.png');
  const ours = { path, single: true, fields: [] };
  const routes = {
    '/a': { file: path },
    '/b': file(path),
    '/c': file(path, { type: 'a/b' }),
    '/d': { GET: file(path), POST: () => {} },
    '/*': { file: path, headers: { 'x-a': '1' } },
    '/part': file(path).slice(0, 4),
  };
  const all = await resolved(routes);
  t.like(all[0], { pattern: '/a', method: undefined, files: ours });
  t.like(all[1], { pattern: '/b', method: undefined, files: ours });
  t.deepEqual(all[2].files.fields, [['**/*', 'content-type: a/b']]);
  t.like(all[3], { method: 'GET', files: ours });
  t.like(all[4], { method: 'POST', handler: 1 });
  t.deepEqual(all[5].files.fields, [['**/*', 'x-a: 1']]);
  t.deepEqual(all[6], { pattern: '/part', method: 'GET' });
});

test('with fetch, methods that files do not answer go there', async (t) => {
  const dir = site(t);
  const all = await resolved({ '/a/*': { dir } }, true);
  t.deepEqual(
    all.map(({ pattern, method, handler }) => [pattern, method, handler]),
    [
      ['/a/*', 'GET', undefined],
      ['/a/*', undefined, 0],
      ['/a', 'GET', undefined],
      ['/a', undefined, 0],
      ['/*', undefined, 0],
    ],
  );
});

test('what is wrong is named, with what to write', async (t) => {
  const dir = site(t);
  const png = join(dir, 'logo.png');
  const folder = (more) => ({ '/*': { dir, ...more } });
  const cases = [
    [{ '/assets': { dir } }, /^route "\/assets" must be "\/assets\/\*" to serve a folder/],
    [{ '/': { dir } }, /^route "\/" must be "\/\*" to serve a folder/],
    [{ '/a/:id': { dir } }, /must be "\/a\/:id\/\*"/],
    [
      { '/*': { dir: './not-there' } },
      /^route "\/\*" cannot serve the folder "\.\/not-there", which is .*\/not-there: there is no such folder; make it, or correct "dir"; .* new URL\("\.\/not-there", import\.meta\.url\) to the module$/,
    ],
    [{ '/a': { file: 'none.png' } }, /"none\.png".* no such file;.*URL\("\.\/none\.png"/],
    [{ '/a': file(join(dir, 'none')) }, /cannot serve the file ".*none": there is no such file/],
    [{ '/*': { dir: png } }, /has a wrong "dir": it must be a folder; for a file write \{ file/],
    [{ '/a': { file: dir } }, /has a wrong "file": it must be a file; for a folder write \{ dir/],
    [{ '/a': { file: '/dev/null' } }, /has a wrong "file": it must be a regular file/],
    [{ '/*': { dir: 5 } }, /has a wrong "dir": it must be a path or a file: URL, got 5/],
    [{ '/*': { dir: undefined } }, /got undefined$/],
    [{ '/*': { dir: 'https://x/y' } }, /must be a path or a file: URL, got "https:/],
    [{ '/*': { dir, file: png } }, /has both "dir" and "file"/],
    [{ '/*': { POST: { dir } } }, /^route "\/\*" POST cannot serve files: they are for GET/],
    [folder({ GET: { dir } }), /unknown option "GET": methods go around it/],
    [folder({ maxAge: 5 }), /^route "\/\*" has the unknown option "maxAge": give "cacheControl"/],
    [folder({ siblings: true }), /it is called "precompressed" here/],
    [folder({ dotfile: true }), /unknown option "dotfile"; did you mean "dotfiles"\?/],
    [folder({ xyzzyplugh: 1 }), /; the options are dir, index, spa, /],
    [{ '/a': { file: png, spa: true } }, /unknown option "spa"; the options are file, /],
    [{ '/*': { root: dir } }, /serves a folder by \{ dir: "\.\/public" \}/],
    [{ '/*': { folder: dir } }, /serves a folder by/],
    ...['listing', 'dotfiles', 'cleanUrls', 'slashRedirect', 'immutable', 'compress'].map(
      (name) => [
        folder({ [name]: 'yes' }),
        `route "/*" has a wrong "${name}": it must be true or false, got "yes"`,
      ],
    ),
    [folder({ precompressed: 1 }), /wrong "precompressed"/],
    ...[5, '', 'a/b', '..', [''], null].map((index) => [folder({ index }), /wrong "index"/]),
    ...['../a', '/', 'a/../b', 5, '', 'a\0'].map((spa) => [
      folder({ spa }),
      /wrong "spa": it must be the name of a file in the folder/,
    ]),
    [folder({ spa: 'none.html' }), /wrong "spa": it must be a file in \/.*, got "none\.html"/],
    [folder({ spa: 'fonts' }), /wrong "spa": it must be a file in/],
    [folder({ notFound: 'none.html' }), /wrong "notFound": it must be a file in/],
    ...[5, '', 'a\nb', true].map((cacheControl) => [
      folder({ cacheControl }),
      /wrong "cacheControl": it must be text such as "public, max-age=3600", or false/,
    ]),
    ...[5, '', 'example.com', 'https://a/', 'https://a/b', 'null'].map((cors) => [
      folder({ cors }),
      /wrong "cors": it must be true, false or an origin/,
    ]),
    [folder({ headers: [] }), /wrong "headers": it must be a plain object/],
    [folder({ headers: { 'a b': 'x' } }), /header name that is not a token/],
    [folder({ headers: { 'x-a': 5 } }), /bad value for header x-a/],
    [folder({ headers: { '*.js': { 'x-a': 'a\nb' } } }), /"\*\.js" has a bad value/],
    [folder({ headers: { '../*': { 'x-a': 'b' } } }), /a pattern that no file can match/],
    [folder({ headers: { 'content-length': '5' } }), /only the server may set/],
    [
      folder({ headers: { '*': { ETag: '"a"' } } }),
      /a header that follows from the file, got "ETag"/,
    ],
  ];
  for (const [routes, message] of cases) {
    await t.throwsAsync(serve({ port: 0, routes }), { code: 'ERR_REACTOR_INVALID_ROUTE', message });
  }
});

test('what may not be read is told', async (t) => {
  const dir = site(t);
  chmodSync(dir, 0);
  t.teardown(() => chmodSync(dir, 0o700));
  if (process.getuid?.() === 0) {
    t.pass('root may read everything');
    return;
  }
  await t.throwsAsync(serve({ port: 0, routes: { '/*': { dir } } }), {
    message: /cannot serve the folder .*: this process may not read it/,
  });
});

test('folders in the wrong place are told where they belong', async (t) => {
  const fails = (options, message) => t.throwsAsync(serve({ port: 0, ...options }), { message });
  await fails({ static: './public' }, /"static" must be .*routes: \{ "\/\*": \{ dir/);
  await fails({ publicDir: './public' }, /a folder is a route, such as routes: \{ "\/\*": \{ dir/);
  await fails({ dir: './public' }, /unknown option "dir": a folder is a route/);
});
