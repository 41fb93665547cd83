// An HTTP/2 client that writes whatever a test asks for, frame by frame, and takes apart what comes back.

import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { block, HpackDecoder } from './hpack.mjs';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Types of frames (RFC 9113 §6). */
export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;
export const PRIORITY_UPDATE = 16;

/** Flags. */
export const ACK = 1;
export const END_STREAM = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITISED = 32;

/** Error codes (§7) by name. */
export const CODES = [
  ...['NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT'],
  ...['STREAM_CLOSED', 'FRAME_SIZE_ERROR', 'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR'],
  ...['CONNECT_ERROR', 'ENHANCE_YOUR_CALM', 'INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED'],
];

/** Settings (§6.5.2). */
export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
  noRfc7540Priorities: 9,
};

const NOTHING = Buffer.alloc(0);
const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

/** One frame; `length` may lie. */
export function frame(type, flags, stream, payload = NOTHING, length = payload.length) {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload, 'latin1');
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, bytes]);
}

/** A SETTINGS frame of `[setting, value]` each. */
export function settings(pairs = []) {
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [n, [setting, value]] of pairs.entries()) {
    payload.writeUInt16BE(setting, 6 * n);
    payload.writeUInt32BE(value >>> 0, 6 * n + 2);
  }
  return frame(SETTINGS, 0, 0, payload);
}

export const settingsAck = () => frame(SETTINGS, ACK, 0);
export const ping = (payload = Buffer.alloc(8, 'p')) => frame(PING, 0, 0, payload);
export const windowUpdate = (stream, increment) => frame(WINDOW_UPDATE, 0, stream, u32(increment));
export const rst = (stream, code = 8) => frame(RST_STREAM, 0, stream, u32(code));
export const goaway = (last = 0, code = 0, text = '') =>
  frame(GOAWAY, 0, 0, Buffer.concat([u32(last), u32(code), Buffer.from(text)]));
export const data = (stream, bytes = NOTHING, isEnd = false) =>
  frame(DATA, isEnd ? END_STREAM : 0, stream, bytes);
export const priorityUpdate = (stream, text) =>
  frame(PRIORITY_UPDATE, 0, 0, Buffer.concat([u32(stream), Buffer.from(text)]));

/**
 * HEADERS of a block, or of fields as literals, in one frame.
 * @param {number} stream
 * @param {Buffer | [string | Buffer, string | Buffer][]} fields
 * @param {object} [how]
 * @param {boolean} [how.end] with END_STREAM
 * @param {boolean} [how.more] without END_HEADERS
 */
export function headers(stream, fields, { end = true, more = false } = {}) {
  const payload = Buffer.isBuffer(fields) ? fields : block(fields);
  return frame(HEADERS, (end ? END_STREAM : 0) | (more ? 0 : END_HEADERS), stream, payload);
}

export const continuation = (stream, bytes, isLast = false) =>
  frame(CONTINUATION, isLast ? END_HEADERS : 0, stream, bytes);

/** The pseudo-fields of a request, and others behind them. */
export const fieldsOf = (
  path = '/',
  { method = 'GET', authority = 'localhost', more = [] } = {},
) => [
  [':method', method],
  [':scheme', 'http'],
  [':authority', authority],
  [':path', path],
  ...more,
];

/** A request without a body. */
export const get = (stream, path = '/', more = []) => headers(stream, fieldsOf(path, { more }));

/** The head of a request with a body. */
export const post = (stream, path = '/', more = []) =>
  headers(stream, fieldsOf(path, { method: 'POST', more }), { end: false });

/**
 * What came on a stream.
 * @typedef {object} Came
 * @property {[string, string][][]} interim
 * @property {number | undefined} status
 * @property {[string, string][]} fields
 * @property {Buffer[]} pieces
 * @property {[string, string][] | undefined} trailers
 * @property {boolean} isEnded
 * @property {string | undefined} reset the code of RST_STREAM
 */

/** A connection. */
export class Raw {
  /** Every frame that came, without payloads of DATA: `{ type, flags, stream, payload }`. */
  frames = [];
  /** What the last GOAWAY said: `{ last, code, text }`. */
  goaway = null;
  /** The server's settings by number. */
  settings = new Map();
  /** The last frame, and the end of the connection, by name: `end`, an error's code, or null. */
  ended = null;
  pings = 0;
  /** Bytes of DATA that came. */
  bytes = 0;
  #streams = new Map();
  #waiting = new Set();
  #decoder = new HpackDecoder();
  #rest = NOTHING;
  #open = null;

  /**
   * Connects, and sends the preface and SETTINGS.
   * @param {number} port
   * @param {object} [how]
   * @param {[number, number][]} [how.settings]
   * @param {boolean} [how.bare] sends nothing
   * @param {boolean} [how.acks] acknowledges SETTINGS and gives credit for what came
   * @param {string} [how.localAddress]
   * @param {object} [how.tls] options of tls.connect
   */
  static async open(port, how = {}) {
    const { settings: pairs = [], bare = false, localAddress, host = '127.0.0.1' } = how;
    const to = { port, host, localAddress, noDelay: true, allowHalfOpen: true };
    const socket = how.tls
      ? tls.connect({ ...to, ALPNProtocols: ['h2'], servername: 'localhost', ...how.tls })
      : net.connect(to);
    const raw = new Raw(socket, how);
    await once(socket, how.tls ? 'secureConnect' : 'connect');
    if (!bare) {
      await raw.send(PREFACE, settings(pairs));
    }
    return raw;
  }

  constructor(socket, { acks = true } = {}) {
    this.socket = socket;
    this.acks = acks;
    // Each write that waits listens for the end.
    socket.setMaxListeners(0);
    socket.on('error', ({ code }) => {
      this.ended ??= code;
      this.#wake();
    });
    socket.on('end', () => {
      this.ended ??= 'end';
      socket.end();
      this.#wake();
    });
    socket.on('close', () => {
      this.ended ??= 'close';
      this.#wake();
    });
    socket.on('data', (bytes) => {
      this.#take(bytes);
      this.#wake();
    });
  }

  /** Sends bytes; resolves when the kernel has them, or the connection has ended. */
  send(...parts) {
    return new Promise((resolve) => {
      if (this.ended !== null || this.socket.destroyed) return resolve();
      const done = () => {
        this.socket.off('close', done);
        resolve();
      };
      this.socket.once('close', done);
      this.socket.write(parts.length === 1 ? parts[0] : Buffer.concat(parts), done);
    });
  }

  /** Like `send`; `false` where nobody takes it for so long. */
  async offer(bytes, ms = 500) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, ms, false);
    });
    const isTaken = await Promise.race([this.send(bytes).then(() => true), late]);
    clearTimeout(timer);
    return isTaken && this.ended === null;
  }

  /** @returns {Came} what has come on the stream so far */
  stream(id) {
    let came = this.#streams.get(id);
    if (came === undefined) {
      came = { interim: [], fields: [], pieces: [], isEnded: false };
      Object.defineProperty(came, 'body', { get: () => Buffer.concat(came.pieces).toString() });
      Object.defineProperty(came, 'size', {
        get: () => came.pieces.reduce((sum, { length }) => sum + length, 0),
      });
      this.#streams.set(id, came);
    }
    return came;
  }

  /** Resolves when this holds; rejects with what came where it does not in time. */
  until(condition, what = String(condition), ms = 10_000) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const value = condition();
        if (value) {
          clearTimeout(timer);
          this.#waiting.delete(look);
          resolve(value);
        }
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`waited for ${what}, and got ${this.told()}`));
      }, ms);
      this.#waiting.add(look);
      look();
    });
  }

  /** The answer to a stream: until it has ended, was reset, or the connection has ended. */
  async answer(id, ms) {
    const came = this.stream(id);
    await this.until(
      () => came.isEnded || came.reset !== undefined || this.ended !== null,
      `an answer to stream ${id}`,
      ms,
    );
    return came;
  }

  /** In one word: a status, `RST name`, `GOAWAY name`, or how the connection has ended. */
  async outcome(id, ms) {
    const came = this.stream(id);
    await this.until(
      () =>
        came.isEnded ||
        came.reset !== undefined ||
        this.ended !== null ||
        (this.goaway !== null && this.goaway.code !== 'NO_ERROR'),
      `an outcome of stream ${id}`,
      ms,
    );
    if (came.reset !== undefined && came.status === undefined) return `RST ${came.reset}`;
    if (came.isEnded) return String(came.status);
    if (this.goaway !== null) return `GOAWAY ${this.goaway.code}`;
    return came.reset !== undefined ? `${came.status} RST ${came.reset}` : this.ended;
  }

  /** Resolves with the code of the GOAWAY when the server has closed the connection. */
  async over(ms) {
    await this.until(() => this.ended !== null, 'the end of the connection', ms);
    return this.goaway?.code ?? this.ended;
  }

  /** A ping and its answer: everything before it has been dealt with. */
  async ponged(ms) {
    const before = this.pings;
    await this.send(ping());
    await this.until(() => this.pings > before || this.ended !== null, 'a ping', ms);
    if (this.ended !== null) throw new Error(`the connection has ended: ${this.told()}`);
  }

  told() {
    const streams = [...this.#streams].map(([id, { status, isEnded, reset, size }]) =>
      [id, status, reset, `${size} bytes`, isEnded ? 'ended' : 'open'].join(' '),
    );
    const last = this.frames.slice(-5).map(({ type, stream }) => `${type} on ${stream}`);
    return JSON.stringify({
      streams: streams.slice(-5),
      last,
      goaway: this.goaway,
      ended: this.ended,
    });
  }

  /** Breaks off. */
  destroy() {
    this.socket.destroy();
  }

  #wake() {
    for (const look of this.#waiting) look();
  }

  #take(bytes) {
    let all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    while (all.length >= 9) {
      const length = all.readUIntBE(0, 3);
      if (all.length < 9 + length) break;
      const stream = all.readUInt32BE(5) & 0x7fffffff;
      this.#frame(all[3], all[4], stream, all.subarray(9, 9 + length));
      all = all.subarray(9 + length);
    }
    this.#rest = all;
  }

  #frame(type, flags, stream, payload) {
    if (this.frames.length < 10_000) {
      const kept = type === DATA ? NOTHING : Buffer.from(payload);
      this.frames.push({ type, flags, stream, payload: kept, length: payload.length });
    }
    switch (type) {
      case DATA: {
        const came = this.stream(stream);
        if (payload.length > 0) came.pieces.push(Buffer.from(payload));
        this.bytes += payload.length;
        came.isEnded ||= (flags & END_STREAM) !== 0;
        if (this.acks && payload.length > 0) {
          const more = came.isEnded ? [] : [windowUpdate(stream, payload.length)];
          this.send(windowUpdate(0, payload.length), ...more);
        }
        break;
      }
      case HEADERS:
      case CONTINUATION: {
        const parts = type === HEADERS ? [payload] : [...this.#open.parts, payload];
        const isEnd = type === HEADERS ? (flags & END_STREAM) !== 0 : this.#open.isEnd;
        this.#open = { parts: parts.map((part) => Buffer.from(part)), isEnd };
        if ((flags & END_HEADERS) !== 0) {
          const fields = this.#decoder.decode(Buffer.concat(parts));
          this.#head(this.stream(stream), fields, isEnd);
        }
        break;
      }
      case RST_STREAM:
        this.stream(stream).reset = CODES[payload.readUInt32BE()] ?? payload.readUInt32BE();
        break;
      case SETTINGS:
        if ((flags & ACK) === 0) {
          for (let at = 0; at + 6 <= payload.length; at += 6) {
            this.settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
          }
          if (this.acks) this.send(settingsAck());
        }
        break;
      case PING:
        if ((flags & ACK) !== 0) this.pings++;
        else if (this.acks) this.send(frame(PING, ACK, 0, Buffer.from(payload)));
        break;
      case GOAWAY: {
        const code = payload.readUInt32BE(4);
        const text = payload.subarray(8).toString();
        this.goaway = { last: payload.readUInt32BE(0), code: CODES[code] ?? code, text };
        break;
      }
      default:
    }
  }

  #head(came, fields, isEnd) {
    const status = fields.find(([name]) => name === ':status')?.[1];
    if (status === undefined) {
      came.trailers = fields;
    } else if (status < 200) {
      came.interim.push(fields);
    } else {
      came.status = Number(status);
      came.fields = fields.filter(([name]) => !name.startsWith(':'));
    }
    came.isEnded ||= isEnd;
  }
}

/** The value of a field that came. */
export const field = (fields, name) => fields?.find(([key]) => key === name)?.[1];
