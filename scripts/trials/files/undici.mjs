// What undici asks of files: ranges over connections that are kept, its cache, and downloads that
// it resumes by itself.
//
//   node scripts/trials/files/undici.mjs

import assert from 'node:assert/strict';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, fetch, interceptors, Pool, RetryAgent, request } from 'undici';
import { check, cuttingProxy, finish, scratch, startServer } from './lib.mjs';

const root = scratch('undici');
const large = Buffer.from(Array.from({ length: 2 << 20 }, (_, n) => (n * 13 + (n >> 9)) & 0xff));
const code = 'export const words = "that repeat";\n'.repeat(500);
writeFileSync(join(root, 'large.bin'), large);
writeFileSync(join(root, 'app.js'), code);
utimesSync(join(root, 'large.bin'), 1_700_000_000, 1_700_000_000);
utimesSync(join(root, 'app.js'), 1_700_000_000, 1_700_000_000);
const server = await startServer({ dir: root });
const bytesOf = async ({ body }) => Buffer.from(await body.arrayBuffer());

await check('1,000 ranges over ten connections, pipelined', async () => {
  const pool = new Pool(server.url, { connections: 10, pipelining: 8 });
  const asked = Array.from({ length: 1000 }, async (_, n) => {
    const first = (n * 2097) % (large.length - 5000);
    const last = first + (n % 5000);
    const headers = { range: `bytes=${first}-${last}` };
    const answer = await pool.request({ path: '/large.bin', method: 'GET', headers });
    assert.equal(answer.statusCode, 206);
    assert.ok((await bytesOf(answer)).equals(large.subarray(first, last + 1)), `${first}-${last}`);
  });
  await Promise.all(asked);
  await pool.close();
});

await check('fetch decodes br and gzip', async () => {
  for (const coding of ['br', 'gzip']) {
    const answer = await fetch(`${server.url}/app.js`, { headers: { 'accept-encoding': coding } });
    assert.equal(answer.headers.get('content-encoding'), coding);
    assert.equal(await answer.text(), code);
  }
});

await check('its cache asks again with the tag, and a 304 is enough', async () => {
  const seen = [];
  const watch = (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart: (...args) => handler.onRequestStart?.(...args),
      onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
      onResponseStart(controller, status, ...rest) {
        seen.push(status);
        return handler.onResponseStart?.(controller, status, ...rest);
      },
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
      onResponseError: (...args) => handler.onResponseError?.(...args),
    });
  const dispatcher = new Agent().compose(watch, interceptors.cache());
  for (let turn = 0; turn < 3; turn++) {
    const answer = await request(`${server.url}/app.js`, { dispatcher });
    assert.equal(answer.statusCode, 200);
    assert.equal(String(await bytesOf(answer)), code);
  }
  // Its cache forgets what was confirmed, so that the third is whole again.
  assert.deepEqual(seen.slice(0, 2), [200, 304]);
  await dispatcher.close();
});

await check('a download that breaks off twice is resumed', async () => {
  const proxy = await cuttingProxy(server.port, [400_000, 500_000]);
  const dispatcher = new RetryAgent(new Agent(), { maxRetries: 5, minTimeout: 10 });
  const answer = await request(`http://127.0.0.1:${proxy.port}/large.bin`, { dispatcher });
  assert.ok((await bytesOf(answer)).equals(large));
  const ranges = proxy.requests.map((head) => /^range: *(\S+)/im.exec(head)?.[1]);
  assert.equal(ranges.length, 3);
  assert.match(ranges[1], /^bytes=\d+-/);
  await dispatcher.close();
  proxy.close();
  return ranges.slice(1).join(', ');
});

await check('a handler answers with file(), and a range of it is asked', async () => {
  const whole = await request(`${server.url}/body/large.bin`);
  assert.ok((await bytesOf(whole)).equals(large));
  const etag = whole.headers.etag;
  const part = await request(`${server.url}/body/large.bin`, {
    headers: { range: 'bytes=100-199', 'if-range': etag },
  });
  assert.equal(part.statusCode, 206);
  assert.ok((await bytesOf(part)).equals(large.subarray(100, 200)));
  const cached = await request(`${server.url}/body/large.bin`, {
    headers: { 'if-none-match': etag },
  });
  assert.equal(cached.statusCode, 304);
  await cached.body.dump();
});

await server.stop();
finish();
