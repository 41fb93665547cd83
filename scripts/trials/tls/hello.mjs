// ClientHellos of raw bytes, so that each field of them can be wrong.

import { createECDH, generateKeyPairSync, randomBytes } from 'node:crypto';

export const u8 = (n) => Buffer.from([n & 255]);
export const u16 = (n) => Buffer.from([(n >> 8) & 255, n & 255]);
export const u24 = (n) => Buffer.from([(n >> 16) & 255, (n >> 8) & 255, n & 255]);
/** Bytes, lists of numbers, and lists of these, one behind the other. */
export const join = (...parts) =>
  Buffer.concat(
    parts.map((part) =>
      Array.isArray(part) && typeof part[0] === 'object' ? join(...part) : Buffer.from(part),
    ),
  );
const behind = (length) => (bytes) => join(length(bytes.length), bytes);
export const vec8 = behind(u8);
export const vec16 = behind(u16);
export const vec24 = behind(u24);

/** Record types. */
export const CCS = 20;
export const ALERT = 21;
export const HANDSHAKE = 22;
export const DATA = 23;

export const record = (type, payload, { version = 0x0301, length = payload.length } = {}) =>
  join(u8(type), u16(version), u16(length), payload);
export const message = (type, body, length = body.length) => join(u8(type), u24(length), body);
export const alert = (level, description) =>
  record(ALERT, Buffer.from([level, description]), { version: 0x0303 });
export const ccs = () => record(CCS, Buffer.from([1]), { version: 0x0303 });

/** Extensions by name. */
export const EXTENSION = {
  serverName: 0,
  maxFragment: 1,
  statusRequest: 5,
  groups: 10,
  points: 11,
  signatures: 13,
  alpn: 16,
  encryptThenMac: 22,
  extendedMasterSecret: 23,
  ticket: 35,
  preSharedKey: 41,
  earlyData: 42,
  versions: 43,
  cookie: 44,
  pskModes: 45,
  keyShare: 51,
  renegotiation: 0xff01,
};

const x25519 = generateKeyPairSync('x25519').publicKey;
/** Shares that are right. */
export const X25519_SHARE = x25519.export({ format: 'der', type: 'spki' }).subarray(-32);
const p256 = createECDH('prime256v1');
export const P256_SHARE = p256.generateKeys();
export const GROUP = { x25519: 29, p256: 23, p384: 24, hybrid: 0x11ec };

export const share = (group, bytes) => join(u16(group), vec16(bytes));
export const keyShares = (...shares) => vec16(join(shares));
export const serverName = (...names) => vec16(join(names.map((name) => join(u8(0), vec16(name)))));
export const groups = (...all) => vec16(join(all.map(u16)));
export const versions = (...all) => vec8(join(all.map(u16)));
export const alpn = (...names) => vec16(join(names.map((name) => vec8(Buffer.from(name)))));

const SIGNATURES = [0x0403, 0x0804, 0x0401, 0x0807, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

/** The extensions of a client of TLS 1.3, by type. The order counts. */
export const extensions13 = () =>
  new Map([
    [EXTENSION.serverName, serverName(Buffer.from('localhost'))],
    [EXTENSION.extendedMasterSecret, Buffer.alloc(0)],
    [EXTENSION.renegotiation, vec8(Buffer.alloc(0))],
    [EXTENSION.groups, groups(GROUP.x25519, GROUP.p256, GROUP.p384)],
    [EXTENSION.points, vec8([0])],
    [EXTENSION.alpn, alpn('http/1.1')],
    [EXTENSION.statusRequest, join(u8(1), u16(0), u16(0))],
    [EXTENSION.signatures, vec16(join(SIGNATURES.map(u16)))],
    [EXTENSION.keyShare, keyShares(share(GROUP.x25519, X25519_SHARE))],
    [EXTENSION.pskModes, vec8([1])],
    [EXTENSION.versions, versions(0x0304, 0x0303)],
  ]);

/** The same of a client that has only TLS 1.2. */
export function extensions12() {
  const all = extensions13();
  all.delete(EXTENSION.versions);
  all.delete(EXTENSION.keyShare);
  all.delete(EXTENSION.pskModes);
  all.set(EXTENSION.ticket, Buffer.alloc(0));
  return all;
}

export const SUITES13 = [0x1301, 0x1302, 0x1303];
export const SUITES12 = [0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca9, 0xcca8, 0x00ff];

const listOf = (extensions) =>
  join([...extensions].map(([type, content]) => join(u16(type), vec16(content))));

/** The body of a ClientHello. What is not given is right. */
export function body({
  version = 0x0303,
  random = randomBytes(32),
  session = vec8(randomBytes(32)),
  suites = vec16(join([...SUITES13, ...SUITES12].map(u16))),
  compression = vec8([0]),
  extensions = extensions13(),
  list = vec16(listOf(extensions)),
  tail = Buffer.alloc(0),
} = {}) {
  return join(u16(version), random, session, suites, compression, list, tail);
}

export const body12 = (given = {}) =>
  body({ suites: vec16(join(SUITES12.map(u16))), extensions: extensions12(), ...given });

/** A whole ClientHello in a record. */
export const hello = (given) => record(HANDSHAKE, message(1, body(given)));
export const hello12 = (given) => record(HANDSHAKE, message(1, body12(given)));

/** A change of the extensions: `hello(changed((all) => all.delete(…)))`. */
export function changed(change, extensions = extensions13()) {
  return { extensions: change(extensions) ?? extensions };
}

/** With one extension replaced, in its place. */
export const replaced = (type, content, extensions = extensions13()) => ({
  extensions: extensions.set(type, content),
});

/** With these extensions behind the others, which may be there already. */
export const added = (more, extensions = extensions13()) => ({
  list: vec16(join(listOf(extensions), listOf(more))),
});

/** Records of at most `most` bytes. */
export function inRecords(payload, most, type = HANDSHAKE) {
  const records = [];
  for (let at = 0; at < payload.length; at += most) {
    records.push(record(type, payload.subarray(at, at + most)));
  }
  return join(records);
}
