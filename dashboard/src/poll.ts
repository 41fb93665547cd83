import { type Answer, answerOf } from './snapshot.js';

/** A server that has not answered within this time is asked again. */
const PATIENCE_MS = 4000;

/** Asks for a snapshot in the middle of each second. */
export class Poll {
  /** What follows `snapshot` in the URL. */
  query = '';
  readonly #onAnswer: (answer: Answer) => void;
  readonly #onFailure: (why: string) => void;
  #turn = 0;

  constructor(onAnswer: (answer: Answer) => void, onFailure: (why: string) => void) {
    this.#onAnswer = onAnswer;
    this.#onFailure = onFailure;
  }

  /** Asks now, and from now on. What was asked before is not heard any more. */
  start(): void {
    void this.#run(++this.#turn);
  }

  async #run(turn: number): Promise<void> {
    while (turn === this.#turn) {
      const { query } = this;
      try {
        const response = await fetch(`snapshot${query}`, {
          cache: 'no-store',
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        if (!response.ok) {
          throw new Error(`answered ${response.status}`);
        }
        const answer = answerOf(await response.json());
        if (turn === this.#turn) {
          this.#onAnswer(answer);
        }
      } catch (error) {
        if (turn === this.#turn) {
          this.#onFailure(reasonOf(error));
        }
      }
      const now = Date.now();
      const next = Math.floor(now / 1000) * 1000 + 500;
      await new Promise((resolve) =>
        setTimeout(resolve, next > now + 250 ? next - now : next + 1000 - now),
      );
    }
  }
}

function reasonOf(error: unknown): string {
  const { name, message } = error as Error;
  if (name === 'TimeoutError') {
    return `no answer within ${PATIENCE_MS / 1000} s`;
  }
  // The browsers' words for a refused connection say less.
  return name === 'TypeError' ? 'the listener of this page cannot be reached' : message;
}
