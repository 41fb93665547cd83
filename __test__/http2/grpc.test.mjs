// examples/grpc/direct.mjs, by a client that frames its messages itself.

import http2 from 'node:http2';
import { deflateSync, gzipSync } from 'node:zlib';
import test from 'ava';
import { GrpcError, grpc } from '../../examples/grpc/direct.mjs';
import { start } from '../support/server.mjs';

const same = (bytes) => bytes;
const method = (path, more = {}) => ({
  ...{ path, requestDeserialize: same, responseSerialize: same },
  ...more,
});
const definition = {
  Say: method('/a.B/Say'),
  Sum: method('/a.B/Sum', { requestStream: true }),
  Chat: method('/a.B/Chat', { requestStream: true, responseStream: true }),
};
const methods = {
  say: (message) => message,
  async sum(messages) {
    const lengths = [];
    for await (const { length } of messages) lengths.push(length);
    return Buffer.from(lengths.join());
  },
  async *chat(messages) {
    for await (const message of messages) {
      if (message.length === 0) throw new GrpcError(9, 'ü');
      yield message;
    }
  },
};

function framed(message, flag = 0) {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A call whose bytes go out in pieces of so many. */
async function calls(t) {
  const server = await start(t, {
    limits: { body: 64 << 20 },
    fetch: grpc({ b: { definition, methods } }, { most: 16 << 20 }),
  });
  const session = http2.connect(server.url);
  t.teardown(() => session.destroy());
  return async (name, bytes, { fields = {}, cut = 16_384 } = {}) => {
    const stream = session.request({
      ...{ ':method': 'POST', ':path': `/a.B/${name}`, te: 'trailers' },
      ...{ 'content-type': 'application/grpc', ...fields },
    });
    let trailers;
    stream.on('trailers', (came) => {
      trailers = came;
    });
    for (let at = 0; at < bytes.length; at += cut) stream.write(bytes.subarray(at, at + cut));
    stream.end();
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    return { body: Buffer.concat(pieces), trailers };
  };
}

test.serial('a large message that comes in pieces is put together once', async (t) => {
  const call = await calls(t);
  const size = 8 << 20;
  const concat = Buffer.concat;
  let copied = 0;
  const all = concat([framed(Buffer.alloc(size)), framed(Buffer.alloc(3))]);
  let answer;
  try {
    // The client's own copies are of what it has sent, and of what came back.
    Buffer.concat = (list, length) => {
      const joined = concat(list, length);
      copied += joined.length;
      return joined;
    };
    answer = await call('Sum', all);
  } finally {
    Buffer.concat = concat;
  }
  t.is(answer.body.subarray(5).toString(), `${size},3`);
  t.is(answer.trailers['grpc-status'], '0');
  t.true(copied < 4 * size, `${copied} bytes were copied for ${size}`);
});

test.serial('messages come out as they went in, wherever they are cut', async (t) => {
  const call = await calls(t);
  const all = Buffer.concat([
    framed(Buffer.from('a')),
    framed(Buffer.from('bc'.repeat(50))),
    framed(gzipSync('zipped'), 1),
    framed(Buffer.from('d')),
  ]);
  const expected = Buffer.concat([
    framed(Buffer.from('a')),
    framed(Buffer.from('bc'.repeat(50))),
    framed(Buffer.from('zipped')),
    framed(Buffer.from('d')),
  ]);
  for (const cut of [1, 3, 5, 6, 7, 100, 1000]) {
    const { body, trailers } = await call('Chat', all, {
      cut,
      fields: { 'grpc-encoding': 'gzip' },
    });
    t.deepEqual(body, expected, `in pieces of ${cut}`);
    t.is(trailers['grpc-status'], '0');
  }
});

test.serial('what fails says why', async (t) => {
  const call = await calls(t);
  const deflated = framed(deflateSync('x'), 1);
  const large = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
  for (const [name, bytes, fields, status] of [
    ['Say', deflated, { 'grpc-encoding': 'deflate' }, '12'],
    ['Sum', deflated, { 'grpc-encoding': 'deflate' }, '12'],
    ['Say', framed(gzipSync('x'), 1), {}, '13'],
    ['Say', framed(Buffer.from('x'), 1), { 'grpc-encoding': 'gzip' }, '13'],
    ['Say', framed(Buffer.from('abc')).subarray(0, 6), {}, '13'],
    ['Sum', framed(Buffer.from('abc')).subarray(0, 6), {}, '13'],
    ['Say', large, {}, '8'],
    ['Sum', large, {}, '8'],
    ['Chat', framed(Buffer.alloc(0)), {}, '9'],
    ['Nothing', framed(Buffer.alloc(0)), {}, '12'],
  ]) {
    const { body, trailers } = await call(name, bytes, { fields });
    t.is(trailers['grpc-status'], status, `${name} ${JSON.stringify(fields)}`);
    t.is(body.length, 0);
    if ('grpc-encoding' in fields && status === '12') {
      t.is(trailers['grpc-accept-encoding'], 'identity,gzip');
    }
  }
});
