// `gracefulShutdown`: a program whose server stops by itself when a signal comes.

import { once } from 'node:events';
import ava from 'ava';
import { fetch } from 'undici';
import { launch, until } from '../support/command.mjs';

const test = ava.serial;
const INDEX = new URL('../../dist/index.js', import.meta.url).href;

/** A program with a slow handler, and something open that would keep the process. */
async function program(t, options, more = '') {
  const child = launch(
    [
      '--input-type=module',
      '--eval',
      `import { serve } from ${JSON.stringify(INDEX)};
    setInterval(() => {}, 1000);
    const server = await serve({
      port: 0, hostname: '127.0.0.1', ioThreads: 1, workerThreads: 1,
      gracefulShutdown: true,
      routes: {
        '/now': () => new Response('now'),
        '/slow': async () => {
          console.log('begun');
          await new Promise((resolve) => process.stdin.once('data', resolve));
          return new Response('slow');
        },
        '/never': () => { console.log('begun'); return new Promise(() => {}); },
      },
      ...${options},
    });
    ${more}
    console.log(server.url.href);`,
    ],
    { stdin: 'pipe' },
  );
  t.teardown(() => child.process.kill('SIGKILL'));
  const closed = once(child.process, 'close').then(([code, signal]) => code ?? signal);
  await until(
    () => /^http.*\n/m.test(child.stdout()) || child.process.exitCode !== null,
    'the server',
  );
  const [url] = /^http.*$/m.exec(child.stdout()) ?? [child.stderr()];
  return {
    get: (path) => fetch(url + path).then((response) => response.text()),
    begun: () => until(() => child.stdout().includes('begun'), 'the handler'),
    kill: (signal) => child.process.kill(signal),
    finish: () => child.process.stdin.end('x'),
    stdout: child.stdout,
    closed,
  };
}

const hasListener = (get) =>
  get('now').then(
    () => true,
    () => false,
  );

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(`${signal} lets requests finish, then the process ends with 0`, async (t) => {
    const { get, begun, kill, finish, closed } = await program(t, '{}');
    const slow = get('slow');
    await begun();
    kill(signal);
    await until(async () => !(await hasListener(get)), 'the listener to close');
    finish();
    t.is(await slow, 'slow');
    t.is(await closed, 0);
  });
}

test('a second signal cuts requests off, and names itself in the exit code', async (t) => {
  const { get, begun, kill, closed } = await program(t, '{}');
  const never = t.throwsAsync(get('never'));
  await begun();
  kill('SIGTERM');
  await until(async () => !(await hasListener(get)), 'the listener to close');
  // Two that come together are one: a terminal sends it to npm too.
  await new Promise((resolve) => setTimeout(resolve, 300));
  kill('SIGINT');
  await never;
  t.is(await closed, 130);
});

test('gracefulTimeout bounds the wait, in seconds', async (t) => {
  const options = '{ gracefulShutdown: { gracefulTimeout: 0.05 } }';
  const { get, begun, kill, closed } = await program(t, options);
  const never = t.throwsAsync(get('never'));
  await begun();
  kill('SIGTERM');
  await never;
  t.is(await closed, 0);
});

test('a program that listens for the signal itself ends itself', async (t) => {
  const { kill, closed, stdout } = await program(
    t,
    '{}',
    `process.on('SIGTERM', async () => {
      await server.finished;
      console.log('finished');
      process.exit(7);
    });`,
  );
  kill('SIGTERM');
  t.is(await closed, 7);
  t.true(stdout().includes('finished'));
});

test('without the option, and once the server has been stopped, a signal ends the process', async (t) => {
  for (const [options, more] of [
    ['{ gracefulShutdown: false }', ''],
    ['{}', 'await server.stop();'],
  ]) {
    const { kill, closed } = await program(t, options, more);
    kill('SIGTERM');
    t.is(await closed, 'SIGTERM');
  }
});

test('several servers stop together', async (t) => {
  const { kill, closed, stdout } = await program(
    t,
    '{}',
    `const other = await serve({ port: 0, hostname: '127.0.0.1', gracefulShutdown: true });
    Promise.all([server.finished, other.finished]).then(() => console.log('both'));`,
  );
  kill('SIGTERM');
  t.is(await closed, 0);
  t.true(stdout().includes('both'));
});
