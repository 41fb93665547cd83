// One target has one reading: what a guard before a route refuses, be it a proxy's rule or
// middleware that looks at the URL, the route does not serve, however the target is written.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { until } from '../support/command.mjs';
import { testWith } from '../support/programs.mjs';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

/** Ways to write `/admin`, and what looks like one; `\x..` stands for a byte. */
const TARGETS = [
  ...['/admin', '/admin?x', '/admin?/../x', '/admin/', '/admin/x', '//admin', '///admin'],
  ...['/./admin', '/x/../admin', '/x/%2e%2e/admin', '/x/.%2e/admin', '/x/%2E./admin'],
  ...['/%2e/admin', '/../admin', '/../../admin', '/x/../../admin', '/x//../admin'],
  ...['/x//../../admin', '/x/..//admin', '/x/y/../../admin', '/x/./../admin', '/./././admin'],
  ...['/admin/.', '/admin/..', '/admin/../admin', '/admin/./', '/x/..;/admin', '/x/..;a=b/admin'],
  ...[
    '/adm%69n',
    '/%61dmin',
    '/%61%64%6d%69%6e',
    '/%61%64%6D%69%6E',
    '/adm%2569n',
    '/adm%25%36%39n',
  ],
  ...['/%2Fadmin', '/%2fadmin', '/x%2f..%2fadmin', '/x/..%2fadmin', '/x/%2e%2e%2fadmin'],
  ...['/%5Cadmin', '/x/..%5cadmin', '/x%5c..%5cadmin', '/x\\..\\admin', '/x/..\\admin'],
  ...['/x/.%2e\\admin', '/\\admin', '\\admin', '/admin\\', '/admin\\..', '/x\\../admin'],
  ...['/admin;x=1', '/admin;', '/;x/admin', '/;/admin', '/admin%3bx', '/admin,x', '/admin:x'],
  ...['/admin%00', '/admin%00.html', '/%00/admin', '/ad%00min', '/admin\x00', '/admin%0a'],
  ...['/admin%0d%0a', '/admin%09', '/ad%09min', '/admin\t', '/admin%20', '/%20admin', '/admin%7f'],
  ...['/admin.', '/admin..', '/admin...', '/.../admin', '/x/..%20/admin', '/x/..%00/admin'],
  ...[
    '/ADMIN',
    '/Admin',
    '/admin#',
    '/admin#x',
    '/x#/../admin',
    '/admin%23',
    '/admin%3f',
    '/admin%3fx',
  ],
  ...[
    '/%c0%afadmin',
    '/x/%c0%ae%c0%ae/admin',
    '/x/..%c0%afadmin',
    '/adm%c1%a9n',
    '/x/\xc0\xae\xc0\xae/admin',
  ],
  ...['/%ef%bd%81dmin', '/%u0061dmin', '/adm%c4%b1n', '/adm\xc4\xb1n', '/\xefadmin'],
  ...['/admin%', '/admin%2', '/admin%zz', '/%2%65/admin', '/%%32%65/admin', '/x/%2e%2/admin'],
  ...['http://HOST/admin', 'HTTP://HOST/admin', 'http://HOST/x/../admin', 'http://HOST//admin'],
  ...['http://HOST/adm%69n', 'http://HOST\\admin', 'http://HOST/x/..\\admin', 'http://other/admin'],
  ...[
    'http:///admin',
    'http:/admin',
    'https://HOST/admin',
    'http://u@HOST/admin',
    'http://HOST?/admin',
  ],
  ...[
    '/http://HOST/admin',
    '//HOST/admin',
    '/@admin',
    'admin',
    '../admin',
    '*',
    '/x/../ADMIN/../admin',
  ],
];

/** The answer to GET of just these bytes. */
async function ask(t, port, target, host = '127.0.0.1') {
  const client = await open(t, { port, hostname: '127.0.0.1' });
  const written = target.replaceAll('HOST', `${host}:${port}`);
  client.send(`GET ${written} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`);
  const text = await client.closes();
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    text,
    body: text.split('\r\n\r\n')[1],
  };
}

const SECRET = 'the secret of /admin';

/** Middleware as people write it: first the guard, then the route. */
const guarded = (isGuarded, handle) => (request, info) =>
  isGuarded(new URL(request.url).pathname)
    ? new Response('denied', { status: 403 })
    : handle(request, info);

const GUARDS = {
  'that compares': (path) => path === '/admin',
  'that looks at the beginning': (path) => path.startsWith('/admin'),
  'that looks at the first segment': (path) => path.split('/')[1] === 'admin',
};

for (const [name, isGuarded] of Object.entries(GUARDS)) {
  test(`a route is not served past middleware ${name}`, async (t) => {
    const secret = guarded(isGuarded, () => new Response(SECRET));
    const server = await start(t, {
      routes: { '/admin': secret },
      fetch: () => new Response('other'),
    });
    const denied = [];
    for (const target of TARGETS) {
      const { status, text } = await ask(t, server.port, target);
      t.false(text.includes(SECRET), target);
      t.true([200, 400, 403, 404, 421].includes(status), `${target}: ${status}`);
      if (status === 403) {
        denied.push(target);
      }
    }
    t.true(denied.length > 10, 'the guard was asked');
  });
}

test('what a route matches is what request.url shows', async (t) => {
  const shown = (request) => new Response(new URL(request.url).pathname);
  const patterns = [
    '/admin',
    '/u/me',
    '/a b',
    '/café',
    '/x%2Fy',
    '/100%25',
    '/{a}',
    '/a|b',
    '/"q"',
    '/~',
  ];
  const routes = Object.fromEntries(patterns.map((pattern) => [pattern, shown]));
  const server = await start(t, { routes, fetch: () => new Response('other') });
  for (const pattern of patterns) {
    const { pathname } = new URL(pattern, 'http://localhost');
    t.is((await ask(t, server.port, pathname)).body, pathname, pattern);
    const response = await fetch(new URL(pattern, server.url));
    t.is(await response.text(), pathname, `${pattern}, from a client that encodes`);
  }
  for (const target of [
    '/%61dmin',
    '/u/%6de',
    '/a+b',
    '/caf%c3%a9',
    '/x%2fy',
    '/x/y',
    '/100%',
    '/%7ba%7d',
  ]) {
    t.is((await ask(t, server.port, target)).body, 'other', target);
  }
});

test('a pattern that no request can have is refused with what to write', async (t) => {
  for (const [pattern, reason] of [
    ['/a/../b', /without it/],
    ['/%2e%2e/b', /without it/],
    ['/a\\b', /no '\\'/],
    ['/a%2', /hexadecimal/],
    ['/a*', /write '\\\*'/],
  ]) {
    await t.throwsAsync(start(t, { routes: { [pattern]: 'x' } }), {
      code: 'ERR_REACTOR_INVALID_ROUTE',
      message: reason,
    });
  }
  const server = await start(t, { routes: { '/\\:id': 'colon', '/\\*': 'star' } });
  t.is((await ask(t, server.port, '/:id')).body, 'colon');
  t.is((await ask(t, server.port, '/*')).body, 'star');
  t.is((await ask(t, server.port, '/other')).status, 404);
});

test('a parameter may be called __proto__', async (t) => {
  const server = await start(t, {
    routes: {
      '/p/:__proto__/:constructor': ({ params }) =>
        Response.json([Object.entries(params), Object.getPrototypeOf(params) === Object.prototype]),
    },
  });
  const { body } = await ask(t, server.port, '/p/a%20b/c');
  t.deepEqual(JSON.parse(body), [
    [
      ['__proto__', 'a b'],
      ['constructor', 'c'],
    ],
    true,
  ]);
});

/** A port that is free, for a program that cannot choose one. */
function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** nginx before the server, with a rule for /admin as its manual has it. */
async function startNginx(t, upstream, rules) {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-nginx-'));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 128; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    ${rules}
    location / { proxy_pass http://127.0.0.1:${upstream}; proxy_set_header Host $http_host; }
  }
}
`,
  );
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: 'ignore',
  });
  t.teardown(async () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  await until(async () => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/alive`)).status === 200;
    } catch {
      t.is(child.exitCode, null, 'nginx has started');
      return false;
    }
  });
  return port;
}

const RULES = {
  'a prefix': 'location /admin { return 403; }',
  'an exact path': 'location = /admin { return 403; }',
  'an expression': 'location ~ ^/admin { return 403; }',
};

for (const [name, rules] of Object.entries(RULES)) {
  testWith('nginx', test)(`a route is not served past nginx with a rule for ${name}`, async (t) => {
    const server = await start(t, { routes: { '/admin': SECRET, '/alive': 'yes' } });
    t.is((await ask(t, server.port, '/admin')).body, SECRET, 'without nginx it is served');
    const port = await startNginx(t, server.port, rules);
    let denied = 0;
    for (const target of TARGETS) {
      const { status, text } = await ask(t, port, target);
      t.false(text.includes(SECRET), `${target}: ${status}`);
      denied += status === 403 ? 1 : 0;
    }
    t.true(denied > 10, 'the rule was asked');
  });
}
