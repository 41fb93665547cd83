import { within } from '../pubsub/within.js';
import type { PubSub, PubSubEvents, PubSubOptions } from '../types/pubsub.js';
import type { Connection, ConnectionEvents } from './connection.js';

/** Channels of one command. */
const MOST_CHANNELS = 500;

/** How long what waits may take when the server stops, in milliseconds. */
const CLOSE_MS = 1000;

/**
 * Topics over Redis or Valkey, with two connections: in RESP2 one that has subscribed takes no other
 * command.
 */
export class RedisPubSub implements PubSub {
  readonly name = 'redis';
  readonly options: PubSubOptions;
  readonly #connect: (publishes: boolean) => Connection;
  #publisher: Connection | null = null;
  #subscriber: Subscriber | null = null;
  #isPublisherReady = false;

  /** @param connect makes a connection */
  constructor(connect: (publishes: boolean) => Connection, options: PubSubOptions) {
    this.#connect = connect;
    this.options = options;
  }

  connect(events: PubSubEvents): void {
    const subscriber = new Subscriber(this.#connect(false));
    const publisher = this.#connect(true);
    this.#subscriber = subscriber;
    this.#publisher = publisher;
    const ready = () => {
      if (this.#isPublisherReady && subscriber.isReady) {
        events.up();
      }
    };
    const common = {
      lost: (error?: unknown) => events.down(error),
      error: (error: unknown) => events.error(error),
      message: (channel: string, data: Uint8Array) => events.message(channel, data),
    };
    subscriber.open({ ...common, ready });
    publisher.open({
      ...common,
      ready: () => {
        this.#isPublisherReady = true;
        ready();
      },
      lost: (error) => {
        this.#isPublisherReady = false;
        events.down(error);
      },
    });
  }

  subscribe(channel: string): void {
    this.#subscriber?.want(channel);
  }

  unsubscribe(channel: string): void {
    this.#subscriber?.drop(channel);
  }

  publish(channel: string, data: Uint8Array): Promise<unknown> {
    return (this.#publisher as Connection).publish(channel, data);
  }

  async close(): Promise<void> {
    const [publisher, subscriber] = [this.#publisher, this.#subscriber];
    this.#publisher = null;
    this.#subscriber = null;
    subscriber?.destroy();
    if (publisher !== null && this.#isPublisherReady) {
      await within(CLOSE_MS, publisher.close());
    }
    publisher?.destroy();
  }
}

/** Keeps a connection subscribed to the channels that are wanted. */
class Subscriber {
  readonly #connection: Connection;
  readonly #wanted = new Set<string>();
  /** Those that the client has subscribed to, or is about to. */
  readonly #held = new Set<string>();
  readonly #changed = new Set<string>();
  #isOpen = false;
  #isScheduled = false;
  /** Whether all wanted channels are subscribed, as far as the broker lets it. */
  isReady = false;
  /** Counts connections. */
  #round = 0;
  #onError: (error: unknown) => void = () => {};

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  open(events: ConnectionEvents): void {
    this.#onError = (error) => events.error(error);
    this.#connection.open({
      ...events,
      ready: () => void this.#restore(events),
      lost: (error) => {
        this.#round++;
        this.#isOpen = false;
        this.isReady = false;
        events.lost(error);
      },
    });
  }

  want(channel: string): void {
    this.#wanted.add(channel);
    this.#change(channel);
  }

  drop(channel: string): void {
    this.#wanted.delete(channel);
    this.#change(channel);
  }

  destroy(): void {
    this.#connection.destroy();
  }

  async #restore(events: ConnectionEvents): Promise<void> {
    const round = ++this.#round;
    this.#isOpen = true;
    if (!this.#connection.keepsChannels) {
      this.#held.clear();
    }
    for (const channel of [...this.#wanted, ...this.#held]) {
      this.#changed.add(channel);
    }
    await this.#apply();
    if (round === this.#round) {
      this.isReady = true;
      events.ready();
    }
  }

  #change(channel: string): void {
    this.#changed.add(channel);
    if (this.#isOpen && !this.#isScheduled) {
      this.#isScheduled = true;
      // Those of one turn go into one command.
      queueMicrotask(() => {
        this.#isScheduled = false;
        if (this.#isOpen) {
          void this.#apply();
        }
      });
    }
  }

  /** Tells the broker what has changed. Commands of one connection are done in order. */
  async #apply(): Promise<void> {
    const added: string[] = [];
    const removed: string[] = [];
    for (const channel of this.#changed) {
      const isWanted = this.#wanted.has(channel);
      if (isWanted !== this.#held.has(channel)) {
        (isWanted ? added : removed).push(channel);
      }
    }
    this.#changed.clear();
    const calls: Promise<unknown>[] = [];
    for (const part of parts(removed)) {
      for (const channel of part) {
        this.#held.delete(channel);
      }
      calls.push(this.#connection.unsubscribe(part).catch((error) => this.#refused(error)));
    }
    for (const part of parts(added)) {
      for (const channel of part) {
        this.#held.add(channel);
      }
      calls.push(this.#add(part));
    }
    await Promise.all(calls);
  }

  /** Subscribes. A channel that is refused is tried again after the next reconnect. */
  async #add(channels: readonly string[]): Promise<void> {
    const round = this.#round;
    try {
      await this.#connection.subscribe(channels);
    } catch (error) {
      // Of a connection that is gone, all commands are refused.
      const isSame = round === this.#round && this.#isOpen;
      if (isSame && channels.length > 1) {
        // One channel without permission fails them all.
        await Promise.all(channels.map((channel) => this.#add([channel])));
        return;
      }
      for (const channel of channels) {
        this.#held.delete(channel);
      }
      if (isSame) {
        this.#onError(error);
      }
    }
  }

  #refused(error: unknown): void {
    if (this.#isOpen) {
      this.#onError(error);
    }
  }
}

function parts(channels: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (let at = 0; at < channels.length; at += MOST_CHANNELS) {
    parts.push(channels.slice(at, at + MOST_CHANNELS));
  }
  return parts;
}
