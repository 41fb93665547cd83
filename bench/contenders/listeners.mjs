// (req, res) listeners for node:http and reactor-rs/node, one for each question.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as content from './content.mjs';
import { streams } from './handlers.mjs';

const TEXT = { 'content-type': 'text/plain' };
const greeting = { ...TEXT, 'content-length': 13 };

function hello(_req, res) {
  res.writeHead(200, greeting).end('Hello, World!');
}

function send(res, text) {
  res.writeHead(200, { ...TEXT, 'content-length': text.length }).end(text);
}

function whole(body) {
  const head = { 'content-type': 'text/plain', 'content-length': body.length };
  return (_req, res) => res.writeHead(200, head).end(body);
}

function json(res, value) {
  const answer = JSON.stringify(value);
  const head = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) };
  res.writeHead(200, head).end(answer);
}

/** Chunks of the body, as 'data' gives them, and `done` after the last. */
function read(req, take, done) {
  req.on('data', take);
  req.on('end', done);
}

function counted(req, res) {
  let length = 0;
  read(
    req,
    (chunk) => {
      length += chunk.length;
    },
    () => send(res, String(length)),
  );
}

function collected(req, res) {
  const list = [];
  read(
    req,
    (chunk) => list.push(chunk),
    () => send(res, String(Buffer.concat(list).length)),
  );
}

/** Sends what a source yields, and waits where the socket is full. */
function flow(source, head = TEXT) {
  return (_req, res) => {
    res.writeHead(200, head);
    pipeline(source(), res).catch(() => {});
  };
}

async function* generated(list) {
  for (const chunk of list) yield chunk;
}

const waiting = new Set();
let timer;

function broadcast() {
  for (const res of waiting) res.write(content.event);
}

/** @param {{ database: object | null }} parts */
export function listeners({ database }) {
  return {
    hello,
    listener: hello,

    api(req, res) {
      const list = [];
      const done = () => {
        const body = JSON.parse(Buffer.concat(list).toString());
        const url = new URL(req.url, 'http://localhost');
        json(res, {
          agent: req.headers['user-agent'],
          trace: req.headers['x-trace'],
          page: url.searchParams.get('page'),
          items: body.items.length,
          name: body.name,
        });
      };
      read(req, (chunk) => list.push(chunk), done);
    },

    counted,
    collected,

    'string-64k': whole(content.strings['64k']),
    'string-1m': whole(content.strings['1m']),
    'bytes-64k': whole(content.bytes['64k']),
    'bytes-1m': whole(content.bytes['1m']),
    'stream-64k': flow(() => Readable.from(content.pieces['64k'])),
    'stream-1m': flow(() => Readable.from(content.pieces['1m'])),

    'stream-start': flow(streams['stream-start']),
    'stream-pull': flow(streams['stream-pull']),
    'stream-generator': flow(() => generated(content.chunks)),
    'stream-readable': flow(() => Readable.from(content.chunks)),

    async 'late-microtask'(req, res) {
      await null;
      hello(req, res);
    },
    'late-immediate': (req, res) => setImmediate(hello, req, res),
    'late-timer': (req, res) => setTimeout(hello, 1, req, res),
    async 'late-database'(_req, res) {
      send(res, await database.get('greeting'));
    },

    headers(req, res) {
      const body = content.readFields.map((name) => req.headers[name]).join('|');
      const head = { ...content.fields, ...TEXT, 'content-length': body.length };
      res.writeHead(200, head).end(body);
    },
    cookies(req, res) {
      const session = content.cookie(req.headers.cookie, 'session');
      const head = { ...TEXT, 'content-length': session.length, 'set-cookie': content.setCookies };
      res.writeHead(200, head).end(session);
    },
    'json-12k': (_req, res) => json(res, content.list),

    events(_req, res) {
      if (timer === undefined) timer = setInterval(broadcast, content.EVENT_MS);
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.flushHeaders();
      waiting.add(res);
      res.on('close', () => waiting.delete(res));
    },
  };
}
