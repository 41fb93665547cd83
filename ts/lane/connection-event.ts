import type { ConnectionPlace } from './outgoing.js';
import type { Bytes } from './record.js';

/** Something that happened to a connection. */
export interface ConnectionEvent extends ConnectionPlace {
  /**
   * `OPENED`, `CLOSED`, `INACTIVE` or `REFUSED`. Of a refused connection only the client is known.
   */
  readonly kind: number;
  /** The client's; both `undefined` on a unix socket. */
  readonly address: string | undefined;
  readonly port: number | undefined;
}

/** Reads the event of this kind whose record begins at this word. */
export function connectionEventAt(
  kind: number,
  at: number,
  events: Uint32Array,
  bytes: Bytes,
): ConnectionEvent {
  const word = (offset: number) => events[at + offset] as number;
  const ip = word(5);
  const port = word(6) & 0xffff;
  const address =
    word(4) !== 0
      ? bytes.latin1Slice(ip, ip + (word(6) >>> 16))
      : [ip >>> 24, (ip >> 16) & 255, (ip >> 8) & 255, ip & 255].join('.');
  const peer = port === 0 ? { address: undefined, port: undefined } : { address, port };
  return { kind, ioThread: word(1), slot: word(2), number: word(3), ...peer };
}
