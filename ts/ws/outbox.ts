import { OPEN, type WebSocketConnection } from '../websocket/connection.js';
import { bytesOf, type Data } from './data.js';

/** How a message is sent. */
export interface SendOptions {
  /** Whether it is binary. Otherwise its bytes must be UTF-8. The default: unless it is a string. */
  binary?: boolean | undefined;
  /**
   * Whether it is compressed, if that was agreed upon.
   * @default true
   */
  compress?: boolean | undefined;
  /**
   * Whether the message ends here. Its pieces are sent together, as one frame.
   * @default true
   */
  fin?: boolean | undefined;
  /** Without effect: only clients mask. */
  mask?: boolean | undefined;
}

export type Sent = (error?: Error) => void;

/** The most bytes of a ping or a pong (RFC 6455 §5.5). */
const MOST_CONTROL = 125;

const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];

/** A message of which more pieces are to come. */
interface Begun {
  readonly isText: boolean;
  readonly compress: boolean;
  readonly pieces: Uint8Array[];
}

/** What a program sends over a connection, in its order, and whom it tells of that. */
export class Outbox {
  /** Bytes of messages that were sent too late. */
  lateBytes = 0;
  readonly #connection: WebSocketConnection;
  /** Callbacks of messages that wait to be sent. */
  #waiting: Sent[] = [];
  #begun: Begun | null = null;
  /** What waits for a Blob to be read. */
  #afterBlob: (() => void)[] | null = null;

  constructor(connection: WebSocketConnection) {
    this.#connection = connection;
  }

  send(data: Data, options: SendOptions, sent: Sent | undefined): void {
    if (this.#afterBlob !== null) {
      // The program may use its bytes again.
      const copy = ArrayBuffer.isView(data) ? Buffer.from(bytesOf(data)) : data;
      this.#afterBlob.push(() => this.send(copy, options, sent));
      return;
    }
    const { binary, compress = true, fin = true } = options;
    if (data instanceof Blob) {
      this.#sendBlob(data, { binary: binary ?? true, compress, fin }, sent);
      return;
    }
    const given = typeof data === 'number' ? String(data) : data;
    const isText = binary === undefined ? typeof given === 'string' : !binary;
    const message = typeof given === 'string' && isText ? given : bytesOf(given);
    if (!this.#isOpen(message, sent)) {
      return;
    }
    if (this.#begun !== null || !fin) {
      this.#sendPiece(message, isText, compress, fin, sent);
      return;
    }
    this.#note(this.#connection.send(message, isText, compress), sent);
  }

  /** Sends a ping or a pong. */
  control(kind: 'ping' | 'pong', data: Data, sent: Sent | undefined): void {
    const bytes = bytesOf(data);
    if (!this.#isOpen(bytes, sent)) {
      return;
    }
    if (bytes.length > MOST_CONTROL) {
      throw new RangeError('The data size must not be greater than 125 bytes');
    }
    this.#note(this.#connection[kind](bytes), sent);
  }

  close(code: number | undefined, reason: string): void {
    if (this.#afterBlob !== null) {
      this.#afterBlob.push(() => this.close(code, reason));
    } else {
      this.#connection.close(code, reason);
    }
  }

  /** What had to wait has been sent. */
  drained(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const sent of waiting) {
      callSoon(sent);
    }
  }

  /** The connection is over. */
  closed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#begun = null;
    for (const sent of waiting) {
      callSoon(sent, new Error('The socket was closed before the message was sent'));
    }
  }

  #sendPiece(
    piece: string | Uint8Array,
    isText: boolean,
    compress: boolean,
    fin: boolean,
    sent: Sent | undefined,
  ): void {
    this.#begun ??= { isText, compress, pieces: [] };
    const begun = this.#begun;
    begun.pieces.push(Buffer.from(piece as string));
    if (!fin) {
      callSoon(sent);
      return;
    }
    this.#begun = null;
    const message = Buffer.concat(begun.pieces);
    this.#note(this.#connection.send(message, begun.isText, begun.compress), sent);
  }

  #sendBlob(data: Blob, options: SendOptions, sent: Sent | undefined): void {
    this.#afterBlob = [];
    const goOn = (act: () => void) => {
      const waiting = this.#afterBlob ?? [];
      this.#afterBlob = null;
      for (const [at, each] of [act, ...waiting].entries()) {
        if (this.#afterBlob !== null) {
          // There was another Blob: the rest waits for it.
          (this.#afterBlob as (() => void)[]).push(...waiting.slice(at - 1));
          return;
        }
        each();
      }
    };
    data.arrayBuffer().then(
      (bytes) => goOn(() => this.send(bytes, options, sent)),
      (error) => goOn(() => callSoon(sent, error)),
    );
  }

  /** If the connection is not open, the callback is called with an error. */
  #isOpen(data: string | Uint8Array, sent: Sent | undefined): boolean {
    const { state } = this.#connection;
    if (state === OPEN) {
      return true;
    }
    this.lateBytes += typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    const why = `WebSocket is not open: readyState ${state} (${STATES[state]})`;
    callSoon(sent, new Error(why));
    return false;
  }

  /** What a connection has returned: 0 is lost, -1 waits for others. */
  #note(result: number, sent: Sent | undefined): void {
    if (sent === undefined) {
      return;
    }
    if (result === 0) {
      callSoon(sent, new Error('The message was not sent: too much waits for the client'));
    } else if (result < 0) {
      this.#waiting.push(sent);
    } else {
      callSoon(sent);
    }
  }
}

function callSoon(sent: Sent | undefined, error?: Error): void {
  if (typeof sent === 'function') {
    process.nextTick(sent, error);
  }
}
