// The server of `reactor-rs/ws`, compared with that of `ws`.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import test from 'ava';
import { createServer } from 'reactor-rs/node';
import { createWebSocketStream, Server, WebSocket, WebSocketServer } from 'reactor-rs/ws';
import * as ws from 'ws';
import { compare, HANDSHAKE, until } from './ws-both.mjs';

const exec = promisify(execFile);

/** The status line, the type and the body of an answer. */
function parts(bytes) {
  const [head, body] = String(bytes).split('\r\n\r\n');
  const type = /^content-type: (.*)$/im.exec(head)?.[1];
  return [head.split('\r\n')[0], /^connection: close\r?$/im.test(head), type, body];
}

const REFUSED = {
  'a POST': HANDSHAKE.replace('GET', 'POST'),
  'another protocol': HANDSHAKE.replace('Upgrade: websocket', 'Upgrade: other'),
  'no key': HANDSHAKE.replace(/Sec-WebSocket-Key.*\r\n/, ''),
  'a key that is too short': HANDSHAKE.replace('dGhl', ''),
  'another version': HANDSHAKE.replace('Version: 13', 'Version: 7'),
  'subprotocols twice': HANDSHAKE.replace('\r\n\r\n', '\r\nSec-WebSocket-Protocol: a, a\r\n\r\n'),
  'an empty subprotocol': HANDSHAKE.replace('\r\n\r\n', '\r\nSec-WebSocket-Protocol: a,,b\r\n\r\n'),
  'another path': HANDSHAKE.replace('GET /', 'GET /other?a=/chat'),
};

for (const [name, text] of Object.entries(REFUSED)) {
  compare(test, `refused: ${name}`, async (stage) => {
    const { sockets } = await stage.serve(name === 'another path' ? { path: '/chat' } : {});
    sockets.on('connection', () => stage.note('connection'));
    const client = await stage.raw(text);
    stage.note(...parts(await client.rest()));
  });

  compare(test, `wsClientError: ${name}`, async (stage) => {
    const { sockets } = await stage.serve(name === 'another path' ? { path: '/chat' } : {});
    sockets.on('wsClientError', (error, socket, req) => {
      stage.note(error.message, req.method, socket === req.socket);
      socket.end('HTTP/1.1 418 Mine\r\nConnection: close\r\n\r\nmine');
    });
    const client = await stage.raw(text);
    stage.note(...parts(await client.rest()));
  });
}

compare(test, 'verifyClient', async (stage) => {
  await stage.serve({
    verifyClient: (info) => {
      stage.note(info.origin, info.secure, info.req.url);
      return false;
    },
  });
  const client = await stage.raw(HANDSHAKE.replace('\r\n\r\n', '\r\nOrigin: http://a\r\n\r\n'));
  stage.note(...parts(await client.rest()));
  await stage.serve({
    verifyClient: (_info, done) => {
      setTimeout(done, 20, false, 403, 'not you', { 'X-Why': 'because' });
    },
  });
  const other = await stage.raw(HANDSHAKE);
  const bytes = await other.rest();
  stage.note(...parts(bytes), /x-why: because/i.test(String(bytes)));
  await stage.serve({ verifyClient: (_info, done) => setTimeout(done, 20, true) }, (socket) => {
    socket.send('welcome');
  });
  const [data] = await once(stage.dial(), 'message');
  stage.note(data);
});

compare(test, 'subprotocols', async (stage) => {
  await stage.serve({}, (socket) => stage.note('server', socket.protocol));
  stage.note((await stage.client('/', ['one', 'two'])).protocol);
  stage.note((await stage.client('/')).protocol);
  const handleProtocols = (protocols, req) => {
    stage.note([...protocols], req.url);
    return 'two';
  };
  await stage.serve({ handleProtocols }, (socket) => stage.note('server', socket.protocol));
  stage.note((await stage.client('/', ['one', 'two'])).protocol);
  stage.note((await stage.client('/')).protocol);
  await until(() => stage.log.length === 9);
  stage.log.sort();
});

compare(test, 'listeners of headers add fields to the 101', async (stage) => {
  const { sockets } = await stage.serve();
  sockets.on('headers', (headers, req) => {
    stage.note(headers, req.url);
    headers.push('X-Mine: yes', 'Set-Cookie: a=b; Path=/', 'Set-Cookie: c=d');
  });
  const client = await stage.raw(
    HANDSHAKE.replace('\r\n\r\n', '\r\nSec-WebSocket-Protocol: p\r\n\r\n'),
  );
  await until(() => client.bytes.includes('\r\n\r\n'));
  const lines = String(client.bytes).split('\r\n').filter(Boolean);
  stage.note(
    lines
      .filter((line) => !/^date/i.test(line))
      .map((line) => line.toLowerCase())
      .sort(),
  );
});

compare(test, 'its own HTTP server', async (stage) => {
  const { WebSocketServer: Mine } = stage.kind;
  const sockets = await new Promise((resolve) => {
    const made = new Mine({ port: 0, host: '127.0.0.1', backlog: 5 }, () => resolve(made));
  });
  sockets.on('listening', () => stage.note('listening'));
  const { port, address } = sockets.address();
  stage.note(address, typeof port);
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  stage.note(answer.status, answer.headers.get('content-type'), await answer.text());
  sockets.on('connection', (socket) => socket.close(4001));
  const [code] = await once(new ws.WebSocket(`ws://127.0.0.1:${port}`), 'close');
  stage.note(code);
  await new Promise((resolve) => sockets.close(resolve));
  stage.note(sockets.address());
  await new Promise((resolve) => {
    sockets.close((error) => resolve(stage.note(error)));
  });
});

compare(test, 'close waits for the clients, and takes no more', async (stage) => {
  const { sockets, socket, client } = await stage.pair();
  stage.note(sockets.clients.size, sockets.clients.has(socket));
  let isClosed = false;
  sockets.close(() => {
    isClosed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  stage.note(isClosed);
  const late = stage.dial();
  await once(late, 'error');
  socket.send('still here');
  const [data] = await once(client, 'message');
  stage.note(data);
  client.close();
  await until(() => isClosed);
  stage.note(sockets.clients.size);
});

compare(test, 'noServer', async (stage) => {
  const { server } = await stage.serve();
  server.removeAllListeners('upgrade');
  const sockets = new stage.kind.WebSocketServer({ noServer: true, clientTracking: false });
  stage.note(sockets.clients);
  server.on('upgrade', (req, socket, head) => {
    sockets.handleUpgrade(req, socket, head, (client, request) => {
      stage.note(request === req, client.readyState);
      sockets.emit('connection', client, req);
      try {
        sockets.handleUpgrade(req, socket, head, () => stage.note('twice'));
      } catch (error) {
        stage.note(error);
      }
    });
  });
  sockets.on('connection', (client) => client.send('hello'));
  const [data] = await once(stage.dial(), 'message');
  stage.note(data);
  try {
    sockets.address();
  } catch (error) {
    stage.note(error);
  }
  await new Promise((resolve) => sockets.close(resolve));
});

compare(test, 'a class of its own, and shouldHandle', async (stage) => {
  class Mine extends stage.kind.WebSocket {
    get name() {
      return 'mine';
    }
  }
  const { sockets } = await stage.serve({ WebSocket: Mine }, (socket) => socket.send(socket.name));
  sockets.shouldHandle = (req) => req.url === '/yes';
  const [data] = await once(stage.dial(stage.url('/yes')), 'message');
  stage.note(data);
  const [error] = await once(stage.dial(stage.url('/no')), 'error');
  stage.note(error);
});

compare(test, 'options that contradict each other', async (stage) => {
  const { WebSocketServer: Mine } = stage.kind;
  const server = http.createServer();
  for (const options of [
    {},
    { port: 0, noServer: true },
    { server, noServer: true },
    { port: 0, server },
  ]) {
    try {
      new Mine(options);
    } catch (error) {
      stage.note(error);
    }
  }
});

compare(test, 'errors of the HTTP server', async (stage) => {
  const { server } = await stage.serve();
  const { port } = server.address();
  const second = new stage.kind.WebSocketServer({ port, host: '127.0.0.1' });
  const [{ code }] = await once(second, 'error');
  stage.note(code);
});

compare(test, 'a stream', async (stage) => {
  const { socket, client } = await stage.pair();
  const stream = stage.kind.createWebSocketStream(socket);
  const pieces = [];
  stream.on('data', (piece) => {
    pieces.push(piece);
    stream.write(piece);
  });
  const echoed = [];
  client.on('message', (data) => echoed.push(data));
  client.send('text');
  client.send(Buffer.alloc(300_000, 'x'));
  await until(() => Buffer.concat(echoed).length === 300_004);
  stage.note(Buffer.concat(pieces).length);
  const ended = once(stream, 'end');
  client.close(1000);
  await ended;
  stage.note(stream.readableEnded);
});

test('an error of a listener is uncaught, and later events come', async (t) => {
  const program = `
    import { createServer } from 'reactor-rs/node';
    import { WebSocketServer } from 'reactor-rs/ws';
    import { WebSocket } from 'ws';
    process.on('uncaughtException', ({ message }) => console.log('uncaught', message));
    const server = createServer().listen(0, '127.0.0.1', () => {
      const client = new WebSocket('ws://127.0.0.1:' + server.address().port);
      client.on('open', () => ['one', 'two', 'end'].forEach((text) => client.send(text)));
    });
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('message', (data) => {
        if (String(data) === 'end') return setTimeout(() => process.exit(), 100);
        throw new Error(String(data));
      });
    });`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', program]);
  t.is(stdout, 'uncaught one\nuncaught two\n');
});

test('a socket of another server becomes one of ws', async (t) => {
  const server = http.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const warning = once(process, 'warning');
  const sockets = new WebSocketServer({ server });
  sockets.on('headers', (headers) => headers.push('X-Mine: yes'));
  const connection = once(sockets, 'connection');
  const client = new ws.WebSocket(`ws://127.0.0.1:${server.address().port}`);
  const [{ headers }] = await once(client, 'upgrade');
  t.is(headers['x-mine'], 'yes');
  const [socket] = await connection;
  t.true(socket instanceof ws.WebSocket);
  t.regex((await warning)[0].message, /its frames are those of "ws"/);
  client.terminate();
});

test('a socket that was written before is refused with the reason', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const sockets = new WebSocketServer({ noServer: true });
  const failed = new Promise((resolve) => {
    server.on('upgrade', (req, socket, head) => {
      socket.write('HTTP/1.1 101 Mine\r\n\r\n');
      const error = t.throws(() => sockets.handleUpgrade(req, socket, head, () => {}));
      socket.destroy();
      resolve(error);
    });
  });
  const client = new ws.WebSocket(`ws://127.0.0.1:${server.address().port}`);
  client.on('error', () => {});
  const { code, message } = await failed;
  t.is(code, 'ERR_REACTOR_UNSUPPORTED');
  t.regex(message, /neither read nor written/);
});

test('the socket of an upgraded request has addresses, and closes with the WebSocket', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const sockets = new WebSocketServer({ server });
  const connection = once(sockets, 'connection');
  const client = new ws.WebSocket(`ws://127.0.0.1:${server.address().port}`);
  const [socket, req] = await connection;
  t.is(req.socket.remoteAddress, '127.0.0.1');
  t.is(req.socket, socket._socket);
  t.is(req.headers.upgrade, 'websocket');
  const closed = once(req.socket, 'close');
  const gone = once(client, 'close');
  req.socket.destroy();
  await closed;
  t.is((await gone)[0], 1006);
  t.is(req.socket.readyState, 'closed');
});

test('clients are those of ws', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  new Server({ server }).on('connection', (socket) => socket.send('hi'));
  const client = new WebSocket(`ws://127.0.0.1:${server.address().port}`, ['p'], {});
  t.true(client instanceof ws.WebSocket);
  const [data] = await once(client, 'message');
  t.is(String(data), 'hi');
  t.is(client.protocol, 'p');
  client.terminate();
});

test('CommonJS has it too, and its server takes sockets of the ES module', async (t) => {
  const require = createRequire(import.meta.url);
  const common = require('reactor-rs/ws');
  t.deepEqual(
    ['Server', 'WebSocket', 'WebSocketServer', 'createWebSocketStream'].map(
      (name) => typeof common[name],
    ),
    ['function', 'function', 'function', 'function'],
  );
  t.is(typeof createWebSocketStream, 'function');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const sockets = new common.WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))));
  const client = new ws.WebSocket(`ws://127.0.0.1:${server.address().port}`);
  await once(client, 'open');
  client.send('both');
  const [data] = await once(client, 'message');
  t.is(String(data), 'both');
  t.is([...sockets.clients].length, 1);
  client.terminate();
});

test('the server that closes tells its clients', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  new WebSocketServer({ server });
  const client = new ws.WebSocket(`ws://127.0.0.1:${server.address().port}`);
  await once(client, 'open');
  const left = once(client, 'close');
  await new Promise((resolve) => server.close(resolve));
  t.is((await left)[0], 1001);
});

test('extensions are those that were agreed on', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const sockets = new WebSocketServer({ server, perMessageDeflate: true });
  const offers = {
    'permessage-deflate': true,
    'other, permessage-deflate; client_max_window_bits': true,
    'permessage-deflate; server_max_window_bits=8': false,
    'permessage-deflate; server_max_window_bits=8, permessage-deflate': true,
    'permessage-deflate; server_max_window_bits="10"; client_no_context_takeover': true,
    'permessage-deflate; server_max_window_bits': false,
    'permessage-deflate; client_max_window_bits=7': false,
    'permessage-deflate; client_max_window_bits=8; server_no_context_takeover': true,
    'permessage-deflate; server_no_context_takeover=1': false,
    'permessage-deflate; client_max_window_bits; client_max_window_bits': false,
    'permessage-deflate; unknown': false,
    'x-webkit-deflate-frame': false,
  };
  for (const [offer, isTaken] of Object.entries(offers)) {
    const connection = once(sockets, 'connection');
    const client = connect(server.address().port, '127.0.0.1');
    client.write(HANDSHAKE.replace('\r\n\r\n', `\r\nSec-WebSocket-Extensions: ${offer}\r\n\r\n`));
    const [[socket], [answer]] = await Promise.all([connection, once(client, 'data')]);
    t.is(/sec-websocket-extensions: permessage-deflate/i.test(answer), isTaken, offer);
    t.is(socket.extensions, isTaken ? 'permessage-deflate' : '', offer);
    client.destroy();
  }
});

test('idleTimeout: a client that answers no ping is closed, and one that does is kept', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const sockets = new WebSocketServer({ server, idleTimeout: 500 });
  const connection = once(sockets, 'connection');
  const silent = connect(server.address().port, '127.0.0.1').resume();
  silent.write(HANDSHAKE);
  const [socket] = await connection;
  const alive = new ws.WebSocket(`ws://127.0.0.1:${server.address().port}`);
  await once(alive, 'ping');
  const [code] = await once(socket, 'close');
  t.is(code, 1006);
  await once(alive, 'ping');
  t.is(alive.readyState, 1);
  alive.terminate();
});
