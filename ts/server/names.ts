import { binding, type NativeContext, type NativeNames } from '../binding/binding.js';
import { fromNative, ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import { isThenable } from '../options/application.js';
import { resolveTls } from '../options/tls.js';
import type { Versions } from '../options/versions.js';
import type { SNICallback } from '../types/tls.js';

/** Answers the engine in each handshake what serves the name that the client wants. */
export class Names {
  /** `null`: the listener's own settings serve every name. */
  callback: SNICallback | null;
  readonly #native: NativeNames;
  readonly #versions: Versions;
  /** What was checked once, by the objects that the program returns. */
  readonly #contexts = new WeakMap<object, NativeContext>();
  #hasWarned = false;

  constructor(callback: SNICallback, versions: Versions) {
    this.callback = callback;
    this.#versions = versions;
    this.#native = new (binding().NativeNames)(() => this.#answerAll());
  }

  /** Its number, for the settings of a listener. */
  get id(): number {
    return this.#native.id;
  }

  close(): void {
    this.#native.close();
  }

  #answerAll(): void {
    for (const { id, name } of this.#native.take()) {
      if (name === undefined || this.callback === null) {
        this.#native.serveOwn(id);
      } else {
        this.#ask(this.callback, id, name);
      }
    }
  }

  /** The program answers by its callback's second argument, a promise or a value; the first counts. */
  #ask(callback: SNICallback, id: number, name: string): void {
    let isAnswered = false;
    const answer = (error: unknown, context: unknown) => {
      if (isAnswered) {
        return;
      }
      isAnswered = true;
      try {
        if (error != null) {
          throw error;
        }
        this.#serve(id, context);
      } catch (error) {
        this.#native.refuse(id);
        this.#warn(name, error);
      }
    };
    try {
      const given: unknown = callback(name, (error, context) => answer(error, context));
      if (isThenable(given)) {
        Promise.resolve(given).then(
          (context) => answer(null, context),
          (error) => answer(error ?? new Error('rejected'), undefined),
        );
      } else if (given !== undefined || callback.length === 1) {
        // A function that takes only the name answers by what it returns, `undefined` too.
        answer(null, given);
      }
    } catch (error) {
      answer(error ?? new Error('thrown'), undefined);
    }
  }

  #serve(id: number, context: unknown): void {
    if (context === undefined || context === null) {
      this.#native.serveOwn(id);
      return;
    }
    this.#native.serve(id, this.#contextOf(context));
  }

  /** @throws {ReactorError} if something is wrong with it */
  #contextOf(options: unknown): NativeContext {
    const known = this.#contexts.get(options as object);
    if (known !== undefined) {
      return known;
    }
    if (typeof options === 'object' && options !== null && 'context' in options) {
      throw new ReactorError(
        'ERR_REACTOR_UNSUPPORTED',
        'answer with options such as { cert, key }: a secure context of OpenSSL shows no key',
      );
    }
    // It is for the name that was asked for, whatever names its certificate has.
    const { native } = resolveTls('SNICallback', options, this.#versions);
    let context: NativeContext;
    try {
      context = new (binding().NativeContext)(native);
    } catch (error) {
      throw fromNative(error);
    }
    this.#contexts.set(options as object, context);
    return context;
  }

  /** Once: clients may ask for names that are not there as often as they like. */
  #warn(name: string, error: unknown): void {
    if (!this.#hasWarned) {
      this.#hasWarned = true;
      const why = error instanceof Error ? error.message : inspect(error);
      process.emitWarning(
        `reactor-rs: "SNICallback" has failed for ${inspect(name)}, and its client was refused: ${why}; further failures are not told`,
        { type: 'ReactorWarning', code: 'ERR_REACTOR_TLS' },
      );
    }
  }
}
