// Vite in middleware mode: a changed module reaches the page of Chromium without a reload.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { createServer as createVite } from 'vite';
import { openChromium } from './chromium.mjs';
import { portOf, until } from './lib.mjs';
import { check, skip } from './tap.mjs';

const part = (text) =>
  `export const text = '${text}';
window.show(text);
import.meta.hot.accept();`;

export default async function trial({ createServer }) {
  if (process.env.CHROMIUM === '') {
    skip('Vite: chromium was not found');
    return;
  }
  const root = mkdtempSync(join(tmpdir(), 'reactor-vite-'));
  writeFileSync(
    join(root, 'main.js'),
    "window.loads = (window.loads ?? 0) + 1;\nimport './part.js';",
  );
  writeFileSync(join(root, 'part.js'), part('first'));
  const app = express();
  const server = createServer(app);
  const vite = await createVite({
    root,
    configFile: false,
    logLevel: 'error',
    appType: 'custom',
    server: { middlewareMode: { server }, hmr: { server } },
    optimizeDeps: { noDiscovery: true },
  });
  app.use(vite.middlewares);
  app.get('/page', async (_req, res) => {
    const html = `<!doctype html><link rel="icon" href="data:,"><p id="at"></p>
      <script>window.born = Math.random(); window.show = (text) => { document.title = text; };</script>
      <script type="module" src="/main.js"></script>`;
    res.setHeader('content-type', 'text/html').send(await vite.transformIndexHtml('/page', html));
  });
  const port = await portOf(server);
  const browser = await openChromium(process.env.CHROMIUM);
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => browser.send(method, params, sessionId);
  const value = async (expression) => (await page('Runtime.evaluate', { expression })).result.value;

  await check('Vite in middleware mode: hot updates in Chromium', async () => {
    await page('Network.enable');
    const frames = [];
    browser.on('Network.webSocketFrameReceived', ({ response }) =>
      frames.push(response.payloadData),
    );
    await page('Page.navigate', { url: `http://127.0.0.1:${port}/page` });
    await until(async () => (await value('document.title')) === 'first', 'the page shows it');
    await until(() => frames.some((text) => text.includes('"connected"')), 'its socket is there');
    const born = await value('window.born');
    for (const text of ['second', 'third']) {
      // Vite's watcher leaves out a change that comes within 50 ms of another.
      await new Promise((resolve) => setTimeout(resolve, 100));
      writeFileSync(join(root, 'part.js'), part(text));
      await until(async () => (await value('document.title')) === text, `the page shows ${text}`);
    }
    assert.equal(await value('window.born'), born, 'the page was not loaded again');
    return `${frames.length} messages`;
  });
  await browser.close();
  await vite.close();
  rmSync(root, { recursive: true });
}
