// The PROXY protocol from Envoy: the client's address comes through, and health checks are no errors.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from '../../../dist/index.js';
import { check, finish } from '../lib.mjs';
import { fronts, startFront, swap } from './fronts.mjs';

/** The client's address, which is not the balancer's. */
const CLIENT = '127.0.0.9';

const folder = mkdtempSync(join(tmpdir(), 'reactor-envoy-'));
const found = await fronts(['envoy']);
for (const front of found.values()) {
  for (const version of [1, 2]) {
    await check(`Envoy ${front.version}: version ${version} tells the client`, () =>
      through(front, version),
    );
  }
}
rmSync(folder, { recursive: true });
finish();
process.exit();

async function through(front, version) {
  const server = await serve({
    hostname: '127.0.0.1',
    port: 0,
    control: false,
    health: true,
    proxyProtocol: 'required',
    trustProxy: '127.0.0.1',
    fetch: (_, { remoteAddress, remotePort, proxy }) =>
      Response.json({ remoteAddress, remotePort, version: proxy?.version }),
  });
  const socket = `      transport_socket:
        name: envoy.transport_sockets.upstream_proxy_protocol
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
          config: { version: V${version} }
          transport_socket:
            name: envoy.transport_sockets.raw_buffer
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer
`;
  const balancer = await startFront(front, {
    folder: join(folder, `v${version}`),
    programs: [server.port],
    change: (config) =>
      swap(config, '      load_assignment:\n', `${socket}      load_assignment:\n`),
  });
  for (let i = 0; (await ask(balancer.port)).status !== 200; i++) {
    assert(i < 100, balancer.said());
    await sleep(50);
  }
  for (let i = 0; i < 20; i++) {
    const { port, saw } = await ask(balancer.port);
    assert.deepEqual(saw, { remoteAddress: CLIENT, remotePort: port, version });
  }
  const { failed } = server.stats().proxyProtocol;
  assert.deepEqual(failed, { untrusted: 0, missing: 0, malformed: 0, timeout: 0 });
  await balancer.stop();
  await server.stop({ force: true });
}

/** What the program saw, and the port of the client. */
function ask(port) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, localAddress: CLIENT, agent: false };
    const request = http.get(options, async (answer) => {
      const { localPort } = request.socket;
      const body = await text(answer);
      const { statusCode: status } = answer;
      resolve({ status, port: localPort, saw: status === 200 ? JSON.parse(body) : body });
    });
    request.on('error', reject);
  });
}
