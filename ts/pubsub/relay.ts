import { ReactorError } from '../errors/errors.js';
import type { PubSub, PubSubEvents, PubSubGap, PubSubStats } from '../types/pubsub.js';
import { Backlog, type Waiting } from './backlog.js';
import { newId, open, seal, sealLoss } from './envelope.js';
import { type PubSubSettings, resolvePubSubOptions } from './settings.js';
import type { Published, Uplink } from './uplink.js';

/** Sends a message to the subscribers of this process. */
export type Deliver = (topic: string, data: string | Uint8Array, how: Published) => void;

/** Topics whose loss is told to other processes after an outage. */
const MOST_LOST_TOPICS = 1024;

/**
 * How long a topic without subscribers stays subscribed at the broker, in milliseconds; up to twice as
 * long. A client that comes back, or sockets that move to the threads of a new module, then miss
 * nothing.
 */
const LINGER_MS = 1000;

/** Different errors that are reported in one outage. */
const MOST_REPORTS = 16;

/** Those in use, each by one server. */
const inUse = new WeakSet<PubSub>();

/**
 * The topics of one server at a broker: what is published here goes there, and what others publish
 * comes from there. Each message is sent at most once.
 */
export class Relay implements Uplink, PubSubEvents {
  readonly #pubsub: PubSub;
  readonly #deliver: Deliver;
  readonly #settings: PubSubSettings;
  readonly #id = newId();
  readonly #backlog: Backlog;
  /** How many threads have subscribers, by topic. */
  readonly #topics = new Map<string, number>();
  /** Topics that have lost their last subscriber, and those that had lost it a while before. */
  #leaving = new Set<string>();
  #left = new Set<string>();
  #sweep: NodeJS.Timeout | null = null;
  readonly #lingerMs: number;
  /** Messages that the client has not confirmed. */
  readonly #underWay = new Set<Waiting>();
  #status: PubSubStats['status'] = 'connecting';
  /** When the broker was lost. */
  #downSince = 0;
  readonly #reports = new Set<string>();
  /** Topics of messages that were dropped or lost in this outage. */
  readonly #lostTopics = new Set<string>();
  #lost = 0;
  /** Losses are told once the client's other events have come. */
  #telling: NodeJS.Immediate | null = null;
  #published = 0;
  #received = 0;
  #dropped = 0;
  #failed = 0;
  #gaps = 0;

  /** @throws {ReactorError} if another server uses it. */
  constructor(pubsub: PubSub, deliver: Deliver, lingerMs = LINGER_MS) {
    this.#lingerMs = lingerMs;
    if (inUse.has(pubsub)) {
      throw new ReactorError(
        'ERR_REACTOR_INVALID_OPTION',
        'option "pubsub" is in use by another server: make one for each',
      );
    }
    this.#pubsub = pubsub;
    this.#deliver = deliver;
    this.#settings = resolvePubSubOptions(pubsub.options);
    this.#backlog = new Backlog(this.#settings.backlog);
    inUse.add(pubsub);
  }

  /** Begins to connect. */
  async start(): Promise<void> {
    try {
      await this.#pubsub.connect(this);
    } catch (error) {
      inUse.delete(this.#pubsub);
      throw error;
    }
  }

  /** The server has stopped: what waits is sent if the broker can be reached. */
  async close(): Promise<void> {
    if (this.#status === 'closed') {
      return;
    }
    this.#status = 'closed';
    clearTimeout(this.#sweep ?? undefined);
    inUse.delete(this.#pubsub);
    try {
      await this.#pubsub.close();
    } catch (error) {
      this.#report('cannot be closed', error);
    }
  }

  /** The most bytes that wait. */
  get limit(): number {
    return this.#settings.backlog;
  }

  stats(): PubSubStats {
    return {
      status: this.#status,
      topics: this.#topics.size,
      published: this.#published,
      received: this.#received,
      dropped: this.#dropped,
      failed: this.#failed,
      gaps: this.#gaps,
      backlog: this.#backlog.bytes,
    };
  }

  // What the topics of threads tell.

  subscribed(topic: string): void {
    const count = this.#topics.get(topic) ?? 0;
    this.#topics.set(topic, count + 1);
    if (count === 0 && !this.#leaving.delete(topic) && !this.#left.delete(topic)) {
      this.#try(() => this.#pubsub.subscribe(this.#settings.prefix + topic), 'cannot subscribe');
    }
  }

  unsubscribed(topic: string): void {
    const count = this.#topics.get(topic);
    if (count === undefined) {
      return;
    }
    if (count > 1) {
      this.#topics.set(topic, count - 1);
      return;
    }
    this.#topics.delete(topic);
    this.#leaving.add(topic);
    this.#sweep ??= setTimeout(() => this.#unsubscribe(), this.#lingerMs).unref();
  }

  /** Leaves the topics that nobody has come back to. */
  #unsubscribe(): void {
    const { prefix } = this.#settings;
    for (const topic of this.#left) {
      this.#try(() => this.#pubsub.unsubscribe(prefix + topic), 'cannot unsubscribe');
    }
    this.#left = this.#leaving;
    this.#leaving = new Set();
    this.#sweep =
      this.#left.size === 0 ? null : setTimeout(() => this.#unsubscribe(), this.#lingerMs).unref();
  }

  publish(topic: string, data: string | Uint8Array, how: Published): void {
    if (this.#status === 'closed') {
      return;
    }
    const message = { topic, sealed: seal(this.#id, data, how) };
    if (!this.#backlog.take(message.sealed)) {
      this.#drop(topic, 1);
    } else if (this.#status === 'up') {
      this.#send(message);
    } else {
      this.#backlog.wait(message);
    }
  }

  /** So many messages were dropped before they came here. */
  dropped(topic: string, count: number): void {
    this.#drop(topic, count);
  }

  // What the broker's client tells.

  message(channel: string, sealed: Uint8Array): void {
    const topic = channel.slice(this.#settings.prefix.length);
    // Sockets that move to another thread are nobody's for a moment here, but the engine has them.
    if (!this.#topics.has(topic) && !this.#leaving.has(topic) && !this.#left.has(topic)) {
      return;
    }
    const opened = open(this.#id, sealed);
    if (opened.kind === 'message') {
      this.#received++;
      this.#deliver(topic, opened.data, opened.how);
    } else if (opened.kind === 'loss') {
      this.#gap('dropped', [topic], 0, 0);
    } else if (opened.kind === 'foreign') {
      this.#report(`has ${opened.why} on channel "${channel}", which is left out`);
    }
  }

  up(): void {
    if (this.#status === 'closed' || this.#status === 'up') {
      return;
    }
    const wasDown = this.#status === 'down';
    const outage = wasDown ? performance.now() - this.#downSince : 0;
    this.#status = 'up';
    this.#reports.clear();
    const lost = this.#lost;
    for (const message of this.#backlog.drain()) {
      this.#send(message);
    }
    this.#tellLosses();
    if (wasDown) {
      this.#gap('outage', [...this.#topics.keys()], outage, lost);
    }
  }

  down(error?: unknown): void {
    if (this.#status === 'closed') {
      return;
    }
    if (this.#status !== 'down') {
      this.#status = 'down';
      this.#downSince = performance.now();
    }
    // They may have arrived or not. To send them again could be once too often.
    for (const message of this.#underWay) {
      this.#fail(message);
    }
    this.#underWay.clear();
    this.#reportOnce(
      'down',
      'cannot be reached; messages for other processes wait, those from them are missed',
      error,
    );
  }

  error(error: unknown): void {
    this.#report('reports', error);
  }

  #send(message: Waiting): void {
    this.#underWay.add(message);
    let sent: unknown;
    try {
      sent = this.#pubsub.publish(this.#settings.prefix + message.topic, message.sealed);
    } catch (error) {
      this.#refused(message, error);
      return;
    }
    if (isPromise(sent)) {
      sent.then(
        () => this.#taken(message),
        (error) => this.#refused(message, error),
      );
    } else {
      this.#taken(message);
    }
  }

  #taken(message: Waiting): void {
    if (this.#underWay.delete(message)) {
      this.#published++;
      this.#backlog.release(message.sealed);
      if (this.#lostTopics.size > 0 && this.#hasRoom) {
        this.#tellLosses();
      }
    }
  }

  /** Whether a broker that was slow has caught up. */
  get #hasRoom(): boolean {
    return 2 * this.#backlog.bytes <= this.#settings.backlog;
  }

  #refused(message: Waiting, error: unknown): void {
    if (!this.#underWay.delete(message)) {
      return;
    }
    this.#fail(message);
    this.#tellSoon(() => this.#report('did not take a message', error));
  }

  /** Tells of losses while the broker is there. */
  #tellSoon(report: () => void): void {
    if (this.#telling !== null || this.#status !== 'up') {
      return;
    }
    this.#telling = setImmediate(() => {
      this.#telling = null;
      // The client may have noticed meanwhile that the broker is gone, which is reported instead.
      if (this.#status === 'up') {
        report();
        this.#tellLosses();
      }
    });
  }

  #fail({ topic, sealed }: Waiting): void {
    this.#failed++;
    this.#backlog.release(sealed);
    this.#lose(topic, 1);
  }

  #drop(topic: string, count: number): void {
    this.#dropped += count;
    this.#lose(topic, count);
    const { backlog } = this.#settings;
    this.#reportOnce(
      'full',
      `has a backlog of ${backlog} bytes, which is full: messages for other processes are dropped`,
    );
    // A broker that is slow is told once it has caught up.
    if (this.#hasRoom) {
      this.#tellSoon(() => {});
    }
  }

  #lose(topic: string, count: number): void {
    this.#lost += count;
    if (this.#lostTopics.size < MOST_LOST_TOPICS) {
      this.#lostTopics.add(topic);
    }
  }

  /** Tells the other processes in which topics they lack messages. */
  #tellLosses(): void {
    if (this.#status !== 'up') {
      return;
    }
    const topics = [...this.#lostTopics];
    this.#lostTopics.clear();
    this.#lost = 0;
    const sealed = sealLoss(this.#id);
    for (const topic of topics) {
      this.#try(
        () => this.#pubsub.publish(this.#settings.prefix + topic, sealed),
        'did not take a message',
      );
    }
  }

  #gap(reason: PubSubGap['reason'], topics: readonly string[], outage: number, lost: number): void {
    this.#gaps++;
    const { onGap } = this.#settings;
    if (onGap === undefined) {
      return;
    }
    const deliver = (topic: string, data: string | Uint8Array): void => {
      const how = { isText: typeof data === 'string', compress: true, latest: false };
      this.#deliver(topic, data, how);
    };
    try {
      onGap({ reason, topics, outage, lost, deliver });
    } catch (error) {
      this.#report('has an "onGap" that threw', error);
    }
  }

  /** Calls the adapter; what it refuses is reported. */
  #try(call: () => unknown, what: string): void {
    try {
      const called = call();
      if (isPromise(called)) {
        called.then(undefined, (error) => this.#report(what, error));
      }
    } catch (error) {
      this.#report(what, error);
    }
  }

  #report(what: string, error?: unknown): void {
    const text = error === undefined ? what : `${what}: ${textOf(error)}`;
    this.#reportOnce(text, what, error);
  }

  #reportOnce(key: string, what: string, error?: unknown): void {
    if (this.#reports.has(key) || this.#reports.size >= MOST_REPORTS) {
      return;
    }
    this.#reports.add(key);
    const why = error === undefined ? '' : `: ${textOf(error)}`;
    const message = `pubsub ${this.#pubsub.name} ${what}${why}`;
    const { onError } = this.#settings;
    if (onError !== undefined) {
      const cause = error === undefined ? {} : { cause: error };
      onError(new ReactorError('ERR_REACTOR_PUBSUB', message, cause));
      return;
    }
    process.emitWarning(`reactor-rs: ${message}`, {
      type: 'ReactorWarning',
      code: 'ERR_REACTOR_PUBSUB',
    });
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  // Of several addresses, none took a connection: the error's own text is empty.
  const { errors } = error as { errors?: unknown };
  const first = Array.isArray(errors) ? errors[0] : undefined;
  return error.message || (first instanceof Error ? first.message : error.name);
}
