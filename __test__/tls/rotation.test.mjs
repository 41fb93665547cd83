// Certificates that are replaced while the server runs.

import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import plain from 'ava';
import { serve } from 'reactor-rs';
import { run, serve as serveCommand, until } from '../support/command.mjs';
import { moduleOf, temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { authority, withCertificates } from './certificates.mjs';
import { get } from './client.mjs';

const test = withCertificates(plain);

const ca = authority();
const fetch = () => new Response('ok');

/** A certificate whose subject tells it apart. */
const issue = (name, options) => ca.issue({ names: ['localhost', '127.0.0.1'], name, ...options });
const one = issue('one');
const two = issue('two');
const three = issue('three');

const subject = async (server, options) =>
  (await get(server.url.href ?? server.url, { ca: ca.cert, ...options })).peer.subject.CN;

/** Waits until new connections get this certificate. */
const gets = (server, name) =>
  until(async () => (await subject(server)) === name, `the certificate ${name}`);

/** Puts a certificate and its key into a folder, each file in one step. */
function put(folder, { certFile, keyFile }) {
  for (const [from, to] of [
    [certFile, 'tls.crt'],
    [keyFile, 'tls.key'],
  ]) {
    copyFileSync(from, join(folder, `${to}.new`));
    renameSync(join(folder, `${to}.new`), join(folder, to));
  }
}

/** The warnings of this process, from now on. */
function warnings(t) {
  const all = [];
  const onWarning = (warning) => {
    if (warning.code === 'ERR_REACTOR_TLS') {
      all.push(warning.message);
    }
  };
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  return all;
}

function startIn(t, folder, options = {}) {
  const tls = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ...options };
  return start(t, { tls, fetch });
}

test.serial('files are read again when they change: by rename and in place', async (t) => {
  const told = warnings(t);
  const folder = temporary(t);
  put(folder, one);
  const server = await startIn(t, folder);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: ca.cert });
  t.teardown(() => agent.destroy());
  t.is(await subject(server, { agent }), 'one');
  put(folder, two);
  await gets(server, 'two');
  copyFileSync(three.keyFile, join(folder, 'tls.key'));
  copyFileSync(three.certFile, join(folder, 'tls.crt'));
  await gets(server, 'three');
  // The open connection was kept.
  t.is((await get(server.url.href, { agent })).reused, false);
  t.is(server.stats().connections.closed.idle, 0);
  t.is(server.stats().tls.reloadFailures, 0);
  t.true(server.stats().tls.reloads >= 2);
  t.deepEqual(told, []);
});

test.serial('a symbolic link that is swapped counts, as with Kubernetes', async (t) => {
  const folder = temporary(t);
  const fill = (name, pair) => {
    mkdirSync(join(folder, name));
    put(join(folder, name), pair);
    symlinkSync(name, join(folder, '..data.new'));
    renameSync(join(folder, '..data.new'), join(folder, '..data'));
  };
  fill('..2026_1', one);
  symlinkSync('..data/tls.crt', join(folder, 'tls.crt'));
  symlinkSync('..data/tls.key', join(folder, 'tls.key'));
  const server = await startIn(t, folder);
  t.is(await subject(server), 'one');
  fill('..2026_2', two);
  await gets(server, 'two');
  fill('..2026_3', three);
  await gets(server, 'three');
});

test.serial('a folder that is put in the place of another counts', async (t) => {
  const folder = join(temporary(t), 'live');
  mkdirSync(folder);
  put(folder, one);
  const server = await startIn(t, folder);
  for (const [pair, name] of [
    [two, 'two'],
    [three, 'three'],
  ]) {
    mkdirSync(`${folder}.${name}`);
    put(`${folder}.${name}`, pair);
    renameSync(folder, `${folder}.before-${name}`);
    renameSync(`${folder}.${name}`, folder);
    await gets(server, name);
    t.is(await subject(server), name);
  }
});

test.serial('what is wrong is not used, and told once; what is right then is', async (t) => {
  const told = warnings(t);
  const folder = temporary(t);
  put(folder, one);
  const server = await startIn(t, folder);
  const wrongs = [
    [() => copyFileSync(two.certFile, join(folder, 'tls.crt')), /is for another key than/],
    [() => writeFileSync(join(folder, 'tls.crt'), one.cert.slice(0, 100)), /is damaged: the line/],
    [() => renameSync(join(folder, 'tls.crt'), join(folder, 'x')), /there is no such file/],
    [() => put(folder, issue('old', { until: new Date(Date.now() - 5000) })), /expired at/],
  ];
  for (const [index, [make, message]] of wrongs.entries()) {
    make();
    await until(() => told.length > index, `a warning of ${message}`);
    t.regex(told[index], /^reactor-rs: a new certificate is not used, the old one stays: /);
    t.regex(told[index], message);
    t.is(await subject(server), 'one');
    t.is(server.stats().tls.reloadFailures, index + 1);
  }
  put(folder, two);
  await gets(server, 'two');
  t.is(told.length, wrongs.length);
});

test.serial('a half-written pair is waited for', async (t) => {
  const told = warnings(t);
  const folder = temporary(t);
  put(folder, one);
  const server = await startIn(t, folder);
  copyFileSync(two.certFile, join(folder, 'tls.crt'));
  // Longer than it takes to see the change, shorter than the patience.
  await new Promise((resolve) => setTimeout(resolve, 600));
  copyFileSync(two.keyFile, join(folder, 'tls.key'));
  await gets(server, 'two');
  t.deepEqual(told, []);
});

test.serial('watch: false leaves files alone until reload({ tls: true })', async (t) => {
  const folder = temporary(t);
  put(folder, one);
  const server = await startIn(t, folder, { watch: false });
  put(folder, two);
  await new Promise((resolve) => setTimeout(resolve, 600));
  t.is(await subject(server), 'one');
  server.reload({ tls: true });
  t.is(await subject(server), 'two');
});

test('server.reload({ tls }) replaces them at once, or not at all', async (t) => {
  const server = await start(t, { tls: { cert: one.cert, key: one.key }, fetch });
  const { session } = await get(server.url.href, { ca: ca.cert });
  server.reload({ tls: { cert: two.cert, key: two.key } });
  t.is(await subject(server), 'two');
  t.is((await get(server.url.href, { ca: ca.cert })).text, 'ok', 'handlers stay');
  // Sessions outlive certificates.
  t.true((await get(server.url.href, { ca: ca.cert, session })).reused);
  for (const [tls, code] of [
    [{ cert: one.cert, key: two.key }, 'ERR_REACTOR_TLS'],
    [{ cert: one.cert }, 'ERR_REACTOR_INVALID_OPTION'],
    [7, 'ERR_REACTOR_INVALID_OPTION'],
  ]) {
    t.throws(() => server.reload({ tls }), { code });
    t.is(await subject(server), 'two');
  }
  const { reloads, reloadFailures, certificates } = server.stats().tls;
  t.deepEqual([reloads, reloadFailures], [1, 3]);
  const [{ listener, names, expires }] = certificates;
  t.deepEqual([listener, names], [0, ['localhost', '127.0.0.1']]);
  t.true(expires > Date.now() / 1000 && expires < Date.now() / 1000 + 31 * 86_400);
  // With handlers beside it.
  server.reload({ tls: { cert: three.cert, key: three.key }, fetch: () => new Response('new') });
  const { text, peer } = await get(server.url.href, { ca: ca.cert });
  t.deepEqual([text, peer.subject.CN], ['new', 'three']);
});

test.serial(
  'files that a reload gives are watched, and one wrong listener keeps all back',
  async (t) => {
    const folder = temporary(t);
    put(folder, two);
    const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
    const server = await start(t, { tls: { cert: one.cert, key: one.key }, fetch });
    server.reload({ tls: files });
    t.is(await subject(server), 'two');
    put(folder, three);
    await gets(server, 'three');

    const other = temporary(t);
    put(other, one);
    const host = '127.0.0.1';
    const both = await serve({
      listen: [
        { host, port: 0, tls: { ...files, watch: false } },
        { host, port: 0, tls: { cert: `${other}/tls.crt`, key: `${other}/tls.key`, watch: false } },
      ],
      fetch,
    });
    t.teardown(() => both.stop({ force: true }));
    put(folder, one);
    writeFileSync(join(other, 'tls.key'), 'nonsense');
    t.throws(() => both.reload({ tls: true }), { code: 'ERR_REACTOR_TLS' });
    t.deepEqual(await Promise.all(both.urls.map((url) => subject({ url }))), ['three', 'one']);
    put(other, two);
    both.reload({ tls: true });
    t.deepEqual(await Promise.all(both.urls.map((url) => subject({ url }))), ['one', 'two']);
  },
);

test('reload({ tls }) is for listeners with TLS, of one kind', async (t) => {
  const tls = { cert: one.cert, key: one.key };
  const clear = await start(t, { fetch });
  t.throws(() => clear.reload({ tls: true }), { message: /no listener has it/ });
  const host = '127.0.0.1';
  const shared = await serve({
    tls,
    listen: [
      { host, port: 0, tls: true },
      { host, port: 0, tls: true },
    ],
    fetch,
  });
  t.teardown(() => shared.stop({ force: true }));
  shared.reload({ tls: { cert: two.cert, key: two.key } });
  for (const url of shared.urls) {
    t.is(await subject({ url }), 'two');
  }
  const several = await serve({
    listen: [
      { host, port: 0, tls },
      { host, port: 0, tls: { cert: two.cert, key: two.key } },
    ],
    fetch,
  });
  t.teardown(() => several.stop({ force: true }));
  t.throws(() => several.reload({ tls }), { message: /is ambiguous/ });
  t.notThrows(() => several.reload({ tls: true }));
  await several.stop();
  t.throws(() => several.reload({ tls: true }), { code: 'ERR_REACTOR_STOPPED' });
});

test('certificates are replaced a hundred times under load, half of them broken', async (t) => {
  const server = await start(t, { tls: { cert: one.cert, key: one.key }, fetch });
  let isOver = false;
  let count = 0;
  const load = async () => {
    while (!isOver) {
      t.is((await get(server.url.href, { ca: ca.cert })).status, 200);
      count++;
    }
  };
  const clients = [load(), load(), load(), load()];
  const pairs = [one, two, three];
  for (let round = 0; round < 100; round++) {
    const { cert, key } = pairs[round % 3];
    const broken = pairs[(round + 1) % 3].key;
    if (round % 2 === 0) {
      server.reload({ tls: { cert, key } });
      t.is(await subject(server), ['one', 'two', 'three'][round % 3]);
    } else {
      t.throws(() => server.reload({ tls: { cert, key: broken } }), { code: 'ERR_REACTOR_TLS' });
    }
  }
  isOver = true;
  await Promise.all(clients);
  t.true(count > 0);
});

test('the command reads them anew on SIGHUP, and keeps the old ones if they are wrong', async (t) => {
  const folder = temporary(t);
  put(folder, one);
  const app = moduleOf(
    t,
    `export default {
      tls: { cert: '${folder}/tls.crt', key: '${folder}/tls.key', watch: false },
      fetch: () => new Response('ok'),
    };`,
  );
  const server = await serveCommand(t, [app, '-H', '127.0.0.1', '-p', '0']);
  put(folder, two);
  t.is(await subject(server), 'one');
  server.kill('SIGHUP');
  await until(() => server.stderr().includes('were read anew'), 'the message');
  t.is(await subject(server), 'two');
  writeFileSync(join(folder, 'tls.key'), 'nonsense');
  server.kill('SIGHUP');
  await until(() => server.stderr().includes('the old certificates stay in use'), 'the message');
  t.is(await subject(server), 'two');
});

test('watching keeps no process alive', async (t) => {
  const folder = temporary(t);
  put(folder, one);
  const script = moduleOf(
    t,
    `import { serve } from '${import.meta.resolve('reactor-rs')}';
    const tls = { cert: '${folder}/tls.crt', key: '${folder}/tls.key' };
    (await serve({ port: 0, tls, fetch: () => new Response('ok') })).unref();`,
  );
  const { code, stderr } = await run([script], { file: 'node' });
  t.deepEqual([code, stderr], [0, '']);
});
