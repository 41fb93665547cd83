// Trailers and informational answers over HTTP/2, with Node's client.

import { once } from 'node:events';
import { connect } from 'node:http2';
import test from 'ava';
import { start } from '../support/server.mjs';

/** A session of HTTP/2 in clear. */
function session(t, server) {
  const client = connect(server.url);
  client.on('error', () => {});
  t.teardown(() => client.destroy());
  return client;
}

/** Asks, and collects all that comes. */
async function ask(client, { headers = {}, body = null, trailers = null } = {}) {
  const method = body === null ? 'GET' : 'POST';
  const stream = client.request(
    { ':path': '/', ':method': method, te: 'trailers', ...headers },
    { endStream: body === null, waitForTrailers: trailers !== null },
  );
  const told = { informed: [], body: '', trailers: null, code: 0 };
  stream.on('headers', (fields) => told.informed.push([fields[':status'], fields.link]));
  stream.on('trailers', (fields) => {
    told.trailers = Object.fromEntries(Object.entries(fields));
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.on('error', (error) => {
    told.error = error.code;
  });
  stream.setEncoding('utf8').on('data', (text) => {
    told.body += text;
  });
  stream.on('response', (fields) => {
    told.status = fields[':status'];
    told.headers = fields;
  });
  if (body !== null) {
    stream.end(body);
  }
  await once(stream, 'close').catch(() => {});
  told.code = stream.rstCode;
  return told;
}

test('trailers of a request, read in many ways', async (t) => {
  const server = await start(t, {
    fetch: async (request) => {
      const how = request.headers.get('how');
      const body = how === 'nothing' ? '' : Buffer.from(await request[how]()).toString();
      return Response.json([body.length, [...(await request.trailers)]]);
    },
  });
  const client = session(t, server);
  for (const how of ['nothing', 'text', 'arrayBuffer', 'bytes']) {
    for (const length of [0, 5, 100_000]) {
      const told = await ask(client, {
        headers: { how },
        body: 'x'.repeat(how === 'nothing' ? Math.min(length, 5) : length),
        trailers: { sum: '17', 'x-a': 'b' },
      });
      const [got, fields] = JSON.parse(told.body);
      t.is(got, how === 'nothing' ? 0 : length);
      t.deepEqual(fields, [
        ['sum', '17'],
        ['x-a', 'b'],
      ]);
    }
  }
  const plain = await ask(client, { headers: { how: 'text' }, body: 'x' });
  t.deepEqual(JSON.parse(plain.body), [1, []]);
});

async function* pieces() {
  yield 'one ';
  await new Promise((resolve) => setImmediate(resolve));
  yield 'two';
}

test('trailers of responses, with and without a body', async (t) => {
  const bodies = { none: [null, ''], text: ['text', 'text'], pieces: [pieces, 'one two'] };
  bodies.large = ['x'.repeat(300_000), 'x'.repeat(300_000)];
  const server = await start(t, {
    fetch: (request) => {
      const [body] = bodies[request.headers.get('body')];
      const trailers = async () => ({ 'grpc-status': '0', 'X-Sum': '17' });
      return new Response(typeof body === 'function' ? body() : body, { trailers });
    },
  });
  const client = session(t, server);
  for (const [name, [, text]] of Object.entries(bodies)) {
    const told = await ask(client, { headers: { body: name } });
    t.deepEqual([told.status, told.body === text, told.code], [200, true, 0], name);
    t.deepEqual(told.trailers, { 'grpc-status': '0', 'x-sum': '17' }, name);
    const head = await ask(client, { headers: { body: name, ':method': 'HEAD' } });
    t.deepEqual([head.status, head.body, head.trailers, head.code], [200, '', null, 0]);
  }
});

test('trailers that fail reset the stream, and no other', async (t) => {
  const errors = [];
  const server = await start(t, {
    fetch: (request) =>
      new Response('body', {
        trailers: async () => {
          await new Promise((resolve) => setImmediate(resolve));
          if (request.headers.get('how') === 'fails') {
            throw new Error('no sum');
          }
          return { sum: '17' };
        },
      }),
    error: (error) => {
      errors.push(error.message);
      return new Response();
    },
  });
  const client = session(t, server);
  const [fails, works] = await Promise.all([
    ask(client, { headers: { how: 'fails' } }),
    ask(client),
  ]);
  t.deepEqual([fails.status, fails.code, fails.trailers], [200, 2, null]);
  t.deepEqual([works.body, works.code, works.trailers], ['body', 0, { sum: '17' }]);
  t.deepEqual(errors, ['no sum']);
});

test('early hints come before the response, and several of them', async (t) => {
  const server = await start(t, {
    fetch: async (_request, info) => {
      info.earlyHints('</a.css>; rel=preload');
      info.sendInformational(103, { link: '</b.js>; rel=preload', connection: 'close' });
      await new Promise((resolve) => setTimeout(resolve, 10));
      setTimeout(() => t.throws(() => info.earlyHints('</late>')), 1);
      return new Response('page');
    },
  });
  const told = await ask(session(t, server));
  t.deepEqual(told.informed, [
    [103, '</a.css>; rel=preload'],
    [103, '</b.js>; rel=preload'],
  ]);
  t.deepEqual([told.status, told.body], [200, 'page']);
  await new Promise((resolve) => setTimeout(resolve, 10));
});

test('a client that resets its upload rejects the trailers', async (t) => {
  let told;
  const outcome = new Promise((resolve) => {
    told = resolve;
  });
  const server = await start(t, {
    fetch: (request) => {
      request.trailers.then(
        () => told('resolved'),
        (error) => told(error.name),
      );
      return new Promise(() => {});
    },
  });
  const stream = session(t, server).request({ ':method': 'POST' }, { endStream: false });
  stream.on('error', () => {});
  stream.write('abc');
  await new Promise((resolve) => setTimeout(resolve, 30));
  stream.destroy();
  t.is(await outcome, 'AbortError');
});

test('info.priority and info.protocol', async (t) => {
  const server = await start(t, {
    fetch: (_request, { priority, protocol }) => Response.json([priority, protocol]),
  });
  const told = await ask(session(t, server), { headers: { priority: 'u=1, i' } });
  t.deepEqual(JSON.parse(told.body), [{ urgency: 1, incremental: true }, 'HTTP/2.0']);
});
