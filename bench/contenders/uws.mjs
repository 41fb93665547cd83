// uWebSockets.js, with what it has in the place of a fetch handler: `uws.mjs PORT QUESTION [DATABASE]`.
// Its authors publish no npm package; `uwebsockets` there carries their binaries.
//
// A handler is corked while it runs, and so is onData: what it writes goes out in one call.
// Whatever writes later corks by itself. A request is readable only until its handler returns.

import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import * as content from './content.mjs';
import { streams } from './handlers.mjs';
import { isBroadcast, isDeflate, isWebSocket } from './websockets.mjs';

const require = createRequire(new URL('../peers/package.json', import.meta.url));
const { App, SSLApp, SHARED_COMPRESSOR, SHARED_DECOMPRESSOR, DISABLED } = require('uwebsockets');
const [port, question, databasePort] = process.argv.slice(2);
const database = await content.database(databasePort);

const EMPTY = Buffer.alloc(0);

function watch(res) {
  res.onAborted(() => {
    res.isAborted = true;
  });
}

function later(res, write) {
  if (!res.isAborted) res.cork(write);
}

/** The whole body. A chunk's memory is gone after the call, so it is copied, once. */
function collect(res, req, done) {
  const length = Number(req.getHeader('content-length'));
  const body = length > 0 ? Buffer.allocUnsafe(length) : EMPTY;
  let at = 0;
  watch(res);
  res.onData((chunk, isLast) => {
    body.set(new Uint8Array(chunk), at);
    at += chunk.byteLength;
    if (isLast) done(body);
  });
}

/** Writes what can be had without waiting. */
function writeAll(res, list) {
  res.writeHeader('content-type', 'text/plain');
  for (const chunk of list) res.write(chunk);
  res.end();
}

/** An answer of known length in pieces, which waits where the socket is full. */
function writePieces(res, list, total) {
  let next = 0;
  let from = 0;
  const go = () => {
    while (next < list.length) {
      const piece = list[next];
      const sent = res.getWriteOffset() - from;
      const [ok, done] = res.tryEnd(sent > 0 ? piece.subarray(sent) : piece, total);
      if (done) return true;
      if (!ok) return false;
      from += piece.length;
      next++;
    }
    return true;
  };
  watch(res);
  res.writeHeader('content-type', 'text/plain');
  if (go()) return;
  res.onWritable(go);
}

/** What comes bit by bit is written bit by bit. */
async function writeEach(res, source) {
  watch(res);
  res.writeHeader('content-type', 'text/plain');
  for await (const chunk of source) later(res, () => res.write(chunk));
  later(res, () => res.end());
}

async function* generated(list) {
  for (const chunk of list) yield chunk;
}

const clients = new Set();
let timer;

function broadcast() {
  for (const res of clients) res.cork(() => res.write(content.event));
}

const handlers = {
  hello(res) {
    res.end('Hello, World!');
  },

  api(res, req) {
    const agent = req.getHeader('user-agent');
    const trace = req.getHeader('x-trace');
    const page = req.getQuery('page');
    collect(res, req, (body) => {
      const { items, name } = JSON.parse(body.toString());
      const answer = JSON.stringify({ agent, trace, page, items: items.length, name });
      res.writeHeader('content-type', 'application/json').end(answer);
    });
  },

  counted(res) {
    let length = 0;
    watch(res);
    res.onData((chunk, isLast) => {
      length += chunk.byteLength;
      if (isLast) res.end(String(length));
    });
  },
  collected(res, req) {
    collect(res, req, (body) => res.end(String(body.length)));
  },

  'string-64k': (res) => res.end(content.strings['64k']),
  'string-1m': (res) => res.end(content.strings['1m']),
  'bytes-64k': (res) => res.end(content.bytes['64k']),
  'bytes-1m': (res) => res.end(content.bytes['1m']),
  'stream-64k': (res) => writePieces(res, content.pieces['64k'], content.bytes['64k'].length),
  'stream-1m': (res) => writePieces(res, content.pieces['1m'], content.bytes['1m'].length),

  // All is there at once, so a user of this API has no stream in between.
  'stream-start': (res) => writeAll(res, content.chunks),
  'stream-pull': (res) => writeEach(res, streams['stream-pull']()),
  'stream-generator': (res) => writeEach(res, generated(content.chunks)),
  'stream-readable'(res) {
    watch(res);
    res.writeHeader('content-type', 'text/plain');
    Readable.from(content.chunks)
      .on('data', (chunk) => later(res, () => res.write(chunk)))
      .on('end', () => later(res, () => res.end()));
  },

  async 'late-microtask'(res) {
    watch(res);
    await null;
    later(res, () => res.end('Hello, World!'));
  },
  'late-immediate'(res) {
    watch(res);
    setImmediate(() => later(res, () => res.end('Hello, World!')));
  },
  'late-timer'(res) {
    watch(res);
    setTimeout(() => later(res, () => res.end('Hello, World!')), 1);
  },
  async 'late-database'(res) {
    watch(res);
    const greeting = await database.get('greeting');
    later(res, () => res.end(greeting));
  },

  headers(res, req) {
    const body = content.readFields.map((name) => req.getHeader(name)).join('|');
    for (const name in content.fields) res.writeHeader(name, content.fields[name]);
    res.writeHeader('content-type', 'text/plain').end(body);
  },
  cookies(res, req) {
    const session = content.cookie(req.getHeader('cookie'), 'session');
    for (const value of content.setCookies) res.writeHeader('set-cookie', value);
    res.end(session);
  },
  'json-12k'(res) {
    res.writeHeader('content-type', 'application/json').end(JSON.stringify(content.list));
  },

  events(res) {
    if (timer === undefined) timer = setInterval(broadcast, content.EVENT_MS);
    res.writeHeader('content-type', 'text/event-stream').write(': hello\n\n');
    clients.add(res);
    res.onAborted(() => clients.delete(res));
  },
};

const { TLS_CERT, TLS_KEY } = process.env;
const app =
  TLS_CERT === undefined ? App() : SSLApp({ cert_file_name: TLS_CERT, key_file_name: TLS_KEY });

if (isWebSocket(question)) {
  app.ws('/*', {
    maxPayloadLength: 16 * 2 ** 20,
    maxBackpressure: 64 * 2 ** 20,
    idleTimeout: 0,
    compression: isDeflate(question) ? SHARED_COMPRESSOR | SHARED_DECOMPRESSOR : DISABLED,
    open: (ws) => isBroadcast(question) && ws.subscribe('all'),
    message: isBroadcast(question)
      ? (_, message, isBinary) => app.publish('all', message, isBinary)
      : (ws, message, isBinary) => ws.send(message, isBinary, isDeflate(question)),
  });
} else {
  app.any('/*', handlers[question]);
}

app.listen('127.0.0.1', Number(port), (socket) => {
  if (!socket) {
    throw new Error(`cannot listen on port ${port}`);
  }
});
