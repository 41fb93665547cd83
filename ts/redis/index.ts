// `reactor-rs/redis`: topics over Redis or Valkey.

import { ReactorError } from '../errors/errors.js';
import { resolvePubSubOptions } from '../pubsub/settings.js';
import type { PubSub, PubSubOptions } from '../types/pubsub.js';
import { RedisPubSub } from './adapter.js';
import { type IoRedis, IoRedisConnection } from './ioredis.js';
import { type NodeRedis, NodeRedisConnection } from './node-redis.js';

export type {
  PubSub,
  PubSubEvents,
  PubSubGap,
  PubSubOptions,
  PubSubStats,
} from '../types/pubsub.js';

/** A client of `ioredis`, or of `redis` from version 4 on. */
export interface RedisClient {
  duplicate(...options: never[]): unknown;
}

/**
 * Topics between processes over Redis or Valkey, for the option `pubsub` of `serve`. The client is a
 * model: two connections with its options are made, and closed with the server. It need not be
 * connected, and stays the program's own.
 *
 * @param client of `ioredis`, or of `redis` from version 4 on; no cluster
 * @throws {ReactorError} `ERR_REACTOR_INVALID_OPTION`
 * @example
 * import { createClient } from 'redis';
 * import { redis } from 'reactor-rs/redis';
 * await serve({ pubsub: redis(createClient({ url: 'redis://broker:6379' })), websocket, fetch });
 */
export function redis(client: RedisClient, options: PubSubOptions = {}): PubSub {
  resolvePubSubOptions(options);
  const given = client as unknown as Record<string, unknown> | null | undefined;
  if (typeof given !== 'object' || given === null || typeof given.duplicate !== 'function') {
    throw refusal('a client of "ioredis", or of "redis" from version 4 on');
  }
  if (given.isCluster === true || ('masters' in given && 'slots' in given)) {
    throw refusal(
      'a client of one node: a cluster passes messages on to all its nodes, but keeps no order over several connections',
    );
  }
  if (typeof given.pSubscribe === 'function' && typeof given.isReady === 'boolean') {
    const model = client as unknown as NodeRedis;
    return new RedisPubSub((publishes) => new NodeRedisConnection(model, publishes), options);
  }
  if (typeof given.psubscribe === 'function' && typeof given.status === 'string') {
    const model = client as unknown as IoRedis;
    return new RedisPubSub(() => new IoRedisConnection(model), options);
  }
  throw refusal('a client of "ioredis", or of "redis" from version 4 on');
}

function refusal(wanted: string): ReactorError {
  return new ReactorError(
    'ERR_REACTOR_INVALID_OPTION',
    `the argument of redis() must be ${wanted}`,
  );
}
