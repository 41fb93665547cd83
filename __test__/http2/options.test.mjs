// The options `http1`, `http2` and `limits.streams`: what a server then speaks, and to whom it says no.

import { once } from 'node:events';
import net from 'node:net';
import test from 'ava';
import { serve } from 'reactor-rs';
import { run, serve as serveCommand } from '../support/command.mjs';
import { start } from '../support/server.mjs';

const OPTION = 'ERR_REACTOR_INVALID_OPTION';
const UNKNOWN = 'ERR_REACTOR_UNKNOWN_OPTION';

/** What begins a connection of HTTP/2, with empty SETTINGS. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');

/** Everything that a server sends to these bytes. */
async function exchange(port, bytes) {
  const socket = net.connect(port, '127.0.0.1');
  const pieces = [];
  socket.on('data', (piece) => pieces.push(piece));
  socket.write(bytes);
  await once(socket, 'end');
  socket.destroy();
  return Buffer.concat(pieces).toString('latin1');
}

const fetch = (_request, { protocol }) => new Response(protocol);

test('every wrong value names the option, and what is allowed', async (t) => {
  for (const [options, code, message] of [
    [{ http2: 'yes' }, OPTION, 'option "http2" must be true or false, got "yes"'],
    [{ http1: 1 }, OPTION, 'option "http1" must be true or false, got 1'],
    [{ http1: false, http2: false }, OPTION, /"http1" and "http2" are both false: a server speaks/],
    [
      { limits: { streams: 0 } },
      OPTION,
      /"limits\.streams" must be an integer from 1 to 10000, got/,
    ],
    [{ limits: { streams: 10_001 } }, OPTION, /"limits\.streams" must be an integer from 1 to/],
    [{ limits: { maxConcurrentStreams: 1 } }, UNKNOWN, /it is called "limits\.streams" here/],
    [{ maxConcurrentStreams: 1 }, UNKNOWN, /it is called "limits\.streams" here/],
    [{ allowHTTP1: false }, UNKNOWN, /it is called "http1" here/],
    [{ h2: false }, UNKNOWN, /it is called "http2" here/],
    [{ http3: true }, UNKNOWN, /this server speaks HTTP\/1\.1 and HTTP\/2/],
  ]) {
    const error = await t.throwsAsync(serve({ port: 0, fetch, ...options }), { code });
    (typeof message === 'string' ? t.is : t.regex)(error.message, message);
  }
});

test('a version that is not spoken is answered with 505, and told what is', async (t) => {
  const old = await start(t, { http2: false, fetch });
  const refused = await exchange(old.port, PREFACE);
  t.regex(refused, /^HTTP\/1\.1 505 .*\r\nConnection: close\r\n/s);
  t.regex(refused, /the client speaks HTTP\/2, and this port HTTP\/1\.1 only/);
  t.is(await (await globalThis.fetch(old.url)).text(), 'HTTP/1.1');

  const only = await start(t, { http1: false, fetch });
  for (const request of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'POST / HTTP/1.0\r\n\r\n', 'x\r\n']) {
    const answer = await exchange(only.port, request);
    t.regex(answer, /^HTTP\/1\.1 505 .*\r\nConnection: close\r\n/s, request);
    t.regex(answer, /the client speaks HTTP\/1, and this port HTTP\/2 only/);
  }
});

test('info.protocol is what the client speaks', async (t) => {
  const server = await start(t, { fetch });
  for (const [version, protocol] of [
    ['1.0', 'HTTP/1.0'],
    ['1.1', 'HTTP/1.1'],
    ['1.7', 'HTTP/1.1'],
  ]) {
    const request = `GET / HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`;
    t.regex(await exchange(server.port, request), new RegExp(`\r\n\r\n${protocol}$`));
  }
  const inside = await server.fetch('http://x/');
  t.is(await inside.text(), 'HTTP/1.1');
});

test('flags and variables say the same', async (t) => {
  const old = await serveCommand(t, ['-p', '0', '--no-http2']);
  t.regex(await exchange(old.port, PREFACE), /this port HTTP\/1\.1 only/);
  // A flag beats a variable where both together leave nothing to speak.
  const env = { REACTOR_HTTP2: 'false' };
  const only = await serveCommand(t, ['-p', '0', '--http2-only', '--max-streams', '7'], { env });
  t.regex(await exchange(only.port, 'GET / HTTP/1.1\r\n\r\n'), /this port HTTP\/2 only/);
  for (const [args, variables, message] of [
    [['--no-http2', '--http2-only'], {}, /--no-http2 cannot be given together with --http2-only/],
    [[], { REACTOR_HTTP1: '0', REACTOR_HTTP2: '0' }, /"http1" and "http2" are both false/],
    [['--max-streams', '0'], {}, /--max-streams must be an integer from 1 to 10000, got "0"/],
    [[], { REACTOR_HTTP2: 'on' }, /REACTOR_HTTP2 must be true or false, got "on"/],
  ]) {
    const { code, stderr } = await run(['serve', '-p', '0', ...args], { env: variables });
    t.not(code, 0);
    t.regex(stderr, message);
  }
});
