// Raw requests over a socket of their own: the answers are kept byte by byte.

import { connect } from 'node:net';
import { connect as connectSecurely } from 'node:tls';

export function get(path) {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
}

/**
 * Sends bytes and resolves to the responses, in order, once `count` are complete
 * or the peer has closed; with a `count` of Infinity it must close.
 */
export function ask(port, bytes, count = 1, { timeout = 5000, isSecure = false } = {}) {
  return new Promise((resolve, reject) => {
    const to = { port, host: '127.0.0.1', rejectUnauthorized: false };
    const socket = (isSecure ? connectSecurely : connect)(to, () => socket.write(bytes));
    const received = [];
    const finish = (responses) => {
      socket.destroy();
      resolve(responses);
    };
    socket.setTimeout(timeout, () => {
      socket.destroy(new Error(`no answer within ${timeout} ms`));
    });
    socket.on('data', (chunk) => {
      received.push(chunk);
      const responses = split(Buffer.concat(received));
      if (responses.length >= count) finish(responses);
    });
    socket.on('end', () => finish(split(Buffer.concat(received))));
    socket.on('error', reject);
  });
}

/**
 * Complete responses at the front of the bytes: status, head, body and length in bytes. A body
 * has a Content-Length or is chunked, or there is none.
 */
export function split(bytes) {
  const responses = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) return responses;
    const head = bytes.toString('latin1', at, end);
    const body = /^transfer-encoding: *chunked$/im.test(head)
      ? chunked(bytes, end + 4)
      : counted(bytes, end + 4, Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0));
    if (body === null) return responses;
    responses.push({
      status: Number(head.split(' ')[1]),
      head,
      body: body.bytes.toString(),
      bytes: body.bytes,
      length: body.end - at,
    });
    at = body.end;
  }
}

function counted(bytes, from, length) {
  const end = from + length;
  return bytes.length < end ? null : { bytes: bytes.subarray(from, end), end };
}

/** The chunks joined, without trailers. */
function chunked(bytes, from) {
  const chunks = [];
  let at = from;
  for (;;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
    const end = line + 2 + size + 2;
    if (bytes.length < end) return null;
    if (size === 0) return { bytes: Buffer.concat(chunks), end };
    chunks.push(bytes.subarray(line + 2, end - 2));
    at = end;
  }
}
