/**
 * Carries messages of topics between processes, over a broker. `reactor-rs/redis` and
 * `reactor-rs/nats` make such objects; a program may write its own. The server calls the methods,
 * and keeps a backlog while the broker cannot be reached: an adapter need not.
 *
 * A channel is the option `prefix` followed by the topic.
 */
export interface PubSub {
  /** The broker's name, for messages. */
  readonly name: string;

  /** The options that the program gave to the adapter. */
  readonly options?: PubSubOptions | undefined;

  /**
   * Begins to connect. Called once for each server, before the other methods. If it throws, `serve`
   * rejects. A broker that cannot be reached is no reason to throw: tell `events.down`.
   */
  connect(events: PubSubEvents): void | Promise<void>;

  /**
   * Messages of this channel are wanted. After a reconnect the adapter subscribes again by itself.
   * If it returns a promise that rejects, that is reported as a warning.
   */
  subscribe(channel: string): unknown;

  /** Messages of this channel are not wanted any more. */
  unsubscribe(channel: string): unknown;

  /**
   * Sends a message. It is called only while the broker can be reached. If it returns a promise, the
   * bytes count as backlog until it settles; a rejection means that the message is lost. An adapter
   * sends no message twice.
   */
  publish(channel: string, data: Uint8Array): unknown;

  /** The server has stopped. The adapter sends what it has, for about a second at most. */
  close(): void | Promise<void>;
}

/** What a {@link PubSub} tells the server. */
export interface PubSubEvents {
  /** A message has come. */
  message(channel: string, data: Uint8Array): void;

  /** The broker takes messages, and all channels are subscribed, after a reconnect once more. */
  up(): void;

  /**
   * The broker cannot be reached. What others publish from now on is missed. May be called again: an
   * outage is reported once.
   */
  down(error?: unknown): void;

  /** Something else went wrong; the same message is reported once until the next `up`. */
  error(error: unknown): void;
}

/** The options of `redis()` and `nats()`. */
export interface PubSubOptions {
  /**
   * Begins the name of each channel. Programs that share a broker need different ones.
   * @default 'reactor:'
   */
  prefix?: string | undefined;

  /**
   * The most bytes of messages that wait for the broker, or for its answer. A message that does not
   * fit is dropped and counted; it still reaches this process' own subscribers.
   * @default 16777216
   */
  backlog?: number | undefined;

  /** Called when subscribers of this process may have missed messages of other processes. */
  onGap?: ((gap: PubSubGap) => void) | undefined;

  /** Called with what would be a warning of the process: once for each outage. */
  onError?: ((error: Error) => void) | undefined;
}

/** Messages may have been missed. */
export interface PubSubGap {
  /**
   * `outage`: this process had lost the broker. `dropped`: another process has dropped messages, or
   * lost its broker while it sent them.
   */
  readonly reason: 'outage' | 'dropped';

  /** The topics that have subscribers in this process and may lack messages. */
  readonly topics: readonly string[];

  /** How long the broker could not be reached, in milliseconds. 0 if another process tells. */
  readonly outage: number;

  /** Messages of this process that were dropped meanwhile, or that may not have arrived. */
  readonly lost: number;

  /** Sends a message to subscribers in this process only, such as "load again what you show". */
  deliver(topic: string, data: string | Uint8Array): void;
}

/** What `server.stats().pubsub` tells. Counters begin with the server. */
export interface PubSubStats {
  /** `connecting` until the broker is reached for the first time. */
  readonly status: 'connecting' | 'up' | 'down' | 'closed';
  /** Topics that are subscribed at the broker. */
  readonly topics: number;
  /** Messages that the broker's client took. */
  readonly published: number;
  /** Messages of other processes that were delivered here. */
  readonly received: number;
  /** Messages that did not fit into the backlog. */
  readonly dropped: number;
  /** Messages that the client refused, or that were under way when the broker was lost. */
  readonly failed: number;
  /** Gaps that were reported. */
  readonly gaps: number;
  /** Bytes that wait for the broker, or for its answer. */
  readonly backlog: number;
}
