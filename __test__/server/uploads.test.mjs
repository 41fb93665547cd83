// Uploads that handlers want whole, over real sockets: however they are cut, and whatever becomes
// of their clients.

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { start } from '../support/server.mjs';
import { open } from '../support/wire.mjs';

const MIB = 1024 * 1024;

const digest = (bytes) => createHash('sha1').update(bytes).digest('hex');

/** Text that is its own UTF-8, and differs everywhere. */
function text(length) {
  let made = '';
  for (let i = 0; made.length < length; i++) {
    made += `${i} `;
  }
  return made.slice(0, length);
}

const readers = {
  arrayBuffer: async (request) => new Uint8Array(await request.arrayBuffer()),
  bytes: (request) => request.bytes(),
  text: async (request) => Buffer.from(await request.text()),
  blob: async (request) => (await request.blob()).bytes(),
  json: async (request) => Buffer.from((await request.json()).text),
  // Not whole, so as before.
  stream: async (request) => {
    const pieces = [];
    for await (const piece of request.body) {
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  },
};

async function handle(request) {
  const { pathname } = new URL(request.url);
  const bytes = await readers[pathname.slice(1)](request);
  return new Response(`${bytes.length} ${digest(bytes)}`);
}

const LIMITS = { limits: { body: 64 * MIB } };

function upload(path, body, extra = '') {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${extra}\r\n`;
}

function chunks(body, size) {
  let made = '';
  for (let at = 0; at < body.length; at += size) {
    const piece = body.slice(at, at + size);
    made += `${piece.length.toString(16)}\r\n${piece}\r\n`;
  }
  return `${made}0\r\n\r\n`;
}

const CHUNKED = 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Waits until the client has got this often. */
function gets(client, what, count = 1) {
  return client.reads(new RegExp(`(${what}[^]*){${count}}`));
}

for (const name of Object.keys(readers)) {
  test(`${name}() gets all of an upload of any size`, async (t) => {
    const server = await start(t, { fetch: handle, ...LIMITS });
    for (const size of [1, 16_383, 65_536, 65_537, 200_000, MIB, 9 * MIB]) {
      const body = name === 'json' ? JSON.stringify({ text: text(size) }) : text(size);
      for (const isChunked of [false, true]) {
        const sent = isChunked ? new Blob([body]).stream() : body;
        const response = await fetch(new URL(`/${name}`, server.url), {
          method: 'POST',
          body: sent,
          ...(isChunked ? { duplex: 'half' } : {}),
        });
        t.is(await response.text(), `${size} ${digest(text(size))}`, `${size} ${isChunked}`);
      }
    }
  });
}

test('an upload may be cut anywhere', async (t) => {
  const server = await start(t, { fetch: handle, ...LIMITS });
  const body = text(150_000);
  const answer = `${body.length} ${digest(body)}`;
  const whole = upload('/arrayBuffer', body) + body;
  const chunked = `POST /arrayBuffer HTTP/1.1\r\n${CHUNKED}${chunks(body, 20_000)}`;
  const head = whole.length - body.length;
  const client = await open(t, server);
  let count = 0;
  for (const input of [whole, chunked]) {
    for (const cuts of [[1], [head - 1], [head], [head + 1], [head, head + 1, 70_000, 149_999]]) {
      let from = 0;
      for (const at of [...cuts, input.length]) {
        client.send(input.slice(from, at));
        from = at;
        await sleep(2);
      }
      count++;
      await gets(client, answer, count);
    }
  }
  t.pass();
});

test('uploads of one connection that come together are answered in their order', async (t) => {
  const server = await start(t, { fetch: handle, ...LIMITS });
  const client = await open(t, server);
  const bodies = [70_000, 3, 300_000, 65_536, 0, 2 * MIB].map(text);
  const names = ['bytes', 'text', 'arrayBuffer', 'stream', 'text', 'blob'];
  client.send(bodies.map((body, i) => upload(`/${names[i]}`, body) + body).join(''));
  await gets(client, bodies.map((body) => `${body.length} ${digest(body)}`).join('[^]*'));
  t.pass();
});

test('a handler may answer before the upload that it wants whole has come', async (t) => {
  const server = await start(t, {
    fetch(request) {
      request.bytes().catch(() => {});
      return new Response('early');
    },
    ...LIMITS,
  });
  for (let i = 0; i < 5; i++) {
    const client = await open(t, server);
    client.send(upload('/', { length: 9 * MIB }) + text(100_000));
    await client.reads(/early/);
    client.leave();
  }
  t.is(await (await fetch(server.url, { method: 'POST', body: 'x' })).text(), 'early');
});

/** Memory for a body that comes with its head; that is refused if uploads have left too little. */
const SCARCE = { bodyMemory: 100_000 };

test('a client that leaves amid its upload gives its memory back, and its reader is told', async (t) => {
  const seen = [];
  const server = await start(t, {
    async fetch(request) {
      try {
        return new Response(`${(await request.bytes()).length}`);
      } catch (error) {
        seen.push(error.name);
        throw error;
      }
    },
    ...SCARCE,
  });
  for (let i = 0; i < 10; i++) {
    const client = await open(t, server);
    client.send(upload('/', { length: 200_000 }) + text(90_000));
    await sleep(5);
    i % 2 === 0 ? client.leave() : client.reset();
  }
  for (let waited = 0; seen.length < 10 && waited < 10_000; waited += 5) {
    await sleep(5);
  }
  t.deepEqual(seen, Array(10).fill('AbortError'));
  const response = await fetch(server.url, { method: 'POST', body: text(60_000) });
  t.is(await response.text(), '60000');
});

test('uploads that are wanted whole need no memory of the engine to be served', async (t) => {
  const server = await start(t, { fetch: handle, ...SCARCE, ...LIMITS });
  const bodies = [90_000, MIB, 9 * MIB, MIB].map(text);
  await Promise.all(
    bodies.map(async (body) => {
      const response = await fetch(new URL('/bytes', server.url), { method: 'POST', body });
      t.is(await response.text(), `${body.length} ${digest(body)}`);
    }),
  );
  const response = await fetch(new URL('/bytes', server.url), {
    method: 'POST',
    body: text(60_000),
  });
  t.is(response.status, 200);
});

test('an upload over the limit is refused while it is collected', async (t) => {
  const codes = [];
  const server = await start(t, {
    async fetch(request) {
      await request.text().catch((error) => codes.push(error.code));
      return new Response('never');
    },
    limits: { body: 100_000 },
  });
  const client = await open(t, server);
  client.send(`POST / HTTP/1.1\r\n${CHUNKED}`);
  const body = chunks(text(150_000), 10_000);
  for (let at = 0; at < body.length; at += 20_000) {
    client.send(body.slice(at, at + 20_000));
    await sleep(1);
  }
  t.regex(await client.closes(), /^HTTP\/1.1 413 /);
  t.deepEqual(codes, ['ERR_REACTOR_BODY_TOO_LARGE']);
});

test('what arrayBuffer() gives of an upload is the memory of nothing else', async (t) => {
  const server = await start(t, {
    async fetch(request) {
      const buffer = await request.arrayBuffer();
      const { byteLength } = buffer;
      const moved = structuredClone(buffer, { transfer: [buffer] });
      return new Response(`${byteLength} ${buffer.byteLength} ${digest(new Uint8Array(moved))}`);
    },
    ...LIMITS,
  });
  for (const body of [70_000, 300_000, MIB].map(text)) {
    const response = await fetch(server.url, { method: 'POST', body });
    t.is(await response.text(), `${body.length} 0 ${digest(body)}`);
  }
});

test('a server may stop amid uploads that are wanted whole', async (t) => {
  const seen = [];
  for (const ioThreads of [1, 2]) {
    const server = await start(t, {
      async fetch(request) {
        await request.bytes().catch((error) => seen.push(error.name));
        return new Response('late');
      },
      ...LIMITS,
      ioThreads,
    });
    const clients = [];
    for (let i = 0; i < 4; i++) {
      const client = await open(t, server);
      client.send(upload('/', { length: 9 * MIB }) + text(1_000_000));
      clients.push(client);
    }
    while (server.stats().handlers.inFlight < 4) {
      await sleep(1);
    }
    await server.stop({ force: true });
    await Promise.all(clients.map((client) => client.closes()));
  }
  t.is(seen.length, 8);
});

test('text() of an upload decodes as the standard says', async (t) => {
  const server = await start(t, { fetch: async (request) => Response.json(await request.text()) });
  const filler = Buffer.from('\u00e9'.repeat(50_000));
  for (const [name, bytes, wanted] of [
    ['a mark', [0xef, 0xbb, 0xbf], ''],
    ['two marks', [0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf], '\ufeff'],
    ['no UTF-8', [0xff, 0x61], '\ufffda'],
  ]) {
    const body = Buffer.concat([Buffer.from(bytes), filler, Buffer.from([0xc3])]);
    const response = await fetch(server.url, { method: 'POST', body });
    t.is(await response.json(), `${wanted}${'\u00e9'.repeat(50_000)}\ufffd`, name);
  }
});

test('what arrayBuffer() gives can be transferred', async (t) => {
  const server = await start(t, {
    async fetch(request) {
      const buffer = await request.arrayBuffer();
      const moved = structuredClone(buffer, { transfer: [buffer] });
      return new Response(`${moved.byteLength} ${buffer.byteLength}`);
    },
  });
  for (const size of [10, 60_000, 100_000, MIB]) {
    const response = await fetch(server.url, { method: 'POST', body: text(size) });
    t.is(await response.text(), `${size} 0`);
  }
});
