import type { Connection, ConnectionEvents } from './connection.js';

type Listener = (data: Buffer, channel: Buffer) => void;

/** A client of `redis`, version 4 or later, as far as it is used. */
export interface NodeRedis {
  readonly isReady: boolean;
  readonly isOpen: boolean;
  duplicate(options: object): NodeRedis;
  connect(): Promise<unknown>;
  on(event: string, listener: (...values: never[]) => void): unknown;
  subscribe(channels: readonly string[], listener: Listener, asBuffers: true): Promise<unknown>;
  unsubscribe(channels: readonly string[], listener: Listener, asBuffers: true): Promise<unknown>;
  publish(channel: string, data: Buffer): Promise<unknown>;
  /** From version 5 on; before, `quit`. */
  close?(): Promise<unknown>;
  quit(): Promise<unknown>;
  /** From version 5 on; before, `disconnect`. */
  destroy?(): void;
  disconnect(): Promise<unknown>;
}

/** A connection of `redis`. */
export class NodeRedisConnection implements Connection {
  readonly keepsChannels = true;
  readonly #client: NodeRedis;
  #listener: Listener = () => {};

  /** @param publishes whether it is for messages to the broker, of which none waits in the client */
  constructor(model: NodeRedis, publishes: boolean) {
    this.#client = model.duplicate({ legacyMode: false, disableOfflineQueue: publishes });
  }

  open(events: ConnectionEvents): void {
    const client = this.#client;
    this.#listener = (data, channel) => events.message(channel.toString(), data);
    client.on('ready', () => events.ready());
    client.on('reconnecting', () => events.lost());
    client.on('end', () => events.lost(new Error('the client has been closed')));
    client.on('error', (error: Error) => {
      if (client.isReady) {
        events.error(error);
      } else {
        events.lost(error);
      }
    });
    // It rejects if the client gives up.
    client.connect().catch((error) => events.lost(error));
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    return this.#client.subscribe(channels, this.#listener, true);
  }

  unsubscribe(channels: readonly string[]): Promise<unknown> {
    return this.#client.unsubscribe(channels, this.#listener, true);
  }

  publish(channel: string, data: Uint8Array): Promise<unknown> {
    // The client takes no other array of bytes.
    const bytes = Buffer.isBuffer(data)
      ? data
      : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return this.#client.publish(channel, bytes);
  }

  close(): Promise<unknown> {
    const client = this.#client;
    return client.close === undefined ? client.quit() : client.close();
  }

  destroy(): void {
    const client = this.#client;
    if (client.destroy === undefined) {
      client.disconnect().catch(() => {});
    } else if (client.isOpen) {
      client.destroy();
    }
  }
}
