// `request.trailers`: what clients send behind their bodies.

import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import test from 'ava';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

function deferred() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const HEAD = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n';

/** Answers with what the trailers came to, after the handler did what it wants with the body. */
async function told(request, read) {
  const body = await read(request);
  const trailers = await request.trailers.then(
    (headers) => [...headers],
    (error) => error.message,
  );
  return Response.json({ body, trailers, headers: [...request.headers.keys()] });
}

/** A request of node:http with trailers; resolves with the answer's JSON. */
async function ask(server, { pieces, trailers, headers = {} }) {
  const { port } = server;
  const req = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers });
  for (const piece of pieces) {
    req.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  req.addTrailers(trailers);
  req.end();
  const [res] = await once(req, 'response');
  let text = '';
  for await (const chunk of res.setEncoding('utf8')) {
    text += chunk;
  }
  return JSON.parse(text);
}

const READERS = {
  nothing: () => null,
  text: (request) => request.text(),
  json: async (request) => JSON.stringify(await request.json()),
  bytes: async (request) => Buffer.from(await request.bytes()).toString(),
  arrayBuffer: async (request) => Buffer.from(await request.arrayBuffer()).toString(),
  blob: async (request) => await (await request.blob()).text(),
  stream: async (request) => {
    let text = '';
    for await (const chunk of request.body) {
      text += Buffer.from(chunk).toString();
    }
    return text;
  },
  cancelled: async (request) => {
    await request.body.cancel();
    return 'cancelled';
  },
  form: async (request) => (await request.formData()).get('a'),
  clone: async (request) => {
    const [text] = await Promise.all([request.clone().text(), request.text()]);
    return text;
  },
};

for (const [name, read] of Object.entries(READERS)) {
  test(`trailers come with the body, read by ${name}`, async (t) => {
    const server = await start(t, { fetch: (request) => told(request, read) });
    const isForm = name === 'form';
    const body = isForm ? 'a=1234567' : '["123456"]';
    const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
    const expected = { nothing: null, cancelled: 'cancelled', form: '1234567' };
    for (const pieces of [[body], [body.slice(0, 3), body.slice(3)]]) {
      const answer = await ask(server, {
        pieces,
        trailers: { 'X-Sum': '17', 'x-other': ' a  b ' },
        headers: { 'content-type': type, trailer: 'x-sum, x-other' },
      });
      t.is(answer.body, name in expected ? expected[name] : body);
      t.deepEqual(answer.trailers, [
        ['x-other', 'a  b'],
        ['x-sum', '17'],
      ]);
      t.false(answer.headers.includes('x-sum'));
    }
  });
}

test('a large body in one piece, and its trailers', async (t) => {
  const read = async (request) => (await request.bytes()).length;
  const server = await start(t, { fetch: (request) => told(request, read) });
  const answer = await ask(server, {
    pieces: [Buffer.alloc(300_000), Buffer.alloc(700_000), 'end'],
    trailers: { sum: 'x' },
  });
  t.deepEqual([answer.body, answer.trailers], [1_000_003, [['sum', 'x']]]);
});

test('a request without trailers has none, with and without a body', async (t) => {
  const server = await start(t, { fetch: (request) => told(request, (r) => r.text()) });
  for (const init of [{}, { method: 'POST', body: 'x' }, { method: 'POST', body: '' }]) {
    const answer = await (await fetch(server.url, init)).json();
    t.deepEqual(answer.trailers, []);
  }
  t.deepEqual((await ask(server, { pieces: ['a'], trailers: {} })).trailers, []);
});

test('trailers that frame, route or authenticate change nothing of the request', async (t) => {
  const fetch = async (request) => {
    const body = await request.text();
    const trailers = [...(await request.trailers)];
    return Response.json({ body, url: request.url, headers: [...request.headers], trailers });
  };
  const server = await start(t, { fetch });
  const lines =
    'Content-Length: 5\r\nTransfer-Encoding: gzip\r\nHost: evil\r\nAuthorization: Basic YTpi\r\n' +
    'Connection: close\r\nCookie: a=b\r\nX-T:v\r\n';
  const wire = await open(t, server);
  wire.send(`${HEAD}\r\n3\r\nabc\r\n0\r\n${lines}\r\n`);
  const first = await wire.reads(/X-T|x-t/);
  const answer = JSON.parse(first.slice(first.indexOf('{')));
  t.is(answer.body, 'abc');
  t.is(answer.url, 'http://a/');
  t.deepEqual(answer.headers, [
    ['host', 'a'],
    ['transfer-encoding', 'chunked'],
  ]);
  t.deepEqual(answer.trailers, [
    ['authorization', 'Basic YTpi'],
    ['connection', 'close'],
    ['content-length', '5'],
    ['cookie', 'a=b'],
    ['host', 'evil'],
    ['transfer-encoding', 'gzip'],
    ['x-t', 'v'],
  ]);
  // The connection goes on.
  wire.send('GET /second HTTP/1.1\r\nhost: a\r\n\r\n');
  t.regex(await wire.reads(/second/), /"url":"http:\/\/a\/second"/);
});

test('a trailer section byte by byte', async (t) => {
  const server = await start(t, { fetch: (request) => told(request, (r) => r.text()) });
  const wire = await open(t, server, { noDelay: true });
  for (const byte of `${HEAD}\r\n2\r\nab\r\n0\r\nA: b\r\nC:d\r\n\r\n`) {
    wire.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.regex(await wire.reads(/trailers/), /"trailers":\[\["a","b"\],\["c","d"\]\]/);
});

test('malformed trailers and too many bytes of them are refused', async (t) => {
  const outcomes = [];
  const server = await start(t, {
    limits: { head: 200 },
    fetch: async (request) => {
      const { signal } = request;
      outcomes.push(
        await request.trailers.then(
          () => 'resolved',
          (error) => error.code ?? error.name,
        ),
      );
      return new Response(`${signal.aborted}`);
    },
  });
  for (const [bad, status] of [
    ['a b: c\r\n', 400],
    [' a: c\r\n', 400],
    [`a: ${'x'.repeat(200)}\r\n`, 431],
  ]) {
    const wire = await open(t, server);
    wire.send(`${HEAD}\r\n2\r\nab\r\n`);
    wire.send(`0\r\n${bad}\r\n`);
    t.regex(await wire.closes(), new RegExp(`^HTTP/1.1 ${status} `));
  }
  t.true(outcomes.every((outcome) => outcome === 'ERR_REACTOR_BODY_INVALID'));
});

test('the promise rejects if the client leaves, and if the body is not read to its end', async (t) => {
  const outcomes = [];
  const { promise: seen, resolve } = deferred();
  const server = await start(t, {
    fetch: (request) => {
      const path = new URL(request.url).pathname;
      request.trailers.catch((error) => {
        outcomes.push([path, error.name]);
        if (outcomes.length === 2) {
          resolve();
        }
      });
      return path === '/early' ? new Response('early') : new Promise(() => {});
    },
  });
  const early = await open(t, server);
  early.send(`${HEAD.replace('/', '/early')}\r\n2\r\nab\r\n`);
  await early.reads(/early/);
  const leaving = await open(t, server);
  leaving.send(`${HEAD.replace('/', '/leaves')}\r\n2\r\nab\r\n`);
  await new Promise((done) => setTimeout(done, 50));
  leaving.leave();
  await seen;
  t.deepEqual(outcomes.sort(), [
    ['/early', 'TypeError'],
    ['/leaves', 'AbortError'],
  ]);
});

test('an upload that nobody reads ends with its answer, though its trailers were asked for', async (t) => {
  const server = await start(t, {
    fetch: (request) => {
      // Nobody handles the rejection, which is no error of the program.
      void request.trailers;
      return new Response('no, thanks');
    },
  });
  const wire = await open(t, server);
  wire.send(`${HEAD}\r\n100000\r\n${'x'.repeat(300_000)}`);
  t.regex(await wire.closes(), /^HTTP\/1.1 200 [\s\S]*no, thanks/);
  while (server.stats().connections.open > 0) {
    await new Promise((done) => setImmediate(done));
  }
  t.pass();
});
