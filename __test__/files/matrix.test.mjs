// Conditions × ranges × codings, and what else an answer with a file depends on: the rows are in
// matrix/. Each is asked of a folder that the engine serves, and those that are about one file's
// bytes of a handler too, whose body is the file.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import test from 'ava';
import { file } from 'reactor-rs';
import { moduleOf, temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { authority } from '../tls/certificates.mjs';
import { codings } from './matrix/codings.mjs';
import { conditions, times } from './matrix/conditions.mjs';
import { makeFixture } from './matrix/fixture.mjs';
import { links, methods } from './matrix/methods.mjs';
import { nginx } from './matrix/nginx.mjs';
import { product } from './matrix/product.mjs';
import { ifRanges, ranges } from './matrix/ranges.mjs';
import { askerOf } from './matrix/run.mjs';

const ROWS = { conditions, times, ranges, ifRanges, codings, methods, links, nginx, product };

async function doorsOf(t, options = {}) {
  const root = makeFixture(temporary(t));
  const server = await start(t, {
    ...options,
    routes: {
      '/folder/*': { dir: root },
      '/body/*': (request) =>
        new Response(file(join(root, new URL(request.url).pathname.slice(5)))),
    },
  });
  const { port } = options.tls === undefined ? server : await tunnel(t, server);
  return {
    folder: askerOf({ port, root, prefix: '/folder' }),
    body: askerOf({ port, root, prefix: '/body', isFolder: false }),
  };
}

/** Plain on one side, TLS on the other. */
async function tunnel(t, { port }) {
  const server = createServer((plain) => {
    const secure = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    for (const socket of [plain, secure]) socket.on('error', () => {});
    plain.pipe(secure).pipe(plain);
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  return server.address();
}

for (const [name, rows] of Object.entries(ROWS)) {
  test(`a folder: ${name}, ${rows.length} rows`, async (t) => {
    await all(t, (await doorsOf(t)).folder, rows);
  });
}

for (const name of ['conditions', 'ranges', 'ifRanges']) {
  // A handler says itself what is missing.
  const rows = ROWS[name].filter(([, request]) => !request.includes('missing'));
  test(`a file as a body: ${name}, ${rows.length} rows`, async (t) => {
    await all(t, (await doorsOf(t)).body, rows);
  });
}

// There the bytes of a file pass through the process, and sendfile has no part.
for (const name of ['ranges', 'codings']) {
  test(`over TLS: ${name}, ${ROWS[name].length} rows`, async (t) => {
    const { cert, key } = authority().issue();
    const { folder } = await doorsOf(t, { tls: { cert, key } });
    await all(t, folder, ROWS[name]);
  });
}

test('with two JavaScript threads: conditions', async (t) => {
  const root = makeFixture(temporary(t));
  const app = moduleOf(t, `export default { routes: { '/*': { dir: ${JSON.stringify(root)} } } };`);
  const server = await start(t, { module: app, jsThreads: 2 });
  await all(t, askerOf({ port: server.port, root }), [...conditions, ...ranges]);
});

async function all(t, door, rows) {
  const wrong = [];
  for (const row of rows) {
    const faults = await door.faults(row);
    if (faults.length > 0) wrong.push(`${row[0]}: ${faults.join('; ')}`);
  }
  t.deepEqual(wrong, []);
}

test('a file of 5 GiB, beyond what 32 bits count', async (t) => {
  const { folder } = await doorsOf(t);
  const ask = async (range) => {
    const bytes = folder.spell('GET', '/sparse.bin', [`Range: bytes=${range}`], true);
    const [{ status, headers, body }] = await folder.ask(bytes, ['GET']);
    return [status, Object.fromEntries(headers)['content-range'], body.toString('latin1')];
  };
  const size = 5 * 2 ** 30;
  const zeros = (count) => '\0'.repeat(count);
  t.deepEqual(await ask('4294967290-4294967300'), [
    206,
    `bytes 4294967290-4294967300/${size}`,
    zeros(11),
  ]);
  t.deepEqual(await ask('-3'), [206, `bytes ${size - 3}-${size - 1}/${size}`, zeros(3)]);
  t.deepEqual(await ask(`${size - 1}-`), [206, `bytes ${size - 1}-${size - 1}/${size}`, '\0']);
  t.deepEqual((await ask(`${size}-`)).slice(0, 2), [416, `bytes */${size}`]);
  const [head] = await folder.ask(folder.spell('HEAD', '/sparse.bin', [], true), ['HEAD']);
  t.is(Object.fromEntries(head.headers)['content-length'], String(size));
});

test('the matrix has its rows, each once', (t) => {
  const own = Object.entries(ROWS).filter(([name]) => name !== 'product');
  const count = own.reduce((sum, [, rows]) => sum + rows.length, 0);
  t.true(count >= 300, `${count} rows`);
  for (const [group, rows] of Object.entries(ROWS)) {
    const names = rows.map(([name, request]) => `${request} ${name}`);
    t.is(new Set(names).size, names.length, group);
  }
  t.log(`${count} rows, and ${product.length} of the product`);
});
