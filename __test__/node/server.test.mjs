// The server itself: listening, closing, options, and what it refuses.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { format, promisify } from 'node:util';
import test from 'ava';
import { ReactorError } from 'reactor-rs';
import { createServer, Server } from 'reactor-rs/node';
import { Agent, Client } from 'undici';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { closed, few, listening, raw, reactor, until } from './both.mjs';

const exec = promisify(execFile);
const create = few(createServer);
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const hello = (_req, res) => res.end('hello');

test('a server is an http.Server by its class', (t) => {
  const server = create();
  t.true(server instanceof Server);
  t.true(server instanceof http.Server);
  t.false(server.listening);
  t.is(server.address(), null);
});

test('listen takes what Node takes', async (t) => {
  const folder = temporary(t);
  const path = join(folder, 'socket');
  const forms = [
    [0],
    ['0'],
    [0, '127.0.0.1'],
    [0, '127.0.0.1', 5],
    [{ port: 0, host: '127.0.0.1', backlog: 5 }],
    [{ port: 0 }],
    [],
    [path],
    [{ path }],
  ];
  for (const form of forms) {
    const server = create(hello);
    let called = 0;
    t.is(
      server.listen(...form, () => {
        called++;
      }),
      server,
    );
    await once(server, 'listening');
    t.is(called, 1);
    t.true(server.listening);
    const address = server.address();
    if (form.flat().includes(path) || form[0]?.path) {
      t.is(address, path);
    } else {
      t.true(address.port > 0);
      t.is(address.family, address.address.includes(':') ? 'IPv6' : 'IPv4');
      t.regex(await raw(t, server, GET), /hello$/);
    }
    await closed(server);
    t.is(server.address(), null);
    t.false(server.listening);
  }
});

test('listen refuses what it cannot do', (t) => {
  const server = create();
  t.throws(() => server.listen(70_000), { code: 'ERR_SOCKET_BAD_PORT' });
  t.throws(() => server.listen({ port: -1 }), { code: 'ERR_SOCKET_BAD_PORT' });
  t.throws(() => server.listen({ fd: -1 }), { code: 'ERR_INVALID_ARG_VALUE' });
  t.throws(() => server.listen({}), { code: 'ERR_INVALID_ARG_VALUE' });
});

test('a second listen throws, and after close there may be another', async (t) => {
  const server = await reactor(t, hello);
  t.throws(() => server.listen(0), { code: 'ERR_SERVER_ALREADY_LISTEN' });
  await closed(server);
  await listening(server);
  t.regex(await raw(t, server, GET), /hello$/);
});

test('an address in use is an error event with the code that Node has', async (t) => {
  const first = await reactor(t, hello);
  const second = create(hello);
  second.listen(first.address().port, '127.0.0.1');
  const [error] = await once(second, 'error');
  t.is(error.code, 'EADDRINUSE');
  t.is(error.syscall, 'listen');
  t.is(error.port, first.address().port);
  t.true(error.cause instanceof ReactorError);
  t.false(second.listening);
  await listening(second);
  await closed(second);
});

test('close waits for the requests under way, and then calls back', async (t) => {
  const order = [];
  const server = await reactor(t, (_req, res) => {
    setTimeout(() => {
      order.push('answered');
      res.end('slow');
    }, 100);
  });
  const answer = raw(t, server, GET);
  await until(() => server.sockets.size === 1, 'the request');
  server.close((error) => order.push(error === undefined ? 'closed' : error));
  t.regex(await answer, /slow$/);
  await until(() => order.length === 2, 'the server to close');
  t.deepEqual(order, ['answered', 'closed']);
});

test('close ends idle connections', async (t) => {
  const server = await reactor(t, hello);
  const client = new Client(`http://127.0.0.1:${server.address().port}`);
  t.teardown(() => client.destroy());
  const { body } = await client.request({ path: '/', method: 'GET' });
  await body.dump();
  const isClosed = once(server, 'close');
  server.close();
  await isClosed;
  t.pass();
});

test('close of a server that does not run says so, and still emits close', async (t) => {
  const server = create();
  const isClosed = once(server, 'close');
  const error = await new Promise((resolve) => server.close(resolve));
  t.is(error.code, 'ERR_SERVER_NOT_RUNNING');
  await isClosed;
});

test('close before it listens means that it never does', async (t) => {
  const server = create(hello);
  server.on('listening', () => t.fail());
  server.listen(0);
  const isClosed = once(server, 'close');
  server.close();
  await isClosed;
  t.is(server.address(), null);
});

test('an abort signal closes the server', async (t) => {
  const server = create(hello);
  const controller = new AbortController();
  server.listen({ port: 0, signal: controller.signal });
  await once(server, 'listening');
  const isClosed = once(server, 'close');
  controller.abort();
  await isClosed;
  t.false(server.listening);
});

test('closeAllConnections cuts the requests under way', async (t) => {
  const server = await reactor(t, (_req, res) => res.write('never ends'));
  const answer = raw(t, server, GET);
  await until(() => server.sockets.size === 1, 'the request');
  server.closeAllConnections();
  t.notRegex(await answer, /0\r\n\r\n$/);
  t.true(server.listening, 'it goes on');
});

test('close and closeAllConnections end a stream that would never end', async (t) => {
  const server = await reactor(t, (_req, res) => res.write('never ends'));
  const answer = raw(t, server, GET);
  await until(() => server.sockets.size === 1, 'the request');
  const isClosed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await Promise.all([answer, isClosed]);
  t.pass();
});

test('await using closes the server', async (t) => {
  const server = await reactor(t, hello);
  await server[Symbol.asyncDispose]();
  t.false(server.listening);
});

test('getConnections counts', async (t) => {
  const server = await reactor(t, hello);
  const socket = connect(server.address().port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  const count = () =>
    new Promise((resolve) => server.getConnections((_error, number) => resolve(number)));
  await until(async () => (await count()) === 1, 'the connection');
  t.pass();
});

test('an unreferenced server lets the process end', async (t) => {
  const program = `
    import { createServer } from 'reactor-rs/node';
    const server = createServer({ ioThreads: 1, workerThreads: 1 }).unref();
    const kept = setInterval(() => {}, 1000);
    server.listen(0, '127.0.0.1', () => {
      console.log('listening');
      clearInterval(kept);
    });`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', program], {
    timeout: 60_000,
  });
  t.is(stdout, 'listening\n');
});

test('a wrong value of an option is an error: of the engine as in serve, of Node as in Node', (t) => {
  const refused = [
    [{ ioThreads: 17 }, 'ERR_REACTOR_INVALID_OPTION', /ioThreads/],
    [{ maxHeaderSize: 5 }, 'ERR_REACTOR_INVALID_OPTION', /limits\.head/],
    [{ timeouts: { drain: -1 } }, 'ERR_REACTOR_INVALID_OPTION', /timeouts\.drain/],
  ];
  for (const [options, code, message] of refused) {
    t.throws(() => createServer(options), { code, message }, JSON.stringify(options));
  }
  const wrong = [
    { maxHeaderSize: 'x' },
    { keepAliveTimeout: -1 },
    { requestTimeout: 'x' },
    { headersTimeout: 2000, requestTimeout: 1000 },
    { insecureHTTPParser: 'x' },
    { joinDuplicateHeaders: 1 },
    { requireHostHeader: 0 },
    'text',
    5,
  ];
  for (const options of wrong) {
    const { code } = t.throws(() => http.createServer(options, hello));
    t.throws(() => createServer(options, hello), { code }, JSON.stringify(options));
  }
});

test('an option that is none is ignored, as in Node', async (t) => {
  const program = `
    import { createServer } from 'reactor-rs/node';
    const others = { port: 3000, host: 'a', exclusive: true, handler: 5, highWaterMark: 5 };
    createServer({ ...others, noDelay: false, connectionsCheckingInterval: 5 });
    createServer({ insecureHTTPParser: false, keepAlive: false, requireHostHeader: true });
    createServer({ insecureHTTPParser: true, requireHostHeader: false });
    createServer({ ioThread: 1 });
    process.on('warning', ({ code, message }) => console.log(code, message));`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', program]);
  const lines = stdout.trim().split('\n');
  t.is(lines.length, 3);
  t.regex(lines[0], /^ERR_REACTOR_UNSUPPORTED .*"insecureHTTPParser".*strict/);
  t.regex(lines[1], /^ERR_REACTOR_UNSUPPORTED .*"requireHostHeader".*Host/);
  t.regex(lines[2], /^ERR_REACTOR_UNSUPPORTED .*"ioThread" is ignored; did you mean "ioThreads"/);
});

test('maxHeaderSize is the limit on heads', async (t) => {
  const server = await reactor(t, { maxHeaderSize: 1000 }, hello);
  const answer = await raw(
    t,
    server,
    `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(1000)}\r\n\r\n`,
  );
  t.regex(answer, /^HTTP\/1\.1 431 /);
});

test('a target may be as long as a head', async (t) => {
  const server = await reactor(t, (req, res) => res.end(String(req.url.length)));
  const path = `/${'x'.repeat(12_000)}`;
  t.regex(await raw(t, server, GET.replace('/', path)), /12001$/);
});

test('keepAliveTimeout may be set on the server that listen returned', async (t) => {
  const server = create(hello).listen(0, '127.0.0.1');
  t.is(server.keepAliveTimeout, 75_000);
  server.keepAliveTimeout = 50;
  t.teardown(() => closed(server));
  await once(server, 'listening');
  const answer = await raw(t, server, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.regex(answer, /hello$/, 'and then the server has closed it');
});

test('a body limit is a 413, before the handler', async (t) => {
  const server = await reactor(t, { limits: { body: 10 } }, () => t.fail());
  const body = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world';
  t.regex(await raw(t, server, body), /^HTTP\/1\.1 413 /);
});

test('classes of requests and responses may be given', async (t) => {
  class Incoming extends http.IncomingMessage {
    get host() {
      return this.headers.host;
    }
  }
  class Outgoing extends http.ServerResponse {
    hello() {
      this.end(`hello ${this.req.host}`);
    }
  }
  const classes = { IncomingMessage: Incoming, ServerResponse: Outgoing };
  const server = await reactor(t, classes, (_req, res) => res.hello());
  t.regex(await raw(t, server, GET), /hello a$/);
});

for (const [name, classesOf] of Object.entries({
  IncomingMessage: (fails) => ({
    IncomingMessage: class extends http.IncomingMessage {
      _addHeaderLines(...given) {
        super._addHeaderLines(...given);
        fails(this);
      }
    },
  }),
  ServerResponse: (fails) => ({
    ServerResponse: class extends http.ServerResponse {
      constructor(req, options) {
        super(req, options);
        fails(req);
      }
    },
  }),
})) {
  test.serial(`where a class given as ${name} throws, that request alone is a 500`, async (t) => {
    const fails = ({ headers }) => {
      if (headers.bad !== undefined) {
        throw new Error('of the class');
      }
    };
    const server = await reactor(t, classesOf(fails), hello);
    const one = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
    const { error } = console;
    const printed = [];
    console.error = (...args) => printed.push(format(...args));
    t.teardown(() => {
      console.error = error;
    });
    const answer = await raw(t, server, one + one.replace('\r\n\r\n', '\r\nBad: b\r\n\r\n') + GET);
    t.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 500', 'HTTP/1.1 200']);
    t.is(printed.length, 1);
    t.regex(printed[0], /Error: of the class/);
    t.is(server.sockets.size, 0);
  });
}

test('a response that a drain has cut off is closed', async (t) => {
  const server = await reactor(t, { timeouts: { drain: 1 } }, () => {});
  const events = [];
  const answered = raw(t, server, GET);
  const [req, res] = await once(server, 'request');
  for (const [name, emitter] of Object.entries({ req, res, socket: req.socket })) {
    emitter.on('close', () => events.push(name));
  }
  await once(server.close(), 'close');
  await until(() => events.length === 3, 'all to be closed');
  t.is(await answered, '');
  t.true(req.destroyed);
  t.false(res.writableFinished);
});

test('joinDuplicateHeaders and uniqueHeaders are as in Node', async (t) => {
  const options = { joinDuplicateHeaders: true, uniqueHeaders: ['x-one'] };
  const server = await reactor(t, options, (req, res) => {
    res.setHeader('X-One', ['a', 'b']).setHeader('X-Two', ['a', 'b']);
    res.end(req.headers.from);
  });
  const answer = await raw(t, server, GET.replace('\r\nC', '\r\nFrom: a\r\nFrom: b\r\nC'));
  t.regex(answer, /\r\nX-One: a; b\r\nX-Two: a\r\nX-Two: b\r\n/);
  t.regex(answer, /a, b$/);
});

test('checkContinue gets the requests that expect it', async (t) => {
  const server = await reactor(t, () => t.fail());
  server.on('checkContinue', (req, res) => {
    res.writeContinue();
    req.on('data', (data) => res.write(data)).on('end', () => res.end());
  });
  const expecting =
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';
  const socket = connect(server.address().port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  let received = '';
  socket.setEncoding('latin1').on('data', (text) => {
    received += text;
  });
  socket.write(expecting);
  await until(() => received.startsWith('HTTP/1.1 100 Continue\r\n\r\n'), 'the go-ahead');
  socket.write('hello');
  await once(socket, 'close');
  t.regex(received, /hello/);
  t.is(received.match(/HTTP\/1\.1 /g).length, 2);
});

testWith('curl', test)(
  'without a checkContinue listener an expecting request is a request',
  async (t) => {
    const server = await reactor(t, (req, res) => req.pipe(res));
    const { stdout } = await exec('curl', [
      '-sS',
      '-H',
      'Expect: 100-continue',
      '--data-binary',
      'x'.repeat(2000),
      `http://127.0.0.1:${server.address().port}/`,
    ]);
    t.is(stdout.length, 2000);
  },
);

test('a listener for what never comes is told so', async (t) => {
  const program = `
    import { createServer } from 'reactor-rs/node';
    const server = createServer();
    for (const event of ['connect', 'checkExpectation', 'connect', 'clientError', 'request']) {
      server.on(event, () => {});
    }
    process.on('warning', ({ code, message }) => console.log(code, message));`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', program]);
  const lines = stdout.trim().split('\n');
  t.is(lines.length, 2);
  t.regex(lines[0], /^ERR_REACTOR_UNSUPPORTED .*'connect'.*501/);
  t.regex(lines[1], /^ERR_REACTOR_UNSUPPORTED .*'checkExpectation'/);
});

test('an upgrade that nobody can make is answered as a request, as in Node', async (t) => {
  const server = await reactor(t, (req, res) => res.end(`${req.upgrade} ${req.headers.upgrade}`));
  const upgrade = GET.replace('close', 'upgrade, close\r\nUpgrade: websocket');
  t.regex(await raw(t, server, upgrade), /false websocket$/);
});

test('a timeout on the server cuts who says nothing, unless somebody listens', async (t) => {
  const server = await reactor(t, () => {});
  server.setTimeout(50);
  t.is(await raw(t, server, GET), '');
  // On a busy machine it may be over before the request has come.
  server.on('timeout', (socket) => socket._httpMessage?.writeHead(503).end('slow'));
  t.regex(await raw(t, server, GET), /^HTTP\/1\.1 503 .*slow\r\n0\r\n\r\n$/s);
});

test('many requests on many connections, all answered', async (t) => {
  const server = await reactor(t, (req, res) => {
    if (req.url.endsWith('7')) {
      setImmediate(() => res.end(req.url));
    } else {
      res.end(req.url);
    }
  });
  const agent = new Agent({ connections: 20, pipelining: 10 });
  t.teardown(() => agent.destroy());
  const origin = `http://127.0.0.1:${server.address().port}`;
  const answers = await Promise.all(
    Array.from({ length: 2000 }, async (_, i) => {
      const { body } = await agent.request({ origin, path: `/${i}`, method: 'GET' });
      return body.text();
    }),
  );
  t.deepEqual(
    answers,
    answers.map((_, i) => `/${i}`),
  );
  t.is(server.sockets.size, 0);
});
