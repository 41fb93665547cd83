// HPACK (RFC 7541) for tests: an encoder that says exactly what it is told, without a table and without
// Huffman, and a decoder.

/** Appendix A. */
const STATIC = [
  ...[':authority', ':method=GET', ':method=POST', ':path=/', ':path=/index.html'],
  ...[':scheme=http', ':scheme=https', ':status=200', ':status=204', ':status=206', ':status=304'],
  ...[':status=400', ':status=404', ':status=500', 'accept-charset'],
  ...['accept-encoding=gzip, deflate', 'accept-language', 'accept-ranges', 'accept'],
  ...['access-control-allow-origin', 'age', 'allow', 'authorization', 'cache-control'],
  ...['content-disposition', 'content-encoding', 'content-language', 'content-length'],
  ...['content-location', 'content-range', 'content-type', 'cookie', 'date', 'etag', 'expect'],
  ...['expires', 'from', 'host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range'],
  ...['if-unmodified-since', 'last-modified', 'link', 'location', 'max-forwards'],
  ...['proxy-authenticate', 'proxy-authorization', 'range', 'referer', 'refresh', 'retry-after'],
  ...['server', 'set-cookie', 'strict-transport-security', 'transfer-encoding', 'user-agent'],
  ...['vary', 'via', 'www-authenticate'],
].map((text) => {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
});

/** Appendix B: the length of each octet's code and of the end's, `a` for 5. The code is canonical. */
const LENGTHS =
  'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibccccccccccccccccccccccdcdioijb' +
  'kabababbbaccbbbabcbaabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrqsrssprrrsrr' +
  'svvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwvz';

const CODES = new Map();
{
  const symbols = [...LENGTHS].map((letter, symbol) => [letter.charCodeAt(0) - 92, symbol]);
  symbols.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  let code = 0;
  let last = 0;
  for (const [length, symbol] of symbols) {
    code *= 2 ** (length - last);
    last = length;
    CODES.set(code.toString(2).padStart(length, '0'), symbol);
    code += 1;
  }
}

/** An integer with a prefix of so many bits (§5.1), below `first`. */
export function integer(value, bits, first = 0) {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([first | value]);
  const bytes = [first | most];
  let left = value - most;
  while (left >= 128) {
    bytes.push((left % 128) | 128);
    left = Math.floor(left / 128);
  }
  return Buffer.from([...bytes, left]);
}

const bytesOf = (text) => (typeof text === 'string' ? Buffer.from(text, 'latin1') : text);

/** A string literal (§5.2), not Huffman-coded. */
export function string(text) {
  const bytes = bytesOf(text);
  return Buffer.concat([integer(bytes.length, 7), bytes]);
}

/** A field that goes into no table (§6.2.2), whatever is in it. */
export const literal = (name, value) => Buffer.concat([Buffer.of(0), string(name), string(value)]);

/** A field that goes into the table (§6.2.1). */
export const added = (name, value) => Buffer.concat([Buffer.of(0x40), string(name), string(value)]);

/** A field of a table (§6.1). */
export const indexed = (index) => integer(index, 7, 0x80);

/** A change of the table's size (§6.3). */
export const resized = (size) => integer(size, 5, 0x20);

/** A block of literals: `[name, value]` each. */
export const block = (fields) => Buffer.concat(fields.map(([name, value]) => literal(name, value)));

function huffman(bytes) {
  let bits = '';
  const out = [];
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, '0')) {
      bits += bit;
      const symbol = CODES.get(bits);
      if (symbol !== undefined) {
        if (symbol === 256) throw new Error('the end within a string');
        out.push(symbol);
        bits = '';
      }
    }
  }
  if (bits.length > 7 || bits.includes('0')) throw new Error(`padded with ${bits}`);
  return Buffer.from(out);
}

/** Decodes blocks of one direction of a connection. */
export class HpackDecoder {
  #table = [];
  #size = 0;

  constructor(most = 4096) {
    this.most = most;
    this.capacity = most;
  }

  #evict() {
    while (this.#size > this.capacity) {
      const [name, value] = this.#table.pop();
      this.#size -= name.length + value.length + 32;
    }
  }

  /** @returns {[string, string][]} */
  decode(bytes) {
    let at = 0;
    const number = (bits) => {
      const most = 2 ** bits - 1;
      let value = bytes[at++] & most;
      if (value < most) return value;
      for (let factor = 1; ; factor *= 128) {
        const byte = bytes[at++];
        if (byte === undefined) throw new Error('an integer without an end');
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    };
    const text = () => {
      const isCoded = bytes[at] >= 128;
      const length = number(7);
      const part = bytes.subarray(at, at + length);
      if (part.length < length) throw new Error('a string without an end');
      at += length;
      return (isCoded ? huffman(part) : part).toString('latin1');
    };
    const entry = (index) => {
      const found = index <= 61 ? STATIC[index - 1] : this.#table[index - 62];
      if (found === undefined) throw new Error(`no entry ${index}`);
      return found;
    };
    const fields = [];
    while (at < bytes.length) {
      const first = bytes[at];
      if (first >= 128) {
        fields.push([...entry(number(7))]);
      } else if (first >= 32 && first < 64) {
        this.capacity = number(5);
        if (this.capacity > this.most) throw new Error(`a table of ${this.capacity}`);
        this.#evict();
      } else {
        const isAdded = first >= 64;
        const index = number(isAdded ? 6 : 4);
        const name = index === 0 ? text() : entry(index)[0];
        const field = [name, text()];
        fields.push(field);
        if (isAdded) {
          this.#table.unshift(field);
          this.#size += field[0].length + field[1].length + 32;
          this.#evict();
        }
      }
    }
    return fields;
  }
}
