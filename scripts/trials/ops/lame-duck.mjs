// A pod's end in Kubernetes: SIGTERM comes first, and the load balancers hear of it up to some
// seconds later. And systemd's watchdog: while a handler is stuck, and while the engine is.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BIN, launch, until } from '../../../__test__/support/command.mjs';
import { check, finish, program, skip } from '../lib.mjs';
import { HOLD } from './hold.mjs';

/** How late the endpoint is removed, in milliseconds; the delay must be longer. */
const LATE_MS = 4000;
const DELAY = '5s';
const HELPER = new URL('../../../__test__/support/manager.py', import.meta.url).pathname;

const folder = mkdtempSync(join(tmpdir(), 'reactor-lame-duck-'));
const children = [];
process.once('exit', () => {
  for (const child of children) {
    child.process.kill('SIGKILL');
  }
  rmSync(folder, { recursive: true });
});

/** A process that ends with this one. */
function begin(args, options) {
  const child = launch(args, options);
  children.push(child);
  return child;
}

const APP = join(folder, 'app.mjs');
writeFileSync(
  APP,
  `const { NAME } = process.env;
  export default {
    health: true,
    routes: { '/static': { GET: new Response('s', { headers: { 'x-name': NAME } }) } },
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === '/slow') await new Promise((resolve) => setTimeout(resolve, 300));
      const bytes = request.body === null ? 0 : (await request.arrayBuffer()).byteLength;
      return new Response(String(bytes), { headers: { 'x-name': NAME } });
    },
  };`,
);

/** How the pods run their handlers and accept. */
const FLAGS = { a: [], b: ['--js-threads', '2'], c: ['-i', '2', '--accept', 'per-loop'] };

/** Starts an instance; resolves once it listens. */
async function instance(name, ...flags) {
  const args = [BIN, 'serve', '--json', APP, '-H', '127.0.0.1', '-p', '0', '--control', 'false'];
  const child = begin([...args, '--shutdown-delay', DELAY, ...flags], { env: { NAME: name } });
  await until(() => child.stdout().includes('\n'), `instance ${name}`);
  const { port } = JSON.parse(child.stdout());
  const exited = once(child.process, 'exit').then(([code]) => code);
  return { name, port, exited, kill: (signal) => child.process.kill(signal) };
}

/** Balances new connections over its endpoints, as a service of Kubernetes does. */
class Balancer {
  endpoints = [];
  #next = 0;

  connect() {
    const { port } = this.endpoints[this.#next++ % this.endpoints.length];
    return connect(port, '127.0.0.1');
  }

  remove(one) {
    this.endpoints = this.endpoints.filter((other) => other !== one);
  }
}

/** Asks over HTTP/1. Resolves to the name of the instance that answered. */
function ask(agent, path, body) {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const request = http.request({ host: '127.0.0.1', agent, path, method }, (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (piece) => {
        text += piece;
      });
      response.on('error', reject).on('end', () => {
        const is = body === undefined ? ['0', 's'] : [String(body.length)];
        const isRight = response.statusCode === 200 && is.includes(text);
        const what = `${response.statusCode} ${JSON.stringify(text)}`;
        isRight ? resolve(response.headers['x-name']) : reject(new Error(what));
      });
    });
    request.on('error', reject).end(body);
  });
}

/** Asks over HTTP/2, on a connection that is replaced once the server says that it ends. */
class Session {
  #balancer;
  #session = null;

  constructor(balancer) {
    this.#balancer = balancer;
  }

  /**
   * A request that the server has refused was not begun, and is asked again (RFC 9113 §8.7): it may
   * have been under way when the server said that it ends.
   */
  async ask() {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#askOnce();
      } catch (error) {
        if (tries === 3 || !/NGHTTP2_REFUSED_STREAM/.test(error.message)) throw error;
      }
    }
  }

  #askOnce() {
    if (this.#session === null || this.#session.closed || this.#session.destroyed) {
      const session = http2.connect('http://127.0.0.1', {
        createConnection: () => this.#balancer.connect(),
      });
      session
        .on('error', () => {})
        .on('goaway', () => {
          this.#session = this.#session === session ? null : this.#session;
        });
      this.#session = session;
    }
    const stream = this.#session.request({ ':path': '/' });
    return new Promise((resolve, reject) => {
      let name;
      stream.on('response', (head) => {
        name = head[':status'] === 200 ? head['x-name'] : reject(new Error(`${head[':status']}`));
      });
      stream
        .on('error', reject)
        .on('end', () => resolve(name))
        .resume();
    });
  }

  close() {
    this.#session?.destroy();
  }
}

async function pods() {
  const balancer = new Balancer();
  balancer.endpoints = await Promise.all(
    Object.keys(FLAGS).map((name) => instance(name, ...FLAGS[name])),
  );
  const failures = [];
  const told = new Map();
  let requests = 0;
  let late = 0;
  let isOver = false;
  const createConnection = () => balancer.connect();
  const agentOf = (options) => Object.assign(new http.Agent(options), { createConnection });
  const closers = [];
  const loop = async (run, pause) => {
    while (!isOver) {
      try {
        const name = await run();
        requests++;
        late += told.has(name) ? 1 : 0;
      } catch (error) {
        failures.push(error);
      }
      await sleep(pause);
    }
  };
  const load = [];
  for (let n = 0; n < 8; n++) {
    const kept = agentOf({ keepAlive: true, maxSockets: 1 });
    const upload = agentOf({ keepAlive: true, maxSockets: 1 });
    const fresh = agentOf({ keepAlive: false });
    const session = new Session(balancer);
    closers.push(
      () => kept.destroy(),
      () => upload.destroy(),
      () => session.close(),
    );
    const body = Buffer.alloc(200_000);
    load.push(
      loop(() => ask(kept, ['/', '/static', '/slow'][n % 3]), 20),
      loop(() => ask(fresh, '/'), 30),
      loop(() => ask(upload, '/', body), 100),
      loop(() => session.ask(), 25),
    );
  }
  await sleep(500);
  const codes = [];
  for (const old of [...balancer.endpoints]) {
    // The new pod is there before the old one ends, as with maxSurge: 1.
    balancer.endpoints.push(await instance(`${old.name}2`, ...FLAGS[old.name]));
    old.kill('SIGTERM');
    told.set(old.name, true);
    await sleep(LATE_MS * (0.2 + 0.8 * Math.random()));
    balancer.remove(old);
    codes.push(old.exited);
  }
  const exited = await Promise.all(codes);
  isOver = true;
  await Promise.all(load);
  closers.forEach((close) => {
    close();
  });
  for (const one of balancer.endpoints) {
    one.kill('SIGKILL');
  }
  if (failures.length > 0) {
    throw new Error(`${failures.length} of ${requests} failed: ${failures[0].stack}`);
  }
  if (exited.some((code) => code !== 0) || late === 0) {
    throw new Error(`exit codes ${exited}; ${late} requests after the signal`);
  }
  return `${requests} requests, ${late} of them answered after SIGTERM by the pod that ends`;
}

/** What stands for systemd hears. */
async function manager(name) {
  const socket = join(folder, `${name}.sock`);
  const child = begin([HELPER, socket], { file: 'python3' });
  await until(() => child.stdout().includes('listening'), 'the manager');
  const fed = () => child.stdout().split('WATCHDOG=1').length - 1;
  return { socket, fed };
}

const LOCAL = ['-H', '127.0.0.1', '-p', '0', '--control', 'false'];

/** A server that systemd watches; resolves once it listens. */
async function watched(systemd, period, args) {
  const env = { NOTIFY_SOCKET: systemd.socket, WATCHDOG_USEC: String(period) };
  const child = begin([BIN, 'serve', '--json', ...LOCAL, ...args], { env });
  await until(() => child.stdout().includes('\n'), 'the server');
  return { ...child, ...JSON.parse(child.stdout()) };
}

async function stuckHandler() {
  const stuck = join(folder, 'stuck.mjs');
  writeFileSync(
    stuck,
    `import { writeSync } from 'node:fs';
    export default () => { writeSync(2, 'stuck'); for (;;); };`,
  );
  const systemd = await manager('handler');
  const server = await watched(systemd, 1_000_000, [stuck]);
  connect(server.port, '127.0.0.1')
    .on('error', () => {})
    .write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until(() => server.stderr().includes('stuck'), 'the handler');
  const before = systemd.fed();
  await sleep(5000);
  const during = systemd.fed() - before;
  server.process.kill('SIGKILL');
  if (during < 10) {
    throw new Error(`fed ${during} times in 5 s`);
  }
  return `fed ${during} times in 5 s, while a handler ran`;
}

async function stuckLoop() {
  const systemd = await manager('loop');
  const server = await watched(systemd, 1_000_000, ['-i', '2', '--metrics', '127.0.0.1:0']);
  const livez = new URL('/livez', server.metricsUrl);
  await until(() => systemd.fed() > 2, 'food');
  const held = begin(['-c', HOLD, String(server.pid), 'rx-io-0'], {
    file: 'python3',
    stdin: 'pipe',
  });
  const gone = once(held.process, 'exit').then(([code]) => code);
  await until(() => held.stdout().includes('held') || held.process.exitCode !== null, 'the hold');
  if (held.process.exitCode === 77) {
    skip('a stuck I/O thread: ptrace is not allowed here');
    return 'skipped';
  }
  await sleep(600);
  const before = systemd.fed();
  const since = performance.now();
  const [first] = await Promise.all([fetch(livez), sleep(2000)]);
  const during = systemd.fed() - before;
  if (first.status !== 200 || during > 1) {
    throw new Error(`fed ${during} times in 2 s; /livez is ${first.status} at first`);
  }
  while ((await fetch(livez)).status === 200) {
    await sleep(500);
  }
  const after = (performance.now() - since) / 1000;
  // Let go, it is well again.
  held.process.stdin.end();
  await gone;
  await until(() => systemd.fed() > before + during, 'food after it');
  await until(async () => (await fetch(livez)).status === 200, 'life');
  server.process.kill('SIGKILL');
  return `not fed for 2 s of a period of 1 s; /livez is 503 after ${after.toFixed(1)} s; well again once let go`;
}

const withPython = program('python3') !== null;
await Promise.all([
  check('three pods end, each removed up to 4 s late, and no request fails', pods),
  withPython && check('the watchdog is fed while a handler is stuck', stuckHandler),
  withPython && check('the watchdog is not fed while an I/O thread is stuck', stuckLoop),
]);
finish();
process.exit();
