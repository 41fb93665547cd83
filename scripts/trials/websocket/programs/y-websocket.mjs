// y-websocket: documents that two providers change, and two pages of Chromium.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { WebSocket } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';
import { openChromium } from './chromium.mjs';
import { portOf, until } from './lib.mjs';
import { check, skip } from './tap.mjs';

const { setupWSConnection } = createRequire(import.meta.url)('y-websocket/bin/utils');
const HERE = dirname(fileURLToPath(import.meta.url));

export default async function trial({ createServer, WebSocketServer }) {
  let page = '';
  const server = createServer((_req, res) => {
    res.setHeader('content-type', 'text/html').end(page);
  });
  new WebSocketServer({ server }).on('connection', setupWSConnection);
  const port = await portOf(server);
  const url = `ws://127.0.0.1:${port}`;

  await check('y-websocket: two providers', async () => {
    const docs = [new Y.Doc(), new Y.Doc()];
    const providers = docs.map(
      (doc) =>
        new WebsocketProvider(url, 'room', doc, { WebSocketPolyfill: WebSocket, disableBc: true }),
    );
    const texts = docs.map((doc) => doc.getText('text'));
    await until(() => providers.every(({ synced }) => synced), 'both are in sync');
    for (let n = 0; n < 200; n++) {
      texts[n & 1].insert(0, `${n},`);
    }
    await until(() => String(texts[0]) === String(texts[1]), 'both have the same text');
    assert.equal(String(texts[0]).split(',').length, 201);
    providers[0].awareness.setLocalState({ name: 'first' });
    await until(
      () => [...providers[1].awareness.getStates().values()].some(({ name }) => name === 'first'),
      'the other knows who is there',
    );
    providers[0].disconnect();
    texts[1].insert(0, 'meanwhile,');
    providers[0].connect();
    await until(() => String(texts[0]).startsWith('meanwhile,'), 'it has caught up');
    for (const provider of providers) {
      provider.destroy();
    }
  });

  if (process.env.CHROMIUM === '') {
    skip('y-websocket in two pages: chromium was not found');
    return;
  }
  const bundle = await build({
    root: HERE,
    logLevel: 'silent',
    build: {
      write: false,
      lib: { entry: 'y-page.js', formats: ['iife'], name: 'page' },
      minify: false,
    },
  });
  page = `<!doctype html><link rel="icon" href="data:,"><script>${bundle[0].output[0].code}</script>`;
  const browser = await openChromium(process.env.CHROMIUM);
  const open = async () => {
    const { targetId } = await browser.send('Target.createTarget', {
      url: `http://127.0.0.1:${port}/`,
    });
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    return async (expression) => {
      const { result } = await browser.send('Runtime.evaluate', { expression }, sessionId);
      return result.value;
    };
  };
  await check('y-websocket: two pages of Chromium', async () => {
    const pages = [await open(), await open()];
    for (const page of pages) {
      await until(() => page('window.provider?.synced'), 'a page is in sync');
    }
    await pages[0]('window.text.insert(0, "from the first")');
    await until(
      async () => (await pages[1]('String(window.text)')) === 'from the first',
      'the other page has it',
    );
  });
  await browser.close();
}
