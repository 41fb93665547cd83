// Programs that know nothing of this server, with and without reactor-rs/node/register.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const exec = promisify(execFile);
const REGISTER = 'reactor-rs/node/register';

/** Programs import packages of this checkout, so they lie in it. */
const here = fileURLToPath(new URL('../../build/', import.meta.url));
mkdirSync(here, { recursive: true });
const folder = mkdtempSync(join(here, 'register-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** Asks what was served and prints all of it; the server is then closed. */
const ASK = `
  const ask = async (server, ...paths) => {
    const isEngine = 'sockets' in server && !server._handle;
    for (const path of paths) {
      const answer = await fetch('http://127.0.0.1:' + server.address().port + path);
      const type = answer.headers.get('content-type');
      console.log(answer.status, type, await answer.text());
    }
    console.error(isEngine ? 'engine' : 'node');
    server.close();
    server.closeAllConnections();
  };`;

const UPGRADE = `
  const upgraded = (port, method = 'GET') => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.write(method + ' / HTTP/1.1\\r\\nHost: a\\r\\nConnection: upgrade\\r\\nUpgrade: x\\r\\n\\r\\n');
    socket.once('data', (data) => {
      console.log(String(data).split('\\r\\n')[0]);
      socket.destroy();
      resolve();
    });
  });`;

let count = 0;

/** Programs that run at once: each is a process with threads of its own. */
const MOST = 4;
let running = 0;
const waiting = [];

async function inTurn(start) {
  if (running >= MOST) {
    await new Promise((resolve) => waiting.push(resolve));
  } else {
    running++;
  }
  try {
    return await start();
  } finally {
    const next = waiting.shift();
    if (next === undefined) {
      running--;
    } else {
      next();
    }
  }
}

/** What a program printed, and which server it ran on. */
async function run(source, { flag, extension = 'mjs' } = {}) {
  const file = join(folder, `${count++}.${extension}`);
  writeFileSync(file, source);
  const flags = flag === undefined ? [] : [flag, REGISTER];
  const { stdout, stderr } = await inTurn(() =>
    exec(process.execPath, [...flags, file], { timeout: 60_000 }),
  );
  return { stdout, stderr };
}

const PROGRAMS = {
  'createServer by name': `
    import { createServer } from 'node:http';
    ${ASK}
    const server = createServer((req, res) => res.end('hello ' + req.url));
    server.listen(0, '127.0.0.1', () => ask(server, '/a'));`,
  'createServer of the module, with options': `
    import http from 'http';
    ${ASK}
    const server = http.createServer({ keepAliveTimeout: 10, other: 5 }, (req, res) => res.end('hello'));
    server.listen({ port: 0, host: '127.0.0.1' }, () => ask(server, '/'));`,
  'new http.Server': `
    import { Server } from 'node:http';
    ${ASK}
    const server = new Server().on('request', (req, res) => res.end('hello'));
    server.listen(0, '127.0.0.1', () => ask(server, '/'));`,
  'a class of its own': `
    import http from 'node:http';
    import net from 'node:net';
    ${ASK}
    class Mine extends http.Server {
      #name = 'mine';
      constructor() {
        super({ noDelay: true }, (req, res) => res.end(this.#name));
      }
      listen(...given) {
        console.log('listens');
        return super.listen(...given);
      }
    }
    const server = new Mine();
    console.log(server instanceof Mine, server instanceof http.Server, server instanceof net.Server);
    console.log(http.createServer() instanceof Mine, server.constructor === Mine);
    server.listen(0, '127.0.0.1', () => ask(server, '/'));`,
  express: `
    import express from 'express';
    ${ASK}
    const app = express();
    app.get('/users/:id', (req, res) => res.json(req.params));
    const server = app.listen(0, '127.0.0.1', () => ask(server, '/users/5', '/none'));`,
  koa: `
    import Koa from 'koa';
    ${ASK}
    const app = new Koa();
    app.use((ctx) => { ctx.body = { path: ctx.path }; });
    const server = app.listen(0, '127.0.0.1', () => ask(server, '/a'));`,
  fastify: `
    import fastify from 'fastify';
    ${ASK}
    const app = fastify();
    app.get('/:name', async (req) => ({ hello: req.params.name }));
    await app.listen({ port: 0, host: '127.0.0.1' });
    await ask(app.server, '/a', '/a/b');`,
  hapi: `
    import hapi from '@hapi/hapi';
    ${ASK}
    const app = hapi.server({ port: 0, host: '127.0.0.1' });
    app.route({ method: 'GET', path: '/{name}', handler: (req) => ({ hello: req.params.name }) });
    await app.start();
    await ask(app.listener, '/a', '/a/b');
    await app.stop();`,
  connect: `
    import connect from 'connect';
    ${ASK}
    const app = connect().use('/a', (req, res) => res.end('a' + req.url));
    const server = app.listen(0, '127.0.0.1', () => ask(server, '/a/b', '/c'));`,
  polka: `
    import polka from 'polka';
    ${ASK}
    const app = polka().get('/:name', (req, res) => res.end(req.params.name));
    app.listen(0, '127.0.0.1', () => ask(app.server, '/a', '/a/b'));`,
  'graphql-yoga': `
    import { createServer } from 'node:http';
    import { createSchema, createYoga } from 'graphql-yoga';
    ${ASK}
    const schema = createSchema({
      typeDefs: 'type Query { hello: String }',
      resolvers: { Query: { hello: () => 'hello' } },
    });
    const server = createServer(createYoga({ schema, logging: false }));
    server.listen(0, '127.0.0.1', () => ask(server, '/graphql?query=%7Bhello%7D'));`,
  'a listener for upgrade that is there before listen': `
    import { createServer } from 'node:http';
    import { connect } from 'node:net';
    ${ASK}${UPGRADE}
    const server = createServer((req, res) => res.end('hello'));
    server.keepAliveTimeout = 1234;
    server.on('upgrade', (req, socket) => socket.end('HTTP/1.1 101 Yes\\r\\n\\r\\n'));
    server.listen(0, '127.0.0.1', async () => {
      console.log(server.keepAliveTimeout, server.listening);
      await upgraded(server.address().port);
      await ask(server, '/');
    });`,
  'a listener for upgrade that comes in the same turn': `
    import { createServer } from 'node:http';
    import { connect } from 'node:net';
    ${ASK}${UPGRADE}
    const server = createServer((req, res) => res.end('hello')).listen(0);
    const { port } = server.address();
    server.on('upgrade', (req, socket) => socket.end('HTTP/1.1 101 Yes\\r\\n\\r\\n'));
    server.on('listening', async () => {
      console.log(server.address().port === port);
      await upgraded(port);
      await ask(server, '/');
    });`,
  ws: `
    import express from 'express';
    import { WebSocket, WebSocketServer } from 'ws';
    ${ASK}
    const app = express().get('/', (req, res) => res.send('hello'));
    const server = app.listen(0, '127.0.0.1', () => {
      const socket = new WebSocket('ws://127.0.0.1:' + server.address().port);
      socket.on('open', () => socket.send('over'));
      socket.on('message', async (data) => {
        console.log(String(data));
        socket.terminate();
        await ask(server, '/');
      });
    });
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('message', (data) => socket.send(String(data)));
    });`,
  supertest: `
    import express from 'express';
    import supertest from 'supertest';
    const app = express().get('/', (req, res) => res.json({ ok: true }));
    const { status, body } = await supertest(app).get('/');
    console.log(status, body);
    console.error('engine');`,
};

for (const [name, source] of Object.entries(PROGRAMS)) {
  test(`register: ${name}`, async (t) => {
    const plain = await run(source);
    const registered = await run(source, { flag: '--import' });
    t.true(plain.stdout.length > 0);
    t.is(registered.stdout, plain.stdout);
    t.is(registered.stderr, 'engine\n');
  });
}

const COMMONJS = `
  const http = require('http');
  const { createServer } = require('node:http');
  ${ASK}
  const server = http.Server((req, res) => res.end('called'));
  server.listen(0, '127.0.0.1', async () => {
    await ask(server, '/');
    const second = createServer((req, res) => res.end('created'));
    second.listen(0, '127.0.0.1', () => ask(second, '/'));
  });`;

for (const flag of ['--import', '--require']) {
  test(`register: CommonJS, by ${flag}`, async (t) => {
    const { stdout, stderr } = await run(COMMONJS, { flag, extension: 'cjs' });
    t.is(stdout, '200 null called\n200 null created\n');
    t.is(stderr, 'engine\nengine\n');
  });
}

test('register: by --require for an ES module that also imports reactor-rs/node', async (t) => {
  const { stdout, stderr } = await run(
    `import http from 'node:http';
    import { createServer } from 'reactor-rs/node';
    ${ASK}
    for (const create of [http.createServer, createServer]) {
      const server = create((req, res) => res.end('hello')).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.on('listening', resolve));
      console.log(server instanceof http.Server);
      await ask(server, '/');
    }`,
    { flag: '--require' },
  );
  t.is(stdout, 'true\n200 null hello\ntrue\n200 null hello\n');
  t.is(stderr, 'engine\nengine\n');
});

test('register: clients are left alone, and the names of https', async (t) => {
  const source = `
    import http from 'node:http';
    import https from 'node:https';
    console.log(https.createServer({}, () => {}) instanceof https.Server, https.Server.name);
    console.log(typeof https.request, https.Agent.name);
    console.log(typeof http.request, http.Agent.name, http.METHODS.length);`;
  const plain = await run(source);
  t.deepEqual(await run(source, { flag: '--import' }), plain);
});

const STAYS = {
  'a listener for connect that is there before listen': `
    import { createServer } from 'node:http';
    import { connect } from 'node:net';
    ${ASK}${UPGRADE}
    const server = createServer((req, res) => res.end('hello'));
    server.keepAliveTimeout = 1234;
    server.on('connect', (req, socket) => socket.end('HTTP/1.1 200 Yes\\r\\n\\r\\n'));
    server.listen(0, '127.0.0.1', async () => {
      console.log(server.keepAliveTimeout, server.headersTimeout, server.listening);
      await upgraded(server.address().port, 'CONNECT');
      await ask(server, '/');
    });`,
  'a listener for connect that comes in the same turn': `
    import { createServer } from 'node:http';
    import { connect } from 'node:net';
    ${ASK}${UPGRADE}
    const server = createServer((req, res) => res.end('hello')).listen(0);
    const { port } = server.address();
    server.on('connect', (req, socket) => socket.end('HTTP/1.1 200 Yes\\r\\n\\r\\n'));
    server.on('listening', async () => {
      console.log(server.address().port === port);
      await upgraded(port, 'CONNECT');
      await ask(server, '/');
    });`,
  'a parser that is to be lenient': `
    import { createServer } from 'node:http';
    ${ASK}
    const server = createServer({ insecureHTTPParser: true }, (req, res) => res.end('hello'));
    server.listen(0, '127.0.0.1', () => ask(server, '/'));`,
};

for (const [name, source] of Object.entries(STAYS)) {
  test(`register: a server stays Node's own for ${name}`, async (t) => {
    const plain = await run(source);
    const registered = await run(source, { flag: '--import' });
    t.true(plain.stdout.length > 0);
    t.is(registered.stdout, plain.stdout);
    t.regex(registered.stderr, /ERR_REACTOR_UNSUPPORTED.* stays that of node:http, because it /);
    t.regex(registered.stderr, /node\n$/);
  });
}

test('register: a class that calls http.Server as a function gets one of Node', async (t) => {
  const source = `
    const http = require('http');
    const { inherits } = require('util');
    ${ASK}
    function Old(listener) { http.Server.call(this, listener); }
    inherits(Old, http.Server);
    const server = new Old((req, res) => res.end('old'));
    server.listen(0, '127.0.0.1', () => ask(server, '/'));`;
  const { stdout, stderr } = await run(source, { flag: '--require', extension: 'cjs' });
  t.is(stdout, '200 null old\n');
  t.regex(stderr, /its class calls http\.Server as a function/);
});

test('register: the workers of a cluster share their port as ever', async (t) => {
  const source = `
    import cluster from 'node:cluster';
    import http from 'node:http';
    if (cluster.isPrimary) {
      let left = 2;
      for (let i = 0; i < 2; i++) {
        cluster.fork().on('listening', async ({ port }) => {
          if (--left === 0) {
            console.log(await (await fetch('http://127.0.0.1:' + port)).text());
            process.exit();
          }
        });
      }
    } else {
      http.createServer((req, res) => res.end('worker')).listen(0, '127.0.0.1');
    }`;
  const { stdout, stderr } = await run(source, { flag: '--import' });
  t.is(stdout, 'worker\n');
  t.regex(stderr, /shares its port with other processes, by cluster/);
});

test('register: without a native binding servers stay as they are', async (t) => {
  const program = `
    Object.defineProperty(process, 'platform', { value: 'win32' });
    const http = await import('node:http');
    const before = http.createServer;
    await import('${REGISTER}');
    console.log(http.default.createServer === before);`;
  const { stdout, stderr } = await exec(process.execPath, ['--input-type=module', '-e', program]);
  t.is(stdout, 'true\n');
  t.regex(stderr, /reactor-rs\/node\/register: servers stay those of node:http/);
});
