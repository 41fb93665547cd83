// Chromium, headless: a page with 20 assets, a sound of 20 MB that is sought, a download that breaks
// off and goes on, and navigations of an application of one page.
//
//   node scripts/trials/files/chromium.mjs

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { openChromium } from '../chromium.mjs';
import { check, cuttingProxy, finish, program, scratch, serveFolder } from './lib.mjs';

/** As long as the sound is. */
const SECONDS = 240;

const path = program('chromium');
async function trials() {
  const root = scratch('chromium');
  const large = makeFolder(root);
  const server = await serveFolder(root, ['--spa']);
  const browser = await openChromium(path, ['--autoplay-policy=no-user-gesture-required']);
  console.log(`# ${(await browser.send('Browser.getVersion')).product}`);
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => browser.send(method, params, sessionId);
  await page('Network.enable');
  await page('Page.enable');
  const origin = `http://localhost:${server.port}`;

  const load = async (address, { until } = {}) => {
    const answers = [];
    const failed = [];
    browser.on('Network.responseReceived', ({ response }) => answers.push(response));
    browser.on('Network.loadingFailed', ({ errorText }) => failed.push(errorText));
    const loaded = browser.next('Page.loadEventFired');
    await page('Page.navigate', { url: `${origin}${address}` });
    await loaded;
    const result = until === undefined ? undefined : await evaluate(until);
    browser.off('Network.responseReceived');
    browser.off('Network.loadingFailed');
    return { answers, failed, result };
  };
  async function evaluate(expression) {
    const { result, exceptionDetails } = await page('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    assert.equal(exceptionDetails, undefined, exceptionDetails?.exception?.description);
    return result.value;
  }

  await check('a page with 20 assets', async () => {
    const { answers, failed } = await load('/');
    assert.deepEqual(failed, []);
    assert.equal(answers.length, 21);
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(await evaluate('document.title'), 'loaded 20');
    const connections = new Set(answers.map(({ connectionId }) => connectionId)).size;
    assert.ok(connections <= 6, `${connections} connections`);
    const codings = answers.map(({ headers }) => lower(headers)['content-encoding'] ?? 'none');
    const count = (coding) => codings.filter((each) => each === coding).length;
    assert.equal(count('br'), 15);
    return `${connections} connections, ${count('br')} br, ${count('none')} as they are`;
  });
  await check('again: 304 from the server, the bytes from the cache', async () => {
    const { answers, failed } = await load('/');
    assert.deepEqual(failed, []);
    assert.equal(await evaluate('document.title'), 'loaded 20');
    const raw = await evaluate(
      `performance.getEntriesByType('resource').filter((e) => e.transferSize > 0 && e.transferSize < 1000 && e.decodedBodySize > 1000).length`,
    );
    return `${answers.length} answers, ${raw} of them without a body on the wire`;
  });
  await check('without its cache', async () => {
    await page('Network.setCacheDisabled', { cacheDisabled: true });
    const { answers, failed } = await load('/');
    assert.deepEqual(failed, []);
    assert.equal(answers.length, 21);
    assert.equal(await evaluate('document.title'), 'loaded 20');
  });

  await check('a sound is sought: ranges are asked and answered', async () => {
    const seek = `new Promise((resolve, reject) => {
      const media = document.querySelector('video');
      const places = [0.9, 0.5, 0.05, 0.99];
      media.addEventListener('error', () => reject(new Error('media: ' + media.error?.message)));
      const next = () => {
        if (places.length === 0) return resolve([media.duration, media.seekable.end(0)]);
        media.currentTime = media.duration * places.shift();
      };
      media.addEventListener('seeked', next);
      if (media.readyState >= 1) next();
      else media.addEventListener('loadedmetadata', next);
    })`;
    const { answers, result } = await load('/media.html', { until: seek });
    const [duration, end] = result;
    assert.ok(Math.abs(duration - SECONDS) < 0.1, `${duration} s`);
    assert.ok(Math.abs(end - SECONDS) < 0.1, `sought until ${end} s`);
    const parts = answers.filter(({ url }) => url.endsWith('.wav'));
    assert.ok(parts.length >= 2, `${parts.length} answers`);
    assert.ok(
      parts.every(({ status }) => status === 206),
      parts.map(({ status }) => status).join(),
    );
    return parts.map(({ headers }) => lower(headers)['content-range']).join('; ');
  });

  await check('a download that breaks off goes on where it was', async () => {
    const folder = scratch('downloads');
    const proxy = await cuttingProxy(server.port, [5_000_000]);
    await browser.send('Browser.setDownloadBehavior', {
      behavior: 'allow',
      downloadPath: folder,
      eventsEnabled: true,
    });
    const ended = new Promise((resolve) => {
      browser.on('Browser.downloadProgress', ({ state }) => {
        if (state !== 'inProgress') resolve(state);
      });
    });
    page('Page.navigate', { url: `http://localhost:${proxy.port}/large.bin` }).catch(() => {});
    const state = await Promise.race([
      ended,
      sleep(60_000, 'not ended after a minute', { ref: false }),
    ]);
    const asked = proxy.requests.filter((head) => head.startsWith('GET /large.bin'));
    assert.equal(state, 'completed', asked.join('\n'));
    assert.ok(readFileSync(join(folder, 'large.bin')).equals(large), 'other bytes');
    assert.equal(asked.length, 2, asked.join('\n'));
    const field = (name) => new RegExp(`^${name}: *(.*)\r$`, 'im').exec(asked[1])?.[1];
    assert.match(field('range'), /^bytes=\d+-/);
    assert.ok(Number(/\d+/.exec(field('range'))[0]) > 0, field('range'));
    assert.match(field('if-range'), /^"/);
    proxy.close();
    return `Range: ${field('range')}, If-Range: ${field('if-range')}`;
  });

  await check(
    'an application of one page: navigations find it, and what it asks for does not',
    async () => {
      const { answers } = await load('/deep/link?with=query');
      assert.equal(answers[0].status, 200);
      assert.match(lower(answers[0].headers)['content-type'], /^text\/html/);
      assert.equal(await evaluate('location.pathname'), '/deep/link');
      const statuses = await evaluate(`Promise.all(
      ['/missing.js', '/api/missing', '/deep/missing.png'].map((path) => fetch(path).then((a) => a.status)))`);
      assert.deepEqual(statuses, [404, 404, 404]);
      const script = await evaluate(`new Promise((resolve) => {
      const script = document.createElement('script');
      script.onload = () => resolve('loaded');
      script.onerror = () => resolve('failed');
      script.src = '/not-there.js';
      document.head.append(script);
    })`);
      assert.equal(script, 'failed');
    },
  );
  await check('the browser ends', () => browser.close());
  await server.stop();
}

const lower = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** The page, its assets with siblings, the sound and the download, which is returned. */
function makeFolder(root) {
  mkdirSync(join(root, 'assets'));
  const write = (name, text, isCompressed) => {
    writeFileSync(join(root, name), text);
    if (!isCompressed) return;
    writeFileSync(join(root, `${name}.br`), brotliCompressSync(text));
    writeFileSync(join(root, `${name}.gz`), gzipSync(text));
  };
  const nine = Array.from({ length: 9 }, (_, n) => n);
  for (const n of nine) {
    const script = `window.count = (window.count ?? 0) + 1;\n// ${'words '.repeat(400 * (n + 1))}\n`;
    write(`assets/s${n}.js`, script, true);
  }
  for (const n of nine.slice(0, 5)) {
    write(`assets/c${n}.css`, `.c${n} { color: red }\n`.repeat(500), true);
  }
  // One pixel.
  const image = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
  for (const n of nine.slice(0, 6)) write(`assets/i${n}.gif`, image, false);
  const html = `<!doctype html><title>?</title><link rel="icon" href="data:,">
    ${nine
      .slice(0, 5)
      .map((n) => `<link rel="stylesheet" href="/assets/c${n}.css">`)
      .join('')}
    ${nine.map((n) => `<script src="/assets/s${n}.js"></script>`).join('')}
    ${nine
      .slice(0, 6)
      .map((n) => `<img src="/assets/i${n}.gif">`)
      .join('')}
    <script>addEventListener('load', () => {
      const rules = [...document.styleSheets].filter((sheet) => sheet.cssRules.length > 0).length;
      const images = [...document.images].filter((image) => image.naturalWidth === 1).length;
      document.title = 'loaded ' + (window.count + rules + images);
    })</script>`;
  write('index.html', html, true);
  write(
    'media.html',
    `<!doctype html><title>media</title><video preload="metadata" src="/sound.wav"></video>`,
    false,
  );
  writeFileSync(join(root, 'sound.wav'), sound());
  const large = Buffer.alloc(20 << 20);
  for (let at = 0; at < large.length; at += 4) large.writeUInt32LE(at, at);
  writeFileSync(join(root, 'large.bin'), large);
  return large;
}

/** A tone of one channel, 16 bits, 44,100 Hz: 20 MB. */
function sound() {
  const rate = 44_100;
  const samples = SECONDS * rate;
  const bytes = Buffer.alloc(44 + samples * 2);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(36 + samples * 2, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(samples * 2, 40);
  for (let n = 0; n < samples; n++) {
    bytes.writeInt16LE(Math.round(Math.sin(n / 20) * 8000), 44 + n * 2);
  }
  return bytes;
}

if (path !== null) await trials();
finish();
