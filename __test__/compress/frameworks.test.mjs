// Compression under frameworks: through `serve`, and through `reactor-rs/node`.

import { createServer as nodeServer } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import test from 'ava';
import compression from 'compression';
import express from 'express';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { createServer } from 'reactor-rs/node';
import { request } from 'undici';
import { start } from '../support/server.mjs';

const TEXT = 'All work and no play makes Jack a dull boy. '.repeat(200);

async function get(url, coding) {
  const answer = await request(url, { headers: { 'accept-encoding': coding } });
  const raw = Buffer.from(await answer.body.arrayBuffer());
  return { headers: answer.headers, raw, coding: answer.headers['content-encoding'] };
}

const decoded = ({ raw, coding }) =>
  (coding === 'br'
    ? brotliDecompressSync(raw)
    : coding === 'gzip'
      ? gunzipSync(raw)
      : raw
  ).toString();

function application(middleware) {
  const app = express();
  if (middleware) {
    app.use(compression());
  }
  app.get('/send', (_, res) => res.send(TEXT));
  app.get('/json', (_, res) => res.json({ TEXT }));
  app.get('/write', (_, res) => {
    res.type('text/plain');
    res.write(TEXT);
    res.end(TEXT);
  });
  return app;
}

async function listening(t, server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

test('Express without middleware is compressed by the engine', async (t) => {
  const url = await listening(t, createServer({ compress: true }, application(false)));
  for (const coding of ['br', 'gzip']) {
    const send = await get(`${url}/send`, coding);
    t.is(send.coding, coding);
    t.is(decoded(send), TEXT);
    t.regex(send.headers.etag, /^W\//);
    t.is(Number(send.headers['content-length']), send.raw.length);
    t.is(decoded(await get(`${url}/json`, coding)), JSON.stringify({ TEXT }));
    const written = await get(`${url}/write`, coding);
    t.is(written.coding, coding);
    t.is(decoded(written), TEXT + TEXT);
  }
  t.is((await get(`${url}/send`, 'identity')).coding, undefined);
});

test('the npm package "compression" stays as it is, with the option and without', async (t) => {
  const node = await listening(t, nodeServer(application(true)));
  for (const options of [{ compress: true }, {}]) {
    const url = await listening(t, createServer(options, application(true)));
    for (const path of ['/send', '/json', '/write']) {
      const [ours, theirs] = [await get(url + path, 'gzip'), await get(node + path, 'gzip')];
      t.is(ours.coding, 'gzip');
      t.is(decoded(ours), decoded(theirs));
      t.is(ours.headers.vary, theirs.headers.vary);
      t.is(ours.headers.etag, theirs.headers.etag);
    }
  }
});

test('Hono, whole and with events', async (t) => {
  const app = new Hono();
  app.get('/text', (c) => c.text(TEXT));
  app.get('/events', (c) =>
    streamSSE(c, async (stream) => {
      for (let id = 0; id < 3; id += 1) {
        await stream.writeSSE({ data: TEXT, id: String(id) });
      }
    }),
  );
  const server = await start(t, { compress: true, fetch: app.fetch });
  for (const coding of ['br', 'gzip']) {
    const text = await get(new URL('/text', server.url), coding);
    t.deepEqual([text.coding, decoded(text)], [coding, TEXT]);
    const events = await get(new URL('/events', server.url), coding);
    t.is(events.coding, coding);
    t.is(decoded(events).split(TEXT).length, 4);
  }
});
