// Chromium, headless, over its debugging pipe: a page with 20 assets, and what the browser knows of
// the connection.
//
//   node scripts/trials/tls/browser.mjs

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { authority } from '../../../__test__/tls/certificates.mjs';
import { openChromium } from '../chromium.mjs';
import { canary, check, finish, program, startServer } from './lib.mjs';

const path = program('chromium');
if (path !== null) {
  await trials();
}
finish();

async function trials() {
  const ca = authority();
  const own = ca.issue();
  const server = await startServer({ tls: { cert: own.cert, key: own.key } });
  const bird = canary({ port: server.port, ca: ca.cert });
  const key = new X509Certificate(own.cert).publicKey.export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(key).digest('base64');
  const browser = await openChromium(path, [`--ignore-certificate-errors-spki-list=${hash}`]);
  console.log(`# ${(await browser.send('Browser.getVersion')).product}`);
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => browser.send(method, params, sessionId);
  await page('Network.enable');
  await page('Page.enable');

  const load = async (path) => {
    const answers = [];
    const failed = [];
    browser.on('Network.responseReceived', ({ response }) => answers.push(response));
    browser.on('Network.loadingFailed', ({ errorText }) => failed.push(errorText));
    const loaded = browser.next('Page.loadEventFired');
    await page('Page.navigate', { url: `https://localhost:${server.port}${path}` });
    await loaded;
    browser.off('Network.responseReceived');
    browser.off('Network.loadingFailed');
    return { answers, failed };
  };

  for (const round of ['first', 'again', 'a third time']) {
    await check(`a page with 20 assets, ${round}`, async () => {
      // Else the assets come from memory.
      await page('Network.setCacheDisabled', { cacheDisabled: true });
      const { answers, failed } = await load('/page');
      assert.deepEqual(failed, []);
      assert.equal(answers.length, 21);
      assert(answers.every(({ status }) => status === 200));
      const { result } = await page('Runtime.evaluate', { expression: 'document.title' });
      assert.equal(result.value, 'loaded 20');
      const connections = new Set(answers.map(({ connectionId }) => connectionId)).size;
      const [{ protocol, securityDetails: of }] = answers;
      assert.equal(of.protocol, 'TLS 1.3');
      assert.equal(of.keyExchangeGroup, 'X25519MLKEM768');
      return `${protocol}, ${connections} connections, ${of.protocol}, ${of.keyExchangeGroup}, ${of.cipher}`;
    });
  }
  await check('1 MiB', async () => {
    const expression = "fetch('/large').then((a) => a.text()).then((text) => text.length)";
    const { result } = await page('Runtime.evaluate', { expression, awaitPromise: true });
    assert.equal(result.value, 1 << 20);
  });
  await check('an upload of 4 MiB', async () => {
    const expression = `fetch('/echo', { method: 'POST', body: new Uint8Array(4 << 20) })
      .then((a) => a.arrayBuffer()).then((bytes) => bytes.byteLength)`;
    const { result } = await page('Runtime.evaluate', { expression, awaitPromise: true });
    assert.equal(result.value, 4 << 20);
  });
  await check('the page says that it is secure', async () => {
    const { result } = await page('Runtime.evaluate', {
      expression: '[isSecureContext, location.protocol].join()',
    });
    assert.equal(result.value, 'true,https:');
  });
  await check('the server is well', () => bird.sing());
  await check('the browser ends', () => browser.close());
  await check('no handshake failed', async () => {
    const { tls } = await server.stats();
    return JSON.stringify(tls?.handshakes ?? tls);
  });
  bird.close();
  await server.stop();
}
