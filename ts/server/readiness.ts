/** How often a program is asked, and how long it may take, in milliseconds. */
const ASK_MS = 5000;

/** A program's own word on whether its server is ready: a flag that it sets, and a function. */
export class Readiness {
  readonly #tell: (isReady: boolean) => void;
  #flag: boolean;
  #answer: boolean;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /**
   * @param check is asked now and then; until its first answer the server is not ready
   * @param tell is told each time
   */
  constructor(flag: boolean, check: (() => unknown) | undefined, tell: (isReady: boolean) => void) {
    this.#flag = flag;
    this.#answer = check === undefined;
    this.#tell = tell;
    if (check !== undefined) {
      void this.#ask(check);
    }
  }

  set(flag: boolean): void {
    this.#flag = flag;
    this.#tell(this.#flag && this.#answer);
  }

  /** Asks no more. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  async #ask(check: () => unknown): Promise<void> {
    const answer = await answerOf(check);
    if (this.#isOver) {
      return;
    }
    if (answer !== this.#answer) {
      this.#answer = answer;
      this.set(this.#flag);
    }
    this.#timer = setTimeout(() => void this.#ask(check), ASK_MS).unref();
  }
}

/** `false`, an error and no answer in time all mean that the program is not ready. */
async function answerOf(check: () => unknown): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ASK_MS).unref();
  });
  try {
    return (await Promise.race([check(), late])) !== false;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
