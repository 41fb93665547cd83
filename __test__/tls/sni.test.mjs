// SNICallback: the program says in each handshake what serves a name.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import plain from 'ava';
import { createSecureServer } from 'reactor-rs/node';
import { start } from '../support/server.mjs';
import { authority, withCertificates } from './certificates.mjs';
import { get } from './client.mjs';

const test = withCertificates(plain);

const ca = authority();
const issue = (...names) => {
  const { cert, key } = ca.issue({ names });
  return { cert, key };
};
const own = issue('localhost', '127.0.0.1');
const tenants = { 'a.test': issue('a.test'), 'b.test': issue('b.test') };
const fetch = ({ url }) => new Response(url);

const subject = async (server, servername) =>
  (await get(server.url.href, { ca: ca.cert, servername, rejectUnauthorized: false })).peer.subject
    .CN;

test('by a callback, a promise or a value', async (t) => {
  const forms = [
    (name, callback) => callback(null, tenants[name]),
    (name, callback) => {
      setTimeout(callback, 20, null, tenants[name]);
    },
    async (name) => {
      await sleep(20);
      return tenants[name];
    },
    (name) => tenants[name] ?? Promise.resolve(null),
  ];
  for (const SNICallback of forms) {
    const asked = [];
    const spy = (...given) => {
      asked.push(given[0]);
      return SNICallback(...given);
    };
    const server = await start(t, { tls: { ...own, SNICallback: spy }, fetch });
    const names = ['a.test', 'B.test', 'other.test', 'a.test'];
    t.deepEqual(await Promise.all(names.map((name) => subject(server, name))), [
      ...['a.test', 'b.test', 'localhost', 'a.test'],
    ]);
    t.deepEqual(asked.toSorted(), ['a.test', 'a.test', 'b.test', 'other.test']);
    // A client that wants no name is not asked about.
    t.is((await get(server.url.href, { ca: ca.cert })).peer.subject.CN, 'localhost');
    t.is(asked.length, 4);
    await server.stop();
  }
});

test.serial('an error refuses the client, and is told once', async (t) => {
  const told = [];
  const onWarning = ({ message }) => told.push(message);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const SNICallback = (name, callback) => {
    if (name === 'throws.test') {
      throw new Error('thrown');
    }
    if (name === 'rejects.test') {
      return Promise.reject(new Error('rejected'));
    }
    if (name === 'wrong.test') {
      return { cert: own.cert, key: tenants['a.test'].key };
    }
    callback(name === 'error.test' ? new Error('given') : null);
  };
  const server = await start(t, { tls: { ...own, SNICallback }, fetch });
  for (const name of ['error.test', 'throws.test', 'rejects.test', 'wrong.test']) {
    await t.throwsAsync(subject(server, name), { message: /unrecognized name/i }, name);
  }
  t.is(await subject(server, 'fine.test'), 'localhost');
  await sleep(10);
  t.is(told.length, 1);
  t.regex(
    told[0],
    /"SNICallback" has failed for "error\.test", and its client was refused: given;/,
  );
  t.is(server.stats().tls.failed['unknown-name'], 4);
});

test('one that never answers ends with the handshake timeout, and holds nobody up', async (t) => {
  let count = 0;
  const SNICallback = (name) => {
    count++;
    return name === 'never.test' ? new Promise(() => {}) : undefined;
  };
  const server = await start(t, { tls: { ...own, SNICallback, handshakeTimeout: 300 }, fetch });
  const never = Promise.all(
    Array.from({ length: 20 }, () => t.throwsAsync(subject(server, 'never.test'))),
  );
  while (count < 20) {
    await sleep(5);
  }
  t.is(await subject(server, 'other.test'), 'localhost');
  await never;
  t.is(server.stats().tls.timedOut, 20);
});

test('a reload replaces the callback, and a stop answers who waits', async (t) => {
  const server = await start(t, { tls: { ...own, SNICallback: () => tenants['a.test'] }, fetch });
  t.is(await subject(server, 'x.test'), 'a.test');
  server.reload({ tls: { ...own, SNICallback: () => tenants['b.test'] } });
  t.is(await subject(server, 'x.test'), 'b.test');
  server.reload({ tls: own });
  t.is(await subject(server, 'x.test'), 'localhost');
  let isAsked = false;
  const SNICallback = () => {
    isAsked = true;
    return new Promise(() => {});
  };
  server.reload({ tls: { ...own, SNICallback } });
  const waiting = t.throwsAsync(subject(server, 'x.test'));
  while (!isAsked) {
    await sleep(5);
  }
  await server.stop();
  await waiting;
  const without = await start(t, { tls: own, fetch });
  t.throws(() => without.reload({ tls: { ...own, SNICallback } }), { message: /cannot be added/ });
});

test('rules for clients are those of the context', async (t) => {
  const client = ca.issue({ names: ['someone.test'], use: 'client' });
  const strict = { ...tenants['a.test'], ca: ca.cert, requestCert: true };
  const SNICallback = (name) => (name === 'a.test' ? strict : undefined);
  const server = await start(t, { tls: { ...own, SNICallback }, fetch });
  const ask = (options) => get(server.url.href, { ca: ca.cert, ...options });
  t.is((await ask({ servername: 'localhost' })).status, 200);
  await t.throwsAsync(ask({ servername: 'a.test' }), { message: /certificate required/i });
  const { cert, key } = client;
  const headers = { host: 'a.test' };
  t.is((await ask({ servername: 'a.test', cert, key, headers })).status, 200);
});

test('reactor-rs/node has it, too', async (t) => {
  const SNICallback = (name, callback) => callback(null, tenants[name] ?? null);
  const server = createSecureServer({ ...own, SNICallback }, (_, res) => res.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = new URL(`https://127.0.0.1:${server.address().port}/`);
  t.is(await subject({ url }, 'b.test'), 'b.test');
  t.is(await subject({ url }, 'c.test'), 'localhost');
});

test('a server with it keeps no process alive', async (t) => {
  const { run } = await import('../support/command.mjs');
  const { moduleOf } = await import('../support/folder.mjs');
  const script = moduleOf(
    t,
    `import { serve } from '${import.meta.resolve('reactor-rs')}';
    const tls = { ...${JSON.stringify(own)}, SNICallback: () => undefined };
    (await serve({ port: 0, tls, fetch: () => new Response('ok') })).unref();`,
  );
  const { code, stderr } = await run([script], { file: 'node' });
  t.deepEqual([code, stderr], [0, '']);
});
