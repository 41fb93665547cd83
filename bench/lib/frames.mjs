// As much of HTTP/2 as a client needs that sends the same request over and over, and counts answers.

import { once } from 'node:events';
import { connect } from 'node:net';

const [DATA, HEADERS, SETTINGS, PING, GOAWAY] = [0, 1, 4, 6, 7];
const [END_STREAM, ACK, END_HEADERS] = [1, 1, 4];

/** Bytes of a frame before its payload. */
const HEAD = 9;

function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(HEAD);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A field with a name of the static table. It goes into the dynamic one; the text is short. */
const inserted = (index, value) =>
  Buffer.concat([Buffer.from([0x40 | index, value.length]), Buffer.from(value)]);

/** `:method: GET`, `:scheme: http` and `:path: /` in the static table. */
const [GET, HTTP, ROOT] = [0x82, 0x86, 0x84];
/** The newest entry of the dynamic table, and the one before. */
const [NEWEST, OLDER] = [0xbe, 0xbf];
const [AUTHORITY, PATH] = [1, 4];

/** One connection without TLS. */
export class Http2Client {
  #socket;
  #path;
  #stream = -1;
  #waiting = null;
  #rest = Buffer.alloc(0);
  #error = null;

  /** Connects, and says the preface with the first request. */
  static async to(port, path, { localAddress, host = '127.0.0.1' } = {}) {
    const client = new Http2Client();
    client.#path = path;
    client.#socket = connect({ port, host, localAddress, noDelay: true });
    await once(client.#socket, 'connect');
    client.#socket.on('data', (chunk) => client.#receive(chunk));
    client.#socket.on('close', () => client.#fail('the server closed the connection'));
    client.#socket.on('error', (error) => client.#fail(error.message));
    client.#socket.write(
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0)]),
    );
    return client;
  }

  get isClosed() {
    return this.#error !== null;
  }

  /** Sends so many requests at once, and waits for whole answers with status 200. */
  ask(count = 1) {
    const frames = Array.from({ length: count }, () => {
      this.#stream += 2;
      return frame(HEADERS, END_STREAM | END_HEADERS, this.#stream, this.#block());
    });
    return new Promise((resolve, reject) => {
      this.#waiting = { count, resolve, reject };
      if (this.#error !== null) return reject(this.#error);
      this.#socket.write(Buffer.concat(frames));
    });
  }

  close() {
    this.#waiting = null;
    this.#socket.destroy();
  }

  /** After the first request all of its fields are in a table, as those of browsers are. */
  #block() {
    const isRoot = this.#path === '/';
    if (this.#stream > 1) {
      return Buffer.from([GET, HTTP, ...(isRoot ? [ROOT, NEWEST] : [NEWEST, OLDER])]);
    }
    const path = isRoot ? Buffer.from([ROOT]) : inserted(PATH, this.#path);
    return Buffer.concat([Buffer.from([GET, HTTP]), inserted(AUTHORITY, '127.0.0.1'), path]);
  }

  #receive(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const rest = this.#rest;
      const end = rest.length < HEAD ? Infinity : HEAD + rest.readUIntBE(0, 3);
      if (rest.length < end) return;
      this.#rest = rest.subarray(end);
      this.#take(rest[3], rest[4], rest.subarray(HEAD, end));
    }
  }

  #take(type, flags, payload) {
    if (type === SETTINGS && !(flags & ACK)) this.#socket.write(frame(SETTINGS, ACK, 0));
    if (type === PING && !(flags & ACK)) this.#socket.write(frame(PING, ACK, 0, payload));
    if (type === GOAWAY) this.#fail('the server sent GOAWAY');
    // `:status: 200` is in the static table, where every server takes it from.
    if (type === HEADERS && !skipped(payload).equals(STATUS_200)) this.#fail('a status is not 200');
    if ((type === DATA || type === HEADERS) && flags & END_STREAM && this.#waiting !== null) {
      this.#waiting.count -= 1;
      if (this.#waiting.count === 0) this.#waiting.resolve();
    }
  }

  #fail(why) {
    this.#error ??= new Error(why);
    this.#waiting?.reject(this.#error);
  }
}

const STATUS_200 = Buffer.from([0x88]);

/** The first field of a block, behind changes of the table's size. */
function skipped(block) {
  let at = 0;
  while ((block[at] & 0xe0) === 0x20) {
    // A size of 31 and more has further bytes.
    const isLong = (block[at++] & 0x1f) === 0x1f;
    while (isLong && block[at++] & 0x80);
  }
  return block.subarray(at, at + 1);
}
