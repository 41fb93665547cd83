// The dashboard in Chromium, from the metrics listener and from `reactor-rs monitor --web`: it shows
// what `stats()` says, under load and after it, and goes on after a restart.
//
//   node scripts/trials/ops/dashboard.mjs

import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openChromium } from '../chromium.mjs';
import { check, finish, program } from '../lib.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const BIN = at('../../../dist/cli/bin.js');

/** How long anything may take, in milliseconds: only a hang reaches it. */
const DEADLINE = 30_000;

/** Whether the colour of marks is in the first chart. */
const MARKED = `(() => {
  const style = getComputedStyle(document.documentElement).getPropertyValue('--mark').trim();
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(style.slice(at, at + 2), 16));
  const canvas = document.querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] === r && data[at + 1] === g && data[at + 2] === b) return true;
  }
  return false;
})()`;

const of = (stats, path) => path.split('.').reduce((value, name) => value?.[name], stats);
const number = (text) => Number(text.replaceAll(',', ''));

/** All legends, as text. */
const LEGENDS =
  "[...document.querySelectorAll('.legend li')].map((item) => item.textContent).join('; ')";

const path = program('chromium');
if (path !== null) {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-dashboard-'));
  process.env.REACTOR_RUNTIME_DIR = folder;
  await trials();
  rmSync(folder, { recursive: true, force: true });
}
finish();

/** Starts the server on these ports, or on any. */
async function start(port = 0, metrics = 0) {
  const child = fork(at('./dashboard-server.mjs'), [`${port}`, `${metrics}`]);
  const [{ url, metricsUrl }] = await once(child, 'message');
  // One question at a time: answers have no name.
  let last = Promise.resolve();
  const stats = () => {
    last = last.then(async () => {
      const answer = once(child, 'message');
      child.send('stats');
      return (await answer)[0].stats;
    });
    return last;
  };
  const end = async () => {
    child.kill();
    await once(child, 'exit');
  };
  return { url, metricsUrl, stats, end };
}

function bench(url, rate, seconds) {
  const args = ['bench', '-R', `${rate}`, '-c', '2', '-d', `${seconds}s`, '--max-errors', '100%'];
  return once(spawn(process.execPath, [BIN, ...args, url], { stdio: 'ignore' }), 'exit');
}

async function trials() {
  let server = await start();
  const port = new URL(server.url).port;
  const metrics = new URL(server.metricsUrl).port;
  const web = spawn(process.execPath, [BIN, 'monitor', '--web', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface({ input: web.stdout }), 'line');
  const browser = await openChromium(path);
  console.log(`# ${(await browser.send('Browser.getVersion')).product}`);
  const pages = [
    await open(browser, 'the metrics listener', `http://127.0.0.1:${metrics}/`),
    await open(browser, 'monitor --web', JSON.parse(line).url),
  ];

  for (const page of pages) {
    await check(`${page.name}: the page says that the server is there`, async () => {
      await page.becomes("document.querySelector('.server strong').textContent", (text) =>
        text.endsWith(`:${port}`),
      );
      await page.becomes("document.querySelector('.top .state').className", (names) =>
        /live|ready/.test(names),
      );
    });
  }

  const loads = Promise.all([
    bench(`${server.url}static`, 400, 6),
    bench(`${server.url}slow`, 100, 6),
    bench(`${server.url}fail`, 20, 6),
    bench(`${server.url}missing`, 20, 6),
  ]);
  const underLoad = pages.map((page) =>
    check(
      `${page.name}: under load it shows what stats() says, a second late at most`,
      async () => {
        await page.becomes("document.querySelector('.legend b').textContent", (text) => text > '1');
        for (let round = 0; round < 2; round++) {
          const before = await server.stats();
          // The second of them was asked for after that.
          await page.answered(2);
          const shown = await page.shown();
          const after = await server.stats();
          for (const each of [
            'requests.total',
            'requests.success',
            'bytes.sent',
            'handlers.given',
          ]) {
            const [from, to, is] = [of(before, each), of(after, each), number(shown[each])];
            assert.ok(from <= is && is <= to, `${each}: ${from} <= ${is} <= ${to}`);
          }
        }
        assert.match(
          await page.evaluate(LEGENDS),
          /2xx[\d,.]+\/s.*5xx[\d,.]+\/s.*p50[\d.]+ (µs|ms).*p99[\d.]+ (µs|ms)/,
        );
        assert.ok((await page.colours(0)) > 8 && (await page.colours(1)) > 20);
      },
    ),
  );
  await Promise.all(underLoad);
  await loads;

  for (const page of pages) {
    await check(`${page.name}: at rest every counter is that of stats()`, async () => {
      let different = [];
      const deadline = Date.now() + DEADLINE;
      do {
        await page.answered(1);
        const [stats, shown] = [await server.stats(), await page.shown()];
        different = Object.entries(shown).filter(
          ([each, text]) => number(text) !== (of(stats, each) ?? Number.NaN) && text !== '–',
        );
        assert.ok(Object.keys(shown).length > 40);
      } while (different.length > 0 && Date.now() < deadline);
      assert.deepEqual(different, []);
    });
    await check(`${page.name}: at rest the routes are those of stats()`, async () => {
      const { routes } = await server.stats();
      const expected = routes.map(({ method, route, requests, clientError, serverError }) =>
        [method, route, requests, clientError, serverError].join(' '),
      );
      // Method, route, rate, requests, 4xx, 5xx.
      const rows = await page.evaluate(
        `[...document.querySelectorAll('[aria-sort]')][0].closest('table').innerText`,
      );
      const shown = rows
        .split('\n')
        .slice(1)
        .filter((row) => row.includes('\t'));
      assert.deepEqual(
        shown
          .map((row) => row.split('\t').map((cell) => cell.trim().replaceAll(',', '')))
          .map(([method, route, , ...rest]) => [method, route, ...rest.slice(0, 3)].join(' '))
          .sort(),
        expected.sort(),
      );
      assert.ok(shown.length >= 4);
    });
    await check(`${page.name}: no error in the console, no other origin asked`, () => {
      assert.deepEqual(page.errors, []);
      const origins = new Set([...page.asked].map((url) => new URL(url).origin));
      assert.deepEqual([...origins], [new URL(page.url).origin]);
    });
  }

  await server.end();
  for (const page of pages) {
    await check(`${page.name}: after the end of the server its values are marked as old`, () =>
      page.becomes("document.querySelector('.top .state.stale') !== null", (is) => is),
    );
  }
  server = await start(port, metrics);
  for (const page of pages) {
    await check(`${page.name}: it goes on after a restart, and marks it`, async () => {
      await page.becomes("document.querySelector('.top .state').className", (names) =>
        /live|ready/.test(names),
      );
      await page.becomes(MARKED, (is) => is);
      const total = (await server.stats()).requests.total;
      assert.equal(number((await page.shown())['requests.total']), total);
    });
    await check(`${page.name}: it fits a phone, by day and by night`, async () => {
      for (const value of ['light', 'dark']) {
        const features = [{ name: 'prefers-color-scheme', value }];
        await page.send('Emulation.setEmulatedMedia', { features });
        await page.send('Emulation.setDeviceMetricsOverride', {
          ...{ width: 390, height: 800, deviceScaleFactor: 2, mobile: true },
        });
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390);
      }
    });
    // The last one, since each refusal is an error in the console.
    await check(
      `${page.name}: its policy lets nothing else run, and nobody else be asked`,
      async () => {
        assert.equal(
          await page.evaluate(`(async () => {
          const script = document.createElement('script');
          script.textContent = 'window.ran = true';
          document.head.append(script);
          const style = document.createElement('style');
          style.textContent = 'body { display: none }';
          document.head.append(style);
          const asked = await fetch('http://127.0.0.1:9/').then(() => true, () => false);
          const image = new Image();
          image.src = 'http://127.0.0.1:9/';
          const display = getComputedStyle(document.body).display;
          return [window.ran, display, asked].join();
        })()`),
          ',block,false',
        );
        await page.becomes('window.violations', (count) => count >= 4);
      },
    );
  }
  await browser.close();
  web.kill();
  await server.end();
}

async function open(browser, name, url) {
  const { targetId } = await browser.send('Target.createTarget', {
    // A hidden page draws nothing.
    url: 'about:blank',
    newWindow: true,
  });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const send = (method, params) => browser.send(method, params, sessionId);
  const page = { name, url, send, errors: [], asked: new Set() };
  let answers = 0;
  browser.onSession(sessionId, (method, params) => {
    if (method === 'Log.entryAdded') {
      page.errors.push(params.entry.text);
    } else if (method === 'Runtime.exceptionThrown') {
      page.errors.push(params.exceptionDetails.text);
    } else if (method === 'Runtime.consoleAPICalled') {
      page.errors.push(params.args.map(({ value }) => value).join(' '));
    } else if (method === 'Network.requestWillBeSent') {
      if (!params.request.url.startsWith('data:')) {
        page.asked.add(params.request.url);
      }
    } else if (method === 'Network.loadingFinished') {
      answers++;
    }
  });
  page.evaluate = async (expression) => {
    const { result, exceptionDetails } = await send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    assert.equal(exceptionDetails, undefined);
    return result.value;
  };
  page.becomes = async (expression, fits) => {
    const deadline = Date.now() + DEADLINE;
    for (;;) {
      // The document may not be there yet.
      const value = await page.evaluate(expression).catch(() => undefined);
      if (value !== undefined && fits(value)) {
        return;
      }
      assert.ok(Date.now() < deadline, `${expression} is ${JSON.stringify(value)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  /** Once the page has had so many more answers. */
  page.answered = async (count) => {
    const [least, deadline] = [answers + count, Date.now() + DEADLINE];
    while (answers < least) {
      assert.ok(Date.now() < deadline, 'the page asks no more');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // The page reads it in a task of its own.
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 50))');
  };
  page.shown = () =>
    page.evaluate(
      `Object.fromEntries([...document.querySelectorAll('[data-of]')].map((one) => [one.dataset.of, one.textContent]))`,
    );
  /** How many colours a chart has. */
  page.colours = (index) =>
    page.evaluate(`(() => {
      const canvas = document.querySelectorAll('.row canvas')[${index}];
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    })()`);
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) {
    await send(`${domain}.enable`);
  }
  await send('Page.addScriptToEvaluateOnNewDocument', {
    source: `window.violations = 0;
      addEventListener('securitypolicyviolation', () => window.violations++, true);`,
  });
  await send('Page.navigate', { url });
  return page;
}
