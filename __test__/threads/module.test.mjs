// `reactor-rs serve app.mjs`: modules as a user writes them.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { fetch } from 'undici';
import { run, serve, until } from '../support/command.mjs';
import { moduleOf } from '../support/folder.mjs';

const test = ava.serial;
const LOCAL = ['-H', '127.0.0.1', '-p', '0', '-i', '1', '-w', '1', '--quiet'];

const MODULES = {
  'a function': `export default (request) => new Response('at ' + new URL(request.url).pathname);`,
  'an object with fetch': `export default { fetch: (request) => new Response('at ' + new URL(request.url).pathname) };`,
  'an application': `
    class App {
      #prefix = 'at ';
      routes = [];
      fetch(request) {
        return new Response(this.#prefix + new URL(request.url).pathname);
      }
    }
    export default new App();`,
  'options with routes': `
    export default {
      routes: { '/:name': (request) => new Response('at /' + request.params.name) },
      limits: { body: 5 },
    };`,
  'a function that waits': `
    import { setTimeout } from 'node:timers/promises';
    const prefix = await setTimeout(1, 'at ');
    export default async (request) => {
      await setTimeout(1);
      return new Response(prefix + new URL(request.url).pathname);
    };`,
};

for (const [name, source] of Object.entries(MODULES)) {
  test(`serves a module that exports ${name}`, async (t) => {
    const server = await serve(t, [moduleOf(t, source), ...LOCAL]);
    const response = await fetch(`${server.url}some`);
    t.is(await response.text(), 'at /some');
    server.kill('SIGTERM');
    t.deepEqual(await server.closed, { code: 0, signal: null });
  });
}

const FRAMEWORKS = {
  hono: `
    const app = new framework.Hono();
    app.get('/:name', (c) => c.text('at /' + c.req.param('name')));
    export default app;`,
  h3: `
    const app = new framework.H3();
    app.get('/:name', (event) => 'at /' + event.context.params.name);
    export default app;`,
  'itty-router': `
    const router = framework.AutoRouter();
    router.get('/:name', ({ name }) => new Response('at /' + name));
    export default router;`,
  elysia: `
    export default new framework.Elysia().get('/:name', ({ params }) => 'at /' + params.name);`,
};

for (const [name, source] of Object.entries(FRAMEWORKS)) {
  test(`serves a module that exports an application of ${name}`, async (t) => {
    const from = JSON.stringify(import.meta.resolve(name));
    const file = moduleOf(t, `import * as framework from ${from};${source}`);
    const server = await serve(t, [file, ...LOCAL]);
    t.is(await (await fetch(`${server.url}some`)).text(), 'at /some');
    t.is((await fetch(`${server.url}no/such`)).status, 404);
    server.kill('SIGTERM');
    t.deepEqual(await server.closed, { code: 0, signal: null });
  });
}

test('serves CommonJS', async (t) => {
  const source = `module.exports = { fetch: () => new Response('common') };`;
  const server = await serve(t, [moduleOf(t, source, 'app.cjs'), ...LOCAL]);
  t.is(await (await fetch(server.url)).text(), 'common');
});

test('the global Response is the quick one already while the module loads', async (t) => {
  const quick = `
    const atLoad = Response;
    export default () => new Response(String(atLoad === Response && new atLoad() instanceof Response));`;
  const server = await serve(t, [moduleOf(t, quick), ...LOCAL]);
  t.is(await (await fetch(server.url)).text(), 'true');
});

test('with globals: false the global Response is Node’s', async (t) => {
  const source = `
    import { inspect } from 'node:util';
    const isNative = () => Reflect.ownKeys(new Response()).length > 0 || !String(Response).includes('Reactor');
    export default { globals: false, fetch: () => new Response(String(isNative())) };`;
  const server = await serve(t, [moduleOf(t, source), ...LOCAL]);
  t.is(await (await fetch(server.url)).text(), 'true');
});

test('a flag wins over the module, and the module over the default', async (t) => {
  const source = `export default { port: 1, ioThreads: 2, fetch: () => new Response('x') };`;
  const file = moduleOf(t, source);
  const server = await serve(t, [file, '-H', '127.0.0.1', '-p', '0', '-w', '1', '--quiet']);
  t.is((await fetch(server.url)).status, 200);
  t.is(server.ioThreads, 2);
});

test('an address flag replaces the module’s other kind of address', async (t) => {
  const source = `export default { unix: '/nowhere/socket', fetch: () => new Response('x') };`;
  const server = await serve(t, [moduleOf(t, source), ...LOCAL]);
  t.is((await fetch(server.url)).status, 200);
});

for (const name of ['app.ts', 'app.mts', 'app.cts']) {
  test(`TypeScript, where Node takes it: ${name}`, async (t) => {
    const answer = 'fetch: (request: Request): Response => new Response(greeting.text)';
    const source = `
      interface Greeting { text: string }
      const greeting: Greeting = { text: 'typed' };
      ${name.endsWith('.cts') ? `module.exports = { ${answer} };` : `export default { ${answer} };`}`;
    const file = moduleOf(t, source, name);
    if (process.features.typescript) {
      const server = await serve(t, [file, ...LOCAL]);
      t.is(await (await fetch(server.url)).text(), 'typed');
    } else {
      const { code, stdout, stderr } = await run(['serve', file, ...LOCAL]);
      t.is(code, 1);
      t.is(stdout, '');
      t.is(
        stderr,
        `reactor-rs: cannot serve "${file}": Node ${process.versions.node} does not run TypeScript; use Node 22.18 or newer, or compile it to JavaScript\n`,
      );
    }
  });
}

const MISTAKES = {
  'exports nothing': ['', /its default export must be a handler, an application/],
  'exports its handler by name': [
    'export const a = 1; export const handler = () => new Response();',
    /; it exports "handler" by name: write "export default handler"/,
  ],
  'exports a promise': [
    'export default Promise.resolve({ fetch() {} });',
    /; it is a promise: write "export default await …"/,
  ],
  'exports a class': [
    'export default class App { fetch() {} }',
    /is a class: give .* new App\(\)/,
    2,
  ],
  'exports a number': ['export default 5;', /its default export must be a handler/],
  'exports an instance without fetch': ['export default new Map();', /its default export must be/],
  'exports an unknown option': [
    'export default { fetsh: () => {} };',
    /unknown option "fetsh"; did you mean "fetch"\?/,
    2,
  ],
  'exports a bad option': [
    'export default { fetch: 5 };',
    /option "fetch" must be a function, got 5/,
    2,
  ],
  throws: [
    `throw new Error('at load');`,
    /cannot serve ".*app\.mjs": Error: at load\n +at .*app\.mjs:1/,
  ],
  'does not parse': [
    'const a = 1;\nexport default {',
    /cannot serve ".*app\.mjs": file:.*app\.mjs:2\nexport default \{\n[\s\S]*SyntaxError: /,
  ],
};

for (const [name, [source, message, wanted = 1]] of Object.entries(MISTAKES)) {
  test(`a module that ${name} is refused`, async (t) => {
    const { code, stdout, stderr } = await run(['serve', moduleOf(t, source), ...LOCAL]);
    t.is(code, wanted);
    t.is(stdout, '');
    t.regex(stderr, message);
  });
}

const COMPILED = {
  'of TypeScript': `Object.defineProperty(exports, '__esModule', { value: true });
    exports.default = { fetch: () => new Response('compiled') };`,
  'wrapped twice': `exports.__esModule = true; exports.default = { __esModule: true, default: () => new Response('compiled') };`,
  'without a mark': `module.exports = { default: () => new Response('compiled') };`,
};

for (const [name, source] of Object.entries(COMPILED)) {
  test(`exports.default ${name} is the default export`, async (t) => {
    const file = moduleOf(t, source, 'app.cjs');
    for (const threads of [[], ['--js-threads', '1']]) {
      const server = await serve(t, [file, ...LOCAL, ...threads]);
      t.is(await (await fetch(server.url)).text(), 'compiled');
      server.kill('SIGTERM');
      await server.closed;
    }
  });
}

for (const threads of [[], ['--js-threads', '1']]) {
  const how = threads.length === 0 ? '' : ' on a thread';
  test(`a top-level await that never settles is told${how}`, async (t) => {
    const file = moduleOf(t, 'await new Promise(() => {});\nexport default () => {};');
    const { code, stderr } = await run(['serve', file, ...LOCAL, ...threads]);
    t.is(code, 1);
    t.regex(stderr, /cannot serve ".*app\.mjs": a top-level await .* never settles\n$/);
  });

  test(`a syntax error in an imported file is shown with its place${how}`, async (t) => {
    const file = moduleOf(
      t,
      "import './dep.mjs';\nglobalThis.ran = console.log('ran');\nexport default 1;",
    );
    writeFileSync(join(file, '../dep.mjs'), "import './app.mjs';\n\nconst a = ((;\n");
    const { code, stdout, stderr } = await run(['serve', file, ...LOCAL, ...threads]);
    t.is(code, 1);
    t.is(stdout, '');
    t.regex(
      stderr,
      /cannot serve ".*app\.mjs": file:.*dep\.mjs:3\nconst a = \(\(;\n +\^\n\nSyntaxError/,
    );
  });

  test(`an import that fails names the importing file${how}`, async (t) => {
    const file = moduleOf(t, "import './dep.mjs';");
    writeFileSync(join(file, '../dep.mjs'), "import 'no-such-package';");
    const { stderr } = await run(['serve', file, ...LOCAL, ...threads]);
    t.regex(stderr, /Cannot find package 'no-such-package' imported from .*dep\.mjs/);
  });
}

test('an Express application is refused with what to write', async (t) => {
  const file = moduleOf(
    t,
    'export default Object.assign(() => {}, { handle() {}, set() {}, use() {} });',
  );
  const { code, stderr } = await run(['serve', file, ...LOCAL]);
  t.is(code, 2);
  t.regex(stderr, /the default export of ".*app\.mjs" is an Express application.*reactor-rs\/node/);
});

const HOLDS_OPEN = `
  setInterval(() => {}, 60_000);
  process.on('exit', (code) => console.log('exit handler: ' + code));
  const fetch = () => {
    console.log('asked');
    return new Promise(() => {});
  };
  export default { timeouts: { drain: 60_000 }, fetch };`;

test('a module that holds something open does not keep the process after a stop', async (t) => {
  const server = await serve(t, [moduleOf(t, HOLDS_OPEN), ...LOCAL]);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
  t.regex(server.stdout(), /\nexit handler: 0\n$/);
});

test('nor after a forced stop, while a handler is at work', async (t) => {
  const flags = LOCAL.filter((flag) => flag !== '--quiet');
  const server = await serve(t, [moduleOf(t, HOLDS_OPEN), ...flags]);
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1', () => {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  }).on('error', () => {});
  t.teardown(() => socket.destroy());
  await until(() => server.stdout().includes('asked'), 'the request to be at its handler');
  server.kill('SIGTERM');
  await until(() => server.stderr().includes('SIGTERM'), 'the drain to begin');
  // A user does not press Ctrl-C twice within 250 ms.
  await sleep(300);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 143, signal: null });
  t.regex(server.stdout(), /\nexit handler: 143\n$/);
  t.regex(server.stderr(), /\nserved [^\n]*\n$/);
});

test('nor where the server cannot start', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const flags = ['-H', '127.0.0.1', '-p', `${taken.address().port}`];
  const { code, stderr } = await run(['serve', moduleOf(t, HOLDS_OPEN), ...flags]);
  t.is(code, 1);
  t.regex(stderr, /^reactor-rs: cannot listen on [^\n]*\n$/);
});

test('a mistake in the flags is told before the module runs', async (t) => {
  const file = moduleOf(t, `console.log('ran');`);
  const { code, stdout } = await run(['serve', file, '-i', '99']);
  t.is(code, 2);
  t.is(stdout, '');
});
