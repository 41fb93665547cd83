// WebSockets on streams of HTTP/2 (RFC 8441), taken by reactor-rs/ws on a server of reactor-rs/node.

import { once } from 'node:events';
import test from 'ava';
import { http2 } from 'reactor-rs/node';
import { WebSocketServer } from 'reactor-rs/ws';
import { few, listening } from '../node/both.mjs';
import { ask, close, session, until } from './node-both.mjs';

const HANDSHAKE = { ':method': 'CONNECT', ':protocol': 'websocket', 'sec-websocket-version': '13' };

/** A frame of a client, with a mask that changes nothing. */
function frame(opcode, data) {
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | data.length, 0, 0, 0, 0]), data]);
}

test('a WebSocketServer takes WebSockets that are streams', async (t) => {
  const server = few(http2.createServer)(
    { settings: { enableConnectProtocol: true } },
    (_req, res) => res.end('plain'),
  );
  const log = [];
  new WebSocketServer({ server, path: '/chat' }).on('connection', (socket, req) => {
    log.push(`${req.httpVersion} ${req.url} ${req.headers.host}`);
    socket.on('message', (data) => socket.send(`echo ${data}`));
    socket.on('close', (code) => log.push(`closed ${code}`));
  });
  await listening(server);
  t.teardown(() => close(server));
  const client = await session(t, server);
  await until(() => client.remoteSettings.enableConnectProtocol === true, 'the settings');

  const stream = client.request({ ...HANDSHAKE, ':authority': 'a.test', ':path': '/chat' });
  const [fields] = await once(stream, 'response');
  t.is(fields[':status'], 200);
  let received = Buffer.alloc(0);
  stream.on('data', (data) => {
    received = Buffer.concat([received, data]);
  });
  stream.write(frame(1, Buffer.from('hello')));
  await until(() => received.length >= 12, 'the echo');
  t.is(received.subarray(2).toString(), 'echo hello');
  // Other requests of the connection go on meanwhile.
  t.is((await ask(client, { ':path': '/' })).body, 'plain');
  stream.write(frame(8, Buffer.from([3, 0xe8])));
  await once(stream, 'end');
  await until(() => log.length === 2, 'the end of the WebSocket');
  t.deepEqual(log, ['2.0 /chat a.test', 'closed 1000']);
});

test('a WebSocket that nobody takes is refused', async (t) => {
  const server = few(http2.createServer)(
    { settings: { enableConnectProtocol: true } },
    (_req, res) => res.end('plain'),
  );
  await listening(server);
  t.teardown(() => close(server));
  const client = await session(t, server);
  const answer = await ask(client, { ...HANDSHAKE, ':path': '/' }, '');
  t.is(answer.fields[':status'], 405);
});
