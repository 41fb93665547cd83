// The head of a response is put together from what Node made its text of. It must be what the text
// says.

import http from 'node:http';
import test from 'ava';
import { headOf, takeApart } from '../../dist/node/head.js';

const { _storeHeader: storeHeader } = http.OutgoingMessage.prototype;

/** A response that keeps what its head was made of, and both readings of it. */
function responseTo(req, read) {
  const res = new http.ServerResponse({ httpVersionMajor: 1, httpVersionMinor: 1, ...req });
  res.shouldKeepAlive = true;
  res._keepAliveTimeout = 5000;
  res._storeHeader = function store(statusLine, headers) {
    storeHeader.call(this, statusLine, headers);
    read(
      tried(() => headOf(this, statusLine, headers)),
      tried(() => takeApart(this._header, headers)),
    );
  };
  return res;
}

function tried(make) {
  try {
    return make();
  } catch (error) {
    return String(error);
  }
}

const COOKIES = ['a=1', 'b=2'];

const SETS = {
  nothing: (res) => res.end(),
  'a text': (res) => res.end('hello'),
  'no text at first': (res) => res.write('hello'),
  'fields that are set': (res) => {
    res.setHeader('X-One', 'a: b');
    res.setHeader('x-two', 2);
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.end('hello');
  },
  'a length that is set': (res) => res.setHeader('Content-Length', 5).end('hello'),
  'fields that writeHead gets': (res) =>
    res
      .writeHead(200, { 'Content-Type': 'text/plain', 'CONTENT-LENGTH': '5', Vary: '' })
      .end('hello'),
  'fields from both': (res) => res.setHeader('a', 'b').writeHead(201, { c: 'd' }).end('hello'),
  'a flat array': (res) => res.writeHead(200, ['A', 'b', 'c', 4, 'A', 'again']).end('hello'),
  pairs: (res) =>
    res
      .writeHead(200, [
        ['A', 'b'],
        ['c', 4],
      ])
      .end('hello'),
  'a phrase': (res) => res.writeHead(200, 'Fine', { a: 'b' }).end('hello'),
  'a status without a phrase of ours': (res) => res.writeHead(422).end('hello'),
  'a status without a phrase': (res) => res.writeHead(499).end('hello'),
  'a status without a body': (res) => res.writeHead(204).end(),
  'not modified': (res) => res.writeHead(304, { ETag: '"a"' }).end(),
  'a connection that is closed': (res) => res.setHeader('Connection', 'close').end('hello'),
  'a connection that is kept': (res) => res.setHeader('connection', 'Keep-Alive').end('hello'),
  'a connection that is removed': (res) => {
    res.removeHeader('Connection');
    res.end('hello');
  },
  'a length that is removed': (res) => {
    res.removeHeader('Content-Length');
    res.end('hello');
  },
  'a coding that is removed': (res) => {
    res.removeHeader('Transfer-Encoding');
    res.write('hello');
  },
  'chunked as asked': (res) => res.setHeader('Transfer-Encoding', 'chunked').end('hello'),
  'chunked without a body': (res) => res.writeHead(204, { 'Transfer-Encoding': 'chunked' }).end(),
  'an unknown coding': (res) => res.setHeader('Transfer-Encoding', 'gzip').end('hello'),
  'a keep-alive of its own': (res) => res.setHeader('Keep-Alive', 'timeout=9').end('hello'),
  'a date of its own': (res) => res.setHeader('Date', 'today').end('hello'),
  'no date': (res) => {
    res.sendDate = false;
    res.end('hello');
  },
  'no keep-alive': (res) => {
    res.shouldKeepAlive = false;
    res.end('hello');
  },
  'no timeout': (res) => {
    res._keepAliveTimeout = 0;
    res.end('hello');
  },
  'a timeout of more than a second': (res) => {
    res._keepAliveTimeout = 1999;
    res.end('hello');
  },
  'the last of its connection': (res) => {
    res.maxRequestsOnConnectionReached = true;
    res.end('hello');
  },
  'the most of its connection': (res) => {
    res._maxRequestsPerSocket = 10;
    res.end('hello');
  },
  cookies: (res) => res.setHeader('Set-Cookie', COOKIES).end('hello'),
  'cookies for writeHead': (res) => res.writeHead(200, { 'Set-Cookie': COOKIES }).end('hello'),
  'cookies for writeHead, in turn': (res) =>
    res.writeHead(200, ['Set-Cookie', COOKIES]).end('hello'),
  'a disposition': (res) => res.setHeader('Content-Disposition', 'a; b="é"').end('hello'),
  'trailers that are announced': (res) => res.setHeader('Trailer', 'x').write('hello'),
  'a value that is true': (res) => res.setHeader('a', true).end('hello'),
  'a value in Latin-1': (res) => res.setHeader('a', 'é').end('hello'),
  'a length that is none': (res) => res.setHeader('Content-Length', 'five').end('hello'),
  'two lengths': (res) =>
    res.writeHead(200, ['Content-Length', 5, 'content-length', 6]).end('hello'),
  'a long value': (res) => res.setHeader('a', 'b'.repeat(70_000)).end('hello'),
  'a name that all objects have': (res) =>
    res.writeHead(200, Object.assign(Object.create({ no: 'no' }), { yes: 'yes' })).end('hello'),
};

const REQUESTS = {
  GET: { method: 'GET' },
  HEAD: { method: 'HEAD' },
  'GET of HTTP/1.0': { method: 'GET', httpVersionMinor: 0, headers: {}, rawHeaders: [] },
};

/** What only the text tells: lists of values, and what Node reads in another way. */
const RARE = /cookies|disposition|trailers|the most of its|is true/;

for (const [what, req] of Object.entries(REQUESTS)) {
  for (const [name, answer] of Object.entries(SETS)) {
    test(`head: ${name}, for ${what}`, (t) => {
      t.plan(1);
      const res = responseTo(req, (made, read) => {
        if (made === null) {
          t.regex(name, RARE);
        } else {
          t.deepEqual(made, read);
        }
      });
      try {
        answer(res);
      } catch (error) {
        // Node refuses a `Trailer` without chunks before there is a text.
        t.is(error.code, 'ERR_HTTP_TRAILER_INVALID');
      }
    });
  }
}
