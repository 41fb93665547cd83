// What a plain (req, res) handler sees of a request, as on node:http.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import test from 'ava';
import { createServer } from 'reactor-rs/node';
import { Agent, request } from 'undici';
import { testWith } from '../support/programs.mjs';
import { both, closed, few, listening, raw, reactor, until } from './both.mjs';

/** Answers with everything that a request says of itself. */
function describe(req, res) {
  const { method, url, httpVersion, headers, headersDistinct, rawHeaders, trailers } = req;
  const { rawTrailers } = req;
  const said = { method, url, httpVersion, headers, headersDistinct, rawHeaders };
  let body = '';
  req.setEncoding('latin1');
  req.on('data', (text) => {
    body += text;
  });
  req.on('end', () => {
    const { complete } = req;
    res.setHeader('Connection', 'close');
    res.end(JSON.stringify({ ...said, trailers, rawTrailers, body, complete }));
  });
}

const END = 'Host: a.example\r\n\r\n';

/** Requests that the engine passes on as they are. */
const REQUESTS = {
  'fields in their order and case': `GET / HTTP/1.1\r\nx-LAST: 1\r\nA-First:2\r\nX-Empty:\r\n${END}`,
  'fields that come twice': `GET / HTTP/1.1\r\nCookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\nx-a: 2\r\nAge: 1\r\nAge: 2\r\nSet-Cookie: x\r\nset-cookie: y\r\n${END}`,
  'a field of latin1': `GET / HTTP/1.1\r\nX-Name: caf\u00e9 \u00ff\r\n${END}`,
  'a field with blanks': `GET / HTTP/1.1\r\nX-A:  \t a\t b  \r\n${END}`,
  'a name that objects have': `GET / HTTP/1.1\r\nconstructor: a\r\n__proto__: b\r\n${END}`,
  'a target with a query': `GET /a/../b//c?d=%20&e=[f]|g HTTP/1.1\r\n${END}`,
  'an absolute target': `GET http://b.example/c?d HTTP/1.1\r\n${END}`,
  'a method of any name': `PROPFIND / HTTP/1.1\r\n${END}`,
  'HTTP/1.0': 'GET / HTTP/1.0\r\nX: y\r\n\r\n',
  'GET with a body': `GET / HTTP/1.1\r\nContent-Length: 5\r\n${END}hello`,
  'GET with a chunked body': `GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${END}5\r\nhello\r\n0\r\n\r\n`,
  'POST with a length': `POST / HTTP/1.1\r\nContent-Length: 5\r\n${END}hello`,
  'POST without a length': `POST / HTTP/1.1\r\n${END}`,
  'POST of nothing': `POST / HTTP/1.1\r\nContent-Length: 0\r\n${END}`,
  'a chunked body': `PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${END}3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n`,
  'bytes of every value': `POST / HTTP/1.1\r\nContent-Length: 256\r\n${END}${String.fromCharCode(...Array(256).keys())}`,
  'Upgrade that nobody listens for': `GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n${END}`,
};

let served;
test.before(async () => {
  served = await both((create) => create(describe));
});
test.after.always(() => served.close());

for (const [name, bytes] of Object.entries(REQUESTS)) {
  test(`request: ${name}`, async (t) => {
    const bodyOf = (answer) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    const node = await raw(t, served.node, bytes);
    const ours = await raw(t, served.reactor, bytes);
    t.deepEqual(bodyOf(ours), bodyOf(node));
  });
}

for (const method of ['FOO', 'get', 'PRI', 'DESCRIBE', 'FLUSH', 'QUERYX', "A!#$%&'*+-.^_`|~0"]) {
  test(`request: ${method} is a method that Node's parser does not know`, async (t) => {
    const bytes = `${method} / HTTP/1.1\r\n${END}`;
    const [node, ours] = await Promise.all([
      raw(t, served.node, bytes),
      raw(t, served.reactor, bytes),
    ]);
    const [line] = node.split('\r\n');
    t.is(line, 'HTTP/1.1 400 Bad Request');
    t.is(ours.split('\r\n')[0], line);
    t.regex(ours, /^Connection: close\r$/m);
  });
}

for (const method of http.METHODS.filter((name) => !['CONNECT', 'HEAD'].includes(name))) {
  test(`request: ${method} is a method that Node's parser knows`, async (t) => {
    const bytes = `${method} / HTTP/1.1\r\nContent-Length: 2\r\n${END}hi`;
    const ours = await raw(t, served.reactor, bytes);
    t.is(JSON.parse(ours.slice(ours.indexOf('\r\n\r\n') + 4)).method, method);
  });
}

test('request: pieces of a body come as they are sent', async (t) => {
  const pieces = [];
  const server = await reactor(t, (req, res) => {
    req.on('data', (data) => pieces.push(String(data))).on('end', () => res.end());
  });
  const socket = connect(server.address().port, '127.0.0.1').resume();
  t.teardown(() => socket.destroy());
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
  await until(() => pieces.length === 1, 'the first piece');
  socket.write('1\r\nb\r\n');
  await until(() => pieces.length === 2, 'the second piece');
  t.deepEqual(pieces, ['a', 'b']);
});

test('request: a handler that reads slowly slows its client down', async (t) => {
  let req;
  const server = await reactor(t, (incoming) => {
    req = incoming;
  });
  const socket = connect(server.address().port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  const total = 64 * 1024 * 1024;
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
  socket.write(Buffer.alloc(total));
  await until(() => req !== undefined, 'the request');
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.true(socket.writableLength > 0, 'it has not been able to send all');
  let length = 0;
  for await (const chunk of req) {
    length += chunk.length;
  }
  t.is(length, total);
});

test('request: destroyed, it cuts its connection, and a listener hears the error', async (t) => {
  const errors = [];
  const server = await reactor(t, (req) => {
    req.on('error', (error) => errors.push(error.message));
    req.destroy(new Error('enough'));
  });
  t.is(await raw(t, server, `GET / HTTP/1.1\r\n${END}`), '');
  await until(() => errors.length === 1, 'the error');
  t.deepEqual(errors, ['enough']);
});

test('request: a client that leaves in its body is an error to who reads it', async (t) => {
  const outcome = {};
  const server = await reactor(t, async (req) => {
    try {
      for await (const chunk of req) {
        outcome.length = chunk.length;
      }
    } catch (error) {
      Object.assign(outcome, { code: error.code, complete: req.complete, aborted: req.aborted });
    }
  });
  const socket = connect(server.address().port, '127.0.0.1');
  socket.write(`POST / HTTP/1.1\r\nContent-Length: 900000\r\n${END}${'x'.repeat(100_000)}`);
  await until(() => outcome.length > 0, 'the first piece');
  socket.destroy();
  await until(() => outcome.code !== undefined, 'the error');
  t.like(outcome, { code: 'ECONNRESET', complete: false, aborted: true });
});

test('request: streams through a transform into the response', async (t) => {
  const upper = () =>
    new Transform({
      transform(chunk, _encoding, done) {
        done(null, String(chunk).toUpperCase());
      },
    });
  const server = await reactor(t, (req, res) => pipeline(req, upper(), res));
  const sent = 'abc'.repeat(600_000);
  const { body } = await request(`http://127.0.0.1:${server.address().port}/`, {
    method: 'POST',
    body: sent,
  });
  t.true((await body.text()) === sent.toUpperCase());
});

testWith('curl', test)('request: curl sends and receives', async (t) => {
  const server = await reactor(t, (req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => res.end(gunzipSync(Buffer.concat(chunks))));
  });
  const url = `http://127.0.0.1:${server.address().port}/`;
  const child = execFile('curl', ['-sS', '--data-binary', '@-', url]);
  child.stdin.end(gzipSync('zipped by the client'));
  let out = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  await once(child, 'close');
  t.is(out, 'zipped by the client');
});

test('request: server-sent events arrive one by one, and their end is seen', async (t) => {
  let closed = 0;
  let send;
  const server = await reactor(t, (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    res.flushHeaders();
    send = (text) => res.write(`data: ${text}\n\n`);
    res.on('close', () => closed++);
  });
  const agent = new Agent();
  t.teardown(() => agent.destroy());
  const { headers, body } = await request(`http://127.0.0.1:${server.address().port}/`, {
    dispatcher: agent,
  });
  t.is(headers['content-type'], 'text/event-stream');
  const events = body[Symbol.asyncIterator]();
  for (const text of ['one', 'two']) {
    send(text);
    t.is(String((await events.next()).value), `data: ${text}\n\n`);
  }
  body.on('error', () => {});
  body.destroy();
  await until(() => closed === 1, "the response's close");
  t.is(server.sockets.size, 0);
});

test('request: setTimeout on a request, a response and a socket', async (t) => {
  const heard = [];
  const server = await reactor(t, (req, res) => {
    if (req.url === '/req') {
      req.complete = false;
      req.setTimeout(30, () => heard.push('req'));
    } else if (req.url === '/socket') {
      req.socket.setTimeout(30, () => heard.push('socket'));
    }
    res.setTimeout(30, () => {
      heard.push('res');
      res.end();
    });
  });
  for (const path of ['/req', '/res', '/socket']) {
    await raw(t, server, `GET ${path} HTTP/1.1\r\nConnection: close\r\n${END}`);
  }
  t.deepEqual(heard, ['req', 'res', 'res', 'res', 'socket']);
});

test('request: AsyncLocalStorage is that of the request, also in its events', async (t) => {
  const { AsyncLocalStorage } = await import('node:async_hooks');
  const store = new AsyncLocalStorage();
  const server = await reactor(t, (req, res) => {
    store.enterWith(req.url);
    const seen = [store.getStore()];
    req.on('data', () => seen.push(store.getStore()));
    req.on('end', () => {
      setTimeout(() => {
        seen.push(store.getStore() ?? null);
        res.end(JSON.stringify(seen));
      }, 5);
    });
  });
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const url = `http://127.0.0.1:${server.address().port}/${i}`;
      const { body } = await request(url, { method: 'POST', body: 'x'.repeat(100_000) });
      const seen = new Set(await body.json());
      // From Node 24 on node:http too loses what `enterWith` set, in later events.
      seen.delete(null);
      return [...seen];
    }),
  );
  t.deepEqual(
    answers,
    answers.map((_, i) => [`/${i}`]),
  );
});

for (const framing of [
  'Content-Length: 6',
  'Content-Length: 60000',
  'Transfer-Encoding: chunked',
]) {
  test(`request: a handler hears of it before its body has come, with ${framing}`, async (t) => {
    for (const make of [http.createServer, few(createServer)]) {
      const server = await listening(
        make((req, res) => {
          if (req.url === '/refused') {
            res.writeHead(401, { Connection: 'close' });
            res.end('not you');
          } else {
            // The client waits for this before it sends more.
            res.write('go on ');
            req.on('error', (error) => broken.push(error.code)).resume();
          }
        }),
      );
      t.teardown(() => closed(server));
      const broken = [];
      const head = (path) => `POST ${path} HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`;
      t.regex(await raw(t, server, head('/refused')), /^HTTP\/1\.1 401 [\s\S]*not you\b/);

      const client = connect(server.address().port, '127.0.0.1').setEncoding('latin1');
      let received = '';
      client.on('data', (text) => {
        received += text;
      });
      client.write(head('/broken'));
      await until(() => received.includes('go on '), 'the answer to a head');
      client.destroy();
      await until(() => broken.length > 0, 'the word of the client that left');
      t.deepEqual(broken, ['ECONNRESET']);
    }
  });
}

test('request: socket.bytesRead counts heads and bodies, as in Node', async (t) => {
  const seen = [];
  for (const make of [http.createServer, few(createServer)]) {
    const server = make((req, res) => {
      req.resume().on('end', () => res.end(String(req.socket.bytesRead)));
    });
    // Its sockets are those of connections.
    server.on('connection', (socket) => t.is(socket.bytesRead, 0));
    await listening(server);
    t.teardown(() => closed(server));
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
    const last = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    const client = connect(server.address().port, '127.0.0.1').setEncoding('latin1');
    t.teardown(() => client.destroy());
    let received = '';
    client.on('data', (text) => {
      received += text;
    });
    client.write(post);
    await until(() => received.endsWith(String(post.length)), 'the first answer');
    client.write(last);
    await once(client, 'close');
    t.true(received.endsWith(String(post.length + last.length)), received);
    seen.push(received.split('HTTP/1.1 200').length);
  }
  t.deepEqual(seen, [3, 3]);
});
