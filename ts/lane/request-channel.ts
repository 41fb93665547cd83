import { type Channel, tracingChannel } from 'node:diagnostics_channel';
import type { ReactorInfo } from '../fetch/info.js';
import type { ReactorRequest } from '../fetch/request.js';

/** What subscribers get: one object for all events of a request. They may add members. */
export interface RequestContext {
  readonly request: ReactorRequest;
  readonly info: ReactorInfo;
  /** The pattern of the route; `undefined` for the `fetch` handler. */
  readonly route: string | undefined;
  /** What the handler answered with, once that is known. */
  response: unknown;
  /** Of the answer; `undefined` until there is one, and if the client left before. */
  status: number | undefined;
  /** What the handler threw, or its promise rejected with. */
  error: unknown;
}

const NAME = 'reactor-rs:request';

// Held here: Node forgets a channel without subscribers that nobody refers to.
const channels = tracingChannel<unknown, RequestContext>(NAME);
const {
  start,
  end,
  asyncStart,
  asyncEnd,
  error: failed,
} = channels as unknown as Record<
  'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error',
  Channel<unknown, RequestContext>
>;

/** Whether anybody listens. */
export function isObserved(): boolean {
  return (
    start.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    failed.hasSubscribers
  );
}

/**
 * The events of one request, as `TracingChannel.tracePromise` has them: each comes once, also for a
 * handler that answers at once.
 */
export class ObservedRequest {
  readonly #context: RequestContext;
  #isRunning = false;
  #isOver = false;

  constructor(request: ReactorRequest, info: ReactorInfo, route: string | undefined) {
    this.#context = {
      request,
      info,
      route,
      response: undefined,
      status: undefined,
      error: undefined,
    };
  }

  /** Calls the handler, in the stores that are bound to `start`. */
  run(handle: () => void): void {
    start.runStores(this.#context, () => {
      this.#isRunning = true;
      try {
        handle();
      } finally {
        this.#isRunning = false;
        end.publish(this.#context);
        if (this.#isOver) {
          this.#tellOver();
        }
      }
    });
  }

  failed(error: unknown): void {
    if (!this.#isOver) {
      this.#context.error = error;
      failed.publish(this.#context);
    }
  }

  /** There is an answer, whose body may still be on its way. */
  answered(status: number, response?: unknown): void {
    if (!this.#isOver) {
      this.#context.status = status;
      this.#context.response = response;
    }
  }

  /** The engine has all of the answer, or the request is over without it. */
  over(): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    if (!this.#isRunning) {
      this.#tellOver();
    }
  }

  #tellOver(): void {
    asyncStart.publish(this.#context);
    asyncEnd.publish(this.#context);
  }
}
