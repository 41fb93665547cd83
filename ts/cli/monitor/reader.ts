import { printable } from '../output.js';

/** The socket is no control socket, or one of an unknown version. */
export class AnswerError extends Error {}

/** The longest text that is kept, in UTF-16 units. A unix socket's path has at most 107 bytes. */
const MAX_TEXT = 256;

/**
 * Reads values out of untrusted JSON. Throws an {@link AnswerError} for a value of the wrong type.
 */
export class Reader {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #maxEntries: number;

  constructor(value: unknown, maxEntries: number) {
    if (typeof value !== 'object' || value === null) {
      throw new AnswerError('its answer is not that of a control socket');
    }
    this.#value = value as Record<string, unknown>;
    this.#maxEntries = maxEntries;
  }

  number(name: string): number {
    const value = this.#own(name);
    return typeof value === 'number' && Number.isFinite(value) ? value : unfit(name);
  }

  numberOrNull(name: string): number | null {
    return this.#own(name) === null ? null : this.number(name);
  }

  /** Text that is safe to show on a terminal. */
  text(name: string): string {
    const value = this.#own(name);
    return typeof value === 'string' ? printable(value.slice(0, MAX_TEXT)) : unfit(name);
  }

  oneOf<Word extends string>(name: string, words: readonly Word[]): Word {
    const value = this.#own(name);
    return words.find((word) => word === value) ?? unfit(name);
  }

  object(name: string): Reader {
    const value = this.#own(name);
    return typeof value === 'object' && value !== null
      ? new Reader(value, this.#maxEntries)
      : unfit(name);
  }

  /** Also `null` if an older server does not send it. */
  objectOrNull<T>(name: string, read: (value: Reader) => T): T | null {
    return (this.#own(name) ?? null) === null ? null : read(this.object(name));
  }

  list<T>(name: string, read: (entry: Reader) => T): T[] {
    const value = this.#own(name);
    if (!Array.isArray(value) || value.length > this.#maxEntries) {
      return unfit(name);
    }
    return value.map((entry) => read(new Reader(entry, this.#maxEntries)));
  }

  /** Empty if an older server does not send it. */
  listOrNone<T>(name: string, read: (entry: Reader) => T): T[] {
    return this.#own(name) === undefined ? [] : this.list(name, read);
  }

  #own(name: string): unknown {
    return Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
  }
}

function unfit(name: string): never {
  throw new AnswerError(`its answer is not that of a control socket: "${name}" is not as expected`);
}
