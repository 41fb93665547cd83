// Deploys by SIGUSR2, a supervisor, and SIGHUP, as a user sees them. The trial
// scripts/trials/ops/generations.mjs does the same under load.

import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import WebSocket from 'ws';
import { run, serve, until } from '../support/command.mjs';

const LOCAL = ['-H', '127.0.0.1', '-p', '0', '-i', '1', '--quiet'];

/** A folder with a module whose answers tell its version. */
function program(t, version, more = '') {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-generations-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'app.mjs');
  const write = (text, also = '') =>
    writeFileSync(
      file,
      `${also}
export default {
  websocket: { message: (socket, message) => void socket.send(message) },
  routes: {
    '/events': () => new Response(new ReadableStream({
      start: (controller) => controller.enqueue('data: 1\\n\\n'),
    }), { headers: { 'content-type': 'text/event-stream' } }),
    '/ws': (request, info) => void info.upgrade(request),
  },
  fetch: () => new Response(JSON.stringify(['${text}', process.pid, process.env.REACTOR_GENERATION])),
};\n`,
    );
  write(version, more);
  return { folder, file, write };
}

/** The processes that have served, as their lines on stdout tell. */
const told = (server) =>
  server
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

async function served(t, server, count) {
  await until(() => told(server).length >= count, `process ${count}: ${server.stderr()}`);
  const { pid } = told(server)[count - 1];
  t.teardown(() => signal(pid, 'SIGKILL'));
  return pid;
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') {
      throw error;
    }
  }
}

const ask = async (url) => (await fetch(url, { headers: { connection: 'close' } })).json();

test('SIGUSR2: a successor takes over what listens, with the code and the folder of that time', async (t) => {
  const one = program(t, 'one');
  const two = program(t, 'two');
  const current = join(one.folder, 'current');
  symlinkSync(one.folder, current);
  const unix = join(one.folder, 'control.sock');
  const args = ['app.mjs', ...LOCAL, '--control', unix, '--drain-timeout', '1200'];
  const server = await serve(t, args, { cwd: current, env: { PWD: current } });
  t.deepEqual(await ask(server.url), ['one', server.pid, null]);

  const idle = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => idle.destroy());
  const kept = () =>
    new Promise((resolve, reject) => {
      const request = http.get(server.url, { agent: idle }, (response) => {
        response.resume().on('end', () => resolve(response.headers.connection));
      });
      request.on('error', reject);
    });
  await kept();
  const events = await fetch(new URL('/events', server.url));
  const socket = new WebSocket(new URL('/ws', server.url).href.replace('http', 'ws'));
  await new Promise((resolve) => socket.once('open', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));

  // Its output stays open: it is the successor's too.
  const ended = once(server.process, 'exit');
  rmSync(current);
  symlinkSync(two.folder, current);
  server.kill('SIGUSR2');
  const pid = await served(t, server, 2);
  t.not(pid, server.pid);
  await until(async () => (await ask(server.url))[0] === 'two', 'the new one');
  t.is(await kept(), 'close', 'the last answer of the old one on an idle connection');
  t.is(await closed, 1012);
  t.is(await events.text(), 'data: 1\n\n', 'they end in order');
  t.deepEqual(await ended, [0, null]);
  t.deepEqual(await ask(server.url), ['two', pid, null]);
  t.true(existsSync(unix), 'the control socket is the new one');
  signal(pid, 'SIGTERM');
  await until(() => !existsSync(unix), 'its end');
});

/** A module with further servers: one of `reactor-rs/node`, whose port it tells, and a second one. */
const FURTHER = `
import { serve } from '${new URL('../../dist/index.js', import.meta.url)}';
import { createServer } from '${new URL('../../dist/node/index.js', import.meta.url)}';
const node = createServer((req, res) => {
  if (req.url === '/events') {
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\\n\\n');
  } else if (req.url === '/slow') {
    setTimeout(() => res.end(String(process.pid)), 600);
    console.error('slow node');
  } else {
    res.end(String(process.pid));
  }
}).listen(0, '127.0.0.2');
const second = await serve({
  port: 0,
  hostname: '127.0.0.3',
  ioThreads: 1,
  timeouts: { drain: 3_600_000 },
  async fetch() {
    console.error('slow second');
    await new Promise((resolve) => setTimeout(resolve, 600));
    return new Response(String(process.pid));
  },
});
export default {
  fetch: () => Response.json({ pid: process.pid, node: node.address().port, second: second.port }),
};
`;

for (const signalled of ['SIGUSR2', 'SIGTERM']) {
  test(`${signalled}: further servers of a module end as its own does`, async (t) => {
    const { file } = program(t, 'one');
    writeFileSync(file, FURTHER);
    const server = await serve(t, [file, ...LOCAL, '--drain-timeout', '2000']);
    const { node, second } = await ask(server.url);
    const text = async (port, path) => {
      const url = `http://127.0.0.${port === node ? 2 : 3}:${port}${path}`;
      return (await fetch(url, { headers: { connection: 'close' } })).text();
    };
    const events = await fetch(`http://127.0.0.2:${node}/events`);
    const slow = [text(node, '/slow'), text(second, '/')];
    await until(() => /slow[\s\S]*slow/.test(server.stderr()), 'both');
    const ended = once(server.process, 'exit');
    server.kill(signalled);
    const own = String(server.pid);
    t.deepEqual(await Promise.all(slow), [own, own], 'those under way are answered');
    t.is(await events.text(), 'data: 1\n\n', 'they end in order');
    t.deepEqual(await ended, [0, null], 'though each would drain for hours');
    if (signalled === 'SIGUSR2') {
      const pid = await served(t, server, 2);
      t.deepEqual(await ask(server.url), { pid, node, second });
      t.deepEqual([await text(node, '/'), await text(second, '/')], [`${pid}`, `${pid}`]);
    }
  });
}

test('a successor that does not serve is told, and the old one goes on', async (t) => {
  const { file, write } = program(t, 'one');
  const server = await serve(t, [file, ...LOCAL]);
  const hasty = await serve(t, [file, ...LOCAL, '--reload-timeout', '1ms']);
  write('two', "throw new Error('no database');");
  server.kill('SIGUSR2');
  await until(() => /it ended with 1; this process goes on/.test(server.stderr()), 'the line');
  hasty.kill('SIGUSR2');
  const late = 'it was not ready within 0.001 s; this process goes on';
  await until(() => hasty.stderr().includes(late), 'the other line');
  t.deepEqual(await ask(server.url), ['one', server.pid, null]);
  write('two', 'await new Promise(() => setInterval(() => {}, 1000));');
  server.kill('SIGUSR2');
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null }, 'both end');
});

for (const flags of [[], ['--supervise']]) {
  test(`a folder that is gone is named ${flags}`, async (t) => {
    const { folder } = program(t, 'one');
    const server = await serve(t, ['app.mjs', ...LOCAL, ...flags], { cwd: folder });
    rmSync(folder, { recursive: true });
    server.kill('SIGUSR2');
    await until(() => /; (this process|process \d+) goes on/.test(server.stderr()), 'the line');
    t.regex(server.stderr(), /can(?:not)? be started: "\/.*" is gone; /);
    t.notRegex(server.stderr(), /undefined/);
    t.deepEqual(await ask(server.url), ['one', server.pid, null]);
    server.kill('SIGTERM');
    t.deepEqual(await server.closed, { code: 0, signal: null });
  });
}

test('a supervisor starts another process when that which serves is killed', async (t) => {
  const { file } = program(t, 'one');
  const server = await serve(t, [file, ...LOCAL, '--supervise']);
  const supervisor = server.process.pid;
  t.not(server.pid, supervisor);
  signal(server.pid, 'SIGKILL');
  // Nobody accepts now: the connection waits.
  const [, next] = await ask(server.url);
  t.is(next, await served(t, server, 2));
  t.regex(server.stderr(), /process \d+ ended with 137; another is started/);
  signal(next, 'SIGUSR2');
  const third = await served(t, server, 3);
  // Both accept for a moment.
  await until(async () => (await ask(server.url))[1] === third, 'the third alone');
  signal(supervisor, 'SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('a process whose program closes the channel to its supervisor retires too', async (t) => {
  const { file, write } = program(t, 'one', "process.once('SIGUSR1', () => process.disconnect());");
  const server = await serve(t, [file, ...LOCAL, '--supervise']);
  signal(server.pid, 'SIGUSR1');
  await until(() => server.stderr().includes('goes on without it'), 'the end of the channel');
  write('two');
  server.kill('SIGUSR2');
  await served(t, server, 2);
  await until(async () => (await ask(server.url))[0] === 'two', 'the new one');
  const gone = () => !existsSync(`/proc/${server.pid}`);
  await until(gone, 'the end of the old one');
  t.is((await ask(server.url))[0], 'two');
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
});

test('SIGHUP loads the module of JavaScript threads anew', async (t) => {
  const { file, write } = program(t, 'one');
  const server = await serve(t, [file, ...LOCAL, '--js-threads', '1']);
  write('two');
  server.kill('SIGHUP');
  await until(() => server.stderr().includes('was loaded anew'), 'the line');
  t.deepEqual(await ask(server.url), ['two', server.pid, null]);
  write('three', 'nonsense(');
  server.kill('SIGHUP');
  await until(() => server.stderr().includes('the old module stays in use'), 'the other line');
  t.deepEqual(await ask(server.url), ['two', server.pid, null]);
});

for (const flags of [[], ['--supervise']]) {
  test(`SIGHUP cuts nothing off where there is nothing to read anew ${flags}`, async (t) => {
    const { file } = program(t, 'one');
    writeFileSync(
      file,
      `export default { fetch: () => new Response(new ReadableStream({
        async start(controller) {
          controller.enqueue('begun');
          await new Promise((resolve) => process.once('SIGUSR1', resolve));
          controller.enqueue(', and done');
          controller.close();
        },
      })) };\n`,
    );
    const server = await serve(t, [file, ...LOCAL, ...flags]);
    const answer = await fetch(server.url);
    server.kill('SIGHUP');
    await until(() => server.stderr().includes('SIGHUP reads nothing anew'), 'the line');
    signal(server.pid, 'SIGUSR1');
    t.is(await answer.text(), 'begun, and done');
    server.kill('SIGTERM');
    t.deepEqual(await server.closed, { code: 0, signal: null }, server.stderr());
  });
}

test('SIGHUP before a process serves does not end it', async (t) => {
  const heard = "new Promise((resolve) => process.once('SIGHUP', resolve))";
  const more = `const awake = setInterval(() => {}, 1000); const heard = ${heard};
    process.kill(process.pid, 'SIGHUP'); await heard; clearInterval(awake);`;
  const { file } = program(t, 'one', more);
  const server = await serve(t, [file, ...LOCAL]);
  await until(() => server.stderr().includes('does not serve yet'), 'the line');
  t.deepEqual(await ask(server.url), ['one', server.pid, null]);
});

/** Has a process send itself a signal when it loads the first module behind bin.js and early.js. */
function atOnce(name) {
  const hooks = `export async function resolve(specifier, context, next) {
    if (specifier === './is-supervisor.js') process.kill(process.pid, '${name}');
    return next(specifier, context);
  }`;
  const data = (text) => `data:text/javascript,${encodeURIComponent(text)}`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(data(hooks))});`;
  return { NODE_OPTIONS: `--import=${data(register)}` };
}

for (const [name, what] of [
  ['SIGUSR2', 'starts no successor'],
  ['SIGHUP', 'reads nothing anew'],
]) {
  for (const flag of ['--no-supervise', '--supervise']) {
    test(`${name} ends no process that has only begun to load, ${flag}`, async (t) => {
      const { file } = program(t, 'one');
      const server = await serve(t, [file, ...LOCAL, flag], { env: atOnce(name) });
      const line = `reactor-rs: ${name} ${what}: this process does not serve yet\n`;
      await until(() => server.stderr().includes(line), 'the line');
      t.is((await ask(server.url))[0], 'one');
      server.kill('SIGTERM');
      t.deepEqual(await server.closed, { code: 0, signal: null });
    });
  }
}

test('a meaning of SIGHUP of the module’s own is left to it', async (t) => {
  const { file } = program(t, 'one', "process.on('SIGHUP', () => console.error('my own'));");
  const server = await serve(t, [file, ...LOCAL]);
  server.kill('SIGHUP');
  await until(() => server.stderr().includes('my own'), 'the line');
  t.deepEqual(await ask(server.url), ['one', server.pid, null]);
  t.notRegex(server.stderr(), /reads nothing anew/);
});

test('what makes no sense is refused', async (t) => {
  const { file } = program(t, 'one');
  const supervise = await run(['serve', file], { env: { REACTOR_SUPERVISE: 'yes' } });
  t.is(supervise.code, 2);
  t.is(supervise.stderr, 'reactor-rs: REACTOR_SUPERVISE must be true or false, got "yes"\n');
  const wrong = await run(['serve', file, '--reload-timeout', '5 days']);
  t.is(wrong.code, 2);
  t.regex(
    wrong.stderr,
    /--reload-timeout must be from 1 to 86400000 milliseconds, or such as .*"5 days"/,
  );
  const both = await run(['serve', file, '--watch', '--supervise']);
  t.is(both.code, 2);
  t.regex(both.stderr, /--supervise cannot be given together with --watch/);
});
