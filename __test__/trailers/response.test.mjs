// `new Response(body, { trailers })`.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { get, request as httpRequest } from 'node:http';
import { promisify } from 'node:util';
import test from 'ava';
import { request as undiciRequest } from 'undici';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

const run = promisify(execFile);

const TE = { te: 'trailers' };

/** What node:http's client gets. */
async function ask(server, { headers = TE, path = '/', method = 'GET' } = {}) {
  const req = httpRequest({ port: server.port, host: '127.0.0.1', path, method, headers });
  req.end();
  const [res] = await once(req, 'response');
  let body = '';
  for await (const chunk of res.setEncoding('utf8')) {
    body += chunk;
  }
  return { status: res.statusCode, headers: res.headers, body, trailers: res.trailers };
}

async function* pieces() {
  yield 'one ';
  await new Promise((resolve) => setImmediate(resolve));
  yield 'two';
}

const BODIES = {
  'no body': [() => null, ''],
  'an empty string': [() => '', ''],
  'a string': [() => 'text', 'text'],
  bytes: [() => new Uint8Array([65, 66]), 'AB'],
  'a blob': [() => new Blob(['blob']), 'blob'],
  'a stream': [() => new Response('stream').body, 'stream'],
  'an iterable': [() => pieces(), 'one two'],
  'a large string': [() => 'x'.repeat(500_000), 'x'.repeat(500_000)],
};

const GIVEN = {
  'an object': () => ({ Sum: '17', 'x-a': '1' }),
  headers: () => new Headers({ sum: '17', 'x-a': '1' }),
  pairs: () => [
    ['sum', '17'],
    ['x-a', '1'],
  ],
  'a promise': async () => ({ sum: '17', 'x-a': '1' }),
  'a function': () => () => ({ sum: '17', 'x-a': '1' }),
  'an async function': () => async () => new Headers({ sum: '17', 'x-a': '1' }),
};

test('trailers behind bodies of every kind', async (t) => {
  const server = await start(t, {
    fetch: (request) => {
      const [body, given] = decodeURIComponent(new URL(request.url).pathname).slice(1).split('/');
      const headers = { trailer: 'sum, x-a' };
      return new Response(BODIES[body][0](), { headers, trailers: GIVEN[given]() });
    },
  });
  for (const [body, [, text]] of Object.entries(BODIES)) {
    for (const given of Object.keys(GIVEN)) {
      const path = `/${encodeURIComponent(body)}/${encodeURIComponent(given)}`;
      const answer = await ask(server, { path });
      t.deepEqual([answer.status, answer.body === text], [200, true], path);
      t.deepEqual({ ...answer.trailers }, { sum: '17', 'x-a': '1' }, path);
      t.is(answer.headers.trailer, 'sum, x-a');
      t.is(answer.headers['content-length'], undefined);
      // A client that does not ask for them gets the body alone.
      const plain = await ask(server, { path, headers: {} });
      t.deepEqual([plain.body === text, { ...plain.trailers }], [true, {}], path);
    }
  }
  const type = (await ask(server, { path: '/a%20string/headers' })).headers['content-type'];
  t.is(type, 'text/plain;charset=UTF-8');
});

test('undici and curl get them', async (t) => {
  const server = await start(t, {
    fetch: () => new Response('body', { trailers: async () => ({ sum: '17' }) }),
  });
  const answer = await undiciRequest(server.url, { headers: TE });
  t.is(await answer.body.text(), 'body');
  t.deepEqual({ ...answer.trailers }, { sum: '17' });
  const { stdout } = await run('curl', ['-sD', '-', '-H', 'TE: trailers', server.url]);
  t.regex(stdout, /sum: 17/);
});

test('they are read when the body has ended, and not before', async (t) => {
  const order = [];
  const server = await start(t, {
    fetch: () => {
      const late = new Headers();
      async function* body() {
        yield 'a';
        await new Promise((resolve) => setTimeout(resolve, 20));
        late.set('sum', 'late');
        order.push('body');
      }
      return new Response(body(), {
        trailers: () => {
          order.push('trailers');
          return late;
        },
      });
    },
  });
  t.deepEqual({ ...(await ask(server)).trailers }, { sum: 'late' });
  t.deepEqual(order, ['body', 'trailers']);
});

test('HEAD, a status without a body and HTTP/1.0 get none', async (t) => {
  let asked = 0;
  const server = await start(t, {
    fetch: (request) => {
      const status = request.url.endsWith('/204') ? 204 : 200;
      const trailers = () => {
        asked++;
        return { sum: '1' };
      };
      return new Response(status === 204 ? null : 'body', { status, trailers });
    },
  });
  t.deepEqual({ ...(await ask(server, { method: 'HEAD' })).trailers }, {});
  t.is(asked, 0);
  t.is((await ask(server, { path: '/204' })).status, 204);
  const old = await open(t, server);
  old.send('GET / HTTP/1.0\r\nte: trailers\r\n\r\n');
  t.regex(await old.closes(), /\r\n\r\nbody$/);
});

test('what cannot be a trailer is refused where it is given', async (t) => {
  const errors = [];
  const server = await start(t, {
    fetch: (request) => {
      const { searchParams } = new URL(request.url);
      return new Response('body', { trailers: { [searchParams.get('name')]: 'x' } });
    },
    error: (error) => {
      errors.push(error);
      return new Response('sorry', { status: 500 });
    },
  });
  for (const name of ['content-length', 'Transfer-Encoding', 'host', 'set-cookie', 'If-Match']) {
    const answer = await ask(server, { path: `/?name=${name}` });
    t.deepEqual([answer.status, answer.body], [500, 'sorry']);
    const { code, message } = errors.at(-1);
    t.is(code, 'ERR_REACTOR_INVALID_RESPONSE');
    t.is(
      message,
      `"${name.toLowerCase()}" cannot be a trailer, only a header (RFC 9110 section 6.5.1)`,
    );
  }
  const bad = await ask(server, { path: '/?name=a%20b' });
  t.deepEqual([bad.status, errors.at(-1).name], [500, 'TypeError']);
});

const FAILING = {
  'a rejected promise': () => Promise.reject(new Error('no sum')),
  'a function that throws': () => () => {
    throw new Error('no sum');
  },
  'a function that gives a field of heads': () => () => ({ 'content-length': '3' }),
  'a function that gives a line end': () => async () => ({ sum: '1\r\n2' }),
};

for (const [name, given] of Object.entries(FAILING)) {
  test(`a response whose trailers fail is broken off: ${name}`, async (t) => {
    const errors = [];
    const server = await start(t, {
      fetch: () => new Response('body', { trailers: given() }),
      error: (error, request) => {
        errors.push([error.message, request.method]);
        return new Response('not sent');
      },
    });
    const wire = await open(t, server);
    wire.send('GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n');
    const all = await wire.closes();
    t.regex(all, /^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\n4\r\nbody\r\n$/);
    t.is(errors.length, 1);
    t.is(errors[0][1], 'GET');
    t.regex(errors[0][0], /no sum|cannot be a trailer|cannot be sent/);
  });
}

test('a promise that rejects and that nobody needs harms nobody', async (t) => {
  const server = await start(t, {
    fetch: () => new Response('body', { trailers: Promise.reject(new Error('unread')) }),
    error: () => new Response('sorry'),
  });
  t.is((await ask(server, { method: 'HEAD' })).status, 200);
});

test('a response made of another keeps its trailers', async (t) => {
  const server = await start(t, {
    fetch: () => {
      const inner = new Response('inner', { trailers: { sum: '17' } });
      const clone = inner.clone();
      void inner.body.cancel();
      return new Response(clone.body, clone);
    },
  });
  t.deepEqual({ ...(await ask(server)).trailers }, { sum: '17' });
});

test('a request sent back, trailers and all', async (t) => {
  const server = await start(t, {
    fetch: (request) => new Response(request.body, { trailers: request.trailers }),
  });
  const req = httpRequest({ port: server.port, host: '127.0.0.1', method: 'POST', headers: TE });
  req.write('echo');
  req.addTrailers({ sum: '17' });
  req.end();
  const [res] = await once(req, 'response');
  let body = '';
  for await (const chunk of res.setEncoding('utf8')) {
    body += chunk;
  }
  t.deepEqual([body, { ...res.trailers }], ['echo', { sum: '17' }]);
});

test('pipelined answers with trailers come in order', async (t) => {
  const server = await start(t, {
    fetch: async (request) => {
      const path = new URL(request.url).pathname;
      await new Promise((resolve) => setTimeout(resolve, path === '/1' ? 30 : 0));
      return new Response(path, { trailers: { path } });
    },
  });
  const wire = await open(t, server);
  const asks = [1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n`);
  wire.send(asks.join(''));
  const all = await wire.reads(/0\r\npath: \/3\r\n\r\n$/);
  const bodies = all.match(/2\r\n\/\d\r\n0\r\npath: \/\d\r\n\r\n/g);
  t.deepEqual(
    bodies,
    [1, 2, 3].map((n) => `2\r\n/${n}\r\n0\r\npath: /${n}\r\n\r\n`),
  );
});

test('compressed, with trailers', async (t) => {
  const server = await start(t, {
    compress: true,
    fetch: () =>
      new Response('text '.repeat(2_000), {
        headers: { 'content-type': 'text/plain' },
        trailers: { sum: '17' },
      }),
  });
  const req = get({
    port: server.port,
    host: '127.0.0.1',
    headers: { ...TE, 'accept-encoding': 'gzip' },
  });
  const [res] = await once(req, 'response');
  const chunks = [];
  for await (const chunk of res) {
    chunks.push(chunk);
  }
  const { gunzipSync } = await import('node:zlib');
  t.is(gunzipSync(Buffer.concat(chunks)).toString(), 'text '.repeat(2_000));
  t.deepEqual({ ...res.trailers }, { sum: '17' });
});
