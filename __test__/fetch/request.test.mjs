// The requests that handlers get, against Node's own made from the same parts.

import { Readable } from 'node:stream';
import { inspect } from 'node:util';
import test from 'ava';
import { GenuineRequest } from '../../dist/fetch/genuine.js';
import { ReactorRequest } from '../../dist/fetch/request.js';
import { ReactorResponse } from '../../dist/fetch/response.js';
import { Request } from '../../dist/index.js';
import { Bridge } from '../../dist/lane/bridge.js';
import { FakeLane } from '../lane/fake-lane.mjs';
import { outcome, seen } from './oracle.mjs';

/** A bridge on a fake lane with one handler. */
function connect(handle, paramNames = []) {
  const lane = new FakeLane();
  lane.bridge = new Bridge(lane, {
    find: () => ({ handle, paramNames }),
    onError: (error) => new ReactorResponse(`${error.stack}`, { status: 500 }),
  });
  return lane;
}

/**
 * What `program` gives for a request that came in: run at once, after the arrays
 * were used for other requests, for a body that the engine keeps, or for one that comes in pieces.
 */
async function received(program, [method, target, headers, body], when) {
  let result;
  const done = new ReactorResponse('done');
  const lane = connect(async (request) => {
    if (new URL(request.url).pathname === '/other') {
      return done;
    }
    if (when.endsWith('later')) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    result = await outcome(() => program(request));
    return new ReactorResponse('done');
  });
  const isStreamed = (when === 'streamed' || when === 'rest') && body !== undefined;
  const apart = when.startsWith('apart');
  const options = isStreamed ? { streams: true } : { body, apart };
  const id = lane.ask(method, target, headers, body === undefined ? {} : options);
  if (isStreamed) {
    const bytes = Buffer.from(body);
    if (when === 'rest' && bytes.length > 2) {
      lane.body(id, bytes.subarray(0, 2));
      lane.rest(id, bytes.subarray(2));
    } else {
      for (let i = 0; i < bytes.length; i += 3) {
        lane.body(id, bytes.subarray(i, i + 3));
      }
    }
    lane.bodyEnd(id);
  }
  if (when.endsWith('later')) {
    lane.ask('POST', '/other', { 'x-other': 'other' }, { body: 'other '.repeat(100) });
  }
  await lane.reply((reply) => reply.id === id && reply.kind === 'response');
  return result;
}

const WHENS = ['at once', 'later', 'apart', 'apart, later', 'streamed', 'rest'];

/** Method, target, headers, body. */
const REQUESTS = {
  'a GET': ['GET', '/'],
  'a GET with headers': ['GET', '/a?b=c', { 'X-One': '1', 'x-two': 'a, b', Accept: '*/*' }],
  'a GET with bytes in headers': ['GET', '/', { 'x-latin': 'é\xff' }],
  'a GET with an empty header': ['GET', '/', { 'x-empty': '' }],
  'a POST': ['POST', '/', { 'content-type': 'text/plain' }, 'some text'],
  'a POST of nothing': ['POST', '/', {}, ''],
  'a POST of JSON': ['POST', '/', { 'content-type': 'application/json' }, '{"a":[1,"é"]}'],
  'a POST with a byte order mark': ['POST', '/', {}, '\ufeff{"a":1}'],
  'a POST of bytes': ['POST', '/', {}, Buffer.from([0xff, 0xfe, 0, 0xc3])],
  'a POST of a form': [
    'POST',
    '/',
    { 'content-type': 'application/x-www-form-urlencoded' },
    'a=1&b=%C3%A9',
  ],
  'a POST of parts': [
    'POST',
    '/',
    { 'content-type': 'multipart/form-data; boundary=x' },
    '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
  ],
  'a PUT': ['PUT', '/x', {}, 'put'],
  'a PATCH': ['PATCH', '/x', {}, 'patch'],
  'a DELETE': ['DELETE', '/x'],
  'a DELETE with a body': ['DELETE', '/x', {}, 'delete'],
  'an OPTIONS': ['OPTIONS', '/x'],
  'another method': ['PROPFIND', '/x', {}, 'x'],
};

const PROGRAMS = {
  everything: async (request) => {
    const { method, url, headers, bodyUsed, destination, referrer, referrerPolicy } = request;
    const { mode, credentials, cache, redirect, integrity, keepalive, duplex } = request;
    const { isReloadNavigation, isHistoryNavigation, signal } = request;
    return [
      [method, url, [...headers], bodyUsed, destination, referrer, referrerPolicy],
      [mode, credentials, cache, redirect, integrity, keepalive, duplex],
      [isReloadNavigation, isHistoryNavigation, signal.aborted, signal instanceof AbortSignal],
      [Object.prototype.toString.call(request), Object.keys(request), JSON.stringify(request)],
      request.constructor.name,
      await seen(request),
    ];
  },
  'headers one by one': ({ headers }) => [
    headers.get('X-ONE'),
    headers.get('x-two'),
    headers.get('accept'),
    headers.get('x-latin'),
    headers.get('x-empty'),
    headers.get('missing'),
    headers.has('Accept'),
    headers.has('missing'),
    headers.getSetCookie(),
  ],
  'headers can be changed': ({ headers }) => {
    headers.set('X-One', 'changed');
    headers.append('new', 'x');
    headers.delete('accept');
    return [...headers];
  },
  text: (request) => request.text(),
  json: (request) => request.json(),
  bytes: (request) => request.bytes(),
  arrayBuffer: (request) => request.arrayBuffer(),
  blob: async (request) => {
    const blob = await request.blob();
    return [blob.type, await blob.text()];
  },
  formData: async (request) => [...(await request.formData())],
  'the stream': async (request) => {
    const chunks = [];
    for await (const chunk of request.body ?? []) {
      chunks.push(chunk);
    }
    return [Buffer.concat(chunks), request.bodyUsed, await outcome(() => request.text())];
  },
  'reading into a buffer': async (request) => {
    const reader = request.body.getReader({ mode: 'byob' });
    const chunks = [];
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(4));
      if (done) {
        return Buffer.concat(chunks);
      }
      chunks.push(value);
    }
  },
  'cancelling the stream': async (request) => {
    await request.body?.cancel();
    return [request.bodyUsed, await outcome(() => request.text())];
  },
  'a clone': async (request) => {
    const clone = request.clone();
    clone.headers.set('x-clone', '1');
    return [clone.signal === request.signal, await seen(clone), await seen(request)];
  },
  'a clone of what was read': async (request) => {
    await request.text();
    return outcome(() => request.clone().bodyUsed);
  },
  'the stream of what was read': async (request) => {
    await request.text();
    const { body } = request;
    return [
      body === null || [body.locked, Readable.isDisturbed(body)],
      request.body === body,
      request.bodyUsed,
      await outcome(() => request.text()),
    ];
  },
  'the body is the same each time': (request) => {
    const { body, headers, signal } = request;
    return [request.body === body, request.headers === headers, request.signal === signal];
  },
  'a request made of it': async (request) => {
    const other = new Request(request);
    return [
      request.bodyUsed,
      await seen(other),
      request.bodyUsed,
      await outcome(() => request.text()),
    ];
  },
  'a request made of it with another body': async (request) => {
    const other = new Request(request, { method: 'PUT', body: 'other', headers: { a: 'b' } });
    return [request.bodyUsed, await seen(other), await seen(request)];
  },
  'a request made of it with a URL': async (request) =>
    seen(new Request('http://example.com/x', request)),
  'what is being read cannot be read': async (request) => {
    request.body?.getReader();
    const wrong = ['text', 'json', 'arrayBuffer', 'blob', 'formData', 'clone'];
    return Promise.all([
      ...wrong.map((name) => outcome(async () => typeof (await request[name]()))),
      outcome(() => new Request(request).method),
    ]);
  },
  'a reader that lets go': async (request) => {
    request.body?.getReader().releaseLock();
    return [request.bodyUsed, await request.text()];
  },
  'reading twice at once': async (request) => {
    const first = request.text();
    const second = outcome(() => request.text());
    return [await first, await second, request.bodyUsed];
  },
  'both of two clones': async (request) => {
    const clone = request.clone();
    const another = clone.clone();
    const texts = await Promise.all([another.text(), request.text(), clone.text()]);
    return [texts, request.bodyUsed, clone.bodyUsed, another.bodyUsed];
  },
  'one of two clones is cancelled': async (request) => {
    const clone = request.clone();
    void request.body?.cancel();
    return [await clone.text(), request.bodyUsed, clone.bodyUsed];
  },
  'a clone has headers of its own': (request) => {
    const clone = request.clone();
    clone.headers.set('x-clone', '1');
    return [request.headers.has('x-clone'), clone.headers.get('x-clone')];
  },
  'both ends of a tee': async (request) => {
    if (request.body === null) {
      return null;
    }
    const [one, other] = request.body.tee();
    const texts = [await new Response(one).text(), await new Response(other).text()];
    return [texts, request.bodyUsed, await outcome(() => request.text())];
  },
  'the body in a response': async (request) => {
    const response = new Response(request.body, { headers: { a: 'b' } });
    return [await seen(response), request.bodyUsed, await outcome(() => request.text())];
  },
  'a form read twice': async (request) => {
    const first = await outcome(async () => [...(await request.formData())]);
    return [first, request.bodyUsed, await outcome(() => request.formData())];
  },
  'the headers of others': ({ headers }) => {
    const each = [];
    headers.forEach((value, name, all) => {
      each.push([name, value, all === headers]);
    });
    return [each, Object.entries(Object.fromEntries(headers)), [...new Headers(headers)]];
  },
  'a request made of it for GET': async (request) =>
    seen(new Request(request, { method: 'GET', headers: { a: 'b' } })),
  'a request made of it without body': async (request) =>
    seen(new Request(request, { body: null, method: 'POST' })),
  'a request made of it with null': async (request) => seen(new Request(request, null)),
  'a request made of it with a signal': async (request) => {
    const controller = new AbortController();
    const other = new Request(request, { signal: controller.signal });
    controller.abort(new Error('why'));
    return [other.signal.aborted, other.signal.reason.message, request.signal.aborted];
  },
  'a request made of its clone': async (request) => {
    const other = new Request(request.clone(), { headers: { a: 'b' } });
    return [await seen(other), request.bodyUsed, await request.text()];
  },
  'a request made of one that was made of it': async (request) =>
    seen(new Request(new Request(request), { method: 'PUT' })),
  'a request made of it with a bad method': async (request) => [
    await outcome(() => new Request(request, { method: 'a b' })),
    await outcome(() => new Request(request, { method: 'CONNECT' })),
    request.bodyUsed,
  ],
  'properties cannot be set': async (request) =>
    Promise.all(
      ['method', 'url', 'headers', 'body', 'signal', 'bodyUsed'].map((name) =>
        outcome(() => {
          request[name] = 'x';
        }),
      ),
    ),
  'properties of the program': (request) => {
    request.mine = 1;
    return [request.mine, Object.keys(request), 'mine' in request];
  },
  'a request made of what was read': async (request) => {
    await request.text();
    return outcome(() => new Request(request).bodyUsed);
  },
};

for (const [programName, program] of Object.entries(PROGRAMS)) {
  test(`${programName}, as Node's own request has it`, async (t) => {
    for (const [requestName, request] of Object.entries(REQUESTS)) {
      const [method, target, headers, body] = request;
      const sent = { host: 'localhost:8080', ...headers };
      if (body !== undefined) {
        sent['content-length'] = String(Buffer.byteLength(body));
      }
      const genuine = new GenuineRequest(`http://localhost:8080${target}`, {
        method,
        headers: sent,
        // Bytes, as for a text Node adds a type, and what came in had none.
        body: body === undefined ? undefined : Buffer.from(body),
      });
      const wanted = await outcome(() => program(genuine));
      for (const when of WHENS) {
        const got = await received(program, request, when);
        dropLength(got, when);
        t.deepEqual(
          got,
          when === 'streamed' ? dropLength(wanted, when) : wanted,
          `${requestName}, ${when}`,
        );
      }
    }
  });
}

/** A body that streams has no length. */
function dropLength(value, when) {
  if (when === 'streamed') {
    drop(value, ([name]) => name === 'content-length');
  }
  return value;
}

function drop(value, isUnwanted) {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) {
    return;
  }
  if (Array.isArray(value)) {
    const at = value.findIndex((item) => Array.isArray(item) && isUnwanted(item));
    if (at >= 0) {
      value.splice(at, 1);
    }
  }
  for (const item of Object.values(value)) {
    drop(item, isUnwanted);
  }
}

const TARGETS = [
  '/',
  '/a/b/c',
  '/a//b',
  '//a/b',
  '/a/./b',
  '/a/../b',
  '/..',
  '/../',
  '/.',
  '/./',
  '/.a',
  '/..a',
  '/a/..b/c',
  '/.well-known/x',
  '/a.b/c..d',
  '/%2e/a',
  '/a/%2E%2e/b',
  '/a/.%2e?x',
  '/a/%2e%',
  '/%2f%41',
  '/%zz',
  '/a?',
  '/a?b',
  '/a?b=c&d=e',
  '/a?../..',
  '/a?b?c',
  "/a'b?c'd",
  '/a"b',
  '/a<b>',
  '/a`b',
  '/a{b}|c^d\\e',
  '/a?b"c',
  '/a?{b}|c^d\\e`f',
  '/a?<b>',
  '/a;b=c,d:e@f!$&()*+~-_',
  '/a[b]',
  '/\\a',
];

test('a URL is written as the URL standard writes it', async (t) => {
  for (const host of ['localhost', 'LocalHost:80', 'example.com:8080', '[::1]:3000', '127.1']) {
    for (const target of TARGETS) {
      const wanted = new URL(`http://${host}${target}`).href;
      const headers = { host };
      const got = await received((request) => request.url, ['GET', target, headers], 'at once');
      t.deepEqual(got, { value: wanted }, `${host} ${target}`);
      t.true(URL.canParse(got.value));
    }
  }
});

test('the effective host and odd targets', async (t) => {
  const urls = {
    'GET http://Other.example/x?y HTTP/1.1\r\nHost: a\r\n\r\n': 'http://other.example/x?y',
    'GET http://other.example HTTP/1.1\r\nHost: a\r\n\r\n': 'http://other.example/',
    'GET http://other.example?q HTTP/1.1\r\nHost: a\r\n\r\n': 'http://other.example/?q',
    'GET http://other.example/a/../b HTTP/1.1\r\nHost: a\r\n\r\n': 'http://other.example/b',
    'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n': 'http://a/*',
    'GET /x HTTP/1.0\r\n\r\n': 'http://localhost/x',
    'GET /x HTTP/1.1\r\nHost: %zz\r\n\r\n': 'http://invalid/x',
  };
  for (const [head, url] of Object.entries(urls)) {
    let seenUrl;
    const lane = connect((request) => {
      seenUrl = request.url;
      return new ReactorResponse();
    });
    await lane.reply(lane.request(head));
    t.is(seenUrl, url);
  }
});

test('fields sent twice are joined, in any case, with blanks around', async (t) => {
  const head =
    'GET / HTTP/1.1\r\nHost: a\r\nX-A:  1 \t\r\nx-b:\r\nX-a:2\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n';
  for (const wait of [0, 5]) {
    let result;
    const lane = connect(async ({ url, headers }) => {
      if (url.endsWith('/other')) {
        return new ReactorResponse();
      }
      if (wait > 0) {
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
      result = [headers.get('x-a'), headers.get('x-b'), headers.get('cookie'), headers.has('X-B')];
      result.push([...headers]);
      return new ReactorResponse();
    });
    const id = lane.request(head);
    lane.ask('GET', '/other');
    await lane.reply(id);
    t.deepEqual(result, [
      '1, 2',
      '',
      'a=1; b=2',
      true,
      [
        ['cookie', 'a=1; b=2'],
        ['host', 'a'],
        ['x-a', '1, 2'],
        ['x-b', ''],
      ],
    ]);
  }
});

test('parameters are decoded, and wrong escapes left alone', async (t) => {
  const cases = [
    [['a%20b'], { id: 'a b' }],
    [['%C3%A9'], { id: 'é' }],
    [['%zz'], { id: '%zz' }],
    [['%ff'], { id: '\ufffd' }],
    [['a+b'], { id: 'a+b' }],
  ];
  for (const [params, wanted] of cases) {
    let request;
    let info;
    const lane = connect(
      (...args) => {
        if (request === undefined) {
          [request, info] = args;
        }
        return new ReactorResponse();
      },
      ['id'],
    );
    await lane.reply(lane.ask('GET', `/users/${params[0]}`, {}, { params }));
    await lane.reply(lane.ask('GET', '/other'));
    t.deepEqual(request.params, wanted);
    t.is(info.params, request.params);
    request.params = { set: 'by a router' };
    t.deepEqual(request.params, { set: 'by a router' });
    info.params = { set: 'by another' };
    t.deepEqual(info.params, { set: 'by another' });
    t.deepEqual(request.params, { set: 'by a router' });
  }
});

test('the peer of each request', async (t) => {
  const infos = [];
  const lane = connect((_request, info) => {
    infos.push(info);
    return new ReactorResponse();
  });
  const peers = ['192.168.0.255', '::1', '::1', '2001:db8::1234', '::ffff:1.2.3.4', undefined];
  const ids = peers.map((peer, i) => lane.ask('GET', '/', {}, { peer, port: peer && 1000 + i }));
  for (const id of ids) {
    await lane.reply(id);
  }
  t.deepEqual(
    infos.map((info) => [info.remoteAddress, info.remotePort]),
    peers.map((peer, i) => [peer, peer && 1000 + i]),
  );
});

test('requests that are kept stay what they were', async (t) => {
  const kept = [];
  const lane = connect((request) => {
    kept.push(request);
    return new ReactorResponse();
  });
  const count = 2000;
  const ids = [];
  for (let i = 0; i < count; i++) {
    ids.push(
      lane.ask('POST', `/path/${i}?q=${'x'.repeat(i % 300)}`, { 'X-N': `${i}` }, { body: `${i}` }),
    );
  }
  for (const id of ids) {
    await lane.reply(id);
  }
  for (const [i, request] of kept.entries()) {
    t.is(request.url, `http://localhost:8080/path/${i}?q=${'x'.repeat(i % 300)}`);
    t.is(request.headers.get('x-n'), `${i}`);
    t.is(request.method, 'POST');
  }
  await t.throwsAsync(kept[5].text(), { instanceOf: TypeError, message: /was answered before/ });
  const { body } = kept[6];
  t.is(kept[6].body, body);
  await t.throwsAsync(body.getReader().read(), { message: /was answered before/ });
});

test('the signal aborts when the client goes away, and only then', async (t) => {
  const aborted = [];
  let release;
  const released = new Promise((resolve) => {
    release = resolve;
  });
  const lane = connect(async (request) => {
    request.signal.addEventListener('abort', () => aborted.push(request.url));
    if (request.url.endsWith('/gone')) {
      await released;
      t.true(request.signal.aborted);
      t.is(request.signal.reason.name, 'AbortError');
      t.true(request.clone().signal.aborted);
    }
    return new ReactorResponse('x');
  });
  const fine = lane.ask('GET', '/fine');
  await lane.reply(fine);
  lane.gone(fine);
  const gone = lane.ask('GET', '/gone');
  await new Promise((resolve) => setTimeout(resolve, 5));
  lane.gone(gone);
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.deepEqual(aborted, ['http://localhost:8080/gone']);
  release();
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.deepEqual(lane.replies, []);
});

test('instances, members and how it is shown', async (t) => {
  let request;
  const lane = connect((given) => {
    request = given;
    return new ReactorResponse();
  });
  await lane.reply(lane.ask('GET', '/', { 'x-y': 'z' }));
  t.true(request instanceof GenuineRequest);
  t.true(request instanceof Request);
  t.true(new Request('http://a/') instanceof GenuineRequest);
  class Mine extends Request {}
  const mine = new Mine(request);
  t.true(mine instanceof Mine && mine instanceof GenuineRequest);
  t.is(mine.url, 'http://localhost:8080/');
  t.is(Request.name, 'Request');
  t.is(new request.constructor('http://a/x').url, 'http://a/x');
  for (const name of Object.getOwnPropertyNames(GenuineRequest.prototype)) {
    t.true(Object.hasOwn(ReactorRequest.prototype, name), name);
    const is = (object) => Object.getOwnPropertyDescriptor(object, name).enumerable;
    t.is(is(ReactorRequest.prototype), is(GenuineRequest.prototype), name);
  }
  t.regex(inspect(request), /^Request {.*method: 'GET'.*url: 'http:.*x-y/s);
});
