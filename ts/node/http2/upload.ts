import type { Duplex } from 'node:stream';
import type { Exchange } from '../../lane/exchange.js';
import { StreamedIncoming } from '../../lane/incoming.js';
import { rawTrailers } from '../../lane/trailers.js';
import { fieldsByName } from './fields.js';

/** The flags END_STREAM and END_HEADERS of a frame (RFC 9113 §6.2). */
const ENDS_WITH_FIELDS = 5;

/** Activity on a stream. */
interface Stream extends Duplex {
  refresh(): void;
}

/** The body of a request, on its way to the stream that programs read. */
export class Upload {
  /** Whether the program has begun to read it. */
  isRead = false;
  readonly #stream: Stream;
  readonly #exchange: Exchange;
  /** Calls listeners of the program. */
  readonly #run: (listener: () => void) => void;
  #isWaiting = false;

  constructor(stream: Stream, exchange: Exchange, run: (listener: () => void) => void) {
    this.#stream = stream;
    this.#exchange = exchange;
    this.#run = run;
  }

  /** Whether all of it has arrived. Some may still be unread. */
  get isComplete(): boolean {
    const { incoming } = this.#exchange;
    return !(incoming instanceof StreamedIncoming) || incoming.isComplete;
  }

  /** Pushes the next piece, or the end, now or when it arrives. */
  read(): void {
    this.isRead = true;
    const stream = this.#stream;
    const { incoming } = this.#exchange;
    if (this.#isWaiting || stream.destroyed || incoming === null) {
      return;
    }
    if (incoming instanceof StreamedIncoming) {
      this.#readPiece(incoming);
      return;
    }
    const bytes = incoming.takeBytes();
    if (bytes instanceof Promise) {
      // It is no longer in memory, so the promise rejects.
      bytes.catch(() => {});
      stream.destroy();
      return;
    }
    if (bytes.length > 0) {
      stream.push(asBuffer(bytes));
    }
    this.#end(incoming.trailers);
  }

  #readPiece(incoming: StreamedIncoming): void {
    let piece: Uint8Array<ArrayBuffer> | null | undefined;
    try {
      piece = incoming.takePiece(this.#onPiece);
    } catch {
      // The body broke off with the stream, which learns that by itself.
      return;
    }
    if (piece === undefined) {
      this.#isWaiting = true;
      return;
    }
    this.#stream.refresh();
    if (piece === null) {
      this.#end(incoming.trailers);
    } else {
      this.#stream.push(asBuffer(piece));
    }
  }

  /** @param trailers their lines */
  #end(trailers: string): void {
    if (trailers !== '') {
      const raw = rawTrailers(trailers);
      this.#stream.emit('trailers', fieldsByName(raw), ENDS_WITH_FIELDS, raw);
    }
    this.#stream.push(null);
  }

  readonly #onPiece = (): void => {
    this.#isWaiting = false;
    this.#run(() => this.read());
  };
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
