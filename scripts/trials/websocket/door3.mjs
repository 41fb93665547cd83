// serve({ websocket }) with the clients that people have: Chromium's WebSocket, and Node's own (that
// of undici). And h3's WebSocket routes, by the adapter that crossws has for Bun.
//
//   node scripts/trials/websocket/door3.mjs

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serve } from 'reactor-rs';
import { WebSocket } from 'undici';
import { openChromium } from '../chromium.mjs';
import { check, finish, program } from '../lib.mjs';
import { scratch } from './scratch.mjs';

/** Runs in a page and in Node: what a client sees, as JSON. */
const TALKS = {
  async 'text and bytes of many sizes'(base, Socket) {
    const socket = new Socket(`${base}/echo`);
    socket.binaryType = 'arraybuffer';
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error('it did not open'));
    });
    const next = () =>
      new Promise((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.onclose = ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`));
      });
    const right = [];
    for (const size of [0, 1, 125, 126, 65535, 65536, 3000000]) {
      // What repeats itself too much is no message of a program, but an attack on memory.
      const text = Array.from({ length: size / 4 }, (_, i) => `ä€😀${i % 7919}`).join('');
      socket.send(text);
      right.push((await next()) === text);
      const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7);
      socket.send(bytes);
      const got = new Uint8Array(await next());
      right.push(got.length === size && got.every((byte, i) => byte === bytes[i]));
    }
    socket.close(4000, 'äll dönë');
    const { code, wasClean } = await new Promise((resolve) => {
      socket.onclose = resolve;
    });
    return { right: right.every(Boolean), code, wasClean, extensions: socket.extensions };
  },
  async subprotocols(base, Socket) {
    const chosen = [];
    for (const offered of [['v1'], ['v1', 'v2'], ['v2', 'v1']]) {
      const socket = new Socket(`${base}/echo`, offered);
      await new Promise((resolve) => {
        socket.onopen = resolve;
      });
      chosen.push(socket.protocol);
      socket.close();
    }
    return chosen;
  },
  async 'codes and reasons of the server'(base, Socket) {
    const closed = [];
    for (const path of ['/close?1000', '/close?4321', '/break', '/refused']) {
      const socket = new Socket(base + path);
      const { code, reason, wasClean } = await new Promise((resolve) => {
        socket.onclose = resolve;
      });
      closed.push([path, code, reason, wasClean]);
    }
    return closed;
  },
  async 'a topic'(base, Socket) {
    const sockets = Array.from({ length: 10 }, () => new Socket(`${base}/room`));
    const got = sockets.map(
      (socket) =>
        new Promise((resolve) => {
          socket.onmessage = ({ data }) => resolve(data);
        }),
    );
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve) => {
            socket.onopen = resolve;
          }),
      ),
    );
    sockets[0].send('to all');
    return Promise.all(got);
  },
};

const EXPECTED = {
  'text and bytes of many sizes': { right: true, code: 4000, wasClean: true },
  subprotocols: ['v1', 'v2', 'v2'],
  'codes and reasons of the server': [
    ['/close?1000', 1000, 'because', true],
    ['/close?4321', 4321, 'because', true],
    ['/break', 1006, '', false],
    ['/refused', 1006, '', false],
  ],
  'a topic': Array.from({ length: 10 }, () => 'to all'),
};

const server = await serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch(request, info) {
    const { pathname, search } = new URL(request.url);
    if (pathname === '/page' || pathname === '/favicon.ico') {
      return new Response('<!doctype html><title>page</title>', {
        headers: { 'content-type': 'text/html' },
      });
    }
    if (pathname !== '/refused' && info.upgrade(request, { data: { pathname, search } })) {
      return;
    }
    return new Response('no', { status: 401 });
  },
  websocket: {
    perMessageDeflate: true,
    protocols: ['v2', 'v1'],
    origin: 'same-origin',
    publishToSelf: true,
    open(socket) {
      const { pathname, search } = socket.data;
      if (pathname === '/close') {
        socket.close(Number(search.slice(1)), 'because');
      } else if (pathname === '/break') {
        socket.terminate();
      } else if (pathname === '/room') {
        socket.subscribe('room');
      }
    },
    message(socket, message) {
      if (socket.data.pathname === '/room') {
        socket.publish('room', message);
      } else {
        socket.send(message);
      }
    },
  },
});
const base = server.url.href.replace('http', 'ws').replace(/\/$/, '');

function same(name, got) {
  const { extensions, ...rest } = Array.isArray(got) ? { rest: got } : got;
  assert.deepEqual(rest.rest ?? rest, EXPECTED[name]);
  return extensions;
}

for (const [name, talk] of Object.entries(TALKS)) {
  await check(`undici: ${name}`, async () => same(name, await talk(base, WebSocket)));
}

const path = program('chromium');
if (path !== null) {
  const browser = await openChromium(path);
  console.log(`# ${(await browser.send('Browser.getVersion')).product}`);
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => browser.send(method, params, sessionId);
  await page('Page.enable');
  const loaded = browser.next('Page.loadEventFired');
  await page('Page.navigate', { url: new URL('/page', server.url.href).href });
  await loaded;
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await page('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
    return result.value;
  };
  for (const [name, talk] of Object.entries(TALKS)) {
    await check(`Chromium: ${name}`, async () => {
      const body = talk.toString().replace(/^async '?[^(]*\(/, 'async function talk(');
      return same(name, await evaluate(`(${body})(${JSON.stringify(base)}, WebSocket)`));
    });
  }
  await check('Chromium: a page of another origin is refused', async () => {
    const other = base.replace('127.0.0.1', 'localhost').replace('ws', 'http');
    const left = browser.next('Page.loadEventFired');
    await page('Page.navigate', { url: `${other}/page` });
    await left;
    const code = await evaluate(
      `new Promise((resolve) => { const s = new WebSocket(${JSON.stringify(`${base}/echo`)}); s.onclose = ({ code }) => resolve(code); s.onopen = () => resolve('open'); })`,
    );
    assert.equal(code, 1006);
  });
  await browser.close();
}
await server.stop();

const folder = await scratch({ crossws: '0.4.17', h3: '2.0.8' });
if (folder !== null) {
  const load = (file) => import(pathToFileURL(join(folder, '..', 'node_modules', file)).href);
  const { H3, defineWebSocketHandler } = await load('h3/dist/_entries/generic.mjs');
  // It asks for Bun only when it is made.
  globalThis.Bun = {};
  const { default: bunAdapter } = await load('crossws/dist/adapters/bun.mjs');
  const app = new H3().get(
    '/room',
    defineWebSocketHandler({
      open(peer) {
        peer.subscribe('room');
        peer.send(`welcome ${peer.remoteAddress}`);
      },
      message(peer, message) {
        peer.publish('room', message.text());
      },
    }),
  );
  const sockets = bunAdapter({ resolve: async (request) => (await app.fetch(request)).crossws });
  delete globalThis.Bun;
  const other = await serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, info) =>
      request.headers.get('upgrade') === 'websocket'
        ? sockets.handleUpgrade(request, info)
        : app.fetch(request),
    websocket: sockets.websocket,
  });
  await check('h3 and crossws: a room', async () => {
    const url = new URL('/room', other.url.href).href.replace('http', 'ws');
    const next = async (socket) => (await once(socket, 'message'))[0].data;
    const one = new WebSocket(url);
    assert.equal(await next(one), 'welcome 127.0.0.1');
    const two = new WebSocket(url);
    assert.equal(await next(two), 'welcome 127.0.0.1');
    one.send('hi');
    assert.equal(await next(two), 'hi');
    two.send(new Uint8Array([65, 66]));
    assert.equal(await next(one), 'AB');
    one.close();
    two.close();
  });
  await other.stop();
}
finish();
