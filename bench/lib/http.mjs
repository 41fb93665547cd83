// Raw requests over a socket of their own: the answers are kept byte by byte.

import { connect } from 'node:net';

export function get(path) {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
}

/**
 * Sends bytes and resolves to the responses, in order, once `count` are complete
 * or the peer has closed. Understands Content-Length only, which is all that the
 * timed routes use.
 */
export function ask(port, bytes, count = 1, timeout = 5000) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let received = Buffer.alloc(0);
    const finish = () => {
      socket.destroy();
      resolve(split(received));
    };
    socket.setTimeout(timeout, () => {
      socket.destroy(new Error(`no answer within ${timeout} ms`));
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (split(received).length >= count) finish();
    });
    socket.on('end', finish);
    socket.on('error', reject);
  });
}

/** Complete responses at the front of the bytes: status, head, body and length in bytes. */
export function split(bytes) {
  const responses = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) return responses;
    const head = bytes.toString('latin1', at, end);
    const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0);
    const bodyAt = end + 4;
    if (bytes.length < bodyAt + length) return responses;
    responses.push({
      status: Number(head.split(' ')[1]),
      head,
      body: bytes.toString('utf8', bodyAt, bodyAt + length),
      length: bodyAt + length - at,
    });
    at = bodyAt + length;
  }
}
