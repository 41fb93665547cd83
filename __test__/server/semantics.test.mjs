// What HTTP asks of a server's answers, even if the program says otherwise: RFC 9110 and RFC 9112.

import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { createServer } from 'reactor-rs/node';
import { temporary } from '../support/folder.mjs';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

/** A server of Node's or of reactor-rs/node, listening. */
async function listening(t, create, options, handler) {
  const server = create(options, handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return { port: server.address().port, hostname: '127.0.0.1' };
}

/** The whole answer to these bytes, after which the connection is closed. */
async function answerTo(t, server, bytes) {
  const client = await open(t, server);
  client.send(bytes);
  return client.closes();
}

const ask = (t, server, line, fields = '') =>
  answerTo(t, server, `${line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`);

function fieldOf(text, name) {
  const head = `${text.split('\r\n\r\n')[0]}\r\n`;
  return new RegExp(`^${name}: *(.*?)\r$`, 'im').exec(head)?.[1];
}

const statusLine = (text) => text.slice(0, text.indexOf('\r\n'));

function streamOf(...chunks) {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) {
        controller.enqueue(new TextEncoder().encode(chunk));
      }
      controller.close();
    },
  });
}

/** Answers to HEAD, and what their Content-Length has to be; `null` for none. */
const HEADS = {
  'no body': [() => new Response(null), null],
  'no body, later': [async () => new Response(null, { headers: { etag: '"1"' } }), null],
  "no body and GET's fields": [() => new Response(null, new Response('hello')), null],
  'no body and a length': [() => new Response(null, { headers: { 'content-length': '5' } }), '5'],
  'no body and a length of nothing': [
    () => new Response(null, { headers: { 'content-length': '0' } }),
    '0',
  ],
  'an empty body': [() => new Response(''), '0'],
  'a body': [() => new Response('hello'), '5'],
  bytes: [() => new Response(new Uint8Array(7)), '7'],
  'a large body': [() => new Response('x'.repeat(1_000_000)), '1000000'],
  JSON: [() => Response.json({ a: 1 }), '7'],
  'a blob': [() => new Response(new Blob(['hello'])), '5'],
  'a stream': [() => new Response(streamOf('a', 'b')), null],
  'a stream and a length': [
    () => new Response(streamOf('a', 'b'), { headers: { 'content-length': '2' } }),
    '2',
  ],
  'no content': [() => new Response(null, { status: 204 }), null],
  'not modified': [() => new Response(null, { status: 304, headers: { etag: '"1"' } }), null],
  'an error without a body': [() => new Response(null, { status: 404 }), null],
};

for (const [name, [handle, length]] of Object.entries(HEADS)) {
  test(`HEAD is answered with ${name}`, async (t) => {
    const server = await start(t, { fetch: handle });
    for (const version of ['1.1', '1.0']) {
      const text = await answerTo(
        t,
        server,
        `HEAD / HTTP/${version}\r\nHost: a\r\nConnection: close\r\n\r\n`,
      );
      t.is(fieldOf(text, 'content-length') ?? null, length, text);
      t.is(fieldOf(text, 'transfer-encoding'), undefined, 'GET may send a length');
      t.true(text.endsWith('\r\n\r\n'), 'no body');
    }
    // The connection goes on behind it.
    const client = await open(t, server);
    client.send(
      'HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    t.is((await client.closes()).match(/^HTTP\/1\.1 /gm)?.length, 2);
  });
}

test('HEAD of a static route has the length of GET', async (t) => {
  const server = await start(t, { routes: { '/': 'hello', '/none': { status: 204 } } });
  t.is(fieldOf(await ask(t, server, 'HEAD /'), 'content-length'), '5');
  t.is(fieldOf(await ask(t, server, 'HEAD /none'), 'content-length'), undefined);
});

for (const [name, answer] of Object.entries({
  nothing: (_, res) => res.end(),
  'a body': (_, res) => res.end('hello'),
  pieces: (_, res) => {
    res.write('a');
    res.end('b');
  },
  'a length': (_, res) => {
    res.setHeader('Content-Length', 5);
    res.end();
  },
  'a length of nothing': (_, res) => {
    res.setHeader('Content-Length', 0);
    res.end();
  },
  'not modified': (_, res) => {
    res.statusCode = 304;
    res.end();
  },
})) {
  test(`HEAD is answered as in Node with ${name}`, async (t) => {
    const lengths = [];
    for (const create of [http.createServer, createServer]) {
      const server = await listening(t, create, {}, answer);
      const text = await ask(t, server, 'HEAD /');
      t.is(fieldOf(text, 'transfer-encoding'), undefined);
      lengths.push(fieldOf(text, 'content-length'));
    }
    // Where Node says nothing, the length that was written is as right.
    t.true(
      lengths[0] === undefined ? lengths[1] !== '0' : lengths[0] === lengths[1],
      String(lengths),
    );
  });
}

test('a reason phrase is sent as it is, and an empty one is the usual', async (t) => {
  const phrases = {
    own: 'No Such Tenant',
    blanks: 'a  b\tc',
    latin1: 'caf\u00e9 \u00ff',
    none: '',
  };
  const server = await start(t, {
    fetch(request) {
      const statusText = phrases[new URL(request.url).pathname.slice(1)];
      const body = request.headers.has('x-stream') ? streamOf('x') : 'x';
      return new Response(body, { status: 404, statusText });
    },
  });
  for (const [name, phrase] of Object.entries(phrases)) {
    for (const fields of ['', 'x-stream: 1\r\n']) {
      const text = await ask(t, server, `GET /${name}`, fields);
      t.is(statusLine(text), `HTTP/1.1 404 ${phrase || 'Not Found'}`);
    }
  }
});

test('a static route has a reason phrase too', async (t) => {
  const server = await start(t, {
    routes: {
      '/object': { status: 404, statusText: 'No Such Tenant', body: 'x' },
      '/response': new Response('x', { status: 404, statusText: 'caf\u00e9' }),
      '/none': { status: 404, statusText: '' },
    },
  });
  t.is(statusLine(await ask(t, server, 'GET /object')), 'HTTP/1.1 404 No Such Tenant');
  t.is(statusLine(await ask(t, server, 'GET /response')), 'HTTP/1.1 404 caf\u00e9');
  t.is(statusLine(await ask(t, server, 'GET /none')), 'HTTP/1.1 404 Not Found');
  for (const statusText of ['a\r\nb', '\u010d', 5]) {
    await t.throwsAsync(start(t, { routes: { '/': { statusText } } }), {
      code: 'ERR_REACTOR_INVALID_ROUTE',
      message: /statusText/,
    });
  }
});

test('a phrase that would end the line, or is no latin1, goes to the error handler', async (t) => {
  const errors = [];
  const foreign = (statusText) => ({
    status: 200,
    statusText,
    headers: new Map([['x', '1']]),
    body: null,
    bodyUsed: false,
    clone() {},
  });
  const phrases = ['a\r\nX-Evil: 1', 'a\nb', 'a\0b', 'a\u010db', '\u{1f600}', '\x7f'];
  const server = await start(t, {
    fetch: (request) => foreign(phrases[new URL(request.url).pathname.slice(1)]),
    error(error) {
      errors.push(error);
      return new Response('told', { status: 500 });
    },
  });
  for (const [i, phrase] of phrases.entries()) {
    const text = await ask(t, server, `GET /${i}`);
    t.is(statusLine(text), 'HTTP/1.1 500 Internal Server Error', JSON.stringify(phrase));
    t.false(/evil/i.test(text));
    t.is(errors[i]?.code, 'ERR_REACTOR_INVALID_RESPONSE');
    t.regex(errors[i].message, /statusText/);
    t.throws(() => new Response('', { statusText: phrase }), { instanceOf: TypeError });
  }
});

test('statusMessage is sent as in Node', async (t) => {
  const answers = [
    (res) => {
      res.statusMessage = 'Custom';
      res.end('x');
    },
    (res) => res.writeHead(404, 'No Such Tenant').end('x'),
    (res) => {
      res.statusCode = 413;
      res.end('x');
    },
    (res) => {
      res.statusCode = 418;
      res.end('x');
    },
    (res) => {
      res.statusCode = 422;
      res.write('x');
      res.end();
    },
    (res) => {
      res.statusCode = 503;
      res.statusMessage = '';
      res.end('x');
    },
    (res) => {
      res.statusCode = 299;
      res.end('x');
    },
    (res) => {
      try {
        res.writeHead(200, 'a\r\nb');
      } catch (error) {
        res.writeHead(500, 'Told', { 'x-code': error.code });
      }
      res.end('x');
    },
  ];
  for (const answer of answers) {
    const lines = [];
    for (const create of [http.createServer, createServer]) {
      const server = await listening(t, create, {}, (_, res) => answer(res));
      const text = await ask(t, server, 'GET /');
      lines.push([statusLine(text), fieldOf(text, 'x-code')]);
    }
    t.deepEqual(lines[1], lines[0]);
  }
});

test('an answer with Upgrade names it in Connection', async (t) => {
  const refuse = () =>
    new Response('HTTP/2 only', { status: 426, headers: { upgrade: 'h2c', connection: 'x' } });
  const server = await start(t, {
    routes: { '/static': { status: 426, headers: { Upgrade: 'h2c' }, body: 'HTTP/2 only' } },
    fetch: refuse,
  });
  for (const path of ['/static', '/handler']) {
    const text = await ask(t, server, `GET ${path}`);
    t.is(statusLine(text), 'HTTP/1.1 426 Upgrade Required');
    t.is(fieldOf(text, 'upgrade'), 'h2c');
    t.is(fieldOf(text, 'connection'), 'upgrade, close');
    const client = await open(t, server);
    client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    t.is(fieldOf(await client.reads(/only$/), 'connection'), 'upgrade');
  }
  const node = await listening(t, createServer, {}, (_, res) =>
    res.writeHead(426, { Upgrade: 'h2c', Connection: 'Upgrade' }).end('x'),
  );
  const client = await open(t, node);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.is(fieldOf(await client.reads(/x\r\n0/), 'connection'), 'upgrade');
});

test('OPTIONS that nobody handles is answered with what the path allows', async (t) => {
  const server = await start(t, {
    routes: {
      '/static': 'x',
      '/item/:id': { GET: () => new Response('x'), PUT: () => new Response('x') },
      '/own': { OPTIONS: () => new Response('own'), GET: 'x' },
    },
  });
  for (const [path, status, allow] of [
    ['/static', 204, 'GET, HEAD, OPTIONS'],
    ['/item/7', 204, 'GET, HEAD, PUT, OPTIONS'],
    ['/own', 200, undefined],
    ['/', 204, 'OPTIONS'],
    ['*', 204, undefined],
    ['/none', 404, undefined],
  ]) {
    const text = await ask(t, server, `OPTIONS ${path}`);
    t.is(Number(text.slice(9, 12)), status, path);
    t.is(fieldOf(text, 'allow'), allow, path);
    t.is(
      fieldOf(text, 'content-length'),
      status === 204 ? undefined : fieldOf(text, 'content-length'),
    );
  }
  // As HAProxy asks.
  const builtin = await start(t, {});
  const text = await answerTo(t, builtin, 'OPTIONS / HTTP/1.0\r\n\r\n');
  t.is(statusLine(text), 'HTTP/1.1 204 No Content');
  t.is(fieldOf(text, 'allow'), 'GET, HEAD, OPTIONS');
  // A handler for everything has the word.
  const all = await start(t, {
    routes: { '/static': 'x' },
    fetch: ({ method }) => new Response(method),
  });
  for (const path of ['/static', '/']) {
    t.regex(await ask(t, all, `OPTIONS ${path}`), /\r\n\r\nOPTIONS$/);
  }
});

test('an https target is for those proxies that are trusted', async (t) => {
  const fetch = (request) => new Response(request.url);
  const routes = { '/static': 'native' };
  for (const [trustProxy, isTrusted] of [
    [false, false],
    [true, true],
    [1, true],
    [['loopback'], true],
    [['127.0.0.0/8', '::1'], true],
    [['10.0.0.0/8', 'unix'], false],
    ['private', false],
  ]) {
    const server = await start(t, { fetch, routes, trustProxy });
    for (const [path, body] of [
      ['/p?q', 'https://b/p?q'],
      ['/static', 'native'],
      ['', 'https://b/'],
    ]) {
      const text = await ask(t, server, `GET https://b${path}`);
      t.is(Number(text.slice(9, 12)), isTrusted ? 200 : 421, `${trustProxy} ${path}`);
      t.is(text.endsWith(`\r\n\r\n${body}`), isTrusted);
    }
    t.regex(await ask(t, server, 'GET /p'), /http:\/\/a\/p$/);
  }
});

test('an https target over a unix socket', async (t) => {
  const folder = temporary(t);
  for (const [i, [trustProxy, status]] of [
    ['unix', 200],
    ['loopback', 421],
  ].entries()) {
    const server = await start(t, {
      unix: join(folder, `${i}`),
      trustProxy,
      fetch: () => new Response('x'),
    });
    t.is(Number((await ask(t, server, 'GET https://b/')).slice(9, 12)), status);
  }
});

test('a Host that no URL can have is refused, and every other makes one', async (t) => {
  const server = await start(t, { fetch: (request) => new Response(new URL(request.url).host) });
  const hosts = [
    ...[
      'a',
      'a.',
      'a..b',
      '.',
      '..',
      'a_b',
      'a-',
      '-a',
      '~',
      'a,b',
      '*',
      '!',
      "'",
      '$&()+;=',
      'A.Example',
    ],
    ...[
      'a%2Db',
      'a%41',
      '%2e',
      'a%00b',
      'a%20b',
      'a%2fb',
      'a%25',
      'a%7f',
      '%ff',
      'caf%C3%A9',
      'a%5Bb',
      'a%5Eb',
    ],
    ...[
      '1',
      '1.2',
      '1.2.3',
      '1.2.3.4',
      '1.2.3.4.',
      '1.2.3.4.5',
      '256.1.1.1',
      '1.256',
      '1.2.3.256',
      '1.2.65536',
    ],
    ...[
      '1.16777216',
      '4294967295',
      '4294967296',
      '99999999999999999999',
      '0x7f.1',
      '0x',
      '0X.',
      '0xg',
      '0x1g',
      '08',
    ],
    ...[
      '09.1',
      '010.1',
      '0.0.0.0x100',
      'a.1',
      'a.1.',
      'a.0x',
      'a.0x1f',
      'a.08',
      'a.1a',
      '1a',
      '1..',
      '1..2',
      '.1',
    ],
    ...[
      '%31',
      '%32%35%36.1.1.1',
      'a.%31',
      'xn--',
      'xn--a',
      'xn--zzzz',
      'a.xn--99999999',
      'xn--caf-dma',
      'XN--LS8H',
    ],
    ...[
      'xn--fiqs8s',
      'xn--mnchen-3ya.de',
      'a.xn--p1ai',
      'xn--80ak6aa92e.com',
      'ab--c',
      'xn-a',
      'xn---',
    ],
    ...[
      '[::1]',
      '[::]',
      '[1:2:3:4:5:6:7:8]',
      '[::ffff:1.2.3.4]',
      '[1::2::3]',
      '[12345::]',
      '[::1.2.3]',
      '[::g]',
    ],
  ];
  for (const host of hosts) {
    for (const port of ['', ':80', ':8080', ':']) {
      const given = host + port;
      const text = await answerTo(
        t,
        server,
        `GET / HTTP/1.1\r\nHost: ${given}\r\nConnection: close\r\n\r\n`,
      );
      // A name in another script is to be sent in Punycode (RFC 3986 §3.2.2).
      if (URL.canParse(`http://${given}`) && host !== 'caf%C3%A9') {
        t.is(text.slice(9, 12), '200', given);
        t.is(text.split('\r\n\r\n')[1], new URL(`http://${given}`).host);
      } else {
        t.is(text.slice(9, 12), '400', given);
      }
    }
  }
});

test('100 Continue is for those that wait for it', async (t) => {
  const server = await start(t, { fetch: async (request) => new Response(await request.text()) });
  const head =
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';
  t.notRegex(await answerTo(t, server, `${head}hello`), /100 Continue/);
  t.notRegex(await answerTo(t, server, `${head}hello`), /100 Continue/);
  const client = await open(t, server);
  client.send(head);
  t.is(await client.reads(/\r\n\r\n/), 'HTTP/1.1 100 Continue\r\n\r\n');
  client.send('hello');
  t.regex(await client.closes(), /\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*hello$/);
});

test('how long a connection is kept is told where that is short', async (t) => {
  const fetch = () => new Response('x');
  for (const [keepAlive, expected] of [
    [undefined, [undefined, undefined]],
    [75_000, [undefined, undefined]],
    [30_001, [undefined, undefined]],
    [30_000, ['keep-alive', 'timeout=30']],
    [5_999, ['keep-alive', 'timeout=5']],
    [1_000, ['keep-alive', 'timeout=1']],
    [999, [undefined, undefined]],
  ]) {
    const server = await start(t, { fetch, routes: { '/static': 'x' }, timeouts: { keepAlive } });
    for (const path of ['/', '/static']) {
      const client = await open(t, server);
      client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const text = await client.reads(/x$/);
      t.deepEqual(
        [fieldOf(text, 'connection'), fieldOf(text, 'keep-alive')],
        expected,
        String(keepAlive),
      );
      const last = await ask(t, server, `GET ${path}`);
      t.deepEqual([fieldOf(last, 'connection'), fieldOf(last, 'keep-alive')], ['close', undefined]);
      const old = await open(t, server);
      old.send(`GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
      t.is(fieldOf(await old.reads(/x$/), 'connection'), 'keep-alive');
    }
  }
});

test('a connection is kept a second longer than the server says', async (t) => {
  const server = await start(t, { fetch: () => new Response('x'), timeouts: { keepAlive: 1_000 } });
  const client = await open(t, server);
  const begin = performance.now();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.closes();
  // Later is the machine's affair.
  t.true(performance.now() - begin > 1_900);
});

test('Keep-Alive of the program’s own', async (t) => {
  const server = await start(t, {
    fetch: () => new Response('x', { headers: { 'keep-alive': 'timeout=7, max=9' } }),
  });
  const client = await open(t, server);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const text = await client.reads(/x$/);
  t.is(fieldOf(text, 'keep-alive'), 'timeout=7, max=9');
  t.is(fieldOf(text, 'connection'), 'keep-alive');
  const last = await ask(t, server, 'GET /');
  t.is(fieldOf(last, 'keep-alive'), undefined, 'not where the connection ends');
  t.is(fieldOf(last, 'connection'), 'close');
});

test('Keep-Alive under reactor-rs/node is Node’s', async (t) => {
  const cases = [
    [{ keepAliveTimeout: 5_000 }, (_, res) => res.end('x')],
    [
      { keepAliveTimeout: 2_500 },
      (_, res) => {
        res.write('x');
        res.end();
      },
    ],
    [{ keepAliveTimeout: 40_000 }, (_, res) => res.end('x')],
    [
      { keepAliveTimeout: 5_000 },
      (_, res) => {
        res.setHeader('Connection', 'close');
        res.end('x');
      },
    ],
    [
      { keepAliveTimeout: 5_000 },
      (_, res) => {
        res.setHeader('Keep-Alive', 'timeout=3');
        res.end('x');
      },
    ],
  ];
  for (const [options, handler] of cases) {
    const seen = [];
    for (const create of [http.createServer, createServer]) {
      const server = await listening(t, create, options, handler);
      const client = await open(t, server);
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      const text = await client.reads(/\r\n\r\n[\s\S]*x/);
      seen.push([fieldOf(text, 'connection'), fieldOf(text, 'keep-alive')]);
      t.is(fieldOf(await ask(t, server, 'GET /'), 'connection'), 'close');
    }
    t.deepEqual(seen[1], seen[0], JSON.stringify(options));
  }
});

test('a body of 20 MB comes to a JavaScript handler without a word in the options', async (t) => {
  const size = 20_000_000;
  const server = await start(t, {
    async fetch(request) {
      let length = 0;
      for await (const chunk of request.body) {
        length += chunk.length;
      }
      return new Response(String(length));
    },
  });
  const response = await fetch(server.url, { method: 'POST', body: new Uint8Array(size) });
  t.is(await response.text(), String(size));
  // More is refused before any of it comes; where bodies are collected, more than 16 MiB.
  const post = (length) =>
    `POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
  t.regex(await answerTo(t, server, post(2 ** 27 + 1)), /^HTTP\/1\.1 413 /);
  t.regex(await answerTo(t, await start(t, {}), post(2 ** 24 + 1)), /^HTTP\/1\.1 413 /);
  const limited = await start(t, { fetch: () => new Response('x'), limits: { body: 10 } });
  t.regex(await answerTo(t, limited, post(11)), /^HTTP\/1\.1 413 /);
});

test('a 503 says which limit it was', async (t) => {
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const server = await start(t, {
    maxInFlight: 1,
    async fetch() {
      await held;
      return new Response('x');
    },
  });
  const first = await open(t, server);
  first.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  let text = '';
  while (!text.includes(' 503 ')) {
    const client = await open(t, server);
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    text = await Promise.race([client.reads(/handlers as may be\n$/), sleep(5_000, '')]);
  }
  t.regex(text, /503 Service Unavailable: as many requests are at handlers as may be\n$/);
  release();

  const small = await start(t, { bodyMemory: 10 });
  const post =
    'POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 11\r\n\r\nhello world';
  t.regex(
    await answerTo(t, small, post),
    /503 Service Unavailable: the memory for request bodies is in use\n$/,
  );
});

test('a static 205 has no body', async (t) => {
  await t.throwsAsync(start(t, { routes: { '/': { status: 205, body: 'x' } } }), {
    code: 'ERR_REACTOR_INVALID_ROUTE',
    message: /cannot have a body with status 205/,
  });
});
