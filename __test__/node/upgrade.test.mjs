// 'upgrade': connections that a program takes over, as ws and Socket.IO do.

import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import { createServer } from 'reactor-rs/node';
import { WebSocket, WebSocketServer } from 'ws';

const OFFER = 'GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n';
const TAKEN = 'HTTP/1.1 101 Mine\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n';

async function serving(t, listener = (_req, res) => res.end('http'), options = {}) {
  const server = createServer(options, listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  return server;
}

async function opened(server, path = '/', options = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}${path}`, options);
  await once(socket, 'open');
  return socket;
}

/** All that comes on a socket until its end. */
async function textOf(socket) {
  // `for await` would destroy it at the end.
  let text = '';
  socket.setEncoding('latin1').on('data', (piece) => {
    text += piece;
  });
  await once(socket, 'end');
  return text;
}

function dial(server) {
  return connect({ port: server.address().port, host: '127.0.0.1', allowHalfOpen: true });
}

test('ws: text, bytes, pieces, large messages, pings and close codes', async (t) => {
  const server = await serving(t);
  const sockets = new WebSocketServer({ server });
  const closes = [];
  sockets.on('connection', (socket, req) => {
    t.is(req.url, '/chat?a=b');
    t.is(req.socket.remoteAddress, '127.0.0.1');
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('close', (code, reason) => closes.push([code, String(reason)]));
  });
  const client = await opened(server, '/chat?a=b');
  const got = [];
  client.on('message', (data, isBinary) => got.push(isBinary ? data.length : String(data)));
  client.send('hello');
  client.send(Buffer.alloc(3_000_000, 7));
  client.send('in ', { fin: false });
  client.send('pieces');
  client.ping('there?');
  const [pong] = await once(client, 'pong');
  t.is(String(pong), 'there?');
  while (got.length < 3) {
    await once(client, 'message');
  }
  t.deepEqual(got, ['hello', 3_000_000, 'in pieces']);
  // The same server answers requests.
  t.is(await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text(), 'http');
  client.close(4321, 'enough');
  const [code, reason] = await once(client, 'close');
  t.deepEqual([code, String(reason)], [4321, 'enough']);
  while (closes.length === 0) {
    await wait(5);
  }
  t.deepEqual(closes, [[4321, 'enough']]);
});

test('ws: many clients, messages in their order', async (t) => {
  const server = await serving(t);
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`echo ${data}`));
  });
  await Promise.all(
    Array.from({ length: 50 }, async (_, client) => {
      const socket = await opened(server);
      const got = [];
      socket.on('message', (data) => got.push(String(data)));
      for (let n = 0; n < 200; n++) {
        socket.send(`${client} ${n}`);
      }
      while (got.length < 200) {
        await once(socket, 'message');
      }
      t.true(got.every((text, n) => text === `echo ${client} ${n}`));
      socket.close();
      await once(socket, 'close');
    }),
  );
  await wait(50);
});

test('either side may end without a farewell', async (t) => {
  const server = await serving(t);
  const sockets = new WebSocketServer({ server });
  const closed = new Promise((resolve) => {
    sockets.once('connection', (socket) => socket.on('close', resolve));
  });
  const first = await opened(server);
  first.terminate();
  t.is(await closed, 1006);
  const second = await opened(server);
  for (const socket of sockets.clients) {
    socket.terminate();
  }
  const [code] = await once(second, 'close');
  t.is(code, 1006);
});

test('a program may refuse, with an answer of its own', async (t) => {
  const server = await serving(t);
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (req, socket, head) => {
    if (req.headers.authorization !== 'yes') {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(req, socket, head, (client) => client.send('welcome'));
  });
  const url = `ws://127.0.0.1:${server.address().port}/`;
  const refused = new WebSocket(url);
  const [error] = await once(refused, 'error');
  t.is(error.message, 'Unexpected server response: 401');
  const taken = new WebSocket(url, { headers: { authorization: 'yes' } });
  const [data] = await once(taken, 'message');
  t.is(String(data), 'welcome');
  taken.terminate();
});

test('bytes behind the request belong to the socket, and either side may end first', async (t) => {
  const server = await serving(t);
  server.on('upgrade', async (req, socket, head) => {
    t.is(req.headers.upgrade, 'echo');
    t.true(req.upgrade);
    t.is(head.length, 0);
    socket.write(TAKEN);
    if (req.url === '/x') {
      const all = await textOf(socket);
      // The client has ended its side, and still reads.
      socket.end(`all: ${all}`);
    }
  });
  const client = dial(server);
  client.write(`${OFFER}at `);
  await wait(20);
  client.end('once');
  t.is(await textOf(client), `${TAKEN}all: at once`);
});

test('a client may have ended its side before it is taken over', async (t) => {
  const server = await serving(t);
  server.on('upgrade', async (_req, socket) => {
    socket.write(TAKEN);
    socket.end(`all: ${await textOf(socket)}`);
  });
  for (let n = 0; n < 50; n++) {
    const client = dial(server);
    client.end(`${OFFER}at once`);
    t.is(await textOf(client), `${TAKEN}all: at once`);
  }
});

test('a side that has ended still gets what the other says', async (t) => {
  const server = await serving(t);
  const heard = new Promise((resolve) => {
    server.on('upgrade', async (_req, socket) => {
      socket.end(TAKEN);
      resolve(await textOf(socket));
    });
  });
  const client = dial(server);
  client.write(OFFER);
  t.is(await textOf(client), TAKEN);
  client.write('after ');
  await wait(20);
  client.end('the end');
  t.is(await heard, 'after the end');
});

test('a slow reader holds its writer back', async (t) => {
  const server = await serving(t);
  const done = new Promise((resolve) => {
    server.on('upgrade', (_req, socket) => {
      socket.write(TAKEN);
      const piece = Buffer.alloc(64 * 1024, 'x');
      let written = 0;
      const write = () => {
        while (written < 256) {
          written++;
          if (!socket.write(piece)) {
            socket.once('drain', write);
            return;
          }
        }
        socket.end();
      };
      write();
      setTimeout(() => resolve(written), 300);
    });
  });
  const client = dial(server);
  client.write(OFFER);
  client.pause();
  const written = await done;
  client.resume();
  t.true(written < 200, `${written} pieces of 64 KiB are written although nobody reads`);
  const text = await textOf(client);
  t.is(text.length, TAKEN.length + 256 * 64 * 1024);
  client.end();
});

test('without a listener, with a body or with close it is an ordinary request', async (t) => {
  const server = await serving(t, (req, res) => res.end(`${req.method} ${req.upgrade}`));
  const ask = async (head) => {
    const client = dial(server);
    client.end(head);
    return textOf(client);
  };
  const closes = OFFER.replace('Connection: Upgrade', 'Connection: Upgrade, close');
  t.regex(await ask(closes), /^HTTP\/1\.1 200 .*GET false$/s);
  server.on('upgrade', () => t.fail('it is no upgrade'));
  t.regex(await ask(closes), /^HTTP\/1\.1 200 .*GET false$/s);
  const body = closes.replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\nhi');
  t.regex(await ask(body), /^HTTP\/1\.1 200 .*POST false$/s);
});

test('close waits for connections that were taken over', async (t) => {
  const server = await serving(t);
  const sockets = new WebSocketServer({ server });
  const connection = once(sockets, 'connection');
  const client = await opened(server);
  const [socket] = await connection;
  let isClosed = false;
  const closed = once(server, 'close').then(() => {
    isClosed = true;
  });
  server.close();
  await wait(100);
  t.false(isClosed);
  socket.send('still here');
  const [data] = await once(client, 'message');
  t.is(String(data), 'still here');
  client.close();
  await closed;
  t.pass();
});

test('a socket that is used late has all that came since', async (t) => {
  const server = await serving(t);
  let told = () => {};
  const asked = new Promise((resolve) => {
    told = resolve;
  });
  server.on('upgrade', (req, socket) => told([req, socket]));
  const client = dial(server);
  client.write(`${OFFER}early`);
  const [req, socket] = await asked;
  await wait(100);
  t.is(req.socket, socket);
  t.is(socket.readyState, 'open');
  socket.write(TAKEN);
  // A client that ends its side before is given a second, as with any request.
  client.end();
  socket.end(`all: ${await textOf(socket)}`);
  t.is(await textOf(client), `${TAKEN}all: early`);
});

test('a socket that is not used yet is closed with its client, and ends it', async (t) => {
  const server = await serving(t);
  const sockets = [];
  server.on('upgrade', (_req, socket) => sockets.push(socket));
  const gone = dial(server);
  gone.write(OFFER);
  while (sockets.length === 0) {
    await wait(5);
  }
  const closed = once(sockets[0], 'close');
  gone.resetAndDestroy();
  await closed;
  const cut = connect({ port: server.address().port, host: '127.0.0.1' });
  cut.on('error', () => {}).resume();
  cut.write(OFFER);
  while (sockets.length === 1) {
    await wait(5);
  }
  const over = once(cut, 'close');
  sockets[1].destroy();
  await over;
  t.pass();
});

test('the client’s end is told to a program that only writes', async (t) => {
  const server = await serving(t);
  server.on('upgrade', (_req, socket) => {
    socket.on('end', socket.end);
    socket.write(TAKEN);
  });
  const client = dial(server);
  client.write(OFFER);
  await once(client, 'data');
  client.end();
  client.resume();
  await once(client, 'end');
  t.pass();
});

const hasCallback = 'shouldUpgradeCallback' in http.createServer();

(hasCallback ? test : test.skip)('shouldUpgradeCallback decides, as in Node', async (t) => {
  const options = {
    shouldUpgradeCallback(req) {
      t.true(this.listening);
      return req.headers.upgrade === 'echo' && req.url === '/x';
    },
  };
  const answer = (req, res) => res.setHeader('connection', 'close').end(`${req.upgrade}`);
  for (const create of [http.createServer, createServer]) {
    const server = create(options, answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const ask = async (head) => {
      const client = dial(server).on('error', () => {});
      client.write(head);
      const text = await textOf(client);
      client.end();
      return text;
    };
    // Without a listener the connection ends.
    t.is(await ask(OFFER), '');
    server.on('upgrade', (_req, socket) => socket.end(TAKEN));
    t.is(await ask(OFFER), TAKEN);
    t.regex(await ask(OFFER.replace('/x', '/y')), /^HTTP\/1\.1 200 .*false/s);
  }
});
