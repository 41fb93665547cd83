// Several processes on one port: workers of node:cluster, and SO_REUSEPORT.

import { fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer as createNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { serve } from 'reactor-rs';
import { BIN } from '../support/command.mjs';

const folder = mkdtempSync(join(tmpdir(), 'reactor-cluster-'));
test.after.always(() => rmSync(folder, { recursive: true }));

const INDEX = new URL('../../dist/index.js', import.meta.url).href;
const NODE = new URL('../../dist/node/index.js', import.meta.url).href;

/** A program of workers, and the primary that does what the test says. */
const PROGRAM = join(folder, 'program.mjs');
writeFileSync(
  PROGRAM,
  `
import cluster from 'node:cluster';
const { kind, workers, policy, where } = JSON.parse(process.argv[2]);
if (cluster.isPrimary) {
  cluster.schedulingPolicy = policy === 'shared' ? cluster.SCHED_NONE : cluster.SCHED_RR;
  const tell = (event) => process.send(event);
  cluster.on('listening', ({ id }, { port }) => tell({ event: 'listening', id, port }));
  cluster.on('disconnect', ({ id }) => tell({ event: 'disconnect', id }));
  cluster.on('exit', ({ id }, code, signal) => tell({ event: 'exit', id, code, signal }));
  cluster.on('message', ({ id }, message) => tell({ event: 'message', id, message }));
  for (let n = 0; n < workers; n++) cluster.fork();
  process.on('message', ({ act, id, message }) => {
    if (act === 'fork') cluster.fork();
    else if (act === 'send') cluster.workers[id].send(message);
    else cluster.workers[id][act]();
  });
} else if (kind === 'node') {
  const { createServer } = await import(${JSON.stringify(NODE)});
  const server = createServer((req, res) => {
    if (req.url === '/slow') process.send('slow');
    setTimeout(() => res.end(String(cluster.worker.id)), req.url === '/slow' ? 300 : 0);
  });
  server.on('error', ({ code }) => process.send(code));
  server.on('close', () => process.send('closed'));
  server.listen(where);
} else if (kind === 'cli') {
  process.argv.splice(2, Infinity, 'serve', '-p', '0', '-H', '127.0.0.1', '-q', '--control', 'false');
  process.env.pm_id = '0';
  await import(${JSON.stringify(BIN)});
} else {
  const { serve } = await import(${JSON.stringify(INDEX)});
  const slow = async () => {
    process.send('slow');
    await new Promise((resolve) => setTimeout(resolve, 300));
    return new Response(String(cluster.worker.id));
  };
  const fetch = ({ url }, { remoteAddress }) =>
    url.endsWith('/slow') ? slow() : new Response(url.endsWith('/peer') ? remoteAddress : String(cluster.worker.id));
  try {
    await serve({ ...where, fetch, gracefulShutdown: kind === 'graceful' });
  } catch ({ code, message }) {
    process.send(code + ' ' + message);
  }
}
`,
);

/** A primary process with workers, and what they tell. */
function start(t, options) {
  const child = fork(PROGRAM, [JSON.stringify({ workers: 2, where: { port: 0 }, ...options })]);
  t.teardown(() => child.kill('SIGKILL'));
  const events = [];
  const waiting = [];
  child.on('message', (event) => {
    events.push(event);
    for (const look of waiting) look();
  });
  /** Waits for so many events that match. */
  const heard = (wanted, count = 1) =>
    new Promise((resolve) => {
      const look = () => {
        const found = events.filter((event) =>
          Object.entries(wanted).every(([name, value]) => event[name] === value),
        );
        if (found.length >= count) resolve(found);
      };
      waiting.push(look);
      look();
    });
  return { heard, act: (act, id, message) => child.send({ act, id, message }) };
}

const ask = (where, path = '/', agent = false) =>
  new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', ...where, path, agent }, (response) => resolve(text(response)))
      .on('error', reject)
      .end();
  });

for (const kind of ['serve', 'node']) {
  for (const policy of ['round-robin', 'shared']) {
    test(`workers of ${kind} have one port, ${policy}, and lose nothing when one leaves`, async (t) => {
      const { heard, act } = start(t, { kind, policy });
      const listening = await heard({ event: 'listening' }, 2);
      const [{ port }] = listening;
      t.true(port > 0);
      t.deepEqual(new Set(listening.map((one) => one.port)), new Set([port]));
      const seen = new Set();
      while (seen.size < 2) seen.add(await ask({ port }));
      t.deepEqual([...seen].sort(), ['1', '2']);
      // A request that is under way is answered, and others go to the other worker.
      const slow = ask({ port }, '/slow');
      const [{ id }] = await heard({ event: 'message', message: 'slow' });
      act('disconnect', id);
      const other = String(3 - id);
      await Promise.all(Array.from({ length: 20 }, () => ask({ port })));
      t.is(await slow, String(id));
      const [{ code }] = await heard({ event: 'exit', id });
      t.is(code, 0);
      if (kind === 'node') await heard({ event: 'message', id, message: 'closed' });
      t.deepEqual(new Set(await Promise.all([1, 2, 3].map(() => ask({ port })))), new Set([other]));
      act('fork');
      await heard({ event: 'listening', id: 3, port });
      act('disconnect', Number(other));
      await heard({ event: 'exit', id: Number(other) });
      t.is(await ask({ port }), '3');
    });
  }
}

test('a worker sees the client’s address, and serves a unix socket', async (t) => {
  const tcp = start(t, { kind: 'serve', where: { port: 0, hostname: '127.0.0.1' } });
  const [{ port }] = await tcp.heard({ event: 'listening' });
  t.is(await ask({ port }, '/peer'), '127.0.0.1');
  const unix = join(folder, 'http.sock');
  const local = start(t, { kind: 'serve', where: { unix, unixMode: 0o600 } });
  await local.heard({ event: 'listening' }, 2);
  t.regex(await ask({ socketPath: unix }), /^[12]$/);
});

test('a port that is in use is the workers’ error', async (t) => {
  const other = createNet().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address();
  const one = { workers: 1, where: { port, hostname: '127.0.0.1' } };
  const [{ message }] = await start(t, { kind: 'serve', ...one }).heard({ event: 'message' });
  t.is(
    message,
    `ERR_REACTOR_ADDRESS_IN_USE the primary process cannot listen on 127.0.0.1:${port}: the address is already in use; stop the other server or choose another one`,
  );
  const node = { ...one, where: { port, host: '127.0.0.1' } };
  const [{ message: code }] = await start(t, { kind: 'node', ...node }).heard({ event: 'message' });
  t.is(code, 'EADDRINUSE');
});

for (const option of ['metrics', 'control']) {
  test(`what workers do not share says that each needs its own: ${option}`, async (t) => {
    const place = join(folder, `${option}.sock`);
    const where = { port: 0, hostname: '127.0.0.1', [option]: place };
    const [{ message }] = await start(t, { kind: 'serve', where }).heard({ event: 'message' });
    t.true(message.startsWith(`ERR_REACTOR_ADDRESS_IN_USE ${option}: cannot listen on '${place}'`));
    t.regex(message, /; each worker of node:cluster needs its own, such as .*cluster\.worker\.id/);
    const own = await serve({ port: 0, hostname: '127.0.0.1', routes: {}, [option]: `${place}-2` });
    t.teardown(() => own.stop({ force: true }));
    const again = serve({ port: 0, hostname: '127.0.0.1', routes: {}, [option]: `${place}-2` });
    t.notRegex((await t.throwsAsync(again)).message, /worker/);
  });
}

test('the message "shutdown" stops a worker, and PM2 hears that it is ready', async (t) => {
  const graceful = start(t, { kind: 'graceful', workers: 1 });
  await graceful.heard({ event: 'listening' });
  graceful.act('send', 1, 'shutdown');
  t.is((await graceful.heard({ event: 'exit' }))[0].code, 0);
  const command = start(t, { kind: 'cli' });
  const [{ port }] = await command.heard({ event: 'listening' }, 2);
  await command.heard({ event: 'message', message: 'ready' }, 2);
  t.is(await ask({ port }), 'Hello, World!');
  command.act('send', 1, 'shutdown');
  t.is((await command.heard({ event: 'exit', id: 1 }))[0].code, 0);
  command.act('disconnect', 2);
  t.is((await command.heard({ event: 'exit', id: 2 }))[0].code, 0);
});

test('with reusePort each worker binds the port itself, and the primary hears of it', async (t) => {
  const free = createNet().listen(0);
  await new Promise((resolve) => free.once('listening', resolve));
  const { port } = free.address();
  await new Promise((resolve) => free.close(resolve));
  const { heard, act } = start(t, { kind: 'serve', where: { port, reusePort: true } });
  await heard({ event: 'listening', port }, 2);
  const seen = new Set();
  while (seen.size < 2) seen.add(await ask({ port }));
  act('disconnect', 1);
  t.is((await heard({ event: 'exit' }))[0].code, 0);
  t.is(await ask({ port }), '2');
});

test('servers of one user share a port where all say so', async (t) => {
  const one = await serve({ port: 0, hostname: '127.0.0.1', reusePort: true });
  const { port } = one;
  const two = await serve({ port, hostname: '127.0.0.1', reusePort: true });
  t.teardown(() => Promise.all([one.stop(), two.stop()]));
  await t.throwsAsync(serve({ port, hostname: '127.0.0.1' }), {
    code: 'ERR_REACTOR_ADDRESS_IN_USE',
  });
  for (;;) {
    await ask({ port });
    if ([one, two].every((server) => server.stats().connections.accepted > 0)) break;
  }
  await t.throwsAsync(serve({ unix: join(folder, 'x.sock'), reusePort: true }), {
    message: /option "reusePort" cannot be given together with "unix": only a port can be shared/,
  });
});
