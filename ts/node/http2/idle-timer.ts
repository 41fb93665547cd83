import type { EventEmitter } from 'node:events';
import { checkTime } from '../time.js';

/** Makes an emitter emit 'timeout' after a time without activity, as Node's streams do. */
export class IdleTimer {
  readonly #owner: EventEmitter;
  #timer: NodeJS.Timeout | null = null;

  constructor(owner: EventEmitter) {
    this.#owner = owner;
  }

  /**
   * @param milliseconds 0 for none
   * @param callback a listener for 'timeout', or the one to remove
   */
  set(milliseconds: number, callback?: () => void): void {
    checkTime(milliseconds);
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    if (milliseconds > 0) {
      this.#timer = setTimeout(() => this.#owner.emit('timeout'), milliseconds).unref();
    }
    if (callback === undefined) {
      return;
    }
    if (milliseconds > 0) {
      this.#owner.once('timeout', callback);
    } else {
      this.#owner.removeListener('timeout', callback);
    }
  }

  refresh(): void {
    this.#timer?.refresh();
  }
}
