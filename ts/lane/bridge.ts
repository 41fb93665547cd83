import { AsyncResource } from 'node:async_hooks';
// From the module, not the global, which a test runner may have replaced.
import { setImmediate } from 'node:timers';
import { ReactorError } from '../errors/errors.js';
import { ReactorInfo } from '../fetch/info.js';
import { ReactorRequest } from '../fetch/request.js';
import type { TlsFacts } from '../fetch/tls-info.js';
import { TraceIds } from '../fetch/trace-ids.js';
import type { WebSocketFace } from '../fetch/web-sockets.js';
import type { ProxyFacts } from '../proxy/header.js';
import type { Proxies } from '../proxy/proxies.js';
import { type AnswerSender, Answers } from './answers.js';
import { Background } from './background.js';
import { BodyReads, empty } from './body-reads.js';
import type { BridgeOptions } from './bridge-options.js';
import { connectionEventAt } from './connection-event.js';
import { EventStreams } from './event-streams.js';
import { type Context, Exchange } from './exchange.js';
import { tellExchange } from './exchange-event.js';
import type { AnyHandler, HandlerEntry } from './handlers.js';
import { Heads } from './heads.js';
import { StreamedIncoming } from './incoming.js';
import { LastPeer } from './last-peer.js';
import { Lending } from './lending.js';
import { OpenExchanges } from './open-exchanges.js';
import type { ConnectionPlace } from './outgoing.js';
import { printUnsendable } from './print.js';
import {
  type Bytes,
  GONE,
  type Lane,
  OPENED,
  REFUSED,
  REQUEST,
  TIMED_OUT,
  TOO_SMALL,
  type Turn,
  UNSENDABLE,
  WS_IN_HEADS,
  WS_MESSAGE,
} from './record.js';
import { Replies } from './replies.js';
import { isObserved, ObservedRequest } from './request-channel.js';
import { Sockets } from './sockets.js';
import { type Starting, StartingResponses } from './starting.js';

/**
 * Enough for nearly every request. Heads may be larger if the limits allow it; then the arrays
 * grow.
 */
const EVENT_WORDS = 16 * 1024;
const EVENT_BYTES = 256 * 1024;

/** Requests handled in a row before the program's timers and sockets get a turn. */
const MOST_AT_A_TIME = 512;

/**
 * How long a late answer may wait for others, in milliseconds. It is less than a client notices,
 * and many answers come within it.
 */
const MOST_WAIT = 1;

/**
 * Requests of a `take` that are handled before ticks run. Node's streams clean up in ticks. If many
 * requests wait for theirs, they are still alive when the garbage is collected, and that costs more
 * than the requests themselves.
 */
const MOST_BEFORE_TICKS = 16;

const RESOLVED = Promise.resolve();

/**
 * The JavaScript end of a lane: takes events in batches, calls handlers, and returns replies in
 * batches.
 *
 * A handler that answers at once costs no promise, no closure and no native call: its reply waits
 * for the next turn. If a handler of a batch has not answered yet, the next turn waits until the
 * microtasks are done. Most `async` handlers have answered by then. Their replies leave together,
 * and what they read of their requests was still in the arrays.
 */
export class Bridge implements Context, AnswerSender {
  host = 'localhost';
  startId = '';
  webSockets: WebSocketFace | null = null;
  readonly proxies: Proxies | null;
  readonly replies: Replies;
  readonly events = new EventStreams();
  readonly sockets: Sockets;
  readonly takesAnyBody: boolean;
  readonly traceIds: TraceIds;
  readonly #lane: Lane;
  readonly #takeTurn: Turn;
  readonly #options: BridgeOptions;
  #events = new Uint32Array(EVENT_WORDS);
  #bytes = Buffer.allocUnsafeSlow(EVENT_BYTES) as Bytes;

  readonly #open = new OpenExchanges();
  /** The heads of the current batch. */
  readonly #heads: (Heads | null)[] = [null];
  #headCount = 0;
  /** The exchanges of the current batch whose whole body is in the arrays. */
  readonly #bodies: Exchange[] = [];
  /** Streaming responses that have not sent their head. */
  readonly #starting = new StartingResponses();
  readonly #reads = new BodyReads();
  readonly #lending = new Lending();
  /** Whether an exchange of this batch waits for its answer. */
  #hasPending = false;

  #state: 'resting' | 'draining' | 'ticking' | 'gathering' | 'deferred' = 'resting';
  /** When the bridge began to gather late answers. */
  #gatheringSince = 0;
  #left = MOST_AT_A_TIME;
  /** The events of the batch that are still to be handled, and where they begin. */
  #eventCount = 0;
  #eventAt = 0;
  #onFlushed: (() => void)[] = [];
  readonly #answers: Answers;
  readonly #background = new Background();
  readonly #lastPeer = new LastPeer();

  /**
   * A turn serves many requests. It must not run in the async context of the one that scheduled it.
   */
  readonly #context = new AsyncResource('ReactorLane');
  readonly #tick = () => {
    if (this.#starting.areGettingOn()) {
      this.#state = 'ticking';
      this.#awaitMicrotasks();
    } else {
      this.#drain();
    }
  };
  readonly #afterMicrotasks = () => process.nextTick(this.#tick);
  readonly #immediate = () => {
    // An answer that could not wait may have had a turn since.
    if (this.#state === 'gathering' || this.#state === 'deferred') {
      this.#left = MOST_AT_A_TIME;
      this.#drain();
    }
  };

  constructor(lane: Lane, options: BridgeOptions) {
    this.#lane = lane;
    this.#takeTurn = lane.turner();
    this.#options = options;
    this.proxies = options.proxies ?? null;
    this.traceIds = options.traceIds ?? new TraceIds();
    this.replies = new Replies(lane, (id) => {
      // The engine drops the body of a request with its answer, before this batch is over.
      for (const exchange of this.#bodies) {
        if (id === undefined || exchange.id === id) {
          exchange.keepBody();
        }
      }
    });
    this.sockets = new Sockets(lane, this);
    this.takesAnyBody = options.take !== undefined;
    this.#answers = new Answers(this, options.onError);
  }

  /** Events are waiting. The lane calls this at most once until a turn has found nothing. */
  wake(): void {
    if (this.#state === 'resting') {
      this.#left = MOST_AT_A_TIME;
      this.#drain();
    }
  }

  /** The lane has been closed: every open exchange is aborted here, since no event will do it. */
  close(): void {
    this.#eventCount = 0;
    for (const exchange of this.#open.clear()) {
      exchange.runInAsyncScope(exchange.abort, exchange);
    }
    this.sockets.close();
  }

  /**
   * Node runs ticks after every timer, immediate and callback of a socket. A turn for each of them
   * would send one answer. So the bridge gathers until the program's callbacks have run, unless no
   * further answer is to come.
   */
  schedule(): void {
    if (this.#state === 'resting') {
      if (this.#open.isEmpty) {
        this.#turnInTick();
      } else {
        this.#gather();
      }
    } else if (
      this.#state === 'gathering' &&
      (this.#open.isEmpty || performance.now() - this.#gatheringSince > MOST_WAIT)
    ) {
      this.#turnInTick();
    }
  }

  #gather(): void {
    this.#state = 'gathering';
    this.#gatheringSince = performance.now();
    this.#context.runInAsyncScope(setImmediate, undefined, this.#immediate);
  }

  #turnInTick(): void {
    this.#state = 'ticking';
    this.#context.runInAsyncScope(process.nextTick, process, this.#tick);
  }

  start(response: Starting): void {
    this.#starting.add(response);
    this.schedule();
  }

  started(response: Starting): void {
    this.#starting.drop(response);
  }

  flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFlushed.push(resolve);
    });
  }

  /** @param kind `CUT` or `FINISH` */
  endConnection(kind: number, place: ConnectionPlace): void {
    const { ioThread, slot, number } = place;
    this.replies.endConnection(kind, ioThread, slot, number);
    this.schedule();
  }

  pull(exchange: Exchange, bytes: number): void {
    this.#reads.pull(exchange, bytes);
    this.schedule();
  }

  collect(exchange: Exchange): void {
    this.#reads.collect(exchange);
    this.schedule();
  }

  takeBody(exchange: Exchange, into: Uint8Array): boolean {
    return this.#lane.takeBody(exchange.id, into);
  }

  tlsOf(exchange: Exchange): TlsFacts | null {
    return this.#lane.tlsOf(exchange.id);
  }

  proxiedOf(exchange: Exchange): ProxyFacts | null {
    return this.#lane.proxiedOf(exchange.id);
  }

  lend(exchange: Exchange, length: number): Uint8Array<ArrayBuffer> | null {
    const memory = this.#lending.allocate(length);
    if (memory !== null) {
      this.#lane.lend(exchange.id, memory);
    }
    return memory;
  }

  takeBack(length: number): void {
    this.#lending.takeBack(length);
  }

  finish(exchange: Exchange): void {
    this.#open.delete(exchange);
    exchange.end();
  }

  keep(exchange: Exchange): void {
    // One that became a WebSocket is over, though its handler may not be.
    if (exchange.isOpen) {
      this.#open.add(exchange);
    }
    this.#hasPending = true;
  }

  get handlesErrors(): boolean {
    return this.#answers.handlesErrors;
  }

  fail(exchange: Exchange, error: unknown): void {
    this.#answers.fail(exchange, error);
  }

  report(exchange: Exchange, error: unknown): void {
    this.#answers.report(exchange, error);
  }

  waitUntil(exchange: Exchange, promise: unknown): void {
    this.#background.add(promise, (error) => this.#answers.report(exchange, error));
  }

  /** The server stops, and takes at most this many milliseconds: endless streams are ended. */
  leave(drainMs: number): void {
    this.events.leave(drainMs);
  }

  /** Resolves when no promise of `waitUntil` is pending. */
  settled(): Promise<void> {
    return this.#background.settled();
  }

  /** Whether a promise of `waitUntil` is pending. */
  get hasBackground(): boolean {
    return !this.#background.isEmpty;
  }

  #drain(): void {
    let isWhole = false;
    try {
      this.#takeTurns();
      isWhole = true;
    } finally {
      // This is a defect of the bridge. The events that still wait must be taken nevertheless.
      if (!isWhole) {
        this.#defer();
      }
    }
  }

  #takeTurns(): void {
    const mustTick = this.#options.take !== undefined;
    for (;;) {
      this.#state = 'draining';
      if (this.#eventCount === 0) {
        const count = this.#turn();
        if (count === TOO_SMALL) {
          this.#events = new Uint32Array(2 * this.#events.length);
          this.#bytes = Buffer.allocUnsafeSlow(2 * this.#bytes.length) as Bytes;
          continue;
        }
        if (count === 0) {
          this.#state = 'resting';
          return;
        }
        this.#left -= count;
        this.#eventCount = count;
        this.#eventAt = 0;
      }
      this.#dispatch(mustTick ? MOST_BEFORE_TICKS : this.#eventCount);
      if (this.#left <= 0 && this.#eventCount === 0) {
        this.#defer();
        return;
      }
      if (this.#hasPending || this.#eventCount > 0) {
        this.#state = 'ticking';
        this.#context.runInAsyncScope(this.#awaitMicrotasks, this);
        return;
      }
      if (mustTick) {
        this.#turnInTick();
        return;
      }
    }
  }

  #defer(): void {
    this.#state = 'deferred';
    this.#context.runInAsyncScope(setImmediate, undefined, this.#immediate);
  }

  /**
   * A `nextTick` from here would run before the queued microtasks. One from a microtask runs after
   * them.
   */
  #awaitMicrotasks(): void {
    RESOLVED.then(this.#afterMicrotasks);
  }

  #turn(): number {
    this.#starting.begin();
    this.#reads.report(this.replies);
    for (const exchange of this.#bodies) {
      exchange.keepBody();
    }
    empty(this.#bodies);
    // To empty the array would cost its memory each time.
    while (this.#headCount > 0) {
      this.#headCount--;
      this.#heads[this.#headCount]?.freeze();
      this.#heads[this.#headCount] = null;
    }
    this.#hasPending = false;

    const { words, wordCount, bytes } = this.replies;
    // Cleared before the call: if native code throws, the same replies must not be sent again.
    this.replies.clear();
    const count = this.#takeTurn(this.#events, this.#bytes, words, wordCount, bytes);
    if (this.#onFlushed.length > 0) {
      const waiting = this.#onFlushed;
      this.#onFlushed = [];
      for (const resolve of waiting) {
        resolve();
      }
    }
    return count;
  }

  #dispatch(most: number): void {
    const events = this.#events;
    for (let left = most; left > 0 && this.#eventCount > 0; left--) {
      const at = this.#eventAt;
      const word = events[at] as number;
      const kind = word & 0xff;
      // Moved on before the event is handled. If that fails, the next event is another.
      this.#eventAt = at + (word >>> 8);
      const count = this.#eventCount--;
      if (kind === REQUEST) {
        this.#request(at, count);
      } else if (kind === WS_MESSAGE) {
        this.#message(at, count);
      } else {
        this.#other(kind, at);
      }
    }
  }

  /** The heads among which is what begins there; its record is at this word. */
  #headsAt(start: number, at: number, left: number): Heads {
    let heads = this.#headCount > 0 ? this.#heads[this.#headCount - 1] : null;
    if (!heads || start >= heads.end) {
      heads = Heads.from(this.#events, this.#bytes, start, at, left);
      this.#heads[this.#headCount++] = heads;
    }
    return heads;
  }

  #message(at: number, left: number): void {
    const events = this.#events;
    const socket = this.sockets.get(events[at + 1] as number);
    if (socket === undefined) {
      return;
    }
    const length = events[at + 4] as number;
    let isPending: boolean;
    if (((events[at + 2] as number) & WS_IN_HEADS) === 0 || length === 0) {
      isPending = this.sockets.message(socket, at, events, this.#bytes);
    } else {
      const start = events[at + 3] as number;
      isPending = socket.receive(this.#headsAt(start, at, left).cut(start, length), true);
    }
    this.#hasPending ||= isPending;
  }

  #request(at: number, left: number): void {
    const events = this.#events;
    const heads = this.#headsAt(events[at + 2] as number, at, left);
    const peer = this.#lastPeer.read(events, this.#bytes, at);
    const exchange = new Exchange(this, heads, at, peer);
    if (exchange.incoming !== null) {
      if (exchange.incoming instanceof StreamedIncoming) {
        this.#open.add(exchange);
      } else {
        this.#bodies.push(exchange);
      }
    }
    const { take } = this.#options;
    if (take !== undefined) {
      exchange.runInAsyncScope(take, undefined, exchange, this);
      if (exchange.isOpen) {
        this.keep(exchange);
      }
      return;
    }
    const entry = this.#options.find(events[at + 15] as number);
    if (entry === undefined) {
      this.#answers.unrouted(exchange);
      return;
    }
    const request = new ReactorRequest(exchange, entry.paramNames);
    exchange.request = request;
    exchange.runInAsyncScope(this.#handle, this, exchange, request, entry);
  }

  /** Runs in the request's own async context, which all that the handler starts inherits. */
  #handle(exchange: Exchange, request: ReactorRequest, { handle, route }: HandlerEntry): void {
    const info = new ReactorInfo(request);
    if (this.#options.serverTiming) {
      exchange.handledAt = performance.now();
    }
    if (isObserved()) {
      this.#observe(exchange, request, info, handle, route);
    } else {
      this.#call(exchange, request, info, handle);
    }
  }

  /** A method of its own: where there is a closure, every call of the method costs memory. */
  #observe(
    exchange: Exchange,
    request: ReactorRequest,
    info: ReactorInfo,
    handle: AnyHandler,
    route: string | undefined,
  ): void {
    exchange.observed = new ObservedRequest(request, info, route);
    exchange.observed.run(() => this.#call(exchange, request, info, handle));
  }

  #call(exchange: Exchange, request: ReactorRequest, info: ReactorInfo, handle: AnyHandler): void {
    let answer: unknown;
    try {
      // `info` is passed twice: Workers and Hono expect their execution context as the third
      // argument.
      answer = handle(request, info, info);
    } catch (error) {
      this.#answers.fail(exchange, error);
      return;
    }
    this.#answers.answer(exchange, answer);
  }

  #other(kind: number, at: number): void {
    const events = this.#events;
    if (kind >= OPENED && kind <= REFUSED) {
      this.#options.onConnection?.(connectionEventAt(kind, at, events, this.#bytes), this);
      return;
    }
    if (kind === UNSENDABLE) {
      // The checks in TypeScript passed, but the engine checks every head again.
      const start = events[at + 2] as number;
      const why = this.#bytes.utf8Slice(start, start + (events[at + 3] as number));
      printUnsendable(new ReactorError('ERR_REACTOR_INVALID_RESPONSE', why));
      return;
    }
    const exchange = this.#open.get(events[at + 1] as number);
    // The exchange was answered while the event was on its way, or it became a WebSocket.
    if (exchange === undefined) {
      this.sockets.event(kind, at, events, this.#bytes);
      return;
    }
    if (kind === GONE || kind === TIMED_OUT) {
      this.#open.delete(exchange);
    }
    tellExchange(exchange, kind, at, events, this.#bytes);
  }
}
