// The PROXY protocol from those that speak it: HAProxy in every way that it has, and nginx's
// `stream`. The right addresses come through, and health checks are no errors.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { authority, noOpenssl } from '../../../__test__/tls/certificates.mjs';
import { serve } from '../../../dist/index.js';
import { check as checked, finish, program, skip } from '../lib.mjs';

/** The client's address, which is not the balancer's. */
const CLIENT = '127.0.0.9';

const folder = mkdtempSync(join(tmpdir(), 'reactor-proxy-'));
const children = [];
process.on('exit', () => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
  rmSync(folder, { recursive: true, force: true });
});

const haproxy = program('haproxy');
const nginx = program('nginx');
if (noOpenssl !== null) {
  skip(noOpenssl);
} else {
  await trial();
}
finish();
process.exit();

async function trial() {
  const ca = authority();
  const own = ca.issue({ names: ['localhost'] });
  const guest = ca.issue({ names: ['guest.test'], use: 'client' });
  const unix = join(folder, 'app.sock');
  const server = await serve({
    proxyProtocol: 'required',
    trustProxy: '127.0.0.1,unix',
    tls: { cert: own.cert, key: own.key },
    listen: [
      { port: 0, hostname: '127.0.0.1' },
      { port: 0, hostname: '127.0.0.1', tls: true },
      { unix },
    ],
    fetch: (request, info) => {
      const { remoteAddress: address, remotePort: port, protocol, proxy } = info;
      return Response.json({ address, port, protocol, url: request.url, proxy });
    },
  });
  const [clear, secure] = server.addresses.map(({ port }) => port);
  const context = { server, clear, secure, unix, own, guest, ca };
  if (haproxy !== null) {
    await throughHaproxy(context);
  }
  if (nginx !== null) {
    await throughNginx(context);
  }
  await server.stop({ force: true });
}

async function throughHaproxy({ server, clear, secure, unix, own, guest, ca }) {
  const pem = join(folder, 'own.pem');
  writeFileSync(pem, own.cert + own.key);
  const trusted = join(folder, 'ca.pem');
  writeFileSync(trusted, ca.cert);
  const ports = await freePorts(7);
  const [v1, v2, ssl, through, viaHttp, viaUnix, h2] = ports;
  const crt = `ssl crt ${pem} ca-file ${trusted} verify optional`;
  const options = 'proxy-v2-options crc32c,unique-id,authority,ssl,cert-cn,ssl-cipher,cert-sig';
  const checks = 'check inter 100ms';
  const proxies = [
    ['tcp', v1, '', `127.0.0.1:${clear} send-proxy ${checks}`],
    ['tcp', v2, '', `127.0.0.1:${clear} send-proxy-v2 ${checks}`],
    ['tcp', ssl, crt, `127.0.0.1:${clear} send-proxy-v2-ssl-cn ${options} ${checks}`],
    ['tcp', through, '', `127.0.0.1:${secure} send-proxy-v2 ${checks} check-send-proxy`],
    ['http', viaHttp, '', `127.0.0.1:${clear} send-proxy-v2 ${checks} check-send-proxy`],
    ['tcp', viaUnix, '', `unix@${unix} send-proxy-v2-ssl ${checks} check-send-proxy`],
    ['tcp', h2, `${crt} alpn h2`, `127.0.0.1:${clear} send-proxy-v2-ssl ${checks}`],
  ];
  const lines = proxies.flatMap(([mode, port, bind, to], index) => [
    `listen l${index}`,
    `  mode ${mode}`,
    `  bind 127.0.0.1:${port} ${bind}`,
    ...(mode === 'http' ? ['  option httpchk', '  option forwardfor'] : []),
    ...(to.includes('unique-id') ? ['  unique-id-format conn-%[src]'] : []),
    `  server app ${to}`,
  ]);
  const file = join(folder, 'haproxy.cfg');
  const head = ['global', '  maxconn 200', 'defaults', '  timeout connect 5s'];
  const more = ['  timeout client 10s', '  timeout server 10s'];
  writeFileSync(file, [...head, ...more, ...lines, ''].join('\n'));
  await launch(haproxy, ['-db', '-f', file], ports);

  const plain = (port) => ask(http, { port });
  const secured = (port, more) => ask(https, { port, rejectUnauthorized: false, ...more });
  const names = (told, version) =>
    told.address === CLIENT && told.proxy?.version === version && told.port > 0;

  const one = await plain(v1);
  await check('haproxy, send-proxy', names(one, 1) && one.proxy.destination.port === v1, show(one));
  const two = await plain(v2);
  await check('haproxy, send-proxy-v2', names(two, 2) && two.proxy.tls === undefined, show(two));
  const sent = { cert: guest.cert, key: guest.key, servername: 'localhost' };
  const told = await secured(ssl, sent);
  const { tls: said, authority: name, uniqueId } = told.proxy ?? {};
  await check(
    'haproxy, send-proxy-v2-ssl-cn with a checksum',
    names(told, 2) &&
      told.url.startsWith('https://') &&
      said?.commonName === 'guest.test' &&
      said.verified &&
      /^TLSv1\.[23]$/.test(said.version) &&
      said.cipher !== undefined &&
      name === 'localhost' &&
      Buffer.from(uniqueId?.data ?? []).toString() === `conn-${CLIENT}`,
    show(told),
  );
  const inside = await secured(through);
  await check(
    'haproxy, send-proxy-v2 before TLS',
    names(inside, 2) && inside.url.startsWith('https://') && inside.proxy.tls === undefined,
    show(inside),
  );
  const forwarded = await plain(viaHttp);
  await check('haproxy, mode http', names(forwarded, 2), show(forwarded));
  const local = await plain(viaUnix);
  await check(
    'haproxy, to a unix socket',
    names(local, 2) && local.proxy.balancer === null,
    show(local),
  );
  const framed = await overHttp2(h2);
  await check(
    'haproxy, TLS and ALPN in front of HTTP/2 in clear',
    names(framed, 2) && framed.protocol === 'HTTP/2.0' && framed.url.startsWith('https://'),
    show(framed),
  );

  const before = server.stats();
  await sleep(500);
  const { proxyProtocol, connections } = server.stats();
  const checksDone = proxyProtocol.local - before.proxyProtocol.local;
  await check('haproxy, health checks say LOCAL', checksDone > 5, `${checksDone} in half a second`);
  const { failed } = proxyProtocol;
  await check(
    'haproxy, nothing of it is an error',
    Object.values(failed).every((count) => count === 0) &&
      connections.closed.proxy === 0 &&
      connections.closed.aborted === 0,
    JSON.stringify({ failed, closed: connections.closed }),
  );
  await end();
}

async function throughNginx({ clear, secure }) {
  const module = '/usr/lib/nginx/modules/ngx_stream_module.so';
  const load = existsSync(module) ? `load_module ${module};` : '';
  const ports = await freePorts(2);
  const file = join(folder, 'nginx.conf');
  const listens = ports.map((port, index) => {
    const to = [clear, secure][index];
    return `server { listen 127.0.0.1:${port}; proxy_pass 127.0.0.1:${to}; proxy_protocol on; }`;
  });
  const head = `${load} daemon off; master_process off; pid ${join(folder, 'nginx.pid')};`;
  const stream = `stream { ${listens.join(' ')} }`;
  writeFileSync(file, `${head} error_log stderr; events {} ${stream}\n`);
  await launch(nginx, ['-p', folder, '-e', 'stderr', '-c', file], ports);
  const plain = await ask(http, { port: ports[0] });
  const right = ({ address, proxy }) => address === CLIENT && proxy?.version === 1;
  await check('nginx, proxy_protocol on', right(plain), show(plain));
  const inside = await ask(https, { port: ports[1], rejectUnauthorized: false });
  await check(
    'nginx, before TLS',
    right(inside) && inside.url.startsWith('https://'),
    show(inside),
  );
  await end();
}

/** One check; `told` is for the one who looks why it failed. */
async function check(name, isRight, told) {
  await checked(name, () => {
    if (!isRight) {
      throw new Error(told);
    }
  });
}

function show(told) {
  return JSON.stringify(told);
}

/** What the program has seen of a request from {@link CLIENT}. */
async function ask({ request }, options) {
  const asked = request({ host: '127.0.0.1', localAddress: CLIENT, agent: false, ...options });
  asked.end();
  const [response] = await once(asked, 'response');
  return JSON.parse((await response.toArray()).join(''));
}

async function overHttp2(port) {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    createConnection: () =>
      tls.connect({
        ...{ port, host: '127.0.0.1', localAddress: CLIENT },
        ...{ rejectUnauthorized: false, ALPNProtocols: ['h2'] },
      }),
  });
  const asked = session.request({ ':path': '/' });
  const told = JSON.parse((await asked.toArray()).join(''));
  session.close();
  return told;
}

/** Starts a balancer, and waits until it listens. */
async function launch(file, args, ports) {
  const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  children.push(child);
  for (const port of ports) {
    for (let tries = 0; !(await listens(port)); tries++) {
      if (tries > 200 || child.exitCode !== null) {
        throw new Error(`${file} does not listen at ${port}`);
      }
      await sleep(25);
    }
  }
}

async function listens(port) {
  // A connection would go through to the program.
  const probe = createServer().listen(port, '127.0.0.1');
  return new Promise((resolve) => {
    probe.once('error', () => resolve(true));
    probe.once('listening', () => probe.close(() => resolve(false)));
  });
}

async function end() {
  const child = children.pop();
  child.kill('SIGTERM');
  await once(child, 'exit');
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
