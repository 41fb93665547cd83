import { type Bytes, PEER_IS_TEXT } from './record.js';

/** Peer addresses as text. Most requests come from the same client, or proxy, as the one before. */
export class LastPeer {
  #peer = '';

  /** The address in the request's record at this index: IPv4 as a number, or text. */
  read(events: Uint32Array, bytes: Bytes, at: number): number | string {
    const isText = ((events[at + 10] as number) & PEER_IS_TEXT) !== 0;
    return isText ? this.#readText(events, bytes, at) : (events[at + 11] as number) | 0;
  }

  #readText(events: Uint32Array, bytes: Bytes, at: number): string {
    const start = events[at + 11] as number;
    const length = (events[at + 12] as number) >>> 16;
    const last = this.#peer;
    let i = last.length === length ? 0 : length;
    while (i < length && bytes[start + i] === last.charCodeAt(i)) {
      i++;
    }
    if (i < length || last.length !== length) {
      this.#peer = bytes.latin1Slice(start, start + length);
    }
    return this.#peer;
  }
}
