// Starts and stops servers in this process, and says what that left behind.
// node --expose-gc cycles.mjs KIND CYCLES

import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:http';
import { createServer as createNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from 'reactor-rs';
import { createServer } from 'reactor-rs/node';

const [kind, cycles] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'reactor-cycles-'));
const file = join(folder, 'file');
writeFileSync(file, '');
// An address that another socket has, for servers that must fail to start.
const other = createNet();
await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
const { port: taken } = other.address();

const local = { hostname: '127.0.0.1', port: 0, fetch: () => new Response('x') };
/** Starts and stops one server that answers once in between. */
async function through(options) {
  const server = await serve({ ...local, ...options });
  await ask(server.port);
  await server.stop();
  return server;
}
/** A request whose connection ends with it. */
async function ask(port) {
  const request = get({ host: '127.0.0.1', port, agent: false });
  const [response] = await once(request, 'response');
  await text(response);
}
const fails = (options) =>
  serve({ ...local, ...options }).then(
    () => Promise.reject(new Error('it has started')),
    () => {},
  );

/** Servers that the program keeps after they have stopped. */
const kept = [];
const KINDS = {
  serve: () => through({}),
  'serve with two loops': () => through({ ioThreads: 2, accept: 'per-loop' }),
  'serve with everything': () =>
    through({ metrics: 0, control: join(folder, 'control'), accessLog: join(folder, 'log') }),
  'serve, stopped by force': async () => {
    const server = await serve(local);
    await server.stop({ force: true });
  },
  'serve, kept': async () => {
    kept.push(await through({}));
    if (kept.length > 200) {
      kept.shift();
    }
  },
  'serve without handlers': async () => {
    const server = await serve({ hostname: '127.0.0.1', port: 0 });
    await server.stop();
  },
  threads: () =>
    through({ fetch: undefined, module: new URL('cycles-app.mjs', import.meta.url), jsThreads: 2 }),
  node: async () => {
    const server = createServer((_, res) => res.end('x'));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    await ask(server.address().port);
    await new Promise((resolve) => server.close(resolve));
  },
  'node, port in use': async () => {
    const server = createServer();
    server.listen(taken, '127.0.0.1');
    await new Promise((resolve) => server.once('error', resolve));
  },
  'port in use': () => fails({ port: taken }),
  'bad access log': () => fails({ accessLog: '/nowhere/log' }),
  'metrics in use': () => fails({ metrics: taken, accessLog: join(folder, 'log') }),
  'no control socket': () => fails({ metrics: 0, control: file, accessLog: join(folder, 'log') }),
  'threads, port in use': () =>
    fails({
      port: taken,
      fetch: undefined,
      module: new URL('cycles-app.mjs', import.meta.url),
    }),
};

const cycle = KINDS[kind];

/** What there is, once nothing is under way. */
async function look() {
  for (let round = 0; round < 6; round++) {
    globalThis.gc();
    await sleep(30);
  }
  const files = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, 'N')];
    } catch {
      // The one that reads the folder.
      return [];
    }
  });
  const status = readFileSync('/proc/self/status', 'utf8');
  const number = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return {
    files,
    threads: number('Threads'),
    resident: number('VmRSS') * 1024,
    arrayBuffers,
    heapUsed,
  };
}

// The first ones fill caches and pools that stay.
for (let n = 0; n < Math.min(60, cycles); n++) {
  await cycle();
}
const before = await look();
for (let n = 0; n < cycles; n++) {
  await cycle();
}
const after = await look();
other.close();
rmSync(folder, { recursive: true });
process.stdout.write(JSON.stringify({ before, after }));
