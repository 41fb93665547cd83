import { Blob } from 'node:buffer';
import { ReadableStream } from 'node:stream/web';
import { ReactorError } from '../errors/errors.js';
import { type Content, sent } from '../fetch/body.js';
import { asDecoded } from '../fetch/fetched.js';
import { partOf } from '../fetch/file.js';
import { asParts, isResponse } from '../fetch/foreign.js';
import type { ReactorRequest } from '../fetch/request.js';
import {
  impliedType,
  isReactorResponse,
  responseFields,
  responseTrailers,
  takeContent,
} from '../fetch/response.js';
import { Source } from '../fetch/source.js';
import { type Scope, scopeOf } from '../fetch/streams.js';
import { leaveTrailers, type Trailers } from '../fetch/trailers.js';
import type { Exchange } from './exchange.js';
import { heededFields } from './heeded-fields.js';
import { OneChunk } from './one-chunk.js';
import { Outgoing, type Sender } from './outgoing.js';
import { print } from './print.js';
import { TEXT } from './record.js';
import type { Replies } from './replies.js';
import { isUpgraded, refusalOf } from './sockets.js';

/** The program's `error` option: it makes the answer for a handler that failed. */
export type ErrorHandler = (error: unknown, request: ReactorRequest) => unknown;

/** The bridge, as the answers use it. */
export interface AnswerSender extends Sender {
  /** Notes that the exchange is answered after the dispatch of its request. */
  keep(exchange: Exchange): void;
}

/** The same as in the engine's own 503. */
const RETRY_AFTER: readonly string[] = ['retry-after', '1'];

const promiseThen = Promise.prototype.then;

/** Turns what handlers return or throw into replies. */
export class Answers {
  readonly #sender: AnswerSender;
  readonly #replies: Replies;
  readonly #onError: ErrorHandler | undefined;
  /** Idle waiters, kept for reuse. */
  readonly #waiters: Waiter[] = [];

  constructor(sender: AnswerSender, onError: ErrorHandler | undefined) {
    this.#sender = sender;
    this.#replies = sender.replies;
    this.#onError = onError;
  }

  /** Answers with what a handler returned. */
  answer(exchange: Exchange, answer: unknown): void {
    const promise = promiseOf(answer);
    if (promise === null) {
      this.#respond(exchange, answer);
      return;
    }
    this.#sender.keep(exchange);
    const waiter = this.#waiters.pop() ?? new Waiter(this);
    waiter.exchange = exchange;
    // The built-in `then`, not the value's own: a waiter is reused, so it must be called only once.
    promiseThen.call(promise, waiter.resolve, waiter.reject);
  }

  get handlesErrors(): boolean {
    return this.#onError !== undefined;
  }

  /** The routes were replaced too often since. A retry will be routed anew. */
  unrouted(exchange: Exchange): void {
    const { id, isHead } = exchange;
    this.#replies.response(id, 503, TEXT, RETRY_AFTER, 'Service Unavailable', isHead);
    this.#sender.finish(exchange);
  }

  report(exchange: Exchange, error: unknown): void {
    // The client left: an error that its signal caused in the handler is expected, so it is not
    // reported.
    if (exchange.isGone && isAbort(error, exchange)) {
      return;
    }
    const onError = this.#onError;
    if (onError === undefined) {
      print(error, exchange);
      return;
    }
    try {
      // The error handler may log. Its answer is ignored, because the response is already over.
      const promise = promiseOf(onError(error, exchange.request as ReactorRequest));
      if (promise !== null) {
        promiseThen.call(promise, undefined, (second) => print(second, exchange));
      }
    } catch (second) {
      print(second, exchange);
    }
  }

  fail(exchange: Exchange, error: unknown): void {
    if (isAnswer(error) && exchange.isOpen) {
      this.#respond(exchange, error);
      return;
    }
    if (!exchange.isOpen) {
      this.report(exchange, error);
      return;
    }
    const isExpected = exchange.isGone && isAbort(error, exchange);
    if (!isExpected) {
      exchange.observed?.failed(error);
    }
    const onError = this.#onError;
    if (isExpected || exchange.hasFailed || onError === undefined) {
      exchange.observed?.answered(500);
      this.#replies.response(
        exchange.id,
        500,
        TEXT,
        null,
        'Internal Server Error',
        exchange.isHead,
      );
      this.#sender.finish(exchange);
      this.#sender.schedule();
      if (!isExpected) {
        print(error, exchange);
      }
      return;
    }
    exchange.hasFailed = true;
    let answer: unknown;
    try {
      answer = onError(error, exchange.request as ReactorRequest);
    } catch (second) {
      this.fail(exchange, second);
      return;
    }
    this.answer(exchange, answer);
  }

  /** Answers with the value that a handler's promise resolved to. */
  settle(waiter: Waiter, exchange: Exchange, answer: unknown): void {
    this.#waiters.push(waiter);
    this.#respond(exchange, answer);
    this.#sender.schedule();
  }

  /** Answers for a handler's promise that rejected. */
  settleFailed(waiter: Waiter, exchange: Exchange, error: unknown): void {
    this.#waiters.push(waiter);
    this.fail(exchange, error);
    this.#sender.schedule();
  }

  #respond(exchange: Exchange, answer: unknown): void {
    try {
      if (typeof answer === 'object' && answer !== null && isReactorResponse(answer)) {
        const content = takeContent(answer);
        const { status } = answer;
        const fields = responseFields(answer, content);
        const trailers = responseTrailers(answer);
        if (trailers !== null) {
          leaveTrailers(trailers);
        }
        exchange.observed?.answered(status, answer);
        this.#send(exchange, status, fields, content, impliedType(answer), trailers);
      } else if (answer !== undefined || !this.#answerUpgrade(exchange)) {
        const { status, fields, content } = asParts(answer);
        exchange.observed?.answered(status, answer);
        this.#send(exchange, status, fields, content, 0, null);
      }
    } catch (error) {
      this.fail(exchange, error);
    }
  }

  /**
   * For a handler that answers with nothing: whether the request has become a WebSocket, or is answered
   * here because it was to become one and is no handshake.
   */
  #answerUpgrade(exchange: Exchange): boolean {
    const refusal = refusalOf(exchange);
    if (refusal !== undefined) {
      const { status, fields, text } = refusal;
      exchange.observed?.answered(status);
      this.#send(exchange, status, fields, `${text}\n`, TEXT, null);
    }
    return refusal !== undefined || isUpgraded(exchange);
  }

  #send(
    exchange: Exchange,
    status: number,
    given: string[] | null,
    content: Content,
    flags: number,
    trailers: Trailers | null,
  ): void {
    if (!exchange.isOpen) {
      discard(content, exchange.reason);
      return;
    }
    const fields = exchange.handledAt === 0 ? given : withTiming(given, exchange.handledAt);
    if (status === 0) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_RESPONSE',
        'a handler must not answer with Response.error()',
      );
    }
    if (content instanceof Source || content instanceof ReadableStream || content instanceof Blob) {
      const isBlob = content instanceof Blob;
      const file = isBlob && trailers === null ? partOf(content) : null;
      if (file !== null) {
        const heeded = heededFields(exchange, file);
        this.#replies.file(exchange.id, status, flags, fields ?? [], file, heeded);
        this.#sender.finish(exchange);
        return;
      }
      const stream = isBlob ? (content.stream() as ReadableStream<Uint8Array>) : content;
      const length = isBlob ? content.size : -1;
      const sent = asDecoded(fields ?? [], stream);
      const outgoing = this.#outgoing(exchange, status, sent, flags, stream, length, trailers);
      this.#sender.keep(exchange);
      this.#sender.start(outgoing);
      const run = scopeIn(stream);
      const { events } = this.#sender;
      if (trailers === null && events.add(outgoing, sent)) {
        run(() => void outgoing.run().finally(() => events.delete(outgoing)));
      } else {
        run(() => void outgoing.run());
      }
      const { onGone } = exchange;
      exchange.onGone = onGone && (() => run(onGone));
      return;
    }
    if (trailers !== null) {
      const chunk = new OneChunk(content);
      const outgoing = this.#outgoing(exchange, status, fields ?? [], flags, chunk, -1, trailers);
      this.#sender.keep(exchange);
      this.#sender.start(outgoing);
      void outgoing.run();
      return;
    }
    this.#replies.response(exchange.id, status, flags, fields, content, exchange.isHead);
    sent(content);
    this.#sender.finish(exchange);
  }

  #outgoing(
    exchange: Exchange,
    status: number,
    fields: string[],
    flags: number,
    source: ReadableStream<Uint8Array> | Source | OneChunk,
    length: number,
    trailers: Trailers | null,
  ): Outgoing {
    try {
      const sender = this.#sender;
      return new Outgoing(sender, exchange, status, fields, flags, source, length, trailers);
    } catch (error) {
      // The head cannot be sent. The stream is cancelled, so that its producer stops.
      if (!(source instanceof OneChunk)) {
        discard(source, error);
      }
      throw error;
    }
  }
}

/** Adds how long the handler took, in milliseconds (Server Timing). */
function withTiming(fields: readonly string[] | null, since: number): string[] {
  const took = (performance.now() - since).toFixed(3);
  return [...(fields ?? []), 'server-timing', `handler;dur=${took}`];
}

/**
 * Waits for one handler's promise at a time. Waiters are reused, so waiting allocates no closures.
 */
class Waiter {
  exchange: Exchange | null = null;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;

  constructor(answers: Answers) {
    this.resolve = (answer) => answers.settle(this, this.#release(), answer);
    this.reject = (error) => answers.settleFailed(this, this.#release(), error);
  }

  /** Gives up its exchange, and returns it. */
  #release(): Exchange {
    const { exchange } = this;
    this.exchange = null;
    return exchange as Exchange;
  }
}

/** Cancels the content, which is not going to be read. */
function discard(content: Content, reason: unknown): void {
  if (content instanceof ReadableStream || content instanceof Source) {
    scopeIn(content)(() => void content.cancel(reason).catch(() => {}));
  }
}

/** The scope in which the program gave this content. */
function scopeIn(content: ReadableStream | Source): Scope {
  return content instanceof Source ? content.scope : scopeOf(content);
}

/**
 * Wraps any thenable in a promise of Node's; `null` for a value that is none. Never throws: if the
 * value throws when it is looked at, the promise rejects.
 */
function promiseOf(value: unknown): Promise<unknown> | null {
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  try {
    const { then } = value as Partial<PromiseLike<unknown>>;
    return typeof then === 'function' ? Promise.resolve(value) : null;
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Whether the thrown value is a response of any class, as loaders of Remix and SvelteKit throw
 * them.
 */
function isAnswer(thrown: unknown): boolean {
  try {
    return isResponse(thrown) && !(thrown instanceof Error);
  } catch {
    // A proxy of the program's own threw.
    return false;
  }
}

/** Whether the error is the signal's own, or one made from it. */
function isAbort(error: unknown, exchange: Exchange): boolean {
  if (error === exchange.reason) {
    return true;
  }
  try {
    return (error as Partial<Error> | null)?.name === 'AbortError';
  } catch {
    // The program's own getter threw.
    return false;
  }
}
