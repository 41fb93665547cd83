import { randomFillSync } from 'node:crypto';

/** Where a request is: the I/O thread, the connection there, the request on that connection. */
export type RequestPlace = readonly [ioThread: number, connection: number, request: number];

/** The ids that a request gets. */
export interface MadeIds {
  /** Of its trace, if it begins one: 32 hexadecimal digits. */
  readonly traceId: string;
  /** Its own: 16 digits. */
  readonly spanId: string;
  /** Whether the trace that it begins is sampled. */
  readonly isSampled: boolean;
}

/** Bytes of a key. */
export const KEY_BYTES = 32;

/** Double rounds: ChaCha8 is enough for ids, and no attack on it is known. */
const DOUBLE_ROUNDS = 4;

/** The constants of ChaCha (RFC 8439 §2.3): "expand 32-byte k". */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

const state = new Uint32Array(16);
const block = new Uint32Array(16);

/**
 * Makes the ids of requests out of a random key and the place of the request, by ChaCha8. So ids cost
 * nothing until somebody looks at them, and the access log's thread makes the same ones by itself.
 * They are as random as the key.
 */
export class TraceIds {
  /** 32 random bytes. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** The share of traces begun here that are sampled, 0 to 1. */
  readonly sampled: number;
  readonly #words: Uint32Array;
  readonly #below: number;

  constructor(
    key: Uint8Array<ArrayBuffer> = randomFillSync(new Uint8Array(KEY_BYTES)),
    sampled = 1,
  ) {
    this.key = key;
    this.sampled = sampled;
    this.#below = Math.ceil(sampled * 2 ** 32);
    const view = new DataView(key.buffer, key.byteOffset);
    this.#words = Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true));
  }

  /** What the engine is told. */
  get native(): { key: Uint8Array; below: number } {
    return { key: this.key, below: this.#below };
  }

  of(place: RequestPlace): MadeIds {
    state.set(CONSTANTS, 0);
    state.set(this.#words, 4);
    state[12] = 0;
    state.set(place, 13);
    chacha(state, block, DOUBLE_ROUNDS);
    return {
      traceId: hex(0) + hex(1) + hex(2) + hex(3),
      spanId: hex(4) + hex(5),
      isSampled: (block[6] as number) < this.#below,
    };
  }
}

/** ChaCha's block function (RFC 8439 §2.3). */
export function chacha(from: Uint32Array, to: Uint32Array, doubleRounds: number): void {
  to.set(from);
  for (let round = 0; round < doubleRounds; round++) {
    for (let i = 0; i < 4; i++) {
      quarter(to, i, 4 + i, 8 + i, 12 + i);
    }
    for (let i = 0; i < 4; i++) {
      quarter(to, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3));
    }
  }
  for (let i = 0; i < 16; i++) {
    to[i] = (to[i] as number) + (from[i] as number);
  }
}

function quarter(words: Uint32Array, a: number, b: number, c: number, d: number): void {
  mix(words, a, b, d, 16);
  mix(words, c, d, b, 12);
  mix(words, a, b, d, 8);
  mix(words, c, d, b, 7);
}

function mix(words: Uint32Array, a: number, b: number, d: number, by: number): void {
  const sum = ((words[a] as number) + (words[b] as number)) | 0;
  words[a] = sum;
  const mixed = (words[d] as number) ^ sum;
  words[d] = (mixed << by) | (mixed >>> (32 - by));
}

function hex(at: number): string {
  return (block[at] as number).toString(16).padStart(8, '0');
}
