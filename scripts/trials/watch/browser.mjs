// Chromium, headless, beside `reactor-rs serve --watch`: documents load again after a reload, show an
// error and go on after it, and pages with a Content-Security-Policy are left whole.
//
//   node scripts/trials/watch/browser.mjs

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openChromium } from '../chromium.mjs';
import { check, finish, program } from '../lib.mjs';

const BIN = fileURLToPath(new URL('../../../dist/cli/bin.js', import.meta.url));

/** How long anything may take, in milliseconds: only a hang reaches it. */
const DEADLINE = 30_000;

const path = program('chromium');
if (path !== null) {
  await trials();
}
finish();

/** A module whose pages say `what`, each with a policy by its path. */
function source(what) {
  return `
    const POLICIES = {
      '/self': "default-src 'self'",
      '/nonce': "script-src 'nonce-abc' 'strict-dynamic'; object-src 'none'",
      '/none': "default-src 'none'",
      '/hash': "script-src 'sha256-AAAA'; style-src 'none'",
      '/trusted': "script-src 'self'; require-trusted-types-for 'script'; style-src 'none'",
    };
    export default (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/api') return Response.json('${what}');
      const policy = POLICIES[pathname];
      return new Response('<!doctype html><title>${what}</title><h1>${what}</h1>', {
        headers: {
          'content-type': 'text/html',
          ...(policy === undefined ? {} : { 'content-security-policy': policy }),
        },
      });
    };
  `;
}

async function trials() {
  const folder = mkdtempSync(join(tmpdir(), 'reactor-watch-'));
  const write = (text, name = 'app.mjs') => writeFileSync(join(folder, name), text);
  write(source('one'));
  const args = ['serve', 'app.mjs', '--watch', '--json', '-H', '127.0.0.1', '-p', '0'];
  const server = spawn(process.execPath, [BIN, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const next = async (name) => {
    const { value } = await within(lines.next(), name);
    const event = JSON.parse(value);
    assert.equal(event.event, name);
    return event;
  };
  const { url, port } = await next('listening');
  const browser = await openChromium(path);
  console.log(`# ${(await browser.send('Browser.getVersion')).product}`);
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  const page = (method, params) => browser.send(method, params, sessionId);
  await page('Page.enable');
  await page('Runtime.enable');
  await page('Log.enable');
  const logged = [];
  browser.on('Log.entryAdded', ({ entry }) => logged.push(entry.text));
  const evaluate = async (expression) => {
    const { result } = await page('Runtime.evaluate', { expression, awaitPromise: true });
    return result.value;
  };
  /** Waits until the expression has this value in the page, which may be replaced meanwhile. */
  const becomes = async (expression, expected) => {
    const deadline = Date.now() + DEADLINE;
    for (;;) {
      const value = await evaluate(expression).catch(() => undefined);
      if (value === expected) {
        return;
      }
      if (Date.now() > deadline) {
        throw new Error(`${expression} is ${JSON.stringify(value)}, not ${expected}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const load = async (at) => {
    logged.length = 0;
    const loaded = browser.next('Page.loadEventFired');
    await page('Page.navigate', { url: `${url}${at}` });
    await within(loaded, at);
  };
  /** Once the document hears of reloads. */
  const hears = () =>
    becomes(
      "performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/watch.js'))",
      true,
    );

  await check('an open document loads again after a reload', async () => {
    await load('');
    await hears();
    await becomes('document.title', 'one');
    write(source('two'));
    await next('reloaded');
    await becomes('document.title', 'two');
    assert.deepEqual(
      logged.filter((text) => !text.includes('favicon')),
      [],
    );
  });

  await check('an error lies above an open document, which keeps its state', async () => {
    await hears();
    await evaluate('window.kept = 1');
    write('const = 1;');
    await next('failed');
    await becomes("document.querySelector('pre')?.textContent.includes('app.mjs:1:7')", true);
    assert.equal(await evaluate('window.kept'), 1);
    assert.equal(await evaluate("fetch('/api').then((answer) => answer.json())"), 'two');
    assert.equal(
      await evaluate("getComputedStyle(document.querySelector('pre')).position"),
      'fixed',
    );
  });

  await check(
    'a document that is opened meanwhile is the error, and goes on after it',
    async () => {
      await load('');
      assert.match(await evaluate('document.body.textContent'), /The module has an error/);
      assert.equal(await evaluate('document.title'), "SyntaxError: Unexpected token '='");
      assert.notEqual(
        await evaluate("getComputedStyle(document.querySelector('pre')).borderLeftWidth"),
        '0px',
      );
      await hears();
      write('const b = <script>alert(1)</script>;');
      await next('failed');
      await becomes('document.title.includes("Unexpected token \'<\'")', true);
      assert.equal(await evaluate("document.querySelectorAll('script').length"), 1);
      write(source('three'));
      await next('reloaded');
      await becomes('document.title', 'three');
      assert.deepEqual(
        logged.filter((text) => !/favicon|status of 500/.test(text)),
        [],
      );
    },
  );

  for (const at of ['self', 'nonce', 'trusted']) {
    await check(`a policy that allows the script: ${at}`, async () => {
      await load(at);
      await becomes("document.querySelector('h1').textContent", 'three');
      await hears();
      write('const = 1;');
      await next('failed');
      await becomes("getComputedStyle(document.querySelector('pre')).position", 'fixed');
      assert.deepEqual(
        logged.filter((text) => !text.includes('favicon')),
        [],
      );
      write(source('three'));
      await next('reloaded');
      await becomes("document.querySelector('pre') === null && document.title", 'three');
    });
  }

  for (const at of ['none', 'hash']) {
    await check(`a policy that forbids it leaves the page as it is: ${at}`, async () => {
      await load(at);
      assert.equal(await evaluate("document.querySelector('h1').textContent"), 'three');
      assert.equal(await evaluate("document.querySelectorAll('script').length"), 0);
      assert.deepEqual(
        logged.filter((text) => !text.includes('favicon')),
        [],
      );
    });
  }

  await check('the server stops at once, though a document hears of it', async () => {
    await load('');
    await hears();
    const began = Date.now();
    server.kill('SIGTERM');
    const [code] = await within(once(server, 'exit'), 'the end');
    assert.equal(code, 0);
    // The drain time is ten seconds.
    assert(Date.now() - began < 8000);
  });

  await check('a document loads again when the server is back', async () => {
    write(source('four'));
    const again = spawn(
      process.execPath,
      [BIN, 'serve', 'app.mjs', '--watch', '-q', '-H', '127.0.0.1', '-p', String(port)],
      { cwd: folder, stdio: 'inherit' },
    );
    await becomes('document.title', 'four');
    again.kill('SIGTERM');
    await within(once(again, 'exit'), 'the end');
  });

  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}

/** Rejects when it takes longer than only a hang does. */
function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited for ${what}`)), DEADLINE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
