// Cases of request smuggling, changed at random.

/** What parsers stumble over. */
const ODD = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\n\n',
    '\r\n\r\n',
    ' ',
    '\t',
    '\0',
    '\x0b',
    ':',
    ';',
    ',',
    '"',
    '0',
    '5',
    '-',
    '+',
  ],
  ...[
    '\xa0',
    '\xff',
    '\r\nContent-Length: 5',
    '\r\nTransfer-Encoding: chunked',
    '0\r\n\r\n',
    ' HTTP/1.1',
  ],
].map((text) => Buffer.from(text, 'latin1'));

/** Numbers that a seed decides (mulberry32). */
export class Dice {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  /** Below `most`. */
  below(most) {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * most);
  }
  of(list) {
    return list[this.below(list.length)];
  }
}

/** A case with some bytes that were added, taken away, doubled or changed. */
export function mutated({ name, pieces, http2 }, dice) {
  const changed = pieces.map((piece) => {
    if (typeof piece === 'number' || dice.below(3) === 0) return piece;
    let bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : Buffer.from(piece);
    for (let times = 1 + dice.below(3); times > 0; times--) {
      const at = dice.below(bytes.length + 1);
      const end = Math.min(bytes.length, at + 1 + dice.below(6));
      const kinds = [
        () => [bytes.subarray(0, at), dice.of(ODD), bytes.subarray(at)],
        () => [bytes.subarray(0, at), bytes.subarray(end)],
        () => [bytes.subarray(0, end), bytes.subarray(at)],
        () => [bytes.subarray(0, at), dice.of(ODD), bytes.subarray(end)],
      ];
      bytes = Buffer.concat(dice.of(kinds)());
    }
    return bytes;
  });
  return {
    name: `${name}, changed to ${JSON.stringify(changed.map(String))}`,
    pieces: changed,
    http2,
  };
}
