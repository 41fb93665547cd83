// Trailers and interim responses of reactor-rs/node beside node:http2.

import test from 'ava';
import { ask, both, rows, session } from './node-both.mjs';

const LARGE = Buffer.alloc(700_001, 'Lorem ipsum dolor. ');

rows(test, {
  'trailers of a response': {
    program: (req, res) => {
      res.setTrailer('x-first', '1');
      res.addTrailers({ 'X-Second': ['2', '3'] });
      if (req.url === '/pieces') {
        res.write('a');
      }
      res.end('b');
    },
    requests: [[{}], [{ ':path': '/pieces' }], [{ ':method': 'HEAD' }]],
  },
  'trailers of a request': {
    program: (req, res, log) => {
      req.on('end', () => {
        log.push(JSON.stringify([req.trailers, req.rawTrailers]));
        res.end('read');
      });
      req.resume();
    },
    requests: [
      [{ ':method': 'POST' }, 'body', { trailers: { 'x-sum': '1', 'x-more': '2' } }],
      [{ ':method': 'POST' }, LARGE, { trailers: { 'x-sum': '1' } }],
      [{ ':method': 'POST' }, 'none'],
    ],
  },
  'interim responses': {
    program: (req, res, log) => {
      if (req.url === '/hints') {
        res.writeEarlyHints({
          link: ['</a.css>; rel=preload', '</b.js>; rel=preload'],
          'x-a': 'b',
        });
      } else {
        res.stream.additionalHeaders({ ':status': 102, 'x-a': 'b' });
        log.push(res.stream.sentInfoHeaders.length);
      }
      setTimeout(() => res.end('final'), 5);
    },
    requests: [[{ ':path': '/hints' }], [{ ':path': '/more' }]],
  },
});

test('trailers of a stream without a request', async (t) => {
  const servers = await both(t, undefined);
  const seen = await Promise.all(
    servers.map(async ({ server, log }) => {
      server.removeAllListeners('request');
      server.removeAllListeners('stream');
      server.on('session', (session) => log.push(`session of ${session.server === server}`));
      server.on('stream', (stream, fields, flags) => {
        log.push(`${fields[':method']} ${fields[':path']} ${flags} ${stream.id}`);
        stream.respond({ 'x-a': 'b' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => {
          stream.sendTrailers({ 'x-sum': '1' });
          log.push(stream.sentTrailers['x-sum']);
        });
        stream.end('stream');
      });
      const client = await session(t, server);
      const answers = [await ask(client, { ':path': '/1' }), await ask(client, { ':path': '/2' })];
      return { answers, log };
    }),
  );
  t.deepEqual(seen[1], seen[0]);
});
