// 103 Early Hints and other informational answers; `info.priority`.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { promisify } from 'node:util';
import test from 'ava';
import { Agent, request as undiciRequest } from 'undici';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

function deferred() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const run = promisify(execFile);

const STYLE = '</style.css>; rel=preload; as=style';
const SCRIPT = '</app.js>; rel=preload; as=script';

const later = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Informational answers and the response, as node:http's client gets them. */
async function ask(server, path = '/') {
  const req = get({ port: server.port, host: '127.0.0.1', path });
  const informed = [];
  req.on('information', ({ statusCode, headers }) => informed.push([statusCode, headers]));
  const [res] = await once(req, 'response');
  let body = '';
  for await (const chunk of res.setEncoding('utf8')) {
    body += chunk;
  }
  return { informed, status: res.statusCode, body, headers: res.headers };
}

test('early hints come while the handler works', async (t) => {
  const { promise: go, resolve } = deferred();
  const server = await start(t, {
    fetch: async (_request, info) => {
      info.earlyHints([STYLE, SCRIPT]);
      await go;
      return new Response('page');
    },
  });
  const wire = await open(t, server);
  wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const hints = await wire.reads(/\r\n\r\n$/);
  t.is(hints, `HTTP/1.1 103 Early Hints\r\nlink: ${STYLE}\r\nlink: ${SCRIPT}\r\n\r\n`);
  resolve();
  t.regex(await wire.reads(/page/), /\r\n\r\nHTTP\/1.1 200 OK\r\n/);
});

test('node:http, undici and curl see them', async (t) => {
  const server = await start(t, {
    fetch: async (_request, info) => {
      info.sendInformational(102);
      info.earlyHints(STYLE);
      info.sendInformational(103, { link: SCRIPT, 'x-more': 'yes' });
      await later();
      return new Response('page');
    },
  });
  const { informed, status, body } = await ask(server);
  t.deepEqual(informed, [
    [102, {}],
    [103, { link: STYLE }],
    [103, { link: SCRIPT, 'x-more': 'yes' }],
  ]);
  t.deepEqual([status, body], [200, 'page']);
  const infos = [];
  const answer = await undiciRequest(server.url, {
    dispatcher: new Agent(),
    onInfo: ({ statusCode, headers }) => infos.push([statusCode, headers.link]),
  });
  t.is(await answer.body.text(), 'page');
  t.deepEqual(infos, [
    [102, undefined],
    [103, STYLE],
    [103, SCRIPT],
  ]);
  const { stdout } = await run('curl', ['-si', server.url]);
  t.regex(
    stdout,
    /^HTTP\/1.1 102 Processing\r\n\r\nHTTP\/1.1 103 Early Hints\r\nlink: [\s\S]*\r\n\r\nHTTP\/1.1 200 OK/,
  );
});

test('they count as informational, and the answer in the log stays one', async (t) => {
  const server = await start(t, {
    fetch: (_request, info) => {
      info.earlyHints(STYLE);
      return new Response('page');
    },
  });
  t.is((await ask(server)).informed.length, 1);
  const { requests } = server.stats();
  t.deepEqual([requests.total, requests.informational, requests.success], [1, 1, 1]);
});

test('each in the turn of its request, however answers overtake each other', async (t) => {
  const server = await start(t, {
    fetch: async (request, info) => {
      const path = new URL(request.url).pathname;
      await new Promise((resolve) => setTimeout(resolve, path === '/1' ? 60 : 10));
      info.earlyHints(`<${path}a>`);
      info.earlyHints(`<${path}b>`);
      if (path === '/3') {
        await later();
      }
      return new Response(path);
    },
  });
  const wire = await open(t, server);
  wire.send([1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nhost: a\r\n\r\n`).join(''));
  const all = await wire.reads(/\r\n\r\n\/3$/);
  t.deepEqual(
    all.match(/<\/\d[ab]>|\r\n\r\n\/\d/g).map((found) => found.trim()),
    [1, 2, 3].flatMap((n) => [`</${n}a>`, `</${n}b>`, `/${n}`]),
  );
});

test('a client of HTTP/1.0 gets none', async (t) => {
  const server = await start(t, {
    fetch: (_request, info) => {
      info.earlyHints(STYLE);
      return new Response('page');
    },
  });
  for (const fields of ['', 'connection: keep-alive\r\n']) {
    const wire = await open(t, server);
    wire.send(`GET / HTTP/1.0\r\n${fields}\r\n`);
    t.regex(await wire.reads(/page/), /^HTTP\/1.1 200 OK/);
  }
});

test('after the response they are an error', async (t) => {
  const errors = [];
  const server = await start(t, {
    fetch: (request, info) => {
      const late = () => {
        try {
          info.earlyHints(STYLE);
        } catch (error) {
          errors.push(`${error.code}: ${error.message}`);
        }
      };
      setTimeout(late, 5);
      if (request.url.endsWith('/whole')) {
        return new Response('whole');
      }
      async function* body() {
        yield 'a';
        await later();
        yield 'b';
      }
      return new Response(body());
    },
  });
  for (const [path, text] of [
    ['/whole', 'whole'],
    ['/stream', 'ab'],
  ]) {
    const { informed, body } = await ask(server, path);
    t.deepEqual([informed, body], [[], text]);
  }
  await later();
  const expected =
    'ERR_REACTOR_INVALID_RESPONSE: an informational answer must be sent before the response, which has been given';
  t.deepEqual(errors, [expected, expected]);
});

test('a client that has left gets none, which is no error', async (t) => {
  const { promise, resolve } = deferred();
  const server = await start(t, {
    fetch: async (request, info) => {
      await once(request.signal, 'abort');
      await later();
      try {
        info.earlyHints(STYLE);
        resolve('sent');
      } catch (error) {
        resolve(error);
      }
      return new Response();
    },
  });
  const wire = await open(t, server);
  wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await later();
  wire.reset();
  t.is(await promise, 'sent');
});

test('what cannot be sent is refused', async (t) => {
  const errors = [];
  const server = await start(t, {
    fetch: (_request, info) => {
      for (const send of [
        () => info.sendInformational(100),
        () => info.sendInformational(101),
        () => info.sendInformational(200),
        () => info.sendInformational('103'),
        () => info.sendInformational(103, { 'a b': 'c' }),
        () => info.sendInformational(103, { a: 'b\r\nc: d' }),
        () => info.earlyHints('/style.css'),
        () => info.earlyHints([STYLE, null]),
      ]) {
        t.throws(send, { any: true });
        errors.push(1);
      }
      return new Response('page');
    },
  });
  const { informed, body } = await ask(server);
  t.deepEqual([informed, body, errors.length], [[], 'page', 8]);
});

test('fields of framing are left out of them', async (t) => {
  const server = await start(t, {
    fetch: (_request, info) => {
      info.sendInformational(103, { 'content-length': '5', connection: 'close', link: STYLE });
      return new Response('page');
    },
  });
  t.deepEqual((await ask(server)).informed, [[103, { link: STYLE }]]);
});

test('a handler that floods a client that does not read is bounded', async (t) => {
  const link = `<${'x'.repeat(1_000)}>`;
  const { promise, resolve } = deferred();
  const server = await start(t, {
    fetch: async (_request, info) => {
      for (let i = 0; i < 20_000; i++) {
        info.earlyHints(link);
        if (i % 100 === 0) {
          await new Promise((done) => setImmediate(done));
        }
      }
      resolve();
      return new Response('page');
    },
  });
  const before = process.memoryUsage.rss();
  const wire = await open(t, server);
  wire.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(3));
  await promise;
  t.true(process.memoryUsage.rss() - before < 200 * 2 ** 20);
  wire.leave();
});

test('the priority that a client asks for', async (t) => {
  const server = await start(t, {
    fetch: (_request, info) => Response.json(info.priority),
  });
  for (const [field, urgency, incremental] of [
    [undefined, 3, false],
    ['u=1', 1, false],
    ['i', 3, true],
    ['u=5, i', 5, true],
    ['i=?0, u=0', 0, false],
    ['u=5;a=b, i=?1', 5, true],
    ['u=9', 3, false],
    ['u=2,u=6', 6, false],
    ['U=1', 3, false],
    ['u=1,,', 3, false],
    ['later="x", u=4', 4, false],
    ['', 3, false],
  ]) {
    const headers = field === undefined ? {} : { priority: field };
    const answer = await (await fetch(server.url, { headers })).json();
    t.deepEqual(answer, { urgency, incremental }, String(field));
  }
});
