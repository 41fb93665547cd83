// Trailers and interim responses of `reactor-rs/node`, beside node:http's own server.

import { once } from 'node:events';
import http from 'node:http';
import test from 'ava';
import { createServer } from 'reactor-rs/node';

const SERVERS = { ours: createServer, "node's": http.createServer };

async function listening(t, create, handler) {
  const server = create(handler).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  return server.address().port;
}

/** What node:http's client gets for a POST with trailers. */
async function ask(port, { body = ['a', 'b'], path = '/', headers = { te: 'trailers' } } = {}) {
  const req = http.request({ port, path, method: 'POST', headers, agent: false });
  const informed = [];
  req.on('information', (info) => informed.push([info.statusCode, info.headers]));
  for (const piece of body) {
    req.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  req.addTrailers({ 'X-Sum': '17', 'x-other': 'a' });
  req.end();
  const [res] = await once(req, 'response');
  let text = '';
  for await (const chunk of res.setEncoding('utf8')) {
    text += chunk;
  }
  const { trailers, rawTrailers } = res;
  return { informed, status: res.statusCode, text, trailers: { ...trailers }, rawTrailers };
}

function handle(req, res) {
  if (req.url === '/hints') {
    res.writeProcessing();
    res.writeEarlyHints(
      { link: ['</a.css>; rel=preload', '</b.js>; rel=preload'], 'x-a': 'b' },
      () => setTimeout(() => res.end('page'), 10),
    );
    req.resume();
    return;
  }
  let body = '';
  const before = { ...req.trailers };
  req.on('data', (piece) => {
    body += piece;
  });
  req.on('end', () => {
    const { trailers, rawTrailers, trailersDistinct } = req;
    if (req.url === '/announced') {
      res.setHeader('Trailer', 'X-Answer');
    }
    if (req.url === '/length') {
      res.setHeader('Content-Length', 1);
    } else {
      res.write('[');
    }
    res.addTrailers([
      ['X-Answer', '42'],
      ['x-more', 'yes'],
    ]);
    if (req.url === '/length') {
      res.end('x');
      return;
    }
    const told = { body, before, trailers, rawTrailers, trailersDistinct };
    res.end(`${JSON.stringify(told)}]`);
  });
}

test('trailers of requests and responses are those of node:http', async (t) => {
  const answers = {};
  for (const [name, create] of Object.entries(SERVERS)) {
    const port = await listening(t, create, handle);
    answers[name] = [];
    for (const path of ['/plain', '/announced', '/length']) {
      answers[name].push(await ask(port, { path }));
    }
    answers[name].push(await ask(port, { body: ['x'.repeat(100_000), 'y'] }));
  }
  t.deepEqual(answers.ours, answers["node's"]);
  const [plain, , length] = answers.ours;
  t.deepEqual(plain.rawTrailers, ['X-Answer', '42', 'x-more', 'yes']);
  t.deepEqual(length.rawTrailers, []);
  const [told] = JSON.parse(plain.text);
  t.deepEqual(told.rawTrailers, ['X-Sum', '17', 'x-other', 'a']);
});

test('a client that does not ask for trailers gets none', async (t) => {
  const port = await listening(t, createServer, handle);
  t.deepEqual((await ask(port, { headers: {} })).rawTrailers, []);
});

test('interim responses are those of node:http', async (t) => {
  const answers = {};
  for (const [name, create] of Object.entries(SERVERS)) {
    answers[name] = await ask(await listening(t, create, handle), { path: '/hints' });
  }
  t.deepEqual(answers.ours, answers["node's"]);
  t.deepEqual(
    answers.ours.informed.map(([status]) => status),
    [102, 103],
  );
});
