// A Node environment may end in the middle of anything. The native threads must
// neither crash the process nor outlive the environment that started them.

import { Worker } from 'node:worker_threads';
import test from 'ava';
import { fetch } from 'undici';
import { launch } from '../support/command.mjs';

const INDEX = new URL('../../dist/index.js', import.meta.url).href;

/** What answers: native workers, and handlers that answer at once, later or in parts. */
const ANSWERS = {
  'native workers': '',
  'a handler': "fetch: () => new Response('at once'),",
  'an async handler': `fetch: async () => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
    return new Response('later');
  },`,
  'a streaming handler': `fetch: () => new Response(new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      controller.enqueue(new Uint8Array(10_000));
      if (Math.random() < 0.05) controller.close();
    },
  })),`,
};

/** Serves, reports the url, and goes on fetching from itself. */
const serveAndFetch = (answer) => `
  const { serve } = await import(${JSON.stringify(INDEX)});
  const options = { port: 0, hostname: '127.0.0.1', ioThreads: 2, workerThreads: 2 };
  const server = await serve({ ...options, ${answer} });
  for (let i = 0; i < 8; i++) {
    (async () => { for (;;) await (await fetch(server.url)).text(); })().catch(() => {});
  }
`;
const SERVE_AND_FETCH = serveAndFetch('');

const terminated = test.macro(async (t, answer) => {
  for (let round = 0; round < 10; round++) {
    const worker = new Worker(
      `(async () => { ${serveAndFetch(answer)} require('node:worker_threads').parentPort.postMessage(server.url.href); })();`,
      { eval: true },
    );
    const url = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    t.is((await fetch(url)).status, 200);
    await worker.terminate();
    await t.throwsAsync(fetch(url));
  }
});
for (const [name, answer] of Object.entries(ANSWERS)) {
  test(`a terminated worker takes its server along, under load, ${name}`, terminated, answer);
}

test('a worker terminated while it starts or stops a server does no harm', async (t) => {
  for (let round = 0; round < 20; round++) {
    const worker = new Worker(
      `(async () => {
        const { serve } = await import(${JSON.stringify(INDEX)});
        require('node:worker_threads').parentPort.postMessage('ready');
        for (;;) {
          const server = await serve({ port: 0, hostname: '127.0.0.1', ioThreads: 1, workerThreads: 1 });
          await server.stop();
        }
      })();`,
      { eval: true },
    );
    await new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, round));
    await worker.terminate();
  }
  t.pass();
});

test('a worker that ends by itself takes its server along', async (t) => {
  const worker = new Worker(
    `(async () => {
      const { serve } = await import(${JSON.stringify(INDEX)});
      const server = await serve({ port: 0, hostname: '127.0.0.1' });
      server.unref();
      require('node:worker_threads').parentPort.postMessage(server.url.href);
    })();`,
    { eval: true },
  );
  // It may be over before its message has been read.
  const exit = new Promise((resolve) => worker.once('exit', resolve));
  const url = await new Promise((resolve) => worker.once('message', resolve));
  await exit;
  await t.throwsAsync(fetch(url));
});

const exits = test.macro(async (t, answer) => {
  for (let round = 0; round < 10; round++) {
    const child = launch([
      '--input-type=module',
      '--eval',
      `${serveAndFetch(answer)} setTimeout(() => process.exit(7), ${round * 20});`,
    ]);
    const [code, signal] = await new Promise((resolve) =>
      child.process.once('close', (...end) => resolve(end)),
    );
    t.deepEqual({ code, signal, stderr: child.stderr() }, { code: 7, signal: null, stderr: '' });
  }
});
for (const [name, answer] of Object.entries(ANSWERS)) {
  test(`process.exit() under load ends with its own code, ${name}`, exits, answer);
}

test('an uncaught error ends the process as ever', async (t) => {
  const child = launch([
    '--input-type=module',
    '--eval',
    `${SERVE_AND_FETCH} setTimeout(() => { throw new Error('on purpose'); }, 100);`,
  ]);
  const [code] = await new Promise((resolve) =>
    child.process.once('close', (...end) => resolve(end)),
  );
  t.is(code, 1);
  t.regex(child.stderr(), /on purpose/);
});

test('a server whose object was dropped goes on serving', async (t) => {
  const child = launch([
    '--expose-gc',
    '--input-type=module',
    '--eval',
    `const { serve } = await import(${JSON.stringify(INDEX)});
    const url = await (async () => (await serve({ port: 0, hostname: '127.0.0.1' })).url)();
    for (let i = 0; i < 20; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
    console.log((await fetch(url)).status);
    process.exit();`,
  ]);
  t.teardown(() => child.process.kill('SIGKILL'));
  await new Promise((resolve) => child.process.once('close', resolve));
  t.is(child.stdout(), '200\n');
});
