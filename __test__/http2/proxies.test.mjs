// The configurations of docs/http2.md, as they stand there: nginx and HAProxy speak HTTP/2 with this
// server.

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { find } from '../../scripts/programs.mjs';
import { launch, until } from '../support/command.mjs';
import { temporary } from '../support/folder.mjs';
import { testWith } from '../support/programs.mjs';
import { start } from '../support/server.mjs';
import { authority, noOpenssl } from '../tls/certificates.mjs';

const PAGE = readFileSync(new URL('../../docs/http2.md', import.meta.url), 'utf8');

/** The page's block in this language. */
function block(language) {
  return new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(PAGE)[1];
}

/** The block with other addresses and files; each must be there. */
function changed(text, changes) {
  return changes.reduce((sofar, [from, to]) => {
    if (!sofar.includes(from)) {
      throw new Error(`docs/http2.md has no ${from}`);
    }
    return sofar.replaceAll(from, to);
  }, text);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await once(server.close(), 'close');
  return port;
}

const pair = noOpenssl === null ? authority().issue() : undefined;

/** This server, which tells how it was asked. */
const behind = (t) =>
  start(t, {
    trustProxy: 'loopback',
    fetch: async (request, { protocol, remoteAddress }) =>
      Response.json([
        protocol,
        request.method,
        remoteAddress,
        (await request.arrayBuffer()).byteLength,
      ]),
  });

/** Runs a proxy until the test ends; resolves to a session with it over TLS. */
async function connected(t, file, args, port) {
  const child = launch(args, { file });
  const closed = once(child.process, 'close');
  t.teardown(() => {
    child.process.kill('SIGTERM');
    return closed;
  });
  let session;
  await until(async () => {
    t.is(child.process.exitCode, null, child.stderr());
    session = http2.connect(`https://localhost:${port}`, { rejectUnauthorized: false });
    return Promise.race([
      once(session, 'connect').then(() => true),
      once(session, 'error').then(() => false),
    ]).catch(() => false);
  }, file);
  t.teardown(() => session.destroy());
  return session;
}

async function ask(session, path, body) {
  const stream = session.request({ ':path': path, ':method': body ? 'POST' : 'GET' });
  stream.end(body);
  const [headers] = await once(stream, 'response');
  let text = '';
  for await (const piece of stream.setEncoding('utf8')) {
    text += piece;
  }
  return [headers[':status'], text === '' ? '' : JSON.parse(text)];
}

const withAll = (name) => (pair === undefined ? test.skip : testWith(name, test));

withAll('haproxy')('behind HAProxy with "proto h2"', async (t) => {
  const server = await behind(t);
  const port = await freePort();
  const folder = temporary(t);
  const [file, pem] = [join(folder, 'haproxy.cfg'), join(folder, 'site.pem')];
  writeFileSync(pem, pair.cert + pair.key);
  const config = changed(block('haproxy'), [
    ['bind :443', `bind 127.0.0.1:${port}`],
    ['/etc/tls/site.pem', pem],
    ['127.0.0.1:8080', `127.0.0.1:${server.port}`],
  ]);
  writeFileSync(
    file,
    `defaults\n  timeout connect 5s\n  timeout client 9s\n  timeout server 9s\n${config}`,
  );
  const session = await connected(t, find('haproxy'), ['-db', '-f', file], port);
  const large = Buffer.alloc(500_000, 'x');
  const answers = await Promise.all([
    ask(session, '/'),
    ask(session, '/', large),
    ...Array.from({ length: 50 }, (_, i) => ask(session, `/${i}`)),
  ]);
  t.deepEqual(answers[0], [200, ['HTTP/2.0', 'GET', '127.0.0.1', 0]]);
  t.deepEqual(answers[1], [200, ['HTTP/2.0', 'POST', '127.0.0.1', 500_000]]);
  t.true(answers.every(([status]) => status === 200));
});

withAll('nginx')('behind nginx with grpc_pass', async (t) => {
  const server = await behind(t);
  const port = await freePort();
  const folder = temporary(t);
  writeFileSync(join(folder, 'cert.pem'), pair.cert);
  writeFileSync(join(folder, 'key.pem'), pair.key);
  // The directive `http2` came with 1.25.1; the comment in the page tells the older form.
  const config = changed(block('nginx'), [
    ['listen 443 ssl;\n', `listen 127.0.0.1:${port} ssl http2;\n`],
    [/^.*http2 on;.*\n/m.exec(block('nginx'))[0], ''],
    ['127.0.0.1:8080', `127.0.0.1:${server.port}`],
  ]);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join('\n');
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `${process.getuid() === 0 ? 'user root;' : ''}
    daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
    events { worker_connections 256; }
    http { access_log off; ${paths}
    ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem; ${config} }`,
  );
  const session = await connected(t, find('nginx'), ['-p', folder, '-c', file], port);
  const large = Buffer.alloc(500_000, 'x');
  const path = '/helloworld.Greeter/SayHello';
  t.deepEqual(await ask(session, path, large), [200, ['HTTP/2.0', 'POST', '127.0.0.1', 500_000]]);
  t.deepEqual(await ask(session, '/'), [200, ['HTTP/1.1', 'GET', '127.0.0.1', 0]]);
  const many = await Promise.all(Array.from({ length: 50 }, () => ask(session, path, 'a')));
  t.true(many.every(([status, [protocol]]) => status === 200 && protocol === 'HTTP/2.0'));
});
