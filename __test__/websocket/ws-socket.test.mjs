// The sockets of `reactor-rs/ws`, compared with those of `ws`.

import { once } from 'node:events';
import test from 'ava';
import { compare, frame, HANDSHAKE, until } from './ws-both.mjs';

compare(test, 'messages: text and binary, as Buffers', async (stage) => {
  const { socket, client } = await stage.pair();
  socket.on('message', (data, isBinary) => stage.note('message', data, isBinary));
  for (const data of [
    'text',
    'ünï ☃',
    '',
    Buffer.from([1, 2, 255]),
    Buffer.alloc(0),
    'x'.repeat(200_000),
  ]) {
    client.send(data);
  }
  client.send('not text', { binary: true });
  client.send(Buffer.from('no bytes'), { binary: false });
  await until(() => stage.log.length === 8);
});

for (const type of ['nodebuffer', 'arraybuffer', 'fragments', 'blob', 'nonsense']) {
  compare(test, `binaryType: ${type}`, async (stage) => {
    const { socket, client } = await stage.pair();
    socket.binaryType = type;
    stage.note(socket.binaryType);
    socket.on('message', async (data, isBinary) => {
      const bytes = data instanceof Blob ? Buffer.from(await data.arrayBuffer()) : data;
      stage.note(data.constructor.name, bytes, isBinary);
    });
    client.send(Buffer.from([1, 2, 3]));
    client.send(Buffer.from([4]));
    await until(() => stage.log.length === 3);
  });
}

compare(test, 'sending: every kind of data, and the callback', async (stage) => {
  const { socket, client } = await stage.pair();
  client.on('message', (data, isBinary) => stage.note(data, isBinary));
  const all = [
    'text',
    5,
    0,
    '',
    null,
    undefined,
    Buffer.from('buffer'),
    new Uint8Array([65, 66]),
    new Uint16Array([0x4141]),
    new DataView(new ArrayBuffer(2)),
    new ArrayBuffer(3),
    [67, 68],
    Buffer.alloc(70_000, 1),
  ];
  for (const data of all) {
    await new Promise((resolve) => socket.send(data, resolve));
  }
  socket.send(Buffer.from('as text'), { binary: false });
  socket.send('as binary', { binary: true });
  const error = await new Promise((resolve) => socket.send('with options', {}, resolve));
  await until(() => stage.log.length === all.length + 3);
  stage.note(error ?? null);
  try {
    socket.send({});
  } catch (thrown) {
    stage.note(thrown.constructor.name);
  }
});

compare(test, 'sending: pieces, and Blobs in their order', async (stage) => {
  const { socket, client } = await stage.pair();
  client.on('message', (data, isBinary) => stage.note(data, isBinary));
  socket.send('one ', { fin: false });
  socket.send('message', { fin: true });
  socket.send(Buffer.from('a'), { fin: false });
  socket.send(Buffer.from('b'), { fin: false });
  socket.send(Buffer.from('c'));
  socket.send('before');
  socket.send(new Blob(['blob ', 'one']));
  socket.send('between');
  socket.send(new Blob(['blob two']), () => stage.note('sent'));
  socket.send('after');
  socket.close(1000);
  const [code] = await once(client, 'close');
  stage.note(code, stage.log.length);
  stage.log.sort();
});

compare(test, 'events of the standard', async (stage) => {
  const { socket, client } = await stage.pair();
  const tell = (name) => (event) =>
    stage.note(name, event.type, event.data, event.target === socket);
  const removed = tell('removed');
  socket.onmessage = tell('first property');
  socket.onmessage = tell('property');
  socket.addEventListener('message', tell('once'), { once: true });
  socket.addEventListener('message', { handleEvent: tell('object') });
  socket.addEventListener('message', removed);
  socket.addEventListener('message', removed);
  socket.addEventListener('nothing', removed);
  stage.note(socket.listenerCount('message'), socket.listenerCount('nothing'));
  socket.removeEventListener('message', removed);
  stage.note(typeof socket.onmessage, socket.onclose, socket.onerror, socket.onopen);
  client.send('text');
  await until(() => stage.log.length === 5);
  client.send(Buffer.from('bytes'));
  await until(() => stage.log.length === 7);
  socket.onmessage = null;
  stage.note(socket.listenerCount('message'), socket.onmessage);
  const closed = new Promise((resolve) => {
    socket.onclose = ({ type, code, reason, wasClean }) => {
      stage.note(type, code, reason, wasClean);
      resolve();
    };
  });
  client.close(4000, 'bye');
  await closed;
});

compare(test, 'constants and properties', async (stage) => {
  const { socket, client } = await stage.pair();
  const { WebSocket } = stage.kind;
  for (const name of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED']) {
    stage.note(WebSocket[name], socket[name]);
  }
  const { readyState, protocol, extensions, binaryType, bufferedAmount, isPaused, url } = socket;
  stage.note(readyState, protocol, extensions, binaryType, bufferedAmount, isPaused, url);
  stage.note(socket._socket.remoteAddress, socket instanceof WebSocket);
  stage.note(client.protocol, client.extensions);
});

for (const [code, reason] of [[1000, 'done'], [4999, 'ünï'], [1001], [3000, ''], []]) {
  compare(test, `the server closes with ${code} ${reason}`, async (stage) => {
    const { socket, client } = await stage.pair();
    socket.on('close', (...given) => stage.note('server', ...given, socket.readyState));
    client.on('message', (data) => stage.note('client', data));
    socket.send('last');
    socket.close(code, reason);
    socket.close();
    stage.note(socket.readyState);
    const [got, why] = await once(client, 'close');
    stage.note('client', got, why);
    await until(() => socket.readyState === 3);
    stage.log.sort();
  });

  compare(test, `the client closes with ${code} ${reason}`, async (stage) => {
    const { socket, client } = await stage.pair();
    const closed = once(socket, 'close');
    client.close(code, reason);
    // The engine's answer has the code only.
    const [got] = await once(client, 'close');
    stage.note('client', got);
    stage.note('server', ...(await closed));
  });
}

compare(test, 'either breaks off', async (stage) => {
  const { socket, client, sockets } = await stage.pair();
  const closed = once(socket, 'close');
  client.terminate();
  stage.note(...(await closed), socket.readyState);
  const connection = once(sockets, 'connection');
  const other = await stage.client('/');
  const [second] = await connection;
  const gone = once(second, 'close');
  const left = once(other, 'close');
  second.terminate();
  stage.note(second.readyState);
  second.terminate();
  stage.note(...(await gone), second.readyState, ...(await left));
  stage.note(sockets.clients.size);
});

compare(test, 'sending after the end', async (stage) => {
  const { socket, client } = await stage.pair();
  socket.close(1000);
  for (const act of ['send', 'ping', 'pong']) {
    await new Promise((resolve) => {
      socket[act]('late', (error) => resolve(stage.note(error)));
    });
  }
  await once(client, 'close');
  await until(() => socket.readyState === 3);
  await new Promise((resolve) => {
    socket.send(Buffer.alloc(5), (error) => resolve(stage.note(error)));
  });
  socket.send('without a callback');
  stage.note(socket.bufferedAmount);
  socket.close();
  socket.terminate();
  socket.pause();
  socket.resume();
  stage.note(socket.isPaused);
});

compare(test, 'what cannot be sent', async (stage) => {
  const { socket } = await stage.pair();
  for (const act of [
    () => socket.close(1005),
    () => socket.close(999),
    () => socket.close('1000'),
    () => socket.close(5000),
    () => socket.close(1000, 'x'.repeat(124)),
    () => socket.ping('x'.repeat(126)),
    () => socket.pong(Buffer.alloc(126)),
  ]) {
    try {
      act();
      stage.note('nothing');
    } catch (error) {
      stage.note(error);
    }
  }
  stage.note(socket.readyState);
});

compare(test, 'pings and pongs', async (stage) => {
  const { socket, client } = await stage.pair();
  socket.on('ping', (data) => stage.note('ping', data));
  socket.on('pong', (data) => stage.note('pong', data));
  client.ping('to the server');
  await once(client, 'pong');
  await new Promise((resolve) => socket.ping('to the client', false, resolve));
  await until(() => stage.log.length === 2);
  client.on('pong', (data) => stage.note('unasked', data));
  socket.pong(7);
  await until(() => stage.log.length === 3);
});

compare(test, 'a paused socket', async (stage) => {
  const { socket, client } = await stage.pair();
  socket.on('message', (data) => stage.note(data));
  socket.pause();
  stage.note(socket.isPaused);
  client.send('one');
  client.send('two');
  await new Promise((resolve) => setTimeout(resolve, 100));
  stage.note('nothing yet', stage.log.length);
  socket.resume();
  stage.note(socket.isPaused);
  await until(() => stage.log.length === 5);
});

compare(test, 'compression', async (stage) => {
  const options = { perMessageDeflate: { threshold: 0 } };
  const { socket, client } = await stage.pair(options);
  stage.note(socket.extensions, client.extensions.split(';')[0]);
  socket.on('message', (data) => socket.send(String(data), () => stage.note('sent')));
  for (const text of ['a', 'b'.repeat(100_000)]) {
    client.send(text);
    const [data] = await once(client, 'message');
    stage.note(String(data) === text);
  }
  const { socket: plain } = await stage.pair(options, { perMessageDeflate: false });
  stage.note(plain.extensions);
});

const VIOLATIONS = {
  'a frame without a mask': frame(0x81, 'hi', { mask: false }),
  'an unknown opcode': frame(0x83, 'hi'),
  'a reserved bit': frame(0xc1, 'hi'),
  'a continuation of nothing': frame(0x80, 'hi'),
  'invalid UTF-8': frame(0x81, [0xff, 0xfe]),
  'a ping in pieces': frame(0x09, 'hi'),
  'a close code that is reserved': frame(0x88, [0x03, 0xed]),
  'a close frame of one byte': frame(0x88, [0x03]),
  'a message that is too large': frame(0x82, Buffer.alloc(101)),
};

for (const [name, bytes] of Object.entries(VIOLATIONS)) {
  compare(test, `against the protocol: ${name}`, async (stage) => {
    const { sockets } = await stage.serve({ maxPayload: 100 });
    const connection = once(sockets, 'connection');
    const client = await stage.raw(HANDSHAKE);
    const [socket] = await connection;
    socket.on('message', () => stage.note('message'));
    const error = once(socket, 'error');
    // `once` would be rejected by the error.
    const closed = new Promise((resolve) => socket.on('close', (...given) => resolve(given)));
    client.socket.write(bytes);
    const [why] = await error;
    stage.note(why instanceof Error, typeof why.code);
    stage.note(...(await closed));
    const all = await client.rest();
    const close = all.subarray(all.indexOf('\r\n\r\n') + 4);
    stage.note((close[0] ?? 0) & 15, close.length > 3 ? close.readUInt16BE(2) : 0);
  });
}

test('a violation does not end the process', async (t) => {
  const { createServer } = await import('reactor-rs/node');
  const { WebSocketServer } = await import('reactor-rs/ws');
  const server = createServer().listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const sockets = new WebSocketServer({ server });
  const { connect } = await import('node:net');
  const connection = once(sockets, 'connection');
  const client = connect(server.address().port, '127.0.0.1').resume();
  client.write(HANDSHAKE);
  const [socket] = await connection;
  // `once` would listen for 'error' too.
  const closed = new Promise((resolve) => socket.on('close', (...given) => resolve(given)));
  client.write(frame(0x81, [0xff]));
  const [code, reason] = await closed;
  t.is(code, 1006);
  t.is(`${reason}`, '');
  client.destroy();
});

test('callbacks of a client that takes too little wait, and it is cut off at last', async (t) => {
  const { createServer } = await import('reactor-rs/node');
  const { WebSocketServer } = await import('reactor-rs/ws');
  const server = createServer().listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const sockets = new WebSocketServer({ server, maxUnsent: 32 << 20 });
  const { connect } = await import('node:net');
  const connection = once(sockets, 'connection');
  const client = connect(server.address().port, '127.0.0.1').pause();
  client.on('error', () => {});
  client.write(HANDSHAKE);
  const [socket] = await connection;
  const piece = Buffer.alloc(1 << 20);
  let sent = 0;
  const errors = [];
  const closed = once(socket, 'close');
  for (let count = 0; count < 20; count++) {
    socket.send(piece, (error) => (error ? errors.push(error.message) : sent++));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.true(socket.bufferedAmount > 8 << 20, `${socket.bufferedAmount}`);
  t.true(sent < 15, `${sent}`);
  client.resume();
  await until(() => sent === 20);
  t.is(socket.bufferedAmount, 0);
  client.pause();
  while (socket.readyState === 1) {
    socket.send(piece, (error) => error && errors.push(error.message));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const [code] = await closed;
  t.is(code, 1006);
  t.true(errors.length > 0);
  client.destroy();
});
