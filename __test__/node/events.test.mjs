// The events of requests and responses, in the order in which Node has them.

import { execFile } from 'node:child_process';
import http from 'node:http';
import { connect } from 'node:net';
import { finished } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import test from 'ava';
import { createServer } from 'reactor-rs/node';
import { both, closed, few, listening, raw, reactor, until } from './both.mjs';

const exec = promisify(execFile);

/** Notes every event of a request and its response, and what can be seen then. */
function note(events, req, res) {
  for (const event of ['aborted', 'error', 'end', 'close']) {
    req.on(event, (error) => {
      const code = error?.code ? ` ${error.code}` : '';
      events.push(`req ${event}${code} ${req.complete} ${req.aborted} ${req.destroyed}`);
    });
  }
  for (const event of ['prefinish', 'finish', 'error', 'close']) {
    res.on(event, () => {
      events.push(`res ${event} ${res.writableEnded} ${res.writableFinished} ${res.destroyed}`);
    });
  }
  finished(res, (error) => events.push(`finished(res) ${error?.code}`));
}

const REQUEST = 'GET /PATH HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = (length, body) =>
  `POST /PATH HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`;
const CHUNKED =
  'POST /PATH HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n';

/** What is sent, what the handler does, and when the client goes away. */
const CASES = {
  'answered at once': [REQUEST, (_req, res) => res.end('x')],
  'answered later': [REQUEST, (_req, res) => void setTimeout(() => res.end('x'), 10)],
  'answered in parts': [
    REQUEST,
    (_req, res) => {
      res.write('a');
      setTimeout(() => res.end('b'), 10);
    },
  ],
  'a request that is read': [
    POST(5, 'hello'),
    (req, res) => {
      req.resume().on('end', () => res.end('x'));
    },
  ],
  'a body that is not read': [POST(5, 'hello'), (_req, res) => res.end('x')],
  'the client leaves before the answer': [REQUEST, () => {}, 'leaves'],
  'the client leaves in the middle of a response': [
    REQUEST,
    (_req, res) => {
      res.write('part');
    },
    'leaves',
  ],
  'the client leaves after its body was read': [
    POST(5, 'hello'),
    (req) => {
      req.resume();
    },
    'leaves',
  ],
  'the client leaves in the middle of its body': [
    `${CHUNKED}`,
    (req) => {
      req.resume();
    },
    'leaves',
  ],
  'the client hangs up before the answer': [REQUEST, () => {}, 'hangs up'],
  'the response is destroyed': [REQUEST, (_req, res) => void setTimeout(() => res.destroy(), 5)],
  'the request is destroyed': [REQUEST, (req) => void setTimeout(() => req.destroy(), 5)],
  'the socket is destroyed': [REQUEST, (req) => void setTimeout(() => req.socket.destroy(), 5)],
};

/** A server with a listener for connections has one socket for each, and else one for each request. */
const LISTENERS = {
  '': () => {},
  ', with a listener for connections': (server) => server.on('connection', () => {}),
};

const ALL = Object.entries(LISTENERS).flatMap(([how, listen]) =>
  Object.entries(CASES).map(([name, of]) => [name + how, of, listen]),
);

for (const [name, [bytes, handle, ending], listen] of ALL) {
  test.serial(`events: ${name}`, async (t) => {
    const seen = { node: [], reactor: [] };
    const handled = {};
    const served = await both((create, kind) => {
      const server = create((req, res) => {
        note(seen[kind], req, res);
        handle(req, res);
        handled[kind] = true;
      });
      listen(server);
      return server;
    });
    t.teardown(() => served.close());
    for (const kind of ['node', 'reactor']) {
      const client = connect(served[kind].address().port, '127.0.0.1');
      client.on('error', () => {}).resume();
      client.write(bytes.replace('PATH', kind));
      await until(() => handled[kind], 'the handler');
      await sleep(50);
      if (ending === 'leaves') {
        client.destroy();
      } else if (ending === 'hangs up') {
        client.end();
      }
      // Both emit 'close' in every case.
      const isOver = () =>
        /^req close/m.test(seen[kind].join('\n')) && /^res close/m.test(seen[kind].join('\n'));
      await until(isOver, `the events of ${kind}, have ${seen[kind]}`);
      await sleep(30);
      client.destroy();
    }
    t.deepEqual(seen.reactor, seen.node);
  });
}

test('events: a body that is read after the answer is there', async (t) => {
  const events = [];
  const server = await reactor(t, (req, res) => {
    req.on('data', (data) => events.push(String(data))).on('end', () => events.push('end'));
    res.end('x');
  });
  const client = connect(server.address().port, '127.0.0.1').resume();
  t.teardown(() => client.destroy());
  client.write(POST(5, 'hello'));
  await until(() => events.length === 2, 'the body');
  t.deepEqual(events, ['hello', 'end']);
});

test('events: an answer that is ready goes out though the client has hung up', async (t) => {
  const server = await reactor(t, (_req, res) => res.end('at once'));
  const socket = connect({ port: server.address().port, host: '127.0.0.1', allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  let received = '';
  socket.setEncoding('latin1').on('data', (text) => {
    received += text;
  });
  socket.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => received.endsWith('at once'), 'the answer');
  t.pass();
});

test('events: a throw in a handler is uncaught, and others are answered', async (t) => {
  // In a process of its own: here the test runner listens for what is uncaught.
  const program = `
    import { createServer } from 'reactor-rs/node';
    const left = new Set(['by the handler', 'by a listener', 'answers']);
    const end = (what) => left.delete(what) && left.size === 0 && process.exit();
    process.on('uncaughtException', (error) => {
      console.log('uncaught', error.message);
      end(error.message);
    });
    const server = createServer({ ioThreads: 1, workerThreads: 1 }, (req, res) => {
      if (req.url === '/throw') throw new Error('by the handler');
      if (req.url === '/data') req.on('data', () => { throw new Error('by a listener'); });
      else res.end('fine');
    });
    server.listen(0, '127.0.0.1', async () => {
      const url = 'http://127.0.0.1:' + server.address().port;
      const post = { method: 'POST', body: 'x' };
      const lost = [fetch(url + '/throw'), fetch(url + '/data', post)];
      for (const answer of lost) answer.catch(() => {});
      const answers = await Promise.all([fetch(url), fetch(url), fetch(url)]);
      for (const answer of answers) console.log(await answer.text());
      end('answers');
    });`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', program]);
  t.deepEqual(stdout.trim().split('\n').sort(), [
    'fine',
    'fine',
    'fine',
    'uncaught by a listener',
    'uncaught by the handler',
  ]);
});

const AFTER_ITS_ANSWER = {
  'socket.end at once': (req, res) => {
    res.end('bye');
    req.socket.end();
  },
  'socket.destroy on finish': (req, res) => {
    res.on('finish', () => req.socket.destroy());
    res.end('bye');
  },
  'socket.destroySoon later': (req, res) => {
    const { socket } = req;
    res.end('bye', () => setImmediate(() => socket.destroySoon()));
  },
  'req.destroy at once': (req, res) => {
    req.on('error', () => {});
    res.end('bye');
    req.destroy();
  },
  'res.destroy at once': (req, res) => {
    req.on('error', () => {});
    res.end('bye');
    res.destroy();
  },
};

for (const [what, handler] of Object.entries(AFTER_ITS_ANSWER)) {
  test(`events: ${what}, after the answer, ends the connection as in Node`, async (t) => {
    for (const make of [http.createServer, few(createServer)]) {
      const server = await listening(make(handler));
      t.teardown(() => closed(server));
      // It resolves when the server closes.
      const answer = await raw(t, server, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      t.regex(answer, /^HTTP\/1\.1 200 [\s\S]*bye$/);
    }
  });
}

test('events: a timeout that is no number of milliseconds throws as in Node', async (t) => {
  const seen = [];
  for (const make of [http.createServer, few(createServer)]) {
    const server = await listening(
      make((req, res) => {
        for (const value of ['1', -1, Number.NaN, Number.POSITIVE_INFINITY]) {
          for (const timed of [req, res, req.socket]) {
            const { code, message } = t.throws(() => timed.setTimeout(value), {
              instanceOf: Error,
            });
            seen.push(`${code} ${message}`);
          }
        }
        res.end();
      }),
    );
    t.teardown(() => closed(server));
    await raw(t, server, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  }
  t.is(seen.length, 24);
  t.deepEqual(seen.slice(12), seen.slice(0, 12));
});
