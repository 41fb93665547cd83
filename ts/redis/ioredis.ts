import type { Connection, ConnectionEvents } from './connection.js';

/** A client of `ioredis`, as far as it is used. */
export interface IoRedis {
  readonly status: string;
  duplicate(options: object): IoRedis;
  connect(): Promise<unknown>;
  on(event: string, listener: (...values: never[]) => void): unknown;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  publish(channel: string, data: Uint8Array): Promise<unknown>;
  quit(): Promise<unknown>;
  disconnect(): void;
}

/**
 * Options of the connections. A command that was under way when the broker was lost is not sent
 * again, since the broker may have done it. No command waits in the client: the relay bounds what
 * waits.
 */
const OPTIONS = {
  lazyConnect: true,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  maxRetriesPerRequest: null,
  keyPrefix: '',
  monitor: false,
};

/** A connection of `ioredis`. */
export class IoRedisConnection implements Connection {
  readonly keepsChannels = false;
  readonly #client: IoRedis;

  constructor(model: IoRedis) {
    this.#client = model.duplicate(OPTIONS);
  }

  open(events: ConnectionEvents): void {
    const client = this.#client;
    client.on('ready', () => events.ready());
    client.on('close', () => events.lost());
    client.on('end', () =>
      events.lost(new Error('the client has given up: its "retryStrategy" says so')),
    );
    client.on('error', (error: Error) => {
      if (client.status === 'ready') {
        events.error(error);
      } else {
        events.lost(error);
      }
    });
    client.on('messageBuffer', (channel: Buffer, data: Buffer) =>
      events.message(channel.toString(), data),
    );
    // `error` and `close` tell why it fails.
    client.connect().catch(() => {});
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    return this.#client.subscribe(...channels);
  }

  unsubscribe(channels: readonly string[]): Promise<unknown> {
    return this.#client.unsubscribe(...channels);
  }

  publish(channel: string, data: Uint8Array): Promise<unknown> {
    return this.#client.publish(channel, data);
  }

  close(): Promise<unknown> {
    return this.#client.quit();
  }

  destroy(): void {
    this.#client.disconnect();
  }
}
