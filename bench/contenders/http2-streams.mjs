// Listeners of the event 'stream' of node:http2, one for each question: what its documents call the core
// API, which costs less than (req, res).

import * as content from './content.mjs';

function send(stream, answer, type = 'text/plain') {
  // The client has ended its run meanwhile.
  if (stream.destroyed) return;
  stream.respond({
    ':status': 200,
    'content-type': type,
    'content-length': Buffer.byteLength(answer),
  });
  stream.end(answer);
}

function read(stream, done) {
  // A client that has enough resets what is under way.
  stream.on('error', () => {});
  const list = [];
  stream.on('data', (chunk) => list.push(chunk));
  stream.on('end', () => done(Buffer.concat(list)));
}

export const streams = {
  hello: (stream) => send(stream, 'Hello, World!'),

  api(stream, headers) {
    read(stream, (bytes) => {
      const body = JSON.parse(bytes.toString());
      const url = new URL(headers[':path'], 'http://localhost');
      const answer = {
        agent: headers['user-agent'],
        trace: headers['x-trace'],
        page: url.searchParams.get('page'),
        items: body.items.length,
        name: body.name,
      };
      send(stream, JSON.stringify(answer), 'application/json');
    });
  },

  collected: (stream) => read(stream, (body) => send(stream, String(body.length))),
  'string-64k': (stream) => send(stream, content.strings['64k']),
};
