// `http2.createServer` of reactor-rs/node beside node:http2: the same program, the same client.

import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { ask, both, rows, session, until } from './node-both.mjs';

const FILE = fileURLToPath(import.meta.url);
const LARGE = Buffer.alloc(700_001, 'Lorem ipsum dolor. ');

/** Programs by name: what they do, and what they are sent. */
const ROWS = {
  'what a request tells': {
    program: (req, res) => {
      const { method, url, authority, scheme, httpVersion, httpVersionMajor, httpVersionMinor } =
        req;
      const { complete, aborted, stream } = req;
      const fields = Object.entries(req.headers).sort();
      const raw = [];
      for (let i = 0; i < req.rawHeaders.length; i += 2) {
        raw.push(req.rawHeaders.slice(i, i + 2));
      }
      const { id, pending, headRequest, endAfterHeaders, session: own } = stream;
      const told = {
        ...{ method, url, authority, scheme, httpVersion, httpVersionMajor, httpVersionMinor },
        ...{ complete, aborted, fields, raw: raw.sort(), host: req.headers.host ?? null },
        stream: { id, pending, headRequest, endAfterHeaders, closed: stream.closed },
        session: { type: own.type, alpn: own.alpnProtocol, encrypted: own.encrypted },
        peer: [
          req.socket.remoteAddress,
          typeof req.socket.remotePort,
          req.socket === req.connection,
        ],
        socket: [req.socket.destroyed, req.socket.writable, req.socket.encrypted ?? false],
        same: [req.stream === res.stream, res.req === req, own.socket.remoteAddress],
      };
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify(told));
    },
    requests: [
      [{ ':path': '/a/b?c=d', accept: '*/*', 'x-a': ['1', '2'], 'user-agent': 'test' }],
      [{ ':path': '/', ':method': 'PROPFIND', cookie: 'a=b; c=d' }],
      [{ ':path': '/p', ':method': 'POST', 'content-type': 'text/plain' }, 'body'],
      [{ ':path': '/', te: 'trailers', 'x-empty': '', 'x-latin1': 'é' }],
    ],
  },
  'a whole response': {
    program: (_req, res) => res.end('Hello'),
    requests: [[{}], [{ ':method': 'HEAD' }], [{ ':method': 'POST' }, 'unread']],
  },
  'fields and status': {
    program: (_req, res) => {
      res.statusCode = 201;
      res.setHeader('X-Upper', 'Ž'.length);
      res.setHeader('set-cookie', ['a=b', 'c=d']);
      res.setHeader('x-list', [1, 2]);
      res.appendHeader?.('x-list', '3');
      res.setHeader('gone', '1');
      res.removeHeader('gone');
      const had = [res.hasHeader('x-upper'), res.getHeader('X-UPPER'), res.getHeaderNames()];
      res.writeHead(202, { 'x-late': JSON.stringify(had) });
      res.end();
    },
    requests: [[{}], [{ ':method': 'HEAD' }]],
  },
  'statuses without a body': {
    program: (req, res) => {
      res.statusCode = Number(req.url.slice(1));
      res.end('not sent');
    },
    requests: ['/204', '/205', '/304'].map((path) => [{ ':path': path }]),
  },
  'fields of HTTP/1 connections': {
    program: (req, res, log) => {
      const name = req.url.slice(1);
      try {
        res.setHeader(name, name === 'te' ? 'gzip' : 'x');
        res.end('sent');
      } catch (error) {
        log.push(error.code, error.message);
        res.removeHeader(name);
        res.end('refused');
      }
    },
    requests: [
      ...['connection', 'transfer-encoding', 'keep-alive', 'upgrade', 'proxy-connection', 'te'],
    ].map((name) => [{ ':path': `/${name}` }]),
  },
  'what is refused': {
    program: (req, res, log) => {
      const wrong = {
        '/pseudo': () => res.setHeader(':path', '/'),
        '/own-pseudo': () => res.writeHead(200, { ':status': '201' }),
        '/empty': () => res.setHeader('', 'x'),
        '/undefined': () => res.setHeader('x', undefined),
        '/status': () => {
          res.statusCode = 700;
        },
        '/interim': () => {
          res.statusCode = 100;
        },
        '/head': () => res.writeHead(600),
        '/single': () => res.writeHead(200, { 'content-type': ['a', 'b'] }),
        '/push': () => res.createPushResponse({ ':path': '/' }, () => {}),
        '/raw-push': () => res.stream.pushStream({}, () => {}),
        '/raw-fields': () => res.stream.respond(1),
        '/trailers': () => res.stream.sendTrailers({}),
        '/information': () => res.stream.additionalHeaders({ ':status': 101 }),
        '/information-status': () => res.stream.additionalHeaders({ ':status': 200 }),
        '/close': () => res.stream.close('x'),
        '/socket': () => req.socket.write('x'),
        '/session-socket': () => req.stream.session.socket.end(),
      };
      try {
        wrong[req.url]();
        log.push('not refused');
      } catch (error) {
        // Messages about arguments differ between versions of Node.
        const isOfHttp2 = error.code.startsWith('ERR_HTTP2_');
        log.push(error.name, error.code, isOfHttp2 ? error.message : '');
      }
      if (res.headersSent) {
        res.end('late');
        return;
      }
      for (const name of res.getHeaderNames()) {
        if (name !== ':status') {
          res.removeHeader(name);
        }
      }
      res.statusCode = 200;
      res.end('refused');
    },
    requests: [
      ...['pseudo', 'own-pseudo', 'empty', 'undefined', 'status', 'interim', 'head', 'single'],
      ...['push', 'raw-push', 'raw-fields', 'trailers', 'information', 'information-status'],
      ...['close', 'socket', 'session-socket'],
    ].map((name) => [{ ':path': `/${name}` }]),
    client: { settings: { enablePush: false } },
  },
  'a response in pieces': {
    program: async (_req, res) => {
      res.write('a');
      await sleep(5);
      res.write(Buffer.from('b'));
      await sleep(5);
      res.write('ff', 'hex');
      res.end('c');
    },
    requests: [[{}], [{ ':method': 'HEAD' }]],
  },
  'a large response': {
    program: (req, res) => {
      if (req.url === '/pieces') {
        for (let i = 0; i < LARGE.length; i += 50_000) {
          res.write(LARGE.subarray(i, i + 50_000));
        }
        res.end();
      } else {
        res.end(LARGE);
      }
    },
    requests: [[{}], [{ ':path': '/pieces' }]],
  },
  'an echo': {
    program: (req, res) => req.pipe(res),
    requests: [
      [{ ':method': 'POST' }, 'small'],
      [{ ':method': 'POST' }, ''],
      [{ ':method': 'POST' }, LARGE],
      [{}],
    ],
  },
  'events of a response': {
    program: (req, res, log) => {
      for (const name of ['end', 'close', 'aborted']) {
        req.on(name, () => log.push(`req ${name}`));
      }
      for (const name of ['finish', 'close']) {
        res.on(name, () => log.push(`res ${name}`));
      }
      res.stream.on('close', () => log.push(`closed ${res.stream.rstCode}`));
      req.resume();
      res.write('x');
      setTimeout(() => res.end(() => log.push('ended')), 5);
    },
    requests: [[{}], [{ ':method': 'POST' }, 'body']],
    tells: ['req close', 'res close', 'closed', 'ended', 'req end'],
  },
  'a client that leaves': {
    program: (req, res, log) => {
      req.on('aborted', () => log.push(`aborted ${req.aborted}`));
      req.on('close', () => log.push('req close'));
      res.on('close', () => log.push(`res close ${res.stream.destroyed} ${res.writableEnded}`));
      res.stream.on('error', () => log.push('error'));
      res.write('begun');
    },
    requests: [
      [{}, undefined, { leaveAt: 'response' }],
      [{ ':method': 'POST' }, 'body', { leaveAt: 'response' }],
    ],
    tells: ['aborted', 'req close', 'res close'],
  },
  'a client that leaves before the response': {
    program: (req, res, log) => {
      req.on('aborted', () => {
        log.push('aborted');
        try {
          res.end('nobody hears');
        } catch (error) {
          log.push(error.code);
        }
      });
      res.on('close', () => log.push(`closed ${res.headersSent}`));
      log.push('asked');
    },
    requests: [[{}, undefined, { leaves: true }]],
    tells: ['aborted', 'closed', 'ERR_HTTP2_INVALID_STREAM'],
  },
  'a stream of its own': {
    program: (_req, res) => {
      const { stream } = res;
      stream.respond({ ':status': 203, 'x-a': 'b' });
      stream.write('a');
      stream.end('b');
    },
    requests: [[{}]],
  },
  'a stream that ends with its fields': {
    program: (_req, res) => res.stream.respond({ ':status': 200 }, { endStream: true }),
    requests: [[{}]],
  },
  'a response that the program breaks off': {
    program: (_req, res, log) => {
      res.on('close', () => log.push('res close'));
      res.write('part');
      setTimeout(() => res.stream.close(2), 20);
    },
    requests: [[{}]],
    tells: ['res close'],
  },
  'a stream that fails': {
    program: (_req, res, log) => {
      res.stream.on('error', (error) => log.push(error.message));
      res.stream.on('close', () => log.push('close'));
      setTimeout(() => res.stream.destroy(new Error('failed')), 5);
    },
    requests: [[{}]],
    tells: ['failed', 'close'],
  },
  'what comes after the end': {
    program: (_req, res, log) => {
      res.end('end');
      log.push(`${res.writableEnded} ${res.finished} ${res.headersSent}`);
      try {
        res.setHeader('x', '1');
      } catch (error) {
        log.push(error.code);
      }
      res.write('late', (error) => log.push(error.code));
    },
    requests: [[{}]],
    tells: ['ERR_STREAM_WRITE_AFTER_END'],
  },
  'an expectation': {
    program: (req, res) => req.pipe(res),
    requests: [[{ ':method': 'POST', expect: '100-continue' }, 'body']],
    interim: false,
  },
  'a file': {
    program: (req, res, log) => {
      const { stream } = res;
      const options = {
        '/': {},
        '/range': { offset: 3, length: 10 },
        '/check': {
          statCheck: (stats, fields) => {
            fields['x-size'] = String(stats.size > 10);
          },
        },
        '/refused': {
          statCheck: () => {
            stream.respond({ ':status': 304 });
            return false;
          },
        },
        '/none': {
          onError: ({ code }) =>
            stream.respond({ ':status': 404, 'x-code': code }, { endStream: true }),
        },
        '/folder': {
          onError: ({ code }) =>
            stream.respond({ ':status': 400, 'x-code': code }, { endStream: true }),
        },
      };
      const path = { '/none': `${FILE}.none`, '/folder': dirname(FILE) };
      stream.on('error', (error) => log.push(error.code));
      stream.respondWithFile(path[req.url] ?? FILE, { 'x-a': 'b' }, options[req.url]);
    },
    requests: ['/', '/range', '/check', '/refused', '/none', '/folder'].map((path) => [
      { ':path': path },
    ]),
  },
  'a descriptor': {
    program: (_req, res) => {
      const fd = openSync(FILE);
      res.stream.respondWithFD(fd, { 'x-a': 'b' }, { offset: 3, length: 10 });
      res.stream.on('close', () => closeSync(fd));
    },
    requests: [[{}]],
  },
  'a status message': {
    program: (_req, res) => {
      res.statusMessage = 'Ignored';
      res.writeHead(200, 'Ignored too', { 'x-a': 'b' });
      res.end(res.statusMessage);
    },
    requests: [[{}]],
  },
  timeouts: {
    program: (_req, res, log) => {
      res.setTimeout(20, () => {
        log.push('timeout');
        res.end('late');
      });
    },
    requests: [[{}]],
  },
};

rows(test, ROWS);

test('a listener for streams gets them', async (t) => {
  const servers = await both(t, undefined);
  const seen = await Promise.all(
    servers.map(async ({ server, log }) => {
      server.removeAllListeners('request');
      server.removeAllListeners('stream');
      server.on('session', (session) => log.push(`session of ${session.server === server}`));
      server.on('stream', (stream, fields, flags) => {
        log.push(`${fields[':method']} ${fields[':path']} ${flags} ${stream.id}`);
        stream.respond({ 'x-a': 'b' });
        stream.end('stream');
      });
      const client = await session(t, server);
      const answers = [await ask(client, { ':path': '/1' }), await ask(client, { ':path': '/2' })];
      return { answers, log };
    }),
  );
  t.deepEqual(seen[1], seen[0]);
});

test('a session of a server that closes ends after its streams', async (t) => {
  const servers = await both(t, (_req, res, log) => {
    log.push('asked');
    setTimeout(() => res.end('answered'), 50);
  });
  const seen = await Promise.all(
    servers.map(async ({ server, log }) => {
      server.on('close', () => log.push('server'));
      const client = await session(t, server);
      const answer = ask(client, {});
      await until(() => log.length === 1, 'the request');
      server.close();
      const { body } = await answer;
      if (server.closeAllConnections === undefined) {
        // Before Node 24 it waits until the client goes.
        client.close();
      }
      await until(() => log.length === 2, 'close');
      return { body, log, isOver: client.closed || client.destroyed };
    }),
  );
  t.deepEqual(seen[1], seen[0]);
});

test('WebSockets as streams are announced where the program wants them', async (t) => {
  for (const enableConnectProtocol of [false, true]) {
    const options = { settings: { enableConnectProtocol } };
    const servers = await both(t, (_req, res) => res.end(), { options });
    const told = await Promise.all(
      servers.map(async ({ server }) => {
        const client = await session(t, server);
        const answer = await ask(client, { ':path': '/' });
        return [answer, client.remoteSettings.enableConnectProtocol];
      }),
    );
    t.is(told[1][1], enableConnectProtocol);
    t.deepEqual(told[1], told[0]);
  }
});
