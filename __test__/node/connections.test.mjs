// The 'connection' event and its sockets, and the libraries that stop servers with them.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { connect, createServer as createNetServer } from 'node:net';
import { promisify } from 'node:util';
import hapi from '@hapi/hapi';
import test from 'ava';
import httpShutdown from 'http-shutdown';
import { createHttpTerminator } from 'http-terminator';
import { createServer } from 'reactor-rs/node';
import serverDestroy from 'server-destroy';
import stoppable from 'stoppable';
import supertest from 'supertest';
import { closed, few, listening, until } from './both.mjs';

const exec = promisify(execFile);
const MAKERS = { node: http.createServer, reactor: few(createServer) };
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** One test for each of the two servers. */
function each(title, run) {
  for (const [kind, create] of Object.entries(MAKERS)) {
    test(`${title} (${kind})`, (t) => run(t, create, kind));
  }
}

/** A client that keeps what it receives. */
function client(t, server) {
  const socket = connect(server.address().port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  const seen = { socket, text: '', isClosed: false, isEnded: false };
  socket.setEncoding('latin1').on('error', () => {});
  socket.on('data', (text) => {
    seen.text += text;
  });
  socket.on('end', () => {
    seen.isEnded = true;
  });
  socket.on('close', () => {
    seen.isClosed = true;
  });
  seen.count = () => seen.text.match(/HTTP\/1\.1 200/g)?.length ?? 0;
  return seen;
}

async function started(t, create, handle, listen = () => {}) {
  const server = create(handle);
  listen(server);
  await listening(server);
  t.teardown(() => closed(server));
  return server;
}

const hello = (_req, res) => res.end('hello');

each('one socket for all requests of a connection', async (t, create) => {
  const sockets = [];
  const ofRequests = [];
  const closes = [];
  const server = await started(
    t,
    create,
    (req, res) => {
      ofRequests.push(req.socket, res.socket, req.connection);
      res.end('hello');
    },
    (made) =>
      made.on('connection', (socket) => {
        sockets.push(socket);
        socket.on('close', (hadError) => closes.push(hadError));
      }),
  );
  const one = client(t, server);
  for (let i = 1; i <= 3; i++) {
    one.socket.write(GET);
    await until(() => one.count() === i, `answer ${i}`);
  }
  t.is(sockets.length, 1);
  const [socket] = sockets;
  t.true(ofRequests.every((used) => used === socket));
  t.is(socket.remoteAddress, '127.0.0.1');
  t.is(socket.remotePort, one.socket.localPort);
  t.is(socket.remoteFamily, 'IPv4');
  t.is(socket.server, server);
  t.false(socket.destroyed);
  t.deepEqual(closes, []);
  one.socket.end();
  await until(() => closes.length === 1, "the socket's close");
  t.deepEqual(closes, [false]);
  t.true(socket.destroyed);
});

each(
  'a connection is announced before it has sent anything, and can be destroyed',
  async (t, create) => {
    const sockets = new Set();
    const server = await started(t, create, hello, (made) =>
      made.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
      }),
    );
    const silent = client(t, server);
    await until(() => sockets.size === 1, 'the event');
    for (const socket of sockets) {
      socket.destroy();
    }
    await until(() => silent.isClosed && sockets.size === 0, 'both ends to be closed');
    t.is(silent.text, '');
  },
);

each('an idle connection that its socket ends is ended in order', async (t, create) => {
  let opened;
  const server = await started(t, create, hello, (made) =>
    made.on('connection', (socket) => {
      opened = socket;
    }),
  );
  const one = client(t, server);
  one.socket.write(GET);
  await until(() => one.count() === 1, 'the answer');
  opened.end();
  await until(() => one.isEnded && one.isClosed, 'the end');
  await until(() => opened.destroyed, 'the other end');
  t.is(one.count(), 1);
});

each('a socket that is ended behind a response ends after it', async (t, create) => {
  const server = await started(
    t,
    create,
    (req, res) => {
      res.end('x'.repeat(300_000));
      req.socket.end();
    },
    (made) => made.on('connection', () => {}),
  );
  const one = client(t, server);
  one.socket.write(GET);
  await until(() => one.isEnded, 'the end');
  t.is(one.text.length - one.text.indexOf('\r\n\r\n') - 4, 300_000);
});

each('a socket times out when nothing happens on it, and is cut', async (t, create) => {
  const heard = [];
  const server = await started(t, create, hello, (made) =>
    made.on('connection', (socket) => {
      socket.setTimeout(30, () => heard.push(socket.destroyed));
    }),
  );
  const silent = client(t, server);
  await until(() => silent.isClosed, 'the silent client to be cut');
  t.deepEqual(heard, [true]);
});

each("a listener on a request's socket does not keep it open", async (t, create) => {
  const heard = [];
  const server = await started(t, create, (req) => {
    req.socket.setTimeout(30, () => heard.push(req.socket.destroyed));
  });
  const one = client(t, server);
  one.socket.write(GET);
  await until(() => one.isClosed, 'the client to be cut');
  t.deepEqual(heard, [true]);
});

each('pipelined requests are answered in their order', async (t, create) => {
  const server = await started(
    t,
    create,
    (req, res) => setTimeout(() => res.end(req.url), req.url === '/1' ? 50 : 0),
    (made) => made.on('connection', () => {}),
  );
  const one = client(t, server);
  one.socket.write(['/1', '/2', '/3'].map((path) => GET.replace('/', path)).join(''));
  await until(() => one.count() === 3 && one.text.endsWith('/3'), 'three answers');
  t.regex(one.text, /\/1HTTP.*\/2HTTP.*\/3$/s);
  one.socket.write(GET.replace('/', '/4'));
  await until(() => one.text.endsWith('/4'), 'one more');
});

test('what fails in a listener for connections is uncaught, and the server goes on', async (t) => {
  const program = `
    import http from 'node:http';
    import { createServer } from 'reactor-rs/node';
    let left = 2;
    process.on('uncaughtException', ({ message }) => console.log('uncaught', message));
    for (const create of [http.createServer, createServer]) {
      const server = create((req, res) => res.end('fine'));
      server.on('connection', () => { throw new Error('of the listener'); });
      server.listen(0, '127.0.0.1');
      await new Promise((resolve) => server.on('listening', resolve));
      if (create === createServer) {
        const answer = await fetch('http://127.0.0.1:' + server.address().port);
        console.log(await answer.text());
      } else {
        // The parser was to come behind the listener.
        fetch('http://127.0.0.1:' + server.address().port).catch(() => {});
        await new Promise((resolve) => process.once('uncaughtException', resolve));
      }
      server.close();
      server.closeAllConnections();
    }
    process.exit();`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', program]);
  t.deepEqual(stdout.trim().split('\n'), [
    'uncaught of the listener',
    'uncaught of the listener',
    'fine',
  ]);
});

each('a connection that the program has accepted itself is served', async (t, create) => {
  const server = create((req, res) => res.end(`${req.method} ${req.url}`));
  const door = createNetServer((socket) => server.emit('connection', socket)).listen(
    0,
    '127.0.0.1',
  );
  await once(door, 'listening');
  t.teardown(() => door.close());
  const one = client(t, door);
  one.socket.write(GET);
  await until(() => one.text.endsWith('GET /'), 'the answer');
  t.is(one.count(), 1);
  one.socket.destroy();
});

/** How each library stops a server that has one idle and one stuck connection. */
const STOPPERS = {
  'http-terminator': (server) => {
    const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: 50 });
    return () => terminator.terminate();
  },
  'http-shutdown': (server) => {
    const stopping = httpShutdown(server);
    return () => new Promise((resolve) => stopping.forceShutdown(resolve));
  },
  stoppable: (server) => {
    const stopping = stoppable(server, 50);
    return () => new Promise((resolve) => stopping.stop(resolve));
  },
  'server-destroy': (server) => {
    serverDestroy(server);
    return () => new Promise((resolve) => server.destroy(resolve));
  },
};

for (const [name, prepare] of Object.entries(STOPPERS)) {
  each(`${name} stops a server with a request that nobody answers`, async (t, create) => {
    let stop;
    let stuck = 0;
    const server = await started(
      t,
      create,
      (req, res) => {
        if (req.url === '/stuck') {
          stuck++;
        } else {
          res.end('hello');
        }
      },
      (made) => {
        stop = prepare(made);
      },
    );
    const [idle, waits] = [client(t, server), client(t, server)];
    idle.socket.write(GET);
    waits.socket.write(GET.replace('/', '/stuck'));
    await until(() => idle.count() === 1 && stuck === 1, 'both connections');
    await stop();
    t.false(server.listening);
    await until(() => idle.isClosed && waits.isClosed, 'both to be closed');
  });
}

for (const how of ['shutdown', 'stop']) {
  each(`${how} of http-shutdown and stoppable waits for what is under way`, async (t, create) => {
    let answer;
    let stop;
    const server = await started(
      t,
      create,
      (_req, res) => {
        answer = () => res.end('late');
      },
      (made) => {
        const stopping = how === 'stop' ? stoppable(made) : httpShutdown(made);
        stop = () => new Promise((resolve) => stopping[how](resolve));
      },
    );
    const one = client(t, server);
    one.socket.write(GET);
    await until(() => answer !== undefined, 'the request');
    const stopped = stop();
    answer();
    await stopped;
    await until(() => one.text.endsWith('late') && one.isClosed, 'the answer and the end');
    t.pass();
  });
}

each('hapi stops within its time, whatever is under way', async (t, create) => {
  const server = hapi.server({ port: 0, host: '127.0.0.1', listener: create() });
  let isStuck = false;
  server.route({ method: 'GET', path: '/', handler: () => 'hello' });
  server.route({
    method: 'GET',
    path: '/stuck',
    handler: () => {
      isStuck = true;
      return new Promise(() => {});
    },
  });
  await server.start();
  const there = { address: () => ({ port: server.info.port }) };
  const [idle, waits] = [client(t, there), client(t, there)];
  idle.socket.write(GET);
  waits.socket.write(GET.replace('/', '/stuck'));
  await until(() => idle.count() === 1 && isStuck, 'both connections');
  await server.stop({ timeout: 100 });
  await until(() => idle.isClosed && waits.isClosed, 'both to be closed');
  t.pass();
});

each('supertest asks a server that does not listen yet', async (t, create) => {
  const server = create((req, res) => {
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ url: req.url }));
  });
  t.teardown(() => closed(server));
  const { body, status } = await supertest(server).get('/hello?a=1');
  t.is(status, 200);
  t.deepEqual(body, { url: '/hello?a=1' });
  await supertest(server).get('/').expect(200).expect('Content-Type', /json/);
});

test('listen on a descriptor that the process has inherited', async (t) => {
  const door = createNetServer().listen(0, '127.0.0.1');
  await once(door, 'listening');
  t.teardown(() => door.close());
  const { port } = door.address();
  for (const kind of ['reactor-rs/node', 'node:http']) {
    const program = `
      import { createServer } from '${kind}';
      const server = createServer((req, res) => res.end('hello'));
      server.listen({ fd: 3 }, () => console.log(server.address().port));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit', door._handle.fd],
    });
    t.teardown(() => child.kill());
    const [line] = await once(child.stdout.setEncoding('latin1'), 'data');
    t.is(Number(line), port, kind);
    child.kill();
    await once(child, 'exit');
  }
  // This process accepts no more, so that the child gets all connections.
  const program = `
    import { createServer } from 'reactor-rs/node';
    const server = createServer((req, res) => res.end('hello'));
    server.listen({ fd: 3 }, () => console.log('listening'));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit', door._handle.fd],
  });
  t.teardown(() => child.kill());
  door.close();
  await once(child.stdout, 'data');
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  t.is(await answer.text(), 'hello');
});

test('a descriptor that cannot be listened on is an error event', async (t) => {
  const server = few(createServer)(hello);
  server.listen({ fd: 9999 });
  const [error] = await once(server, 'error');
  t.is(error.code, 'EINVAL');
  t.regex(error.message, /descriptor 9999.*no such descriptor/);
  server.listen({ fd: 0 });
  const [second] = await once(server, 'error');
  t.is(second.syscall, 'listen');
});
