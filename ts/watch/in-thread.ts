// What a JavaScript thread runs beside the program with `reactor-rs serve --watch`. Nothing else
// imports it.

import { inspect } from '../errors/inspect.js';
import { isResponse } from '../fetch/foreign.js';
import { Response } from '../fetch/globals.js';
import type { AnyHandler, HandlerEntry } from '../lane/handlers.js';
import { hasRegistry } from '../options/metrics.js';
import { isPlainObject } from '../options/route-check.js';
import type { DevelopmentEntry, ThreadDevelopment } from '../threads/development.js';
import type { DevelopmentState } from '../threads/messages.js';
import type { MetricsOptions } from '../types/metrics.js';
import { SCRIPT } from './browser.js';
import { type Failure, failureOf, plainFailure } from './failure.js';
import { followGraph } from './graph.js';
import { LiveDocuments, withScript } from './live.js';
import {
  EVENTS_PATH,
  failureResponse,
  formFor,
  isNavigation,
  isWholePage,
  SCRIPT_PATH,
} from './page.js';
import type { Told } from './told.js';

/** Options that concern the main thread, which does not load the module. */
const OF_MAIN_THREAD = ['onListen', 'onThreadError', 'pubsub', 'resourceLimits', 'signal'];

const BROKEN = 'The module has an error';
const FAILED = 'The handler has failed';

export const develop: DevelopmentEntry['develop'] = (version, tell) => {
  const told = (what: Told, transfer: readonly unknown[] = []) => tell(what, transfer);
  followGraph(told);
  return new InThread(version, told);
};

class InThread implements ThreadDevelopment {
  readonly #tell: (told: Told) => void;
  readonly #documents: LiveDocuments;
  readonly #wrapped = new WeakMap<HandlerEntry, HandlerEntry>();
  #failure: Failure | null = null;
  /** There is no older module: the error answers everything. */
  #isAlone = false;

  constructor(version: number, tell: (told: Told) => void) {
    this.#tell = tell;
    this.#documents = new LiveDocuments(version);
  }

  adapt(exported: Record<string, unknown>): Record<string, unknown> {
    const options = { ...exported };
    const ignored = OF_MAIN_THREAD.filter((name) => options[name] !== undefined);
    for (const name of ignored) {
      delete options[name];
    }
    if (hasRegistry(options.metrics)) {
      const { listen } = options.metrics as MetricsOptions;
      options.metrics = listen;
      ignored.push('metrics.registry');
    }
    if (ignored.length > 0) {
      this.#tell({ kind: 'ignored', options: ignored });
    }
    const { fetch, routes, error } = options;
    if (isPlainObject(routes) || (routes === undefined && fetch !== undefined)) {
      options.routes = {
        [EVENTS_PATH]: { GET: () => this.#documents.open() },
        [SCRIPT_PATH]: {
          GET: () => new Response(SCRIPT, { headers: { 'content-type': 'text/javascript' } }),
        },
        ...(routes as object | undefined),
      };
    }
    if (error === undefined) {
      options.error = (thrown: unknown, request: Request) => this.#handlerFailed(thrown, request);
    }
    return options;
  }

  wrap(entry: HandlerEntry): HandlerEntry {
    const known = this.#wrapped.get(entry);
    if (known !== undefined) {
      return known;
    }
    const wrapped = { ...entry, handle: this.#handler(entry.handle) };
    this.#wrapped.set(entry, wrapped);
    return wrapped;
  }

  failed(error: unknown): void {
    const { message, cause } = error as Error;
    // The thrown error says that the module cannot be served, and why. If that is more than what its
    // cause says, it is advice.
    const [, why = message] = /^cannot serve "[^\n]*?": ([\s\S]*)$/.exec(message) ?? [];
    const isAdvice = cause instanceof Error ? !why.includes(cause.message) : cause === undefined;
    this.#tell({ kind: 'failure', failure: isAdvice ? plainFailure(why) : failureOf(cause, why) });
  }

  show(state: DevelopmentState): void {
    if (state.kind === 'superseded') {
      this.#documents.end();
      return;
    }
    this.#failure = state.kind === 'broken' ? (state.failure as Failure) : null;
    this.#isAlone = state.kind === 'broken' && state.isAlone;
    this.#documents.show(this.#failure);
  }

  #handler(handle: AnyHandler): AnyHandler {
    return (request, info, context) => {
      const asked = request as unknown as Request;
      const failure = this.#failure;
      const isOwn = isOwnPath(asked.url);
      if (failure !== null && !isOwn && (this.#isAlone || isNavigation(asked))) {
        return failureResponse(BROKEN, failure, formFor(asked), this.#documents.version);
      }
      const answer = handle(request, info, context);
      return isOwn || !isWholePage(asked) ? answer : this.#withScript(answer);
    };
  }

  async #withScript(answer: unknown): Promise<unknown> {
    const settled = await answer;
    return isResponse(settled)
      ? withScript(settled as unknown as Response, this.#documents.version)
      : settled;
  }

  /** In place of the module's `error`. */
  #handlerFailed(thrown: unknown, request: Request): Response {
    const { method, url } = request;
    const failure = failureOf(thrown);
    this.#tell({ kind: 'handler', failure, request: `${method} ${inspect(url)}` });
    if (!isNavigation(request)) {
      return new Response('Internal Server Error', { status: 500 });
    }
    return failureResponse(FAILED, failure, 'html', this.#documents.version);
  }
}

function isOwnPath(url: string): boolean {
  const { pathname } = new URL(url);
  return pathname === EVENTS_PATH || pathname === SCRIPT_PATH;
}
