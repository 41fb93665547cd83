/** What a {@link Connection} tells. */
export interface ConnectionEvents {
  /** It takes commands, for the first time or again. */
  ready(): void;
  /** It does not; told with each attempt that fails. */
  lost(error?: unknown): void;
  /** Something else went wrong. */
  error(error: unknown): void;
  message(channel: string, data: Uint8Array): void;
}

/** One connection of a client's. It connects again by itself, as the client was told. */
export interface Connection {
  /** Whether the client subscribes by itself to the same channels after a reconnect. */
  readonly keepsChannels: boolean;
  open(events: ConnectionEvents): void;
  subscribe(channels: readonly string[]): Promise<unknown>;
  unsubscribe(channels: readonly string[]): Promise<unknown>;
  publish(channel: string, data: Uint8Array): Promise<unknown>;
  /** Closes once commands under way are answered. */
  close(): Promise<unknown>;
  /** Closes now. */
  destroy(): void;
}
