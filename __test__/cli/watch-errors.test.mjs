// `reactor-rs serve --watch`: what a module with an error does, in the terminal and in the browser.

import { once } from 'node:events';
import { rmSync } from 'node:fs';
import http from 'node:http';
import nodeModule from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import ava from 'ava';
import { fetch } from 'undici';
import { BIN, launch, until } from '../support/command.mjs';
import { project, watched, watching, write } from '../support/watch.mjs';

/** One after the other: each test is a process with threads that load modules. */
const test = ava.serial;

const says = (what) => `export default () => new Response(${JSON.stringify(what)});\n`;
const text = async (url, path = '') => (await fetch(`${url}${path}`)).text();

/** Unlike `fetch`, which says in headers of its own that it opens no document. */
async function ask(url, { method = 'GET', headers = {} } = {}) {
  const request = http.request(url, { method, headers, agent: false });
  request.end();
  const [answer] = await once(request, 'response');
  let body = '';
  for await (const piece of answer.setEncoding('utf8')) {
    body += piece;
  }
  return { status: answer.statusCode, headers: answer.headers, body };
}

/** What a browser sends for a document, over TLS or to this machine; and elsewhere. */
const NAVIGATION = {
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
};
const { accept } = NAVIGATION;

/** Starts it without --json, and waits until it has said something on stderr. */
async function terminal(t, folder, args = []) {
  const child = launch(
    [BIN, 'serve', 'app.mjs', '--watch', '-H', '127.0.0.1', '-p', '0', ...args],
    {
      cwd: folder,
    },
  );
  t.teardown(() => child.process.kill('SIGKILL'));
  let seen = 0;
  const said = async (what) => {
    await until(() => what.test(child.stderr().slice(seen)), `${what}`).catch((error) => {
      throw new Error(`${error.message}; it said ${child.stderr()}`);
    });
    const news = child.stderr().slice(seen);
    seen += news.length;
    return news;
  };
  return { ...child, said };
}

test('while the module has an error, the version before it answers, but for documents', async (t) => {
  const folder = project(t, {
    'app.mjs': `
      import { what } from './lib.mjs';
      export default { routes: { '/static': 'static' }, fetch: () => new Response(what) };
    `,
    'lib.mjs': "export const what = 'one';",
  });
  const server = await watched(t, folder);
  write(folder, { 'lib.mjs': "export const what = 'two';\nconst = <b>;\n" });
  const { failure, hasOld } = await server.next('failed');
  t.true(hasOld);
  t.is(failure.headline, "SyntaxError: Unexpected token '='");
  t.deepEqual([failure.place.line, failure.place.column], [2, 7]);
  t.true(failure.place.file.endsWith('/lib.mjs'));
  const { url } = server;
  t.is(await text(url), 'one');
  t.is((await ask(url, { headers: { accept: 'application/json' } })).body, 'one');
  t.is((await ask(url, { method: 'POST', headers: NAVIGATION })).body, 'one');
  const script = { accept, 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };
  t.is((await ask(url, { headers: script })).body, 'one');
  for (const headers of [NAVIGATION, { accept }]) {
    const page = await ask(url, { headers });
    t.is(page.status, 500);
    t.is(page.headers['content-type'], 'text/html;charset=utf-8');
    t.is(page.headers['cache-control'], 'no-store');
    const html = page.body;
    t.true(html.includes("SyntaxError: Unexpected token '='"));
    t.true(html.includes('lib.mjs:2:7'));
    t.true(html.includes('</b>const = &lt;b&gt;;'), 'the source is escaped');
  }
  const head = await ask(url, { method: 'HEAD', headers: NAVIGATION });
  t.is(head.status, 500);
  write(folder, { 'lib.mjs': "export const what = 'three';" });
  await server.next('reloaded');
  t.is(await text(url), 'three');
  const page = await ask(url, { headers: NAVIGATION });
  t.deepEqual([page.status, page.body], [200, 'three']);
});

test('an error at the first start waits for its fix, and answers everything', async (t) => {
  const folder = project(t, { 'app.mjs': "throw new Error('no luck');" });
  const server = watching(t, folder);
  const { hasOld } = await server.next('failed');
  t.false(hasOld);
  const { url } = await server.next('listening');
  const plain = await fetch(`${url}some/where`, { method: 'POST', body: 'x' });
  t.is(plain.status, 500);
  t.is(plain.headers.get('content-type'), 'text/plain;charset=utf-8');
  const said = await plain.text();
  t.regex(said, /Error: no luck\n {2}at app\.mjs:1:7\n\n> 1 \| throw new Error\('no luck'\);\n/);
  const json = await fetch(url, { headers: { accept: 'application/json' } });
  t.is(json.status, 500);
  const { error } = await json.json();
  t.is(error.headline, 'Error: no luck');
  const html = await ask(url, { headers: NAVIGATION });
  t.is(html.status, 500);
  t.regex(html.body, /no luck/);
  write(folder, { 'app.mjs': says('one') });
  await server.next('reloaded');
  t.is(await text(url), 'one');
});

test('an error at the first start in a module with another address: the server starts anew', async (t) => {
  const folder = project(t, { 'app.mjs': 'const = 1;' });
  const server = watching(t, folder, ['app.mjs', '-H', '127.0.0.1'], {
    address: [],
    env: { PORT: '0' },
  });
  await server.next('failed');
  const { url } = await server.next('listening');
  t.regex(await text(url), /SyntaxError/);
  write(folder, {
    'app.mjs':
      "export default { timeouts: { keepAlive: 3000 }, fetch: () => new Response('one') };",
  });
  await server.next('restarting');
  const events = [await server.any(), await server.any()];
  const listening = events.find(({ event }) => event === 'listening');
  t.is(await text(listening.url), 'one');
});

test('nothing can listen until the module is there: it is told, and waits', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.on('listening', resolve));
  t.teardown(() => other.close());
  const { port } = other.address();
  const folder = project(t, { 'app.mjs': 'const = 1;' });
  const server = watching(t, folder, ['app.mjs'], {
    address: ['-H', '127.0.0.1'],
    env: { PORT: port },
  });
  await server.next('failed');
  t.regex(
    (await server.next('trouble')).message,
    /^nothing listens until a file changes: .*in use/,
  );
  other.close();
  write(folder, { 'app.mjs': says('one') });
  const { url } = await server.next('listening');
  t.is(await text(url), 'one');
});

test('a port in use ends it, as without --watch', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.on('listening', resolve));
  t.teardown(() => other.close());
  const folder = project(t, { 'app.mjs': says('one') });
  const address = ['-H', '127.0.0.1', '-p', String(other.address().port)];
  const server = watching(t, folder, ['app.mjs'], { address });
  t.deepEqual(await server.closed, { code: 1, signal: null });
  t.regex(server.stderr(), /^reactor-rs: .*in use/);
});

test('a module that chooses a port in use later does not end it', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.on('listening', resolve));
  t.teardown(() => other.close());
  const source = (port, what) =>
    `export default { hostname: '127.0.0.1', port: ${port}, fetch: () => new Response('${what}') };`;
  const folder = project(t, { 'app.mjs': source(0, 'one') });
  const server = await watched(t, folder, ['app.mjs'], { address: [] });
  t.is(await text(server.url), 'one');
  write(folder, { 'app.mjs': source(other.address().port, 'two') });
  await server.next('restarting');
  t.regex(
    (await server.next('trouble')).message,
    /^nothing listens until a file changes: .*in use/,
  );
  write(folder, { 'app.mjs': source(0, 'three') });
  const events = [await server.any(), await server.any()];
  const { url } = events.find(({ event }) => event === 'listening');
  t.is(await text(url), 'three');
});

test('what is wrong, and where: every kind of error', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  const server = await watched(t, folder);
  const cases = [
    [
      'a throw, with its cause and its calls',
      {
        'app.mjs': `
import { f } from './thrower.mjs';
export default f();
`,
        'thrower.mjs': `
export function f() {
  try {
    null.x;
  } catch (cause) {
    throw new TypeError('outer', { cause });
  }
}
`,
      },
      ({ headline, place, frames, cause, code }) => {
        t.is(headline, 'TypeError: outer');
        t.is(shown(place), 'thrower.mjs:6:11');
        t.deepEqual(frames, ['f (thrower.mjs:6:11)', 'app.mjs:3:16']);
        t.deepEqual(
          code.find(({ isHere }) => isHere),
          {
            number: 6,
            text: "    throw new TypeError('outer', { cause });",
            isHere: true,
          },
        );
        t.regex(cause.headline, /^TypeError: Cannot read properties of null/);
        t.is(shown(cause.place), 'thrower.mjs:4:10');
      },
    ],
    [
      'a file that is not there',
      { 'app.mjs': "\nimport a from './missing.mjs';\n" },
      ({ headline, place }) => {
        t.regex(headline, /^Error \[ERR_MODULE_NOT_FOUND\]: Cannot find module .*missing\.mjs/);
        t.is(shown(place), 'app.mjs:2:15');
      },
    ],
    [
      'a package that is not there',
      { 'app.mjs': "import a from 'no-such-package';" },
      ({ headline, place }) => {
        t.regex(headline, /Cannot find package 'no-such-package'/);
        t.is(shown(place), 'app.mjs:1:15');
      },
    ],
    [
      'an export that is not there',
      {
        'app.mjs': "import { nope } from './thrower.mjs';",
      },
      ({ headline, place }) => {
        t.regex(headline, /does not provide an export named 'nope'/);
        t.is(shown(place), 'app.mjs:1:10');
      },
    ],
    [
      'a syntax error in CommonJS',
      {
        'app.mjs': "import './bad.cjs';",
        'bad.cjs': 'const a = 1;\nconst = 2;\n',
      },
      ({ headline, place }) => {
        t.is(headline, "SyntaxError: Unexpected token '='");
        t.is(shown(place), 'bad.cjs:2:7');
      },
    ],
    [
      'JSON that is none',
      {
        'app.mjs':
          "import { createRequire } from 'node:module';\ncreateRequire(import.meta.url)('./bad.json');",
        'bad.json': '{',
      },
      ({ headline, place }) => {
        t.regex(headline, /^SyntaxError: .*bad\.json/);
        t.is(shown(place).split(':')[0], 'bad.json');
      },
    ],
    [
      'several errors in one',
      {
        'app.mjs': "throw new AggregateError([new Error('a'), new RangeError('b')], 'both');",
      },
      ({ headline, errors }) => {
        t.is(headline, 'AggregateError: both');
        t.deepEqual(
          errors.map((each) => each.headline),
          ['Error: a', 'RangeError: b'],
        );
      },
    ],
    [
      'no error',
      { 'app.mjs': "throw 'a string';" },
      ({ headline, place }) => {
        t.is(headline, 'thrown: "a string"');
        t.is(place, undefined);
      },
    ],
    [
      'no handler',
      { 'app.mjs': 'export const handler = () => {};' },
      ({ headline }) => {
        t.regex(headline, /its default export must be a handler.*export default handler/);
      },
    ],
    [
      'a wrong option',
      { 'app.mjs': 'export default { fetch() {}, nope: 1 };' },
      ({ headline }) => {
        t.regex(headline, /nope/);
      },
    ],
    [
      'an end of the thread',
      { 'app.mjs': 'process.exit(3);' },
      ({ headline }) => {
        t.regex(headline, /code 3/);
      },
    ],
    [
      'an await that never settles',
      { 'app.mjs': 'await new Promise(() => {});' },
      ({ headline }) => {
        t.regex(headline, /never settles/);
      },
    ],
    [
      'an error outside of the load',
      {
        'app.mjs':
          "setTimeout(() => { throw new Error('later'); });\nawait new Promise((r) => setTimeout(r, 1e6));",
      },
      ({ headline, place }) => {
        t.is(headline, 'Error: later');
        t.is(shown(place), 'app.mjs:1:26');
      },
    ],
  ];
  for (const [name, files, check] of cases) {
    write(folder, files);
    const event = await server.any(name);
    t.is(event.event, 'failed', name);
    check(event.failure);
    for (const each of allOf(event.failure)) {
      t.notRegex(
        each.frames.join('\n'),
        /node:|\/dist\//,
        `${name}: frames of Node or of this package`,
      );
    }
    t.is(await text(server.url), 'one', name);
  }
  write(folder, { 'app.mjs': says('two') });
  await server.next('reloaded');
  t.is(await text(server.url), 'two');
});

const shown = ({ file, line, column }) => `${file.split('/').pop()}:${line}:${column}`;
const allOf = (failure) => [
  failure,
  ...(failure.cause ? allOf(failure.cause) : []),
  ...failure.errors.flatMap(allOf),
];

test('what mends an import that leads nowhere: the file, its folder, a package', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  const server = await watched(t, folder);
  for (const [specifier, file] of [
    ['./new.mjs', 'new.mjs'],
    ['./deep/er/new.mjs', 'deep/er/new.mjs'],
    ['added', 'node_modules/added/index.js'],
  ]) {
    write(folder, { 'app.mjs': `export { default } from '${specifier}';` });
    await server.next('failed');
    t.regex(await text(server.url), /^(one|\.)/);
    write(folder, { [file]: says(specifier) });
    await until(() => server.all().at(-1).event === 'reloaded', 'the fix');
    // A folder that is made before its files may be seen, and is an error still.
    while ((await server.any()).event !== 'reloaded');
    t.is(await text(server.url), specifier);
  }
});

test('an import of something that is there, but is no module, is one error and no circle', async (t) => {
  const folder = project(t, {
    'app.mjs': says('one'),
    'lib/index.mjs': says('lib'),
    'node_modules/there/package.json': '{"exports":"./index.js"}',
    'node_modules/there/index.js': '',
    'node_modules/there/other.js': '',
  });
  const server = await watched(t, folder);
  for (const specifier of ['./lib', 'there/other.js']) {
    write(folder, { 'app.mjs': `export { default } from '${specifier}';` });
    await server.next('failed');
  }
  // What else there was to be told came before this.
  write(folder, { 'app.mjs': says('two') });
  await server.next('reloaded');
  t.is(await text(server.url), 'two');
});

test('a package.json that is made or changed counts', async (t) => {
  const folder = project(t, {
    'app.js': 'import "node:fs";\nexport default () => new Response(typeof require);',
  });
  write(folder, { 'package.json': '{"type":"commonjs"}' });
  const server = watching(t, folder, ['app.js']);
  await server.next('failed');
  const { url } = await server.next('listening');
  write(folder, { 'package.json': '{"type":"module"}' });
  await server.next('reloaded');
  t.is(await text(url), 'undefined');
  rmSync(join(folder, 'package.json'));
  await server.any();
  write(folder, { 'package.json': '{"type":"module"}' });
  await server.next('reloaded');
  t.is(await text(url), 'undefined');
});

test('a wrong option does not end the running server', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  const server = await watched(t, folder);
  write(folder, { 'app.mjs': "export default { backlog: 'many', fetch() {} };" });
  const { failure, hasOld } = await server.next('failed');
  t.true(hasOld);
  t.regex(failure.headline, /backlog.*"many"/);
  t.is(await text(server.url), 'one');
});

test('a file that is deleted is an error until it is back', async (t) => {
  const folder = project(t, {
    'app.mjs': "export { default } from './lib.mjs';",
    'lib.mjs': says('one'),
  });
  const server = await watched(t, folder);
  rmSync(join(folder, 'lib.mjs'));
  t.regex((await server.next('failed')).failure.headline, /Cannot find module .*lib\.mjs/);
  t.is(await text(server.url), 'one');
  write(folder, { 'lib.mjs': says('two') });
  await server.next('reloaded');
  t.is(await text(server.url), 'two');
});

test('the same module, deleted and back', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  const server = await watched(t, folder);
  rmSync(join(folder, 'app.mjs'));
  t.regex((await server.next('failed')).failure.headline, /there is no such file/);
  t.is(await text(server.url), 'one');
  write(folder, { 'app.mjs': says('two') });
  await server.next('reloaded');
  t.is(await text(server.url), 'two');
});

test('the terminal: one line for a reload, an error with its source, no colours in a pipe', async (t) => {
  const folder = project(t, { 'app.mjs': says('one'), 'lib.mjs': '' });
  const server = await terminal(t, folder);
  await server.said(/listening on .*\n/);
  write(folder, { 'app.mjs': `import './lib.mjs';\n${says('two')}` });
  t.regex(await server.said(/reloaded.*\n/), /^reloaded app\.mjs \(\d+ ms\)\n$/);
  write(folder, { 'lib.mjs': "\tthrow new Error('a\\u001b[31m\\nb');" });
  const said = await server.said(/\n\n\n?$/);
  t.is(
    said,
    `reactor-rs: app.mjs has an error; the version before it goes on answering
  Error: a\ufffd[31m
  b
    at lib.mjs:1:8

  > 1 | \tthrow new Error('a\\u001b[31m\\nb');
      | \t      ^

`,
  );
  t.is(server.stdout(), '');
});

test('a handler that throws shows its error in the browser and in the terminal', async (t) => {
  const folder = project(t, {
    'app.mjs': "export default () => {\n  throw new Error('in a handler');\n};",
  });
  const server = await watched(t, folder);
  const plain = await fetch(server.url);
  t.deepEqual([plain.status, await plain.text()], [500, 'Internal Server Error']);
  const page = await ask(server.url, { headers: NAVIGATION });
  t.is(page.status, 500);
  t.regex(page.body, /Error: in a handler<.*app\.mjs:2:9/s);
  for (const _ of ['plain', 'page']) {
    const { request, failure } = await server.next('handler-failed');
    t.regex(request, /^GET "http:.*"$/);
    t.is(failure.headline, 'Error: in a handler');
    t.deepEqual([failure.place.line, failure.place.column], [2, 9]);
    t.is(failure.frames.length, 1, 'the frames of this package are left out');
  }
});

test('an error handler of the module is asked as ever', async (t) => {
  const folder = project(t, {
    'app.mjs': `export default {
      fetch() { throw new Error('in a handler'); },
      error: (error) => new Response('own: ' + error.message, { status: 418 }),
    };`,
  });
  const { url } = await watched(t, folder);
  const { status, body } = await ask(url, { headers: NAVIGATION });
  t.is(status, 418);
  t.regex(body, /^own: in a handler/);
});

test('streams without an end do not keep the command after Ctrl-C', async (t) => {
  const folder = project(t, {
    'app.mjs': `export default () => new Response(new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array(1)),
    }));`,
  });
  const server = await watched(t, folder, ['app.mjs', '--drain-timeout', '600000']);
  const request = http.get(server.url, { agent: false });
  request.on('error', () => {});
  const [answer] = await once(request, 'response');
  answer.on('error', () => {});
  server.kill('SIGINT');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('a thread that dies is told without the inside of Node, and is replaced', async (t) => {
  const folder = project(t, {
    'app.mjs': `
      export default (request) => {
        if (request.url.endsWith('/die')) setTimeout(() => { throw new Error('dead'); });
        return new Response('alive');
      };
    `,
  });
  const server = await watched(t, folder);
  t.is(await text(server.url, 'die'), 'alive');
  const { failure } = await server.next('died');
  t.is(failure.headline, 'Error: dead');
  t.is(failure.place.line, 3);
  await until(async () => (await text(server.url).catch(() => '')) === 'alive', 'another thread');
});

const stripsTypes = 'stripTypeScriptTypes' in nodeModule && process.features.typescript;
const typeScript = stripsTypes ? test : test.skip;
if (!stripsTypes) {
  console.log(`skipped: Node ${process.versions.node} does not run TypeScript`);
}

typeScript('TypeScript, by the types that Node strips', async (t) => {
  const folder = project(t, {
    'app.ts': `
      import { what } from './lib.ts';
      export default (request: Request): Response => new Response(what);
    `,
    'lib.ts': "export const what: string = 'one';",
  });
  const server = await watched(t, folder, ['app.ts']);
  t.is(await text(server.url), 'one');
  write(folder, { 'lib.ts': "export const what: string = 'two';" });
  await server.next('reloaded');
  t.is(await text(server.url), 'two');
  for (const [source, headline, place] of [
    ['const a: number = 1;\nconst = 2;', /^SyntaxError/, 'lib.ts:2:7'],
    ['const a: number = 1;\n  enum A { B }', /enum is not supported/, 'lib.ts:2:3'],
    [
      "export const what: string = '';\nthrow new Error('no') as Error;",
      /^Error: no$/,
      'lib.ts:2:7',
    ],
  ]) {
    write(folder, { 'lib.ts': source });
    const { failure } = await server.next('failed');
    t.regex(failure.headline, headline);
    t.is(shown(failure.place), place);
  }
  write(folder, { 'lib.ts': "export const what: string = 'three';" });
  await server.next('reloaded');
  t.is(await text(server.url), 'three');
});
