// `reactor-rs serve --watch`: changes take effect without dropping connections.

import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import ava from 'ava';
import { fetch } from 'undici';
import WebSocket from 'ws';
import { run, serve, until } from '../support/command.mjs';
import { project, watched, watching, write } from '../support/watch.mjs';

/** One after the other: each test is a process with threads that load modules. */
const test = ava.serial;

const text = async (url, path = '') => (await fetch(`${url}${path}`)).text();
const says = (what) => `export default () => new Response(${JSON.stringify(what)});\n`;
const named = (folder, ...names) => names.map((name) => join(realpathSync(folder), name));

test('a saved file takes effect, in the module and in what it imports in any way', async (t) => {
  const folder = project(t, {
    'app.mjs': `
      import { createRequire } from 'node:module';
      import a from './lib/a.mjs';
      const b = createRequire(import.meta.url)('./lib/b.cjs');
      const { default: c } = await import('./lib/c.mjs');
      export default () => new Response([a, b, c].join());
    `,
    'lib/a.mjs': "export { default } from './deep.mjs';",
    'lib/deep.mjs': "export default 'a1';",
    'lib/b.cjs': "module.exports = require('./data.json').b;",
    'lib/data.json': '{"b":"b1"}',
    'lib/c.mjs': "export default 'c1';",
    'lib/unused.mjs': '',
  });
  const server = await watched(t, folder);
  t.is(await text(server.url), 'a1,b1,c1');
  for (const [file, source, expected] of [
    ['lib/deep.mjs', "export default 'a2';", 'a2,b1,c1'],
    ['lib/data.json', '{"b":"b2"}', 'a2,b2,c1'],
    ['lib/c.mjs', "export default 'c2';", 'a2,b2,c2'],
    ['lib/b.cjs', "module.exports = 'b3';", 'a2,b3,c2'],
  ]) {
    write(folder, { [file]: source, 'lib/unused.mjs': file });
    const { files, ms } = await server.next('reloaded');
    t.deepEqual(files, named(folder, file));
    t.true(ms > 0);
    t.is(await text(server.url), expected);
  }
});

test('a module that a handler imports when it is asked counts from then on', async (t) => {
  const folder = project(t, {
    'app.mjs': "export default async () => new Response((await import('./late.mjs')).default);",
    'late.mjs': "export default 'one';",
  });
  const server = await watched(t, folder);
  t.is(await text(server.url), 'one');
  write(folder, { 'late.mjs': "export default 'two';" });
  await server.next('reloaded');
  t.is(await text(server.url), 'two');
});

test('however an editor saves', async (t) => {
  const folder = project(t, { 'app.mjs': says('0') });
  const server = await watched(t, folder);
  const file = join(folder, 'app.mjs');
  const ways = {
    'in place': (source) => writeFileSync(file, source),
    'over it': (source) => {
      writeFileSync(join(folder, '.app.mjs.swp'), source);
      writeFileSync(`${file}~`, source);
      renameSync(`${file}~`, file);
    },
    'deleted and made again': (source) => {
      unlinkSync(file);
      writeFileSync(file, source);
    },
    'moved away and made again': (source) => {
      renameSync(file, `${file}.bak`);
      writeFileSync(file, source);
    },
    'in pieces': (source) => {
      writeFileSync(file, '');
      for (const character of source) {
        appendFileSync(file, character);
      }
    },
  };
  for (const [name, save] of Object.entries(ways)) {
    save(says(name));
    t.deepEqual((await server.next('reloaded')).files, named(folder, 'app.mjs'), name);
    t.is(await text(server.url), name);
  }
});

test('a symbolic link that is led elsewhere', async (t) => {
  const folder = project(t, {
    'releases/1/app.mjs': says('one'),
    'releases/2/app.mjs': says('two'),
  });
  symlinkSync('releases/1', join(folder, 'current'));
  const server = await watched(t, folder, ['current/app.mjs']);
  t.is(await text(server.url), 'one');
  symlinkSync('releases/2', join(folder, 'new'));
  renameSync(join(folder, 'new'), join(folder, 'current'));
  await server.next('reloaded');
  t.is(await text(server.url), 'two');
  write(folder, { 'releases/2/app.mjs': says('three') });
  await server.next('reloaded');
  t.is(await text(server.url), 'three');
});

test('a folder that is replaced as a whole, twice', async (t) => {
  const folder = project(t, {
    'app.mjs': "export { default } from './lib/a.mjs';",
    'lib/a.mjs': says('one'),
  });
  const server = await watched(t, folder);
  for (const what of ['two', 'three']) {
    rmSync(join(folder, 'lib'), { recursive: true });
    write(folder, { 'lib/a.mjs': says(what) });
    await server.next('reloaded');
    t.is(await text(server.url), what);
  }
});

test('five hundred files at once are one reload', async (t) => {
  const many = (what) =>
    Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`lib/m${n}.mjs`, `export const m${n} = '${what}';`]),
    );
  const imports = Array.from({ length: 500 }, (_, n) => `import { m${n} } from './lib/m${n}.mjs';`);
  const folder = project(t, {
    'app.mjs': `${imports.join('\n')}\nexport default () => new Response(m0 + m499);`,
    ...many('a'),
  });
  const server = await watched(t, folder);
  t.is(await text(server.url), 'aa');
  write(folder, many('b'));
  await until(async () => (await text(server.url)) === 'bb', 'the last state');
  // A busy machine may let the writes pause, but not for each file.
  const { files } = await server.next('reloaded');
  t.true(files.length > 100 || server.all().length < 5, `${files.length} ${server.all().length}`);
});

test('a save while a module loads gives that up: the last state wins', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  const server = await watched(t, folder);
  // It says when it is being loaded, and never ends.
  write(folder, { 'app.mjs': "console.error('loading'); for (;;);" });
  await until(() => server.stderr().includes('loading'), 'the load');
  t.is(await text(server.url), 'one');
  write(folder, { 'app.mjs': says('two') });
  t.deepEqual((await server.next('reloaded')).files, named(folder, 'app.mjs'));
  t.is(await text(server.url), 'two');
});

test('a save while a module loads for the first time gives that up, too', async (t) => {
  const folder = project(t, { 'app.mjs': "console.error('loading'); for (;;);" });
  const server = watching(t, folder);
  await until(() => server.stderr().includes('loading'), 'the load');
  write(folder, { 'app.mjs': says('one') });
  const { url } = await server.next('listening');
  t.is(await text(url), 'one');
});

test('files of packages do not count, those of linked ones do', async (t) => {
  const folder = project(t, {
    'app/package.json': '{"type":"module"}',
    'app/app.mjs': `
      import installed from 'installed';
      import linked from 'linked';
      export default () => new Response(installed + linked);
    `,
    'app/node_modules/installed/index.js': "module.exports = 'i1';",
    'packages/linked/package.json': '{"type":"module","exports":"./main.js"}',
    'packages/linked/main.js': "export default 'l1';",
  });
  symlinkSync('../../packages/linked', join(folder, 'app/node_modules/linked'));
  const server = await watched(t, folder, ['app/app.mjs']);
  t.is(await text(server.url), 'i1l1');
  write(folder, { 'app/node_modules/installed/index.js': "module.exports = 'i2';" });
  write(folder, { 'packages/linked/main.js': "export default 'l2';" });
  t.deepEqual((await server.next('reloaded')).files, named(folder, 'packages/linked/main.js'));
  t.is(await text(server.url), 'i2l2');
});

test('a module with names of options as other servers have them', async (t) => {
  const folder = project(t, {
    'app.mjs': `export default {
      static: { '/a': new Response('a') },
      handler: () => { throw new Error('no'); },
      onError: (error) => new Response(error.message),
    };`,
  });
  const { url } = await watched(t, folder);
  t.is(await text(url, 'a'), 'a');
  t.is(await text(url, 'b'), 'no');
  t.is((await fetch(`${url}.reactor/watch.js`)).status, 200);
});

test('connections stay, and requests under way end on the old threads', async (t) => {
  const folder = project(t, {
    'app.mjs': `
      const channel = new BroadcastChannel('release');
      const released = new Promise((resolve) => { channel.onmessage = resolve; channel.unref(); });
      export default async (request) => {
        if (request.url.endsWith('/release')) {
          new BroadcastChannel('release').postMessage('');
          return new Response('released');
        }
        if (request.url.endsWith('/held')) await released;
        return new Response('one');
      };
    `,
  });
  const server = await watched(t, folder);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const ask = () =>
    new Promise((resolve, reject) => {
      const request = http.get(server.url, { agent }, async (answer) => {
        const { localPort } = answer.socket;
        let body = '';
        for await (const piece of answer) {
          body += piece;
        }
        resolve({ body, localPort });
      });
      request.on('error', reject);
    });
  const first = await ask();
  const held = text(server.url, 'held');
  // It has arrived once a later request is answered.
  await until(async () => (await text(server.url)) === 'one', 'an answer');
  write(folder, {
    'app.mjs': `
      export default (request) => {
        if (request.url.endsWith('/release')) new BroadcastChannel('release').postMessage('');
        return new Response('two');
      };
    `,
  });
  await server.next('reloaded');
  const second = await ask();
  t.is(second.body, 'two');
  t.is(second.localPort, first.localPort, 'the connection is the same');
  t.is(await text(server.url, 'release'), 'two');
  t.is(await held, 'one');
});

test('WebSockets go on with the new module, if it has reopen', async (t) => {
  const source = (what) => `
    export default {
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('no')),
      websocket: {
        open() {},
        message: (socket, message) => socket.send('${what} ' + message),
        reopen(socket) { socket.send('${what} goes on'); },
      },
    };
  `;
  const folder = project(t, { 'app.mjs': source('one') });
  const server = await watched(t, folder);
  const socket = new WebSocket(server.url.replace('http', 'ws'));
  t.teardown(() => socket.terminate());
  const messages = [];
  socket.on('message', (data) => messages.push(String(data)));
  await once(socket, 'open');
  socket.send('a');
  await until(() => messages.length === 1, 'an echo');
  write(folder, { 'app.mjs': source('two') });
  await server.next('reloaded');
  await until(() => messages.length === 2, 'the handover');
  socket.send('b');
  await until(() => messages.length === 3, 'an echo');
  t.deepEqual(messages, ['one a', 'two goes on', 'two b']);
});

test('all threads are replaced', async (t) => {
  const source = (what) => `
    import { threadId } from 'node:worker_threads';
    export default { jsThreads: 3, fetch: () => new Response('${what} ' + threadId) };
  `;
  const folder = project(t, { 'app.mjs': source('one') });
  const server = watching(t, folder);
  const { url, jsThreads } = await server.next('listening');
  t.is(jsThreads, 3);
  write(folder, { 'app.mjs': source('two') });
  await server.next('reloaded');
  for (let n = 0; n < 20; n++) {
    t.regex(await text(url), /^two/);
  }
});

test('quick saves, more than generations are kept, while requests are under way', async (t) => {
  const source = (what) => `
    export default (request) =>
      request.url.endsWith('/forever') ? new Promise(() => {}) : new Response('${what}');
  `;
  const folder = project(t, { 'app.mjs': source('0') });
  const server = await watched(t, folder);
  for (let n = 1; n <= 12; n++) {
    const socket = connect(server.port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    socket.write('GET /forever HTTP/1.1\r\nHost: a\r\n\r\n');
    t.is(await text(server.url), String(n - 1));
    write(folder, { 'app.mjs': source(n) });
    await server.next('reloaded');
    t.is(await text(server.url), String(n));
  }
});

test('--watch-path: files and folders that count too', async (t) => {
  const folder = project(t, {
    'app.mjs': `
      import { readFileSync, readdirSync } from 'node:fs';
      const now = readFileSync('.env', 'utf8') + readdirSync('views/deep').join();
      export default () => new Response(now);
    `,
    '.env': 'A=1 ',
    'views/deep/a.txt': '',
  });
  const args = ['app.mjs', '--watch-path', '.env', '--watch-path', 'views'];
  const server = await watched(t, folder, args);
  t.is(await text(server.url), 'A=1 a.txt');
  write(folder, { '.env': 'A=2 ' });
  t.deepEqual((await server.next('reloaded')).files, named(folder, '.env'));
  t.is(await text(server.url), 'A=2 a.txt');
  write(folder, { 'views/deep/.b.txt.swp': '', 'views/deep/b.txt': '' });
  await server.next('reloaded');
  rmSync(join(folder, 'views/deep/.b.txt.swp'));
  t.true((await text(server.url)).includes('a.txt,b.txt'));
  mkdirSync(join(folder, 'views/new'));
  await server.next('reloaded');
  write(folder, { 'views/new/c.txt': '' });
  const { files } = await server.next('reloaded');
  t.deepEqual(files, named(folder, 'views/new/c.txt'));
});

test('other options start the server anew', async (t) => {
  const source = (what, keepAlive) =>
    `export default { timeouts: { keepAlive: ${keepAlive} }, fetch: () => new Response('${what}') };`;
  const folder = project(t, { 'app.mjs': source('one', 4000) });
  const server = await watched(t, folder);
  t.is(await text(server.url), 'one');
  for (const [what, keepAlive] of [
    ['two', 5000],
    ['three', 6000],
  ]) {
    write(folder, { 'app.mjs': source(what, keepAlive) });
    await server.next('restarting');
    // In either order.
    const events = [await server.any(), await server.any()];
    t.deepEqual(events.map(({ event }) => event).sort(), ['listening', 'reloaded']);
    const { url } = events.find(({ event }) => event === 'listening');
    t.is(url, server.url, 'a free port that was chosen is kept');
    t.is(await text(url), what);
  }
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('a signal stops it as without --watch', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  const server = await watched(t, folder);
  write(folder, { 'app.mjs': says('two') });
  await server.next('reloaded');
  server.kill('SIGINT');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('options that only the main thread could use are named', async (t) => {
  const folder = project(t, {
    'app.mjs': "export default { onListen() {}, fetch: () => new Response('one') };",
  });
  const server = watching(t, folder);
  t.deepEqual((await server.next('ignored')).options, ['onListen']);
  const { url } = await server.next('listening');
  t.is(await text(url), 'one');
});

test('wrong flags are one line and exit code 2', async (t) => {
  const folder = project(t, { 'app.mjs': says('one'), 'public/a.txt': 'a' });
  for (const [args, message] of [
    [['--watch'], '--watch needs a module, which is loaded anew when its files change'],
    [
      ['--watch', 'public'],
      '--watch needs a module, and "public" is a folder: its files are always served as they are',
    ],
    [['--watch', 'nope.mjs'], 'cannot serve "nope.mjs": there is no such file'],
    [['app.mjs', '--watch-path', 'public'], '--watch-path needs --watch'],
    [
      ['app.mjs', '--watch', '--watch-path', 'nope'],
      '--watch-path: there is no file or folder "nope"',
    ],
    [
      ['app.mjs', '--watch', '-p', '70000'],
      '-p/--port must be an integer from 0 to 65535, got "70000"',
    ],
  ]) {
    const { code, stderr } = await run(['serve', ...args], { cwd: folder });
    t.deepEqual([code, stderr], [2, `reactor-rs: ${message}\n`]);
  }
});

test('without --watch none of its code is loaded, and none of its paths is there', async (t) => {
  const folder = project(t, {
    'app.mjs': `
      export default {
        routes: { '/a': () => new Response('<p>a</p>', { headers: { 'content-type': 'text/html' } }) },
      };
    `,
  });
  const loads = join(folder, 'loads.txt');
  const preload = join(folder, 'preload.mjs');
  writeFileSync(
    preload,
    `import nodeModule from 'node:module';
     import { pathToFileURL } from 'node:url';
     nodeModule.register(pathToFileURL(${JSON.stringify(join(folder, 'hooks.mjs'))}));`,
  );
  write(folder, {
    'hooks.mjs': `
      import { appendFileSync } from 'node:fs';
      export async function load(url, context, next) {
        appendFileSync(${JSON.stringify(loads)}, url + '\\n');
        return next(url, context);
      }`,
  });
  const server = await serve(t, ['app.mjs', '-H', '127.0.0.1', '-p', '0', '--js-threads', '1'], {
    cwd: folder,
    env: { NODE_OPTIONS: `--import=${preload}` },
  });
  const headers = {
    accept: 'text/html',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
  };
  const page = await fetch(`${server.url}a`, { headers });
  t.is(await page.text(), '<p>a</p>');
  for (const path of ['.reactor/watch', '.reactor/watch.js']) {
    t.is((await fetch(`${server.url}${path}`)).status, 404);
  }
  const seen = readFileSync(loads, 'utf8');
  t.regex(seen, /dist\/thread\.js/);
  t.notRegex(seen, /dist\/watch\/|dist\/cli\/watch\.js/);
});
