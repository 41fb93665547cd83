import { within } from '../pubsub/within.js';
import type { PubSub, PubSubEvents, PubSubOptions } from '../types/pubsub.js';
import { subjectOf } from './subject.js';

interface Subscription {
  unsubscribe(): void;
}

interface Status {
  readonly type: string;
  /** In version 3. */
  readonly error?: unknown;
  /** In version 2. */
  readonly data?: unknown;
}

/** A connection of `@nats-io/nats-core`, or of `nats` version 2, as far as it is used. */
export interface Connection {
  publish(subject: string, data: Uint8Array): void;
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: { data: Uint8Array }) => void },
  ): Subscription;
  flush(): Promise<void>;
  closed(): Promise<unknown>;
  isClosed(): boolean;
  status(): AsyncIterable<Status>;
}

/** How long what waits may take when the server stops, in milliseconds. */
const CLOSE_MS = 1000;

/** Subjects that are remembered. */
const MOST_SUBJECTS = 1000;

/** Topics over NATS, on the program's own connection. */
export class NatsPubSub implements PubSub {
  readonly name = 'nats';
  readonly options: PubSubOptions;
  readonly #connection: Connection;
  readonly #subscriptions = new Map<string, Subscription>();
  /** The subjects of channels that have been published to lately. */
  readonly #subjects = new Map<string, string>();
  #events: PubSubEvents | null = null;
  /** Settles when the broker has what was published in this turn. */
  #flushed: Promise<unknown> | null = null;
  #endStatus: () => void = () => {};
  /** Counts losses of the broker. */
  #round = 0;

  constructor(connection: Connection, options: PubSubOptions) {
    this.#connection = connection;
    this.options = options;
  }

  connect(events: PubSubEvents): void {
    this.#events = events;
    void this.#watch(events);
    this.#connection.closed().then((error) => {
      if (this.#events === events) {
        this.#round++;
        events.down(
          error ??
            new Error('the connection is closed for good; "maxReconnectAttempts: -1" keeps trying'),
        );
      }
    });
    void this.#upWhenFlushed(events);
  }

  subscribe(channel: string): void {
    const subscription = this.#connection.subscribe(subjectOf(channel), {
      callback: (error, message) => {
        if (error !== null && error !== undefined) {
          this.#events?.error(error);
        } else {
          this.#events?.message(channel, message.data);
        }
      },
    });
    this.#subscriptions.set(channel, subscription);
  }

  unsubscribe(channel: string): void {
    this.#subscriptions.get(channel)?.unsubscribe();
    this.#subscriptions.delete(channel);
  }

  publish(channel: string, data: Uint8Array): Promise<unknown> {
    this.#connection.publish(this.#subjectOf(channel), data);
    this.#flushed ??= this.#flush();
    return this.#flushed;
  }

  async close(): Promise<void> {
    const isOpen = !this.#connection.isClosed();
    this.#events = null;
    this.#endStatus();
    for (const subscription of this.#subscriptions.values()) {
      subscription.unsubscribe();
    }
    this.#subscriptions.clear();
    if (isOpen) {
      await within(CLOSE_MS, this.#connection.flush());
    }
  }

  /** One flush for all messages of a turn. */
  async #flush(): Promise<void> {
    await null;
    this.#flushed = null;
    await this.#connection.flush();
  }

  #subjectOf(channel: string): string {
    let subject = this.#subjects.get(channel);
    if (subject === undefined) {
      if (this.#subjects.size >= MOST_SUBJECTS) {
        this.#subjects.clear();
      }
      subject = subjectOf(channel);
      this.#subjects.set(channel, subject);
    }
    return subject;
  }

  /** The client has sent its subscriptions; what the broker answers next comes after them. */
  async #upWhenFlushed(events: PubSubEvents): Promise<void> {
    const round = this.#round;
    try {
      await this.#connection.flush();
    } catch (error) {
      if (this.#events === events) {
        events.down(error);
      }
      return;
    }
    if (this.#events === events && round === this.#round) {
      events.up();
    }
  }

  async #watch(events: PubSubEvents): Promise<void> {
    const statuses = this.#connection.status()[Symbol.asyncIterator]();
    this.#endStatus = () => void statuses.return?.();
    for (;;) {
      const { done, value } = await statuses.next();
      if (done === true || this.#events !== events) {
        return;
      }
      this.#tell(events, value);
    }
  }

  #tell(events: PubSubEvents, { type, error, data }: Status): void {
    if (type === 'disconnect') {
      this.#round++;
      events.down();
    } else if (type === 'reconnect') {
      void this.#upWhenFlushed(events);
    } else if (type === 'error') {
      events.error(error ?? data ?? 'an error without a text');
    }
  }
}
