// The cases of the Autobahn test suite, by their numbers: what a client sends, and what it has to get
// back from a server that echoes. Sections 1 to 7, 9 and 10; those of compression are in
// cases-compression.mjs. All are judged strictly, but those that the suite calls informational (7.13).
//
// `crates/proto/src/ws/tests/autobahn.rs` has the same list for the codec alone.

import { GREEK, UTF8_GROUPS } from './cases-utf8.mjs';
import { BINARY, CONTINUATION, closing, FIN, frame, PING, PONG, TEXT } from './frames.mjs';

const CLOSE = 8;
const HELLO = 'Hello, world!';

/** A case that is written down as it goes. */
class Case {
  /** The pieces that are sent, each whole in one mode. */
  sent = [];
  /** Messages that come back: opcode and payload. */
  messages = [];
  /** Payloads of pongs that come. */
  pongs = [];
  /** What the client sends once it has all of that. */
  closing = null;
  /** The server's close: codes of which one is right, `null` for none. */
  codes = [];
  /** The server fails the connection. */
  isFailure = false;
  /** The piece at which it has to, where the suite waits after each. */
  failsAt = null;

  constructor(name) {
    this.name = name;
  }

  send(first, payload) {
    this.sent.push(frame(first, payload));
    return this;
  }

  ping(payload) {
    this.pongs.push(Buffer.from(payload));
    return this.send(FIN | PING, payload);
  }

  /** This message will have come. */
  message(opcode, payload) {
    this.messages.push({ opcode, payload: Buffer.from(payload) });
    return this;
  }

  /** A message in one frame. */
  whole(opcode, payload) {
    return this.send(FIN | opcode, payload).message(opcode, payload);
  }

  /** In frames of `size` bytes. */
  frames(opcode, payload, size) {
    const bytes = Buffer.from(payload);
    for (let at = 0; at < bytes.length; at += size) {
      const fin = at + size >= bytes.length ? FIN : 0;
      this.send(fin | (at === 0 ? opcode : CONTINUATION), bytes.subarray(at, at + size));
    }
    return this;
  }

  /** The server fails the connection. */
  fails(...codes) {
    this.isFailure = true;
    this.codes = codes;
    return this;
  }

  /** The client closes once it has all that it expects. */
  closes() {
    this.closing = frame(FIN | CLOSE, closing(1000));
    this.codes = [1000];
    return this;
  }

  /** The close frame is among what was sent. */
  closed(...codes) {
    this.codes = codes;
    return this;
  }
}

const one = (name) => new Case(name);

function section1() {
  const cases = [];
  for (const [part, opcode, byte] of [
    [1, TEXT, 0x2a],
    [2, BINARY, 0xfe],
  ]) {
    for (const [i, length] of [0, 125, 126, 127, 128, 65_535, 65_536, 65_536].entries()) {
      cases.push(
        one(`1.${part}.${i + 1}`)
          .whole(opcode, Buffer.alloc(length, byte))
          .closes(),
      );
    }
  }
  return cases;
}

function section2() {
  const odd = Buffer.from('00fffefdfcfb00ff', 'hex');
  const most = Buffer.alloc(125, 0xfe);
  const ten = (name) => {
    const each = one(name);
    for (let i = 0; i < 10; i++) each.ping(`payload-${i}`);
    return each.closes();
  };
  return [
    one('2.1').ping('').closes(),
    one('2.2').ping(HELLO).closes(),
    one('2.3').ping(odd).closes(),
    one('2.4').ping(most).closes(),
    one('2.5')
      .send(FIN | PING, Buffer.alloc(126, 0xfe))
      .fails(1002),
    one('2.6').ping(most).closes(),
    one('2.7')
      .send(FIN | PONG, '')
      .closes(),
    one('2.8')
      .send(FIN | PONG, 'unsolicited')
      .closes(),
    one('2.9')
      .send(FIN | PONG, 'unsolicited')
      .ping('ping')
      .closes(),
    ten('2.10'),
    ten('2.11'),
  ];
}

function section3() {
  const after = (name, rsv) =>
    one(name)
      .whole(TEXT, HELLO)
      .send(FIN | TEXT | (rsv << 4), HELLO)
      .send(FIN | PING, '')
      .fails(1002);
  return [
    one('3.1').send(0x91, HELLO).fails(1002),
    after('3.2', 2),
    after('3.3', 3),
    after('3.4', 4),
    one('3.5')
      .send(0x82 | (5 << 4), [0, 0xff, 0xfe])
      .fails(1002),
    one('3.6')
      .send(0x82 | (6 << 4), HELLO)
      .fails(1002),
    one('3.7')
      .send(0x88 | (7 << 4), '')
      .fails(1002),
  ];
}

function section4() {
  const cases = [];
  for (const [part, from] of [
    [1, 3],
    [2, 11],
  ]) {
    for (let i = 0; i < 5; i++) {
      const each = one(`4.${part}.${i + 1}`);
      // The first two come alone, the others after a message.
      if (i >= 2) each.whole(TEXT, HELLO);
      const payload = i % 2 === 0 && i < 4 ? '' : HELLO;
      cases.push(
        each
          .send(FIN | (from + i), payload)
          .send(FIN | PING, '')
          .fails(1002),
      );
    }
  }
  return cases;
}

function section5() {
  const two = (name, withPing) => {
    const each = one(name).send(TEXT, 'fragment1');
    if (withPing) each.ping('ping payload');
    return each.send(FIN, 'fragment2').message(TEXT, 'fragment1fragment2').closes();
  };
  const lonely = (name, first) =>
    one(name)
      .send(first, 'non-continuation payload')
      .send(FIN | TEXT, HELLO)
      .fails(1002);
  const five = (name) =>
    one(name)
      .send(TEXT, 'fragment1')
      .send(0, 'fragment2')
      .ping('pongme 1!')
      .send(0, 'fragment3')
      .send(0, 'fragment4')
      .ping('pongme 2!')
      .send(FIN, 'fragment5')
      .message(TEXT, 'fragment1fragment2fragment3fragment4fragment5')
      .closes();
  const pair = (name, first, second) =>
    one(name).send(first, 'fragment1').send(second, 'fragment2').fails(1002);
  return [
    pair('5.1', PING, FIN),
    pair('5.2', PONG, FIN),
    ...['5.3', '5.4', '5.5'].map((name) => two(name, false)),
    ...['5.6', '5.7', '5.8'].map((name) => two(name, true)),
    ...['5.9', '5.10', '5.11'].map((name) => lonely(name, FIN)),
    ...['5.12', '5.13', '5.14'].map((name) => lonely(name, 0)),
    one('5.15')
      .send(TEXT, 'fragment1')
      .send(FIN, 'fragment2')
      .message(TEXT, 'fragment1fragment2')
      .send(0, 'fragment3')
      .send(FIN | TEXT, 'fragment4')
      .fails(1002),
    pair('5.16', 0, TEXT),
    pair('5.17', FIN, TEXT),
    pair('5.18', TEXT, FIN | TEXT),
    five('5.19'),
    five('5.20'),
  ];
}

function section6() {
  const hello = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!');
  const edited = Buffer.from('edited');
  const surrogate = Buffer.concat([GREEK, Buffer.from('eda080', 'hex'), edited]);
  const beyond = Buffer.concat([GREEK, Buffer.from('f4908080', 'hex'), edited]);
  const fast = (name, pieces) => {
    const each = one(name).fails(1007);
    Object.assign(each, { sent: pieces, failsAt: 1 });
    return each;
  };
  // Which byte of the text is wrong decides, not where its frame ends.
  const frames = (a, b) => [
    frame(TEXT, beyond.subarray(0, a)),
    frame(CONTINUATION, beyond.subarray(a, b)),
    frame(FIN, beyond.subarray(b)),
  ];
  const chops = (a, b) => {
    const whole = frame(FIN | TEXT, beyond);
    return [whole.subarray(0, 6 + a), whole.subarray(6 + a, 6 + b), whole.subarray(6 + b)];
  };
  const { length } = GREEK;
  const cases = [
    one('6.1.1').whole(TEXT, '').closes(),
    one('6.1.2').send(TEXT, '').send(0, '').send(FIN, '').message(TEXT, '').closes(),
    one('6.1.3').send(TEXT, '').send(0, 'middle').send(FIN, '').message(TEXT, 'middle').closes(),
    one('6.2.1').whole(TEXT, hello).closes(),
    one('6.2.2')
      .send(TEXT, hello.subarray(0, 12))
      .send(FIN, hello.subarray(12))
      .message(TEXT, hello)
      .closes(),
    one('6.2.3').frames(TEXT, hello, 1).message(TEXT, hello).closes(),
    one('6.2.4').frames(TEXT, GREEK, 1).message(TEXT, GREEK).closes(),
    one('6.3.1')
      .send(FIN | TEXT, surrogate)
      .fails(1007),
    one('6.3.2').frames(TEXT, surrogate, 1).fails(1007),
    fast('6.4.1', frames(length, length + 4)),
    fast('6.4.2', frames(length + 1, length + 2)),
    fast('6.4.3', chops(length, length + 4)),
    fast('6.4.4', chops(length + 1, length + 2)),
  ];
  for (const [group, texts] of UTF8_GROUPS.entries()) {
    for (const [i, [isValid, text]] of texts.entries()) {
      const each = one(`6.${group + 5}.${i + 1}`);
      cases.push(
        isValid ? each.whole(TEXT, text).closes() : each.send(FIN | TEXT, text).fails(1007),
      );
    }
  }
  return cases;
}

function section7() {
  const hello = 'Hello World!';
  const big = 'BAsd7&jh23'.repeat(26_215);
  const normal = (reason = '') => closing(1000, reason);
  const close = (name) =>
    one(name)
      .send(FIN | CLOSE, normal())
      .closed(1000);
  const cases = [
    one('7.1.1').whole(TEXT, hello).closes(),
    close('7.1.2').send(FIN | CLOSE, ''),
    close('7.1.3').send(FIN | PING, ''),
    close('7.1.4').send(FIN | TEXT, hello),
    one('7.1.5')
      .send(TEXT, 'fragment1')
      .send(FIN | CLOSE, normal())
      .send(FIN, 'fragment2')
      .closed(1000),
    // The suite waits for the echo of the large message before it closes, and so does this.
    Object.assign(one('7.1.6').whole(TEXT, big).whole(TEXT, hello), {
      closing: Buffer.concat([frame(FIN | CLOSE, normal()), frame(FIN | PING, '')]),
      codes: [1000],
    }),
    one('7.3.1')
      .send(FIN | CLOSE, '')
      .closed(null, 1000),
    one('7.3.2')
      .send(FIN | CLOSE, 'a')
      .fails(1002),
    close('7.3.3'),
    one('7.3.4')
      .send(FIN | CLOSE, normal(hello))
      .closed(1000),
    one('7.3.5')
      .send(FIN | CLOSE, normal('*'.repeat(123)))
      .closed(1000),
    one('7.3.6')
      .send(FIN | CLOSE, normal('*'.repeat(124)))
      .fails(1002),
    one('7.5.1')
      .send(
        FIN | CLOSE,
        Buffer.concat([normal(), GREEK, Buffer.from('eda080', 'hex'), Buffer.from('edited')]),
      )
      .fails(1007),
  ];
  const good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
  for (const [i, code] of good.entries()) {
    cases.push(
      one(`7.7.${i + 1}`)
        .send(FIN | CLOSE, closing(code))
        .closed(code, 1000),
    );
  }
  for (const [i, code] of [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].entries()) {
    cases.push(
      one(`7.9.${i + 1}`)
        .send(FIN | CLOSE, closing(code))
        .fails(1002),
    );
  }
  for (const [i, code] of [5000, 65_535].entries()) {
    cases.push(
      one(`7.13.${i + 1}`)
        .send(FIN | CLOSE, closing(code))
        .fails(1002, code, 1000),
    );
  }
  return cases;
}

function section9() {
  const cases = [];
  for (const [part, opcode, byte] of [
    [0, TEXT, 0x2a],
    [1, BINARY, 0xfe],
  ]) {
    for (const [i, kib] of [64, 256, 1024, 4096, 8192, 16_384].entries()) {
      cases.push(
        one(`9.${1 + part}.${i + 1}`)
          .whole(opcode, Buffer.alloc(kib << 10, byte))
          .closes(),
      );
    }
    const large = Buffer.alloc(4 << 20, byte);
    for (const [i, size] of [
      64,
      256,
      1024,
      4096,
      16_384,
      65_536,
      1 << 18,
      1 << 20,
      4 << 20,
    ].entries()) {
      cases.push(
        one(`9.${3 + part}.${i + 1}`)
          .frames(opcode, large, size)
          .message(opcode, large)
          .closes(),
      );
    }
    const chopped = Buffer.alloc(1 << 20, byte);
    for (let i = 0; i < 6; i++) {
      const each = one(`9.${5 + part}.${i + 1}`).whole(opcode, chopped);
      each.chop = 64 << i;
      cases.push(each.closes());
    }
    for (const [i, length] of [0, 16, 64, 256, 1024, 4096].entries()) {
      const each = one(`9.${7 + part}.${i + 1}`);
      for (let n = 0; n < 1000; n++) each.whole(opcode, Buffer.alloc(length, byte));
      cases.push(each.closes());
    }
  }
  return cases;
}

function section10() {
  const payload = Buffer.alloc(65_536, '*');
  return [one('10.1.1').frames(TEXT, payload, 1300).message(TEXT, payload).closes()];
}

/** Sections, how many cases they have, and what makes them: large ones only when they are run. */
export const SECTIONS = [
  [1, 16, section1],
  [2, 11, section2],
  [3, 7, section3],
  [4, 10, section4],
  [5, 20, section5],
  [6, 145, section6],
  [7, 37, section7],
  [9, 54, section9],
  [10, 1, section10],
];
