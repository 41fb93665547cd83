// One application on node:http and on reactor-rs/node: the same requests must have
// the same answers.

import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'reactor-rs/node';
import { Agent, request } from 'undici';

/** Fields that belong to the connection or the clock. */
const NOT_COMPARED = ['date', 'connection', 'keep-alive'];

/**
 * Starts what `build` makes of each `createServer`, and returns what sends a
 * request to both.
 *
 * @param build takes `createServer` and returns the server, or a promise of it
 */
export async function both(build) {
  const node = await listening(await build(http.createServer, 'node'));
  const reactor = await listening(await build(few(createServer), 'reactor'));
  const agent = new Agent();

  /** The answers of both, which are the same in status, fields and bytes. */
  async function same(t, path, options = {}) {
    const wanted = await send(agent, node, path, options);
    const got = await send(agent, reactor, path, options);
    const shown = ({ status, headers, body }) => ({
      status,
      headers,
      body: body.toString('latin1'),
    });
    t.deepEqual(shown(got), shown(wanted), `${options.method ?? 'GET'} ${path}`);
    return got;
  }
  async function close() {
    await agent.destroy();
    await Promise.all([closed(node), closed(reactor)]);
  }
  return { same, close, node, reactor };
}

/** A server of ours alone. */
export async function reactor(t, ...given) {
  const server = await listening(few(createServer)(...given));
  t.teardown(() => closed(server));
  return server;
}

/** Stops a server, even in the middle of requests. */
export async function closed(server) {
  if (server.listening) {
    const isClosed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await isClosed;
  }
}

/** `createServer` with as few threads as there can be. */
export function few(create) {
  return (...given) =>
    typeof given[0] === 'function' || given[0] === undefined
      ? create({ ioThreads: 1, workerThreads: 1 }, given[0])
      : create({ ioThreads: 1, workerThreads: 1, ...given[0] }, given[1]);
}

export async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Sends one request and reads the whole answer, as bytes. */
export async function send(agent, server, path, options = {}) {
  const { port } = server.address();
  const { statusCode, headers, body } = await request(`http://127.0.0.1:${port}${path}`, {
    dispatcher: agent,
    ...options,
    // The ports differ, and applications may tell.
    headers: { host: 'test.local', ...options.headers },
  });
  const bytes = Buffer.from(await body.arrayBuffer());
  const isBodiless = statusCode === 204 || statusCode === 304;
  const compared = Object.entries(headers).filter(
    // The engine leaves a length out where RFC 9110 §8.6 forbids it or it cannot know it.
    ([name]) => !NOT_COMPARED.includes(name) && !(isBodiless && name === 'content-length'),
  );
  return { status: statusCode, headers: Object.fromEntries(compared.sort()), body: bytes };
}

/** Sends bytes and resolves with all that comes until the server closes. */
export async function raw(t, server, bytes) {
  const socket = connect(server.address().port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.setEncoding('latin1');
  socket.on('error', () => {});
  let received = '';
  socket.on('data', (text) => {
    received += text;
  });
  socket.write(bytes, 'latin1');
  // Not `once`: it rejects on 'error', and a reset is an end like any other here.
  await new Promise((resolve) => socket.on('close', resolve));
  return received;
}

/** Resolves when `condition` is true; tests have no other clock. */
export async function until(condition, what) {
  for (let i = 0; i < 3000; i++) {
    if (condition()) {
      return;
    }
    await sleep(10);
  }
  throw new Error(`waited thirty seconds for ${what}`);
}
