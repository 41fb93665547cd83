// Socket.IO: rooms, binary, acknowledgements, a reconnect, and the way from polling to WebSocket.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { closed, portOf, until } from './lib.mjs';
import { check } from './tap.mjs';

export default async function trial({ createServer, WebSocketServer }) {
  const server = createServer((_req, res) => res.end('http'));
  const service = new Server(server, { wsEngine: WebSocketServer });
  service.on('connection', (socket) => {
    socket.on('join', async (room, done) => {
      await socket.join(room);
      done();
    });
    socket.on('say', (room, what) => socket.to(room).emit('said', what));
    socket.on('double', (bytes, done) => done(Buffer.concat([bytes, bytes])));
  });
  const port = await portOf(server);
  const url = `http://127.0.0.1:${port}`;
  const dial = async (options) => {
    const socket = io(url, { forceNew: true, reconnectionDelay: 10, ...options });
    await once(socket, 'connect');
    return socket;
  };

  await check('socket.io: from polling to websocket', async () => {
    const socket = await dial({});
    assert.match(socket.io.engine.transport.name, /^(polling|websocket)$/);
    await until(() => socket.io.engine.transport.name === 'websocket', 'it has upgraded');
    assert.deepEqual(
      Buffer.from(await socket.emitWithAck('double', Buffer.from([1, 2]))),
      Buffer.from([1, 2, 1, 2]),
    );
    socket.disconnect();
  });

  for (const transports of [['polling'], ['websocket']]) {
    await check(`socket.io: rooms, binary and acknowledgements by ${transports}`, async () => {
      const sockets = await Promise.all([1, 2, 3].map(() => dial({ transports })));
      const [one, two, three] = sockets;
      await one.emitWithAck('join', 'red');
      await two.emitWithAck('join', 'red');
      await three.emitWithAck('join', 'blue');
      three.on('said', () => assert.fail('it is not in that room'));
      const heard = once(two, 'said');
      one.emit('say', 'red', { text: 'hi', bytes: Buffer.alloc(1000, 7) });
      const [{ text, bytes }] = await heard;
      assert.equal(text, 'hi');
      assert.deepEqual(Buffer.from(bytes), Buffer.alloc(1000, 7));
      const all = sockets.map((socket) => once(socket, 'news'));
      service.emit('news', 'to all');
      await Promise.all(all);
      for (const socket of sockets) {
        socket.disconnect();
      }
    });
  }

  await check('socket.io: a reconnect after the connection broke', async () => {
    const socket = await dial({ transports: ['websocket'] });
    const first = socket.id;
    const again = once(socket, 'connect');
    service.sockets.sockets.get(first).conn.transport.socket.terminate();
    const [reason] = await once(socket, 'disconnect');
    assert.equal(reason, 'transport close');
    await again;
    assert.notEqual(socket.id, first);
    await socket.emitWithAck('join', 'red');
    socket.disconnect();
  });

  await check('socket.io: 1 MB each way, and many messages in order', async () => {
    const socket = await dial({ transports: ['websocket'] });
    const large = Buffer.alloc(450_000, 3);
    const doubled = await socket.emitWithAck('double', large);
    assert.equal(doubled.length, 900_000);
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, n) => socket.emitWithAck('double', Buffer.from([n & 255]))),
    );
    answers.forEach((bytes, n) => {
      assert.equal(bytes[0], n & 255);
    });
    socket.disconnect();
  });

  await check('socket.io: the server closes', async () => {
    const socket = await dial({ transports: ['websocket'], reconnection: false });
    const gone = once(socket, 'disconnect');
    await new Promise((resolve) => service.close(resolve));
    await gone;
    await closed(server);
  });
}
