import { EventEmitter } from 'node:events';
import { ReactorError } from '../errors/errors.js';
import { inspect } from '../errors/inspect.js';
import type { Sender } from '../lane/outgoing.js';
import {
  WS_ALL,
  WS_COMPRESSES,
  WS_LATEST,
  WS_SENDS_BINARY,
  WS_SENDS_TEXT,
} from '../lane/record.js';
import type { Uplink } from '../pubsub/uplink.js';

/** The most bytes of a topic. */
const MOST_TOPIC = 256;

/** How a message is published. */
export interface PublishFlags {
  /** The engine may compress it. */
  readonly compress?: boolean;
  /** It takes the place of what the topic has waiting for a subscriber that is slow. */
  readonly latest?: boolean;
}

/** A connection of this thread. */
export interface Subscriber {
  /** What is told of it. */
  readonly listener: object;
}

/** What {@link Topics} tells of the subscribers of this thread. */
interface TopicEvents {
  /** The topic has its first subscriber. */
  first: [topic: string];
  /** The topic has lost its last one. */
  last: [topic: string];
}

/**
 * The topics of one thread's WebSockets. The engine has all topics of the server; here is which
 * connections of this thread have subscribed.
 */
export class Topics extends EventEmitter<TopicEvents> {
  readonly #sender: Sender;
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  /** Where other processes are told of them; `null` if there are none. */
  #uplink: Uplink | null = null;

  private constructor(sender: Sender) {
    super();
    this.#sender = sender;
    this.setMaxListeners(0);
  }

  static readonly #all = new WeakMap<Sender, Topics>();

  /** Those of the thread with this bridge. */
  static of(sender: Sender): Topics {
    let topics = Topics.#all.get(sender);
    if (topics === undefined) {
      topics = new Topics(sender);
      Topics.#all.set(sender, topics);
    }
    return topics;
  }

  /** Other processes are told of the topics from now on. */
  connect(uplink: Uplink): void {
    this.#uplink = uplink;
    for (const topic of this.#subscribers.keys()) {
      uplink.subscribed(topic);
    }
  }

  /** The topics that have subscribers on this thread. */
  get names(): string[] {
    return [...this.#subscribers.keys()];
  }

  /** The connections of this thread that have subscribed. */
  subscribers(topic: string): Subscriber[] {
    return [...(this.#subscribers.get(topic) ?? [])];
  }

  /** How many connections of the whole server have subscribed. */
  subscriberCount(topic: string): number {
    // The engine does not know of subscriptions that are still in this thread's arrays.
    const here = this.#subscribers.get(topic)?.size ?? 0;
    return Math.max(here, this.#sender.sockets.subscriberCount(topic));
  }

  /**
   * Publishes a message to the subscribers other than a connection, in other processes too. Returns
   * its bytes, at least 1; 0 if there are no others. Those of other processes are not known here, and
   * count as some.
   *
   * @param id of the connection's exchange; `null` if all are to get it
   */
  publishFrom(
    id: number | null,
    topic: string,
    data: string | Uint8Array,
    isText: boolean,
    flags: PublishFlags,
    connection: Subscriber | null = null,
  ): number {
    if (this.#uplink !== null) {
      const { compress = true, latest = false } = flags;
      this.#uplink.publish(topic, data, { isText, compress, latest });
      const length = this.publish(id ?? WS_ALL, topic, data, isText, flags);
      return Math.max(length, 1);
    }
    const here = this.#subscribers.get(topic);
    const own = id !== null && connection !== null && here?.has(connection) ? 1 : 0;
    const isHere = (here?.size ?? 0) > own;
    const count = isHere ? 0 : this.#sender.sockets.subscriberCount(topic);
    if (!isHere && count === 0) {
      return 0;
    }
    // The engine may not have counted the own subscription yet. So what may be for another is sent.
    const length = this.publish(id ?? WS_ALL, topic, data, isText, flags);
    return isHere || count > own ? Math.max(length, 1) : 0;
  }

  /** Sends a message that was published elsewhere to the subscribers of the whole server. */
  deliver(
    topic: string,
    data: string | Uint8Array,
    isText: boolean,
    flags: PublishFlags = {},
  ): number {
    return this.publish(WS_ALL, topic, data, isText, flags);
  }

  /**
   * Publishes a message. Returns its bytes.
   * @param id of the exchange whose WebSocket does not get it, or `WS_ALL`
   */
  publish(
    id: number,
    topic: string,
    data: string | Uint8Array,
    isText: boolean,
    flags: PublishFlags,
  ): number {
    const length = this.#sender.replies.publish(id, wordOf(isText, flags), topic, data);
    this.#sender.schedule();
    return length;
  }

  /** The connection has subscribed. */
  add(topic: string, connection: Subscriber): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers !== undefined) {
      subscribers.add(connection);
      return;
    }
    this.#subscribers.set(topic, new Set([connection]));
    this.emit('first', topic);
    this.#uplink?.subscribed(topic);
  }

  /** The connection has no longer subscribed. */
  delete(topic: string, connection: Subscriber): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers?.delete(connection) && subscribers.size === 0) {
      this.#subscribers.delete(topic);
      this.emit('last', topic);
      this.#uplink?.unsubscribed(topic);
    }
  }
}

/** How a message is published, as a word of its record. */
export function wordOf(isText: boolean, { compress = true, latest = false }: PublishFlags): number {
  return (
    (isText ? WS_SENDS_TEXT : WS_SENDS_BINARY) |
    (compress ? WS_COMPRESSES : 0) |
    (latest ? WS_LATEST : 0)
  );
}

/**
 * Refuses what is no topic.
 * @throws {TypeError | ReactorError}
 */
export function checkTopic(topic: unknown): asserts topic is string {
  if (typeof topic !== 'string') {
    throw new TypeError(`a topic must be a string, got ${inspect(topic)}`);
  }
  const { length } = topic;
  if (length === 0 || (3 * length > MOST_TOPIC && Buffer.byteLength(topic) > MOST_TOPIC)) {
    const bytes = Buffer.byteLength(topic);
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      `a topic must have 1 to ${MOST_TOPIC} bytes of UTF-8, got one of ${bytes}`,
    );
  }
}
