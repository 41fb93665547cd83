// `reactor-rs serve --watch`: what open documents of a browser hear, and how they come to listen. A
// trial does the same with Chromium.

import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import ava from 'ava';
import { BIN, launch, until } from '../support/command.mjs';
import { testWith } from '../support/programs.mjs';
import { project, watched, watching, write } from '../support/watch.mjs';

/** One after the other: each test is a process with threads that load modules. */
const test = ava.serial;

const says = (what) => `export default () => new Response(${JSON.stringify(what)});\n`;

const DOCUMENT = {
  accept: 'text/html',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
};

async function ask(url, headers = {}, method = 'GET') {
  const request = http.request(url, { method, headers, agent: false });
  request.end();
  const [answer] = await once(request, 'response');
  let body = '';
  for await (const piece of answer.setEncoding('utf8')) {
    body += piece;
  }
  return { status: answer.statusCode, headers: answer.headers, body };
}

/** A stream of events, and what came over it. */
async function listen(t, url) {
  const request = http.get(`${url}.reactor/watch`, { agent: false });
  t.teardown(() => request.destroy());
  request.on('error', () => {});
  const [answer] = await once(request, 'response');
  t.is(answer.headers['content-type'], 'text/event-stream');
  t.is(answer.headers['access-control-allow-origin'], undefined);
  let text = '';
  let hasEnded = false;
  answer.setEncoding('utf8').on('data', (piece) => {
    text += piece;
  });
  answer.on('end', () => {
    hasEnded = true;
  });
  const messages = () =>
    [...text.matchAll(/^data: (.*)\n\n/gm)].map(([, json]) => JSON.parse(json));
  await until(() => messages().length > 0, 'the first message');
  return { messages, hasEnded: () => hasEnded };
}

test('a document hears of an error, and that other threads have taken over', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  const server = await watched(t, folder);
  const first = await listen(t, server.url);
  const [{ id }] = first.messages();
  t.deepEqual(first.messages(), [{ id, error: '', text: '' }]);
  write(folder, { 'app.mjs': 'const = 1;' });
  await server.next('failed');
  await until(() => first.messages().length === 2, 'the error');
  const [, { error, text, id: same }] = first.messages();
  t.is(same, id);
  t.regex(error, /^[0-9a-f]{16}$/);
  t.regex(text, /^SyntaxError: .*app\.mjs:1:7.*> 1 \| const = 1;/s);
  const late = await listen(t, server.url);
  t.deepEqual(late.messages()[0], { id, error, text });
  write(folder, { 'app.mjs': says('two') });
  await server.next('reloaded');
  await until(() => first.hasEnded() && late.hasEnded(), 'the end');
  const [now] = (await listen(t, server.url)).messages();
  t.not(now.id, id);
  t.is(now.error, '');
});

test('a stop does not wait for documents that listen', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  const server = await watched(t, folder, ['app.mjs', '--drain-timeout', '60000']);
  const stream = await listen(t, server.url);
  server.kill('SIGTERM');
  t.deepEqual(await server.closed, { code: 0, signal: null });
  t.true(stream.hasEnded());
});

test('a script goes into whole pages, and into nothing else', async (t) => {
  const folder = project(t, {
    'app.mjs': `
      const html = { 'content-type': 'text/html; charset=utf-8' };
      const page = (more = {}, body = '<p>a</p>') => new Response(body, { headers: { ...html, ...more } });
      const pieces = () => new ReadableStream({
        start(controller) {
          for (const piece of ['<p>', 'a', '</p>']) controller.enqueue(new TextEncoder().encode(piece));
          controller.close();
        },
      });
      const cookies = () => {
        const response = page({ etag: '"a"', 'content-length': '8', 'x-own': 'kept' });
        response.headers.append('set-cookie', 'a=1');
        response.headers.append('set-cookie', 'b=2');
        return response;
      };
      const csp = (policy) => page({ 'content-security-policy': policy });
      export default {
        routes: {
          '/fixed': { body: '<p>a</p>', headers: html },
          '/text': () => page(),
          '/late': async () => page(),
          '/pieces': () => page({}, pieces()),
          '/cookies': cookies,
          '/status': () => new Response('<p>a</p>', { status: 404, headers: html }),
          '/json': () => Response.json({}),
          '/coded': () => page({ 'content-encoding': 'x-own' }),
          '/empty': () => new Response(null, { status: 204, headers: html }),
          '/nonce': () => csp("script-src 'nonce-n0nce'"),
          '/self': () => csp("default-src 'none'; script-src 'self'"),
          '/none': () => csp("default-src 'none'"),
          '/two': () => csp("script-src 'self', default-src 'none'"),
          '/styles': () => csp("style-src 'none'"),
        },
      };
    `,
  });
  const { url } = await watched(t, folder);
  const script =
    /^<p>a<\/p>\n<script src="\/\.reactor\/watch\.js" data-id="[-\d]+" data-error="" async( nonce="n0nce")?><\/script>\n$/;
  for (const path of ['text', 'late', 'pieces', 'cookies', 'status', 'nonce', 'self', 'styles']) {
    const { body, headers } = await ask(`${url}${path}`, DOCUMENT);
    t.regex(body, script, path);
    t.is(body.includes('nonce='), path === 'nonce');
    t.is(headers['cache-control'], 'no-store');
  }
  const { headers, body } = await ask(`${url}cookies`, DOCUMENT);
  t.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  t.is(headers['x-own'], 'kept');
  t.is(headers.etag, undefined);
  t.not(headers['content-length'], '8');
  t.regex(body, script);
  t.is((await ask(`${url}status`, DOCUMENT)).status, 404);
  for (const path of ['fixed', 'coded', 'none', 'two']) {
    t.is((await ask(`${url}${path}`, DOCUMENT)).body, '<p>a</p>', path);
  }
  t.is((await ask(`${url}json`, DOCUMENT)).body, '{}');
  t.is((await ask(`${url}empty`, DOCUMENT)).status, 204);
  for (const headers of [
    {},
    { accept: 'text/html', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
  ]) {
    const { body, headers: got } = await ask(`${url}cookies`, headers);
    t.is(body, '<p>a</p>');
    t.is(got.etag, '"a"');
  }
  t.is((await ask(`${url}text`, DOCUMENT, 'POST')).body, '<p>a</p>');
  const own = await ask(`${url}.reactor/watch.js`);
  t.is(own.headers['content-type'], 'text/javascript');
  t.regex(own.body, /EventSource/);
});

test('folders that the system does not watch: it says so once, and looks', async (t) => {
  const folder = project(t, {
    'app.mjs': "export { default } from './lib/a.mjs';",
    'lib/a.mjs': says('one'),
    'full.mjs': `
      import fs from 'node:fs';
      import { syncBuiltinESMExports } from 'node:module';
      fs.watch = () => {
        throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'), { code: 'ENOSPC' });
      };
      syncBuiltinESMExports();
    `,
  });
  const env = { NODE_OPTIONS: `--import=${join(folder, 'full.mjs')}` };
  const server = watching(t, folder, ['app.mjs'], { env });
  t.regex((await server.next('trouble')).message, /ENOSPC.*fs\.inotify\.max_user_watches/);
  const { url } = await server.next('listening');
  write(folder, { 'lib/a.mjs': says('two') });
  await server.next('reloaded');
  t.is((await ask(url)).body, 'two');
});

testWith('script', test)('keys on a terminal: r reloads, q quits', async (t) => {
  const folder = project(t, { 'app.mjs': says('one') });
  // script(1) gives the command a terminal.
  const command = `exec ${process.execPath} ${BIN} serve app.mjs --watch -H 127.0.0.1 -p 0`;
  const child = launch(['-qec', command, '/dev/null'], {
    file: 'script',
    cwd: folder,
    stdin: 'pipe',
  });
  t.teardown(() => child.process.kill('SIGKILL'));
  const said = (what) => until(() => what.test(child.stdout()), `${what} in ${child.stdout()}`);
  await said(/listening on/);
  await said(/r and Enter/);
  child.process.stdin.write('r\n');
  await said(/reloaded.* app\.mjs/);
  child.process.stdin.write('q\n');
  const [code] = await once(child.process, 'close');
  t.is(code, 0);
});
