// Responses out of the bytes of one connection, each checked as it comes.

/** What came is not what was asked for. */
export class WrongAnswer extends Error {}

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');

/**
 * Takes the bytes of a connection apart into responses of known bodies. Knows
 * what is enough for a server that is under test, and accepts nothing else.
 */
export class ResponseReader {
  /** Complete responses so far. */
  complete = 0;
  /** The last complete response said that the connection closes. */
  saysClose = false;
  /** Responses of another status than 200: their number by status. */
  otherStatuses = new Map();

  #bytes = Buffer.alloc(0);
  /** `null` between responses. */
  #head = null;
  #body = [];
  #expected;

  /**
   * @param {() => string} expected called once for each response, in order: what
   *   its body is if its status is 200
   */
  constructor(expected) {
    this.#expected = expected;
  }

  /**
   * Takes the next bytes.
   * @throws {WrongAnswer}
   */
  push(bytes) {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    while (this.#step()) {
      // As many as have come.
    }
  }

  /**
   * The connection is closed. What was incomplete must be the beginning of what
   * was to come.
   * @returns whether a response was cut off
   * @throws {WrongAnswer}
   */
  end() {
    if (this.#head === null) {
      const start = this.#bytes.toString('latin1');
      if (!'HTTP/1.1 '.startsWith(start.slice(0, 9))) {
        throw new WrongAnswer(`the connection ends with ${JSON.stringify(start)}`);
      }
      return start !== '';
    }
    const { status, rest } = this.#head;
    const partial = rest === 'chunks' ? '' : this.#bytes.toString('latin1');
    const body = Buffer.concat(this.#body).toString('latin1') + partial;
    const expected = this.#expected();
    if (status === 200 && !expected.startsWith(body)) {
      throw new WrongAnswer(`cut off after ${JSON.stringify(body.slice(0, 200))}`);
    }
    return true;
  }

  #step() {
    if (this.#head === null) {
      return this.#readHead();
    }
    return this.#head.rest === 'chunks' ? this.#readChunk() : this.#readBody();
  }

  #readHead() {
    const end = this.#bytes.indexOf(HEAD_END);
    if (end < 0) {
      return false;
    }
    const text = this.#bytes.toString('latin1', 0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]);
    const length = /^content-length: (\d+)$/im.exec(text)?.[1];
    const isChunked = /^transfer-encoding: chunked$/im.test(text);
    if (!status || (length === undefined) !== isChunked) {
      throw new WrongAnswer(`a head without sense: ${JSON.stringify(text)}`);
    }
    const closes = /^connection: close$/im.test(text);
    this.#head = { status, closes, rest: isChunked ? 'chunks' : Number(length) };
    this.#bytes = this.#bytes.subarray(end + HEAD_END.length);
    return true;
  }

  #readBody() {
    const { rest } = this.#head;
    if (this.#bytes.length < rest) {
      return false;
    }
    this.#body.push(this.#bytes.subarray(0, rest));
    this.#bytes = this.#bytes.subarray(rest);
    this.#finish();
    return true;
  }

  #readChunk() {
    const end = this.#bytes.indexOf(LINE_END);
    if (end < 0) {
      return false;
    }
    const line = this.#bytes.toString('latin1', 0, end);
    if (!/^[0-9a-f]+$/i.test(line)) {
      throw new WrongAnswer(`a chunk of size ${JSON.stringify(line)}`);
    }
    const size = Number.parseInt(line, 16);
    const start = end + LINE_END.length;
    const next = start + size + LINE_END.length;
    if (this.#bytes.length < next) {
      return false;
    }
    this.#body.push(this.#bytes.subarray(start, start + size));
    if (!this.#bytes.subarray(start + size, next).equals(LINE_END)) {
      throw new WrongAnswer('a chunk without its end');
    }
    this.#bytes = this.#bytes.subarray(next);
    if (size === 0) {
      this.#finish();
    }
    return true;
  }

  #finish() {
    const { status, closes } = this.#head;
    const body = Buffer.concat(this.#body).toString('latin1');
    const expected = this.#expected();
    if (status !== 200) {
      this.otherStatuses.set(status, (this.otherStatuses.get(status) ?? 0) + 1);
    } else if (body !== expected) {
      const [got, wanted] = [body, expected].map((text) => JSON.stringify(text.slice(-60)));
      throw new WrongAnswer(`expected …${wanted}, got …${got} (${body.length} bytes)`);
    }
    this.complete += 1;
    this.saysClose = closes;
    this.#head = null;
    this.#body = [];
  }
}
