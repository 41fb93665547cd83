// The dashboard: the page itself, the metrics listener's `/`, and `reactor-rs monitor --web`.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import test from 'ava';
import { serve } from 'reactor-rs';
import { isOwn } from '../../dist/cli/monitor/web.js';
import { BIN, launch, run, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';

const PAGE = readFileSync(new URL('../../dist/dashboard.html', import.meta.url), 'utf8');
const LOCAL = { hostname: '127.0.0.1', port: 0, ioThreads: 1, workerThreads: 1 };

/** Asks with exactly these fields. */
function ask(url, headers = {}, method = 'GET') {
  return new Promise((resolve, reject) => {
    const req = request(url, { method, headers, agent: false }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text }));
    });
    req.on('error', reject).end();
  });
}

/** Starts `monitor --web` in a runtime folder of its own, and a server that it finds. */
async function web(t, ...args) {
  const env = { REACTOR_RUNTIME_DIR: temporary(t) };
  const child = launch([BIN, 'monitor', ...args, '--web', '0', '--json'], { env });
  t.teardown(() => child.process.kill('SIGKILL'));
  await until(() => child.stdout().includes('\n'), 'the monitor');
  const { url } = JSON.parse(child.stdout());
  const snapshot = async (query = '') => JSON.parse((await ask(`${url}snapshot${query}`)).text);
  /** A server in this process that the monitor can find. */
  const server = async (name) => {
    const control = `${env.REACTOR_RUNTIME_DIR}/${name}.sock`;
    const started = await serve({ ...LOCAL, control, fetch: () => new Response('hello') });
    t.teardown(() => started.stop({ force: true }));
    return started;
  };
  return { child, url, snapshot, server };
}

test('the page brings all that it needs, and its policy lets nothing else run', (t) => {
  t.true(Buffer.byteLength(PAGE) <= 60 * 1024);
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(PAGE);
  for (const name of ['script', 'style']) {
    const elements = [...PAGE.matchAll(new RegExp(`<${name}>([^]*?)</${name}>`, 'g'))];
    t.is(elements.length, 1);
    const digest = createHash('sha256').update(elements[0][1]).digest('base64');
    t.true(policy.includes(`${name}-src 'sha256-${digest}'`));
  }
  t.regex(policy, /default-src 'none'/);
  t.regex(policy, /connect-src 'self'/);
  const addresses = PAGE.match(/\b(?:https?:)?\/\/[a-z][\w.-]*/g) ?? [];
  t.deepEqual(new Set(addresses), new Set(['http://www.w3.org']));
  const links = [...PAGE.matchAll(/\s(?:src|href)="([^"]+)"/g)].map(([, to]) => to.slice(0, 8));
  t.deepEqual(links, ['data:ima', 'snapshot']);
});

test('the metrics listener shows the page beside the snapshot', async (t) => {
  const server = await serve({ ...LOCAL, metrics: 0, fetch: () => new Response('hello') });
  t.teardown(() => server.stop({ force: true }));
  const { text, headers } = await ask(new URL('/', server.metricsUrl));
  t.is(text, PAGE);
  t.is(headers['content-type'], 'text/html; charset=utf-8');
  t.regex(headers['content-security-policy'], /frame-ancestors 'none'/);
  await ask(server.url);
  const snapshot = JSON.parse((await ask(new URL('/snapshot', server.metricsUrl))).text);
  const { requests, connections } = server.stats();
  t.deepEqual(snapshot.stats.requests.success, requests.success);
  t.is(snapshot.stats.connections.accepted, connections.accepted);
  t.is(snapshot.pid, process.pid);
  const foreign = await ask(new URL('/', server.metricsUrl), { host: 'evil.example' });
  t.is(foreign.status, 421);
});

test('monitor --web shows the servers of this user, and those that come later', async (t) => {
  const { url, snapshot, server } = await web(t);
  const page = await ask(url);
  t.is(page.text, PAGE);
  t.regex(page.headers['content-security-policy'], /frame-ancestors 'none'/);

  const nothing = await snapshot();
  t.deepEqual(Object.keys(nothing), ['monitor']);
  t.regex(nothing.monitor.error, /^no server of yours is running with a control socket/);

  const first = await server('1');
  await until(async () => (await snapshot()).pid === process.pid, 'the first server');
  await ask(first.url);
  await ask(first.url);
  const shown = await snapshot();
  t.is(shown.stats.requests.success, 2);
  t.is(shown.stats.bytes.received, first.stats().bytes.received);
  t.is(shown.address, `127.0.0.1:${first.port}`);
  t.is(shown.monitor.server, first.controlPath);

  const second = await server('2');
  await until(async () => (await snapshot()).monitor.servers.length === 2, 'the second server');
  const both = (await snapshot()).monitor.servers.map(({ address }) => address);
  t.deepEqual(both.sort(), [shown.address, `127.0.0.1:${second.port}`].sort());
  const other = await snapshot(`?server=${encodeURIComponent(second.controlPath)}`);
  t.is(other.address, `127.0.0.1:${second.port}`);
  t.is(other.stats.requests.total, 0);
  const query = `?server=gone&address=127.0.0.1:${first.port}`;
  t.is((await snapshot(query)).monitor.server, first.controlPath);

  await first.stop();
  const ended = await snapshot(query);
  t.is(ended.stats, undefined);
  t.is(ended.monitor.server, null);
  t.regex(ended.monitor.error, /has ended|no server of yours is on/);
});

test('monitor --web answers nobody whom a browser sends from elsewhere', async (t) => {
  const { url, child } = await web(t);
  const { host } = new URL(url);
  const status = async (path, headers, method) =>
    (await ask(new URL(path, url), headers, method)).status;
  for (const name of ['evil.example', `evil.example:80`, '127.0.0.1.evil.example', 'a.b']) {
    t.is(await status('/', { host: name }), 421, name);
    t.is(await status('/snapshot', { host: name }), 421, name);
  }
  for (const name of [host, 'localhost', 'app.localhost:1', '[::1]:9180']) {
    t.is(await status('/snapshot', { host: name }), 200, name);
  }
  t.is(await status('/snapshot', { 'sec-fetch-site': 'cross-site' }), 403);
  t.is(await status('/snapshot', { 'sec-fetch-site': 'same-origin' }), 200);
  t.is(await status('/', {}, 'POST'), 405);
  t.is(await status('/', {}, 'HEAD'), 200);
  t.is(await status('/elsewhere'), 404);
  t.is((await ask(new URL('/snapshot', url))).headers['access-control-allow-origin'], undefined);
  child.process.kill('SIGTERM');
  await until(() => child.process.exitCode !== null, 'its end');
  t.is(child.process.exitCode, 0);
  t.is(child.stderr(), '');
});

test('names of this machine', (t) => {
  for (const host of ['', '10.1.2.3:80', '[2001:db8::1]', 'LocalHost.', 'box.example:9180']) {
    t.true(isOwn(host, 'box.example'), host);
  }
  for (const host of ['notlocalhost', 'localhost.evil.example', '1.2.3', 'xbox.example']) {
    t.false(isOwn(host, 'box.example'), host);
  }
});

test('mistakes of monitor --web', async (t) => {
  const taken = await serve({ ...LOCAL, fetch: () => new Response('') });
  t.teardown(() => taken.stop({ force: true }));
  const cases = [
    [['--web', 'x'], 2, /--web must be a port from 0 to 65535, .* got "x"/],
    [['--web', '/run/web.sock'], 2, /got "\/run\/web.sock"/],
    [['--web', '0', '--once'], 2, /--web and --once do not go together/],
    [['-n', '2', '--web'], 2, /--web and --interval do not go together/],
    [['--web', `${taken.port}`], 1, new RegExp(`in use.*--web ${taken.port + 1} takes another`)],
  ];
  await Promise.all(
    cases.map(async ([args, code, message]) => {
      const ended = await run(['monitor', ...args]);
      t.is(ended.code, code, args.join(' '));
      t.regex(ended.stderr, message);
      t.is(ended.stderr.trim().split('\n').length, 1);
    }),
  );
});
