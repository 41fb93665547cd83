// The bridge over a lane played in JavaScript: what it makes of handlers' answers.

import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextMacrotask, setTimeout as sleep } from 'node:timers/promises';
import { format, inspect } from 'node:util';
import test from 'ava';
import { GenuineResponse } from '../../dist/fetch/genuine.js';
import { ReactorResponse as Response } from '../../dist/fetch/response.js';
import { Bridge } from '../../dist/lane/bridge.js';
import { streamOf } from '../fetch/oracle.mjs';
import { FakeLane, WINDOW } from './fake-lane.mjs';

const TEXT = 1;
const CLOSE = 2;
const JSON_TEXT = 8;

/** A bridge on a fake lane with one handler, or one for each route. */
function connect(handle, options = {}) {
  const lane = new FakeLane();
  const handlers = Array.isArray(handle) ? handle : [handle];
  lane.errors = [];
  lane.bridge = new Bridge(lane, {
    find: (route) =>
      handlers[route] === undefined
        ? undefined
        : { handle: handlers[route], paramNames: options.paramNames ?? [] },
    onError: (error) => {
      lane.errors.push(error);
      return new Response(`failed: ${error.message}`, { status: 500 });
    },
    ...options,
  });
  return lane;
}

/** A promise and what settles it. */
function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}

/** Waits for a condition, however busy the machine is. */
async function until(condition) {
  for (const start = performance.now(); !condition(); ) {
    if (performance.now() - start > 10_000) {
      throw new Error(`waited ten seconds for ${condition}`);
    }
    await sleep(1);
  }
}

/** The reply to one GET of what a handler answers. */
async function answer(handle, method = 'GET') {
  const lane = connect(handle);
  const id = lane.ask(method, '/');
  const response = await lane.response(id);
  return { ...response, errors: lane.errors };
}

const ANSWERS = {
  'a text': [() => new Response('text'), { body: 'text', flags: TEXT }],
  'a text beyond ASCII': [() => new Response('é ā 😀'), { body: 'é ā 😀', flags: TEXT }],
  'a long text': [() => new Response('é'.repeat(500)), { body: 'é'.repeat(500), flags: TEXT }],
  'half a character': [() => new Response('a\ud800'), { body: 'a\ufffd', flags: TEXT }],
  'a text with a type': [
    () => new Response('text', { headers: { 'Content-Type': 'x/y' } }),
    { body: 'text', fields: [['content-type', 'x/y']] },
  ],
  'a text whose headers were looked at': [
    () => {
      const response = new Response('text');
      response.headers.set('a', 'é');
      return response;
    },
    {
      body: 'text',
      fields: [
        ['content-type', 'text/plain;charset=UTF-8'],
        ['a', 'é'],
      ],
    },
  ],
  'no text': [() => new Response(''), { body: '', flags: TEXT }],
  nothing: [() => new Response(), { body: '' }],
  bytes: [() => new Response(Buffer.from('bytes')), { body: 'bytes' }],
  json: [
    () => Response.json({ a: 1 }, { status: 201 }),
    { status: 201, body: '{"a":1}', flags: JSON_TEXT },
  ],
  'json whose headers were looked at': [
    () => {
      const response = Response.json({ a: 1 });
      response.headers.set('a', 'b');
      return response;
    },
    {
      body: '{"a":1}',
      fields: [
        ['content-type', 'application/json'],
        ['a', 'b'],
      ],
    },
  ],
  'json with fields': [
    () => Response.json({ a: 1 }, { headers: { a: 'b' } }),
    { body: '{"a":1}', flags: JSON_TEXT, fields: [['a', 'b']] },
  ],
  'json with a type': [
    () => Response.json({ a: 1 }, { headers: { 'content-type': 'x/y' } }),
    { body: '{"a":1}', fields: [['content-type', 'x/y']] },
  ],
  'a clone of json': [() => Response.json({ a: 1 }).clone(), { body: '{"a":1}', flags: JSON_TEXT }],
  'a status without body': [
    () => new Response(null, { status: 204, headers: { a: 'b' } }),
    { status: 204, body: '', fields: [['a', 'b']] },
  ],
  'a redirect': [
    () => Response.redirect('http://example.com/'),
    { status: 302, body: '', fields: [['location', 'http://example.com/']] },
  ],
  cookies: [
    () => {
      const response = new Response(null);
      response.headers.append('set-cookie', 'a=1');
      response.headers.append('set-cookie', 'b=2');
      return response;
    },
    {
      body: '',
      fields: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ],
    },
  ],
  'fields that are the engine’s': [
    () =>
      new Response('text', {
        headers: {
          'content-length': '99',
          'transfer-encoding': 'chunked',
          date: 'x',
          'keep-alive': 'x',
          connection: 'keep-alive',
          a: 'b',
        },
      }),
    { body: 'text', flags: TEXT, fields: [['a', 'b']] },
  ],
  'the wish to close': [
    () => new Response('text', { headers: { connection: 'x, Close' } }),
    { body: 'text', flags: TEXT | CLOSE },
  ],
  parameters: [
    () => new Response(new URLSearchParams({ a: 'b' })),
    { body: 'a=b', fields: [['content-type', 'application/x-www-form-urlencoded;charset=UTF-8']] },
  ],
  'a stream that is there at once': [() => new Response(streamOf('a', 'b')), { body: 'ab' }],
  'a stream of text and other bytes': [
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue('é ');
            controller.enqueue(new DataView(Uint8Array.of(64, 65, 66).buffer, 1));
            controller.enqueue(Uint8Array.of(67).buffer);
            controller.close();
          },
        }),
      ),
    { body: 'é ABC' },
  ],
  'an empty stream': [() => new Response(streamOf()), { body: '' }],
  'a promise': [async () => new Response('text'), { body: 'text', flags: TEXT }],
  'a slow promise': [
    async () => {
      await sleep(5);
      return new Response('text');
    },
    { body: 'text', flags: TEXT },
  ],
  'a thenable that is no promise': [
    // biome-ignore lint/suspicious/noThenProperty: that is the case
    () => ({ then: (resolve) => resolve(new Response('text')) }),
    { body: 'text', flags: TEXT },
  ],
  'a genuine response': [
    () => new GenuineResponse('text', { status: 201, headers: { a: 'b' } }),
    {
      status: 201,
      body: 'text',
      fields: [
        ['a', 'b'],
        ['content-type', 'text/plain;charset=UTF-8'],
      ],
    },
  ],
  'a genuine response of nothing': [
    () => new GenuineResponse(null, { status: 304 }),
    { status: 304, body: '' },
  ],
  'a genuine response with a stream': [
    () => new GenuineResponse(streamOf('a', 'b')),
    { body: 'ab' },
  ],
  'a response of another class, whose URL nobody says': [
    () => ({
      status: 200,
      headers: new Headers({ 'content-encoding': 'gzip', connection: 'x' }),
      body: streamOf('zipped'),
      bodyUsed: false,
      clone: () => {},
    }),
    { body: 'zipped', fields: [['content-encoding', 'gzip']] },
  ],
  'a body that was looked at': [
    () => {
      const response = new Response('text');
      void response.body;
      return response;
    },
    { body: 'text', flags: TEXT },
  ],
  'one half of a clone': [
    async () => {
      const response = new Response('text');
      await response.clone().text();
      return response;
    },
    { body: 'text', flags: TEXT },
  ],
};

for (const [name, [handle, wanted]] of Object.entries(ANSWERS)) {
  test(`answers ${name}`, async (t) => {
    const reply = await answer(handle);
    t.like(reply, { kind: 'response', status: 200, flags: 0, fields: [], ...wanted });
    t.deepEqual(reply.fields, wanted.fields ?? []);
    t.deepEqual(reply.errors, []);
  });
}

test('a form is sent as one', async (t) => {
  const form = new FormData();
  form.append('a', 'b');
  const { fields, body } = await answer(() => new Response(form));
  const boundary = /^multipart\/form-data; boundary=(.*)$/.exec(fields[0][1])[1];
  t.true(body.startsWith(`--${boundary}`));
  t.regex(body, /name="a"\r\n\r\nb\r\n/);
});

const FAILURES = {
  'throws an error': [
    () => {
      throw new Error('thrown');
    },
    /^failed: thrown$/,
  ],
  rejects: [async () => Promise.reject(new Error('rejected')), /^failed: rejected$/],
  'gives undefined': [() => {}, /must answer with a Response, got undefined/],
  'gives a promise of undefined': [async () => {}, /must answer with a Response, got undefined/],
  'gives a text': [() => 'text', /must answer with a Response, got "text"/],
  'gives an object': [() => ({ status: 200 }), /must answer with a Response, got { status: 200 }/],
  'gives null': [() => null, /must answer with a Response, got null/],
  'gives Response.error()': [() => Response.error(), /must not answer with Response\.error\(\)/],
  'gives a genuine error': [() => GenuineResponse.error(), /must not answer with Response\.error/],
  'gives what has been read': [
    async () => {
      const response = new Response('text');
      await response.text();
      return response;
    },
    /already been read/,
  ],
  'gives a genuine one that has been read': [
    async () => {
      const response = new GenuineResponse('text');
      await response.text();
      return response;
    },
    /already been read/,
  ],
  'gives what is being read': [
    () => {
      const response = new Response(streamOf('a'));
      response.body.getReader();
      return response;
    },
    /has a reader/,
  ],
  'sets a value with a line end': [
    () => new Response('x', { headers: { a: 'b\r\nc: d' } }),
    /header a has a value that cannot be sent/,
  ],
  'sets a value with a control character': [
    () => new Response('x', { headers: { a: 'b\u0001c' } }),
    /header a has a control character/,
  ],
  'sets a genuine value with a control character': [
    () => new GenuineResponse('x', { headers: { a: 'b\u007f' } }),
    /header a has a control character/,
  ],
  'sets such a value for a stream': [
    () => new Response(streamOf('x'), { headers: { a: 'b\u0001c' } }),
    /header a has a control character/,
  ],
  'sets a value that is too long': [
    () => new Response('x', { headers: { a: 'b'.repeat(65_536) } }),
    /header a is longer than 65535 bytes/,
  ],
  'sets a status that is none': [() => new Response('x', { status: 1000 }), /status must be 200/],
  'streams neither bytes nor text': [
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(5);
            controller.close();
          },
        }),
      ),
    /a chunk that is neither bytes nor text, got 5/,
  ],
  'streams nothing but an error': [
    () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.error(new Error('broken'));
          },
        }),
      ),
    /^failed: broken$/,
  ],
  'streams less than it said': [
    () => new Response(streamOf('abc'), { headers: { 'content-length': '4' } }),
    /not of the declared length: 3 of 4/,
  ],
  'streams more than it said': [
    () => new Response(streamOf('abc'), { headers: { 'content-length': '2' } }),
    /not of the declared length: 3 of 2/,
  ],
};

for (const [name, [handle, message]] of Object.entries(FAILURES)) {
  test(`the error handler answers when a handler ${name}`, async (t) => {
    const reply = await answer(handle);
    t.like(reply, { kind: 'response', status: 500, flags: TEXT, fields: [] });
    t.regex(reply.body, message);
    t.is(reply.errors.length, 1);
  });
}

test('the same response twice is an error the second time', async (t) => {
  const response = new Response('text');
  const lane = connect(() => response);
  t.is((await lane.response(lane.ask('GET', '/'))).body, 'text');
  t.regex((await lane.response(lane.ask('GET', '/'))).body, /already been read/);
});

/** Runs with stderr caught; gives what was printed. */
async function printed(run) {
  const { error } = console;
  const { write } = process.stderr;
  const lines = [];
  console.error = (...args) => lines.push(format(...args));
  process.stderr.write = (text) => lines.push(text);
  try {
    await run();
  } finally {
    console.error = error;
    process.stderr.write = write;
  }
  return lines;
}

test.serial('without an error handler, errors are printed and answered with 500', async (t) => {
  const lane = connect(
    () => {
      throw new Error('secret');
    },
    { onError: undefined },
  );
  const lines = await printed(async () => {
    const reply = await lane.response(lane.ask('GET', '/x'));
    t.like(reply, { status: 500, flags: TEXT, body: 'Internal Server Error', fields: [] });
  });
  t.is(lines.length, 1);
  t.regex(lines[0], /the handler failed for GET "http:\/\/localhost:8080\/x": Error: secret/);
});

test.serial('a URL is no format for what is printed', async (t) => {
  const lane = connect(
    () => {
      throw new Error('secret');
    },
    { onError: undefined },
  );
  const lines = await printed(() => lane.response(lane.ask('GET', '/%25o%s%d')));
  t.regex(lines[0], /GET "http:\/\/localhost:8080\/%25o%s%d": Error: secret/);
});

const throwing = (name, what = {}) =>
  Object.defineProperty(what, name, {
    get() {
      throw new Error(`the getter of ${String(name)}`);
    },
  });

const HOSTILE = {
  'an object whose `then` throws': () => throwing('then'),
  'a proxy that throws': () =>
    new Proxy(
      {},
      {
        get() {
          throw new Error('the trap');
        },
      },
    ),
  'a proxy around a promise': () => new Proxy(Promise.resolve(new Response()), {}),
  'a promise whose constructor throws': () => throwing('constructor', Promise.resolve()),
  'a promise of an object whose `then` throws': async () => throwing('then'),
  'a value whose inspection throws': () => throwing(inspect.custom),
  'a response whose status throws': () => throwing('status', new Response()),
};

for (const onError of [undefined, () => new Response('failed', { status: 500 })]) {
  for (const [name, handle] of Object.entries({
    ...Object.fromEntries(Object.entries(HOSTILE).map(([key, make]) => [`gives ${key}`, make])),
    'throws an error whose inspection throws': () => {
      throw throwing(inspect.custom, new Error('shy'));
    },
    'rejects with an error whose inspection throws': async () => {
      throw throwing(inspect.custom, new Error('shy'));
    },
  })) {
    const how = onError === undefined ? 'without' : 'with';
    test.serial(`${how} an error handler, a handler that ${name} is one 500`, async (t) => {
      const lane = connect([handle, () => new Response('fine')], { onError });
      await printed(async () => {
        const ids = [0, 1, 0, 1].map((route) => lane.ask('GET', '/', {}, { route }));
        const statuses = [];
        for (const id of ids) {
          statuses.push((await lane.response(id)).status);
        }
        t.deepEqual(statuses, [500, 200, 500, 200]);
      });
      t.deepEqual(lane.replies, []);
    });
  }
}

for (const [name, make] of Object.entries(HOSTILE)) {
  test.serial(`an error handler that gives ${name} is a 500 of its request`, async (t) => {
    const lane = connect(
      [
        () => {
          throw new Error('first');
        },
        () => new Response('fine'),
      ],
      { onError: make },
    );
    await printed(async () => {
      const ids = [lane.ask('GET', '/'), lane.ask('GET', '/', {}, { route: 1 })];
      t.like(await lane.response(ids[0]), { status: 500, body: 'Internal Server Error' });
      t.like(await lane.response(ids[1]), { status: 200, body: 'fine' });
    });
  });
}

test.serial('an error that cannot be shown is printed as such, once it is answered', async (t) => {
  const lane = connect(
    () => {
      throw throwing(inspect.custom, new Error('shy'));
    },
    { onError: undefined },
  );
  const lines = await printed(() => lane.response(lane.ask('GET', '/x')));
  t.deepEqual(lines, [
    'reactor-rs: the handler failed for GET "http://localhost:8080/x": an error that cannot be shown\n',
  ]);
});

for (const [name, onError] of Object.entries({
  throws: () => {
    throw new Error('second');
  },
  rejects: async () => {
    await sleep(1);
    throw new Error('second');
  },
  'gives nothing': () => {},
  'gives what cannot be sent': () => new Response('x', { headers: { a: '\u0001' } }),
})) {
  test.serial(`an error handler that ${name} is not called again`, async (t) => {
    let calls = 0;
    const lane = connect(
      () => {
        throw new Error('first');
      },
      {
        onError: (error, request) => {
          calls++;
          t.is(error.message, 'first');
          t.is(request.url, 'http://localhost:8080/x');
          return onError();
        },
      },
    );
    const lines = await printed(async () => {
      const reply = await lane.response(lane.ask('GET', '/x'));
      t.like(reply, { status: 500, flags: TEXT, body: 'Internal Server Error', fields: [] });
    });
    t.is(lines.length, 1);
    t.is(calls, 1);
  });
}

test('HEAD', async (t) => {
  // The engine leaves the body out, and knows its length from it.
  t.like(await answer(() => new Response('text'), 'HEAD'), { kind: 'response', body: 'text' });
  t.like(await answer(() => new Response(null, { headers: { 'content-length': '5' } }), 'HEAD'), {
    kind: 'head',
    length: 5,
    body: '',
    end: 'end',
  });
  t.like(await answer(() => new Response(new Blob(['blob'])), 'HEAD'), {
    kind: 'head',
    length: 4,
    body: '',
    end: 'end',
  });
  let cancelled = false;
  const stream = new ReadableStream({
    pull: () => {},
    cancel: () => {
      cancelled = true;
    },
  });
  t.like(await answer(() => new Response(stream), 'HEAD'), {
    kind: 'head',
    length: undefined,
    body: '',
    end: 'end',
  });
  t.true(cancelled);
});

test('routes have handlers by number, and one that is let go is a 503', async (t) => {
  const lane = connect([() => new Response('zero'), () => new Response('one')]);
  t.is((await lane.response(lane.ask('GET', '/', {}, { route: 1 }))).body, 'one');
  t.is((await lane.response(lane.ask('GET', '/'))).body, 'zero');
  t.like(await lane.response(lane.ask('GET', '/', {}, { route: 2 })), {
    status: 503,
    fields: [['retry-after', '1']],
  });
});

test('what does not fit the arrays takes the long way, whole', async (t) => {
  const bodies = {
    text: 'é'.repeat(300_000),
    bytes: Buffer.alloc(1_000_000, 'x'),
  };
  for (const body of Object.values(bodies)) {
    const reply = await answer(
      () => new Response(body, { headers: { a: 'b', connection: 'close' } }),
    );
    t.is(reply.kind, 'response');
    t.is(reply.body, body.toString());
    t.like(Object.fromEntries(reply.fields), { a: 'b' });
    t.is(reply.flags & CLOSE, CLOSE);
  }
});

test('many replies of one batch, small and large, all arrive', async (t) => {
  const lane = connect(
    (request) => new Response(`${new URL(request.url).pathname} ${'x'.repeat(5000)}`),
  );
  const ids = Array.from({ length: 300 }, (_, i) => lane.ask('GET', `/${i}`));
  for (const [i, id] of ids.entries()) {
    t.is((await lane.response(id)).body, `/${i} ${'x'.repeat(5000)}`);
  }
});

test('replies of handlers that wait together leave together', async (t) => {
  const gate = deferred();
  const lane = connect(async () => {
    await gate.promise;
    return new Response('x');
  });
  const ids = Array.from({ length: 50 }, () => lane.ask('GET', '/'));
  await until(() => lane.turns === 2);
  gate.resolve();
  for (const id of ids) {
    await lane.reply(id);
  }
  t.is(lane.turns, 3);
});

test('async handlers that have nothing to wait for are answered in the same turn', async (t) => {
  const lane = connect(async (request) => {
    await null;
    return new Response(await request.text());
  });
  const ids = Array.from({ length: 50 }, (_, i) => lane.ask('POST', '/', {}, { body: `${i}` }));
  for (const [i, id] of ids.entries()) {
    t.is((await lane.reply(id)).body.toString(), `${i}`);
  }
  t.is(lane.turns, 2);
});

test('timers get their turn between many requests', async (t) => {
  const lane = connect(() => new Response('x'));
  let most = 0;
  let since = 0;
  let isOn = true;
  const { turn } = lane;
  lane.turn = (...args) => {
    const count = turn.apply(lane, args);
    since += count;
    most = Math.max(most, since);
    return count;
  };
  const watch = () => {
    since = 0;
    if (isOn) {
      setImmediate(watch);
    }
  };
  watch();
  const ids = Array.from({ length: 5000 }, () => lane.ask('GET', '/'));
  for (const id of ids) {
    await lane.reply(id);
  }
  isOn = false;
  t.true(most < 2000, `${most} requests in one macrotask`);
});

test('a stream that goes on is sent as it comes', async (t) => {
  const step = [deferred(), deferred()];
  const lane = connect(
    () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(Buffer.from('first '));
            await step[0].promise;
            controller.enqueue(Buffer.from('second '));
            await step[1].promise;
            controller.close();
          },
        }),
        { status: 201, headers: { 'content-type': 'text/event-stream' } },
      ),
  );
  const id = lane.ask('GET', '/');
  const head = await lane.reply(id);
  t.like(head, {
    kind: 'head',
    status: 201,
    fields: [['content-type', 'text/event-stream']],
    length: undefined,
  });
  t.is(head.body.toString(), 'first ');
  step[0].resolve();
  const chunk = await lane.reply(id);
  t.is(chunk.kind, 'chunk');
  t.is(chunk.body.toString(), 'second ');
  step[1].resolve();
  t.is((await lane.reply(id)).kind, 'end');
});

test('the head of a stream without data yet is sent', async (t) => {
  const lane = connect(() => new Response(new ReadableStream()));
  const head = await lane.reply(lane.ask('GET', '/'));
  t.like(head, { kind: 'head', status: 200 });
  t.is(head.body.length, 0);
});

test('a stream of a declared length', async (t) => {
  const gate = deferred();
  const lane = connect(() => {
    const stream = new ReadableStream({
      async start(controller) {
        controller.enqueue(Buffer.from('ab'));
        await gate.promise;
        controller.enqueue(Buffer.from('c'));
        controller.close();
      },
    });
    return new Response(stream, { headers: { 'content-length': '3' } });
  });
  const id = lane.ask('GET', '/');
  t.like(await lane.reply(id), { kind: 'head', length: 3, fields: [] });
  gate.resolve();
  t.is((await lane.reply(id)).body.toString(), 'c');
  t.is((await lane.reply(id)).kind, 'end');
});

test('a small Blob is sent with its length', async (t) => {
  const lane = connect(() => new Response(new Blob(['blob'], { type: 'x/y' })));
  const reply = await lane.response(lane.ask('GET', '/'));
  t.is(reply.body, 'blob');
  t.deepEqual(reply.fields, [['content-type', 'x/y']]);
  // Node may have read it by the time that the head has to go, or not.
  t.true(reply.kind === 'response' || reply.length === 4);
});

test('a large Blob is sent with its length', async (t) => {
  const blob = new Blob([Buffer.alloc(1_000_000, 'x')]);
  const lane = connect(() => new Response(blob));
  const id = lane.ask('GET', '/');
  const response = await lane.response(id);
  t.like(response, { kind: 'head', length: 1_000_000, end: 'end' });
  t.is(response.body.length, 1_000_000);
});

test('a slow client slows the producer', async (t) => {
  let produced = 0;
  const piece = 50_000;
  const lane = connect(
    () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            if (produced >= 20 * piece) {
              controller.close();
              return;
            }
            produced += piece;
            controller.enqueue(new Uint8Array(piece));
          },
        }),
      ),
  );
  const id = lane.ask('GET', '/');
  let received = 0;
  const has = (length) => () => {
    for (const reply of lane.replies.splice(0)) {
      received += reply.body?.length ?? 0;
    }
    return received >= length;
  };
  await until(has(WINDOW));
  await sleep(20);
  t.true(has(WINDOW)());
  t.is(received, WINDOW);
  t.true(produced <= WINDOW + 3 * piece, `${produced} bytes were produced`);
  lane.ack(id, 100_000);
  await until(has(WINDOW + 100_000));
  t.is(received, WINDOW + 100_000);
  let acked = 100_000;
  while (received < 20 * piece) {
    lane.ack(id, received - acked);
    acked = received;
    await until(has(Math.min(received + 1, 20 * piece)));
  }
  t.is(received, 20 * piece);
});

test('one chunk larger than all arrays arrives whole', async (t) => {
  const bytes = Buffer.alloc(3_000_000);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = i % 251;
  }
  const lane = connect(() => new Response(streamOf(bytes)));
  const { body } = await lane.response(lane.ask('GET', '/'));
  t.is(body, bytes.toString());
});

test('many streams at once share the arrays', async (t) => {
  const piece = Buffer.alloc(100_000, 'y');
  const lane = connect(() => new Response(streamOf(piece, piece, piece)));
  const ids = Array.from({ length: 20 }, () => lane.ask('GET', '/'));
  for (const response of await Promise.all(ids.map((id) => lane.response(id)))) {
    t.is(response.body.length, 300_000);
    t.is(response.end, 'end');
  }
});

test('a stream that fails halfway breaks the response off and is reported', async (t) => {
  const gate = deferred();
  const lane = connect(
    () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(Buffer.from('part'));
            await gate.promise;
            controller.error(new Error('halfway'));
          },
        }),
      ),
  );
  const id = lane.ask('GET', '/');
  t.is((await lane.reply(id)).kind, 'head');
  gate.resolve();
  t.is((await lane.reply(id)).kind, 'abort');
  await nextMacrotask();
  t.deepEqual(
    lane.errors.map((error) => error.message),
    ['halfway'],
  );
  t.deepEqual(lane.replies, []);
});

test('when the client goes away the stream is cancelled and nothing more is sent', async (t) => {
  const cancelled = deferred();
  let produced = 0;
  const lane = connect(
    () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            await sleep(1);
            produced++;
            controller.enqueue(Buffer.from('x'));
          },
          cancel: cancelled.resolve,
        }),
      ),
  );
  const id = lane.ask('GET', '/');
  await lane.reply(id);
  lane.gone(id);
  t.is((await cancelled.promise).name, 'AbortError');
  await sleep(10);
  lane.replies.length = 0;
  const before = produced;
  await sleep(20);
  t.is(produced, before);
  t.deepEqual(lane.replies, []);
  t.deepEqual(lane.errors, []);
});

test('a stream whose head cannot be sent is cancelled', async (t) => {
  const cancelled = deferred();
  const lane = connect(
    () =>
      new Response(new ReadableStream({ cancel: cancelled.resolve }), {
        headers: { a: 'b\u0001c' },
      }),
  );
  t.is((await lane.response(lane.ask('GET', '/'))).status, 500);
  t.regex((await cancelled.promise).message, /header a has a control character/);
});

test('a producer that waits for room learns that the client is gone', async (t) => {
  const cancelled = deferred();
  const lane = connect(
    () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(200_000)),
          cancel: cancelled.resolve,
        }),
      ),
  );
  const id = lane.ask('GET', '/');
  await lane.reply(id);
  await until(() => lane.replies.length > 0);
  lane.gone(id);
  t.is((await cancelled.promise).name, 'AbortError');
});

test('when the lane is closed every open request is told, not in the context of who closes', async (t) => {
  const storage = new AsyncLocalStorage();
  const seen = [];
  const lane = connect(({ signal, url }) => {
    signal.addEventListener('abort', () => seen.push([url, storage.getStore()]));
    return url.endsWith('/answered') ? new Response() : new Promise(() => {});
  });
  const paths = ['/1', '/answered', '/2'];
  const ids = paths.map((path) => lane.ask('GET', path));
  await lane.reply(ids[1]);
  storage.run('who stops the server', () => lane.bridge.close());
  t.deepEqual(seen, [
    ['http://localhost:8080/1', undefined],
    ['http://localhost:8080/2', undefined],
  ]);
  lane.bridge.close();
  t.is(seen.length, 2);
  t.deepEqual(lane.replies, []);
});

for (const over of ['gone', 'timedOut']) {
  test(`the number of a request that is ${over} is another's later, and no reply is mixed up`, async (t) => {
    const gates = [deferred(), deferred()];
    let calls = 0;
    const lane = connect(async () => {
      const call = calls++;
      await gates[call].promise;
      return new Response(`answer ${call}`);
    });
    const first = lane.ask('GET', '/');
    await until(() => calls === 1);
    const { turns } = lane;
    lane[over](first);
    // The turn after the one that tells lets go of the number.
    await until(() => lane.turns === turns + 2);
    const second = lane.ask('GET', '/');
    t.is(second, first);
    await until(() => calls === 2);
    gates[0].resolve();
    await nextMacrotask();
    t.deepEqual(lane.replies, []);
    gates[1].resolve();
    t.is((await lane.reply(second)).body.toString(), 'answer 1');
    t.deepEqual(lane.replies, []);
  });
}

test('a handler that answers a client that is gone sends nothing', async (t) => {
  const gate = deferred();
  const cancelled = deferred();
  const answers = [
    () => new Response('late'),
    () => {
      throw new DOMException('x', 'AbortError');
    },
    () => new Response(new ReadableStream({ cancel: cancelled.resolve })),
  ];
  const lane = connect(
    answers.map((late) => async () => {
      await gate.promise;
      return late();
    }),
  );
  const ids = answers.map((_, route) => lane.ask('GET', '/', {}, { route }));
  await sleep(5);
  for (const id of ids) {
    lane.gone(id);
  }
  await sleep(5);
  gate.resolve();
  t.is((await cancelled.promise).name, 'AbortError');
  await sleep(5);
  t.deepEqual(lane.replies, []);
  t.deepEqual(lane.errors, []);
});

test('a client that hung up aborts the signal and is answered all the same', async (t) => {
  const lane = connect([
    async ({ signal }) => {
      await new Promise((resolve) => {
        signal.onabort = resolve;
      });
      return new Response('for a half-closed client');
    },
    async ({ signal }) => {
      await new Promise((_, reject) => {
        signal.onabort = () => reject(signal.reason);
      });
    },
  ]);
  for (const [route, wanted] of [
    { status: 200, body: 'for a half-closed client' },
    { status: 500, body: 'Internal Server Error' },
  ].entries()) {
    const id = lane.ask('GET', '/', {}, { route });
    lane.halfClosed(id);
    t.like(await lane.response(id), wanted);
  }
  t.deepEqual(lane.errors, []);
});

test('a handler that fails for a reason of its own after the client has gone is reported', async (t) => {
  const gate = deferred();
  const lane = connect(async () => {
    await gate.promise;
    throw new Error('its own');
  });
  const id = lane.ask('GET', '/');
  await sleep(5);
  lane.gone(id);
  await sleep(5);
  gate.resolve();
  await sleep(5);
  t.deepEqual(lane.replies, []);
  t.is(lane.errors[0].message, 'its own');
});

test('a body that streams is credited as it is read', async (t) => {
  const steps = [deferred(), deferred()];
  const lane = connect(async (request) => {
    const reader = request.body.getReader();
    await steps[0].promise;
    const { value } = await reader.read();
    await steps[1].promise;
    let length = value.length;
    for (;;) {
      const { done, value: next } = await reader.read();
      if (done) {
        return new Response(String(length));
      }
      length += next.length;
    }
  });
  const id = lane.ask('POST', '/', {}, { streams: true });
  lane.body(id, 'a'.repeat(1000));
  lane.body(id, 'b'.repeat(500));
  await sleep(5);
  t.deepEqual(lane.replies, [], 'nobody has read yet');
  steps[0].resolve();
  t.like(await lane.reply(id), { kind: 'pull', bytes: 1000 });
  await sleep(5);
  t.deepEqual(lane.replies, [], 'nobody has read more yet');
  steps[1].resolve();
  t.like(await lane.reply(id), { kind: 'pull', bytes: 500 });
  lane.body(id, 'c');
  t.like(await lane.reply(id), { kind: 'pull', bytes: 1 });
  lane.bodyEnd(id);
  t.is((await lane.reply(id)).body.toString(), '1501');
});

test('a body that streams and is read as a whole is credited as it comes', async (t) => {
  const lane = connect(async (request) => new Response(String((await request.bytes()).length)));
  const id = lane.ask('POST', '/', {}, { streams: true });
  for (let i = 0; i < 10; i++) {
    lane.body(id, 'x'.repeat(100_000));
    t.like(await lane.reply(id), { kind: 'pull', bytes: 100_000 });
  }
  lane.bodyEnd(id);
  t.is((await lane.reply(id)).body.toString(), '1000000');
});

for (const [name, read, ofText] of [
  ['arrayBuffer', (request) => request.arrayBuffer(), (text) => Buffer.from(text)],
  ['bytes', (request) => request.bytes(), (text) => Buffer.from(text)],
  ['text', (request) => request.text(), (text) => text],
  ['blob', async (request) => (await request.blob()).text(), (text) => text],
]) {
  test(`a body that is wanted whole, by ${name}(), comes in one piece`, async (t) => {
    const seen = [];
    const lane = connect(async (request) => {
      const body = await read(request);
      seen.push(body instanceof ArrayBuffer ? Buffer.from(new Uint8Array(body)) : body);
      if (body instanceof ArrayBuffer) {
        t.is(structuredClone(body, { transfer: [body] }).byteLength, seen[0].length);
        t.is(body.byteLength, 0, 'it is the memory of nothing else');
      }
      return new Response('done');
    });
    const rest = `\u00e9${'r'.repeat(100_000)}`;
    for (const before of [[], ['one '], ['one ', 'two ']]) {
      const id = lane.ask('POST', '/', {}, { streams: true });
      const wanted = lane.collects.length + 1;
      for (const piece of before) {
        lane.body(id, piece);
      }
      await until(() => lane.collects.length === wanted);
      t.is(lane.collects.at(-1), id);
      lane.rest(id, rest);
      const length = Buffer.byteLength(rest);
      await lane.reply((reply) => reply.kind === 'pull' && reply.bytes === length);
      lane.bodyEnd(id);
      await lane.reply((reply) => reply.id === id && reply.kind === 'response');
      t.deepEqual(Buffer.from(seen[0]), Buffer.from(ofText(before.join('') + rest)));
      seen.length = 0;
    }
  });
}

test('a body that the engine keeps is copied once, and not if nobody wants it', async (t) => {
  const body = 'b'.repeat(20_000);
  for (const [read, taken] of [
    [(request) => request.text(), 1],
    [(request) => request.bytes(), 1],
    [(request) => request.json().catch(() => {}), 1],
    [() => {}, 0],
  ]) {
    const lane = connect(async (request) => {
      await read(request);
      return new Response('done');
    });
    const id = lane.ask('POST', '/', {}, { body, apart: true });
    await lane.reply(id);
    t.is(lane.taken.length, taken);
  }
});

test('a body that the engine keeps is there when a large answer has overtaken it', async (t) => {
  const body = 'b'.repeat(20_000);
  const seen = deferred();
  const lane = connect((request, { waitUntil }) => {
    waitUntil(Promise.resolve().then(async () => seen.resolve(await request.text())));
    return new Response('x'.repeat(1_000_000));
  });
  const id = lane.ask('POST', '/', {}, { body, apart: true });
  t.is((await lane.reply(id)).body.length, 1_000_000);
  t.is(await seen.promise, body);
});

test('a body that is wanted whole goes on in pieces if the engine has no memory', async (t) => {
  const lane = connect(async (request) => new Response(await request.text()));
  const id = lane.ask('POST', '/', {}, { streams: true });
  await until(() => lane.collects.length === 1);
  lane.rest(id, 'a rest, ');
  lane.body(id, 'and more, ');
  await lane.reply((reply) => reply.kind === 'pull' && reply.bytes === 8);
  await lane.reply((reply) => reply.kind === 'pull' && reply.bytes === 10);
  lane.body(id, 'and the end');
  lane.bodyEnd(id);
  const { body } = await lane.reply((reply) => reply.id === id && reply.kind === 'response');
  t.is(body.toString(), 'a rest, and more, and the end');
  t.is(lane.collects.length, 1);
});

for (const [name, read] of [
  ['arrayBuffer', async (request) => Buffer.from(await request.arrayBuffer())],
  ['bytes', async (request) => Buffer.from(await request.bytes())],
  ['text', (request) => request.text()],
]) {
  test(`memory is lent to the engine for a body of known length, by ${name}()`, async (t) => {
    const seen = [];
    const lane = connect(async (request) => {
      seen.push(await read(request));
      return new Response('done');
    });
    const rest = 'r'.repeat(100_000);
    // The last comes in pieces again, because the engine has no more memory.
    for (const [before, after] of [
      ['', ''],
      ['one ', ''],
      ['one ', ' and more'],
    ]) {
      const declared = before.length + rest.length + after.length;
      const id = lane.ask('POST', '/', {}, { streams: true, declared });
      if (before !== '') {
        lane.body(id, before);
      }
      await until(() => lane.lent.has(id) && lane.collects.includes(id));
      t.is(lane.lent.get(id).length, declared);
      t.is(lane.lent.get(id).byteOffset, 0);
      t.is(lane.lent.get(id).buffer.byteLength, declared);
      lane.filled(id, before.length, rest);
      await lane.reply((reply) => reply.kind === 'pull' && reply.bytes >= rest.length);
      if (after !== '') {
        lane.body(id, after);
      }
      lane.bodyEnd(id);
      await lane.reply((reply) => reply.id === id && reply.kind === 'response');
      t.is(seen.pop().toString(), before + rest + after);
      lane.lent.clear();
      lane.collects.length = 0;
    }
  });
}

test('memory for a body that breaks off is shown to nobody', async (t) => {
  const seen = [];
  const lane = connect(async (request) => {
    seen.push(await request.bytes().catch((error) => error.name));
    return new Response('done');
  });
  for (const end of [
    (id) => lane.gone(id),
    (id) => lane.refused(id, 408),
    (id) => lane.timedOut(id),
  ]) {
    const id = lane.ask('POST', '/', {}, { streams: true, declared: 100_000 });
    await until(() => lane.lent.has(id));
    lane.filled(id, 0, 'half');
    end(id);
    await until(() => seen.length > 0);
    t.is(typeof seen.pop(), 'string');
    lane.lent.clear();
  }
});

test('no memory is lent beyond 128 MiB, for bodies that may never come', async (t) => {
  const seen = [];
  const lane = connect(async (request) => {
    seen.push((await request.bytes()).length);
    return new Response('done');
  });
  const declared = 60 * 1024 * 1024;
  const ask = async () => {
    const id = lane.ask('POST', '/', {}, { streams: true, declared });
    await until(() => lane.collects.includes(id));
    return id;
  };
  const ids = [await ask(), await ask(), await ask()];
  t.deepEqual(
    ids.map((id) => lane.lent.has(id)),
    [true, true, false],
  );
  // What is not lent comes as one piece.
  lane.rest(ids[2], 'all');
  lane.bodyEnd(ids[2]);
  await until(() => seen.length === 1);
  lane.gone(ids[0]);
  await lane.reply((reply) => reply.id === ids[2] && reply.kind === 'response');
  lane.collects.length = 0;
  t.true(lane.lent.has(await ask()));
  t.deepEqual(seen, [3]);
});

test('large pieces of a body are taken in their order, also of several in one turn', async (t) => {
  const pieces = [];
  const lane = connect(async (request) => {
    for await (const piece of request.body) {
      pieces.push(Buffer.from(piece).toString());
    }
    return new Response('done');
  });
  const sent = ['a', 'b', 'c', 'd'].map((letter, i) => letter.repeat(i === 1 ? 10 : 20_000 + i));
  const id = lane.ask('POST', '/', {}, { streams: true });
  for (const [i, piece] of sent.entries()) {
    i === 1 ? lane.body(id, piece) : lane.rest(id, piece);
  }
  lane.bodyEnd(id);
  await lane.reply((reply) => reply.id === id && reply.kind === 'response');
  t.deepEqual(pieces, sent);
  // Its number is another's now.
  const other = lane.ask('POST', '/', {}, { streams: true });
  pieces.length = 0;
  lane.rest(other, 'x'.repeat(20_000));
  lane.bodyEnd(other);
  await lane.reply((reply) => reply.id === other && reply.kind === 'response');
  t.deepEqual(pieces, ['x'.repeat(20_000)]);
});

test('a body that is read piece by piece is not collected', async (t) => {
  const lane = connect(async (request) => {
    let length = 0;
    for await (const piece of request.body) {
      length += piece.length;
    }
    return new Response(String(length));
  });
  const id = lane.ask('POST', '/', {}, { streams: true });
  lane.body(id, 'x'.repeat(1000));
  lane.bodyEnd(id);
  const { body } = await lane.reply((reply) => reply.id === id && reply.kind === 'response');
  t.is(body.toString(), '1000');
  t.deepEqual(lane.collects, []);
});

test('a body that has come whole before it is wanted is not collected', async (t) => {
  const lane = connect(async (request) => {
    await sleep(5);
    return new Response(await request.text());
  });
  const id = lane.ask('POST', '/', {}, { streams: true });
  lane.body(id, 'all');
  lane.bodyEnd(id);
  const { body } = await lane.reply((reply) => reply.id === id && reply.kind === 'response');
  t.is(body.toString(), 'all');
  t.deepEqual(lane.collects, []);
});

test('a rest that no memory can be had for rejects its reader', async (t) => {
  const lane = connect(async (request) => {
    try {
      await request.bytes();
    } catch (error) {
      return new Response(error.name);
    }
  });
  const id = lane.ask('POST', '/', {}, { streams: true });
  await until(() => lane.collects.length === 1);
  lane.push({ kind: 9, id, rest: { length: 0, high: 2 ** 31 } });
  const { body } = await lane.reply((reply) => reply.id === id && reply.kind === 'response');
  t.is(body.toString(), 'RangeError');
});

test('a body that is not wanted is read and thrown away', async (t) => {
  const gate = deferred();
  const lane = connect(async (request) => {
    await request.body.cancel();
    await gate.promise;
    return new Response('done');
  });
  const id = lane.ask('POST', '/', {}, { streams: true });
  lane.body(id, 'x'.repeat(100));
  t.like(await lane.reply(id), { kind: 'pull', bytes: 100 });
  lane.body(id, 'x'.repeat(200));
  t.like(await lane.reply(id), { kind: 'pull', bytes: 200 });
  gate.resolve();
  t.is((await lane.reply(id)).body.toString(), 'done');
});

test('an echo streams both ways', async (t) => {
  const lane = connect((request) => new Response(request.body));
  const id = lane.ask('POST', '/', {}, { streams: true });
  await sleep(5);
  lane.body(id, 'one ');
  await sleep(5);
  lane.body(id, 'two');
  lane.bodyEnd(id);
  lane.replies = lane.replies.filter((reply) => reply.kind !== 'pull');
  const response = await lane.response(id);
  t.is(response.body, 'one two');
});

test('a body that breaks off rejects its reader', async (t) => {
  const seen = [];
  const lane = connect(async (request) => {
    try {
      await (request.url.endsWith('/text')
        ? request.text()
        : request.body.pipeTo(new WritableStream()));
    } catch (error) {
      seen.push([error.name, request.signal.aborted]);
    }
    return new Response('late');
  });
  for (const target of ['/text', '/stream']) {
    const id = lane.ask('POST', target, {}, { streams: true });
    lane.body(id, 'part');
    await sleep(5);
    lane.gone(id);
    await sleep(5);
  }
  t.deepEqual(seen, [
    ['AbortError', true],
    ['AbortError', true],
  ]);
  t.deepEqual(
    lane.replies.filter((reply) => reply.kind !== 'pull'),
    [],
  );
});

for (const [status, code] of [
  [413, 'ERR_REACTOR_BODY_TOO_LARGE'],
  [408, 'ERR_REACTOR_BODY_TIMEOUT'],
  [400, 'ERR_REACTOR_BODY_INVALID'],
  [503, 'ERR_REACTOR_BODY_REFUSED'],
]) {
  test(`a body that is refused with ${status} says so to its reader, and the signal stays`, async (t) => {
    const seen = [];
    const readers = {
      '/text': (request) => request.text(),
      '/stream': (request) => request.body.pipeTo(new WritableStream()),
      '/iterated': async (request) => {
        for await (const _ of request.body) {
          // Until it fails.
        }
      },
      '/form': (request) => request.formData(),
    };
    const lane = connect(async (request) => {
      try {
        await readers[new URL(request.url).pathname](request);
      } catch (error) {
        seen.push([error.name, error.status, error.code, request.signal.aborted]);
        throw error;
      }
    });
    for (const target of Object.keys(readers)) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const id = lane.ask('POST', target, headers, { streams: true });
      lane.body(id, 'part');
      // It has taken the part, and waits for the next.
      await until(() => lane.replies.some((reply) => reply.kind === 'pull' && reply.id === id));
      lane.replies.length = 0;
      await sleep(1);
      lane.refused(id, status);
      await until(() => seen.length > 0, target);
      t.deepEqual(seen.splice(0), [['ReactorError', status, code, false]], target);
    }
    t.deepEqual(lane.errors, []);
    t.deepEqual(
      lane.replies.filter((reply) => reply.kind !== 'pull'),
      [],
    );
  });
}

test('a handler that does not wait for its body is told by the signal why it is refused', async (t) => {
  const seen = [];
  const lane = connect(
    (request) =>
      new Promise(() => {
        request.signal.addEventListener('abort', () => {
          seen.push(request.signal.reason);
          request.text().catch((error) => seen.push(error));
        });
      }),
  );
  const id = lane.ask('POST', '/', {}, { streams: true });
  lane.body(id, 'part');
  await sleep(5);
  lane.refused(id, 413);
  await until(() => seen.length === 2);
  t.is(seen[0].code, 'ERR_REACTOR_BODY_TOO_LARGE');
  t.is(seen[1], seen[0]);
});

test('a stream of a request whose rest is refused is cancelled with why', async (t) => {
  let reason = null;
  const lane = connect(
    () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(Buffer.from('first')),
          cancel: (given) => {
            reason = given;
          },
        }),
      ),
  );
  const id = lane.ask('POST', '/', {}, { streams: true });
  await lane.reply(id);
  lane.refused(id, 413);
  await until(() => reason !== null);
  t.is(reason.status, 413);
});

test('a body that is read after the answer is an error for its reader', async (t) => {
  const outcomes = [];
  const lane = connect((request) => {
    setTimeout(() => {
      request.text().then(
        () => outcomes.push('read'),
        (error) => outcomes.push(error.message),
      );
    }, 5);
    return new Response('early');
  });
  await lane.reply(lane.ask('POST', '/', {}, { body: 'x' }));
  const streaming = lane.ask('POST', '/', {}, { streams: true });
  await lane.reply(streaming);
  lane.body(streaming, 'too late');
  await until(() => outcomes.length === 2, 'both readers');
  t.deepEqual(outcomes, Array(2).fill('the request was answered before its body had been read'));
});

test('what a request sets in async storage stays with it', async (t) => {
  const storage = new AsyncLocalStorage();
  const lane = connect((request) => {
    const inherited = storage.getStore();
    const { pathname } = new URL(request.url);
    return storage.run(pathname, async () => {
      const text = await new Promise((resolve) => {
        const reader = request.body.getReader();
        reader.read().then(({ value }) => resolve(Buffer.from(value).toString()));
      });
      await sleep(1);
      return new Response(`${inherited} ${storage.getStore()} ${text}`);
    });
  });
  for (let round = 0; round < 3; round++) {
    const ids = ['/a', '/b'].map((target) => {
      const id = lane.ask('POST', target, {}, { streams: true });
      return id;
    });
    for (const id of ids) {
      lane.body(id, 'text');
      lane.bodyEnd(id);
    }
    for (const [i, id] of ids.entries()) {
      const { body } = await lane.reply((reply) => reply.id === id && reply.kind === 'response');
      t.is(body.toString(), `undefined ${['/a', '/b'][i]} text`);
    }
  }
});

/** Each way in which a program's code is called for a request after its handler has returned. */
const CALLED_LATER = {
  pull: (_, seen) =>
    new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(Buffer.from('x'.repeat(50_000)));
          seen();
        },
      }),
    ),
  'pull that waits': (_, seen) =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          await sleep(1);
          seen();
          controller.enqueue(Buffer.from('x'));
        },
      }),
    ),
  cancel: (_, seen) =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(Buffer.from('x')),
        cancel: seen,
      }),
    ),
  'cancel of a clone': (_, seen) => {
    const response = new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(Buffer.from('x')),
        cancel: seen,
      }),
    );
    void response.clone().body.cancel();
    return response;
  },
  'an async generator': (_, seen) =>
    new Response(
      (async function* () {
        for (;;) {
          seen();
          yield Buffer.from('x'.repeat(50_000));
        }
      })(),
    ),
  'an async iterator': (_, seen) =>
    new Response({
      [Symbol.asyncIterator]: () => ({
        async next() {
          seen();
          return { done: false, value: Buffer.from('x'.repeat(50_000)) };
        },
      }),
    }),
  'a listener of the signal': ({ signal }, seen) => {
    signal.addEventListener('abort', seen);
    return new Promise(() => {});
  },
  'onabort of a clone’s signal': (request, seen) => {
    request.clone().signal.onabort = seen;
    return new Promise(() => {});
  },
};

for (const [name, make] of Object.entries(CALLED_LATER)) {
  for (const isAsync of [false, true]) {
    test(`async storage in ${name}, of a handler that ${isAsync ? 'waits' : 'answers at once'}`, async (t) => {
      const storage = new AsyncLocalStorage();
      const seen = { '/a': [], '/b': [] };
      const lane = connect((request) => {
        const { pathname } = new URL(request.url);
        const see = () => seen[pathname].push(storage.getStore());
        return storage.run(pathname, () =>
          isAsync ? sleep(1).then(() => make(request, see)) : make(request, see),
        );
      });
      const ids = ['/a', '/b'].map((target) => lane.ask('GET', target));
      await sleep(20);
      for (const id of ids) {
        lane.ack(id, 100_000);
      }
      await sleep(20);
      for (const id of ids) {
        lane.gone(id);
      }
      await until(() => seen['/a'].length > 0 && seen['/b'].length > 0);
      for (const [target, stores] of Object.entries(seen)) {
        t.deepEqual([...new Set(stores)], [target]);
      }
    });
  }
}

test('what a handler enters in async storage is not seen by the next', async (t) => {
  const storage = new AsyncLocalStorage();
  const lane = connect(
    [
      ({ url }) => {
        const inherited = storage.getStore();
        storage.enterWith(url);
        return new Response(String(inherited));
      },
      async ({ url }) => {
        const inherited = storage.getStore();
        storage.enterWith(url);
        await null;
        if (url.endsWith('/fail')) {
          throw new Error('x');
        }
        const body = new ReadableStream({
          pull(controller) {
            controller.enqueue(Buffer.from(`${inherited} ${storage.getStore()}`));
            controller.close();
          },
        });
        return new Response(body);
      },
    ],
    { onError: () => new Response(`failed with ${storage.getStore()}`) },
  );
  const asked = [
    ['/a', 0, 'undefined'],
    ['/b', 0, 'undefined'],
    ['/c', 1, 'undefined http://localhost:8080/c'],
    ['/d', 0, 'undefined'],
    ['/fail', 1, 'failed with http://localhost:8080/fail'],
    ['/e', 1, 'undefined http://localhost:8080/e'],
  ];
  for (let round = 0; round < 2; round++) {
    const ids = asked.map(([target, route]) => lane.ask('GET', target, {}, { route }));
    for (const [i, id] of ids.entries()) {
      t.is((await lane.response(id)).body, asked[i][2]);
    }
  }
});
