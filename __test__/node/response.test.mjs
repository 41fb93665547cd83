// What a plain (req, res) handler can do with a response, as on node:http.

import { once } from 'node:events';
import http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'ava';
import { both, raw, reactor, until } from './both.mjs';

const LARGE = Buffer.alloc(3_000_000, '0123456789');

/** What a call throws: its code, for both to have the same. */
function codeOf(call) {
  try {
    call();
    return 'nothing';
  } catch (error) {
    return error.code ?? error.message;
  }
}

/** By path: what the handler does. What it returns is what it answers, as JSON. */
const HANDLERS = {
  '/end': (_req, res) => void res.end('text'),
  '/end-nothing': (_req, res) => void res.end(),
  '/end-latin1': (_req, res) => void res.end('\u00e9\u00ff', 'latin1'),
  '/end-hex': (_req, res) => void res.end('00ff', 'hex'),
  '/end-bytes': (_req, res) => void res.end(new Uint8Array([1, 2, 0])),
  '/write-end': (_req, res) => {
    res.write('a');
    res.write(Buffer.from('b'));
    res.end('c');
  },
  '/write-length': (_req, res) => {
    res.setHeader('Content-Length', 3);
    res.write('a');
    res.end('bc');
  },
  '/write-later': (_req, res) => {
    res.write('a');
    setTimeout(() => res.write('b'), 5);
    setTimeout(() => res.end('c'), 10);
  },
  '/head-object': (_req, res) => {
    res.writeHead(201, { 'X-A': 'a', 'x-b': ['1', '2'], 'Content-Type': 'text/plain' }).end('x');
  },
  '/head-array': (_req, res) => {
    res.writeHead(200, 'Fine', ['X-A', 'a', 'X-A', 'b', 'X-C', 'c']).end('x');
  },
  '/head-pairs': (_req, res) => {
    const pairs = [
      ['X-A', 'a'],
      ['X-C', 'c'],
    ];
    res.writeHead(200, pairs).end('x');
  },
  '/head-merged': (_req, res) => {
    res.setHeader('X-A', 'before');
    res.setHeader('X-B', 'b');
    res.writeHead(200, { 'x-a': 'after', 'X-C': 'c' }).end('x');
  },
  '/head-length': (_req, res) => {
    res.writeHead(200, { 'Content-Length': '1' }).end('x');
  },
  '/set-cookie': (_req, res) => {
    res.setHeader('Set-Cookie', ['a=1', 'b=2; Path=/']);
    res.appendHeader('set-cookie', 'c=3');
    res.end();
  },
  '/latin1-header': (_req, res) => {
    res.setHeader('X-Name', 'caf\u00e9');
    res.end();
  },
  '/number-header': (_req, res) => {
    res.setHeader('X-Number', 5);
    res.end();
  },
  '/no-content': (_req, res) => {
    res.writeHead(204);
    res.end('ignored');
  },
  '/not-modified': (_req, res) => {
    res.writeHead(304, { etag: '"a"' });
    res.write('ignored');
    res.end();
  },
  '/te-chunked': (_req, res) => {
    res.setHeader('Transfer-Encoding', 'chunked');
    res.end('chunked');
  },
  '/headers': (_req, res) => {
    res.setHeader('X-One', 'a');
    res.setHeader('x-two', ['b', 'c']);
    res.appendHeader('X-One', 'd');
    res.setHeader('X-Gone', 'x');
    res.removeHeader('x-gone');
    const list = [new Map([['X-Map', 'm']]), new Headers({ 'x-headers': 'h' })];
    for (const headers of list) {
      res.setHeaders(headers);
    }
    return [
      res.getHeader('x-one'),
      res.getHeader('X-TWO'),
      res.hasHeader('X-gone'),
      res.getHeaderNames(),
      res.getRawHeaderNames(),
      res.getHeaders(),
      res.headersSent,
    ];
  },
  '/state': (req, res) => [
    req instanceof http.IncomingMessage,
    res instanceof http.ServerResponse,
    res.req === req,
    res.socket === req.socket,
    req.connection === req.socket,
    res.statusCode,
    res.statusMessage,
    res.sendDate,
    res.writableEnded,
    res.writableFinished,
    res.writableCorked > 1,
    res.strictContentLength,
    res.finished,
    res.destroyed,
    res.closed,
    req.destroyed,
    req.aborted,
    req.upgrade,
    req.httpVersion,
    req.httpVersionMajor,
    req.httpVersionMinor,
    req.socket.encrypted,
    req.socket.readable,
    req.socket.writable,
    req.socket.destroyed,
    req.socket.remoteAddress,
    req.socket.remoteFamily,
    typeof req.socket.remotePort,
    req.socket.localAddress,
    typeof req.socket.localPort,
    req.readableFlowing,
  ],
  '/bad-header': (_req, res) => [
    codeOf(() => res.setHeader('X-A', 'a\r\nb')),
    codeOf(() => res.setHeader('X-A', '\u017e')),
    codeOf(() => res.setHeader('X A', 'a')),
    codeOf(() => res.setHeader('X-A', undefined)),
    codeOf(() => res.appendHeader('X-A', 'a\0')),
    codeOf(() => res.writeHead(200, { 'X-A': 'a\n' })),
    codeOf(() => res.writeHead(200, { 'X\tA': 'a' })),
    codeOf(() => res.writeHead(200, ['X-A'])),
    codeOf(() => res.writeHead(99)),
    codeOf(() => res.writeHead(1000)),
    codeOf(() => res.writeHead(200, 'a\r\nb')),
    Object.assign(res, { statusMessage: '' }).headersSent,
  ],
  '/bad-chunk': (_req, res) => [
    codeOf(() => res.write(5)),
    codeOf(() => res.write(null)),
    codeOf(() => res.end({})),
  ],
  '/too-late': (_req, res) => {
    res.write('[');
    const codes = [
      codeOf(() => res.setHeader('a', 'b')),
      codeOf(() => res.removeHeader('a')),
      codeOf(() => res.appendHeader('a', 'b')),
      codeOf(() => res.writeHead(200)),
      res.headersSent,
    ];
    res.end(`${JSON.stringify(codes)}]`);
  },
  '/pipe': (_req, res) => void Readable.from([LARGE.subarray(0, 100_000), 'end']).pipe(res),
  '/pipeline': (_req, res) => void pipeline(Readable.from([LARGE, 'x', LARGE]), res),
  '/large': (_req, res) => void res.end(LARGE),
  '/large-text': (_req, res) => void res.end('\u017e'.repeat(500_000)),
  '/drain': async (_req, res) => {
    let waits = 0;
    res.writeHead(200, { 'content-length': 4_000_000 });
    for (let i = 0; i < 400; i++) {
      if (!res.write(Buffer.alloc(10_000, i))) {
        waits++;
        if (!res.writableNeedDrain) {
          waits = -1000;
        }
        await once(res, 'drain');
      }
    }
    res.end();
    res.on('finish', () => DRAINED.push(waits > 0));
  },
  '/flush': (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    setTimeout(() => res.end('data: 1\n\n'), 10);
  },
  '/cork': (_req, res) => {
    res.cork();
    res.write('a');
    res.write('b');
    process.nextTick(() => {
      res.uncork();
      res.end('c');
    });
  },
  '/early-hints': (_req, res) => {
    res.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => res.end('after hints'));
  },
  '/prototype': (req, res) => {
    const parent = Object.create(http.ServerResponse.prototype);
    parent.hello = function () {
      this.setHeader('X-Own', 'yes');
      this.end('hello');
    };
    Object.setPrototypeOf(res, parent);
    Object.setPrototypeOf(req, Object.create(http.IncomingMessage.prototype));
    req.on('end', () => res.hello()).resume();
  },
  '/patched': (_req, res) => {
    const { writeHead, write, end } = res;
    res.writeHead = function (...rest) {
      this.setHeader('X-Patched', 'head');
      return writeHead.apply(this, rest);
    };
    res.write = function (chunk, ...rest) {
      return write.call(this, String(chunk).toUpperCase(), ...rest);
    };
    res.end = function (chunk, ...rest) {
      return end.call(this, chunk && String(chunk).toUpperCase(), ...rest);
    };
    res.write('a');
    res.end('b');
  },
  '/end-twice': (_req, res) => {
    const said = [];
    res.end('once');
    res.end(() => said.push('callback'));
    res.on('error', (error) => said.push(error.code));
    res.end('twice', (error) => said.push(error.code));
    res.write('again', (error) => said.push(error.code));
    res.on('close', () => SAID.push(said));
  },
  '/end-callback': (_req, res) => {
    res.write('a', () => SAID.push('written'));
    res.end('b', () => SAID.push('ended'));
  },
  '/connection-close': (_req, res) => {
    res.setHeader('Connection', 'close');
    res.end('last');
  },
};
const DRAINED = [];
const SAID = [];

function handler(req, res) {
  const handle = HANDLERS[new URL(req.url, 'http://a').pathname];
  const answer = handle(req, res);
  if (Array.isArray(answer)) {
    res.end(JSON.stringify(answer));
  }
}

let served;
test.before(async () => {
  served = await both((create) => create(handler));
});
test.after.always(() => served.close());

for (const path of Object.keys(HANDLERS)) {
  test(`response: ${path.slice(1)}`, async (t) => {
    const { status } = await served.same(t, path);
    t.true(status < 400);
  });
}

test('response: HEAD of what says its length', async (t) => {
  const { headers } = await served.same(t, '/head-length', { method: 'HEAD' });
  t.is(headers['content-length'], '1');
});

test('response: HEAD has no body and the length of GET, where it is known', async (t) => {
  const server = await reactor(t, (_req, res) => res.end('four'));
  const answer = await raw(t, server, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  t.regex(answer, /^HTTP\/1\.1 200 OK\r\nContent-Length: 4\r\n/);
  t.true(answer.endsWith('\r\n\r\n'));
});

test('response: fields go out in the order and case of the program', async (t) => {
  const server = await reactor(t, (_req, res) => {
    res.setHeader('x-LAST', '1');
    res.setHeader('A-First', '2');
    res.setHeader('Set-Cookie', ['a=1', 'b=2']);
    res.end('x');
  });
  const answer = await raw(t, server, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  t.regex(answer, /\r\nx-LAST: 1\r\nA-First: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n/);
  t.is(answer.match(/\r\nDate: /g).length, 1);
});

test('response: a keep-alive connection goes on, and Connection: close ends it', async (t) => {
  const server = await reactor(t, handler);
  const get = (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const answers = await raw(
    t,
    server,
    get('/end') + get('/write-end') + get('/connection-close') + get('/end'),
  );
  t.is(answers.match(/HTTP\/1\.1 200 OK/g).length, 3);
  t.regex(answers, /\r\nConnection: close\r\n.*last$/s);
});

test('response: HTTP/1.0 without a length ends with the connection', async (t) => {
  const server = await reactor(t, handler);
  const answer = await raw(t, server, 'GET /write-end HTTP/1.0\r\n\r\n');
  t.regex(answer, /\r\nConnection: close\r\n\r\nabc$/);
  t.notRegex(answer, /chunked/i);
});

test('response: HTTP/1.0 keep-alive is kept where the length is known', async (t) => {
  const server = await reactor(t, handler);
  const first = 'GET /head-length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n';
  const answers = await raw(t, server, `${first}GET /end HTTP/1.0\r\n\r\n`);
  t.is(answers.match(/HTTP\/1\.1 200 OK/g).length, 2);
});

test('response: drain comes, and there was something to wait for', async (t) => {
  const before = DRAINED.length;
  await served.same(t, '/drain');
  await until(() => DRAINED.length >= before + 2, 'both to finish');
  t.true(DRAINED.every(Boolean));
});

test('response: the callbacks of end and write, and errors after the end', async (t) => {
  const server = await reactor(t, handler);
  const answers = [];
  for (const path of ['/end-twice', '/end-callback']) {
    SAID.length = 0;
    answers.push(await (await fetch(`http://127.0.0.1:${server.address().port}${path}`)).text());
    await until(() => SAID.length > 0, 'what was said');
    if (path === '/end-twice') {
      t.deepEqual(SAID[0].toSorted(), [
        'ERR_STREAM_WRITE_AFTER_END',
        'ERR_STREAM_WRITE_AFTER_END',
        'ERR_STREAM_WRITE_AFTER_END',
        'ERR_STREAM_WRITE_AFTER_END',
        'callback',
      ]);
    } else {
      await until(() => SAID.length === 2, 'both callbacks');
      t.deepEqual(SAID, ['written', 'ended']);
    }
  }
  t.deepEqual(answers, ['once', 'ab']);
});

test('response: a body that is not of the length it says is a 500, if nothing has gone', async (t) => {
  const server = await reactor(t, (_req, res) => {
    res.writeHead(200, { 'content-length': 2 }).end('three');
  });
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  t.is(response.status, 500);
});

test('response: a body that ends before its length is cut off', async (t) => {
  const server = await reactor(t, (_req, res) => {
    res.writeHead(200, { 'content-length': 20 });
    res.write('ten bytes.');
    setTimeout(() => res.end(), 20);
  });
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  await t.throwsAsync(response.text());
});

test('response: destroyed in the middle of its body, it is cut off', async (t) => {
  const server = await reactor(t, (_req, res) => {
    res.write('part');
    setTimeout(() => res.destroy(), 20);
  });
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  await t.throwsAsync(response.text());
});

test('response: destroyed before its head, nothing is answered', async (t) => {
  const server = await reactor(t, (req) => req.socket.destroy());
  t.is(await raw(t, server, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), '');
});

test('response: framing that cannot be sent is refused', async (t) => {
  const codes = [];
  const server = await reactor(t, (_req, res) => {
    const given = [
      { 'transfer-encoding': 'gzip, chunked' },
      { 'content-length': 'x' },
      { 'content-length': ['1', '2'] },
      { 'x-long': 'x'.repeat(70_000) },
    ];
    for (const headers of given) {
      codes.push(codeOf(() => res.writeHead(200, headers)));
    }
    res.end(String(res.headersSent));
  });
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  t.is(await response.text(), 'false');
  t.deepEqual(codes, Array(4).fill('ERR_REACTOR_INVALID_RESPONSE'));
});

test('response: a status that is no answer is refused', async (t) => {
  const server = await reactor(t, (_req, res) => {
    const code = codeOf(() => res.writeHead(103));
    res.writeHead(500, { 'x-code': code, 'x-sent': String(res.headersSent) }).end();
  });
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  t.is(response.status, 500);
  t.is(response.headers.get('x-code'), 'ERR_HTTP_INVALID_STATUS_CODE');
});

test('response: strictContentLength throws as in Node', async (t) => {
  const server = await reactor(t, (_req, res) => {
    res.strictContentLength = true;
    res.writeHead(200, { 'content-length': 3 });
    const code = codeOf(() => res.end('four'));
    res.end(code === 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' ? 'yes' : 'no!');
  });
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  t.is(await response.text(), 'yes');
});

test('response: writeContinue is no part of the body', async (t) => {
  const server = await reactor(t, (_req, res) => {
    res.writeContinue();
    res.end('continued');
  });
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  t.is(await response.text(), 'continued');
});
