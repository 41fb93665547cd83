// Server-sent events that a program writes itself: they end in order when the server stops, before
// the drain would break them off, as those that a fetch handler returns.

import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { connect } from 'node:net';
import test from 'ava';
import express from 'express';
import { createServer, http2 as ours } from 'reactor-rs/node';
import { until } from '../support/command.mjs';
import { open } from '../support/wire.mjs';

const EVENTS = { 'content-type': 'text/event-stream' };

async function listening(t, server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  t.teardown(() => server.closeAllConnections?.());
  return { hostname: '127.0.0.1', port: server.address().port };
}

const HANDLERS = {
  'a plain handler': (seen) => (_req, res) => {
    for (const [name, emitter] of Object.entries({ req: _req, res })) {
      emitter.on('close', () => seen.push(`${name} close`)).on('error', () => {});
    }
    res.writeHead(200, EVENTS);
    res.write('data: 1\n\n');
    const timer = setInterval(() => res.write('data: 2\n\n'), 50);
    res.on('close', () => clearInterval(timer));
  },
  Express: (seen) => {
    const app = express();
    app.get('/', (req, res) => {
      for (const [name, emitter] of Object.entries({ req, res })) {
        emitter.on('close', () => seen.push(`${name} close`)).on('error', () => {});
      }
      res.set('Content-Type', 'text/event-stream; charset=utf-8');
      res.flushHeaders();
      res.write('data: 1\n\n');
      const timer = setInterval(() => res.write('data: 2\n\n'), 50);
      res.on('close', () => clearInterval(timer));
    });
    return app;
  },
};

for (const [what, handlerOf] of Object.entries(HANDLERS)) {
  for (const hears of [false, true]) {
    const told = hears ? ', with sockets of connections' : '';
    test(`${what}: events end in order when the server closes${told}`, async (t) => {
      const seen = [];
      const server = createServer({ timeouts: { drain: 1500 } }, handlerOf(seen));
      if (hears) {
        server.on('connection', () => {});
      }
      const wire = await open(t, await listening(t, server));
      wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await wire.reads(/data: 1\n\n[\s\S]*data: 2\n\n/);
      const closed = once(server, 'close');
      server.close();
      t.regex(await wire.closes(), /data: 2\n\n\r\n0\r\n\r\n$/, 'the last chunk comes');
      await until(() => seen.length === 2, 'request and response to close');
      t.deepEqual(seen.sort(), ['req close', 'res close']);
      await closed;
    });
  }
}

test('other streams, and events of a known length, are not ended for the program', async (t) => {
  const heads = { '/text': { 'content-type': 'text/plain' } };
  heads['/known'] = { ...EVENTS, 'content-length': '100' };
  const server = createServer({ timeouts: { drain: 600 } }, (req, res) => {
    res.writeHead(200, heads[req.url]).write('data: 1\n\n');
  });
  const address = await listening(t, server);
  const wires = [];
  for (const path of Object.keys(heads)) {
    const wire = await open(t, address);
    wire.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await wire.reads(/data: 1/);
    wires.push(wire);
  }
  server.close();
  for (const wire of wires) {
    t.regex(await wire.closes(), /data: 1\n\n(\r\n)?$/, 'broken off behind what was written');
  }
});

test('what was written before is sent to a client that reads late', async (t) => {
  const size = 8 * 1024 * 1024;
  const state = {};
  const server = createServer({ timeouts: { drain: 6000 } }, (_req, res) => {
    res.writeHead(200, EVENTS);
    res.write('x'.repeat(size));
    const timer = setInterval(() => {
      // As on node:http, writes to a response whose client has left fail.
      res.write('no more', (error) => {
        if (error) {
          state.error = error;
          clearInterval(timer);
        }
      });
    }, 50);
    res.on('close', () => {
      state.isClosed = true;
      clearInterval(timer);
    });
    state.began = true;
  });
  const { port } = await listening(t, server);
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  t.teardown(() => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => state.began, 'the request');
  server.close();
  await until(() => state.error, 'the end');
  t.is(state.error.code, 'ERR_STREAM_DESTROYED');
  t.falsy(state.isClosed, 'the program is told behind the last byte');
  let text = '';
  socket.setEncoding('latin1').on('data', (more) => {
    text += more;
  });
  await once(socket, 'close');
  t.true(text.endsWith('\r\n0\r\n\r\n'));
  t.true((text.match(/x/g)?.length ?? 0) >= size);
  await until(() => state.isClosed, 'the program to be told');
});

test('over HTTP/2, by both interfaces', async (t) => {
  const seen = [];
  const server = ours.createServer({ timeouts: { drain: 1500 } });
  server.on('request', (req, res) => {
    if (req.url === '/messages') {
      res.on('close', () => seen.push('response'));
      res.writeHead(200, EVENTS).write('data: 1\n\n');
    }
  });
  server.on('stream', (stream, fields) => {
    if (fields[':path'] === '/stream') {
      stream.on('close', () => seen.push('stream'));
      stream.respond(EVENTS);
      stream.write('data: 1\n\n');
    }
  });
  const { port } = await listening(t, server);
  const session = http2.connect(`http://127.0.0.1:${port}`).on('error', () => {});
  t.teardown(() => session.destroy());
  const streams = ['/messages', '/stream'].map((path) => {
    const stream = session.request({ ':path': path });
    return { stream, closed: once(stream, 'close'), begun: once(stream, 'data') };
  });
  const began = await Promise.all(streams.map(({ begun }) => begun));
  t.deepEqual(
    began.map(([data]) => String(data)),
    ['data: 1\n\n', 'data: 1\n\n'],
  );
  for (const { stream } of streams) {
    stream.resume();
  }
  server.close();
  for (const { stream, closed } of streams) {
    await closed;
    t.deepEqual([stream.rstCode, stream.readableEnded], [http2.constants.NGHTTP2_NO_ERROR, true]);
  }
  await until(() => seen.length === 2, 'the program to be told');
});

test('a stream that begins while the server stops is ended too', async (t) => {
  const server = createServer({ timeouts: { drain: 2000 } }, (_req, res) => {
    server.close();
    setTimeout(() => res.writeHead(200, EVENTS).write('data: 1\n\n'), 50);
  });
  const { port } = await listening(t, server);
  const [answer] = await once(http.get({ port, host: '127.0.0.1' }), 'response');
  let text = '';
  for await (const part of answer) {
    text += part;
  }
  t.is(text, 'data: 1\n\n');
});
