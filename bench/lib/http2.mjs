// Requests over HTTP/2 by Node's client, to check an answer before it is timed.

import { connect } from 'node:http2';

/**
 * Asks a question `count` times at once on one connection.
 * @returns the answers in the shape of those of `http.mjs`
 */
export async function ask(port, question, count, { timeout = 5000, isSecure = false } = {}) {
  const session = connect(`http${isSecure ? 's' : ''}://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
  });
  try {
    return await new Promise((resolve, reject) => {
      session.on('error', reject);
      const fail = () => reject(new Error(`no answer within ${timeout} ms`));
      const timer = setTimeout(fail, timeout);
      const all = Array.from({ length: count }, () => askOne(session, question));
      Promise.all(all)
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
  } finally {
    session.destroy();
  }
}

function askOne(session, { path, fields = {}, body }) {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const names = Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]);
    const stream = session.request(
      { ':method': method, ':path': path, ...Object.fromEntries(names) },
      { endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    const chunks = [];
    let head;
    stream.on('response', (fields) => {
      head = fields;
    });
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      const bytes = Buffer.concat(chunks);
      // A stream that was reset ends too, without an answer.
      if (head === undefined) return reject(new Error('the stream ended without an answer'));
      resolve({ status: head[':status'], head: lines(head), body: bytes.toString(), bytes });
    });
  });
}

/** As HTTP/1.1 would have them. */
function lines(head) {
  const pairs = Object.entries(head).flatMap(([name, value]) =>
    [value].flat().map((each) => `${name}: ${each}`),
  );
  return [`HTTP/2.0 ${head[':status']}`, ...pairs].join('\r\n');
}
