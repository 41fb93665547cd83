// A server of the HTTP/2 trials: `node server.mjs '{"engine": "reactor-rs", "tls": {…}, "settings": {…}}'`.
// It says its ports in a line of JSON, answers each line of its input with another, and stops with
// its input. The engine `node` is node:http2, to compare with and to try the trials themselves.

import { once } from 'node:events';
import http2 from 'node:http2';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { serve } from '../../../dist/index.js';
import { counts, handle, seen } from './handler.mjs';

const { engine = 'reactor-rs', tls, dir, settings = {} } = JSON.parse(process.argv[2] ?? '{}');

const server = engine === 'node' ? await ofNode() : await ofOurs();
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
say({ ports: server.ports });

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.seen) {
    say(seen.splice(0));
  } else if (asked.counts) {
    say({ ...counts });
  } else if (asked.stats) {
    say(server.stats());
  } else if (asked.memory) {
    globalThis.gc?.();
    say({ rss: process.memoryUsage().rss });
  } else if (asked.stop) {
    await server.stop();
    say({});
  }
}
await server.stop();

async function ofOurs() {
  const listen = [{ port: 0, hostname: '127.0.0.1' }];
  if (tls !== undefined) listen.push({ port: 0, hostname: '127.0.0.1', tls });
  const { routes, ...rest } = settings;
  const ours = await serve({
    listen,
    fetch: handle,
    // What is thrown on purpose needs no words.
    error: () => new Response('failed', { status: 500 }),
    routes: {
      // Answered without JavaScript.
      '/inline': new Response('hello'),
      ...routes,
      ...(dir === undefined ? {} : { '/files/*': { dir } }),
    },
    ...rest,
  });
  return {
    ports: ours.addresses.map(({ port }) => port),
    stats: () => ours.stats(),
    stop: () => ours.stop(),
  };
}

async function ofNode() {
  // Streams of Node's that were cut off throw where nobody waits for them.
  process.on('uncaughtException', () => {});
  const answer = async (req, res) => {
    const url = new URL(req.url, `http://${req.authority}`);
    const gone = new AbortController();
    req.stream.on('close', () => gone.abort());
    const hasBody = req.method !== 'GET' && req.method !== 'HEAD';
    const fields = Object.entries(req.headers).filter(([name]) => !name.startsWith(':'));
    const request = new Request(url, {
      method: req.method,
      headers: fields,
      ...(hasBody ? { body: Readable.toWeb(req), duplex: 'half' } : {}),
    });
    Object.defineProperty(request, 'signal', { value: gone.signal });
    const response = await handle(request).catch(() => new Response('failed', { status: 500 }));
    if (res.stream.destroyed) return;
    res.writeHead(response.status, Object.fromEntries(response.headers));
    if (req.method === 'HEAD') return res.end();
    for await (const piece of response.body ?? []) {
      if (!res.write(piece)) await Promise.race([once(res, 'drain'), once(res, 'close')]);
      if (res.stream.destroyed) return;
    }
    res.end();
  };
  const servers = [http2.createServer({ maxSessionMemory: 1_000 }, answer)];
  if (tls !== undefined)
    servers.push(
      http2.createSecureServer({ ...tls, allowHTTP1: true, maxSessionMemory: 1_000 }, answer),
    );
  for (const each of servers) {
    each.on('sessionError', () => {}).on('clientError', () => {});
    each.listen(0, '127.0.0.1');
    await once(each, 'listening');
  }
  const sessions = new Set();
  for (const each of servers) {
    each.on('session', (session) => {
      sessions.add(session);
      session.on('error', () => {});
      session.on('close', () => sessions.delete(session));
    });
  }
  return {
    ports: servers.map((each) => each.address().port),
    stats: () => ({}),
    async stop() {
      for (const session of sessions) session.close();
      for (const each of servers) each.close();
    },
  };
}
