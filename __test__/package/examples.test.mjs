// The programs and configurations of examples/, as their files are. nginx, HAProxy, systemd and
// Prometheus are the real ones, where they are installed.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { validate } from 'dockerfile-utils';
import { loadAll } from 'js-yaml';
import { Deployment } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service } from 'kubernetes-models/v1';
import WebSocket from 'ws';
import { serve as start } from '../../dist/index.js';
import { find } from '../../scripts/programs.mjs';
import { BIN, launch, serve, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { authority, withCertificates } from '../tls/certificates.mjs';
import { get } from '../tls/client.mjs';

const exec = promisify(execFile);
const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

const read = (file) => readFileSync(join(EXAMPLES, file), 'utf8');

/** Runs a program that says where it listens, to its URL. */
async function program(t, file) {
  const child = launch([join(EXAMPLES, file)], { env: { PORT: '0' } });
  t.teardown(() => child.process.kill('SIGKILL'));
  const ended = once(child.process, 'close').then(() => true);
  const isListening = () => /^listening on (\S+)$/m.test(child.stdout());
  await until(async () => isListening() || (await Promise.race([ended, false])), file);
  t.true(isListening(), child.stderr());
  const [, url] = /^listening on (\S+)$/m.exec(child.stdout());
  return {
    url,
    async stop() {
      child.process.kill('SIGTERM');
      const [code, signal] = await once(child.process, 'close');
      t.deepEqual([code, signal], [0, null], child.stderr());
    },
  };
}

/** A port that was free a moment ago. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

for (const file of ['hono.mjs', 'express.mjs']) {
  test(`${file} answers, and ends at SIGTERM`, async (t) => {
    const { url, stop } = await program(t, file);
    t.regex(await (await fetch(url)).text(), /^Hello from (Hono|Express)!$/);
    t.deepEqual(await (await fetch(`${url}users/7`)).json(), { id: '7' });
    const created = await fetch(`${url}users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"Ada"}',
    });
    t.deepEqual([created.status, await created.json()], [201, { created: { name: 'Ada' } }]);
    await stop();
  });
}

withCertificates(test)(
  'tls: https, a redirect to it, and clients by their certificates',
  async (t) => {
    const ca = authority();
    const { certFile, keyFile } = ca.issue();
    const { cert, key } = ca.issue({ names: ['someone.test'], use: 'client' });
    const child = launch([join(EXAMPLES, 'tls.mjs'), certFile, keyFile, ca.certFile], {
      env: { HTTP_PORT: '0', HTTPS_PORT: '0' },
    });
    t.teardown(() => child.process.kill('SIGKILL'));
    const urls = () => [...child.stdout().matchAll(/^listening on (\S+)$/gm)].map(([, url]) => url);
    await until(() => urls().length === 2, child.stderr());
    const [https, http] = urls();
    t.is((await get(https, { ca: ca.cert })).text, 'Hello over TLSv1.3!');
    const moved = await fetch(http, { redirect: 'manual' });
    t.deepEqual([moved.status, moved.headers.get('location')], [308, https]);
    t.is((await get(`${https}whoami`, { ca: ca.cert })).status, 401);
    const { text } = await get(`${https}whoami`, { ca: ca.cert, cert, key });
    t.deepEqual(JSON.parse(text), { you: 'CN=someone.test' });
    const [expires] = JSON.parse((await get(`${https}expires`, { ca: ca.cert })).text);
    t.is(expires.names[0], 'localhost');
    child.process.kill('SIGTERM');
    t.deepEqual(await once(child.process, 'close'), [0, null], child.stderr());
  },
);

test('threads: requests are answered by several threads', async (t) => {
  const { url, stop } = await program(t, 'threads/server.mjs');
  const hashes = [];
  await until(async () => {
    const answers = Array.from({ length: 8 }, () => fetch(`${url}hash/text`));
    hashes.push(...(await Promise.all((await Promise.all(answers)).map((each) => each.json()))));
    return new Set(hashes.map(({ thread }) => thread)).size > 1;
  }, 'a second thread');
  t.is(new Set(hashes.map(({ hash }) => hash)).size, 1);
  await stop();
});

test('files: pages, caching, a file under another name, downloads', async (t) => {
  const { url, stop } = await program(t, 'files/server.mjs');
  const get = async (path, headers = {}) => {
    const answer = await fetch(url + path, { headers, redirect: 'manual' });
    const field = (name) => answer.headers.get(name);
    return { status: answer.status, text: await answer.text(), field };
  };
  const home = await get('');
  t.regex(home.text, /<h1>.*Files<\/h1>/);
  t.is(home.field('content-security-policy'), "default-src 'self'");
  t.is(home.field('cache-control'), 'no-cache');
  t.regex((await get('about')).text, /<h1>About/);
  t.is((await get('about.html')).field('location'), '/about');
  const none = await get('none');
  t.deepEqual([none.status, /There is no such page/.test(none.text)], [404, true]);
  t.regex((await get('style-3f9a1c2b.css')).field('cache-control'), /immutable/);
  t.is((await get('notes.txt')).field('cache-control'), 'public, max-age=60');
  t.is((await get('favicon.ico')).field('content-type'), 'image/svg+xml');
  const download = await get('downloads/notes', { range: 'bytes=0-4' });
  t.deepEqual([download.status, download.text], [206, 'Notes']);
  t.is(download.field('content-disposition'), 'attachment; filename="notes.txt"');
  t.is((await get('downloads/..%2fserver.mjs')).status, 404);
  await stop();
});

test('chat: a page, rooms, and who comes and goes', async (t) => {
  const { url, stop } = await program(t, 'chat/server.mjs');
  t.regex(await (await fetch(url)).text(), /new WebSocket\(url\)/);
  t.deepEqual(await (await fetch(`${url}healthz`)).json(), { status: 'alone' });
  t.is((await fetch(`${url}rooms/lobby`)).status, 400);
  t.is((await fetch(`${url}rooms/lobby?name=Ada`)).status, 426);
  const enter = async (room, name, headers = {}) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}rooms/${room}?name=${name}`, {
      headers,
    });
    const got = [];
    socket.on('message', (data) => got.push(JSON.parse(data)));
    await once(socket, 'open');
    await until(() => got.length > 0, 'the own arrival');
    return { socket, got };
  };
  const ada = await enter('lobby', 'Ada', { origin: url.slice(0, -1) });
  const elsewhere = await enter('attic', 'Bob');
  const eve = await enter('lobby', 'Eve');
  eve.socket.send('Hello');
  await until(() => ada.got.length === 3 && eve.got.length === 2, 'the message');
  eve.socket.close();
  await until(() => ada.got.length === 4, 'the departure');
  const said = { name: 'Eve', text: 'Hello' };
  t.deepEqual(ada.got, [{ joined: 'Ada' }, { joined: 'Eve' }, said, { left: 'Eve' }]);
  t.deepEqual(elsewhere.got, [{ joined: 'Bob' }]);
  await t.throwsAsync(enter('lobby', 'Mallory', { origin: 'https://evil.example' }), {
    message: /403/,
  });
  await stop();
});

test('streaming: numbers, an upload, and events until the client leaves', async (t) => {
  const { url, kill, closed } = await serve(t, [
    ...[join(EXAMPLES, 'streaming.mjs'), '-H', '127.0.0.1', '-p', '0'],
  ]);
  t.regex(await (await fetch(url)).text(), /new EventSource\('\/events'\)/);
  const numbers = (await (await fetch(`${url}numbers`)).text()).split('\n');
  t.deepEqual([numbers.length, numbers[0], numbers[99_999]], [100_001, '1', '100000']);
  const body = new Blob(['x'.repeat(1_000_000)]).stream();
  const counted = await fetch(`${url}count`, { method: 'POST', body, duplex: 'half' });
  t.deepEqual(await counted.json(), { bytes: 1_000_000 });
  await events(t, `${url}events`);
  kill('SIGTERM');
  t.deepEqual(await closed, { code: 0, signal: null });
});

/** Reads two events as they come, and leaves. */
async function events(t, url) {
  const leave = new AbortController();
  const answer = await fetch(url, { signal: leave.signal });
  t.is(answer.headers.get('content-type'), 'text/event-stream');
  let text = '';
  for await (const chunk of answer.body) {
    text += Buffer.from(chunk);
    if (text.includes('id: 2\n') && text.endsWith('\n\n')) {
      break;
    }
  }
  t.regex(text, /^id: 1\ndata: .*\n\nid: 2\ndata: .*\n\n$/);
  leave.abort();
}

/** `reactor-rs serve` behind a proxy, and what it is asked through that. */
const behind = (t, module, ...more) =>
  serve(t, [
    ...[join(EXAMPLES, module), '-H', '127.0.0.1', '-p', '0', '--trust-proxy', 'loopback'],
    ...more,
  ]);

/** What the application saw of a request to a proxy's port, with these headers. */
function ask(port, { headers = {}, body, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const url = `http://127.0.0.1:${port}/path?query`;
    httpRequest(url, { method: body ? 'POST' : 'GET', headers, ...options }, async (answer) => {
      let text = '';
      for await (const chunk of answer) {
        text += chunk;
      }
      resolve({ status: answer.statusCode, seen: answer.statusCode === 200 && JSON.parse(text) });
    })
      .once('error', reject)
      .end(body);
  });
}

/** What both proxies have to get right. */
async function checkProxy(t, port) {
  const lies = { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.8' };
  t.deepEqual(await ask(port, { headers: { host: 'example.org', ...lies } }), {
    status: 200,
    seen: {
      method: 'GET',
      url: 'http://example.org/path?query',
      client: '127.0.0.1',
      bytes: 0,
    },
  });
  const body = 'x'.repeat(500_000);
  const { seen } = await ask(port, { headers: { host: 'example.org' }, body });
  t.deepEqual([seen.method, seen.bytes], ['POST', 500_000]);
  for (let i = 0; i < 20; i++) {
    t.is((await ask(port)).status, 200);
  }
}

/** Runs a proxy in the foreground until the test ends. */
async function proxy(t, file, args, port) {
  const child = launch(args, { file });
  t.teardown(async () => {
    if (child.process.exitCode === null) {
      child.process.kill('SIGTERM');
      await once(child.process, 'close');
    }
  });
  await until(async () => {
    t.is(child.process.exitCode, null, child.stderr());
    return ask(port, { path: '/healthz', method: 'OPTIONS' }).then(
      () => true,
      () => false,
    );
  }, file);
}

/** nginx with the example in its folder conf.d, and nothing outside of a folder of its own. */
async function nginx(t, upstream) {
  const folder = temporary(t);
  const port = await freePort();
  mkdirSync(join(folder, 'conf.d'));
  const example = read('nginx/reactor-app.conf')
    .replace('server 127.0.0.1:3000', `server 127.0.0.1:${upstream}`)
    .replace(/^ *server 127\.0\.0\.1:3001.*\n/m, '')
    .replace('listen 8080;', `listen 127.0.0.1:${port};`);
  t.true(example.includes(`:${upstream} `) && example.includes(`:${port};`));
  writeFileSync(join(folder, 'conf.d/reactor-app.conf'), example);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join('\n');
  writeFileSync(
    join(folder, 'nginx.conf'),
    // Its workers give root up otherwise, and may not write into the folder.
    `${process.getuid() === 0 ? 'user root;' : ''}
    daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
    events { worker_connections 256; }
    http { access_log off; ${paths} include ${folder}/conf.d/*.conf; }`,
  );
  await proxy(t, find('nginx'), ['-p', folder, '-c', join(folder, 'nginx.conf')], port);
  return port;
}

testWith('nginx', test)('behind nginx: the client, the URL, kept connections', async (t) => {
  const server = await behind(t, 'app.mjs', '--metrics', '127.0.0.1:0');
  const port = await nginx(t, server.port);
  await checkProxy(t, port);
  const page = await (await fetch(server.metricsUrl)).text();
  const [, accepted] = /^reactor_connections_accepted_total (\d+)$/m.exec(page);
  t.true(Number(accepted) <= 3, `${accepted} connections for 23 requests one after the other`);
});

testWith('nginx', test)('behind nginx: events come one by one', async (t) => {
  const server = await behind(t, 'streaming.mjs');
  await events(t, `http://127.0.0.1:${await nginx(t, server.port)}/events`);
});

testWith('haproxy', test)('behind HAProxy: the client, the URL, a program that ends', async (t) => {
  const [first, second] = await Promise.all([
    behind(t, 'app.mjs', '--health'),
    behind(t, 'app.mjs', '--health'),
  ]);
  const folder = temporary(t);
  const port = await freePort();
  const file = join(folder, 'haproxy.cfg');
  const example = read('haproxy/haproxy.cfg')
    .replace('bind :8080', `bind 127.0.0.1:${port}`)
    .replace('127.0.0.1:3000\n', `127.0.0.1:${first.port}\n`)
    .replace('127.0.0.1:3001\n', `127.0.0.1:${second.port}\n`);
  for (const each of [port, first.port, second.port]) {
    t.true(example.includes(`127.0.0.1:${each}`));
  }
  writeFileSync(file, example);
  const haproxy = find('haproxy');
  await exec(haproxy, ['-c', '-f', file]);
  await proxy(t, haproxy, ['-db', '-f', file], port);
  await checkProxy(t, port);
  // A drain loses no request: HAProxy goes on with the other program.
  first.kill('SIGTERM');
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(port)));
  t.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  t.deepEqual(await first.closed, { code: 0, signal: null });
  t.is((await ask(port)).status, 200);
});

/** The commands in an example's file: those of `reactor-rs serve` in JSON form or in a unit. */
function commandOf(line) {
  const args = line.startsWith('[') ? JSON.parse(line) : line.split(' ');
  const at = args.findIndex((arg) => arg.endsWith('dist/cli/bin.js'));
  return { program: args.slice(0, at), args: args.slice(at + 1) };
}

/** Runs such a command in a folder, where it must serve and end at SIGTERM. */
async function runs(t, { args: [name, ...args] }, folder, replaced) {
  t.is(name, 'serve');
  cpSync(join(EXAMPLES, 'app.mjs'), join(folder, 'app.mjs'));
  const given = args.filter((arg) => arg !== '--quiet').map((arg) => replaced(arg));
  const server = await serve(t, given, { cwd: folder });
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null }, server.stderr());
}

test('systemd: the command of the unit serves', async (t) => {
  const folder = temporary(t);
  for (const name of ['run', 'log']) {
    mkdirSync(join(folder, name, 'reactor-app'), { recursive: true });
  }
  const [, line] = /^ExecStart=(.*)$/m.exec(read('systemd/reactor-app.service'));
  const command = commandOf(line);
  t.deepEqual(command.program, ['/usr/bin/node']);
  await runs(t, command, folder, (arg) =>
    arg.replace('%t', join(folder, 'run')).replace('%L', join(folder, 'log')),
  );
  t.deepEqual(readdirSync(join(folder, 'log/reactor-app')), ['access.log']);
});

testWith('systemd-analyze', test)('systemd: the units are valid', async (t) => {
  const folder = temporary(t);
  // Of a template an instance is looked at.
  const units = ['reactor-app.service', 'reactor-web.socket', 'reactor-web@.service'].map(
    (name) => {
      const unit = join(folder, name.replace('@', '@1'));
      // This machine's Node, and a folder that there is.
      const text = read(`systemd/${name}`)
        .replace('/usr/bin/node', process.execPath)
        .replace('WorkingDirectory=/srv/app', `WorkingDirectory=${folder}`);
      writeFileSync(unit, text);
      writeFileSync(join(folder, name), text);
      return unit;
    },
  );
  const { stdout, stderr } = await exec('systemd-analyze', ['verify', '--man=no', ...units]).catch(
    (error) => error,
  );
  const complaints = (stdout + stderr).split('\n').filter((line) => line.includes('reactor-'));
  t.deepEqual(complaints, []);
});

for (const file of ['Dockerfile', 'Dockerfile.alpine']) {
  test(`docker: ${file} is valid, copies what there is, and its command serves`, async (t) => {
    const text = read(`docker/${file}`);
    const problems = validate(text).map(({ message, range }) => `${range.start.line}: ${message}`);
    t.deepEqual(problems, []);
    const copied = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files]) =>
      files.split(' '),
    );
    const folder = temporary(t);
    for (const name of ['app.mjs', 'package.json', 'package-lock.json']) {
      writeFileSync(join(folder, name), '{}');
    }
    t.deepEqual(
      [...new Set(copied)].filter((name) => !statSync(join(folder, name)).isFile()),
      [],
    );
    const [, line] = /^CMD (\[.*\])$/m.exec(text);
    const command = commandOf(line);
    t.deepEqual(command.program, ['node']);
    const metrics = command.args.indexOf('--metrics') + 1;
    command.args[metrics] = '127.0.0.1:0';
    command.args[command.args.indexOf('-H') + 1] = '127.0.0.1';
    await runs(t, { args: [...command.args, '-p', '0'] }, folder, (arg) => arg);
    // Its check, against a server on the port that it names.
    const [, check] = /CMD (\["node", "-e".*\])$/m.exec(text);
    const server = await start({ port: 0, hostname: '127.0.0.1', metrics: '127.0.0.1:0' });
    t.teardown(() => server.stop());
    const [, ...args] = JSON.parse(check);
    const at = (port) => args.map((arg) => arg.replace(':9100', `:${port}`));
    await t.notThrowsAsync(exec(process.execPath, at(new URL(server.metricsUrl).port)));
    await t.throwsAsync(exec(process.execPath, at(await freePort())), {
      message: /Command failed/,
    });
  });
}

test('kubernetes: the manifests are valid, and their probes are answered', async (t) => {
  const kinds = { Deployment, Service, PodDisruptionBudget };
  const manifests = loadAll(read('kubernetes/app.yaml'));
  t.deepEqual(
    manifests.map(({ kind }) => kind),
    Object.keys(kinds),
  );
  for (const manifest of manifests) {
    t.notThrows(() => new kinds[manifest.kind](manifest).validate(), manifest.kind);
  }
  const [deployment, service] = manifests;
  const { labels } = deployment.spec.template.metadata;
  for (const { spec } of manifests) {
    const selector = spec.selector.matchLabels ?? spec.selector;
    t.like(labels, selector);
  }
  const { containers, terminationGracePeriodSeconds } = deployment.spec.template.spec;
  const [{ ports, readinessProbe, livenessProbe, env }] = containers;
  t.true(ports.some(({ name }) => name === service.spec.ports[0].targetPort));
  // The delay and the drain of the command's defaults there.
  t.true(terminationGracePeriodSeconds > 5 + 10);
  const address = ['-H', '127.0.0.1', '-p', '0', '--metrics', '127.0.0.1:0'];
  const server = await serve(t, [join(EXAMPLES, 'app.mjs'), ...address], {
    env: Object.fromEntries(env.map(({ name, value }) => [name, value])),
  });
  for (const { httpGet } of [readinessProbe, livenessProbe]) {
    t.is(httpGet.port, 'metrics');
    t.is((await fetch(new URL(httpGet.path, server.metricsUrl))).status, 200, httpGet.path);
  }
});

/** The names of metrics in an expression. */
const namesIn = (text) => text.match(/\b(?:reactor|process|nodejs)_[a-z_]+\b/g) ?? [];

test('prometheus: the server has every metric and label of the dashboard and the alerts', async (t) => {
  const folder = temporary(t);
  const server = await serve(t, [
    ...[join(EXAMPLES, 'app.mjs'), '-H', '127.0.0.1', '-p', '0', '--metrics', '127.0.0.1:0'],
    ...['--access-log', join(folder, 'access.log')],
  ]);
  await (await fetch(server.url)).text();
  const page = await (await fetch(server.metricsUrl)).text();
  const there = new Map();
  for (const [, name, labels = ''] of page.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label);
    there.set(name, new Set([...(there.get(name) ?? []), ...names]));
  }
  const { panels } = JSON.parse(read('prometheus/grafana-dashboard.json'));
  const alerts = loadAll(read('prometheus/alerts.yml'))[0].groups.flatMap(({ rules }) => rules);
  const expressions = [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...alerts.map(({ expr }) => expr),
  ];
  t.true(expressions.length > 20);
  // What Prometheus itself adds.
  const given = ['instance', 'job'];
  for (const expression of expressions) {
    const names = namesIn(expression);
    t.true(names.length > 0, expression);
    t.deepEqual(
      names.filter((name) => !there.has(name)),
      [],
      expression,
    );
    const known = new Set([...given, ...names.flatMap((name) => [...there.get(name)])]);
    const by = [...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list.split(', '));
    const selected = [...expression.matchAll(/(\w+)=~?"/g)].map(([, label]) => label);
    t.deepEqual(
      [...by, ...selected].filter((label) => !known.has(label)),
      [],
      expression,
    );
  }
});

testWith('promtool', test)(
  'prometheus: its own tool takes the configuration and the alerts',
  async (t) => {
    const promtool = find('promtool');
    const folder = join(EXAMPLES, 'prometheus');
    await t.notThrowsAsync(exec(promtool, ['check', 'config', 'prometheus.yml'], { cwd: folder }));
    await t.notThrowsAsync(exec(promtool, ['check', 'rules', 'alerts.yml'], { cwd: folder }));
  },
);

test('the page of examples names every one of them', (t) => {
  const page = read('README.md');
  for (const name of readdirSync(EXAMPLES)) {
    t.true(name === 'README.md' || page.includes(`[${name}`), name);
  }
  for (const [, link] of page.matchAll(/\]\((?!http)([^)#]+)\)/g)) {
    t.true(statSync(join(EXAMPLES, link)).isFile(), link);
  }
  t.true(statSync(BIN).isFile());
});
