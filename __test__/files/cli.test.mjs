// `reactor-rs serve ./public`: a folder as the argument, and the flags for it.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ava from 'ava';
import { request } from 'undici';
import { BIN, launch, run, serve, until } from '../support/command.mjs';

const test = ava.serial;
const LOCAL = ['-H', '127.0.0.1', '-p', '0'];

const root = mkdtempSync(join(tmpdir(), 'reactor-site-'));
const site = join(root, 'public');
mkdirSync(join(site, 'docs'), { recursive: true });
mkdirSync(join(site, 'empty'));
for (const [name, text] of [
  ['index.html', 'home'],
  ['app.html', 'app'],
  ['about.html', 'about'],
  ['docs/index.html', 'docs'],
  ['app-BxK3s9aQ.js', 'let a;'],
  ['.env', 'secret'],
  ['big.txt', 'text '.repeat(1000)],
]) {
  writeFileSync(join(site, name), text);
}
writeFileSync(join(root, 'app.mjs'), 'export default () => new Response("module");');
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** Status, body and header fields of an answer. */
async function get(server, path, headers = {}) {
  const { origin } = new URL(server.url);
  const answer = await request(origin, { path, headers });
  const { statusCode: status } = answer;
  return { status, body: await answer.body.text(), field: (name) => answer.headers[name] ?? null };
}

const navigation = { 'sec-fetch-mode': 'navigate', accept: 'text/html' };

test('a folder is served, and the first line says which and where', async (t) => {
  const child = launch([BIN, 'serve', './public', ...LOCAL, '-i', '2', '-w', '3'], { cwd: root });
  t.teardown(() => child.process.kill('SIGKILL'));
  await until(() => child.stderr().includes('\n'), 'the banner');
  const [, folder, url] =
    /^reactor-rs serving (\S+) on (http:\/\/127\.0\.0\.1:\d+\/) \(2 I\/O threads, 3 workers, pid \d+\)\n$/.exec(
      child.stderr(),
    );
  t.is(folder, site);
  const server = { url };
  t.like(await get(server, '/'), { status: 200, body: 'home' });
  t.like(await get(server, '/docs/'), { status: 200, body: 'docs' });
  t.is((await get(server, '/docs')).field('location'), '/docs/');
  t.is((await get(server, '/none')).status, 404);
  t.is((await get(server, '/.env')).status, 404);
  t.is((await get(server, '/empty/')).status, 404);
  t.is((await get(server, '/about')).status, 404);
  const script = await get(server, '/app-BxK3s9aQ.js');
  t.is(script.field('cache-control'), 'no-cache');
  t.is(script.field('access-control-allow-origin'), null);
});

test('--json tells the folder; a URL of a file, and "." are folders too', async (t) => {
  for (const argument of ['.', pathToFileURL(site).href, `${site}/`]) {
    const server = await serve(t, [argument, ...LOCAL], { cwd: site });
    t.is(server.folder, site);
    t.like(await get(server, '/'), { body: 'home' });
    server.kill('SIGKILL');
  }
});

test('flags mean options of the folder', async (t) => {
  const flags = [
    ...['--spa', '--listing', '--clean-urls', '--cors', '--cache-control', 'max-age=60'],
    ...['--immutable', '--dotfiles', '--no-compress'],
  ];
  const server = await serve(t, [site, ...flags, ...LOCAL]);
  t.like(await get(server, '/users/7', navigation), { status: 200, body: 'home' });
  t.is((await get(server, '/none.js')).status, 404);
  const listing = await get(server, '/empty/');
  t.is(listing.status, 200);
  t.regex(listing.field('content-type'), /^text\/html/);
  t.like(await get(server, '/about'), { status: 200, body: 'about' });
  t.is((await get(server, '/about.html')).field('location'), '/about');
  const about = await get(server, '/about');
  t.is(about.field('cache-control'), 'max-age=60');
  t.is(about.field('access-control-allow-origin'), '*');
  const script = await get(server, '/app-BxK3s9aQ.js');
  t.is(script.field('cache-control'), 'public, max-age=31536000, immutable');
  t.like(await get(server, '/.env'), { status: 200, body: 'secret' });
  const big = await get(server, '/big.txt', { 'accept-encoding': 'gzip' });
  t.is(big.field('content-encoding'), null);
});

test('flags with values, before the folder too, and variables', async (t) => {
  const origin = 'https://example.com';
  const first = await serve(t, ['--spa', 'app.html', `--cors=${origin}`, site, ...LOCAL]);
  t.like(await get(first, '/x', navigation), { status: 200, body: 'app' });
  t.is((await get(first, '/')).field('access-control-allow-origin'), origin);
  const second = await serve(t, ['--spa', site, ...LOCAL], { env: { REACTOR_CORS: origin } });
  t.is(second.folder, site);
  t.like(await get(second, '/x', navigation), { status: 200, body: 'home' });
  t.is((await get(second, '/')).field('access-control-allow-origin'), origin);
  const env = {
    ...{ REACTOR_SPA: 'app.html', REACTOR_CLEAN_URLS: '1', REACTOR_LISTING: 'false' },
    ...{ REACTOR_NO_COMPRESS: '1', REACTOR_CACHE_CONTROL: 'false' },
  };
  const third = await serve(t, ['--spa', site, ...LOCAL], { env });
  t.like(await get(third, '/x', navigation), { body: 'home' }, 'a flag wins');
  const about = await get(third, '/about');
  t.deepEqual([about.body, about.field('cache-control')], ['about', null]);
  t.is((await get(third, '/empty/')).status, 404);
});

test('a module is served as before; variables for a folder do not matter to it', async (t) => {
  const env = { REACTOR_SPA: 'true', REACTOR_CORS: 'nonsense' };
  const server = await serve(t, [join(root, 'app.mjs'), ...LOCAL], { env });
  t.is(server.folder, undefined);
  t.like(await get(server, '/'), { body: 'module' });
});

test('a folder with a package.json is served, with a warning', async (t) => {
  const program = mkdtempSync(join(root, 'program-'));
  writeFileSync(join(program, 'package.json'), '{"main":"./app.mjs"}');
  writeFileSync(join(program, 'index.html'), 'site');
  const child = launch([BIN, 'serve', program, ...LOCAL]);
  t.teardown(() => child.process.kill('SIGKILL'));
  await until(() => /package\.json: its sources/.test(child.stderr()), 'the warning');
  const [, url] = /on (http:\S+)/.exec(child.stderr());
  t.like(await get({ url }, '/'), { body: 'site' });
});

test('a folder without an index is told, unless its files are listed', async (t) => {
  const folder = mkdtempSync(join(root, 'bare-'));
  writeFileSync(join(folder, 'a.txt'), 'a');
  for (const [flags, lines, env] of [
    [[], 2],
    [['--listing'], 1],
    [[], 1, { REACTOR_LISTING: 'true' }],
  ]) {
    const child = launch([BIN, 'serve', folder, ...flags, ...LOCAL], { env });
    t.teardown(() => child.process.kill('SIGKILL'));
    await until(() => child.stderr().split('\n').length > lines, 'the banner');
    t.is(/it has no index\.html, so \/ is a 404; --listing/.test(child.stderr()), lines === 2);
  }
});

const MISTAKES = [
  [['./none'], 'cannot serve "./none": there is no such file'],
  [['--spa'], '--spa needs a folder to serve, such as reactor-rs serve ./public --spa'],
  [
    ['app.mjs', '--listing'],
    '--listing needs a folder to serve, such as reactor-rs serve ./public --listing, and "app.mjs" is not one',
  ],
  [
    ['app.mjs', '--no-compress'],
    '--no-compress needs a folder to serve, such as reactor-rs serve ./public --no-compress, and "app.mjs" is not one',
  ],
  [['public', '--js-threads', '2'], '--js-threads needs a module, whose handlers the threads run'],
  [['public', '--spa', 'none.html'], `--spa must be a file in ${site}, got "none.html"`],
  [
    ['public', '--cors=example.com'],
    '--cors must be true, false or an origin such as "https://example.com", got "example.com"',
  ],
  [
    ['public', '--cache-control', 'a\nb'],
    '--cache-control must be text such as "public, max-age=3600", or false, got "a\\nb"',
  ],
  [['public', '--cache-control'], "option '--cache-control <value>' argument missing"],
  [['public', 'docs'], "too many arguments for 'serve'. Expected 1 argument but got 2."],
];

for (const [args, message] of MISTAKES) {
  test(`"reactor-rs serve ${args.join(' ')}" is one line and exit code 2`, async (t) => {
    t.deepEqual(await run(['serve', ...args], { cwd: root }), {
      code: 2,
      signal: null,
      stdout: '',
      stderr: `reactor-rs: ${message}\n`,
    });
  });
}

test('a page in place of its folder is told', async (t) => {
  t.deepEqual(await run(['serve', 'public/index.html'], { cwd: root }), {
    code: 1,
    signal: null,
    stdout: '',
    stderr:
      'reactor-rs: cannot serve "public/index.html": it is no module of JavaScript or TypeScript; to serve files name their folder\n',
  });
});

test('a variable that is wrong is named', async (t) => {
  for (const [env, message] of [
    [{ REACTOR_LISTING: 'yes' }, 'REACTOR_LISTING must be true or false, got "yes"'],
    [{ REACTOR_SPA: 'none.html' }, `REACTOR_SPA must be a file in ${site}, got "none.html"`],
  ]) {
    const { code, stderr } = await run(['serve', site, ...LOCAL], { env });
    t.deepEqual([code, stderr], [2, `reactor-rs: ${message}\n`]);
  }
});

test('--help has the flags for folders', async (t) => {
  const { stdout } = await run(['serve', '--help']);
  t.regex(stdout, /Usage: reactor-rs serve \[options\] \[folder or module\]/);
  t.regex(stdout, /Files of a folder:.*--spa \[file\].*REACTOR_SPA.*--no-compress/s);
  t.regex(stdout, /reactor-rs serve \.\/public /);
});
