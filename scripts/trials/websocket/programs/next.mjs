// Next in development, behind a server of this package: a changed page reaches Chromium without a
// reload.

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import next from 'next';
import { openChromium } from './chromium.mjs';
import { portOf, until } from './lib.mjs';
import { check, skip } from './tap.mjs';

/** In the folder of the installed packages: Next looks for them above its own. */
const DIR = join(dirname(fileURLToPath(import.meta.url)), 'next-app');

const page = (text) => `'use client';

export default function Page() {
  return <p id="text">${text}</p>;
}
`;

const LAYOUT = `export default function Layout({ children }) {
  return <html><body>{children}</body></html>;
}
`;

export default async function trial({ createServer }) {
  if (process.env.CHROMIUM === '') {
    skip('Next: chromium was not found');
    return;
  }
  const file = join(DIR, 'app', 'page.js');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(join(DIR, 'app', 'layout.js'), LAYOUT);
  writeFileSync(file, page('first'));
  let handle = (_req, res) => res.writeHead(503).end();
  const server = createServer((req, res) => handle(req, res));
  const port = await portOf(server);
  const app = next({ dev: true, dir: DIR, httpServer: server, hostname: '127.0.0.1', port });
  handle = app.getRequestHandler();
  await app.prepare();
  const browser = await openChromium(process.env.CHROMIUM);
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const send = (method, params) => browser.send(method, params, sessionId);
  const value = async (expression) => (await send('Runtime.evaluate', { expression })).result.value;
  const text = 'document.querySelector("#text")?.textContent';

  await check('Next in development: hot updates in Chromium', async () => {
    await send('Network.enable');
    const opened = [];
    let frames = 0;
    browser.on('Network.webSocketCreated', ({ url }) => opened.push(url));
    browser.on('Network.webSocketFrameReceived', () => frames++);
    await send('Page.navigate', { url: `http://127.0.0.1:${port}/` });
    await until(async () => (await value(text)) === 'first', 'the page shows it');
    await until(() => frames > 0, 'its socket is there');
    await send('Runtime.evaluate', { expression: 'window.isTheSame = true' });
    for (const each of ['second', 'third']) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      writeFileSync(file, page(each));
      await until(async () => (await value(text)) === each, `the page shows ${each}`);
    }
    assert.equal(await value('window.isTheSame'), true, 'the page was not loaded again');
    return `${opened.length} sockets, ${frames} messages`;
  });
  await browser.close();
  await app.close();
  rmSync(DIR, { recursive: true, force: true });
}
