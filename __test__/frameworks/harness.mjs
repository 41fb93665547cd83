// A framework's application behind `serve`, beside the same application called
// in the process with Node's own classes.

import { createHash } from 'node:crypto';
import { serve } from 'reactor-rs';
import { request as send } from 'undici';
import { until } from '../support/command.mjs';

/** Node's own, whatever `serve` puts in its place. */
const clientFetch = globalThis.fetch;

/** Where the in-process calls pretend to be; the servers' own addresses are put back to it. */
const ORIGIN = 'http://app.test/';

/** What the connection adds, and what is the same by its length only. */
const NOT_COMPARED = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding'];

const LOCAL = { port: 0, hostname: '127.0.0.1', ioThreads: 1, workerThreads: 1 };

/** What a client sends without being asked, so that both sides get the same. */
const CLIENT_FIELDS = {
  'user-agent': 'test',
  'accept-language': '*',
  'accept-encoding': 'identity',
};

/**
 * What the application answers to each case when it is called as a function.
 * To be called before the first `serve`, while the global classes are Node's.
 *
 * @param cases `[path, init]` by name; `init` is a function where it holds a body
 */
export async function answersInProcess(fetchHandler, cases) {
  const answers = new Map();
  for (const [name, [path, init]] of Object.entries(cases)) {
    const { headers, ...rest } = initOf(init);
    const request = new Request(ORIGIN + path, {
      ...rest,
      headers: new Headers({ ...CLIENT_FIELDS, ...headers }),
    });
    await frame(request, rest.body);
    answers.set(name, await seen(await fetchHandler(request), request.method, ORIGIN));
  }
  return answers;
}

/** What the server answers to one case, as {@link answersInProcess} has it. */
export async function answerOf(server, [path, init]) {
  const { headers, ...rest } = initOf(init);
  const response = await clientFetch(server.url + path, {
    ...rest,
    redirect: 'manual',
    headers: { ...CLIENT_FIELDS, ...headers },
  });
  return seen(response, rest.method, server.url.href);
}

/** One server for a whole file and, as a test of its own, each case with it. */
export function compare(test, application, wanted, cases, prefix = '') {
  let server;
  test.before(async () => {
    server = await serve(application, LOCAL);
  });
  test.after.always(() => server?.stop({ force: true }));
  for (const [name, given] of Object.entries(cases)) {
    test(`as in the process: ${prefix}${name}`, async (t) => {
      t.deepEqual(await answerOf(server, given), wanted.get(name));
    });
  }
  return () => server;
}

/** The application behind a server that stops with the test. */
export async function serveApp(t, app, options = {}) {
  const server = await serve(app, { ...LOCAL, ...options });
  t.teardown(() => server.stop({ force: true }));
  return server;
}

/** Leaves a request that is never answered, which its handler must learn and note. */
export async function leave(t, url, noted) {
  const before = noted.aborted;
  const controller = new AbortController();
  const pending = send(url, { signal: controller.signal });
  await until(() => noted.entered === 1, 'the request');
  t.is(noted.aborted, before);
  controller.abort();
  await t.throwsAsync(pending, { any: true });
  await until(() => noted.aborted === before + 1, 'the signal');
}

export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes that compress badly and are the same each time. */
export function patternOf(length) {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** 5 MiB. */
export const LARGE = patternOf(5 * 1024 * 1024);

/** The init of a POST. What can be read only once is given as a function that makes it. */
export const post =
  (body, headers = {}) =>
  () => ({ method: 'POST', body: typeof body === 'function' ? body() : body, headers });

/** A form with these entries. */
export function formOf(...entries) {
  const form = new FormData();
  for (const entry of entries) {
    form.append(...entry);
  }
  return form;
}

/** What a form has, with files as plain values. */
export async function plain(value) {
  if (value instanceof File) {
    const bytes = Buffer.from(await value.arrayBuffer());
    return { name: value.name, type: value.type, size: value.size, sha256: sha256(bytes) };
  }
  if (Array.isArray(value)) {
    return Promise.all(value.map(plain));
  }
  if (typeof value === 'object') {
    const entries = await Promise.all(
      Object.entries(value).map(async ([key, each]) => [key, await plain(each)]),
    );
    return Object.fromEntries(entries);
  }
  return value;
}

/** Says how the body is framed, as its way through a connection would. */
async function frame(request, body) {
  if (body instanceof ReadableStream) {
    request.headers.set('transfer-encoding', 'chunked');
  } else if (body !== undefined || request.method === 'POST') {
    const { byteLength } = await request.clone().arrayBuffer();
    request.headers.set('content-length', byteLength);
  }
}

function initOf(init = {}) {
  const given = typeof init === 'function' ? init() : init;
  return given.body instanceof ReadableStream ? { ...given, duplex: 'half' } : given;
}

async function seen(response, method = 'GET', origin = ORIGIN) {
  const chunks = [];
  for await (const chunk of response.body ?? []) {
    // Elysia streams text too.
    chunks.push(Buffer.from(chunk));
  }
  const bytes = Buffer.concat(chunks);
  const here = (text) => text.replaceAll(origin, ORIGIN);
  const declared = response.headers.get('content-length');
  return {
    status: response.status,
    headers: [...response.headers]
      .filter(([name]) => !NOT_COMPARED.includes(name))
      .map(([name, value]) => [name, here(value)]),
    cookies: response.headers.getSetCookie(),
    // A call in the process may forget that HEAD has no body; a server must not.
    body: method === 'HEAD' ? '' : here(bytes.toString('latin1')),
    hasRightLength: declared === null || method === 'HEAD' || Number(declared) === bytes.length,
  };
}
