// A conversation over a raw connection: bytes in pieces, and the answers taken apart.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A conversation that has not ended by then has gone wrong. */
const PATIENCE_MS = 20_000;

/**
 * Sends the pieces and collects everything until the peer closes, or until
 * `leaveAfter` bytes have come. A piece is bytes; a number is a pause in
 * milliseconds; a RegExp waits until what has come matches.
 *
 * @returns {Promise<Buffer>} what came
 */
export async function converse(port, pieces, { leaveAfter = Number.POSITIVE_INFINITY } = {}) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const chunks = [];
  let length = 0;
  let onData = () => {};
  const closed = new Promise((resolve) => socket.on('close', resolve));
  // A peer that refuses the rest of a request may reset the connection.
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    length += chunk.length;
    onData();
    if (length >= leaveAfter) {
      socket.destroy();
    }
  });
  await once(socket, 'connect');
  const timer = setTimeout(() => socket.destroy(new Error('patience')), PATIENCE_MS);
  try {
    for (const piece of pieces) {
      if (socket.destroyed) {
        break;
      }
      if (typeof piece === 'number') {
        await sleep(piece);
      } else if (piece instanceof RegExp) {
        await new Promise((resolve) => {
          onData = () => piece.test(Buffer.concat(chunks).toString('latin1')) && resolve();
          void closed.then(resolve);
          onData();
        });
        onData = () => {};
      } else if (!socket.write(piece)) {
        await Promise.race([once(socket, 'drain').catch(() => {}), closed]);
      }
    }
    if (leaveAfter === 0) {
      socket.destroy();
    }
    await closed;
    if (socket.errored?.message === 'patience') {
      throw new Error(`no end after ${PATIENCE_MS} ms and ${length} bytes`);
    }
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
  return Buffer.concat(chunks);
}

/**
 * The answers in what came (RFC 9112 §6.3).
 *
 * @param methods of the requests, as an answer to HEAD has no body
 */
export function answersIn(bytes, methods) {
  const answers = [];
  let interim = [];
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) {
      throw new Error(
        `an answer without an end: ${JSON.stringify(bytes.latin1Slice(at, at + 200))}`,
      );
    }
    const [statusLine, ...lines] = bytes.latin1Slice(at, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(statusLine)?.[1] ?? 0);
    const headers = lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    at = end + 4;
    if (status >= 100 && status <= 199) {
      interim.push(status);
      continue;
    }
    const [body, after] = bodyAt(bytes, at, status, headers, methods[answers.length]);
    answers.push({ status, headers, body, interim });
    interim = [];
    at = after;
  }
  return answers;
}

function bodyAt(bytes, at, status, headers, method) {
  const field = (name) => headers.find(([key]) => key === name)?.[1];
  if (method === 'HEAD' || status === 204 || status === 304) {
    return [Buffer.alloc(0), at];
  }
  if (field('transfer-encoding') === 'chunked') {
    return chunkedAt(bytes, at);
  }
  const declared = field('content-length');
  const end = declared === undefined ? bytes.length : at + Number(declared);
  if (end > bytes.length) {
    throw new Error(`a body of ${bytes.length - at} bytes where ${declared} were declared`);
  }
  return [bytes.subarray(at, end), end];
}

function chunkedAt(bytes, start) {
  const chunks = [];
  let at = start;
  for (;;) {
    const line = bytes.indexOf('\r\n', at);
    const size = line < 0 ? Number.NaN : Number.parseInt(bytes.latin1Slice(at, line), 16);
    if (Number.isNaN(size) || line + 2 + size + 2 > bytes.length) {
      throw new Error('a chunked body without an end');
    }
    at = line + 2 + size + 2;
    if (bytes.latin1Slice(at - 2, at) !== '\r\n') {
      throw new Error('a chunk that is longer than it says');
    }
    if (size === 0) {
      return [Buffer.concat(chunks), at];
    }
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
  }
}
