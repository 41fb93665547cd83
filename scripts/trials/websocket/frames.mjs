// WebSocket frames by hand: a client that can send any bytes, and reads the server's strictly.

import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
export const FIN = 0x80;
export const RSV1 = 0x40;

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/**
 * A client's frame, right or wrong.
 * @param {number} first its first byte
 * @param {string | Uint8Array} payload
 * @param {object} [options]
 * @param {boolean} [options.masked]
 * @param {number | bigint} [options.length] what it says of its length
 * @param {7 | 16 | 64} [options.bits] of its length; as few as will do
 */
export function frame(first, payload, { masked = true, length, bits } = {}) {
  const bytes = Buffer.from(payload);
  const said = BigInt(length ?? bytes.length);
  const size = bits ?? (said < 126n ? 7 : said < 65_536n ? 16 : 64);
  const mask = masked ? 0x80 : 0;
  let head;
  if (size === 7) {
    head = Buffer.from([first, mask | Number(said)]);
  } else if (size === 16) {
    head = Buffer.from([first, mask | 126, 0, 0]);
    head.writeUInt16BE(Number(said), 2);
  } else {
    head = Buffer.concat([Buffer.from([first, mask | 127]), Buffer.alloc(8)]);
    head.writeBigUInt64BE(said, 2);
  }
  if (!masked) {
    return Buffer.concat([head, bytes]);
  }
  const body = Buffer.from(bytes);
  for (let i = 0; i < body.length; i++) {
    body[i] ^= MASK[i & 3];
  }
  return Buffer.concat([head, MASK, body]);
}

/** The payload of a close frame. */
export function closing(code, reason = '') {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(code);
  return Buffer.concat([bytes, Buffer.from(reason)]);
}

/** The request that opens a WebSocket. `fields` replace its own, or are left out where `null`. */
export function request({
  host,
  path = '/',
  fields = {},
  key = randomBytes(16).toString('base64'),
}) {
  const all = {
    Host: host,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
    ...fields,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}`],
  );
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** One connection to a server, over which any bytes can be sent. */
export class Wire {
  #received = Buffer.alloc(0);
  /** Frames that nobody has taken yet. */
  #frames = [];
  #waiting = null;
  #extensions;

  constructor(socket) {
    this.socket = socket;
    /** Why the connection is over, once it is. */
    this.ended = null;
    this.problem = null;
  }

  /**
   * Connects and shakes hands.
   * @param {string} url `ws://…`
   * @param {object} [options]
   * @param {string} [options.extensions] what is offered
   * @param {boolean} [options.reads] whether it reads what the server sends; set it later
   */
  static async open(url, { extensions, fields = {} } = {}) {
    const { hostname, port, host, pathname } = new URL(url);
    const wire = new Wire(connect({ host: hostname, port: Number(port), noDelay: true }));
    wire.socket.on('error', (error) => wire.#end(error.code ?? error.message));
    wire.socket.on('close', () => wire.#end('closed'));
    await once(wire.socket, 'connect');
    const key = randomBytes(16).toString('base64');
    const offered = extensions === undefined ? {} : { 'Sec-WebSocket-Extensions': extensions };
    wire.socket.write(request({ host, path: pathname, key, fields: { ...offered, ...fields } }));
    const head = await wire.#head();
    assert.match(head, /^HTTP\/1\.1 101 /, 'the server upgrades');
    const expected = createHash('sha1')
      .update(key + GUID)
      .digest('base64');
    assert.equal(field(head, 'sec-websocket-accept'), expected);
    wire.#extensions = field(head, 'sec-websocket-extensions');
    assert(extensions !== undefined || wire.#extensions === undefined);
    wire.socket.on('data', (data) => wire.#receive(data));
    wire.#receive(Buffer.alloc(0));
    return wire;
  }

  /** What the server agreed to. */
  get extensions() {
    return this.#extensions;
  }

  async #head() {
    for (;;) {
      const end = this.#received.indexOf('\r\n\r\n');
      if (end >= 0) {
        const head = this.#received.toString('latin1', 0, end + 2);
        this.#received = this.#received.subarray(end + 4);
        this.socket.removeAllListeners('readable');
        return head;
      }
      const data = this.socket.read();
      if (data === null) {
        assert.equal(this.ended, null, 'the server answers the upgrade');
        await Promise.race([once(this.socket, 'readable'), once(this.socket, 'close')]);
      } else {
        this.#received = Buffer.concat([this.#received, data]);
      }
    }
  }

  #end(why) {
    this.ended ??= why;
    this.#wake();
  }

  #wake() {
    this.#waiting?.();
    this.#waiting = null;
  }

  /** The first fault in what the server sends ends all reading. */
  #receive(data) {
    this.#received = this.#received.length > 0 ? Buffer.concat([this.#received, data]) : data;
    try {
      for (let read = this.#parse(); read !== null; read = this.#parse()) {
        this.#frames.push(read);
      }
    } catch (error) {
      this.problem ??= error;
      this.#received = Buffer.alloc(0);
    }
    this.#wake();
  }

  #parse() {
    const bytes = this.#received;
    if (bytes.length < 2) {
      return null;
    }
    const [first, second] = bytes;
    assert.equal(second & 0x80, 0, 'a server masks nothing');
    let length = second & 0x7f;
    let at = 2;
    if (length === 126) {
      if (bytes.length < 4) return null;
      length = bytes.readUInt16BE(2);
      assert(length >= 126, 'a length in as few bytes as will do');
      at = 4;
    } else if (length === 127) {
      if (bytes.length < 10) return null;
      length = Number(bytes.readBigUInt64BE(2));
      assert(length >= 65_536, 'a length in as few bytes as will do');
      at = 10;
    }
    if (bytes.length < at + length) {
      return null;
    }
    const opcode = first & 0x0f;
    assert([0, 1, 2, 8, 9, 10].includes(opcode), `opcode ${opcode}`);
    assert.equal(first & 0x30, 0, 'no reserved bits');
    assert((first & RSV1) === 0 || (this.#extensions !== undefined && opcode < 3 && opcode > 0));
    if (opcode >= 8) {
      assert(length <= 125 && (first & FIN) !== 0, 'a whole control frame');
    }
    const payload = bytes.subarray(at, at + length);
    this.#received = bytes.subarray(at + length);
    return { fin: (first & FIN) !== 0, rsv1: (first & RSV1) !== 0, opcode, payload };
  }

  /** The next frame, or null once the connection is over. */
  async frame(ms = 20_000) {
    const until = Date.now() + ms;
    for (;;) {
      if (this.#frames.length > 0) return this.#frames.shift();
      if (this.problem !== null) throw this.problem;
      if (this.ended !== null) return null;
      const left = until - Date.now();
      assert(left > 0, `the server has said nothing for ${ms} ms`);
      const timer = new AbortController();
      await Promise.race([
        new Promise((resolve) => {
          this.#waiting = resolve;
        }),
        sleep(left, undefined, { signal: timer.signal }).catch(() => {}),
      ]);
      timer.abort();
    }
  }

  /**
   * The next message, or control frame, or null once the connection is over.
   * @param {(compressed: Buffer) => Buffer | Promise<Buffer>} [inflate]
   */
  async next(inflate, ms) {
    const pieces = [];
    let first;
    for (;;) {
      const read = await this.frame(ms);
      if (read === null) return null;
      if (read.opcode >= 8) {
        return control(read);
      }
      assert.equal(read.opcode === CONTINUATION, first !== undefined, 'frames in their order');
      first ??= read;
      pieces.push(read.payload);
      if (read.fin) break;
    }
    const bytes = Buffer.concat(pieces);
    const payload = first.rsv1 ? await inflate(bytes) : bytes;
    assert(first.opcode !== TEXT || isUtf8(payload), 'text is UTF-8');
    return { opcode: first.opcode, payload, compressed: first.rsv1 };
  }

  /** Sends bytes and waits until the kernel has them, or the connection is over. */
  async send(bytes) {
    if (this.ended === null && !this.socket.destroyed && this.socket.writable) {
      await new Promise((resolve) => {
        this.socket.once('close', resolve);
        this.socket.write(bytes, () => {
          this.socket.off('close', resolve);
          resolve();
        });
      });
    }
  }

  /** Waits until the server has closed the connection. */
  async over(ms = 20_000) {
    const until = Date.now() + ms;
    while (this.ended === null) {
      assert(Date.now() < until, `the server has not closed the connection for ${ms} ms`);
      await sleep(2);
    }
  }

  destroy() {
    this.socket.destroy();
  }
}

function control({ opcode, payload }) {
  if (opcode !== CLOSE) {
    return { opcode, payload };
  }
  assert(payload.length !== 1, 'a close frame has a code or nothing');
  const code = payload.length === 0 ? null : payload.readUInt16BE();
  assert(isUtf8(payload.subarray(2)), 'a reason is UTF-8');
  return { opcode, payload, code, reason: payload.toString('utf8', 2) };
}

function field(head, name) {
  const line = head.split('\r\n').find((each) => each.toLowerCase().startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}
