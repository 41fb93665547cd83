/** How a message is published, beside its topic and data. */
export interface Published {
  readonly isText: boolean;
  /** The engine may compress it. */
  readonly compress: boolean;
  /** It takes the place of what a slow subscriber has waiting of the topic. */
  readonly latest: boolean;
}

/** What the topics of a thread tell, so that other processes learn of it. */
export interface Uplink {
  /** The topic has its first subscriber on this thread. */
  subscribed(topic: string): void;
  /** The topic has lost its last one. */
  unsubscribed(topic: string): void;
  /** A message was published on this thread. It is copied if it is kept. */
  publish(topic: string, data: string | Uint8Array, how: Published): void;
}
