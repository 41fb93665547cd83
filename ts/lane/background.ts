const RESOLVED = Promise.resolve();

/** Promises that handlers want waited for before the server has stopped. */
export class Background {
  #count = 0;
  readonly #onSettled: (() => void)[] = [];

  /** @param onError gets what the promise is rejected with */
  add(promise: unknown, onError: (error: unknown) => void): void {
    this.#count++;
    Promise.resolve(promise)
      .catch(onError)
      .finally(() => this.#remove());
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Resolves when none is left. */
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
