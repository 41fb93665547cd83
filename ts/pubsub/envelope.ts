import { randomBytes } from 'node:crypto';
import type { Published } from './uplink.js';

// Byte 0 is a mark, byte 1 the version, byte 2 the flags. Then come the 8 bytes of the sender's id,
// and the message. The topic is the channel's name.

const MARK = 0xa7;
const VERSION = 1;

const TEXT = 1;
const COMPRESS = 2;
const LATEST = 4;
/** The sender has lost messages of the topic; there is no data. */
const LOST = 8;

const ID_AT = 3;
const ID_BYTES = 8;

/** The bytes before the message. */
export const HEAD_BYTES = ID_AT + ID_BYTES;

/** The id of a server among the processes: messages that carry it came from itself. */
export function newId(): Buffer {
  return randomBytes(ID_BYTES);
}

/** A message as it goes to the broker. */
export function seal(id: Buffer, data: string | Uint8Array, how: Published): Buffer {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
  const flags = (how.isText ? TEXT : 0) | (how.compress ? COMPRESS : 0) | (how.latest ? LATEST : 0);
  const sealed = begin(id, flags, length);
  if (typeof data === 'string') {
    sealed.write(data, HEAD_BYTES, 'utf8');
  } else {
    sealed.set(data, HEAD_BYTES);
  }
  return sealed;
}

/** Tells others that messages of the channel's topic were lost. */
export function sealLoss(id: Buffer): Buffer {
  return begin(id, LOST, 0);
}

function begin(id: Buffer, flags: number, length: number): Buffer {
  const sealed = Buffer.allocUnsafe(HEAD_BYTES + length);
  sealed[0] = MARK;
  sealed[1] = VERSION;
  sealed[2] = flags;
  sealed.set(id, ID_AT);
  return sealed;
}

/** What came from the broker. */
export type Opened =
  | { readonly kind: 'message'; readonly data: Uint8Array; readonly how: Published }
  /** Others have lost messages. */
  | { readonly kind: 'loss' }
  /** It was sent by this server. */
  | { readonly kind: 'own' }
  /** Another program's, or of a version that is not known. */
  | { readonly kind: 'foreign'; readonly why: string };

const OWN: Opened = { kind: 'own' };
const LOSS: Opened = { kind: 'loss' };

/** Reads what came from the broker; the data shares its memory. */
export function open(id: Buffer, sealed: Uint8Array): Opened {
  if (sealed.length < HEAD_BYTES || sealed[0] !== MARK) {
    return { kind: 'foreign', why: 'a message of another program' };
  }
  if (sealed[1] !== VERSION) {
    return { kind: 'foreign', why: `a message in version ${sealed[1]}, not ${VERSION}` };
  }
  if (id.compare(sealed, ID_AT, HEAD_BYTES) === 0) {
    return OWN;
  }
  const flags = sealed[2] as number;
  if ((flags & LOST) !== 0) {
    return LOSS;
  }
  const how = {
    isText: (flags & TEXT) !== 0,
    compress: (flags & COMPRESS) !== 0,
    latest: (flags & LATEST) !== 0,
  };
  return { kind: 'message', data: sealed.subarray(HEAD_BYTES), how };
}
