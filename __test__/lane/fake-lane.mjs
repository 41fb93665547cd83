// The native end of a lane, played in JavaScript: requests in as text, replies
// out as objects. It fills and reads the arrays as crates/napi/src/lane does.

const REQUEST_WORDS = 20;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const REPLIES = [
  '',
  'response',
  'head',
  'chunk',
  'end',
  'abort',
  'pull',
  'collect',
  'pipe',
  'pipeEnd',
];
/** Those of WebSockets, from 10 on. */
const SOCKET_REPLIES = ['send', 'close', 'subscribe', 'unsubscribe', 'publish', 'pause'];
REPLIES.push(...SOCKET_REPLIES, '', '', 'handOver');
const FILE_RESPONSE = 24;
REPLIES[FILE_RESPONSE] = 'file';
/** Words of events of WebSockets, from 11 on. */
const SOCKET_WORDS = [5, 4, 4, 6, 4];
export const WINDOW = 256 * 1024;

/** One lane; `bridge` is to be set once it is made. */
export class FakeLane {
  bridge = null;
  /** Everything that came back: `{ kind, id, … }`. */
  replies = [];
  /** Ids of exchanges whose body is wanted in one piece. */
  collects = [];
  /** Ids of exchanges whose body was taken, as often as it was. */
  taken = [];
  /** Memory that was lent for bodies, by the ids of their exchanges. */
  lent = new Map();
  /** Native calls so far. */
  turns = 0;
  /** Bytes that the last of them has filled. */
  used = 0;
  #waiting = [];
  #isArmed = true;
  #issued = 0;
  /** Ids of exchanges that are not over. */
  #open = new Set();
  /** Ids of exchanges that ended by an event: replies that were under way may yet name them. */
  #left = [];
  #free = [];
  /** Bodies that are to be taken, by the ids of their exchanges. */
  #rests = new Map();
  #listeners = new Set();

  /**
   * A request, from its head and body; returns its id.
   * @param {string} head
   * @param {{ body?: Uint8Array | string, apart?: boolean, streams?: boolean, route?: number,
   *   params?: string[], peer?: string, port?: number }} [options]
   */
  request(head, options = {}) {
    const id = this.#free.pop() ?? this.#issued++;
    this.#open.add(id);
    this.push({ kind: 1, id, head: Buffer.from(head, 'latin1'), ...options });
    return id;
  }

  /** A request with a shorter way to say it. */
  ask(method, target, headers = {}, options = {}) {
    const all = { host: 'localhost:8080', ...headers };
    if (options.body !== undefined && !options.streams) {
      all['content-length'] ??= Buffer.byteLength(options.body);
    }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return this.request(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, options);
  }

  body(id, data) {
    this.push({ kind: 2, id, data: Buffer.from(data) });
  }

  bodyEnd(id) {
    this.push({ kind: 3, id });
  }

  /** The rest of the body, in one piece. */
  rest(id, data) {
    this.push({ kind: 9, id, rest: Buffer.from(data) });
  }

  /** The engine has put these bytes, at their place, into the memory that was lent to it. */
  filled(id, at, data) {
    this.push({ kind: 10, id, at, filled: Buffer.from(data) });
  }

  lend(id, into) {
    if (this.#open.has(id)) {
      this.lent.set(id, into);
    }
  }

  takeBody(id, into) {
    const rest = this.#rests.get(id)?.shift();
    const isThere = rest?.length === into.length && this.#open.has(id);
    if (isThere) {
      into.set(rest);
      this.taken.push(id);
    }
    return isThere;
  }

  gone(id) {
    this.push({ kind: 4, id, status: 0 });
  }

  /** The engine refuses the rest of the body, and has answered with this status. */
  refused(id, status) {
    this.push({ kind: 4, id, status });
  }

  halfClosed(id) {
    this.push({ kind: 6, id });
  }

  timedOut(id) {
    this.push({ kind: 7, id });
  }

  ack(id, bytes) {
    this.push({ kind: 5, id, bytes });
  }

  /** Settings of WebSockets, by their numbers. */
  settings = [];
  /** What the next handshakes are refused with; `null` if they are accepted. */
  refusal = null;
  /** How many have subscribed to each topic. */
  counts = new Map();
  /** Sockets that were taken over from other lanes. */
  adopted = [];

  webSocketSettings(options) {
    return this.settings.push(options) - 1;
  }

  upgrade(id, settings, fields, fieldsLength) {
    if (this.refusal !== null) {
      return this.refusal;
    }
    const list = parseFields(Buffer.from(fields.subarray(0, fieldsLength)));
    this.#reply({ kind: 'upgrade', id, settings: this.settings[settings], fields: list });
    return null;
  }

  sendLarge(replies, words, bytes, kind, id, flags, topic, data, length) {
    this.#take(replies, words, bytes);
    const reply = { kind: REPLIES[kind], id, flags, isLarge: true };
    if (topic.length > 0) {
      reply.topic = Buffer.from(topic).toString();
    }
    reply.data = Buffer.from(data.subarray(0, length));
    this.#reply(reply);
    // The real lane needs the arrays no longer either.
    bytes.fill(0x7f, 0, 1024);
  }

  /** A socket that another lane has handed over; it gets the id in its place. */
  adopt(...place) {
    const id = this.#free.pop() ?? this.#issued++;
    this.#open.add(id);
    this.adopted.push(place);
    return id;
  }

  /** The engine has let go of a socket that is to be handed over. */
  moved(id, place) {
    this.push({ kind: 14, id, code: 0, place });
  }

  subscriberCount(topic) {
    return this.counts.get(topic) ?? 0;
  }

  /** A message of a client: text or bytes, by the way that the engine may choose. */
  message(id, data, { way = typeof data === 'string' ? 'heads' : 'bytes' } = {}) {
    const flags = (typeof data === 'string' ? 1 : 0) | ({ heads: 2, apart: 4 }[way] ?? 0);
    this.push({ kind: 11, id, flags, payload: Buffer.from(data) });
  }

  ping(id, data = '') {
    this.push({ kind: 12, id, payload: Buffer.from(data) });
  }

  pong(id, data = '') {
    this.push({ kind: 13, id, payload: Buffer.from(data) });
  }

  closed(id, code = 1005, reason = '', wasClean = true) {
    this.push({ kind: 14, id, code, payload: Buffer.from(reason), wasClean });
  }

  unsent(id, bytes, isCongested = false) {
    this.push({ kind: 15, id, bytes, isCongested });
  }

  /** Puts an event in and wakes the bridge, in a macrotask of its own. */
  push(event) {
    this.#waiting.push(event);
    if (this.#isArmed) {
      this.#isArmed = false;
      setImmediate(() => this.bridge.wake());
    }
  }

  turner() {
    return (...arrays) => this.turn(...arrays);
  }

  turn(events, eventBytes, replies, replyWords, replyBytes) {
    this.turns++;
    this.#take(replies, replyWords, replyBytes);
    this.#free.push(...this.#left.splice(0));
    let word = 0;
    // Heads lie together at the front, bodies at the back.
    let byte = 0;
    let back = eventBytes.length;
    let count = 0;
    while (this.#waiting.length > 0) {
      const event = this.#waiting[0];
      const size = this.#sizeOf(event);
      if (word + size.words > events.length || byte + size.bytes + size.body > back) {
        break;
      }
      this.#waiting.shift();
      back -= size.body;
      this.#fill(event, events, eventBytes, word, byte, back);
      word += size.words;
      byte += size.bytes;
      count++;
    }
    this.used = byte + eventBytes.length - back;
    if (count === 0) {
      this.#isArmed = true;
    }
    // What is left over is garbage, as it is in the real arrays.
    events.fill(0xdeadbeef, word, word + 256);
    eventBytes.fill(0x7f, byte, Math.min(byte + 1024, back));
    return count;
  }

  respond(id, status, flags, fields, fieldsLength, body, bodyLength) {
    const whole = body.subarray(0, bodyLength);
    this.send(1, id, status, flags, fields.subarray(0, fieldsLength), whole, 0, 0);
    // The real lane needs the arrays no longer either.
    fields.fill(0x7f, 0, fieldsLength);
  }

  send(kind, id, status, flags, fields, body, low, high) {
    const length = (flags & 4) === 0 ? undefined : low + high * 2 ** 32;
    this.#reply({
      kind: REPLIES[kind],
      id,
      status,
      flags: flags & ~4,
      fields: parseFields(Buffer.from(fields)),
      body: Buffer.from(body),
      length,
    });
  }

  /** Resolves with the reply that `wanted` accepts, from those that came or will. */
  async reply(wanted) {
    const accept = typeof wanted === 'number' ? (reply) => reply.id === wanted : wanted;
    for (;;) {
      const index = this.replies.findIndex(accept);
      if (index >= 0) {
        return this.replies.splice(index, 1)[0];
      }
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no such reply came')), 30_000);
        const listener = () => {
          clearTimeout(timer);
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }

  /** All of a response, whole or streamed; acknowledges what it reads unless told not to. */
  async response(id, { acknowledge = true } = {}) {
    const first = await this.reply(id);
    const pieces = [first.body];
    let end = first;
    while (end.kind === 'head' || end.kind === 'chunk') {
      if (acknowledge && end.body.length > 0) {
        this.ack(id, end.body.length);
      }
      end = await this.reply((reply) => reply.id === id && reply.kind !== 'pull');
      if (end.kind === 'chunk') {
        pieces.push(end.body);
      }
    }
    return { ...first, body: Buffer.concat(pieces).toString(), end: end.kind };
  }

  #reply(reply) {
    if (reply.kind === 'collect') {
      this.collects.push(reply.id);
      return;
    }
    if (['response', 'end', 'abort', 'file'].includes(reply.kind)) {
      if (this.#open.delete(reply.id)) {
        this.#free.push(reply.id);
      }
    }
    this.replies.push(reply);
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }

  #take(words, count, bytes) {
    let at = 0;
    while (at < count) {
      const length = words[at] >>> 8;
      const kind = words[at] & 0xff;
      if (length < 2 || at + length > count) {
        throw new Error('a reply is cut off');
      }
      const slice = (i) =>
        Buffer.from(bytes.subarray(words[at + i], words[at + i] + words[at + i + 1]));
      const reply = { kind: REPLIES[kind], id: words[at + 1] };
      if (kind === 1 || kind === 2) {
        reply.status = words[at + 2];
        reply.flags = words[at + 3] & ~4;
        reply.fields = parseFields(slice(4));
        reply.body = slice(6);
        reply.length =
          (words[at + 3] & 4) === 0 ? undefined : words[at + 8] + words[at + 9] * 2 ** 32;
      } else if (kind === 3) {
        reply.body = slice(2);
      } else if (kind === 6) {
        reply.bytes = words[at + 2];
      } else if (kind === FILE_RESPONSE) {
        reply.status = words[at + 2];
        reply.flags = words[at + 3];
        reply.fields = parseFields(slice(4));
        Object.assign(reply, parseFile(slice(6)));
      } else if (kind >= 10) {
        this.#socketReply(reply, kind, words, at, slice);
      }
      this.#reply(reply);
      at += length;
    }
  }

  #socketReply(reply, kind, words, at, slice) {
    if (kind === 12 || kind === 13) {
      reply.topic = slice(2).toString();
      return;
    }
    reply[kind === 11 ? 'code' : kind === 15 ? 'isPaused' : 'flags'] = words[at + 2];
    if (kind === 10 || kind === 11) {
      reply.data = slice(3);
    } else if (kind === 14) {
      reply.topic = slice(3).toString();
      reply.data = slice(5);
    }
  }

  #sizeOf(event) {
    if (event.kind >= 11) {
      const length = event.payload?.length ?? 0;
      const isInHeads = (event.flags & 2) !== 0;
      const isApart = (event.flags & 4) !== 0;
      return {
        words: event.place === undefined ? SOCKET_WORDS[event.kind - 11] : 8,
        bytes: isInHeads ? length : 0,
        body: isInHeads || isApart ? 0 : length,
      };
    }
    if (event.kind === 1) {
      event.parsed ??= parseHead(event.head);
      const isHere = event.body !== undefined && !event.apart;
      const body = isHere ? Buffer.byteLength(event.body) : 0;
      const { fields } = event.parsed;
      const params = event.params?.length ?? 0;
      return {
        words: REQUEST_WORDS + 4 * fields.length + 4 * params,
        bytes: event.head.length + (event.peer?.includes(':') ? event.peer.length : 0),
        body,
      };
    }
    return {
      words:
        event.kind === 2 || event.kind === 9 || event.kind === 10
          ? 4
          : event.kind === 4 || event.kind === 5
            ? 3
            : 2,
      bytes: 0,
      body: event.data?.length ?? 0,
    };
  }

  #fill(event, events, bytes, word, byte, back) {
    const { words } = this.#sizeOf(event);
    events[word] = event.kind | (words << 8);
    events[word + 1] = event.id;
    if ((event.kind === 4 || event.kind === 7) && this.#open.delete(event.id)) {
      this.#left.push(event.id);
    }
    if (event.kind === 2) {
      bytes.set(event.data, back);
      events[word + 2] = back;
      events[word + 3] = event.data.length;
    } else if (event.kind === 9) {
      this.#keep(event.id, event.rest);
      events[word + 2] = event.rest.length;
      events[word + 3] = event.rest.high ?? 0;
    } else if (event.kind === 10) {
      this.lent.get(event.id)?.set(event.filled, event.at);
      events[word + 2] = event.filled.length;
      events[word + 3] = 0;
    } else if (event.kind === 4) {
      events[word + 2] = event.status;
    } else if (event.kind === 5) {
      events[word + 2] = event.bytes;
    } else if (event.kind >= 11) {
      this.#fillSocket(event, events, bytes, word, byte, back);
    } else if (event.kind === 1) {
      this.#fillRequest(event, events, bytes, word, byte, back);
    }
  }

  #fillSocket(event, events, bytes, word, byte, back) {
    const { kind, id, payload, flags } = event;
    const length = payload?.length ?? 0;
    const start = (flags & 2) !== 0 ? byte : back;
    if ((flags & 4) !== 0) {
      this.#keep(id, payload);
    } else if (length > 0) {
      bytes.set(payload, start);
    }
    const place = (flags & 4) !== 0 ? [length, 0] : [start, length];
    events.set(
      kind === 11
        ? [flags, ...place]
        : event.place !== undefined
          ? [0, ...event.place]
          : kind === 14
            ? [event.code, ...place, event.wasClean ? 1 : 0]
            : kind === 15
              ? [event.bytes, event.isCongested ? 1 : 0]
              : place,
      word + 2,
    );
    if (kind === 14 && this.#open.delete(id)) {
      this.#left.push(id);
    }
  }

  #keep(id, data) {
    this.#rests.set(id, [...(this.#rests.get(id) ?? []), data]);
  }

  #fillRequest(event, events, bytes, word, base, bodyAt) {
    const { method, target, fields, host } = event.parsed;
    bytes.set(event.head, base);
    const end = base + event.head.length;
    const body = event.body === undefined ? Buffer.alloc(0) : Buffer.from(event.body);
    let flags = event.streams ? 2 : 0;
    if (event.apart) {
      this.#rests.delete(event.id);
      this.#keep(event.id, body);
      flags |= 8;
    } else {
      bytes.set(body, bodyAt);
    }
    flags |= event.streams || event.body !== undefined ? 4 : 0;
    flags |= (event.ioThread ?? 0) << 16;
    let address = 0;
    let port = event.port ?? (event.peer === undefined ? 0 : 50_000);
    if (event.peer?.includes(':')) {
      bytes.set(Buffer.from(event.peer), end);
      address = end;
      port |= event.peer.length << 16;
      flags |= 16;
    } else if (event.peer !== undefined) {
      address = event.peer.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    }
    const known = METHODS.indexOf(method);
    const place = event.streams ? [event.declared ?? 0, 0] : [bodyAt, body.length];
    events.set(
      [
        base,
        event.head.length,
        known < 0 ? 9 : known,
        base + target[0],
        target[1],
        fields.length,
        ...place,
        flags,
        address,
        port,
        base + host[0],
        host[1],
        event.route ?? 0,
        event.params?.length ?? 0,
        event.connection ?? 0,
        event.sequence ?? 0,
      ],
      word + 2,
    );
    let at = word + REQUEST_WORDS;
    for (const field of fields) {
      events.set([base + field[0], field[1], base + field[2], field[3]], at);
      at += 4;
    }
    for (const param of event.params ?? []) {
      const place = event.head.indexOf(param, target[0], 'latin1');
      events.set([0, 0, base + place, param.length], at);
      at += 4;
    }
  }
}

function parseHead(head) {
  const text = head.toString('latin1');
  const lineEnd = text.indexOf('\r\n');
  const [method, target] = text.slice(0, lineEnd).split(' ');
  const fields = [];
  let host = [0, 0];
  for (let at = lineEnd + 2; text.indexOf('\r\n', at) > at; at = text.indexOf('\r\n', at) + 2) {
    const end = text.indexOf('\r\n', at);
    const colon = text.indexOf(':', at);
    const raw = text.slice(colon + 1, end);
    const value = raw.replace(/^[\t ]+|[\t ]+$/g, '');
    const start = colon + 1 + raw.indexOf(value);
    fields.push([at, colon - at, start, value.length]);
    if (text.slice(at, colon).toLowerCase() === 'host') {
      host = [start, value.length];
    }
  }
  const absolute = /^https?:\/\/([^/?]*)/i.exec(target);
  if (absolute !== null) {
    host = [method.length + 1 + target.indexOf('//') + 2, absolute[1].length];
  }
  return { method, target: [method.length + 1, target.length], fields, host };
}

/** What a file's response has in place of a body. */
function parseFile(bytes) {
  const pathEnd = 20 + bytes.readUInt32LE(16);
  return {
    start: bytes.readBigUInt64LE(0),
    end: bytes.readBigUInt64LE(8),
    path: bytes.toString('utf8', 20, pathEnd),
    heeded: parseFields(bytes.subarray(pathEnd)),
  };
}

function parseFields(bytes) {
  const fields = [];
  for (let at = 0; at < bytes.length; ) {
    const name = bytes.readUInt16LE(at);
    const value = bytes.readUInt16LE(at + 2);
    at += 4;
    fields.push([
      bytes.toString('latin1', at, at + name),
      bytes.toString('latin1', at + name, at + name + value),
    ]);
    at += name + value;
  }
  return fields;
}
