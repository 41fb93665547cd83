// From Request to Response, one for each question: what reactor-rs, Bun and Deno run.

import { Readable } from 'node:stream';
import * as content from './content.mjs';

const text = new TextEncoder();
const { chunks, pieces } = content;

/** All is there before it is read. */
function filled(list) {
  return new ReadableStream({
    start(controller) {
      for (const chunk of list) controller.enqueue(chunk);
      controller.close();
    },
  });
}

/** One chunk whenever the reader wants one. */
export function pulled(list) {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next < list.length) controller.enqueue(list[next++]);
      else controller.close();
    },
  });
}

async function* generated(list) {
  for (const chunk of list) yield chunk;
}

/** The streams of ten chunks, which bare-stream.mjs reads without a server. */
export const streams = {
  'stream-start': () => filled(chunks),
  'stream-pull': () => pulled(chunks),
};

async function counted(request) {
  let length = 0;
  for await (const chunk of request.body) length += chunk.byteLength;
  return new Response(String(length));
}

async function collected(request) {
  return new Response(String((await request.arrayBuffer()).byteLength));
}

const clients = new Set();
let timer;

function broadcast() {
  const event = text.encode(content.event);
  for (const client of clients) client.enqueue(event);
}

/** @param {{ database: object | null }} parts */
export function handlers({ database }) {
  return {
    hello: () => new Response('Hello, World!'),

    async api(request) {
      const url = new URL(request.url);
      const body = await request.json();
      return Response.json({
        agent: request.headers.get('user-agent'),
        trace: request.headers.get('x-trace'),
        page: url.searchParams.get('page'),
        items: body.items.length,
        name: body.name,
      });
    },

    counted,
    collected,

    'string-64k': () => new Response(content.strings['64k']),
    'string-1m': () => new Response(content.strings['1m']),
    'bytes-64k': () => new Response(content.bytes['64k']),
    'bytes-1m': () => new Response(content.bytes['1m']),
    'stream-64k': () => new Response(pulled(pieces['64k'])),
    'stream-1m': () => new Response(pulled(pieces['1m'])),

    'stream-start': () => new Response(streams['stream-start']()),
    'stream-pull': () => new Response(streams['stream-pull']()),
    'stream-generator': () => new Response(generated(chunks)),
    'stream-readable': () => new Response(Readable.from(chunks)),

    async 'late-microtask'() {
      await null;
      return new Response('Hello, World!');
    },
    'late-immediate': () =>
      new Promise((resolve) => setImmediate(() => resolve(new Response('Hello, World!')))),
    'late-timer': () =>
      new Promise((resolve) => setTimeout(() => resolve(new Response('Hello, World!')), 1)),
    async 'late-database'() {
      return new Response(await database.get('greeting'));
    },

    headers(request) {
      const values = content.readFields.map((name) => request.headers.get(name));
      return new Response(values.join('|'), { headers: content.fields });
    },
    cookies(request) {
      const session = content.cookie(request.headers.get('cookie'), 'session');
      const headers = content.setCookies.map((value) => ['set-cookie', value]);
      return new Response(session, { headers });
    },
    'json-12k': () => Response.json(content.list),

    events() {
      if (timer === undefined) timer = setInterval(broadcast, content.EVENT_MS);
      let mine;
      const body = new ReadableStream({
        start(controller) {
          mine = controller;
          clients.add(controller);
        },
        cancel() {
          clients.delete(mine);
        },
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    },
  };
}
