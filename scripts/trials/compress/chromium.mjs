// Chromium, headless: Server-Sent Events over gzip and brotli arrive one by one, and an answer is
// read as it was.
//
//   node scripts/trials/compress/chromium.mjs

import assert from 'node:assert/strict';
import { serve } from 'reactor-rs';
import { openChromium } from '../chromium.mjs';
import { check, finish, program } from '../lib.mjs';

const EVENTS = 20;
const TEXT = 'All work and no play makes Jack a dull boy. '.repeat(500);

/** For each stream, what sends its next event. */
const streams = new Map();

function events(name) {
  const encoder = new TextEncoder();
  let sent = 0;
  const body = new ReadableStream({
    start(controller) {
      streams.set(name, () => {
        controller.enqueue(encoder.encode(`data: ${sent}\n\n`));
        sent += 1;
      });
      streams.get(name)();
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

/** A page that asks for an event only when it has got the one before: none can wait in a buffer. */
const PAGE = `<!doctype html><title>events</title><script>
window.follow = (name) => new Promise((resolve, reject) => {
  const got = [];
  const source = new EventSource('/events/' + name);
  source.onerror = () => reject(new Error('got ' + got.length));
  source.onmessage = ({ data }) => {
    got.push(data);
    if (got.length === ${EVENTS}) {
      source.close();
      resolve(got);
    } else {
      fetch('/next/' + name, { method: 'POST' });
    }
  };
});
</script>`;

async function trial(coding) {
  const server = await serve({
    port: 0,
    hostname: '127.0.0.1',
    ioThreads: 1,
    workerThreads: 1,
    compress: { codings: [coding] },
    fetch(request) {
      const [, what, name] = new URL(request.url).pathname.split('/');
      if (what === 'events') {
        return events(name);
      }
      if (what === 'next') {
        streams.get(name)();
        return new Response(null, { status: 204 });
      }
      return what === 'text'
        ? new Response(TEXT)
        : new Response(PAGE, { headers: { 'content-type': 'text/html' } });
    },
  });
  const browser = await openChromium(path);
  try {
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    const page = (method, params) => browser.send(method, params, sessionId);
    await page('Network.enable');
    await page('Page.enable');
    const codings = new Map();
    browser.on('Network.responseReceived', ({ response }) => {
      const names = Object.entries(response.headers).map(([name, value]) => [
        name.toLowerCase(),
        value,
      ]);
      codings.set(new URL(response.url).pathname, Object.fromEntries(names)['content-encoding']);
    });
    const loaded = browser.next('Page.loadEventFired');
    // Brotli is for secure origins: localhost is one.
    await page('Page.navigate', { url: `http://localhost:${server.port}/` });
    await loaded;
    const evaluate = async (expression) => {
      const { result, exceptionDetails } = await page('Runtime.evaluate', {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      assert.equal(exceptionDetails, undefined, exceptionDetails?.exception?.description);
      return result.value;
    };
    await check(
      `${EVENTS} events of ${coding}, each asked for when the last has come`,
      async () => {
        const got = await evaluate(`follow('a')`);
        assert.deepEqual(
          got,
          Array.from({ length: EVENTS }, (_, event) => String(event)),
        );
        assert.equal(codings.get('/events/a'), coding);
      },
    );
    await check(`a text in ${coding}`, async () => {
      assert.equal(await evaluate(`fetch('/text').then((answer) => answer.text())`), TEXT);
      assert.equal(codings.get('/text'), coding);
    });
  } finally {
    await browser.close();
    await server.stop({ force: true });
  }
}

const path = program('chromium');
if (path !== null) {
  await trial('gzip');
  await trial('br');
}
finish();
