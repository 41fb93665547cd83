// Programs that speak something else than HTTP/1.1 to a plain port: what they make of the answer,
// and what the access log says of them.

import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { serve } from 'reactor-rs';
import { find } from '../../scripts/programs.mjs';
import { launch, run, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';

/** A server, and the objects in its log. */
async function logged(t) {
  const file = join(temporary(t), 'access.log');
  const server = await serve({
    hostname: '127.0.0.1',
    port: 0,
    accessLog: { file, format: 'json' },
    http2: false,
    fetch: () => new Response('hello'),
  });
  t.teardown(() => server.stop({ force: true }));
  const log = async () => {
    await server.stop({ force: true });
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    return lines.filter(Boolean).map((line) => JSON.parse(line));
  };
  return { port: server.port, log };
}

/** What matters of the lines of a log. */
const essence = (lines) =>
  lines.map(({ protocol, method, status, outcome }) => ({ protocol, method, status, outcome }));

const refused = (protocol, status) => ({ protocol, method: null, status, outcome: 'complete' });

testWith('curl', test)('curl with HTTP/2 by prior knowledge fails, and is logged', async (t) => {
  const { stdout } = await run(['-V'], { file: find('curl') });
  if (!/\bHTTP2\b/.test(stdout)) {
    t.log('skipped: this curl has no HTTP/2');
    t.pass();
    return;
  }
  const { port, log } = await logged(t);
  const args = ['-sS', '--max-time', '20', '--http2-prior-knowledge', `http://127.0.0.1:${port}/`];
  const { code, stdout: body } = await run(args, { file: find('curl') });
  t.not(code, 0);
  t.not(code, 28, 'it does not wait for an answer');
  t.is(body, '');
  t.deepEqual(essence(await log()), [refused('HTTP/2', 505)]);
});

testWith('curl', test)('curl with https fails, and is logged', async (t) => {
  const { port, log } = await logged(t);
  const args = ['-sSk', '--max-time', '20', `https://127.0.0.1:${port}/`];
  const { code } = await run(args, { file: find('curl') });
  t.is(code, 35, 'the handshake fails');
  t.deepEqual(essence(await log()), [refused('TLS', 400)]);
});

testWith('openssl', test)('openssl fails in its handshake, and is logged', async (t) => {
  const { port, log } = await logged(t);
  const args = ['s_client', '-connect', `127.0.0.1:${port}`];
  const { code, stderr } = await run(args, { file: find('openssl') });
  t.is(code, 1, stderr);
  t.deepEqual(essence(await log()), [refused('TLS', 400)]);
});

/** Ports that were free a moment ago. */
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports = [];
  for (const server of servers) {
    server.listening || (await once(server, 'listening'));
    ports.push(server.address().port);
  }
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

testWith('haproxy', test)('HAProxy with send-proxy hands on what is wrong', async (t) => {
  const { port, log } = await logged(t);
  const file = join(temporary(t), 'haproxy.cfg');
  const words = ['', ' send-proxy', ' send-proxy-v2'];
  const ports = await freePorts(words.length);
  const sections = words.map(
    (word, i) =>
      `listen l${i}\n  bind 127.0.0.1:${ports[i]}\n  server s 127.0.0.1:${port}${word}\n`,
  );
  const timeouts = 'timeout connect 20s\n  timeout client 20s\n  timeout server 20s';
  writeFileSync(file, `defaults\n  mode http\n  ${timeouts}\n${sections.join('')}`);
  const child = launch(['-db', '-f', file], { file: find('haproxy') });
  const closed = once(child.process, 'close');
  t.teardown(() => {
    child.process.kill('SIGTERM');
    return closed;
  });
  const ask = (at) => fetch(`http://127.0.0.1:${at}/`, { headers: { connection: 'close' } });
  await until(async () => {
    t.is(child.process.exitCode, null, child.stderr());
    return ask(ports[0]).then(
      (response) => response.ok,
      () => false,
    );
  }, 'HAProxy');
  for (const at of ports.slice(1)) {
    const response = await ask(at);
    t.is(response.status, 400);
    t.regex(await response.text(), /PROXY protocol/);
  }
  const lines = essence(await log()).filter(({ method }) => method === null);
  t.deepEqual(lines, [refused('PROXY', 400), refused('PROXY', 400)]);
});
