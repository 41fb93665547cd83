const RESOLVED = Promise.resolve();

/** Promises that a stop of the server waits for, because handlers asked for it with `waitUntil`. */
export class Background {
  #count = 0;
  readonly #onSettled: (() => void)[] = [];

  /** @param onError gets the reason if the promise rejects */
  add(promise: unknown, onError: (error: unknown) => void): void {
    this.#count++;
    Promise.resolve(promise)
      .catch(onError)
      .finally(() => this.#remove());
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Resolves when all of them have settled. */
  settled(): Promise<void> {
    if (this.isEmpty) {
      return RESOLVED;
    }
    return new Promise((resolve) => {
      this.#onSettled.push(resolve);
    });
  }

  #remove(): void {
    this.#count--;
    if (this.isEmpty) {
      for (const resolve of this.#onSettled.splice(0)) {
        resolve();
      }
    }
  }
}
