// Chromium, headless: a page with 100 assets over one connection, Early Hints, events, uploads.
//
//   node scripts/trials/http2/browser.mjs

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { authority, noOpenssl } from '../../../__test__/tls/certificates.mjs';
import { openChromium } from '../chromium.mjs';
import { ASSETS } from './handler.mjs';
import { check, ENGINE, finish, program, skip, startServer } from './lib.mjs';

const path = program('chromium');
if (noOpenssl !== null) {
  skip(noOpenssl);
} else if (path !== null) {
  await trials();
}
finish();

async function trials() {
  const isOurs = ENGINE === 'reactor-rs';
  const ca = authority();
  const own = ca.issue();
  const server = await startServer({
    tls: { cert: own.cert, key: own.key },
    ...(isOurs ? { settings: { compress: true } } : {}),
  });
  const key = new X509Certificate(own.cert).publicKey.export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(key).digest('base64');
  const browser = await openChromium(path, [`--ignore-certificate-errors-spki-list=${hash}`]);
  console.log(`# ${(await browser.send('Browser.getVersion')).product}`);
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => browser.send(method, params, sessionId);
  await page('Network.enable');
  await page('Page.enable');
  await page('Network.setCacheDisabled', { cacheDisabled: true });

  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await page('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    assert.equal(exceptionDetails, undefined, exceptionDetails?.exception?.description);
    return result.value;
  };
  const load = async (path) => {
    const answers = [];
    const failed = [];
    browser.on('Network.responseReceived', ({ response }) => answers.push(response));
    browser.on('Network.loadingFailed', ({ errorText }) => failed.push(errorText));
    const loaded = browser.next('Page.loadEventFired');
    await page('Page.navigate', { url: `${server.secureUrl}${path}` });
    await loaded;
    browser.off('Network.responseReceived');
    browser.off('Network.loadingFailed');
    return { answers, failed };
  };

  for (const round of ['first', 'again', 'a third time']) {
    await check(`a page with ${ASSETS} assets, ${round}`, async () => {
      const { answers, failed } = await load('/page');
      assert.deepEqual(failed, []);
      assert.equal(answers.length, ASSETS + 1);
      assert(answers.every(({ status }) => status === 200));
      assert.equal(await evaluate('document.title'), `loaded ${ASSETS}`);
      const protocols = await evaluate(
        "[...new Set(performance.getEntries().filter((entry) => 'nextHopProtocol' in entry)" +
          '.map((entry) => entry.nextHopProtocol))].join()',
      );
      assert.equal(protocols, 'h2');
      const connections = new Set(answers.map(({ connectionId }) => connectionId)).size;
      assert.equal(connections, 1);
      return `${protocols}, ${connections} connection`;
    });
  }
  if (isOurs) {
    await check('Early Hints are seen before the page comes', async () => {
      await load('/hinted?ms=300');
      // The page's own timing: the debugger does not tell of each 103.
      const [before, final] = await evaluate(
        "performance.getEntriesByType('navigation').flatMap((entry) => " +
          '[entry.firstInterimResponseStart, entry.finalResponseHeadersStart])',
      );
      assert(before > 0 && before + 200 < final, `${before} and ${final}`);
      const { initiator, begun, page } = await evaluate(`(() => {
        const [asset] = performance.getEntriesByName('${server.secureUrl}/asset/0.js');
        const [page] = performance.getEntriesByType('navigation');
        return { initiator: asset?.initiatorType, begun: asset?.startTime, page: page.responseEnd };
      })()`);
      return JSON.stringify({ before: Math.round(before), initiator, begun, page });
    });
  }
  await check('20 events, one by one', async () => {
    const got = await evaluate(`new Promise((resolve, reject) => {
      const got = [];
      const source = new EventSource('/events?most=20');
      source.onerror = () => reject(new Error('got ' + got.length));
      source.onmessage = ({ data }) => {
        got.push(data);
        if (got.length === 20) { source.close(); resolve(got); }
      };
    })`);
    assert.deepEqual(
      got,
      Array.from({ length: 20 }, (_, n) => String(n)),
    );
  });
  await check('12 streams of events at once, which HTTP/1.1 has no connections for', async () => {
    const got = await evaluate(`Promise.all(Array.from({ length: 12 }, (_, n) =>
      new Promise((resolve, reject) => {
        const source = new EventSource('/events?most=1000&n=' + n);
        source.onerror = () => reject(new Error('no ' + n));
        source.onmessage = () => { source.close(); resolve(n); };
      }))).then((all) => all.length)`);
    assert.equal(got, 12);
  });
  await check('10 MiB down, and 2 MiB up', async () => {
    const digest = `async (bytes) => Array.from(new Uint8Array(await crypto.subtle.digest(
      'SHA-256', bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')`;
    const same = await evaluate(`(async () => {
      const digest = ${digest};
      const all = await (await fetch('/large')).arrayBuffer();
      const bytes = all.slice(0, 2 << 20);
      const answer = await fetch('/sha', { method: 'POST', body: bytes });
      const { size, sha256 } = await answer.json();
      return all.byteLength === 10 << 20 && size === bytes.byteLength && sha256 === await digest(bytes);
    })()`);
    assert.equal(same, true);
  });
  await check('a fetch that is aborted', async () => {
    const { aborted } = await server.counts();
    const name = await evaluate(`(async () => {
      const gone = new AbortController();
      const asked = fetch('/hang', { signal: gone.signal });
      await (await fetch('/hello')).text();
      gone.abort();
      return asked.catch((error) => error.name);
    })()`);
    assert.equal(name, 'AbortError');
    for (let n = 0; (await server.counts()).aborted === aborted; n++) {
      assert(n < 100, 'the handler hears of it');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  await check('the browser ends', () => browser.close());
  await check('the server ends well', () => server.stop());
}
