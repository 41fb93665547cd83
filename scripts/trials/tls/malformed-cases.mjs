// Handshakes that are wrong, or right in an unusual way, as bytes. Each case says what may come of
// it. A number is an alert, the first of several the one that RFC 8446 (or the one named) says.

import { randomBytes } from 'node:crypto';
import * as h from './hello.mjs';

const {
  EXTENSION: X,
  GROUP: G,
  u8,
  u16,
  u24,
  join,
  vec8,
  vec16,
  record,
  message,
  hello,
  hello12,
} = h;
const { body, changed, replaced, added, HANDSHAKE, ALERT, CCS, DATA } = h;

/** Alerts (RFC 8446, section 6). */
const UNEXPECTED = 10;
const BAD_MAC = 20;
const OVERFLOW = 22;
const FAILURE = 40;
const ILLEGAL = 47;
const DECODE = 50;
const DECRYPT = 51;
const VERSION = 70;
const FALLBACK = 86;
const MISSING = 109;
const NO_PROTOCOL = 120;

/** The server goes on: a ServerHello or a HelloRetryRequest. */
const SERVED = 'served';
/** It ends the connection without a word, which is right towards a client that has gone. */
const CLOSED = 'closed';
/** It answers in plain HTTP. */
const HTTP = 'http';
/** It goes on, and then says something encrypted, such as an alert, and closes. */
const ENCRYPTED = 'encrypted';

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {(Buffer | 'answer' | 'end' | 'reset')[]} steps what is sent; 'answer' waits for the
 *   server's flight
 * @property {readonly (number | string)[]} may come of it, the best first
 * @property {number} [cut] bytes of one write
 */

/** @type {Case[]} */
export const CASES = [];

const add = (name, steps, may, more = {}) =>
  CASES.push({ name, steps: [steps].flat(), may: [may].flat(), ...more });

/** A client that has said something, and ends. */
const gone = (name, bytes) => {
  add(`${name}, then the end`, [bytes, 'end'], CLOSED);
  add(`${name}, then a reset`, [bytes, 'reset'], CLOSED);
};

// What is right.
add('a hello of TLS 1.3', hello(), SERVED);
add('a hello of TLS 1.2', hello12(), SERVED);
add('a hello in segments of one byte', hello(), SERVED, { cut: 1 });
add('a hello of TLS 1.2 in segments of one byte', hello12(), SERVED, { cut: 1 });
for (const most of [1, 2, 3, 4, 5, 37, 200]) {
  add(`a hello in records of ${most} bytes`, h.inRecords(message(1, body()), most), SERVED);
}
add('a hello in records and segments of one byte', h.inRecords(message(1, body()), 1), SERVED, {
  cut: 1,
});

// Records.
for (const type of [0, 1, 19, 25, 63, 127, 128, 255]) {
  add(`a record of type ${type}`, record(type, message(1, body())), UNEXPECTED);
}
add('application data first', record(DATA, randomBytes(40)), UNEXPECTED);
add('a heartbeat first', record(24, Buffer.from([1, 0x40, 0])), UNEXPECTED);
for (const version of [0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x03ff]) {
  const bytes = record(HANDSHAKE, message(1, body()), { version });
  // RFC 8446, 5.1: to be ignored for all purposes.
  add(`a record of version ${version.toString(16)}`, bytes, SERVED);
}
for (const version of [0x0000, 0x0002, 0x0200, 0x0403, 0xfeff, 0xffff]) {
  const bytes = record(HANDSHAKE, message(1, body()), { version });
  add(`a record of version ${version.toString(16)}`, bytes, [SERVED, VERSION, UNEXPECTED, DECODE]);
}
for (const length of [16_385, 16_641, 18_432, 18_433, 20_000, 65_535]) {
  const bytes = record(HANDSHAKE, Buffer.alloc(length, 1));
  add(`a record of ${length} bytes`, bytes, [OVERFLOW, UNEXPECTED]);
  const only = record(HANDSHAKE, body(), { length });
  add(`the header of a record of ${length} bytes`, [only, 'end'], [OVERFLOW, CLOSED]);
}
add('an empty record', record(HANDSHAKE, Buffer.alloc(0)), UNEXPECTED);
add('an empty record before the hello', join(record(HANDSHAKE, []), hello()), UNEXPECTED);
{
  const whole = message(1, body());
  const first = record(HANDSHAKE, whole.subarray(0, 50));
  const rest = record(HANDSHAKE, whole.subarray(50));
  add('an empty record within the hello', join(first, record(HANDSHAKE, []), rest), UNEXPECTED);
  add('an alert within the hello', join(first, h.alert(1, 0), rest), [UNEXPECTED, CLOSED]);
  add('a warning within the hello', join(first, h.alert(1, 90), rest), UNEXPECTED);
  add('a CCS within the hello', join(first, h.ccs(), rest), UNEXPECTED);
  add('data within the hello', join(first, record(DATA, randomBytes(30)), rest), UNEXPECTED);
  add('two hellos in one record', record(HANDSHAKE, join(whole, whole)), UNEXPECTED);
  add('a message behind the hello', record(HANDSHAKE, join(whole, message(20, []))), UNEXPECTED);
  add('half a message behind the hello', record(HANDSHAKE, join(whole, [20, 0])), [
    UNEXPECTED,
    ENCRYPTED,
  ]);
  add('1000 empty records', join(Array(1000).fill(record(HANDSHAKE, []))), UNEXPECTED);
  for (const at of [0, 1, 3, 4, 5, 6, 9, 43, 100, whole.length + 4]) {
    gone(`${at} bytes of a hello`, hello().subarray(0, at));
  }
  add(
    'a record that says one byte less, then the end',
    [record(HANDSHAKE, whole, { length: whole.length - 1 }), 'end'],
    CLOSED,
  );
  add(
    'a record that says one byte more',
    [record(HANDSHAKE, whole, { length: whole.length + 1 }), 'end'],
    CLOSED,
  );
}

// ChangeCipherSpec.
add('a CCS first', h.ccs(), UNEXPECTED);
add('a CCS before the hello', join(h.ccs(), hello()), UNEXPECTED);
add('1000 CCS first', join(Array(1000).fill(h.ccs())), UNEXPECTED);
add('one CCS behind the hello', [hello(), 'answer', h.ccs(), 'end'], [SERVED, ENCRYPTED]);
for (const count of [2, 10, 33, 1000]) {
  const many = join(Array(count).fill(h.ccs()));
  add(`${count} CCS behind the hello`, [hello(), 'answer', many, 'end'], [ENCRYPTED, SERVED]);
}
for (const payload of [[], [0], [2], [1, 1], [1, 0, 0]]) {
  const bytes = record(CCS, Buffer.from(payload), { version: 0x0303 });
  const name = `a CCS of ${JSON.stringify(payload)} behind the hello`;
  add(name, [hello(), 'answer', bytes], [ENCRYPTED, UNEXPECTED, DECODE]);
}

// Alerts, at every step.
for (const description of [0, 10, 20, 21, 40, 42, 46, 48, 50, 70, 80, 86, 90, 100, 110, 112, 255]) {
  for (const level of [1, 2]) {
    const bytes = h.alert(level, description);
    const text = `the alert ${description}, level ${level}`;
    // An alert that is no error alone may be followed by a hello, which these do not send.
    add(`${text}, first`, [bytes, 'end'], [CLOSED, UNEXPECTED]);
    add(`${text}, behind the hello`, [hello(), 'answer', bytes, 'end'], [SERVED, ENCRYPTED]);
    add(
      `${text}, behind the hello of 1.2`,
      [hello12(), 'answer', bytes, 'end'],
      [SERVED, UNEXPECTED, DECODE, ILLEGAL],
    );
  }
}
for (const payload of [[], [1], [2], [1, 0, 0], [2, 40, 0], [3, 0], [0, 0], [255, 255]]) {
  const bytes = record(ALERT, Buffer.from(payload));
  const name = `an alert of ${JSON.stringify(payload)}`;
  add(`${name}, first`, [bytes, 'end'], [CLOSED, DECODE, UNEXPECTED, ILLEGAL]);
  add(
    `${name}, behind the hello of 1.2`,
    [hello12(), 'answer', bytes, 'end'],
    [DECODE, UNEXPECTED, ILLEGAL, SERVED],
  );
}
add('1000 warnings first', [join(Array(1000).fill(h.alert(1, 90))), 'end'], [UNEXPECTED, CLOSED]);
add(
  '1000 warnings behind the hello of 1.2',
  [hello12(), 'answer', join(Array(1000).fill(h.alert(1, 90))), 'end'],
  [UNEXPECTED, DECODE, SERVED],
);

// Other protocols, and none.
add('an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), HTTP);
add('an HTTP request in single bytes', Buffer.from('POST / HTTP/1.1\r\nHost: a\r\n\r\n'), HTTP, {
  cut: 1,
});
add('the preface of HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), HTTP);
for (const text of [
  'SSH-2.0-x\r\n',
  'EHLO a\r\n',
  'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n',
  '\r\n',
  'get / http/1.1\r\n\r\n',
]) {
  add(`${JSON.stringify(text)}`, [Buffer.from(text), 'end'], [UNEXPECTED, CLOSED]);
}
add(
  'a hello of SSL 2',
  Buffer.from(
    '802e0100020015000000100100800300800700c0060040020080040080000000000000000000000000000000',
    'hex',
  ),
  [UNEXPECTED, DECODE, VERSION, FAILURE],
);
for (const length of [1, 5, 100, 5_000, 16_384, 100_000]) {
  const name = `${length} random bytes`;
  const bytes = randomBytes(length);
  // What may begin a request of HTTP is answered in HTTP.
  bytes[0] |= 0x80;
  add(name, [bytes, 'end'], [UNEXPECTED, DECODE, OVERFLOW, VERSION, CLOSED]);
  add(`${length} zeros`, [Buffer.alloc(length), 'end'], [UNEXPECTED, DECODE, CLOSED]);
  add(`${length} times 0xff`, [Buffer.alloc(length, 0xff), 'end'], [UNEXPECTED, DECODE, CLOSED]);
  add(
    `${length} times 0x16`,
    [Buffer.alloc(length, 0x16), 'end'],
    [UNEXPECTED, DECODE, OVERFLOW, CLOSED],
  );
}

// The message.
for (const type of [
  0, 2, 3, 4, 5, 6, 8, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 67, 254, 255,
]) {
  // Most cannot be read as what they say that they are, which is found first.
  add(`a message of type ${type}`, record(HANDSHAKE, message(type, body())), [UNEXPECTED, DECODE]);
}
add('a message that says nothing', record(HANDSHAKE, message(1, [])), DECODE);
add('a message that says one byte less', record(HANDSHAKE, message(1, body(), body().length - 1)), [
  DECODE,
  UNEXPECTED,
]);
add(
  'a message that says one byte more',
  [record(HANDSHAKE, message(1, body(), body().length + 1)), 'end'],
  CLOSED,
);
add(
  'a message of 16 MiB',
  [record(HANDSHAKE, message(1, body(), 0xffffff)), 'end'],
  [DECODE, ILLEGAL, CLOSED],
);
add(
  '1 MiB of a message of 16 MiB',
  h.inRecords(message(1, Buffer.alloc(1 << 20), 0xffffff), 16_384),
  [DECODE, ILLEGAL],
);
for (const size of [8_000, 12_000, 15_500]) {
  add(`a hello of ${size} bytes`, hello(added([[0x5555, Buffer.alloc(size)]])), SERVED);
}
for (const size of [20_000, 40_000, 60_000]) {
  const bytes = h.inRecords(message(1, body(added([[0x5555, Buffer.alloc(size)]]))), 16_384);
  // No rule forbids it, and no client does it.
  add(`a hello of ${size} bytes`, bytes, [SERVED, DECODE, ILLEGAL]);
}
for (const at of Array.from({ length: 24 }, (_, n) => n * 10)) {
  const cut = body().subarray(0, at);
  // A body that ends before the extensions is a hello of TLS 1.2 that offers no curve.
  add(`a body of ${at} bytes`, record(HANDSHAKE, message(1, cut)), [DECODE, FAILURE]);
}

// Its fields.
for (const version of [0x0000, 0x0200, 0x0300, 0x0301, 0x0302, 0x0304, 0x0400, 0xffff]) {
  const text = version.toString(16);
  // RFC 8446, D.5.
  const legacy = version <= 0x0300 ? VERSION : SERVED;
  add(`legacy version ${text} with supported_versions`, hello({ version }), legacy);
  const may = version < 0x0303 ? VERSION : [SERVED, VERSION];
  add(`version ${text} alone`, hello12({ version }), may);
}
for (const length of [33, 64, 255]) {
  add(`a session id of ${length} bytes`, hello({ session: vec8(randomBytes(length)) }), [
    DECODE,
    ILLEGAL,
  ]);
}
add('no session id', hello({ session: vec8([]) }), SERVED);
add('no cipher suites', hello({ suites: vec16([]) }), [DECODE, ILLEGAL, FAILURE]);
add('half a cipher suite', hello({ suites: vec16([0x13]) }), DECODE);
add('one and a half cipher suites', hello({ suites: vec16([0x13, 1, 0x13]) }), DECODE);
add('cipher suites without their end', hello({ suites: join(u16(65_535), u16(0x1301)) }), DECODE);
add('unknown cipher suites', hello({ suites: vec16(join(u16(0x1399), u16(0xeeee))) }), FAILURE);
add(
  'unknown cipher suites in 1.2',
  hello12({ suites: vec16(join(u16(0x0005), u16(0x000a))) }),
  FAILURE,
);
add(
  'suites of 1.2 in a hello of 1.3 alone',
  hello({ suites: vec16(u16(0xc02b)), ...replaced(X.versions, h.versions(0x0304)) }),
  FAILURE,
);
add('suites of 1.3 in a hello of 1.2', hello12({ suites: vec16(u16(0x1301)) }), FAILURE);
add(
  '30,000 cipher suites',
  h.inRecords(
    message(1, body({ suites: vec16(join(u16(0x1301), Buffer.alloc(60_000, 0xee))) })),
    16_384,
  ),
  [SERVED, DECODE, ILLEGAL],
);
// RFC 7507.
add(
  'TLS_FALLBACK_SCSV in a hello of 1.2',
  hello12({ suites: vec16(join(u16(0xc02b), u16(0x5600))) }),
  FALLBACK,
);
add('no compression methods', hello({ compression: vec8([]) }), [DECODE, ILLEGAL]);
add('another compression', hello({ compression: vec8([1]) }), ILLEGAL);
add('two compressions', hello({ compression: vec8([1, 0]) }), [ILLEGAL, SERVED]);
add('two compressions in 1.2', hello12({ compression: vec8([1, 0]) }), SERVED);
add('another compression in 1.2', hello12({ compression: vec8([1]) }), [ILLEGAL, FAILURE, DECODE]);

// The list of extensions.
add('no extensions', hello({ list: [] }), [FAILURE, MISSING, VERSION]);
add('an empty list of extensions', hello({ list: vec16([]) }), [FAILURE, MISSING, VERSION]);
add('half a length of the list', hello({ list: [0] }), DECODE);
add('bytes behind the list', hello({ tail: [0] }), DECODE);
add('many bytes behind the list', hello({ tail: Buffer.alloc(1000) }), DECODE);
for (const [less, name] of [
  [1, 'one byte less'],
  [-1, 'one byte more'],
  [1000, 'much less'],
  [-1000, 'much more'],
]) {
  const whole = hello().length - 9 - body({ list: [] }).length;
  const list = body().subarray(body({ list: [] }).length + 2);
  add(`a list that says ${name}`, hello({ list: join(u16(Math.max(0, whole - 2 - less)), list) }), [
    DECODE,
    FAILURE,
  ]);
}
add(
  '100 unknown extensions',
  hello(added(Array.from({ length: 100 }, (_, n) => [0x6000 + n, Buffer.alloc(3)]))),
  SERVED,
);
add(
  '3,000 unknown extensions',
  hello(added(Array.from({ length: 3_000 }, (_, n) => [0x6000 + n, Buffer.alloc(0)]))),
  SERVED,
);
add(
  'the same unknown extension twice',
  hello(
    added([
      [0x6000, []],
      [0x6000, []],
    ]),
  ),
  [ILLEGAL, DECODE, SERVED],
);
for (const [name, type] of Object.entries(X)) {
  const own = h.extensions13().get(type) ?? h.extensions12().get(type);
  if (own !== undefined) {
    add(
      `${name} twice`,
      hello(added([[type, own]], h.extensions13().set(type, own))),
      type === X.ticket ? [SERVED, ILLEGAL] : [ILLEGAL, DECODE],
    );
    const isEmpty = own.length === 0;
    add(
      `${name} that is empty`,
      hello(replaced(type, Buffer.alloc(0))),
      isEmpty || [X.renegotiation, X.points].includes(type) ? [DECODE, SERVED] : DECODE,
    );
    add(
      `${name} with a byte behind`,
      hello(replaced(type, join(own, [0]))),
      [X.extendedMasterSecret, X.points, X.renegotiation, X.ticket, X.statusRequest].includes(type)
        ? [DECODE, SERVED]
        : DECODE,
    );
    if (!isEmpty) {
      add(
        `${name} that lacks a byte`,
        hello(replaced(type, own.subarray(0, -1))),
        [X.points, X.renegotiation, X.statusRequest].includes(type) ? [DECODE, SERVED] : DECODE,
      );
    }
    const longer = join(u16(type), u16(own.length + 5), own);
    add(`${name} longer than the list`, hello({ list: vec16(longer) }), DECODE);
  }
}
for (const n of [0, 0x0a0a, 0xfafa, 65_534]) {
  add(
    `an unknown extension ${n.toString(16)} first`,
    hello(changed((all) => new Map([[n === 0 ? 0x7777 : n, Buffer.alloc(1)], ...all]))),
    SERVED,
  );
}

// supported_versions.
for (const list of [[0x0305], [0x0302], [0x0301, 0x0300], [0x7f1c], [0x0a0a], [0xffff]]) {
  add(
    `supported_versions ${list.map((v) => v.toString(16))}`,
    hello(replaced(X.versions, h.versions(...list))),
    VERSION,
  );
}
add(
  'supported_versions 1.3 behind many',
  hello(replaced(X.versions, h.versions(0x0a0a, 0x7f1c, 0x0305, 0x0304))),
  SERVED,
);
add('supported_versions 1.2 alone', hello(replaced(X.versions, h.versions(0x0303))), SERVED);
add('supported_versions of an odd length', hello(replaced(X.versions, vec8([3, 4, 3]))), DECODE);
add('supported_versions of no version', hello(replaced(X.versions, vec8([]))), [DECODE, VERSION]);

// Groups and shares.
add('no supported_groups', hello(changed((all) => void all.delete(X.groups))), MISSING);
add('no key_share', hello(changed((all) => void all.delete(X.keyShare))), MISSING);
add('no signature_algorithms', hello(changed((all) => void all.delete(X.signatures))), MISSING);
add(
  'unknown groups',
  hello({
    extensions: h
      .extensions13()
      .set(X.groups, h.groups(0x0a0a, 0x7777))
      .set(X.keyShare, h.keyShares(h.share(0x7777, [1, 2, 3]))),
  }),
  FAILURE,
);
add('groups of an odd length', hello(replaced(X.groups, vec16([0, 29, 0]))), DECODE);
add('no groups in the list', hello(replaced(X.groups, vec16([]))), [DECODE, FAILURE]);
add('a share of no group', hello(replaced(X.keyShare, h.keyShares())), SERVED);
add(
  'a share of another group only',
  hello(replaced(X.keyShare, h.keyShares(h.share(0x7777, [1])))),
  [SERVED, ILLEGAL],
);
add(
  'two shares of one group',
  hello(
    replaced(
      X.keyShare,
      h.keyShares(h.share(G.x25519, h.X25519_SHARE), h.share(G.x25519, h.X25519_SHARE)),
    ),
  ),
  [ILLEGAL, SERVED],
);
add(
  'a share that the groups lack',
  hello({
    extensions: h
      .extensions13()
      .set(X.groups, h.groups(G.p256))
      .set(
        X.keyShare,
        h.keyShares(h.share(G.x25519, h.X25519_SHARE), h.share(G.p256, h.P256_SHARE)),
      ),
  }),
  [ILLEGAL, SERVED],
);
for (const length of [1, 31, 33, 64, 1000]) {
  add(
    `a share for X25519 of ${length} bytes`,
    hello(replaced(X.keyShare, h.keyShares(h.share(G.x25519, Buffer.alloc(length, 9))))),
    ILLEGAL,
  );
}
add('a share of no bytes', hello(replaced(X.keyShare, h.keyShares(h.share(G.x25519, [])))), [
  DECODE,
  ILLEGAL,
]);
add(
  'the share 0 for X25519',
  hello(replaced(X.keyShare, h.keyShares(h.share(G.x25519, Buffer.alloc(32))))),
  ILLEGAL,
);
add(
  'the share 1 for X25519',
  hello(replaced(X.keyShare, h.keyShares(h.share(G.x25519, join([1], Buffer.alloc(31)))))),
  ILLEGAL,
);
const p256 = (point) =>
  hello({
    extensions: h
      .extensions13()
      .set(X.groups, h.groups(G.p256))
      .set(X.keyShare, h.keyShares(h.share(G.p256, point))),
  });
add('a share for P-256', p256(h.P256_SHARE), SERVED);
add('a point that is not on P-256', p256(join([4], Buffer.alloc(64, 7))), ILLEGAL);
add('the point at infinity', p256([0]), ILLEGAL);
add('a compressed point', p256(join([2], h.P256_SHARE.subarray(1, 33))), ILLEGAL);
add('a point of 0', p256(join([4], Buffer.alloc(64))), ILLEGAL);
add('a point without its last byte', p256(h.P256_SHARE.subarray(0, 64)), ILLEGAL);
add('a point of another form', p256(join([5], h.P256_SHARE.subarray(1))), ILLEGAL);
const hybrid = (bytes) =>
  hello({
    extensions: h
      .extensions13()
      .set(X.groups, h.groups(G.hybrid, G.x25519))
      .set(X.keyShare, h.keyShares(h.share(G.hybrid, bytes))),
  });
add('a share for X25519MLKEM768', hybrid(join(Buffer.alloc(1_184), h.X25519_SHARE)), SERVED);
for (const length of [1, 32, 1_184, 1_215, 1_217, 5_000]) {
  add(`a share for X25519MLKEM768 of ${length} bytes`, hybrid(Buffer.alloc(length, 1)), ILLEGAL);
}
add(
  'a key of ML-KEM that is no key',
  hybrid(join(Buffer.alloc(1_184, 0xff), h.X25519_SHARE)),
  ILLEGAL,
);
add('a share of ML-KEM with the point 0', hybrid(Buffer.alloc(1_216)), ILLEGAL);
add(
  'signature_algorithms of an odd length',
  hello(replaced(X.signatures, vec16([4, 3, 8]))),
  DECODE,
);
add('no signature algorithm in the list', hello(replaced(X.signatures, vec16([]))), [
  DECODE,
  FAILURE,
]);
// The alert comes encrypted, behind a ServerHello; `encrypted.py` reads such ones.
add(
  'unknown signature algorithms',
  hello(replaced(X.signatures, vec16([0x0a, 0x0a, 0xee, 0xee]))),
  [FAILURE, SERVED],
);
add('SHA-1 signatures alone', hello(replaced(X.signatures, vec16([2, 1, 2, 3]))), [
  FAILURE,
  SERVED,
]);

// Names and protocols.
for (const name of [
  '',
  '.',
  'a..b',
  '127.0.0.1',
  '::1',
  'a\0b',
  'ä.test',
  'a'.repeat(300),
  'LOCALHOST',
  'localhost.',
  'unknown.test',
  '*.test',
  '-',
]) {
  add(
    `the name ${JSON.stringify(name.slice(0, 20))}`,
    hello(replaced(X.serverName, h.serverName(Buffer.from(name)))),
    [SERVED, DECODE, ILLEGAL, 112],
  );
}
add(
  'two names',
  hello(replaced(X.serverName, h.serverName(Buffer.from('a.test'), Buffer.from('b.test')))),
  [DECODE, ILLEGAL, SERVED],
);
add('no name in the list', hello(replaced(X.serverName, vec16([]))), DECODE);
add(
  'a name of another kind',
  hello(replaced(X.serverName, vec16(join(u8(7), vec16(Buffer.from('x')))))),
  [SERVED, DECODE, ILLEGAL],
);
add('protocols that nobody speaks', hello(replaced(X.alpn, h.alpn('foo', 'bar/9'))), [
  NO_PROTOCOL,
  SERVED,
]);
add(
  'protocols that nobody speaks in 1.2',
  hello12(replaced(X.alpn, h.alpn('foo'), h.extensions12())),
  NO_PROTOCOL,
);
add('an empty protocol', hello(replaced(X.alpn, h.alpn('', 'http/1.1'))), DECODE);
add('no protocol in the list', hello(replaced(X.alpn, vec16([]))), DECODE);
add(
  '1,000 protocols',
  hello(replaced(X.alpn, h.alpn(...Array.from({ length: 1_000 }, (_, n) => `p${n}`), 'http/1.1'))),
  SERVED,
);
add(
  'a request to renegotiate in a first hello',
  hello12(replaced(X.renegotiation, vec8(Buffer.alloc(12)), h.extensions12())),
  FAILURE,
);
add('a wrong max_fragment_length', hello(added([[X.maxFragment, [9]]])), [SERVED, ILLEGAL]);
add('a cookie that nobody gave', hello(added([[X.cookie, vec16([1, 2, 3])]])), [SERVED, ILLEGAL]);

// Pre-shared keys and early data.
const psk = ({ id = randomBytes(100), binder = randomBytes(32), binders = [binder] } = {}) =>
  join(vec16(join(vec16(id), Buffer.alloc(4))), vec16(join(binders.map((one) => vec8(one)))));
add('a ticket that nobody gave', hello(added([[X.preSharedKey, psk()]])), SERVED);
add(
  'a ticket of 10,000 bytes',
  hello(added([[X.preSharedKey, psk({ id: randomBytes(10_000) })]])),
  SERVED,
);
add(
  'a ticket that is not last',
  hello(
    added([
      [X.preSharedKey, psk()],
      [0x6000, []],
    ]),
  ),
  ILLEGAL,
);
add(
  'a ticket without psk_key_exchange_modes',
  hello({
    ...added([[X.preSharedKey, psk()]], changed((all) => void all.delete(X.pskModes)).extensions),
  }),
  [MISSING, SERVED],
);
add('a ticket without binders', hello(added([[X.preSharedKey, psk({ binders: [] })]])), [
  DECODE,
  ILLEGAL,
]);
add(
  'a ticket with two binders',
  hello(added([[X.preSharedKey, psk({ binders: [randomBytes(32), randomBytes(32)] })]])),
  [ILLEGAL, SERVED],
);
add('a ticket with a short binder', hello(added([[X.preSharedKey, psk({ binder: [1] })]])), [
  DECODE,
  ILLEGAL,
  SERVED,
]);
add('an empty ticket', hello(added([[X.preSharedKey, psk({ id: [] })]])), [DECODE, SERVED]);
add(
  'early data for a ticket that nobody gave',
  hello(
    added([
      [X.earlyData, []],
      [X.preSharedKey, psk()],
    ]),
  ),
  SERVED,
);
add('early data without a ticket', hello(added([[X.earlyData, []]])), [SERVED, ILLEGAL]);
add(
  'early data, sent',
  [
    hello(
      added([
        [X.earlyData, []],
        [X.preSharedKey, psk()],
      ]),
    ),
    record(DATA, randomBytes(100), { version: 0x0303 }),
    'answer',
    'end',
  ],
  [SERVED, ENCRYPTED],
);
add(
  'endless early data',
  [
    hello(
      added([
        [X.earlyData, []],
        [X.preSharedKey, psk()],
      ]),
    ),
    join(Array(200).fill(record(DATA, randomBytes(16_000), { version: 0x0303 }))),
    'end',
  ],
  [ENCRYPTED, SERVED],
);
add(
  'a ticket of 1.2 that nobody gave',
  hello12(replaced(X.ticket, randomBytes(200), h.extensions12())),
  SERVED,
);
add('psk modes of none', hello(replaced(X.pskModes, vec8([]))), [DECODE, SERVED]);
add('psk modes that are unknown', hello(replaced(X.pskModes, vec8([7, 9]))), SERVED);

// A second hello.
const retried = hello(replaced(X.keyShare, h.keyShares()));
add('a second hello that is the first again', [retried, 'answer', retried], ILLEGAL);
add(
  'a second hello with a share of another group',
  [
    retried,
    'answer',
    hello({
      extensions: h.extensions13().set(X.keyShare, h.keyShares(h.share(G.p384, randomBytes(97)))),
    }),
  ],
  ILLEGAL,
);
add('a second hello with the share', [retried, 'answer', hello(), 'end'], [SERVED, ENCRYPTED]);
add(
  'a second hello with other suites',
  [retried, 'answer', hello({ suites: vec16(u16(0x1303)) })],
  [ILLEGAL, SERVED],
);
add('a second hello of 1.2', [retried, 'answer', hello12()], [ILLEGAL, VERSION, UNEXPECTED]);
add(
  'a finished instead of a second hello',
  [retried, 'answer', record(HANDSHAKE, message(20, randomBytes(32)))],
  UNEXPECTED,
);
add(
  'data instead of a second hello',
  [retried, 'answer', record(DATA, randomBytes(50))],
  [UNEXPECTED, BAD_MAC],
);
add('a first hello without a share, then the end', [retried, 'end'], SERVED);

// TLS 1.3 behind the server's flight: what comes now has to be encrypted.
const behind = (name, bytes, may = ENCRYPTED) =>
  add(`1.3: ${name}`, [hello(), 'answer', bytes], may);
behind('a finished in clear', record(HANDSHAKE, message(20, randomBytes(32)), { version: 0x0303 }));
behind('a hello again', hello());
behind('a certificate in clear', record(HANDSHAKE, message(11, randomBytes(100))));
behind('random ciphertext', record(DATA, randomBytes(60), { version: 0x0303 }));
behind('ciphertext of 1 byte', record(DATA, [1], { version: 0x0303 }));
behind('ciphertext of 16 bytes', record(DATA, randomBytes(16), { version: 0x0303 }));
behind('empty ciphertext', record(DATA, [], { version: 0x0303 }));
behind('ciphertext of 17,000 bytes', record(DATA, randomBytes(17_000), { version: 0x0303 }));
behind(
  'the header of a record of 65,535',
  record(DATA, randomBytes(20), { version: 0x0303, length: 65_535 }),
);
behind('a record of type 99', record(99, randomBytes(20)));
behind('plaintext behind a CCS', join(h.ccs(), record(HANDSHAKE, message(20, randomBytes(32)))));
behind('ciphertext behind a CCS', join(h.ccs(), record(DATA, randomBytes(60))));
behind('a key update in clear', record(HANDSHAKE, message(24, [1])));
behind('an end of early data in clear', record(HANDSHAKE, message(5, [])));
behind('an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'));
add('1.3: the hello, then the end', [hello(), 'end'], SERVED);
add('1.3: the hello, then a reset', [hello(), 'answer', 'reset'], [SERVED, CLOSED]);

// TLS 1.2 behind the server's flight: what comes now is in clear.
const flight = (name, bytes, may) => add(`1.2: ${name}`, [hello12(), 'answer', bytes], may);
const exchange = (point) => record(HANDSHAKE, message(16, vec8(point)));
flight('a finished', record(HANDSHAKE, message(20, randomBytes(12))), UNEXPECTED);
flight('a hello again', hello12(), UNEXPECTED);
flight('a certificate that nobody asked for', record(HANDSHAKE, message(11, u24(0))), UNEXPECTED);
flight('a certificate verify', record(HANDSHAKE, message(15, randomBytes(80))), [
  UNEXPECTED,
  DECODE,
]);
flight('a CCS', h.ccs(), UNEXPECTED);
flight('data in clear', record(DATA, randomBytes(50)), UNEXPECTED);
flight('an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), UNEXPECTED);
flight('a record of type 99', record(99, randomBytes(20)), UNEXPECTED);
flight('a record of 20,000 bytes', record(HANDSHAKE, randomBytes(20_000)), OVERFLOW);
flight('an empty record', record(HANDSHAKE, []), UNEXPECTED);
flight('a key exchange of nothing', record(HANDSHAKE, message(16, [])), DECODE);
flight('a key exchange with an empty point', exchange([]), [DECODE, ILLEGAL]);
flight('a key exchange with a short point', exchange(randomBytes(31)), ILLEGAL);
flight('a key exchange with a long point', exchange(randomBytes(66)), ILLEGAL);
flight('a key exchange with the point 0', exchange(Buffer.alloc(32)), ILLEGAL);
flight(
  'a key exchange without its end',
  record(HANDSHAKE, message(16, join(u8(200), randomBytes(32)))),
  DECODE,
);
flight(
  'a key exchange with bytes behind',
  record(HANDSHAKE, message(16, join(vec8(h.X25519_SHARE), [0, 0]))),
  [DECODE, UNEXPECTED],
);
flight('two key exchanges', join(exchange(h.X25519_SHARE), exchange(h.X25519_SHARE)), UNEXPECTED);
flight(
  'a key exchange and a finished in clear',
  join(exchange(h.X25519_SHARE), record(HANDSHAKE, message(20, randomBytes(12)))),
  UNEXPECTED,
);
flight(
  'a key exchange and data in clear',
  join(exchange(h.X25519_SHARE), record(DATA, randomBytes(40))),
  UNEXPECTED,
);
flight(
  'a wrong finished',
  join(exchange(h.X25519_SHARE), h.ccs(), record(HANDSHAKE, randomBytes(40))),
  [BAD_MAC, DECRYPT],
);
flight(
  'a finished in clear behind a CCS',
  join(exchange(h.X25519_SHARE), h.ccs(), record(HANDSHAKE, message(20, randomBytes(12)))),
  [BAD_MAC, DECODE],
);
flight('two CCS', join(exchange(h.X25519_SHARE), h.ccs(), h.ccs()), [UNEXPECTED, BAD_MAC]);
flight('1,000 CCS', join(exchange(h.X25519_SHARE), Array(1000).fill(h.ccs())), [
  UNEXPECTED,
  BAD_MAC,
]);
for (const payload of [[], [0], [1, 1]]) {
  flight(
    `a CCS of ${JSON.stringify(payload)}`,
    join(exchange(h.X25519_SHARE), record(CCS, payload)),
    [DECODE, UNEXPECTED, ILLEGAL],
  );
}
add('1.2: the hello, then the end', [hello12(), 'end'], SERVED);
add('1.2: the hello, then a reset', [hello12(), 'answer', 'reset'], [SERVED, CLOSED]);
add(
  '1.2: the key exchange, then the end',
  [hello12(), 'answer', exchange(h.X25519_SHARE), 'end'],
  SERVED,
);

// One byte of a good hello is another: no rule says what comes of it, but something does.
const ANYTHING = [
  SERVED,
  DECODE,
  ILLEGAL,
  FAILURE,
  UNEXPECTED,
  VERSION,
  MISSING,
  NO_PROTOCOL,
  OVERFLOW,
  CLOSED,
  112,
];
const good = hello();
for (let at = 0; at < good.length; at += 3) {
  const bytes = Buffer.from(good);
  bytes[at] ^= 1 << (at % 8);
  add(`a flipped bit in byte ${at}`, [bytes, 'end'], ANYTHING);
}
