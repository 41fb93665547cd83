// What is asked and how answers are judged before anything is timed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createServerHttp2 } from 'node:http2';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { handlers } from '../contenders/handlers.mjs';
import { listeners } from '../contenders/listeners.mjs';
import { buildTools } from '../lib/build.mjs';
import { answers, before, contenders } from '../lib/contenders.mjs';
import { measureEvents } from '../lib/events.mjs';
import { figuresOf } from '../lib/h2load.mjs';
import { ask, split } from '../lib/http.mjs';
import { ask as askHttp2 } from '../lib/http2.mjs';
import { kindOf } from '../lib/kinds.mjs';
import { pick } from '../lib/options.mjs';
import { faultOf, questions, requestFiles, runsFor, spell } from '../lib/questions.mjs';
import { attempt, partOf, summaries, turned } from '../lib/rounds.mjs';
import { scenarios } from '../lib/scenarios.mjs';
import { short } from '../lib/short.mjs';
import { wrkArgs } from '../lib/wrk.mjs';

const exec = promisify(execFile);

test('responses are taken apart by length and by chunks', () => {
  const bytes = Buffer.from(
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab' +
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n' +
      'HTTP/1.1 204 No Content\r\n\r\n' +
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab',
  );
  const bodies = (bytes) => split(bytes).map(({ body }) => body);
  assert.deepEqual(bodies(bytes), ['ab', 'a0123456789abcdef', '']);
  for (let cut = 0; cut < bytes.length; cut++) split(bytes.subarray(0, cut));
});

test('an answer is right only with status, body and fields', () => {
  const question = { expected: 'ab', answerFields: { 'set-cookie': ['a=1', 'b=2'] } };
  const head = 'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie:b=2';
  assert.equal(faultOf(question, { status: 200, head, body: 'ab' }), null);
  assert.equal(faultOf(question, { status: 404, head, body: 'ab' }), 'status 404');
  assert.match(faultOf(question, { status: 200, head, body: 'abc' }), /3 characters, not 2/);
  const [first] = head.split('\r\nset');
  assert.equal(
    faultOf(question, { status: 200, head: first, body: 'ab' }),
    "no field 'set-cookie: b=2'",
  );
  assert.equal(faultOf(question, undefined), 'no complete answer');
});

test('a request has 20 fields where the question says so, and its length and end', () => {
  const lines = spell(questions.headers).split('\r\n');
  assert.equal(lines.length - 3, 20);
  assert.ok(spell(questions['upload-1k-counted']).includes('\r\nContent-Length: 1024\r\n'));
  assert.ok(spell(questions.hello, { closes: true }).endsWith('\r\nConnection: close\r\n\r\n'));
});

test('every scenario asks what every API has a handler for', () => {
  const made = [handlers({}), listeners({})];
  for (const [name, { group, asks, only }] of Object.entries(scenarios)) {
    assert.ok(Object.hasOwn(questions, asks), name);
    // Those have a folder, and no handlers.
    if (group === 'files') continue;
    const isFramework = only?.includes('face');
    if (isFramework) continue;
    for (const table of made) assert.equal(typeof table[runsFor(asks)], 'function', name);
  }
});

test('a listener gives the answers that are expected', async (t) => {
  const all = listeners({ database: { get: async () => 'Hello, World!' } });
  for (const [name, question] of Object.entries(questions)) {
    if (question.isEndless || question.runs === 'files') continue;
    if (['express', 'fastify'].includes(name)) continue;
    const server = createServer(all[runsFor(name)]).listen(0, '127.0.0.1');
    t.after(() => server.closeAllConnections());
    await once(server, 'listening');
    const [answer] = await ask(server.address().port, spell(question));
    assert.equal(faultOf(question, answer), null, name);
    server.close();
  }
});

test('contenders take part where they can answer', () => {
  const all = contenders('release', [
    { major: '24', path: 'a' },
    { major: '26', path: 'b' },
  ]);
  const names = (scenario) =>
    partOf(scenarios[scenario], Object.entries(all)).map(([name]) => name);
  assert.ok(names('hello-c64').includes('control'));
  assert.ok(!names('conn-new').includes('control'));
  assert.deepEqual(names('express'), ['face-24', 'face-26', 'node-24', 'node-26']);
  assert.ok(names('stream-pull').includes('bare-26'));
  assert.ok(!names('hello-c64').includes('bare-26'));
  assert.ok(answers(all['fastify-26'], 'api') && !answers(all['fastify-26'], 'cookies'));
});

test('the build before a change takes part with the handlers of this one', () => {
  const all = Object.entries(contenders('release', [{ major: '26', path: 'node26' }]));
  const chosen = Object.fromEntries(before(all, '/other'));
  assert.ok(!Object.keys(chosen).some((name) => /^(node|bun|nginx)/.test(name)));
  const words = chosen['reactor-26@before'].command('hello');
  assert.deepEqual(words.slice(0, 5), [
    ...['node26', 'bench/contenders/reactor.mjs', '{port}', 'hello', '/other'],
  ]);
  assert.equal(chosen['inline@before'].command()[0], '/other/target/release/examples/serve');
});

test('a server that fails is left out from then on, and the others go on', async () => {
  const servers = [{ name: 'good' }, { name: 'bad' }];
  let calls = 0;
  const run = async () => {
    calls++;
    throw new Error('it is gone\nwith details');
  };
  assert.equal(await attempt(servers[0], async () => 1), 1);
  assert.equal(await attempt(servers[1], run), null);
  assert.equal(await attempt(servers[1], run), null);
  assert.equal(calls, 1);
  assert.equal(servers[1].fault, 'it is gone');
  assert.deepEqual(
    summaries(servers, () => 'figures'),
    { good: 'figures' },
  );
});

test('every contender is first once', () => {
  const order = [0, 1, 2, 3].map((round) => turned(['a', 'b', 'c'], round).join(''));
  assert.deepEqual(order, ['abc', 'bca', 'cab', 'abc']);
});

test('wrk gets the file of the request that it is to send', () => {
  const target = { url: 'URL', request: 'R' };
  const after = (load, seconds = 1) => wrkArgs(load, target, seconds).join(' ').split('URL -- ')[1];
  assert.equal(after({ connections: 1 }), '1 R');
  assert.equal(after({ connections: 1, depth: 16 }), '16 R');
  assert.equal(wrkArgs({ connections: 1 }, { url: 'URL' }, 1).at(-1), '1');
  assert.ok(wrkArgs({ connections: 1 }, target, 0.3).includes('-d1s'));
});

test('short connections have as many requests as they should, and the server ends them', async (t) => {
  buildTools();
  const connections = [];
  const server = createServer((req, res) => {
    connections.at(-1).wishes.push(req.headers.connection);
    res.end('ok');
  })
    .on('connection', () => connections.push({ wishes: [] }))
    .listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/`;
  const load = { connections: 1, requests: 3 };
  const { requests, errors } = await short(load, { url, ...requestFiles('hello') }, 0.3);
  assert.equal(errors, 0);
  assert.ok(requests > 3);
  // The last may have been cut off by the end of the run.
  for (const { wishes } of connections.slice(0, -1)) {
    assert.deepEqual(wishes, [undefined, undefined, 'close']);
  }
});

test('server-sent events are counted, cut wherever they are', async (t) => {
  buildTools();
  let clients = [];
  // Cut within an event, and with chunks in between.
  const timer = setInterval(() => {
    for (const res of clients) {
      res.write('data: {"a":1}\n');
      res.write('\ndata: 2\n\n');
    }
  }, 10);
  const server = createServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    clients.push(res);
    res.on('close', () => {
      clients = clients.filter((other) => other !== res);
    });
  }).listen(0, '127.0.0.1');
  t.after(() => {
    clearInterval(timer);
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/`;
  const { requests, errors } = await measureEvents(process.pid, { connections: 7 }, { url }, 0.5);
  assert.equal(errors, 0);
  assert.ok(requests > 0);
});

test('options: a number with a fraction only where the default has one', async () => {
  const run = (...args) => {
    const code = `import('./bench/lib/options.mjs').then(({ options }) =>
      console.log(JSON.stringify(options('usage', { duration: 0.8, rounds: 5 }))),
    ).catch((error) => console.log(error.message))`;
    return exec(process.execPath, ['-e', code, '--', ...args]).then(({ stdout }) => stdout.trim());
  };
  assert.match(await run('--duration', '0.3'), /"duration":0.3/);
  assert.match(await run('--rounds', '0.3'), /takes a whole number/);
});

test("h2load's figures count what failed, and nothing but HTTP/2", () => {
  const output = [
    'TLS Protocol: TLSv1.3',
    'Cipher: TLS_AES_128_GCM_SHA256',
    'Server Temp Key: X25519 253 bits',
    'Application protocol: h2',
    'finished in 501.90ms, 265280.00 req/s, 8.86MB/s',
    'requests: 132640 total, 133152 started, 132640 done, 132600 succeeded, 30 failed, 7 errored, 3 timeout',
    'status codes: 132600 2xx, 2 3xx, 30 4xx, 0 5xx',
  ].join('\n');
  const { requests, seconds, rate, errors, agreed } = figuresOf(output, true);
  assert.deepEqual([requests, seconds, errors], [132_640, 0.5019, 42]);
  assert.equal(Math.round(rate), 264_276);
  assert.equal(agreed, 'TLSv1.3, TLS_AES_128_GCM_SHA256, X25519');
  assert.throws(() => figuresOf(output, false), /spoke h2, not HTTP\/2/);
  assert.throws(() => figuresOf(output.replaceAll('132640 done', '0 done'), true), /no answer/);
});

test('answers over HTTP/2 are checked as those of HTTP/1.1 are', async (t) => {
  const question = questions.api;
  const server = createServerHttp2(listeners({}).api).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const answers = await askHttp2(server.address().port, question, 3);
  assert.deepEqual(
    answers.map((answer) => faultOf(question, answer)),
    [null, null, null],
  );
  const wrong = { ...question, answerFields: { 'x-other': 'a' } };
  assert.equal(faultOf(wrong, answers[0]), "no field 'x-other: a'");
});

test('who speaks HTTP/2 takes part in its scenarios, and some in no others', () => {
  const chosen = pick('contender', contenders('release'), []);
  const names = (name) => partOf(scenarios[name], chosen).map(([name]) => kindOf(name));
  const all = ['inline', 'worker', 'nginx', 'h2o', 'reactor', 'node', 'node-compat', 'bun', 'deno'];
  assert.deepEqual(names('http2-hello'), all);
  assert.deepEqual(names('http2-tls'), all);
  assert.ok(!names('hello-c64').some((name) => ['worker', 'node-compat'].includes(name)));
});
