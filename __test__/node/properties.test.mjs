// What programs set on a server after they have made it, also while it listens: on
// node:http and on reactor-rs/node with the same outcome.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test from 'ava';
import { createServer } from 'reactor-rs/node';
import { closed, few, listening, raw, until } from './both.mjs';

const exec = promisify(execFile);
const MAKERS = { node: http.createServer, reactor: few(createServer) };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const LONG = 600_000;

/** One test for each of the two servers. */
function each(title, run) {
  for (const [kind, create] of Object.entries(MAKERS)) {
    test(`${title} (${kind})`, (t) => run(t, create, kind));
  }
}

async function started(t, create, options, handle) {
  const server = await listening(create(options, handle));
  t.teardown(() => closed(server));
  return server;
}

/** A client that keeps what it receives. */
function client(t, server) {
  const socket = connect(server.address().port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  const seen = { socket, text: '', isClosed: false };
  socket.setEncoding('latin1').on('error', () => {});
  socket.on('data', (text) => {
    seen.text += text;
  });
  socket.on('close', () => {
    seen.isClosed = true;
  });
  seen.answers = () => seen.text.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9)) ?? [];
  return seen;
}

const hello = (req, res) => {
  req.resume();
  req.on('end', () => res.end('hello'));
};

each('keepAliveTimeout that is set while listening counts', async (t, create) => {
  const server = await started(t, create, { keepAliveTimeout: LONG }, hello);
  server.keepAliveTimeout = 50;
  const quick = client(t, server);
  quick.socket.write(GET);
  await until(() => quick.isClosed, 'the idle connection to be closed');
  t.deepEqual(quick.answers(), ['200']);

  server.keepAliveTimeout = 0;
  const kept = client(t, server);
  kept.socket.write(GET);
  await until(() => kept.answers().length === 1, 'the first answer');
  await sleep(1500);
  kept.socket.write(GET);
  await until(() => kept.answers().length === 2, 'the second answer, as 0 is no limit');
});

each('headersTimeout and requestTimeout that are set while listening count', async (t, create) => {
  const server = await started(t, create, { connectionsCheckingInterval: 20 }, hello);
  server.headersTimeout = 800;
  const head = client(t, server);
  head.socket.write('GET / HT');
  await until(() => head.isClosed, 'half a head to be late');
  t.deepEqual(head.answers(), ['408']);

  server.headersTimeout = 0;
  server.requestTimeout = 50;
  const body = client(t, server);
  body.socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhello');
  await until(() => body.isClosed, 'half a body to be late');
  t.deepEqual(body.answers(), ['408']);
});

each('requestTimeout counts however lively the body comes', async (t, create) => {
  const server = await started(
    t,
    create,
    { connectionsCheckingInterval: 20, requestTimeout: 300, headersTimeout: 300 },
    hello,
  );
  const slow = client(t, server);
  slow.socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  const more = setInterval(() => slow.socket.write('5\r\nhello\r\n'), 10);
  t.teardown(() => clearInterval(more));
  await until(() => slow.isClosed, 'the body to be late');
  t.false(slow.text.includes(' 200 '));
});

each(
  'requestTimeout of 0 is no limit, and a request in time is none of its business',
  async (t, create) => {
    const options = { connectionsCheckingInterval: 20, requestTimeout: 200, headersTimeout: 200 };
    const server = await started(t, create, options, (_req, res) => {
      setTimeout(() => res.end('late'), 600);
    });
    const slow = client(t, server);
    slow.socket.write(GET);
    await until(() => slow.text.endsWith('late'), 'a handler that takes longer');
    server.requestTimeout = 0;
    const body = client(t, server);
    body.socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello');
    await sleep(600);
    body.socket.write('world');
    await until(() => body.text.endsWith('late'), 'a body that comes late');
    t.deepEqual(body.answers(), ['200']);
  },
);

each('maxHeadersCount that is set while listening counts, and 0 is no limit', async (t, create) => {
  const server = await started(t, create, {}, (req, res) => {
    res.end(`${req.rawHeaders.length / 2} fields`);
  });
  for (const [most, sent] of [
    [null, 300],
    [1000, 600],
    [0, 2500],
  ]) {
    server.maxHeadersCount = most;
    const { socket, ...seen } = client(t, server);
    void seen;
    let text = '';
    socket.on('data', (more) => {
      text += more;
    });
    const fields = Array.from({ length: sent - 2 }, () => 'a:b\r\n').join('');
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`);
    await until(() => text.endsWith('fields') || text.includes('HTTP/1.1 431'), 'an answer');
    t.regex(text, new RegExp(`${sent} fields$`));
  }
});

each('maxRequestsPerSocket answers one more with 503 and tells of it', async (t, create) => {
  const server = await started(t, create, {}, (_req, res) => res.end('hello'));
  server.maxRequestsPerSocket = 2;
  const dropped = [];
  server.on('dropRequest', (req, socket) => dropped.push([req.url, typeof socket.destroy]));
  const one = client(t, server);
  for (let i = 1; i <= 3; i++) {
    one.socket.write(GET);
    await until(() => one.answers().length === i, `answer ${i}`);
  }
  t.deepEqual(one.answers(), ['200', '200', '503']);
  const connections = one.text.match(/Connection: (\S+)/gi).map((line) => line.slice(12));
  t.deepEqual(
    connections.filter((value) => value === 'close').length,
    2,
    'the last that is answered asks the client to close, and so does the refusal',
  );
  t.deepEqual(dropped, [['/', 'function']]);
});

each('timeout closes what says nothing, whatever it has begun', async (t, create) => {
  const server = create({}, hello);
  t.is(server.setTimeout(50), server);
  t.is(server.timeout, 50);
  await listening(server);
  t.teardown(() => closed(server));
  for (const begun of [
    '',
    'GET / HT',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  ]) {
    const slow = client(t, server);
    slow.socket.write(begun);
    await until(() => slow.isClosed, `${JSON.stringify(begun)} to be cut`);
    t.is(slow.text, '');
  }
});

each('a listener for timeout decides what becomes of the connection', async (t, create) => {
  const server = create({}, hello);
  const heard = [];
  server.setTimeout(50, (socket) => {
    heard.push(socket.remoteAddress);
  });
  await listening(server);
  t.teardown(() => closed(server));
  const slow = client(t, server);
  slow.socket.write('GET / HTTP/1.1\r\nHo');
  await until(() => heard.length > 0, 'the timeout');
  t.is(heard[0], '127.0.0.1');
  t.false(slow.isClosed);
  slow.socket.write('st: a\r\n\r\n');
  await until(() => slow.text.endsWith('hello'), 'the answer');
  server.removeAllListeners('timeout');
  server.once('timeout', (socket) => socket.destroy());
  const second = client(t, server);
  second.socket.write('GET');
  await until(() => second.isClosed, 'the listener to destroy it');
});

each(
  'maxConnections counts, also changed later, and drop says who was refused',
  async (t, create) => {
    const server = create({}, hello);
    server.maxConnections = 1;
    const drops = [];
    server.on('drop', (drop) => drops.push(drop));
    await listening(server);
    t.teardown(() => closed(server));
    const first = client(t, server);
    first.socket.write(GET);
    await until(() => first.answers().length === 1, 'the answer');
    const second = client(t, server);
    second.socket.write(GET);
    await until(() => second.isClosed, 'the second to be refused');
    t.is(second.text, '');
    await until(() => drops.length === 1, 'the event');
    t.like(drops[0], {
      localPort: server.address().port,
      remoteAddress: '127.0.0.1',
      remoteFamily: 'IPv4',
    });
    server.maxConnections = 2;
    const third = client(t, server);
    third.socket.write(GET);
    await until(() => third.answers().length === 1, 'the third, for which there is room now');
  },
);

test('maxHeaderSize is by default what Node was started with', async (t) => {
  const program = `
    import http from 'node:http';
    import { createServer } from 'reactor-rs/node';
    const headers = { cookie: 'a'.repeat(40_000) };
    for (const create of [http.createServer, createServer]) {
      const server = create((req, res) => res.end()).listen(0, '127.0.0.1', () => {
        http.get({ port: server.address().port, host: '127.0.0.1', headers, agent: false }, (res) => {
          console.log(res.statusCode);
          server.close();
        });
      });
      await new Promise((resolve) => server.on('close', resolve));
    }`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, NODE_OPTIONS: '--max-http-header-size=65536' },
  });
  t.is(stdout, '200\n200\n');
});

each('closeIdleConnections closes those that wait, and no others', async (t, create) => {
  let answer;
  const server = await started(t, create, {}, (req, res) => {
    if (req.url === '/slow') {
      answer = () => res.end('slow');
    } else {
      res.end('hello');
    }
  });
  const [idle, busy] = [client(t, server), client(t, server)];
  idle.socket.write(GET);
  busy.socket.write(GET.replace('/', '/slow'));
  await until(() => idle.answers().length === 1 && answer !== undefined, 'both');
  server.closeIdleConnections();
  await until(() => idle.isClosed, 'the idle one to be closed');
  answer();
  await until(() => busy.text.endsWith('slow'), 'the other');
  t.true(server.listening);
  server.closeAllConnections();
  await until(() => busy.isClosed, 'all to be closed');
  t.true(server.listening);
});

each('the address is known in the line after listen', async (t, create) => {
  const server = create(hello).listen(0);
  t.teardown(() => closed(server));
  t.true(server.listening);
  const { port, address, family } = server.address();
  t.true(port > 0);
  t.is(family, address.includes(':') ? 'IPv6' : 'IPv4');
  // Who connects before 'listening' waits, and is answered.
  const early = client(t, server);
  early.socket.write(GET);
  await once(server, 'listening');
  t.is(server.address().port, port);
  await until(() => early.text.endsWith('hello'), 'the answer');
});

each('close in the line after listen', async (t, create) => {
  const server = create(hello).listen(0);
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  t.false(server.listening);
  t.is(server.address(), null);
  const refused = connect(port, '127.0.0.1');
  const [error] = await once(refused, 'error');
  t.is(error.code, 'ECONNREFUSED');
});

each('the address is known, and close works, at every moment of a start', async (t, create) => {
  for (let turns = 0; turns < 12; turns++) {
    const server = create(hello).listen(0);
    const { port } = server.address();
    for (let i = 0; i < turns; i++) {
      t.is(server.address().port, port);
      await (i % 2 === 0 ? Promise.resolve() : new Promise(setImmediate));
    }
    await new Promise((resolve) => server.close(resolve));
    t.is(server.address(), null);
  }
});

test('a maxConnections below 0 takes none, as in Node', async (t) => {
  for (const make of [http.createServer, few(createServer)]) {
    const server = await listening(make((_req, res) => res.end('hello')));
    t.teardown(() => closed(server));
    server.maxConnections = -1;
    t.is(await raw(t, server, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), '');
    server.maxConnections = Number.NaN;
    t.regex(
      await raw(t, server, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
      /hello$/,
    );
  }
});
