import type { Exchange } from './exchange.js';
import { newNotes, sizeOfFields, writeFields } from './fields.js';
import {
  type Bytes,
  GONE,
  type Lane,
  numberAt,
  type UpgradeRefusal,
  type WebSocketSettings,
  WS_APART,
  WS_CLOSED,
  WS_PING,
  WS_PONG,
  WS_TEXT,
  WS_UNSENT,
} from './record.js';

/** How another lane takes over a WebSocket, see {@link Lane.adopt}. */
export type SocketPlace = [
  ioThread: number,
  slot: number,
  number: number,
  exchange: number,
  compressedFrom: number,
];

/** A WebSocket, as the bridge tells it what has happened. It must not throw. */
export interface SocketEnd {
  /** Whether binary messages need memory of their own, not a part of Node's pool. */
  readonly ownsMemory: boolean;
  /**
   * A message.
   * @returns whether its handler has not finished: what it waits for is then let run before further
   * messages
   */
  receive(data: string | Buffer<ArrayBuffer>, isText: boolean): boolean;
  pinged(data: Buffer<ArrayBuffer>): void;
  ponged(data: Buffer<ArrayBuffer>): void;
  /** So many bytes have been sent. More waits if it is congested. */
  sent(bytes: number, isCongested: boolean): void;
  /** The exchange is over. */
  closed(code: number, reason: string, wasClean: boolean): void;
  /** The exchange goes on with the lane that adopts it. */
  moved(place: SocketPlace): void;
}

/** The bridge, as the WebSockets use it. */
export interface SocketBridge {
  /** The exchange gets no answer. */
  finish(exchange: Exchange): void;
}

/** Exchanges that became WebSockets: what their handlers answer is of no use. */
const UPGRADED = new WeakSet<Exchange>();

/** Whether the exchange became a WebSocket. */
export function isUpgraded(exchange: Exchange): boolean {
  return UPGRADED.has(exchange);
}

/** Why exchanges did not become WebSockets. */
const REFUSALS = new WeakMap<Exchange, UpgradeRefusal>();

/** Notes the answer for a handler that answers with nothing, since the exchange is no WebSocket. */
export function noteRefusal(exchange: Exchange, refusal: UpgradeRefusal): void {
  REFUSALS.set(exchange, refusal);
}

export function refusalOf(exchange: Exchange): UpgradeRefusal | undefined {
  return REFUSALS.get(exchange);
}

/** Text of up to so many bytes is decoded in memory that is kept. */
const MOST_KEPT = 1024 * 1024;

/** Up to this length binary messages are in Node's pool, unless they need memory of their own. */
const MOST_POOLED = Buffer.poolSize >>> 1;

/** What a lane closes with: the thread has ended, or the server has stopped. */
const LANE_CLOSED = 1012;

/** The client has not said why (RFC 6455 §7.1.5). */
const BROKEN_OFF = 1006;

/** The WebSockets of a lane, by the ids of their exchanges. */
export class Sockets {
  readonly #lane: Lane;
  readonly #bridge: SocketBridge;
  readonly #ends: (SocketEnd | undefined)[] = [];
  readonly #settings = new WeakMap<WebSocketSettings, number>();
  readonly #notes = newNotes();
  #decoded: Bytes | null = null;

  constructor(lane: Lane, bridge: SocketBridge) {
    this.#lane = lane;
    this.#bridge = bridge;
  }

  /**
   * Makes an exchange a WebSocket.
   *
   * @param fields of the 101: names and values in turn
   * @returns `null`, or why the request is no handshake
   * @throws {ReactorError} `ERR_REACTOR_INVALID_RESPONSE` for a field that cannot be sent
   */
  upgrade(
    exchange: Exchange,
    settings: WebSocketSettings,
    fields: readonly string[],
    end: SocketEnd,
  ): UpgradeRefusal | null {
    let number = this.#settings.get(settings);
    if (number === undefined) {
      number = this.#lane.webSocketSettings(settings);
      this.#settings.set(settings, number);
    }
    const bytes = Buffer.allocUnsafe(sizeOfFields(fields));
    const length = writeFields(bytes, 0, fields, this.#notes);
    const refusal = this.#lane.upgrade(exchange.id, number, bytes, length);
    if (refusal === null) {
      this.#ends[exchange.id] = end;
      UPGRADED.add(exchange);
      exchange.observed?.answered(101);
      this.#bridge.finish(exchange);
    }
    return refusal;
  }

  /** Takes over a WebSocket of another lane; returns its id, for {@link add}. */
  adopt(place: SocketPlace): number {
    return this.#lane.adopt(...place);
  }

  /** The WebSocket with this id is told of what happens. */
  add(id: number, end: SocketEnd): void {
    this.#ends[id] = end;
  }

  /** How many WebSockets of the server have subscribed to the topic. */
  subscriberCount(topic: string): number {
    return this.#lane.subscriberCount(topic);
  }

  get(id: number): SocketEnd | undefined {
    return this.#ends[id];
  }

  /** A message that is not among the heads, whose record begins at this word. */
  message(end: SocketEnd, at: number, events: Uint32Array, bytes: Bytes): boolean {
    const flags = events[at + 2] as number;
    const isText = (flags & WS_TEXT) !== 0;
    if ((flags & WS_APART) !== 0) {
      const id = events[at + 1] as number;
      const length = numberAt(events, at + 3);
      const data = isText ? this.#takeText(id, length) : this.#take(id, length);
      return data !== null && end.receive(data, isText);
    }
    const start = events[at + 3] as number;
    const stop = start + (events[at + 4] as number);
    if (isText) {
      return end.receive(bytes.utf8Slice(start, stop), true);
    }
    return end.receive(copy(bytes, start, stop, end.ownsMemory), false);
  }

  /** Another event, whose record begins at this word. */
  event(kind: number, at: number, events: Uint32Array, bytes: Bytes): void {
    const id = events[at + 1] as number;
    const end = this.#ends[id];
    if (end === undefined) {
      return;
    }
    if (kind === GONE) {
      // The client left before the engine could make it a WebSocket.
      this.#ends[id] = undefined;
      end.closed(BROKEN_OFF, '', false);
    } else if (kind === WS_UNSENT) {
      end.sent(events[at + 2] as number, events[at + 3] !== 0);
    } else if (kind === WS_CLOSED && events[at + 2] === 0) {
      this.#ends[id] = undefined;
      end.moved([...events.subarray(at + 3, at + 8)] as SocketPlace);
    } else if (kind === WS_CLOSED) {
      this.#ends[id] = undefined;
      const start = events[at + 3] as number;
      const reason = bytes.utf8Slice(start, start + (events[at + 4] as number));
      end.closed(events[at + 2] as number, reason, events[at + 5] !== 0);
    } else if (kind === WS_PING || kind === WS_PONG) {
      const start = events[at + 2] as number;
      const data = copy(bytes, start, start + (events[at + 3] as number), end.ownsMemory);
      if (kind === WS_PING) {
        end.pinged(data);
      } else {
        end.ponged(data);
      }
    }
  }

  /** The lane has been closed: no event will tell the WebSockets. */
  close(): void {
    for (const end of this.#ends.splice(0)) {
      end?.closed(LANE_CLOSED, '', false);
    }
  }

  /** `null` if the exchange is over. */
  #take(id: number, length: number): Buffer<ArrayBuffer> | null {
    const data = Buffer.allocUnsafeSlow(length);
    return this.#lane.takeBody(id, data) ? data : null;
  }

  #takeText(id: number, length: number): string | null {
    let memory = this.#decoded;
    if (memory === null || memory.length < length) {
      memory = Buffer.allocUnsafeSlow(length) as Bytes;
      this.#decoded = length <= MOST_KEPT ? memory : this.#decoded;
    }
    const isThere = this.#lane.takeBody(id, memory.subarray(0, length));
    return isThere ? memory.utf8Slice(0, length) : null;
  }
}

/** The bytes of the engine's array are written again after the batch. */
function copy(bytes: Bytes, start: number, stop: number, ownsMemory: boolean): Buffer<ArrayBuffer> {
  const data = memoryFor(stop - start, ownsMemory);
  bytes.copy(data, 0, start, stop);
  return data;
}

/** Up to this length V8 has the bytes of an array beside it, which costs less. */
const MOST_INLINE = 64;

function memoryFor(length: number, ownsMemory: boolean): Buffer<ArrayBuffer> {
  if (length <= MOST_INLINE) {
    return Buffer.alloc(length);
  }
  return ownsMemory || length >= MOST_POOLED
    ? Buffer.allocUnsafeSlow(length)
    : (Buffer.allocUnsafe(length) as Buffer<ArrayBuffer>);
}
