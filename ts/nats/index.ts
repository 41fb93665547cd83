// `reactor-rs/nats`: topics over NATS.

import { ReactorError } from '../errors/errors.js';
import { resolvePubSubOptions } from '../pubsub/settings.js';
import type { PubSub, PubSubOptions } from '../types/pubsub.js';
import { type Connection, NatsPubSub } from './adapter.js';

export type {
  PubSub,
  PubSubEvents,
  PubSubGap,
  PubSubOptions,
  PubSubStats,
} from '../types/pubsub.js';

/** A connection of `@nats-io/transport-node`, or of `nats` version 2. */
export interface NatsConnection {
  publish(...values: never[]): void;
  subscribe(...values: never[]): unknown;
  flush(): Promise<void>;
  status(): AsyncIterable<unknown>;
}

/**
 * Topics between processes over NATS, for the option `pubsub` of `serve`. The connection is the
 * program's own, and stays open when the server stops. Connect with `maxReconnectAttempts: -1`, or
 * the client gives up after ten attempts.
 *
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`
 * @example
 * import { connect } from '@nats-io/transport-node';
 * import { nats } from 'reactor-rs/nats';
 * const connection = await connect({ servers: 'broker:4222', maxReconnectAttempts: -1 });
 * await serve({ pubsub: nats(connection), websocket, fetch });
 */
export function nats(connection: NatsConnection, options: PubSubOptions = {}): PubSub {
  resolvePubSubOptions(options);
  const given = connection as unknown as Record<string, unknown> | null | undefined;
  const names = ['publish', 'subscribe', 'flush', 'status', 'closed', 'isClosed'];
  if (
    typeof given !== 'object' ||
    given === null ||
    names.some((name) => typeof given[name] !== 'function')
  ) {
    throw new ReactorError(
      'ERR_REACTOR_INVALID_OPTION',
      'the argument of nats() must be a connection of "@nats-io/transport-node", or of "nats" version 2: await connect(…)',
    );
  }
  return new NatsPubSub(connection as unknown as Connection, options);
}
