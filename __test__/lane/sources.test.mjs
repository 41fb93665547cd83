// Bodies that come in pieces from what is no stream of the standard: async iterables and streams of
// Node's. Each is read without a stream of the standard around it.

import { AsyncLocalStorage } from 'node:async_hooks';
import { Duplex, PassThrough, Readable } from 'node:stream';
import { setImmediate as nextMacrotask, setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { NodeReader } from '../../dist/fetch/node-reader.js';
import { ReactorResponse as Response } from '../../dist/fetch/response.js';
import { Bridge } from '../../dist/lane/bridge.js';
import { FakeLane, WINDOW } from './fake-lane.mjs';

/** A bridge on a fake lane with one handler. */
function connect(handle) {
  const lane = new FakeLane();
  lane.errors = [];
  lane.bridge = new Bridge(lane, {
    find: () => ({ handle, paramNames: [] }),
    onError(error) {
      lane.errors.push(error);
      return new Response(`failed: ${error.message}`, { status: 500 });
    },
  });
  return lane;
}

async function* pieces(...all) {
  yield* all;
}

/** A stream that calls `push` for each piece when it is asked. */
function reading(...all) {
  const left = [...all, null];
  return new Readable({
    read() {
      this.push(left.shift());
    },
  });
}

/** A stream that has all pieces before it is read. */
function pushed(...all) {
  const stream = new Readable({ read() {} });
  for (const piece of [...all, null]) {
    stream.push(piece);
  }
  return stream;
}

const TEN = Array.from({ length: 10 }, (_, i) => `chunk ${i} é😀\n`);

/** Bodies that are complete without waiting for the world. */
const AT_ONCE = {
  'an async generator of text': () => pieces(...TEN),
  'an async generator of bytes': () => pieces(...TEN.map((text) => Buffer.from(text))),
  'an async generator of both, with empty pieces': () =>
    pieces('', TEN[0], new Uint8Array(), ...TEN.slice(1).map((text) => Buffer.from(text)), ''),
  'other memory and arrays': () =>
    pieces(
      new DataView(new Uint8Array(Buffer.from(TEN[0])).buffer),
      [...Buffer.from(TEN[1])],
      new Uint8Array(Buffer.from(TEN.slice(2).join(''))).buffer,
    ),
  'a Readable of an array': () => Readable.from(TEN),
  'a Readable that is asked': () => reading(...TEN),
  'a Readable that is full': () => pushed(...TEN),
  'a Readable in object mode'() {
    const left = [...TEN, null];
    return new Readable({
      objectMode: true,
      read() {
        this.push(left.shift());
      },
    });
  },
  'a Readable that decodes': () =>
    reading(...TEN.map((text) => Buffer.from(text))).setEncoding('utf8'),
  'a PassThrough': () => pushed(...TEN).pipe(new PassThrough()),
};

for (const [name, make] of Object.entries(AT_ONCE)) {
  test(`${name} is sent as a whole`, async (t) => {
    const lane = connect(() => new Response(make()));
    const reply = await lane.response(lane.ask('GET', '/'));
    t.is(reply.body, TEN.join(''));
    t.is(reply.kind, 'response');
    t.deepEqual(lane.errors, []);
  });
}

test('pieces that come later are sent as they come, in one call for each turn', async (t) => {
  let go;
  const gate = new Promise((resolve) => {
    go = resolve;
  });
  const lane = connect(
    () =>
      new Response(
        (async function* () {
          yield 'first é';
          await gate;
          yield 'second ';
          yield '';
          yield Buffer.from('third ');
          yield '😀';
        })(),
      ),
  );
  const id = lane.ask('GET', '/');
  const head = await lane.reply(id);
  t.like(head, { kind: 'head', length: undefined });
  t.is(head.body.toString(), 'first é');
  const before = lane.turns;
  go();
  const { body, end } = await lane.response(id);
  t.is(body, 'second third 😀');
  t.is(end, 'end');
  t.is(lane.turns - before, 1);
});

test('large pieces go as fast as the client takes them', async (t) => {
  const text = 'é'.repeat(100_000);
  const all = [text, Buffer.from(text), 'x', text, text, text];
  let given = 0;
  for (const make of [(it) => it, (it) => Readable.from(it)]) {
    given = 0;
    const lane = connect(
      () =>
        new Response(
          make(
            (async function* () {
              for (const piece of all) {
                given++;
                yield piece;
              }
            })(),
          ),
        ),
    );
    const id = lane.ask('GET', '/');
    const head = await lane.reply((reply) => reply.id === id && reply.kind === 'head');
    const soFar = () => lane.replies.reduce((sum, { body }) => sum + body.length, head.body.length);
    while (soFar() < WINDOW) {
      await sleep(1);
    }
    t.true(given < all.length, 'the source waits');
    const sent = soFar();
    t.is(sent, WINDOW);
    const first = lane.replies.splice(0).map(({ body }) => body);
    lane.ack(id, sent);
    const parts = [];
    for (let reply = await lane.reply(id); reply.kind !== 'end'; reply = await lane.reply(id)) {
      parts.push(reply.body);
      lane.ack(id, reply.body.length);
    }
    t.is(Buffer.concat([head.body, ...first, ...parts]).toString(), all.join(''));
    t.is(given, all.length);
  }
});

test('a length that the program declares is kept', async (t) => {
  const withLength = (length) => ({ headers: { 'content-length': `${length}` } });
  const right = connect(() => new Response(pieces('é', 'b'), withLength(3)));
  t.is((await right.response(right.ask('GET', '/'))).body, 'éb');
  for (const length of [2, 4]) {
    const wrong = connect(() => new Response(pieces('é', 'b'), withLength(length)));
    t.like(await wrong.response(wrong.ask('GET', '/')), { status: 500 });
    t.regex(wrong.errors[0].message, /declared length/);
  }
});

test('a source that fails is an error before the head, and breaks off behind it', async (t) => {
  async function* failing(wait) {
    yield 'before';
    await wait();
    throw new Error('the source failed');
  }
  for (const make of [(it) => it, (it) => Readable.from(it)]) {
    const early = connect(() => new Response(make(failing(() => null))));
    t.like(await early.response(early.ask('GET', '/')), {
      status: 500,
      body: 'failed: the source failed',
    });
    const late = connect(() => new Response(make(failing(() => sleep(5)))));
    t.like(await late.response(late.ask('GET', '/')), { body: 'before', end: 'abort' });
    t.is(late.errors[0].message, 'the source failed');
  }
});

test('a piece that is nothing to send is an error, and ends the source', async (t) => {
  let isEnded = false;
  const lane = connect(
    () =>
      new Response(
        (async function* () {
          try {
            yield 'a';
            yield 5;
          } finally {
            isEnded = true;
          }
        })(),
      ),
  );
  t.is((await lane.response(lane.ask('GET', '/'))).status, 500);
  t.true(isEnded);
});

test('a source whose client has left is ended', async (t) => {
  const ended = [];
  let leave;
  const hasLeft = new Promise((resolve) => {
    leave = resolve;
  });
  const generator = async function* (name) {
    try {
      yield 'a';
      await hasLeft;
      yield 'b';
    } finally {
      ended.push(name);
    }
  };
  const lane = connect((request) => {
    request.signal.addEventListener('abort', leave);
    return new Response(generator('left'));
  });
  const id = lane.ask('GET', '/');
  await lane.reply(id);
  lane.gone(id);
  while (ended.length === 0) {
    await sleep(1);
  }
  t.deepEqual(ended, ['left']);
  t.deepEqual(lane.replies, []);
  const silent = new PassThrough();
  const other = connect(() => new Response(silent));
  const second = other.ask('GET', '/');
  await other.reply(second);
  other.gone(second);
  while (!silent.closed) {
    await sleep(1);
  }
  t.deepEqual(other.errors, []);
});

test('HEAD does not run a source, and gives it up', async (t) => {
  let hasRun = false;
  const stream = reading('a');
  const bodies = [
    (async function* () {
      hasRun = true;
      yield 'a';
    })(),
    stream,
  ];
  const lane = connect(() => new Response(bodies.shift()));
  for (let left = bodies.length; left > 0; left--) {
    t.like(await lane.response(lane.ask('HEAD', '/')), { kind: 'head', body: '', end: 'end' });
  }
  t.false(hasRun);
  t.true(stream.destroyed);
});

test('a source runs in the async context of the handler', async (t) => {
  const storage = new AsyncLocalStorage();
  const lane = connect((request) =>
    storage.run(request.url, () => {
      const seen = async function* () {
        yield `${storage.getStore()} `;
        await nextMacrotask();
        yield `${storage.getStore()}`;
      };
      return new Response(seen());
    }),
  );
  const ids = ['/a', '/b'].map((path) => [path, lane.ask('GET', path)]);
  for (const [path, id] of ids) {
    const url = `http://localhost:8080${path}`;
    t.is((await lane.response(id)).body, `${url} ${url}`);
  }
});

test('a response with a source is read as any other', async (t) => {
  t.is(await new Response(pieces('a', Buffer.from('b'))).text(), 'ab');
  t.is(await new Response(reading('a', 'b')).text(), 'ab');
  const response = new Response(pieces('a', 'b'));
  t.false(response.bodyUsed);
  const copy = response.clone();
  t.is(await copy.text(), 'ab');
  t.is(await response.text(), 'ab');
  t.true(response.bodyUsed);
  const streamed = new Response(pieces('a'));
  t.true(streamed.body instanceof ReadableStream);
  t.is(streamed.body, streamed.body);
  const lane = connect(() => streamed);
  t.is((await lane.response(lane.ask('GET', '/'))).body, 'a');
});

test('a response with a source counts as read once it is sent', async (t) => {
  const response = new Response(pieces('a'));
  const lane = connect(() => response);
  t.is((await lane.response(lane.ask('GET', '/'))).body, 'a');
  t.true(response.bodyUsed);
  await t.throwsAsync(response.text(), { instanceOf: TypeError });
  t.throws(() => response.clone(), { instanceOf: TypeError });
  t.true(Readable.isDisturbed(response.body));
  t.is((await lane.response(lane.ask('GET', '/'))).status, 500);
});

/** What reading gives: the pieces, the error, and what becomes of the stream. */
async function outcome(stream, read) {
  const got = [];
  let failure = null;
  try {
    await read(stream, (piece) => got.push(`${piece}`));
  } catch (error) {
    failure = `${error.code}: ${error.message}`;
  }
  await sleep(2);
  const { destroyed, closed } = stream;
  return { got: got.join(''), failure, destroyed, closed };
}

const STREAMS = {
  ends: () => reading('a', 'b'),
  'is empty': () => pushed(),
  'is destroyed at once': () => reading('a').destroy(),
  'is destroyed with an error': () => reading('a').destroy(new Error('why')),
  'is destroyed later'() {
    const stream = new Readable({ read() {} });
    stream.push('a');
    setTimeout(() => stream.destroy(), 2);
    return stream;
  },
  fails: () =>
    new Readable({
      read() {
        this.destroy(new Error('why'));
      },
    }),
  throws: () =>
    new Readable({
      read() {
        throw new Error('why');
      },
    }),
  'does not destroy itself': () =>
    new Readable({
      autoDestroy: false,
      read() {
        this.push(null);
      },
    }),
  'is half of a Duplex': () =>
    new Duplex({
      read() {
        this.push(null);
      },
      write(_chunk, _encoding, done) {
        done();
      },
    }),
  'is slow'() {
    let left = 3;
    return new Readable({
      read() {
        setTimeout(() => this.push(left-- > 0 ? 'x' : null), 1);
      },
    });
  },
  'gives objects': () => Readable.from(['a', 'b']),
  'gives a piece again': () => {
    const stream = new Readable({ read() {} });
    stream.push('b');
    stream.push(null);
    stream.unshift('a');
    return stream;
  },
};

for (const [name, make] of Object.entries(STREAMS)) {
  test(`a Node stream that ${name} is read as its iterator reads it`, async (t) => {
    const streams = [];
    const quiet = () => {
      const stream = make().on('error', () => {});
      streams.push(stream);
      return stream;
    };
    const byIterator = await outcome(quiet(), async (stream, take) => {
      for await (const piece of stream) {
        take(piece);
      }
    });
    const byReader = await outcome(quiet(), async (stream, take) => {
      const reader = new NodeReader(stream);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          return;
        }
        take(value);
      }
    });
    t.deepEqual(byReader, byIterator);
    // The iterator may leave its listener.
    t.is(streams[1].listenerCount('readable'), 0);
  });
}
