import { Blob } from 'node:buffer';
import { ReadableStream } from 'node:stream/web';
import { ReactorError } from '../errors/errors.js';
import type { Content } from '../fetch/body.js';
import { asDecoded } from '../fetch/fetched.js';
import { asParts, isResponse } from '../fetch/foreign.js';
import type { ReactorRequest } from '../fetch/request.js';
import { impliedType, isReactorResponse, responseFields, takeContent } from '../fetch/response.js';
import { scopeOf } from '../fetch/streams.js';
import type { Exchange } from './exchange.js';
import { Outgoing, type Sender } from './outgoing.js';
import { print } from './print.js';
import { TEXT } from './record.js';
import type { Replies } from './replies.js';

/** What the program gave to answer a failure with. */
export type ErrorHandler = (error: unknown, request: ReactorRequest) => unknown;

/** What answers need of the bridge. */
export interface AnswerSender extends Sender {
  /** The exchange is answered later than in the dispatch of its request. */
  keep(exchange: Exchange): void;
}

const promiseThen = Promise.prototype.then;

/** Makes replies of what handlers return and throw. */
export class Answers {
  readonly #sender: AnswerSender;
  readonly #replies: Replies;
  readonly #onError: ErrorHandler | undefined;
  /** Waiters that wait for nothing, to be used again. */
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
    // Not its own `then`: a waiter is used again, so it must be told once.
    promiseThen.call(promise, waiter.resolve, waiter.reject);
  }

  report(exchange: Exchange, error: unknown): void {
    // What the abort of its signal did to the handler is no news.
    if (exchange.isGone && isAbort(error, exchange)) {
      return;
    }
    const onError = this.#onError;
    if (onError === undefined) {
      print(error, exchange);
      return;
    }
    try {
      // For the program's log. What it answers comes too late.
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
    const onError = this.#onError;
    if (isExpected || exchange.hasFailed || onError === undefined) {
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

  /** Answers with what a handler's promise came to. */
  settle(waiter: Waiter, exchange: Exchange, answer: unknown): void {
    this.#waiters.push(waiter);
    this.#respond(exchange, answer);
    this.#sender.schedule();
  }

  /** Answers for a handler's promise that was rejected. */
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
        this.#send(exchange, status, responseFields(answer, content), content, impliedType(answer));
      } else {
        const { status, fields, content } = asParts(answer);
        this.#send(exchange, status, fields, content, 0);
      }
    } catch (error) {
      this.fail(exchange, error);
    }
  }

  #send(
    exchange: Exchange,
    status: number,
    fields: string[] | null,
    content: Content,
    flags: number,
  ): void {
    if (!exchange.isOpen) {
      discard(content, exchange.reason);
      return;
    }
    if (status === 0) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_RESPONSE',
        'a handler must not answer with Response.error()',
      );
    }
    if (content instanceof ReadableStream || content instanceof Blob) {
      const isBlob = content instanceof Blob;
      const stream = isBlob ? (content.stream() as ReadableStream<Uint8Array>) : content;
      const length = isBlob ? content.size : -1;
      const sent = asDecoded(fields ?? [], stream);
      const outgoing = this.#outgoing(exchange, status, sent, stream, length);
      this.#sender.keep(exchange);
      this.#sender.start(outgoing);
      const run = scopeOf(stream);
      run(() => void outgoing.run());
      const { onGone } = exchange;
      exchange.onGone = onGone && (() => run(onGone));
      return;
    }
    this.#replies.response(exchange.id, status, flags, fields, content, exchange.isHead);
    this.#sender.finish(exchange);
  }

  #outgoing(
    exchange: Exchange,
    status: number,
    fields: string[],
    stream: ReadableStream<Uint8Array>,
    length: number,
  ): Outgoing {
    try {
      return new Outgoing(this.#sender, exchange, status, fields, stream, length);
    } catch (error) {
      // Its head cannot be sent; whoever feeds it must not go on for nobody.
      discard(stream, error);
      throw error;
    }
  }
}

/**
 * Waits for a handler's promise. It is used again for the next, so that waiting
 * makes no closures.
 */
class Waiter {
  exchange: Exchange | null = null;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;

  constructor(answers: Answers) {
    this.resolve = (answer) => answers.settle(this, this.#release(), answer);
    this.reject = (error) => answers.settleFailed(this, this.#release(), error);
  }

  /** Its exchange, which it lets go of. */
  #release(): Exchange {
    const { exchange } = this;
    this.exchange = null;
    return exchange as Exchange;
  }
}

/** Nobody will read the content. */
function discard(content: Content, reason: unknown): void {
  if (content instanceof ReadableStream) {
    scopeOf(content)(() => void content.cancel(reason).catch(() => {}));
  }
}

/**
 * A promise of Node's own for one of any kind; `null` for what is none. It never
 * throws: where the program's value does, when it is looked at, the promise is
 * rejected.
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

/** Whether what was thrown is a response of any class, as loaders of Remix and SvelteKit throw them. */
function isAnswer(thrown: unknown): boolean {
  try {
    return isResponse(thrown) && !(thrown instanceof Error);
  } catch {
    // A proxy of the program's own.
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
