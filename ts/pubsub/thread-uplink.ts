import type { Relay } from './relay.js';
import type { Published, Uplink } from './uplink.js';

/** A message that a thread has published. */
export interface ThreadMessage {
  readonly topic: string;
  readonly data: string | Uint8Array;
  readonly how: Published;
}

/** What a thread tells the one that has the broker: all of one turn. */
export interface FromUplink {
  readonly type: 'topics';
  readonly subscribed: readonly string[];
  readonly unsubscribed: readonly string[];
  readonly messages: readonly ThreadMessage[];
  /** Topics whose messages did not fit, and how many. */
  readonly dropped: ReadonlyMap<string, number>;
  /** What the messages cost in memory. */
  readonly bytes: number;
}

/** The thread with the broker has taken messages that cost so much. */
export interface ToUplink {
  readonly type: 'relayed';
  readonly bytes: number;
}

/** What a message costs beside its data. */
const ENTRY_BYTES = 128;

/** Topics whose drops are counted one by one. */
const MOST_DROPPED = 1024;

/**
 * The topics of a thread, where the broker is another thread's. Messages on their way there are
 * bounded in bytes.
 */
export class ThreadUplink implements Uplink {
  readonly #send: (message: FromUplink, owned: ArrayBuffer[]) => void;
  readonly #most: number;
  /** Messages that the other thread has not taken, in bytes. */
  #underWay = 0;
  #bytes = 0;
  #messages: ThreadMessage[] = [];
  #owned: ArrayBuffer[] = [];
  /** Whether a topic has subscribers now, for those that have changed. */
  readonly #changed = new Map<string, boolean>();
  #dropped = new Map<string, number>();
  /** What the other thread knows. */
  readonly #told = new Set<string>();
  #isScheduled = false;

  /**
   * @param send posts a message, with memory that goes along
   * @param most bytes under way
   */
  constructor(send: (message: FromUplink, owned: ArrayBuffer[]) => void, most: number) {
    this.#send = send;
    this.#most = most;
  }

  subscribed(topic: string): void {
    this.#changed.set(topic, true);
    this.#schedule();
  }

  unsubscribed(topic: string): void {
    this.#changed.set(topic, false);
    this.#schedule();
  }

  publish(topic: string, data: string | Uint8Array, how: Published): void {
    const isText = typeof data === 'string';
    const cost = ENTRY_BYTES + (isText ? 2 * data.length : data.length);
    this.#schedule();
    if (this.#underWay + this.#bytes + cost > this.#most) {
      if (this.#dropped.size < MOST_DROPPED || this.#dropped.has(topic)) {
        this.#dropped.set(topic, (this.#dropped.get(topic) ?? 0) + 1);
      }
      return;
    }
    this.#bytes += cost;
    if (isText) {
      this.#messages.push({ topic, data, how });
      return;
    }
    // The program may write into its array before this turn is over.
    const copy = new Uint8Array(data);
    this.#owned.push(copy.buffer);
    this.#messages.push({ topic, data: copy, how });
  }

  /** The other thread has taken messages. */
  relayed({ bytes }: ToUplink): void {
    this.#underWay -= bytes;
  }

  #schedule(): void {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      queueMicrotask(() => this.#flush());
    }
  }

  #flush(): void {
    this.#isScheduled = false;
    const subscribed: string[] = [];
    const unsubscribed: string[] = [];
    for (const [topic, isSubscribed] of this.#changed) {
      if (isSubscribed && !this.#told.has(topic)) {
        this.#told.add(topic);
        subscribed.push(topic);
      } else if (!isSubscribed && this.#told.delete(topic)) {
        unsubscribed.push(topic);
      }
    }
    this.#changed.clear();
    const message: FromUplink = {
      type: 'topics',
      subscribed,
      unsubscribed,
      messages: this.#messages,
      dropped: this.#dropped,
      bytes: this.#bytes,
    };
    const owned = this.#owned;
    this.#underWay += this.#bytes;
    this.#bytes = 0;
    this.#messages = [];
    this.#owned = [];
    this.#dropped = new Map();
    this.#send(message, owned);
  }
}

/** The topics of one other thread, on the thread that has the broker. */
export class ThreadTopics {
  readonly #relay: Relay;
  readonly #reply: (message: ToUplink) => void;
  readonly #topics = new Set<string>();
  #isGone = false;

  /** @param reply posts a message to the other thread */
  constructor(relay: Relay, reply: (message: ToUplink) => void) {
    this.#relay = relay;
    this.#reply = reply;
  }

  /** The other thread has told something. */
  receive({ subscribed, unsubscribed, messages, dropped, bytes }: FromUplink): void {
    if (this.#isGone) {
      return;
    }
    for (const topic of subscribed) {
      this.#topics.add(topic);
      this.#relay.subscribed(topic);
    }
    for (const { topic, data, how } of messages) {
      this.#relay.publish(topic, data, how);
    }
    for (const topic of unsubscribed) {
      this.#topics.delete(topic);
      this.#relay.unsubscribed(topic);
    }
    for (const [topic, count] of dropped) {
      this.#relay.dropped(topic, count);
    }
    if (bytes > 0) {
      this.#reply({ type: 'relayed', bytes });
    }
  }

  /** The other thread has ended. */
  gone(): void {
    this.#isGone = true;
    for (const topic of this.#topics) {
      this.#relay.unsubscribed(topic);
    }
    this.#topics.clear();
  }
}
