// Clients that are libraries: Node's http2, undici with `allowH2`, Python's httpx.
//
//   node scripts/trials/http2/clients.mjs [--engine node]
//
// httpx is installed into build/ by pip where it is missing.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { authority, noOpenssl } from '../../../__test__/tls/certificates.mjs';
import { patterned, TEXT } from './handler.mjs';
import { ask, check, ENGINE, finish, HERE, run, skip, startServer } from './lib.mjs';
import { pythonWithHttp2 } from './python.mjs';

const isOurs = ENGINE === 'reactor-rs';
const bytes = patterned(10 << 20);
const sha256 = createHash('sha256').update(bytes).digest('hex');
const hashed = (body) => createHash('sha256').update(body).digest('hex');

const ca = noOpenssl === null ? authority() : null;
const own = ca?.issue();
if (ca === null) skip(`all over TLS: ${noOpenssl}`);
const server = await startServer({
  ...(own === undefined ? {} : { tls: { cert: own.cert, key: own.key } }),
  ...(isOurs ? { settings: { compress: true } } : {}),
});

await node('node in clear', server.url);
if (ca !== null) await node('node', server.secureUrl);
if (ca !== null) await withUndici();
await python(await pythonWithHttp2());
await check('the server ends well', () => server.stop());
finish();

/** Waits until a count of the handlers has grown. */
async function counted(name, before, by = 1) {
  for (let n = 0; ; n++) {
    const now = (await server.counts())[name];
    if (now >= before + by) return;
    assert(n < 150, `${name}: ${now}, not ${before + by}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function node(name, url) {
  const session = http2.connect(url, { ca: ca?.cert, maxSessionMemory: 1_000 });
  session.on('error', () => {});
  await once(session, 'connect');
  const get = (path, fields) => ask(session, { ':path': path, ...fields });
  await check(`${name}: a text`, async () => {
    const { status, body } = await get('/hello');
    assert.deepEqual([status, String(body)], [200, 'hello']);
  });
  await check(`${name}: 10 MiB down and up, at once, beside small ones`, async () => {
    const [down, up, ...small] = await Promise.all([
      get('/large'),
      ask(session, { ':path': '/sha', ':method': 'POST' }, bytes),
      ...Array.from({ length: 30 }, () => get('/hello')),
    ]);
    assert.equal(hashed(down.body), sha256);
    assert.deepEqual(JSON.parse(up.body), { size: bytes.length, sha256 });
    assert(small.every(({ body }) => String(body) === 'hello'));
  });
  await check(`${name}: an echo, both ways at once`, async () => {
    const { body } = await ask(session, { ':path': '/echo', ':method': 'POST' }, bytes);
    assert.equal(hashed(body), sha256);
  });
  await check(`${name}: ping-pong on one stream`, async () => {
    const stream = session.request({ ':path': '/echo', ':method': 'POST' });
    for (let n = 0; n < 300; n++) {
      stream.write(`message ${n}`);
      const [piece] = await once(stream, 'data');
      assert.equal(String(piece), `message ${n}`);
    }
    stream.end();
    await once(stream, 'end');
  });
  await check(`${name}: HEAD, 304, 404, 500`, async () => {
    const said = [];
    for (const [path, fields] of [
      ['/text', { ':method': 'HEAD' }],
      ['/tagged', { 'if-none-match': '"t"' }],
      ['/nowhere', {}],
      ['/throws', {}],
    ]) {
      const { status, body } = await get(path, fields);
      said.push(`${status} ${body.length > 0}`);
    }
    assert.deepEqual(said.slice(0, 3), ['200 false', '304 false', '404 true']);
    assert.match(said[3], /^500/);
  });
  await check(`${name}: 1,000 requests, 100 at a time`, async () => {
    for (let turn = 0; turn < 10; turn++) {
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, n) =>
          ask(session, { ':path': '/whole', ':method': 'POST' }, `${turn} ${n}`),
        ),
      );
      answers.forEach(({ body }, n) => {
        assert.equal(String(body), `${turn} ${n}`);
      });
    }
  });
  await check(`${name}: it cancels in the middle of an answer`, async () => {
    const { cancelled } = await server.counts();
    const stream = session.request({ ':path': '/streamed?pieces=1000000' });
    stream.on('error', () => {});
    await once(stream, 'data');
    stream.close(http2.constants.NGHTTP2_CANCEL);
    if (isOurs) await counted('cancelled', cancelled);
    assert.equal(String((await get('/hello')).body), 'hello');
  });
  await check(`${name}: it cancels before an answer, and the signal tells`, async () => {
    const { aborted } = await server.counts();
    const streams = Array.from({ length: 10 }, () => session.request({ ':path': '/hang' }));
    for (const stream of streams) stream.on('error', () => {});
    await get('/hello');
    for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
    await counted('aborted', aborted, 10);
  });
  await check(`${name}: it cancels an upload`, async () => {
    const { aborted } = await server.counts();
    const stream = session.request({ ':path': '/sha', ':method': 'POST' });
    stream.on('error', () => {});
    stream.write(bytes.subarray(0, 100_000));
    await get('/wait?ms=50');
    // Its `close` would send what is left first.
    stream.destroy(new Error('gone'));
    await counted('aborted', aborted);
  });
  await check(`${name}: a slow reader beside others`, async () => {
    const { pulled } = await server.counts();
    const slow = session.request({ ':path': '/streamed?pieces=100000&size=16384' });
    slow.pause();
    slow.on('error', () => {});
    await once(slow, 'response');
    const answers = await Promise.all(Array.from({ length: 50 }, () => get('/text')));
    assert(answers.every(({ status }) => status === 200));
    const pieces = (await server.counts()).pulled - pulled;
    slow.close(http2.constants.NGHTTP2_CANCEL);
    if (isOurs) assert(pieces < 200, `${pieces} pieces of 16 KiB were made for nobody`);
    return `${pieces} pieces`;
  });
  if (isOurs) {
    await check(`${name}: compressed`, async () => {
      const { fields } = await get('/text', { 'accept-encoding': 'gzip' });
      assert.equal(fields['content-encoding'], 'gzip');
      assert.equal(fields.etag, 'W/"t"');
    });
    await check(`${name}: trailers both ways`, async () => {
      assert.equal((await get('/trailers')).trailers['x-checksum'], 'abc');
      const stream = session.request(
        { ':path': '/got-trailers', ':method': 'POST' },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-late': 'yes' }));
      stream.end('with');
      let text = '';
      for await (const piece of stream) text += piece;
      assert.deepEqual(JSON.parse(text), { body: 'with', trailers: { 'x-late': 'yes' } });
    });
    await check(`${name}: Early Hints`, async () => {
      const stream = session.request({ ':path': '/hinted?ms=1' });
      const [hints] = await once(stream, 'headers');
      assert.equal(hints[':status'], 103);
      assert.match(hints.link, /asset/);
      const [answer] = await once(stream, 'response');
      assert.equal(answer[':status'], 200);
      stream.resume();
      await once(stream, 'close');
    });
    await check(`${name}: what the handler knows`, async () => {
      const { body } = await get('/fields', { priority: 'u=1, i' });
      const { protocol, priority, url: seen } = JSON.parse(body);
      assert.deepEqual(priority, { urgency: 1, incremental: true });
      assert.equal(protocol, 'HTTP/2.0');
      assert.equal(seen, `${url}/fields`);
    });
    await check(`${name}: the client closes gently`, async () => {
      const pending = get('/wait?ms=100');
      session.close();
      assert.equal(String((await pending).body), 'waited');
      if (!session.closed) await once(session, 'close');
    });
  }
  session.destroy();
}

async function withUndici() {
  const dispatcher = new Agent({ connect: { ca: ca.cert }, allowH2: true });
  const url = server.secureUrl;
  const get = (path, how) => fetch(`${url}${path}`, { dispatcher, ...how });
  await check('undici: it speaks HTTP/2', async () => {
    const answer = await get('/fields');
    const { protocol } = await answer.json();
    if (isOurs) assert.equal(protocol, 'HTTP/2.0');
  });
  await check('undici: 10 MiB down and up', async () => {
    assert.equal(hashed(Buffer.from(await (await get('/large')).arrayBuffer())), sha256);
    const up = await get('/sha', { method: 'POST', body: bytes });
    assert.deepEqual(await up.json(), { size: bytes.length, sha256 });
  });
  await check('undici: 300 at once', async () => {
    const texts = await Promise.all(
      Array.from({ length: 300 }, async () => (await get('/text')).text()),
    );
    assert(texts.every((text) => text === TEXT));
  });
  await check('undici: it goes away', async () => {
    const { aborted } = await server.counts();
    const gone = new AbortController();
    const asked = get('/hang', { signal: gone.signal });
    await get('/hello');
    gone.abort();
    await assert.rejects(asked, { name: 'AbortError' });
    await counted('aborted', aborted);
  });
  await dispatcher.close();
}

async function python(own) {
  if (own === null) return;
  const secure = ca === null ? ['-', '-'] : [server.secureUrl, ca.certFile];
  const { code, out } = await run(own, [join(HERE, 'client.py'), server.url, ...secure]);
  for (const line of out.trim().split('\n')) {
    if (line.startsWith('#')) {
      console.log(line);
      continue;
    }
    const [name, fault] = line.split('\t');
    await check(`httpx: ${name}`, () => assert.equal(fault, 'ok'));
  }
  await check('httpx: all of it ran', () => assert.equal(code, 0));
}
